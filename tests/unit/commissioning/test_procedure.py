"""The builder's questions, played with scripted keys and times: duties, shown lines, results."""

from typing import Any

import pytest

from firmware_ctl.commissioning.procedure import (
    ENDED,
    MOTOR_MS,
    OTHER_KEY,
    OUT_OF_TIME,
    Answer,
    Key,
    Procedure,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.commissioning.questions import (
    MeasuredDuties,
    calibrate,
    check_motors,
    check_start_button,
    check_stop_switch,
    motor_report,
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
    """A procedure that gets its wakes on time, and the scripted events."""

    def __init__(self, questions: Questions[Any], mat: Any = MAT) -> None:
        self.procedure = Procedure(mat, questions)
        self.now_ms = 0
        self.shown: list[tuple[int, str]] = []
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
        self.shown += [(at_ms, notice.fields["text"]) for notice in step.notices]
        if step.duty_pct != (self.duties[-1][1] if self.duties else SILENCE):
            self.duties.append((at_ms, step.duty_pct))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.shown]


def ran_ms(script: Script, motor: int) -> int:
    """The total time for which a motor had a duty."""
    ends = [*script.duties[1:], (script.now_ms, SILENCE)]
    return sum(
        end - begin
        for (begin, duty), (end, _) in zip(script.duties, ends, strict=True)
        if duty[motor]
    )


def ask_in_turn(*questions: Question) -> Questions[list[Answer]]:
    answers = []
    for question in questions:
        answers.append((yield question))
    return answers


UP = Question(("up",), "t", "t", 1, Ramp(2, 6, 2, 400))


# ---- the procedure


def test_ramp_rises_to_its_end_or_falls_to_zero() -> None:
    up, down = Ramp(2, 6, 2, 400), Ramp(4, 0, 1, 500)
    assert [up.at(t) for t in (0, 399, 400, 800, 1200)] == [
        (2, 400), (2, 400), (4, 800), (6, 1200), (None, 1600),
    ]  # fmt: skip
    assert [down.at(t)[0] for t in (0, 500, 1000, 1500, 2000)] == [4, 3, 2, 1, None]


def test_answer_turns_the_motor_off_before_the_next_question() -> None:
    script = Script(ask_in_turn(UP, Question(("and",), "y", "y"))).keys((900, "t"), (2000, "y"))
    assert script.duties == [(0, (0, 2, 0)), (400, (0, 4, 0)), (800, (0, 6, 0)), (900, SILENCE)]
    assert script.shown == [(0, "up"), (900, "and")]
    assert script.procedure.result == [Answer("t", 6), Answer("y", 0)]
    assert script.procedure.closed


def test_ended_ramp_or_unknown_key_turns_the_motor_off() -> None:
    script = Script(ask_in_turn(UP, UP)).at(3000)
    assert script.procedure.result == [Answer(ENDED, 6), Answer(ENDED, 6)]
    assert script.duties[3:5] == [(1200, (0, 2, 0)), (1600, (0, 4, 0))]
    script = Script(ask_in_turn(UP, Question(("and",), "y", "y"))).keys((100, "z"), (200, "y"))
    assert script.duties == [(0, (0, 2, 0)), (100, SILENCE)]
    assert script.procedure.result == [Answer(OTHER_KEY, 2), Answer("y", 0)]


@pytest.mark.parametrize("key", ["q", "\x03", "\x04", ""])
def test_leave_key_always_ends_the_procedure_with_motors_off(key: str) -> None:
    script = Script(ask_in_turn(UP)).at(500, key)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == "Stopped: the motors are off."


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Close(), "Stopped by a signal: the motors are off."),
        (Suspended(5000), "The machine was suspended: the motors are off."),
        (NO_RAIL, f"The motors are off: {NO_RAIL.message}."),
        (Fault("tick-late", "the loop was held up"), "The motors are off: the loop was held up."),
    ],
)
def test_event_that_ends_a_session_ends_the_procedure(event: Input, line: str) -> None:
    script = Script(ask_in_turn(UP)).at(500, event)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == line
    assert not script.procedure.is_moving


