"""Reads a catalogue in a process of its own: a parser in the daemon's would hold up the motors."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence

from firmware_ctl.catalogue import Catalogue
from firmware_ctl.daemon import Daemon
from firmware_ctl.errors import DeviceError
from firmware_ctl.folder import read_catalogue
from firmware_ctl.mat import Mat


class Reader:
    """One reading. `done` is called on the loop with the catalogue, or with why there is none."""

    def __init__(
        self, folders: Sequence[str], mat: Mat, done: Callable[[Catalogue | str], None]
    ) -> None:
        self._done = done
        self._read = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "firmware_ctl.reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        os.set_blocking(self._stdout.fileno(), False)
        pickle.dump((list(folders), mat), self._process.stdin)
        self._process.stdin.close()

    def fileno(self) -> int:
        return self._stdout.fileno()

    def ready(self, daemon: Daemon) -> None:
        chunk = os.read(self.fileno(), 1 << 20)
        if chunk:
            self._read += chunk
            return
        self._stdout.close()
        self._process.kill()
        self._process.wait()
        try:
            result: Catalogue | str = pickle.loads(self._read)
        except (EOFError, pickle.UnpicklingError):
            result = "the profiles could not be read; the daemon's own list stands"
        self._done(result)


def _main() -> None:
    folders, mat = pickle.load(sys.stdin.buffer)
    try:
        result: Catalogue | str = read_catalogue(folders, mat)
    except DeviceError as error:
        result = f"{error}; the profiles are as they were"
    sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    _main()
