"""The edges of the command line: what a person may write, and what the machine may lack."""

import json
import os
import stat
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from firmware_ctl import cli, places, shipped
from firmware_ctl.cli import main
from firmware_ctl.folder import find_profile, load_mat, read_catalogue, read_file, write_new
from tests.process import SHORT, Mock, call

SHIPPED = sorted(path.stem for path in Path(shipped.profiles_dir()).glob("*.yaml"))


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


# --- files whose name ends in .yml or .YAML ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good profile, and three that a daemon leaves out."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    for name in ("noon.yaml", "noon.yml", "evening.yml", "morning.YAML", ".hidden.yml"):
        (folder / name).write_text(SHORT)
    return folder


LEFT_OUT = {"evening.yml": "yml", "morning.YAML": "YAML", "noon.yml": "yml"}


def _sentences(folder: Path) -> list[str]:
    return [
        f"{folder}/{name}:1:1: a daemon leaves this file out; rename it to end in .yaml, "
        f"not .{ending}"
        for name, ending in LEFT_OUT.items()
    ]


def test_check_of_a_folder_names_each_file_that_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("check", str(folder)) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{folder}/noon.yaml: valid\n")
    assert said.out.count(": valid") == 1
    assert said.err.splitlines() == _sentences(folder)


def test_check_of_a_file_that_is_left_out_says_so_beside_its_mistakes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "evening.yml"
    path.write_text(SHORT.replace("level: 40%", "levle: 40%"))
    assert _run("check", str(path)) == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert first == _sentences(folder)[0]
    assert any("levle" in line for line in others)


def test_profiles_tells_what_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("profiles", "--profiles", str(folder)) == 1
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["noon"]
    assert said.err.splitlines()[:3] == _sentences(folder)


def test_catalogue_file_that_is_left_out_replaces_no_other(tmp_path: Path) -> None:
    (tmp_path / "neck.yml").write_text("rubbish")
    catalogue = read_catalogue([shipped.profiles_dir(), str(tmp_path)], load_mat(None))
    assert [entry.name for entry in catalogue.entries if entry.error is None] == SHIPPED


def test_daemon_tells_at_its_start_and_at_a_reload_what_is_left_out(
    tmp_path: Path, folder: Path
) -> None:
    with Mock(tmp_path, "--profiles", str(folder)) as mock:
        log = [line for line in mock.log.found if "leaves this file out" in line]
        assert log == _sentences(folder)
        (folder / "night.yml").write_text(SHORT)
        assert call(tmp_path, "send", "reload", "--socket", mock.socket).stdout == "ok count=1\n"
        mock.log.until(lambda line: line.startswith(f"{folder}/night.yml:1:1: a daemon leaves"))


# --- a profile by its name or its file ---


def test_check_takes_names_files_and_folders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "evening.yml").unlink()
    plain = folder / "plain"
    plain.write_text(SHORT)
    noon = str(folder / "noon.yaml")
    assert _run("check", "--json", "neck", noon, str(plain)) == 0
    found = [row["path"] for row in json.loads(capsys.readouterr().out)]
    assert found == [os.path.join(shipped.profiles_dir(), "neck.yaml"), noon, str(plain)]


def test_check_of_an_unknown_name_says_which_there_are_and_checks_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("check", "nonsense", "neck") == 2
    said = capsys.readouterr()
    assert said.out.count(": valid") == 1
    known = ", ".join(SHIPPED)
    assert said.err == f"firmware-ctl: there is no profile nonsense; there are: {known}\n"


def test_check_prefers_what_is_here_to_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neck").write_text(SHORT)
    assert _run("check", "neck") == 0
    assert capsys.readouterr().out.startswith("neck: valid")


@pytest.mark.parametrize("which", ["mine.yaml", "mine.yml", "MINE.YML", "./mine"])
def test_profile_by_its_file_is_no_name(which: str) -> None:
    assert find_profile(which) == which


# --- numbers with their unit ---


@pytest.mark.parametrize(("trim", "told"), [("70", "70%"), ("70%", "70%"), ("100%", "100%")])
def test_simulate_takes_a_trim_with_and_without_its_unit(
    trim: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("simulate", "neck", "--trim", trim) == 0
    assert f"  trim     {told}\n" in capsys.readouterr().out


@pytest.mark.parametrize("trim", ["9%", "101", "70%%", "%", "", "7e1", "-70", "9" * 5000])
def test_simulate_refuses_a_trim_that_is_none(
    trim: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("simulate", "neck", f"--trim={trim}") == 2
    assert f"{trim} is not a trim from 10 to 100 percent" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "speed"), [("60", 60), ("60x", 60), ("0.5x", 0.5)])
def test_speed_is_taken_with_and_without_its_unit(text: str, speed: float) -> None:
    assert cli._speed(text) == speed


# --- files that cannot be read or written ---


def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that makes a file and then has no room for what is in it."""
    real = open

    def opened(path: str, *how: str, **more: str) -> object:
        made = real(path, *how, **more)  # type: ignore[call-overload]
        made.close()
        return real("/dev/full", "w", **more)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", opened)


def test_new_on_a_full_disk_leaves_no_file_behind(
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


def test_new_never_writes_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    assert _run("new", "mine", "--profiles", str(tmp_path)) == 2
    assert path.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(40, "Loop")])
def test_file_that_the_kernel_does_not_show_is_not_called_missing(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link into a home of mode 0700, say. Root may look into it, so it is played."""

    def hidden(path: str) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", hidden)
        with pytest.raises(OSError, match=error.strerror):
            read_file(str(tmp_path))


def test_file_that_is_not_there_or_no_file_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_file(str(tmp_path / "none"))
    with pytest.raises(OSError, match="it is no file"):
        read_file(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    with pytest.raises(OSError, match="it is no file"):  # and it does not wait for a writer
        read_file(str(tmp_path / "fifo"))


# --- a terminal that knows few characters ---

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
def test_text_that_a_terminal_cannot_encode_is_spelt(
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


def test_help_of_check_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("check", "--help") == 0
    assert "names, files or folders" in capsys.readouterr().out


def test_service_folder_of_profiles_is_checked_by_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "profile_folders", lambda: [str(folder)])
    assert _run("check") == 1
    assert capsys.readouterr().err.splitlines() == _sentences(folder)
