"""The daemon's log: lines on standard output, dropped where no one takes them.

To log must never hold up the loop. So the output is opened anew, without blocking: a terminal or a
pipe that is made not to block would not block for others who write to it either, and `select` calls
a terminal ready that has less room than the line needs. The journal is a socket.
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from firmware_ctl.errors import printable

_BYTES_MAX: Final = 4000


def open_log() -> Callable[[str], None]:
    """Opened once, at the start: later there may be no descriptor left for it."""
    write = _writer()

    def log(line: str) -> None:
        with suppress(OSError):
            write(as_bytes(line))

    return log


def warn(line: str) -> None:
    """A line on standard error, which may block."""
    os.write(2, as_bytes(line))


def as_bytes(line: str) -> bytes:
    """One line of the log, whatever file names and answers stand in it."""
    return printable(line).encode()[:_BYTES_MAX] + b"\n"


def _writer() -> Callable[[bytes], object]:
    try:
        kind = stat.S_IFMT(os.fstat(1).st_mode)
    except OSError:
        return lambda data: None
    if kind == stat.S_IFSOCK:
        journal = socket.socket(fileno=os.dup(1))
        return lambda data: journal.send(data, socket.MSG_DONTWAIT)
    if kind not in (stat.S_IFCHR, stat.S_IFIFO):
        return lambda data: os.write(1, data)
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        try:
            fd = os.open("/proc/self/fd/1", flags)
        except FileNotFoundError:
            if kind == stat.S_IFIFO:
                return _write_pipe
            fd = os.open(os.ttyname(1), flags)
    except OSError:
        # Another user's terminal, as after `su`: it can be written to, but not be opened anew.
        return lambda data: None
    return lambda data: os.write(fd, data)


def _write_pipe(data: bytes) -> None:
    """Without /proc, as on macOS, a pipe cannot be opened anew.

    A pipe that select calls ready takes `PIPE_BUF` bytes without waiting; a longer line is cut.
    """
    if select.select((), (1,), (), 0)[1]:
        os.write(1, data[: select.PIPE_BUF - 1].rstrip(b"\n") + b"\n")
