"""Reading a catalogue in a child process, beside a loop that plays."""

import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from threading import Event
from typing import Any

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import read_mat
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.daemon import profile_reader
from firmware_ctl.daemon.profile_reader import Reader
from firmware_ctl.errors import CallerError
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, GoodEntry
from firmware_ctl.timeline.folder import read_catalogue
from tests.support.process import ROOT

PACKAGE = ROOT / "firmware_ctl"

MAT = read_mat(Path(shipped.mat_file()).read_bytes(), "")

TOO_LONG = "reading the profiles takes too long; the daemon keeps those that it has"

MOST_S = 30

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")

EVERYTHING = """\
title: Everything in “UTF-8”
phases:
  - name: press
    cue: KI3
    for: 30s
    play: {all: 10%}
  - name: rest
    points: [BL23]
    for: 20s
    repeat: 3
    play:
      lower_back.left: {pattern: wave, level: {from: 30%, to: 0%}, period: 6s, after: 1s}
      lower_back.right: {pattern: pulse, level: 30%, on_for: 1s, off_for: 2s}
      hips: {pattern: keyframes, frames: [[0s, 0%], [10s, 40%]]}
      neck: {pattern: alternate, level: 20%, period: 2s}
  - name: more
    for: 20s
    play:
      lower_back: {pattern: travel, level: 20%, period: 2s}
      hips: {pattern: tap, level: 20%, taps: 3, rest: 1s}
      neck: {pattern: breathe, level: 20%, in: 1s, out: 2s}
  - rest: 5s
  - repeat: 2
    phases:
      - name: drops
        for: 10s
        play:
          lower_back: {pattern: shuffle, level: 20%, period: 2s, on_for: 300ms, seed: 7}
          hips: {pattern: wave, level: 20%, period: {from: 4s, to: 2s}}
"""


class Loop:
    """Waits for a reader, as the loop of a daemon does."""

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self.results: list[Catalogue | str] = []
        self.reader = Reader(folders, MAT, self.results.append)

    def wait_for_result(self) -> Catalogue | str:
        while not self.results:
            assert select([self.reader], [], [], MOST_S)[0], "there was no result"
            self.reader.ready()
        (result,) = self.results
        return result


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


