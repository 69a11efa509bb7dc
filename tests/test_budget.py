"""The supply: starts, kicks and scaling, and the proof against a count of every frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl import shipped
from firmware_ctl.budget import Worst, fit, worst
from firmware_ctl.errors import AuthorError
from firmware_ctl.folder import load_mat
from firmware_ctl.limits import DUTY_PCT, FIRST_KICK_PCT, INRUSH_MS, REST_MS, STAGGER_MS
from firmware_ctl.mat import Mat, read_mat
from firmware_ctl.profile import Level, Phase, Play, Profile
from firmware_ctl.shaping import Shape, Shaper, duty_table, shape_of
from firmware_ctl.timeline import Frame, Playback, Timeline
from tests.strategies import mats_and_profiles

MAT = load_mat(shipped.mat_file())


def supplied(max_ma: int) -> Mat:
    return MAT._replace(max_ma=max_ma)


def profile(*phases: Phase, strict: bool = False) -> Profile:
    return Profile("p", "P", "", (), strict, phases)


def steady(target: str, level: int, after_ms: int = 0) -> Play:
    return Play(target, "steady", Level(level, level), after_ms=after_ms)


def frames(timeline: Timeline, limited: bool = True) -> list[tuple[int, Frame, float]]:
    """Every frame of an undisturbed session with what it draws; inrush ends are frames of it."""
    playback = Playback(timeline, limited=limited)
    found = []
    now_ms: int | None = 0
    while now_ms is not None:
        frame = playback.at(now_ms)
        found.append((now_ms, frame, playback.shaper.draws_ma(now_ms)))
        now_ms = frame.until_ms
    return found


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
    assert budget.worst is not None
    assert (round(budget.asked.ma), round(budget.worst.ma)) == (425, 400)
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


# --- properties -------------------------------------------------------------------------------


@given(mats_and_profiles())
def test_the_proof_by_periods_agrees_with_a_count_of_every_frame(
    both: tuple[Mat, Profile],
) -> None:
    mat, asked = both
    try:
        timeline, _ = fit(asked, mat)
    except AuthorError:
        return
    counted = max(frames(timeline), key=lambda frame: (frame[2], -frame[0]))
    assert worst(timeline)[0].ma == pytest.approx(counted[2])


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
                assert now_ms - off_since[i] >= REST_MS
            if level == 0:
                wants_since.pop(i, None)
            elif not duty:
                wants_since.setdefault(i, now_ms)
            elif started:
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
