"""The watchdogs: their results in each tick."""

import pytest

from firmware_ctl.daemon.interfaces import Watchdog
from firmware_ctl.daemon.watchdogs import Rail, TickLate, UnderVoltage
from firmware_ctl.limits import RAIL_OFF_MS, RAIL_ON_MS, TICK_LATE_MS, UNDER_VOLTAGE_MS
from firmware_ctl.session.events import Fault, RailOff


def checks(watchdog: Watchdog, *seen: tuple[int, bool]) -> list[str]:
    findings = [watchdog.check(at_ms, is_moving) for at_ms, is_moving in seen]
    return [fault.code if isinstance(fault, Fault) else "" for fault in findings]


def test_tick_late_after_250_ms_only_while_motors_move() -> None:
    late = TICK_LATE_MS + 1
    assert checks(TickLate(), (0, True), (TICK_LATE_MS, True), (TICK_LATE_MS + late, True)) == [
        "",
        "",
        "tick-late",
    ]
    assert checks(TickLate(), (9_000, True)) == [""]
    assert checks(TickLate(), (0, False), (late, True), (late + 20, False)) == [""] * 3
    assert checks(TickLate(), (0, True), (late, False)) == ["", "tick-late"]
    assert checks(TickLate(), (0, True), (20, False), (9_000, False), (18_000, True)) == [""] * 4


def test_tick_late_reports_the_delay_and_is_not_persistent() -> None:
    watchdog = TickLate()
    watchdog.check(0, True)
    assert watchdog.check(71_234, True) == Fault(
        "tick-late", "the loop was held up for 71.23 s; free the processor", is_persistent=False
    )
    assert watchdog.check(71_254, True) is None


class Supply:
    def __init__(self) -> None:
        self.sags = False
        self.reads = 0
        self.warned: list[str] = []
        self.watchdog = UnderVoltage(self.read, self.warned.append)

    def read(self) -> bool:
        self.reads += 1
        return self.sags


@pytest.mark.parametrize("is_moving", [True, False])
def test_under_voltage_warns_for_a_single_sag_and_is_a_fault_if_it_lasts(is_moving: bool) -> None:
    supply = Supply()
    findings = []
    for at_ms in range(0, 12_000, 100):
        supply.sags = 1_000 <= at_ms < 3_000 or 5_000 <= at_ms < 9_000
        findings.append((at_ms, supply.watchdog.check(at_ms, is_moving)))

    faults = [(at_ms, fault) for at_ms, fault in findings if fault is not None]
    first_ms = 5_000 + UNDER_VOLTAGE_MS + 100
    assert [at_ms for at_ms, _ in faults] == list(range(first_ms, 9_000, 100))
    assert {fault for _, fault in faults} == {
        Fault(
            "under-voltage",
            "the Pi gets too little voltage; use a stronger supply",
            is_persistent=True,
        )
    }
    assert supply.warned == ["the Pi's supply sagged; if it does so again, use a stronger one"] * 2
    assert supply.reads == 24  # twice a second: the kernel asks its firmware no more often


def test_under_voltage_that_is_there_from_the_start_counts_from_the_start() -> None:
    supply = Supply()
    supply.sags = True
    seen = checks(supply.watchdog, *((at_ms, False) for at_ms in (0, UNDER_VOLTAGE_MS, 3_000)))
    assert seen == ["", "", "under-voltage"]


def test_rail_must_be_on_in_time_while_motors_move() -> None:
    on = False
    watchdog = Rail(lambda: on)
    findings = [watchdog.check(at_ms, True) for at_ms in (0, RAIL_ON_MS - 1, RAIL_ON_MS)]
    on = True
    findings.append(watchdog.check(RAIL_ON_MS + 20, True))
    assert findings == [
        None,
        None,
        Fault("rail", "the motors have no supply: is the stop switch pressed, or a fuse blown?"),
        None,
    ]


def test_rail_must_be_off_in_time_while_nothing_moves() -> None:
    on = True
    watchdog = Rail(lambda: on)
    findings = [watchdog.check(at_ms, False) for at_ms in (0, RAIL_OFF_MS - 1, RAIL_OFF_MS)]
    on = False
    findings.append(watchdog.check(RAIL_OFF_MS + 20, False))
    assert findings == [
        None,
        None,
        Fault(
            "rail",
            "the motors' supply is on while nothing runs: press the stop switch, "
            "and have the motor gate fixed",
            is_persistent=True,
        ),
        RailOff(),
    ]


def test_rail_gets_its_time_again_at_each_change() -> None:
    off_ms, on_ms = 1_020 + RAIL_OFF_MS, 9_000 + RAIL_ON_MS
    assert checks(
        Rail(lambda: True), (1_000, True), (1_020, False), (off_ms - 1, False), (off_ms, False)
    ) == ["", "", "", "rail"]
    assert checks(
        Rail(lambda: False), (1_000, False), (9_000, True), (on_ms - 1, True), (on_ms, True)
    ) == ["", "", "", "rail"]
