"""The order of stops and starts: a start that arrived before a stop never starts anything.

This holds whichever client sent the stop, and whichever client sent the start.
"""

from itertools import pairwise
from typing import Any

import pytest

from firmware_ctl.daemon.clients import GUESTS_MAX
from firmware_ctl.protocol import meaning
from firmware_ctl.protocol.connection import MOST_UNSENT, STOPPED_A_SECOND, Connection
from firmware_ctl.protocol.framing import Line
from firmware_ctl.session.button import Contact, spells_of
from firmware_ctl.session.events import (
    Clear,
    Contacts,
    Fault,
    Input,
    State,
    Step,
    Stop,
)
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.daemon import Daemon
from tests.support.worlds import SILENCE, Bench, Wire, WirePoller

OVERTAKEN_BY_STOP = "err busy a stop overtook this request; send it again"


def has_moved(bench: Bench, since_ms: int = 0) -> bool:
    return any(any(duties) for at_ms, duties in bench.pins.written if at_ms >= since_ms)


@pytest.mark.parametrize(
    ("chunk", "answers"),
    [
        (b"start\r!", ["* stopped", OVERTAKEN_BY_STOP]),
        (b"!start\r", ["* stopped", OVERTAKEN_BY_STOP]),
        (b"!start\r!", ["* stopped", "* stopped", OVERTAKEN_BY_STOP]),
        (b"\x03start\r\x18", ["* stopped", "* stopped", OVERTAKEN_BY_STOP]),
        (b"start\rstop\r", [OVERTAKEN_BY_STOP, "ok"]),
        (b"stop\rstart\r", ["ok", OVERTAKEN_BY_STOP]),
        (b"start\rSTOP\rstart\r", [OVERTAKEN_BY_STOP, "ok", OVERTAKEN_BY_STOP]),
        (b"sta!rt\r", ["* stopped", "err unknown-command unknown command rt; try help"]),
        (b"try all steady 30\r!", ["* stopped", OVERTAKEN_BY_STOP]),
        (b"press\r!", ["* stopped", OVERTAKEN_BY_STOP]),
        (b"select quick\r!", ["* stopped", "ok profile=quick"]),
    ],
)
def test_stop_and_start_in_one_chunk_move_nothing(chunk: bytes, answers: list[str]) -> None:
    bench = Bench()
    bench.send(200, chunk)
    bench.run(1_000)

    assert bench.wires[0].lines()[1:] == answers
    assert not has_moved(bench)


@pytest.mark.parametrize("stop", [b"!", b"\x18", b"\x03", b"stop\r", b"Stop \r"])
@pytest.mark.parametrize("start_request", [b"start\r", b"try all steady 30\r", b"press\r"])
def test_queued_start_before_a_stop_starts_nothing(start_request: bytes, stop: bytes) -> None:
    """A reload delays all answers for longer than a stop locks out starts."""
    for chunk in (start_request + stop, b"!" + start_request + stop, stop + start_request + stop):
        bench = Bench()
        bench.reload_ms = 1_000
        bench.send(200, b"reload\r" + chunk)
        bench.run(9_000)

        assert not has_moved(bench)
        assert bench.session.status.started == 0


def test_queued_start_without_a_later_stop_starts() -> None:
    for start_request in (b"start\r", b"try all steady 30\r", b"press\r"):
        bench = Bench()
        bench.reload_ms = 1_000
        bench.send(200, b"!")
        bench.send(300, b"reload\r" + start_request)
        bench.run(2_000)

        assert bench.session.status.started == 1
        assert has_moved(bench, 1_200)


def send_in_same_round(
    first_client: Wire, first_bytes: bytes, second_client: Wire, second_bytes: bytes
) -> None:
    """Makes the bytes of both clients readable in the same round."""
    first_client.chunks.append(first_bytes)
    second_client.chunks.append(second_bytes)


def test_stop_in_the_same_round_overtakes_the_start_of_another_client() -> None:
    bench = Bench()
    first_client, second_client = bench.wires
    bench.at(200, lambda _: send_in_same_round(first_client, b"start\r", second_client, b"!"))
    bench.run(1_000)

    assert (first_client.lines()[1:], second_client.lines()[1:]) == (
        [OVERTAKEN_BY_STOP],
        ["* stopped"],
    )
    assert not has_moved(bench)


