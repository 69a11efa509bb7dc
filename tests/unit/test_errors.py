"""Text from outside, on its way to a terminal or to the log."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.cli import client as commands
from firmware_ctl.cli.client import Client
from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from firmware_ctl.errors import (
    AuthorError,
    CallerError,
    DeviceError,
    FirmwareError,
    Mistake,
    printable,
)
from firmware_ctl.storage.flight_recorder import FORMAT
from tests.support.process import SHORT

ESCAPE = "\x1b]0;owned\x07\x1b[31mred"
FORGED = "a\n* ready firmware-ctl 9.9.9 protocol=9"


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@given(st.text())
def test_printable_turns_any_text_into_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()  # without half a surrogate pair, as a name that is not UTF-8 has


def test_printable_escapes_only_unprintable_characters() -> None:
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


def test_author_error_has_one_line_for_each_mistake() -> None:
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
def test_command_with_hostile_names_writes_only_printable_text(
    words: list[str], hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(*(word.replace("FOLDER", str(hostile)) for word in words))
    printed = capsys.readouterr()
    shown = (printed.out + printed.err).split("\n")
    assert r"\x1b" in "".join(shown)
    assert all(line.isprintable() for line in shown)
    assert not any(line.startswith("* ready") for line in shown)


def test_client_shows_answers_of_a_daemon_as_printable_text(
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


def test_replay_of_an_unknown_input_is_refused_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mat = Path(shipped.mat_file()).read_text()
    begin = {"incident": FORMAT, "program": "0.1.0", "can_replay": False, "mat": mat}
    values = {"state": "idle", "level_pct": [0] * 8, "duty_pct": [0] * 8, "kicks": []}
    row = {"at_ms": 1, "event": ESCAPE, **values}
    lines = [begin, row, {"why": "x", "whole": False, "lines": 2}]
    path = tmp_path / "i.jsonl.gz"
    path.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    assert _run("simulate", "--replay", str(path)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"{path}:2:1: the incident is damaged: no recorder writes this line\n"
