"""The supply: starts, kicks and scaling, and the proof against a count of every frame."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl import shipped
from firmware_ctl.budget import STEPS, Budget, TooLongError, Work, Worst, fit, most_drawn, worst
from firmware_ctl.errors import AuthorError
from firmware_ctl.folder import load_mat
from firmware_ctl.limits import DUTY_PCT, FIRST_KICK_PCT, INRUSH_MS, REST_MS, STAGGER_MS
from firmware_ctl.mat import Mat, read_mat
from firmware_ctl.profile import Level, Phase, Play, Profile
from firmware_ctl.shaping import Levels, Shape, Shaper, duty_table, shape_of
from firmware_ctl.timeline import Frame, LevelPlayback, Playback, Timeline, compile_profile
from tests.reached import must_reach, reached
from tests.strategies import mats_and_profiles
from tests.worlds_supply import singles, strained

MAT = load_mat(shipped.mat_file())


def supplied(max_ma: int) -> Mat:
    return MAT._replace(max_ma=max_ma)


def profile(*phases: Phase, strict: bool = False) -> Profile:
    return Profile("p", "P", "", (), strict, phases)


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


def frames(timeline: Timeline) -> list[tuple[int, Frame, float]]:
    """Every frame of an undisturbed session with what it draws; inrush ends are frames of it."""
    return walked(timeline)[0]


def walked(timeline: Timeline, limited: bool = True) -> tuple[list[tuple[int, Frame, float]], int]:
    """Every frame, and the longest time that a start waits."""
    playback = Playback(timeline)
    playback.shaper = Shaper(timeline.shape, limited)
    found = []
    now_ms: int | None = 0
    while now_ms is not None:
        frame = playback.at(now_ms)
        found.append((now_ms, frame, playback.shaper.draws_ma(now_ms)))
        now_ms = frame.until_ms
    return found, playback.shaper.longest_wait_ms


def line(target: str, pattern: str, level: tuple[int, int], after_ms: int = 0, **keys: int) -> Play:
    return Play(target, pattern, Level(*level), tuple(keys.items()), after_ms=after_ms)


# --- shaping ----------------------------------------------------------------------------------


def shape(max_ma: int = 2000, motors: int = 2) -> Shape:
    """The first motors of the shipped mat: hold 32, start 56, cap 72, kick 120 ms, 150 mA."""
    return shape_of(supplied(max_ma))._replace(drives=shape_of(MAT).drives[:motors])


def test_zero_is_exactly_zero_and_the_table_ends_at_hold_and_cap() -> None:
    table = duty_table(MAT.motors[0], MAT)
    assert (len(table), table[0], table[1], table[100]) == (101, 0, 32, 72)
    assert list(table) == sorted(table)


def test_the_first_kick_is_gentle_and_the_next_is_full_and_both_come_from_rest() -> None:
    shaper = Shaper(shape(motors=1))
    script = [(0, 20), (120, 20), (500, 0), (1000, 20), (1120, 20), (1200, 0), (1340, 20)]
    seen = [(t, shaper.shape((level,), t)) for t, level in script]
    low = duty_table(MAT.motors[0], MAT)[20]
    assert [(t, s.duty_pct[0], s.kicks) for t, s in seen] == [
        (0, FIRST_KICK_PCT, (0,)),
        (120, low, ()),
        (500, 0, ()),
        (1000, 72, (0,)),
        (1120, low, ()),
        (1200, 0, ()),
        (1340, low, ()),  # off for 140 ms only: it still turns
    ]


def test_a_motor_that_its_gentle_kick_cannot_start_gets_a_full_one_later() -> None:
    shaper = Shaper(shape(motors=1))
    low = duty_table(MAT.motors[0], MAT)[20]
    seen = [(t, shaper.shape((20,), t).duty_pct[0]) for t in (0, 120, 999, 1000, 1119, 1120, 9000)]
    assert seen == [
        (0, 50),
        (120, low),
        (999, low),
        (1000, 72),
        (1119, 72),
        (1120, low),
        (9000, low),
    ]


def test_a_motor_that_has_not_turned_yet_gets_its_full_kick_in_spite_of_a_short_gap() -> None:
    shaper = Shaper(shape(motors=1))
    low = duty_table(MAT.motors[0], MAT)[20]
    script = [(0, 20), (120, 20), (400, 0), (500, 20), (999, 20), (1000, 20), (1120, 20)]
    seen = [shaper.shape((level,), t).duty_pct[0] for t, level in script]
    assert seen == [50, low, 0, low, low, 72, low]


def test_a_motor_that_is_off_for_a_moment_in_its_inrush_waits_for_all_of_it() -> None:
    shaper = Shaper(shape(max_ma=250))
    shaper.begin(shape(max_ma=250), 0, is_gentle=False)
    for t_ms, levels in ((0, (20, 0)), (20, (0, 0)), (40, (0, 20))):
        shaper.shape(levels, t_ms)
    waits = [shaper.shape((20, 20), t_ms).duty_pct[0] for t_ms in (60, 80)]
    assert (waits, shaper.draws_ma(80)) == ([0, 0], 150)


def test_a_guarded_rise_waits_for_the_supply_and_a_fall_does_not() -> None:
    guarded, proven = Shaper(shape(max_ma=250), guarded=True), Shaper(shape(max_ma=250))
    seen = []
    for shaper in (guarded, proven):
        for t_ms, levels in ((0, (1, 0)), (200, (1, 1)), (220, (100, 1))):
            duty = shaper.shape(levels, t_ms).duty_pct[0]
        seen.append((duty, shaper.draws_ma(220) <= 250))
        assert shaper.shape((100, 1), 360).duty_pct[0] == 72
        assert shaper.shape((1, 1), 380).duty_pct[0] == 32
    assert seen == [(32, True), (72, False)]


def test_guarded_duties_of_motors_that_all_turn_wait_for_the_supply() -> None:
    shaper = Shaper(shape(max_ma=235), guarded=True)
    shaper.begin(shape(max_ma=235), 0, is_gentle=False)
    for t_ms, levels in ((0, (1, 0)), (200, (1, 1)), (600, (1, 1)), (620, (100, 1))):
        shaper.shape(levels, t_ms)
    assert shaper.shape((100, 100), 640).duty_pct == (72, 32)


def test_guarded_start_that_is_late_goes_before_the_rises_of_others() -> None:
    shaper = Shaper(shape(max_ma=250), guarded=True)
    shaper.begin(shape(max_ma=250), 0, is_gentle=False)
    for t_ms in range(0, 161, 20):
        shaped = shaper.shape((5 if t_ms < 140 else 100, 5), t_ms)
    assert shaped.kicks == (1,)
    assert shaper.shape((100, 5), 340).duty_pct == (72, duty_table(MAT.motors[0], MAT)[5])


def test_motor_that_hardly_turned_before_a_pause_is_kicked_after_it() -> None:
    shaper = Shaper(shape(motors=1))
    shaper.begin(shape(motors=1), 0, is_gentle=False)
    for t_ms, level in ((0, 20), (10, 0)):
        shaper.shape((level,), t_ms)
    shaper.begin(shape(motors=1), 20, is_gentle=False)
    assert shaper.shape((20,), 130).kicks == (0,)


def test_no_kick_where_the_level_starts_the_motor_by_itself() -> None:
    shaper = Shaper(shape(motors=1))
    assert shaper.shape((100,), 0).kicks == ()


def test_motors_that_start_together_start_one_after_another() -> None:
    shaper = Shaper(shape(motors=4))
    waits = [shaper.shape((20,) * 4, t) for t in (0, 33, 66, 99)]
    assert [sum(d > 0 for d in shaped.duty_pct) for shaped in waits] == [1, 2, 3, 4]
    assert [shaped.until_ms for shaped in waits[:3]] == [33, 66, 99]


def test_a_start_waits_until_the_supply_bears_it() -> None:
    shaper = Shaper(shape(max_ma=250))
    script = [(t, shaper.shape((20, 20), t)) for t in range(0, 241, 20)]
    running = [t for t, shaped in script if shaped.duty_pct[1]]
    assert running[0] == 160  # 150 + 150 mA is too much until the first is through its start


# --- the budget -------------------------------------------------------------------------------


def test_within_the_supply_nothing_is_done() -> None:
    timeline, budget = fit(profile(Phase("a", 5_000, 1, (steady("all", 50),))), MAT)
    assert (budget.asked, budget.kicks, budget.level_pct) == (None, True, 100)
    assert worst(timeline)[0].ma <= 8 * 150


def test_levels_are_scaled_by_one_factor() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    timeline, budget = fit(profile(Phase("one by one", 20_000, 1, plays)), supplied(400))
    assert budget.asked is not None
    assert (round(budget.asked.ma), round(worst(timeline)[0].ma)) == (425, 400)
    assert (budget.level_pct, budget.kicks) == (81, False)
    assert set(timeline.segments[0].high_pct) == {0, 48}


def test_strict_makes_it_a_mistake_at_the_phase_with_the_instant() -> None:
    asked = profile(Phase("a", 5_000, 1, (steady("all", 50),), place=(7, 5)), strict=True)
    with pytest.raises(AuthorError) as error:
        fit(asked, supplied(1_000), "p.yaml")
    assert str(error.value) == (
        "p.yaml:7:5: too much current at t=0.1 s: 1200 of 1000 mA, neck + lower_back + hips"
    )


def test_starts_that_no_measure_can_help_are_a_mistake() -> None:
    with pytest.raises(AuthorError, match="cannot bear the starts"):
        fit(profile(Phase("a", 5_000, 1, (steady("all", 50),))), supplied(400), "p.yaml")


def test_the_worst_instant_names_its_zones() -> None:
    assert Worst(42_000, 1310.2, (0, 6)).sentence(supplied(1000)) == (
        "t=42.0 s: 1310 of 1000 mA, neck + hips"
    )


def test_a_motor_that_turned_where_a_walk_begins_is_at_rest_after_it() -> None:
    """Where segments are this short a walk begins anew within a long one before them."""
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
    timeline, _ = fit(profile(*phases), mat)
    assert (worst(timeline)[0].ma, max(ma for _, _, ma in frames(timeline))) == (2, 2)


def test_fit_two_motors_that_start_together_only_within_a_ramp_is_refused() -> None:
    """The wave's motor starts earlier the higher its level is, past the start of the other."""
    ramp = line("z0", "wave", (2, 8), period=4_000)
    fixed = line("z1", "pulse", (50, 50), after_ms=500, on_for=2_000, off_for=2_000)
    mat = singles(2, max_ma=250, start_ma=150, run_ma=120)
    with pytest.raises(AuthorError, match=r"cannot bear the starts at t=28\.5 s: 300 of 250 mA"):
        fit(profile(Phase("a", 300_000, 1, (ramp, fixed))), mat)


