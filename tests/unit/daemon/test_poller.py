"""The real poller: one select over all descriptors, and what wakes it."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from firmware_ctl.daemon import poller
from firmware_ctl.daemon.poller import BUSY_NS, REST_S, SelectPoller, Signals, Waker
from tests.support.daemon import Daemon


class Pipe:
    """Something to read is always there."""

    def __init__(self) -> None:
        self._out, self._into = os.pipe()
        os.write(self._into, b".")

    def fileno(self) -> int:
        return self._out

    def close(self) -> None:
        os.close(self._out)
        os.close(self._into)


@pytest.fixture
def pipe() -> Iterator[Any]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_wait_in_a_flood_sleeps_once_a_second(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    slept: list[tuple[int, float]] = []
    monkeypatch.setattr(poller, "_monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(time, "sleep", lambda for_s: slept.append((now_ns, for_s)))
    box = SelectPoller()
    for now_ns in range(0, 3 * BUSY_NS, BUSY_NS // 10):  # noqa: B007, the clock reads it
        assert box.wait(10**6, [pipe], []) == [pipe]
    assert slept == [(BUSY_NS * 11 // 10, REST_S), (BUSY_NS * 22 // 10, REST_S)]


def test_wait_for_no_time_is_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    slept: list[float] = []
    monkeypatch.setattr(poller, "_monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(time, "sleep", slept.append)
    box = SelectPoller()
    for now_ns in range(0, 3 * BUSY_NS, BUSY_NS // 10):
        assert box.wait(now_ns // 10**6, [], []) == []
    assert slept == [REST_S] * 2


def test_wait_that_slept_does_not_sleep_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    slept: list[float] = []
    monkeypatch.setattr(poller, "_monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(time, "sleep", slept.append)
    box = SelectPoller()
    for now_ns in range(0, 3 * BUSY_NS, BUSY_NS // 10):
        assert box.wait(now_ns // 10**6 + 1, [], []) == []
    assert slept == []


# --- time ---


class Clocks:
    """The clock that counts suspends, and the one that does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic_ns = 5_000_000_000
        self.suspended_ns = 77_000_000_000
        self.held_up_ns = 0
        """Between the reading of the two."""
        monkeypatch.setattr(poller, "_monotonic_ns", self._monotonic)
        monkeypatch.setattr(poller, "_clock_gettime_ns", self._boottime)

    def _monotonic(self) -> int:
        self.monotonic_ns += self.held_up_ns
        return self.monotonic_ns

    def _boottime(self, clock: int) -> int:
        assert clock == time.CLOCK_BOOTTIME
        self.monotonic_ns += self.held_up_ns
        return self.monotonic_ns + self.suspended_ns


def test_slept_ms_reports_a_suspend_once_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    box = SelectPoller()
    assert box.slept_ms() == 0
    clocks.suspended_ns += 5_000_000_000
    assert box.slept_ms() == 5_000
    assert box.slept_ms() == 0
    clocks.suspended_ns += 1_500_999_999
    assert box.slept_ms() == 1_500
    clocks.suspended_ns += 1_000_000
    assert box.slept_ms() == 1


def test_slept_ms_with_a_delay_between_the_clocks_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    box = SelectPoller()
    clocks.held_up_ns = 10_000_000_000
    assert box.slept_ms() == 0


def test_now_ms_is_monotonic_time_since_the_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    clocks.monotonic_ns = 5_000_000_000_999_999
    box = SelectPoller()
    assert (box.now_ms(), box.origin_ms) == (0, 5_000_000_000)
    clocks.monotonic_ns += 2_000_000_999_999
    assert box.now_ms() == 2_000_000


def test_clocks_cannot_be_set() -> None:
    assert poller._monotonic_ns is time.monotonic_ns
    assert poller._BOOTTIME == time.CLOCK_BOOTTIME


