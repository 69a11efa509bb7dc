"""What the builder is asked about motors, stop switch and start button, and what is shown."""

import pytest

from firmware_ctl.commissioning.procedure import MOTOR_MS
from firmware_ctl.commissioning.questions import (
    check_motors,
    check_start_button,
    check_stop_switch,
    motor_report,
)
from firmware_ctl.config.mat import Mat
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Contacts, Fault
from tests.support.worlds import MAT, SILENCE
from tests.support.worlds_procedure import GATED, NO_RAIL, Script, ran_ms

# ---- wiring


def test_check_motors_announces_each_motor_and_runs_it_gently_and_alone() -> None:
    script = Script(check_motors(MAT, felt := {})).at(5_000)
    assert script.duties == []  # nothing moves before a key
    script.keys((5_000, "z"), (6_000, " "), (9_000, "y"), (12_000, "n"), (15_000, "y"))
    assert script.lines[1:-4] == [
        "Unknown key.",
        "1/3  neck: GPIO 17, neck, left side",
        "     felt",
        "2/3  left: GPIO 22, back, left side",
        "     NOT FELT",
        "3/3  right: GPIO 23, back, right side",
        "     felt",
    ]
    assert script.at(16_000, "\n").procedure.result is False
    assert felt == {"neck": True, "left": False, "right": True}
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
    script = Script(check_motors(mat, {}), mat).at(1_000, " ").at(3_500)
    changes = [(at - 1_000, duty[0]) for at, duty in script.duties]
    assert changes[:2] == [(0, 50), (100, 23)]
    assert [duty for at, duty in changes if 1_000 <= at < 1_100] == [80]
    assert changes[-1][1] == 37  # level 30


def test_check_motors_with_repeat_unknown_key_and_time_limit() -> None:
    script = Script(check_motors(MAT, {})).at(1_000, " ")
    script.at(5_000, "z").at(6_000)
    assert script.duties[-1] == (5_000, SILENCE)
    assert script.lines[-1] == "Unknown key. Motor off."
    script.at(7_000, "y")  # answers no question now
    assert not script.procedure.is_moving
    script.at(8_000, " ").at(200_000)
    assert script.lines[-1] == "60-second limit reached. Motor off. Did you feel it there?"
    assert ran_ms(script, 0) == MOTOR_MS
    script.at(200_000, " ").at(201_000, "y")
    assert script.lines[-2:] == ["     felt", "2/3  left: GPIO 22, back, left side"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Contacts(Contact.PRESSED), "Start button pressed. Motor off."),
        (NO_RAIL, "The motors' supply is off: release the stop switch, then check the fuse."),
    ],
)
def test_check_motors_with_a_press_or_without_supply_keeps_the_answers(
    event: Contacts | Fault, line: str
) -> None:
    script = Script(check_motors(GATED, felt := {}), GATED).at(500, Contacts(Contact.RELEASED))
    script.keys((1_000, " "), (4_000, "y")).at(6_000, event)
    assert (script.duties[-1], script.lines[-1]) == ((6_000, SILENCE), line)
    script.keys((7_000, " "), (10_000, "y"), (13_000, "y"))
    assert felt == {"neck": True, "left": True, "right": True}


def test_check_motors_goes_back_one_motor() -> None:
    script = Script(check_motors(MAT, felt := {})).keys((1_000, " "), (4_000, "n"))
    assert "b: back" in script.at(7_000).procedure.prompt
    script.at(7_000, "b")
    assert script.lines[-1] == "1/3  neck: GPIO 17, neck, left side"
    assert script.procedure.is_moving
    assert "b: back" not in script.at(9_000).procedure.prompt
    script.keys((10_000, "y"), (13_000, "y"), (16_000, "y"))
    assert felt == {"neck": True, "left": True, "right": True}


def test_check_motors_accepts_no_answer_before_the_motor_had_time_to_start() -> None:
    script = Script(check_motors(MAT, {})).at(1_000, " ").at(1_200, "y")
    assert script.lines[-1].startswith("Too early: the motor has not had time to start.")
    assert script.procedure.is_moving
    assert script.at(2_900, "y").lines[-2] == "     felt"


def test_check_motors_runs_those_not_felt_again() -> None:
    script = Script(check_motors(MAT, felt := {}))
    script.keys((1_000, " "), (4_000, "y"), (7_000, "n"), (10_000, "n"))
    assert script.lines[-5:] == [
        "  neck                 GPIO 17  felt",
        "  left                 GPIO 22  NOT FELT",
        "  right                GPIO 23  NOT FELT",
        "left: if nothing ran, check the wire from GPIO 22 to its driver, the plug and the PTC. If another motor ran, two wires or header pins are swapped: fix the wiring, not the mat file.",
        "right: if nothing ran, check the wire from GPIO 23 to its driver, the plug and the PTC. If another motor ran, two wires or header pins are swapped: fix the wiring, not the mat file.",
    ]
    assert script.procedure.prompt == "space: run those not felt again   Enter: finish   q: quit"
    script.at(60_000, " ")
    assert script.lines[-1] == "1/2  left: GPIO 22, back, left side"
    script.keys((63_000, "y"), (66_000, "y"))
    assert script.lines[-1] == "  right                GPIO 23  felt"
    assert felt == {"neck": True, "left": True, "right": True}


