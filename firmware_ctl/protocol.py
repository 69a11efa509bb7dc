"""One connection of the serial protocol: bytes in, requests out; answers in, bytes out.

No port, no clock and no session: a serial port, a pty, a socket and a test all use the same
object. Which verbs there are and what they do stands in `verbs`.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

LONGEST_LINE: Final = 96
MOST_PENDING: Final = 1024
"""Requests read but not answered; what a client sends beyond them is answered `err busy`."""
MOST_UNREAD: Final = 64 * 1024
MOST_UNSENT: Final = 64 * 1024
STOPPED_A_SECOND: Final = 10

ERROR_CODES: Final[Mapping[str, str]] = {
    "unknown-command": "no verb of that name",
    "bad-argument": "an argument is missing, too many, or out of its range",
    "unknown-profile": "no profile of that name",
    "invalid-profile": "the profile's file has a mistake; the message gives its place",
    "busy": "something runs, has only just stopped, or too much was asked at once",
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

_FEW: Final = 128
"""Bytes that are put together as they come."""
_TOKENS: Final = re.compile(rb"[ -~]+|[^ -~]", re.DOTALL)
_PLAIN: Final = re.compile(rb"(?:[^!?\x00-\x1f\x7f-\xff]{0,%d}\r?\n)+" % LONGEST_LINE)
"""Whole lines and nothing immediate, as most bytes come."""
_STOP_BYTES: Final = b"!\x18\x03"
_IMMEDIATE: Final = re.compile(rb"[!?\x18\x03]+")
_LINE_ENDS: Final = re.compile(rb"[^ \r\n] *[\r\n]")
_STOP_LINES: Final = re.compile(rb"[\r\n] *stop(?=[ \r\n])", re.IGNORECASE)
_CLEARED: Final = re.compile(rb"(?:\A|(?<=[\r\n!]))[^\r\n!]*!")
"""What a stop byte takes away of its line; of all three kinds one stands for them."""
_ONE_KIND: Final = bytes.maketrans(_STOP_BYTES, b"!" * len(_STOP_BYTES))

ACTED: Final = "ok"
"""In the place of a complaint: a stop that has acted, and for which there was no room."""


class Request(NamedTuple):
    """One whole line. `stops` counts the stops that the connection's owner knew when it came."""

    line: str
    stops: int


class Complaint(NamedTuple):
    """A line that is no request, and the error that answers it."""

    code: str
    lines: int = 1


class _LeftOut(NamedTuple):
    """Whole lines that there was no room for."""

    lines: int
    stops: int
    """So many of them say `stop`."""


class Heard(NamedTuple):
    """What acts before any line is looked at."""

    stops: int = 0
    """Stop bytes, and `stop` lines of which it is known already."""
    status: bool = False


NOTHING_HEARD: Final = Heard()