def join_thread() -> None:
    """Waits for the thread of a reader that was given up."""
    for thread in threading.enumerate():
        if thread.name == "reader":
            thread.join(MOST_S)
            assert not thread.is_alive()


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A child that reads nothing, writes nothing and does not end."""
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_reader_reads_the_shipped_profiles() -> None:
    result = Loop([shipped.profiles_dir()]).wait_for_result()
    assert isinstance(result, Catalogue)
    assert len(result.entries) > 1
    assert result == read_catalogue([shipped.profiles_dir()], MAT)


def test_reader_returns_every_kind_of_profile_unchanged(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: x\nphases: 3\n")
    (tmp_path / "cue.yaml").write_text(EVERYTHING)
    result = Loop([str(tmp_path)]).wait_for_result()
    there = read_catalogue([str(tmp_path)], MAT)
    assert isinstance(result, Catalogue)
    (bad, cue), (bad_there, cue_there) = result.entries, there.entries
    assert cue == cue_there
    assert isinstance(cue_there, GoodEntry)
    assert {play.pattern for phase in cue_there.profile.phases for play in phase.play} == {
        *PATTERNS
    }
    assert isinstance(bad, BadEntry)
    assert isinstance(bad_there, BadEntry)
    assert bad.error.mistakes == bad_there.error.mistakes
    assert bad._replace(error=None) == bad_there._replace(error=None)


def test_reader_of_a_missing_folder_reports_it() -> None:
    assert Loop(["/nowhere"]).wait_for_result() == (
        "the profiles folder /nowhere cannot be read: No such file or directory; "
        "the daemon keeps those that it has"
    )


@needs_linux
def test_child_gives_up_the_priority_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    # SCHED_BATCH stands for the unit's fifo, which takes rights; threads and children inherit both.
    policies: list[int] = []
    with starting(monkeypatch, lambda child: policies.append(os.sched_getscheduler(child.pid))):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        try:
            Loop().wait_for_result()
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    assert policies == [os.SCHED_OTHER]


@needs_linux
def test_child_that_waits_for_a_processor_holds_no_descriptor_of_the_daemon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = tmp_path / "held"

    def waits(*_: object) -> None:
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
        held.write_text("\n".join(map(os.readlink, filter(os.path.exists, links))))

    monkeypatch.setattr(os, "sched_setscheduler", waits)
    with open(tmp_path / "lock", "w"):
        Loop().wait_for_result()
    assert str(tmp_path / "lock") not in held.read_text()
    assert "pipe:" in held.read_text()


def test_reader_does_not_wait_for_the_child_to_begin(
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
        assert loop.results == [TOO_LONG]
        begins.set()
        assert began.wait(MOST_S)
    assert children[0].wait(MOST_S) == -signal.SIGKILL
    join_thread()


def test_reader_is_refused_while_the_thread_of_the_last_one_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, goes_on = Event(), Event()

    def started(_: object) -> None:
        begun.set()
        assert goes_on.wait(MOST_S)

    with starting(monkeypatch, started):
        given_up = Loop()
        assert begun.wait(MOST_S)
        given_up.reader.give_up()
        fds = {*os.listdir("/proc/self/fd")}
        with pytest.raises(CallerError, match="has not ended yet; ask again later") as refused:
            Loop()
        assert refused.value.code == "busy"
        assert {*os.listdir("/proc/self/fd")} == fds
        goes_on.set()
        join_thread()
    assert given_up.results == [TOO_LONG]
    assert isinstance(Loop([shipped.profiles_dir()]).wait_for_result(), Catalogue)


def test_reader_keeps_no_reference_to_a_delivered_catalogue(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: x\nphases: 3\n")
    loop = Loop([str(tmp_path)])
    result = loop.wait_for_result()
    assert isinstance(result, Catalogue)
    of_catalogue = weakref.ref(result.bad[0].error)
    loop.results.clear()
    del result
    assert of_catalogue() is None


def test_reader_given_up_leaves_no_process_and_no_descriptor(
    monkeypatch: pytest.MonkeyPatch, hangs: None
) -> None:
    children: list[subprocess.Popen[bytes]] = []
    began = Event()

    def started(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        began.set()

    before = {*os.listdir("/proc/self/fd")}
    with starting(monkeypatch, started):
        loop = Loop()
        assert began.wait(MOST_S)
    fd = loop.reader.fileno()
    loop.reader.give_up()
    join_thread()
    assert children[0].poll() == -signal.SIGKILL
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert {*os.listdir("/proc/self/fd")} <= before
    loop.reader.ready()  # it was readable in the round that gave it up
    loop.reader.give_up()
    assert loop.results == [TOO_LONG]


def test_reader_whose_child_cannot_start_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert Loop().wait_for_result() == (
        "no process can be started: No such file or directory; the daemon keeps those that it has"
    )


def test_reader_whose_child_dies_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with starting(monkeypatch, lambda child: child.kill()):
        result = Loop().wait_for_result()
    assert result == "the profiles could not be read; the daemon keeps those that it has"


def test_reader_reports_the_reason_of_its_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\necho Traceback >&2\necho 'No module named \033[31myaml' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert Loop().wait_for_result() == (
        "the profiles could not be read: No module named \\x1b[31myaml; "
        "the daemon keeps those that it has"
    )


def test_reader_kills_a_child_that_never_stops_writing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(profile_reader, "MOST_BYTES", 100_000)
    assert Loop().wait_for_result() == (
        "the profiles together are too large; the daemon keeps those that it has"
    )


EVIL = "import os; open(os.environ['EVIL'], 'a').write(__name__ + ' ')\n"

CHILD = profile_reader.__name__
"""The module that the child runs. Python imports the packages around it first."""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with modules of the names that the child needs; they leave a mark."""
    folder = tmp_path / "works-here"
    own = (folder / CHILD.replace(".", "/")).with_suffix(".py")
    own.parent.mkdir(parents=True)
    own.write_text(EVIL)
    for package in own.relative_to(folder).parents[:-1]:
        (folder / package / "__init__.py").write_text(EVIL)
    for name in ("yaml", "json", "struct", "sitecustomize"):
        (folder / f"{name}.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVIL", str(tmp_path / "ran"))
    monkeypatch.setenv("PYTHONPATH", "")  # an empty part of it is the working folder, too
    return tmp_path / "ran"


def test_reader_runs_no_code_of_the_working_folder(evil: Path) -> None:
    assert isinstance(Loop([shipped.profiles_dir()]).wait_for_result(), Catalogue)
    assert not evil.exists()


def test_reader_without_its_option_would_run_code_of_the_working_folder(evil: Path) -> None:
    subprocess.run([sys.executable, "-m", CHILD], check=True)
    assert evil.read_text() == "firmware_ctl firmware_ctl.daemon __main__ "


def test_every_child_python_ignores_its_working_folder() -> None:
    starts = 0
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert "pickle" not in text, path
        starts += len(re.findall(r"env=(shipped\.)?child_environment\(\)", text))
        assert not re.search(r'sys\.executable, "(?!-P")', text), path
    assert starts == 4


def test_child_environment_finds_this_package_without_an_installed_one() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", "import firmware_ctl; print(firmware_ctl.__file__)"],
        env=shipped.child_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=MOST_S,
    )
    assert done.stdout.strip() == str(PACKAGE / "__init__.py")
