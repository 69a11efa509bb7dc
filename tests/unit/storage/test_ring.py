"""The ring's files: what the next daemon finds of them, and whose they are."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.session.events import Start, Trim
from firmware_ctl.simulator.replay import replay
from firmware_ctl.storage import ring
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ring import Ring, left_behind
from tests.support.worlds_recorder import World

OWN = str(os.getpid())


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk(pytest.fail)
    yield disk
    disk.close()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a ring whose files are written at once, as those in shared memory are."""
    monkeypatch.setattr(ring, "SHARED_MEMORY", str(tmp_path))
    return str(tmp_path / "ring")


def test_left_behind_of_another_process_is_nothing(world: World) -> None:
    world.do(Start("taps"))
    assert left_behind(str(world.folder / "ring"), OWN) == world.ring.copy()
    assert left_behind(str(world.folder / "ring"), "1") == []
    assert left_behind(str(world.folder / "none"), "1") == []
    assert left_behind(str(world.folder), "1") == []
    assert left_behind("", OWN) == []


@pytest.fixture
def world(memory: str, tmp_path: Path) -> World:
    return World(tmp_path)


def test_left_behind_has_the_older_half_first(world: World, tmp_path: Path) -> None:
    for n in range(4):
        world.wait(61_000)
        world.do(Trim(20 + n))
        halves = left_behind(str(tmp_path / "ring"), OWN)
        assert halves == world.ring.copy()
        assert replay(world.keep("killed", halves)) == 0
    assert [json.loads(half[0])["half"] for half in halves] == [4, 5]


def test_left_behind_passes_over_a_line_that_a_kill_cut_off(world: World, tmp_path: Path) -> None:
    with open(tmp_path / "ring.1", "ab") as file:
        file.write(b'{"at_ms":7,"ev')
    with open(tmp_path / "ring.2", "ab") as file:
        file.write(b'{"incident":7,"mat":"')
    assert left_behind(str(tmp_path / "ring"), OWN) == world.ring.copy()


@pytest.mark.parametrize("damaged", [b"\x00" * 99 + b"\n", b"[]\n", b'{"half":"x","process":1}\n'])
def test_left_behind_that_is_damaged_is_told_and_not_kept(
    damaged: bytes, world: World, tmp_path: Path
) -> None:
    (tmp_path / "ring.1").write_bytes(damaged)
    world.shelf.keep("killed", left_behind(str(tmp_path / "ring"), OWN))
    world.settle()
    assert world.log_lines == ["the record of the last minutes is damaged and is not kept"]


def test_left_behind_reads_no_link_and_no_fifo(disk: Disk, memory: str, tmp_path: Path) -> None:
    other = Ring(str(tmp_path / "other"), disk, pytest.fail)
    other.begin({})
    assert left_behind(str(tmp_path / "other"), OWN)
    path = tmp_path / "ring.1"
    path.symlink_to(tmp_path / "other.1")
    assert left_behind(memory, OWN) == []
    path.unlink()
    os.mkfifo(path)
    assert left_behind(memory, OWN) == []
    other.close()


def test_ring_replaces_a_link_and_leaves_its_target_alone(
    disk: Disk, memory: str, tmp_path: Path
) -> None:
    (tmp_path / "target").write_text("stays")
    (tmp_path / "ring.1").symlink_to(tmp_path / "target")
    new = Ring(memory, disk, pytest.fail)
    new.begin({})
    assert (tmp_path / "target").read_text() == "stays"
    assert (tmp_path / "ring.1").stat().st_mode & 0o777 == 0o600
    new.close()
    assert not list(tmp_path.glob("ring*"))


def test_ring_of_another_daemon_by_now_is_not_removed(
    disk: Disk, memory: str, tmp_path: Path
) -> None:
    old = Ring(memory, disk, pytest.fail)
    new = Ring(memory, disk, pytest.fail)
    old.close()
    assert {path.name for path in tmp_path.glob("ring*")} == {"ring.1", "ring.2"}
    new.close()


def test_ring_that_cannot_be_made_leaves_no_file(disk: Disk, memory: str, tmp_path: Path) -> None:
    (tmp_path / "ring.2").mkdir()
    with pytest.raises(OSError, match=r"ring\.2"):
        Ring(memory, disk, pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["ring.2"]


def test_ring_without_a_path_makes_no_file(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it opens a file"))
    only_memory = Ring("", disk, pytest.fail)
    only_memory.begin({"incident": 7})
    assert json.loads(only_memory.copy()[0][0])["incident"] == 7
    only_memory.close()


@pytest.mark.parametrize("is_short", [False, True], ids=["full", "short write"])
def test_files_that_cannot_be_written_are_told_once_and_the_recorder_goes_on(
    is_short: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.ring.copy()
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if is_short:
            return write(fd, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    world.do(Trim(50))
    world.do(Trim(60))
    monkeypatch.undo()
    world.do(Trim(70))
    assert world.log_lines == [
        f"{tmp_path}/ring cannot be written: No space left on device; what happens from here on is "
        "lost when the daemon is killed"
    ]
    assert left_behind(str(tmp_path / "ring"), OWN) == before
    assert replay(world.keep()) == 0
    world.ring.close()
    assert not list(tmp_path.glob("ring*"))


def test_ring_on_a_disk_is_written_by_the_disk_thread(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.do(Trim(50))
    world.settle()
    assert left_behind(str(tmp_path / "ring"), OWN) == world.ring.copy()
    world.ring.close()
    world.disk.close()
    assert not list(tmp_path.glob("ring*"))


def test_ring_that_is_closed_writes_no_file(world: World, tmp_path: Path) -> None:
    world.ring.close()
    world.do(Trim(50))
    assert not list(tmp_path.glob("ring*"))
    assert world.log_lines == []
