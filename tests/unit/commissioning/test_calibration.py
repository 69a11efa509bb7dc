"""The calibration: measurements, what is refused, and that no wrong key costs one."""

from collections.abc import Mapping

import pytest

from firmware_ctl.commissioning.calibration import (
    BETWEEN_MS,
    KeptDuties,
    MeasuredDuties,
    calibrate,
)
from firmware_ctl.commissioning.procedure import MOTOR_MS
from firmware_ctl.config.mat import Mat
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Close, Contacts, Fault
from tests.support.worlds import MAT, SILENCE
from tests.support.worlds_procedure import GATED, NO_RAIL, Script, ran_ms

# ---- calibration


class Calibration(Script):
    def __init__(
        self, zone: str, mat: Mat = MAT, kept: Mapping[str, KeptDuties] | None = None
    ) -> None:
        self.measured: dict[str, MeasuredDuties] = {}
        super().__init__(calibrate(mat, zone, self.measured, kept or {}), mat)


def measured(
    script: Calibration, motor: int, start_pct: int, stop_pct: int, late_ms: int = 0
) -> Calibration:
    """Presses space, then answers for a motor that starts and stops at the given duties."""
    script.at(script.now_ms + 1_000, " ")
    for key, is_reached in (
        ("t", lambda duty: duty >= start_pct),
        ("o", lambda duty: 0 < duty <= stop_pct),
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
    script = measured(Calibration("neck"), 0, 33, 17)
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
    assert (script.procedure.result, script.measured) == (True, {"neck": MeasuredDuties(34, 20)})


def test_calibrate_with_a_late_finger_errs_to_the_safe_side() -> None:
    script = measured(Calibration("neck"), 0, 33, 17, late_ms=450)
    script.at(script.now_ms + 1_000, "y")
    assert (script.procedure.result, script.measured) == (True, {"neck": MeasuredDuties(36, 20)})


def test_calibrate_keeps_hold_at_or_below_start() -> None:
    script = measured(Calibration("neck"), 0, 12, 11)
    script.at(script.now_ms + 1_000, "y")
    assert (script.procedure.result, script.measured) == (True, {"neck": MeasuredDuties(12, 12)})


def test_calibrate_with_a_no_discards() -> None:
    script = measured(Calibration("neck"), 0, 33, 17)
    script.at(script.now_ms + 1_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1] == "Nothing was written. All motors keep their old values."


@pytest.mark.parametrize("key", ["z", "\n", "o", "t", " ", "\x1b"])
def test_calibrate_with_a_wrong_key_at_the_end_asks_again(key: str) -> None:
    script = measured(Calibration("neck"), 0, 33, 17)
    script.at(script.now_ms + 1_000, key)
    assert script.lines[-2:] == ["Write the new values?", "Unknown key."]
    assert script.procedure.prompt == "y: write them   n: discard them   q: decide later"
    script.at(script.now_ms + 1_000, "y")
    assert (script.procedure.result, script.measured) == (True, {"neck": MeasuredDuties(34, 20)})


def test_calibrate_with_unchanged_values_asks_no_confirmation() -> None:
    script = measured(Calibration("neck"), 0, 40, 17)
    assert (script.procedure.result, script.measured) == (True, {"neck": MeasuredDuties(40, 20)})


def test_calibrate_of_a_motor_that_never_starts_keeps_its_values() -> None:
    script = Calibration("neck").at(1_000, " ").at(60_000)
    assert script.duties[-1] == (17_000, SILENCE)  # 2 % to 80 % at 0.4 s a step
    assert max(duty[0] for _, duty in script.duties) == 80
    assert script.lines[-2:] == [
        "You did not report that it turned, even at its maximum of 80%. Check its plug, its supply, the stop switch, `cap`, and that nothing blocks it.",
        "Measure neck again?",
    ]
    script.at(61_000, "s")
    assert script.lines[-1] == "     skipped, it keeps start 40%   hold 20%"
    assert (script.procedure.result, script.measured) == (True, {})


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            ((1_000, " "), (1_900, "t"), (2_400, "o"), (10_000, "t"), (10_800, "o")),
            "You reported that it turned at 6%, then at 14%: too far apart.",
        ),
        (((1_000, " "), (1_300, "t")), "You reported that it turned at once, at 2%."),
        (
            ((1_000, " "), (9_000, "t"), (9_300, "o")),
            "You reported a stop at once, at 40%, where it still turns.",
        ),
    ],
)
def test_calibrate_refuses_an_implausible_measurement(
    keys: tuple[tuple[int, str], ...], line: str
) -> None:
    script = Calibration("neck").keys(*keys)
    assert script.lines[-1] == line
    assert script.duties[-1] == (script.now_ms, SILENCE)
    script.at(script.now_ms + BETWEEN_MS + 1)
    assert script.lines[-1] == "Measure neck again?"


