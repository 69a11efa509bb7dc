"""A connection: echo, bounded buffers, floods, and clients that are not people."""

import pytest
from hypothesis import example, given, settings

from firmware_ctl import __version__
from firmware_ctl.daemon.clients import READY
from firmware_ctl.protocol import connection as connection_module
from firmware_ctl.protocol.answers import parse_fields
from firmware_ctl.protocol.connection import (
    MOST_UNSENT,
    MOST_WAITING,
    Connection,
    fields,
    text,
)
from firmware_ctl.protocol.framing import LONGEST_LINE, LONGEST_TAIL, Line
from tests.support.daemon import Daemon
from tests.support.worlds import Bench
from tests.unit.protocol.byte_streams import (
    CALM_BYTES,
    answers,
    cut,
    final_lines,
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


@pytest.mark.parametrize(
    ("typed", "echoed"),
    [
        (b"pin\x7fng\r", b"pin\b \bng\r\n"),
        (b"zap\x15ping\r", b"zap\b \b\b \b\b \bping\r\n"),
        (b"\x1b[Aping\r\n", b"ping\r\n"),
        (b"st!ping\r", b"st\r\nping\r\n"),
        (b"\x7f\x7f\rping\r", b"\r\nping\r\n"),
        (b" ~\xff\x01\r", b" ~\r\n"),
    ],
)
def test_echo_shows_the_effect_of_editing_keys(typed: bytes, echoed: bytes) -> None:
    connection = Connection()
    connection.echo = connection.has_asked = True
    for byte in typed:
        connection.receive(bytes([byte]), 0)
    assert bytes(connection._unsent).replace(b"* stopped\r\n", b"") == echoed


def test_invariant_09_a_flood_is_bounded_and_every_request_is_answered_or_counted() -> None:
    bench = Bench()
    wire = bench.wires[0]
    connection = wire.connection
    most_waiting = 0

    def look(_: Daemon) -> None:
        nonlocal most_waiting
        most_waiting = max(most_waiting, len(connection.waiting))

    bench.send(100, b"ping\r" * 6_000)
    for _ in range(500):
        bench.at(100, look)
    bench.run(200)

    lines = final_lines(wire)
    assert lines == ["ok"] * MOST_WAITING + [f"err overflow dropped={6_000 - MOST_WAITING}"]
    assert MOST_WAITING // 2 < most_waiting <= MOST_WAITING + 1


def test_invariant_09_half_a_line_without_end_is_bounded() -> None:
    connection = Connection()
    for _ in range(100):
        connection.receive(b"x" * 10_000 + bytes(range(128, 256)) * 10, 0)

    assert len(connection._framing.tail) <= LONGEST_TAIL
    assert not connection.waiting
    connection.receive(b"\x7f" * LONGEST_TAIL + b"start\r", 0)
    assert waiting(connection) == [None]


def test_invariant_09_long_lines_that_wait_are_bounded() -> None:
    connection = Connection()
    for _ in range(100):
        connection.receive(b"x" * 16_000 + b"\n", 0)
    kept = sum(len(item.raw) for item in connection.waiting if isinstance(item, Line))
    assert kept <= connection_module.MOST_WAITING_BYTES


GREETING = f"* firmware-ctl {__version__}, Small mat, idle; type help"


def test_line_that_was_answered_leaves_its_place_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "MOST_WAITING_BYTES", 10)
    connection = Connection()
    connection.receive(b"aaa\nbbb\nccc\n", 0)
    connection.next()
    connection.receive(b"dddd\ne\n", 0)
    items = [connection.next() for _ in range(4)]
    assert [item.raw if isinstance(item, Line) else item.lines for item in items] == [
        *(b"bbb", b"ccc", b"dddd"),
        1,
    ]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b" \r\n\r\n"])
def test_empty_line_on_a_new_connection_is_greeted_once(end: bytes) -> None:
    bench = Bench()
    bench.send(100, end)
    bench.send(200, end, b"ping\r", end)
    bench.run(300)
    assert bench.wires[0].lines() == [READY, GREETING, "ok"]


@pytest.mark.parametrize("first", [b"x\x7f", b"helo\x15", b"\x1b[A", b" \x1b[[B ", b"a\x08\x08"])
def test_line_whose_text_was_deleted_is_greeted_like_an_empty_one(first: bytes) -> None:
    bench = Bench()
    bench.send(100, first + b"\r")
    bench.send(200, first + b"\r", b"ping\r")
    bench.run(300)
    assert bench.wires[0].lines() == [READY, GREETING, "ok"]


