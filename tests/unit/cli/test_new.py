"""`new`: the names that it takes, and what it writes."""

from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.cli.templates import example
from firmware_ctl.config import shipped
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat


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


def test_new_example_is_valid_without_a_note_and_has_every_form(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", "every", "--example") == 0
    assert run("check", "every.yaml") == 0
    assert "note" not in capsys.readouterr().out
    text = (folder / "every.yaml").read_text()
    forms = ["- rest: 5s", "- repeat: 2", "      - repeat: 3", "lower_back.upper", "shuffle"]
    assert [form for form in [*forms, "period: {from: 4s, to: 8s}"] if form not in text] == []


@pytest.mark.parametrize(
    ("change", "targets"),
    [(" row: upper,", "lower_back.upper"), ("no rows", "neck.left"), ("one motor", "a")],
)
def test_example_suits_a_mat_with_and_without_rows_and_sides(change: str, targets: str) -> None:
    mat = load_mat(None)
    if change == "no rows":
        zones = [
            zone._replace(motors=tuple(motor._replace(row="") for motor in zone.motors))
            for zone in mat.zones
        ]
        mat = mat._replace(zones=tuple(zones))
    if change == "one motor":
        motor = mat.motors[0]._replace(zone="a", row="")
        mat = mat._replace(zones=(mat.zones[0]._replace(name="a", motors=(motor,)),))
    text = example(mat)
    assert f"play: {{{targets}: {{pattern: breathe" in text
    assert isinstance(read_entry("x", text.encode(), "x.yaml", mat), GoodEntry)


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
