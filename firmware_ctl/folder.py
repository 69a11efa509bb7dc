"""Profile files in folders: found, read, and made into a catalogue.

Run as a module it does so in a process of its own, for a daemon that plays meanwhile.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence

from firmware_ctl.catalogue import Catalogue, Entry, read_entry
from firmware_ctl.daemon import Daemon
from firmware_ctl.document import BYTES_MAX
from firmware_ctl.errors import AuthorError, DeviceError, Mistake
from firmware_ctl.mat import Mat


def profile_files(folders: Sequence[str]) -> dict[str, str]:
    """Every profile's file by its name; in a later folder the same name replaces."""
    files = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise DeviceError(
                f"the profiles folder {folder} cannot be read: {error.strerror}"
            ) from None
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if dot and ending in ("yaml", "yml") and not stem.startswith("."):
                files[stem] = os.path.join(folder, name)
    return files


def read_file(path: str) -> bytes:
    """At most a byte more than a profile may have, so that no file is too large to be refused."""
    with open(path, "rb") as file:
        return file.read(BYTES_MAX + 1)


def read_catalogue(folders: Sequence[str], mat: Mat) -> Catalogue:
    """Reads and checks every profile; a bad one becomes an entry that says what is wrong."""
    return Catalogue(
        tuple(_read(name, path, mat) for name, path in sorted(profile_files(folders).items()))
    )


def _read(name: str, path: str, mat: Mat) -> Entry:
    try:
        return read_entry(name, read_file(path), path, mat)
    except OSError as error:
        sentence = f"the file cannot be read: {error.strerror}"
        return Entry(name, error=AuthorError([Mistake(path, 1, 1, sentence)]))


class Reader:
    """Reads a catalogue in another process: a parser in this one would hold up the motors."""

    def __init__(
        self, folders: Sequence[str], mat: Mat, done: Callable[[Catalogue | str], None]
    ) -> None:
        self._done = done
        self._read = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "firmware_ctl.folder"],
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

    def ready(self, daemon: Daemon) -> None:  # noqa: ARG002
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
