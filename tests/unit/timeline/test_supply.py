"""The supply: what is dropped or scaled to fit it, and the proof against a count of every frame."""

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.errors import AuthorError
from firmware_ctl.limits import DUTY_PCT, INRUSH_MS, REST_MS, STAGGER_MS
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback
from firmware_ctl.timeline.supply import (
    STEPS,
    Budget,
    PeakCurrent,
    TooLongError,
    Work,
    fit_to_supply,
    peak_current,
    peak_current_with_pauses,
)
from tests.support.reached import must_reach, reached
from tests.support.strategies import mats_and_profiles
from tests.support.worlds_supply import singles, strained
from tests.support.worlds_timeline import Frame, FramePlayback, frame_at, make_mat, phase, play

MAT = load_mat(shipped.mat_file())


def supplied(max_ma: int) -> Mat:
    return MAT._replace(max_ma=max_ma)


def profile(*phases: Phase, strict: bool = False) -> Profile:
    return Profile("p", "P", "", (), strict, phases)


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


def frames(timeline: Timeline) -> list[tuple[int, Frame, float]]:
    """Every frame of an undisturbed session, with its time and its current in mA."""
    return counted(timeline)[0]


def counted(timeline: Timeline, limited: bool = True) -> tuple[list[tuple[int, Frame, float]], int]:
    """Every frame, and the longest time that a start waits."""
    playback = FramePlayback(timeline, limited)
    rows = []
    now_ms: int | None = 0
    while now_ms is not None:
        frame = playback.at(now_ms)
        rows.append((now_ms, frame, playback.drive.draws_ma(now_ms)))
        now_ms = frame.until_ms
    return rows, playback.drive.longest_wait_ms


def line(target: str, pattern: str, level: tuple[int, int], after_ms: int = 0, **keys: int) -> Play:
    return Play(target, pattern, Level(*level), tuple(keys.items()), after_ms=after_ms)


# --- what is done to fit ----------------------------------------------------------------------


def test_fit_to_supply_within_the_supply_changes_nothing() -> None:
    timeline, budget = fit_to_supply(profile(Phase("a", 5_000, 1, (steady("all", 50),))), MAT)
    assert (budget.asked, budget.kicks, budget.level_pct) == (None, True, 100)
    assert peak_current(timeline)[0].ma <= 8 * 150


def test_fit_to_supply_scales_all_levels_by_one_factor() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    timeline, budget = fit_to_supply(profile(Phase("one by one", 20_000, 1, plays)), supplied(400))
    assert budget.asked is not None
    assert (round(budget.asked.ma), round(peak_current(timeline)[0].ma)) == (425, 400)
    assert (budget.level_pct, budget.kicks) == (81, False)
    assert set(timeline.segments[0].high_pct) == {0, 48}


def test_fit_to_supply_of_a_strict_profile_is_refused_at_the_phase_with_the_instant() -> None:
    asked = profile(Phase("a", 5_000, 1, (steady("all", 50),), place=(7, 5)), strict=True)
    with pytest.raises(AuthorError) as error:
        fit_to_supply(asked, supplied(1_000), "p.yaml")
    assert str(error.value) == (
        "p.yaml:7:5: too much current at t=0.1 s: 1200 of 1000 mA, neck + lower_back + hips"
    )


def test_fit_to_supply_of_starts_that_fit_at_no_level_is_refused() -> None:
    with pytest.raises(AuthorError, match="cannot bear the starts"):
        fit_to_supply(profile(Phase("a", 5_000, 1, (steady("all", 50),))), supplied(400), "p.yaml")


def test_sentence_of_the_peak_names_its_zones() -> None:
    assert PeakCurrent(42_000, 1310.2, (0, 6)).sentence(supplied(1000)) == (
        "t=42.0 s: 1310 of 1000 mA, neck + hips"
    )


