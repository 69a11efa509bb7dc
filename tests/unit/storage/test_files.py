"""One file replaced by another: whole, with its mode, and through nothing in the way."""

import os
from pathlib import Path

import pytest

from firmware_ctl.storage import files
from firmware_ctl.storage.files import atomic_write


def test_atomic_write_replaces_the_content_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"", b"new"):
        atomic_write(str(path), content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["file"]


def test_atomic_write_sets_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic_write(str(tmp_path / "file"), b"", mode=0o664)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_atomic_write_that_fails_leaves_the_old_file_alone(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="the disk is full"):
        atomic_write(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_atomic_write_is_durable_only_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("rename"), replace(*names)))
    atomic_write(str(tmp_path / "file"), b"x", durable=False)
    assert calls == ["rename"]
    calls.clear()
    atomic_write(str(tmp_path / "file"), b"x")
    assert calls == ["fsync", "rename", "fsync"]


def test_create_new_removes_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"stays")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.close(files.create_new(str(tmp_path / "link")))
    assert (tmp_path / "target").read_bytes() == b"stays"
    assert (tmp_path / "link").read_bytes() == b""
