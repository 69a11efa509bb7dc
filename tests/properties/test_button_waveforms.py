"""The start button with simulated waveforms of its contacts, from 1 Hz to 20 kHz.

A waveform passes through a simulated kernel, which handles edges late and keeps 64 of them, and
through a loop with delays, into a session. `Oracle` judges what the session did. It knows only the
waveform, to the microsecond, and the rules for the button.
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
"""A millisecond in microseconds."""
CLOCK_ERROR_US: Final = 2 * MS
"""The largest error of a time span on the daemon's clock, which counts whole milliseconds."""
DEBOUNCE_US, NOISE_REST_US, LOCK_US, SHORT_US = 30 * MS, 500 * MS, 1_500 * MS, 800 * MS

LineStates = tuple[bool, bool]
"""Whether the pressed contact is closed, and whether the released contact is closed."""


class Edge(NamedTuple):
    at_us: int
    line_states: LineStates


# --- waveforms --------------------------------------------------------------------------------


class Waveform:
    """The states of the contacts over time, built piece by piece. It begins at rest on released."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_us = 300 * MS
        self.edges: list[Edge] = []
        self.line_states: LineStates = (False, True)

    def set_lines(self, line_states: LineStates) -> None:
        if line_states != self.line_states:
            self.line_states = line_states
            self.edges.append(Edge(self.now_us, line_states))

    def rest(self, for_ms: float) -> None:
        self.now_us += int(for_ms * MS)

    def move(self, target: LineStates, bounce_ms: float) -> None:
        """Opens the contacts, then closes those of `target`, with bounces."""
        self.set_lines((False, False))
        end_us = self.now_us + int(bounce_ms * MS)
        while self.now_us < end_us:
            self.now_us += 1 + self.random.randrange(2 * MS)
            self.set_lines((False, False) if self.line_states == target else target)
        self.set_lines(target)

    def press(self, for_ms: float, bounce_ms: float) -> None:
        """A press by a finger. The contact bounces when it is pressed and when it is released."""
        self.move((True, False), bounce_ms)
        self.rest(for_ms)
        self.move((False, True), bounce_ms)

    def chatter(
        self,
        rate_hz: float,
        is_random: bool,
        first_state: LineStates,
        second_state: LineStates,
        for_ms: int,
    ) -> None:
        """Alternates between two states with `rate_hz` edges a second, and ends in one of them."""
        gap_us = 1e6 / rate_hz
        end_us = self.now_us + min(for_ms * MS, int(MOST_CHATTER_EDGES * gap_us))
        while self.now_us < end_us:
            self.set_lines(second_state if self.line_states == first_state else first_state)
            self.now_us += 1 + int(self.random.expovariate(1 / gap_us) if is_random else gap_us)

    def hum(
        self, rate_hz: int, pressed_pct: int, released_pct: int, shift_pct: int, for_ms: int
    ) -> None:
        """Mains hum on both contacts: each contact is closed for a share of each period."""
        period_us = 1_000_000 // rate_hz
        begin_us, end_us = self.now_us, self.now_us + for_ms * MS
        while self.now_us < end_us:
            position_pct = (self.now_us - begin_us) * 100 // period_us
            self.set_lines(
                (position_pct % 100 < pressed_pct, (position_pct + shift_pct) % 100 < released_pct)
            )
            self.now_us += period_us // 100


MOST_CHATTER_EDGES: Final = 6_000
RATES_HZ = st.one_of(
    st.floats(0, log(20_000)).map(exp),
    st.sampled_from([1.0, 16.0, 20.0, 30.0, 33.3, 34.0, 50.0, 100.0, 120.0, 200.0, 10_000.0]),
)
LINE_STATES = st.sampled_from([(False, True), (True, False), (False, False), (True, True)])
DURATIONS_MS = st.one_of(
    st.integers(1, 100), st.integers(100, 3_000), st.sampled_from([900, 5_500])
)
PIECES = st.one_of(
    st.tuples(st.just("chatter"), RATES_HZ, st.booleans(), LINE_STATES, LINE_STATES, DURATIONS_MS),
    st.tuples(
        st.just("hum"), st.sampled_from([50, 60]), st.integers(0, 100), st.integers(0, 100),
        st.integers(0, 99), DURATIONS_MS,
    ),
    st.tuples(st.just("rest"), st.one_of(st.integers(1, 700), st.sampled_from([510, 1_600]))),
    st.tuples(st.just("press"), DURATIONS_MS, st.integers(0, 25)),
    st.tuples(st.just("move"), LINE_STATES, st.integers(0, 40)),
)  # fmt: skip


def waveform_of(pieces: list[tuple[object, ...]], seed: int) -> Waveform:
    waveform = Waveform(seed)
    for name, *arguments in pieces:
        getattr(waveform, str(name))(*arguments)
    return waveform


# --- the oracle -------------------------------------------------------------------------------


class StableInterval(NamedTuple):
    """An interval without an edge, and the contact during this interval."""

    begin_us: int
    end_us: int
    contact: Contact


class Oracle:
    """Decides from the rests and spells of a waveform what the session may do."""

    def __init__(self, edges: list[Edge], until_us: int, tolerance_us: int) -> None:
        """`tolerance_us`: a time of the machine may differ from the true time by this much."""
        self.tolerance_us = tolerance_us
        self.edge_times_us = [edge.at_us for edge in edges]
        ends_us = [*self.edge_times_us, until_us + 3_600_000 * MS]
        contacts = [contact_of(*line_states) for _, line_states in [Edge(0, (False, True)), *edges]]
        self.intervals = [*map(StableInterval, [0, *self.edge_times_us], ends_us, contacts)]

    def rests(self, minimum_us: int) -> list[StableInterval]:
        return [
            interval
            for interval in self.intervals
            if interval.end_us - interval.begin_us >= minimum_us
        ]

    def noise_times_us(self, until_us: int) -> Iterator[int]:
        """For each spell that is certainly noise: when it became noise, if that was before `until_us`."""
        spell_begin_us = None
        for at_us, earlier_us in zip(
            self.edge_times_us, [-DEBOUNCE_US, *self.edge_times_us], strict=False
        ):
            if spell_begin_us is None or at_us - earlier_us >= DEBOUNCE_US - self.tolerance_us:
                spell_begin_us, is_reported = at_us, False
            if (
                at_us - spell_begin_us > DEBOUNCE_US + self.tolerance_us
                and not is_reported
                and at_us <= until_us
            ):
                is_reported = True
                yield at_us

    def is_noise(self, at_us: int) -> bool:
        """Whether there was noise before `at_us` without a rest of 500 ms on released since then."""
        noise_times_us = [*self.noise_times_us(at_us)]
        return bool(noise_times_us) and not any(
            rest.contact is R
            and min(rest.end_us, at_us) - max(rest.begin_us, noise_times_us[-1])
            >= NOISE_REST_US - self.tolerance_us
            for rest in self.rests(NOISE_REST_US - self.tolerance_us)
        )

    def presses(
        self, at_us: int, locked_since_us: int
    ) -> Iterator[tuple[int, list[StableInterval]]]:
        """Each press that began before `at_us` and may have an effect: its first edge and its rests.

        `locked_since_us`: when the button was locked. The button must have rested released for 1.5 s
        since then. An interval about as long as the debounce time may count as a rest or not, so the
        method yields the presses for both cases.
        """
        for minimum_us in (
            DEBOUNCE_US - self.tolerance_us,
            DEBOUNCE_US,
            DEBOUNCE_US + self.tolerance_us,
        ):
            yield from self._presses(self.rests(minimum_us), at_us, locked_since_us)

    def _presses(
        self, all_rests: list[StableInterval], at_us: int, locked_since_us: int
    ) -> Iterator[tuple[int, list[StableInterval]]]:
        is_unlocked = not locked_since_us
        press_begin_us: int | None = None
        rests: list[StableInterval] = []
        for rest in all_rests:
            if rest.begin_us > at_us:
                break
            if press_begin_us is not None:
                rests.append(rest)
                if rest.contact is R:
                    if not self._has_noise_between(press_begin_us, rest.begin_us):
                        yield press_begin_us, rests
                    press_begin_us = None
            if rest.contact is R and rest.end_us <= at_us:
                is_unlocked = (
                    is_unlocked
                    or rest.end_us - max(rest.begin_us, locked_since_us)
                    >= LOCK_US - self.tolerance_us
                )
                if is_unlocked and not self.is_noise(rest.end_us):
                    press_begin_us, rests = rest.end_us, []
        if (
            press_begin_us is not None
            and rests
            and not self._has_noise_between(press_begin_us, rests[-1].begin_us)
        ):
            yield press_begin_us, rests

    def _has_noise_between(self, begin_us: int, end_us: int) -> bool:
        return any(begin_us <= noise_us <= end_us for noise_us in self.noise_times_us(end_us))

    def was_pressed(self, at_us: int, lateness_us: int, locked_since_us: int) -> bool:
        """Whether a short press without noise ended at most `lateness_us` ago."""
        for _, rests in self.presses(at_us, locked_since_us):
            *earlier_rests, last_rest = rests
            pressed_rests = [rest for rest in earlier_rests if rest.contact is P]
            if last_rest.contact is R and pressed_rests:
                is_short = (
                    earlier_rests[-1].end_us - pressed_rests[0].begin_us
                    < SHORT_US + self.tolerance_us
                )
                if (
                    is_short
                    and -self.tolerance_us
                    <= at_us - (last_rest.begin_us + DEBOUNCE_US)
                    <= lateness_us
                ):
                    return True
        return False

    def was_held(self, at_us: int, for_ms: int, lateness_us: int, locked_since_us: int) -> bool:
        """Whether, in a press without noise, a rest on pressed reached `for_ms` at most `lateness_us` ago."""
        return any(
            rest.contact is P
            and min(rest.end_us, at_us) - rest.begin_us >= for_ms * MS - self.tolerance_us
            and at_us - (rest.begin_us + for_ms * MS) <= lateness_us
            for _, rests in self.presses(at_us, locked_since_us)
            for rest in rests
        )


# --- kernel and loop --------------------------------------------------------------------------

RISING, FALLING = 1, 2
EVENT: Final = Struct("=QII32x")
VALUES: Final = Struct("=QQ")
PRESSED_PIN, RELEASED_PIN = 5, 6


class SimulatedKernel:
    """Simulates the thread of the kernel that turns edges into events, which it does late.

    The event has the level that the line has when the thread handles the edge. All further edges
    of the line until then become a single event, which the thread handles next.
    """

    def __init__(self, edges: list[Edge], thread_delay_us: int, random: Random) -> None:
        self.edges = edges
        self.edge_times_us = [edge.at_us for edge in edges]
        self.now_us = 0
        events = []
        for line_index, pin in enumerate((PRESSED_PIN, RELEASED_PIN)):
            busy_until_us, is_pending = 0, False
            is_closed = (False, True)[line_index]
            for at_us, line_states in [*edges, Edge(1 << 60, (False, False))]:
                while is_pending and busy_until_us <= at_us:
                    event_at_us, busy_until_us = (
                        busy_until_us,
                        busy_until_us + random.randrange(1, thread_delay_us),
                    )
                    events.append(
                        (busy_until_us, event_at_us, pin, self.lines_at(busy_until_us)[line_index])
                    )
                    is_pending = False
                if line_states[line_index] != is_closed and at_us < 1 << 60:
                    is_closed = line_states[line_index]
                    if at_us < busy_until_us:
                        is_pending = True
                    else:
                        busy_until_us = at_us + random.randrange(1, thread_delay_us)
                        events.append(
                            (busy_until_us, at_us, pin, self.lines_at(busy_until_us)[line_index])
                        )
        self.events = deque(sorted(events))
        self.queue: deque[bytes] = deque(maxlen=MOST_EDGES)
        self.event_count = 0
        self.read_fd, self.write_fd = os.pipe()

    def lines_at(self, at_us: int) -> LineStates:
        edge_count = bisect_right(self.edge_times_us, at_us)
        return self.edges[edge_count - 1].line_states if edge_count else (False, True)

    def ioctl(self, fd: int, number: int, data: bytes | bytearray) -> bytes:
        if number == emergency_off.GET_LINE:
            assert isinstance(data, bytearray)
            data[-4:] = os.dup(self.read_fd).to_bytes(4, "little")
            return b""
        is_pressed, is_released = self.lines_at(self.now_us)
        return VALUES.pack((not is_pressed) | (not is_released) << 1, 0b11)

    def deliver_events(self, at_us: int) -> None:
        """Makes all events up to this time readable."""
        self.now_us = at_us
        while self.events and self.events[0][0] <= at_us:
            _, event_at_us, pin, is_closed = self.events.popleft()
            edge = FALLING if is_closed else RISING
            self.queue.append(EVENT.pack(event_at_us * 1_000, edge, pin))
        self.event_count += len(self.queue)
        os.write(self.write_fd, b"".join(self.queue))
        self.queue.clear()

    def monotonic_ns(self) -> int:
        return self.now_us * 1_000

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


class LoopTiming(NamedTuple):
    """How fast the kernel and the loop react."""

    thread_delay_us: int
    """The kernel's thread handles an edge within this time."""
    round_us: int
    """The duration of a round of the loop."""
    extra_delay_us: int
    """One round in five takes up to this much longer."""


