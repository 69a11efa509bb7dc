"""The proof of the supply for random mats and profiles, against the current of every frame.

The work of the proof is bounded, too.
"""

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.errors import AuthorError
from firmware_ctl.limits import DUTY_PCT, REST_MS, STAGGER_MS
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback
from firmware_ctl.timeline.supply import (
    STEPS,
    PeakCurrent,
    TooLongError,
    Work,
    fit_to_supply,
    peak_current_with_pauses,
)
from tests.support.reached import must_reach, reached
from tests.support.strategies import mats_and_profiles
from tests.support.worlds_supply import (
    HOSTILE,
    frames,
    frames_and_longest_wait,
    peak_current,
    strained_mats_and_profiles,
    waves,
)
from tests.support.worlds_timeline import Frame, frame_at, make_mat, phase, play, profile

MAT = load_mat(shipped.mat_file())


@settings(max_examples=100)
@given(strained_mats_and_profiles(), st.booleans())
def test_peak_current_of_strained_supply_equals_the_highest_of_all_frames(
    mat_and_profile: tuple[Mat, Profile], is_limited: bool
) -> None:
    mat, given_profile = mat_and_profile
    timeline = compile_profile(given_profile, mat)
    rows, longest_counted_wait_ms = frames_and_longest_wait(timeline, is_limited)
    peak, longest_wait_ms = peak_current(timeline, Work(1 << 40), is_limited)
    assert peak.ma == pytest.approx(max(ma for _, _, ma in rows))
    # The dry run ends early if starts wait only for their minimum distance and not for the supply.
    assert (
        longest_wait_ms == longest_counted_wait_ms
        or longest_wait_ms < longest_counted_wait_ms <= STAGGER_MS
    )


@must_reach(fits=10, scaled=2)
@settings(max_examples=100)
@given(strained_mats_and_profiles())
def test_fitted_session_on_strained_supply_stays_within_it_and_starts_in_time(
    mat_and_profile: tuple[Mat, Profile],
) -> None:
    mat, given_profile = mat_and_profile
    try:
        timeline, budget = fit_to_supply(given_profile, mat)
    except AuthorError:
        return
    rows, longest_counted_wait_ms = frames_and_longest_wait(timeline)
    assert max(ma for _, _, ma in rows) <= mat.max_ma + 1e-9
    assert longest_counted_wait_ms <= STAGGER_MS
    peak, longest_wait_ms = peak_current(timeline, Work(1 << 40))
    assert peak.ma == pytest.approx(max(ma for _, _, ma in rows))
    reached("fits")
    if budget.asked is not None:
        reached("scaled")
        assert budget.asked.ma > mat.max_ma
        assert budget.longest_wait_ms <= longest_wait_ms


@must_reach(fits=5)
@given(mats_and_profiles())
def test_peak_current_of_fitted_session_equals_the_highest_of_all_frames(
    mat_and_profile: tuple[Mat, Profile],
) -> None:
    mat, given_profile = mat_and_profile
    try:
        timeline, _ = fit_to_supply(given_profile, mat)
    except AuthorError:
        return
    reached("fits")
    highest_ma = max(ma for _, _, ma in frames(timeline))
    assert peak_current(timeline)[0].ma == pytest.approx(highest_ma)


def with_kicks(mat: Mat) -> Mat:
    zones = [
        zone._replace(motors=tuple(motor._replace(kick_ms=120) for motor in zone.motors))
        for zone in mat.zones
    ]
    return mat._replace(zones=tuple(zones))


PULSES = profile(phase(20_000, play("all", "pulse", 30, on_for=1_000, off_for=1_000)))


