"""Stops and starts: what came before a stop never starts after it, whoever sent it."""

import pytest

from firmware_ctl.daemon import MOST_LINKS
from firmware_ctl.protocol import MOST_UNSENT, STOPPED_A_SECOND, Connection
from firmware_ctl.session import Clear, Fault, State
from firmware_ctl.shaping import Levels
from tests.worlds import SILENCE, Bench, Wire

BUSY = "err busy a stop overtook this start; send it again"
LOCKED = "err busy stopped less than 100 ms ago; start again"


def moved(bench: Bench, since_ms: int = 0) -> bool:
    return any(any(duties) for at_ms, duties in bench.pins.written if at_ms >= since_ms)


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (b"start\r!", ["* stopped", BUSY]),
        (b"!start\r", ["* stopped", LOCKED]),
        (b"!start\r!", ["* stopped", "* stopped", BUSY]),
        (b"\x03start\r\x18", ["* stopped", "* stopped", BUSY]),
        (b"start\rstop\r", [BUSY, "ok"]),
        (b"stop\rstart\r", ["ok", BUSY]),
        (b"start\rSTOP\rstart\r", [BUSY, "ok", BUSY]),
        (b"sta!rt\r", ["* stopped", "err unknown-command rt is no command; try help"]),
        (b"try all steady 30\r!", ["* stopped", BUSY.replace("start", "try")]),
        (b"press\r!", ["* stopped", BUSY.replace("start", "press")]),
        (b"select quick\r!", ["* stopped", "ok profile=quick"]),
    ],
)
def test_within_one_chunk(chunk: bytes, said: list[str]) -> None:
    bench = Bench()
    bench.send(200, chunk)
    bench.run(1_000)

    assert bench.wires[0].lines()[1:] == said
    assert not moved(bench)


@pytest.mark.parametrize("stop", [b"!", b"\x18", b"\x03", b"stop\r", b"Stop \r"])
@pytest.mark.parametrize("mover", [b"start\r", b"try all steady 30\r", b"press\r"])
def test_what_waits_in_a_queue_does_not_outlive_a_stop(mover: bytes, stop: bytes) -> None:
    """The reload holds up all answers for longer than the restart lock."""
    for chunk in (mover + stop, b"!" + mover + stop, stop + mover + stop):
        bench = Bench()
        bench.reload_ms = 1_000
        bench.send(200, b"reload\r" + chunk)
        bench.run(9_000)

        assert not moved(bench)
        assert bench.session.started == 0


def test_what_waits_in_a_queue_starts_without_a_stop() -> None:
    for mover in (b"start\r", b"try all steady 30\r", b"press\r"):
        bench = Bench()
        bench.reload_ms = 1_000
        bench.send(200, b"!reload\r" + mover)
        bench.run(2_000)

        assert bench.session.started == 1
        assert moved(bench, 1_200)


def together(one: Wire, first: bytes, two: Wire, second: bytes) -> None:
    """Both can be read in the same round."""
    one.chunks.append(first)
    two.chunks.append(second)


def test_a_stop_overtakes_the_starts_of_other_clients() -> None:
    bench = Bench()
    one, two = bench.wires
    bench.at(200, lambda _: together(one, b"start\r", two, b"!"))
    bench.run(1_000)

    assert (one.lines()[1:], two.lines()[1:]) == ([BUSY], ["* stopped"])
    assert not moved(bench)


def test_a_start_of_another_client_right_after_a_stop_is_locked_out() -> None:
    bench = Bench()
    one, two = bench.wires
    bench.at(200, lambda _: together(one, b"!", two, b"start\r"))
    bench.run(1_000)

    assert (one.lines()[1:], two.lines()[1:]) == (["* stopped"], [LOCKED])
    assert not moved(bench)


def test_a_start_that_came_later_is_a_start() -> None:
    bench = Bench()
    bench.send(200, b"!")
    bench.send(300, b"start\r")
    bench.run(1_000)

    assert bench.wires[0].lines()[1:] == ["* stopped", "ok profile=calm left=600"]
    assert moved(bench)


