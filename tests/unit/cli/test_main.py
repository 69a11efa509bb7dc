"""The command line: arguments, unknown commands, files and terminals that do not work."""

import os
import stat
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from firmware_ctl.cli.arguments import speed
from firmware_ctl.cli.main import main
from firmware_ctl.cli.parser import COMMANDS, make_parser
from firmware_ctl.config.patterns import AFTER, PATTERNS, Key
from firmware_ctl.config.quantities import in_units
from firmware_ctl.timeline.folder import read_file, write_new
from tests.support.process import SHORT


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


# --- commands and options ---


@pytest.mark.parametrize(
    ("words", "proposal"),
    [
        (["statu"], " did you mean 'status'?"),
        (["simulat", "neck"], " did you mean 'simulate'?"),
        (["Status"], " did you mean 'status'?"),
        (["version"], " did you mean '--version'?"),
        (["nonsense"], ""),
        (["stup"], " did you mean 'setup'?"),
        (["stpo", "--help"], " did you mean 'stop'?"),
        ([""], ""),
    ],
)
def test_unknown_command_is_one_sentence_with_the_closest_command(
    words: list[str], proposal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*words) == 2
    assert capsys.readouterr() == (
        "",
        f"firmware-ctl: unknown command '{words[0]}';{proposal} "
        "`firmware-ctl --help` lists all commands.\n",
    )


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_every_command_and_the_exit_codes(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("    ")]
    assert listed == list(COMMANDS)
    assert "exit codes:" in lines
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_an_example_that_is_accepted(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(name, "--help") == 0
    printed = capsys.readouterr().out
    assert printed.endswith(f"example:\n  {COMMANDS[name].example}\n")
    words = COMMANDS[name].example.partition(">")[0].removeprefix("sudo ").split()
    assert words[:2] == ["firmware-ctl", name]
    assert callable(make_parser().parse_args(words[1:]).run)


def test_help_of_try_lists_every_pattern_with_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    def described(key: Key) -> str:
        shown = str if key.is_count else in_units
        default = "" if key.default is None else f" ({shown(key.default)})"
        return f" {key.name}{default}"

    assert _run("try", "--help") == 0
    printed = capsys.readouterr().out
    listed = printed.partition("parentheses:\n")[2].partition("\nevery pattern")[0]
    assert [" ".join(line.split()) for line in listed.splitlines()] == [
        f"{kind.name}{''.join(map(described, kind.keys))}"
        for kind in PATTERNS.values()
        if kind.course is not None
    ]
    assert f"every pattern takes{described(AFTER)}, too" in printed


@pytest.mark.parametrize("name", ["wiring", "setup"])
def test_help_of_a_builders_command_says_what_will_happen(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(name, "--help") == 0
    printed = capsys.readouterr().out
    paragraphs = printed.split("\n\n")
    assert paragraphs[1] == COMMANDS[name].about
    assert len(paragraphs[2].splitlines()) == 4
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nonsense"], "firmware-ctl: error: the following arguments are required: COMMAND"),
        (["check", "--nonsense"], "firmware-ctl: error: unrecognized arguments: --nonsense"),
        (["select"], "firmware-ctl select: error: the following arguments are required: NAME"),
        (["try", "hips"], "try: error: the following arguments are required: PATTERN, LEVEL\n"),
        (["service", "status"], "argument action: invalid choice: 'status'"),
        (["mock", "--inject", "fire"], "argument --inject: unknown fault fire; known: hang, gil,"),
    ],
)
def test_wrong_arguments_exit_2_with_usage_and_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*words) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("usage: firmware-ctl ")
    assert sentence in printed


# --- numbers with a unit ---


@pytest.mark.parametrize(("trim", "printed"), [("70", "70%"), ("70%", "70%")])
def test_simulate_accepts_a_trim_with_and_without_unit(
    trim: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("simulate", "neck", "--trim", trim) == 0
    assert f"  trim     {printed}\n" in capsys.readouterr().out


def test_simulate_without_a_trim_prints_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("simulate", "neck", "--trim", "100%") == 0
    assert "trim" not in capsys.readouterr().out


@pytest.mark.parametrize("trim", ["9%", "101", "70%%", "%", "", "7e1", "-70", "9" * 5000])
def test_simulate_refuses_an_invalid_trim(trim: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("simulate", "neck", f"--trim={trim}") == 2
    assert f"{trim} is not a trim from 10 to 100 percent" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "factor"), [("60", 60), ("60x", 60), ("0.5x", 0.5)])
def test_speed_is_accepted_with_and_without_unit(text: str, factor: float) -> None:
    assert speed(text) == factor


# --- files that cannot be read or written ---


def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a full disk: a file can be created, but nothing can be written to it."""
    real = open

    def open_full(path: str, *mode: str, **options: str) -> object:
        real(path, *mode, **options).close()  # type: ignore[call-overload]
        return real("/dev/full", "w", **options)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", open_full)


def test_new_on_a_full_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    with monkeypatch.context() as full:
        _full(full)
        with pytest.raises(OSError, match=f"{path} cannot be written: No space left on device"):
            write_new(str(path), "text")
    assert list(tmp_path.iterdir()) == []
    assert _run("new", "mine", "--profiles", str(tmp_path)) == 0
    assert path.read_text().startswith("# yaml-language-server")


def test_new_does_not_overwrite_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    assert _run("new", "mine", "--profiles", str(tmp_path)) == 2
    assert path.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(40, "Loop")])
def test_file_that_cannot_be_examined_is_not_reported_as_missing(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example a link into a home of mode 0700. Root may follow it, so the error is simulated."""

    def hidden(path: str) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", hidden)
        with pytest.raises(OSError, match=error.strerror):
            read_file(str(tmp_path))


def test_missing_file_and_special_file_are_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_file(str(tmp_path / "none"))
    with pytest.raises(OSError, match="it is no file"):
        read_file(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    with pytest.raises(OSError, match="it is no file"):  # without waiting for a writer
        read_file(str(tmp_path / "fifo"))


# --- a terminal with few characters ---

DASH = "\u2013"


@pytest.mark.parametrize(
    "words",
    [
        ["profiles", "--profiles", "FOLDER"],
        ["explain", "FOLDER/mine.yaml"],
        ["simulate", "FOLDER/mine.yaml"],
        ["check", "FOLDER/mine.yaml"],
        ["check", "FOLDER/wrong.yaml"],
        ["check", f"FOLDER/{DASH}.yaml"],
        ["explain", DASH],
        [DASH],
        ["explain", "neck", f"--{DASH}"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_text_that_a_terminal_cannot_encode_is_escaped(
    words: list[str], encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = SHORT.replace("Short", f"Neck {DASH} ten").replace("swell", f"a {DASH} b")
    (tmp_path / "mine.yaml").write_text(good)
    (tmp_path / "wrong.yaml").write_text(good.replace("level", f"l{DASH}vel"))
    streams = [TextIOWrapper(BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert _run(*(word.replace("FOLDER", str(tmp_path)) for word in words)) in (0, 1, 2)
    written = b""
    for stream in streams:
        stream.flush()
        written += stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"Traceback" not in written
    assert (rb"\u2013" in written) == (words != ["check", "FOLDER/mine.yaml"])