def test_peak_current_after_skipped_segments_counts_a_start_from_rest() -> None:
    """The dry run skips the long segment and begins again shortly before the short ones."""
    mat = read_mat(
        b"""
name: two motors
pwm_hz: 50
supply: {max_ma: 20}
limits: {session: 1min, daily: 1min, duty: 2%, rise: 9%/s}
zones:
  neck:
    present: true
    cap: 1%
    motors:
      - {name: left, side: left, pin: 9, start: 1%, hold: 1%, cap: 2%, run_ma: 1, start_ma: 1}
      - {name: right, side: right, pin: 10, start: 1%, hold: 1%, cap: 2%, run_ma: 1, start_ma: 1}
""",
        "mat.yaml",
    )
    phases = (
        Phase("left alone", 2_141, 1, (steady("neck.left", 1),)),
        Phase("rest", 10, 1, (steady("neck", 0),)),
        Phase("rest on", 29, 1, (steady("neck", 0),)),
        Phase("both", 121, 1, (steady("neck", 1),)),
    )
    timeline, _ = fit_to_supply(profile(*phases), mat)
    assert (peak_current(timeline)[0].ma, max(ma for _, _, ma in frames(timeline))) == (2, 2)


def test_fit_to_supply_of_two_motors_that_start_together_only_within_a_ramp_is_refused() -> None:
    """The wave's motor starts earlier the higher its level is, past the start of the other."""
    ramp = line("z0", "wave", (2, 8), period=4_000)
    fixed = line("z1", "pulse", (50, 50), after_ms=500, on_for=2_000, off_for=2_000)
    mat = singles(2, max_ma=250, start_ma=150, run_ma=120)
    with pytest.raises(AuthorError, match=r"cannot bear the starts at t=28\.5 s: 300 of 250 mA"):
        fit_to_supply(profile(Phase("a", 300_000, 1, (ramp, fixed))), mat)


def test_fit_to_supply_of_starts_that_wait_longer_in_each_period_is_refused() -> None:
    """Seven starts, each of which takes 160 ms when it has to wait, in a period of 1105 ms."""
    afters_ms = (0, 145, 302, 459, 616, 773, 930)
    plays = tuple(
        line(f"z{n}", "pulse", (50, 50), after_ms, on_for=600, off_for=505)
        for n, after_ms in enumerate(afters_ms)
    )
    mat = singles(7, max_ma=330, start_ma=150, run_ma=60)
    with pytest.raises(AuthorError, match="cannot bear the starts"):
        fit_to_supply(profile(Phase("a", 60_000, 1, plays)), mat)


# --- the bound --------------------------------------------------------------------------------

SIDES = ("neck.left", "neck.right", "lower_back.left", "lower_back.right", "hips.left")


def waves(for_ms: int, count: int = 5) -> tuple[Play, ...]:
    """A wave for each side, with periods that never meet again."""
    return tuple(
        line(side, "wave", (60, 60), 200 * n, period=period_ms)
        for n, (side, period_ms) in enumerate(
            zip(SIDES[:count], (1_009, 1_013, 1_019, 1_021, 1_031), strict=False)
        )
        if 200 * n < for_ms
    )


def taps(at_ms: int) -> tuple[Play, ...]:
    """Fast taps on each side, with a rest of its own."""
    keys = {"taps": 10, "tap_for": 10}
    return tuple(
        line(side, "tap", (40, 60), n, rest=at_ms + 2 * n, **keys) for n, side in enumerate(SIDES)
    )


def key_frames(count: int) -> tuple[Play, ...]:
    frames = tuple((10 * n, 1 + n % 40) for n in range(count))
    level = Level(40, 40)
    return tuple(
        Play(side, "keyframes", level, frames=frames, after_ms=200 * n)
        for n, side in enumerate(SIDES)
    )


