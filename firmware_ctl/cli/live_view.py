"""The live view of `firmware-ctl mock`: a process between a person and the daemon, its child.

It waits in one select for keys, for the daemon's channel and for signals. `view_picture` decides
what is shown and what a key sends, `view_layout` makes lines of it, `view_terminal` writes them.
"""

import contextlib
import os
import re
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Final

from firmware_ctl.cli.view_picture import DOWN, ENTER, ESC, REDRAW_MS, STOP, UP, Picture
from firmware_ctl.cli.view_terminal import TERMINAL_ERRORS, Terminal

END_MS: Final = 2_000
"""How long the daemon may take to end after its channel is closed, before it is killed."""

END_LINE: Final = b"Stopped. All motors are off.\n"
"""What the shell's screen shows after a daemon that ended in order."""

COULD_NOT_START: Final = 2
"""The exit code of a daemon that could not start, and that has written why."""

_ENDING: Final = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))
_CAUGHT: Final = (
    *_ENDING,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGWINCH,
    signal.SIGCHLD,
)

# While the view has the terminal, Ctrl-C and Ctrl-Z arrive as these characters, not as signals, and
# Ctrl-D, which ends a shell, does not end the input.
_QUIT_KEYS: Final = "q\x03\x04"
_SUSPEND_KEY: Final = "\x1a"
_KEYS: Final = re.compile(r"\x1b(?:\[[0-?]*[@-~]|O[A-Za-z])?|.", re.DOTALL)
"""One key: an escape sequence, Esc alone, or a character."""
_INCOMPLETE: Final = re.compile(r"\x1b(?:\[[0-?]*|O)?\Z")
"""An escape sequence that has begun at the end of a read, and whose rest has not arrived."""
_KEY_NAMES: Final = {"\x1b[A": UP, "\x1bOA": UP, "\x1b[B": DOWN, "\x1bOB": DOWN, "\n": ENTER}


def run(
    channel: socket.socket,
    child_pid: int,
    first_line: str,
    read_stderr: Callable[[], str] = lambda: "",
) -> int:
    """Shows the daemon `child_pid` until it ends. Returns its exit code, or 1 if it was killed.

    `channel` is one end of a socket pair; only the child holds the other end. Standard input and
    output must be a terminal, which is restored on every way out. `read_stderr` is called after the
    daemon has ended, and returns what the daemon wrote to stderr.
    """
    print(first_line, flush=True)
    with contextlib.closing(channel), _signals() as signals_fd, Terminal() as terminal:
        code, reason = _Loop(channel, child_pid, terminal, signals_fd).run()
    errors = read_stderr()
    sys.stderr.write(errors)  # the reason comes last, so that pages of stacks do not hide it
    if code == 0:
        with contextlib.suppress(OSError):  # the terminal may have closed
            os.write(sys.stdout.fileno(), END_LINE)
    elif code != COULD_NOT_START or not errors:
        print(f"firmware-ctl: {reason}", file=sys.stderr)
    return code


