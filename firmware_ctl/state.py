"""The state folder: one daemon at a time, and a mark that tells how the last one ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from firmware_ctl.errors import DeviceError
from firmware_ctl.files import open_regular

_TEMPORARY: Final = "firmware-ctl-mock-"


class StateFolder:
    """Held from start to end. `killed`: the process that held it last and did not end by itself."""

    def __init__(self, path: str) -> None:
        """Makes and locks the folder; `DeviceError` says who holds it."""
        import fcntl

        try:
            os.makedirs(path, exist_ok=True)
            self._fd = open_regular(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT)
            if os.geteuid() == 0:
                # The service is to start on the folder after a command that root ran on it.
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
        text = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
        return text if text.isdecimal() or not text else "unknown"

    def close(self) -> None:
        """The daemon ends by itself."""
        with suppress(OSError):
            self._mark("")
            os.close(self._fd)

    def _mark(self, text: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A state folder for one mock, removed at its end; what killed mocks have left goes first."""
    import shutil
    import tempfile

    try:
        parent = tempfile.gettempdir()
        for name in os.listdir(parent):
            left = os.path.join(parent, name)
            if name.startswith(_TEMPORARY) and _is_left(left):
                shutil.rmtree(left, ignore_errors=True)
        made = tempfile.TemporaryDirectory(prefix=_TEMPORARY)
    except OSError as error:
        raise DeviceError(
            f"no folder can be made for the state: {error.strerror}; name one with --state"
        ) from None
    with made as folder:
        yield folder


def _is_left(folder: str) -> bool:
    """Whether a mock of this user was killed there: it has marked the lock, and nobody holds it."""
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
