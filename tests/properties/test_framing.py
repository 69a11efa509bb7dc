"""Framing of any bytes, with a buffer of any size, read at any pace: no line and no stop is lost."""

import time
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.protocol import connection as connection_module
from firmware_ctl.protocol.connection import (
    Connection,
    Dropped,
)
from firmware_ctl.protocol.framing import Line
from tests.unit.protocol.byte_streams import cut

STOPS = st.sampled_from([b"stop", b" Stop", b"stop it", b"stopp", b"ping", b"", b"  ", b"x" * 97])


FLOODS = st.lists(
    st.one_of(
        st.tuples(STOPS, st.sampled_from([b"\r", b"\n", b"\r\n"])).map(b"".join),
        st.sampled_from([b"!", b"?", b"st", b"op", b"\xff", b"!stop\n"]),
    ),
    max_size=40,
).map(b"".join)


@given(cut(FLOODS), st.integers(1, 6), st.integers(1, 60), st.lists(st.integers(0, 4), max_size=8))
@settings(max_examples=300)
def test_lines_beyond_the_buffer_are_counted_and_their_stops_found(
    chunks: list[bytes], room: int, room_bytes: int, served: list[int]
) -> None:
    """After each chunk some of what waits is answered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_module, "MOST_WAITING", room)
        patch.setattr(connection_module, "MOST_WAITING_BYTES", room_bytes)
        connection, roomy = Connection(), Connection()
        answered = 0
        stops, stops_with_room = [], []
        for chunk, most in zip_longest(chunks, served[: len(chunks)], fillvalue=9):
            assert isinstance(chunk, bytes)
            stops.append(connection.receive(chunk, 0)[:3])
            for _ in range(min(most, len(connection.waiting))):
                item = connection.next()
                answered += item.lines if isinstance(item, Dropped) else 1
            assert sum(isinstance(item, Line) for item in connection.waiting) <= room
            assert len(connection.waiting) <= 2 * room + 1
        while connection.waiting:
            item = connection.next()
            answered += item.lines if isinstance(item, Dropped) else 1
    for chunk in chunks:
        stops_with_room.append(roomy.receive(chunk, 0)[:3])

    assert answered == len(roomy.waiting)
    assert stops == stops_with_room


@pytest.mark.parametrize(
    "data",
    [
        b"!" + b"a" * 40_000, b"\x15" + b"a" * 40_000, b"a!" * 20_000, b"\x08" * 40_000,
        b"a\x15" * 20_000, b"\x1b[" * 20_000, b"stop " * 8_000, b"\xff\n" * 20_000,
        b"s\x7f\n" * 13_000, b"stop;" * 8_000, b"?" * 40_000, b"\r\0" * 20_000,
    ],
)  # fmt: skip
def test_framing_reads_each_byte_a_bounded_number_of_times(data: bytes) -> None:
    """Four times as many bytes take some four times as long, not sixteen times: compared by the
    quickest of several, in processor time."""

    def quickest_ns(data: bytes) -> int:
        times_ns = []
        for _ in range(5):
            connection = Connection()
            begin_ns = time.process_time_ns()
            connection.receive(data, 0)
            times_ns.append(time.process_time_ns() - begin_ns)
        return min(times_ns)

    assert quickest_ns(data) < 9 * quickest_ns(data[:10_000]) + 2_000_000