class Connection:
    """Framing, echo and bounded buffers of one client."""

    def __init__(self) -> None:
        self.echo = False
        self.events = False
        self.lease_s = 0
        self.heard_at_ms = 0
        """When bytes last came."""
        self.pending: deque[Request | Complaint] = deque()
        self._unread: deque[tuple[bytes, int] | _LeftOut] = deque()
        self._unread_bytes = 0
        self._left_out = b""
        """The begin of a line after those that there was no room for."""
        self._line = bytearray()
        self._flaw = ""
        self._after_cr = False
        self._stopped = 0
        self._unsent = bytearray()
        self.has_unsent = False
        self._dropped = 0
        self._status_unsent = False
        self._stopped_at_ms: deque[int] = deque(maxlen=STOPPED_A_SECOND)

    # --- in ---

    def receive(self, data: bytes, stops: int = 0) -> Heard:
        """Takes bytes as they came, cut anywhere, and hears the immediate ones at once.

        Cheap: all but a few plain lines are put together later, by `digest`, so that a stop byte is
        found behind any flood. What a client sends beyond `MOST_UNREAD` is not kept; its lines are
        answered busy, but `stop` acts.
        """
        if not (self._unread or self._line or self._flaw or self._left_out or self.echo) and (
            len(data) <= _FEW and _PLAIN.fullmatch(data)
        ):
            self._after_cr = False
            stop_lines = 0
            for line in data.decode("ascii").splitlines():
                stop_lines += self._request(line, stops + stop_lines)
            return Heard(stop_lines) if stop_lines else NOTHING_HEARD
        stop_lines = 0
        if self._unread_bytes + len(self._left_out) + len(data) > MOST_UNREAD:
            stop_lines = self._leave_out(data)
        else:
            whole, self._left_out = self._left_out + data, b""
            self._unread.append((whole, stops))
            self._unread_bytes += len(whole)
        if not stop_lines and _IMMEDIATE.search(data) is None:
            return NOTHING_HEARD
        return Heard(_count_stops(data) + stop_lines, b"?" in data)

    def _leave_out(self, data: bytes) -> int:
        """Counts lines and keeps only the begin of one; gives back how many say `stop`."""
        self._stopped += _count_stops(data)
        before = self._unread[-1] if self._unread else None
        if isinstance(before, _LeftOut):
            self._unread.pop()
        else:
            before = _LeftOut(0, 0)
            self._left_out = self._left_out or self._begun()
        data = (self._left_out + data).translate(_ONE_KIND, b"?")
        data = _CLEARED.sub(b"", data)
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._left_out = data[end : end + LONGEST_LINE + 1]
        stop_lines = len(_STOP_LINES.findall(b"\n" + data[:end]))
        lines = len(_LINE_ENDS.findall(data[:end]))
        self._unread.append(_LeftOut(before.lines + lines, before.stops + stop_lines))
        return stop_lines

    def _begun(self) -> bytes:
        """What was received of a line that is not whole, as much of it as tells what it is."""
        begun = b""
        for item in reversed(self._unread):
            if isinstance(item, _LeftOut):
                return begun
            begun = item[0] + begun
            ends = [begun.rfind(end) for end in (b"\r", b"\n", b"!", b"\x18", b"\x03")]
            if max(ends) >= 0:
                return begun[max(ends) + 1 :]
            if len(begun) > LONGEST_LINE:
                return b"\0"
        return bytes(self._line) + begun if not self._flaw else b"\0"

    def digest(self, most_bytes: int = MOST_UNREAD) -> int:
        """Puts lines together out of what was received; whole ones go to `pending`.

        Gives back how many of them say `stop`: they act before their turn.
        """
        stop_lines = 0
        while self._unread and most_bytes > 0:
            item = self._unread.popleft()
            if isinstance(item, _LeftOut):
                # With the line whose end was left out.
                self._line.clear()
                self._flaw = ""
                for code, lines in (("busy", item.lines - item.stops), (ACTED, item.stops)):
                    if lines:
                        self._queue(Complaint(code, lines))
                continue
            data, stops = item
            self._unread_bytes -= len(data)
            rest = b""
            if len(data) > most_bytes:
                data, rest = data[:most_bytes], data[most_bytes:]
            most_bytes -= len(data)
            found = self._digest(data, stops)
            stop_lines += found
            if rest:
                self._unread.appendleft((rest, stops + _count_stops(data) + found))
                self._unread_bytes += len(rest)
        return stop_lines

    @property
    def is_served(self) -> bool:
        """All that was received is digested, and all that is whole was taken from `pending`."""
        return not (self._unread or self.pending)

    def _digest(self, data: bytes, stops: int) -> int:
        begin = stops
        cut = 0
        for match in _IMMEDIATE.finditer(data):
            stops = self._lines(data[cut : match.start()], stops)
            cut = match.end()
            stop_bytes = _count_stops(match[0])
            if stop_bytes:
                stops += stop_bytes
                begin += stop_bytes
                if self.echo and self._line:
                    self._put(b"\r\n")
                self._line.clear()
                self._flaw = ""
                self._stopped += stop_bytes
        return self._lines(data[cut:], stops) - begin

    def _lines(self, data: bytes, stops: int) -> int:
        for token in _TOKENS.findall(data):
            if token in (b"\r", b"\n"):
                stops += self._end_line(stops)
                if self.echo and not (token == b"\n" and self._after_cr):
                    self._put(b"\r\n")
            elif 0x20 <= token[0] <= 0x7E:
                room = LONGEST_LINE - len(self._line)
                if len(token) > room:
                    self._flaw = "too-long"
                    token = token[:room]
                self._line += token
                if self.echo:
                    self._put(token)
            elif self.echo and token in (b"\x08", b"\x7f"):
                if self._line:
                    del self._line[-1]
                    self._put(b"\b \b")
            else:
                self._flaw = self._flaw or "not-text"
            self._after_cr = token == b"\r"
        return stops

    def _end_line(self, stops: int) -> bool:
        line, flaw = self._line.decode("ascii"), self._flaw
        self._line.clear()
        self._flaw = ""
        if flaw:
            self._queue(Complaint(flaw))
            return False
        return self._request(line, stops)

    def _request(self, line: str, stops: int) -> bool:
        """Queues a whole line, unless it is empty; True: it says `stop`."""
        if not line or line.isspace():
            return False
        self._queue(Request(line, stops))
        return _says_stop(line)

    def _queue(self, item: Request | Complaint) -> None:
        if len(self.pending) < MOST_PENDING:
            self.pending.append(item)
            return
        if isinstance(item, Complaint):
            code, lines = ACTED if item.code == ACTED else "busy", item.lines
        else:
            code, lines = ACTED if _says_stop(item.line) else "busy", 1
        for n in (-1, -2):
            last = self.pending[n]
            if isinstance(last, Complaint) and last.code == code:
                self.pending[n] = Complaint(code, last.lines + lines)
                return
        self.pending.append(Complaint(code, lines))

    def forget(self) -> None:
        """All that was received and not answered."""
        self.pending.clear()
        self._unread.clear()
        self._unread_bytes = 0
        self._left_out = b""
        self._line.clear()
        self._flaw = ""

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

    def tell_stopped(self, now_ms: int) -> None:
        """Answers each stop byte that was digested, ten times a second at most."""
        if not self._stopped:
            return
        told = self._stopped_at_ms
        count, self._stopped = self._stopped, 0
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


def _says_stop(line: str) -> bool:
    return line.split(None, 1)[0].lower() == "stop"


def _count_stops(data: bytes) -> int:
    return len(data) - len(data.translate(None, _STOP_BYTES))


def text(value: str) -> str:
    """A free text as a value: a JSON string in ASCII."""
    return json.dumps(value)


def fields(values: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())
