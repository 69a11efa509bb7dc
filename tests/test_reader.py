"""Reading a catalogue in a process of its own, beside a loop that plays."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from threading import Event
from typing import Any

import pytest

from firmware_ctl import shipped
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.daemon import Daemon
from firmware_ctl.errors import CallerError
from firmware_ctl.mat import read_mat
from firmware_ctl.reader import Reader

MAT = read_mat(Path(shipped.mat_file()).read_bytes(), "")
DAEMON: Daemon = None  # type: ignore[assignment]  # a reader asks it for nothing
MOST_S = 30


class Loop:
    """What a daemon does with a reader: it looks when there is something to read."""

    def __init__(self) -> None:
        self.told: Catalogue | str | None = None

    def done(self, result: Catalogue | str) -> None:
        assert self.told is None
        self.told = result

    def reads(self, folders: list[str]) -> Catalogue | str:
        reader = Reader(folders, MAT, self.done)
        while self.told is None:
            assert select([reader], [], [], MOST_S)[0], "it never told"
            reader.ready(DAEMON)
        return self.told


@contextmanager
def starting(
    monkeypatch: pytest.MonkeyPatch, started: Callable[[subprocess.Popen[bytes]], object]
) -> Iterator[None]:
    """Has `started` called with the child, on the thread that started it."""

    class Child(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started(self)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", Child)
        yield


def test_it_reads_the_shipped_profiles() -> None:
    told = Loop().reads([shipped.profiles_dir()])
    assert isinstance(told, Catalogue)
    assert len(told.entries) > 1
    assert all(entry.timeline is not None for entry in told.entries)


def test_a_folder_that_is_not_there_is_told() -> None:
    told = Loop().reads(["/nowhere"])
    assert told == (
        "the profiles folder /nowhere cannot be read: No such file or directory; "
        "the daemon keeps those that it has"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies")
def test_the_child_gives_up_the_priority_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    # SCHED_BATCH stands for the unit's fifo, which takes rights; threads and children inherit both.
    policies: list[int] = []
    with starting(monkeypatch, lambda child: policies.append(os.sched_getscheduler(child.pid))):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        try:
            Loop().reads([])
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert policies == [os.SCHED_OTHER]


def test_the_loop_does_not_wait_for_the_child_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    begins, ended = Event(), Event()

    def started(child: subprocess.Popen[bytes]) -> None:
        assert begins.wait(MOST_S)
        killed = child.kill

        def kill() -> None:
            killed()
            ended.set()

        monkeypatch.setattr(child, "kill", kill)

    loop = Loop()
    with starting(monkeypatch, started):
        reader = Reader([], MAT, loop.done)
        reader.give_up()
        assert loop.told == (
            "reading the profiles takes too long; the daemon keeps those that it has"
        )
        reader.give_up()
        begins.set()
        assert ended.wait(MOST_S), "a child that nobody waits for lives on"


def test_a_child_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert Loop().reads([]) == (
        "no process can be started: No such file or directory; the daemon keeps those that it has"
    )


def test_a_child_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with starting(monkeypatch, lambda child: child.kill()):
        told = Loop().reads([])
    assert told == "the profiles could not be read; the daemon keeps those that it has"


def test_a_machine_without_a_thread_to_spare_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    pipes = [os.pipe()]
    monkeypatch.setattr("threading.Thread.start", start)
    monkeypatch.setattr(os, "pipe", lambda: pipes[0])
    with pytest.raises(CallerError, match="no process can be started: can't start") as refused:
        Reader([], MAT, Loop().done)
    assert refused.value.code == "not-ready"
    for fd in pipes[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
