"""The log: it never blocks, and a line of it is one line, whatever stands in it."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from firmware_ctl.cli.log import open_log
from firmware_ctl.errors import ErrorLine, WarningLine, printable

ESCAPE = "\x1b]0;owned\x07\x1b[31mred"
FORGED = "a\n* ready firmware-ctl 9.9.9 protocol=9"


@contextmanager
def _stdout(fd: int) -> Iterator[None]:
    """`fd` in the place of standard output. Not a fixture: pytest captures each phase anew."""
    before = os.dup(1)
    os.dup2(fd, 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for fd in ends:
        os.close(fd)


def test_log_of_a_hostile_text_is_one_printable_line(pipe: tuple[int, int]) -> None:
    with _stdout(pipe[1]):
        open_log()(f"{ESCAPE}{FORGED}")
    assert os.read(pipe[0], 65536).decode() == f"{printable(ESCAPE + FORGED)}\n"


def test_log_to_the_journal_begins_each_line_with_its_priority(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = os.fstat(pipe[1])
    monkeypatch.setenv("JOURNAL_STREAM", f"{stream.st_dev}:{stream.st_ino}")
    lines = [ErrorLine("no session can start"), WarningLine("the port is gone"), "<0>state=idle"]
    with _stdout(pipe[1]):
        log = open_log()
        for line in lines:
            log(line)
    written = os.read(pipe[0], 65536).decode()
    assert written == "<3>no session can start\n<4>the port is gone\n<6><0>state=idle\n"


def test_log_to_another_output_than_the_journal_has_no_priorities(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a mock in a pipe, started from a terminal whose own output goes to the journal."""
    stream = os.fstat(pipe[0])
    monkeypatch.setenv("JOURNAL_STREAM", f"{stream.st_dev}:{stream.st_ino + 1}")
    with _stdout(pipe[1]):
        open_log()(ErrorLine("no session can start"))
    assert os.read(pipe[0], 65536) == b"no session can start\n"


@pytest.fixture
def _no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def without_proc(path: str, *how: int) -> int:
        if path.startswith("/proc/"):
            raise FileNotFoundError(path)
        return real(path, *how)

    monkeypatch.setattr(os, "open", without_proc)


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_pipe_without_proc_is_written(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stdout(pipe[1]):
        open_log()("* ready")
        assert os.read(pipe[0], 65536) == b"* ready\n"
        monkeypatch.setattr(select, "PIPE_BUF", 512)  # as on macOS
        open_log()("é" * 3000)
    cut = os.read(pipe[0], 65536)
    assert len(cut) == 512
    assert cut.endswith(b"\n")


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_full_pipe_without_proc_drops_the_line_and_does_not_wait(
    pipe: tuple[int, int],
) -> None:
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * 4096)
    os.set_blocking(pipe[1], True)
    with _stdout(pipe[1]):
        open_log()("* ready")  # a test that hangs here has failed
    assert b"*" not in os.read(pipe[0], 1 << 20)


@pytest.mark.usefixtures("_no_proc")
def test_log_to_a_terminal_without_proc_is_written() -> None:
    master, slave = os.openpty()
    with _stdout(slave):
        open_log()("* ready")
    os.set_blocking(master, False)
    assert os.read(master, 65536) == b"* ready\r\n"
    os.close(master)
    os.close(slave)


def test_log_to_a_terminal_that_cannot_be_opened_anew_drops_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after `su`: the terminal is another user's."""
    master, slave = os.openpty()

    def refuse(path: str, *how: int) -> int:
        raise PermissionError(path)

    monkeypatch.setattr(os, "open", refuse)
    with _stdout(slave):
        open_log()("* ready")
    os.close(master)
    os.close(slave)
