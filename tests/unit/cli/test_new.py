"""`new`: the names that it takes, and what it writes."""

from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("word", ["mine", "mine.yaml"])
def test_new_takes_the_name_or_the_file(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("new", word) == 0
    assert capsys.readouterr() == (
        "mine.yaml is written; edit it, then: firmware-ctl check mine.yaml\n",
        "",
    )
    assert run("check", "mine.yaml") == 0


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("Mine", "use lower case: mine"),
        ("Mine.yaml", "use lower case: mine"),
        ("My Own", "write my-own"),
        ("my_own", "write my-own"),
        ("m\u00fcde", "use 1 to 32 characters of a-z, 0-9 and '-'"),
    ],
)
def test_new_with_an_invalid_name_proposes_the_one_that_is_meant(
    word: str, advice: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", word) == 2
    assert capsys.readouterr().err.endswith(f" is not a valid name; {advice}\n")
    assert list(folder.iterdir()) == []


def test_new_in_a_missing_folder_names_the_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", "a", "--profiles", "nodir") == 2
    sentence = "nodir/a.yaml cannot be written: there is no folder nodir; make it first"
    assert capsys.readouterr().err == f"firmware-ctl: {sentence}\n"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("word", ["", ".yaml"])
def test_new_without_a_name_asks_for_one(
    word: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", word) == 2
    assert "the name is empty; write for example" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_new_with_the_name_of_a_shipped_profile_notes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("new", "lower-back") == 0
    other = Path(shipped.profiles_dir()) / "lower-back.yaml"
    assert capsys.readouterr().err == (
        f"firmware-ctl: note: {other} has this name, too; commands find that one by the name "
        "lower-back, and yours by lower-back.yaml\n"
    )


def test_new_writes_the_schema_beside_the_file_so_that_both_can_move(folder: Path) -> None:
    assert run("new", "mine") == 0
    first, _, _ = (folder / "mine.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=./profile.schema.json"
    shipped_schema = Path(shipped.profiles_dir()) / "profile.schema.json"
    assert (folder / "profile.schema.json").read_text() == shipped_schema.read_text()


def test_new_keeps_a_schema_that_is_there(folder: Path) -> None:
    (folder / "profile.schema.json").write_text("{}")
    assert run("new", "mine") == 0
    assert (folder / "profile.schema.json").read_text() == "{}"
