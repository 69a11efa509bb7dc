"""Everything that clients, a hand, a slow disk and death can do to the daemon, against the contract.

The rules write a script of what happens outside; the world plays it at the end of each example, and
the judge compares what the daemon did with what the contract permits.
`MODEL_EXAMPLES=5000 pytest -n 0 tests/properties` searches longer than the fast suite does.
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
    b"Please halt\r", b"abort\n", b"x" * 120 + b" stop\r", b"STOP...\r", b"turn it \x07off\r",
)  # fmt: skip


@st.composite
def loose_stops(draw: st.DrawFn) -> bytes:
    """A line that still says stop when all that cannot be printed is taken away from it."""
    line = draw(st.sampled_from([b"", b"\0", b"please ", b"sta", b"\xef\xbb\xbf", b"x" * 120]))
    word = draw(st.sampled_from([b"stop", b"STOP", b"off", b"halt", b"Abort"]))
    for letter in word:
        line += draw(DIRT) + bytes([letter])
    return line + draw(DIRT) + draw(st.sampled_from([b"\r", b";\n", b"...\r\n", b"\t\r", b" \n"]))


DIRT = st.sampled_from([b"", b"", b"", b"", b"\0", b"\xff", b"\t", b"q\x08", b"\x1b[A"])
STOPS = st.one_of(
    st.sampled_from(STOP_BYTES),
    st.sampled_from(STOP_LINES),
    st.sampled_from(LOOSE_STOPS),
    loose_stops(),
)
STARTS = st.sampled_from(
    [b"start calm\r", b"start\r", b"START quick\n", b"try all steady 30\r", b"press\r"]
)
OTHERS = st.sampled_from(
    [b"ping\r", b"status\n", b"hello\r", b"reload\r", b"pause\r", b"resume\r", b"trim 50\r",
     b"select quick\r", b"events on\r", b"events off\r", b"help stop\r", b"clear\r", b"lease 1\r",
     b"lease 2\r", b"lease 0\r", b"profiles\r", b"limits\r", b"stop\x15ping\r", b"pi"]
)  # fmt: skip
NO_REQUESTS = st.sampled_from(
    [b"nonsense\r", b"\x80\x81\r", b"x" * 200 + b"\r", b"ok\r", b"err busy x\r", b"* stopped\r",
     b"- calm minutes=10\r", b"\r", b"star", b"\xff" * 30]
)  # fmt: skip
WORDS = st.lists(st.one_of(STARTS, OTHERS, NO_REQUESTS, STOPS), min_size=1, max_size=4).map(
    b"".join
)
PINGS = (b"ping" + b" " * 80 + b"\n") * 300
FLOODS = (
    b"status\n", b"start" + b" " * 60 + b"\n", b"nonsense " * 9 + b"\xff\n", b"x" * 100,
)  # fmt: skip
RUBBISH = (b"nonsense\r", b"\xff\xfe", b"x", b"ok\r", b"x" * 150 + b"\r", b"\x08")
ENDS = st.sampled_from(["stays", "closes", "resets", "half-closes"])
GAPS_MS = st.sampled_from([0, 1, 5, 20, 50, 99, 100, 150, 400, 1_200])


# What the rules draw from, for the model and for one danger alone.

Arguments = dict[str, st.SearchStrategy[Any]]

BEGINNING: Arguments = {
    "has_button": st.sampled_from([True, True, False]),
    "early": st.one_of(st.just(b""), WORDS, STARTS.map(b"reload\r".__add__)),
    "early_ms": st.sampled_from([0, 10, 34, 35, 36]),
    "round_us": st.sampled_from([0, 100, 1_000]),
    "call_us": st.sampled_from([0, 0, 20, 500]),
}
STOPPING: Arguments = {
    "plays": st.booleans(),
    "stop": STOPS,
    "how": ENDS,
    "gap_ms": GAPS_MS,
}
FLOODING: Arguments = {
    "plays": st.booleans(),
    "reads": st.booleans(),
    "word": st.sampled_from(FLOODS),
    "size": st.sampled_from([2_000, 20_000, 40_000, 70_000, 140_000]),
    "tail": st.one_of(STOPS, STARTS, OTHERS),
    "how": ENDS,
    "neighbour": st.sampled_from(["", "comes", "comes and goes"]),
}
STARTING_TOO_SOON: Arguments = {
    "plays": st.booleans(),
    "stop": st.one_of(STOPS, st.just(b"")),
    "before": st.sampled_from([b"", b"reload\r", b"ping\r" * 40]),
    "start": STARTS,
    "gap_ms": st.sampled_from([0, 1, 20, 60, 98]),
    "same": st.booleans(),
    "reload_ms": st.sampled_from([5, 150, 700]),
}
OVERTAKING: Arguments = {
    "waits_for": st.sampled_from(["profiles", "disk"]),
    "takes_ms": st.sampled_from([50, 300]),
    "start": STARTS,
    "stop": STOPS,
    "gap_ms": st.sampled_from([0, 10, 40, 120]),
    "how": ENDS,
}
FALLING_SILENT: Arguments = {
    "lease": st.sampled_from([b"lease 1\r", b"lease 2\r"]),
    "noise": st.sampled_from([b"", b"ping\r", b"\r\n", *RUBBISH]),
}
GOING: Arguments = {
    "how": ENDS,
}
CROWDING: Arguments = {
    "owner": st.sampled_from(["", "none", "with a lease"]),
    "words": st.sampled_from([b"", b"lease 5\r", b"lease 1\r", b"ping\r", b"sta"]),
    "others": st.sampled_from([62, 64, 66]),
    "newcomer": st.one_of(STOPS, WORDS, STOPS.map(PINGS.__add__)),
    "oldest": st.one_of(st.just(b""), STOPS, STOPS.map(PINGS.__add__)),
    "meanwhile": st.booleans(),
    "how": ENDS,
    "gap_ms": st.sampled_from([20, 1_500]),
}
LAST_ASKING: Arguments = {
    "last": st.sampled_from([b"reload\r", b"start calm\r", b"status\r"]),
    "takes_ms": st.sampled_from([5, 150, 300]),
}
PRESSING: Arguments = {
    "plays": st.booleans(),
    "for_ms": st.sampled_from([5, 40, 100, 900]),
    "gap_ms": GAPS_MS,
}
CHATTERING: Arguments = {
    "plays": st.sampled_from([False, False, True]),
    "press_ms": st.sampled_from([0, 40]),
    "mean_ms": st.sampled_from([0.05, 1, 5, 10, 15, 20, 25, 35]),
    "edges": st.sampled_from([20, 100, 300, 500]),
    "seed": st.integers(0, 1_000_000),
    "hum": st.sampled_from([False, False, True]),
}
DYING: Arguments = {
    "plays": st.booleans(),
    "is_orderly": st.booleans(),
    "calls": st.integers(0, 20),
    "early": st.one_of(st.just(b""), WORDS, STARTS.map(b"reload\r".__add__)),
}


class DaemonModel(RuleBasedStateMachine):
    """Writes the script. `now_ms` is the time that it has come to."""

    clients = Bundle("clients")

    @initialize(**BEGINNING)
    def begins(
        self, has_button: bool, early: bytes, early_ms: int, round_us: int, call_us: int
    ) -> None:
        self.world = World(COUNTS, has_button)
        self.world.round_us, self.world.call_us = round_us, call_us
        self.now_ms = early_ms
        self.names = 0
        self.world.at(early_ms, lambda: self.world.port.send(early))
        self._comes(early)
        self._waits(100)

    def teardown(self) -> None:
        world = self.world
        COUNTS["examples"] += 1
        world.at(self.now_ms + 1, world.disk.mend)
        world.play(self.now_ms + 4_000)

    # --- what rules are made of ---

    def _waits(self, for_ms: int) -> None:
        self.now_ms += for_ms

    def _comes(self, data: bytes = b"") -> Client:
        self.names += 1
        client = self.world.client(f"client {self.names}")
        self.world.at(self.now_ms, lambda: self.world.connect(client))
        self._says(client, data)
        return client

    def _says(self, client: Client, data: bytes) -> None:
        if data:
            self.world.at(self.now_ms, lambda: client.send(data))

    def _ends(self, client: Client, how: str) -> None:
        do = {"closes": client.close, "resets": client.reset, "half-closes": client.half_close}
        if how != "stays":
            self.world.at(self.now_ms, do[how])

    def _plays(self, before: bytes = b"") -> Client:
        """Someone starts a session in the clear, and the motors move."""
        self._waits(200)
        client = self._comes(before + b"clear\rstop\r")
        self._waits(150)
        self._says(client, b"start calm\r")
        self._waits(500)
        return client

    # --- clients ---

    @rule(target=clients, gap_ms=GAPS_MS, words=WORDS)
    def client_comes(self, gap_ms: int, words: bytes) -> Client:
        self._waits(gap_ms)
        return self._comes(words)

    @rule(client=clients, gap_ms=GAPS_MS, words=WORDS, cut=st.integers(0, 9))
    def client_says(self, client: Client, gap_ms: int, words: bytes, cut: int) -> None:
        self._waits(gap_ms)
        self._says(client, words[:cut])
        self._waits(cut)
        self._says(client, words[cut:])

    @rule(client=clients, gap_ms=GAPS_MS, how=ENDS)
    def client_ends(self, client: Client, gap_ms: int, how: str) -> None:
        self._waits(gap_ms)
        self._ends(client, how)

    @rule(client=clients, reads=st.booleans())
    def client_reads(self, client: Client, reads: bool) -> None:
        self.world.at(self.now_ms, lambda: client.read_on(reads))

    @rule(target=clients)
    def client_plays(self) -> Client:
        return self._plays()

    @rule(target=clients, **STOPPING)
    def client_stops_what_plays(self, plays: bool, stop: bytes, how: str, gap_ms: int) -> Client:
        if plays:
            self._plays()
        client = self._comes(stop)
        self._ends(client, how)
        self._waits(gap_ms)
        return client

    @rule(target=clients, **FLOODING)
    def client_floods(
        self,
        plays: bool,
        reads: bool,
        word: bytes,
        size: int,
        tail: bytes,
        how: str,
        neighbour: str,
    ) -> Client:
        if plays:
            self._plays(b"events on\r")
        client = self._comes()
        if not reads:
            self.world.at(self.now_ms, lambda: client.read_on(False))
        self._says(client, word * (size // len(word)) + tail)
        self._ends(client, how)
        if neighbour:
            other = self._comes(b"status\r")
            if neighbour == "comes and goes":
                self._ends(other, "closes")
        self._waits(300)
        return client

    @rule(**STARTING_TOO_SOON)
    def start_too_soon_after_a_stop(
        self, plays: bool, stop: bytes, before: bytes, start: bytes, gap_ms: int, same: bool,
        reload_ms: int,
    ) -> None:  # fmt: skip
        """The stop is a client's, or a hand presses the button."""
        if plays:
            self._plays()
        self.reload_takes(reload_ms, False)
        self._waits(150)
        if not stop:
            self._moves(Contact.PRESSED)
            self.world.at(self.now_ms + 5, lambda: self.world.finger.move(Contact.RELEASED))
        stopper = self._comes()
        starter = stopper if same else self._comes(before)
        self._says(stopper, stop)
        self._waits(gap_ms)
        self._says(starter, (before if same else b"") + start)
        self._waits(reload_ms + 400)

    @rule(**OVERTAKING)
    def stop_overtakes_a_start_that_waits(
        self, waits_for: str, takes_ms: int, start: bytes, stop: bytes, gap_ms: int, how: str
    ) -> None:
        self._waits(150)
        before = b""
        if waits_for == "profiles":
            self.reload_takes(takes_ms, False)
            before = b"reload\r"
        else:
            self.disk_is(takes_ms, False)
        self._comes(before + start)
        self._waits(gap_ms)
        self._ends(self._comes(stop), how)
        self._waits(takes_ms + 400)
        self.disk_is(0, False)

    @rule(**LAST_ASKING)
    def client_half_closes_after_its_request(self, last: bytes, takes_ms: int) -> None:
        self._waits(150)
        self.reload_takes(takes_ms, False)
        self.disk_is(takes_ms, False)
        self._ends(self._comes(last), "half-closes")
        self._waits(takes_ms + 300)
        self.disk_is(0, False)

    # --- leases ---

    @rule(target=clients, **FALLING_SILENT)
    def client_with_a_lease_falls_silent(self, lease: bytes, noise: bytes) -> Client:
        client = self._plays(lease)
        for _ in range(9):
            self._says(client, noise)
            self._waits(300)
        if noise == b"ping\r":
            self.world.at(self.now_ms, self._count_renewal)
        return client

    def _count_renewal(self) -> None:
        COUNTS["leases renewed"] += self.world.judge.is_moving

    @rule(target=clients, **GOING)
    def client_with_a_lease_ends(self, how: str) -> Client:
        client = self._plays(b"lease 5\r")
        self._ends(client, how)
        self._waits(300)
        return client

    # --- a full house ---

    @rule(**CROWDING)
    def house_is_full(
        self, owner: str, words: bytes, others: int, newcomer: bytes, oldest: bytes,
        meanwhile: bool, how: str, gap_ms: int,
    ) -> None:  # fmt: skip
        if owner:
            self._plays(b"lease 5\r" if "lease" in owner else b"")
        guests = []
        for n in range(others):
            guests.append(self._comes(words))
            self._waits(n % 2)
        self._waits(gap_ms)
        # The first eight have been silent longest, or as long as any other.
        says = [partial(guest.send, oldest) for guest in guests[:8]]
        if meanwhile:
            self.world.at(self.now_ms, lambda: self.world.backlog.meanwhile.extend(says))
        else:
            for say in says:
                self.world.at(self.now_ms, say)
        self._ends(self._comes(newcomer), how)
        self._waits(200)
        for guest in guests[2:]:
            self._ends(guest, "closes")
        self._waits(50)

    # --- the button ---

    @rule(**PRESSING)
    def hand_presses(self, plays: bool, for_ms: int, gap_ms: int) -> None:
        if plays:
            self._plays()
        self._waits(gap_ms)
        self._moves(Contact.PRESSED)
        self._waits(for_ms)
        self._moves(Contact.RELEASED)
        self._waits(200)

    @rule(**CHATTERING)
    def contact_chatters(
        self, plays: bool, press_ms: int, mean_ms: float, edges: int, seed: int, hum: bool
    ) -> None:
        """Edges without a rest, as a cable picks them up beside the mains, or by chance."""
        if plays:
            self._plays()
        self._waits(1_700)
        if press_ms:
            self._moves(Contact.PRESSED)
            self._waits(press_ms)
            self._moves(Contact.RELEASED)
        rest = Random(seed)
        at_ms = float(self.now_ms)
        for n in range(edges):
            self._moves((Contact.PRESSED, Contact.RELEASED)[n % 2])
            at_ms += mean_ms if hum else rest.expovariate(1 / mean_ms)
            self.now_ms = int(at_ms)
        self._moves(Contact.RELEASED)
        self._waits(600)

    def _moves(self, contact: Contact) -> None:
        self.world.at(self.now_ms, lambda: self.world.finger.move(contact))

    # --- the machine ---

    @rule(takes_ms=st.sampled_from([0, 5, 300, 1_500, 2_500]), fails=st.booleans())
    def disk_is(self, takes_ms: int, fails: bool) -> None:
        def change() -> None:
            self.world.disk.takes_ms, self.world.disk.fails = takes_ms, fails and takes_ms > 5

        self.world.at(self.now_ms, change)

    @rule(takes_ms=st.sampled_from([5, 80, 700]), fails=st.booleans())
    def reload_takes(self, takes_ms: int, fails: bool) -> None:
        def change() -> None:
            self.world.reload_ms, self.world.reload_fails = takes_ms, fails

        self.world.at(self.now_ms, change)

    @rule(most=st.sampled_from([3, 20, None]))
    def descriptors_are_for(self, most: int | None) -> None:
        self.world.at(self.now_ms, lambda: setattr(self.world.backlog, "most_clients", most))

    @rule(for_ms=st.sampled_from([3, 40, 120, 600]))
    def loop_is_held_up(self, for_ms: int) -> None:
        self.world.at(self.now_ms, lambda: self.world.hold_up(for_ms))

    @rule(gap_ms=GAPS_MS)
    def time_passes(self, gap_ms: int) -> None:
        self._waits(gap_ms)

    @rule(**DYING)
    def daemon_dies(self, plays: bool, is_orderly: bool, calls: int, early: bytes) -> None:
        if plays:
            self._plays()
        world = self.world
        if is_orderly:
            world.at(self.now_ms, world.close)
        else:
            world.at(self.now_ms, lambda: world.kill(calls))
        self._waits(1)
        world.at(self.now_ms, lambda: world.port.send(early))
        self._waits(100)


