"""The sentries: what each is told at every look, and when it speaks."""

import pytest

from firmware_ctl.daemon.interfaces import Watchdog
from firmware_ctl.daemon.watchdogs import Rail, TickLate, UnderVoltage
from firmware_ctl.limits import RAIL_OFF_MS, RAIL_ON_MS, TICK_LATE_MS, UNDER_VOLTAGE_MS
from firmware_ctl.session.events import Fault, RailOff


def looks(watchdog: Watchdog, *seen: tuple[int, bool]) -> list[str]:
    found = [watchdog.check(at_ms, is_moving) for at_ms, is_moving in seen]
    return [fault.code if isinstance(fault, Fault) else "" for fault in found]


def test_a_tick_is_late_after_250_ms_and_only_while_something_moves() -> None:
    late = TICK_LATE_MS + 1
    assert looks(TickLate(), (0, True), (TICK_LATE_MS, True), (TICK_LATE_MS + late, True)) == [
        "",
        "",
        "tick-late",
    ]
    assert looks(TickLate(), (9_000, True)) == [""]
    assert looks(TickLate(), (0, False), (late, True), (late + 20, False)) == [""] * 3
    assert looks(TickLate(), (0, True), (late, False)) == ["", "tick-late"]
    assert looks(TickLate(), (0, True), (20, False), (9_000, False), (18_000, True)) == [""] * 4


def test_a_late_tick_says_by_how_much_and_does_not_last() -> None:
    watchdog = TickLate()
    watchdog.check(0, True)
    assert watchdog.check(1_234, True) == Fault(
        "tick-late", "the loop was held up for 1.23 s; free the processor", is_persistent=False
    )
    assert watchdog.check(1_254, True) is None


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
def test_a_single_sag_warns_and_one_that_goes_on_is_a_fault_until_it_ends(is_moving: bool) -> None:
    supply = Supply()
    found = []
    for at_ms in range(0, 12_000, 100):
        supply.sags = 1_000 <= at_ms < 3_000 or 5_000 <= at_ms < 9_000
        found.append((at_ms, supply.watchdog.check(at_ms, is_moving)))

    faults = [(at_ms, fault) for at_ms, fault in found if fault is not None]
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


def test_a_rail_must_be_on_in_time_while_something_moves() -> None:
    on = False
    watchdog = Rail(lambda: on)
    found = [watchdog.check(at_ms, True) for at_ms in (0, RAIL_ON_MS - 1, RAIL_ON_MS)]
    on = True
    found.append(watchdog.check(RAIL_ON_MS + 20, True))
    assert found == [
        None,
        None,
        Fault("rail", "the motors have no supply: is the stop switch pressed, or a fuse blown?"),
        None,
    ]


def test_a_rail_must_be_off_in_time_while_nothing_moves() -> None:
    on = True
    watchdog = Rail(lambda: on)
    found = [watchdog.check(at_ms, False) for at_ms in (0, RAIL_OFF_MS - 1, RAIL_OFF_MS)]
    on = False
    found.append(watchdog.check(RAIL_OFF_MS + 20, False))
    assert found == [
        None,
        None,
        Fault(
            "rail",
            "the motors' supply is on while nothing runs: press the stop switch, "
            "and have the motor gate mended",
            is_persistent=True,
        ),
        RailOff(),
    ]


def test_each_change_between_moving_and_not_gives_the_rail_its_time_anew() -> None:
    off_ms, on_ms = 1_020 + RAIL_OFF_MS, 9_000 + RAIL_ON_MS
    assert looks(
        Rail(lambda: True), (1_000, True), (1_020, False), (off_ms - 1, False), (off_ms, False)
    ) == ["", "", "", "rail"]
    assert looks(
        Rail(lambda: False), (1_000, False), (9_000, True), (on_ms - 1, True), (on_ms, True)
    ) == ["", "", "", "rail"]
