"""Reading a catalogue in a process of its own, beside a loop that plays."""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EMFILE
from io import BytesIO
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
from firmware_ctl.timeline.model import MotorCourse, Segment
from tests.support.process import ROOT

PACKAGE = ROOT / "firmware_ctl"

MAT = read_mat(Path(shipped.mat_file()).read_bytes(), "")
TOO_LONG = "reading the profiles takes too long; the daemon keeps those that it has"
MOST_S = 30

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


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
"""


class Loop:
    """What a daemon does with a reader: it looks when there is something to read."""

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self.told: list[Catalogue | str] = []
        self.reader = Reader(folders, MAT, self.told.append)

    def until_told(self) -> Catalogue | str:
        while not self.told:
            assert select([self.reader], [], [], MOST_S)[0], "it never told"
            self.reader.ready()
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


def join_thread() -> None:
    """Waits for the thread of a reader that was given up."""
    for thread in threading.enumerate():
        if thread.name == "reader":
            thread.join(MOST_S)
            assert not thread.is_alive()


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
    assert told == read_catalogue([shipped.profiles_dir()], MAT)


def test_reader_gives_every_kind_of_profile_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: x\nphases: 3\n")
    (tmp_path / "cue.yaml").write_text(EVERYTHING)
    told = Loop([str(tmp_path)]).until_told()
    there = read_catalogue([str(tmp_path)], MAT)
    assert isinstance(told, Catalogue)
    (bad, cue), (bad_there, cue_there) = told.entries, there.entries
    assert cue == cue_there
    assert isinstance(cue_there, GoodEntry)
    assert {play.pattern for phase in cue_there.profile.phases for play in phase.play} == {
        *PATTERNS
    }
    assert isinstance(bad, BadEntry)
    assert isinstance(bad_there, BadEntry)
    assert bad.error.mistakes == bad_there.error.mistakes
    assert bad._replace(error=None) == bad_there._replace(error=None)


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
    assert given_up.told == [TOO_LONG]
    assert isinstance(Loop([shipped.profiles_dir()]).until_told(), Catalogue)


def test_reader_keeps_nothing_of_a_catalogue_that_it_has_handed_over(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: x\nphases: 3\n")
    loop = Loop([str(tmp_path)])
    told = loop.until_told()
    assert isinstance(told, Catalogue)
    of_catalogue = weakref.ref(told.bad[0].error)
    loop.told.clear()
    del told
    assert of_catalogue() is None


def test_of_what_is_given_up_nothing_is_left(monkeypatch: pytest.MonkeyPatch, hangs: None) -> None:
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


def test_reader_tells_the_childs_own_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\necho Traceback >&2\necho 'No module named \033[31myaml' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert Loop().until_told() == (
        "the profiles could not be read: No module named \\x1b[31myaml; "
        "the daemon keeps those that it has"
    )


def test_reader_of_a_child_that_never_stops_talking_ends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(profile_reader, "MOST_BYTES", 100_000)
    assert Loop().until_told() == (
        "the profiles together are too large; the daemon keeps those that it has"
    )


# --- whose code is run


EVIL = "import os; open(os.environ['EVIL'], 'a').write(__name__)\n"


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with modules of the names that the child needs; they leave a mark."""
    folder = tmp_path / "works-here"
    (folder / "firmware_ctl").mkdir(parents=True)
    for name in ("yaml", "json", "struct", "sitecustomize", "firmware_ctl/__init__"):
        (folder / f"{name}.py").write_text(EVIL)
    (folder / "firmware_ctl" / "reader.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVIL", str(tmp_path / "ran"))
    monkeypatch.setenv("PYTHONPATH", "")  # an empty part of it is the working folder, too
    return tmp_path / "ran"


def test_reader_runs_nothing_of_the_daemons_working_folder(evil: Path) -> None:
    assert isinstance(Loop([shipped.profiles_dir()]).until_told(), Catalogue)
    assert not evil.exists()


def test_every_python_that_is_started_is_kept_from_its_working_folder() -> None:
    starts = 0
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert "pickle" not in text, path
        starts += text.count("env=shipped.child_environment()")
        assert text.count("[sys.executable, ") == text.count('[sys.executable, "-P", '), path
    assert starts == 2


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


# --- what the child says is believed only where it can be so


def said(catalogue: Catalogue) -> list[dict[str, Any]]:
    """The lines of a child, as JSON makes them."""
    return [json.loads(json.dumps(line)) for line in profile_reader._lines(catalogue)]


