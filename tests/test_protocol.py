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
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl import __version__, limits, protocol
from firmware_ctl.button import Contact
from firmware_ctl.daemon import Daemon
from firmware_ctl.protocol import (
    ACTED,
    ERROR_CODES,
    FAULT_CODES,
    LONGEST_LINE,
    MOST_PENDING,
    MOST_UNSENT,
    Connection,
    Request,
)
from firmware_ctl.session import Fault, State
from firmware_ctl.verbs import VERBS
from tests.worlds import Bench, RealButton, Wire

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
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
                size = 1 if self._byte_by_byte else len(data)
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
    assert set(VERBS) - sent == set()
    answered = set(re.findall(r"^<[-=] err ([\w-]+)", text, re.MULTILINE))
    assert set(ERROR_CODES) - answered == {"not-here"}  # a real button's, below


# --- one table --------------------------------------------------------------------------------

CONTRACT = {
    "help", "hello", "caps", "profiles", "select", "start", "stop", "pause", "resume", "trim",
    "try", "status", "limits", "explain", "events", "echo", "lease", "ping", "press", "reload", "clear",
}  # fmt: skip
ERRORS = {
    "unknown-command", "bad-argument", "unknown-profile", "invalid-profile", "busy", "not-running",
    "not-ready", "allowance", "fault", "too-long", "not-text", "not-here",
}  # fmt: skip
FAULTS = {"tick-late", "pin-write", "rail", "button", "under-voltage", "suspend", "internal"}


def answers(*lines: bytes, bench: Bench | None = None) -> list[str]:
    bench = bench or Bench()
    bench.send(100, *(line + b"\r" for line in lines))
    bench.run(150)
    return bench.wires[0].lines()[1:]


def test_the_verbs_are_the_contracts_and_help_and_caps_are_made_from_them() -> None:
    assert set(VERBS) == CONTRACT
    *lines, ok = answers(b"help")
    assert [line.split()[1].rstrip(":") for line in lines] == list(VERBS)
    assert ok == "ok"
    (line, ok) = answers(b"caps")
    caps = json.loads(line.removeprefix("- "))
    assert (list(caps["verbs"]), caps["errors"], caps["faults"], ok) == (
        list(VERBS),
        list(ERROR_CODES),
        list(FAULT_CODES),
        "ok",
    )


def test_the_codes_are_the_contracts() -> None:
    assert (set(ERROR_CODES), set(FAULT_CODES)) == (ERRORS, FAULTS)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_counts_its_words_and_takes_any_case(name: str) -> None:
    verb = VERBS[name]
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
        moved_at_ms.append(bench.inbox.now_ms())
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
    *VERBS, *(name.upper() for name in VERBS), "calm", "quick", "bad", "on", "off", "50", "0", "1",
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
    """The contract's framing, byte by byte and as plainly as it can be said; None: a bad line."""
    found: list[bytes | None] = []
    line, is_bad = b"", False
    for byte in (data[i : i + 1] for i in range(len(data))):
        if byte in b"!\x18\x03":
            line, is_bad = b"", False
        elif byte in b"\r\n":
            if is_bad or line.strip():
                found.append(None if is_bad else line)
            line, is_bad = b"", False
        elif byte != b"?":
            line += byte
            is_bad = is_bad or len(line) > LONGEST_LINE or not b" " <= byte <= b"~"
    return found


@given(cut(BYTES))
@example([b"sta", b"?rt\r"])
@example([b"STOP\rstop it\rstopping\r"])
@example([b"x" * 97 + b"\r" + b"y" * 96 + b"\r"])
def test_framing(chunks: list[bytes]) -> None:
    connection = Connection()
    heard = [connection.receive(chunk) for chunk in chunks]
    heard_lines = connection.digest(1 << 20)

    data = b"".join(chunks)
    lines = [
        item.line.encode() if isinstance(item, Request) else None for item in connection.pending
    ]
    assert lines == requests(data)
    stop_bytes = len(re.findall(rb"[!\x18\x03]", data))
    stop_lines = sum((line or b"").split()[:1] == [b"stop"] for line in map(_lower, requests(data)))
    assert sum(one.stops for one in heard) + heard_lines == stop_bytes + stop_lines


STOPS = st.sampled_from([b"stop", b" Stop", b"stop it", b"stopp", b"ping", b"", b"  ", b"x" * 97])
FLOODS = st.lists(
    st.one_of(
        st.tuples(STOPS, st.sampled_from([b"\r", b"\n", b"\r\n"])).map(b"".join),
        st.sampled_from([b"!", b"?", b"st", b"op", b"\xff", b"!stop\n"]),
    ),
    max_size=40,
).map(b"".join)


