"""Reads a catalogue in a process of its own: a parser in the daemon's would hold up the motors."""

import os
import pickle
import stat
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
        """`CallerError` where this machine has no pipe or thread left."""
        self._done = done
        self._read = bytearray()
        self._entries: list[Entry] = []
        self._size = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False
        self._why = "the profiles could not be read"
        try:
            self._told, child_tells = os.pipe()
        except OSError as error:
            raise CallerError("not-ready", f"no process can be started: {error.strerror}") from None
        os.set_blocking(self._told, False)
        asked = pickle.dumps((list(folders), mat))
        thread = Thread(target=self._ask, args=(asked, child_tells), name="reader", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            os.close(self._told)
            os.close(child_tells)
            raise CallerError("not-ready", f"no process can be started: {error}") from None

    def _ask(self, asked: bytes, child_tells: int) -> None:
        """Not by the loop: a child begins when others leave it a processor, and one that hangs in
        the disk dies when the disk lets it.
        """
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "firmware_ctl.reader"],
                stdin=subprocess.PIPE,
                stdout=child_tells,
                preexec_fn=_give_way,
            )
        except OSError as error:
            self._why = f"no process can be started: {error.strerror}"
            return
        finally:
            os.close(child_tells)
        self._process = process
        if self._is_over:
            process.kill()
        process.communicate(asked)

    def fileno(self) -> int:
        return self._told

    def ready(self, daemon: Daemon) -> None:
        if self._is_over:
            return  # given up a moment ago
        try:
            chunk = os.read(self._told, 1 << 16)
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
                self._end(self._why)
            return
        try:
            told: Entry | str | None = pickle.loads(bytes(self._read[_HEAD.size : end]))
        except Exception:  # a child that runs another version of the program
            told = self._why
        del self._read[:end]
        if isinstance(told, Entry):
            self._entries.append(told)
        else:
            self._end(told or Catalogue(tuple(self._entries)))

    def give_up(self) -> None:
        if not self._is_over:
            self._end("reading the profiles takes too long")

    def _end(self, result: Catalogue | str) -> None:
        self._is_over = True
        if self._process is not None:
            self._process.kill()
        if isinstance(result, str):
            result += "; the daemon keeps those that it has"
        self._done(result)
        os.close(self._told)


def _give_way() -> None:
    """As a service the loop has real-time priority, and what it starts would inherit it.

    The child then waits for a processor, and the daemon may end meanwhile: without it no one must
    hold the motors' lines and the state folder's lock. Pipes stay, one tells that it has begun.
    """
    if sys.platform != "linux":
        return
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if fd > 2 and not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
    with suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _main() -> None:
    try:
        folders, mat = pickle.load(sys.stdin.buffer)
    except EOFError:
        return  # the daemon has ended
    try:
        told: list[Entry | str | None] = [*read_catalogue(folders, mat).entries, None]
    except DeviceError as error:
        told = [str(error)]
    for data in map(pickle.dumps, told):
        sys.stdout.buffer.write(_HEAD.pack(len(data)) + data)


if __name__ == "__main__":
    _main()
