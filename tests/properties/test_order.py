"""Stops and starts: what came before a stop never starts after it, whoever sent it."""

from itertools import pairwise
from typing import Any

import pytest

from firmware_ctl.daemon.clients import GUESTS_MAX
from firmware_ctl.protocol import commands
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

BUSY = "err busy a stop overtook this request; send it again"


def moved(bench: Bench, since_ms: int = 0) -> bool:
    return any(any(duties) for at_ms, duties in bench.pins.written if at_ms >= since_ms)


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (b"start\r!", ["* stopped", BUSY]),
        (b"!start\r", ["* stopped", BUSY]),
        (b"!start\r!", ["* stopped", "* stopped", BUSY]),
        (b"\x03start\r\x18", ["* stopped", "* stopped", BUSY]),
        (b"start\rstop\r", [BUSY, "ok"]),
        (b"stop\rstart\r", ["ok", BUSY]),
        (b"start\rSTOP\rstart\r", [BUSY, "ok", BUSY]),
        (b"sta!rt\r", ["* stopped", "err unknown-command unknown command rt; try help"]),
        (b"try all steady 30\r!", ["* stopped", BUSY]),
        (b"press\r!", ["* stopped", BUSY]),
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
        assert bench.session.status.started == 0


def test_what_waits_in_a_queue_starts_without_a_stop() -> None:
    for mover in (b"start\r", b"try all steady 30\r", b"press\r"):
        bench = Bench()
        bench.reload_ms = 1_000
        bench.send(200, b"!")
        bench.send(300, b"reload\r" + mover)
        bench.run(2_000)

        assert bench.session.status.started == 1
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

    assert (one.lines()[1:], two.lines()[1:]) == (["* stopped"], [BUSY])
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


@pytest.mark.parametrize("mover", [b"start\r", b"try all steady 30\r"])
@pytest.mark.parametrize("behind", [b"", b"reload\r"])
def test_what_waited_for_a_daemon_that_is_ready_at_once_starts_nothing(
    mover: bytes, behind: bytes
) -> None:
    """Without a button the daemon is ready in its first round, in which it also reads."""
    bench = Bench()
    bench.daemon.loop._button = None
    bench.wires[0].chunks.append(behind + mover)
    bench.run(1_000)

    assert "err not-ready the daemon was not ready yet; ask again" in bench.wires[0].lines()
    assert not moved(bench)


@pytest.mark.parametrize(("sent_at_ms", "state"), [(599, State.FAULT), (600, State.IDLE)])
def test_a_clear_that_arrived_before_the_fault_does_not_clear_it(
    sent_at_ms: int, state: State
) -> None:
    """Whoever sent it had not heard of the fault."""
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


def behind_a_reload(bench: Bench, at_ms: int, waits: bytes) -> None:
    """What waits is served 3 s after it arrived."""
    bench.reload_ms = 3_000
    bench.send(at_ms, b"reload\r" + waits)


OVERTAKEN = "err busy a later request overtook this one; send it again"


def test_a_resume_that_arrived_before_a_pause_resumes_nothing() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r", wire=1)
    behind_a_reload(bench, 3_000, b"resume\r")
    bench.send(4_000, b"pause\r", wire=1)
    bench.at(9_000, lambda _: states.append(bench.session.state))
    states: list[State] = []
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN
    assert states == [State.PAUSED]


@pytest.mark.parametrize("mover", [b"start quick\r", b"try all steady 30\r", b"press\r"])
def test_what_arrived_before_a_session_ended_starts_no_other(mover: bytes) -> None:
    bench = Bench()
    bench.send(200, b"start quick\r", wire=1)
    behind_a_reload(bench, 3_500, mover)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN
    assert bench.session.status.started == 1