def test_held_key_answers_only_once() -> None:
    questions = [Question((), "y", "y") for _ in range(3)]
    script = Script(ask_in_turn(*questions))
    script.keys((0, "y"), (600, "y"), (1200, "y"), (1800, "y"))
    assert not script.procedure.closed
    script.keys((2500, "y"), (3200, "y"))
    assert script.procedure.closed


def test_start_button_press_turns_the_motor_off() -> None:
    script = Script(ask_in_turn(UP, Question((), "y", "y")))
    script.at(100, Contacts(Contact.RELEASED)).at(200, Contacts(Contact.PRESSED))
    assert script.duties[-1] == (200, SILENCE)
    never_wired = Script(ask_in_turn(UP))
    never_wired.at(100, Contacts(Contact.NEITHER)).at(200, Contacts(Contact.NEITHER))
    assert never_wired.procedure.is_moving


def test_ramp_above_the_highest_duty_is_limited_to_it() -> None:
    script = Script(ask_in_turn(Question((), "", "t", 0, Ramp(70, 100, 10, 100)))).at(250)
    assert script.duties == [(0, (70, 0, 0)), (100, (80, 0, 0))]


def test_motor_that_ran_for_a_minute_runs_no_more() -> None:
    long = UP._replace(drive=Ramp(1, 1000, 1, 1000))
    script = Script(ask_in_turn(long, long, long)).at(40_000, "t").at(200_000)
    assert [answer.text for answer in script.procedure.result] == ["t", OUT_OF_TIME, OUT_OF_TIME]  # type: ignore[attr-defined]
    assert ran_ms(script, 1) == MOTOR_MS


# ---- wiring


def test_check_motors_announces_each_motor_and_runs_it_gently_and_alone() -> None:
    script = Script(check_motors(MAT)).at(5_000)
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
    # Motors of this mat have no kick, so the level rises to the lowest one that starts the motor.
    first_motor_pct = [duty[0] for at, duty in script.duties if at < 9_000]
    assert first_motor_pct == sorted(first_motor_pct)
    assert (first_motor_pct[0], first_motor_pct[-1]) == (20, 40)


def test_gentle_drive_of_a_motor_with_kick_begins_with_a_gentle_kick() -> None:
    zones = tuple(
        zone._replace(motors=tuple(motor._replace(kick_ms=100, start_pct=60)
                                   for motor in zone.motors))
        for zone in MAT.zones
    )  # fmt: skip
    mat = MAT._replace(zones=zones)
    script = Script(check_motors(mat), mat).at(1_000, " ").at(3_500)
    changes = [(at - 1_000, duty[0]) for at, duty in script.duties]
    assert changes[:2] == [(0, 50), (100, 23)]
    assert [duty for at, duty in changes if 1_000 <= at < 1_100] == [80]
    assert changes[-1][1] == 37  # level 30


def test_check_motors_with_repeat_unknown_key_and_time_limit() -> None:
    script = Script(check_motors(MAT)).at(1_000, " ")
    script.at(3_000, "r").at(5_000, "z").at(6_000)
    assert script.duties[-1] == (5_000, SILENCE)
    assert script.lines[-1] == "Unknown key. Motor off."
    script.at(7_000, "y")  # answers no question now
    assert not script.procedure.is_moving
    script.at(8_000, " ").at(200_000)
    assert script.lines[-1] == "60-second limit reached. Motor off. Did you feel it there?"
    assert ran_ms(script, 0) == MOTOR_MS
    script.at(200_000, "r").at(201_000, "y")
    assert script.lines[-2:] == ["     felt", "2/3  left: GPIO 22, back, left side"]


def test_check_motors_skips_an_absent_zone() -> None:
    mat = MAT._replace(zones=(MAT.zones[0]._replace(present=False), MAT.zones[1]))
    script = Script(check_motors(mat), mat).keys((1_000, " "), (3_000, "y"), (5_000, "y"))
    assert script.procedure.result == {"left": True, "right": True}


