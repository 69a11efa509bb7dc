"""The start button against true waveforms of its contacts, from 1 Hz to 20 kHz.

A waveform passes through a kernel that comes round to its edges late and keeps 64 of them, and
through a loop that is held up, into a session. `Truth` judges what the session did: it knows the
waveform alone, to the microsecond, and the sentences of the contract.
"""

import fcntl
import os
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from math import exp, log
from random import Random
from struct import Struct
from typing import Final, NamedTuple
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config.mat import ButtonPins as Pins
from firmware_ctl.hardware import button_lines, emergency_off
from firmware_ctl.hardware.button_lines import MOST_EDGES, KernelContacts
from firmware_ctl.session.allowance import UNSPENT, Spent
from firmware_ctl.session.button import Button, Contact, Gesture, Spell
from firmware_ctl.session.button import contact as contact_of
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Start,
    State,
    Wake,
)
from tests.support.worlds import SILENCE, World

R, P, NEITHER, BOTH = Contact
MS: Final = 1_000
"""Microseconds, the unit of all times here that do not end in _ms."""
MILLISECOND: Final = 2 * MS
"""The daemon's clock counts whole ones."""
DEBOUNCE, QUIET, LOCK, SHORT = 30 * MS, 500 * MS, 1_500 * MS, 800 * MS

Lines = tuple[bool, bool]
"""Which contacts are closed: that of pressed, that of released."""


class Edge(NamedTuple):
    at: int
    lines: Lines


# --- waveforms --------------------------------------------------------------------------------


