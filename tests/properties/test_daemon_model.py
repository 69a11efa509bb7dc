"""The daemon against the contract, under random actions of clients, a finger, a slow disk and kills.

The rules write a script of events around the daemon. At the end of each example the world runs the
script, and the judge compares what the daemon did with what the contract permits.
`MODEL_EXAMPLES=5000 pytest -n 0 tests/properties` tries more examples than the fast suite does.
"""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from firmware_ctl.session.button import Contact
from tests.properties.world import Client, World

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "160"))
COUNTS: Counter[str] = Counter()

STOP_BYTES = (b"!", b"\x18", b"\x03")
STOP_LINES = (b"stop\r", b"STOP\n", b" Stop \r\n")
LOOSE_STOPS = (
    b"\0stop\r", b"\xffstop\n", b"stop\t\r", b"stop.\r", b"stop;\r\n", b"ping\r\0stop\r",
    b"stpo\x08\x08op\r", b"\x1b[Astop\r", b"\xef\xbb\xbfstop\n", b"stastop\r", b"off\r",
    b"Please halt\r", b"stpo\r", b"Sotp it\n", b"hlat \r\n", b"abort\n", b"x" * 120 + b" stop\r", b"STOP...\r", b"turn it \x07off\r",
)  # fmt: skip


@st.composite
def loose_stops(draw: st.DrawFn) -> bytes:
    """A line that ends in a stop word once all non-printable bytes are removed."""
    line = draw(st.sampled_from([b"", b"\0", b"please ", b"sta", b"\xef\xbb\xbf", b"x" * 120]))
    word = draw(st.sampled_from([b"stop", b"STOP", b"off", b"halt", b"Abort"]))
    for letter in word:
        line += draw(IGNORED_BYTES) + bytes([letter])
    return (
        line
        + draw(IGNORED_BYTES)
        + draw(st.sampled_from([b"\r", b";\n", b"...\r\n", b"\t\r", b" \n"]))
    )


IGNORED_BYTES = st.sampled_from([b"", b"", b"", b"", b"\0", b"\xff", b"\t", b"q\x08", b"\x1b[A"])
STOPS = st.one_of(
    st.sampled_from(STOP_BYTES),
    st.sampled_from(STOP_LINES),
    st.sampled_from(LOOSE_STOPS),
    loose_stops(),
)
STARTS = st.sampled_from(
    [b"start calm\r", b"start\r", b"START quick\n", b"start 2\r", b"start Calm\n",
     b"try all steady 30\r", b"press\r"]
)  # fmt: skip
OTHER_REQUESTS = st.sampled_from(
    [b"ping\r", b"status\n", b"hello\r", b"reload\r", b"pause\r", b"resume\r", b"trim 50\r",
     b"select quick\r", b"select 3\r", b"events on\r", b"events off\r", b"help stop\r", b"clear\r", b"lease 1\r",
     b"lease 2\r", b"lease 0\r", b"profiles\r", b"limits\r", b"stop\x15ping\r", b"pi"]
)  # fmt: skip
INVALID_LINES = st.sampled_from(
    [b"nonsense\r", b"\x80\x81\r", b"x" * 200 + b"\r", b"ok\r", b"err busy x\r", b"* stopped\r",
     b"- calm minutes=10\r", b"\r", b"star", b"\xff" * 30]
)  # fmt: skip
REQUESTS = st.lists(
    st.one_of(STARTS, OTHER_REQUESTS, INVALID_LINES, STOPS), min_size=1, max_size=4
).map(b"".join)
LONG_PINGS = (b"ping" + b" " * 80 + b"\n") * 300
FLOODS = (
    b"status\n", b"start" + b" " * 60 + b"\n", b"nonsense " * 9 + b"\xff\n", b"x" * 100,
)  # fmt: skip
INVALID_BYTES = (b"nonsense\r", b"\xff\xfe", b"x", b"ok\r", b"x" * 150 + b"\r", b"\x08")
ENDINGS = st.sampled_from(["stays", "closes", "resets", "half-closes"])
DELAYS_MS = st.sampled_from([0, 1, 5, 20, 50, 99, 100, 150, 400, 1_200])


