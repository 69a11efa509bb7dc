"""A `Poller` on a simulated clock that jumps, so that half an hour passes in milliseconds.

The poller runs a script of calls. It never waits, and never reads a real clock or a descriptor.
"""

import heapq
from collections.abc import Callable, Collection
from itertools import count
from typing import NamedTuple

from firmware_ctl.daemon.interfaces import Link, Source


class _ScriptedCall(NamedTuple):
    """A call of the script, in the form of a readable source."""

    call: Callable[[], object]

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        self.call()


class VirtualPoller:
    """Implements `Poller` on simulated time. `at` schedules the events outside the daemon."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._script: list[tuple[int, int, Callable[[], object]]] = []
        self._call_numbers = count()

    def at(self, at_ms: int, call: Callable[[], object]) -> None:
        """Schedules a call. Calls with the same time keep their order."""
        heapq.heappush(self._script, (at_ms, next(self._call_numbers), call))

    def now_ms(self) -> int:
        return self._now_ms

    def hold_up(self, for_ms: int) -> None:
        """Lets time pass while the loop is busy."""
        self._now_ms += for_ms

    def slept_ms(self) -> int:
        return 0

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        """Jumps to `until_ms`, or to the next scripted call if that is earlier."""
        if not self._script or self._script[0][0] > until_ms:
            self._now_ms = max(self._now_ms, until_ms)
            return ()
        at_ms, _, call = heapq.heappop(self._script)
        self._now_ms = max(self._now_ms, at_ms)
        return (_ScriptedCall(call),)