class Wave:
    """Contacts over time, written one piece after the other; begins at rest on released."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 300 * MS
        self.edges: list[Edge] = []
        self.lines: Lines = (False, True)

    def become(self, lines: Lines) -> None:
        if lines != self.lines:
            self.lines = lines
            self.edges.append(Edge(self.now, lines))

    def rest(self, for_ms: float) -> None:
        self.now += int(for_ms * MS)

    def move(self, to: Lines, bounce_ms: float) -> None:
        """One side opens, the other closes and bounces."""
        self.become((False, False))
        end = self.now + int(bounce_ms * MS)
        while self.now < end:
            self.now += 1 + self.random.randrange(2 * MS)
            self.become((False, False) if self.lines == to else to)
        self.become(to)

    def press(self, for_ms: float, bounce_ms: float) -> None:
        """By a finger: it bounces at both ends."""
        self.move((True, False), bounce_ms)
        self.rest(for_ms)
        self.move((False, True), bounce_ms)

    def chatter(
        self, rate_hz: float, is_random: bool, one: Lines, other: Lines, for_ms: int
    ) -> None:
        """Between two states, so many edges a second; ends in one of them."""
        gap = 1e6 / rate_hz
        end = self.now + min(for_ms * MS, int(MOST_CHATTER * gap))
        while self.now < end:
            self.become(other if self.lines == one else one)
            self.now += 1 + int(self.random.expovariate(1 / gap) if is_random else gap)

    def hum(
        self, rate_hz: int, pressed_pct: int, released_pct: int, shift_pct: int, for_ms: int
    ) -> None:
        """Of the mains on both contacts: each is closed for a part of each period."""
        period = 1_000_000 // rate_hz
        begin, end = self.now, self.now + for_ms * MS
        while self.now < end:
            at_pct = (self.now - begin) * 100 // period
            self.become((at_pct % 100 < pressed_pct, (at_pct + shift_pct) % 100 < released_pct))
            self.now += period // 100


MOST_CHATTER: Final = 6_000
RATES = st.one_of(
    st.floats(0, log(20_000)).map(exp),
    st.sampled_from([1.0, 16.0, 20.0, 30.0, 33.3, 34.0, 50.0, 100.0, 120.0, 200.0, 10_000.0]),
)
STATES = st.sampled_from([(False, True), (True, False), (False, False), (True, True)])
LENGTHS_MS = st.one_of(st.integers(1, 100), st.integers(100, 3_000), st.sampled_from([900, 5_500]))
PIECES = st.one_of(
    st.tuples(st.just("chatter"), RATES, st.booleans(), STATES, STATES, LENGTHS_MS),
    st.tuples(
        st.just("hum"), st.sampled_from([50, 60]), st.integers(0, 100), st.integers(0, 100),
        st.integers(0, 99), LENGTHS_MS,
    ),
    st.tuples(st.just("rest"), st.one_of(st.integers(1, 700), st.sampled_from([510, 1_600]))),
    st.tuples(st.just("press"), LENGTHS_MS, st.integers(0, 25)),
    st.tuples(st.just("move"), STATES, st.integers(0, 40)),
)  # fmt: skip


def wave_of(pieces: list[tuple[object, ...]], seed: int) -> Wave:
    wave = Wave(seed)
    for name, *arguments in pieces:
        getattr(wave, str(name))(*arguments)
    return wave


# --- what a person did ------------------------------------------------------------------------


class Rest(NamedTuple):
    begin: int
    end: int
    contact: Contact


class Truth:
    """Rests and spells of a waveform, and what the contract says of them."""

    def __init__(self, edges: list[Edge], until: int, slack: int) -> None:
        """`slack`: how far off the machine may be in a time, and be right."""
        self.slack = slack
        self.times = [edge.at for edge in edges]
        ends = [*self.times, until + 3_600_000 * MS]
        says = [contact_of(*lines) for _, lines in [Edge(0, (False, True)), *edges]]
        self.levels = [*map(Rest, [0, *self.times], ends, says)]

    def rests(self, least: int) -> list[Rest]:
        return [level for level in self.levels if level.end - level.begin >= least]

    def noises(self, until: int) -> Iterator[int]:
        """When each spell before `until` turned out to be noise, beyond any doubt."""
        first = None
        for at, before in zip(self.times, [-DEBOUNCE, *self.times], strict=False):
            if first is None or at - before >= DEBOUNCE - self.slack:
                first, is_told = at, False
            if at - first > DEBOUNCE + self.slack and not is_told and at <= until:
                is_told = True
                yield at

    def is_noise(self, at: int) -> bool:
        """There was noise, and no rest of 500 ms on released since then."""
        noises = [*self.noises(at)]
        return bool(noises) and not any(
            rest.contact is R
            and min(rest.end, at) - max(rest.begin, noises[-1]) >= QUIET - self.slack
            for rest in self.rests(QUIET - self.slack)
        )

    def presses(self, at: int, locked: int) -> Iterator[tuple[int, list[Rest]]]:
        """Each press that began by then and may do something: its first edge, and its rests.

        `locked`: since when the button was locked; it must have been released for 1.5 s since then.
        Of a rest that is as long as the debounce, to a hair, either may be: that it is one, or not.
        """
        for least in (DEBOUNCE - self.slack, DEBOUNCE, DEBOUNCE + self.slack):
            yield from self._presses(self.rests(least), at, locked)

    def _presses(
        self, all_rests: list[Rest], at: int, locked: int
    ) -> Iterator[tuple[int, list[Rest]]]:
        is_free = not locked
        begun: int | None = None
        rests: list[Rest] = []
        for rest in all_rests:
            if rest.begin > at:
                break
            if begun is not None:
                rests.append(rest)
                if rest.contact is R:
                    if not self._is_any_noise(begun, rest.begin):
                        yield begun, rests
                    begun = None
            if rest.contact is R and rest.end <= at:
                is_free = is_free or rest.end - max(rest.begin, locked) >= LOCK - self.slack
                if is_free and not self.is_noise(rest.end):
                    begun, rests = rest.end, []
        if begun is not None and rests and not self._is_any_noise(begun, rests[-1].begin):
            yield begun, rests

    def _is_any_noise(self, begin: int, end: int) -> bool:
        return any(begin <= noise <= end for noise in self.noises(end))

    def was_pressed(self, at: int, late: int, locked: int) -> bool:
        """A clean short press was over not long ago."""
        for _, rests in self.presses(at, locked):
            *on, last = rests
            pressed = [rest for rest in on if rest.contact is P]
            if last.contact is R and pressed:
                is_short = on[-1].end - pressed[0].begin < SHORT + self.slack
                if is_short and -self.slack <= at - (last.begin + DEBOUNCE) <= late:
                    return True
        return False

    def was_held(self, at: int, for_ms: int, late: int, locked: int) -> bool:
        """The contact has rested pressed for as long, in a clean press."""
        return any(
            rest.contact is P
            and min(rest.end, at) - rest.begin >= for_ms * MS - self.slack
            and at - (rest.begin + for_ms * MS) <= late
            for _, rests in self.presses(at, locked)
            for rest in rests
        )


# --- kernel and loop --------------------------------------------------------------------------

RISING, FALLING = 1, 2
EVENT: Final = Struct("=QII32x")
VALUES: Final = Struct("=QQ")
PRESSED_PIN, RELEASED_PIN = 5, 6


class Kernel:
    """Tells a line's edge when its thread comes round to it, with the level of that moment. The
    line's further edges until then are one more event, told after that."""

    def __init__(self, edges: list[Edge], thread: int, random: Random) -> None:
        self.edges = edges
        self.times = [edge.at for edge in edges]
        self.now = 0
        events = []
        for n, pin in enumerate((PRESSED_PIN, RELEASED_PIN)):
            busy_until, is_pending = 0, False
            level = (False, True)[n]
            for at, lines in [*edges, Edge(1 << 60, (False, False))]:
                while is_pending and busy_until <= at:
                    event_at, busy_until = busy_until, busy_until + random.randrange(1, thread)
                    events.append((busy_until, event_at, pin, self.lines_at(busy_until)[n]))
                    is_pending = False
                if lines[n] != level and at < 1 << 60:
                    level = lines[n]
                    if at < busy_until:
                        is_pending = True
                    else:
                        busy_until = at + random.randrange(1, thread)
                        events.append((busy_until, at, pin, self.lines_at(busy_until)[n]))
        self.events = deque(sorted(events))
        self.queue: deque[bytes] = deque(maxlen=MOST_EDGES)
        self.told = 0
        self.reader, self.writer = os.pipe()

    def lines_at(self, at: int) -> Lines:
        n = bisect_right(self.times, at)
        return self.edges[n - 1].lines if n else (False, True)

    def ioctl(self, fd: int, number: int, data: bytes | bytearray) -> bytes:
        if number == emergency_off.GET_LINE:
            assert isinstance(data, bytearray)
            data[-4:] = os.dup(self.reader).to_bytes(4, "little")
            return b""
        pressed, released = self.lines_at(self.now)
        return VALUES.pack((not pressed) | (not released) << 1, 0b11)

    def come_round(self, at: int) -> None:
        """What is in the queue by then can be read."""
        self.now = at
        while self.events and self.events[0][0] <= at:
            _, event_at, pin, is_closed = self.events.popleft()
            edge = FALLING if is_closed else RISING
            self.queue.append(EVENT.pack(event_at * 1_000, edge, pin))
        self.told += len(self.queue)
        os.write(self.writer, b"".join(self.queue))
        self.queue.clear()

    def monotonic_ns(self) -> int:
        return self.now * 1_000

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class Loop(NamedTuple):
    """How well the machine runs."""

    thread: int
    """The kernel's thread comes round to an edge within this time."""
    look: int
    """A round of the loop takes this long."""
    held_up: int
    """Now and then it takes up to this much longer."""