# Arguments of the rules, for the model and for each scenario alone.

Arguments = dict[str, st.SearchStrategy[Any]]

INITIAL_ARGUMENTS: Arguments = {
    "has_button": st.sampled_from([True, True, False]),
    "early_requests": st.one_of(st.just(b""), REQUESTS, STARTS.map(b"reload\r".__add__)),
    "early_at_ms": st.sampled_from([0, 10, 34, 35, 36]),
    "round_cost_us": st.sampled_from([0, 100, 1_000]),
    "call_cost_us": st.sampled_from([0, 0, 20, 500]),
}
STOP_ARGUMENTS: Arguments = {
    "with_session": st.booleans(),
    "stop": STOPS,
    "ending": ENDINGS,
    "delay_ms": DELAYS_MS,
}
FLOOD_ARGUMENTS: Arguments = {
    "with_session": st.booleans(),
    "is_reading": st.booleans(),
    "line": st.sampled_from(FLOODS),
    "size_bytes": st.sampled_from([2_000, 20_000, 40_000, 70_000, 140_000]),
    "tail": st.one_of(STOPS, STARTS, OTHER_REQUESTS),
    "ending": ENDINGS,
    "second_client": st.sampled_from(["", "connects", "connects and closes"]),
}
EARLY_START_ARGUMENTS: Arguments = {
    "with_session": st.booleans(),
    "stop": st.one_of(STOPS, st.just(b"")),
    "earlier_requests": st.sampled_from([b"", b"reload\r", b"ping\r" * 40]),
    "start": STARTS,
    "delay_ms": st.sampled_from([0, 1, 20, 60, 98]),
    "same_client": st.booleans(),
    "reload_ms": st.sampled_from([5, 150, 700]),
}
OVERTAKE_ARGUMENTS: Arguments = {
    "waits_for": st.sampled_from(["profiles", "disk"]),
    "duration_ms": st.sampled_from([50, 300]),
    "start": STARTS,
    "stop": STOPS,
    "delay_ms": st.sampled_from([0, 10, 40, 120]),
    "ending": ENDINGS,
}
SILENT_OWNER_ARGUMENTS: Arguments = {
    "lease": st.sampled_from([b"lease 1\r", b"lease 2\r"]),
    "bytes_sent": st.sampled_from([b"", b"ping\r", b"\r\n", *INVALID_BYTES]),
}
DISCONNECT_ARGUMENTS: Arguments = {
    "ending": ENDINGS,
}
CROWD_ARGUMENTS: Arguments = {
    # Empty: no session runs. Otherwise its owner is without or with a lease.
    "owner": st.sampled_from(["", "without", "with a lease"]),
    "requests": st.sampled_from([b"", b"lease 5\r", b"lease 1\r", b"ping\r", b"sta"]),
    "guest_count": st.sampled_from([62, 64, 66]),
    "last_client_sends": st.one_of(STOPS, REQUESTS, STOPS.map(LONG_PINGS.__add__)),
    "first_clients_send": st.one_of(st.just(b""), STOPS, STOPS.map(LONG_PINGS.__add__)),
    "during_accept": st.booleans(),
    "ending": ENDINGS,
    "delay_ms": st.sampled_from([20, 1_500]),
}
LAST_REQUEST_ARGUMENTS: Arguments = {
    "last_request": st.sampled_from([b"reload\r", b"start calm\r", b"status\r"]),
    "duration_ms": st.sampled_from([5, 150, 300]),
}
PRESS_ARGUMENTS: Arguments = {
    "with_session": st.booleans(),
    "for_ms": st.sampled_from([5, 40, 100, 900]),
    "delay_ms": DELAYS_MS,
}
CHATTER_ARGUMENTS: Arguments = {
    "with_session": st.sampled_from([False, False, True]),
    "press_ms": st.sampled_from([0, 40]),
    "mean_gap_ms": st.sampled_from([0.05, 1, 5, 10, 15, 20, 25, 35]),
    "edge_count": st.sampled_from([20, 100, 300, 500]),
    "seed": st.integers(0, 1_000_000),
    "is_periodic": st.sampled_from([False, False, True]),
}
DAEMON_END_ARGUMENTS: Arguments = {
    "with_session": st.booleans(),
    "is_orderly": st.booleans(),
    "calls_until_kill": st.integers(0, 20),
    "early_requests": st.one_of(st.just(b""), REQUESTS, STARTS.map(b"reload\r".__add__)),
}