@pytest.mark.parametrize(
    "first", [b"ping\r\r", b"pin?g\r\r", b"\xff\r\r", b"ok\r\r", b"?\r", b"X\r\r", b"\t\r\r"]
)
def test_connection_that_has_asked_is_not_greeted(first: bytes) -> None:
    bench = Bench()
    bench.send(100, first)
    bench.send(200, b"\r")
    bench.run(300)
    assert GREETING not in bench.wires[0].lines()


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


def test_hello_resets_the_settings_of_the_client_before() -> None:
    bench = Bench()
    bench.send(100, b"echo on\revents on\rlease 1\rsta")
    bench.send(1_000, b"\x15hello\r")
    bench.send(1_100, b"start calm\r")
    bench.run(9_000)

    results = bench.wires[0].lines()
    assert [line for line in results if line.startswith("ok firmware-ctl")] == results[-2:-1]
    assert results[-1] == "ok profile=calm left=600"
    assert bench.session.status.started == 1
    assert bench.pins.written[-2][0] > 3_000


def test_settings_and_waiting_bytes_begin_anew_for_the_next_client() -> None:
    used, new = Connection(), Connection()
    used.echo = used.events = True
    used.lease_s = 60
    used.receive(b"ping\n" * 9, 0)
    used.forget()
    used.reset_settings()
    for name in ("echo", "events", "lease_s", "waiting", "_waiting_bytes"):
        assert getattr(used, name) == getattr(new, name)


def test_line_that_begins_like_an_answer_gets_none() -> None:
    bench = Bench()
    wire = bench.wires[0]
    bench.send(
        100, b"events on\r", b"profiles\r", b"nonsense\r", b"explain\r", b"hello\r", b"start\r"
    )
    before: list[bytes] = []

    def loop_back(_: Daemon) -> None:
        before.append(bytes(wire.heard))
        wire.chunks.append(bytes(wire.heard))

    bench.at(300, loop_back)
    bench.at(400, lambda _: before.append(bytes(wire.heard)))
    bench.run(500)
    assert len(before[0].splitlines()) == 12
    assert before[0] == before[1]


@pytest.mark.parametrize(
    "first",
    [
        b"POST / HTTP/1.1\r\n",
        b"GET /start HTTP/1.0\r\n",
        b"POST /! HTTP/1.1\r\n",
        b"POST /" + b"a" * 5_000 + b" HTTP/1.1\r\n",
    ],
)
def test_web_browser_is_closed_and_starts_nothing(first: bytes) -> None:
    bench = Bench()
    bench.send(200, first + b"Host: localhost\r\n\r\n")
    bench.send(400, b"start calm\r\n")
    bench.run(1_000)
    assert bench.wires[0] not in bench.daemon.links
    assert bench.session.status.started == 0
    sentence = "a client that speaks HTTP is closed; this port takes lines of text"
    assert bench.log_lines.count(sentence) == 1


def test_web_browser_that_sends_a_stop_word_stops() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r\n", wire=1)
    bench.send(900, b"POST / HTTP/1.1\r\n", b"\r\nstop\r\n")
    bench.run(2_000)
    assert 900 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_unsent_answers_are_bounded_and_dropped_whole_and_reported_once() -> None:
    bench = Bench()
    wire = bench.wires[0]
    wire.reads = False
    for i in range(100):
        bench.send(100 + i, b"help\r" * 20)
    sizes: list[int] = []
    bench.at(300, lambda _: sizes.append(len(wire.connection._unsent)))
    bench.at(310, lambda _: setattr(wire, "reads", True))
    bench.send(400, b"ping\r")
    bench.run(500)

    lines = wire.lines()
    whole = lines.count("ok") - 1
    assert sizes[0] <= MOST_UNSENT + 64
    assert lines[1:] == [
        *[*answers(b"help")] * whole,
        f"* dropped={2_000 - whole}",
        "ok",
    ]


