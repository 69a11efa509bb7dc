"""The one thread that writes to the disk, so that a slow disk never holds up the loop."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

MOST_WAITING: Final = 10_000
"""Jobs that may wait for a slow disk; more are dropped."""


class Disk:
    """Runs jobs one after the other. `say` is told once when one of them fails."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], object]) -> None:
        """Never waits; a job too many is dropped."""
        with suppress(queue.Full):
            self._jobs.put_nowait(job)

    def close(self, wait_s: float = 2.0) -> None:
        """Lets the waiting jobs be done, for as long as `wait_s`."""
        with suppress(queue.Full):
            self._jobs.put(None, timeout=wait_s)
            self._thread.join(wait_s)

    def _work(self) -> None:
        complained = False
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:
                if not complained:
                    self._say(f"the disk does not take what is written: {error}")
                complained = True