class DaemonModel(RuleBasedStateMachine):
    """Writes the script. `now_ms` is the time of the next event in the script."""

    clients = Bundle("clients")

    @initialize(**INITIAL_ARGUMENTS)
    def initialise(
        self,
        has_button: bool,
        early_requests: bytes,
        early_at_ms: int,
        round_cost_us: int,
        call_cost_us: int,
    ) -> None:
        self.world = World(COUNTS, has_button)
        self.world.round_cost_us, self.world.call_cost_us = round_cost_us, call_cost_us
        self.now_ms = early_at_ms
        self.client_count = 0
        self.world.at(early_at_ms, lambda: self.world.port.send(early_requests))
        self._connect(early_requests)
        self._wait(100)

    def teardown(self) -> None:
        world = self.world
        COUNTS["examples"] += 1
        world.at(self.now_ms + 1, world.disk.repair)
        world.run_script(self.now_ms + 4_000)

    # --- helpers of the rules ---

    def _wait(self, for_ms: int) -> None:
        self.now_ms += for_ms

    def _connect(self, data: bytes = b"") -> Client:
        self.client_count += 1
        client = self.world.client(f"client {self.client_count}")
        self.world.at(self.now_ms, lambda: self.world.connect(client))
        self._send(client, data)
        return client

    def _send(self, client: Client, data: bytes) -> None:
        if data:
            self.world.at(self.now_ms, lambda: client.send(data))

    def _disconnect(self, client: Client, ending: str) -> None:
        actions = {"closes": client.close, "resets": client.reset, "half-closes": client.half_close}
        if ending != "stays":
            self.world.at(self.now_ms, actions[ending])

    def _start_session(self, earlier_requests: bytes = b"") -> Client:
        """A new client clears any fault and starts a session, so that the motors move."""
        self._wait(200)
        client = self._connect(earlier_requests + b"clear\rstop\r")
        self._wait(150)
        self._send(client, b"start calm\r")
        self._wait(500)
        return client

    # --- clients ---

    @rule(target=clients, delay_ms=DELAYS_MS, requests=REQUESTS)
    def client_connects(self, delay_ms: int, requests: bytes) -> Client:
        self._wait(delay_ms)
        return self._connect(requests)

    @rule(client=clients, delay_ms=DELAYS_MS, requests=REQUESTS, cut_at=st.integers(0, 9))
    def client_sends(self, client: Client, delay_ms: int, requests: bytes, cut_at: int) -> None:
        self._wait(delay_ms)
        self._send(client, requests[:cut_at])
        self._wait(cut_at)
        self._send(client, requests[cut_at:])

    @rule(client=clients, delay_ms=DELAYS_MS, ending=ENDINGS)
    def client_disconnects(self, client: Client, delay_ms: int, ending: str) -> None:
        self._wait(delay_ms)
        self._disconnect(client, ending)

    @rule(client=clients, is_reading=st.booleans())
    def client_reads(self, client: Client, is_reading: bool) -> None:
        self.world.at(self.now_ms, lambda: client.set_reading(is_reading))

    @rule(target=clients)
    def client_starts_session(self) -> Client:
        return self._start_session()

    @rule(target=clients, **STOP_ARGUMENTS)
    def client_sends_stop(
        self, with_session: bool, stop: bytes, ending: str, delay_ms: int
    ) -> Client:
        if with_session:
            self._start_session()
        client = self._connect(stop)
        self._disconnect(client, ending)
        self._wait(delay_ms)
        return client

    @rule(target=clients, **FLOOD_ARGUMENTS)
    def client_floods(
        self,
        with_session: bool,
        is_reading: bool,
        line: bytes,
        size_bytes: int,
        tail: bytes,
        ending: str,
        second_client: str,
    ) -> Client:
        if with_session:
            self._start_session(b"events on\r")
        client = self._connect()
        if not is_reading:
            self.world.at(self.now_ms, lambda: client.set_reading(False))
        self._send(client, line * (size_bytes // len(line)) + tail)
        self._disconnect(client, ending)
        if second_client:
            second = self._connect(b"status\r")
            if second_client == "connects and closes":
                self._disconnect(second, "closes")
        self._wait(300)
        return client

    @rule(**EARLY_START_ARGUMENTS)
    def start_arrives_too_soon_after_stop(
        self,
        with_session: bool,
        stop: bytes,
        earlier_requests: bytes,
        start: bytes,
        delay_ms: int,
        same_client: bool,
        reload_ms: int,
    ) -> None:
        """A client sends the stop. If `stop` is empty, the button is pressed instead."""
        if with_session:
            self._start_session()
        self.reload_changes(reload_ms, False)
        self._wait(150)
        if not stop:
            self._move_contact(Contact.PRESSED)
            self.world.at(self.now_ms + 5, lambda: self.world.button.move(Contact.RELEASED))
        stopper = self._connect()
        starter = stopper if same_client else self._connect(earlier_requests)
        self._send(stopper, stop)
        self._wait(delay_ms)
        self._send(starter, (earlier_requests if same_client else b"") + start)
        self._wait(reload_ms + 400)

    @rule(**OVERTAKE_ARGUMENTS)
    def stop_overtakes_queued_start(
        self,
        waits_for: str,
        duration_ms: int,
        start: bytes,
        stop: bytes,
        delay_ms: int,
        ending: str,
    ) -> None:
        self._wait(150)
        earlier_requests = b""
        if waits_for == "profiles":
            self.reload_changes(duration_ms, False)
            earlier_requests = b"reload\r"
        else:
            self.disk_changes(duration_ms, False)
        self._connect(earlier_requests + start)
        self._wait(delay_ms)
        self._disconnect(self._connect(stop), ending)
        self._wait(duration_ms + 400)
        self.disk_changes(0, False)

    @rule(**LAST_REQUEST_ARGUMENTS)
    def client_half_closes_after_request(self, last_request: bytes, duration_ms: int) -> None:
        self._wait(150)
        self.reload_changes(duration_ms, False)
        self.disk_changes(duration_ms, False)
        self._disconnect(self._connect(last_request), "half-closes")
        self._wait(duration_ms + 300)
        self.disk_changes(0, False)

    # --- leases ---

    @rule(target=clients, **SILENT_OWNER_ARGUMENTS)
    def lease_owner_falls_silent(self, lease: bytes, bytes_sent: bytes) -> Client:
        client = self._start_session(lease)
        for _ in range(9):
            self._send(client, bytes_sent)
            self._wait(300)
        if bytes_sent == b"ping\r":
            self.world.at(self.now_ms, self._count_lease_renewal)
        return client

    def _count_lease_renewal(self) -> None:
        COUNTS["leases renewed"] += self.world.judge.is_moving

    @rule(target=clients, **DISCONNECT_ARGUMENTS)
    def lease_owner_disconnects(self, ending: str) -> Client:
        client = self._start_session(b"lease 5\r")
        self._disconnect(client, ending)
        self._wait(300)
        return client

    # --- more clients than slots ---

    @rule(**CROWD_ARGUMENTS)
    def clients_exceed_limit(
        self,
        owner: str,
        requests: bytes,
        guest_count: int,
        last_client_sends: bytes,
        first_clients_send: bytes,
        during_accept: bool,
        ending: str,
        delay_ms: int,
    ) -> None:
        if owner:
            self._start_session(b"lease 5\r" if "lease" in owner else b"")
        guests = []
        for n in range(guest_count):
            guests.append(self._connect(requests))
            self._wait(n % 2)
        self._wait(delay_ms)
        # The first eight guests have been silent for longest, or as long as every other guest.
        sends = [partial(guest.send, first_clients_send) for guest in guests[:8]]
        if during_accept:
            self.world.at(self.now_ms, lambda: self.world.backlog.during_next_accept.extend(sends))
        else:
            for send in sends:
                self.world.at(self.now_ms, send)
        self._disconnect(self._connect(last_client_sends), ending)
        self._wait(200)
        for guest in guests[2:]:
            self._disconnect(guest, "closes")
        self._wait(50)

    # --- the button ---

    @rule(**PRESS_ARGUMENTS)
    def button_is_pressed(self, with_session: bool, for_ms: int, delay_ms: int) -> None:
        if with_session:
            self._start_session()
        self._wait(delay_ms)
        self._move_contact(Contact.PRESSED)
        self._wait(for_ms)
        self._move_contact(Contact.RELEASED)
        self._wait(200)

    @rule(**CHATTER_ARGUMENTS)
    def contact_chatters(
        self,
        with_session: bool,
        press_ms: int,
        mean_gap_ms: float,
        edge_count: int,
        seed: int,
        is_periodic: bool,
    ) -> None:
        """Edges without a rest: periodic, as from mains hum on the cable, or random."""
        if with_session:
            self._start_session()
        self._wait(1_700)
        if press_ms:
            self._move_contact(Contact.PRESSED)
            self._wait(press_ms)
            self._move_contact(Contact.RELEASED)
        random = Random(seed)
        at_ms = float(self.now_ms)
        for n in range(edge_count):
            self._move_contact((Contact.PRESSED, Contact.RELEASED)[n % 2])
            at_ms += mean_gap_ms if is_periodic else random.expovariate(1 / mean_gap_ms)
            self.now_ms = int(at_ms)
        self._move_contact(Contact.RELEASED)
        self._wait(600)

    def _move_contact(self, contact: Contact) -> None:
        self.world.at(self.now_ms, lambda: self.world.button.move(contact))

    # --- the machine and the process ---

    @rule(duration_ms=st.sampled_from([0, 5, 300, 1_500, 2_500]), fails=st.booleans())
    def disk_changes(self, duration_ms: int, fails: bool) -> None:
        def change() -> None:
            self.world.disk.save_ms, self.world.disk.fails = duration_ms, fails and duration_ms > 5

        self.world.at(self.now_ms, change)

    @rule(duration_ms=st.sampled_from([5, 80, 700]), fails=st.booleans())
    def reload_changes(self, duration_ms: int, fails: bool) -> None:
        def change() -> None:
            self.world.reload_ms, self.world.reload_fails = duration_ms, fails

        self.world.at(self.now_ms, change)

    @rule(limit=st.sampled_from([3, 20, None]))
    def descriptor_limit_changes(self, limit: int | None) -> None:
        self.world.at(self.now_ms, lambda: setattr(self.world.backlog, "descriptor_limit", limit))

    @rule(for_ms=st.sampled_from([3, 40, 120, 600]))
    def loop_is_delayed(self, for_ms: int) -> None:
        self.world.at(self.now_ms, lambda: self.world.delay_loop(for_ms))

    @rule(delay_ms=DELAYS_MS)
    def time_passes(self, delay_ms: int) -> None:
        self._wait(delay_ms)

    @rule(**DAEMON_END_ARGUMENTS)
    def daemon_ends(
        self, with_session: bool, is_orderly: bool, calls_until_kill: int, early_requests: bytes
    ) -> None:
        if with_session:
            self._start_session()
        world = self.world
        if is_orderly:
            world.at(self.now_ms, world.close)
        else:
            world.at(self.now_ms, lambda: world.kill(calls_until_kill))
        self._wait(1)
        world.at(self.now_ms, lambda: world.port.send(early_requests))
        self._wait(100)


REQUIRED_COUNTS = (
    "answers compared",
    "clients whose answers are complete",
    "evictions",
    "leases ended by a disconnect",
    "leases lapsed despite other bytes",
    "lines without an answer",
    "measurements of memory",
    "motors begin to move",
    "queued starts before ready",
    "queued starts",
    "starts too soon after a stop",
    "queued starts too soon after a stop",
    "stops by a byte",
    "stops by a line",
    "stops by a loose line",
    "stops by the button",
    "stops of a disconnected sender",
)
"""Each of these must happen at least once, otherwise the model checked too little."""


def test_daemon_under_random_events_keeps_the_contract() -> None:
    COUNTS.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        DaemonModel,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=10,
            suppress_health_check=list(HealthCheck),
        ),
    )
    missing = [name for name in REQUIRED_COUNTS if not COUNTS[name]]
    assert not missing, missing


