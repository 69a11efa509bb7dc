"""The builder's questions by scripts of keys and times: what runs, what is told, what comes out."""

from typing import Any

import pytest

from firmware_ctl.commissioning.procedure import (
    LATE,
    MOTOR_MS,
    OTHER,
    OVER,
    Answer,
    Key,
    Procedure,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.commissioning.questions import (
    Tuned,
    calibrate,
    feel,
    felt_lines,
    start_button,
    stop_switch,
)
from firmware_ctl.config.mat import Gate
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Close,
    Contacts,
    Fault,
    Input,
    Suspended,
    Wake,
)
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.worlds import MAT, SILENCE

GATED = MAT._replace(gate=Gate(26, 8))
NO_RAIL = Fault("rail", "the motors have no supply: is the stop switch pressed, or a fuse blown?")


class Script:
    """A bench that is asked whenever it wants to be, and now and then gets a key."""

    def __init__(self, questions: Questions[Any], mat: Any = MAT) -> None:
        self.procedure = Procedure(mat, questions)
        self.now_ms = 0
        self.told: list[tuple[int, str]] = []
        self.duties: list[tuple[int, Levels]] = []
        self._wake_at_ms: int | None = None
        self._handle(0, Wake())

    def at(self, at_ms: int, event: Input | Key | str | None = None) -> "Script":
        while (
            self._wake_at_ms is not None and self._wake_at_ms < at_ms and not self.procedure.closed
        ):
            self._handle(max(self._wake_at_ms, self.now_ms), Wake())
        self._handle(at_ms, Key(event) if isinstance(event, str) else event or Wake())
        return self

    def keys(self, *keys: tuple[int, str]) -> "Script":
        for at_ms, key in keys:
            self.at(at_ms, key)
        return self

    def _handle(self, at_ms: int, event: Input | Key) -> None:
        self.now_ms = at_ms
        step = self.procedure.handle(event, at_ms)
        self._wake_at_ms = step.wake_at_ms
        self.told += [(at_ms, notice.fields["text"]) for notice in step.notices]
        if step.duty_pct != (self.duties[-1][1] if self.duties else SILENCE):
            self.duties.append((at_ms, step.duty_pct))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.told]


def ran_ms(script: Script, motor: int) -> int:
    """How long a motor had a duty in all."""
    ends = [*script.duties[1:], (script.now_ms, SILENCE)]
    return sum(
        end - begin
        for (begin, duty), (end, _) in zip(script.duties, ends, strict=True)
        if duty[motor]
    )


def one(*asks: Question) -> Questions[list[Answer]]:
    answers = []
    for ask in asks:
        answers.append((yield ask))
    return answers


UP = Question(("up",), "t", "t", 1, Ramp(2, 6, 2, 400))


# ---- the bench


def test_a_ramp_goes_up_to_its_end_and_down_to_nothing() -> None:
    up, down = Ramp(2, 6, 2, 400), Ramp(4, 0, 1, 500)
    assert [up.at(t) for t in (0, 399, 400, 800, 1200)] == [
        (2, 400), (2, 400), (4, 800), (6, 1200), (None, 1600),
    ]  # fmt: skip
    assert [down.at(t)[0] for t in (0, 500, 1000, 1500, 2000)] == [4, 3, 2, 1, None]


def test_one_motor_moves_and_is_off_before_the_next_question() -> None:
    script = Script(one(UP, Question(("and",), "y", "y"))).keys((900, "t"), (2000, "y"))
    assert script.duties == [(0, (0, 2, 0)), (400, (0, 4, 0)), (800, (0, 6, 0)), (900, SILENCE)]
    assert script.told == [(0, "up"), (900, "and")]
    assert script.procedure.result == [Answer("t", 6), Answer("y", 0)]
    assert script.procedure.closed


def test_the_end_of_a_ramp_and_another_key_turn_it_off_first() -> None:
    script = Script(one(UP, UP)).at(3000)
    assert script.procedure.result == [Answer(OVER, 6), Answer(OVER, 6)]
    assert script.duties[3:5] == [(1200, (0, 2, 0)), (1600, (0, 4, 0))]
    script = Script(one(UP, Question(("and",), "y", "y"))).keys((100, "z"), (200, "y"))
    assert script.duties == [(0, (0, 2, 0)), (100, SILENCE)]
    assert script.procedure.result == [Answer(OTHER, 2), Answer("y", 0)]