def test_echo_that_a_full_buffer_dropped_is_not_deleted_later() -> None:
    connection = Connection()
    connection.echo = connection.has_asked = True
    connection.answer(["x" * (MOST_UNSENT + 100)])
    connection.receive(b"abc", 0)
    assert b"abc" not in connection._unsent
    while connection.has_unsent:
        connection.sent(len(connection.unsent))
    for byte in (b"\x7f", b"\x7f", b"s"):
        connection.receive(byte, 0)
    assert bytes(connection._unsent) == b"ab\b \bs"


def test_echo_deletes_nothing_that_stands_before_an_answer() -> None:
    connection = Connection()
    connection.echo = connection.has_asked = True
    connection.receive(b"stak", 0)
    connection.answer(["* event=x"])
    for byte in (b"\x7f", b"\x7f", b"op"):
        connection.receive(byte, 0)
    assert bytes(connection._unsent) == b"stak* event=x\r\nsta\b \bop"


@pytest.mark.parametrize(
    ("pieces", "echoed"),
    [
        ([b"x" * 100], b"x" * LONGEST_LINE),
        ([b"x"] * 100 + [b"\x7f"] * 6, b"x" * LONGEST_LINE + b"\b \b" * (6 - 4)),
        ([b"x" * 100 + b"\x7f" * 10 + b"y"], b"x" * 90 + b"y"),
        ([b"x" * 100, b"\x7f" * 5, b"y"], b"x" * LONGEST_LINE + b"\b \by"),
    ],
)
def test_echo_of_a_line_above_the_limit_shows_what_the_limit_leaves(
    pieces: list[bytes], echoed: bytes
) -> None:
    assert LONGEST_LINE == 96
    connection = Connection()
    connection.echo = connection.has_asked = True
    for piece in pieces:
        connection.receive(piece, 0)
    assert bytes(connection._unsent) == echoed


def test_dropped_answers_are_counted_anew_after_each_report() -> None:
    connection = Connection()
    for dropped in (2, 1):
        connection.answer(["x" * MOST_UNSENT])  # always fits into an empty buffer
        for _ in range(dropped):
            connection.answer(["ok"])
        connection.sent(MOST_UNSENT + 2)
        assert connection.unsent == f"* dropped={dropped}\r\n".encode()
        connection.sent(len(connection.unsent))


def test_answer_that_just_fits_is_queued() -> None:
    connection = Connection()
    connection.answer(["x" * (MOST_UNSENT - 5)])
    connection.answer(["y"])
    connection.answer([""])
    assert connection._unsent.endswith(b"x\r\ny\r\n")
    assert len(connection._unsent) == MOST_UNSENT


def test_answer_is_ascii_whatever_an_error_says() -> None:
    connection = Connection()
    connection.answer(["err not-ready schön"])
    assert connection.unsent == b"err not-ready sch\\xf6n\r\n"


def test_echo_beyond_the_bound_of_unsent_answers_is_left_out() -> None:
    connection = Connection()
    connection.echo = connection.has_asked = True
    connection.answer(["x" * (MOST_UNSENT - 2)])
    for _ in range(100):
        connection.receive(b"y", 0)
    assert connection._unsent.count(b"y") == 64


def test_stop_bytes_are_answered_ten_times_in_any_second() -> None:
    connection = Connection()
    answered_at_ms = []
    for at_ms in range(0, 2_500, 50):
        connection.receive(b"!", at_ms)
        if connection.has_unsent:
            answered_at_ms.append(at_ms)
            connection.sent(len(connection.unsent))
    burst = range(0, 500, 50)
    assert answered_at_ms == [*burst, *(1_000 + n for n in burst), *(2_000 + n for n in burst)]
    connection.receive(b"!" * 1_000, 9_000)
    assert connection.unsent == b"* stopped\r\n" * 10


def test_status_is_asked_for_in_vain_while_an_earlier_one_is_unsent() -> None:
    connection = Connection()
    for line in ("first", "second"):
        connection.status(line)
    assert connection.unsent == b"first\r\n"
    connection.sent(3)
    connection.status("third")
    assert connection.unsent == b"st\r\n"
    connection.sent(4)
    connection.status("fourth")
    assert connection.unsent == b"fourth\r\n"


@pytest.mark.parametrize("value", ["40", "", '"', 'he said "=" \\ and left', "schön"])
def test_fields_of_a_line_are_read_as_they_were_written(value: str) -> None:
    written = {"level": "40", "phase": text(value)}
    line = f"* event=phase {fields(written)}"
    assert parse_fields(line) == {"event": "phase", "level": "40", "phase": value}
