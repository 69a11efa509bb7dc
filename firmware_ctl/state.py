"""The state folder: one daemon at a time, and a mark that tells how the last one ended."""

import os
from contextlib import suppress

from firmware_ctl.errors import DeviceError


class StateFolder:
    """Held from start to end. `killed`: the process that held it last and did not end by itself."""

    def __init__(self, path: str) -> None:
        """Makes and locks the folder; `DeviceError` says who holds it."""
        import fcntl

        lock = os.path.join(path, "lock")
        try:
            os.makedirs(path, exist_ok=True)
            self._fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
        return os.pread(self._fd, 32, 0).decode(errors="replace").strip()

    def close(self) -> None:
        """The daemon ends by itself."""
        with suppress(OSError):
            self._mark("")
            os.close(self._fd)

    def _mark(self, text: str) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)
