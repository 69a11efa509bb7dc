"""Clients of the daemon: leases, floods, events, and clients that leave."""

import socket
from collections.abc import Callable, Collection

import pytest

from firmware_ctl.daemon import clients
from firmware_ctl.daemon.clients import FULL_READ_BYTES, LEAVING_MS, READY, RECEIVE_MS
from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.links import SocketLink
from firmware_ctl.limits import TICK_MS
from firmware_ctl.session.events import (
    Fault,
    Input,
    Start,
    State,
    Step,
    Stop,
)
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.unit.daemon.loop_world import (
    Wire,
    World,
)


def test_clients_get_a_watchers_lines_in_the_same_round() -> None:
    world = World()
    wire = Wire(world.daemon)
    answers: list[list[str]] = []

    class View:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            wire.connection.answer([f"at {now_ms}"])

    world.daemon.player._watchers.append(View())
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.at(1_010, lambda _: answers.append(wire.answers))
    world.run(1_100)
    assert answers[0][-2:] == ["at 900", "at 1000"]


def lease_script(world: World, script: list[tuple[int, bytes]]) -> Wire:
    wire = Wire(world.daemon)
    for at_ms, data in script:
        world.at(at_ms, lambda _, data=data: wire.receive(data))
    return wire


@pytest.mark.parametrize(
    ("script", "stops_at_ms"),
    [
        ([(700, b"lease 2\nstart beta\n")], 2_700),
        ([(700, b"start beta\nlease 2\n")], 2_700),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"ping\n")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"?")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"start alpha\n")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"reload\nping\n")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"nonsense\n")], 2_700),
        ([(700, b"lease 2\nstart beta\nreload\n"), (2_000, b"nonsense\n")], 2_700),
        ([(700, b"lease 2\nstart beta\nreload\n"), (2_000, b"select beta\n")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"half a li")], 2_700),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"lease 0\n")], None),
        ([(700, b"start beta\n")], None),
    ],
)
def test_lease_without_a_valid_request_stops_the_session(
    script: list[tuple[int, bytes]], stops_at_ms: int | None
) -> None:
    world = World()
    lease_script(world, script)
    world.run(10_000)
    assert world.offs_at_ms() == [stops_at_ms or 10_000]


def test_lease_of_another_connection_stops_nothing() -> None:
    world = World()
    lease_script(world, [(600, b"lease 1\n")])
    lease_script(world, [(700, b"start beta\n")])
    world.run(5_000)
    assert world.offs_at_ms() == [5_000]


def test_client_with_a_lease_that_leaves_stops_no_session_of_another() -> None:
    world = World()
    lease_script(world, [(600, b"lease 60\n"), (2_000, b"")])
    lease_script(world, [(700, b"start beta\n")])
    world.run(5_000)
    assert world.offs_at_ms() == [5_000]


def test_lease_after_the_end_of_its_session_stops_nothing() -> None:
    """A stop would bar a start for a moment, and end a press that is going on."""
    world = World()
    wire = Wire(world.daemon)
    stops: list[int] = []
    world.at(1_000, lambda _: wire.receive(b"lease 5\nstart\n"))
    step = world.daemon.player.step

    def watched(event: Input) -> Step:
        if isinstance(event, Stop):
            stops.append(world.poller.now_ms())
        return step(event)

    world.daemon.player.step = watched  # type: ignore[method-assign]
    world.run(10_000)
    assert world.session.status.started == 1
    assert stops == []


def test_lease_that_ends_with_the_job_that_would_begin_its_session_begins_none() -> None:
    """What a source of the loop brings in that round comes after the lease."""
    world = World()
    lease_script(world, [(700, b"lease 1\nstart beta\n")])
    saved: list[Callable[[str], object]] = []
    world.daemon.player._ledger.save = lambda save, done: saved.append(done)  # type: ignore[method-assign]
    world.at(1_700, lambda _: saved[0](""))
    world.run(5_000)
    assert saved
    assert world.session.status.started == 0


@pytest.mark.parametrize(("lease", "stops_at_ms"), [(b"lease 60\n", 3_000), (b"", 5_000)])
def test_link_that_ends_is_closed_once_and_its_lease_ends(lease: bytes, stops_at_ms: int) -> None:
    world = World()
    wire = lease_script(world, [(700, lease + b"start beta\n"), (3_000, b"")])
    world.run(5_000)
    assert wire.closed == 1
    assert world.daemon.links == []
    assert world.offs_at_ms() == [stops_at_ms]


