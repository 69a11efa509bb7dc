"""What `edit` shows for each version of a file."""

from pathlib import Path

import pytest

from firmware_ctl.cli.edit import MISTAKES_SHOWN, Screen, version_lines
from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from firmware_ctl.timeline.catalogue import Entry, GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat

MAT = load_mat(shipped.mat_file())
PLAIN = Screen(80)
TERMINAL = Screen(80, is_terminal=True)
GOOD = b"title: Mine\nphases:\n  - {name: hum, for: 1min, play: {hips: 20%}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(data: bytes) -> Entry:
    Path("mine.yaml").write_bytes(data)
    return read_entry("mine", data, "mine.yaml", MAT)


def good() -> GoodEntry:
    entry = saved(GOOD)
    assert isinstance(entry, GoodEntry)
    return entry


def lines(entry: Entry | None, last_good: GoodEntry | None, screen: Screen) -> list[str]:
    return list(version_lines("mine.yaml", entry, last_good, MAT, screen))


def test_valid_version_shows_its_picture_and_its_certificate() -> None:
    shown = lines(good(), None, PLAIN)
    assert shown[0].startswith("hips ")
    assert "mine.yaml: valid" in shown
    assert shown[-1].startswith("  current ")


def test_mistakes_stand_above_the_last_valid_picture_on_a_terminal() -> None:
    last_good = good()
    shown = lines(saved(GOOD.replace(b"20%", b"20")), last_good, TERMINAL)
    assert shown[0].startswith("mine.yaml:3:41: level: 20 has no unit; write 20%")
    assert shown[3] == "\nthe last valid version:"
    assert shown[4].startswith("hips ")
    assert shown[-1] == "\nSave the file to see it again. Ctrl-C ends this."


def test_mistakes_without_a_terminal_have_no_picture() -> None:
    last_good = good()
    assert len(lines(saved(GOOD.replace(b"20%", b"20")), last_good, PLAIN)) == 3


def test_many_mistakes_are_cut_and_counted() -> None:
    data = GOOD + b"".join(b"k%d: 1\n" % i for i in range(20))
    shown = lines(saved(data), None, PLAIN)
    assert len(shown) == 3 * MISTAKES_SHOWN + 1
    assert shown[-1] == "15 more; all of them: firmware-ctl check mine.yaml"


def test_file_that_is_gone_is_a_sentence() -> None:
    assert lines(None, None, PLAIN) == [
        "mine.yaml cannot be read now; it is shown again after the next save"
    ]


def test_edit_of_a_missing_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["edit", "none.yaml"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "firmware-ctl: none.yaml cannot be read: there is no such file\n"
    )
