"""The builder's questions: which motor runs, how strongly, what is asked, and what an answer means.

Questions are a generator that yields a `Question` and is sent its `Answer`. A `Procedure` plays
them in the place of a session. Time is an argument. Nothing here knows a terminal, a file or a pin.
"""

from collections import deque
from collections.abc import Generator
from typing import Final, NamedTuple, Protocol, TypeVar

from firmware_ctl.config.mat import Mat
from firmware_ctl.limits import SIGNAL_LEVEL_PCT, TICK_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Close,
    Contacts,
    Fault,
    Input,
    Notice,
    SessionStatus,
    State,
    Step,
    Suspended,
)
from firmware_ctl.timeline.motor_drive import (
    Levels,
    MotorDrive,
    drive_table_of,
    duty_table,
    highest_duty_pct,
)

MOTOR_MS: Final = 60_000
"""So long a motor runs at most while a course is played, all its turns together."""

REPEAT_MS: Final = 700
"""A key that comes again within this time is held down, or bounced: it is no second answer."""

LEAVE_KEYS: Final = ("q", "\x03", "\x04", "")


class Key(NamedTuple):
    """A key was pressed; empty: the terminal is gone."""

    text: str


class Answer(NamedTuple):
    """`text`: the key, or one of the words below. `duty_pct`: what the motor had at that moment."""

    text: str
    duty_pct: int = 0
    contact: Contact | None = None
    """What the start button's contacts read."""


OTHER: Final = "other"
"""A key that is no answer here; the motor is off."""
LATE: Final = "late"
"""The motor has had its 60 s; it is off."""
OVER: Final = "over"
"""The ramp, or the rest, is over without an answer; the motor is off."""
RAIL: Final = "rail"
"""The motors' supply is seen to be off."""
SEEN: Final = "seen"
"""The start button's contacts read what was asked for."""


class Drive(Protocol):
    """What a motor gets while a question stands; None: it is over."""

    def at(self, after_ms: int) -> tuple[int | None, int]:
        """The duty so long after the question, and when it is to be asked again."""


class Ramp(NamedTuple):
    """From one duty to another by small steps; no kick, so that it shows what the duty does."""

    from_pct: int
    to_pct: int
    by_pct: int
    every_ms: int

    def at(self, after_ms: int) -> tuple[int | None, int]:
        step = after_ms // self.every_ms
        up = self.to_pct >= self.from_pct
        duty = self.from_pct + (step if up else -step) * self.by_pct
        is_over = duty > self.to_pct if up else duty <= self.to_pct
        return None if is_over else duty, (step + 1) * self.every_ms


