"""The limits in the code. A mat file can lower some of them, and nothing can raise one.

`docs/safety.md` has the figures and their reasons. Every module that enforces a limit takes it from
here. This module never knows which module that is.
"""

from typing import Final, NamedTuple

SESSION_MS: Final = 15 * 60_000
"""Longest running time of one session on a mat without the motor gate."""

SESSION_GATED_MS: Final = 30 * 60_000
"""Longest running time of one session on a mat with the motor gate."""

DAILY_MS: Final = 60 * 60_000
"""Most running time in the 24 hours that begin with the first start."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

DUTY_PCT: Final = 90
"""Highest duty of any motor pin, in any situation."""

RISE_PCT_S: Final = 50
"""Steepest rise of the envelope, in level percent a second."""

FIRST_KICK_PCT: Final = 50
"""Highest duty of a motor's first kick after a start or a resume."""

INRUSH_MS: Final = 150
"""How long a motor that starts from rest draws its starting current."""

REST_MS: Final = 150
"""A motor counts as resting after it was off for this long.

A small motor has almost stopped then.
"""

SECOND_KICK_MS: Final = 1_000
"""How long after the gentle first kick a full kick follows, for a motor that did not start."""

STAGGER_MS: Final = 100
"""Most delay of a motor's start while others start, so that a session keeps its timing."""

PAUSES_MS: Final = 5 * 60_000
"""Total length of the pauses of one session. Then the session ends."""

RESTART_MS: Final = 100
"""A start is refused for this long after a stop, even if its bytes arrived in order."""

LOCK_MS: Final = 1_500
"""After a stop, the button must be released for this long without a break before it can start."""

SIGNAL_LEVEL_PCT: Final = 30
"""Highest level of a haptic while idle."""

SIGNAL_MS: Final = 5_000
"""Longest haptic while idle."""

SIGNALS_HOURLY_MS: Final = 60_000
"""Most motor time for haptics while idle, in any hour. Counted in memory, apart from the day."""

CUE_MS: Final = 3_000
"""Shortest cue. A shorter one has no room for the gaps that mark its beginning and its end."""

GRID_MS: Final = 20
"""Ramps, waves and the soft start change a level on this grid of the session's time."""

TICK_MS: Final = 50
"""While motors run, the loop makes a checked tick at least this often: it runs every check, and
arms the dead-man and the motor gate again."""

SAMPLE_MS: Final = 100
"""While motors run, the button is read at least this often, even if no edge arrives."""

TICK_LATE_MS: Final = 250
"""While motors run, a tick that comes later than this after the last one is a fault."""

DEADMAN_DUMP_MS: Final = 280
"""Without a checked tick for this long, the stacks of all threads are written to stderr.

Later than `TICK_LATE_MS`, because a loop that is only late reports its fault itself.
"""

DEADMAN_KILL_MS: Final = 350
"""Without a checked tick for this long, the kernel kills the process.

The end of the process takes up to 0.15 s more, and the safety concept promises 0.5 s.
"""

PING_MS: Final = 400
"""systemd gets a heartbeat this often. Its watchdog waits for 2 s."""

SLICE_MS: Final = 60_000
"""Running time is recorded on disk as used at most this long before it is played."""

SLICE_AGAIN_MS: Final = 30_000
"""When less than this is left of the recorded time, the session asks for the next slice."""

SLICE_DISK_MS: Final = 500
"""Least real time for the disk to write a slice, even if a simulated clock runs faster."""

SLICE_RETRY_MS: Final = 5_000
"""After a failed write, the next attempt comes this much later."""

SLICE_WAIT_MS: Final = 2_000
"""A start that waits longer than this for the disk is refused."""

RAIL_ON_MS: Final = 100
"""The motor gate must have switched the rail on this long after the first heartbeat."""

RAIL_OFF_MS: Final = 460
"""The rail must be off this long after the last heartbeat. The gate holds it for 400 ms."""

UNDER_VOLTAGE_MS: Final = 2_500
"""An under-voltage alarm longer than this is a fault. A single sag keeps it on for 2 s."""

SUSPEND_MS: Final = 1_000
"""A machine that slept for longer than this counts as suspended."""

TRIM_PCT: Final = (10, 100)
"""Least and greatest trim."""
TRY_MS: Final = 10_000
"""Length of a `try`."""
LEASE_S: Final = (1, 60)
"""Shortest and longest lease."""
PRESS_MS: Final = (10, 10_000)
"""Shortest and longest press by the command `press`."""


class Resolved(NamedTuple):
    """A level after all limits, and the name of the last limit that lowered it."""

    level_pct: int
    bound_by: str


def resolve(asked_pct: int, cap_pct: int, trim_pct: int = 100, budget_pct: int = 100) -> Resolved:
    """Applies cap, supply and trim to the level that a profile asks for.

    A compiled course has its levels from here, without the trim, which the envelope applies while
    the course plays. `explain` applies all three here. Each limit can only lower the level. A level
    above 0 stays at 1 or more, because a low trim must not turn a running motor off and on again.
    """
    if asked_pct == 0:
        return Resolved(0, "profile")
    capped = min(asked_pct, cap_pct)
    supplied = max(1, capped * budget_pct // 100)
    trimmed = max(1, supplied * trim_pct // 100)
    bounds = (
        (trimmed < supplied, "trim"),
        (supplied < capped, "supply"),
        (capped < asked_pct, "zone cap"),
    )
    return Resolved(trimmed, next((name for binds, name in bounds if binds), "profile"))