def test_start_of_another_client_right_after_a_stop_is_refused() -> None:
    bench = Bench()
    first_client, second_client = bench.wires
    bench.at(200, lambda _: send_in_same_round(first_client, b"!", second_client, b"start\r"))
    bench.run(1_000)

    assert (first_client.lines()[1:], second_client.lines()[1:]) == (
        ["* stopped"],
        [OVERTAKEN_BY_STOP],
    )
    assert not has_moved(bench)


def test_start_100_ms_after_a_stop_starts() -> None:
    bench = Bench()
    bench.send(200, b"!")
    bench.send(300, b"start\r")
    bench.run(1_000)

    assert bench.wires[0].lines()[1:] == ["* stopped", "ok profile=calm left=600"]
    assert has_moved(bench)


def test_stop_byte_behind_thousands_of_lines_stops_at_once() -> None:
    bench = Bench()
    bench.send(200, b"start\r")
    bench.send(900, b"status\r" * 5_000 + b"half a line!")
    bench.wires[0].reads = False
    bench.run(2_000)

    assert has_moved(bench)
    assert not has_moved(bench, 900)
    assert bench.session.state is State.IDLE


@pytest.mark.parametrize("cause", ["fault", "button"])
def test_fault_or_press_cancels_a_queued_start(cause: str) -> None:
    bench = Bench()
    bench.reload_ms = 1_000
    bench.send(200, b"start\r")
    bench.send(500, b"reload\rstart\r")
    if cause == "fault":
        bench.at(600, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
        bench.at(700, lambda daemon: daemon.step(Clear()))
    else:
        bench.at(600, lambda daemon: daemon.press(100))
    bench.run(9_000)

    assert bench.wires[0].lines()[3:] == ["ok count=3 refused=1", OVERTAKEN_BY_STOP]
    assert not has_moved(bench, 601)


@pytest.mark.parametrize("start_request", [b"start\r", b"try all steady 30\r"])
@pytest.mark.parametrize("earlier_requests", [b"", b"reload\r"])
def test_start_sent_before_ready_starts_nothing(
    start_request: bytes, earlier_requests: bytes
) -> None:
    """Without a button, the daemon becomes ready in its first round, which also reads the request."""
    bench = Bench()
    bench.daemon.loop._button = None
    bench.wires[0].chunks.append(earlier_requests + start_request)
    bench.run(1_000)

    assert "err not-ready the daemon was not ready yet; ask again" in bench.wires[0].lines()
    assert not has_moved(bench)


@pytest.mark.parametrize(("sent_at_ms", "state"), [(599, State.FAULT), (600, State.IDLE)])
def test_clear_that_arrived_before_the_fault_does_not_clear_it(
    sent_at_ms: int, state: State
) -> None:
    """The sender of such a clear did not know of the fault."""
    bench = Bench()
    bench.reload_ms = 1_000
    bench.send(500, b"reload\r")
    bench.at(600, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
    bench.send(sent_at_ms, b"clear\r")
    bench.at(3_000, lambda _: states.append(bench.session.state))
    states: list[State] = []
    bench.run(4_000)

    assert states == [state]


# --- a later request overtakes an earlier one ---------------------------------------------------


def send_behind_reload(bench: Bench, at_ms: int, queued_requests: bytes) -> None:
    """Sends requests that the daemon answers 3 s after they arrived."""
    bench.reload_ms = 3_000
    bench.send(at_ms, b"reload\r" + queued_requests)


OVERTAKEN_BY_REQUEST = "err busy a later request overtook this one; send it again"


def test_resume_that_arrived_before_a_pause_resumes_nothing() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r", wire=1)
    send_behind_reload(bench, 3_000, b"resume\r")
    bench.send(4_000, b"pause\r", wire=1)
    bench.at(9_000, lambda _: states.append(bench.session.state))
    states: list[State] = []
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN_BY_REQUEST
    assert states == [State.PAUSED]


@pytest.mark.parametrize("start_request", [b"start quick\r", b"try all steady 30\r", b"press\r"])
def test_start_that_arrived_before_a_session_ended_starts_nothing(start_request: bytes) -> None:
    bench = Bench()
    bench.send(200, b"start quick\r", wire=1)
    send_behind_reload(bench, 3_500, start_request)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN_BY_REQUEST
    assert bench.session.status.started == 1


def test_start_that_arrived_in_a_fault_starts_nothing_after_the_clear() -> None:
    bench = Bench()
    bench.at(1_000, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
    send_behind_reload(bench, 2_000, b"start calm\r")
    bench.send(2_500, b"clear\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN_BY_REQUEST
    assert bench.session.status.started == 0


def test_trim_that_arrived_before_a_stop_raises_no_level() -> None:
    bench = Bench()
    send_behind_reload(bench, 100, b"trim 100\rtrim 10\r")
    bench.send(500, b"!", wire=1)
    bench.send(700, b"trim 20\rstart calm\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-2:] == [OVERTAKEN_BY_STOP, "ok trim=10"]


def test_requests_in_one_write_act_in_their_order() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r")
    bench.send(3_000, b"pause\rresume\r")
    bench.at(4_000, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
    bench.send(5_000, b"clear\rstart calm\r")
    bench.run(9_500)

    assert bench.wires[0].lines()[2:] == ["ok", "ok", "ok", "ok profile=calm left=600"]


def test_stop_line_in_a_queue_acts_when_it_arrives() -> None:
    bench = Bench()
    send_behind_reload(bench, 100, b"stop\r")
    bench.send(1_000, b"start calm\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == "ok"
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert [at_ms for at_ms in low_at_ms if 1_500 < at_ms < 9_500] == []


@pytest.mark.parametrize(
    ("last_bytes", "is_stop"), [(b"stop", True), (b"sto", True), (b"st", False), (b"ping", False)]
)
def test_stop_without_a_line_end_acts_when_its_sender_closes(
    last_bytes: bytes, is_stop: bool
) -> None:
    bench = Bench()
    bench.send(200, b"start calm\r", wire=1)
    bench.send(1_000, b"ping\r" + last_bytes)
    wire = bench.wires[0]

    def close(_: Daemon) -> None:
        wire.chunks.append(b"")
        read = wire.read

        def read_end() -> bytes:
            data = read()
            wire.ended = not data
            return data

        wire.read = read_end  # type: ignore[method-assign]

    bench.at(1_200, close)
    bench.run(9_500)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert bool([at_ms for at_ms in low_at_ms if 1_100 < at_ms < 1_400]) is is_stop


# --- floods from many clients -------------------------------------------------------------------


def test_reads_of_flooding_clients_take_turns_and_delay_no_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty clients flood, and each read takes 3 ms. No tick is late, and the loop reads the stop of
    the last client before it reads any client twice."""
    bench = Bench()
    others = [Wire() for _ in range(GUESTS_MAX - 2)]
    original_receive = Connection.receive
    ticks_at_ms: list[int] = []

    def receive_slowly(connection: Connection, data: bytes, now_ms: int) -> Any:
        bench.poller.hold_up(3)
        return original_receive(connection, data, now_ms)

    def send_flood(_: Daemon) -> None:
        for other in others[:-1]:
            other.chunks.extend([b"zzzz\n" * 800] * 40)
        others[-1].chunks.extend([b"zzzz\n" * 800, b"!"])

    class TickWatcher:
        def beat(self, now_ms: int, is_moving: bool) -> None:
            ticks_at_ms.append(now_ms)

    bench.daemon.player._heartbeats.append(TickWatcher())
    monkeypatch.setattr(Connection, "receive", receive_slowly)
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    bench.send(1_000, b"start calm\n")
    bench.at(3_000, send_flood)
    bench.run(9_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    off_at_ms = min(at_ms for at_ms in low_at_ms if at_ms > 2_000)
    assert off_at_ms < 3_000 + 2 * 64 * 3 * 2
    ticks_in_flood_ms = [at_ms for at_ms in ticks_at_ms if 2_900 < at_ms < off_at_ms]
    assert len(ticks_in_flood_ms) > 2
    assert max(later - earlier for earlier, later in pairwise(ticks_in_flood_ms)) < 100


def test_evicted_client_that_floods_is_read_to_its_end_without_a_late_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    clients = fill_with_clients(bench, b"ping\n")
    original_receive = Connection.receive
    ticks_at_ms: list[int] = []

    def receive_slowly(connection: Connection, data: bytes, now_ms: int) -> Any:
        bench.poller.hold_up(3 if len(data) > 100 else 0)
        return original_receive(connection, data, now_ms)

    class TickWatcher:
        def beat(self, now_ms: int, is_moving: bool) -> None:
            ticks_at_ms.append(now_ms)

    def send_flood_and_join(daemon: Daemon) -> None:
        clients[1].chunks.extend([b"ping\n" * 800] * 300 + [b"!"])
        daemon.join(Wire())

    bench.daemon.player._heartbeats.append(TickWatcher())
    monkeypatch.setattr(Connection, "receive", receive_slowly)
    bench.at(300, lambda _: [client.chunks.append(b"ping\n") for client in clients[2:]])
    bench.at(1_000, send_flood_and_join)
    bench.run(9_000)

    assert clients[1] not in bench.daemon.links
    assert not bench.daemon.clients._leaving
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    off_at_ms = min(at_ms for at_ms in low_at_ms if at_ms > 900)
    assert 1_900 <= off_at_ms < 2_500
    ticks_in_flood_ms = [at_ms for at_ms in ticks_at_ms if 900 < at_ms < off_at_ms]
    assert len(ticks_in_flood_ms) > 15
    assert max(later - earlier for earlier, later in pairwise(ticks_in_flood_ms)) < 100


# --- answers and evictions --------------------------------------------------------------------


def test_many_stops_are_all_executed_and_ten_a_second_are_answered() -> None:
    bench = Bench()
    for i in range(100):
        bench.send(1_000 + 20 * i, b"!")
    executed_stops: list[Input] = []
    original_step = bench.daemon.player.step

    def step_and_count(event: Input) -> Step:
        if isinstance(event, Stop):
            executed_stops.append(event)
        return original_step(event)

    bench.daemon.player.step = step_and_count  # type: ignore[method-assign]
    bench.run(4_000)

    assert bench.wires[0].lines()[1:] == ["* stopped"] * 20
    assert len(executed_stops) == 100


def test_many_stops_in_one_chunk_get_ten_answers_a_second() -> None:
    bench = Bench()
    bench.send(1_000, b"!" * 1_000)
    bench.send(1_999, b"!")
    bench.send(2_000, b"!")
    bench.run(4_000)

    assert bench.wires[0].lines()[1:] == ["* stopped"] * (STOPPED_A_SECOND + 1)


def test_status_queries_while_one_answer_is_unsent_get_a_single_answer() -> None:
    bench = Bench()
    wire = bench.wires[0]
    wire.reads = False
    for i in range(50):
        bench.send(200 + i, b"?????")
    bench.at(300, lambda _: setattr(wire, "reads", True))
    bench.send(400, b"?")
    bench.run(500)

    assert [line.split()[:3] for line in wire.lines()[1:]] == [["*", "status", "state=idle"]] * 2


def test_incomplete_line_is_kept_at_a_question_mark_and_dropped_at_a_stop() -> None:
    connection = Connection()
    connection.receive(b"pi?ng\rpi!ng\r\xff!ping\r", 0)

    waiting = [item.raw for item in connection.waiting if isinstance(item, Line)]
    assert waiting == [b"pi?ng", b"ng", b"ping"]


def test_client_that_never_reads_does_not_delay_another_client() -> None:
    bench = Bench()
    non_reading, other = bench.wires
    non_reading.reads = False
    for i in range(60):
        bench.send(200 + 20 * i, b"help\r" * 100 + b"?")
        bench.send(200 + 20 * i, b"ping\r", wire=1)
    answered_at_ms: list[int] = []
    original_write = other.write

    def write_and_note(data: bytes) -> int:
        answered_at_ms.append(bench.poller.now_ms())
        return original_write(data)

    other.write = write_and_note  # type: ignore[method-assign]
    bench.run(2_000)

    assert answered_at_ms[1:] == [200 + 20 * i for i in range(60)]
    assert len(non_reading.connection._unsent) <= MOST_UNSENT + 64


def test_stop_writes_the_pins_before_the_answer() -> None:
    bench = Bench()
    events: list[str] = []
    wire = bench.wires[0]
    original_apply, original_write = bench.pins.apply, wire.write

    def apply_and_note(duty_pct: Levels) -> None:
        events.append(f"pins {any(duty_pct)}")
        original_apply(duty_pct)

    def write_and_note(data: bytes) -> int:
        events.append(data.decode().strip())
        return original_write(data)

    bench.pins.apply = apply_and_note  # type: ignore[method-assign]
    wire.write = write_and_note  # type: ignore[method-assign]
    bench.send(200, b"start\r")
    bench.send(240, b"!")
    bench.run(300)

    # The pins are driven low again after the last tick of the session, and at the end.
    assert events[-4:] == ["pins False", "* stopped", "pins False", "pins False"]
    assert bench.pins.written[-1] == (300, SILENCE)


def test_client_above_the_limit_replaces_the_client_that_has_been_silent_longest() -> None:
    bench = Bench()
    clients = [Wire() for _ in range(GUESTS_MAX)]
    bench.at(100, lambda daemon: [daemon.join(client) for client in clients[2:]])
    bench.send(200, b"start calm\n")
    bench.send(300, b"ping\n", wire=1)
    bench.at(400, lambda daemon: [client.chunks.append(b"ping\n") for client in clients[3:]])
    new_client = Wire()
    new_client.chunks.append(b"stop\n")
    bench.at(500, lambda daemon: daemon.join(new_client))
    bench.run(600)

    assert clients[2] not in bench.daemon.links
    assert {*bench.wires, *clients[3:], new_client} == {*bench.daemon.links}
    assert new_client.lines()[-1] == "ok"
    assert max(at_ms for at_ms, duties in bench.pins.written if any(duties)) <= 500


def fill_with_clients(bench: Bench, request: bytes) -> list[Wire]:
    """Connects as many clients as the daemon accepts. The first client owns a session, and every other
    client sends `request`."""
    others = [Wire() for _ in range(GUESTS_MAX - 2)]
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    clients = [*bench.wires, *others]
    bench.at(200, lambda _: [client.chunks.append(request) for client in clients[1:]])
    bench.send(200, b"start calm\n")
    return clients


@pytest.mark.parametrize("lease", [b"ping\n", b"lease 1\n", b"lease 60\n"])
def test_client_above_the_limit_is_accepted_although_all_others_have_a_lease(lease: bytes) -> None:
    bench = Bench()
    clients = fill_with_clients(bench, lease)
    new_client = Wire()
    bench.at(9_000, lambda daemon: daemon.join(new_client))
    bench.at(9_010, lambda _: new_client.chunks.append(b"stop\n"))
    bench.run(10_000)

    assert clients[0] in bench.daemon.links
    assert new_client.lines()[-1] == "ok"
    assert has_moved(bench)
    assert [at_ms for at_ms, duties in bench.pins.written if not any(duties)].count(9_010) == 1


@pytest.mark.parametrize("last_bytes", [b"!", b"stop\n", b"\0sto\x08op;\r", b"stop", b"stpo"])
def test_evicted_client_is_read_for_stops_and_gets_an_error(last_bytes: bytes) -> None:
    bench = Bench()
    clients = fill_with_clients(bench, b"ping\n")

    def send_and_join(daemon: Daemon) -> None:
        clients[1].chunks.extend([b"ping\n" * 3_000] * 9 + [last_bytes])
        daemon.join(Wire())

    bench.at(300, lambda _: [client.chunks.append(b"ping\n") for client in clients[2:]])
    bench.at(1_000, send_and_join)
    bench.run(3_000)

    assert clients[1] not in bench.daemon.links
    assert clients[1].lines()[-1] == "err overflow too many clients are connected; connect again"
    assert has_moved(bench)
    assert 1_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


@pytest.mark.parametrize(
    ("sent_bytes", "off_at_ms"),
    [
        (b"ping\n", 4_900),
        (b"?", 4_900),
        (b"start calm\n", 4_900),
        (b"select bad\n", 2_000),
        (b"zzz\n", 2_000),
        (b"ping", 2_000),
        (b"\xff\xfe\n", 2_000),
        (b"ping\xff\n", 2_000),
        (b"trim 500\n", 2_000),
        (b"ok\n", 2_000),
        (b"\n", 2_000),
    ],
)
@pytest.mark.parametrize("earlier_requests", [b"", b"reload\n"])
def test_lease_is_renewed_only_by_a_valid_request_or_a_question_mark(
    sent_bytes: bytes, off_at_ms: int, earlier_requests: bytes
) -> None:
    """This also holds if the daemon answers the lines much later."""
    bench = Bench()
    bench.reload_ms = 20_000
    bench.send(1_000, b"lease 1\nstart calm\n" + earlier_requests)
    for at_ms in range(1_100, 4_000, 100):
        bench.send(at_ms, sent_bytes)
    bench.run(9_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert has_moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) == off_at_ms


@pytest.mark.parametrize(
    ("earlier_requests", "closes_at_ms", "off_at_ms"),
    [
        (b"", None, 2_000),
        (b"", 1_500, 1_500),
        (b"reload\n" * 2, None, 2_000),
        (b"reload\n" * 2, 1_500, 1_500),
        (b"reload\n" * 20 + b"start calm\n", 1_500, 1_500),
    ],
)
def test_lease_with_queued_requests_ends_in_time(
    earlier_requests: bytes, closes_at_ms: int | None, off_at_ms: int
) -> None:
    bench = Bench()
    bench.reload_ms = 8_000
    bench.send(1_000, b"lease 1\nstart calm\n" + earlier_requests)
    if closes_at_ms is not None:
        bench.at(closes_at_ms, lambda _: setattr(bench.wires[0], "ended", True))
    bench.run(30_000)

    assert has_moved(bench)
    assert not has_moved(bench, off_at_ms + 1)
    assert off_at_ms in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_client_that_half_closes_gets_its_late_answer() -> None:
    """The client sends nothing more but still reads, as `nc -N` does."""
    bench = Bench()
    bench.reload_ms = 500
    bench.send(200, b"reload\r")
    bench.at(210, lambda _: setattr(bench.wires[0], "ended", True))
    bench.run(1_000)

    assert bench.wires[0].lines()[2:] == ["ok count=3 refused=1"]


@pytest.mark.parametrize("lease", [b"", b"lease 5\n"])
def test_stop_right_before_a_client_closes_acts(lease: bytes) -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n", wire=1)
    bench.send(1_100, lease)

    def send_and_close(_: Daemon) -> None:
        bench.wires[0].chunks.append(b"ping\n" * 3_000 + b"stop\n")
        bench.at(2_000, lambda _: setattr(bench.wires[0], "ended", True))

    bench.at(2_000, send_and_close)
    bench.run(5_000)
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert has_moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) < 2_100


def test_request_read_in_time_renews_the_lease_although_its_answer_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    original_answer = meaning.answer

    def answer_slowly(*arguments: Any) -> list[str] | None:
        bench.poller.hold_up(300 if arguments[1] is bench.wires[1].connection else 0)
        return original_answer(*arguments)

    def send_pings(_: Daemon) -> None:
        for wire in bench.wires:
            wire.chunks.append(b"ping\n")

    monkeypatch.setattr(meaning, "answer", answer_slowly)
    bench.send(1_000, b"lease 1\nstart calm\n")
    bench.at(1_900, send_pings)
    bench.run(2_800)
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert has_moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) >= 2_800


def test_stop_cut_into_chunks_does_not_wait_for_answers_to_other_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    others = [Wire() for _ in range(30)]
    original_answer = meaning.answer

    def answer_slowly(*arguments: Any) -> list[str] | None:
        bench.poller.hold_up(2)
        return original_answer(*arguments)

    def send_requests(_: Daemon) -> None:
        for other in others:
            other.chunks.append(b"ping\n" * 100)
        bench.wires[0].chunks.extend([b"st", b"op\n"])

    monkeypatch.setattr(meaning, "answer", answer_slowly)
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    bench.send(1_000, b"start calm\n")
    bench.at(2_000, send_requests)
    bench.run(3_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert has_moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_900) < 2_030


# --- edges that the loop reads late -----------------------------------------------------------


class TimedEdges:
    """A button whose edges wait, with their times, until the loop reads them."""

    def __init__(self, *edges: tuple[int, Contact]) -> None:
        self.poller = WirePoller()
        self._edges = [*edges]
        self._contact = Contact.RELEASED

    def read(self) -> Contacts:
        edges = [edge for edge in self._edges if edge[0] <= self.poller.now_ms()]
        del self._edges[: len(edges)]
        if edges:
            self._contact = edges[-1][1]
        return Contacts(self._contact, spells_of(edges))

    def press(self, is_down: bool) -> None:
        raise NotImplementedError


def bench_with_edges(*edges: tuple[int, Contact]) -> Bench:
    button = TimedEdges(*edges)
    bench = Bench(button)  # type: ignore[arg-type]
    button.poller = bench.poller
    return bench


P, R = Contact.PRESSED, Contact.RELEASED


@pytest.mark.parametrize(
    ("delay_ms", "edges", "is_started"),
    [
        (0, [(1_000, P), (1_100, R)], True),
        (0, [(31, P), (120, R)], False),
        (400, [(100, P), (250, R)], False),
        (400, [(350, P), (600, R)], False),
        (400, [(-300, P), (-200, R)], False),
    ],
)
def test_invariant_08_press_before_ready_starts_nothing(
    delay_ms: int, edges: list[tuple[int, Contact]], is_started: bool
) -> None:
    bench = bench_with_edges(*edges)
    bench.daemon.later(0, lambda: bench.poller.hold_up(delay_ms))
    bench.run(3_000)
    assert bench.session.status.started == is_started
    assert has_moved(bench) == is_started  # the refusal does not play a haptic either


@pytest.mark.parametrize("delay_ms", [0, 40])
def test_pulse_with_a_delayed_step_is_not_a_press(
    delay_ms: int,
) -> None:
    bench = bench_with_edges((3_000, P), (3_005, R))

    class SlowWatcher:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            if isinstance(event, Contacts) and event.contact is P:
                bench.poller.hold_up(delay_ms)

    bench.daemon.player._watchers.append(SlowWatcher())
    bench.at(3_005, lambda _: None)
    bench.run(6_000)
    assert bench.session.status.started == 0


@pytest.mark.parametrize("delay_ms", [60, 250, 400])
@pytest.mark.parametrize("at_ms", [2_990, 3_010, 3_095])
def test_press_with_a_delayed_loop_and_a_bouncing_release_starts(at_ms: int, delay_ms: int) -> None:
    release = [(3_100, R), (3_102, P), (3_103, R), (3_107, P), (3_109, R)]
    bench = bench_with_edges((3_000, P), *release)
    bench.at(at_ms, lambda _: bench.poller.hold_up(delay_ms))
    bench.run(6_000)
    assert bench.session.status.started == 1


def test_button_read_with_many_edges_makes_one_step() -> None:
    """The dead-man is armed after the read, and must not wait for sixty steps."""
    edges = [(3_000 + n // 8, (P, R)[n % 2]) for n in range(64)]
    bench = bench_with_edges(*edges)
    steps: list[tuple[int, Input]] = []

    class StepWatcher:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            steps.append((now_ms, event))

    bench.daemon.player._watchers.append(StepWatcher())
    bench.send(1_000, b"start\r")
    bench.at(2_999, lambda _: bench.poller.hold_up(40))
    bench.at(3_000, lambda _: None)  # the first edge makes the button's descriptor readable
    bench.run(6_000)
    spells = [event.spells for _, event in steps if isinstance(event, Contacts) and event.spells]
    assert spells == [((3_000, 3_007, R),)]
    assert has_moved(bench)
    assert bench.pins.written[-1] == (6_000, SILENCE)
    assert (3_039, SILENCE) in bench.pins.written
    assert not has_moved(bench, 3_039)


@pytest.mark.parametrize(
    ("after_ms", "answer"),
    [
        (0, OVERTAKEN_BY_STOP),
        (1, "err busy stopped just now; try again in a moment"),
        (99, "err busy stopped just now; try again in a moment"),
    ],
)
def test_start_of_another_client_just_after_a_stop_is_refused_however_late_it_is_answered(
    after_ms: int, answer: str
) -> None:
    """The time since the stop counts from the start's arrival. A reload delays only its answer."""
    bench = Bench()
    bench.reload_ms = 1_000
    bench.send(200, b"!")
    bench.send(200 + after_ms, b"reload\rstart\r", wire=1)
    bench.run(3_000)

    assert bench.wires[1].lines()[-1] == answer
    assert not has_moved(bench)
    assert bench.session.status.started == 0
