"""`import`: the file that it writes, and what it refuses."""

from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from tests.unit.importing.examples import ahap, event, funscript


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Heart beat.v2.ahap").write_bytes(ahap(event(0, 2, 0.5)))
    return tmp_path


def test_import_writes_a_profile_that_check_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "Heart beat.v2.ahap") == 0
    out, err = capsys.readouterr()
    assert out == (
        "heart-beat.yaml is written, 0:02 min; see it: firmware-ctl edit heart-beat.yaml\n"
    )
    assert err == (
        "firmware-ctl: note: 4 points became 4 frames\n"
        "firmware-ctl: note: the soft start keeps the first levels lower: they climb by 25% a second\n"
        "firmware-ctl: note: the strongest level is 60%; all allows 60%\n"
    )
    assert Path("profile.schema.json").is_file()
    assert run("check", "heart-beat.yaml") == 0


def test_import_never_replaces_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("mine")
    assert run("import", "Heart beat.v2.ahap", "--name", "mine") == 2
    assert Path("mine.yaml").read_text() == "mine"
    assert capsys.readouterr().err == (
        "firmware-ctl: mine.yaml is there already; choose another name or edit it\n"
    )


def test_import_to_standard_output_writes_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert run("import", "Heart beat.v2.ahap", "--out", "-", "--target", "hips.left") == 0
    assert "      hips.left:\n" in capsys.readouterr().out
    assert sorted(folder.iterdir()) == before


def test_import_takes_the_name_from_the_file_to_write(folder: Path) -> None:
    (folder / "sub").mkdir()
    assert run("import", "Heart beat.v2.ahap", "--out", "sub/calm.yaml") == 0
    assert 'title: "calm, from AHAP"' in (folder / "sub/calm.yaml").read_text()


def test_import_for_a_zone_that_is_not_there_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(shipped.mat_file()).read_text().replace("present: true", "present: false", 1)
    Path("mat.yaml").write_text(text)
    words = ("--mat", "mat.yaml", "--target", "neck", "--out", "-")
    assert run("import", "Heart beat.v2.ahap", *words) == 0
    assert capsys.readouterr().err.endswith(
        "firmware-ctl: note: neck is not present on this mat: its motors stay off\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.ahap"], "none.ahap cannot be read: there is no such file"),
        (["."], ". gives no name for a profile; name it: --name mine"),
        (["back.funscript"], "back.funscript: actions[1].at: 5 goes back; the action before it is at 9"),
        (["Heart beat.v2.ahap", "--name", "Mine"], "name: Mine is not a valid name; use lower case: mine"),
        (["Heart beat.v2.ahap", "--out", "a.txt"], "the file of the profile a must be a.yaml, and not a.txt"),
        (["Heart beat.v2.ahap", "--out", "x/a.yaml"], "x/a.yaml cannot be written: there is no folder x; make it first"),
    ],
)  # fmt: skip
def test_import_that_is_not_possible_is_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("back.funscript").write_bytes(funscript((9, 1), (5, 1)))
    assert run("import", *words) == 2
    assert capsys.readouterr().err == f"firmware-ctl: {sentence}\n"
