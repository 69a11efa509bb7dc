"""Faults that the tests set off in the running daemon, each by a signal."""

import signal
import threading
from typing import Any

DEADLOCK = signal.SIGRTMIN + 1
HOLD_THE_GIL = signal.SIGRTMIN + 2


def deadlock(*_: Any) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def hold_the_gil(*_: Any) -> None:
    # Computes in C for hours without releasing the GIL. A signal would end a sleep, but not this.
    sum(range(10**15))


signal.signal(DEADLOCK, deadlock)
signal.signal(HOLD_THE_GIL, hold_the_gil)
