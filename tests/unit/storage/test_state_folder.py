"""The state folder: links and FIFOs in it that others may have put there, and the folders of mocks."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl.commissioning import wiring
from firmware_ctl.commissioning.calibration import MeasuredDuties
from firmware_ctl.commissioning.first_evening import Progress
from firmware_ctl.config import shipped
from firmware_ctl.errors import DeviceError
from firmware_ctl.storage import flight_recorder
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ledger import Ledger
from firmware_ctl.storage.state_folder import StateFolder, temporary_folder
from firmware_ctl.timeline.folder import load_mat
from tests.support.traps import fifo, hard_link, link, untouched
from tests.support.worlds_disk import NEW, OLD, THEN, AtOnce, ledger_bytes

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def private_file(tmp_path: Path) -> Iterator[Path]:
    yield from untouched(tmp_path / "roots")


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_lock_that_is_another_file_is_refused_and_not_written(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    put(state / "lock", private_file)
    with pytest.raises(DeviceError, match=r"cannot be used: (it is|Too many levels)"):
        StateFolder(str(state))


@needs_root
def test_lock_created_by_root_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, STRANGER, STRANGER)
    StateFolder(str(tmp_path)).close()
    status = (tmp_path / "lock").stat()
    assert (status.st_uid, status.st_gid) == (STRANGER, STRANGER)


def test_lock_without_a_process_number_reports_an_unknown_process(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("\x1b]0;owned\x07\n* ready")
    folder = StateFolder(str(tmp_path))
    assert folder.killed == "unknown"
    folder.close()


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_ledger_save_replaces_a_link_or_fifo_and_not_its_target(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger").write_bytes(ledger_bytes(OLD))
    put(state / "ledger.part", private_file)
    results: list[str] = []
    ledger = Ledger(str(state), AtOnce(), lambda call: call(), lambda: THEN)  # type: ignore[arg-type]
    ledger.save(NEW, results.append)
    assert results == [""]
    assert (state / "ledger").read_bytes() == ledger_bytes(NEW)
    assert os.listdir(state) == ["ledger"]


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_setup_progress_replaces_a_link_or_fifo_and_not_its_target(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    put(tmp_path / "setup.part", private_file)
    Progress(str(tmp_path / "setup")).put("motors", "done")
    assert Progress(str(tmp_path / "setup")).word("motors") == "done"


@pytest.mark.parametrize("put", [link, fifo])
def test_setup_progress_that_is_not_a_regular_file_is_refused_at_once(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    put(tmp_path / "setup", private_file)
    with pytest.raises(OSError, match=r"it is not a regular file|Too many levels") as refused:
        Progress(str(tmp_path / "setup"))
    assert refused.value.filename == str(tmp_path / "setup")


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_mat_file_with_new_duties_replaces_a_link_or_fifo_and_not_its_target(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mat.yaml"
    path.write_bytes(Path(shipped.mat_file()).read_bytes())
    mat = load_mat(str(path))
    for name in ("mat.yaml.before", "mat.yaml.part"):
        put(tmp_path / name, private_file)
    wiring.write_duties(str(path), mat, {mat.motors[0].name: MeasuredDuties(33, 22)})
    assert load_mat(str(path)).motors[0].start_pct == 33
    assert (tmp_path / "mat.yaml.before").read_bytes() == mat.source


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_incident_replaces_a_link_or_fifo_and_not_its_target(
    put: Callable[[Path, Path], None],
    private_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setattr("time.strftime", lambda *_: "now")
    put(state / "incident-now-why.jsonl.gz.part", private_file)
    monkeypatch.setattr(flight_recorder, "lines", lambda halves, why: [b"{}\n"])
    disk = Disk(pytest.fail)
    flight_recorder.Shelf(str(state), disk, lambda sentence: None).keep("why", [])
    disk.close()
    assert os.listdir(state) == ["incident-now-why.jsonl.gz"]


# --- a mock without --state


def test_temporary_folder_that_cannot_be_made_gives_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(DeviceError, match="no folder can be made for the state: No such file"):
        temporary_folder().__enter__()


def test_temporary_folder_removes_only_the_folders_of_killed_mocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = ["living", "starting", "unlocked", "dead", "linked"]
    folders = {name: tmp_path / f"firmware-ctl-mock-{name}" for name in names}
    for name in names[:-1]:
        folders[name].mkdir()
    living = StateFolder(str(folders["living"]))
    (folders["unlocked"] / "lock").touch()
    (folders["dead"] / "lock").write_text("123\n")
    (folders["dead"] / "ledger").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "lock").write_text("123\n")
    folders["linked"].symlink_to(outside)
    (tmp_path / "firmware-ctl-0").mkdir()
    with temporary_folder() as own:
        assert os.path.dirname(own) == str(tmp_path)
        assert not folders["dead"].exists()
    assert not os.path.exists(own)
    living.close()
    assert {path.name for path in tmp_path.iterdir()} == {
        "firmware-ctl-0",
        "outside",
        *(folders[name].name for name in names if name != "dead"),
    }
    assert (outside / "lock").exists()
