"""The state folder: whose files are opened there, and what a mock leaves behind."""

import mmap
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl import incident, shipped, workbench
from firmware_ctl.disk import Disk
from firmware_ctl.errors import DeviceError
from firmware_ctl.folder import load_mat
from firmware_ctl.ledger import Ledger
from firmware_ctl.places import ring_file
from firmware_ctl.setup import Progress
from firmware_ctl.state import StateFolder, temporary_folder
from firmware_ctl.wiring import Tuned
from tests.process import PATIENCE_S, Lines, call, command, environment
from tests.test_ledger import NEW, OLD, THEN, written
from tests.worlds_disk import AtOnce

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[Path]:
    """A file that no command may touch."""
    path = tmp_path / "roots"
    path.write_text("root's own")
    path.chmod(0o600)
    before = path.stat()
    yield path
    assert path.read_text() == "root's own"
    assert (path.stat().st_uid, path.stat().st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.parametrize("made", [link, hard_link, fifo])
def test_lock_that_is_another_file_is_refused_and_left_alone(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    made(state / "lock", roots)
    with pytest.raises(DeviceError, match=r"cannot be used: (it is|Too many levels)"):
        StateFolder(str(state))


@needs_root
def test_lock_that_root_makes_is_the_folders_owners(tmp_path: Path) -> None:
    os.chown(tmp_path, STRANGER, STRANGER)
    StateFolder(str(tmp_path)).close()
    found = (tmp_path / "lock").stat()
    assert (found.st_uid, found.st_gid) == (STRANGER, STRANGER)


def test_lock_that_names_no_process_is_told_as_unknown(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("\x1b]0;owned\x07\n* ready")
    folder = StateFolder(str(tmp_path))
    assert folder.killed == "unknown"
    folder.close()


@pytest.mark.parametrize("made", [link, hard_link, fifo])
def test_ledger_is_written_through_nothing_that_lies_in_its_way(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger").write_bytes(written(OLD))
    made(state / "ledger.part", roots)
    told: list[str] = []
    ledger = Ledger(str(state), AtOnce(), lambda call: call(), lambda: THEN)  # type: ignore[arg-type]
    ledger.save(NEW, told.append)
    assert told == [""]
    assert (state / "ledger").read_bytes() == written(NEW)
    assert os.listdir(state) == ["ledger"]


@pytest.mark.parametrize("made", [link, hard_link, fifo])
def test_progress_of_setup_is_written_through_nothing_that_lies_in_its_way(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    made(tmp_path / "setup.part", roots)
    Progress(str(tmp_path / "setup")).put("motors", "done")
    assert Progress(str(tmp_path / "setup")).steps == {"motors": "done"}


@pytest.mark.parametrize("made", [link, fifo])
def test_progress_of_setup_that_is_no_regular_file_is_refused_at_once(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    made(tmp_path / "setup", roots)
    with pytest.raises(OSError, match=r"it is not a regular file|Too many levels") as refused:
        Progress(str(tmp_path / "setup"))
    assert refused.value.filename == str(tmp_path / "setup")


@pytest.mark.parametrize("made", [link, hard_link, fifo])
def test_mat_file_with_new_duties_is_written_through_nothing_that_lies_in_its_way(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mat.yaml"
    path.write_bytes(Path(shipped.mat_file()).read_bytes())
    mat = load_mat(str(path))
    for name in ("mat.yaml.before", "mat.yaml.part"):
        made(tmp_path / name, roots)
    workbench.write(str(path), mat, {mat.motors[0].name: Tuned(33, 22)})
    assert load_mat(str(path)).motors[0].start_pct == 33
    assert (tmp_path / "mat.yaml.before").read_bytes() == mat.source


@pytest.mark.parametrize("made", [link, hard_link, fifo])
def test_incident_is_written_through_nothing_that_lies_in_its_way(
    made: Callable[[Path, Path], None],
    roots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setattr("time.strftime", lambda *_: "now")
    made(state / "incident-now-why.jsonl.gz.part", roots)
    monkeypatch.setattr(incident, "lines", lambda ring, why: [b"{}"])
    said: list[str] = []
    disk = Disk(said.append)
    incident.Shelf(str(state), disk, said.append).keep("why", b"ring")
    disk.close()
    assert os.listdir(state) == ["incident-now-why.jsonl.gz"]


@pytest.mark.parametrize("made", [link, fifo])
def test_replay_of_what_is_no_regular_file_is_refused_at_once(
    made: Callable[[Path, Path], None], roots: Path, tmp_path: Path
) -> None:
    made(tmp_path / "incident.jsonl.gz", roots)
    refused = call(tmp_path, "simulate", "--replay", str(tmp_path / "incident.jsonl.gz"))
    assert refused.returncode == 2
    assert f"the incident {tmp_path}/incident.jsonl.gz cannot be read: " in refused.stderr


def test_ring_that_is_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = incident.Ring(str(tmp_path / "other"), 8)
    path.symlink_to(tmp_path / "other")
    assert incident.left_behind(str(tmp_path / "other"), str(os.getpid()))
    assert incident.left_behind(str(path), str(os.getpid())) == b""
    path.unlink()
    os.mkfifo(path)
    assert incident.left_behind(str(path), str(os.getpid())) == b""
    ring.close()


def test_ring_that_is_another_daemons_by_now_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = incident.Ring(str(path), 8)
    path.rename(tmp_path / "old")
    path.touch()
    ring.close()
    assert path.exists()


def test_ring_without_a_file_is_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it opens a file"))
    ring = incident.Ring("", 8)
    assert isinstance(ring._map, mmap.mmap)
    ring.begin({"incident": 2})
    ring.close()


def test_trace_that_is_no_file_of_its_own_is_refused_at_once(roots: Path, tmp_path: Path) -> None:
    for made in (link, hard_link, fifo):
        path = tmp_path / "t.jsonl"
        made(path, roots)
        refused = call(tmp_path, "mock", "--no-view", "--trace", str(path))
        assert refused.returncode == 2
        assert f"the trace {path} cannot be written: " in refused.stderr
        path.unlink()


# --- a mock without --state


def killed(tmp_path: Path, env: dict[str, str]) -> None:
    process = subprocess.Popen(
        command("mock", "--no-view"), env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    Lines(process.stdout.fileno()).until(lambda line: line.startswith("* ready"))
    process.kill()
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    process.stdout.close()


def test_mock_that_is_killed_leaves_no_memory_and_its_folder_goes_with_the_next(
    tmp_path: Path,
) -> None:
    env = environment(tmp_path) | {"TMPDIR": str(tmp_path)}
    for _ in range(2):
        killed(tmp_path, env)
        (left,) = tmp_path.glob("firmware-ctl-mock-*")
        assert not os.path.exists(ring_file(str(left)))


def test_temporary_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(DeviceError, match="no folder can be made for the state: No such file"):
        temporary_folder().__enter__()


def test_temporary_folder_leaves_those_of_living_mocks_and_of_others(
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
