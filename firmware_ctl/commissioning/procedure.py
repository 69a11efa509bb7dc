"""Plays a builder's questions in the place of a session.

The questions are a generator: it yields a `Question` and receives an `Answer`. A question may run
one motor while it waits. `Procedure` implements `Decider`, so the daemon's loop drives it exactly
as it drives a session: time is an argument. This module knows duties, keys and contacts. It never
knows a terminal, a file or a pin.
"""

from collections import deque
from collections.abc import Generator
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from firmware_ctl.config.mat import Mat
from firmware_ctl.limits import GRID_MS, SECOND_KICK_MS, SIGNAL_LEVEL_PCT
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
"""The longest time that one motor may run in one procedure, summed over all its questions."""

REPEAT_MS: Final = 700
"""The same key within this time is key repeat or a bounce, not a second answer."""

SPIN_UP_MS: Final = 500
"""How long a motor may take to turn once it has a duty that starts it."""

LEAVE_KEYS: Final = ("q", "\x03", "\x04", "")
"""q, Ctrl-C, Ctrl-D, and a terminal that is gone."""


class Key(NamedTuple):
    """A key was pressed. An empty text: the terminal is gone."""

    text: str


class Answer(NamedTuple):
    text: str
    """The key, or one of the words below."""
    duty_pct: int = 0
    """The duty of the motor at the moment of the answer."""
    contact: Contact | None = None
    """The reading of the start button's contacts; None before the first reading."""


OTHER_KEY: Final = "other key"
"""A key that the question does not offer. The motor is off."""
SPACE: Final = "space"
"""The space bar was pressed while the motor ran. The motor is off."""
BUTTON: Final = "start button"
"""The start button was pressed while the motor ran. The motor is off."""
QUIT: Final = "quit"
"""One of `LEAVE_KEYS`, in answer to a question that asked for it. The motor is off."""
OUT_OF_TIME: Final = "out of time"
"""The motor has used up `MOTOR_MS`. It is off."""
ENDED: Final = "ended"
"""The drive or the waiting time ended without an answer. The motor is off."""
RAIL_OFF: Final = "rail off"
"""The read-back shows that the motors' supply is off."""
RAIL_NEVER_ON: Final = "rail never on"
"""It was off before the motor had time to start, so nothing that the person did has stopped it."""
CONTACT_READ: Final = "contact read"
"""The start button's contacts gave the expected reading."""


class Drive(Protocol):
    """The course of one motor's duty while a question waits."""

    def at(self, after_ms: int) -> tuple[int | None, int]:
        """The duty in percent `after_ms` after the question, and when to ask again.

        Both times count from the question. A duty of None: the drive has ended.
        """


class Ramp(NamedTuple):
    """Moves from one duty to another in small steps.

    It never kicks: a kick would start a motor at a duty that cannot start it alone, and calibration
    looks for exactly that duty.
    """

    from_pct: int
    to_pct: int
    by_pct: int
    every_ms: int

    def at(self, after_ms: int) -> tuple[int | None, int]:
        step_number = after_ms // self.every_ms
        is_rising = self.to_pct >= self.from_pct
        change_pct = step_number * self.by_pct
        duty_pct = self.from_pct + (change_pct if is_rising else -change_pct)
        has_ended = duty_pct > self.to_pct if is_rising else duty_pct <= self.to_pct
        return None if has_ended else duty_pct, (step_number + 1) * self.every_ms


