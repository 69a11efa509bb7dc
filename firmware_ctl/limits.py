"""The code's own limits. Files can only lower them, and nothing can raise them.

The figures and their reasons are in the safety concept; every module that enforces one takes it
from here.
"""

from typing import Final, NamedTuple

SESSION_MS: Final = 15 * 60_000
"""Longest running time of one session on a mat without the motor gate."""

SESSION_GATED_MS: Final = 30 * 60_000
"""Longest running time of one session where the motor gate is fitted."""

DAILY_MS: Final = 60 * 60_000
"""Most running time in the 24 hours from the first start."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

DUTY_PCT: Final = 90
"""Highest duty any motor pin is ever given."""

RISE_PCT_S: Final = 50
"""Steepest rise of the envelope, level percent a second."""

FIRST_KICK_PCT: Final = 50
"""Highest duty of a motor's first kick after a start or a resume."""

INRUSH_MS: Final = 150
"""How long a motor that starts from rest draws its starting current."""

REST_MS: Final = 150
"""A motor rests when it has been off for this long: a small one has then all but stopped."""

SECOND_KICK_MS: Final = 1_000
"""A motor that its gentle first kick could not start gets a full one this much later."""

STAGGER_MS: Final = 100
"""No start is moved by more, so that a session keeps its time."""

PAUSES_MS: Final = 5 * 60_000
"""All pauses of one session together; then the session ends."""

RESTART_MS: Final = 100
"""A start this soon after a stop is refused, whatever the order of the bytes."""

LOCK_MS: Final = 1_500
"""How long the button must be released, without a break, before it starts anything again."""

SIGNAL_LEVEL_PCT: Final = 30
"""Strongest level of a signal felt while idle."""

SIGNAL_MS: Final = 5_000
"""Longest signal felt while idle."""

SIGNALS_HOURLY_MS: Final = 60_000
"""Most motor time for idle signals in any hour; an account of its own, in memory."""

CUE_MS: Final = 3_000
"""A shorter cue has no room for the signals of its begin and end."""

TICK_MS: Final = 20
"""While motors run the loop checks pins, button and time at least this often."""

TICK_LATE_MS: Final = 250
"""A tick that comes later than this after the last one, while motors run, is a fault."""

DEADMAN_DUMP_MS: Final = 280
"""Without a checked tick for this long every thread's stack is written to stderr.

Later than `TICK_LATE_MS`: a loop that is only late tells its fault itself.
"""

DEADMAN_KILL_MS: Final = 350
"""Without a checked tick for this long the kernel kills the process. Its end takes up to 0.15 s
more, and 0.5 s is promised."""

PING_MS: Final = 400
"""Systemd hears of a checked tick this often; its watchdog waits for 2 s."""

SLICE_MS: Final = 60_000
"""Running time is on disk as used before it is used, at most this much ahead."""

SLICE_AGAIN_MS: Final = 30_000
"""When less than this is left of what is on disk, more is written; again that much."""

SLICE_DISK_MS: Final = 500
"""So much real time at least for the disk, however fast a mock's clock runs."""

SLICE_RETRY_MS: Final = 5_000
"""After a write that failed the next one is tried so much later."""

SLICE_WAIT_MS: Final = 2_000
"""A start for which the disk takes longer is refused."""

RAIL_ON_MS: Final = 100
"""So long after the first heartbeat the gate must have the motor rail on."""

RAIL_OFF_MS: Final = 460
"""So long after the last heartbeat the motor rail must be off; the stage holds it for 400 ms."""

UNDER_VOLTAGE_MS: Final = 2_500
"""A Pi whose supply is said to sag for longer than this stops; a single sag is told for 2 s."""

SUSPEND_MS: Final = 1_000
"""A machine that slept for longer than this was suspended."""

TRIM_PCT: Final = (10, 100)
TRY_MS: Final = 10_000
LEASE_S: Final = (1, 60)
PRESS_MS: Final = (10, 10_000)


class Resolved(NamedTuple):
    """A level after every limit, and the name of what bound it last."""

    level_pct: int
    bound_by: str


def resolve(asked_pct: int, cap_pct: int, trim_pct: int = 100, budget_pct: int = 100) -> Resolved:
    """The one way from the level that a profile asks for to the level that is played.

    Every limit can only lower it. A level above 0 stays 1 or more: no trim and no supply turns a
    running motor off and on again.
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