def test_a_start_that_arrived_in_a_fault_does_not_start_after_its_clear() -> None:
    bench = Bench()
    bench.at(1_000, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
    behind_a_reload(bench, 2_000, b"start calm\r")
    bench.send(2_500, b"clear\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == OVERTAKEN
    assert bench.session.status.started == 0


def test_a_trim_that_arrived_before_a_stop_strengthens_nothing() -> None:
    bench = Bench()
    behind_a_reload(bench, 100, b"trim 100\rtrim 10\r")
    bench.send(500, b"!", wire=1)
    bench.send(700, b"trim 20\rstart calm\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-2:] == [BUSY, "ok trim=10"]


def test_pause_and_resume_and_clear_and_start_in_one_write_are_done_in_their_order() -> None:
    bench = Bench()
    bench.send(200, b"start calm\r")
    bench.send(3_000, b"pause\rresume\r")
    bench.at(4_000, lambda daemon: daemon.step(Fault("rail", "the rail is off")))
    bench.send(5_000, b"clear\rstart calm\r")
    bench.run(9_500)

    assert bench.wires[0].lines()[2:] == ["ok", "ok", "ok", "ok profile=calm left=600"]


def test_a_stop_line_acts_when_it_arrives_and_not_when_it_is_served() -> None:
    bench = Bench()
    behind_a_reload(bench, 100, b"stop\r")
    bench.send(1_000, b"start calm\r", wire=1)
    bench.run(9_500)

    assert bench.wires[0].lines()[-1] == "ok"
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert [at_ms for at_ms in low_at_ms if 1_500 < at_ms < 9_500] == []


@pytest.mark.parametrize(("last", "stops"), [(b"stop", True), (b"sto", False), (b"ping", False)])
def test_a_stop_without_a_line_end_acts_when_its_sender_closes(last: bytes, stops: bool) -> None:
    bench = Bench()
    bench.send(200, b"start calm\r", wire=1)
    bench.send(1_000, b"ping\r" + last)
    wire = bench.wires[0]

    def closes(_: Daemon) -> None:
        wire.chunks.append(b"")
        read = wire.read

        def read_end() -> bytes:
            data = read()
            wire.ended = not data
            return data

        wire.read = read_end  # type: ignore[method-assign]

    bench.at(1_200, closes)
    bench.run(9_500)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert bool([at_ms for at_ms in low_at_ms if 1_100 < at_ms < 1_400]) is stops


# --- floods from many ---------------------------------------------------------------------------


def test_ports_are_read_for_a_bounded_time_and_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty clients flood, and each read takes 3 ms: a tick is never late, and the last client's
    stop is heard before anyone is read for the second time."""
    bench = Bench()
    others = [Wire() for _ in range(GUESTS_MAX - 2)]
    receive = Connection.receive
    ticks: list[int] = []

    def slowly(connection: Connection, data: bytes, now_ms: int) -> Any:
        bench.poller.hold_up(3)
        return receive(connection, data, now_ms)

    def come(_: Daemon) -> None:
        for other in others:
            other.chunks.extend([b"zzzz\n" * 800] * 40)
        bench.wires[1].chunks.extend([b"zzzz\n" * 800, b"!"])

    class Ticks:
        def beat(self, now_ms: int, is_moving: bool) -> None:
            ticks.append(now_ms)

    bench.daemon.player._heartbeats.append(Ticks())
    monkeypatch.setattr(Connection, "receive", slowly)
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    bench.send(1_000, b"start calm\n")
    bench.at(3_000, come)
    bench.run(9_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    off_at_ms = min(at_ms for at_ms in low_at_ms if at_ms > 2_000)
    assert off_at_ms < 3_000 + 2 * 64 * 3 * 2
    flooded = [at_ms for at_ms in ticks if 2_900 < at_ms < off_at_ms]
    assert len(flooded) > 5
    assert max(later - earlier for earlier, later in pairwise(flooded)) < 100


def test_a_flooding_client_that_has_to_go_is_read_to_its_end_without_a_late_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    guests = crowded(bench, b"ping\n")
    receive = Connection.receive
    ticks: list[int] = []

    def slowly(connection: Connection, data: bytes, now_ms: int) -> Any:
        bench.poller.hold_up(3 if len(data) > 100 else 0)
        return receive(connection, data, now_ms)

    class Ticks:
        def beat(self, now_ms: int, is_moving: bool) -> None:
            ticks.append(now_ms)

    def come(daemon: Daemon) -> None:
        guests[1].chunks.extend([b"ping\n" * 800] * 300 + [b"!"])
        daemon.join(Wire())

    bench.daemon.player._heartbeats.append(Ticks())
    monkeypatch.setattr(Connection, "receive", slowly)
    bench.at(300, lambda _: [guest.chunks.append(b"ping\n") for guest in guests[2:]])
    bench.at(1_000, come)
    bench.run(9_000)

    assert guests[1] not in bench.daemon.links
    assert not bench.daemon.clients._leaving
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    off_at_ms = min(at_ms for at_ms in low_at_ms if at_ms > 900)
    assert 1_900 <= off_at_ms < 2_500
    flooded = [at_ms for at_ms in ticks if 900 < at_ms < off_at_ms]
    assert len(flooded) > 20
    assert max(later - earlier for earlier, later in pairwise(flooded)) < 100


# --- what a client hears of it ----------------------------------------------------------------


def test_ten_stopped_a_second_and_every_stop_stops() -> None:
    bench = Bench()
    for i in range(100):
        bench.send(1_000 + 20 * i, b"!")
    stops: list[Input] = []
    step = bench.daemon.player.step

    def watched(event: Input) -> Step:
        if isinstance(event, Stop):
            stops.append(event)
        return step(event)

    bench.daemon.player.step = watched  # type: ignore[method-assign]
    bench.run(4_000)

    assert bench.wires[0].lines()[1:] == ["* stopped"] * 20
    assert len(stops) == 100


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
    connection.receive(b"pi?ng\rpi!ng\r\xff!ping\r", 0)

    waiting = [item.raw for item in connection.waiting if isinstance(item, Line)]
    assert waiting == [b"pi?ng", b"ng", b"ping"]


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
        heard_at_ms.append(bench.poller.now_ms())
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


def test_one_client_too_many_takes_the_place_of_the_one_that_was_silent_longest() -> None:
    bench = Bench()
    guests = [Wire() for _ in range(GUESTS_MAX)]
    bench.at(100, lambda daemon: [daemon.join(guest) for guest in guests[2:]])
    bench.send(200, b"start calm\n")
    bench.send(300, b"ping\n", wire=1)
    bench.at(400, lambda daemon: [guest.chunks.append(b"ping\n") for guest in guests[3:]])
    newcomer = Wire()
    newcomer.chunks.append(b"stop\n")
    bench.at(500, lambda daemon: daemon.join(newcomer))
    bench.run(600)

    assert guests[2] not in bench.daemon.links
    assert {*bench.wires, *guests[3:], newcomer} == {*bench.daemon.links}
    assert newcomer.lines()[-1] == "ok"
    assert max(at_ms for at_ms, duties in bench.pins.written if any(duties)) <= 500


def crowded(bench: Bench, lease: bytes) -> list[Wire]:
    """As many clients as there is room for; each has sent the bytes. The first owns a session."""
    others = [Wire() for _ in range(GUESTS_MAX - 2)]
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    guests = [*bench.wires, *others]
    bench.at(200, lambda _: [guest.chunks.append(lease) for guest in guests[1:]])
    bench.send(200, b"start calm\n")
    return guests


@pytest.mark.parametrize("lease", [b"ping\n", b"lease 1\n", b"lease 60\n"])
def test_a_newcomer_is_seated_though_all_others_hold_a_lease(lease: bytes) -> None:
    bench = Bench()
    guests = crowded(bench, lease)
    newcomer = Wire()
    bench.at(9_000, lambda daemon: daemon.join(newcomer))
    bench.at(9_010, lambda _: newcomer.chunks.append(b"stop\n"))
    bench.run(10_000)

    assert guests[0] in bench.daemon.links
    assert newcomer.lines()[-1] == "ok"
    assert moved(bench)
    assert [at_ms for at_ms, duties in bench.pins.written if not any(duties)].count(9_010) == 1


@pytest.mark.parametrize("last", [b"!", b"stop\n", b"\0sto\x08op;\r"])
def test_a_client_that_has_to_go_is_read_for_stops_and_told(last: bytes) -> None:
    bench = Bench()
    guests = crowded(bench, b"ping\n")

    def come(daemon: Daemon) -> None:
        guests[1].chunks.extend([b"ping\n" * 3_000] * 9 + [last])
        daemon.join(Wire())

    bench.at(300, lambda _: [guest.chunks.append(b"ping\n") for guest in guests[2:]])
    bench.at(1_000, come)
    bench.run(3_000)

    assert guests[1] not in bench.daemon.links
    assert guests[1].lines()[-1] == "err overflow too many clients are connected; connect again"
    assert moved(bench)
    assert 1_000 in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


@pytest.mark.parametrize(
    ("sent", "off_at_ms"),
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
@pytest.mark.parametrize("behind", [b"", b"reload\n"])
def test_a_lease_is_renewed_by_a_valid_line_or_a_question_and_by_nothing_else(
    sent: bytes, off_at_ms: int, behind: bytes
) -> None:
    """Also where the lines that arrive are answered much later."""
    bench = Bench()
    bench.reload_ms = 20_000
    bench.send(1_000, b"lease 1\nstart calm\n" + behind)
    for at_ms in range(1_100, 4_000, 100):
        bench.send(at_ms, sent)
    bench.run(9_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) == off_at_ms


@pytest.mark.parametrize(
    ("behind", "closes_at_ms", "off_at_ms"),
    [
        (b"", None, 2_000),
        (b"", 1_500, 1_500),
        (b"reload\n" * 2, None, 2_000),
        (b"reload\n" * 2, 1_500, 1_500),
        (b"reload\n" * 20 + b"start calm\n", 1_500, 1_500),
    ],
)
def test_a_lease_ends_in_time_whatever_its_client_asked_before(
    behind: bytes, closes_at_ms: int | None, off_at_ms: int
) -> None:
    bench = Bench()
    bench.reload_ms = 8_000
    bench.send(1_000, b"lease 1\nstart calm\n" + behind)
    if closes_at_ms is not None:
        bench.at(closes_at_ms, lambda _: setattr(bench.wires[0], "ended", True))
    bench.run(30_000)

    assert moved(bench)
    assert not moved(bench, off_at_ms + 1)
    assert off_at_ms in [at_ms for at_ms, duties in bench.pins.written if not any(duties)]


def test_client_that_half_closes_gets_its_late_answer() -> None:
    """It sends nothing more but still reads, as `nc -N` does."""
    bench = Bench()
    bench.reload_ms = 500
    bench.send(200, b"reload\r")
    bench.at(210, lambda _: setattr(bench.wires[0], "ended", True))
    bench.run(1_000)

    assert bench.wires[0].lines()[1:] == ["ok count=3"]


@pytest.mark.parametrize("lease", [b"", b"lease 5\n"])
def test_a_stop_before_a_client_closes_acts(lease: bytes) -> None:
    bench = Bench()
    bench.send(1_000, b"start calm\n", wire=1)
    bench.send(1_100, lease)

    def come_and_go(_: Daemon) -> None:
        bench.wires[0].chunks.append(b"ping\n" * 3_000 + b"stop\n")
        bench.at(2_000, lambda _: setattr(bench.wires[0], "ended", True))

    bench.at(2_000, come_and_go)
    bench.run(5_000)
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) < 2_100


def test_what_was_heard_in_time_keeps_a_lease_though_it_is_answered_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    answer = commands.answer

    def slowly(*asked: Any) -> list[str] | None:
        bench.poller.hold_up(300 if asked[1] is bench.wires[1].connection else 0)
        return answer(*asked)

    def come(_: Daemon) -> None:
        for wire in bench.wires:
            wire.chunks.append(b"ping\n")

    monkeypatch.setattr(commands, "answer", slowly)
    bench.send(1_000, b"lease 1\nstart calm\n")
    bench.at(1_900, come)
    bench.run(2_800)
    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_500) >= 2_800


def test_a_stop_in_pieces_does_not_wait_for_what_others_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    others = [Wire() for _ in range(30)]
    answer = commands.answer

    def slowly(*asked: Any) -> list[str] | None:
        bench.poller.hold_up(2)
        return answer(*asked)

    def come(_: Daemon) -> None:
        for other in others:
            other.chunks.append(b"ping\n" * 100)
        bench.wires[0].chunks.extend([b"st", b"op\n"])

    monkeypatch.setattr(commands, "answer", slowly)
    bench.at(100, lambda daemon: [daemon.join(other) for other in others])
    bench.send(1_000, b"start calm\n")
    bench.at(2_000, come)
    bench.run(3_000)

    low_at_ms = [at_ms for at_ms, duties in bench.pins.written if not any(duties)]
    assert moved(bench)
    assert min(at_ms for at_ms in low_at_ms if at_ms > 1_900) < 2_030


# --- edges that come late ---------------------------------------------------------------------


class Edges:
    """A button whose edges wait for the loop, with the times at which they were."""

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


def pressed(*edges: tuple[int, Contact]) -> Bench:
    button = Edges(*edges)
    bench = Bench(button)  # type: ignore[arg-type]
    button.poller = bench.poller
    return bench


P, R = Contact.PRESSED, Contact.RELEASED


@pytest.mark.parametrize(
    ("held_up_ms", "edges", "starts"),
    [
        (0, [(1_000, P), (1_100, R)], True),
        (0, [(31, P), (120, R)], False),
        (400, [(100, P), (250, R)], False),
        (400, [(350, P), (600, R)], False),
        (400, [(-300, P), (-200, R)], False),
    ],
)
def test_invariant_08_a_press_before_ready_starts_nothing(
    held_up_ms: int, edges: list[tuple[int, Contact]], starts: bool
) -> None:
    bench = pressed(*edges)
    bench.daemon.later(0, lambda: bench.poller.hold_up(held_up_ms))
    bench.run(3_000)
    assert bench.session.status.started == starts
    assert moved(bench) == starts  # nor is it refused by a haptic


@pytest.mark.parametrize("held_up_ms", [0, 40])
def test_a_pulse_is_no_press_where_time_goes_by_between_the_steps_of_its_edges(
    held_up_ms: int,
) -> None:
    bench = pressed((3_000, P), (3_005, R))

    class Slow:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            if isinstance(event, Contacts) and event.contact is P:
                bench.poller.hold_up(held_up_ms)

    bench.daemon.player._watchers.append(Slow())
    bench.at(3_005, lambda _: None)
    bench.run(6_000)
    assert bench.session.status.started == 0


@pytest.mark.parametrize("held_up_ms", [60, 250, 400])
@pytest.mark.parametrize("at_ms", [2_990, 3_010, 3_095])
def test_a_press_starts_where_the_loop_is_held_up_and_the_release_bounces(
    at_ms: int, held_up_ms: int
) -> None:
    release = [(3_100, R), (3_102, P), (3_103, R), (3_107, P), (3_109, R)]
    bench = pressed((3_000, P), *release)
    bench.at(at_ms, lambda _: bench.poller.hold_up(held_up_ms))
    bench.run(6_000)
    assert bench.session.status.started == 1


def test_a_look_at_the_button_is_one_step_however_many_edges_came() -> None:
    """The dead-man is armed again after it, and must not wait for sixty steps."""
    edges = [(3_000 + n // 8, (P, R)[n % 2]) for n in range(64)]
    bench = pressed(*edges)
    steps: list[tuple[int, Input]] = []

    class Watch:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            steps.append((now_ms, event))

    bench.daemon.player._watchers.append(Watch())
    bench.send(1_000, b"start\r")
    bench.at(2_999, lambda _: bench.poller.hold_up(40))
    bench.run(6_000)
    spells = [event.spells for _, event in steps if isinstance(event, Contacts) and event.spells]
    assert spells == [((3_000, 3_007, R),)]
    assert moved(bench)
    assert bench.pins.written[-1] == (6_000, SILENCE)
    assert (3_039, SILENCE) in bench.pins.written
    assert not moved(bench, 3_039)
