"""The daemon's log: lines on standard output. A line that cannot be written at once is dropped.

The log must never delay the loop, so every write is non-blocking. O_NONBLOCK on standard output
itself would act on every other program with the same terminal or pipe, so the output is opened a
second time, with a flag of its own. `select` is no help: it reports a terminal as ready that has
less room than the line needs. The journal is a socket, which takes a flag for each write.
"""

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from firmware_ctl.cli.journal import is_journal, prefix
from firmware_ctl.errors import printable

_BYTES_MAX: Final = 4000
"""Longest line of the log."""


def open_log() -> Callable[[str], None]:
    """Opens the log. Call it once, at the start: later no descriptor may be free."""
    write = _writer()
    has_priorities = is_journal(1)

    def log(line: str) -> None:
        with suppress(OSError):
            write((prefix(line).encode() if has_priorities else b"") + as_bytes(line))

    return log


def warn(line: str) -> None:
    """Writes a line to standard error. May block, so only while no motor can move."""
    os.write(2, as_bytes(line))


def as_bytes(line: str) -> bytes:
    """The bytes of one line. Line ends and escapes within the text cannot forge further lines."""
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
    """Writes to a pipe that cannot be opened a second time, as on macOS, which has no /proc.

    A pipe that `select` reports as ready takes `PIPE_BUF` bytes without waiting. Longer lines are
    cut.
    """
    if select.select((), (1,), (), 0)[1]:
        os.write(1, data[: select.PIPE_BUF - 1].rstrip(b"\n") + b"\n")