def result(lines: Sequence[object]) -> Catalogue | str:
    return profile_reader._result(
        BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines)), MAT
    )


NECK = Catalogue(
    tuple(e for e in read_catalogue([shipped.profiles_dir()], MAT).entries if e.name == "neck")
)
OTHER_VERSION = (
    "the profiles could not be read: another version of the program has read them; "
    "restart the daemon"
)


def paths(value: object, to: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """To every value within, first of the lists alike."""
    yield to
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*to, key))
    elif isinstance(value, list):
        for place, item in enumerate(value[:2] if to[-1:] != ("entry",) else value):
            yield from paths(item, (*to, place))


def test_result_is_refused_wherever_one_value_has_another_type() -> None:
    lines = said(NECK)
    assert result(lines) == NECK
    for place, line in enumerate(lines[:-1]):
        for path in paths(line):
            for wrong in ({"a": 1}, -7, 1.5, "x", [None, None, None, None], None, True):
                changed = copy.deepcopy(lines)
                *inner, last = (place, *path)
                holder: Any = changed
                for step in inner:
                    holder = holder[step]
                old, holder[last] = holder[last], wrong
                found = result(changed)
                if not isinstance(found, str):
                    # What is only shown may be any text, and some may be missing.
                    assert type(old) is type(wrong) or None in (old, wrong) or is_number(old, wrong)


def is_number(old: object, new: object) -> bool:
    return isinstance(old, float) and isinstance(new, int | float)


@pytest.mark.parametrize(
    "change",
    [
        {"begin_ms": 1},
        {"pass_ms": 0},
        {"repeat": 0},
        {"repeat": 10**9},
        {"pass_ms": 1 << 60},
        {"courses": []},
        {"course_of": []},
        {"course_of": [99] * 8},
        {"course_of": [-2] * 8},
        {"high_pct": [101] * 8},
        {"high_pct": [50]},
        {"courses": {0: {"cap_pct": 101}}},
        {"courses": {0: {"pieces": []}}},
        {"courses": {0: {"pieces": [[0, 1.0, 1.0, False]]}}},
        {"courses": {0: {"pieces": [[1000, 1.5, 1.0, False]]}}},
        {"courses": {0: {"ramp": [[], [], 1000]}}},
        {"courses": {0: {"ramp": [[0], [101], 1000]}}},
        {"courses": {0: {"ramp": [[0, 5], [10], 1000]}}},
        {"courses": {0: {"ramp": [[0], [10], 0]}}},
    ],
)
def test_result_is_refused_where_a_timeline_could_not_be_played(change: dict[str, Any]) -> None:
    lines = said(NECK)
    segment = lines[0]["segment"]
    for name, value in change.items():
        place = Segment._fields.index(name)
        if isinstance(value, dict):
            for course, fields in value.items():
                for field, new in fields.items():
                    segment[place][course][MotorCourse._fields.index(field)] = new
        else:
            segment[place] = value
    assert result(lines) == OTHER_VERSION


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "9" * 400, "[" * 5000, "3", "{}", '{"a": 1, "b": 2}']
)
def test_result_of_a_line_that_is_no_message_is_told(text: str) -> None:
    found = profile_reader._result(BytesIO(text.encode() + b"\n"), MAT)
    assert isinstance(found, str)
    assert found.startswith(f"the profiles could not be read: {text[:100]}")


def test_result_without_its_end_is_none() -> None:
    assert result(said(NECK)[:-1]) == "the profiles could not be read"
    assert result([{"end": 0}]) == Catalogue()
    assert result(said(NECK)[1:]) == OTHER_VERSION


def test_a_child_whose_daemon_has_ended_says_nothing() -> None:
    child = subprocess.run(
        [sys.executable, "-P", "-m", "firmware_ctl.daemon.profile_reader"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=MOST_S,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


def test_a_machine_without_a_thread_to_spare_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    pipes = [os.pipe()]
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", start)
        patched.setattr(os, "pipe", lambda: pipes[0])
        with pytest.raises(CallerError, match="no process can be started: can't start") as refused:
            Loop()
    assert refused.value.code == "not-ready"
    for fd in pipes[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert isinstance(Loop([shipped.profiles_dir()]).until_told(), Catalogue)


def test_a_machine_without_a_pipe_to_spare_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe() -> tuple[int, int]:
        raise OSError(EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pipe", pipe)
        with pytest.raises(CallerError, match="no process can be started: Too many") as refused:
            Loop()
    assert refused.value.code == "not-ready"
    assert isinstance(Loop([shipped.profiles_dir()]).until_told(), Catalogue)
