"""The motor model: which duties turn a motor, and times as in the data sheets."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.mat import Motor
from firmware_ctl.simulator.erm import HEAT_MS, K_PER_MA, Erm, Moment

MOTOR = Motor("m", "hips", "left", 12, 56, 32, 72, 120, 120, 150)
"""A motor of the reference mat."""


@st.composite
def motors(draw: st.DrawFn) -> Motor:
    cap_pct = draw(st.integers(2, 90))
    hold_pct = draw(st.integers(1, cap_pct - 1))
    start_pct = draw(st.integers(hold_pct, cap_pct))
    run_ma = draw(st.integers(1, 500))
    start_ma = draw(st.integers(run_ma, 5 * run_ma))
    return Motor("m", "hips", "left", 12, start_pct, hold_pct, cap_pct, 120, run_ma, start_ma)


changes = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 100)), max_size=20)
"""Each change: after how many milliseconds, and to what share of the cap in percent."""


def turned(motor: Motor, *duties: tuple[int, int]) -> Erm:
    """A motor that has been given duties, each as (duty in percent, time in ms)."""
    erm = Erm(motor)
    for duty_pct, at_ms in duties:
        erm.set_duty(duty_pct, at_ms)
    return erm


def first_ms(erm: Erm, amplitude: float, from_ms: int, rising: bool) -> int:
    """How long after `from_ms` the amplitude first reaches or passes a value."""
    for after_ms in range(1_000):
        reached = erm.at(from_ms + after_ms).amplitude
        if reached >= amplitude if rising else reached <= amplitude:
            return after_ms
    raise AssertionError("never within a second")


def test_new_motor_is_cold_and_at_rest() -> None:
    assert Erm(MOTOR).at(0) == Erm(MOTOR).at(10_000) == Moment(False, 0.0, 0.0, 0.0, 0.0)


def test_motor_at_its_cap_reaches_the_rated_point() -> None:
    moment = turned(MOTOR, (72, 0)).at(2_000)
    assert moment.turning
    assert [round(v, 6) for v in (moment.speed, moment.amplitude, moment.current_ma)] == [1, 1, 120]


def test_rise_and_stop_times_lie_within_the_data_sheets() -> None:
    rising = first_ms(turned(MOTOR, (72, 0)), 0.9, 0, rising=True)
    falling = first_ms(turned(MOTOR, (72, 0), (0, 2_000)), 0.1, 2_000, rising=False)
    resting = first_ms(turned(MOTOR, (72, 0), (0, 2_000)), 0.0, 2_000, rising=False)
    assert (rising, falling, resting) == (119, 98, 240)
    assert 50 <= rising <= 180
    assert 50 <= falling < resting <= 250


def test_current_begins_at_the_stall_current_and_falls_to_the_running_one() -> None:
    erm = turned(MOTOR, (72, 0))
    assert [round(erm.at(t).current_ma) for t in (0, 40, 120, 1_000)] == [150, 131, 121, 120]
    stalled = turned(MOTOR, (50, 0))
    assert {round(stalled.at(t).current_ma, 3) for t in (0, 40, 60_000)} == {104.167}


@pytest.mark.parametrize(
    ("duties", "turning", "amplitude"),
    [
        ([(55, 0)], False, 0.0),
        ([(56, 0)], True, 0.605),
        ([(72, 0), (32, 120)], True, 0.198),
        ([(72, 0), (31, 120)], False, 0.0),
        ([(72, 0), (0, 120), (32, 250)], True, 0.198),
        ([(72, 0), (0, 120), (32, 400)], False, 0.0),
    ],
    ids=["below start", "at start", "kick, hold", "kick, too low", "coasting, hold", "rest, hold"],
)
def test_motor_turns_a_second_later_or_rests(
    duties: list[tuple[int, int]], turning: bool, amplitude: float
) -> None:
    moment = turned(MOTOR, *duties).at(duties[-1][1] + 1_000)
    assert (moment.turning, round(moment.amplitude, 3)) == (turning, amplitude)


def test_temperature_rise_after_a_session_at_the_cap() -> None:
    erm = turned(MOTOR, (72, 0), (0, 900_000))
    at_ms = (0, 860_000, 900_000, 1_760_000)
    assert [round(erm.at(t).warmer_k, 1) for t in at_ms[2:]] == [20.2, 7.4]
    erm = turned(MOTOR, (72, 0))
    assert [round(erm.at(t).warmer_k, 1) for t in at_ms[:3]] == [0.0, 19.7, 20.2]


def test_temperature_rise_is_the_integral_of_the_current() -> None:
    erm = turned(MOTOR, (72, 0))
    warmer_k = 0.0
    for t in range(2_000):
        heat_k = erm.at(t).current_ma * K_PER_MA
        warmer_k += (heat_k - warmer_k) / HEAT_MS
    assert isclose(erm.at(2_000).warmer_k, warmer_k, rel_tol=1e-3)


@given(motors(), changes, st.integers(1, 500))
def test_every_value_stays_in_its_bounds_and_none_jumps(
    motor: Motor, shares: list[tuple[int, int]], later_ms: int
) -> None:
    erm = Erm(motor)
    now_ms = 0
    hottest_k = motor.start_ma * K_PER_MA
    for after_ms, share in shares:
        now_ms += after_ms
        before = erm.at(now_ms)
        erm.set_duty(motor.cap_pct * share // 100, now_ms)
        for moment in (erm.at(now_ms), erm.at(now_ms + later_ms)):
            assert 0 <= moment.speed <= 1
            assert moment.amplitude == moment.speed * moment.speed
            assert 0 <= moment.current_ma <= motor.start_ma + 1e-9
            assert -1e-9 <= moment.warmer_k <= hottest_k + 1e-9
            assert moment.turning or moment.speed == 0
        after = erm.at(now_ms)
        assert isclose(after.speed, before.speed, abs_tol=1e-9)
        assert isclose(after.warmer_k, before.warmer_k, abs_tol=1e-9)


@given(motors(), changes, st.lists(st.integers(0, 2_000), min_size=2, max_size=20))
def test_speed_between_changes_is_monotone(
    motor: Motor, shares: list[tuple[int, int]], times: list[int]
) -> None:
    erm = Erm(motor)
    now_ms = 0
    for after_ms, share in shares:
        now_ms += after_ms
        erm.set_duty(motor.cap_pct * share // 100, now_ms)
    speeds = [erm.at(now_ms + t).speed for t in sorted(times)]
    assert speeds in (sorted(speeds), sorted(speeds, reverse=True))


@given(motors(), st.integers(0, 100))
def test_resting_motor_turns_exactly_from_its_start_duty_on(motor: Motor, duty: int) -> None:
    turning = turned(motor, (duty, 0)).at(5_000).turning
    assert turning == (duty >= motor.start_pct)


@given(motors(), st.integers(0, 100))
def test_kicked_motor_turns_exactly_from_its_hold_duty_on(motor: Motor, duty: int) -> None:
    turning = turned(motor, (motor.cap_pct, 0), (duty, 120)).at(5_000).turning
    assert turning == (duty >= motor.hold_pct)


@given(motors(), changes, st.integers(0, 100_000))
def test_asking_twice_and_setting_the_same_duty_changes_nothing(
    motor: Motor, shares: list[tuple[int, int]], later_ms: int
) -> None:
    asked, silent = Erm(motor), Erm(motor)
    now_ms, duty_pct = 0, 0
    for after_ms, share in shares:
        now_ms += after_ms
        asked.at(now_ms)
        asked.set_duty(duty_pct, now_ms)
        duty_pct = motor.cap_pct * share // 100
        for erm in (asked, silent):
            erm.set_duty(duty_pct, now_ms)
    assert asked.at(now_ms + later_ms) == silent.at(now_ms + later_ms)


def test_reference_motor_at_a_level_of_one_needs_its_kick() -> None:
    kicked = turned(MOTOR, (72, 0), (MOTOR.hold_pct, MOTOR.kick_ms))
    plain = turned(MOTOR, (MOTOR.hold_pct, 0))
    assert [m.at(1_000).turning for m in (kicked, plain)] == [True, False]


@pytest.mark.parametrize(
    "duties",
    [
        [(72, 0)],
        [(72, 0), (0, 900), (72, 950)],
        [(72, 0), (0, 300)],
        [(72, 0), (32, 120), (50, 400), (33, 450)],
        [(40, 0), (72, 500), (0, 620), (40, 1_000)],
    ],
)
def test_shaken_ms_is_the_integral_of_the_amplitude(
    duties: list[tuple[int, int]],
) -> None:
    erm = Erm(MOTOR)
    duty_pct_by_ms = {at_ms: duty_pct for duty_pct, at_ms in duties}
    total = 0.0
    for tenth in range(20_000):
        now_ms = tenth / 10
        if now_ms in duty_pct_by_ms:
            erm.set_duty(duty_pct_by_ms[int(now_ms)], int(now_ms))
        total += erm.at(now_ms).amplitude / 10  # type: ignore[arg-type]
    assert isclose(erm.shaken_ms(2_000), total, abs_tol=0.5)
