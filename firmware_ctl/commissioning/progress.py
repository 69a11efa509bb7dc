"""How the steps of `setup` have ended: kept in a file, for one setup at a time.

It knows words, names and the pins that a step has checked. It never knows how a step works.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from firmware_ctl.commissioning.runner import BuilderError
from firmware_ctl.commissioning.terminal import print_lines
from firmware_ctl.storage.files import atomic_write, open_regular

DONE: Final = "done"
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
UNFINISHED: Final = "unfinished"
"""A check was begun and left without a result: what the person has seen until then is not known."""
OPEN: Final = ""
"""The step was never done, or it has checked other pins than those of today's mat file."""

WIRING: Final = "wiring"
STOPS: Final = ("stop switch", "start button")
"""The steps that check what stops the mat."""
SAFETY: Final = (*STOPS, WIRING)
"""The checks that must have a result before someone lies down, or be skipped on purpose."""


@contextmanager
def only_setup(folder: str) -> Iterator[None]:
    """Keeps a second setup out of the folder: it would overwrite a failed check with its own copy.

    The kernel gives the lock up when the process ends, however it ends. Raises BuilderError if
    another setup runs, and OSError if the lock cannot be used.
    """
    fd = open_regular(os.path.join(folder, "setup.lock"), os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            raise BuilderError(
                f"another setup (process {holder}) uses the state folder {folder}; quit it first, "
                "or name another folder with --state"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


class Progress:
    """How the steps have ended, in a file with one line for each: `done wiring: only GPIO 22`.

    After the colon stands what the step has checked. A line of an older version has no colon.
    """

    def __init__(self, path: str) -> None:
        """Raises OSError if the file cannot be read, or cannot be written: a check that fails
        would be forgotten."""
        self._path = path
        self._endings = _read(path)
        """Name of a step → its word, and what was checked."""
        self._write()

    def word(self, name: str, checks: str = "") -> str:
        """How the step has ended. `checks`: what it would check today. A step that is done or was
        skipped is open again if that has changed: a check that has failed stays failed."""
        word, checked = self._endings.get(name, (OPEN, ""))
        return OPEN if word in (DONE, SKIPPED) and checked != checks else word

    def put(self, name: str, word: str, checked: str = "") -> None:
        self._endings[name] = word, checked
        try:
            self._write()
        except OSError as error:
            print_lines(
                f"{self._path} cannot be written: {error.strerror}. Setup goes on, but does not "
                "remember this step the next time."
            )

    def _write(self) -> None:
        lines = [
            f"{word} {name}: {checked}\n" if checked else f"{word} {name}\n"
            for name, (word, checked) in self._endings.items()
        ]
        atomic_write(self._path, "".join(lines).encode())


def progress_file(state_folder: str) -> str:
    return os.path.join(state_folder, "setup")


def require_no_failed_check(state_folder: str, names: Collection[str]) -> None:
    """Raises BuilderError if a check of a setup in this folder has failed, or was left without a
    result. A check that was never begun raises nothing: a builder may work without setup."""
    path = progress_file(state_folder)
    try:
        endings = _read(path)
    except OSError as error:
        raise BuilderError(f"{path} cannot be read: {error.strerror}") from None
    bad = [name for name in names if endings.get(name, ("", ""))[0] in (FAILED, UNFINISHED)]
    if bad:
        raise BuilderError(
            f"nobody may lie on the mat: {' and '.join(bad)} failed in `setup`, or has no result. "
            "Fix the cause, and do that step of `setup` again first"
        )


def _read(path: str) -> dict[str, tuple[str, str]]:
    """Name of a step → its word, and what was checked. Raises OSError if the file cannot be read;
    a missing file is an empty one."""
    endings: dict[str, tuple[str, str]] = {}
    with suppress(FileNotFoundError):
        fd = open_regular(path, os.O_RDONLY)
        with open(fd, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        for line in lines:
            word, _, rest = line.partition(" ")
            name, _, checked = rest.partition(": ")
            if word in (DONE, SKIPPED, FAILED, UNFINISHED):
                endings[name] = word, checked
    return endings