READY: Final = Loop(100, 200, 0)
SLOW: Final = Loop(5 * MS, 3 * MS, 10 * MS)
LOOPS = st.builds(
    Loop,
    st.sampled_from([100, 1 * MS, 5 * MS]),
    st.sampled_from([200, 1 * MS, 3 * MS]),
    st.sampled_from([0, 0, 10 * MS, 60 * MS, 240 * MS]),
)


def play(world: World, wave: Wave, loop: Loop, reached: Counter[str]) -> None:
    """Has the session live through a waveform, and judges each of its steps."""
    until = wave.now + 700 * MS
    kernel = Kernel(wave.edges, loop.thread, wave.random)
    truth = Truth(wave.edges, until, MILLISECOND + loop.thread)
    late = loop.thread + loop.look + 2 * loop.held_up + DEBOUNCE + MILLISECOND
    session = world.session
    locked = began = looked = world.now_ms * MS
    with ExitStack() as stack:
        stack.callback(kernel.close)
        stack.enter_context(mock.patch.object(fcntl, "ioctl", kernel.ioctl))
        stack.enter_context(mock.patch.object(button_lines, "monotonic_ns", kernel.monotonic_ns))
        kernel.now = looked
        button = KernelContacts(os.devnull, Pins(PRESSED_PIN, RELEASED_PIN), 0)
        stack.callback(os.close, button.fileno())
        contact = R
        if session.state is State.IDLE:
            locked = 0
        while looked < until:
            wake_at_ms = world.steps[-1][1].wake_at_ms
            due = (
                looked
                + (20 if session.status.is_moving or session.status.is_starting else 500) * MS
            )
            if wake_at_ms is not None:
                due = min(due, wake_at_ms * MS)
            if kernel.events:
                due = min(due, kernel.events[0][0])
            looked = max(due, looked + loop.look)
            if loop.held_up and wave.random.random() < 0.2:
                looked += wave.random.randrange(loop.held_up)
            kernel.come_round(looked)
            said = button.read()
            is_new = said.spells or said.contact is not contact
            contact = said.contact
            before = (
                session.status.started,
                session.selected,
                session.state,
                session.allowance.damage,
            )
            world._handle(looked // MS, said if is_new else Wake())
            started, selected, state, damage = before
            if session.status.started > started:
                reached["started"] += 1
                assert truth.was_pressed(looked, late, locked), "no one pressed it"
                began = looked
            if session.selected is not selected:
                reached["selected"] += 1
                assert truth.was_held(looked, 800, late, locked), "no one held it"
            if state is State.FAULT and session.state is not State.FAULT:
                reached["cleared"] += 1
                assert truth.was_held(looked, 3_000, late, locked), "no one held it for 3 s"
            if damage and not session.allowance.damage:
                reached["renewed"] += 1
                assert truth.was_held(looked, 5_000, late, locked), "no one held it for 5 s"
            if session.state is State.RUNNING:
                edges = bisect_right(truth.times, looked - loop.thread) - bisect_left(
                    truth.times, began
                )
                assert not edges, "an edge, and it runs on"
            if session.status.haptic:
                reached["signalled"] += 1
                assert not truth.is_noise(looked - loop.thread), "it signals in noise"
            was_on = state in (State.RUNNING, State.PAUSED) or session.status.started > started
            if was_on and session.state not in (State.RUNNING, State.PAUSED):
                reached["stopped"] += 1
                locked = looked
            if session.state is State.FAULT and state is not State.FAULT:
                reached["failed"] += 1
                locked = looked
        reached["edges"] += kernel.told
        reached["noise"] += len([*truth.noises(until)])
        reached["presses"] += len([*truth.presses(until, 0)])


def world_as(state: str) -> World:
    damaged = Spent(0, None, may_renew=True, damage="it cannot be read")
    world = World(spent=damaged if state == "damaged" else UNSPENT)
    if state == "running":
        world.at(200, Start())
        assert world.session.state is State.RUNNING
    if state == "fault":
        world.at(200, Fault("rail", "the rail is off"))
    world.at(250)
    return world


def test_button_in_any_waveform_does_only_what_a_finger_did() -> None:
    """With what noise and fingers are, there must be enough of each."""
    reached: Counter[str] = Counter()

    @given(
        st.lists(PIECES, min_size=1, max_size=6),
        LOOPS,
        st.sampled_from(["idle", "running", "fault", "damaged"]),
        st.integers(0, 1 << 32),
    )
    @settings(max_examples=300, deadline=None)
    def check(pieces: list[tuple[object, ...]], loop: Loop, state: str, seed: int) -> None:
        play(world_as(state), wave_of(pieces, seed), loop, reached)

    fingers = {"idle": [60, 790, 900], "fault": [3_100], "damaged": [5_100]}
    for state, lengths_ms in fingers.items():
        for for_ms, bounce_ms, loop in product(lengths_ms, [0, 12], [READY, SLOW]):
            # A fault locks the button until it has rested released for 1.5 s.
            pieces = [("rest", 1_600), ("press", for_ms, bounce_ms)]
            check = example(pieces, loop, state, 0)(check)
    for touch, loop in product([("press", 60, 5), ("move", (False, False), 5)], [READY, SLOW]):
        check = example([touch], loop, "running", 0)(check)
    check()
    least = {
        "edges": 20_000,
        "noise": 100,
        "presses": 50,
        "started": 8,
        "selected": 4,
        "cleared": 4,
        "renewed": 4,
        "stopped": 30,
    }
    assert {name: reached[name] for name in least if reached[name] < least[name]} == {}


def noise(rate_hz: float, is_random: bool, states: list[Lines], for_ms: int) -> tuple[object, ...]:
    """Chatter that never rests, whether its gaps are all the same or not."""
    return "chatter", rate_hz * (10 if is_random else 1), is_random, *states, for_ms


NOISES = st.one_of(
    st.builds(
        noise, st.floats(log(40), log(20_000)).map(exp), st.booleans(),
        st.permutations([(False, True), (True, False), (False, False), (True, True)]).map(lambda p: p[:2]),
        st.integers(40, 2_000),
    ),
    st.tuples(
        st.just("hum"), st.sampled_from([50, 60]), st.integers(5, 95), st.integers(0, 100),
        st.integers(0, 99), st.integers(40, 2_000),
    ),
)  # fmt: skip


def test_button_after_any_noise_and_a_rest_works_however_the_loop_is_held_up() -> None:
    """500 ms after noise, 1.5 s after noise that stopped a session."""
    reached: Counter[str] = Counter()

    @given(
        st.lists(NOISES, max_size=2), LOOPS, st.booleans(), st.integers(0, 12),
        st.one_of(st.integers(60, 760), st.integers(860, 1_500)), st.integers(0, 1 << 32),
    )  # fmt: skip
    # A flood on one contact drops the edges of the other one, whose next edge is the press.
    @example(
        [("hum", 50, 5, 0, 0, 40), noise(403, True, [(False, True), (False, False)], 85)],
        Loop(100, 200, 240 * MS), False, 0, 60, 0,
    )  # fmt: skip
    @settings(max_examples=150, deadline=None)
    def check(
        noises: list[tuple[object, ...]],
        loop: Loop,
        runs: bool,
        bounce_ms: int,
        for_ms: int,
        seed: int,
    ) -> None:
        wave = wave_of(noises, seed)
        wave.become((False, True))
        # The kernel tells the last edge some ms late, and the lock counts from when it stopped.
        wave.rest((1_530 if runs else 530) + loop.held_up // MS)
        wave.press(for_ms, bounce_ms)
        world = world_as("running" if runs else "idle")
        if runs and not noises:
            world.at(260, Contacts(NEITHER))
            world.at(265, Contacts(R))
        selected, started = world.session.selected, world.session.status.started
        play(world, wave, loop, reached)
        if for_ms < 800:
            reached["short"] += 1
            assert world.session.status.started == started + 1
        else:
            reached["long"] += 1
            assert world.session.selected is not selected

    check()
    least = {"noise": 30, "short": 20, "long": 20, "started": 20, "selected": 20}
    assert {name: reached[name] for name in least if reached[name] < least[name]} == {}


def test_button_in_noise_alone_does_nothing_however_late_kernel_and_loop_are() -> None:
    reached: Counter[str] = Counter()

    @given(
        st.lists(NOISES, min_size=1, max_size=4),
        LOOPS,
        st.sampled_from([100, 5 * MS, 20 * MS]),
        st.sampled_from(["idle", "running", "fault", "damaged"]),
        st.integers(0, 1 << 32),
    )
    @settings(max_examples=150, deadline=None)
    def check(
        noises: list[tuple[object, ...]], loop: Loop, thread: int, state: str, seed: int
    ) -> None:
        wave = wave_of(noises, seed)
        wave.become((False, True))  # else it may end in a hold
        play(world_as(state), wave, loop._replace(thread=thread), reached)

    for hz, share_pct, shift_pct in product([50, 60], [5, 50, 95], [0, 30]):
        hum = ("hum", hz, share_pct, 100 - share_pct, shift_pct, 300)
        check = example([hum], READY, 100, "running", 0)(check)
    for rate_hz, is_random in product([40, 500, 10_000, 20_000], [True, False]):
        chatter = noise(rate_hz, is_random, [(False, True), (True, False)], 300)
        check = example([chatter], SLOW, 5 * MS, "running", 0)(check)
    check()
    assert reached["edges"] > 20_000
    assert reached["noise"] > 100
    assert reached["stopped"] > 20
    assert [reached[name] for name in ("started", "selected", "cleared", "renewed")] == [0] * 4


# --- noise for long ---------------------------------------------------------------------------


@pytest.mark.parametrize("mean_ms", [5, 10, 15])
def test_button_in_20_minutes_of_random_chatter_tells_no_press_and_no_hold(mean_ms: int) -> None:
    """Before, at 5 ms some 80 holds, most of them of 5 s; at 10 ms hundreds of holds and presses."""
    random = Random(mean_ms)
    button = Button()
    told: Counter[Gesture] = Counter(button.sense(R, 0))
    told.update(button.wait(100))
    at, said = 100.0, R
    while at < 20 * 60_000:
        at += random.expovariate(1 / mean_ms)
        said = P if said is R else R
        told.update(button.sense(said, int(at), (Spell(int(at), int(at), said),)))

    assert told[Gesture.TOUCH] > 20 * 60_000 / mean_ms * 0.95
    assert set(told) == {Gesture.TOUCH, Gesture.PRESS, Gesture.NOISE, Gesture.RESTLESS}


@pytest.mark.parametrize("rate_hz", [50, 60])
@pytest.mark.parametrize("both", [True, False], ids=["both contacts", "one contact"])
@pytest.mark.parametrize("state", ["idle", "running", "fault", "damaged"])
def test_button_in_12_s_of_hum_moves_nothing_and_is_a_fault(
    rate_hz: int, both: bool, state: str
) -> None:
    reached: Counter[str] = Counter()
    world = world_as(state)
    wave = Wave(1)
    wave.hum(rate_hz, 50, 50 if both else 100, 30, 12_000)
    play(world, wave, Loop(1 * MS, 1 * MS, 0), reached)

    assert reached["edges"] > 12 * rate_hz
    assert {step.duty_pct for at_ms, step in world.steps if at_ms > 310} == {SILENCE}
    assert (reached["started"], reached["selected"], reached["renewed"]) == (
        0,
        1 * (state == ""),
        0,
    )
    fault = world.session.fault
    assert fault is not None
    assert fault.code == ("rail" if state == "fault" else "button")
