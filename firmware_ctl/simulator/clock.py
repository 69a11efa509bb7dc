"""Time that jumps: an inbox whose waiting takes none, so that half an hour is over at once."""

import heapq
from collections.abc import Callable, Collection
from itertools import count
from typing import NamedTuple

from firmware_ctl.daemon.interfaces import Link, Source


class _Due(NamedTuple):
    """Something that the script does, dressed as a source that became readable."""

    do: Callable[[], object]

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        self.do()


class VirtualPoller:
    """The daemon's inbox on a clock of its own. What happens from outside is scripted by `at`."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._script: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = count()

    def at(self, at_ms: int, do: Callable[[], object]) -> None:
        """Calls at a time; what is due together keeps its order."""
        heapq.heappush(self._script, (at_ms, next(self._numbers), do))

    def now_ms(self) -> int:
        return self._now_ms

    def slept_ms(self) -> int:
        return 0

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        if not self._script or self._script[0][0] > until_ms:
            self._now_ms = max(self._now_ms, until_ms)
            return ()
        at_ms, _, do = heapq.heappop(self._script)
        self._now_ms = max(self._now_ms, at_ms)
        return (_Due(do),)