def test_calibrate_without_a_report_of_the_stop_refuses() -> None:
    script = Calibration("neck").keys((1_000, " "), (9_000, "t")).at(30_000)
    assert script.lines[-2] == "Power reached 0% and you did not report a stop."
    assert script.duties[-1][1] == SILENCE


# ---- nothing measured is lost


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ("o", "Unknown key. Motor off."),
        ("z", "Unknown key. Motor off."),
        (" ", "Motor off."),
        (Contacts(Contact.PRESSED), "Start button pressed. Motor off."),
        (NO_RAIL, "The motors' supply is off: release the stop switch, then check the fuse."),
    ],
)
def test_calibrate_interrupted_in_the_fine_ramp_repeats_only_that(
    event: str | Contacts | Fault, line: str
) -> None:
    script = Calibration("neck", GATED)
    script.at(500, Contacts(Contact.RELEASED))
    script.keys((1_000, " "), (8_000, "t"), (15_000, "o")).at(16_500)
    assert script.lines[-1] == "Once more, in finer steps."
    script.at(17_000, event)
    assert script.lines[-1] == line
    assert script.duties[-1] == (17_000, SILENCE)
    script.at(17_500, " ")  # The rotor has not come to rest yet.
    assert not script.procedure.is_moving
    script.at(19_000)
    assert script.procedure.prompt == "space: run it again   q: quit"
    script.at(20_000, " ").at(20_010)
    assert script.duties[-1] == (20_000, (26, 0, 0))  # the first duty of the fine ramp
    script.keys((25_000, "t"), (29_600, "o"))
    assert script.lines[-2:] == [
        "  neck                 start  40% ->  36%   hold  20% ->   6%",
        "Write the new values?",
    ]


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_calibrate_quit_after_a_measured_motor_asks_whether_to_write_it(key: str) -> None:
    script = measured(Calibration("back"), 1, 33, 17)
    script.keys((script.now_ms + 1_000, " "), (script.now_ms + 3_000, key))
    assert script.duties[-1] == (script.now_ms, SILENCE)
    assert script.lines[-1] == "Write the new values?"
    script.at(script.now_ms + 1_000, "y")
    assert (script.procedure.result, script.measured) == (True, {"left": MeasuredDuties(34, 20)})


@pytest.mark.parametrize("key", ["q", "\x03", "\x04", ""])
def test_calibrate_quit_at_the_last_question_keeps_what_was_measured(key: str) -> None:
    script = measured(Calibration("back"), 1, 33, 17)
    script.keys((script.now_ms + 1_000, "q"), (script.now_ms + 1_100, key))
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.measured == {"left": MeasuredDuties(34, 20)}


def test_calibrate_ended_by_a_signal_keeps_what_was_measured_with_the_motor_off() -> None:
    script = measured(Calibration("back"), 1, 33, 17)
    script.at(script.now_ms + 1_000, " ").at(script.now_ms + 3_000)
    assert script.procedure.is_moving
    script.at(script.now_ms, Close())
    assert script.duties[-1][1] == SILENCE
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.measured == {"left": MeasuredDuties(34, 20)}


