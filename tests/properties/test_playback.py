"""The levels of a session as it is played, for any profile and mat."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.limits import TICK_MS
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.playback import Playback
from tests.support.reached import must_reach, reached
from tests.support.worlds_timeline import (
    MATS,
    PROFILES,
    changes,
    frame_at,
    phase,
    play,
    profile,
)

OFF = (0,) * 6


SPAN_MS = 1_000
"""Milliseconds that are asked one by one."""


@settings(max_examples=25)
@given(PROFILES, MATS, st.data())
def test_levels_hold_until_the_next_change(asked: Profile, mat: Mat, data: st.DataObject) -> None:
    timeline = compile_profile(asked, mat)
    begin_ms = data.draw(st.integers(0, timeline.end_ms), label="begin")
    levels = [Playback(timeline).levels(begin_ms + u_ms) for u_ms in range(SPAN_MS)]
    playback = Playback(timeline)
    assert [playback.levels(begin_ms + u_ms) for u_ms in range(SPAN_MS)] == levels
    for u_ms in range(0, SPAN_MS, 97):
        frame = frame_at(timeline, begin_ms + u_ms)
        assert frame.level_pct == levels[u_ms]
        until_ms = frame.until_ms
        end_ms = SPAN_MS if until_ms is None else min(SPAN_MS, until_ms - begin_ms)
        assert end_ms > u_ms
        assert set(levels[u_ms:end_ms]) == {levels[u_ms]}


@given(PROFILES, MATS)
def test_levels_stay_under_profile_and_envelope_and_end_at_zero(asked: Profile, mat: Mat) -> None:
    timeline = compile_profile(asked, mat)
    assert timeline.end_ms == asked.length_ms
    rows = changes(timeline)
    assert rows[-1][1] == OFF
    assert rows[-1][0] <= timeline.end_ms
    assert frame_at(timeline, timeline.end_ms) == frame_at(timeline, timeline.end_ms + 1)
    assert frame_at(timeline, timeline.end_ms).level_pct == OFF
    assert frame_at(timeline, timeline.end_ms).until_ms is None
    segments = iter(timeline.segments)
    segment = next(segments)
    for t_ms, levels in rows[:-1]:
        while t_ms >= segment.end_ms:
            segment = next(segments)
        climbed = t_ms * mat.limits.rise_pct_s // 1_000
        highest = [min(high, climbed) for high in segment.high_pct]
        assert all(0 <= low <= high for low, high in zip(levels, highest, strict=True))
        assert not any(level for level, i in zip(levels, segment.course_of, strict=True) if i < 0)


@given(PROFILES, MATS, st.data())
def test_levels_never_rise_faster_than_the_envelope(
    asked: Profile, mat: Mat, data: st.DataObject
) -> None:
    # A steady level is the envelope itself while it climbs.
    steady = profile(
        *(
            phase(
                min(p.for_ms, 20_000),  # under five minutes in all, so that no gap interrupts
                *(
                    play(line.target, "steady", 1 + line.level.to_pct * 99 // 100)
                    for line in p.play
                ),
            )
            for p in asked.phases
        )
    )
    timeline = compile_profile(steady, mat)
    playback = Playback(timeline)
    ticks = range(0, min(timeline.end_ms, 20_000), TICK_MS)
    events = data.draw(
        st.dictionaries(st.sampled_from(ticks), st.integers(9, 100), max_size=6), label="trims"
    )
    levels = []
    for t_ms in ticks:
        playback.levels(t_ms)
        trim_pct = events.get(t_ms)
        if trim_pct == 9:
            playback.restart(t_ms)
        elif trim_pct is not None:
            playback.trim(t_ms, trim_pct)
        levels.append(playback.levels(t_ms))
    rise = mat.limits.rise_pct_s
    for motor in range(6):
        for window in (1, 2, 5, 25, 50):
            most = -(-window * TICK_MS * rise // 1_000) + 1
            course = [level[motor] for level in levels]
            assert all(b - a <= most for a, b in zip(course, course[window:], strict=False))


@must_reach(trimmed=500)
@given(PROFILES, MATS, st.integers(10, 100))
def test_trim_only_lowers_levels(asked: Profile, mat: Mat, trim_pct: int) -> None:
    timeline = compile_profile(asked, mat)
    full, trimmed = Playback(timeline), Playback(timeline, trim_pct=trim_pct)
    for t_ms in range(0, min(timeline.end_ms, 20_000), TICK_MS):
        for high, level in zip(full.levels(t_ms), trimmed.levels(t_ms), strict=True):
            assert level <= high
        highest = timeline.segments[0].high_pct if t_ms < timeline.segments[0].end_ms else None
        if highest:
            reached("trimmed", any(highest))
            assert all(
                level * 100 <= high * trim_pct
                for level, high in zip(trimmed.levels(t_ms), highest, strict=True)
            )


@given(PROFILES, MATS, st.data())
def test_levels_after_a_stall_are_those_of_a_session_without_it(
    asked: Profile, mat: Mat, data: st.DataObject
) -> None:
    timeline = compile_profile(asked, mat)
    times = data.draw(st.lists(st.integers(0, timeline.end_ms + 100), max_size=30).map(sorted))
    playback = Playback(timeline)
    assert [playback.levels(t_ms) for t_ms in times] == [
        frame_at(timeline, t_ms).level_pct for t_ms in times
    ]
