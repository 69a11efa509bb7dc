"""The dead-man's kernel timers, and the trial that proves them on a forked child."""

import ctypes
import errno
import faulthandler
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from firmware_ctl.hardware import deadman
from firmware_ctl.hardware.deadman import (
    DeadmanTrial,
    KernelDeadman,
    _Timer,
    _TimerSpec,
    lock_memory,
)
from firmware_ctl.limits import DEADMAN_DUMP_MS, DEADMAN_KILL_MS
from tests.support.process import PATIENCE_S

NOT_KILLED = "a kernel timer did not kill the process that it was tried on"
SI_TIMER = -2


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The calls of faulthandler and of the timers, in order."""
    recorded: list[tuple[object, ...]] = []

    class Timer:
        def __init__(self, number: int, thread_id: int | None = None) -> None:
            self._name = signal.Signals(number).name

        def set(self, after_ms: int) -> None:
            recorded.append((self._name, after_ms))

    def register(number: int, **options: object) -> None:
        recorded.append((signal.Signals(number).name, options))

    monkeypatch.setattr(deadman, "_Timer", Timer)
    monkeypatch.setattr(faulthandler, "register", register)
    return recorded


def test_deadman_dumps_every_stack_and_then_kills(
    calls: list[tuple[object, ...]],
) -> None:
    dead_man = KernelDeadman()
    assert calls == [("SIGUSR2", {"file": 2, "all_threads": True, "chain": False})]
    for _ in range(2):
        calls.clear()
        dead_man.arm()
        assert sorted(calls) == [("SIGKILL", DEADMAN_KILL_MS), ("SIGUSR2", DEADMAN_DUMP_MS)]
    calls.clear()
    dead_man.disarm()
    assert sorted(calls) == [("SIGKILL", 0), ("SIGUSR2", 0)]


_LOOP_THAT_IS_LATE_ONCE = """
import os, select
from firmware_ctl.hardware import deadman
os.set_blocking(2, False)
try:
    while True:
        os.write(2, bytes(4096))
except BlockingIOError:
    os.set_blocking(2, True)