def test_check_motors_without_any_motor_felt_names_what_they_share() -> None:
    script = Script(check_motors(MAT, {}))
    script.keys((1_000, " "), (4_000, "n"), (7_000, "n"), (10_000, "n"))
    assert script.lines[-1] == (
        "No motor was felt: check the motors' supply, its fuse, the stop switch, and the ground between Pi and driver."
    )


def test_check_motors_skips_an_absent_zone() -> None:
    mat = MAT._replace(zones=(MAT.zones[0]._replace(present=False), MAT.zones[1]))
    Script(check_motors(mat, felt := {}), mat).keys((1_000, " "), (3_000, "y"), (5_000, "y"))
    assert felt == {"left": True, "right": True}


@pytest.mark.parametrize("at_ms", [1_800, 6_000])
def test_space_stops_a_running_motor_and_starts_it_from_rest_only(at_ms: int) -> None:
    script = Script(check_motors(MAT, {})).at(1_000, " ").at(at_ms - 1)
    assert script.procedure.is_moving
    script.at(at_ms, " ")
    assert script.duties[-1] == (at_ms, SILENCE)
    assert script.lines[-1] == "Motor off."
    assert script.procedure.prompt == "space: run it again   q: quit"
    script.keys(*((at_ms + after_ms, " ") for after_ms in (300, 600, 900)))  # pressed in fright
    assert not script.procedure.is_moving
    script.at(at_ms + 2_000, " ").at(at_ms + 5_000)
    assert script.procedure.is_moving
    assert script.procedure.prompt == "y: felt   n: not felt   space: stop   q: quit"


def test_motor_report_of_a_part_of_the_motors() -> None:
    assert list(motor_report(MAT, {"neck": True, "left": False})) == [
        "  neck                 GPIO 17  felt",
        "  left                 GPIO 22  NOT FELT",
        "  right                GPIO 23  no answer",
        "left: if nothing ran, check the wire from GPIO 22 to its driver, the plug and the PTC. If another motor ran, two wires or header pins are swapped: fix the wiring, not the mat file.",
    ]


# ---- stop switch and start button


def begun_stop_switch_check(mat: Mat = MAT) -> Script:
    script = Script(check_stop_switch(mat), mat)
    assert script.procedure.prompt == "space: begin   q: quit"
    assert not script.procedure.is_moving  # the key that opened the check starts no motor
    return script.at(0, " ")


def test_check_stop_switch_with_read_back() -> None:
    script = begun_stop_switch_check(GATED).at(2_000, NO_RAIL)
    assert script.duties[-1] == (2_000, SILENCE)
    assert script.procedure.fault == NO_RAIL  # the latch trips with it
    script.at(2_020)
    assert script.procedure.fault is None  # and the latch is reset
    script.keys((4_000, " "), (6_000, "y"))
    assert script.lines == [
        "neck will run gently. While it runs, press the stop switch, as you would lying down.",
        "neck runs. Press the stop switch.",
        "The read-back shows that the motors' supply is off.",
        "Release it: turn or pull it.",
        "neck runs again, gently.",
    ]
    assert script.procedure.result is True


def test_check_stop_switch_without_read_back_asks_the_person() -> None:
    script = begun_stop_switch_check().keys((2_000, "y"), (4_000, " "), (6_000, "y"))
    assert script.procedure.result is True
    script = begun_stop_switch_check().at(2_000, "n")
    assert script.procedure.result is False
    assert script.lines[-1].startswith("THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use")
    script = begun_stop_switch_check().at(70_000)
    assert (script.procedure.result, script.lines[-1]) == (
        None,
        "60-second limit reached. The stop switch was not pressed in time.",
    )
    script = begun_stop_switch_check(GATED).at(
        2_000, Fault(NO_RAIL.code, NO_RAIL.message, is_persistent=True)
    )
    assert (script.procedure.closed, script.procedure.result) == (True, None)


def test_check_stop_switch_without_supply_from_the_start_proves_nothing() -> None:
    script = begun_stop_switch_check(GATED).at(100, NO_RAIL)
    assert not script.procedure.is_moving
    assert script.lines[-1].startswith("The supply was off before the motor ran")
    script.at(4_000, " ").at(6_000, NO_RAIL)
    assert script.lines[-1] == "Release it: turn or pull it."


@pytest.mark.parametrize("tapped_at_ms", [[1], [300], [600, 1_200, 1_800], [30, 60, 90]])
def test_space_stops_the_motor_that_it_started_however_soon_and_often(
    tapped_at_ms: list[int],
) -> None:
    script = begun_stop_switch_check()
    assert script.procedure.is_moving
    for at_ms in tapped_at_ms:
        script.at(at_ms, " ")
        assert not script.procedure.is_moving


def test_check_stop_switch_that_is_not_released_asks_again() -> None:
    script = begun_stop_switch_check(GATED).at(2_000, NO_RAIL)
    script.at(4_000, " ").at(6_000, NO_RAIL)
    assert script.lines[-1] == "Check that the stop switch is released, then check the fuse."
    assert not script.procedure.is_moving
    script.keys((8_000, " "), (11_000, "n"), (13_000, " "), (16_000, "y"))
    assert script.procedure.result is True


def test_check_stop_switch_accepts_no_answer_before_the_motor_had_time_to_start() -> None:
    script = begun_stop_switch_check().at(300, "y")
    assert script.lines[-1].startswith("Too early")
    assert script.procedure.is_moving


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
