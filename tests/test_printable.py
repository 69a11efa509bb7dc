"""Text from outside, on its way to a terminal or to the log."""

import gzip
import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl import client as commands
from firmware_ctl import serve, shipped
from firmware_ctl.cli import main
from firmware_ctl.client import Client
from firmware_ctl.errors import AuthorError, CallerError, DeviceError, FirmwareError, Mistake
from firmware_ctl.incident import FORMAT
from firmware_ctl.printable import printable
from tests.process import SHORT

ESCAPE = "\x1b]0;owned\x07\x1b[31mred"
FORGED = "a\n* ready firmware-ctl 9.9.9 protocol=9"


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@given(st.text())
def test_printable_any_text_becomes_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()  # without half a surrogate pair, as a name that is not UTF-8 has


def test_printable_spells_what_cannot_be_shown_and_leaves_the_rest() -> None:
    assert printable("Zwölf \u2013 30 %") == "Zwölf \u2013 30 %"
    assert printable("a\x1b[2J\nb\xa0\udce9\u202e") == r"a\x1b[2J\nb\xa0\udce9\u202e"


@pytest.mark.parametrize(
    "error",
    [
        FirmwareError(f"{ESCAPE}\n"),
        DeviceError(f"{ESCAPE}\n"),
        CallerError("busy", f"{ESCAPE}\n"),
        AuthorError([Mistake(f"{ESCAPE}\n", 1, 1, f"{ESCAPE}\n")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_as_text_is_printable(error: FirmwareError) -> None:
    assert str(error).isprintable()
    assert "owned" in str(error)


def test_author_error_has_a_line_a_mistake() -> None:
    error = AuthorError([Mistake("p", 2, 1, "b\n"), Mistake("p", 1, 1, "a")])
    assert str(error) == "p:1:1: a\np:2:1: b\\n"
    assert error.summary().isprintable()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of profiles whose names are a stranger's."""
    folder = tmp_path / ESCAPE
    folder.mkdir()
    (folder / f"{ESCAPE}.yaml").write_text(SHORT)
    (folder / f"{FORGED}.yaml").write_text("x: 1\n")
    (folder / "good.yaml").write_text(SHORT)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["check", "FOLDER"],
        ["check", "--", "FOLDER/none.yaml", "-\x1b[31m"],
        ["check", "-\x1b[31m"],
        ["check", "FOLDER/good.yaml"],
        ["profiles", "--profiles", "FOLDER"],
        ["explain", "\x1b[31m", "--profiles", "FOLDER"],
        ["explain", "FOLDER/\x1b[31m.yaml"],
        ["simulate", "FOLDER/\x1b[31m.yaml"],
        ["simulate", "--replay", "FOLDER/\x1b[31m.gz"],
        ["new", "\x1b[31m", "--profiles", "FOLDER"],
        ["new", "mine", "--profiles", "FOLDER"],
        ["start", "--socket", "FOLDER/none"],
        ["off", "--socket", "FOLDER/none", "--state", "FOLDER"],
        ["\x1b[31m"],
    ],
    ids=" ".join,
)
def test_command_with_hostile_names_writes_nothing_that_a_terminal_acts_on(
    words: list[str], hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(*(word.replace("FOLDER", str(hostile)) for word in words))
    said = capsys.readouterr()
    shown = (said.out + said.err).split("\n")
    assert r"\x1b" in "".join(shown)
    assert all(line.isprintable() for line in shown)
    assert not any(line.startswith("* ready") for line in shown)


@contextmanager
def _stdout(fd: int) -> Iterator[None]:
    """`fd` in the place of standard output. Not a fixture: pytest captures each phase anew."""
    before = os.dup(1)
    os.dup2(fd, 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for fd in ends:
        os.close(fd)


def test_log_of_a_hostile_text_is_one_printable_line(pipe: tuple[int, int]) -> None:
    with _stdout(pipe[1]):
        serve._log(f"{ESCAPE}{FORGED}")
    assert os.read(pipe[0], 65536).decode() == f"{printable(ESCAPE + FORGED)}\n"


@pytest.fixture
def _no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def without_proc(path: str, *how: int) -> int:
        if path.startswith("/proc/"):
            raise FileNotFoundError(path)
        return real(path, *how)

    monkeypatch.setattr(os, "open", without_proc)


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_pipe_without_proc_is_written(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stdout(pipe[1]):
        serve._log("* ready")
        assert os.read(pipe[0], 65536) == b"* ready\n"
        monkeypatch.setattr(select, "PIPE_BUF", 512)  # as on macOS
        serve._log("é" * 3000)
    cut = os.read(pipe[0], 65536)
    assert len(cut) == 512
    assert cut.endswith(b"\n")


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_full_pipe_without_proc_drops_the_line_and_does_not_wait(
    pipe: tuple[int, int],
) -> None:
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * 4096)
    os.set_blocking(pipe[1], True)
    with _stdout(pipe[1]):
        serve._log("* ready")  # a test that hangs here has failed
    assert b"*" not in os.read(pipe[0], 1 << 20)


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_terminal_without_proc_is_written() -> None:
    master, slave = os.openpty()
    with _stdout(slave):
        serve._log("* ready")
    os.set_blocking(master, False)
    assert os.read(master, 65536) == b"* ready\r\n"
    os.close(master)
    os.close(slave)


def test_client_shows_a_daemons_answer_printable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stream:
        lines = iter([b"- \x1b[2J\r\n", b"ok \x1b[2J\r\n", b"err busy \x1b]0;owned\x07\r\n"])

        def write(self, data: bytes) -> None: ...

        def flush(self) -> None: ...

        def close(self) -> None: ...

        def readline(self) -> bytes:
            return next(self.lines)

    monkeypatch.setattr(commands, "find", lambda *_: Client(Stream(), "a", lambda: None))
    assert _run("send", "profiles") == 0
    assert capsys.readouterr().out == "- \\x1b[2J\nok \\x1b[2J\n"
    assert _run("select", "neck") == 1
    assert capsys.readouterr().err == "firmware-ctl: busy: \\x1b]0;owned\\x07\n"


def test_replay_of_an_input_that_no_recorder_writes_is_refused_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mat = Path(shipped.mat_file()).read_text()
    begin = {
        "incident": FORMAT,
        "program": "0.1.0",
        "since_ms": 0,
        "speed": 1.0,
        "selected": "",
        "trim": 100,
        "early_until_ms": None,
        "stopped_at_ms": None,
        "released": False,
        "spent": [0, None, False, ""],
        "damage": False,
        "barred": False,
        "mat": mat,
        "profiles": {},
    }
    row = [1, ESCAPE, None, "idle", [0] * 8, [0] * 8, []]
    lines = [begin, row, {"why": "x", "whole": False, "lines": 2}]
    path = tmp_path / "i.jsonl.gz"
    path.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    assert _run("simulate", "--replay", str(path)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{path}:2:1: the incident is damaged: no recorder writes this line\n"