def test_a_stop_byte_behind_thousands_of_lines_is_heard_at_once() -> None:
    bench = Bench()
    bench.send(200, b"start\r")
    bench.send(900, b"status\r" * 5_000 + b"half a line!")
    bench.wires[0].reads = False
    bench.run(2_000)

    assert moved(bench)
    assert not moved(bench, 900)
    assert bench.session.state is State.IDLE


@pytest.mark.parametrize("what", ["fault", "button"])
def test_a_fault_or_a_press_stales_what_waits_as_a_stop_does(what: str) -> None:
    bench = Bench()
    bench.reload_ms = 1_000
    bench.send(200, b"start\r")
    bench.send(500, b"reload\rstart\r")
    if what == "fault":
        bench.at(600, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
        bench.at(700, lambda daemon: daemon.step(Clear()))
    else:
        bench.at(600, lambda daemon: daemon.press(100))
    bench.run(9_000)

    assert bench.wires[0].lines()[2:] == ["ok count=3", BUSY]
    assert not moved(bench, 601)


# --- what a client hears of it ----------------------------------------------------------------


def test_ten_stopped_a_second_and_every_stop_stops() -> None:
    bench = Bench()
    for i in range(100):
        bench.send(1_000 + 20 * i, b"!")
    bench.run(4_000)

    assert bench.wires[0].lines()[1:] == ["* stopped"] * 20
    assert bench.session.stops == 101  # and the end's own


def test_ten_stopped_within_one_chunk() -> None:
    bench = Bench()
    bench.send(1_000, b"!" * 1_000)
    bench.send(1_999, b"!")
    bench.send(2_000, b"!")
    bench.run(4_000)

    assert bench.wires[0].lines()[1:] == ["* stopped"] * (STOPPED_A_SECOND + 1)


def test_status_is_merged_while_one_is_unsent() -> None:
    bench = Bench()
    wire = bench.wires[0]
    wire.reads = False
    for i in range(50):
        bench.send(200 + i, b"?????")
    bench.at(300, lambda _: setattr(wire, "reads", True))
    bench.send(400, b"?")
    bench.run(500)

    assert [line.split()[:3] for line in wire.lines()[1:]] == [["*", "status", "state=idle"]] * 2


def test_half_typed_lines_survive_a_question_and_not_a_stop() -> None:
    connection = Connection()
    connection.receive(b"pi?ng\rpi!ng\r\xff!ping\r")
    connection.digest()

    assert [getattr(item, "line", item) for item in connection.pending] == ["ping", "ng", "ping"]


def test_a_client_that_never_reads_keeps_no_one_waiting() -> None:
    bench = Bench()
    deaf, other = bench.wires
    deaf.reads = False
    for i in range(60):
        bench.send(200 + 20 * i, b"help\r" * 100 + b"?")
        bench.send(200 + 20 * i, b"ping\r", wire=1)
    heard_at_ms: list[int] = []
    write = other.write

    def listen(data: bytes) -> int:
        heard_at_ms.append(bench.inbox.now_ms())
        return write(data)

    other.write = listen  # type: ignore[method-assign]
    bench.run(2_000)

    assert heard_at_ms[1:] == [200 + 20 * i for i in range(60)]
    assert len(deaf.connection._unsent) <= MOST_UNSENT + 64


def test_off_is_written_before_it_is_told() -> None:
    bench = Bench()
    order: list[str] = []
    wire = bench.wires[0]
    apply, write = bench.pins.apply, wire.write

    def applied(duty_pct: Levels) -> None:
        order.append(f"pins {any(duty_pct)}")
        apply(duty_pct)

    def written(data: bytes) -> int:
        order.append(data.decode().strip())
        return write(data)

    bench.pins.apply = applied  # type: ignore[method-assign]
    wire.write = written  # type: ignore[method-assign]
    bench.send(200, b"start\r")
    bench.send(240, b"!")
    bench.run(300)

    # Low again when the session's last tick is over, and at the end.
    assert order[-4:] == ["pins False", "* stopped", "pins False", "pins False"]
    assert bench.pins.written[-1] == (300, SILENCE)


def test_a_client_too_many_is_turned_away() -> None:
    bench = Bench()
    taken = [bench.daemon.join(Wire()) for _ in range(MOST_LINKS)]
    assert taken == [True] * (MOST_LINKS - 2) + [False] * 2
