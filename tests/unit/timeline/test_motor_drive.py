"""The motor drive: the table of duties, kicks, starts one after another, waits for the supply."""

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.limits import FIRST_KICK_PCT
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.motor_drive import DriveTable, MotorDrive, drive_table_of, duty_table

MAT = load_mat(shipped.mat_file())


def drive_table(max_ma: int = 2000, motors: int = 2) -> DriveTable:
    """The first motors of the shipped mat: hold 32, start 56, cap 72, kick 120 ms, 150 mA."""
    return DriveTable(drive_table_of(MAT).curves[:motors], max_ma)


def test_duty_table_is_0_at_level_0_and_runs_from_hold_to_cap() -> None:
    table = duty_table(MAT.motors[0], MAT)
    assert (len(table), table[0], table[1], table[100]) == (101, 0, 32, 72)
    assert list(table) == sorted(table)


def test_kicks_from_rest_are_gentle_first_and_full_later() -> None:
    drive = MotorDrive(drive_table(motors=1))
    script = [(0, 20), (120, 20), (500, 0), (1000, 20), (1120, 20), (1200, 0), (1340, 20)]
    seen = [(t, drive.duties((level,), t)) for t, level in script]
    low = duty_table(MAT.motors[0], MAT)[20]
    assert [(t, duties.duty_pct[0], duties.kicks) for t, duties in seen] == [
        (0, FIRST_KICK_PCT, (0,)),
        (120, low, ()),
        (500, 0, ()),
        (1000, 72, (0,)),
        (1120, low, ()),
        (1200, 0, ()),
        (1340, low, ()),  # off for 140 ms only: it still turns
    ]


def test_motor_that_its_gentle_kick_does_not_start_gets_a_full_one_later() -> None:
    drive = MotorDrive(drive_table(motors=1))
    low = duty_table(MAT.motors[0], MAT)[20]
    seen = [(t, drive.duties((20,), t).duty_pct[0]) for t in (0, 120, 999, 1000, 1119, 1120, 9000)]
    assert seen == [
        (0, 50),
        (120, low),
        (999, low),
        (1000, 72),
        (1119, 72),
        (1120, low),
        (9000, low),
    ]


def test_motor_that_has_not_turned_gets_its_full_kick_in_spite_of_a_short_gap() -> None:
    drive = MotorDrive(drive_table(motors=1))
    low = duty_table(MAT.motors[0], MAT)[20]
    script = [(0, 20), (120, 20), (400, 0), (500, 20), (999, 20), (1000, 20), (1120, 20)]
    seen = [drive.duties((level,), t).duty_pct[0] for t, level in script]
    assert seen == [50, low, 0, low, low, 72, low]


def test_motor_that_is_off_for_a_moment_in_its_inrush_waits_for_room_for_all_of_it() -> None:
    drive = MotorDrive(drive_table(max_ma=250))
    drive.begin(drive_table(max_ma=250), 0, is_gentle=False)
    for t_ms, levels in ((0, (20, 0)), (20, (0, 0)), (40, (0, 20))):
        drive.duties(levels, t_ms)
    waits = [drive.duties((20, 20), t_ms).duty_pct[0] for t_ms in (60, 80)]
    assert (waits, drive.draws_ma(80)) == ([0, 0], 150)


def test_guarded_rise_waits_for_the_supply_and_a_fall_does_not() -> None:
    guarded, proven = (
        MotorDrive(drive_table(max_ma=250), guarded=True),
        MotorDrive(drive_table(max_ma=250)),
    )
    seen = []
    for drive in (guarded, proven):
        for t_ms, levels in ((0, (1, 0)), (200, (1, 1)), (220, (100, 1))):
            duty = drive.duties(levels, t_ms).duty_pct[0]
        seen.append((duty, drive.draws_ma(220) <= 250))
        assert drive.duties((100, 1), 360).duty_pct[0] == 72
        assert drive.duties((1, 1), 380).duty_pct[0] == 32
    assert seen == [(32, True), (72, False)]


def test_guarded_duties_of_motors_that_all_turn_wait_for_the_supply() -> None:
    drive = MotorDrive(drive_table(max_ma=235), guarded=True)
    drive.begin(drive_table(max_ma=235), 0, is_gentle=False)
    for t_ms, levels in ((0, (1, 0)), (200, (1, 1)), (600, (1, 1)), (620, (100, 1))):
        drive.duties(levels, t_ms)
    assert drive.duties((100, 100), 640).duty_pct == (72, 32)


def test_guarded_start_that_is_late_goes_before_the_rises_of_others() -> None:
    drive = MotorDrive(drive_table(max_ma=250), guarded=True)
    drive.begin(drive_table(max_ma=250), 0, is_gentle=False)
    for t_ms in range(0, 161, 20):
        duties = drive.duties((5 if t_ms < 140 else 100, 5), t_ms)
    assert duties.kicks == (1,)
    assert drive.duties((100, 5), 340).duty_pct == (72, duty_table(MAT.motors[0], MAT)[5])


def test_motor_that_hardly_turned_before_a_pause_is_kicked_after_it() -> None:
    drive = MotorDrive(drive_table(motors=1))
    drive.begin(drive_table(motors=1), 0, is_gentle=False)
    for t_ms, level in ((0, 20), (10, 0)):
        drive.duties((level,), t_ms)
    drive.begin(drive_table(motors=1), 20, is_gentle=False)
    assert drive.duties((20,), 130).kicks == (0,)


def test_level_that_starts_the_motor_by_itself_needs_no_kick() -> None:
    drive = MotorDrive(drive_table(motors=1))
    assert drive.duties((100,), 0).kicks == ()


def test_first_starts_are_spaced() -> None:
    drive = MotorDrive(drive_table(motors=4))
    waits = [drive.duties((20,) * 4, t) for t in (0, 33, 66, 99)]
    assert [sum(d > 0 for d in duties.duty_pct) for duties in waits] == [1, 2, 3, 4]
    assert [duties.until_ms for duties in waits[:3]] == [33, 66, 99]


def test_start_waits_until_the_supply_bears_it() -> None:
    drive = MotorDrive(drive_table(max_ma=250))
    script = [(t, drive.duties((20, 20), t)) for t in range(0, 241, 20)]
    running = [t for t, duties in script if duties.duty_pct[1]]
    assert running[0] == 160  # 150 + 150 mA is too much until the first is through its start


@pytest.mark.parametrize("begin_ms", [7, 13, 19, 20, 10_001])
def test_start_waits_equally_long_at_whatever_millisecond_the_session_begins(begin_ms: int) -> None:
    table = drive_table(max_ma=250)

    def duties_from(begin_ms: int) -> list[tuple[int, ...]]:
        drive = MotorDrive(table)
        drive.begin(table, begin_ms)
        return [drive.duties((20, 20), begin_ms + at_ms).duty_pct for at_ms in range(241)]

    assert duties_from(begin_ms) == duties_from(0)
