r"""Serial transcripts against the daemon on virtual time, and any bytes cut anywhere.

A transcript is played and written down again, and the two texts must be the same. Its lines:

    -> TEXT   the first client sends TEXT and CR; with `\c` at its end, no CR
    <- TEXT   the first client gets this line; with `\c` at its end, no line end came with it
    => <=     the same for the second client
    @ MS      what follows happens at this time; `@ MS pressed`, `neither` and so on move the
              button's contact, `@ MS fault CODE` is a fault, `@ MS gone`: the first client leaves
    # TEXT    a remark

Other bytes are escaped as in Python. VERSION and CERT stand for what changes with every release.
"""

import json
import re
import time
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl import __version__, limits
from firmware_ctl.config.profile import Phase
from firmware_ctl.daemon.clients import READY
from firmware_ctl.protocol import connection as connection_module
from firmware_ctl.protocol.commands import COMMANDS, asks_status, is_answer
from firmware_ctl.protocol.connection import (
    ERROR_CODES,
    FAULT_CODES,
    GREETING,
    MOST_UNSENT,
    MOST_WAITING,
    Connection,
    Dropped,
)
from firmware_ctl.protocol.framing import LONGEST_LINE, LONGEST_TAIL, Flaw, Line, text_of
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Fault, Reload, State
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.daemon import Daemon
from tests.support.process import ROOT
from tests.support.reached import must_reach, reached
from tests.support.worlds import CATALOGUE, Bench, RealButton, Wire, entry, steady

TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.txt"))
ARROWS = ("-> <-", "=> <=")


def unescaped(text: str) -> bytes:
    data = (text + r"\r").removesuffix(r"\c\r")
    return data.encode("latin-1").decode("unicode_escape").encode("latin-1")


def escaped(data: str) -> str:
    return data.encode("unicode_escape").decode("ascii").replace("\x7f", r"\x7f")


