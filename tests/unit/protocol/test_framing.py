"""Framing: lines and stops in any bytes, split anywhere."""

import re

import pytest
from hypothesis import example, given

from firmware_ctl.config.profile import Phase
from firmware_ctl.protocol.connection import (
    Connection,
)
from firmware_ctl.protocol.framing import LONGEST_LINE, LONGEST_TAIL, Framing, Line, text_of
from firmware_ctl.session.events import Reload
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import CATALOGUE, Bench, entry, steady
from tests.unit.protocol.byte_streams import BYTES, cut, final_lines, requests, waiting


@given(cut(BYTES))
@example([b"sta", b"rt\r"])
@example([b"STOP\rstop it\rstopping\r"])
@example([b"x" * 97 + b"\r" + b"y" * 96 + b"\r"])
@example([b"\x1b[", b"Astart\r"])
@example([b"\x1b[", b"[Cstart\r"])
@example([b"pinx\x08", b"g\r\0ping\r"])
@example([b"pi\x15ping\rok\r- x\r* y\r"])
def test_framing_of_bytes_split_anywhere_equals_the_contract(chunks: list[bytes]) -> None:
    connection = Connection()
    stop_bytes = sum(connection.receive(chunk, 0).stop_bytes for chunk in chunks)

    data = b"".join(chunks)
    assert waiting(connection) == [
        line if line is None or len(line) <= LONGEST_LINE else None for line in requests(data)
    ]
    assert stop_bytes == len(re.findall(rb"[!\x18\x03]", data))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\0"])
@pytest.mark.parametrize("size", [1, 2, 5, 99])
def test_each_kind_of_line_end_ends_one_line(end: bytes, size: int) -> None:
    framing = Framing()
    data = (b"ping" + end) * 3
    received = [framing.feed(data[i : i + size], 0) for i in range(0, len(data), size)]
    assert [line.raw for part in received for line in part.lines] == [b"ping"] * 3
    assert not any(part.has_empty_line or part.begins_empty for part in received)
    received = [framing.feed(end[i : i + size], 0) for i in range(0, len(end), size)]
    assert [part.has_empty_line for part in received].count(True) == 1


@pytest.mark.parametrize(
    ("data", "raws"),
    [(b"?X\n", [b"X"]), (b"X\n", [b"X"]), (b"\t\n", [b"\t"]), (b" \n?\n??ok?\n", [b"ok?"])],
)
def test_only_spaces_and_question_marks_before_a_line_are_no_line(
    data: bytes, raws: list[bytes]
) -> None:
    assert [line.raw for line in Framing().feed(data, 0).lines] == raws


LONG = b"x" * (LONGEST_TAIL + 1)


@pytest.mark.parametrize(
    ("begin", "rest", "are_cut"),
    [
        (LONG[:-1], b"\n", [False]),
        (LONG, b"\nping\n", [True, False]),
        (LONG, b"!ping\n", [False]),
        (LONG, b"\x15ping\n", [False]),
        (LONG, b"\nfoo!ping\n", [True, False]),
        (LONG, b"\nfoo\x15ping\n", [True, False]),
        (b"x", b"\nfoo!ping\n", [False, False]),
        (b"x", b"\nfoo\x15ping\n", [False, False]),
    ],
)
def test_line_longer_than_the_tail_is_cut_and_no_other_line(
    begin: bytes, rest: bytes, are_cut: list[bool]
) -> None:
    framing = Framing()
    framing.feed(begin, 0)
    assert [bool(line.is_cut) for line in framing.feed(rest, 0).lines] == are_cut


@pytest.mark.parametrize("sizes", [(3_276,) * 6, (3_800,) * 6, (4_500,) * 5])
def test_stop_line_after_a_flood_acts_and_is_answered(sizes: tuple[int, ...]) -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *(b"ping\n" * size for size in sizes))
    bench.send(9_000, b"stop\n")
    bench.run(9_100)

    answered = final_lines(bench.wires[0])
    dropped = sum(int(line.partition("=")[2]) for line in answered if "overflow" in line)
    ok = sum(line.startswith("ok") for line in answered)
    assert (dropped + ok, answered[-1]) == (2 + sum(sizes), "ok")
    assert dropped > 0
    assert 9_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_stop_line_within_a_flood_acts_at_once() -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *[b"ping\n" * 3_276] * 6, b"stop\n")
    bench.run(2_500)

    assert 2_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


