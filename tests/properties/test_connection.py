"""A connection answers the same, however its bytes are cut."""

from hypothesis import example, given, settings

from firmware_ctl.protocol.connection import (
    Connection,
)
from tests.unit.protocol.byte_streams import (
    CALM_BYTES,
    cut,
    waiting,
)


@given(cut(CALM_BYTES))
@example([b"st", b"\x15\r"])
@settings(max_examples=60)
def test_echo_and_lines_of_split_bytes_are_the_same(chunks: list[bytes]) -> None:
    """A terminal shows the same in the end; what was typed and deleted at once is not echoed."""
    results = []
    for pieces in (chunks, [b"".join(chunks)], [bytes([b]) for b in b"".join(chunks)]):
        connection = Connection()
        connection.echo = connection.has_asked = True
        for piece in pieces:
            connection.receive(piece, 0)
        results.append((waiting(connection), screen(bytes(connection._unsent))))

    assert results[0] == results[1] == results[2]


@given(cut(CALM_BYTES))
@example([b"\r", b"ping\r"])
@example([b"x\x08", b"\r", b"x\r"])
@settings(max_examples=60)
def test_greeting_does_not_depend_on_how_the_bytes_are_cut(chunks: list[bytes]) -> None:
    awaits = set()
    for pieces in (chunks, [b"".join(chunks)], [bytes([b]) for b in b"".join(chunks)]):
        connection = Connection()
        for piece in pieces:
            connection.receive(piece, 0)
        awaits.add(connection.awaits_greeting)

    assert len(awaits) == 1


def screen(echoed: bytes) -> list[bytes]:
    """The lines that a terminal shows, without the empty ones."""
    lines, column = [b""], 0
    for byte in (echoed[i : i + 1] for i in range(len(echoed))):
        if byte == b"\n":
            lines.append(b"")
        elif byte == b"\r":
            column = 0
        elif byte == b"\b":
            column -= 1
        else:
            column = column if lines[-1] else 0
            lines[-1] = lines[-1][:column] + byte + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]
