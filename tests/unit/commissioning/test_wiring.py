"""When `wiring` begins: its mat file, and the checks of an earlier `setup`."""

import argparse
import os
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import wiring
from firmware_ctl.commissioning.progress import FAILED, SKIPPED, UNFINISHED, Progress, progress_file
from firmware_ctl.commissioning.runner import BuilderError, Outcome
from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError
from tests.support.builder import QUICK


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The procedures that have begun. None of them asks or moves anything."""
    begun: list[str] = []

    def begin(name: str) -> Outcome:
        begun.append(name)
        return Outcome.DONE

    monkeypatch.setattr(wiring, "require_terminal", lambda _: None)
    monkeypatch.setattr(wiring, "run_motor_check", lambda context: begin("motors"))
    monkeypatch.setattr(wiring, "run_calibration", lambda context, zone: begin(zone))
    return begun


def run(tmp_path: Path, zone: str | None) -> int:
    mat = tmp_path / "mat.yaml"
    mat.write_text(QUICK)
    args = argparse.Namespace(mock=False, mat=str(mat), state=str(tmp_path), calibrate=zone)
    return wiring.wiring(args, guarded)


@pytest.mark.parametrize("word", [FAILED, UNFINISHED])
@pytest.mark.parametrize(
    ("check", "is_refused"),
    [
        ("stop switch", {None: True, "lower_back": True}),
        ("start button", {None: True, "lower_back": True}),
        ("wiring", {None: False, "lower_back": True}),
        ("calibrate lower_back", {None: False, "lower_back": False}),
    ],
)
@pytest.mark.parametrize("zone", [None, "lower_back"])
def test_wiring_refuses_to_run_a_motor_while_a_check_of_setup_has_failed(
    zone: str | None,
    check: str,
    is_refused: dict[str | None, bool],
    word: str,
    begun: list[str],
    tmp_path: Path,
) -> None:
    """Someone may lie on the mat in both procedures, as in those steps of `setup`."""
    Progress(progress_file(str(tmp_path))).put(check, word)
    if is_refused[zone]:
        with pytest.raises(BuilderError, match=f"nobody may lie on the mat: {check} failed"):
            run(tmp_path, zone)
        assert begun == []
    else:
        assert run(tmp_path, zone) == 0
        assert begun == [zone or "motors"]


def test_wiring_without_a_setup_or_with_a_skipped_check_begins(
    begun: list[str], tmp_path: Path
) -> None:
    assert run(tmp_path, "lower_back") == 0
    assert not os.path.exists(progress_file(str(tmp_path)))
    Progress(progress_file(str(tmp_path))).put("stop switch", SKIPPED)
    assert run(tmp_path, "lower_back") == 0


def test_wiring_that_cannot_read_the_checks_of_setup_begins_nothing(
    begun: list[str], tmp_path: Path
) -> None:
    os.mkfifo(progress_file(str(tmp_path)))
    with pytest.raises(BuilderError, match="setup cannot be read: "):
        run(tmp_path, "lower_back")
    assert begun == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name: Für mich".encode("latin-1"), "is not text in UTF-8; save it as UTF-8, then go on"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_create_mat_file_from_a_file_of_the_service_that_cannot_be_read(
    content: bytes | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "service.yaml"
    source.mkdir() if content is None else source.write_bytes(content)
    monkeypatch.setattr(paths, "SERVICE_MAT", str(source))
    with pytest.raises(DeviceError, match=sentence):
        wiring.create_mat_file(str(tmp_path / "mat.yaml"))
    assert not (tmp_path / "mat.yaml").exists()