class Gentle:
    """The level of a signal, shaped as in a session: soft start, a gentle kick, then a full one.

    A motor without a kick gets the least level that starts it. No zone gets more than its cap.
    """

    def __init__(self, mat: Mat, motor: int) -> None:
        which = mat.motors[motor]
        table = duty_table(which, mat)
        starts = next((n for n, duty in enumerate(table) if duty >= which.start_pct), 100)
        cap_pct = next(zone.cap_pct for zone in mat.zones if zone.name == which.zone)
        level = SIGNAL_LEVEL_PCT if which.kick_ms else max(SIGNAL_LEVEL_PCT, starts)
        self._level_pct = min(level, cap_pct)
        self._rise_pct_s = mat.limits.rise_pct_s
        self._motor = motor
        self._count = len(mat.motors)
        self._drive = MotorDrive(drive_table_of(mat))

    def at(self, after_ms: int) -> tuple[int | None, int]:
        level = min(self._level_pct, 1 + after_ms * self._rise_pct_s // 1000)
        duties = self._drive.duties(_alone(self._motor, level, self._count), after_ms)
        return duties.duty_pct[self._motor], after_ms - after_ms % TICK_MS + TICK_MS


def _alone(motor: int, value: int, count: int) -> Levels:
    return tuple(value if i == motor else 0 for i in range(count))


class Question(NamedTuple):
    """A question: what is told first, what stands beside the keys, and which of them answer."""

    lines: tuple[str, ...]
    prompt: str
    keys: str
    motor: int | None = None
    """The motor that runs while it stands; it is off before anything else happens."""
    drive: Drive | None = None
    contact: Contact | None = None
    """Answered by the start button too, when its contacts read this."""
    is_for_rail: bool = False
    """Answered by the rail's sentry too."""
    for_ms: int | None = None
    """Over after that time; no drive."""


Found = TypeVar("Found")
Questions = Generator[Question, Answer, Found]


class Procedure:
    """Plays a course in the place of a session: the loop asks it for every motor's duty.

    `result`: what the course came to; None: it was left, or a fault ended it.
    """

    def __init__(self, mat: Mat, questions: Questions[object]) -> None:
        self.result: object = None
        self.closed = False
        self.fault: Fault | None = None
        self.status = SessionStatus(State.IDLE)
        self.ask: Question | None = None
        self.duty_pct = 0
        """What the asked motor gets now."""
        self._questions = questions
        self._count = len(mat.motors)
        self._most = [highest_duty_pct(motor, mat) for motor in mat.motors]
        self._ran_ms = [0] * self._count
        self._asked_at_ms = 0
        self._contact: Contact | None = None
        self._key = Key("")
        self._key_at_ms = -REPEAT_MS
        self._lines: list[str] = []
        self._keys: deque[Key] = deque()

    def press(self, key: Key) -> None:
        """A key that the next step takes."""
        self._keys.append(key)

    @property
    def is_moving(self) -> bool:
        return self.ask is not None and self.ask.drive is not None and not self.closed

    def handle(self, event: Input | Key, now_ms: int) -> Step:
        """Takes one input at `now_ms`, which never goes back."""
        self._lines = []
        self.fault = None
        if self.ask is None and not self.closed:
            self._next(None, now_ms)
        while self._keys and not self.closed:
            self._take(self._keys.popleft(), now_ms)
        until_ms = None
        if not self.closed:
            self._take(event, now_ms)
        if not self.closed:
            until_ms = self._play(now_ms)
        duties = (0,) * self._count
        if self.is_moving and self.ask is not None and self.ask.motor is not None:
            duties = _alone(self.ask.motor, self.duty_pct, self._count)
        notices = tuple(Notice("told", {"text": line}) for line in self._lines)
        state = State.FAULT if self.fault is not None else State.IDLE
        self.status = SessionStatus(
            state, fault=self.fault, is_moving=self.is_moving, is_closed=self.closed
        )
        return Step(duties, duties, (), until_ms, self.status, notices)

    def _take(self, event: Input | Key, now_ms: int) -> None:
        ask = self.ask
        assert ask is not None
        if isinstance(event, Key):
            is_again = event == self._key and now_ms - self._key_at_ms < REPEAT_MS
            self._key, self._key_at_ms = event, now_ms
            if event.text in LEAVE_KEYS:
                self._end("Left: the motors are off.", now_ms)
            elif event.text in ask.keys:
                if not is_again:
                    self._answer(event.text, now_ms)
            elif not is_again:
                self._answer(OTHER, now_ms)
        elif isinstance(event, Contacts):
            before, self._contact = self._contact, event.contact
            seen = {event.contact, *(spell.contact for spell in event.spells)}
            if event.contact is ask.contact:
                self._answer(SEEN, now_ms)
            elif self.is_moving and Contact.PRESSED in seen and before is not Contact.PRESSED:
                self._answer(OTHER, now_ms)
        elif isinstance(event, Fault):
            self.fault = event
            if event.code == "rail" and ask.is_for_rail and not event.is_persistent:
                self._answer(RAIL, now_ms)
            else:
                self._end(f"The motors are off: {event.message}.", now_ms)
        elif isinstance(event, Suspended):
            self._end("The machine was suspended: the motors are off.", now_ms)
        elif isinstance(event, Close):
            self._end("Ended from outside: the motors are off.", now_ms)

    def _play(self, now_ms: int) -> int | None:
        """Sets the duty, lets what is over be over, and says when to come again."""
        while (ask := self.ask) is not None and not self.closed:
            after_ms = now_ms - self._asked_at_ms
            if ask.drive is None or ask.motor is None:
                if ask.for_ms is None:
                    return None
                if after_ms < ask.for_ms:
                    return self._asked_at_ms + ask.for_ms
                self._answer(OVER, now_ms)
                continue
            left_ms = MOTOR_MS - self._ran_ms[ask.motor]
            duty, again_ms = ask.drive.at(after_ms)
            if after_ms >= left_ms:
                self._answer(LATE, now_ms)
            elif duty is None:
                self._answer(OVER, now_ms)
            else:
                self.duty_pct = min(duty, self._most[ask.motor])
                return self._asked_at_ms + min(again_ms, left_ms)
        return None

    def _answer(self, text: str, now_ms: int) -> None:
        answer = Answer(text, self.duty_pct, self._contact)
        self._rest(now_ms)
        self._next(answer, now_ms)

    def _next(self, answer: Answer | None, now_ms: int) -> None:
        try:
            self.ask = next(self._questions) if answer is None else self._questions.send(answer)
        except StopIteration as end:
            self.result = end.value
            self.closed = True
            return
        self._asked_at_ms = now_ms
        self._lines += self.ask.lines

    def _rest(self, now_ms: int) -> None:
        if self.ask is not None and self.ask.motor is not None and self.ask.drive is not None:
            self._ran_ms[self.ask.motor] += now_ms - self._asked_at_ms
        self.duty_pct = 0

    def _end(self, line: str, now_ms: int) -> None:
        self._rest(now_ms)
        self._questions.close()
        self._lines.append(line)
        self.closed = True