deadman.DEADMAN_DUMP_MS, deadman.DEADMAN_KILL_MS = 10, 5_000
dead_man = deadman.KernelDeadman()
dead_man.arm()
select.select((), (), (), 0.1)
dead_man.disarm()
os._exit(0)
"""


def test_stacks_that_stderr_does_not_take_hold_up_no_late_loop() -> None:
    command = [sys.executable, "-c", _LOOP_THAT_IS_LATE_ONCE]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as late:  # Nobody reads the pipe.
        assert late.wait() == 0


def _left_ms(timer: _Timer) -> float:
    """Time until the timer expires. 0: never."""
    times = _TimerSpec()
    assert timer._libc.timer_gettime(timer._timer, ctypes.byref(times)) == 0
    assert (times.every_s, times.every_ns) == (0, 0)
    return float(times.s * 1000 + times.ns / 1e6)


@pytest.mark.parametrize("after_ms", [60_000, 100_400, 999_999])
def test_timer_set_again_and_cleared_is_exact_to_the_millisecond(after_ms: int) -> None:
    timer = _Timer(signal.SIGCHLD)  # ignored by default, should it expire
    for _ in range(2):
        before_ns = time.monotonic_ns()
        timer.set(after_ms)
        left_ms = _left_ms(timer)
        elapsed_ms = (time.monotonic_ns() - before_ns) / 1e6
        assert after_ms - elapsed_ms <= left_ms <= after_ms
    timer.set(0)
    assert _left_ms(timer) == 0
    timer.set(after_ms)
    assert _left_ms(timer) > 0
    timer.set(0)


def test_timer_that_expires_sends_its_own_signal() -> None:
    number = signal.SIGRTMIN
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    _Timer(number).set(1)
    received = signal.sigtimedwait([number], PATIENCE_S)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert received is not None
    assert (received.si_signo, received.si_code) == (number, SI_TIMER)


def test_timer_that_cannot_be_set_raises() -> None:
    timer = _Timer(signal.SIGCHLD)
    ctypes.set_errno(0)
    with pytest.raises(OSError, match="Invalid argument") as error:
        timer.set(-1)
    assert error.value.errno == errno.EINVAL


def test_system_without_such_timers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **options: object())
    with pytest.raises(OSError, match=r"^this system has no timer_create$"):
        KernelDeadman()


def test_timer_runs_on_the_monotonic_clock() -> None:
    assert time.CLOCK_MONOTONIC == deadman._CLOCK_MONOTONIC


def test_trial_whose_child_is_killed_by_its_timer_succeeds() -> None:
    assert DeadmanTrial().verify() == ""


def test_trial_on_a_kernel_without_pidfd_waits_for_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "pidfd_open", _no_pidfd)
    assert DeadmanTrial().verify() == ""


def _no_pidfd(pid: int) -> int:
    raise OSError(errno.ENOSYS, "Function not implemented")


class NoTimer:
    """A timer that never expires."""

    def __init__(self, number: int) -> None:
        pass

    def set(self, after_ms: int) -> None:
        signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest's handler would dump the stacks


def test_trial_whose_child_is_not_killed_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadman, "_Timer", NoTimer)
    monkeypatch.setattr(deadman, "_TRIAL_WITHIN_S", 10 * PATIENCE_S)
    trial = DeadmanTrial()
    monkeypatch.setattr(deadman, "_TRIAL_WITHIN_S", 0.01)
    assert trial.verify() == NOT_KILLED


def test_trial_whose_child_is_not_killed_ends_by_itself_without_pidfd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadman, "_Timer", NoTimer)
    monkeypatch.setattr(deadman, "_TRIAL_WITHIN_S", 0.01)
    monkeypatch.setattr(os, "pidfd_open", _no_pidfd)
    assert DeadmanTrial().verify() == NOT_KILLED


@pytest.mark.parametrize("timer", [None, NoTimer], ids=["no timer", "a timer that never expires"])
def test_child_of_a_trial_never_runs_on_as_a_second_daemon(
    timer: type | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`None` is no class, so the child fails as it makes its timer."""
    monkeypatch.setattr(deadman, "_Timer", timer)
    monkeypatch.setattr(deadman, "_TRIAL_WITHIN_S", 0.01)
    parent = os.getpid()
    read, write = os.pipe()
    try:
        trial = DeadmanTrial()
    finally:
        if os.getpid() != parent:
            os.write(write, b"ran on")
            os._exit(9)
    os.close(write)
    assert trial.verify() == NOT_KILLED
    assert os.read(read, 99) == b""
    os.close(read)


@pytest.mark.parametrize(
    "end",
    [
        lambda: os._exit(0),
        lambda: os._exit(1),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
        lambda: os.kill(os.getpid(), signal.SIGABRT),
    ],
    ids=["exit 0", "exit 1", "SIGTERM", "SIGABRT"],
)
def test_trial_whose_child_ends_otherwise_fails(
    end: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndingTimer:
        def __init__(self, number: int) -> None:
            assert number == signal.SIGKILL

        def set(self, after_ms: int) -> None:
            signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest's handler would dump the stacks
            end()

    monkeypatch.setattr(deadman, "_Timer", EndingTimer)
    assert DeadmanTrial().verify() == NOT_KILLED


@pytest.mark.parametrize(
    ("limit", "user", "locked"),
    [
        (resource.RLIM_INFINITY, 1000, [1, 6]),
        (8 << 20, 0, [1, 6]),
        (8 << 20, 1000, []),
    ],
)
def test_lock_memory_makes_two_calls_and_only_without_a_limit(
    limit: int, user: int, locked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never MCL_FUTURE without MCL_ONFAULT, which would lock pages that no thread uses."""
    calls: list[int] = []

    class Libc:
        def mlockall(self, flags: int) -> int:
            calls.append(flags)
            return 0

    limits = {resource.RLIMIT_MEMLOCK: (limit, limit)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc())
    lock_memory()
    assert calls == locked
