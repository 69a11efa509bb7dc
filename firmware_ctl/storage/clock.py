"""The machine's clocks, and how far each of them can be trusted."""

import time
from typing import Final, NamedTuple

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
LATEST_MS: Final = 253_402_300_800_000
"""The end of the year 9999, in ms since 1970. A later time of day is damage."""


class Clock(NamedTuple):
    """The machine's clocks at one moment."""

    boot: str
    """The kernel's identifier of this boot."""
    up_ms: int
    """Time since that boot in ms, suspends included. Nobody can set this clock."""
    wall_ms: int | None
    """The time of day in ms since 1970. None unless the kernel calls it synchronised: a person or a
    real-time clock may have set it, and then it proves nothing about how much time has passed."""


def read_clock() -> Clock:
    up_ms = time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 10**6
    wall_ms = time.time_ns() // 10**6 if clock_is_synchronised() else None
    return Clock(boot_id(), up_ms, wall_ms)


def clock_is_synchronised() -> bool:
    """Whether something disciplines the kernel's clock; adjtimex(2) returns TIME_ERROR if not."""
    import ctypes

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return True  # Not Linux: a desktop system, which keeps its clock synchronised.
    # All zeros, because `modes` 0 only reads the clock. The struct has 208 bytes. -1 is an error of
    # the call, 5 is TIME_ERROR.
    timex = ctypes.create_string_buffer(512)
    return libc.adjtimex(timex) not in (-1, 5)


def boot_id() -> str:
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""