@pytest.mark.parametrize(
    ("sent", "is_cut"), [(b"please stop", False), (b"x" * 5_000 + b"stop", True)]
)
def test_suspect_tail_is_the_line_that_will_not_end_any_more(sent: bytes, is_cut: bool) -> None:
    connection = Connection()
    assert connection.suspect_tail(5) == []
    connection.receive(sent, 5)
    (line,) = connection.suspect_tail(7)
    assert sent.endswith(line.raw)
    assert line[1:] == (7, is_cut)


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"\x7f\x08", ""), (b"a\x7f\x7fb~ ", "b~ "), (b"ab\x08", "a"), (b"p?in\x1b[Ag", "ping")],
)
def test_text_of_a_line_has_its_editing_keys_applied(raw: bytes, text: str) -> None:
    assert text_of(Line(raw, 0)) == text


@pytest.mark.parametrize("last", [b"stop\x08\x08\x08\x08", b"off\x7f\x7f\x7f", b"x\x08", b"\x1b[A"])
@pytest.mark.parametrize("behind", [b"", b"reload\n"])
def test_line_deleted_by_backspaces_does_nothing(last: bytes, behind: bytes) -> None:
    """Also where it is looked at for a lease, while it waits."""
    bench = Bench()
    bench.reload_ms = 8_000
    bench.send(1_000, b"lease 2\nstart calm\n" + behind + last + b"\n")
    bench.run(9_500)

    assert bench.session.status.started == 1
    assert not [line for line in bench.log_lines if "fault" in line]


@pytest.mark.parametrize(
    "data",
    [
        b"stop\n", b"STOP\r", b"  stop  now\r\n", b"\0stop\n", b"\xffstop\n", b"stop\t\n", b"stop.\n",
        b"stop;\n", b"stop?\n", b"ping\r\0stop\r\0", b"stpo\x7f\x7fop\n", b"stpo\x08\x08op\n",
        b"\x1b[Astop\n", b"stop\x1b[D\n", b"\x1bOAstop\n", b"\xef\xbb\xbfstop\n", b"stastop\n", b"off\n",
        b"halt\n", b"Abort!\n", b"lease off\n", b"start stop\n", b"st\xc3\xb6\x08op\n", b"s\0t\0o\0p\0\n",
        b"sto\0\x7fp\n", b"stopx\0\x7f\n", b"x" * 5_000 + b"stop\n", b" stop " + b"x" * 3_000 + b"\n", b"x" * 90 + b"stop-\n", b"\x15stop\n", b"sto\x1bp\n",
        b"try all steady off\n", b"help halt\n", b"'stop'\r", b"emergency off\n", b"ok stop\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_line_with_any_form_of_a_stop_word_stops(data: bytes, size: int) -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *[data[i : i + size] for i in range(0, len(data), size)])
    bench.run(3_000)

    assert bench.session.status.started == 1
    assert 2_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    heard = bench.wires[0].lines()
    assert ("* stopped" in heard) is (heard[-1] != "ok")


@pytest.mark.parametrize(
    "data",
    [
        b"events off\n", b"echo off\n", b"help stop\n", b"stop\x15\n", b"stop it not\x15ping\n", b"offer\n",
        b"stopped\n", b"select off\n", b"select stop-it\n", b"nonstopper\n", b"ping\n", b"zz\n", b"stop",
        b"x" * 9_000 + b"\n", b"\xff\xfe\n", b"st\n", b"help off\x15\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_line_without_a_stop_word_stops_nothing(data: bytes, size: int) -> None:
    bench = Bench()
    off = entry("off", Phase("rest", 10_000, 1, (steady("all", 40),)))
    stop_it = entry("stop-it", Phase("rest", 10_000, 1, (steady("all", 40),)))
    reloaded = Catalogue((*CATALOGUE.entries, off, stop_it))
    bench.at(500, lambda daemon: daemon.step(Reload(reloaded)))
    bench.send(1_000, b"start calm\n")
    bench.send(3_000, *[data[i : i + size] for i in range(0, len(data), size)])
    bench.run(4_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) == 4_000
