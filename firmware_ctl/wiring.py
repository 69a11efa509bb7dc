"""The builder's questions: which motor runs, how strongly, what is asked, and what an answer means.

A course is a generator that yields an `Ask` and is sent its `Answer`; a `Bench` plays one, in the
place of a session. Time is an argument. Nothing here knows a terminal, a file or a pin.
"""

from collections.abc import Generator, Mapping
from typing import Final, NamedTuple, Protocol, TypeVar

from firmware_ctl.button import Contact
from firmware_ctl.limits import SIGNAL_LEVEL_PCT, TICK_MS
from firmware_ctl.mat import Mat, Motor
from firmware_ctl.session import Close, Contacts, Fault, Input, Notice, Slept, Step
from firmware_ctl.shaping import Levels, Shaper, duty_table, highest_duty_pct, shape_of

MOTOR_MS: Final = 60_000
"""So long a motor runs at most while a course is played, all its turns together."""

REPEAT_MS: Final = 700
"""A key that comes again within this time is held down, or bounced: it is no second answer."""

BETWEEN_MS: Final = 1_000
"""From one measurement to the next; the rotor has come to rest by then."""

LEAD_PCT: Final = 10
"""So far below the first start, and so far above the first stop, the finer measurement begins."""

AGREE_PCT: Final = 6
"""Two measurements that lie further apart say nothing."""

