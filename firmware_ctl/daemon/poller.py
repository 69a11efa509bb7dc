"""Real time and real waiting: the monotonic clock, and one `select` over all descriptors.

`select.select` waits to the microsecond, while epoll rounds up to a millisecond. This module knows
descriptors and nanoseconds, and never knows what becomes readable or why.
"""

import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

from firmware_ctl.daemon.interfaces import Link, Source

_BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that advances during a suspend, on systems that have one."""
_clock_gettime_ns: Final = time.clock_gettime_ns
_monotonic_ns: Final = time.monotonic_ns

BUSY_NS: Final = 1_000_000_000
"""After this long without a wait the loop sleeps for `REST_S`.

A client that floods the daemon keeps the loop busy. The systemd unit limits the time that a
real-time process runs without a sleep (LimitRTTIME=), and the kernel kills a process beyond that
limit.
"""
REST_S: Final = 0.0005


class SelectPoller:
    """The loop's clock and its `select`. Time 0 is the moment at which this object was made."""

    def __init__(self) -> None:
        self.origin_ns = _monotonic_ns()
        """Time 0 of `now_ms`, on the monotonic clock."""
        self.origin_ms = self.origin_ns // 1_000_000
        self._slept_ns = _slept_ns()
        """The total time in suspend at the last call of `slept_ms` that did not return 0."""
        self._rested_at_ns = self.origin_ns
        """The last time at which the process is known to have slept."""
        self._readers: Collection[Link | Source] = ()
        self._by_fd: dict[int, Link | Source] = {}

    def now_ms(self) -> int:
        return (_monotonic_ns() - self.origin_ns) // 1_000_000

    def slept_ms(self) -> int:
        slept_ns = _slept_ns()
        if slept_ns - self._slept_ns < 1_000_000:
            return 0
        for_ms = (slept_ns - self._slept_ns) // 1_000_000
        self._slept_ns = slept_ns
        return for_ms

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        if readers is not self._readers:
            self._readers = readers
            self._by_fd = {reader.fileno(): reader for reader in readers}
        now_ns = _monotonic_ns()
        left_ns = until_ms * 1_000_000 - (now_ns - self.origin_ns)
        readable, _, _ = select.select(self._by_fd, writers, (), max(left_ns, 0) / 1e9)
        if not readable and left_ns > 0:
            self._rested_at_ns = now_ns
        elif now_ns - self._rested_at_ns > BUSY_NS:
            time.sleep(REST_S)
            self._rested_at_ns = now_ns
        return [*map(self._by_fd.__getitem__, readable)]


def _slept_ns() -> int:
    """The total time in suspend since boot: one clock counts it and the other one does not.

    The clock that counts it is read first. So a delay between the two readings makes the result
    smaller, and never looks like a suspend.
    """
    return _clock_gettime_ns(_BOOTTIME) - _monotonic_ns()


class Waker:
    """Wakes the loop from another thread, such as an edge handler or the disk's thread."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def __call__(self) -> None:
        with suppress(BlockingIOError):  # full: enough wake-ups wait already
            self._sender.send(b"\0")

    def post(self, call: Callable[[], object]) -> None:
        """Lets the loop call `call` soon. The only way from another thread into the daemon."""
        self._calls.append(call)
        self()

    def fileno(self) -> int:
        return self._receiver.fileno()

    def ready(self) -> None:
        self._receiver.recv(4096)
        while self._calls:
            self._calls.popleft()()


class Signals:
    """Signals as a source of the loop. A signal that arrives before the loop runs waits for it."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._receiver, sender = socket.socketpair()
        self._receiver.setblocking(False)
        sender.setblocking(False)
        self._sender = sender
        self.on_signal: Callable[[signal.Signals], object] = lambda number: None
        """Called on the loop. A signal that arrived several times in one round counts once."""
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        return self._receiver.fileno()

    def ready(self) -> None:
        for number in set(self._receiver.recv(4096)):
            self.on_signal(signal.Signals(number))
