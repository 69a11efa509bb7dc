"""A session that runs: pauses, trim, speed, and the running time that it uses."""

from firmware_ctl.session.events import (
    Pause,
    Resume,
    SessionClock,
    Start,
    State,
    Stop,
    Trim,
)
from tests.support.worlds import (
    LIMITS,
    MAT,
    MINUTE_MS,
    SILENCE,
    World,
)


def test_clock_of_a_session_turns_real_times_into_played_ones_and_back() -> None:
    clock = SessionClock(2.5, 100, 1_000, anchor_ms=400, end_ms=3_000, runs=True)
    for at_ms in range(401, 3_001):
        real_ms = clock.real_at_ms(at_ms)
        assert clock.played_ms(real_ms - 1) < at_ms <= clock.played_ms(real_ms) < at_ms + 3
    assert (clock.real_at_ms(400), clock.since_anchor_ms(2_000)) == (1_000, 2_500)
    assert (clock.played_ms(9_000), clock.left_ms(9_000)) == (3_000, 0)
    assert clock.since_start_ms(9_000) == 22_250

    paused = clock._replace(runs=False)
    assert (paused.played_ms(9_000), paused.left_ms(9_000)) == (400, 2_600)


def test_pause_is_off_and_resume_continues_softly() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(3_000, Pause())
    world.at(60_000, Resume())
    world.at(60_100)

    assert world.levels(3_000) == [
        (3_000, SILENCE),
        *((60_000 + 20 * i, (0, i, i)) for i in range(1, 5)),
        (60_100, (0, 5, 5)),
    ]
    assert world.session.status.clock.left_ms(60_000) == 2_000
    world.at(70_000)
    assert world.levels()[-1] == (62_000, SILENCE)


def test_pauses_of_five_minutes_in_all_end_the_session() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(2_000, Pause())
    world.at(2_000 + 4 * MINUTE_MS, Resume())
    world.at(3_000 + 4 * MINUTE_MS, Pause())
    world.at(20 * MINUTE_MS)

    ended_at_ms = 3_000 + 5 * MINUTE_MS
    assert world.notices(ended_at_ms - 1) == [
        (ended_at_ms, "state", {"state": "idle", "profile": "calm", "reason": "end"})
    ]
    assert world.session.used_ms(world.now_ms) == 2_000


def test_pause_while_paused_does_not_restart_the_five_minutes() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    for at_ms in range(2_000, 6 * MINUTE_MS, 10_000):
        world.at(at_ms, Pause())

    assert world.notices()[-1] == (
        2_000 + 5 * MINUTE_MS,
        "state",
        {"state": "idle", "profile": "calm", "reason": "end"},
    )


def test_trim_lowers_at_once_and_raises_at_the_rise_limit() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000, Trim(50))
    world.at(2_000)
    world.at(2_500, Trim(100))
    world.at(3_000)

    assert world.levels(2_000) == [
        (2_000, (0, 20, 20)),
        *((2_500 + 20 * i, (0, 20 + i, 20 + i)) for i in range(1, 21)),
    ]


def test_trim_outlasts_a_session() -> None:
    world = World()
    world.at(500, Trim(25))
    world.at(1_000, Start("quick"))
    world.at(2_000)

    assert world.session.trim_pct == 25
    assert world.levels() == [(1_000 + 20 * i, (0, i, i)) for i in range(1, 11)]


def test_trim_while_paused_counts_after_the_resume() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(3_000, Pause())
    assert world.at(4_000, Trim(10)).level_pct == SILENCE
    world.at(5_000, Resume())
    world.at(6_000)

    assert world.levels(3_000) == [(3_000, SILENCE)] + [
        (5_000 + 20 * i, (0, i, i)) for i in range(1, 5)
    ]


def test_speed_scales_phases_pauses_and_allowance_but_not_the_restart_lock() -> None:
    world = World(speed=10)
    world.at(1_000, Start("calm"))
    assert world.session.status.clock.left_ms(2_000) == 10 * MINUTE_MS - 10_000
    world.at(2_000, Pause())
    states = []
    for at_ms in (2_000 + 29_999, 2_000 + 30_000):
        world.at(at_ms)
        states.append(world.session.state)
    assert states == [State.PAUSED, State.IDLE]
    world.at(40_000, Start("quick"))
    world.at(41_000)
    assert world.levels()[-1] == (40_400, SILENCE)
    assert world.session.used_ms(41_000) == 14_000
    world.at(42_000, Stop())
    refusal = world.at(42_099, Start()).refusal
    assert refusal is not None
    assert refusal.code == "busy"


def test_start_that_exceeds_the_allowance_is_refused_with_the_exact_wait() -> None:
    world = World(mat=MAT._replace(limits=LIMITS._replace(daily_ms=12 * MINUTE_MS)))
    world.at(1_000, Start("calm"))
    world.at(1_000 + 10 * MINUTE_MS)
    refusal = world.at(20 * MINUTE_MS, Start("calm")).refusal
    assert refusal is not None
    assert refusal.code == "allowance"
    wait_s = int(str(refusal).split()[0])
    assert str(refusal).startswith("85201 this session needs 10:00, but only 2:00 of today's 12:00")
    assert world.session.used_ms(world.now_ms) == 10 * MINUTE_MS

    again = world.at(20 * MINUTE_MS + (wait_s - 1) * 1_000, Start("calm")).refusal
    assert again is not None
    assert again.code == "allowance"
    assert world.at(20 * MINUTE_MS + wait_s * 1_000, Start("calm")).refusal is None


def test_stop_returns_the_time_not_played() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    assert world.session.used_ms(1_000) == 0
    world.at(31_000, Pause())
    world.at(61_000, Stop())

    assert world.session.used_ms(61_000) == 30_000


def test_session_across_the_end_of_a_day_starts_a_new_account() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    day_ms = 24 * 3_600_000
    world.at(day_ms - 9_000, Start("calm"))

    used = [world.session.used_ms(day_ms + after_ms) for after_ms in (999, 1_000, 60_000)]
    assert used == [4_000 + 9_999, 0, 0]