HOLD_MARGIN_PCT: Final = 3
"""A step for the finger, and two for a cold day: level 1 must not stall."""

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
        self._shaper = Shaper(shape_of(mat))

    def at(self, after_ms: int) -> tuple[int | None, int]:
        level = min(self._level_pct, 1 + after_ms * self._rise_pct_s // 1000)
        shaped = self._shaper.shape(_alone(self._motor, level, self._count), after_ms)
        return shaped.duty_pct[self._motor], after_ms - after_ms % TICK_MS + TICK_MS


def _alone(motor: int, value: int, count: int) -> Levels:
    return tuple(value if i == motor else 0 for i in range(count))


class Ask(NamedTuple):
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
Course = Generator[Ask, Answer, Found]


class Bench:
    """Plays a course in the place of a session: the loop asks it for every motor's duty.

    `result`: what the course came to; None: it was left, or a fault ended it.
    """

    def __init__(self, mat: Mat, course: Course[object]) -> None:
        self.result: object = None
        self.closed = False
        self.fault: Fault | None = None
        self.is_starting = False
        self.ask: Ask | None = None
        self.duty_pct = 0
        """What the asked motor gets now."""
        self._course = course
        self._count = len(mat.motors)
        self._most = [highest_duty_pct(motor, mat) for motor in mat.motors]
        self._ran_ms = [0] * self._count
        self._asked_at_ms = 0
        self._contact: Contact | None = None
        self._key = Key("")
        self._key_at_ms = -REPEAT_MS
        self._lines: list[str] = []

    @property
    def is_moving(self) -> bool:
        return self.ask is not None and self.ask.drive is not None and not self.closed

    def handle(self, event: Input | Key, now_ms: int) -> Step:
        """Takes one input at `now_ms`, which never goes back."""
        self._lines = []
        self.fault = None
        if self.ask is None and not self.closed:
            self._next(None, now_ms)
        until_ms = None
        if not self.closed:
            self._take(event, now_ms)
        if not self.closed:
            until_ms = self._play(now_ms)
        duties = (0,) * self._count
        if self.is_moving and self.ask is not None and self.ask.motor is not None:
            duties = _alone(self.ask.motor, self.duty_pct, self._count)
        notices = tuple(Notice("told", {"text": line}) for line in self._lines)
        return Step(duties, duties, (), until_ms, notices)

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
            if event.code == "rail" and ask.is_for_rail and not event.lasts:
                self._answer(RAIL, now_ms)
            else:
                self._end(f"The motors are off: {event.message}.", now_ms)
        elif isinstance(event, Slept):
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
            self.ask = next(self._course) if answer is None else self._course.send(answer)
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
        self._course.close()
        self._lines.append(line)
        self.closed = True


WRONG_KEY: Final = "That is no answer here; the motor is off."


# ---- wiring


def _present(mat: Mat) -> list[tuple[int, Motor]]:
    zones = {zone.name for zone in mat.zones if zone.present}
    return [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone in zones]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _steady(ask: Ask) -> Course[Answer]:
    """Asks until one of the keys comes."""
    while (answer := (yield ask)).text == OTHER:
        ask = ask._replace(lines=())
    return answer


def _playing(ask: Ask, mat: Mat, motor: int) -> Course[Answer]:
    """Asks while a motor runs gently; a key that is no answer turns it off, and space on again."""
    ask = ask._replace(motor=motor)
    while (answer := (yield ask._replace(drive=Gentle(mat, motor)))).text == OTHER:
        yield from _steady(Ask((WRONG_KEY,), "space on again   q leave", " "))
        ask = ask._replace(lines=())
    return answer


def feel(mat: Mat) -> Course[Mapping[str, bool]]:
    """Every motor of the zones that are there, gently: was it felt where it should be?"""
    motors = _present(mat)
    intro = (
        f"Motors to run: {len(motors)}, one after another, gently, each for {MOTOR_MS // 1000} s "
        "at most. Put a hand on each, or lie down and have someone else press the keys."
    )
    yield from _steady(Ask((intro,), "space begin   q leave", " "))
    felt: dict[str, bool] = {}
    for number, (i, motor) in enumerate(motors, 1):
        where = f"{_words(motor.zone)}, {motor.side} side"
        head = f"{number}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {where}"
        ask = Ask((head,), "y felt there   n not there   r again   q leave", "ynr")
        answer = yield from _playing(ask, mat, i)
        while answer.text not in ("y", "n"):
            if answer.text == "r":
                answer = yield from _playing(ask._replace(lines=()), mat, i)
            else:
                line = f"Its {MOTOR_MS // 1000} s are over; it is off. What did you feel?"
                ask = Ask((line,), "y felt there   n not there   q leave", "yn")
                answer = yield from _steady(ask)
        felt[motor.name] = answer.text == "y"
        yield from _tell("     felt" if felt[motor.name] else "     NOT FELT")
    return felt


def felt_lines(mat: Mat, felt: Mapping[str, bool]) -> list[str]:
    """The summary: every motor and its answer, and what to look at for each that was not felt."""
    lines = [
        f"  {motor.name:<20} GPIO {motor.pin:<3} {'felt' if felt[motor.name] else 'NOT FELT'}"
        for _, motor in _present(mat)
    ]
    missed = [motor for _, motor in _present(mat) if not felt[motor.name]]
    if len(missed) == len(felt):
        lines.append(
            "None was felt: look at the motors' supply, its fuse, the stop switch and the ground "
            "that Pi and driver share."
        )
        return lines
    for motor in missed:
        lines.append(
            f"{motor.name}: if nothing ran, look at the wire from GPIO {motor.pin} to its driver, "
            "at its plug and its PTC; if another motor ran, cores or header pins are exchanged: "
            "mend that there, not in the mat file."
        )
    return lines


# ---- calibration


class Tuned(NamedTuple):
    """What was found for one motor, in duty percent."""

    start_pct: int
    hold_pct: int


def calibrate(mat: Mat, zone: str) -> Course[Mapping[str, Tuned]]:
    """`start` and `hold` of the zone's motors, of those that could be measured, once agreed to.

    A motor is measured twice, the second time finer. Either way a late finger errs upwards on the
    way up and downwards on the way down. So `start` is the higher of the two; `hold` is the higher
    of the two duties at which the motor stood, which is the lower bound of what holds it, and a
    margin. Without kicks: a kick would start a motor that this duty does not.
    """
    motors = [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone == zone]
    found: dict[str, Tuned] = {}
    for number, (i, motor) in enumerate(motors, 1):
        head = f"{number}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {motor.side} side"
        lines: tuple[str, ...] = (
            head,
            "Someone should lie on it: under weight a motor needs more to start.",
            "It gets more and more, in small steps and without a kick: press t as soon as it "
            "turns. Then less and less: press s as soon as it stands still. Then both again, "
            "finer.",
        )[: 3 if number == 1 else 1]
        while True:
            ask = Ask(lines, "space begin   n leave this motor out   q leave", " n")
            answer = yield from _steady(ask)
            if answer.text == "n":
                yield from _tell(f"{motor.name} is left out: its old values stand.")
                break
            tuned = yield from _measure(i, highest_duty_pct(motor, mat))
            if isinstance(tuned, Tuned):
                found[motor.name] = tuned
                yield from _tell(f"     start {tuned.start_pct}%   hold {tuned.hold_pct}%")
                break
            lines = (f"{tuned} The old values of {motor.name} stand. Measure it again?",)
    old = {motor.name: Tuned(motor.start_pct, motor.hold_pct) for _, motor in motors}
    if old | found != old:
        ask = Ask((*_tuned_lines(mat, found), "Write the new values?"), "y yes   n no", "yn\n")
        if (yield ask).text != "y":
            yield from _tell("Nothing is written: all old values stand.")
            return {}
    return found


def _tell(line: str) -> Generator[Ask, Answer, None]:
    yield Ask((line,), "", "", for_ms=0)


def _measure(i: int, top_pct: int) -> Course[Tuned | str]:
    """What was found, or why nothing was."""
    starts: list[int] = []
    stops: list[int] = []
    for by_pct, every_ms in ((2, 400), (1, 500)):
        from_pct = max(by_pct, starts[-1] - LEAD_PCT) if starts else by_pct
        up = Ramp(from_pct, top_pct, by_pct, every_ms)
        answer = yield Ask((), "more and more:   t it turns   q leave", "t", i, up)
        if answer.text == OVER:
            return (
                f"It was not said to turn, up to {top_pct} %, its highest duty. Look at its plug, "
                "its supply and the stop switch, whether something blocks it, and `cap`."
            )
        if answer.text != "t":
            return _lost(answer)
        if answer.duty_pct == up.from_pct:
            return f"It was said to turn at once, at {up.from_pct} %."
        starts.append(answer.duty_pct)
        from_pct = min(starts[-1], stops[-1] + LEAD_PCT) if stops else starts[-1]
        down = Ramp(from_pct, 0, by_pct, every_ms)
        answer = yield Ask((), "less and less:   s it stands still   q leave", "s", i, down)
        if answer.text == OVER:
            return "It has nothing any more and was not said to stand still."
        if answer.text != "s":
            return _lost(answer)
        if answer.duty_pct == down.from_pct:
            return f"It was said to stand still at once, at {down.from_pct} %, where it turns."
        stops.append(answer.duty_pct)
        if len(starts) == 1:
            yield Ask(("Once more, finer.",), "", "", for_ms=BETWEEN_MS)
    for what, (one, two) in (("to start", starts), ("to stand still", stops)):
        if abs(one - two) > AGREE_PCT:
            return f"It was said {what} at {one} %, then at {two} %: that is too far apart."
    start_pct = max(starts)
    return Tuned(start_pct, min(max(stops) + HOLD_MARGIN_PCT, start_pct, top_pct - 1))


def _lost(answer: Answer) -> str:
    if answer.text == LATE:
        return f"It has run for {MOTOR_MS // 1000} s, which is the most; begin anew another time."
    return WRONG_KEY


def _tuned_lines(mat: Mat, found: Mapping[str, Tuned]) -> list[str]:
    """Old values and new ones, a line a motor."""
    return [
        f"  {motor.name:<20} start {motor.start_pct:>3}% -> {found[motor.name].start_pct:>3}%   "
        f"hold {motor.hold_pct:>3}% -> {found[motor.name].hold_pct:>3}%"
        for motor in mat.motors
        if motor.name in found
    ]


# ---- stop switch and start button


def stop_switch(mat: Mat) -> Course[bool]:
    """A motor runs gently: does the stop switch end it, and does its release bring it back?"""
    i, motor = _present(mat)[0]
    reads_back = mat.gate is not None and mat.gate.rail_pin is not None
    keys = "n pressed, and it still runs" if reads_back else "y it stopped   n it still runs"
    press = f"{motor.name} runs gently. Press the stop switch, as you would lying down."
    ask = Ask((press,), f"{keys}   q leave", "n" if reads_back else "yn", is_for_rail=reads_back)
    answer = yield from _playing(ask, mat, i)
    if answer.text == RAIL:
        yield from _tell("Seen: the motors' supply is off.")
    elif answer.text != "y":
        yield from _tell(_STOP_FAILS if answer.text == "n" else "It was not pressed in time.")
        return False
    yield from _steady(Ask(("Release it: turn or pull it.",), "space released   q leave", " "))
    back = Ask((f"{motor.name} runs again, gently.",), "y it runs   n it does not   q leave", "yn")
    answer = yield from _playing(back._replace(is_for_rail=reads_back), mat, i)
    if answer.text != "y":
        yield from _tell("Look whether the stop switch is really released, and at the fuse.")
    return answer.text == "y"


_STOP_FAILS: Final = (
    "THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use the mat: the switch has to cut the "
    "motors' supply itself; look at its wires."
)


def start_button(mat: Mat) -> Course[bool]:
    """Released, pressed, released: on both wires where it is a change-over contact."""
    pins = mat.button
    if pins is None:
        yield from _tell("The mat file names no start button.")
        return True
    of = f"GPIO {pins.pressed_pin}"
    if pins.released_pin is not None:
        of += f" (pressed) and GPIO {pins.released_pin} (released)"
    for line, contact in (
        (f"The start button on {of}: leave it alone.", Contact.RELEASED),
        ("Seen released. Press it and hold it.", Contact.PRESSED),
        ("Seen pressed. Release it.", Contact.RELEASED),
    ):
        ask = Ask((line,), "n nothing happens   q leave", "n", contact=contact)
        answer = yield from _steady(ask)
        if answer.text == "n":
            reads = answer.contact.value if answer.contact else "nothing"
            yield from _tell(
                f"Its contacts read `{reads}` where `{contact.value}` is expected: look at the "
                f"wires of {of} and at the button's ground."
            )
            return False
    yield from _tell("Seen released: the start button is well.")
    return True