def test_client_that_left_without_reading_is_closed_and_its_lease_ends() -> None:
    world = World()
    client, ours = socket.socketpair()
    link = SocketLink(ours)
    world.daemon.join(link)

    def come_and_go(daemon: Daemon) -> None:
        client.sendall(b"lease 60\nstart beta\n" + b"help\n" * 50)
        client.close()
        daemon.clients.receive([link], daemon.now_ms())

    world.at(700, come_and_go)
    world.at(701, lambda daemon: daemon.clients.receive([link], daemon.now_ms()))
    world.run(5_000)
    assert world.daemon.links == []
    assert link.fileno() == -1
    assert world.session.status.started == 1
    assert not any(state is State.RUNNING for at_ms, state, *_ in world.rows if at_ms > TICK_MS)


def test_flood_is_answered_in_order_and_delays_no_tick() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"start beta\n" + b"ping\n" * 500 + b"status\n"))
    world.run(2_000)
    assert wire.answers[1:502] == ["ok profile=beta left=60", *["ok"] * 500]
    assert wire.answers[502].startswith("ok state=running")
    assert len(wire.answers) == 503


def test_client_that_reads_slowly_gets_every_answer() -> None:
    waited_for: list[Collection[Link]] = []

    class Watched(VirtualPoller):
        def wait(
            self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
        ) -> Collection[Link | Source]:
            waited_for.append(writers)
            return super().wait(until_ms, readers, writers)

    world = World(poller=Watched())
    wire = Wire(world.daemon)
    wire.takes = 3
    world.at(700, lambda _: wire.receive(b"help\nhello\n"))
    world.run(400_000)
    assert wire.answers[0] == READY
    assert wire.answers[-2] == "ok"
    assert wire.answers[-1].startswith("ok firmware-ctl ")
    assert waited_for[0] == []
    assert [wire] in waited_for  # the loop wakes when the client takes bytes again
    assert waited_for[-1] == []


def test_events_go_to_connections_that_asked() -> None:
    world = World()
    eager, other = Wire(world.daemon), Wire(world.daemon)
    world.at(600, lambda _: eager.receive(b"events on\n"))
    world.at(700, lambda _: other.receive(b"start alpha\n"))
    world.run(3_000)
    assert other.answers[1:] == ["ok profile=alpha left=1"]
    assert [line.split()[1] for line in eager.answers[2:]] == [
        "event=state",
        "event=phase",
        "event=state",
    ]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([(1_500, b"!")], "stop"),
        ([(1_500, b"\0stop\n")], "stop"),
        ([(1_500, b"stop\n")], "stop"),
        ([(1_500, b"sto"), (1_600, b"p"), (1_700, b"")], "stop"),
        ([(1_500, b"lease 1\n")], "lease"),
        ([(1_500, b"lease 1\n"), (1_600, b"")], "closed"),
    ],
)
def test_log_says_why_and_from_where_a_session_ended(
    script: list[tuple[int, bytes]], reason: str
) -> None:
    world = World()
    lease_script(world, [(700, b"start beta\n"), *script])
    world.run(5_000)
    states = [line for line in world.log if line.startswith("event=state")]
    assert [line.partition(" cert=")[2].split()[1:] for line in states] == [
        ["by=socket"],
        [f"reason={reason}", "by=socket"],
    ]


@pytest.mark.parametrize(
    ("tail", "leaves", "off_at_ms"),
    [
        (b"stop", True, 2_000),
        (b"select off", True, 2_000),  # there is no such profile, so it is no request
        (b"events off", True, 5_000),
        (b"stop", False, 5_000),  # it may become `stopwatch`
    ],
)
def test_line_that_may_mean_stop_acts_without_its_end_once_its_client_has_left(
    tail: bytes, leaves: bool, off_at_ms: int
) -> None:
    world = World()
    wire = lease_script(world, [(700, b"start beta\n"), (1_000, tail)])

    def find_nothing_to_read(_: Daemon) -> None:
        wire.ended = leaves
        world.daemon.clients.receive([wire], world.poller.now_ms())

    wire.read = lambda: take_received(wire)  # type: ignore[method-assign]
    world.at(2_000, find_nothing_to_read)
    world.run(5_000)
    assert world.offs_at_ms() == [off_at_ms]


def take_received(wire: Wire) -> bytes:
    """Reads without any effect on `ended`."""
    received, wire._received = wire._received, b""
    return received


def test_lines_that_may_mean_stop_are_answered_ten_times_a_second() -> None:
    world = World()
    wire = lease_script(world, [(700 + n, b"\0stop\n") for n in range(30)])
    world.run(1_000)
    assert wire.answers.count("* stopped") == 10
    stopped = "byte 0x00 is not printable ASCII; taken as stop: all motors are off"
    assert wire.answers.count(f"err not-text {stopped}") == 30


