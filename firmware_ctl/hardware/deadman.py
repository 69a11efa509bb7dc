"""The dead-man: two kernel timers that end a process whose loop has stopped.

The first timer writes every thread's stack to stderr, the second kills the process. Kernel timers
run on while Python hangs, while C code holds Python's lock, and while the process is stopped. This
module knows timers and signals. It never knows what a checked tick is, or when motors run.
"""

import ctypes
import faulthandler
import os
import resource
import select
import signal
import threading
from contextlib import suppress
from typing import Any, Final

from firmware_ctl.limits import DEADMAN_DUMP_MS, DEADMAN_KILL_MS

_CLOCK_MONOTONIC: Final = 1
_DUMP_SIGNAL: Final = signal.SIGUSR2
_TRIAL_TIMER_MS: Final = 20
_TRIAL_WITHIN_S: Final = 2.0


_TO_PROCESS: Final = 0  # SIGEV_SIGNAL
_TO_THREAD: Final = 4  # SIGEV_THREAD_ID


class _SignalEvent(ctypes.Structure):
    """struct sigevent of <signal.h>."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread_id", ctypes.c_int),
        ("padding", ctypes.c_char * 44),
    )


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: seconds and nanoseconds of the interval, then of the first expiry."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "s", "ns"))


class _Timer:
    """A kernel timer that sends a signal to this process, or to one thread (timer_create(2)).

    `thread_id`: the kernel's number of the thread. Raises OSError if the kernel gives no timer.
    """

    def __init__(self, signo: int, thread_id: int | None = None) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        notify = _TO_PROCESS if thread_id is None else _TO_THREAD
        event = _SignalEvent(signo=signo, notify=notify, thread_id=thread_id or 0)
        create = getattr(self._libc, "timer_create", None)
        if create is None:
            raise OSError("this system has no timer_create")
        if create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)):
            raise _last_error()
        self._settime = self._libc.timer_settime
        self._specs: dict[int, Any] = {}
        """Cache: milliseconds → reference to the struct. The timers are set in every tick."""

    def set(self, after_ms: int) -> None:
        """Expires once, `after_ms` from now, in the place of any earlier time. 0: never."""
        spec = self._specs.get(after_ms)
        if spec is None:
            spec = ctypes.byref(_TimerSpec(0, 0, after_ms // 1000, after_ms % 1000 * 1_000_000))
            self._specs[after_ms] = spec
        if self._settime(self._timer, 0, spec, None):
            raise _last_error()


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


class KernelDeadman:
    """While armed, the kernel kills this process unless `arm` is called again in time.

    A thread of its own writes the stacks. Python 3.11 writes them character by character, which
    takes longer than the rest of the time before the kill if stderr is slow. A loop that comes
    round just then must not wait for it.

    Create it after the last fork. Raises OSError if the kernel has no timers.
    """

    def __init__(self) -> None:
        faulthandler.register(_DUMP_SIGNAL, file=2, all_threads=True, chain=False)
        writer = threading.Thread(target=threading.Event().wait, name="stacks", daemon=True)
        writer.start()
        self._dump = _Timer(_DUMP_SIGNAL, writer.native_id)
        self._kill = _Timer(signal.SIGKILL)

    def arm(self) -> None:
        self._kill.set(DEADMAN_KILL_MS)
        self._dump.set(DEADMAN_DUMP_MS)

    def disarm(self) -> None:
        self._dump.set(0)
        self._kill.set(0)


def lock_memory() -> None:
    """Keeps the process out of swap (mlockall(2)), so that no tick waits for the disk.

    Locks current pages now, and future pages on first access (MCL_ONFAULT). Call it before threads
    start: it would lock the whole stack of each running thread, 8 MiB. Does nothing if the process
    may not lock as much memory as it will ever need.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        # The kernel would refuse new memory beyond the limit, a thread's stack for example.
        return
    libc = ctypes.CDLL(None)
    if libc.mlockall(1) == 0:  # MCL_CURRENT
        libc.mlockall(2 | 4)  # MCL_FUTURE | MCL_ONFAULT


class DeadmanTrial:
    """A forked child whose own kernel timer is to kill it, as proof that such timers work here.

    Create it before any thread is started, because it forks. The trial runs while this process does
    other work, until `verify` collects the result.
    """

    def __init__(self) -> None:
        self._child = os.fork()
        if self._child == 0:
            with suppress(BaseException):
                _Timer(signal.SIGKILL).set(_TRIAL_TIMER_MS)
                select.select((), (), (), _TRIAL_WITHIN_S)
            os._exit(1)

    def verify(self) -> str:
        """Why the dead-man cannot be relied on. Empty: the timer killed the child."""
        try:
            pidfd = os.pidfd_open(self._child)
        except OSError:
            pass  # A kernel before 5.3. The child ends by itself, so the wait below is bounded.
        else:
            select.select((pidfd,), (), (), 2 * _TRIAL_WITHIN_S)
            os.close(pidfd)
            # A child that is still there was not killed. SIGABRT ends it, and its exit status then
            # differs from that of a SIGKILL.
            os.kill(self._child, signal.SIGABRT)
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
    """Runs a whole `DeadmanTrial` and returns its result."""
    return DeadmanTrial().verify()