@pytest.mark.parametrize("key", ["q", "\x03", "\x04", ""])
def test_leaving_is_never_refused(key: str) -> None:
    script = Script(one(UP)).at(500, key)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == "Left: the motors are off."


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Close(), "Ended from outside: the motors are off."),
        (Suspended(5000), "The machine was suspended: the motors are off."),
        (NO_RAIL, f"The motors are off: {NO_RAIL.message}."),
        (Fault("tick-late", "the loop was held up"), "The motors are off: the loop was held up."),
    ],
)
def test_what_ends_a_session_ends_a_bench(event: Input, line: str) -> None:
    script = Script(one(UP)).at(500, event)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == line
    assert not script.procedure.is_moving


def test_a_key_that_is_held_answers_once() -> None:
    asks = [Question((), "y", "y") for _ in range(3)]
    script = Script(one(*asks))
    script.keys((0, "y"), (600, "y"), (1200, "y"), (1800, "y"))
    assert not script.procedure.closed
    script.keys((2500, "y"), (3200, "y"))
    assert script.procedure.closed


def test_a_press_of_the_start_button_turns_the_motor_off() -> None:
    script = Script(one(UP, Question((), "y", "y")))
    script.at(100, Contacts(Contact.RELEASED)).at(200, Contacts(Contact.PRESSED))
    assert script.duties[-1] == (200, SILENCE)
    never_wired = Script(one(UP))
    never_wired.at(100, Contacts(Contact.NEITHER)).at(200, Contacts(Contact.NEITHER))
    assert never_wired.procedure.is_moving


def test_no_motor_gets_more_than_its_highest_duty() -> None:
    script = Script(one(Question((), "", "t", 0, Ramp(70, 100, 10, 100)))).at(250)
    assert script.duties == [(0, (70, 0, 0)), (100, (80, 0, 0))]


def test_a_motor_has_its_minute_and_no_more_turns() -> None:
    long = UP._replace(drive=Ramp(1, 1000, 1, 1000))
    script = Script(one(long, long, long)).at(40_000, "t").at(200_000)
    assert [answer.text for answer in script.procedure.result] == ["t", LATE, LATE]  # type: ignore[attr-defined]
    assert ran_ms(script, 1) == MOTOR_MS


# ---- wiring


def test_every_motor_is_announced_runs_gently_and_alone() -> None:
    script = Script(feel(MAT)).at(5_000)
    assert script.duties == []  # nothing moves before a key
    script.keys((5_000, "z"), (6_000, " "), (9_000, "y"), (12_000, "n"), (15_000, "y"))
    assert script.lines[1:] == [
        "1/3  neck: GPIO 17, neck, left side",
        "     felt",
        "2/3  left: GPIO 22, back, left side",
        "     NOT FELT",
        "3/3  right: GPIO 23, back, right side",
        "     felt",
    ]
    assert script.procedure.result == {"neck": True, "left": False, "right": True}
    begins = [at for (at, duty), (_, before) in zip(script.duties[1:], script.duties, strict=False)
              if [d > 0 for d in duty] != [d > 0 for d in before]]  # fmt: skip
    assert begins == [9_000, 12_000, 15_000]
    assert all(sum(d > 0 for d in duty) <= 1 for _, duty in script.duties)
    # No kick in this mat, so the least level that starts the motor, softly reached.
    questions = [duty[0] for at, duty in script.duties if at < 9_000]
    assert questions == sorted(questions)
    assert (questions[0], questions[-1]) == (20, 40)


def test_with_a_kick_the_first_one_is_gentle() -> None:
    zones = tuple(
        zone._replace(motors=tuple(motor._replace(kick_ms=100, start_pct=60)
                                   for motor in zone.motors))
        for zone in MAT.zones
    )  # fmt: skip
    mat = MAT._replace(zones=zones)
    script = Script(feel(mat), mat).at(1_000, " ").at(3_500)
    questions = [(at - 1_000, duty[0]) for at, duty in script.duties]
    assert questions[:2] == [(0, 50), (100, 23)]
    assert [duty for at, duty in questions if 1_000 <= at < 1_100] == [80]
    assert questions[-1][1] == 37  # level 30