def test_line_that_is_taken_as_a_stop_is_answered_once() -> None:
    world = World()
    wire = lease_script(world, [(700, b"\0stop\n")])
    world.run(1_000)
    assert wire.answers.count("* stopped") == 1


def test_client_that_left_is_closed_as_soon_as_it_has_taken_its_last_answer() -> None:
    """No other client and no tick is needed for that."""
    world = World()
    wire = lease_script(world, [(700, b"ping\n"), (800, b"")])
    closed_at_ms: list[int] = []
    wire.takes = 0
    wire.close = lambda: closed_at_ms.append(world.poller.now_ms())  # type: ignore[method-assign]
    world.at(910, lambda _: setattr(wire, "takes", 1 << 20))
    world.run(2_000)
    assert wire.answers == [READY, "ok"]
    assert closed_at_ms == [910]


@pytest.mark.parametrize("requests", [b"ping\n" * 40, b"ping\n" * 39 + b"reload\n"])
def test_client_that_closes_its_side_at_once_gets_all_its_answers(requests: bytes) -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: (wire.receive(requests), wire.receive(b"")))
    world.at(900, lambda _: [reader.done(world.session.catalogue) for reader in world.readers])
    world.run(2_000)
    assert len([line for line in wire.answers if line.startswith("ok")]) == 40
    assert wire.closed == 1


def test_events_of_two_requests_that_came_together_are_all_sent() -> None:
    world = World()
    eager = lease_script(world, [(600, b"events on\n")])
    lease_script(world, [(700, b"start beta\npause\n")])
    world.run(1_000)
    states = [line.split()[2] for line in eager.answers if "event=state" in line]
    assert states[:2] == ["state=running", "state=paused"]


def test_client_that_cannot_be_written_to_hides_the_end_of_the_daemon_from_nobody() -> None:
    world = World()
    broken, other = Wire(world.daemon), Wire(world.daemon)

    def fail(data: bytes) -> int:
        raise RuntimeError("cannot be written to")

    for wire in (broken, other):
        wire.connection.answer(["last words"])
    broken.write = fail  # type: ignore[method-assign]
    world.daemon.clients.flush()
    assert other.answers == ["last words"]


def test_log_has_the_message_of_a_fault_once_and_next_to_its_event() -> None:
    world = World()
    lease_script(world, [(700, b"start beta\n")])
    world.at(1_500, lambda daemon: daemon.step(Fault("internal", "a mistake")))
    world.run(2_000)
    assert world.log.count("internal: a mistake") == 1
    message = world.log.index("internal: a mistake")
    assert world.log[message - 1].startswith("event=fault ")
    assert [line for line in world.log if line.startswith("event=state")][1:] != []


def test_notice_that_cannot_be_published_keeps_no_answer_from_being_sent() -> None:
    world = World()
    wire = Wire(world.daemon)

    def fail(line: str) -> None:
        raise RuntimeError("the log is closed")

    world.daemon.clients.log = fail
    world.daemon.player.step(Fault("internal", "a mistake"))
    assert world.daemon.clients._notices
    wire.connection.answer(["last words"])
    world.daemon.clients.flush()
    assert wire.answers[-1] == "last words"


def test_session_that_plays_to_its_end_and_one_that_the_daemon_ends_name_nobody() -> None:
    world = World()
    lease_script(world, [(700, b"start alpha\n"), (3_000, b"start beta\n")])
    world.run(4_000)
    ends = [line.partition(" reason=")[2] for line in world.log if " reason=" in line]
    assert ends == ["end", "closed"]


def test_client_with_a_lease_that_leaves_ends_its_waiting_start() -> None:
    world = World()
    leaves, stays = Wire(world.daemon), Wire(world.daemon)
    world.at(650, lambda _: stays.receive(b"events on\n"))
    world.at(700, lambda _: leaves.receive(b"lease 60\nstart alpha\n"))
    world.at(900, lambda _: leaves.receive(b""))
    answers: list[list[str]] = []
    world.at(930, lambda _: answers.append(stays.answers))
    world.run(1_000)
    assert answers[0][-1].startswith("* event=state state=idle"), answers


# --- turns


@pytest.mark.parametrize(
    ("read_ms", "turns"), [(3, ["01", "23", "40", "12"]), (RECEIVE_MS, ["0", "1", "2", "3"])]
)
def test_links_that_were_not_read_for_lack_of_time_come_first_in_the_next_round(
    read_ms: int, turns: list[str]
) -> None:
    world = World()
    wires = [Wire(world.daemon) for _ in range(5)]
    reads: list[int] = []

    def read(number: int) -> bytes:
        reads.append(number)
        world.poller.hold_up(read_ms)
        return b"ping\n"

    for number, wire in enumerate(wires):
        wire.read = lambda number=number: read(number)  # type: ignore[method-assign,misc]
    rounds = []
    for _ in turns:
        reads.clear()
        world.daemon.clients.receive(wires, world.poller.now_ms())
        rounds.append("".join(map(str, reads)))
    assert rounds == turns


