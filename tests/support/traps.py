"""Links and FIFOs that an attacker may have placed where a program writes."""

import os
from collections.abc import Iterator
from pathlib import Path


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def untouched(path: Path) -> Iterator[Path]:
    """Yields a file that no command may change, and checks at the end that it is unchanged.

    A fixture uses it with `yield from`.
    """
    path.write_text("root's own")
    path.chmod(0o600)
    before = path.stat()
    yield path
    assert path.read_text() == "root's own"
    assert (path.stat().st_uid, path.stat().st_mode) == (before.st_uid, before.st_mode)
