"""The state folder: used by one daemon at a time, with a mark of how the last daemon ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from firmware_ctl.errors import DeviceError
from firmware_ctl.storage.files import open_regular

_TEMPORARY: Final = "firmware-ctl-mock-"


class StateFolder:
    """Holds the lock on a state folder until it is closed.

    `killed`: the process number of the last daemon, if that did not end by itself; else empty.
    """

    def __init__(self, path: str) -> None:
        """Creates and locks the folder. Raises `DeviceError`, also where another daemon runs."""
        import fcntl

        try:
            os.makedirs(path, exist_ok=True)
            self._fd = open_regular(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT)
            if os.geteuid() == 0:
                # The service must be able to open the lock after root ran a command here.
                owner = os.stat(path)
                os.fchown(self._fd, owner.st_uid, owner.st_gid)
        except OSError as error:
            hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
            raise DeviceError(
                f"the state folder {path} cannot be used: {error.strerror}{hint}"
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder()
            os.close(self._fd)
            raise DeviceError(
                f"another daemon (process {holder}) uses the state folder {path}; stop it first, "
                "or name another folder with --state"
            ) from None
        self.killed = self._holder()
        try:
            self._mark(f"{os.getpid()}\n")
        except OSError as error:
            raise DeviceError(f"nothing can be written to {path}: {error.strerror}") from None

    def _holder(self) -> str:
        """The process number in the lock file, or empty. `unknown`: other text."""
        text = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
        return text if text.isdecimal() or not text else "unknown"

    def close(self) -> None:
        """Records that the daemon ended by itself, and releases the lock."""
        with suppress(OSError):
            self._mark("")
            os.close(self._fd)

    def _mark(self, text: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A state folder for one mock, removed at its end.

    Folders that killed mocks left behind are removed first. Raises `DeviceError` where no folder
    can be made.
    """
    import shutil
    import tempfile

    try:
        parent = tempfile.gettempdir()
        for name in os.listdir(parent):
            other = os.path.join(parent, name)
            if name.startswith(_TEMPORARY) and _is_abandoned(other):
                shutil.rmtree(other, ignore_errors=True)
        temporary = tempfile.TemporaryDirectory(prefix=_TEMPORARY)
    except OSError as error:
        raise DeviceError(
            f"no folder can be made for the state: {error.strerror}; name one with --state"
        ) from None
    with temporary as folder:
        yield folder


def _is_abandoned(folder: str) -> bool:
    """Whether a mock of this user was killed there: its mark is in a lock that no process holds."""
    import fcntl

    try:
        if os.lstat(folder).st_uid != os.geteuid():
            return False
        fd = open_regular(os.path.join(folder, "lock"), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(fd).st_size > 0
    except OSError:
        return False
    finally:
        os.close(fd)