@pytest.mark.parametrize(("size", "reads"), [(FULL_READ_BYTES - 1, 1), (FULL_READ_BYTES, 2)])
def test_link_that_may_have_more_is_read_again_in_the_same_round(size: int, reads: int) -> None:
    world = World()
    wire = Wire(world.daemon)
    pieces = [b"x" * size, b"ping\n"]
    wire.read = lambda: pieces.pop(0)  # type: ignore[method-assign]
    world.daemon.clients.receive([wire], 0)
    assert len(pieces) == 2 - reads


def test_requests_that_came_together_are_answered_together() -> None:
    world = World()
    wire = Wire(world.daemon)
    wire.receive(b"ping\n" * 3)
    world.daemon.clients.serve()
    assert wire.answers == ["ok"] * 3


def test_requests_beyond_one_round_are_answered_without_waiting_for_a_tick() -> None:
    world = World()
    wire = lease_script(world, [(700, b"ping\n" * (3 * clients.REQUESTS_A_ROUND))])
    answered: list[int] = []
    world.at(701, lambda _: answered.append(wire.answers.count("ok")))
    world.run(2_000)
    assert answered == [3 * clients.REQUESTS_A_ROUND]


def test_client_that_was_answered_may_write_like_a_browser() -> None:
    world = World()
    wire = lease_script(world, [(700, b"ping\n"), (800, b"GET / HTTP/1.1\n"), (900, b"ping\n")])
    world.run(1_000)
    assert wire.answers[1:] == ["ok", "err unknown-command unknown command GET; try help", "ok"]


# --- more clients than the daemon takes


@pytest.fixture
def two_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "GUESTS_MAX", 2)


TOO_MANY = "err overflow too many clients are connected; connect again"


@pytest.mark.usefixtures("two_guests")
def test_client_that_was_silent_longest_makes_room() -> None:
    world = World()
    silent, talks = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda _: silent.receive(b"ping\n"))
    world.at(800, lambda _: talks.receive(b"ping\n"))
    world.at(900, Wire)
    world.at(1_000, Wire)
    world.run(2_000)
    assert (silent.answers[-1], silent.closed) == (TOO_MANY, 1)
    assert (talks.answers[-1], talks.closed) == (TOO_MANY, 1)
    assert len(world.daemon.links) == 2
    sentence = "2 clients are connected; the one that was silent longest is closed"
    assert world.log.count(sentence) == 2


@pytest.mark.usefixtures("two_guests")
def test_owner_of_the_session_never_has_to_make_room() -> None:
    world = World()
    owner, other = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda _: owner.receive(b"lease 60\nstart beta\n"))
    world.at(800, lambda _: other.receive(b"ping\n"))
    made: list[tuple[bool, int]] = []

    def make_room(daemon: Daemon) -> None:
        # Closed by the time that the listener accepts again: no descriptor may be left.
        made.append((daemon.clients.make_room(), other.closed))

    world.at(1_000, make_room)
    world.at(1_100, make_room)
    world.run(2_000)
    assert made == [(True, 1), (False, 1)]
    assert owner.closed == 0
    assert world.offs_at_ms() == [2_000]


@pytest.mark.usefixtures("two_guests")
def test_client_that_makes_room_is_read_for_ten_seconds_at_most_and_its_stop_bytes_act() -> None:
    """A client that never stops sending could otherwise stay for ever."""
    world = World()
    floods, plays = Wire(world.daemon), Wire(world.daemon)
    reads_at_ms: list[int] = []

    def flood() -> bytes:
        reads_at_ms.append(world.poller.now_ms())
        world.poller.hold_up(2)
        return b"!" * 99 if len(reads_at_ms) > 1_000 else b"ping\n"

    floods.read = flood  # type: ignore[method-assign]
    world.at(700, lambda _: plays.receive(b"start beta\n"))
    world.at(1_000, Wire)
    world.run(20_000)
    assert floods.closed == 1
    assert floods.answers[-1] == TOO_MANY
    assert 1_000 + LEAVING_MS - 50 < reads_at_ms[-1] < 1_000 + LEAVING_MS
    in_first_round = [at_ms for at_ms in reads_at_ms if at_ms < 1_000 + RECEIVE_MS]
    assert len(in_first_round) == 3
    assert reads_at_ms[1_000] in range(world.offs_at_ms()[0] - 2, world.offs_at_ms()[0] + 1)
