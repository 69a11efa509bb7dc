"""The loop plays whole shipped profiles on virtual time, undisturbed and late."""

from collections.abc import Collection

import pytest

from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.limits import TICK_MS
from firmware_ctl.session.events import (
    Start,
    State,
)
from firmware_ctl.timeline.playback import Playback
from tests.support.clock import VirtualPoller
from tests.support.worlds_timeline import (
    frames,
    level_changes,
    unrepeated,
)
from tests.unit.daemon.loop_world import SHIPPED, SHIPPED_MAT, World


@pytest.mark.parametrize("name", [entry.name for entry in SHIPPED.entries])
def test_loop_undisturbed_plays_the_timeline_frame_for_frame(name: str) -> None:
    timeline = SHIPPED.valid(name).timeline
    world = World(SHIPPED, SHIPPED_MAT)
    world.at(700, lambda daemon: daemon.act(Start(name)))
    world.run(700 + timeline.end_ms + 2_000)
    played = unrepeated(
        [(t_ms, (frame.level_pct, frame.duty_pct)) for t_ms, frame in frames(timeline)]
    )
    assert world.played() == [row for row in played if row[0] < timeline.end_ms]
    off_at_ms = next(t_ms for t_ms, levels in reversed(level_changes(timeline)) if not any(levels))
    assert world.motors.writes[-1] == (700 + off_at_ms, (0,) * 8)
    assert {state for at_ms, state, *_ in world.rows if at_ms == timeline.end_ms} == {State.IDLE}
    end_ms = 700 + timeline.end_ms
    # The tick after the end proves the zeros, and the end of the loop does so again.
    proven_ms, closed_ms = world.motors.lows_at_ms
    assert end_ms <= proven_ms <= end_ms + TICK_MS
    assert closed_ms == end_ms + 2_000


class LatePoller(VirtualPoller):
    """Returns late, by each delay in turn."""

    def __init__(self, late_ms: tuple[int, ...]) -> None:
        super().__init__()
        self._late_ms = late_ms
        self._turn = 0

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        readable = super().wait(until_ms, readers, writers)
        self._turn += 1
        self._now_ms += self._late_ms[self._turn % len(self._late_ms)]
        return readable


@pytest.mark.parametrize("late_ms", [(0, 7, 1, 0, 13), (0,) * 99 + (2_000,), (19, 31)])
def test_loop_that_wakes_late_shifts_no_level_and_skips_after_a_stall(
    late_ms: tuple[int, ...],
) -> None:
    timeline = SHIPPED.valid("first-time").timeline
    world = World(SHIPPED, SHIPPED_MAT, LatePoller(late_ms))
    world.at(700, lambda daemon: daemon.act(Start("first-time")))
    world.run(700 + timeline.end_ms + 4_000)
    played = unrepeated([(at_ms, levels) for at_ms, (levels, _) in world.played()])
    assert played == [(at_ms, Playback(timeline).levels(at_ms)) for at_ms, _ in played]
    assert len(played) > len(level_changes(timeline)) // 4
    assert [at_ms for at_ms, _ in played] == sorted({at_ms for at_ms, _ in played})
    assert world.session.state is State.IDLE
    assert world.motors.writes[-1][1] == (0,) * 8
