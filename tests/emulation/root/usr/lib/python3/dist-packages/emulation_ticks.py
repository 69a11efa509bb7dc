"""Records for the benchmarks when each tick was due and when it was done.

It records only if the environment variable EMULATION_TICKS names a file. At an orderly end of the
process the record is written there as JSON: pairs of nanoseconds of the monotonic clock. A tick of
the daemon is due at the time for which its loop asked to be woken, and done when it re-arms the
dead-man.
"""

import atexit
import json
import os
import time
from typing import Any

FILE = os.environ.get("EMULATION_TICKS")
_ticks: list[tuple[int, int]] = []


def record_tick(due_ns: int) -> None:
    """Records a tick that is done now."""
    if FILE:
        _ticks.append((due_ns, time.monotonic_ns()))


def _record_ticks_of_the_daemon() -> None:
    from firmware_ctl.daemon.poller import SelectPoller
    from firmware_ctl.hardware.deadman import KernelDeadman

    wait, arm = SelectPoller.wait, KernelDeadman.arm
    due_ns = 0

    def wait_and_note_due_time(poller: Any, until_ms: int, *sources: Any) -> Any:
        nonlocal due_ns
        due_ns = poller.origin_ns + until_ms * 1_000_000
        return wait(poller, until_ms, *sources)

    def arm_and_record_tick(deadman: Any) -> None:
        arm(deadman)
        record_tick(due_ns)

    SelectPoller.wait = wait_and_note_due_time  # type: ignore[method-assign]
    KernelDeadman.arm = arm_and_record_tick  # type: ignore[method-assign]


def _write(pid: int) -> None:
    """Writes the record, but not in a fork of the process `pid`, which inherits this call."""
    if os.getpid() == pid:
        with open(str(FILE), "w") as file:
            json.dump(_ticks, file)


if FILE:
    _record_ticks_of_the_daemon()
    atexit.register(_write, os.getpid())
