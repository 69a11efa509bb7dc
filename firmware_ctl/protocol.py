"""One connection of the serial protocol: bytes in, requests out; answers in, bytes out.

No port, no clock and no session: a serial port, a pty, a socket and a test all use the same
object. Which verbs there are and what they do stands in `verbs`.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

LONGEST_LINE: Final = 96
MOST_PENDING: Final = 1024
"""Requests read but not answered; what a client sends beyond them is answered `err busy`."""
MOST_UNSENT: Final = 64 * 1024
STOPPED_A_SECOND: Final = 10

ERROR_CODES: Final[Mapping[str, str]] = {
    "unknown-command": "no verb of that name",
    "bad-argument": "an argument is missing, too many, or out of its range",
    "unknown-profile": "no profile of that name",
    "invalid-profile": "the profile's file has a mistake; the message gives its place",
    "busy": "something runs or has only just stopped",
    "not-running": "nothing runs",
    "not-ready": "the device cannot start now",
    "allowance": "today's running time is used up; the first word is the wait in seconds, or -",
    "fault": "a fault stands; see to its cause, then clear",
    "too-long": f"more than {LONGEST_LINE} bytes in a line",
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

_TOKENS: Final = re.compile(rb"[ -~]+|[^ -~]", re.DOTALL)
_IMMEDIATE: Final = re.compile(rb"[!?\x18\x03]")


@dataclass(frozen=True, slots=True)
class Request:
    """One whole line. `stops` counts the stops that the connection's owner knew when it came."""

    line: str
    stops: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line that is no request, and the error that answers it."""

    code: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What acts before any line is looked at."""

    stops: int = 0
    """By bytes and by lines."""
    stop_bytes: int = 0
    status: bool = False


class Connection:
    """Framing, echo and bounded buffers of one client."""

    def __init__(self) -> None:
        self.echo = False
        self.events = False
        self.lease_s = 0
        self.pending: deque[Request | Complaint] = deque()
        self._line = bytearray()
        self._flaw = ""
        self._after_cr = False
        self._unsent = bytearray()
        self._dropped = 0
        self._status_unsent = False
        self._stopped_at_ms: deque[int] = deque(maxlen=STOPPED_A_SECOND)

    # --- in ---

    def receive(self, data: bytes, stops: int = 0) -> Heard:
        """Takes bytes as they came, cut anywhere. Whole lines go to `pending`.

        The four immediate bytes, and a whole line that says `stop`, are heard at once, wherever
        they stand in `data`.
        """
        heard = stops
        stop_bytes = 0
        status = False
        begin = 0
        for match in _IMMEDIATE.finditer(data):
            heard = self._lines(data[begin : match.start()], heard)
            begin = match.end()
            if match[0] == b"?":
                status = True
            else:
                heard += 1
                stop_bytes += 1
                if self.echo and self._line:
                    self._put(b"\r\n")
                self._line.clear()
                self._flaw = ""
        heard = self._lines(data[begin:], heard)
        return Heard(heard - stops, stop_bytes, status)

    def _lines(self, data: bytes, stops: int) -> int:
        for token in _TOKENS.findall(data):
            if token in (b"\r", b"\n"):
                stops += self._end_line(stops)
                if self.echo and not (token == b"\n" and self._after_cr):
                    self._put(b"\r\n")
            elif 0x20 <= token[0] <= 0x7E:
                self._text(token)
            elif self.echo and token in (b"\x08", b"\x7f"):
                if self._line:
                    del self._line[-1]
                    self._put(b"\b \b")
            else:
                self._flaw = self._flaw or "not-text"
            self._after_cr = token == b"\r"
        return stops

    def _text(self, text: bytes) -> None:
        room = LONGEST_LINE - len(self._line)
        if len(text) > room:
            self._flaw = "too-long"
        self._line += text[:room]
        if self.echo:
            self._put(text[:room])

    def _end_line(self, stops: int) -> bool:
        line, flaw = self._line.decode("ascii"), self._flaw
        self._line.clear()
        self._flaw = ""
        if flaw:
            self._queue(Complaint(flaw))
            return False
        words = line.split()
        if not words:
            return False
        self._queue(Request(line, stops))
        return len(words) == 1 and words[0].lower() == "stop"

    def _queue(self, item: Request | Complaint) -> None:
        if len(self.pending) < MOST_PENDING:
            self.pending.append(item)
            return
        last = self.pending[-1]
        if isinstance(last, Complaint) and last.code == "busy":
            self.pending[-1] = Complaint("busy", last.count + 1)
        else:
            self.pending.append(Complaint("busy"))

    # --- out ---

    def answer(self, lines: Iterable[str]) -> None:
        """Queues the lines as one whole; they are sent whole or dropped whole, and counted."""
        whole = "".join(f"{line}\r\n" for line in lines).encode("ascii", "backslashreplace")
        if len(self._unsent) + len(whole) > MOST_UNSENT:
            self._dropped += 1
            return
        self._tell_dropped()
        self._put(whole)

    def stopped(self, count: int, now_ms: int) -> None:
        """Answers each of `count` stop bytes, ten times a second at most."""
        told = self._stopped_at_ms
        for _ in range(min(count, STOPPED_A_SECOND)):
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
        if not self._unsent:
            self._status_unsent = False
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._put(f"* dropped={self._dropped}\r\n".encode())
            self._dropped = 0

    def _put(self, data: bytes) -> None:
        if len(self._unsent) + len(data) <= MOST_UNSENT + 64:
            self._unsent += data


def text(value: str) -> str:
    """A free text as a value: a JSON string in ASCII."""
    return json.dumps(value)


def fields(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())
