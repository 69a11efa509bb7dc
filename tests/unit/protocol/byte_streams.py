"""Byte streams of clients, split anywhere, and the requests that the contract sees in them."""

import re

from hypothesis import strategies as st

from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.connection import (
    Connection,
)
from firmware_ctl.protocol.framing import (
    LONGEST_LINE,
    Flaw,
    Line,
    asks_status,
    is_answer,
    text_of,
)
from tests.support.worlds import Bench, Wire


def answers(*lines: bytes, bench: Bench | None = None) -> list[str]:
    bench = bench or Bench()
    bench.send(100, *(line + b"\r" for line in lines))
    bench.run(150)
    return bench.wires[0].lines()[1:]


WORDS = [
    *COMMANDS, *(name.upper() for name in COMMANDS), "calm", "quick", "bad", "on", "off", "50", "0", "1",
    "CALM", "2", "9", "all", "back.left", "steady", "wave", "30", "30%", "period=4", "short", "0.05", " ", "x" * 90,
]  # fmt: skip

LINES = st.lists(st.sampled_from(WORDS), max_size=5).map(lambda words: " ".join(words).encode())

ENDS = st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\r", b"\n\r", b""])

PIECES = st.one_of(
    st.tuples(LINES, ENDS).map(b"".join),
    st.binary(max_size=12),
    st.sampled_from([b"!", b"?", b"\x03", b"\x18", b"start\r", b"press\r", b"\x08", b"\x7f"]),
)

BYTES = st.lists(PIECES, max_size=12).map(b"".join)

CALM_BYTES = BYTES.map(lambda data: re.sub(rb"[!?\x03\x18]", b"", data))


@st.composite
def cut(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    whole = draw(data)
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def requests(data: bytes) -> list[bytes | None]:
    """The contract's framing, byte by byte and as plainly as possible; None: a bad line.

    Without what gets no answer: empty lines, those in which `?` was typed, and echoed answers.
    """
    lines: list[bytes | None] = []
    line, asked, is_begun = b"", False, False
    data = re.sub(rb"\r\n|\r\0|\r", b"\n", data)
    while data:
        key = re.match(rb"\x1b(?:\[\[[A-E]|\[[0-?]*[ -/]*[@-~]|O[@-~])|[\s\S]", data)
        assert key is not None
        byte, data = key[0], data[key.end() :]
        asked = asked or (b"?" in byte and is_begun)
        is_begun = is_begun or byte != b"?"
        if byte in b"!\x18\x03\x15":
            line, asked, is_begun = b"", False, False
        elif byte in b"\x08\x7f":
            line = line[:-1]
        elif byte == b"\n":
            is_bad = len(line) > LONGEST_LINE or not all(b" " <= bytes([b]) <= b"~" for b in line)
            if (line.strip() or is_bad) and not asked and (is_bad or not echoes(line)):
                lines.append(None if is_bad else line)
            line, asked, is_begun = b"", False, False
        elif len(byte) == 1 and byte != b"?":
            line += byte
    return lines


def echoes(line: bytes) -> bool:
    return line.startswith((b"*", b"-")) or line.split()[0] in (b"ok", b"err")


def waiting(connection: Connection) -> list[bytes | None]:
    """The waiting lines that the daemon would answer."""
    lines: list[bytes | None] = []
    for item in connection.waiting:
        assert isinstance(item, Line)
        text = text_of(item)
        if asks_status(item):
            continue
        if isinstance(text, Flaw):
            lines.append(None)
        elif text.strip() and not is_answer(text):
            lines.append(text.encode())
    return lines


def final_lines(wire: Wire) -> list[str]:
    return [line for line in wire.lines() if not line.startswith(("* ", "- "))]