class Gentle:
    """Drives a motor at the level of a haptic, as a session would: soft start, then kicks.

    The first kick is a gentle one, because the level is still low. A motor without a kick gets the
    lowest level that starts it. No level exceeds the cap of the motor's zone.
    """

    def __init__(self, mat: Mat, motor: int) -> None:
        """`motor`: its index in `mat.motors`."""
        driven = mat.motors[motor]
        start_level_pct = next(
            (
                level_pct
                for level_pct, duty_pct in enumerate(duty_table(driven, mat))
                if duty_pct >= driven.start_pct
            ),
            100,
        )
        cap_pct = next(zone.cap_pct for zone in mat.zones if zone.name == driven.zone)
        level_pct = SIGNAL_LEVEL_PCT if driven.kick_ms else max(SIGNAL_LEVEL_PCT, start_level_pct)
        self._level_pct = min(level_pct, cap_pct)
        self._rise_pct_s = mat.limits.rise_pct_s
        risen_after_ms = self._level_pct * 1000 // self._rise_pct_s
        kicked_after_ms = SECOND_KICK_MS if driven.kick_ms else 0
        self.turns_after_ms = max(risen_after_ms, kicked_after_ms) + SPIN_UP_MS
        """From then on a motor that works turns: its last chance to start has passed."""
        self._motor = motor
        self._count = len(mat.motors)
        self._drive = MotorDrive(drive_table_of(mat))

    def at(self, after_ms: int) -> tuple[int | None, int]:
        level_pct = min(self._level_pct, 1 + after_ms * self._rise_pct_s // 1000)
        duties = self._drive.duties(_only(self._motor, level_pct, self._count), after_ms)
        return duties.duty_pct[self._motor], after_ms - after_ms % GRID_MS + GRID_MS


def _only(motor: int, value: int, count: int) -> Levels:
    """`value` for one motor, 0 for all others."""
    return tuple(value if i == motor else 0 for i in range(count))


class Question(NamedTuple):
    lines: tuple[str, ...]
    """Text to show once, when the question is put."""
    prompt: str
    """The keys and their meanings, shown for as long as the question waits."""
    keys: str
    """The keys that answer the question, one character each."""
    motor: int | None = None
    """Index of the motor that `drive` runs. The motor is off before the next question is put."""
    drive: Drive | None = None
    contact: Contact | None = None
    """A reading of the start button's contacts that also answers the question."""
    expects_rail_off: bool = False
    """A motor supply that is switched off also answers the question, and is not a fault."""
    for_ms: int | None = None
    """A question without a drive ends after this time. None: it waits for an answer."""
    opens_after_ms: int = 0
    """Before that the keys answer nothing, because the motor has not had time to start."""
    takes_quit: bool = False
    """The keys to quit answer with `QUIT`, and do not end the procedure."""


Result = TypeVar("Result", covariant=True)
Questions = Generator[Question, Answer, Result]


class Procedure(Generic[Result]):
    """Plays questions in the place of a session: the loop asks it for every motor's duty."""

    def __init__(self, mat: Mat, questions: Questions[Result]) -> None:
        self.result: Result | None = None
        """What the generator returned. None: the person quit, or a fault ended the procedure."""
        self.closed = False
        self.fault: Fault | None = None
        self.status = SessionStatus(State.IDLE)
        self.question: Question | None = None
        self.prompt = ""
        """The keys that answer now, and their meanings."""
        self.duty_pct = 0
        """The present duty of the question's motor."""
        self._questions = questions
        self._count = len(mat.motors)
        self._highest_duty_pct = [highest_duty_pct(motor, mat) for motor in mat.motors]
        self._ran_ms = [0] * self._count
        """How long each motor has run in this procedure."""
        self._asked_at_ms = 0
        self._contact: Contact | None = None
        self._last_key = Key("")
        self._last_key_at_ms = -REPEAT_MS
        self._lines: list[str] = []
        self._waiting_keys: deque[Key] = deque()

    def press(self, key: Key) -> None:
        """Queues a key; the next call of `handle` takes it."""
        self._waiting_keys.append(key)

    @property
    def is_moving(self) -> bool:
        return self.question is not None and self.question.drive is not None and not self.closed

    def handle(self, event: Input | Key, now_ms: int) -> Step:
        """Takes one input. `now_ms` never decreases. Returns the duties and the lines to show."""
        self._lines = []
        # A fault lasts for one step: long enough for the latch to trip, and to be reset by the
        # next step. The stop switch is pressed on purpose here, and the procedure goes on.
        self.fault = None
        if self.question is None and not self.closed:
            self._put_next_question(None, now_ms)
        while self._waiting_keys and not self.closed:
            self._take(self._waiting_keys.popleft(), now_ms)
        wake_at_ms = None
        if not self.closed:
            self._take(event, now_ms)
        if not self.closed:
            wake_at_ms = self._play(now_ms)
        duties = (0,) * self._count
        if self.is_moving and self.question is not None and self.question.motor is not None:
            duties = _only(self.question.motor, self.duty_pct, self._count)
        self.prompt = self._prompt(now_ms)
        notices = tuple(Notice("text", {"text": line}) for line in self._lines)
        state = State.FAULT if self.fault is not None else State.IDLE
        self.status = SessionStatus(
            state, fault=self.fault, is_moving=self.is_moving, is_closed=self.closed
        )
        return Step(duties, duties, (), wake_at_ms, self.status, notices)

    def _take(self, event: Input | Key, now_ms: int) -> None:
        question = self.question
        assert question is not None
        match event:
            case Key():
                self._take_key(event, question, now_ms)
            case Contacts():
                self._take_contacts(event, question, now_ms)
            case Fault():
                self.fault = event
                is_expected = question.expects_rail_off and event.code == "rail"
                if is_expected and not event.is_persistent:
                    has_run = now_ms - self._asked_at_ms >= question.opens_after_ms
                    self._answer(RAIL_OFF if has_run else RAIL_NEVER_ON, now_ms)
                else:
                    self._end(f"The motors are off: {event.message}.", now_ms)
            case Suspended():
                self._end("The machine was suspended: the motors are off.", now_ms)
            case Close():
                self._end("Stopped by a signal: the motors are off.", now_ms)

    def _prompt(self, now_ms: int) -> str:
        if self.question is None or self.closed:
            return ""
        is_open = now_ms - self._asked_at_ms >= self.question.opens_after_ms
        return self.question.prompt if is_open else "the motor starts   space: stop   q: quit"

    def _take_key(self, key: Key, question: Question, now_ms: int) -> None:
        is_repeat = key == self._last_key and now_ms - self._last_key_at_ms < REPEAT_MS
        self._last_key, self._last_key_at_ms = key, now_ms
        if key.text in LEAVE_KEYS:
            # A terminal that is gone, an empty text, can answer no further question.
            if question.takes_quit and key.text:
                self._answer(QUIT, now_ms)
            else:
                self._end("Stopped: the motors are off.", now_ms)
        elif key.text == " " and self.is_moving:
            # The space bar stops a session in every view, so it must stop a motor here too, also if
            # it started the motor a moment ago. A stop is never taken for a repeat.
            self._answer(SPACE, now_ms)
        elif is_repeat:
            return
        elif key.text not in question.keys:
            self._answer(OTHER_KEY, now_ms)
        elif now_ms - self._asked_at_ms < question.opens_after_ms:
            self._lines.append("Too early: the motor has not had time to start. It goes on.")
        else:
            self._answer(key.text, now_ms)

    def _take_contacts(self, event: Contacts, question: Question, now_ms: int) -> None:
        previous, self._contact = self._contact, event.contact
        readings = {event.contact, *(spell.contact for spell in event.spells)}
        if event.contact is question.contact:
            self._answer(CONTACT_READ, now_ms)
        elif self.is_moving and Contact.PRESSED in readings and previous is not Contact.PRESSED:
            # Any press of the start button stops a session, so it must stop a motor here too.
            self._answer(BUTTON, now_ms)

    def _play(self, now_ms: int) -> int | None:
        """Sets the motor's duty, ends questions whose time is over, and returns the next wake."""
        while (question := self.question) is not None and not self.closed:
            after_ms = now_ms - self._asked_at_ms
            if question.drive is None or question.motor is None:
                if question.for_ms is None:
                    return None
                if after_ms < question.for_ms:
                    return self._asked_at_ms + question.for_ms
                self._answer(ENDED, now_ms)
                continue
            left_ms = MOTOR_MS - self._ran_ms[question.motor]
            duty_pct, again_after_ms = question.drive.at(after_ms)
            if after_ms >= left_ms:
                self._answer(OUT_OF_TIME, now_ms)
            elif duty_pct is None:
                self._answer(ENDED, now_ms)
            else:
                self.duty_pct = min(duty_pct, self._highest_duty_pct[question.motor])
                return self._asked_at_ms + min(again_after_ms, left_ms)
        return None

    def _answer(self, text: str, now_ms: int) -> None:
        answer = Answer(text, self.duty_pct, self._contact)
        self._stop_motor(now_ms)
        self._put_next_question(answer, now_ms)

    def _put_next_question(self, answer: Answer | None, now_ms: int) -> None:
        try:
            if answer is None:
                self.question = next(self._questions)
            else:
                self.question = self._questions.send(answer)
        except StopIteration as stop:
            self.result = stop.value
            self.closed = True
            return
        self._asked_at_ms = now_ms
        self._lines += self.question.lines

    def _stop_motor(self, now_ms: int) -> None:
        """Sets the duty to 0 and adds the time since the question to the motor's running time."""
        question = self.question
        if question is not None and question.motor is not None and question.drive is not None:
            self._ran_ms[question.motor] += now_ms - self._asked_at_ms
        self.duty_pct = 0

    def _end(self, line: str, now_ms: int) -> None:
        self._stop_motor(now_ms)
        self._questions.close()
        self._lines.append(line)
        self.closed = True