class Scenario(NamedTuple):
    rule: Callable[..., object]
    arguments: Arguments
    required: tuple[str, ...]
    """The counts that must not be 0."""
    initial_arguments: Arguments = INITIAL_ARGUMENTS


WITH_SESSION: Arguments = {"with_session": st.just(True)}
SCENARIOS = {
    "stops": Scenario(
        DaemonModel.client_sends_stop,
        STOP_ARGUMENTS | WITH_SESSION,
        ("stops by a byte", "stops by a line", "stops by a loose line"),
    ),
    "floods": Scenario(
        DaemonModel.client_floods,
        FLOOD_ARGUMENTS
        | WITH_SESSION
        | {
            "tail": STOPS,
            "size_bytes": st.sampled_from([20_000, 70_000, 140_000]),
            "ending": st.sampled_from(["closes", "resets"]),
        },
        ("stops behind a flood", "stops of a disconnected sender", "measurements of memory"),
    ),
    "early starts": Scenario(
        DaemonModel.start_arrives_too_soon_after_stop,
        EARLY_START_ARGUMENTS | WITH_SESSION | {"reload_ms": st.sampled_from([150, 700])},
        ("queued starts too soon after a stop", "stops by the button"),
    ),
    "overtaken starts": Scenario(
        DaemonModel.stop_overtakes_queued_start,
        OVERTAKE_ARGUMENTS,
        ("stops before a queued start",),
    ),
    "silent owners": Scenario(
        DaemonModel.lease_owner_falls_silent,
        SILENT_OWNER_ARGUMENTS,
        ("leases lapsed", "leases lapsed despite other bytes", "leases renewed"),
    ),
    "disconnected owners": Scenario(
        DaemonModel.lease_owner_disconnects, DISCONNECT_ARGUMENTS, ("leases ended by a disconnect",)
    ),
    "more clients than slots": Scenario(
        DaemonModel.clients_exceed_limit,
        CROWD_ARGUMENTS
        | {
            "owner": st.sampled_from(["without", "with a lease"]),
            "guest_count": st.sampled_from([64, 66]),
            "last_client_sends": st.one_of(STOPS, STOPS.map(LONG_PINGS.__add__)),
        },
        (
            "evictions of clients with a lease",
            "stops of a client above the limit",
            "stops of an evicted client",
        ),
    ),
    "last requests": Scenario(
        DaemonModel.client_half_closes_after_request,
        LAST_REQUEST_ARGUMENTS,
        ("clients whose answers are complete", "queued starts"),
    ),
    "presses": Scenario(
        DaemonModel.button_is_pressed,
        PRESS_ARGUMENTS,
        ("motors moved by the button", "stops by the button"),
    ),
    "button noise": Scenario(
        DaemonModel.contact_chatters,
        CHATTER_ARGUMENTS
        | {
            "with_session": st.just(False),
            "mean_gap_ms": st.sampled_from([8, 10, 15, 20, 25]),
            "edge_count": st.just(500),
            "is_periodic": st.just(False),
        },
        ("noise edges",),
        INITIAL_ARGUMENTS | {"has_button": st.just(True), "early_requests": st.just(b"")},
    ),
    "ends of the daemon": Scenario(
        DaemonModel.daemon_ends,
        DAEMON_END_ARGUMENTS | WITH_SESSION,
        ("daemon ends while motors move", "queued starts before ready"),
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_daemon_in_one_scenario_keeps_the_contract(scenario: Scenario) -> None:
    COUNTS.clear()

    # The fast suite always tries the same examples, so that no required count is ever 0 by chance.
    @settings(
        max_examples=EXAMPLES // 4,
        derandomize="MODEL_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.fixed_dictionaries(scenario.initial_arguments), st.fixed_dictionaries(scenario.arguments)
    )
    def check_scenario(initial_arguments: dict[str, Any], arguments: dict[str, Any]) -> None:
        model = DaemonModel()
        model.initialise(**initial_arguments)
        scenario.rule(model, **arguments)
        model.teardown()

    check_scenario()
    missing = [name for name in scenario.required if not COUNTS[name]]
    assert not missing, missing