def test_fit_starts_that_wait_longer_in_each_period_are_refused() -> None:
    """Seven starts, each of which takes 160 ms when it has to wait, in a period of 1105 ms."""
    afters_ms = (0, 145, 302, 459, 616, 773, 930)
    plays = tuple(
        line(f"z{n}", "pulse", (50, 50), after_ms, on_for=600, off_for=505)
        for n, after_ms in enumerate(afters_ms)
    )
    mat = singles(7, max_ma=330, start_ma=150, run_ma=60)
    with pytest.raises(AuthorError, match="cannot bear the starts"):
        fit(profile(Phase("a", 60_000, 1, plays)), mat)


# --- the bound --------------------------------------------------------------------------------

SIDES = ("neck.left", "neck.right", "lower_back.left", "lower_back.right", "hips.left")


def waves(for_ms: int, count: int = 5) -> tuple[Play, ...]:
    """A wave for each side, whose periods never meet again."""
    return tuple(
        line(side, "wave", (60, 60), 200 * n, period=period_ms)
        for n, (side, period_ms) in enumerate(
            zip(SIDES[:count], (1_009, 1_013, 1_019, 1_021, 1_031), strict=False)
        )
        if 200 * n < for_ms
    )


def taps(at_ms: int) -> tuple[Play, ...]:
    """Each side taps as fast as it can, with a rest of its own."""
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
def test_fit_a_hostile_profile_takes_no_more_instants_than_the_bound(
    name: str, max_ma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    instants = 0
    plain = LevelPlayback.levels

    def counted(self: LevelPlayback, t_ms: int) -> Levels:
        nonlocal instants
        instants += 1
        return plain(self, t_ms)

    monkeypatch.setattr(LevelPlayback, "levels", counted)
    asked = profile(*HOSTILE[name])
    with suppress(AuthorError):
        fit(asked, supplied(max_ma), "p.yaml")
    entered = 12 * len(asked.phases)  # a look at each phase's begin, in each of the walks
    assert 0 < instants <= 2 * STEPS // len(MAT.motors) + entered


def test_fit_periods_that_never_meet_again_are_refused_with_place_and_way_out() -> None:
    with pytest.raises(AuthorError) as error:
        fit(profile(*HOSTILE["waves that never meet again"]), supplied(700), "p.yaml")
    assert str(error.value) == (
        "p.yaml:7:5: it cannot be proven that the supply bears what plays here: the patterns repeat "
        "together only after more than 1000 h; choose periods that are multiples of one another, or "
        "play fewer motors at once: up to 700 mA of starting currents need no proof"
    )


def test_fit_the_phase_that_takes_most_steps_is_named() -> None:
    gentle = Phase("gentle", 10_000, 1, (steady("neck", 20),), place=(3, 5))
    wild = HOSTILE["waves that never meet again"][0]._replace(for_ms=600_000)
    with pytest.raises(AuthorError, match=r"^p\.yaml:7:5: it cannot be proven"):
        fit(profile(gentle, wild, gentle._replace(place=(20, 5))), supplied(700), "p.yaml")


def test_fit_too_many_changes_of_a_short_period_are_refused_with_another_way_out() -> None:
    with pytest.raises(AuthorError, match="too much changes to check every instant; choose longer"):
        fit(profile(*HOSTILE["a travel of all"]), supplied(700), "p.yaml")


def test_fit_where_all_motors_together_fit_no_instant_is_looked_at() -> None:
    _, budget = fit(profile(*HOSTILE["waves that never meet again"]), supplied(1_200), steps=0)
    assert budget == Budget()


def test_fit_without_steps_for_the_highest_level_plays_a_lower_one_that_is_proven() -> None:
    sides = ("neck.left", "neck.right", "hips.left", "hips.right")
    plays = tuple(steady(side, 60, after_ms=i * 3_000) for i, side in enumerate(sides))
    asked = profile(Phase("one by one", 20_000, 1, plays))
    found = {}
    for steps in range(0, 20_000, 500):
        try:
            timeline, budget = fit(asked, supplied(400), steps=steps)
        except AuthorError:
            continue
        found[budget.level_pct] = max(ma for _, _, ma in frames(timeline))
    assert len(found) > 2
    assert max(found) == 81
    assert max(found.values()) <= 400


def test_most_drawn_of_what_takes_too_long_is_a_bound() -> None:
    timeline, _ = fit(profile(Phase("a", 600_000, 1, waves(600_000))), MAT)
    with pytest.raises(TooLongError):
        worst(timeline)
    found = most_drawn(timeline)
    assert found == Worst(0, 7 * 150, (0, 1, 2, 3, 4, 5, 6))
    assert found.ma >= max(ma for _, _, ma in frames(timeline))


# --- properties -------------------------------------------------------------------------------


@settings(max_examples=100)
@given(strained(), st.booleans())
def test_the_walk_finds_what_a_count_of_every_frame_finds(
    both: tuple[Mat, Profile], limited: bool
) -> None:
    mat, asked = both
    timeline = compile_profile(asked, mat)
    counted, waited_ms = walked(timeline, limited)
    found, longest_wait_ms = worst(timeline, Work(1 << 40), limited)
    assert found.ma == pytest.approx(max(ma for _, _, ma in counted))
    # It ends early where no motor has to wait for the supply, but for the turns of first starts.
    assert longest_wait_ms == waited_ms or longest_wait_ms < waited_ms <= STAGGER_MS


@must_reach(fits=10, scaled=2)
@settings(max_examples=100)
@given(strained())
def test_what_fits_draws_no_more_than_the_supply_gives_and_starts_in_time(
    both: tuple[Mat, Profile],
) -> None:
    mat, asked = both
    try:
        timeline, budget = fit(asked, mat)
    except AuthorError:
        return
    counted, waited_ms = walked(timeline)
    assert max(ma for _, _, ma in counted) <= mat.max_ma + 1e-9
    assert waited_ms <= STAGGER_MS
    found, longest_wait_ms = worst(timeline, Work(1 << 40))
    assert found.ma == pytest.approx(max(ma for _, _, ma in counted))
    reached("fits")
    if budget.asked is not None:
        reached("scaled")
        assert budget.asked.ma > mat.max_ma
        assert budget.longest_wait_ms <= longest_wait_ms


@must_reach(fits=5)
@given(mats_and_profiles())
def test_the_proof_by_periods_agrees_with_a_count_of_every_frame(
    both: tuple[Mat, Profile],
) -> None:
    mat, asked = both
    try:
        timeline, _ = fit(asked, mat)
    except AuthorError:
        return
    reached("fits")
    counted = max(frames(timeline), key=lambda frame: (frame[2], -frame[0]))
    assert worst(timeline)[0].ma == pytest.approx(counted[2])


@must_reach(started=20, kicked=1)
@settings(max_examples=100)
@given(mats_and_profiles())
def test_nothing_goes_over_a_limit(both: tuple[Mat, Profile]) -> None:
    mat, asked = both
    try:
        timeline, budget = fit(asked, mat)
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
            table = timeline.shape.drives[i].duty_pct
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
def test_a_frame_by_itself_is_the_frame_on_the_way(
    both: tuple[Mat, Profile], data: st.DataObject
) -> None:
    mat, asked = both
    try:
        timeline, _ = fit(asked, mat)
    except AuthorError:
        return
    walked = frames(timeline)
    at = data.draw(st.integers(0, len(walked) - 1))
    now_ms, frame, _ = walked[at]
    alone = timeline.frame_at(now_ms)
    assert (alone.level_pct, alone.duty_pct) == (frame.level_pct, frame.duty_pct)


def test_inrush_is_longer_than_a_stagger_and_no_longer_than_a_rest() -> None:
    """What makes staggering alone unable to part starts; the mistake's advice rests on it."""
    assert STAGGER_MS < INRUSH_MS <= REST_MS
