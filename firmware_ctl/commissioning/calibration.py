"""The calibration of a zone: questions that measure `start` and `hold` of each of its motors.

It is a generator for `Procedure`, as those in `questions` are. A wrong key costs no measurement: it
turns the motor off, and only the part that it interrupted is measured again.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from firmware_ctl.commissioning.procedure import (
    ENDED,
    OTHER_KEY,
    OUT_OF_TIME,
    QUIT,
    Answer,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.commissioning.questions import (
    INTERRUPTIONS,
    TIME_LIMIT,
    ask_until_known_key,
    show,
)
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.timeline.motor_drive import highest_duty_pct

BETWEEN_MS: Final = 1_000
"""Pause between two measurements, long enough for the rotor to come to rest."""

LEAD_PCT: Final = 10
"""In duty percent: the finer ramps begin so far below the first start and above the first stop."""

AGREE_PCT: Final = 6
"""Two measurements that differ by more than this are both discarded."""

HOLD_MARGIN_PCT: Final = 3
"""Added to the measured stop, so that the motor does not stall at level 1: one percent for a slow
finger, two for a cold day."""


class MeasuredDuties(NamedTuple):
    """The measured `start` and `hold` of one motor, in duty percent."""

    start_pct: int
    hold_pct: int


class KeptDuties(NamedTuple):
    """Duties that an earlier calibration measured, and that are not in the mat file yet."""

    duties: MeasuredDuties
    pin: int
    """The motor's pin then. With another pin the duties may belong to another motor."""
    measured_at: str
    """A date and time, for people."""


_INTRO: Final = (
    "Have someone lie on it: under weight a motor needs more power to start.",
    "Power rises in small steps. Press t as soon as the motor turns. Then it falls: press o when "
    "it has stopped. Both steps are then repeated more finely.",
)


def calibrate(
    mat: Mat,
    zone: str,
    measured: dict[str, MeasuredDuties],
    kept: Mapping[str, KeptDuties],
) -> Questions[bool]:
    """Measures `start` and `hold` of the zone's motors, and asks before new values are written.

    Writes motor name → values into `measured` as soon as a motor is measured, so that they are
    known however the procedure ends. The result: True: they are to be written. False: the person
    discards them.

    `kept` are offered instead of a measurement. A person who quits is asked about what was measured
    until then.

    Each motor is measured twice, the second time in finer steps. A late finger reads too high on
    the way up and too low on the way down. `start` is therefore the higher of the two starts.
    `hold` is the higher of the two duties at which the motor stood still, plus a margin.
    """
    motors = [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone == zone]
    old = {motor.name: MeasuredDuties(motor.start_pct, motor.hold_pct) for _, motor in motors}
    offers = {m.name: kept[m.name] for _, m in motors if m.name in kept}
    intro: tuple[str, ...] = _INTRO
    position = 0
    while position < len(motors):
        i, motor = motors[position]
        head = f"{position + 1}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {motor.side} side"
        asked = Question((head,), "", " s" + "b" * (position > 0), takes_quit=bool(measured))
        outcome: MeasuredDuties | str = "n"
        offer = offers.pop(motor.name, None)
        if offer is not None and offer.pin == motor.pin:
            outcome = yield from _offer(asked, motor, offer)
            asked = asked._replace(lines=())
        if outcome == "n":
            asked = asked._replace(lines=(*asked.lines, *intro))
            intro = ()
            outcome = yield from _calibrate_motor(asked, i, motor, mat)
        if outcome == QUIT:
            break
        if outcome == "b":
            position -= 1
            continue
        if isinstance(outcome, MeasuredDuties):
            measured[motor.name] = outcome
        start_pct, hold_pct = (old | measured)[motor.name]
        word = "skipped, it keeps " if outcome == "s" else ""
        yield from show(f"     {word}start {start_pct}%   hold {hold_pct}%")
        position += 1
    if old | measured == old:
        return True
    return (yield from _ask_whether_to_write(mat, measured))


def _offer(asked: Question, motor: Motor, offer: KeptDuties) -> Questions[MeasuredDuties | str]:
    """Offers the kept duties. A text: n to measure the motor, s, b, or QUIT."""
    start_pct, hold_pct = offer.duties
    line = (
        f"{motor.name} was measured at {offer.measured_at}, and not written: start {start_pct}%, "
        f"hold {hold_pct}%. Use it?"
    )
    back = "   b: back" if "b" in asked.keys else ""
    prompt = f"y: use it   n: measure it again   s: skip this motor{back}   q: quit"
    keys = "yn" + asked.keys.strip()
    question = asked._replace(lines=(*asked.lines, line), prompt=prompt, keys=keys)
    answer = yield from ask_until_known_key(question)
    return offer.duties if answer.text == "y" else answer.text


def _ask_whether_to_write(mat: Mat, measured: Mapping[str, MeasuredDuties]) -> Questions[bool]:
    """False: the person discards the values. To quit here decides nothing and loses nothing,
    because a person in a hurry presses the key twice."""
    lines = (*_comparison(mat, measured), "Write the new values?")
    keys = "y: write them   n: discard them   q: decide later"
    answer = yield from ask_until_known_key(Question(lines, keys, "yn"))
    if answer.text == "n":
        yield from show("Nothing was written. All motors keep their old values.")
    return answer.text == "y"


