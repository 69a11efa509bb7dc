"""What the builder's commands write on a terminal, of whatever width."""

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from firmware_ctl.commissioning.terminal import DOWN, UP, Terminal, print_lines


@contextmanager
def narrow_terminal() -> Iterator[int]:
    """A terminal of 40 columns in the place of input and output; gives its other end.

    It is no fixture, because pytest sets the output anew between a fixture and its test.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    saved = [os.dup(0), os.dup(1)]
    for number in (0, 1):
        os.dup2(slave, number)
    try:
        yield master
    finally:
        for number, fd in enumerate(saved):
            os.dup2(fd, number)
            os.close(fd)
        os.close(slave)
        os.close(master)


def shown(master: int) -> str:
    return os.read(master, 65536).decode().replace("\r\n", "\n")


def test_print_lines_wraps_at_the_width_and_keeps_a_command_in_one_piece() -> None:
    command = "`firmware-ctl setup --mock --mat /a/folder/that/is/long/mat.yaml`"
    with narrow_terminal() as master:
        print_lines(f"Stopped here, half way through. Run {command} to continue.")
        text = shown(master)
    assert text == f"Stopped here, half way through. Run\n  {command}\n  to continue.\n"


def test_status_that_is_longer_than_the_terminal_takes_more_lines() -> None:
    status = " 40 % (turns)   y: felt   n: not felt   space: stop   b: back   q: quit"
    with narrow_terminal() as master, Terminal() as terminal:
        terminal.show((), status)
        assert shown(master) == (
            "\r\x1b[J 40 % (turns)   y: felt   n: not felt\nspace: stop   b: back   q: quit"
        )
        terminal.show(("Motor off.",), "q: quit")  # overwrites both lines
        assert shown(master) == "\r\x1b[1A\x1b[JMotor off.\nq: quit"
        terminal.show((), "x" * 60)  # no place to divide it
        assert shown(master) == "\r\x1b[J" + "x" * 39


def test_dumb_terminal_gets_a_line_for_each_status_with_new_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with narrow_terminal() as master, Terminal() as terminal:
        for level_pct in (39, 40, 41):
            terminal.show((), f"{level_pct} %   space: stop")
        terminal.show(("Motor off.",), "q: quit")
        terminal.show((), "")
        text = ""
        while "quit\n" not in text:
            text += shown(master)
        assert text == "39 %   space: stop\nMotor off.\nq: quit\n"


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"Y", ["y"]),
        (b"\r", ["\n"]),
        (b"\x1b[A", [UP]),
        (b"\x1bOB", [DOWN]),
        (b"\x1b[C", ["\x1b"]),
        (b"yn", ["y", "n"]),
    ],
)
def test_read_keys_names_each_key(sent: bytes, keys: list[str]) -> None:
    with narrow_terminal() as master, Terminal() as terminal:
        os.write(master, sent)
        assert terminal.read_keys() == keys