def test_again_another_key_and_a_minute() -> None:
    script = Script(feel(MAT)).at(1_000, " ")
    script.at(3_000, "r").at(5_000, "z").at(6_000)
    assert script.duties[-1] == (5_000, SILENCE)
    assert script.lines[-1] == "That is no answer here; the motor is off."
    script.at(7_000, "y")  # not what is asked now
    assert not script.procedure.is_moving
    script.at(8_000, " ").at(200_000)
    assert script.lines[-1] == "Its 60 s are over; it is off. What did you feel?"
    assert ran_ms(script, 0) == MOTOR_MS
    script.at(200_000, "r").at(201_000, "y")
    assert script.lines[-2:] == ["     felt", "2/3  left: GPIO 22, back, left side"]


def test_an_absent_zone_is_left_out() -> None:
    mat = MAT._replace(zones=(MAT.zones[0]._replace(present=False), MAT.zones[1]))
    script = Script(feel(mat), mat).keys((1_000, " "), (3_000, "y"), (5_000, "y"))
    assert script.procedure.result == {"left": True, "right": True}


def test_the_summary_names_what_to_look_at() -> None:
    assert felt_lines(MAT, {"neck": True, "left": True, "right": True}) == [
        "  neck                 GPIO 17  felt",
        "  left                 GPIO 22  felt",
        "  right                GPIO 23  felt",
    ]
    assert felt_lines(MAT, {"neck": True, "left": False, "right": True})[3:] == [
        "left: if nothing ran, look at the wire from GPIO 22 to its driver, at its plug and its PTC; if another motor ran, cores or header pins are exchanged: mend that there, not in the mat file.",
    ]
    assert felt_lines(MAT, {"neck": False, "left": False, "right": False})[3:] == [
        "None was felt: look at the motors' supply, its fuse, the stop switch and the ground that Pi and driver share.",
    ]


# ---- calibration


def measured(script: Script, motor: int, start_pct: int, stop_pct: int, late_ms: int = 0) -> Script:
    """Space, and then a person who sees the motor turn from `start_pct` down to `stop_pct`."""
    script.at(script.now_ms + 1_000, " ")
    for key, is_it in (
        ("t", lambda duty: duty >= start_pct),
        ("s", lambda duty: 0 < duty <= stop_pct),
    ) * 2:
        for _ in range(10_000):
            if (
                script.procedure.is_moving
                and key in script.procedure.ask.keys
                and is_it(script.procedure.duty_pct)
            ):  # type: ignore[union-attr]
                break
            script.at(script.now_ms + 20)
        script.at(script.now_ms + late_ms, key)
    return script


def test_start_and_hold_are_the_safer_of_two_measurements() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17)
    # The course of duties: coarse up and down, a rest, finer up and down.
    duties = [duty[0] for _, duty in script.duties]
    assert duties == [
        *range(2, 35, 2), *range(32, 15, -2), 0,
        *range(24, 34), *range(26, 16, -1), 0,
    ]  # fmt: skip
    assert script.lines[3:] == [
        "Once more, finer.",
        "     start 34%   hold 20%",
        "  neck                 start  40% ->  34%   hold  20% ->  20%",
        "Write the new values?",
    ]
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": Tuned(34, 20)}


def test_a_late_finger_errs_to_the_safe_side() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17, late_ms=450)
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": Tuned(36, 20)}


def test_hold_is_never_above_start() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 12, 11)
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": Tuned(12, 12)}


@pytest.mark.parametrize("key", ["n", "\n", "z"])
def test_only_yes_writes(key: str) -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17)
    script.at(script.now_ms + 1_000, key)
    assert script.procedure.result == {}
    assert script.lines[-1] == "Nothing is written: all old values stand."


def test_what_is_as_it_was_is_not_asked_about() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 40, 17)
    assert script.procedure.result == {"neck": Tuned(40, 20)}


def test_a_motor_that_never_starts() -> None:
    script = Script(calibrate(MAT, "neck")).at(1_000, " ").at(60_000)
    assert script.duties[-1] == (17_000, SILENCE)  # 2 % to 80 % at 0.4 s a step
    assert max(duty[0] for _, duty in script.duties) == 80
    assert script.lines[-1] == (
        "It was not said to turn, up to 80 %, its highest duty. Look at its plug, its supply and the stop switch, whether something blocks it, and `cap`. "
        "The old values of neck stand. Measure it again?"
    )
    script.at(61_000, "n")
    assert script.procedure.result == {}


