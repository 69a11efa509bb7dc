"""What is asked of the builder: each motor, each zone, the stop switch, the start button."""

from collections.abc import Generator, Mapping
from typing import Final, NamedTuple

from firmware_ctl.commissioning.procedure import (
    LATE,
    MOTOR_MS,
    OTHER,
    OVER,
    RAIL,
    Answer,
    Gentle,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.session.button import Contact
from firmware_ctl.timeline.motor_drive import highest_duty_pct

WRONG_KEY: Final = "That is no answer here; the motor is off."

BETWEEN_MS: Final = 1_000
"""From one measurement to the next; the rotor has come to rest by then."""

LEAD_PCT: Final = 10
"""So far below the first start, and so far above the first stop, the finer measurement begins."""

AGREE_PCT: Final = 6
"""Two measurements that lie further apart say nothing."""

HOLD_MARGIN_PCT: Final = 3
"""A step for the finger, and two for a cold day: level 1 must not stall."""


# ---- wiring


def _present(mat: Mat) -> list[tuple[int, Motor]]:
    zones = {zone.name for zone in mat.zones if zone.present}
    return [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone in zones]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _steady(ask: Question) -> Questions[Answer]:
    """Asks until one of the keys comes."""
    while (answer := (yield ask)).text == OTHER:
        ask = ask._replace(lines=())
    return answer


def _playing(ask: Question, mat: Mat, motor: int) -> Questions[Answer]:
    """Asks while a motor runs gently; a key that is no answer turns it off, and space on again."""
    ask = ask._replace(motor=motor)
    while (answer := (yield ask._replace(drive=Gentle(mat, motor)))).text == OTHER:
        yield from _steady(Question((WRONG_KEY,), "space on again   q leave", " "))
        ask = ask._replace(lines=())
    return answer


def feel(mat: Mat) -> Questions[Mapping[str, bool]]:
    """Every motor of the zones that are there, gently: was it felt where it should be?"""
    motors = _present(mat)
    intro = (
        f"Motors to run: {len(motors)}, one after another, gently, each for {MOTOR_MS // 1000} s "
        "at most. Put a hand on each, or lie down and have someone else press the keys."
    )
    yield from _steady(Question((intro,), "space begin   q leave", " "))
    felt: dict[str, bool] = {}
    for number, (i, motor) in enumerate(motors, 1):
        where = f"{_words(motor.zone)}, {motor.side} side"
        head = f"{number}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {where}"
        ask = Question((head,), "y felt there   n not there   r again   q leave", "ynr")
        answer = yield from _playing(ask, mat, i)
        while answer.text not in ("y", "n"):
            if answer.text == "r":
                answer = yield from _playing(ask._replace(lines=()), mat, i)
            else:
                line = f"Its {MOTOR_MS // 1000} s are over; it is off. What did you feel?"
                ask = Question((line,), "y felt there   n not there   q leave", "yn")
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


def calibrate(mat: Mat, zone: str) -> Questions[Mapping[str, Tuned]]:
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
            ask = Question(lines, "space begin   n leave this motor out   q leave", " n")
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
        ask = Question((*_tuned_lines(mat, found), "Write the new values?"), "y yes   n no", "yn\n")
        if (yield ask).text != "y":
            yield from _tell("Nothing is written: all old values stand.")
            return {}
    return found


def _tell(line: str) -> Generator[Question, Answer, None]:
    yield Question((line,), "", "", for_ms=0)


def _measure(i: int, top_pct: int) -> Questions[Tuned | str]:
    """What was found, or why nothing was."""
    starts: list[int] = []
    stops: list[int] = []
    for by_pct, every_ms in ((2, 400), (1, 500)):
        from_pct = max(by_pct, starts[-1] - LEAD_PCT) if starts else by_pct
        up = Ramp(from_pct, top_pct, by_pct, every_ms)
        answer = yield Question((), "more and more:   t it turns   q leave", "t", i, up)
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
        answer = yield Question((), "less and less:   s it stands still   q leave", "s", i, down)
        if answer.text == OVER:
            return "It has nothing any more and was not said to stand still."
        if answer.text != "s":
            return _lost(answer)
        if answer.duty_pct == down.from_pct:
            return f"It was said to stand still at once, at {down.from_pct} %, where it turns."
        stops.append(answer.duty_pct)
        if len(starts) == 1:
            yield Question(("Once more, finer.",), "", "", for_ms=BETWEEN_MS)
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


def stop_switch(mat: Mat) -> Questions[bool]:
    """A motor runs gently: does the stop switch end it, and does its release bring it back?"""
    i, motor = _present(mat)[0]
    reads_back = mat.gate is not None and mat.gate.rail_pin is not None
    keys = "n pressed, and it still runs" if reads_back else "y it stopped   n it still runs"
    press = f"{motor.name} runs gently. Press the stop switch, as you would lying down."
    ask = Question(
        (press,), f"{keys}   q leave", "n" if reads_back else "yn", is_for_rail=reads_back
    )
    answer = yield from _playing(ask, mat, i)
    if answer.text == RAIL:
        yield from _tell("Seen: the motors' supply is off.")
    elif answer.text != "y":
        yield from _tell(_STOP_FAILS if answer.text == "n" else "It was not pressed in time.")
        return False
    yield from _steady(Question(("Release it: turn or pull it.",), "space released   q leave", " "))
    back = Question(
        (f"{motor.name} runs again, gently.",), "y it runs   n it does not   q leave", "yn"
    )
    answer = yield from _playing(back._replace(is_for_rail=reads_back), mat, i)
    if answer.text != "y":
        yield from _tell("Look whether the stop switch is really released, and at the fuse.")
    return answer.text == "y"


_STOP_FAILS: Final = (
    "THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use the mat: the switch has to cut the "
    "motors' supply itself; look at its wires."
)


def start_button(mat: Mat) -> Questions[bool]:
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
        ask = Question((line,), "n nothing happens   q leave", "n", contact=contact)
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
