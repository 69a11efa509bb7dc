"""The period cache against the slow path: it changes no level, and its size is bounded."""

from firmware_ctl.config.patterns import Piece
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.model import Segment
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.period_cache import MOST_ENTRIES, PeriodCache
from firmware_ctl.timeline.playback import Playback
from tests.support.worlds_timeline import make_mat, phase, play, profile


class CountingCache(PeriodCache):
    """Counts its hits."""

    def __init__(self) -> None:
        super().__init__()
        self.hits = 0

    def find(self, t_ms: int) -> tuple[Levels, int] | None:
        entry = super().find(t_ms)
        self.hits += entry is not None
        return entry


def test_levels_of_a_period_with_many_changes_are_the_same_when_the_cache_is_full() -> None:
    taps = [
        play(zone, "tap", 30, taps=10, tap_for=10, rest=rest_ms)
        for zone, rest_ms in (("neck", 14), ("back", 11))
    ]
    timeline = compile_profile(profile(phase(60_000, *taps)), make_mat())
    assert timeline.segments[0].period_ms == 13_668
    cache = CountingCache()
    playback = Playback(timeline, cache=cache)
    slow = Playback(timeline, cache=PeriodCache(0))
    t_ms: int | None = 0
    while t_ms is not None:
        assert playback.levels(t_ms) == slow.levels(t_ms)
        t_ms = playback.until_ms
    assert cache.hits > 1_000
    assert len(cache._at_ms) == MOST_ENTRIES


def test_levels_that_a_gap_cuts_off_hold_to_their_end_in_later_periods() -> None:
    off = play("all", "alternate", 0, period=307)
    timeline = compile_profile(profile(phase(306_720, off)), make_mat())
    gap_ms = timeline.haptic_cues[0].begin_ms
    playback, slow = Playback(timeline), Playback(timeline, cache=PeriodCache(0))
    for t_ms in (gap_ms - 1, gap_ms + 16 * 307 + 1, gap_ms + 17 * 307 - 1):
        assert playback.levels(t_ms) == slow.levels(t_ms)
        assert playback.until_ms == slow.until_ms


def test_levels_of_a_course_of_one_slope_are_the_same_with_the_cache() -> None:
    timeline = compile_profile(
        profile(phase(60_000, play("all", "wave", 30, period=2_000))), make_mat()
    )
    segment = timeline.segments[0]
    slope = segment.courses[0]._replace(pieces=(Piece(2_000, 0.0, 1.0),))
    timeline = timeline._replace(segments=(segment._replace(courses=(slope,)),))
    assert timeline.segments[0].period_ms == 2_000
    playback = Playback(timeline)
    slow = Playback(timeline, cache=PeriodCache(0))
    t_ms: int | None = 0
    while t_ms is not None:
        assert playback.levels(t_ms) == slow.levels(t_ms)
        t_ms = slow.until_ms


def steady_segment(pass_ms: int = 10_000) -> Segment:
    tap = play("all", "pulse", 30, on_for=100, off_for=100)
    return compile_profile(profile(phase(pass_ms, tap)), make_mat()).segments[0]


def test_find_gives_levels_in_a_later_period_up_to_where_they_are_valid() -> None:
    cache = PeriodCache()
    cache.enter(steady_segment())
    assert cache.find(30) is None
    cache.validate(30, 0, 1_050)
    cache.store(30, (30,) * 6, 100)
    assert cache.find(29) is None  # before the wake that stored it
    assert cache.find(230) == ((30,) * 6, 300)
    assert cache.find(300) is None
    assert cache.find(1_030) == ((30,) * 6, 1_050)
    assert cache.find(1_050) is None
    cache.clear()
    assert cache.find(230) is None
