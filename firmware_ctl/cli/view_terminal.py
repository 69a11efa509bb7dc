"""The live view's terminal: single keys, pictures by rich, and the return to the shell.

It knows the modes of a terminal and the thread that writes to it. It knows nothing of the daemon.
"""

import contextlib
import os
import sys
import termios
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleDimensions

from firmware_ctl.cli.view_layout import HEIGHT, WIDTH, Frame, render
from firmware_ctl.cli.view_lines import Lines
from firmware_ctl.cli.view_picture import Picture

TERMINAL_ERRORS: Final = (OSError, termios.error)
"""The errors of a terminal that has closed. `termios.error` is not an `OSError`."""

_INPUT_FLAGS: Final = 0
_LOCAL_FLAGS: Final = 3
"""Places in the list that `termios.tcgetattr` returns."""


class Terminal:
    """Standard input and output, which must be a terminal. A `with` block gives it back at its end.

    A terminal may take output slowly or not at all, for example over a stalled ssh. A thread writes
    the pictures, so that keys, a stop among them, reach the daemon meanwhile.
    """

    def __init__(self) -> None:
        self._console = Console(force_terminal=True, highlight=False)
        self._ascii_only = _is_ascii_only()
        self._lines = Lines(ascii_only=self._ascii_only)
        self._keys_fd = sys.stdin.fileno()
        self._shell_modes = termios.tcgetattr(self._keys_fd)
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None
        self._frame: Frame | str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()

    @property
    def has_pages(self) -> bool:
        """False for a terminal that cannot move its cursor: it shows lines of text only."""
        return not self._console.is_dumb_terminal

    @property
    def keys_fd(self) -> int:
        """The descriptor from which keys are read."""
        return self._keys_fd

    @property
    def is_writing(self) -> bool:
        """True if the terminal has not taken the last picture yet."""
        return self._writing is not None and not self._writing.done()

    def take(self) -> None:
        """Sets single keys, no echo, and the alternate screen. Raises one of `TERMINAL_ERRORS`."""
        self._writer = ThreadPoolExecutor(1, "view-writer")
        modes = [*self._shell_modes]
        modes[_INPUT_FLAGS] &= ~termios.IXON  # Ctrl-S would freeze the picture
        modes[_LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
        # TCSAFLUSH, here and in `give_back`, discards the keys typed before: such a key must
        # neither start the mat nor reach the shell.
        termios.tcsetattr(self._keys_fd, termios.TCSAFLUSH, modes)
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)

    def give_back(self) -> None:
        """Restores the shell's screen, cursor and modes, after the last picture is written."""
        if self._writer is None:  # the shell has the terminal
            return
        self._writer.shutdown()
        self._writer = self._writing = self._frame = None
        with contextlib.suppress(*TERMINAL_ERRORS):
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        with contextlib.suppress(*TERMINAL_ERRORS):
            termios.tcsetattr(self._keys_fd, termios.TCSAFLUSH, self._shell_modes)

    def await_foreground(self) -> None:
        """Waits until the shell has this job in the foreground: the kernel stops it until then.

        Raises one of `TERMINAL_ERRORS`.
        """
        # This sets the modes that the terminal has already, only because the kernel stops a process
        # that sets modes in the background (SIGTTOU).
        modes = termios.tcgetattr(self._keys_fd)
        termios.tcsetattr(self._keys_fd, termios.TCSANOW, modes)

    def draw(self, picture: Picture, now_ms: int) -> None:
        """Begins to write the picture, unless the terminal shows it already.

        Not to be called while `is_writing`. Raises the error that ended the writing of the last
        picture.
        """
        if self._writing is not None:
            self._writing.result()
        if self._writer is None:
            return
        frame = self._frame_of(picture, now_ms)
        if frame and frame != self._frame:
            self._frame = frame
            self._writing = self._writer.submit(self._write, frame)

    def forget_frame(self) -> None:
        """Makes `draw` write the next picture even if equal: the screen may be damaged."""
        if not self._console.is_dumb_terminal:  # it shows lines of text, which stay intact
            self._frame = None

    def _frame_of(self, picture: Picture, now_ms: int) -> Frame | str:
        """A whole screen, or what is new, as text, if the terminal cannot move its cursor."""
        width, height = os.get_terminal_size(sys.stdout.fileno())
        if not (width and height):  # a serial line has no size until someone sets it
            width, height = WIDTH, HEIGHT
        if self._console.is_dumb_terminal:
            return self._lines.next(picture, now_ms, width)
        # Otherwise rich believes COLUMNS and LINES of the environment, which may be 0.
        self._console.size = ConsoleDimensions(width, height)
        return render(picture, width, height, now_ms, ascii_only=self._ascii_only)

    def _write(self, frame: Frame | str) -> None:
        if isinstance(frame, str):
            print(frame, flush=True)
        else:
            # `rich.live.Live` would lay each picture out twice: 2.8 % of a core instead of 2.4 %
            # while a session plays. It also writes a screen as one text, which breaks up while the
            # terminal is resized. `update_screen_lines` places each line.
            self._console.update_screen_lines(self._console.render_lines(frame))


def _is_ascii_only() -> bool:
    # In a C locale Python speaks UTF-8 by itself (PEP 540); the terminal need not.
    return sys.stdout.encoding.lower() != "utf-8" or (
        bool(sys.flags.utf8_mode) and os.environ.get("PYTHONUTF8") != "1"
    )
