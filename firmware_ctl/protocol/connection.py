"""One connection of the serial protocol: its waiting requests, its settings and its unsent answers.

Every buffer has a bound, so that a client that floods or never reads cannot fill the memory. This
module never knows the port, the clock or the session: a serial port, a pty, a socket and a test use
the same object. `commands` has the commands and their effects.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from operator import eq
from typing import Final, NamedTuple

from firmware_ctl.protocol.framing import LONGEST_LINE, Framing, Line, Received, edited
from firmware_ctl.session.events import Notice, Origin, Reason

MOST_WAITING: Final = 1024
"""Most requests that wait for an answer. Further lines are dropped; stops in them still act."""
MOST_WAITING_BYTES: Final = 128 * 1024
"""Most bytes of the waiting requests: enough for `MOST_WAITING` lines of the longest kind."""
MOST_UNSENT: Final = 64 * 1024
"""Most bytes of answers that the client has not taken. Further answers are dropped and counted."""
STOPPED_A_SECOND: Final = 10
"""Most answers to stop bytes in a second: a flood may hold thousands. Every stop byte still
acts."""

_HALF_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
"""The begin of an escape sequence whose rest has not arrived."""

ERROR_CODES: Final[Mapping[str, str]] = {
    "unknown-command": "no command of that name",
    "bad-argument": "missing, extra or out-of-range argument",
    "unknown-profile": "no profile of that name",
    "invalid-profile": "the profile's file has a mistake; the message gives its place",
    "busy": "something runs, or has only just stopped",
    "not-running": "nothing runs",
    "not-ready": "the device cannot start now",
    "allowance": "daily limit reached; the first word is the wait in seconds, or -",
    "fault": "a fault is active; fix its cause, then `clear`",
    "too-long": f"more than {LONGEST_LINE} bytes in a line",
    "overflow": "too much was asked at once",
    "not-text": "the line has a byte that is not printable ASCII",
    "not-here": "not possible on this daemon",
}

FAULT_CODES: Final[Mapping[str, str]] = {
    "tick-late": "the loop was held up",
    "pin-write": "a pin could not be written",
    "rail": "the motors' supply is on when it must be off, or off when it must be on",
    "button": "the start button's wires are broken",
    "under-voltage": "the Pi's supply voltage is low",
    "suspend": "the machine was suspended",
    "internal": "a mistake in the program",
}


END_REASONS: Final[Mapping[Reason, str]] = {
    Reason.STOP: "a client stopped it, by `stop`, another line, or a byte",
    Reason.BUTTON: "someone touched the start button",
    Reason.LEASE: "the client that started it sent no request within its lease",
    Reason.END: "its profile, its five minutes of pauses, or its time on disk was used up",
    Reason.FAULT: "something is wrong; the event of the fault follows",
    Reason.CLOSED: "the client that started it had a lease and left, or the daemon ended",
}
"""Reason in the event of a session's end → its meaning."""


class Dropped(NamedTuple):
    """Replaces lines that were dropped because too many were waiting."""

    lines: int


