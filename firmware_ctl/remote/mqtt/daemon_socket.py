"""The connections of a bridge to the control socket: one for requests, and one for stops."""

import socket
from errno import EAGAIN
from typing import Final

from firmware_ctl.errors import printable

READ_BYTES: Final = 65_536
LINE_MAX: Final = 65_536
"""The longest answer without a line end. A daemon sends no such line."""
HELLO: Final = b"hello mqtt\n"
STOPPED: Final = b"* stopped"


class DaemonSocket:
    """A connection that never blocks. Every method raises OSError if the daemon is gone."""

    def __init__(self, path: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.setblocking(False)
        self._tail = b""
        try:
            self._sock.connect(path)
        except OSError:
            self._sock.close()
            raise

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, data: bytes) -> None:
        sent = self._sock.send(data)
        if sent < len(data):
            raise OSError(EAGAIN, "it does not read what it is sent")

    def lines(self) -> list[str]:
        """The complete lines that have arrived. Raises `EOFError` if the daemon has closed."""
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return []
        if not data or len(self._tail) > LINE_MAX:
            raise EOFError
        *whole, self._tail = (self._tail + data).split(b"\n")
        return [printable(raw.decode("ascii", "replace").rstrip("\r")) for raw in whole]

    def close(self) -> None:
        self._sock.close()


def is_absent(error: OSError) -> bool:
    """Whether no daemon runs, so that nothing can play."""
    return isinstance(error, FileNotFoundError | ConnectionRefusedError)


def reason(error: OSError, path: str) -> str:
    """The sentence for a socket that cannot be used."""
    if isinstance(error, FileNotFoundError):
        return f"there is no {path}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {path}"
    if isinstance(error, PermissionError):
        return f"no permission to use {path}; its group is firmware-ctl"
    return f"{path}: {error.strerror}" if error.strerror else str(error)