HOSTILE = {
    "waves that never meet again": [Phase("a", 890_000, 1, waves(890_000), place=(7, 5))],
    "such waves in many phases": [
        Phase(f"p{n}", 11_000, 1, waves(11_000), place=(7 + n, 5)) for n in range(80)
    ],
    "such waves in short passes": [
        Phase(f"p{n}", 1_100, 100, waves(1_100), place=(7 + n, 5)) for n in range(8)
    ],
    "taps": [Phase("a", 890_000, 1, taps(11), place=(7, 5))],
    "taps with a cue in each pass": [Phase("a", 8_900, 100, taps(11), "KI3", place=(7, 5))],
    "key frames": [Phase("a", 14_000, 30, key_frames(1_300), place=(7, 5))],
    "many phases of one pass": [
        Phase(f"p{n}", 1_100, 1, waves(1_100, 1 + n % 5), place=(7 + n, 5)) for n in range(500)
    ],
    "a travel of all": [
        Phase("a", 890_000, 1, (line("all", "travel", (1, 60), period=211),), place=(7, 5))
    ],
}


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
        fit_to_supply(asked, supplied(max_ma), "p.yaml")
    entered = 12 * len(asked.phases)  # one instant at each phase's begin, in each of the dry runs
    assert 0 < instants <= 2 * STEPS // len(MAT.motors) + entered


def test_fit_to_supply_of_periods_that_never_meet_again_is_refused_with_place_and_way_out() -> None:
    with pytest.raises(AuthorError) as error:
        fit_to_supply(profile(*HOSTILE["waves that never meet again"]), supplied(700), "p.yaml")
    assert str(error.value) == (
        "p.yaml:7:5: it cannot be proven that the supply bears what plays here: the patterns repeat "
        "together only after more than 1000 h; choose periods that are multiples of one another, or "
        "play fewer motors at once: up to 700 mA of starting currents need no proof"
    )


def test_fit_to_supply_that_takes_too_long_names_the_phase_that_takes_most_steps() -> None:
    gentle = Phase("gentle", 10_000, 1, (steady("neck", 20),), place=(3, 5))
    wild = HOSTILE["waves that never meet again"][0]._replace(for_ms=600_000)
    with pytest.raises(AuthorError, match=r"^p\.yaml:7:5: it cannot be proven"):
        fit_to_supply(
            profile(gentle, wild, gentle._replace(place=(20, 5))), supplied(700), "p.yaml"
        )


def test_fit_to_supply_of_too_many_changes_in_a_short_period_has_another_way_out() -> None:
    with pytest.raises(AuthorError, match="too much changes to check every instant; choose longer"):
        fit_to_supply(profile(*HOSTILE["a travel of all"]), supplied(700), "p.yaml")


def test_fit_to_supply_where_all_motors_together_fit_takes_no_step() -> None:
    _, budget = fit_to_supply(
        profile(*HOSTILE["waves that never meet again"]), supplied(1_200), steps=0
    )
    assert budget == Budget()


def test_fit_to_supply_without_steps_for_the_highest_level_gives_a_lower_proven_one() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    asked = profile(Phase("one by one", 20_000, 1, plays))
    most_ma = {}
    for steps in range(0, 20_000, 500):
        try:
            timeline, budget = fit_to_supply(asked, supplied(400), steps=steps)
        except AuthorError:
            continue
        most_ma[budget.level_pct] = max(ma for _, _, ma in frames(timeline))
    assert len(most_ma) > 2
    assert max(most_ma) == 81
    assert max(most_ma.values()) <= 400


def test_peak_current_with_pauses_that_takes_too_long_is_a_bound() -> None:
    timeline, _ = fit_to_supply(profile(Phase("a", 600_000, 1, waves(600_000))), MAT)
    with pytest.raises(TooLongError):
        peak_current(timeline)
    bound = peak_current_with_pauses(timeline)
    assert bound == PeakCurrent(0, 7 * 150, (0, 1, 2, 3, 4, 5, 6))
    assert bound.ma >= max(ma for _, _, ma in frames(timeline))


# --- properties -------------------------------------------------------------------------------


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


def test_inrush_is_longer_than_a_stagger_and_no_longer_than_a_rest() -> None:
    """So a stagger alone cannot part the inrush of two starts, as the mistake's advice says."""
    assert STAGGER_MS < INRUSH_MS <= REST_MS
