"""The levels of a playing session, for random profiles and mats."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.limits import GRID_MS
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.playback import Playback
from tests.support.reached import must_reach, reached
from tests.support.worlds_timeline import (
    MATS,
    PROFILES,
    frame_at,
    level_changes,
    phase,
    play,
    profile,
)

OFF = (0,) * 6


SPAN_MS = 1_000
"""The test reads the levels of this many consecutive milliseconds."""


@settings(max_examples=25)
@given(PROFILES, MATS, st.data())
def test_levels_between_changes_stay_the_same(
    random_profile: Profile, mat: Mat, data: st.DataObject
) -> None:
    timeline = compile_profile(random_profile, mat)
    begin_ms = data.draw(st.integers(0, timeline.end_ms), label="begin")
    levels = [Playback(timeline).levels(begin_ms + offset_ms) for offset_ms in range(SPAN_MS)]
    playback = Playback(timeline)
    assert [playback.levels(begin_ms + offset_ms) for offset_ms in range(SPAN_MS)] == levels
    for offset_ms in range(0, SPAN_MS, 97):
        frame = frame_at(timeline, begin_ms + offset_ms)
        assert frame.level_pct == levels[offset_ms]
        until_ms = frame.until_ms
        end_ms = SPAN_MS if until_ms is None else min(SPAN_MS, until_ms - begin_ms)
        assert end_ms > offset_ms
        assert set(levels[offset_ms:end_ms]) == {levels[offset_ms]}


@given(PROFILES, MATS)
def test_levels_stay_below_profile_and_envelope_and_end_at_zero(
    random_profile: Profile, mat: Mat
) -> None:
    timeline = compile_profile(random_profile, mat)
    assert timeline.end_ms == random_profile.length_ms
    rows = level_changes(timeline)
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
        envelope_pct = t_ms * mat.limits.rise_pct_s // 1_000
        highest_pct = [min(high_pct, envelope_pct) for high_pct in segment.high_pct]
        assert all(0 <= low <= high_pct for low, high_pct in zip(levels, highest_pct, strict=True))
        assert not any(level for level, i in zip(levels, segment.course_of, strict=True) if i < 0)


@given(PROFILES, MATS, st.data())
def test_levels_never_rise_faster_than_the_envelope(
    random_profile: Profile, mat: Mat, data: st.DataObject
) -> None:
    # While the envelope rises, a steady level follows the envelope.
    steady = profile(
        *(
            phase(
                # Less than five minutes in sum, so that no haptic adds a gap.
                min(drawn_phase.for_ms, 20_000),
                *(
                    play(line.target, "steady", 1 + line.level.to_pct * 99 // 100)
                    for line in drawn_phase.play
                ),
            )
            for drawn_phase in random_profile.phases
        )
    )
    timeline = compile_profile(steady, mat)
    playback = Playback(timeline)
    ticks = range(0, min(timeline.end_ms, 20_000), GRID_MS)
    trim_pct_by_time = data.draw(
        st.dictionaries(st.sampled_from(ticks), st.integers(9, 100), max_size=6), label="trims"
    )
    levels = []
    for t_ms in ticks:
        playback.levels(t_ms)
        trim_pct = trim_pct_by_time.get(t_ms)
        if trim_pct == 9:
            playback.restart(t_ms)
        elif trim_pct is not None:
            playback.trim(t_ms, trim_pct)
        levels.append(playback.levels(t_ms))
    rise_pct_s = mat.limits.rise_pct_s
    for motor in range(6):
        for window_ticks in (1, 2, 5, 25, 50):
            highest_rise_pct = -(-window_ticks * GRID_MS * rise_pct_s // 1_000) + 1
            course_pct = [level[motor] for level in levels]
            assert all(
                b - a <= highest_rise_pct
                for a, b in zip(course_pct, course_pct[window_ticks:], strict=False)
            )


@must_reach(trimmed=500)
@given(PROFILES, MATS, st.integers(10, 100))
def test_levels_with_trim_are_never_higher(
    random_profile: Profile, mat: Mat, trim_pct: int
) -> None:
    timeline = compile_profile(random_profile, mat)
    full, trimmed = Playback(timeline), Playback(timeline, trim_pct=trim_pct)
    for t_ms in range(0, min(timeline.end_ms, 20_000), GRID_MS):
        for high_pct, level in zip(full.levels(t_ms), trimmed.levels(t_ms), strict=True):
            assert level <= high_pct
        highest_pct = timeline.segments[0].high_pct if t_ms < timeline.segments[0].end_ms else None
        if highest_pct:
            reached("trimmed", any(highest_pct))
            assert all(
                level * 100 <= high_pct * trim_pct
                for level, high_pct in zip(trimmed.levels(t_ms), highest_pct, strict=True)
            )


@given(PROFILES, MATS, st.data())
def test_levels_after_a_delay_equal_those_without_it(
    random_profile: Profile, mat: Mat, data: st.DataObject
) -> None:
    timeline = compile_profile(random_profile, mat)
    times_ms = data.draw(st.lists(st.integers(0, timeline.end_ms + 100), max_size=30).map(sorted))
    playback = Playback(timeline)
    assert [playback.levels(t_ms) for t_ms in times_ms] == [
        frame_at(timeline, t_ms).level_pct for t_ms in times_ms
    ]