class Connection:
    """The lines, settings and bounded buffers of one client."""

    def __init__(self, origin: Origin = Origin.SOCKET) -> None:
        self._port_origin = origin
        self.origin = origin
        """The kind of port, or the bridge at its other end. State events publish it as `by`."""
        self.echo = False
        self.events = False
        self.lease_s = 0
        self.received_at_ms = 0
        """When bytes last arrived, on the caller's clock. 0: never."""
        self.renewed_at_ms = 0
        """When a valid request or `?` last arrived, which renews the lease."""
        self.has_asked = False
        """True from the first line or `?`."""
        self.awaits_greeting = False
        """True if the first line was empty, perhaps because its text was deleted, and the greeting
        is still due: a person at a serial terminal presses Enter to see who answers."""
        self.has_answered = False
        """True from the first answered line."""
        self.waiting: deque[Line | Dropped] = deque()
        """The lines without an answer. A `Dropped` stands for lines beyond `MOST_WAITING`."""
        self._waiting_bytes = 0
        self._framing = Framing()
        self._shown = b""
        """The part of the incomplete line that was echoed since the last line end that was sent."""
        self._unsent = bytearray()
        self.has_unsent = False
        self._dropped = 0
        self._status_unsent = False
        self._stopped_at_ms: deque[int] = deque(maxlen=STOPPED_A_SECOND)

    @property
    def lease_ends_at_ms(self) -> int:
        return self.renewed_at_ms + self.lease_s * 1000

    # --- in ---

    def receive(self, data: bytes, now_ms: int) -> Received:
        """Takes received bytes, split anywhere, and returns the parts that act at once.

        The lines wait until the caller takes them with `next`.
        """
        self.received_at_ms = now_ms
        received = self._framing.feed(data, now_ms)
        if self.echo:
            self._echo(received)
        else:
            self._shown = b""
        if received.stop_bytes:
            self.answer_stopped(received.stop_bytes, now_ms)
        if not self.has_asked:
            self._note_first_line(received)
        for line in received.lines:
            self._wait(line)
        return received

    def _note_first_line(self, received: Received) -> None:
        is_empty = received.begins_empty
        if received.lines and not (is_empty or received.asks_status):
            is_empty = not edited(received.lines[0].raw).strip(b" ")
        self.awaits_greeting = is_empty
        self.has_asked = is_empty or received.asks_status or bool(received.lines)

    def _wait(self, line: Line) -> None:
        waiting = self.waiting
        size = len(line.raw)
        if len(waiting) < MOST_WAITING and self._waiting_bytes + size <= MOST_WAITING_BYTES:
            waiting.append(line)
            self._waiting_bytes += size
        elif waiting and isinstance(waiting[-1], Dropped):
            waiting[-1] = Dropped(waiting[-1].lines + 1)
        else:
            waiting.append(Dropped(1))

    def next(self) -> Line | Dropped:
        """Removes and returns the line that has waited longest."""
        item = self.waiting.popleft()
        if isinstance(item, Line):
            self._waiting_bytes -= len(item.raw)
        return item

    @property
    def is_served(self) -> bool:
        """True if no line waits for an answer."""
        return not self.waiting

    def suspect_tail(self, now_ms: int) -> Sequence[Line]:
        """The incomplete last line, if it may mean stop. Empty if not."""
        return self._framing.suspect_tail(now_ms)

    def forget(self) -> None:
        """Drops all lines without an answer."""
        self.waiting.clear()
        self._waiting_bytes = 0

    def reset_settings(self) -> None:
        """Drops echo, events, lease, and the bridge that the client before said it was.

        A serial port outlives its clients. A new client begins with `hello`, and must not inherit
        the settings of the client before.
        """
        self.echo = self.events = False
        self.lease_s = 0
        self.origin = self._port_origin

    def _echo(self, received: Received) -> None:
        """Echoes the effect of the bytes on the visible line, and each line end."""
        if received.stop_bytes and self._shown:
            self._show(self._shown, b"\r\n")
        for line in received.lines:
            self._show(_printable(line.raw), b"\r\n")
        if received.has_empty_line and not received.lines:
            self._show(b"", b"\r\n")
        self._show(_printable(self._framing.tail))

    def _show(self, wanted: bytes, end: bytes = b"") -> None:
        """Changes the visible line to `wanted`, then ends it with `end`.

        A full buffer drops the change. The next one begins from what was shown, so that it deletes
        nothing else.
        """
        if self._put(_retyped(self._shown, wanted) + end):
            self._shown = b"" if end else wanted

    # --- out ---

    def answer(self, lines: Iterable[str]) -> None:
        """Queues an answer. If it does not fit, the whole answer is dropped and counted.

        An answer always fits into an empty buffer, even if it is longer than `MOST_UNSENT`.
        """
        data = "\r\n".join([*lines, ""]).encode("ascii", "backslashreplace")
        if self._unsent and len(self._unsent) + len(data) > MOST_UNSENT:
            self._dropped += 1
            return
        if self._dropped:
            self._report_dropped()
        self._unsent += data
        self.has_unsent = True
        self._shown = b""  # the answer's line end has left the typed text behind

    def answer_stopped(self, stop_bytes: int, now_ms: int) -> None:
        """Answers each stop byte, at most `STOPPED_A_SECOND` times in a second."""
        answered_at_ms = self._stopped_at_ms
        for _ in range(min(stop_bytes, STOPPED_A_SECOND)):
            if len(answered_at_ms) < STOPPED_A_SECOND or now_ms - answered_at_ms[0] >= 1000:
                answered_at_ms.append(now_ms)
                self.answer(["* stopped"])

    def status(self, line: str) -> None:
        """Answers `?`, unless the answer to an earlier `?` is still unsent."""
        if not self._status_unsent:
            self._status_unsent = True
            self.answer([line])

    @property
    def unsent(self) -> bytes:
        """The bytes to send next: at most the first 4 KiB. The port may take fewer, see `sent`."""
        return bytes(self._unsent[:4096])

    def sent(self, count: int) -> None:
        """Takes the first `count` bytes of `unsent` as sent."""
        del self._unsent[:count]
        self.has_unsent = bool(self._unsent)
        if not self._unsent:
            self._status_unsent = False
            if self._dropped:
                self._report_dropped()

    def _report_dropped(self) -> None:
        self._put(f"* dropped={self._dropped}\r\n".encode())
        self._shown = b""
        self._dropped = 0

    def _put(self, data: bytes) -> bool:
        """Queues the bytes if they fit. Returns whether they did."""
        fits = len(self._unsent) + len(data) <= MOST_UNSENT + 64
        if fits:
            self._unsent += data
            self.has_unsent = bool(self._unsent)
        return fits


def _printable(raw: bytes) -> bytes:
    """The visible part of a line, cut to the length of the longest request."""
    raw = _HALF_ESCAPE.sub(b"", raw)
    return bytes(key for key in edited(raw) if 0x20 <= key <= 0x7E)[:LONGEST_LINE]


def _retyped(shown: bytes, wanted: bytes) -> bytes:
    """The bytes that change the line on a terminal from `shown` to `wanted`.

    Backspaces delete the part that differs, and the new end follows.
    """
    same = len([*takewhile(bool, map(eq, shown, wanted))])
    return b"\b \b" * (len(shown) - same) + wanted[same:]


def text(value: str) -> str:
    """A free text as a value: a JSON string in ASCII."""
    return json.dumps(value)


def fields(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def event(notice: Notice) -> str:
    """The line that reports a notice to connections with `events on`."""
    quoted = ("phase", "cue", "message")
    values = {k: text(v) if k in quoted else v for k, v in notice.fields.items()}
    return f"* event={notice.kind} {fields(values)}"
