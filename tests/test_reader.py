"""Reading a catalogue in a process of its own, beside a loop that plays."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
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
TOO_LONG = "reading the profiles takes too long; the daemon keeps those that it has"
MOST_S = 30

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


class Loop:
    """What a daemon does with a reader: it looks when there is something to read."""

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self.told: list[Catalogue | str] = []
        self.reader = Reader(folders, MAT, self.told.append)

    def until_told(self) -> Catalogue | str:
        while not self.told:
            assert select([self.reader], [], [], MOST_S)[0], "it never told"
            self.reader.ready(DAEMON)
        (told,) = self.told
        return told


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


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child reads nothing, says nothing and does not end."""
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_it_reads_the_shipped_profiles() -> None:
    told = Loop([shipped.profiles_dir()]).until_told()
    assert isinstance(told, Catalogue)
    assert len(told.entries) > 1
    assert all(entry.timeline is not None for entry in told.entries)


def test_a_folder_that_is_not_there_is_told() -> None:
    assert Loop(["/nowhere"]).until_told() == (
        "the profiles folder /nowhere cannot be read: No such file or directory; "
        "the daemon keeps those that it has"
    )


@needs_linux
def test_the_child_gives_up_the_priority_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    # SCHED_BATCH stands for the unit's fifo, which takes rights; threads and children inherit both.
    policies: list[int] = []
    with starting(monkeypatch, lambda child: policies.append(os.sched_getscheduler(child.pid))):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        try:
            Loop().until_told()
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert policies == [os.SCHED_OTHER]


@needs_linux
def test_a_child_that_waits_for_a_processor_holds_nothing_of_the_daemons(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = tmp_path / "held"

    def waits(*_: object) -> None:
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
        held.write_text("\n".join(map(os.readlink, filter(os.path.exists, links))))

    monkeypatch.setattr(os, "sched_setscheduler", waits)
    with open(tmp_path / "lock", "w"):
        Loop().until_told()
    assert str(tmp_path / "lock") not in held.read_text()
    assert "pipe:" in held.read_text()


def test_the_loop_does_not_wait_for_the_child_to_begin(
    monkeypatch: pytest.MonkeyPatch, hangs: None
) -> None:
    begins, began = Event(), Event()
    children = []

    def started(child: subprocess.Popen[bytes]) -> None:
        assert begins.wait(MOST_S)
        children.append(child)
        began.set()

    with starting(monkeypatch, started):
        loop = Loop()
        loop.reader.give_up()
        assert loop.told == [TOO_LONG]
        begins.set()
        assert began.wait(MOST_S)
    assert children[0].wait(MOST_S) == -signal.SIGKILL


def test_of_what_is_given_up_nothing_is_left(monkeypatch: pytest.MonkeyPatch, hangs: None) -> None:
    children: list[Any] = []
    began = Event()

    def communicate(_: bytes) -> None:
        children[0].stdin.close()
        began.set()

    def started(child: Any) -> None:
        children.append(child)
        child.communicate = communicate

    with starting(monkeypatch, started):
        loop = Loop()
        assert began.wait(MOST_S)
    fd = loop.reader.fileno()
    loop.reader.give_up()
    assert children[0].wait(MOST_S) == -signal.SIGKILL
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    loop.reader.ready(DAEMON)  # it was readable in the round that gave it up
    loop.reader.give_up()
    assert loop.told == [TOO_LONG]


def test_a_child_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert Loop().until_told() == (
        "no process can be started: No such file or directory; the daemon keeps those that it has"
    )


def test_a_child_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with starting(monkeypatch, lambda child: child.kill()):
        told = Loop().until_told()
    assert told == "the profiles could not be read; the daemon keeps those that it has"


def test_a_child_whose_daemon_has_ended_says_nothing() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "firmware_ctl.reader"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=MOST_S,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


def test_a_machine_without_a_thread_to_spare_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    pipes = [os.pipe()]
    monkeypatch.setattr("threading.Thread.start", start)
    monkeypatch.setattr(os, "pipe", lambda: pipes[0])
    with pytest.raises(CallerError, match="no process can be started: can't start") as refused:
        Loop()
    assert refused.value.code == "not-ready"
    for fd in pipes[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