def test_nonsense_is_refused_and_the_old_values_stand() -> None:
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (1_900, "t"), (2_400, "s"))
    script.at(10_000, "t").at(10_800, "s")
    assert script.lines[-1] == (
        "It was said to start at 6 %, then at 14 %: that is too far apart. "
        "The old values of neck stand. Measure it again?"
    )
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (1_300, "t"))
    assert script.lines[-1].startswith("It was said to turn at once, at 2 %. The old values")
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (9_000, "t"), (9_300, "s"))
    assert script.lines[-1].startswith("It was said to stand still at once, at 40 %, where it")
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (3_000, "s"))
    assert script.duties[-1] == (3_000, SILENCE)
    assert script.lines[-1] == (
        "That is no answer here; the motor is off. The old values of neck stand. Measure it again?"
    )
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (9_000, "t")).at(30_000)
    assert script.lines[-1].startswith("It has nothing any more and was not said to stand still.")
    assert script.duties[-1][1] == SILENCE


def test_a_calibration_left_half_way_has_no_result() -> None:
    script = measured(Script(calibrate(MAT, "back")), 1, 33, 17)
    script.keys((script.now_ms + 1_000, " "), (script.now_ms + 3_000, "q"))
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1][1] == SILENCE


def test_a_motor_left_out_keeps_its_values() -> None:
    script = Script(calibrate(MAT, "back")).at(1_000, "n")
    measured(script, 2, 33, 17).at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"right": Tuned(34, 20)}


def test_measuring_again_and_again_ends_with_the_motors_minute() -> None:
    script = Script(calibrate(MAT, "neck"))
    for _ in range(10):
        script.at(script.now_ms + 1_000, " ").at(script.now_ms + 17_000)
    assert ran_ms(script, 0) == MOTOR_MS
    assert script.lines[-1].startswith("It has run for 60 s, which is the most")


# ---- stop switch and start button


def test_the_stop_switch_by_its_read_back() -> None:
    script = Script(stop_switch(GATED), GATED).at(2_000, NO_RAIL)
    assert script.duties[-1] == (2_000, SILENCE)
    assert script.procedure.fault == NO_RAIL  # the latch trips with it
    script.at(2_020)
    assert script.procedure.fault is None  # and is reset
    script.keys((4_000, " "), (6_000, "y"))
    assert script.lines[1:] == [
        "Seen: the motors' supply is off.",
        "Release it: turn or pull it.",
        "neck runs again, gently.",
    ]
    assert script.procedure.result is True


def test_the_stop_switch_by_what_is_felt() -> None:
    script = Script(stop_switch(MAT)).keys((2_000, "y"), (4_000, " "), (6_000, "y"))
    assert script.procedure.result is True
    script = Script(stop_switch(MAT)).at(2_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1].startswith("THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use")
    script = Script(stop_switch(MAT)).at(70_000)
    assert (script.procedure.result, script.lines[-1]) == (False, "It was not pressed in time.")
    script = Script(stop_switch(GATED), GATED).at(
        2_000, Fault(NO_RAIL.code, NO_RAIL.message, is_persistent=True)
    )
    assert (script.procedure.closed, script.procedure.result) == (True, None)


def test_the_start_button_on_both_wires() -> None:
    script = Script(start_button(MAT))
    for at_ms, contact in (
        (100, Contact.RELEASED),
        (2_000, Contact.NEITHER),
        (2_010, Contact.PRESSED),
        (3_000, Contact.RELEASED),
    ):
        script.at(at_ms, Contacts(contact))
    assert script.procedure.result is True
    assert script.lines == [
        "The start button on GPIO 5 (pressed) and GPIO 6 (released): leave it alone.",
        "Seen released. Press it and hold it.",
        "Seen pressed. Release it.",
        "Seen released: the start button is well.",
    ]
    script = Script(start_button(MAT)).at(100, Contacts(Contact.BOTH)).at(2_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1] == (
        "Its contacts read `both` where `released` is expected: look at the wires of GPIO 5 (pressed) and GPIO 6 (released) and at the button's ground."
    )
    none = MAT._replace(button=None)
    assert Script(start_button(none), none).procedure.result is True