# ---- what an earlier calibration measured

KEPT = {
    "left": KeptDuties(MeasuredDuties(34, 20), 22, "2026-11-30 14:05"),
    "right": KeptDuties(MeasuredDuties(36, 21), 4, "2026-11-30 14:05"),
}


def test_calibrate_offers_what_was_kept_for_the_same_motor_and_pin() -> None:
    script = Calibration("back", kept=KEPT)
    assert script.lines == [
        "1/2  left: GPIO 22, left side",
        "left was measured at 2026-11-30 14:05, and not written: start 34%, hold 20%. Use it?",
    ]
    assert script.procedure.prompt == (
        "y: use it   n: measure it again   s: skip this motor   q: quit"
    )
    script.at(1_000, "y")
    assert script.lines[2:4] == [
        "     start 34%   hold 20%",
        "2/2  right: GPIO 23, right side",  # its pin is another one now
    ]
    assert script.procedure.prompt == "space: begin   s: skip this motor   b: back   q: quit"
    script.keys((2_000, "s"), (3_000, "y"))
    assert script.procedure.result is True
    assert script.measured == {"left": MeasuredDuties(34, 20)}


def test_calibrate_measures_a_motor_again_whose_kept_values_are_not_wanted() -> None:
    script = Calibration("back", kept=KEPT)
    script.at(500, " ")  # no answer to this question
    assert script.lines[-1] == "Unknown key."
    script.at(1_500, "n")
    assert script.lines[-1].startswith("Power rises in small steps.")
    assert script.procedure.prompt == "space: begin   s: skip this motor   q: quit"
    measured(script, 1, 37, 17)
    script.keys((script.now_ms + 1_000, "b"))
    assert script.procedure.prompt == "space: begin   s: skip this motor   q: quit"
    assert script.measured == {"left": MeasuredDuties(38, 20)}


def test_calibrate_quit_before_a_motor_was_measured_has_no_result() -> None:
    script = Calibration("back").keys((1_000, " "), (3_000, "q"))
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1][1] == SILENCE


def test_calibrate_goes_back_one_motor_and_keeps_what_was_measured() -> None:
    script = measured(Calibration("back"), 1, 33, 17)
    assert script.procedure.prompt == "space: begin   s: skip this motor   b: back   q: quit"
    script.at(script.now_ms + 1_000, "b")
    assert script.lines[-1] == "1/2  left: GPIO 22, left side"
    assert "b: back" not in script.procedure.prompt
    script.at(script.now_ms + 1_000, "s")
    assert script.lines[-2:] == [
        "     skipped, it keeps start 34%   hold 20%",
        "2/2  right: GPIO 23, right side",
    ]
    script.keys((script.now_ms + 1_000, "b"))
    measured(script, 1, 37, 17)
    script.keys((script.now_ms + 1_000, "s"), (script.now_ms + 2_000, "y"))
    assert (script.procedure.result, script.measured) == (True, {"left": MeasuredDuties(38, 20)})


def test_calibrate_of_a_skipped_motor_keeps_its_values() -> None:
    script = Calibration("back").at(1_000, "s")
    measured(script, 2, 33, 17).at(script.now_ms + 1_000, "y")
    assert (script.procedure.result, script.measured) == (True, {"right": MeasuredDuties(34, 20)})


def test_calibrate_repeated_without_end_stops_at_the_time_limit() -> None:
    script = Calibration("back")
    while script.lines[-1] != "2/2  right: GPIO 23, right side":
        script.at(script.now_ms + 1_000, " ").at(script.now_ms + 18_000)
    assert ran_ms(script, 1) == MOTOR_MS
    assert script.lines[-3:-1] == [
        "60-second limit reached. Calibrate the zone again to measure left.",
        "     skipped, it keeps start 40%   hold 20%",
    ]
