"""When the loop wakes while motors run: to play on the exact millisecond, and to check in time."""

from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.loop import SETTLE_MS, Loop
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.limits import GRID_MS, SAMPLE_MS, TICK_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    SessionStatus,
    State,
    Step,
    Suspended,
)
from tests.support.clock import VirtualPoller
from tests.support.worlds import MAT

RUNS_MS = 2_000


class CountingPoller(VirtualPoller):
    """Counts how often the loop wakes."""

    def __init__(self) -> None:
        super().__init__()
        self.woken_at_ms: list[int] = []
        self.slept_at_ms: int | None = None

    def slept_ms(self) -> int:
        if self.slept_at_ms is None or self.now_ms() < self.slept_at_ms:
            return 0
        self.slept_at_ms = None
        return 60_000

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        readable = super().wait(until_ms, readers, writers)
        self.woken_at_ms.append(self.now_ms())
        return readable


class Bench:
    """A loop whose decider moves motors and asks for wakes at given times."""

    def __init__(self, wakes_at_ms: Sequence[int]) -> None:
        self.poller = CountingPoller()
        self.wakes_at_ms = wakes_at_ms
        self.served_at_ms: list[int] = []
        self.ticks_at_ms: list[int] = []
        self.checks_at_ms: list[int] = []
        self.arms_at_ms: list[int] = []
        self.reads_at_ms: list[int] = []
        self.read_takes_ms = 0
        self.suspended_at_ms: int | None = None
        self.status = SessionStatus(State.RUNNING, is_moving=True)
        latch = Latch(MAT, self, self)
        player = Player(self, self.poller.now_ms, latch, NoLedger(), (), [self], [self])
        self.loop = Loop(player, self.poller, self)

    def run(self) -> None:
        self.loop.run()

    # decider

    def handle(self, event: Input, now_ms: int) -> Step:
        self.served_at_ms.append(now_ms)
        if isinstance(event, Suspended):
            self.suspended_at_ms = now_ms
        wake_at_ms = next((at_ms for at_ms in self.wakes_at_ms if at_ms > now_ms), RUNS_MS)
        self.status = self.status._replace(is_closed=now_ms >= RUNS_MS)
        duty_pct = (30 + now_ms % 2,) * len(MAT.motors)
        return Step(duty_pct, duty_pct, (), wake_at_ms, self.status)

    # motors, dead-man, watchdog, heartbeat, button

    def apply(self, duty_pct: Sequence[int]) -> None:
        pass

    def all_low(self) -> list[str]:
        return []

    def arm(self) -> None:
        self.arms_at_ms.append(self.poller.now_ms())

    def disarm(self) -> None:
        pass

    def check(self, now_ms: int, is_moving: bool) -> None:
        self.checks_at_ms.append(now_ms)

    def beat(self, now_ms: int, is_moving: bool) -> None:
        self.ticks_at_ms.append(now_ms)

    def read(self) -> Contacts:
        self.reads_at_ms.append(self.poller.now_ms())
        self.poller._now_ms += self.read_takes_ms
        return Contacts(Contact.RELEASED)

    def press(self, is_down: bool) -> None:
        pass


def longest_gap_ms(at_ms: Sequence[int]) -> int:
    return max(later - earlier for earlier, later in pairwise(at_ms))


GAPS_MS = st.lists(st.sampled_from([1, 7, 19, 20, 21, 29, 30, 31, 49, 50, 51, 60, 99, 200, 700]))


@given(GAPS_MS)
def test_loop_plays_on_the_millisecond_and_ticks_and_reads_in_time(gaps_ms: list[int]) -> None:
    wakes_at_ms = [at_ms for at_ms in accumulate(gaps_ms) if at_ms < RUNS_MS]
    bench = Bench(wakes_at_ms)
    bench.run()
    assert set(wakes_at_ms) <= set(bench.served_at_ms)
    assert longest_gap_ms([*bench.ticks_at_ms, RUNS_MS]) <= TICK_MS
    assert longest_gap_ms([*bench.reads_at_ms, RUNS_MS]) <= SAMPLE_MS
    # The dead-man is armed once before the first duty, and then in ticks alone.
    assert bench.arms_at_ms == [0, *bench.ticks_at_ms]
    assert bench.checks_at_ms == bench.ticks_at_ms


@given(GAPS_MS)
def test_loop_wakes_for_nothing_but_plays_and_ticks(gaps_ms: list[int]) -> None:
    wakes_at_ms = [at_ms for at_ms in accumulate(gaps_ms) if at_ms < RUNS_MS]
    bench = Bench(wakes_at_ms)
    bench.run()
    # At 0 the first clients are served, and at `SETTLE_MS` the loop becomes ready.
    assert set(bench.poller.woken_at_ms) == {
        0, *wakes_at_ms, *bench.ticks_at_ms, SETTLE_MS, RUNS_MS
    }  # fmt: skip
    assert len(bench.poller.woken_at_ms) == len(set(bench.poller.woken_at_ms))


def test_loop_makes_its_ticks_in_wakes_that_play_where_levels_change_on_the_grid() -> None:
    wakes_at_ms = range(GRID_MS, RUNS_MS, GRID_MS)
    bench = Bench(wakes_at_ms)
    bench.run()
    assert set(bench.ticks_at_ms[1:-1]) <= set(wakes_at_ms)
    assert longest_gap_ms(bench.ticks_at_ms) == 2 * GRID_MS


def test_loop_between_the_changes_of_a_session_only_checks() -> None:
    bench = Bench(())
    bench.run()
    assert bench.ticks_at_ms == [*range(0, RUNS_MS, TICK_MS), RUNS_MS]
    assert bench.reads_at_ms == [*range(0, RUNS_MS, SAMPLE_MS), RUNS_MS]


@pytest.mark.parametrize("slept_at_ms", [901, 950, 951, 999])
def test_loop_notices_a_suspend_in_the_next_tick(slept_at_ms: int) -> None:
    bench = Bench(())
    bench.poller.slept_at_ms = slept_at_ms
    bench.run()
    assert bench.suspended_at_ms is not None
    assert slept_at_ms <= bench.suspended_at_ms < slept_at_ms + TICK_MS


def test_loop_whose_button_takes_time_gives_the_decider_times_that_never_decrease() -> None:
    bench = Bench(range(7, RUNS_MS, 13))
    bench.read_takes_ms = 3
    bench.run()
    assert bench.served_at_ms == sorted(bench.served_at_ms)


def test_loop_whose_watchdog_reports_after_a_slow_read_gives_times_that_never_decrease() -> None:
    """The fault makes a step between the read of the button and the step of the tick itself."""
    bench = Bench(range(7, RUNS_MS, 13))
    bench.read_takes_ms = 3

    def check(now_ms: int, is_moving: bool) -> Fault | None:
        return Fault("rail", "off") if bench.poller.now_ms() > now_ms else None

    bench.check = check  # type: ignore[method-assign, assignment]
    bench.run()
    assert bench.served_at_ms == sorted(bench.served_at_ms)
