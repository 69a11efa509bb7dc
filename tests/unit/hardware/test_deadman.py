"""The kernel's timers: which, when, and that a doubt is a doubt. Who dies is a forked child."""

import ctypes
import faulthandler
import os
import resource
import signal
import time
from collections.abc import Callable

import pytest

from firmware_ctl.hardware import deadman
from firmware_ctl.hardware.deadman import DeadmanTrial, KernelDeadman, _Timer, _Times, lock_memory
from firmware_ctl.limits import DEADMAN_DUMP_MS, DEADMAN_KILL_MS


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What is asked of faulthandler and of the timers, in order."""
    calls: list[tuple[object, ...]] = []

    class Timer:
        def __init__(self, number: int) -> None:
            self._name = signal.Signals(number).name

        def set(self, after_ms: int) -> None:
            calls.append((self._name, after_ms))

    def register(number: int, **how: object) -> None:
        calls.append((signal.Signals(number).name, how))

    monkeypatch.setattr(deadman, "_Timer", Timer)
    monkeypatch.setattr(faulthandler, "register", register)
    return calls


def test_deadman_shows_every_stack_and_then_kills_unless_it_is_armed_again(
    done: list[tuple[object, ...]],
) -> None:
    dead_man = KernelDeadman()
    assert done == [("SIGUSR2", {"file": 2, "all_threads": True, "chain": False})]
    for _ in range(2):
        done.clear()
        dead_man.arm()
        assert sorted(done) == [("SIGKILL", DEADMAN_KILL_MS), ("SIGUSR2", DEADMAN_DUMP_MS)]
    done.clear()
    dead_man.disarm()
    assert sorted(done) == [("SIGKILL", 0), ("SIGUSR2", 0)]


def _left_ms(timer: _Timer) -> float:
    """Until it expires; 0: never."""
    times = _Times()
    assert timer._libc.timer_gettime(timer._timer, ctypes.byref(times)) == 0
    assert (times.every_s, times.every_ns) == (0, 0)
    return float(times.s * 1000 + times.ns / 1e6)


@pytest.mark.parametrize("after_ms", [60_000, 100_400, 999_999])
def test_timer_is_set_again_and_ended_to_the_millisecond(after_ms: int) -> None:
    timer = _Timer(signal.SIGCHLD)  # which nobody minds
    for _ in range(2):
        before_ns = time.monotonic_ns()
        timer.set(after_ms)
        left_ms = _left_ms(timer)
        took_ms = (time.monotonic_ns() - before_ns) / 1e6
        assert after_ms - took_ms <= left_ms <= after_ms
    timer.set(0)
    assert _left_ms(timer) == 0
    timer.set(after_ms)
    assert _left_ms(timer) > 0
    timer.set(0)


def test_timer_that_cannot_be_set_is_told() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        _Timer(signal.SIGCHLD).set(-1)


def test_timer_runs_on_the_clock_that_nobody_can_set() -> None:
    assert time.CLOCK_MONOTONIC == deadman._CLOCK_MONOTONIC


def test_proof_is_a_child_that_its_own_timer_killed() -> None:
    assert DeadmanTrial().verify() == ""


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
def test_proof_child_that_ends_in_another_way_is_a_doubt(
    end: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        def __init__(self, number: int) -> None:
            assert number == signal.SIGKILL

        def set(self, after_ms: int) -> None:
            signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest's own would dump the stacks
            end()

    monkeypatch.setattr(deadman, "_Timer", Other)
    assert DeadmanTrial().verify() == "a kernel timer did not kill the process that it was tried on"


@pytest.mark.parametrize(
    ("limit", "user", "locked"),
    [
        (resource.RLIM_INFINITY, 1000, [1, 6]),
        (8 << 20, 0, [1, 6]),
        (8 << 20, 1000, []),
    ],
)
def test_memory_is_locked_in_two_calls_and_only_where_all_of_it_may_be(
    limit: int, user: int, locked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no thread touches yet is left out: MCL_FUTURE with MCL_ONFAULT, never MCL_FUTURE alone."""
    calls: list[int] = []

    class Libc:
        def mlockall(self, flags: int) -> int:
            calls.append(flags)
            return 0

    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc())
    lock_memory()
    assert calls == locked
