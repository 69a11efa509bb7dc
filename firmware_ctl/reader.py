"""Reads a catalogue in a process of its own: a parser in the daemon's would hold up the motors."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from struct import Struct
from threading import Thread
from typing import Final

from firmware_ctl.catalogue import Catalogue, Entry
from firmware_ctl.daemon import Daemon
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.folder import read_catalogue
from firmware_ctl.mat import Mat

MOST_BYTES: Final = 4 << 20
"""More than this is not kept in the daemon's memory."""

_HEAD: Final = Struct("=I")
"""Before each profile: how many bytes it has."""


class Reader:
    """One reading. `done` is called on the loop with the catalogue, or with why there is none."""

    def __init__(
        self, folders: Sequence[str], mat: Mat, done: Callable[[Catalogue | str], None]
    ) -> None:
        """`CallerError` where no process can be started."""
        self._done = done
        self._read = bytearray()
        self._entries: list[Entry] = []
        self._size = 0
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "firmware_ctl.reader"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                preexec_fn=_give_way,
            )
        except OSError as error:
            raise CallerError("not-ready", f"no process can be started: {error.strerror}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        os.set_blocking(self._stdout.fileno(), False)
        with suppress(BrokenPipeError):  # it died; the end of its output tells
            pickle.dump((list(folders), mat), self._process.stdin)
            self._process.stdin.close()

    def fileno(self) -> int:
        return self._stdout.fileno()

    def ready(self, daemon: Daemon) -> None:
        if self._stdout.closed:
            return  # given up a moment ago
        try:
            chunk = os.read(self.fileno(), 1 << 16)
        except BlockingIOError:
            return
        self._read += chunk
        self._size += len(chunk)
        if self._size > MOST_BYTES:
            self._end("the profiles together are too large")
            return
        # One profile at a look: the loop has other things to do in between.
        end = _HEAD.size
        if len(self._read) >= end:
            end += _HEAD.unpack_from(self._read)[0]
        if len(self._read) < end:
            if not chunk:
                self._end("the profiles could not be read")
            return
        try:
            told: Entry | str | None = pickle.loads(bytes(self._read[_HEAD.size : end]))
        except Exception:  # a child that runs another version of the program
            told = "the profiles could not be read"
        del self._read[:end]
        if isinstance(told, Entry):
            self._entries.append(told)
        else:
            self._end(told or Catalogue(tuple(self._entries)))

    def give_up(self) -> None:
        if not self._stdout.closed:
            self._end("reading the profiles takes too long")

    def _end(self, result: Catalogue | str) -> None:
        self._process.kill()
        # Not by the loop: a child that hangs in the disk dies when the disk lets it.
        Thread(target=self._process.wait, name="reaper", daemon=True).start()
        if isinstance(result, str):
            result += "; the daemon keeps those that it has"
        self._done(result)
        self._stdout.close()


def _give_way() -> None:
    """As a service the loop has real-time priority, and what it starts would inherit it."""
    if sys.platform != "linux":
        return
    with suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _main() -> None:
    folders, mat = pickle.load(sys.stdin.buffer)
    try:
        told: list[Entry | str | None] = [*read_catalogue(folders, mat).entries, None]
    except DeviceError as error:
        told = [str(error)]
    for data in map(pickle.dumps, told):
        sys.stdout.buffer.write(_HEAD.pack(len(data)) + data)


if __name__ == "__main__":
    _main()
