"""The kernel's dead-man: two timers that end a process whose loop does not come round any more.

The first has every thread's stack written to stderr, the second kills. Both go on while Python
hangs, while C code holds its lock, and while the process is stopped. What a checked tick is, and
when motors run, is known elsewhere.
"""

import ctypes
import faulthandler
import os
import resource
import select
import signal
from contextlib import suppress
from typing import Any, Final

from firmware_ctl.limits import DEADMAN_DUMP_MS, DEADMAN_KILL_MS

_CLOCK_MONOTONIC: Final = 1
_DUMP: Final = signal.SIGUSR2
_PROOF_MS: Final = 20
_PATIENCE_S: Final = 2.0


class _Event(ctypes.Structure):
    """struct sigevent of <signal.h>; sigev_notify 0 is SIGEV_SIGNAL."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """struct itimerspec: seconds and nanoseconds of the interval, then of the first expiry."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "s", "ns"))


class _Timer:
    """timer_create(2). Raises OSError where the kernel gives none."""

    def __init__(self, signo: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Event(signo=signo, notify=0)
        create = getattr(self._libc, "timer_create", None)
        if create is None:
            raise OSError("this system has no timer_create")
        if create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)):
            raise _last_error()
        self._settime = self._libc.timer_settime
        self._times: dict[int, Any] = {}
        """References to the structs that were passed before, by their milliseconds."""

    def set(self, after_ms: int) -> None:
        """Once, so long from now; 0: not at all."""
        times = self._times.get(after_ms)
        if times is None:
            times = ctypes.byref(_Times(0, 0, after_ms // 1000, after_ms % 1000 * 1_000_000))
            self._times[after_ms] = times
        if self._settime(self._timer, 0, times, None):
            raise _last_error()


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


class KernelDeadman:
    """Armed: the process is killed unless it is armed again in time."""

    def __init__(self) -> None:
        faulthandler.register(_DUMP, file=2, all_threads=True, chain=False)
        self._dump = _Timer(_DUMP)
        self._kill = _Timer(signal.SIGKILL)

    def arm(self) -> None:
        self._kill.set(DEADMAN_KILL_MS)
        self._dump.set(DEADMAN_DUMP_MS)

    def disarm(self) -> None:
        self._dump.set(0)
        self._kill.set(0)


def lock_memory() -> None:
    """Keeps the process out of swap (mlockall(2)), where it may lock as much as it will ever need.

    What is mapped now is read in; of what comes later, each page as it is touched. Call it before
    threads begin: of their stacks, 8 MiB each, all would be taken for good.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        return  # what is mapped beyond the limit would be refused: a thread's stack, for one
    libc = ctypes.CDLL(None)
    if libc.mlockall(1) == 0:  # MCL_CURRENT
        libc.mlockall(2 | 4)  # MCL_FUTURE | MCL_ONFAULT


class DeadmanTrial:
    """A forked child that has such a timer kill it. Begin it before any thread is started."""

    def __init__(self) -> None:
        self._child = os.fork()
        if self._child == 0:
            with suppress(BaseException):
                _Timer(signal.SIGKILL).set(_PROOF_MS)
                select.select((), (), (), _PATIENCE_S)
            os._exit(1)

    def verify(self) -> str:
        """Why the dead-man cannot be relied on; empty: the child was killed by it."""
        try:
            pidfd = os.pidfd_open(self._child)
        except OSError:
            pass  # a kernel before 5.3: the child ends by itself, so that waiting is bounded
        else:
            select.select((pidfd,), (), (), 2 * _PATIENCE_S)
            os.close(pidfd)
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGABRT)  # if it is still there it proves nothing
        _, status = os.waitpid(self._child, 0)
        if os.getpid() == 1:
            return (
                "the first process of a PID namespace is not killed by its own timer; start the "
                "container with `--init`"
            )
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return ""
        return "a kernel timer did not kill the process that it was tried on"


def verify_deadman() -> str:
    """As `DeadmanTrial.verify`, all at once."""
    return DeadmanTrial().verify()
