"""What `edit` says without watchdog. `tests/system/test_edit.py` watches real saves."""

import sys
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main


def test_edit_without_watchdog_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("title: x\nphases: [{name: a, for: 1s, play: {hips: 1%}}]\n")
    monkeypatch.delitem(sys.modules, "firmware_ctl.cli.file_watch", raising=False)
    monkeypatch.setitem(sys.modules, "watchdog.events", None)
    with pytest.raises(SystemExit) as ended:
        main(["edit", "mine.yaml"])
    assert ended.value.code == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith(
        "firmware-ctl: edit needs watchdog (extra edit), which is not installed: "
    )