# --- waiting ---


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long each wait may last, in seconds; none of them does."""
    asked: list[float] = []
    real = select.select

    def selected(readers: Any, writers: Any, errors: Any, for_s: float) -> object:
        asked.append(for_s)
        return real(readers, writers, errors, 0)

    monkeypatch.setattr(select, "select", selected)
    return asked


def test_wait_lasts_until_its_time_and_not_beyond(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    box = SelectPoller()
    clocks.monotonic_ns += 1_000_000_000
    for until_ms in (1_020, 1_000, 500):
        assert box.wait(until_ms, [], []) == []
    assert waits == [0.02, 0, 0]


def test_wait_watches_new_readers(pipe: Any) -> None:
    box = SelectPoller()
    nobody: Any = ()
    assert box.wait(0, nobody, []) == []
    readers = [pipe]
    assert box.wait(0, readers, []) == [pipe]
    assert box.wait(0, nobody, []) == []
    assert box.wait(0, readers, []) == [pipe]


def test_wait_asks_the_same_readers_only_once_for_their_descriptors(pipe: Any) -> None:
    """There may be a hundred of them, in each of 50 rounds a second."""
    asked: list[int] = []
    fileno = pipe.fileno
    pipe.fileno = lambda: asked.append(fileno()) or fileno()
    box = SelectPoller()
    readers = [pipe]
    for _ in range(3):
        assert box.wait(0, readers, []) == [pipe]
    assert len(asked) == 1


def test_wait_returns_when_a_writer_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    results: list[Any] = []
    real = select.select

    def selected(readers: Any, writers: Any, errors: Any, for_s: float) -> Any:
        results.append(real(readers, writers, errors, 0))
        return results[-1]

    monkeypatch.setattr(select, "select", selected)
    assert SelectPoller().wait(10**6, [], cast(Any, [ours])) == []
    assert results[0][1] == [ours]
    ours.close()
    theirs.close()


# --- what wakes it ---


class CommandContext:
    """The daemon, as far as a source knows it."""

    def __init__(self) -> None:
        self.steps: list[object] = []
        self.lines: list[str] = []

    def step(self, event: object) -> None:
        self.steps.append(event)

    def say(self, line: str) -> None:
        self.lines.append(line)

    @property
    def daemon(self) -> Daemon:
        return cast(Daemon, self)


def _is_ready(source: Any) -> bool:
    return bool(select.select([source], [], [], 0)[0])


@pytest.fixture
def waker() -> Iterator[Waker]:
    made = Waker()
    yield made
    made._receiver.close()
    made._sender.close()


def test_waker_wakes_the_loop_which_makes_every_posted_call(waker: Waker) -> None:
    calls: list[int] = []
    assert not _is_ready(waker)
    assert not os.get_blocking(waker.fileno())
    for number in range(3):
        waker.post(lambda number=number: calls.append(number))  # type: ignore[misc]
        assert _is_ready(waker)
    assert calls == []
    waker.ready()
    assert calls == [0, 1, 2]
    assert not _is_ready(waker)


def test_waker_called_more_often_than_read_does_not_block(waker: Waker) -> None:
    for _ in range(10_000):
        waker()  # a test that hangs or raises here has failed
    assert _is_ready(waker)


@pytest.fixture
def signals() -> Iterator[Callable[..., Signals]]:
    numbers = (signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    made: list[Signals] = []

    def make(on_signal: Callable[[signal.Signals], object] | None = None) -> Signals:
        made.append(Signals(numbers))
        if on_signal is not None:
            made[-1].on_signal = on_signal
        return made[-1]

    yield make
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    for one in made:
        one._receiver.close()
        one._sender.close()


def test_signal_that_comes_before_the_loop_waits_for_it(signals: Callable[..., Signals]) -> None:
    numbers: list[signal.Signals] = []
    source = signals(numbers.append)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGUSR1)
    assert _is_ready(source)
    assert not os.get_blocking(source.fileno())
    assert numbers == []
    source.ready()
    assert sorted(numbers) == [signal.SIGUSR1, signal.SIGTERM]


def test_signal_before_anyone_has_asked_for_it_does_nothing(
    signals: Callable[..., Signals],
) -> None:
    source = signals()
    signal.raise_signal(signal.SIGTERM)
    source.ready()
    assert not _is_ready(source)


def test_signals_more_than_the_loop_reads_do_not_block(
    signals: Callable[..., Signals],
) -> None:
    numbers: list[signal.Signals] = []
    source = signals(numbers.append)
    for _ in range(5_000):
        signal.raise_signal(signal.SIGTERM)  # a test that hangs here has failed
    source.ready()
    assert numbers == [signal.SIGTERM]