NEEDED = (
    "answers compared",
    "clients whose answers are complete",
    "evictions",
    "leases ended by going",
    "leases lapsed beside bytes",
    "lines without an answer",
    "measurements of memory",
    "motors begin to move",
    "starts before ready that waited",
    "starts that waited",
    "starts too soon after a stop",
    "starts too soon after a stop that waited",
    "stops by a byte",
    "stops by a line",
    "stops by a loose line",
    "stops by the button",
    "stops of a dead sender",
)
"""What has to have happened, or the model checked too little."""


def test_daemon_keeps_the_contract_whatever_happens() -> None:
    COUNTS.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        DaemonModel,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=10,
            suppress_health_check=list(HealthCheck),
        ),
    )
    missing = [kind for kind in NEEDED if not COUNTS[kind]]
    assert not missing, missing


class Danger(NamedTuple):
    rule: Callable[..., object]
    arguments: Arguments
    needed: tuple[str, ...]
    """What has to have happened."""
    beginning: Arguments = BEGINNING


PLAYS: Arguments = {"plays": st.just(True)}
DANGERS = {
    "stops": Danger(
        DaemonModel.client_stops_what_plays,
        STOPPING | PLAYS,
        ("stops by a byte", "stops by a line", "stops by a loose line"),
    ),
    "floods": Danger(
        DaemonModel.client_floods,
        FLOODING
        | PLAYS
        | {
            "tail": STOPS,
            "size": st.sampled_from([20_000, 70_000, 140_000]),
            "how": st.sampled_from(["closes", "resets"]),
        },
        ("stops behind a flood", "stops of a dead sender", "measurements of memory"),
    ),
    "starts too soon": Danger(
        DaemonModel.start_too_soon_after_a_stop,
        STARTING_TOO_SOON | PLAYS | {"reload_ms": st.sampled_from([150, 700])},
        ("starts too soon after a stop that waited", "stops by the button"),
    ),
    "starts that are overtaken": Danger(
        DaemonModel.stop_overtakes_a_start_that_waits,
        OVERTAKING,
        ("stops before a waiting start",),
    ),
    "owners that fall silent": Danger(
        DaemonModel.client_with_a_lease_falls_silent,
        FALLING_SILENT,
        ("leases lapsed", "leases lapsed beside bytes", "leases renewed"),
    ),
    "owners that go": Danger(
        DaemonModel.client_with_a_lease_ends, GOING, ("leases ended by going",)
    ),
    "a full house": Danger(
        DaemonModel.house_is_full,
        CROWDING
        | {
            "owner": st.sampled_from(["none", "with a lease"]),
            "others": st.sampled_from([64, 66]),
            "newcomer": st.one_of(STOPS, STOPS.map(PINGS.__add__)),
        },
        (
            "evictions of clients with a lease",
            "stops of a newcomer to a full house",
            "stops of an evicted client",
        ),
    ),
    "last requests": Danger(
        DaemonModel.client_half_closes_after_its_request,
        LAST_ASKING,
        ("clients whose answers are complete", "starts that waited"),
    ),
    "presses": Danger(
        DaemonModel.hand_presses, PRESSING, ("motors move by the button", "stops by the button")
    ),
    "noise": Danger(
        DaemonModel.contact_chatters,
        CHATTERING
        | {
            "plays": st.just(False),
            "mean_ms": st.sampled_from([8, 10, 15, 20, 25]),
            "edges": st.just(500),
            "hum": st.just(False),
        },
        ("edges of noise",),
        BEGINNING | {"has_button": st.just(True), "early": st.just(b"")},
    ),
    "deaths": Danger(
        DaemonModel.daemon_dies,
        DYING | PLAYS,
        ("ends while motors move", "starts before ready that waited"),
    ),
}


@pytest.mark.parametrize("danger", DANGERS.values(), ids=DANGERS)
def test_daemon_keeps_the_contract_in_one_danger_alone(danger: Danger) -> None:
    COUNTS.clear()

    # Always the same examples in the fast suite, so that what is needed always happens.
    @settings(
        max_examples=EXAMPLES // 4,
        derandomize="MODEL_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries(danger.beginning), st.fixed_dictionaries(danger.arguments))
    def holds(beginning: dict[str, Any], arguments: dict[str, Any]) -> None:
        model = DaemonModel()
        model.begins(**beginning)
        danger.rule(model, **arguments)
        model.teardown()

    holds()
    missing = [kind for kind in danger.needed if not COUNTS[kind]]
    assert not missing, missing
