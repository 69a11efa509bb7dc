"""A daemon on virtual time answers and stops for any bytes of a client, cut into any chunks."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.session.events import State
from tests.support.reached import must_reach, reached
from tests.support.worlds import Bench
from tests.unit.protocol.byte_streams import BYTES, CALM_BYTES, cut, final_lines, requests


@must_reach(**{"no start in the bytes": 20})
@given(cut(BYTES.filter(lambda data: b"echo" not in data.lower())))
@example([b"\t\r"])
@settings(max_examples=150, deadline=None)
def test_invariant_09_any_bytes(chunks: list[bytes]) -> None:
    bench = Bench()
    bench.send(100, *chunks)
    bench.run(700)

    expected = requests(b"".join(chunks))
    assert len(final_lines(bench.wires[0])) == len(expected)
    start_lines = [
        line
        for line in expected
        if line and line.lower().split()[0] in (b"start", b"try", b"press")
    ]
    reached("moved", not bench.pins.are_low or bench.session.status.started > 0)
    if not start_lines:
        reached("no start in the bytes")
        assert bench.session.status.started == 0
        assert bench.pins.are_low
        assert {duties for _, duties in bench.pins.written} <= {(0, 0, 0)}
    assert bench.session.status.started <= len(start_lines)


@given(cut(BYTES), st.sampled_from([b"!", b"\x18", b"\x03"]))
@example([b"start\r"], b"!")
@example([b"press 0.05\r"], b"!")
@example([b"start\r", b"echo on\rstart \x08\r"], b"\x03")
@settings(max_examples=150, deadline=None)
def test_invariant_09_a_stop_byte_at_the_end_always_stops(chunks: list[bytes], stop: bytes) -> None:
    bench = Bench()
    bench.send(100, *chunks)
    bench.send(140, stop)
    bench.run(900)

    assert [duties for at_ms, duties in bench.pins.written if at_ms >= 140 and any(duties)] == []
    assert bench.session.state is State.IDLE


@given(
    cut(
        CALM_BYTES.filter(
            lambda data: not re.search(b"stop|off|halt|abort|echo|press", data.lower())
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_answers_to_bytes_do_not_depend_on_how_they_are_cut(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    results = []
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        bench = Bench()
        bench.send(100, *pieces)
        bench.run(300)
        results.append(final_lines(bench.wires[0]))

    assert results[0] == results[1]