def test_motor_report_says_what_to_check() -> None:
    assert motor_report(MAT, {"neck": True, "left": True, "right": True}) == [
        "  neck                 GPIO 17  felt",
        "  left                 GPIO 22  felt",
        "  right                GPIO 23  felt",
    ]
    assert motor_report(MAT, {"neck": True, "left": False, "right": True})[3:] == [
        "left: if nothing ran, check the wire from GPIO 22 to its driver, the plug and the PTC. If another motor ran, two wires or header pins are swapped: fix the wiring, not the mat file.",
    ]
    assert motor_report(MAT, {"neck": False, "left": False, "right": False})[3:] == [
        "No motor was felt: check the motors' supply, its fuse, the stop switch, and the ground between Pi and driver.",
    ]


# ---- calibration


def measured(script: Script, motor: int, start_pct: int, stop_pct: int, late_ms: int = 0) -> Script:
    """Presses space, then answers for a motor that starts and stops at the given duties."""
    script.at(script.now_ms + 1_000, " ")
    for key, is_reached in (
        ("t", lambda duty: duty >= start_pct),
        ("s", lambda duty: 0 < duty <= stop_pct),
    ) * 2:
        for _ in range(10_000):
            if (
                script.procedure.is_moving
                and key in script.procedure.question.keys
                and is_reached(script.procedure.duty_pct)
            ):  # type: ignore[union-attr]
                break
            script.at(script.now_ms + 20)
        script.at(script.now_ms + late_ms, key)
    return script


def test_calibrate_takes_the_safer_of_two_measurements() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17)
    # Coarse steps up and down, a pause, fine steps up and down.
    duties = [duty[0] for _, duty in script.duties]
    assert duties == [
        *range(2, 35, 2), *range(32, 15, -2), 0,
        *range(24, 34), *range(26, 16, -1), 0,
    ]  # fmt: skip
    assert script.lines[3:] == [
        "Once more, in finer steps.",
        "     start 34%   hold 20%",
        "  neck                 start  40% ->  34%   hold  20% ->  20%",
        "Write the new values?",
    ]
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": MeasuredDuties(34, 20)}


def test_calibrate_with_a_late_finger_errs_to_the_safe_side() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17, late_ms=450)
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": MeasuredDuties(36, 20)}


def test_calibrate_keeps_hold_at_or_below_start() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 12, 11)
    script.at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"neck": MeasuredDuties(12, 12)}


@pytest.mark.parametrize("key", ["n", "\n", "z"])
def test_calibrate_without_a_yes_has_no_result(key: str) -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 33, 17)
    script.at(script.now_ms + 1_000, key)
    assert script.procedure.result == {}
    assert script.lines[-1] == "Nothing was written. All motors keep their old values."


def test_calibrate_with_unchanged_values_asks_no_confirmation() -> None:
    script = measured(Script(calibrate(MAT, "neck")), 0, 40, 17)
    assert script.procedure.result == {"neck": MeasuredDuties(40, 20)}


def test_calibrate_of_a_motor_that_never_starts_keeps_its_values() -> None:
    script = Script(calibrate(MAT, "neck")).at(1_000, " ").at(60_000)
    assert script.duties[-1] == (17_000, SILENCE)  # 2 % to 80 % at 0.4 s a step
    assert max(duty[0] for _, duty in script.duties) == 80
    assert script.lines[-1] == (
        "You did not report that it turned, even at its maximum of 80%. Check its plug, its supply, the stop switch, `cap`, and that nothing blocks it. "
        "neck keeps its old values. Measure it again?"
    )
    script.at(61_000, "n")
    assert script.procedure.result == {}


