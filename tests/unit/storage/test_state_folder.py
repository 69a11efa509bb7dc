"""The state folder: links and FIFOs in it that others may have put there, and killed mocks."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl.commissioning import terminal
from firmware_ctl.commissioning.first_evening import Progress
from firmware_ctl.commissioning.questions import Tuned
from firmware_ctl.config import shipped
from firmware_ctl.config.paths import ring_file
from firmware_ctl.errors import DeviceError
from firmware_ctl.storage import flight_recorder
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ledger import Ledger
from firmware_ctl.storage.ring import half_paths
from firmware_ctl.storage.state_folder import StateFolder, temporary_folder
from firmware_ctl.timeline.folder import load_mat
from tests.support.process import PATIENCE_S, Lines, call, command, environment
from tests.support.worlds_disk import NEW, OLD, THEN, AtOnce, written

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


@pytest.fixture
def private_file(tmp_path: Path) -> Iterator[Path]:
    """A file that no command may touch."""
    path = tmp_path / "roots"
    path.write_text("root's own")
    path.chmod(0o600)
    before = path.stat()
    yield path
    assert path.read_text() == "root's own"
    assert (path.stat().st_uid, path.stat().st_mode) == (before.st_uid, before.st_mode)


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
    (state / "ledger").write_bytes(written(OLD))
    put(state / "ledger.part", private_file)
    results: list[str] = []
    ledger = Ledger(str(state), AtOnce(), lambda call: call(), lambda: THEN)  # type: ignore[arg-type]
    ledger.save(NEW, results.append)
    assert results == [""]
    assert (state / "ledger").read_bytes() == written(NEW)
    assert os.listdir(state) == ["ledger"]


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_setup_progress_replaces_a_link_or_fifo_and_not_its_target(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    put(tmp_path / "setup.part", private_file)
    Progress(str(tmp_path / "setup")).put("motors", "done")
    assert Progress(str(tmp_path / "setup")).steps == {"motors": "done"}


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
    terminal.write(str(path), mat, {mat.motors[0].name: Tuned(33, 22)})
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


@pytest.mark.parametrize("put", [link, fifo])
def test_replay_of_a_link_or_fifo_is_refused_at_once(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    put(tmp_path / "incident.jsonl.gz", private_file)
    refused = call(tmp_path, "simulate", "--replay", str(tmp_path / "incident.jsonl.gz"))
    assert refused.returncode == 2
    assert f"the incident {tmp_path}/incident.jsonl.gz cannot be read: " in refused.stderr


def test_trace_that_is_a_link_or_fifo_is_refused_at_once(
    private_file: Path, tmp_path: Path
) -> None:
    for put in (link, hard_link, fifo):
        path = tmp_path / "t.jsonl"
        put(path, private_file)
        refused = call(tmp_path, "mock", "--no-view", "--trace", str(path))
        assert refused.returncode == 2
        assert f"the trace {path} cannot be written: " in refused.stderr
        path.unlink()


# --- a mock without --state


def start_and_kill_mock(env: dict[str, str]) -> None:
    process = subprocess.Popen(
        command("mock", "--no-view"), env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    Lines(process.stdout.fileno()).until(lambda line: line.startswith("* ready"))
    process.kill()
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    process.stdout.close()


def test_mock_that_is_killed_leaves_no_shared_memory_and_the_next_removes_its_folder(
    tmp_path: Path,
) -> None:
    env = environment(tmp_path) | {"TMPDIR": str(tmp_path)}
    for _ in range(2):
        start_and_kill_mock(env)
        (folder,) = tmp_path.glob("firmware-ctl-mock-*")
        assert not any(map(os.path.exists, half_paths(ring_file(str(folder)))))


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
