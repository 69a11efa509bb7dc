"""The real inbox: one select over everything."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from firmware_ctl import inbox
from firmware_ctl.inbox import BUSY_NS, REST_S, RealInbox


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


def test_a_loop_that_always_finds_something_sleeps_now_and_then(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = 0
    slept: list[float] = []
    monkeypatch.setattr(inbox, "_monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(time, "sleep", slept.append)
    box = RealInbox()
    for now_ns in range(0, 3 * BUSY_NS, BUSY_NS // 10):  # noqa: B007, the clock reads it
        assert box.wait(10**6, [pipe], []) == [pipe]
    assert slept == [REST_S] * 2


def test_a_loop_that_waits_does_not_sleep_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    slept: list[float] = []
    monkeypatch.setattr(inbox, "_monotonic_ns", lambda: now_ns)
    monkeypatch.setattr(time, "sleep", slept.append)
    box = RealInbox()
    for now_ns in range(0, 3 * BUSY_NS, BUSY_NS // 10):
        assert box.wait(now_ns // 10**6 + 1, [], []) == []
    assert slept == []
