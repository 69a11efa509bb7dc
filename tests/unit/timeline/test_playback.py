"""The levels of a session as it is played: envelope, trim, pauses.

Levels are listed as `(from ms, (neck left, neck right, back left, right, left, right))`.
"""

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase
from firmware_ctl.limits import GRID_MS
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback
from tests.support.worlds_timeline import (
    keyframes,
    level_changes,
    make_mat,
    phase,
    play,
    profile,
    unrepeated,
)

OFF = (0,) * 6


def compiled(*phases: Phase, mat: Mat | None = None) -> Timeline:
    return compile_profile(profile(*phases), mat or make_mat())


def neck_left(rows: list[tuple[int, Levels]]) -> list[tuple[int, int]]:
    """The changes of the first motor alone."""
    return unrepeated([(t_ms, levels[0]) for t_ms, levels in rows])


# --- the envelope ---


def test_envelope_climbs_with_the_rise_and_falls_at_once() -> None:
    timeline = compiled(
        phase(200, play("neck", "steady", 5)),
        phase(100, play("neck", "steady", 2)),
        phase(100, play("neck", "steady", 5)),
        phase(100, play("back", "steady", 1)),
        mat=make_mat(rise_pct_s=50),
    )
    assert level_changes(timeline) == [
        (0, OFF),
        *((20 * level, (level, level, 0, 0, 0, 0)) for level in range(1, 6)),
        (200, (2, 2, 0, 0, 0, 0)),
        (320, (3, 3, 0, 0, 0, 0)),
        (340, (4, 4, 0, 0, 0, 0)),
        (360, (5, 5, 0, 0, 0, 0)),
        (400, OFF),
        (420, (0, 0, 1, 1, 1, 1)),
        (500, OFF),
    ]


def test_envelope_lets_a_pulse_jump_below_it() -> None:
    tap = play("neck", "pulse", 10, on_for=50, off_for=50)
    timeline = compiled(phase(400, tap), mat=make_mat(rise_pct_s=50))
    assert neck_left(level_changes(timeline)) == [
        *[(0, 0), (20, 1), (40, 2), (50, 0)],
        *[(100, 5), (120, 6), (140, 7), (150, 0)],
        *[(200, 10), (250, 0), (300, 10), (350, 0)],
    ]


def test_envelope_and_trim_keep_a_level_that_plays_at_1_or_more() -> None:
    timeline = compiled(
        phase(500, keyframes("neck", (0, 100), (100, 1))), mat=make_mat(rise_pct_s=50)
    )
    assert {Playback(timeline, trim_pct=50).levels(t_ms)[0] for t_ms in (120, 320)} == {1}


def test_envelope_climbs_on_through_a_gap() -> None:
    timeline = compiled(
        phase(4_000, play("neck", "steady", 100), cue="KI3"), mat=make_mat(rise_pct_s=50)
    )
    levels = dict(neck_left(level_changes(timeline)))
    assert [levels[t_ms] for t_ms in (980, 1_000, 1_200, 1_400, 1_600)] == [49, 0, 60, 0, 80]


# --- trims and pauses ---


def played(playback: Playback, begin_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The first motor's changes, asked at every tick."""
    ticks = range(begin_ms, end_ms, GRID_MS)
    return unrepeated([(t_ms, playback.levels(t_ms)[0]) for t_ms in ticks])


STEADY_10 = compiled(phase(2_000, play("neck", "steady", 10)), mat=make_mat(rise_pct_s=50))


def test_trim_falls_at_once_and_climbs_with_the_rise() -> None:
    playback = Playback(STEADY_10)
    assert played(playback, 0, 500)[-1] == (200, 10)
    playback.trim(500, 50)
    assert played(playback, 500, 800) == [(500, 5)]
    playback.trim(800, 80)
    assert played(playback, 800, 1_000) == [(800, 5), (820, 6), (840, 7), (860, 8)]
    playback.trim(1_000, 100)
    assert played(playback, 1_000, 2_100) == [(1_000, 8), (1_020, 9), (1_040, 10), (2_000, 0)]


def test_trim_before_the_start_holds_from_the_start() -> None:
    assert played(Playback(STEADY_10, trim_pct=30), 0, 2_000) == [(0, 0), (20, 1), (40, 2), (60, 3)]


def test_trims_while_climbing_never_climb_faster() -> None:
    playback = Playback(STEADY_10)
    played(playback, 0, 110)
    for t_ms, trim_pct in ((110, 60), (113, 100), (117, 90), (119, 100)):
        playback.trim(t_ms, trim_pct)
    assert played(playback, 120, 400) == [(120, 6), (140, 7), (160, 8), (180, 9), (200, 10)]


def test_restart_after_a_pause_begins_the_soft_start_again() -> None:
    playback = Playback(STEADY_10)
    played(playback, 0, 1_000)
    playback.restart(1_000)
    assert played(playback, 1_000, 1_400) == [
        (1_000, 0),
        *((1_000 + 20 * i, i) for i in range(1, 11)),
    ]


def test_restart_after_trims_in_a_pause_begins_the_soft_start_again() -> None:
    playback = Playback(STEADY_10)
    played(playback, 0, 1_000)
    playback.trim(1_000, 50)
    playback.trim(1_000, 100)
    playback.restart(1_000)
    assert played(playback, 1_000, 1_100) == [
        (1_000, 0),
        (1_020, 1),
        (1_040, 2),
        (1_060, 3),
        (1_080, 4),
    ]


def test_segment_is_that_of_the_last_levels() -> None:
    timeline = compiled(
        phase(100, play("neck", "steady", 1)), phase(200, play("neck", "steady", 1))
    )
    playback = Playback(timeline)
    phases = []
    for t_ms in (0, 99, 100, 299, 300, 9_000):
        playback.levels(t_ms)
        phases.append(playback.segment.phase)
    assert phases == ["100 ms", "100 ms", "200 ms", "200 ms", "200 ms", "200 ms"]
