"""A line that is taken as a stop acts when it arrives, like `!`, whatever waits before it.

The daemon reads profiles for three seconds, and answers nothing to that client meanwhile.
"""

from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config.profile import Phase
from firmware_ctl.protocol.connection import MOST_WAITING
from firmware_ctl.session.events import State
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.reached import must_reach, reached
from tests.support.worlds import CATALOGUE, Bench, entry, steady
from tests.unit.protocol.byte_streams import LINES

COOL_OFF: Final = entry("cool-off", Phase("rest", 60_000, 1, (steady("all", 20),)))
ALL_OFF: Final = "; taken as stop: all motors are off"
STARTED_SINCE: Final = "; taken as stop: a start came after it"

MISTYPED: Final = [
    b"stpo", b"sttop", b"stpo now", b"Sotp.", b"halt it", b"hlat", b"of", b"abotr",
    b"sto\xff p", b"st\0po", b"\xffstpo", b"stpo \xff", b"stpo?", b"stpo " + b"x" * 120, b"please stop", b"trim off",
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_mistyped_stop_at_the_begin_of_an_endless_line_acts_at_its_end(size: int) -> None:
    """However the line is cut, and although the daemon keeps a bounded part of it."""
    line = b" stpo " + b"x" * 3_000
    bench = bench_with_session()
    bench.send(3_000, *[line[n : n + size] for n in range(0, len(line), size)])
    bench.send(4_000, b"\r")
    bench.run(9_000)

    assert off_at_ms(bench) == [4_000]


def bench_with_session() -> Bench:
    """The second client has started a session. The first client waits for a reload from 2 s on."""
    bench = Bench()
    bench.reload_ms = 3_000
    bench.send(200, b"start calm\r", wire=1)
    bench.send(2_000, b"reload\r")
    return bench


def off_at_ms(bench: Bench, until_ms: int = 9_000) -> list[int]:
    """When motors that moved went off. The daemon writes zeros once more in the next tick."""
    was_moving, off_ms = False, []
    for at_ms, duties in bench.pins.written:
        if was_moving and not any(duties) and at_ms < until_ms:
            off_ms.append(at_ms)
        was_moving = any(duties)
    return off_ms


@pytest.mark.parametrize("line", MISTYPED)
def test_mistyped_stop_behind_a_reload_acts_when_it_arrives(line: bytes) -> None:
    bench = bench_with_session()
    bench.send(3_000, line + b"\r")
    bench.run(9_000)

    assert off_at_ms(bench) == [3_000]
    heard = bench.wires[0].lines()
    assert heard.count("* stopped") == 1
    assert heard[-1].endswith(ALL_OFF) or b"?" in line


@pytest.mark.parametrize("line", MISTYPED)
def test_mistyped_stop_that_a_flood_drops_acts(line: bytes) -> None:
    bench = bench_with_session()
    bench.send(3_000, *[b"ping\r" * 256] * (MOST_WAITING // 256), b"ping\r" + line + b"\r")
    bench.run(9_000)

    assert off_at_ms(bench) == [3_000]
    assert "err overflow dropped=2" in bench.wires[0].lines()


@pytest.mark.parametrize("line", [b"stpo", b"please stop", b"\xffstop"])
def test_mistyped_stop_stops_no_session_that_was_started_after_it(line: bytes) -> None:
    """Its answer comes late, and says so."""
    bench = bench_with_session()
    bench.send(3_000, line + b"\r")
    bench.send(3_500, b"start calm\r", wire=1)
    bench.run(9_000)

    assert off_at_ms(bench) == [3_000]
    assert bench.session.status.started == 2
    assert bench.wires[0].lines()[-1].endswith(STARTED_SINCE)


@pytest.mark.parametrize("name", [b"select", b"start", b"explain"])
def test_request_that_a_reload_makes_invalid_stops_nothing(name: bytes) -> None:
    """The line ends in a stop word, but was a valid request when it arrived."""
    bench = Bench()
    bench.reloads.append(Catalogue((*CATALOGUE.entries, COOL_OFF)))
    bench.send(100, b"reload\r")
    bench.send(200, b"start calm\r", wire=1)
    bench.at(1_000, lambda _: setattr(bench, "reload_ms", 3_000))
    bench.send(2_000, b"reload\r")
    bench.send(3_000, name + b" cool-off\r")
    bench.run(9_000)

    assert off_at_ms(bench) == []
    answer = bench.wires[0].lines()[-1]
    assert answer.startswith("err unknown-profile ")
    assert "taken as stop" not in answer


def test_request_that_a_reload_makes_valid_has_stopped_when_it_arrived() -> None:
    bench = bench_with_session()
    bench.reloads.append(Catalogue((*CATALOGUE.entries, COOL_OFF)))
    bench.send(3_000, b"select cool-off\r")
    bench.run(9_000)

    assert off_at_ms(bench) == [3_000]
    heard = bench.wires[0].lines()
    assert "* stopped" in heard
    assert heard[-1] == "ok profile=cool-off"


SLIPS: Final = st.builds(
    lambda word, n, letter, kind: {
        "wrong": word[:n] + letter + word[n + 1 :],
        "more": word[:n] + letter + word[n:],
        "less": word[:n] + word[n + 1 :],
        "swapped": word[:n] + word[n + 1 : n + 2] + word[n : n + 1] + word[n + 2 :],
    }[kind],
    st.sampled_from(["stop", "off", "halt", "abort", "STOP"]),
    st.integers(0, 4),
    st.sampled_from("abeflopst1"),
    st.sampled_from(["wrong", "more", "less", "swapped"]),
).map(str.encode)
NOISE: Final = st.sampled_from([b"", b"", b"", b"\xff", b"\0", b" ", b"x\x08", b"?", b"."])
LINE: Final = st.one_of(
    st.tuples(NOISE, st.one_of(SLIPS, LINES), NOISE, st.one_of(st.just(b""), LINES)).map(b"".join),
    st.binary(max_size=12),
).filter(lambda line: not set(line) & set(b"!\x18\x03\r\n\x15"))


@must_reach(taken_as_stop=30, no_stop=30)
@given(LINE)
@example(b"stpo")
@example(b"select off")
@settings(max_examples=300, deadline=None)
def test_line_stops_at_its_arrival_or_never_and_its_answer_says_which(line: bytes) -> None:
    bench = bench_with_session()
    bench.send(3_000, line + b"\r")
    bench.at(8_000, lambda _: states.append(bench.session.state))
    states: list[State] = []
    bench.run(9_000)

    heard = bench.wires[0].lines()
    final = heard[-1]
    if final.endswith(ALL_OFF):
        reached("taken_as_stop")
        assert off_at_ms(bench) == [3_000]
        assert states == [State.IDLE]
    elif not off_at_ms(bench):
        reached("no_stop")
        assert "* stopped" not in heard
        assert "taken as stop" not in final
    else:
        # `stop`, or a line that gets no answer but `* stopped`. A pause, and the press of a mock's
        # button, are requests: they take their turn.
        is_request = line.lower().split()[:1] in ([b"pause"], [b"press"])
        assert off_at_ms(bench) == [3_000] or is_request
        assert "* stopped" in heard or final == "ok"