class Player:
    """Plays a transcript, and writes down what really happened."""

    def __init__(self, text: str, byte_by_byte: bool) -> None:
        self.bench = Bench()
        self.written: list[str] = []
        self._byte_by_byte = byte_by_byte
        at_ms = 0
        for line in text.splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "@":
                at_ms = int(rest.split()[0])
            self.bench.at(at_ms, lambda daemon, line=line: self._do(daemon, line))  # type: ignore[misc]
        self.bench.run(at_ms + 400)
        self._hear()

    def _do(self, daemon: Daemon, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind in ("<-", "<="):
            return
        self._hear()
        self.written.append(line)
        for wire, arrows in zip(self.bench.wires, ARROWS, strict=True):
            if arrows.startswith(kind):
                data = unescaped(rest)
                # What is deleted before the daemon has read it is not echoed.
                is_typed = self._byte_by_byte or re.search(rb"[\x03\x08\x7f]", data)
                size = 1 if is_typed else len(data)
                wire.chunks.extend(data[i : i + size] for i in range(0, len(data), size))
        match rest.split()[1:] if kind == "@" else ():
            case ["fault", code]:
                daemon.step(Fault(code, FAULT_CODES[code]))
            case ["gone"]:
                self.bench.wires[0].ended = True
            case [contact]:
                self.bench.finger.contact = Contact(contact)
                daemon.sample()

    def _hear(self) -> None:
        for wire, arrows in zip(self.bench.wires, ARROWS, strict=True):
            *lines, rest = wire.heard.decode("ascii").split("\r\n")
            wire.heard.clear()
            said = [*map(escaped, lines), *([escaped(rest) + r"\c"] if rest else [])]
            self.written += [f"{arrows[3:]} {line}" for line in said]


@pytest.mark.parametrize("how", ["whole", "byte by byte"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, how: str) -> None:
    script = path.read_text("ascii")

    happened = "\n".join(Player(script, how == "byte by byte").written) + "\n"

    happened = happened.replace(f"firmware-ctl {__version__} ", "firmware-ctl VERSION ")
    assert re.sub(r"cert=\w{12}\b", "cert=CERT", happened) == script


def test_every_verb_and_every_error_code_is_in_a_transcript() -> None:
    text = "\n".join(path.read_text("ascii") for path in TRANSCRIPTS)

    sent = {line.split()[1].lower() for line in re.findall(r"^[-=]> \w.*", text, re.MULTILINE)}
    assert set(COMMANDS) - sent == set()
    answered = set(re.findall(r"^<[-=] err ([\w-]+)", text, re.MULTILINE))
    # Of a real button, and of a flood: both below.
    assert set(ERROR_CODES) - answered == {"not-here", "overflow"}


# --- one table --------------------------------------------------------------------------------

CONTRACT = {
    "help", "hello", "caps", "profiles", "select", "start", "stop", "pause", "resume", "trim",
    "try", "status", "limits", "explain", "events", "echo", "lease", "ping", "press", "reload", "clear",
}  # fmt: skip
ERRORS = {
    "unknown-command", "bad-argument", "unknown-profile", "invalid-profile", "busy", "not-running",
    "not-ready", "allowance", "fault", "too-long", "overflow", "not-text", "not-here",
}  # fmt: skip
FAULTS = {"tick-late", "pin-write", "rail", "button", "under-voltage", "suspend", "internal"}


def answers(*lines: bytes, bench: Bench | None = None) -> list[str]:
    bench = bench or Bench()
    bench.send(100, *(line + b"\r" for line in lines))
    bench.run(150)
    return bench.wires[0].lines()[1:]


def test_the_verbs_are_the_contracts_and_help_and_caps_are_made_from_them() -> None:
    assert set(COMMANDS) == CONTRACT
    *lines, ok = answers(b"help")
    assert [line.split()[1].rstrip(":") for line in lines] == list(COMMANDS)
    assert ok == "ok"
    (line, ok) = answers(b"caps")
    caps = json.loads(line.removeprefix("- "))
    assert (list(caps["verbs"]), caps["errors"], caps["faults"], ok) == (
        list(COMMANDS),
        list(ERROR_CODES),
        list(FAULT_CODES),
        "ok",
    )


def test_the_codes_are_the_contracts() -> None:
    assert (set(ERROR_CODES), set(FAULT_CODES)) == (ERRORS, FAULTS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_counts_its_words_and_takes_any_case(name: str) -> None:
    verb = COMMANDS[name]
    used = f"err bad-argument it is used so: {name} {verb.usage}".rstrip()

    if name == "stop":  # never refused, whatever stands behind it
        assert answers(b"Stop it now please") == ["ok"]
        return
    too_many = answers(f"{name.upper()} {'x ' * (verb.most + 1)}".encode())
    too_few = answers(f"{name.title()} {'x ' * (verb.least - 1)}".encode()) if verb.least else used
    assert (too_many, too_few) == ([used], [used] if verb.least else used)


@pytest.mark.parametrize(
    ("word", "taken"),
    [("10", True), ("100", True), ("55%", True), ("9", False), ("101", False), ("-50", False),
     ("5e1", False), ("50.0", False), ("+50", False), ("999999999999", False), ("nan", False)],
)  # fmt: skip
def test_trim_takes_whole_percents_from_10_to_100(word: str, taken: bool) -> None:
    (answer,) = answers(f"trim {word}".encode())
    assert answer.startswith("ok trim=") is taken


@pytest.mark.parametrize(
    ("word", "ms"),
    [("", 100), ("short", 100), ("LONG", 1_000), ("0.01", 10), ("10", 10_000), ("0.5s", 500),
     ("0", None), ("10.1", None), ("-1", None), ("nan", None), ("inf", None), ("1e99", None)],
)  # fmt: skip
def test_a_press_is_as_long_as_it_says(word: str, ms: int | None) -> None:
    bench = Bench()
    moved_at_ms: list[int] = []
    press = bench.finger.press

    def pressed(is_down: bool) -> None:
        moved_at_ms.append(bench.poller.now_ms())
        press(is_down)

    bench.finger.press = pressed  # type: ignore[method-assign]
    bench.send(100, f"press {word}\r".encode())
    bench.run(12_000)

    assert moved_at_ms == ([] if ms is None else [100, 100 + ms])
    assert bench.wires[0].lines()[1] == (
        "ok" if ms else "err bad-argument a press is short, long, or 0.01 to 10 seconds"
    )


def test_a_real_button_is_not_pressed_by_command() -> None:
    bench = Bench(button=RealButton())
    assert answers(b"press", bench=bench) == [
        "err not-here the start button of this mat is a real one"
    ]


def test_reload_answers_later_and_keeps_the_order_of_answers() -> None:
    bench = Bench()
    bench.reloads.append("the folder /profiles cannot be read: No such file or directory")
    bench.send(100, b"reload\rping\r", b"select bad\r")
    bench.send(100, b"hello\r", wire=1)
    bench.run(150)

    assert bench.wires[0].lines()[1:] == [
        "err not-ready the folder /profiles cannot be read: No such file or directory",
        "ok",
        "err invalid-profile bad.yaml:3:7: level: 140% is above the most, 100%",
    ]
    assert len(bench.wires[1].lines()) == 2


# --- any bytes, cut anywhere ------------------------------------------------------------------

WORDS = [
    *COMMANDS, *(name.upper() for name in COMMANDS), "calm", "quick", "bad", "on", "off", "50", "0", "1",
    "all", "back.left", "steady", "wave", "30", "30%", "period=4", "short", "0.05", " ", "x" * 90,
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
    """The contract's framing, byte by byte and as plainly as it can be said; None: a bad line.

    Without what gets no answer: empty lines, those in which `?` was typed, and echoed answers.
    """
    found: list[bytes | None] = []
    line, asked, is_begun = b"", False, False
    data = re.sub(rb"\r\n|\r\0|\r", b"\n", data)
    while data:
        key = re.match(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])|[\s\S]", data)
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
                found.append(None if is_bad else line)
            line, asked, is_begun = b"", False, False
        elif len(byte) == 1 and byte != b"?":
            line += byte
    return found


def echoes(line: bytes) -> bool:
    return line.startswith((b"*", b"-")) or line.split()[0] in (b"ok", b"err")


def waiting(connection: Connection) -> list[bytes | None]:
    """What the daemon would answer, of what the connection has received."""
    found: list[bytes | None] = []
    for item in connection.waiting:
        assert isinstance(item, Line)
        text = text_of(item)
        if asks_status(item):
            continue
        if isinstance(text, Flaw):
            found.append(None)
        elif text.strip() and not is_answer(text):
            found.append(text.encode())
    return found


@given(cut(BYTES))
@example([b"sta", b"rt\r"])
@example([b"STOP\rstop it\rstopping\r"])
@example([b"x" * 97 + b"\r" + b"y" * 96 + b"\r"])
@example([b"\x1b[", b"Astart\r"])
@example([b"pinx\x08", b"g\r\0ping\r"])
@example([b"pi\x15ping\rok\r- x\r* y\r"])
def test_framing_is_the_contracts_however_the_bytes_are_cut(chunks: list[bytes]) -> None:
    connection = Connection()
    stop_bytes = sum(connection.receive(chunk, 0).stop_bytes for chunk in chunks)

    data = b"".join(chunks)
    assert waiting(connection) == [
        line if line is None or len(line) <= LONGEST_LINE else None for line in requests(data)
    ]
    assert stop_bytes == len(re.findall(rb"[!\x18\x03]", data))


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
def test_lines_without_room_are_dropped_and_counted_and_stops_in_them_are_found(
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


@pytest.mark.parametrize("sizes", [(3_276,) * 6, (3_800,) * 6, (4_500,) * 5])
def test_a_stop_line_after_a_flood_is_done_and_answered(sizes: tuple[int, ...]) -> None:
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


def test_a_stop_line_within_a_flood_is_done_at_once() -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *[b"ping\n" * 3_276] * 6, b"stop\n")
    bench.run(2_500)

    assert 2_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


@pytest.mark.parametrize(
    "data",
    [
        b"!" + b"a" * 40_000, b"\x15" + b"a" * 40_000, b"a!" * 20_000, b"\x08" * 40_000,
        b"a\x15" * 20_000, b"\x1b[" * 20_000, b"stop " * 8_000, b"\xff\n" * 20_000,
        b"s\x7f\n" * 13_000, b"stop;" * 8_000, b"?" * 40_000, b"\r\0" * 20_000,
    ],
)  # fmt: skip
def test_framing_looks_at_each_byte_a_bounded_number_of_times(data: bytes) -> None:
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


@pytest.mark.parametrize("last", [b"stop\x08\x08\x08\x08", b"off\x7f\x7f\x7f", b"x\x08", b"\x1b[A"])
@pytest.mark.parametrize("behind", [b"", b"reload\n"])
def test_a_line_that_was_deleted_whole_does_nothing(last: bytes, behind: bytes) -> None:
    """Also where it is looked at for a lease, while it waits."""
    bench = Bench()
    bench.reload_ms = 8_000
    bench.send(1_000, b"lease 2\nstart calm\n" + behind + last + b"\n")
    bench.run(9_500)

    assert bench.session.status.started == 1
    assert not [line for line in bench.said if "fault" in line]


# --- a stop line needs no form ----------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"stop\n", b"STOP\r", b"  stop  now\r\n", b"\0stop\n", b"\xffstop\n", b"stop\t\n", b"stop.\n",
        b"stop;\n", b"stop?\n", b"ping\r\0stop\r\0", b"stpo\x7f\x7fop\n", b"stpo\x08\x08op\n",
        b"\x1b[Astop\n", b"stop\x1b[D\n", b"\x1bOAstop\n", b"\xef\xbb\xbfstop\n", b"stastop\n", b"off\n",
        b"halt\n", b"Abort!\n", b"lease off\n", b"start stop\n", b"st\xc3\xb6\x08op\n", b"s\0t\0o\0p\0\n",
        b"sto\0\x7fp\n", b"x" * 5_000 + b"stop\n", b"x" * 90 + b"stop-\n", b"\x15stop\n", b"sto\x1bp\n",
        b"try all steady off\n", b"help halt\n", b"'stop'\r", b"emergency off\n", b"ok stop\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_a_line_that_says_stop_in_any_way_stops(data: bytes, size: int) -> None:
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
        b"x" * 9_000 + b"\n", b"\xff\xfe\n", b"sto\n", b"help off\x15\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 10_000])
def test_a_line_that_does_not_say_stop_stops_nothing(data: bytes, size: int) -> None:
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


@given(cut(CALM_BYTES))
@example([b"st", b"\x15\r"])
@settings(max_examples=60)
def test_echo_and_lines_are_the_same_whole_and_cut(chunks: list[bytes]) -> None:
    """A terminal shows the same in the end; what was typed and deleted at once is not echoed."""
    heard = []
    for pieces in (chunks, [b"".join(chunks)], [bytes([b]) for b in b"".join(chunks)]):
        connection = Connection()
        connection.echo = connection.has_asked = True
        for piece in pieces:
            connection.receive(piece, 0)
        heard.append((waiting(connection), screen(bytes(connection._unsent))))

    assert heard[0] == heard[1] == heard[2]


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
    ],
)
def test_echo_shows_what_the_keys_do_to_a_line(typed: bytes, echoed: bytes) -> None:
    connection = Connection()
    connection.echo = connection.has_asked = True
    for byte in typed:
        connection.receive(bytes([byte]), 0)
    assert bytes(connection._unsent).replace(b"* stopped\r\n", b"") == echoed


def final_lines(wire: Wire) -> list[str]:
    return [line for line in wire.lines() if not line.startswith(("* ", "- "))]


@must_reach(**{"no start in it": 20})
@given(cut(BYTES.filter(lambda data: b"echo" not in data.lower())))
@example([b"\t\r"])
@settings(max_examples=150, deadline=None)
def test_invariant_09_any_bytes(chunks: list[bytes]) -> None:
    bench = Bench()
    bench.send(100, *chunks)
    bench.run(700)

    found = requests(b"".join(chunks))
    assert len(final_lines(bench.wires[0])) == len(found)
    movers = [
        line for line in found if line and line.lower().split()[0] in (b"start", b"try", b"press")
    ]
    reached("moved", not bench.pins.are_low or bench.session.status.started > 0)
    if not movers:
        reached("no start in it")
        assert bench.session.status.started == 0
        assert bench.pins.are_low
        assert {duties for _, duties in bench.pins.written} <= {(0, 0, 0)}
    assert bench.session.status.started <= len(movers)


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
def test_answers_are_the_same_whole_and_byte_by_byte(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    heard = []
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        bench = Bench()
        bench.send(100, *pieces)
        bench.run(300)
        heard.append(final_lines(bench.wires[0]))

    assert heard[0] == heard[1]


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


# --- who is there -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b" \r\n\r\n"])
def test_an_empty_line_on_a_fresh_connection_is_greeted_once(end: bytes) -> None:
    bench = Bench()
    bench.send(100, end)
    bench.send(200, end, b"ping\r", end)
    bench.run(300)
    assert bench.wires[0].lines() == [READY, GREETING, "ok"]


def test_hello_begins_a_conversation_without_what_the_client_before_had_set() -> None:
    bench = Bench()
    bench.send(100, b"echo on\revents on\rlease 1\rsta")
    bench.send(1_000, b"\x15hello\r")
    bench.send(1_100, b"start calm\r")
    bench.run(9_000)

    heard = bench.wires[0].lines()
    assert [line for line in heard if line.startswith("ok firmware-ctl")] == heard[-2:-1]
    assert heard[-1] == "ok profile=calm left=600"
    assert bench.session.status.started == 1
    assert bench.pins.written[-2][0] > 3_000


def test_lines_that_begin_as_answers_do_get_no_answer() -> None:
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
def test_a_web_browser_is_closed_and_starts_nothing(first: bytes) -> None:
    bench = Bench()
    bench.send(200, first + b"Host: localhost\r\n\r\n")
    bench.send(400, b"start calm\r\n")
    bench.run(1_000)
    assert bench.wires[0] not in bench.daemon.links
    assert bench.session.status.started == 0


def test_a_web_browser_that_says_stop_stops() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r\n", wire=1)
    bench.send(900, b"POST / HTTP/1.1\r\n", b"\r\nstop\r\n")
    bench.run(2_000)
    assert 900 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_unsent_is_bounded_and_dropped_whole_and_told_once() -> None:
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


def test_the_limits_in_caps_are_the_codes_own() -> None:
    (line, _) = answers(b"caps")
    assert json.loads(line.removeprefix("- "))["limits"] == {
        "session": 900,
        "daily": 720,
        "duty": 80,
        "rise": 50,
        "trim": list(limits.TRIM_PCT),
        "pauses": 300,
    }
