"""The code's own limits are those of the safety concept, and none of them can raise a level."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl import limits
from firmware_ctl.daemon.watchdogs import _READ_AGAIN_MS
from firmware_ctl.limits import resolve
from firmware_ctl.session.button import DEBOUNCE_MS

MINUTE_MS = 60_000

NUMBERS = {
    "a session with the gate": (limits.SESSION_GATED_MS, 30 * MINUTE_MS),
    "a session without": (limits.SESSION_MS, 15 * MINUTE_MS),
    "running time a day": (limits.DAILY_MS, 60 * MINUTE_MS),
    "a day": (limits.DAY_MS, 24 * 60 * MINUTE_MS),
    "duty": (limits.DUTY_PCT, 90),
    "rise of the envelope": (limits.RISE_PCT_S, 50),
    "first kick": (limits.FIRST_KICK_PCT, 50),
    "inrush": (limits.INRUSH_MS, 150),
    "a start is moved by": (limits.STAGGER_MS, 100),
    "pauses": (limits.PAUSES_MS, 5 * MINUTE_MS),
    "no start after a stop": (limits.RESTART_MS, 100),
    "the button's lock": (limits.LOCK_MS, 1_500),
    "debounce": (DEBOUNCE_MS, 30),
    "an idle signal's level": (limits.SIGNAL_LEVEL_PCT, 30),
    "an idle signal": (limits.SIGNAL_MS, 5_000),
    "idle signals an hour": (limits.SIGNALS_HOURLY_MS, 60_000),
    "a checked tick": (limits.TICK_MS, 50),
    "the grid of levels": (limits.GRID_MS, 20),
    "the button is read": (limits.SAMPLE_MS, 100),
    "a tick is late": (limits.TICK_LATE_MS, 250),
    "stacks are dumped": (limits.DEADMAN_DUMP_MS, 280),
    "the dead-man kills": (limits.DEADMAN_KILL_MS, 350),
    "a slice": (limits.SLICE_MS, 60_000),
    "a start waits for its slice": (limits.SLICE_WAIT_MS, 2_000),
    "trim": (limits.TRIM_PCT, (10, 100)),
    "a try": (limits.TRY_MS, 10_000),
    "a lease": (limits.LEASE_S, (1, 60)),
    "a press": (limits.PRESS_MS, (10, 10_000)),
    "a motor rests": (limits.REST_MS, 150),
    "a cue that has signals": (limits.CUE_MS, 3_000),
    "a suspend": (limits.SUSPEND_MS, 1_000),
    "the rail is on": (limits.RAIL_ON_MS, 100),
}


def test_limits_equal_the_safety_concept() -> None:
    assert {name: own for name, (own, _) in NUMBERS.items()} == {
        name: told for name, (_, told) in NUMBERS.items()
    }


def test_limits_are_in_their_necessary_order() -> None:
    """A pass of the loop, its complaint, the stacks, the kill; a slice before it is used up."""
    times_ms = (limits.TICK_MS, 100, limits.TICK_LATE_MS, limits.DEADMAN_KILL_MS, 500)
    assert list(times_ms) == sorted(set(times_ms))
    assert limits.TICK_LATE_MS < limits.DEADMAN_DUMP_MS < limits.DEADMAN_KILL_MS
    assert limits.SLICE_WAIT_MS < limits.SLICE_AGAIN_MS < limits.SLICE_MS
    assert limits.PING_MS * 4 < 2_000
    assert 400 < limits.RAIL_OFF_MS <= 500  # the stage holds the rail for 400 ms at most
    # A single sag keeps the alarm on for 2 s, which is read every half a second.
    assert limits.UNDER_VOLTAGE_MS >= 2_000 + _READ_AGAIN_MS


PERCENT = st.integers(1, 100)


@given(st.integers(0, 100), PERCENT, PERCENT, PERCENT)
def test_invariant_02_every_limit_can_only_lower_a_level(
    asked: int, cap: int, trim: int, budget: int
) -> None:
    level, bound_by = resolve(asked, cap, trim, budget)
    assert level <= min(asked, cap, max(1, min(asked, cap) * trim // 100))
    assert (level == 0) == (asked == 0)
    assert (level == asked) == (bound_by == "profile")
    for lower in (
        resolve(asked, max(1, cap - 1), trim, budget),
        resolve(asked, cap, max(1, trim - 1), budget),
        resolve(asked, cap, trim, max(1, budget - 1)),
        resolve(max(0, asked - 1), cap, trim, budget),
    ):
        assert lower.level_pct <= level


def test_resolve_names_the_last_limit_that_lowered_the_level() -> None:
    assert [
        tuple(resolve(*asked))
        for asked in (
            (0, 50, 50, 50),
            (40, 50, 100, 100),
            (50, 50, 100, 100),
            (60, 50, 100, 100),
            (60, 50, 100, 90),
            (60, 50, 90, 100),
            (60, 50, 90, 90),
            (1, 50, 10, 10),
            (2, 50, 10, 10),
            (100, 100),
        )
    ] == [
        (0, "profile"),
        (40, "profile"),
        (50, "profile"),
        (50, "zone cap"),
        (45, "supply"),
        (45, "trim"),
        (40, "trim"),
        (1, "profile"),
        (1, "supply"),
        (100, "profile"),
    ]