class _Loop:
    """Passes keys to the daemon, the daemon's lines to the picture, the picture to the terminal."""

    def __init__(
        self, channel: socket.socket, child_pid: int, terminal: Terminal, signals_fd: int
    ) -> None:
        self._channel = channel
        self._child_pid = child_pid
        self._terminal = terminal
        self._signals_fd = signals_fd
        self._picture = Picture(has_pages=terminal.has_pages)
        self._unsent: deque[bytes] = deque()
        """Requests for which the channel of a busy daemon has no room yet."""
        self._half_line = b""
        self._half_key = ""
        """The begin of an escape sequence whose rest has not arrived."""
        self._drawn_at_ms = 0
        self._draw_at_ms: int | None = 0
        """When to draw next. None: not before something changes."""
        self._kill_at_ms: int | None = None
        """When to kill the daemon. None: the view stays. A view that leaves reads only signals."""
        self._is_overdue = False
        """True if the view has killed the daemon."""

    def run(self) -> tuple[int, str]:
        """The exit code, and why the daemon ended. The reason is empty if it ended in order."""
        self._terminal.take()
        self._channel.setblocking(False)
        self._send(self._picture.request("events on", ""))
        while True:
            ended_pid, wait_status = os.waitpid(self._child_pid, os.WNOHANG)
            now_ms = _now_ms()
            if ended_pid:
                self._read_channel(now_ms)  # its last line may report a fault
                return describe_end(
                    wait_status,
                    self._picture.status.fault,
                    overdue=self._is_overdue,
                    running=self._picture.status.state == "running",
                )
            self._act_if_due(now_ms)
            self._wait_and_read()

    def _act_if_due(self, now_ms: int) -> None:
        if self._kill_at_ms is not None and now_ms >= self._kill_at_ms:
            os.kill(self._child_pid, signal.SIGKILL)
            self._kill_at_ms = now_ms + END_MS
            self._is_overdue = True
        if self._draw_at_ms is not None and now_ms >= self._draw_at_ms:
            if self._terminal.is_writing:
                self._draw_at_ms = now_ms + REDRAW_MS
            else:
                self._draw(now_ms)

    def _wait_and_read(self) -> None:
        sources = [self._signals_fd]
        if self._kill_at_ms is None:
            sources += [self._terminal.keys_fd, self._channel.fileno()]
        sinks = [self._channel.fileno()] if self._unsent else []
        deadlines_ms = [
            at_ms for at_ms in (self._draw_at_ms, self._kill_at_ms) if at_ms is not None
        ]
        wait_s = max(0, min(deadlines_ms) - _now_ms()) / 1000 if deadlines_ms else None
        readable, writable, _ = select.select(sources, sinks, [], wait_s)
        now_ms = _now_ms()
        if self._terminal.keys_fd in readable:
            self._read_keys(now_ms)
        if self._channel.fileno() in readable:
            self._read_channel(now_ms)
        if writable:
            self._send_unsent()
        if self._signals_fd in readable:
            self._read_signals()
        if readable:
            soon_ms = max(now_ms, self._drawn_at_ms + REDRAW_MS)
            self._draw_at_ms = min(self._draw_at_ms or soon_ms, soon_ms)

    # --- in ---

    def _read_signals(self) -> None:
        numbers = set(os.read(self._signals_fd, 1024))
        if signal.SIGWINCH in numbers:
            self._terminal.forget_frame()
        if numbers & _ENDING:
            self._leave()
        elif signal.SIGTSTP in numbers:
            self._suspend()
        elif signal.SIGCONT in numbers:  # after a SIGSTOP, which no program can catch
            self._continue()

    def _read_keys(self, now_ms: int) -> None:
        try:
            keys = os.read(self._terminal.keys_fd, 1024).decode("utf-8", "replace")
        except OSError:  # the terminal has closed
            keys = ""
        if not keys:
            self._leave()
        keys = self._half_key + keys
        half = _INCOMPLETE.search(keys)
        self._half_key = half[0] if half else ""
        if keys == ESC:  # held as the beginning of a sequence, but most probably the key Esc
            self._picture.press(ESC, now_ms)
        for key in _KEYS.findall(keys.removesuffix(self._half_key)):
            if key in _QUIT_KEYS:
                self._leave()
            elif key == _SUSPEND_KEY:
                self._suspend()
                break  # the keys typed after Ctrl-Z were for the shell
            else:
                # A key that the view does not know by its sequence acts as Esc.
                self._send(self._picture.press(_KEY_NAMES.get(key, key[0]), now_ms))
        # A key also repairs a screen on which another program has written.
        self._terminal.forget_frame()

    def _read_channel(self, now_ms: int) -> None:
        try:
            data = self._channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave()
        *lines, self._half_line = (self._half_line + data).split(b"\n")
        for line in lines:
            self._picture.feed(line.decode("utf-8", "replace").rstrip("\r"), now_ms)

    # --- out ---

    def _send(self, request: bytes) -> None:
        """Sends a request now, or as soon as a busy daemon reads. No request is lost."""
        if request == STOP and self._unsent:
            # The stop goes before the waiting requests, to act at once, and again behind them: a
            # start among them must not start the mat after the stop.
            self._unsent.appendleft(STOP)
        if request:
            self._unsent.append(request)
        self._send_unsent()

    def _send_unsent(self) -> None:
        try:
            while self._unsent:
                # A request is so short that the kernel takes all of its bytes or none.
                self._channel.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:  # the daemon has ended; the next read of the channel finds that
            self._unsent.clear()

    def _draw(self, now_ms: int) -> None:
        self._with_terminal(lambda: self._terminal.draw(self._picture, now_ms))
        after_ms = self._picture.redraw_after_ms(now_ms)
        self._drawn_at_ms = now_ms
        self._draw_at_ms = None if after_ms is None else now_ms + after_ms

    def _with_terminal(self, act: Callable[[], object]) -> None:
        """Calls `act`. If the terminal has closed, the view ends in order."""
        try:
            act()
        except TERMINAL_ERRORS:
            self._leave()

    # --- the ways out ---

    def _suspend(self) -> None:
        """Stops the mat, gives the terminal to the shell, and takes it back after `fg`.

        The mat must stop, because a suspended view cannot pass on a stop key.
        """
        if self._kill_at_ms is not None:
            return
        self._send(STOP)
        self._terminal.give_back()
        # While the shell has the terminal, every signal acts as on a program that catches none.
        with _handlers(_CAUGHT, signal.SIG_DFL):
            # To the whole process group, so that a wrapper that started the view stops, too. The
            # daemon is in a session of its own. If no shell could continue the group, the kernel
            # ignores this signal.
            os.killpg(0, signal.SIGTSTP)
        self._continue()

    def _continue(self) -> None:
        """Takes the terminal back, whatever mode the shell has left it in."""
        with _handlers(_CAUGHT, signal.SIG_DFL):  # a caught signal would end the wait
            self._with_terminal(self._terminal.await_foreground)
        self._terminal.give_back()
        self._with_terminal(self._terminal.take)

    def _leave(self) -> None:
        """Stops the mat and closes the channel, which makes the daemon end. Never waits for it."""
        if self._kill_at_ms is None:
            self._kill_at_ms = _now_ms() + END_MS
            self._send(STOP)
            self._unsent.clear()
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the number of each caught signal is read, as one byte."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, read_fd)
        stack.callback(os.close, write_fd)
        stack.enter_context(_handlers(_CAUGHT, lambda *_: None))
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(write_fd))
        yield read_fd


@contextlib.contextmanager
def _handlers(
    numbers: Iterable[signal.Signals],
    handler: Callable[[int, FrameType | None], object] | signal.Handlers,
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def describe_end(
    wait_status: int, fault: str, *, overdue: bool, running: bool = False
) -> tuple[int, str]:
    """The view's exit code for how the daemon ended, and the sentence that says why.

    `fault`: the last fault that the daemon reported. `overdue`: the view has killed it. `running`:
    a session ran at its last report.
    """
    code = os.waitstatus_to_exitcode(wait_status)
    if overdue and code == -signal.SIGKILL:
        return 1, f"the daemon did not end within {END_MS / 1000:g} s and was killed."
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        reason = f"the daemon was killed by signal {-code} ({names.get(-code, 'unnamed')})"
        if running and code == -signal.SIGKILL:
            reason += " while a session ran, as its dead-man does when it hangs or is stopped"
        return 1, f"{reason}."
    if code > 0:
        after = f" after the fault {fault}" if fault else ""
        return code, f"the daemon ended with exit code {code}{after}."
    return 0, ""


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
