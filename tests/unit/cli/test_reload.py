"""The client of `systemctl reload`: what it gives up, and what it asks."""

import os
from pathlib import Path

import pytest

from firmware_ctl.cli import reload


def test_reload_gives_up_real_time_before_it_looks_for_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, int]] = []

    def schedule(process: int, policy: int, parameters: os.sched_param) -> None:
        assert capsys.readouterr() == ("", "")
        asked.append((process, policy))

    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    socket = str(tmp_path / "control.sock")
    with pytest.raises(SystemExit) as end:
        reload.run(["--socket", socket])
    assert asked == [(0, os.SCHED_OTHER)]
    assert end.value.code == 3
    assert socket in capsys.readouterr().err


def test_reload_in_a_sandbox_that_forbids_the_change_asks_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(SystemExit) as end:
        reload.run(["--socket", str(tmp_path / "control.sock")])
    assert end.value.code == 3