@must_reach(started=20, kicked=1)
@example((with_kicks(make_mat(100)), PULSES))
@example(
    (make_mat(100), profile(phase(20_000, play("all", "pulse", 60, on_for=1_000, off_for=1_000))))
)
@settings(max_examples=100)
@given(mats_and_profiles())
def test_fitted_session_in_every_frame_keeps_every_limit(
    mat_and_profile: tuple[Mat, Profile],
) -> None:
    mat, given_profile = mat_and_profile
    try:
        timeline, budget = fit_to_supply(given_profile, mat)
    except AuthorError:
        return
    cap_pct = [min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT) for motor in mat.motors]
    zone_cap_pct = {zone.name: zone.cap_pct if zone.present else 0 for zone in mat.zones}
    off_since_ms = [-REST_MS] * len(mat.motors)
    waiting_since_ms: dict[int, int] = {}
    earlier: Frame | None = None
    for now_ms, frame, ma in frames(timeline):
        assert ma <= mat.max_ma + 1e-9
        for i, motor in enumerate(mat.motors):
            level, duty = frame.level_pct[i], frame.duty_pct[i]
            duty_table = timeline.drive_table.curves[i].duty_pct
            assert 0 <= level <= zone_cap_pct[motor.zone]
            assert 0 <= duty <= cap_pct[i]
            assert duty in (0, duty_table[level]) or i in frame.kicks
            started = duty and not (earlier and earlier.duty_pct[i])
            if i in frame.kicks and started:
                reached("kicked")
                assert now_ms - off_since_ms[i] >= REST_MS
            if level == 0:
                waiting_since_ms.pop(i, None)
            elif not duty:
                waiting_since_ms.setdefault(i, now_ms)
            elif started:
                reached("started")
                assert now_ms - waiting_since_ms.pop(i, now_ms) <= STAGGER_MS
            if earlier and earlier.duty_pct[i] and not duty:
                off_since_ms[i] = now_ms
        earlier = frame
    assert earlier is not None
    assert not any(earlier.duty_pct)
    assert budget.longest_wait_ms <= STAGGER_MS


@given(mats_and_profiles(), st.data())
def test_frame_at_any_time_equals_the_frame_of_the_session(
    mat_and_profile: tuple[Mat, Profile], data: st.DataObject
) -> None:
    mat, given_profile = mat_and_profile
    try:
        timeline, _ = fit_to_supply(given_profile, mat)
    except AuthorError:
        return
    rows = frames(timeline)
    now_ms, frame, _ = rows[data.draw(st.integers(0, len(rows) - 1))]
    single_frame = frame_at(timeline, now_ms)
    assert (single_frame.level_pct, single_frame.duty_pct) == (frame.level_pct, frame.duty_pct)


@pytest.mark.parametrize("max_ma", [400, 500, 700])
@pytest.mark.parametrize("name", HOSTILE)
def test_fit_to_supply_of_hostile_profile_computes_levels_within_the_bound(
    name: str, max_ma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    level_calls = 0
    original_levels = Playback.levels

    def levels_and_count(self: Playback, t_ms: int) -> Levels:
        nonlocal level_calls
        level_calls += 1
        return original_levels(self, t_ms)

    monkeypatch.setattr(Playback, "levels", levels_and_count)
    given_profile = profile(*HOSTILE[name])
    with suppress(AuthorError):
        fit_to_supply(given_profile, MAT._replace(max_ma=max_ma), "p.yaml")
    phase_entries = 12 * len(
        given_profile.phases
    )  # one call at the beginning of each phase in each dry run
    assert 0 < level_calls <= 2 * STEPS // len(MAT.motors) + phase_entries


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


def test_fit_to_supply_with_too_few_steps_gives_a_lower_proven_level() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    given_profile = profile(Phase("one by one", 20_000, 1, plays))
    results_by_cert = {}
    for steps in range(0, 20_000, 500):
        with suppress(AuthorError):
            timeline, budget = fit_to_supply(given_profile, MAT._replace(max_ma=400), steps=steps)
            results_by_cert[timeline.cert] = budget.level_pct, timeline
    highest_ma = {
        level: max(ma for _, _, ma in frames(result_timeline))
        for level, result_timeline in results_by_cert.values()
    }
    assert len(highest_ma) > 2
    assert max(highest_ma) == 81
    assert max(highest_ma.values()) <= 400


def test_peak_current_with_pauses_beyond_the_step_limit_is_an_upper_bound() -> None:
    timeline, _ = fit_to_supply(profile(Phase("a", 300_000, 1, waves(300_000))), MAT)
    with pytest.raises(TooLongError):
        peak_current(timeline)
    bound = peak_current_with_pauses(timeline)
    assert bound == PeakCurrent(0, 7 * 150, (0, 1, 2, 3, 4, 5, 6))
    assert bound.ma >= max(ma for _, _, ma in frames(timeline))
