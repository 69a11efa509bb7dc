"""The period cache against the slow path, for any profile, trims and pauses."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.period_cache import PeriodCache
from firmware_ctl.timeline.playback import Playback
from tests.support.reached import must_reach, reached
from tests.support.worlds_timeline import AT_ONCE, PROFILES, make_mat, phase, play, profile

MATS = st.builds(make_mat, st.sampled_from((50, AT_ONCE)), st.sampled_from(("", "neck")))
"""The envelope is up soon, because the cache keeps nothing before."""


PERIODIC = profile(phase(60_000, play("all", "pulse", 30, on_for=100, off_for=100)))
"""Random profiles often have no period that repeats."""


class CountingCache(PeriodCache):
    """Counts its hits."""

    def __init__(self) -> None:
        super().__init__()
        self.hits = 0

    def find(self, t_ms: int) -> tuple[Levels, int] | None:
        entry = super().find(t_ms)
        self.hits += entry is not None
        return entry


@must_reach(hits=1_000)
@given(st.one_of(PROFILES, st.just(PERIODIC)), MATS, st.data())
def test_levels_with_and_without_the_cache_are_the_same(
    asked: Profile, mat: Mat, data: st.DataObject
) -> None:
    """Wakes come late by up to 60 ms, and trims and pauses come between them."""
    timeline = compile_profile(asked, mat)
    cache = CountingCache()
    playback = Playback(timeline, cache=cache)
    slow = Playback(timeline, cache=PeriodCache(0))
    late_ms = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=7), label="late")
    wakes = st.integers(1, 400)
    trims = data.draw(st.dictionaries(wakes, st.integers(10, 100), max_size=2), label="trims")
    pauses = data.draw(st.sets(wakes, max_size=2), label="pauses")
    t_ms = data.draw(st.integers(0, timeline.end_ms), label="begin")
    for wake in range(1, 1_500):
        assert playback.levels(t_ms) == slow.levels(t_ms)
        if playback.until_ms is None or slow.until_ms is None:
            assert playback.until_ms is slow.until_ms is None
            break
        assert playback.until_ms == slow.until_ms
        for one in (playback, slow):
            if wake in trims:
                one.trim(t_ms, trims[wake])
            if wake in pauses:
                one.restart(t_ms)
        until_ms = t_ms if playback.until_ms is None else playback.until_ms
        t_ms = max(t_ms, until_ms) + late_ms[wake % len(late_ms)]
    reached("hits", cache.hits)