def test_calibrate_refuses_implausible_measurements() -> None:
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (1_900, "t"), (2_400, "s"))
    script.at(10_000, "t").at(10_800, "s")
    assert script.lines[-1] == (
        "You reported that it turned at 6%, then at 14%: too far apart. "
        "neck keeps its old values. Measure it again?"
    )
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (1_300, "t"))
    assert script.lines[-1].startswith("You reported that it turned at once, at 2%. neck keeps")
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (9_000, "t"), (9_300, "s"))
    assert script.lines[-1].startswith("You reported a stop at once, at 40%, where it")
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (3_000, "s"))
    assert script.duties[-1] == (3_000, SILENCE)
    assert script.lines[-1] == (
        "Unknown key. Motor off. neck keeps its old values. Measure it again?"
    )
    script = Script(calibrate(MAT, "neck")).keys((1_000, " "), (9_000, "t")).at(30_000)
    assert script.lines[-1].startswith("Power reached 0% and you did not report a stop.")
    assert script.duties[-1][1] == SILENCE


def test_calibrate_quit_half_way_has_no_result() -> None:
    script = measured(Script(calibrate(MAT, "back")), 1, 33, 17)
    script.keys((script.now_ms + 1_000, " "), (script.now_ms + 3_000, "q"))
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1][1] == SILENCE


def test_calibrate_of_a_skipped_motor_keeps_its_values() -> None:
    script = Script(calibrate(MAT, "back")).at(1_000, "n")
    measured(script, 2, 33, 17).at(script.now_ms + 1_000, "y")
    assert script.procedure.result == {"right": MeasuredDuties(34, 20)}


def test_calibrate_repeated_without_end_stops_at_the_time_limit() -> None:
    script = Script(calibrate(MAT, "neck"))
    for _ in range(10):
        script.at(script.now_ms + 1_000, " ").at(script.now_ms + 17_000)
    assert ran_ms(script, 0) == MOTOR_MS
    assert script.lines[-1].startswith("60-second limit reached. Try again later.")


# ---- stop switch and start button


def test_check_stop_switch_with_read_back() -> None:
    script = Script(check_stop_switch(GATED), GATED).at(2_000, NO_RAIL)
    assert script.duties[-1] == (2_000, SILENCE)
    assert script.procedure.fault == NO_RAIL  # the latch trips with it
    script.at(2_020)
    assert script.procedure.fault is None  # and the latch is reset
    script.keys((4_000, " "), (6_000, "y"))
    assert script.lines[1:] == [
        "The read-back shows that the motors' supply is off.",
        "Release it: turn or pull it.",
        "neck runs again, gently.",
    ]
    assert script.procedure.result is True


def test_check_stop_switch_without_read_back_asks_the_person() -> None:
    script = Script(check_stop_switch(MAT)).keys((2_000, "y"), (4_000, " "), (6_000, "y"))
    assert script.procedure.result is True
    script = Script(check_stop_switch(MAT)).at(2_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1].startswith("THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use")
    script = Script(check_stop_switch(MAT)).at(70_000)
    assert (script.procedure.result, script.lines[-1]) == (
        False,
        "The stop switch was not pressed in time.",
    )
    script = Script(check_stop_switch(GATED), GATED).at(
        2_000, Fault(NO_RAIL.code, NO_RAIL.message, is_persistent=True)
    )
    assert (script.procedure.closed, script.procedure.result) == (True, None)


def test_check_start_button_reads_both_wires() -> None:
    script = Script(check_start_button(MAT))
    for at_ms, contact in (
        (100, Contact.RELEASED),
        (2_000, Contact.NEITHER),
        (2_010, Contact.PRESSED),
        (3_000, Contact.RELEASED),
    ):
        script.at(at_ms, Contacts(contact))
    assert script.procedure.result is True
    assert script.lines == [
        "The start button is on GPIO 5 (pressed) and GPIO 6 (released). Do not touch it.",
        "It reads released. Press it and hold it.",
        "It reads pressed. Release it.",
        "It reads released: the start button works.",
    ]
    script = Script(check_start_button(MAT)).at(100, Contacts(Contact.BOTH)).at(2_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1] == (
        "The contacts read `both` instead of `released`: check the wires of GPIO 5 (pressed) and GPIO 6 (released) and the button's ground."
    )
    none = MAT._replace(button=None)
    assert Script(check_start_button(none), none).procedure.result is True