FAST: Final = LoopTiming(100, 200, 0)
SLOW: Final = LoopTiming(5 * MS, 3 * MS, 10 * MS)
LOOP_TIMINGS = st.builds(
    LoopTiming,
    st.sampled_from([100, 1 * MS, 5 * MS]),
    st.sampled_from([200, 1 * MS, 3 * MS]),
    st.sampled_from([0, 0, 10 * MS, 60 * MS, 240 * MS]),
)


def play_waveform(
    world: World, waveform: Waveform, timing: LoopTiming, counts: Counter[str]
) -> None:
    """Passes a waveform to the session, and compares each step with the oracle."""
    until_us = waveform.now_us + 700 * MS
    kernel = SimulatedKernel(waveform.edges, timing.thread_delay_us, waveform.random)
    oracle = Oracle(waveform.edges, until_us, CLOCK_ERROR_US + timing.thread_delay_us)
    lateness_us = (
        timing.thread_delay_us
        + timing.round_us
        + 2 * timing.extra_delay_us
        + DEBOUNCE_US
        + CLOCK_ERROR_US
    )
    session = world.session
    locked_since_us = session_began_us = now_us = world.now_ms * MS
    with ExitStack() as stack:
        stack.callback(kernel.close)
        stack.enter_context(mock.patch.object(fcntl, "ioctl", kernel.ioctl))
        stack.enter_context(mock.patch.object(button_lines, "monotonic_ns", kernel.monotonic_ns))
        kernel.now_us = now_us
        button = KernelContacts(os.devnull, Pins(PRESSED_PIN, RELEASED_PIN), 0)
        stack.callback(os.close, button.fileno())
        contact = R
        if session.state is State.IDLE:
            locked_since_us = 0
        while now_us < until_us:
            wake_at_ms = world.steps[-1][1].wake_at_ms
            due_us = (
                now_us
                + (20 if session.status.is_moving or session.status.is_starting else 500) * MS
            )
            if wake_at_ms is not None:
                due_us = min(due_us, wake_at_ms * MS)
            if kernel.events:
                due_us = min(due_us, kernel.events[0][0])
            now_us = max(due_us, now_us + timing.round_us)
            if timing.extra_delay_us and waveform.random.random() < 0.2:
                now_us += waveform.random.randrange(timing.extra_delay_us)
            kernel.deliver_events(now_us)
            reading = button.read()
            is_changed = reading.spells or reading.contact is not contact
            contact = reading.contact
            earlier = (
                session.status.started,
                session.selected,
                session.state,
                session.allowance.damage,
            )
            world._handle(now_us // MS, reading if is_changed else Wake())
            started, selected, state, earlier_damage = earlier
            if session.status.started > started:
                counts["started"] += 1
                assert oracle.was_pressed(now_us, lateness_us, locked_since_us), (
                    "the session started without a short press"
                )
                session_began_us = now_us
            if session.selected is not selected:
                counts["selected"] += 1
                assert oracle.was_held(now_us, 800, lateness_us, locked_since_us), (
                    "the selection changed without a hold of 0.8 s"
                )
            if state is State.FAULT and session.state is not State.FAULT:
                counts["cleared"] += 1
                assert oracle.was_held(now_us, 3_000, lateness_us, locked_since_us), (
                    "the fault was cleared without a hold of 3 s"
                )
            if earlier_damage and not session.allowance.damage:
                counts["renewed"] += 1
                assert oracle.was_held(now_us, 5_000, lateness_us, locked_since_us), (
                    "a new day began without a hold of 5 s"
                )
            if session.state is State.RUNNING:
                edges_since_begin = bisect_right(
                    oracle.edge_times_us, now_us - timing.thread_delay_us
                ) - bisect_left(oracle.edge_times_us, session_began_us)
                assert not edges_since_begin, "the session runs although there was an edge"
            if session.status.haptic:
                counts["haptic"] += 1
                assert not oracle.is_noise(now_us - timing.thread_delay_us), (
                    "a haptic plays during noise"
                )
            was_on = state in (State.RUNNING, State.PAUSED) or session.status.started > started
            if was_on and session.state not in (State.RUNNING, State.PAUSED):
                counts["stopped"] += 1
                locked_since_us = now_us
            if session.state is State.FAULT and state is not State.FAULT:
                counts["faulted"] += 1
                locked_since_us = now_us
        counts["edges"] += kernel.event_count
        counts["noise"] += len([*oracle.noise_times_us(until_us)])
        counts["presses"] += len([*oracle.presses(until_us, 0)])


def world_in_state(state: str) -> World:
    """A world at 250 ms in this state. Damaged: idle, with a ledger that cannot be read."""
    damaged = Spent(0, None, may_renew=True, damage="it cannot be read")
    world = World(spent=damaged if state == "damaged" else UNSPENT)
    if state == "running":
        world.at(200, Start())
        assert world.session.state is State.RUNNING
    if state == "fault":
        world.at(200, Fault("rail", "the rail is off"))
    world.at(250)
    return world


def test_button_in_any_waveform_has_only_effects_of_real_presses() -> None:
    """The test also checks that the examples have enough noise and enough presses."""
    counts: Counter[str] = Counter()

    @given(
        st.lists(PIECES, min_size=1, max_size=6),
        LOOP_TIMINGS,
        st.sampled_from(["idle", "running", "fault", "damaged"]),
        st.integers(0, 1 << 32),
    )
    @settings(max_examples=300, deadline=None)
    def check(pieces: list[tuple[object, ...]], timing: LoopTiming, state: str, seed: int) -> None:
        play_waveform(world_in_state(state), waveform_of(pieces, seed), timing, counts)

    hold_times_by_state = {"idle": [60, 790, 900], "fault": [3_100], "damaged": [5_100]}
    for state, hold_times_ms in hold_times_by_state.items():
        for for_ms, bounce_ms, timing in product(hold_times_ms, [0, 12], [FAST, SLOW]):
            # A fault locks the button until the contact has rested released for 1.5 s.
            pieces = [("rest", 1_600), ("press", for_ms, bounce_ms)]
            check = example(pieces, timing, state, 0)(check)
    for piece, timing in product([("press", 60, 5), ("move", (False, False), 5)], [FAST, SLOW]):
        check = example([piece], timing, "running", 0)(check)
    check()
    least_counts = {
        "edges": 20_000,
        "noise": 100,
        "presses": 50,
        "started": 8,
        "selected": 4,
        "cleared": 4,
        "renewed": 4,
        "stopped": 30,
    }
    assert {name: counts[name] for name in least_counts if counts[name] < least_counts[name]} == {}


def noise_piece(
    rate_hz: float, is_random: bool, states: list[LineStates], for_ms: int
) -> tuple[object, ...]:
    """Periodic or random chatter with gaps that are too short for a rest."""
    return "chatter", rate_hz * (10 if is_random else 1), is_random, *states, for_ms


NOISE_PIECES = st.one_of(
    st.builds(
        noise_piece, st.floats(log(40), log(20_000)).map(exp), st.booleans(),
        st.permutations([(False, True), (True, False), (False, False), (True, True)]).map(lambda p: p[:2]),
        st.integers(40, 2_000),
    ),
    st.tuples(
        st.just("hum"), st.sampled_from([50, 60]), st.integers(5, 95), st.integers(0, 100),
        st.integers(0, 99), st.integers(40, 2_000),
    ),
)  # fmt: skip


def test_button_after_noise_and_a_rest_works_despite_loop_delays() -> None:
    """The rest is 500 ms after noise, and 1.5 s after noise that stopped a session."""
    counts: Counter[str] = Counter()

    @given(
        st.lists(NOISE_PIECES, max_size=2), LOOP_TIMINGS, st.booleans(), st.integers(0, 12),
        st.one_of(st.integers(60, 760), st.integers(860, 1_500)), st.integers(0, 1 << 32),
    )  # fmt: skip
    # Many edges on one contact push the edges of the other contact out of the queue. The next edge
    # of the other contact is then that of the press.
    @example(
        [("hum", 50, 5, 0, 0, 40), noise_piece(403, True, [(False, True), (False, False)], 85)],
        LoopTiming(100, 200, 240 * MS), False, 0, 60, 0,
    )  # fmt: skip
    @settings(max_examples=150, deadline=None)
    def check(
        noise_pieces: list[tuple[object, ...]],
        timing: LoopTiming,
        is_running: bool,
        bounce_ms: int,
        for_ms: int,
        seed: int,
    ) -> None:
        waveform = waveform_of(noise_pieces, seed)
        waveform.set_lines((False, True))
        # The kernel reports the last edge some ms late, and the lock begins when the session stops.
        waveform.rest((1_530 if is_running else 530) + timing.extra_delay_us // MS)
        waveform.press(for_ms, bounce_ms)
        world = world_in_state("running" if is_running else "idle")
        if is_running and not noise_pieces:
            world.at(260, Contacts(NEITHER))
            world.at(265, Contacts(R))
        earlier_selected, earlier_started = world.session.selected, world.session.status.started
        play_waveform(world, waveform, timing, counts)
        if for_ms < 800:
            counts["short"] += 1
            assert world.session.status.started == earlier_started + 1
        else:
            counts["long"] += 1
            assert world.session.selected is not earlier_selected

    check()
    least_counts = {"noise": 30, "short": 20, "long": 20, "started": 20, "selected": 20}
    assert {name: counts[name] for name in least_counts if counts[name] < least_counts[name]} == {}


def test_button_in_noise_alone_does_nothing_despite_late_kernel_and_loop() -> None:
    counts: Counter[str] = Counter()

    @given(
        st.lists(NOISE_PIECES, min_size=1, max_size=4),
        LOOP_TIMINGS,
        st.sampled_from([100, 5 * MS, 20 * MS]),
        st.sampled_from(["idle", "running", "fault", "damaged"]),
        st.integers(0, 1 << 32),
    )
    @settings(max_examples=150, deadline=None)
    def check(
        noise_pieces: list[tuple[object, ...]],
        timing: LoopTiming,
        thread_delay_us: int,
        state: str,
        seed: int,
    ) -> None:
        waveform = waveform_of(noise_pieces, seed)
        waveform.set_lines((False, True))  # otherwise the waveform may end in a hold
        play_waveform(
            world_in_state(state),
            waveform,
            timing._replace(thread_delay_us=thread_delay_us),
            counts,
        )

    for rate_hz, pressed_pct, shift_pct in product([50, 60], [5, 50, 95], [0, 30]):
        hum = ("hum", rate_hz, pressed_pct, 100 - pressed_pct, shift_pct, 300)
        check = example([hum], FAST, 100, "running", 0)(check)
    for rate_hz, is_random in product([40, 500, 10_000, 20_000], [True, False]):
        chatter = noise_piece(rate_hz, is_random, [(False, True), (True, False)], 300)
        check = example([chatter], SLOW, 5 * MS, "running", 0)(check)
    check()
    assert counts["edges"] > 20_000
    assert counts["noise"] > 100
    assert counts["stopped"] > 20
    assert [counts[name] for name in ("started", "selected", "cleared", "renewed")] == [0] * 4


# --- long noise -------------------------------------------------------------------------------


@pytest.mark.parametrize("mean_ms", [5, 10, 15])
def test_button_in_20_minutes_of_random_chatter_reports_no_press_and_no_hold(mean_ms: int) -> None:
    """With these mean gaps the chatter sometimes rests for 30 ms, which must not count as a press."""
    random = Random(mean_ms)
    button = Button()
    gesture_counts: Counter[Gesture] = Counter(button.sense(R, 0))
    gesture_counts.update(button.wait(100))
    at_ms, contact = 100.0, R
    while at_ms < 20 * 60_000:
        at_ms += random.expovariate(1 / mean_ms)
        contact = P if contact is R else R
        gesture_counts.update(
            button.sense(contact, int(at_ms), (Spell(int(at_ms), int(at_ms), contact),))
        )

    assert gesture_counts[Gesture.TOUCH] > 20 * 60_000 / mean_ms * 0.95
    assert set(gesture_counts) == {Gesture.TOUCH, Gesture.PRESS, Gesture.NOISE, Gesture.RESTLESS}


@pytest.mark.parametrize("rate_hz", [50, 60])
@pytest.mark.parametrize("uses_both_contacts", [True, False], ids=["both contacts", "one contact"])
@pytest.mark.parametrize("state", ["idle", "running", "fault", "damaged"])
def test_button_in_12_s_of_hum_moves_nothing_and_raises_a_fault(
    rate_hz: int, uses_both_contacts: bool, state: str
) -> None:
    counts: Counter[str] = Counter()
    world = world_in_state(state)
    waveform = Waveform(1)
    waveform.hum(rate_hz, 50, 50 if uses_both_contacts else 100, 30, 12_000)
    play_waveform(world, waveform, LoopTiming(1 * MS, 1 * MS, 0), counts)

    assert counts["edges"] > 12 * rate_hz
    assert {step.duty_pct for at_ms, step in world.steps if at_ms > 310} == {SILENCE}
    assert (counts["started"], counts["selected"], counts["renewed"]) == (
        0,
        1 * (state == ""),
        0,
    )
    fault = world.session.fault
    assert fault is not None
    assert fault.code == ("rail" if state == "fault" else "button")
