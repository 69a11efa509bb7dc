"""The one thread that writes to the disk, so that a slow disk never holds up the loop."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from firmware_ctl.errors import ErrorLine

MOST_WAITING: Final = 10_000
"""Jobs that may wait for a slow disk. Further ones are dropped. No session begins before its ledger
is saved, so a dropped save starts nothing."""


class Disk:
    """Runs jobs one after the other on a thread of its own.

    A job may raise OSError. `log` gets a sentence about the first error only, on that thread.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], object]) -> None:
        """Queues a job. Never waits; drops the job if the queue is full."""
        with suppress(queue.Full):
            self._jobs.put_nowait(job)

    def close(self, wait_s: float = 2.0) -> None:
        """Waits up to `wait_s` until all queued jobs have run."""
        with suppress(queue.Full):
            self._jobs.put(None, timeout=wait_s)
            self._thread.join(wait_s)

    def _work(self) -> None:
        has_complained = False
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:
                if not has_complained:
                    self._log(ErrorLine(f"the disk does not take what is written: {error}"))
                has_complained = True