@given(cut(FLOODS), st.integers(0, 60), st.integers(2, 6), st.lists(st.booleans(), max_size=8))
@settings(max_examples=300)
@example([b"ping\n" * 4, b"ping\n" * 4, b"stop\n"], 10, 2, [False, False, True])
@example([b"ping\nst", b"op\nst", b"op\n"], 7, 2, [False, False, False, True])
@example([b"ping\nst", b"op\n", b"stop\n"], 7, 2, [False, False, True])
def test_what_there_is_no_room_for_is_answered_and_its_stops_act(
    chunks: list[bytes], room: int, requests_kept: int, digests: list[bool]
) -> None:
    """Bounds of some bytes, and a digest after some of the chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "MOST_UNREAD", room)
        patch.setattr(protocol, "MOST_PENDING", requests_kept)
        connection = Connection()
        stops = 0
        for chunk, digest in zip_longest(chunks, digests[: len(chunks)], fillvalue=True):
            assert isinstance(chunk, bytes)
            stops += connection.receive(chunk).stops
            if digest:
                stops += connection.digest()
            assert len(connection.pending) <= requests_kept + 2
        stops += connection.digest()

    data = b"".join(chunks)
    lines = requests(data)
    answers = sum(getattr(item, "lines", 1) for item in connection.pending)
    stop_lines = [line for line in lines if _lower(line).split()[:1] == [b"stop"]]
    assert answers == len(lines)
    assert stops == len(re.findall(rb"[!\x18\x03]", data)) + len(stop_lines)
    acted = sum(item.lines for item in connection.pending if item == (ACTED, item[1]))
    kept = [item for item in connection.pending if isinstance(item, Request)]
    assert acted + sum(item.line.split()[0].lower() == "stop" for item in kept) == len(stop_lines)


@pytest.mark.parametrize("sizes", [(3_276,) * 6, (3_800,) * 6, (4_500,) * 5])
def test_a_stop_line_after_a_flood_is_done_and_answered(sizes: tuple[int, ...]) -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *(b"ping\n" * size for size in sizes))
    bench.send(9_000, b"stop\n")
    bench.run(9_100)

    answered = final_lines(bench.wires[0])
    assert (len(answered), answered[-1]) == (2 + sum(sizes), "ok")
    assert 9_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_a_stop_line_within_a_flood_is_done_at_once() -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n")
    bench.send(2_000, *[b"ping\n" * 3_276] * 6, b"stop\n")
    bench.run(2_500)

    assert [at_ms for at_ms, duties in bench.pins.written if any(duties)][-1] < 2_020
    assert final_lines(bench.wires[0])[-1] == "ok"


def _lower(line: bytes | None) -> bytes:
    return (line or b"").lower()


@given(cut(CALM_BYTES))
@settings(max_examples=60)
def test_echo_and_lines_are_the_same_whole_and_cut(chunks: list[bytes]) -> None:
    heard = []
    for pieces in (chunks, [b"".join(chunks)], [bytes([b]) for b in b"".join(chunks)]):
        connection = Connection()
        connection.echo = True
        for piece in pieces:
            connection.receive(piece)
            connection.digest()
        pending = [getattr(item, "line", item) for item in connection.pending]
        heard.append((pending, bytes(connection._unsent)))

    assert heard[0] == heard[1] == heard[2]


def final_lines(wire: Wire) -> list[str]:
    return [line for line in wire.lines() if not line.startswith(("* ", "- "))]


@given(cut(BYTES.filter(lambda data: b"echo" not in data.lower())))
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
    if not movers:
        assert bench.session.started == 0
        assert bench.pins.are_low
        assert {duties for _, duties in bench.pins.written} <= {(0, 0, 0)}
    assert bench.session.started <= len(movers)


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


@given(cut(CALM_BYTES.filter(lambda data: not re.search(b"stop|echo|press", data.lower()))))
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


def test_invariant_09_a_flood_is_bounded_and_every_request_is_answered() -> None:
    bench = Bench()
    wire = bench.wires[0]
    connection = wire.connection
    most_pending = 0

    def look(_: Daemon) -> None:
        nonlocal most_pending
        most_pending = max(most_pending, len(connection.pending))

    bench.send(100, b"ping\r" * 6_000)
    for _ in range(500):
        bench.at(100, look)
    bench.run(200)

    lines = final_lines(wire)
    assert lines.count("ok") >= MOST_PENDING
    assert len(lines) == 6_000
    assert set(lines) == {"ok", f"err busy {ERROR_CODES['busy']}"}
    assert most_pending <= MOST_PENDING + 1


def test_invariant_09_half_a_line_without_end_is_bounded() -> None:
    connection = Connection()
    for _ in range(100):
        connection.receive(b"x" * 10_000 + bytes(range(128, 256)) * 10)
        connection.digest()

    assert len(connection._line) <= LONGEST_LINE
    assert not connection.pending
    connection.receive(b"\r")
    connection.digest()
    assert len(connection.pending) == 1


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
