"""One connection of the serial protocol: bytes in, lines out; answers in, bytes out.

No port, no clock and no session: a serial port, a pty, a socket and a test all use the same
object. Which verbs there are and what they do stands in `verbs`.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from operator import eq
from typing import Final, NamedTuple

from firmware_ctl import __version__
from firmware_ctl.protocol.framing import LONGEST_LINE, Arrival, Framing, Line, edited

MOST_WAITING: Final = 1024
"""Requests that wait for their answer. Further lines are dropped; the stops in them still act."""
MOST_WAITING_BYTES: Final = 128 * 1024
"""And their bytes: more than so many requests of the longest kind have."""
MOST_UNSENT: Final = 64 * 1024
STOPPED_A_SECOND: Final = 10

_HALF_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")

GREETING: Final = f"* firmware-ctl {__version__} type help"

ERROR_CODES: Final[Mapping[str, str]] = {
    "unknown-command": "no verb of that name",
    "bad-argument": "an argument is missing, too many, or out of its range",
    "unknown-profile": "no profile of that name",
    "invalid-profile": "the profile's file has a mistake; the message gives its place",
    "busy": "something runs, or has only just stopped",
    "not-running": "nothing runs",
    "not-ready": "the device cannot start now",
    "allowance": "today's running time is used up; the first word is the wait in seconds, or -",
    "fault": "a fault stands; see to its cause, then clear",
    "too-long": f"more than {LONGEST_LINE} bytes in a line",
    "overflow": "too much was asked at once",
    "not-text": "a byte in the line is not printable ASCII",
    "not-here": "not possible on this daemon",
}

FAULT_CODES: Final[Mapping[str, str]] = {
    "tick-late": "the loop was held up",
    "pin-write": "a pin could not be written",
    "rail": "the motors' supply is on when it must be off, or off when it must be on",
    "button": "the start button's wires are broken",
    "under-voltage": "the supply of the Pi sags",
    "suspend": "the machine was suspended",
    "internal": "a mistake in the program",
}


class Dropped(NamedTuple):
    """Stands where lines were dropped, because too many were waiting."""

    lines: int


class Connection:
    """Lines, echo and bounded buffers of one client."""

    def __init__(self) -> None:
        self.echo = False
        self.events = False
        self.lease_s = 0
        self.heard_at_ms = 0
        """When bytes last came."""
        self.valid_at_ms = 0
        """When a valid request or `?` last came."""
        self.has_asked = False
        """A line has come."""
        self.has_answered = False
        """A line has been answered."""
        self.waiting: deque[Line | Dropped] = deque()
        """What is not answered yet; beyond `MOST_WAITING` it ends with one `Dropped`."""
        self._waiting_bytes = 0
        self._framing = Framing()
        self._unsent = bytearray()
        self.has_unsent = False
        self._dropped = 0
        self._status_unsent = False
        self._stopped_at_ms: deque[int] = deque(maxlen=STOPPED_A_SECOND)

    @property
    def lease_ends_at_ms(self) -> int:
        return self.valid_at_ms + self.lease_s * 1000

    # --- in ---

    def receive(self, data: bytes, now_ms: int) -> Arrival:
        """Takes bytes as they came, cut anywhere, and says what in them acts at once.

        The lines wait until `next_line` is asked for them.
        """
        self.heard_at_ms = now_ms
        before = self._framing.tail
        arrival = self._framing.feed(data, now_ms)
        if self.echo:
            self._echo(before, arrival)
        if arrival.stop_bytes:
            self.tell_stopped(arrival.stop_bytes, now_ms)
        self.has_asked = self.has_asked or arrival.asks_status
        if arrival.has_empty_line and not (self.has_asked or arrival.lines):
            self.has_asked = True
            self.answer([GREETING])
        for line in arrival.lines:
            self.has_asked = True
            self._wait(line)
        return arrival

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
        """What has waited longest."""
        item = self.waiting.popleft()
        if isinstance(item, Line):
            self._waiting_bytes -= len(item.raw)
        return item

    @property
    def is_served(self) -> bool:
        """Nothing waits for an answer."""
        return not self.waiting

    def suspect_tail(self, now_ms: int) -> Sequence[Line]:
        """What the client sent last, without a line end, if it says stop."""
        return self._framing.suspect_tail(now_ms)

    def forget(self) -> None:
        """Drops all that was received and not answered."""
        self.waiting.clear()
        self._waiting_bytes = 0

    def begin(self) -> None:
        """Begins a conversation: what an earlier client of this port set holds no more."""
        self.echo = self.events = False
        self.lease_s = 0

    def _echo(self, before: bytes, arrival: Arrival) -> None:
        """Echoes what the bytes made of the visible line; each line that ended ends here, too."""
        shown = _printable(before)
        if arrival.stop_bytes and shown:
            self._put(b"\r\n")
            shown = b""
        for line in arrival.lines:
            self._put(_retyped(shown, _printable(line.raw)) + b"\r\n")
            shown = b""
        self.has_asked = self.has_asked or arrival.asks_status
        if arrival.has_empty_line and not arrival.lines:
            self._put(_retyped(shown, b"") + b"\r\n")
            shown = b""
        self._put(_retyped(shown, _printable(self._framing.tail)))

    # --- out ---

    def answer(self, lines: Iterable[str]) -> None:
        """Queues the lines as one whole; they are sent whole or dropped whole, and counted."""
        whole = "\r\n".join([*lines, ""]).encode("ascii", "backslashreplace")
        if self._unsent and len(self._unsent) + len(whole) > MOST_UNSENT:
            self._dropped += 1
            return
        if self._dropped:
            self._tell_dropped()
        self._unsent += whole
        self.has_unsent = True

    def tell_stopped(self, stop_bytes: int, now_ms: int) -> None:
        """Answers each stop byte, ten times a second at most."""
        told = self._stopped_at_ms
        for _ in range(min(stop_bytes, STOPPED_A_SECOND)):
            if len(told) < STOPPED_A_SECOND or now_ms - told[0] >= 1000:
                told.append(now_ms)
                self.answer(["* stopped"])

    def status(self, line: str) -> None:
        """Answers `?`, unless an answer to an earlier one is still unsent."""
        if not self._status_unsent:
            self._status_unsent = True
            self.answer([line])

    @property
    def unsent(self) -> bytes:
        return bytes(self._unsent[:4096])

    def sent(self, count: int) -> None:
        """The first `count` bytes of `unsent` are out."""
        del self._unsent[:count]
        self.has_unsent = bool(self._unsent)
        if not self._unsent:
            self._status_unsent = False
            if self._dropped:
                self._tell_dropped()

    def _tell_dropped(self) -> None:
        self._put(f"* dropped={self._dropped}\r\n".encode())
        self._dropped = 0

    def _put(self, data: bytes) -> None:
        if len(self._unsent) + len(data) <= MOST_UNSENT + 64:
            self._unsent += data
            self.has_unsent = bool(self._unsent)


def _printable(raw: bytes) -> bytes:
    raw = _HALF_ESCAPE.sub(b"", raw)
    return bytes(key for key in edited(raw) if 0x20 <= key <= 0x7E)[:LONGEST_LINE]


def _retyped(shown: bytes, now: bytes) -> bytes:
    """What turns a line on a terminal into another one: backspaces, then the new end."""
    same = len([*takewhile(bool, map(eq, shown, now))])
    return b"\b \b" * (len(shown) - same) + now[same:]


def text(value: str) -> str:
    """A free text as a value: a JSON string in ASCII."""
    return json.dumps(value)


def fields(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


_FIELD: Final = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse_fields(line: str) -> dict[str, str]:
    """The `key=value` fields of a line; a quoted value is a JSON string."""
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in _FIELD.findall(line)
    }
