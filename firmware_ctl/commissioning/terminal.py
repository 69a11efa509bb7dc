"""Keys and text on the terminal of the `wiring` and `setup` commands.

It knows the terminal's modes and how to write without waiting. It never knows a motor.
"""

import os
import re
import select
import termios
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from firmware_ctl.commissioning.procedure import LEAVE_KEYS

WIDTH: Final = 79
"""Most columns that are used. One is left free, so that a terminal never wraps a line of the status
by itself: the next status would not overwrite the first part of it."""

PARTS_APART: Final = " " * 3
"""Stands between the parts of a status, such as two keys with their meanings."""

UP: Final = "up"
DOWN: Final = "down"
_ARROWS: Final = {b"\x1b[A": UP, b"\x1bOA": UP, b"\x1b[B": DOWN, b"\x1bOB": DOWN}
"""What a terminal sends for an arrow key, in its two modes."""


def print_lines(*lines: str) -> None:
    text = "".join(f"{_wrapped(line)}\n" for line in lines)
    with suppress(OSError):  # The terminal may be gone.
        os.write(1, text.encode(errors="replace"))


def _width() -> int:
    try:
        columns = os.get_terminal_size(1).columns
    except OSError:
        columns = 0  # The terminal is gone.
    return min(WIDTH, columns - 1) if columns > 1 else WIDTH


def _wrapped(line: str) -> str:
    """The line in several lines. A path, or a command in backticks, stays in one piece, so that it
    can be copied."""
    unbroken = re.sub("`[^`]*`", lambda command: command[0].replace(" ", "\0"), line)
    wrapped = textwrap.fill(
        unbroken, _width(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return wrapped.replace("\0", " ")


def _wrapped_status(status: str) -> list[str]:
    """The status in as many lines as it needs. A key stays on one line with its meaning: whoever
    has a motor running must see how to stop it."""
    lines = [""]
    for part in status.split(PARTS_APART):
        line = f"{lines[-1]}{PARTS_APART}{part}" if lines[-1] else part
        if lines[-1] and len(line) > _width():
            lines.append(part)
        else:
            lines[-1] = line
    return [line[: _width()] for line in lines]


def _words(status: str) -> str:
    return re.sub(r"\d+", "", status)


class Terminal:
    """Single keys as input; lines of text above a status that is overwritten as output.

    The terminal's own mode is restored at the end. Nothing here waits for a slow terminal while a
    motor runs.
    """

    def __init__(self) -> None:
        self._original_mode = termios.tcgetattr(0)
        self._unsent = b""
        self._status = ""
        self._status_lines = 1
        """How many lines of the terminal the status takes."""
        self._is_dumb = os.environ.get("TERM") == "dumb"
        """The terminal cannot move its cursor, so each status gets lines of its own."""

    def __enter__(self) -> "Terminal":
        mode = termios.tcgetattr(0)
        # Ctrl-Z would suspend the process and Ctrl-S would stop the screen while a motor runs.
        mode[0] &= ~(termios.IXON | termios.ICRNL)
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        # TCSAFLUSH discards keys that were typed before the question: they must not start a motor.
        termios.tcsetattr(0, termios.TCSAFLUSH, mode)
        return self

    def __exit__(self, *_: object) -> None:
        self.show((), "")
        with suppress(OSError):
            os.write(1, self._unsent)  # This may block, because no motor runs any more.
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._original_mode)

    def show(self, lines: tuple[str, ...], status: str) -> None:
        """Writes lines, and the status if it changed. Never waits.

        The terminal takes at most 1024 bytes in one call; the next call writes the rest.
        """
        if self._is_dumb:
            new_lines = [*map(_wrapped, lines)]
            # A status whose numbers alone have changed would fill the terminal with lines.
            if status and _words(status) != _words(self._status):
                new_lines += _wrapped_status(status)
            self._status = status
            self._unsent += "".join(f"{line}\n" for line in new_lines).encode(errors="replace")
        elif lines or status != self._status:
            up = f"\x1b[{self._status_lines - 1}A" if self._status_lines > 1 else ""
            text = f"\r{up}\x1b[J"
            for line in lines:
                text += _wrapped(line) + "\n"
            wrapped = _wrapped_status(status)
            self._status, self._status_lines = status, len(wrapped)
            self._unsent += (text + "\n".join(wrapped)).encode(errors="replace")
        if self._unsent and select.select((), (1,), (), 0)[1]:
            with suppress(OSError):  # If the terminal is gone, `read_keys` returns [""].
                self._unsent = self._unsent[os.write(1, self._unsent[:1024]) :]

    def read_keys(self) -> list[str]:
        """Waits for input and returns its keys in lower case, or `UP` or `DOWN`.

        [""]: the terminal is gone.
        """
        try:
            data = os.read(0, 64)
        except OSError:
            data = b""
        if data.startswith(b"\x1b"):  # An arrow or function key sends a whole sequence.
            return [_ARROWS.get(data, "\x1b")]
        return [*data.decode(errors="replace").lower().replace("\r", "\n")] or [""]

    def wait_for_key(self, prompt: str, wait_s: float | None = None) -> str:
        """One key. Each of `LEAVE_KEYS` counts as q. Empty: no key within `wait_s`. With None it
        waits until a key is pressed."""
        self.show((), prompt)
        if not select.select((0,), (), (), wait_s)[0]:
            return ""
        key = self.read_keys()[0]
        return "q" if key in LEAVE_KEYS else key


def ask_key(prompt: str, keys: Sequence[str]) -> str:
    """Asks until one of the keys, or q, is pressed. Each of `LEAVE_KEYS` counts as q."""
    with Terminal() as terminal:
        while (key := terminal.wait_for_key(prompt)) not in (*keys, "q"):
            terminal.show(("Unknown key.",), prompt)
    return key


def wait_for_enter() -> None:
    """Waits until the person has read what is shown. Also returns if the terminal is gone."""
    ask_key("Enter: continue", "\n")
