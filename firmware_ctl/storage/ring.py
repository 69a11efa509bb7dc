"""The latest lines of a record, in two files of bounded size that outlive a SIGKILL."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from typing import Final

from firmware_ctl.config.paths import SHARED_MEMORY
from firmware_ctl.errors import WarningLine
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.files import create_new, open_regular

Half = list[bytes]
"""The lines of a half, each with its end of line."""

HALF_BYTES: Final = 2 * 1024 * 1024
"""The most bytes of a half."""


class Ring:
    """Two halves, in memory and in two files. The older half is emptied when the newer is full.

    The files are for the next daemon: they survive a SIGKILL of this one. The copy in memory is for
    incidents of this process, so that keeping an incident reads no file and needs none.
    """

    def __init__(self, path: str, disk: Disk, log: Callable[[str], None]) -> None:
        """Replaces the files `path`.1 and `path`.2. Raises OSError if they cannot be made.

        An empty path: no files, for a mock whose state folder is removed at its end. `log` gets one
        sentence if a file can no longer be written.
        """
        self._path = path
        # A write to memory never waits for a device. A write to a disk may wait, so the disk thread
        # makes it.
        is_in_memory = path.startswith(f"{SHARED_MEMORY}/")
        self._submit = _at_once if is_in_memory else disk.submit
        self._log = log
        self._older: Half = []
        self._newer: Half = []
        self._newer_bytes = 0
        self._number = 0
        """How many halves were begun. The newer half has this number."""
        self._files: list[int] = []
        self._can_write = True
        try:
            for half_path in half_paths(path):
                self._files.append(create_new(half_path, 0o600, os.O_APPEND))
        except OSError:
            self._remove()
            raise

    def begin(self, snapshot: dict[str, object]) -> None:
        """Begins a new half with this snapshot. The older of the two halves is lost."""
        self._number += 1
        self._older, self._newer, self._newer_bytes = self._newer, [], 0
        number, process = self._number, os.getpid()
        self.append(as_line({**snapshot, "process": process, "half": number}), begins=True)

    def has_room(self, line: bytes) -> bool:
        return self._newer_bytes + len(line) <= HALF_BYTES

    def append(self, line: bytes, begins: bool = False) -> None:
        """Adds a line for which there is room. `begins`: empties the half's file first."""
        self._newer.append(line)
        self._newer_bytes += len(line)
        number = self._number
        if self._path:
            self._submit(lambda: self._write(number, line, begins))

    def copy(self) -> list[Half]:
        """The halves, the older first."""
        return [half.copy() for half in (self._older, self._newer) if half]

    def close(self) -> None:
        """Removes the files: after an orderly end no other daemon needs them."""
        if self._path:
            self._submit(self._remove)

    def _write(self, number: int, line: bytes, begins: bool) -> None:
        if not self._can_write:
            return
        file = self._files[number % 2 - 1]
        try:
            if begins:
                os.ftruncate(file, 0)
            if os.write(file, line) < len(line):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        except OSError as error:
            # Nothing is written to the files from here on: a record with a gap could not be played
            # again. The next daemon finds the lines so far, and leaves out an incomplete last one.
            self._can_write = False
            self._log(
                WarningLine(
                    f"{self._path} cannot be written: {error.strerror}; what happens from here on "
                    "is lost when the daemon is killed"
                )
            )

    def _remove(self) -> None:
        for file, path in zip(self._files, half_paths(self._path), strict=False):
            with suppress(FileNotFoundError):  # logind removes a user's shared memory at logout
                if os.path.samestat(os.lstat(path), os.fstat(file)):  # else it is another daemon's
                    os.unlink(path)
            os.close(file)
        self._files, self._can_write = [], False


def half_paths(path: str) -> list[str]:
    """The two files of a ring: one for halves with odd numbers, one for those with even ones."""
    return [f"{path}.1", f"{path}.2"] if path else []


def _at_once(job: Callable[[], object]) -> None:
    job()


def as_line(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def left_behind(path: str, process: str) -> list[Half]:
    """The halves that a killed process left in its ring, the older first.

    Leaves out the files of another process or user, and an incomplete last line, which the kill cut
    off. Keeps a half whose first line is damaged, so that the damage is reported.
    """
    halves = []
    for half_path in half_paths(path):
        try:
            with open(open_regular(half_path, os.O_RDONLY), "rb") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    continue
                data = file.read(HALF_BYTES)
        except OSError:
            continue
        half = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        if half:
            number, writer = _half_of(half[0])
            if writer in (process, ""):
                halves.append((number, half))
    return [half for _, half in sorted(halves)]


def _half_of(snapshot: bytes) -> tuple[int, str]:
    """The number of a half and the process that wrote it. (0, "") if the snapshot is damaged."""
    try:
        record = json.loads(snapshot)
        return int(record["half"]), str(record["process"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0, ""
