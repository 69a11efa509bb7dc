"""The supply: what is dropped or scaled to fit it, and the proof against a count of every frame."""

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.errors import AuthorError
from firmware_ctl.limits import INRUSH_MS, REST_MS, STAGGER_MS
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.supply import (
    Budget,
    PeakCurrent,
    fit_to_supply,
)
from tests.support.worlds_supply import (
    HOSTILE,
    frames,
    line,
    mat_of_single_motors,
    peak_current,
)

MAT = load_mat(shipped.mat_file())


def supplied(max_ma: int) -> Mat:
    return MAT._replace(max_ma=max_ma)


def profile(*phases: Phase, strict: bool = False) -> Profile:
    return Profile("p", "P", "", (), strict, phases)


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


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
        "p.yaml:7:5: too much current at 0:00.1: 1200 of 1000 mA, neck + lower_back + hips"
    )


def test_fit_to_supply_of_starts_that_fit_at_no_level_is_refused() -> None:
    with pytest.raises(AuthorError, match="too many motors start at once"):
        fit_to_supply(profile(Phase("a", 5_000, 1, (steady("all", 50),))), supplied(400), "p.yaml")


def test_sentence_of_the_peak_names_its_zones() -> None:
    assert PeakCurrent(42_000, 1310.2, (0, 6)).sentence(supplied(1000)) == (
        "0:42: 1310 of 1000 mA, neck + hips"
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
    mat = mat_of_single_motors(2, max_ma=250, start_ma=150, run_ma=120)
    with pytest.raises(
        AuthorError, match=r"too many motors start at once at 0:28\.5: 300 of 250 mA"
    ):
        fit_to_supply(profile(Phase("a", 300_000, 1, (ramp, fixed))), mat)


def test_fit_to_supply_of_starts_that_wait_longer_in_each_period_is_refused() -> None:
    """Seven starts, each of which takes 160 ms when it has to wait, in a period of 1105 ms."""
    afters_ms = (0, 145, 302, 459, 616, 773, 930)
    plays = tuple(
        line(f"z{n}", "pulse", (50, 50), after_ms, on_for=600, off_for=505)
        for n, after_ms in enumerate(afters_ms)
    )
    mat = mat_of_single_motors(7, max_ma=330, start_ma=150, run_ma=60)
    with pytest.raises(AuthorError, match="too many motors start at once"):
        fit_to_supply(profile(Phase("a", 60_000, 1, plays)), mat)


# --- the bound --------------------------------------------------------------------------------


def test_fit_to_supply_of_periods_that_never_meet_again_is_refused_with_place_and_way_out() -> None:
    with pytest.raises(AuthorError) as error:
        fit_to_supply(
            profile(*HOSTILE["waves whose periods never coincide"]), supplied(700), "p.yaml"
        )
    assert str(error.value) == (
        "p.yaml:7:5: it cannot be proven that the supply bears what plays here: the patterns repeat "
        "together only after more than 1000 h; choose periods that are multiples of one another, or "
        "play fewer motors at once: up to 700 mA of starting currents need no proof"
    )


def test_fit_to_supply_that_takes_too_long_names_the_phase_that_takes_most_steps() -> None:
    gentle = Phase("gentle", 10_000, 1, (steady("neck", 20),), place=(3, 5))
    wild = HOSTILE["waves whose periods never coincide"][0]._replace(for_ms=600_000)
    with pytest.raises(AuthorError, match=r"^p\.yaml:7:5: it cannot be proven"):
        fit_to_supply(
            profile(gentle, wild, gentle._replace(place=(20, 5))), supplied(700), "p.yaml"
        )


def test_fit_to_supply_of_too_many_changes_in_a_short_period_has_another_way_out() -> None:
    with pytest.raises(AuthorError, match="too much changes to check every instant; choose longer"):
        fit_to_supply(profile(*HOSTILE["a travel of all"]), supplied(700), "p.yaml")


def test_fit_to_supply_where_all_motors_together_fit_takes_no_step() -> None:
    _, budget = fit_to_supply(
        profile(*HOSTILE["waves whose periods never coincide"]), supplied(1_200), steps=0
    )
    assert budget == Budget()


def test_inrush_is_longer_than_a_stagger_and_no_longer_than_a_rest() -> None:
    """So a stagger alone cannot part the inrush of two starts, as the mistake's advice says."""
    assert STAGGER_MS < INRUSH_MS <= REST_MS
