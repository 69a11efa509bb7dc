"""How `check`, `explain`, `simulate` and `profiles` find profiles by names, files and folders."""

import json
import os
import re
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import paths, shipped
from firmware_ctl.timeline.folder import find_profile, load_mat, read_catalogue
from tests.support.process import SHORT
from tests.support.wrong_endings import sentences, write_profiles

SHIPPED = sorted(path.stem for path in Path(shipped.profiles_dir()).glob("*.yaml"))


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


# --- files whose name ends in .yml or .YAML ---


def mistakes_in(printed: str) -> list[str]:
    """The sentences of mistakes, without the lines of the files and the summary."""
    return [line for line in printed.splitlines() if re.search(r":\d+:\d+: ", line)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_profiles(tmp_path / "profiles")


def test_check_of_a_folder_names_each_file_with_a_wrong_ending(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("check", str(folder)) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{folder}/noon.yaml: valid\n")
    assert printed.out.count(": valid") == 1
    assert mistakes_in(printed.err) == sentences(folder)
    assert printed.err.splitlines()[-1] == "3 mistakes in 3 of 4 files"


def test_check_of_a_file_with_a_wrong_ending_reports_that_and_its_mistakes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "evening.yml"
    path.write_text(SHORT.replace("level: 40%", "levle: 40%"))
    assert _run("check", str(path)) == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert first == sentences(folder)[0]
    assert any("levle" in line for line in others)


@pytest.mark.parametrize("name", ["ok.yml", "ok.YAML", "ok.txt", "ok", "ok.yaml.bak", "ok.yaml~"])
@pytest.mark.parametrize("verb", ["check", "mock"])
def test_every_ending_but_yaml_has_the_same_answer(
    verb: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(SHORT)
    words = [verb, str(path), *(["--socket", str(tmp_path / "s")] if verb == "mock" else [])]
    assert _run(*words) != 0
    sentence = f"{path}:1:1: a daemon leaves this file out; rename it to ok.yaml"
    assert mistakes_in(capsys.readouterr().err) == [sentence]


def test_check_of_a_folder_notes_profiles_with_the_endings_of_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ok.yaml", "late.txt", "ok.yaml.bak", ".hidden.txt"):
        (tmp_path / name).write_text(SHORT)
    (tmp_path / "README.md").write_text("My profiles have phases:\n")
    assert _run("check", str(tmp_path)) == 0
    note = "firmware-ctl: note:"
    assert capsys.readouterr().err == (
        f"{note} {tmp_path}/late.txt is left out of this folder; rename it to late.yaml\n"
        f"{note} {tmp_path}/ok.yaml.bak is left out of this folder; rename it to end in .yaml, but "
        "not to ok.yaml, which is there already\n"
    )


def test_profiles_names_each_file_with_a_wrong_ending(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("profiles", "--profiles", str(folder)) == 1
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["noon"]
    assert mistakes_in(printed.err) == sentences(folder)


def test_file_with_a_wrong_ending_does_not_replace_a_shipped_profile(tmp_path: Path) -> None:
    (tmp_path / "neck.yml").write_text("rubbish")
    catalogue = read_catalogue([shipped.profiles_dir(), str(tmp_path)], load_mat(None))
    assert [entry.name for entry in catalogue.good] == SHIPPED


# --- profiles by name or by file ---


def test_check_takes_names_files_and_folders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (*folder.glob("*.yml"), *folder.glob("*.YAML")):
        path.unlink()
    noon, short = str(folder / "noon.yaml"), str(folder.parent / "short.yaml")
    Path(short).write_text(SHORT)
    assert _run("check", "--json", "neck", short, str(folder)) == 0
    checked = [row["path"] for row in json.loads(capsys.readouterr().out)]
    assert checked == [os.path.join(shipped.profiles_dir(), "neck.yaml"), short, noon]


def test_check_of_an_unknown_name_lists_the_known_and_checks_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("check", "nonsense", "neck") == 2
    printed = capsys.readouterr()
    assert printed.out.count(": valid") == 1
    known = ", ".join(SHIPPED)
    assert printed.err == f"firmware-ctl: there is no profile nonsense; there are: {known}\n"


def test_check_prefers_a_file_in_this_folder_to_a_profile_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neck").write_text(SHORT)
    assert _run("check", "neck") == 1
    sentence = "neck:1:1: a daemon leaves this file out; rename it to neck.yaml\n"
    assert capsys.readouterr().err.startswith(sentence)


@pytest.mark.parametrize("words", [["explain", "neck"], ["simulate", "neck"], ["profiles", "neck"]])
def test_other_commands_prefer_a_file_in_this_folder_as_well(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neck").write_text(SHORT.replace("level: 40%", "levle: 40%"))
    assert _run(*words) == 1
    assert capsys.readouterr().err.startswith("neck:5:")


@pytest.mark.parametrize("verb", ["check", "explain", "simulate", "profiles"])
@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("mine", "; did you mean the file mine.yaml?"),
        ("nekc", "; did you mean neck?"),
        ("Neck", "; did you mean neck?"),
        ("nonsense", ""),
    ],
)
def test_unknown_name_is_answered_with_the_known_and_the_closest(
    verb: str,
    name: str,
    proposal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SHORT)
    assert _run(verb, name) == 2
    known = ", ".join(SHIPPED) + proposal
    assert capsys.readouterr() == (
        "",
        f"firmware-ctl: there is no profile {name}; there are: {known}\n",
    )


@pytest.mark.parametrize("verb", ["check", "explain", "simulate", "profiles"])
@pytest.mark.parametrize(
    ("path", "proposal"),
    [
        ("mien.yaml", "; did you mean mine.yaml?"),
        ("mine.yml", "; did you mean mine.yaml?"),
        ("./Mine.yaml", "; did you mean ./mine.yaml?"),
        ("hips.yaml", "; did you mean the profile hips?"),
        ("other/mine.yaml", ""),
    ],
)
def test_missing_file_is_answered_with_the_closest(
    verb: str,
    path: str,
    proposal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SHORT)
    assert _run(verb, path) == 2
    sentence = f"{path} cannot be read: there is no such file{proposal}"
    assert capsys.readouterr() == ("", f"firmware-ctl: {sentence}\n")


@pytest.mark.parametrize("verb", ["check", "explain", "simulate", "profiles", "mock"])
def test_link_that_leads_nowhere_is_said_to_be_one(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dangling.yaml").symlink_to("nowhere.yaml")
    assert _run(verb, "dangling.yaml") == 2
    sentence = "dangling.yaml cannot be read: it is a link to nowhere.yaml, which does not exist"
    assert capsys.readouterr() == ("", f"firmware-ctl: {sentence}\n")


@pytest.mark.parametrize("verb", ["explain", "simulate", "profiles"])
def test_folder_in_the_place_of_a_file_is_named_as_such(
    verb: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neck").mkdir()
    (tmp_path / "mine").mkdir()
    assert _run(verb, "mine") == 2
    assert capsys.readouterr().err == "firmware-ctl: mine is a folder; name one file of it\n"
    assert _run(verb, "neck") == 0


@pytest.mark.parametrize("path", ["mine.yaml", "mine.yml", "MINE.YML", "./mine"])
def test_find_profile_returns_a_path_unchanged(path: str) -> None:
    assert find_profile(path) == path


# --- check without arguments ---

FALLBACK = "what a daemon serves, as this folder has no profiles:"


def test_help_of_check_says_what_it_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("check", "--help") == 0
    assert "names, files or folders" in capsys.readouterr().out


def test_check_without_arguments_checks_the_profiles_of_this_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert _run("check") == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("noon.yaml: valid\n")
    assert mistakes_in(printed.err) == [
        sentence.removeprefix(f"{folder}/") for sentence in sentences(folder)
    ]


@pytest.mark.parametrize("text", [None, "services: {}\n"])
def test_check_without_arguments_elsewhere_checks_what_a_daemon_serves(
    text: str | None,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    if text is not None:
        (tmp_path / "elsewhere" / "compose.yaml").write_text(text)
    monkeypatch.setattr(paths, "profile_folders", lambda: [str(folder)])
    assert _run("check") == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert (first, mistakes_in("\n".join(others))) == (FALLBACK, sentences(folder))


def test_check_without_arguments_in_a_removed_folder_checks_what_a_daemon_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert _run("check") == 0
    assert capsys.readouterr().err.splitlines() == [FALLBACK]
