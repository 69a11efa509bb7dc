"""The supply, for any mat and profile: its proof against a count of every frame, and its bound."""

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
    peak_current,
    peak_current_with_pauses,
)
from tests.support.reached import must_reach, reached
from tests.support.strategies import mats_and_profiles
from tests.support.worlds_supply import HOSTILE, counted, frames, strained, waves
from tests.support.worlds_timeline import Frame, frame_at, make_mat, phase, play, profile

MAT = load_mat(shipped.mat_file())


@settings(max_examples=100)
@given(strained(), st.booleans())
def test_peak_current_of_a_strained_supply_is_that_of_every_frame(
    both: tuple[Mat, Profile], limited: bool
) -> None:
    mat, asked = both
    timeline = compile_profile(asked, mat)
    rows, waited_ms = counted(timeline, limited)
    peak, longest_wait_ms = peak_current(timeline, Work(1 << 40), limited)
    assert peak.ma == pytest.approx(max(ma for _, _, ma in rows))
    # The dry run ends early where starts wait only for their spacing and not for the supply.
    assert longest_wait_ms == waited_ms or longest_wait_ms < waited_ms <= STAGGER_MS


@must_reach(fits=10, scaled=2)
@settings(max_examples=100)
@given(strained())
def test_fitted_session_stays_within_the_supply_and_starts_in_time(
    both: tuple[Mat, Profile],
) -> None:
    mat, asked = both
    try:
        timeline, budget = fit_to_supply(asked, mat)
    except AuthorError:
        return
    rows, waited_ms = counted(timeline)
    assert max(ma for _, _, ma in rows) <= mat.max_ma + 1e-9
    assert waited_ms <= STAGGER_MS
    peak, longest_wait_ms = peak_current(timeline, Work(1 << 40))
    assert peak.ma == pytest.approx(max(ma for _, _, ma in rows))
    reached("fits")
    if budget.asked is not None:
        reached("scaled")
        assert budget.asked.ma > mat.max_ma
        assert budget.longest_wait_ms <= longest_wait_ms


@must_reach(fits=5)
@given(mats_and_profiles())
def test_peak_current_of_any_fitted_session_is_that_of_every_frame(
    both: tuple[Mat, Profile],
) -> None:
    mat, asked = both
    try:
        timeline, _ = fit_to_supply(asked, mat)
    except AuthorError:
        return
    reached("fits")
    most_ma = max(ma for _, _, ma in frames(timeline))
    assert peak_current(timeline)[0].ma == pytest.approx(most_ma)


@must_reach(started=20, kicked=1)
@example(
    (make_mat(100), profile(phase(20_000, play("all", "pulse", 60, on_for=1_000, off_for=1_000))))
)
@settings(max_examples=100)
@given(mats_and_profiles())
def test_fitted_session_keeps_every_limit_in_every_frame(both: tuple[Mat, Profile]) -> None:
    mat, asked = both
    try:
        timeline, budget = fit_to_supply(asked, mat)
    except AuthorError:
        return
    caps = [min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT) for motor in mat.motors]
    zone_caps = {zone.name: zone.cap_pct if zone.present else 0 for zone in mat.zones}
    off_since = [-REST_MS] * len(mat.motors)
    wants_since: dict[int, int] = {}
    before: Frame | None = None
    for now_ms, frame, ma in frames(timeline):
        assert ma <= mat.max_ma + 1e-9
        for i, motor in enumerate(mat.motors):
            level, duty = frame.level_pct[i], frame.duty_pct[i]
            table = timeline.drive_table.curves[i].duty_pct
            assert 0 <= level <= zone_caps[motor.zone]
            assert 0 <= duty <= caps[i]
            assert duty in (0, table[level]) or i in frame.kicks
            started = duty and not (before and before.duty_pct[i])
            if i in frame.kicks and started:
                reached("kicked")
                assert now_ms - off_since[i] >= REST_MS
            if level == 0:
                wants_since.pop(i, None)
            elif not duty:
                wants_since.setdefault(i, now_ms)
            elif started:
                reached("started")
                assert now_ms - wants_since.pop(i, now_ms) <= STAGGER_MS
            if before and before.duty_pct[i] and not duty:
                off_since[i] = now_ms
        before = frame
    assert before is not None
    assert not any(before.duty_pct)
    assert budget.longest_wait_ms <= STAGGER_MS


@given(mats_and_profiles(), st.data())
def test_frame_at_a_time_is_the_frame_of_the_session(
    both: tuple[Mat, Profile], data: st.DataObject
) -> None:
    mat, asked = both
    try:
        timeline, _ = fit_to_supply(asked, mat)
    except AuthorError:
        return
    rows = frames(timeline)
    now_ms, frame, _ = rows[data.draw(st.integers(0, len(rows) - 1))]
    alone = frame_at(timeline, now_ms)
    assert (alone.level_pct, alone.duty_pct) == (frame.level_pct, frame.duty_pct)


@pytest.mark.parametrize("max_ma", [400, 500, 700])
@pytest.mark.parametrize("name", HOSTILE)
def test_fit_to_supply_of_a_hostile_profile_takes_no_more_instants_than_the_bound(
    name: str, max_ma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    instants = 0
    plain = Playback.levels

    def counted(self: Playback, t_ms: int) -> Levels:
        nonlocal instants
        instants += 1
        return plain(self, t_ms)

    monkeypatch.setattr(Playback, "levels", counted)
    asked = profile(*HOSTILE[name])
    with suppress(AuthorError):
        fit_to_supply(asked, MAT._replace(max_ma=max_ma), "p.yaml")
    entered = 12 * len(asked.phases)  # one instant at each phase's begin, in each of the dry runs
    assert 0 < instants <= 2 * STEPS // len(MAT.motors) + entered


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


def test_fit_to_supply_without_steps_for_the_highest_level_gives_a_lower_proven_one() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    asked = profile(Phase("one by one", 20_000, 1, plays))
    proven = {}
    for steps in range(0, 20_000, 500):
        with suppress(AuthorError):
            timeline, budget = fit_to_supply(asked, MAT._replace(max_ma=400), steps=steps)
            proven[timeline.cert] = budget.level_pct, timeline
    most_ma = {level: max(ma for _, _, ma in frames(proof)) for level, proof in proven.values()}
    assert len(most_ma) > 2
    assert max(most_ma) == 81
    assert max(most_ma.values()) <= 400


def test_peak_current_with_pauses_that_takes_too_long_is_a_bound() -> None:
    timeline, _ = fit_to_supply(profile(Phase("a", 300_000, 1, waves(300_000))), MAT)
    with pytest.raises(TooLongError):
        peak_current(timeline)
    bound = peak_current_with_pauses(timeline)
    assert bound == PeakCurrent(0, 7 * 150, (0, 1, 2, 3, 4, 5, 6))
    assert bound.ma >= max(ma for _, _, ma in frames(timeline))
