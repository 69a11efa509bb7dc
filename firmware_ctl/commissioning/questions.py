"""The questions to a builder: about each motor, a zone's calibration, the switch and the button.

Each public function is a generator for `Procedure`. It knows what to show, which keys answer, how
the motor is driven meanwhile, and what the answers mean. It never knows a terminal or a file.
"""

from collections.abc import Generator, Mapping
from typing import Final, NamedTuple

from firmware_ctl.commissioning.procedure import (
    ENDED,
    MOTOR_MS,
    OTHER_KEY,
    OUT_OF_TIME,
    RAIL_OFF,
    Answer,
    Gentle,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.session.button import Contact
from firmware_ctl.timeline.motor_drive import highest_duty_pct

UNKNOWN_KEY: Final = "Unknown key. Motor off."
TIME_LIMIT: Final = f"{MOTOR_MS // 1000}-second limit reached."

BETWEEN_MS: Final = 1_000
"""Pause between two measurements, long enough for the rotor to come to rest."""

LEAD_PCT: Final = 10
"""In duty percent: the finer ramps begin so far below the first start and above the first stop."""

AGREE_PCT: Final = 6
"""Two measurements that differ by more than this are both discarded."""

HOLD_MARGIN_PCT: Final = 3
"""Added to the measured stop, so that the motor does not stall at level 1: one percent for a slow
finger, two for a cold day."""


def _present_motors(mat: Mat) -> list[tuple[int, Motor]]:
    """The motors of the zones that are present, with their index in `mat.motors`."""
    zones = {zone.name for zone in mat.zones if zone.present}
    return [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone in zones]


def _show(line: str) -> Generator[Question, Answer, None]:
    """Shows a line and asks nothing."""
    yield Question((line,), "", "", for_ms=0)


def _ask_until_known_key(question: Question) -> Questions[Answer]:
    """Repeats the question until one of its keys is pressed."""
    while (answer := (yield question)).text == OTHER_KEY:
        question = question._replace(lines=())
    return answer


def _ask_while_running(question: Question, mat: Mat, motor: int) -> Questions[Answer]:
    """Asks while a motor runs gently. An unknown key turns the motor off; space runs it again."""
    question = question._replace(motor=motor)
    while (answer := (yield question._replace(drive=Gentle(mat, motor)))).text == OTHER_KEY:
        run_again = Question((UNKNOWN_KEY,), "space: run it again   q: quit", " ")
        yield from _ask_until_known_key(run_again)
        question = question._replace(lines=())
    return answer


# ---- wiring


def check_motors(mat: Mat) -> Questions[Mapping[str, bool]]:
    """Runs every motor of the present zones gently. Result: motor name → felt in its place."""
    motors = _present_motors(mat)
    intro = (
        f"Motors to run: {len(motors)}, one after another, gently, each for at most "
        f"{MOTOR_MS // 1000} s. Put a hand on each, or lie down and have someone else press the "
        "keys."
    )
    yield from _ask_until_known_key(Question((intro,), "space: begin   q: quit", " "))
    was_felt: dict[str, bool] = {}
    for number, (i, motor) in enumerate(motors, 1):
        place = f"{motor.zone.replace('_', ' ')}, {motor.side} side"
        head = f"{number}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {place}"
        keys = "y: felt there   n: not felt there   r: run it again   q: quit"
        question = Question((head,), keys, "ynr")
        answer = yield from _ask_while_running(question, mat, i)
        while answer.text not in ("y", "n"):
            if answer.text == "r":
                answer = yield from _ask_while_running(question._replace(lines=()), mat, i)
            else:
                line = f"{TIME_LIMIT} Motor off. Did you feel it there?"
                keys = "y: felt there   n: not felt there   q: quit"
                answer = yield from _ask_until_known_key(Question((line,), keys, "yn"))
        was_felt[motor.name] = answer.text == "y"
        yield from _show("     felt" if was_felt[motor.name] else "     NOT FELT")
    return was_felt


def motor_report(mat: Mat, was_felt: Mapping[str, bool]) -> list[str]:
    """Every motor with its answer, then what to check for each motor that was not felt."""
    motors = [motor for _, motor in _present_motors(mat)]
    lines = [
        f"  {motor.name:<20} GPIO {motor.pin:<3} {'felt' if was_felt[motor.name] else 'NOT FELT'}"
        for motor in motors
    ]
    missed_motors = [motor for motor in motors if not was_felt[motor.name]]
    if len(missed_motors) == len(was_felt):
        lines.append(
            "No motor was felt: check the motors' supply, its fuse, the stop switch, and the "
            "ground between Pi and driver."
        )
        return lines
    for motor in missed_motors:
        lines.append(
            f"{motor.name}: if nothing ran, check the wire from GPIO {motor.pin} to its driver, "
            "the plug and the PTC. If another motor ran, two wires or header pins are swapped: "
            "fix the wiring, not the mat file."
        )
    return lines


# ---- calibration


class MeasuredDuties(NamedTuple):
    """The measured `start` and `hold` of one motor, in duty percent."""

    start_pct: int
    hold_pct: int


def calibrate(mat: Mat, zone: str) -> Questions[Mapping[str, MeasuredDuties]]:
    """Measures `start` and `hold` of the zone's motors, and asks before new values are written.

    The result: motor name → values, without motors that were skipped or not measured. Empty: the
    person refused the new values.

    Each motor is measured twice, the second time in finer steps. A late finger reads too high on
    the way up and too low on the way down. `start` is therefore the higher of the two starts.
    `hold` is the higher of the two duties at which the motor stood still, plus a margin.
    """
    motors = [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone == zone]
    measured: dict[str, MeasuredDuties] = {}
    for number, (i, motor) in enumerate(motors, 1):
        head = f"{number}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {motor.side} side"
        lines: tuple[str, ...] = (
            head,
            "Have someone lie on it: under weight a motor needs more power to start.",
            "Power rises in small steps. Press t as soon as the motor turns. Then it falls: press "
            "s when it stops. Both steps are then repeated more finely.",
        )[: 3 if number == 1 else 1]
        while True:
            keys = "space: begin   n: skip this motor   q: quit"
            answer = yield from _ask_until_known_key(Question(lines, keys, " n"))
            if answer.text == "n":
                yield from _show(f"{motor.name} is skipped and keeps its old values.")
                break
            outcome = yield from _measure(i, highest_duty_pct(motor, mat))
            if isinstance(outcome, MeasuredDuties):
                measured[motor.name] = outcome
                yield from _show(f"     start {outcome.start_pct}%   hold {outcome.hold_pct}%")
                break
            lines = (f"{outcome} {motor.name} keeps its old values. Measure it again?",)
    old = {motor.name: MeasuredDuties(motor.start_pct, motor.hold_pct) for _, motor in motors}
    if old | measured != old:
        lines = (*_comparison(mat, measured), "Write the new values?")
        if (yield Question(lines, "y: yes   n: no", "yn\n")).text != "y":
            yield from _show("Nothing was written. All motors keep their old values.")
            return {}
    return measured


def _measure(i: int, highest_pct: int) -> Questions[MeasuredDuties | str]:
    """Measures the motor of index `i`, coarsely and then finely. A text: why there is no result."""
    starts_pct: list[int] = []
    stops_pct: list[int] = []
    for by_pct, every_ms in ((2, 400), (1, 500)):
        from_pct = max(by_pct, starts_pct[-1] - LEAD_PCT) if starts_pct else by_pct
        rise = Ramp(from_pct, highest_pct, by_pct, every_ms)
        answer = yield Question((), "power rises:   t: it turns   q: quit", "t", i, rise)
        if answer.text == ENDED:
            return (
                f"You did not report that it turned, even at its maximum of {highest_pct}%. Check "
                "its plug, its supply, the stop switch, `cap`, and that nothing blocks it."
            )
        if answer.text != "t":
            return _interruption(answer)
        if answer.duty_pct == rise.from_pct:
            return f"You reported that it turned at once, at {rise.from_pct}%."
        starts_pct.append(answer.duty_pct)
        from_pct = min(starts_pct[-1], stops_pct[-1] + LEAD_PCT) if stops_pct else starts_pct[-1]
        fall = Ramp(from_pct, 0, by_pct, every_ms)
        answer = yield Question((), "power falls:   s: it stopped   q: quit", "s", i, fall)
        if answer.text == ENDED:
            return "Power reached 0% and you did not report a stop."
        if answer.text != "s":
            return _interruption(answer)
        if answer.duty_pct == fall.from_pct:
            return f"You reported a stop at once, at {fall.from_pct}%, where it still turns."
        stops_pct.append(answer.duty_pct)
        if len(starts_pct) == 1:
            yield Question(("Once more, in finer steps.",), "", "", for_ms=BETWEEN_MS)
    for verb, (first_pct, second_pct) in (("turned", starts_pct), ("stopped", stops_pct)):
        if abs(first_pct - second_pct) > AGREE_PCT:
            return (
                f"You reported that it {verb} at {first_pct}%, then at {second_pct}%: too far "
                "apart."
            )
    start_pct = max(starts_pct)
    hold_pct = min(max(stops_pct) + HOLD_MARGIN_PCT, start_pct, highest_pct - 1)
    return MeasuredDuties(start_pct, hold_pct)


def _interruption(answer: Answer) -> str:
    return f"{TIME_LIMIT} Try again later." if answer.text == OUT_OF_TIME else UNKNOWN_KEY


def _comparison(mat: Mat, measured: Mapping[str, MeasuredDuties]) -> list[str]:
    """Old and new values, one line for each measured motor."""
    return [
        f"  {motor.name:<20} start {motor.start_pct:>3}% -> {measured[motor.name].start_pct:>3}%   "
        f"hold {motor.hold_pct:>3}% -> {measured[motor.name].hold_pct:>3}%"
        for motor in mat.motors
        if motor.name in measured
    ]


# ---- stop switch and start button


def check_stop_switch(mat: Mat) -> Questions[bool]:
    """True if the stop switch stops a running motor, and the motor runs again after its release.

    With a read-back the rail shows that the motor has stopped; without one the person answers.
    """
    i, motor = _present_motors(mat)[0]
    has_read_back = mat.gate is not None and mat.gate.rail_pin is not None
    press = f"{motor.name} runs gently. Press the stop switch, as you would lying down."
    if has_read_back:
        question = Question((press,), "n: pressed, but it still runs   q: quit", "n")
    else:
        question = Question((press,), "y: it stopped   n: it still runs   q: quit", "yn")
    answer = yield from _ask_while_running(
        question._replace(expects_rail_off=has_read_back), mat, i
    )
    if answer.text == RAIL_OFF:
        yield from _show("The read-back shows that the motors' supply is off.")
    elif answer.text == "n":
        yield from _show(_STOP_FAILS)
        return False
    elif answer.text != "y":
        yield from _show("The stop switch was not pressed in time.")
        return False
    release = Question(("Release it: turn or pull it.",), "space: released   q: quit", " ")
    yield from _ask_until_known_key(release)
    question = Question(
        (f"{motor.name} runs again, gently.",), "y: it runs   n: it does not   q: quit", "yn"
    )
    answer = yield from _ask_while_running(
        question._replace(expects_rail_off=has_read_back), mat, i
    )
    if answer.text != "y":
        yield from _show("Check that the stop switch is released, then check the fuse.")
    return answer.text == "y"


_STOP_FAILS: Final = (
    "THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use the mat. The switch itself must cut the "
    "motors' supply: check its wires."
)


def check_start_button(mat: Mat) -> Questions[bool]:
    """True if the contacts read released, pressed and released again, or there is no button."""
    pins = mat.button
    if pins is None:
        yield from _show("The mat file has no start button.")
        return True
    wires = f"GPIO {pins.pressed_pin}"
    if pins.released_pin is not None:
        wires += f" (pressed) and GPIO {pins.released_pin} (released)"
    for line, contact in (
        (f"The start button is on {wires}. Do not touch it.", Contact.RELEASED),
        ("It reads released. Press it and hold it.", Contact.PRESSED),
        ("It reads pressed. Release it.", Contact.RELEASED),
    ):
        question = Question((line,), "n: nothing happens   q: quit", "n", contact=contact)
        answer = yield from _ask_until_known_key(question)
        if answer.text == "n":
            reading = answer.contact.value if answer.contact else "nothing"
            yield from _show(
                f"The contacts read `{reading}` instead of `{contact.value}`: check the wires of "
                f"{wires} and the button's ground."
            )
            return False
    yield from _show("It reads released: the start button works.")
    return True