def _calibrate_motor(
    asked: Question, i: int, motor: Motor, mat: Mat
) -> Questions[MeasuredDuties | str]:
    """Measures a motor until that has succeeded. Else it returns s, b, or QUIT; s also if the motor
    may run no longer."""
    back = "   b: back" if "b" in asked.keys else ""
    asked = asked._replace(prompt=f"space: begin   s: skip this motor{back}   q: quit")
    while True:
        answer = yield from ask_until_known_key(asked)
        if answer.text != " ":
            return answer.text
        measuring = Question((), "", "", i, expects_rail_off=True, takes_quit=asked.takes_quit)
        outcome = yield from _measure(measuring, highest_duty_pct(motor, mat))
        if isinstance(outcome, MeasuredDuties) or outcome == QUIT:
            return outcome
        if outcome == OUT_OF_TIME:
            yield from show(f"{TIME_LIMIT} Calibrate the zone again to measure {motor.name}.")
            return "s"
        rest = yield from _rest(measuring, outcome)
        if rest.text == QUIT:
            return QUIT
        asked = asked._replace(lines=(f"Measure {motor.name} again?",))


def _measure(measuring: Question, highest_pct: int) -> Questions[MeasuredDuties | str]:
    """Measures coarsely, then finely. Returns a text if nothing was measured: QUIT, OUT_OF_TIME, or
    the reason."""
    starts_pct: list[int] = []
    stops_pct: list[int] = []
    for by_pct, every_ms in ((2, 400), (1, 500)):
        from_pct = max(by_pct, starts_pct[-1] - LEAD_PCT) if starts_pct else by_pct
        rise = Ramp(from_pct, highest_pct, by_pct, every_ms)
        highest_stop_pct = stops_pct[-1] + LEAD_PCT if stops_pct else highest_pct
        outcome = yield from _rise_and_fall(measuring, rise, highest_stop_pct)
        while outcome in INTERRUPTIONS:
            answer = yield from _ask_to_run_again(measuring, INTERRUPTIONS[str(outcome)])
            if answer.text == QUIT:
                return QUIT
            outcome = yield from _rise_and_fall(measuring, rise, highest_stop_pct)
        if isinstance(outcome, str):
            return outcome
        starts_pct.append(outcome[0])
        stops_pct.append(outcome[1])
        if len(starts_pct) == 1:
            answer = yield from _rest(measuring, "Once more, in finer steps.")
            if answer.text == QUIT:
                return QUIT
    for verb, (first_pct, second_pct) in (("turned", starts_pct), ("stopped", stops_pct)):
        if abs(first_pct - second_pct) > AGREE_PCT:
            return (
                f"You reported that it {verb} at {first_pct}%, then at {second_pct}%: too far "
                "apart."
            )
    start_pct = max(starts_pct)
    hold_pct = min(max(stops_pct) + HOLD_MARGIN_PCT, start_pct, highest_pct - 1)
    return MeasuredDuties(start_pct, hold_pct)


def _rest(measuring: Question, line: str) -> Questions[Answer]:
    """Shows a line while the rotor comes to rest. A rotor that still turns would start at a duty
    that cannot start it. The answer is `ENDED` or `QUIT`."""
    resting = Question((line,), "", "", for_ms=BETWEEN_MS, takes_quit=measuring.takes_quit)
    while (answer := (yield resting)).text == OTHER_KEY:
        resting = resting._replace(lines=())
    return answer


def _ask_to_run_again(measuring: Question, line: str) -> Questions[Answer]:
    """After an interruption. The answer is a space or `QUIT`."""
    answer = yield from _rest(measuring, line)
    if answer.text == QUIT:
        return answer
    again = Question((), "space: run it again   q: quit", " ", takes_quit=measuring.takes_quit)
    return (yield from ask_until_known_key(again))


def _rise_and_fall(
    measuring: Question, rise: Ramp, highest_stop_pct: int
) -> Questions[tuple[int, int] | str]:
    """The duties at which the motor began to turn and stopped. Returns a text if nothing was
    measured: one of `INTERRUPTIONS`, QUIT, OUT_OF_TIME, or the reason."""
    answer = yield measuring._replace(
        prompt="power rises:   t: it turns   space: stop   q: quit", keys="t", drive=rise
    )
    start_pct = answer.duty_pct
    if answer.text == ENDED:
        return (
            f"You did not report that it turned, even at its maximum of {rise.to_pct}%. Check "
            "its plug, its supply, the stop switch, `cap`, and that nothing blocks it."
        )
    if answer.text != "t":
        return answer.text
    if start_pct == rise.from_pct:
        return f"You reported that it turned at once, at {start_pct}%."
    fall = Ramp(min(start_pct, highest_stop_pct), 0, rise.by_pct, rise.every_ms)
    answer = yield measuring._replace(
        prompt="power falls:   o: it stopped   space: stop   q: quit", keys="o", drive=fall
    )
    if answer.text == ENDED:
        return "Power reached 0% and you did not report a stop."
    if answer.text != "o":
        return answer.text
    if answer.duty_pct == fall.from_pct:
        return f"You reported a stop at once, at {fall.from_pct}%, where it still turns."
    return start_pct, answer.duty_pct


def _comparison(mat: Mat, measured: Mapping[str, MeasuredDuties]) -> list[str]:
    """Old and new values, one line for each measured motor."""
    return [
        f"  {motor.name:<20} start {motor.start_pct:>3}% -> {measured[motor.name].start_pct:>3}%   "
        f"hold {motor.hold_pct:>3}% -> {measured[motor.name].hold_pct:>3}%"
        for motor in mat.motors
        if motor.name in measured
    ]
