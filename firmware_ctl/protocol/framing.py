"""From bytes to lines: stop bytes, lines that may mean stop, and the text of an edited line.

The same bytes are read twice, for two purposes:

* `Framing.feed` runs at once on all bytes that have arrived. It is fast. It finds the stop bytes,
  `?`, and the lines that may mean stop, even with noise between their letters.
* `text_of` runs later, line by line, when the daemon has time to answer. It is strict: it returns
  a request of printable ASCII, or the reason why the line is not a request.

So a stop never waits behind a flood, and a start is always an exact line. This module never knows
which commands exist.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from firmware_ctl.protocol.stop_words import slips

MOST_NOISE_OF_SLIP: Final = 2
"""Most bytes that are no text in a line whose slip of a stop word counts."""
LONGEST_LINE: Final = 96
"""Most characters in a request."""

LONGEST_TAIL: Final = 1024
"""Most bytes kept of a line that has not ended. Editing keys make a line longer than its text."""

KEPT_OF_BEGIN: Final = 128
"""Bytes at the begin of a longer line that are kept: enough for a stop word behind some noise."""

STOP_BYTES: Final = b"!\x18\x03"
"""`!`, Ctrl-X and Ctrl-C."""
# Each pattern matches only from the beginning of a line. Otherwise the search through a long line
# without an end would take quadratic time.
_CLEARED: Final = re.compile(rb"(?:\A|(?<=[\r\n!\x18\x03]))[^\r\n!\x18\x03]*[!\x18\x03]")
"""A stop byte and the incomplete line before it, which the stop byte drops."""
_PLAIN: Final = re.compile(rb"[ -~]*")
_NOISE: Final = bytes({*range(256)} - {*range(0x20, 0x7F)})
"""Every byte that is not printable ASCII."""
_LINE_END: Final = ord("\n")
_PLAIN_LINES: Final = re.compile(rb"[ ->@-~\n]*")
"""Lines without `?` and without editing keys."""
_NOISE_AND_QUESTIONS: Final = bytes({*_NOISE, ord("?")} - {_LINE_END})
_NOISE_BUT_DELETES: Final = bytes({*_NOISE} - {0x08, 0x7F, _LINE_END})
_ESCAPES: Final = re.compile(rb"\x1b(?:\[\[[A-E]|\[[0-?]*[ -/]*[@-~]|O[@-~])")
"""The escape sequences that terminals send for arrows and other keys. `[[` is that of F1 to F5 on
the Linux console."""
_CTRL_U: Final = b"\x15"
"""The key by which a terminal clears the line."""
_DROPPED: Final = re.compile(rb"(?:\A|(?<=[\r\n]))[^\r\n]*\x15")
"""The part of a line that Ctrl-U drops."""
_DELETES: Final = b"\x08\x7f"
_EMPTY_FIRST: Final = re.compile(rb" *[\r\n]")
_EDITED: Final = re.compile(rb"[\x08\x1b\x7f?]")
_STOP_WORD: Final = re.compile(rb"stop|off|halt|abort", re.IGNORECASE)
_HTTP: Final = re.compile(rb" HTTP/\d(?:\.\d)?\Z")
_ENDS_WITH_STOP: Final = re.compile(rb"(?:stop|off|halt|abort)[^0-9A-Za-z]*\Z", re.IGNORECASE)
_BEGINS_WITH_STOP: Final = re.compile(rb"[^0-9A-Za-z]*stop(?![0-9A-Za-z])", re.IGNORECASE)
_FIRST_WORD: Final = re.compile(rb"^[^0-9a-z\n]*+([0-9a-z]+)", re.MULTILINE)
_SLIPS: Final = frozenset(slip.encode() for slip in slips())

NOT_TEXT: Final = "not-text"
TOO_LONG: Final = "too-long"
"""Error codes of the protocol: see `connection.ERROR_CODES`."""


class Line(NamedTuple):
    """A complete line as received, without its line end."""

    raw: bytes
    arrived_at_ms: int
    """When the loop read the last byte of the line."""
    is_cut: bool = False
    """True if the line was longer than `LONGEST_TAIL`, so that its middle was not kept."""


class Received(NamedTuple):
    """What some bytes hold: the result of `Framing.feed`."""

    stop_bytes: int
    """How many stop bytes arrived. Each stops at once, in the middle of a line as well."""
    asks_status: bool
    """True if a `?` arrived, anywhere."""
    suspects: Sequence[Line]
    """Lines that may mean stop: they begin or end with a stop word, or begin with a slip of one."""
    lines: Sequence[Line]
    """All complete lines that are not empty."""
    has_empty_line: bool
    begins_empty: bool
    """True if the first complete line is empty."""


class Flaw(NamedTuple):
    """Why a line is not a request: an error code."""

    code: str


class Framing:
    """Splits the bytes of one connection into lines. Holds at most `LONGEST_TAIL` bytes."""

    def __init__(self) -> None:
        self.tail = b""
        """The current incomplete line. Of a line longer than `LONGEST_TAIL` only the begin and the
        end are kept, because a stop word may stand there."""
        self._is_cut = False
        self._after_cr = False

    def feed(self, data: bytes, now_ms: int) -> Received:
        """Takes the next received bytes, which may begin and end anywhere in a line."""
        if self._after_cr and data[:1] in (b"\n", b"\0"):
            data = data[1:]  # CR LF is one line end; a telnet client sends CR NUL
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        stop_bytes = len(data) - len(data.translate(None, STOP_BYTES))
        asks_status = b"?" in data
        whole = (self.tail + data).replace(b"\r\0", b"\r").replace(b"\r\n", b"\n")
        is_cut = self._is_cut
        if stop_bytes:
            is_cut = is_cut and not _CLEARED.match(whole)
            whole = _CLEARED.sub(b"", whole)
        if _CTRL_U in whole:
            is_cut = is_cut and not _DROPPED.match(whole)
            whole = _DROPPED.sub(b"", whole)
        begins_empty = _EMPTY_FIRST.match(whole) is not None
        # `?` before a line is not a part of the line: a program may ask for the status at any time.
        *ended, self.tail = (raw.lstrip(b"?") for raw in whole.replace(b"\r", b"\n").split(b"\n"))
        if not ended:
            self._keep_tail(is_cut)
            return Received(stop_bytes, asks_status, (), (), False, False)
        full = [raw for raw in ended if raw.strip(b" ")]
        lines = [Line(raw, now_ms) for raw in full]
        if is_cut and lines and ended[0] == full[0]:
            lines[0] = lines[0]._replace(is_cut=True)
        self._keep_tail(False)
        suspects, has_empty_line = _suspects(lines), len(full) < len(ended)
        return Received(stop_bytes, asks_status, suspects, lines, has_empty_line, begins_empty)

    def suspect_tail(self, now_ms: int) -> Sequence[Line]:
        """The incomplete line, if it may mean stop. Empty if not. For a client that has left: its
        line will not end any more."""
        return _suspects([Line(self.tail, now_ms, self._is_cut)])

    def _keep_tail(self, is_cut: bool) -> None:
        if len(self.tail) > LONGEST_TAIL:
            self.tail, is_cut = self.tail[:KEPT_OF_BEGIN] + self.tail[-LONGEST_TAIL // 2 :], True
        self._is_cut = is_cut


def begins_like_http(line: Line) -> bool:
    """Whether the line is the request line of a web browser.

    Any web page can make a browser send one to a local port, and the page chooses the text before
    ` HTTP/1.1`. So only the end of the line is checked.
    """
    return _HTTP.search(line.raw) is not None


def asks_status(line: Line) -> bool:
    """Whether the line holds `?`. Such a line got the status on arrival, and is not executed."""
    return b"?" in line.raw


def is_answer(text: str) -> bool:
    """Whether the line looks like an echoed answer. To answer an echo would never end."""
    return text.startswith(("*", "-")) or text.split(None, 1)[0] in ("ok", "err")


def text_of(line: Line) -> str | Flaw:
    """The request in a line after its editing keys are applied, or why it is not a request."""
    text = edited(line.raw)
    if line.is_cut or len(text) > LONGEST_LINE:
        return Flaw(TOO_LONG)
    return text.decode("ascii") if _PLAIN.fullmatch(text) else Flaw(NOT_TEXT)


def edited(raw: bytes) -> bytes:
    """Removes arrow keys and `?`, which is never part of a line, and applies backspaces."""
    if not _EDITED.search(raw):
        return raw
    return _deleted(_ESCAPES.sub(b"", raw).replace(b"?", b""))


def _deleted(raw: bytes) -> bytes:
    if not any(key in _DELETES for key in raw):
        return raw
    text = bytearray()
    for key in raw:
        if key not in _DELETES:
            text.append(key)
        elif text and text[-1] != _LINE_END:
            del text[-1]
    return bytes(text)


def _suspects(lines: Sequence[Line]) -> list[Line]:
    """The lines that may mean stop, as a frightened person or a disturbed wire may write it."""
    # One search through all lines comes first, because almost always no line has a stop word. In a
    # flood, a search for each line takes longer than a stop may wait.
    readings = _readings(b"\n".join([line.raw for line in lines]))
    if not any(_STOP_WORD.search(text) or _begins_with_slip(text) for text in readings):
        return []
    # Equal lines are checked once: a flood mostly repeats one line.
    return [
        line
        for line in {line.raw: line for line in lines}.values()
        if has_stop_word(line.raw) or has_slip(line.raw)
    ]


def has_stop_word(raw: bytes) -> bool:
    """Whether a line begins or ends with a stop word, in any of its readings."""
    readings = _readings(raw)
    return any(_ENDS_WITH_STOP.search(text) or _BEGINS_WITH_STOP.match(text) for text in readings)


def has_slip(raw: bytes) -> bool:
    """Whether a line begins with a stop word, or with a slip of one, in any of its readings.

    A line with much noise has no slip: of some thousand lines of random bytes a few begin with one
    of the thousand short words that are slips, and a wrong baud rate would end every session.
    """
    has_much_noise = len(raw) - len(raw.translate(None, _NOISE_BUT_DELETES)) > MOST_NOISE_OF_SLIP
    return not has_much_noise and any(map(_begins_with_slip, _readings(raw)))


def _begins_with_slip(text: bytes) -> bool:
    """Whether a line of a text begins with a stop word or a slip of one."""
    return not _SLIPS.isdisjoint(_FIRST_WORD.findall(text.lower()))


def _readings(raw: bytes) -> set[bytes]:
    """The texts that the sender of a line may have meant, in printable characters.

    A backspace may have deleted a noise byte or a letter. So the line is read in both ways: with
    the editing keys applied before the noise is removed, and after.
    """
    if _PLAIN_LINES.fullmatch(raw):
        return {raw}
    texts = (edited(raw), _deleted(raw), _deleted(raw.translate(None, _NOISE_BUT_DELETES)))
    return {text.translate(None, _NOISE_AND_QUESTIONS) for text in texts}
