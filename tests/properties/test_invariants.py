"""The invariants of docs/safety.md over random traces of inputs.

The name of a test has the numbers of its invariants. Number 4 is tested in `test_ledger_days` and
`test_ledger_machine`. Other modules test 8, 9 and 13 further: their tests are also named
`test_invariant_NN_...`.
"""

from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase as Phases
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config.mat import Gate, Mat
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.daemon.interfaces import Heartbeat, Watchdog
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.daemon.watchdogs import Rail, TickLate
from firmware_ctl.hardware.gpio import GpioGate, GpioLed, GpioMotors
from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import LOCK_MS, PAUSES_MS, RESTART_MS, SAMPLE_MS, SIGNAL_LEVEL_PCT
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    TRY,
    Clear,
    Close,
    Contacts,
    EndTry,
    Fault,
    Input,
    LedgerSaved,
    Pause,
    Reload,
    Resume,
    Select,
    Start,
    State,
    Step,
    Stop,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.board import STAGE_MS, Board, Line
from firmware_ctl.simulator.pins import SimulatedButton, SimulatedFactory
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.motor_drive import Levels, duty_table
from firmware_ctl.timeline.playback import Playhead
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.reached import must_reach, reached
from tests.support.strategies import mats_and_profiles
from tests.support.worlds import (
    BAD,
    CALM,
    LIMITS,
    MAT,
    QUICK,
    SILENCE,
    STEPS,
    Bench,
    World,
    entry,
    steady,
)
from tests.unit.protocol.byte_streams import BYTES, cut, requests

DAILY_MS = 20_000
KICKING = tuple(
    zone._replace(motors=tuple(motor._replace(kick_ms=120) for motor in zone.motors))
    for zone in MAT.zones
)
SMALL = MAT._replace(zones=KICKING, limits=LIMITS._replace(daily_ms=DAILY_MS))
LIVELY = entry(
    "lively",
    Phase(
        "taps",
        3_000,
        1,
        (
            Play("back", "tap", Level(70, 70), (("taps", 3), ("tap_for", 100), ("rest", 300))),
            Play("neck", "wave", Level(10, 60), (("period", 1_000),)),
        ),
    ),
    Phase("fade", 2_000, 1, (Play("all", "steady", Level(50, 0)),)),
)
PROFILES = Catalogue((BAD, CALM, LIVELY, QUICK, STEPS))
TRY_TIMELINE = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)
DUTY_TABLES = [duty_table(motor, SMALL) for motor in SMALL.motors]
ZONE_CAPS_PCT = [60, 100, 100]

PROFILE_NAMES = st.sampled_from([None, "lively", "quick", "steps", "bad", "nobody"])
INPUTS: st.SearchStrategy[Input] = st.one_of(
    PROFILE_NAMES.map(Start),
    st.sampled_from(["lively", "quick", "steps", "bad"]).map(Select),
    st.integers(10, 100).map(Trim),
    st.sampled_from(Contact).map(Contacts),
    st.sampled_from([Contact.PRESSED, Contact.RELEASED]).map(Contacts),
    st.sampled_from(
        [Start("lively"), Start("quick"), Try(TRY_TIMELINE), EndTry(), Stop(), Pause(), Resume(), Clear(),
         Wake(), Fault("rail", "the rail is off"), Reload(PROFILES), Reload(Catalogue((BAD, QUICK)))]
    ),
)  # fmt: skip
GAPS_MS = st.one_of(st.integers(0, 120), st.integers(0, 1_700), st.sampled_from([99, 100, 6_000]))
CLEAN_PRESSES = st.tuples(GAPS_MS, st.sampled_from([100, 1_000, 3_100, 5_100])).map(
    lambda press: [
        (press[0], Contacts(Contact.RELEASED)),
        (1_600, Contacts(Contact.PRESSED)),
        (press[1], Contacts(Contact.RELEASED)),
    ]
)
"""A press after a rest, without bounces. Random contacts alone almost never form such a press."""
REPLACED_TRIES = GAPS_MS.map(lambda gap_ms: [(gap_ms, EndTry()), (0, Try(TRY_TIMELINE))])
"""What a `try` command passes to the session."""
TRACES: st.SearchStrategy[list[tuple[int, Input]]] = st.lists(
    st.one_of(
        st.tuples(GAPS_MS, INPUTS).map(lambda timed_input: [timed_input]),
        st.tuples(GAPS_MS, INPUTS).map(lambda timed_input: [timed_input]),
        st.tuples(GAPS_MS, INPUTS).map(lambda timed_input: [timed_input]),
        CLEAN_PRESSES,
        CLEAN_PRESSES,
        REPLACED_TRIES,
    ),
    max_size=20,
).map(lambda groups: [timed_input for group in groups for timed_input in group])
"""A trace: inputs, each with the time since the input before it."""


class CheckedWorld(World):
    """Checks every step. It derives what the step may do from the inputs alone."""

    def __init__(self) -> None:
        self.ran_ms = 0
        self.ran_today_ms = 0
        self.envelope_began_at_ms = 0
        self.may_run = False
        self.was_pressed_since_stop = False
        self.stopped_at_ms = -RESTART_MS
        super().__init__(PROFILES, SMALL)

    def _handle(self, at_ms: int, event: Input) -> Step:
        session = self.session
        earlier_state, started, earlier_at_ms = session.state, session.status.started, self.now_ms
        has_reached_end = (
            earlier_state is State.RUNNING and session.status.clock.left_ms(at_ms) == 0
        )
        if earlier_state is State.RUNNING:
            self.ran_ms += at_ms - earlier_at_ms
            self.ran_today_ms += at_ms - earlier_at_ms
        earlier_profile = session.status.profile
        step = super()._handle(at_ms, event)
        session = self.session

        if isinstance(event, EndTry) and (earlier_state, session.state) == (
            State.RUNNING,
            State.IDLE,
        ):
            reached("try ended", not has_reached_end)
            assert earlier_profile == TRY or has_reached_end
            assert step.duty_pct == SILENCE
        if isinstance(event, Stop | Fault):
            self.may_run = self.was_pressed_since_stop = False
            self.stopped_at_ms = at_ms
        if isinstance(event, Contacts) and event.contact is not Contact.RELEASED:
            self.was_pressed_since_stop = True
            if earlier_state in (State.RUNNING, State.PAUSED) and started == session.status.started:
                reached("touched")
                assert session.state in (State.IDLE, State.FAULT)
        if session.status.started != started:
            reached("pressed" if isinstance(event, Contacts | Wake) else "started")
            assert session.status.started == started + 1
            assert isinstance(event, Start | Try) or self.was_pressed_since_stop
            assert at_ms - self.stopped_at_ms >= RESTART_MS
            assert earlier_state is State.IDLE or has_reached_end
            self.may_run = True
            self.ran_ms = 0
        if session.state is State.RUNNING and (earlier_state, started) != (
            State.RUNNING,
            session.status.started,
        ):
            self.envelope_began_at_ms = at_ms
            assert not any(step.level_pct)
        self._check_step(at_ms, step)
        return step

    def _check_step(self, at_ms: int, step: Step) -> None:
        session = self.session
        levels, haptic = step.level_pct, session.status.haptic
        for motor, (duty_pct, level_pct) in enumerate(zip(step.duty_pct, levels, strict=True)):
            waits_for_its_start = duty_pct == 0 < level_pct
            assert (
                waits_for_its_start
                or motor in step.kicks
                or duty_pct == DUTY_TABLES[motor][level_pct]
            )
            reached("kicked", motor in step.kicks)
        assert max(step.duty_pct) <= SMALL.limits.duty_pct
        assert all(
            level_pct <= cap_pct for level_pct, cap_pct in zip(levels, ZONE_CAPS_PCT, strict=True)
        )
        if session.state is State.RUNNING:
            reached("moving", any(levels))
            assert self.may_run
            assert max(levels) * 1_000 <= (at_ms - self.envelope_began_at_ms) * LIMITS.rise_pct_s
            assert self.ran_ms <= 12_000  # the length of the longest profile that fits into the day
            assert self.ran_today_ms <= DAILY_MS
        elif session.state is State.IDLE and haptic:
            reached("haptic")
            assert self.was_pressed_since_stop
            assert max(levels) <= SIGNAL_LEVEL_PCT
            assert levels[0] == 0
        else:
            assert levels == SILENCE
        assert step.wake_at_ms is None or step.wake_at_ms >= at_ms


def run_checked(trace: list[tuple[int, Input]]) -> CheckedWorld:
    world = CheckedWorld()
    at_ms = world.now_ms
    for gap_ms, event in trace:
        at_ms += gap_ms
        world.at(at_ms, event)
    world.at(at_ms + 13_000 + PAUSES_MS)
    return world


@must_reach(
    moving=500, kicked=50, haptic=20, started=50, pressed=2, touched=20, **{"try ended": 20}
)
@given(TRACES)
@settings(max_examples=250, deadline=None)
@example([(0, Contacts(Contact.PRESSED)), (100, Stop()), (10, Contacts(Contact.RELEASED))])
@example([(0, Start("steps")), (6_000, Start(None)), (6_000, Start("lively"))])
@example([(0, Start("lively")), (500, Pause()), (500, Trim(10)), (7, Resume()), (3, Trim(100))])
def test_invariants_01_02_03_06_any_trace_holds_them_in_every_step_and_ends_at_zero(
    trace: list[tuple[int, Input]],
) -> None:
    world = run_checked(trace)

    assert world.session.state in (State.IDLE, State.FAULT)
    assert world.steps[-1][1].duty_pct == SILENCE


@must_reach(**{"moved before": 20})
@given(TRACES, TRACES, st.booleans())
@settings(max_examples=100, deadline=None)
def test_invariants_05_07_after_a_stop_or_fault_nothing_moves_without_a_new_start(
    trace_before: list[tuple[int, Input]], trace_after: list[tuple[int, Input]], is_fault: bool
) -> None:
    """The test then tries every input except starts and presses, including releases of the button."""
    ending = Fault("internal", "a mistake") if is_fault else Stop()
    inputs_without_starts = [
        (gap_ms, event)
        for gap_ms, event in trace_after
        if not isinstance(event, Start | Try)
        and not (isinstance(event, Contacts) and event.contact is not Contact.RELEASED)
    ]
    world = World(PROFILES, SMALL)
    at_ms = world.now_ms
    for gap_ms, event in [*trace_before, (0, ending)]:
        at_ms += gap_ms
        world.at(at_ms, event)
    end_index = len(world.steps) - 1
    reached("moved before", any(any(step.duty_pct) for _, step in world.steps))
    for gap_ms, event in inputs_without_starts:
        at_ms += gap_ms
        world.at(at_ms, event)
    world.at(at_ms + 13_000)

    assert {step.duty_pct for _, step in world.steps[end_index:]} == {SILENCE}


@must_reach(steps=1_000)
@given(st.lists(st.tuples(GAPS_MS, st.integers(10, 100)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_invariant_02_trimmed_level_is_never_above_the_trimmed_share_of_the_asked_level(
    trims: list[tuple[int, int]],
) -> None:
    world = World(PROFILES, SMALL)
    world.at(1_000, Start("lively"))
    at_ms, trim_pct = 1_000, 100
    trim_changes = [(1_000, 100)]
    for gap_ms, trim_pct in trims:
        at_ms = min(at_ms + gap_ms, 5_900)
        world.at(at_ms, Trim(trim_pct))
        world.at(at_ms)
        trim_changes.append((at_ms, trim_pct))
    world.at(7_000)

    playhead = Playhead(LIVELY.timeline)
    for at_ms, step in (timed_step for timed_step in world.steps if 1_000 <= timed_step[0] < 6_000):
        trim_pct = next(pct for since_ms, pct in reversed(trim_changes) if since_ms <= at_ms)
        if (at_ms, trim_pct) in trim_changes[1:]:
            continue  # a trim has effect from the next tick on
        reached("steps")
        t_ms = at_ms - 1_000
        if t_ms >= playhead.pass_end_ms:
            playhead.move_to(t_ms)
        asked_pct, _ = playhead.asked(t_ms)
        for asked_level_pct, level_pct in zip(asked_pct, step.level_pct, strict=True):
            assert level_pct <= max(asked_level_pct * trim_pct // 100, min(asked_level_pct, 1))


@given(TRACES)
@settings(max_examples=60, deadline=None)
def test_invariant_03_repeated_start_changes_nothing(trace: list[tuple[int, Input]]) -> None:
    inputs_without_starts = [
        (gap_ms, event) for gap_ms, event in trace if isinstance(event, Trim | Wake | Select)
    ]
    levels: list[list[tuple[int, Levels]]] = []
    for with_repeated_starts in (False, True):
        world = World(PROFILES, SMALL)
        world.at(1_000, Start("lively"))
        at_ms = 1_000
        for gap_ms, event in inputs_without_starts:
            at_ms = min(at_ms + gap_ms, 5_999)
            world.at(at_ms, event)
            world.at(at_ms)
            if with_repeated_starts:
                world.at(at_ms, Start())
                world.at(at_ms, Start("lively"))
        world.at(9_000)
        levels.append(world.levels())

    assert levels[0] == levels[1]
    assert levels[0][-1][1] == SILENCE


# --- invariants 6, 7 and 8 --------------------------------------------------------------------


def is_start(event: Input) -> bool:
    """Whether the input could start a session: a command, or a contact other than released."""
    return isinstance(event, Start | Try) or (
        isinstance(event, Contacts) and event.contact is not Contact.RELEASED
    )


def run_unchecked(trace: list[tuple[int, Input]], world: World | None = None) -> World:
    world = world or World(PROFILES, SMALL)
    at_ms = world.now_ms
    for gap_ms, event in trace:
        at_ms += gap_ms
        world.at(at_ms, event)
    world.at(at_ms + 13_000 + PAUSES_MS)
    return world


def duties(world: World) -> list[tuple[int, Levels]]:
    """The duties of the pins, each with the time of its change."""
    return list({at_ms: step.duty_pct for at_ms, step in world.steps}.items())


@must_reach(moving=50)
@given(TRACES, TRACES)
@settings(max_examples=80)
@example([(0, Start("lively"))], [(1_000, Resume())])
@example([(0, Start("lively")), (900, Pause())], [(1_000, Resume())])
def test_invariant_07_trace_with_a_fault_never_has_higher_duties_than_without(
    trace_before: list[tuple[int, Input]], trace_after: list[tuple[int, Input]]
) -> None:
    """Starts and presses after the fault are removed from both traces."""
    inputs_without_starts = [
        (gap_ms, event) for gap_ms, event in trace_after if not is_start(event)
    ]
    uninterrupted = duties(run_unchecked([*trace_before, (0, Wake()), *inputs_without_starts]))
    with_fault = duties(
        run_unchecked(
            [*trace_before, (0, Fault("rail", "the rail is off")), *inputs_without_starts]
        )
    )

    index = 0
    for at_ms, duties_with_fault in with_fault:
        while index + 1 < len(uninterrupted) and uninterrupted[index + 1][0] <= at_ms:
            index += 1
        reached("moving", any(uninterrupted[index][1]))
        assert all(map(int.__le__, duties_with_fault, uninterrupted[index][1]))


PRESSES = st.lists(
    st.tuples(
        st.one_of(st.integers(40, 400), st.integers(1_400, 1_600), st.integers(0, 3_000)),
        st.one_of(st.integers(30, 300), st.integers(0, 900)),
        st.sampled_from([Contact.PRESSED, Contact.PRESSED, Contact.NEITHER]),
    ),
    max_size=14,
)
"""Presses: the time of release before the press, the length of the press, and its contact."""


@must_reach(started=20, **{"started again": 3})
@given(PRESSES)
@settings(max_examples=100)
@example([(200, 100, Contact.PRESSED)] * 8)
@example([(1_499, 100, Contact.PRESSED)] * 5)
@example([(1_500, 100, Contact.PRESSED)] * 5)
def test_invariant_06_press_that_stopped_or_press_during_the_lock_starts_nothing(
    presses: list[tuple[int, int, Contact]],
) -> None:
    """Each start needs a press before it. After the end of a session it also needs 1.5 s of release."""
    world = World(Catalogue((QUICK,)))
    at_ms = world.now_ms
    contact_changes = [
        change
        for before_ms, for_ms, contact in presses
        for change in ((before_ms, contact), (for_ms, Contact.RELEASED))
    ]
    contact_changes.append((40, Contact.RELEASED))
    contact_history = [(0, Contact.RELEASED)]
    ended_at_ms: list[int] = []
    start_count = 0
    for gap_ms, contact in contact_changes:
        at_ms += gap_ms
        first_index = len(world.steps)
        world.contact(at_ms, contact)
        contact_history.append((at_ms, contact))
        for step_ms, step in world.steps[first_index:]:
            states = [notice.fields["state"] for notice in step.notices if "state" in notice.fields]
            ended_at_ms += [step_ms for state in states if state != State.RUNNING.value]
        if world.session.status.started > start_count:
            start_count = world.session.status.started
            reached("started")
            reached("started again", bool(ended_at_ms))
            began_at_ms = max(at_ms for at_ms, step in world.steps if _enters_running(step))
            pressed_at_ms = [
                at_ms
                for at_ms, contact in contact_history
                if contact is not Contact.RELEASED and at_ms <= began_at_ms
            ]
            assert pressed_at_ms
            for session_ended_at_ms in ended_at_ms:
                release_lengths_ms = _release_lengths_ms(
                    contact_history, session_ended_at_ms, began_at_ms
                )
                assert session_ended_at_ms > began_at_ms or max(release_lengths_ms) >= LOCK_MS


def _enters_running(step: Step) -> bool:
    return any(notice.fields.get("state") == State.RUNNING.value for notice in step.notices)


def _release_lengths_ms(
    contact_history: list[tuple[int, Contact]], from_ms: int, to_ms: int
) -> list[int]:
    """The length of each release between the two times that a press ended."""
    lengths_ms = [0]
    for (at_ms, contact), (next_ms, _) in pairwise(contact_history):
        if contact is Contact.RELEASED and next_ms <= to_ms:
            lengths_ms.append(next_ms - max(at_ms, from_ms))
    return lengths_ms


@given(TRACES, st.booleans(), st.integers(0, DAILY_MS))
@settings(max_examples=80)
def test_invariant_08_after_start_up_nothing_moves_until_a_press_or_command(
    trace: list[tuple[int, Input]], is_held: bool, used_ms: int
) -> None:
    """The ledger may hold running time of a session that ran when the previous process ended."""
    spent = Spent(used_ms, -5_000, may_renew=True)
    session = Session(SMALL, PROFILES, spent=spent)
    at_ms = 0
    for gap_ms, event in trace:
        if isinstance(event, Start | Try):
            event = LedgerSaved(at_ms)
        elif isinstance(event, Contacts):
            # The button is held since before start-up, or nobody touches it.
            event = Contacts(event.contact if is_held else Contact.RELEASED)
            if is_held and event.contact is Contact.RELEASED:
                event = Contacts(Contact.PRESSED)
        at_ms += gap_ms
        assert session.handle(event, at_ms).duty_pct == SILENCE
    assert session.status.started == 0


# --- invariant 9: any bytes, sent to the complete daemon --------------------------------------

VALID_STARTS = {b"start", b"start calm", b"start quick", b"start steps"}


def is_possible_start(line: bytes | None) -> bool:
    """Whether the line is a valid start in some state. For `try` and `press` the first word counts."""
    words = (line or b"").lower().split()
    return b" ".join(words) in VALID_STARTS or words[:1] in ([b"try"], [b"press"])


@must_reach(started=1, **{"no start in the bytes": 20})
@given(cut(BYTES), cut(BYTES), st.integers(0, 60))
@settings(max_examples=80)
@example([b"st", b"art\r"], [b""], 20)
@example([b"start nobody\rstart  QUICK \r"], [b"!"], 20)
@example([b"start\x00\r", b"x" * 97 + b"start\r"], [b"restart\r"], 0)
def test_invariant_09_bytes_start_a_session_only_with_a_valid_start_and_a_stop_ends_it(
    first_chunks: list[bytes], second_chunks: list[bytes], after_ms: int
) -> None:
    bench = Bench()
    bench.send(100, *first_chunks)
    bench.send(100 + after_ms, *second_chunks, wire=1)
    bench.send(4_000, b"!")
    bench.run(4_500)

    lines = [*requests(b"".join(first_chunks)), *requests(b"".join(second_chunks))]
    start_count = sum(map(is_possible_start, lines))
    assert bench.session.status.started <= start_count
    reached("started", bench.session.status.started > 0)
    if not start_count:
        reached("no start in the bytes")
        assert {duties for _, duties in bench.pins.written} <= {SILENCE}
    assert not any(any(duties) for at_ms, duties in bench.pins.written if at_ms >= 4_000)
    # The daemon keeps no unanswered requests and no unsent bytes.
    for wire in bench.wires:
        assert wire.connection.is_served
        assert len(wire.connection.waiting) == len(wire.connection.unsent) == 0


# --- invariants 10, 11 and 12: signs of life and pins -----------------------------------------


class DelayedPoller(VirtualPoller):
    """A `VirtualPoller` whose waits end late by the given delays."""

    def __init__(self, delays_ms: list[int]) -> None:
        super().__init__()
        self._delays_ms = iter(delays_ms)

    def wait(self, until_ms: int, *others: Any) -> Any:
        readable = super().wait(until_ms, *others)
        if self._now_ms > 1_000:
            self._now_ms += next(self._delays_ms, 0)
        return readable


class EventLog:
    """A dead-man, gate, watchdog, button and motor driver that log their calls in a single list."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.log: list[tuple[int, str]] = []

    def _add(self, event: str) -> None:
        self.log.append((self.now_ms(), event))

    def arm(self) -> None:
        self._add("arm")

    def disarm(self) -> None:
        self._add("disarm")

    def beat(self, now_ms: int, is_moving: bool) -> None:
        self._add("edge" if is_moving else "still")

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        self._add("check")
        return None

    def apply(self, duty_pct: Levels) -> None:
        self._add("on" if any(duty_pct) else "off")

    def all_low(self) -> list[str]:
        self._add("off")
        return []

    def read(self) -> Contacts:
        self._add("read")
        return Contacts(Contact.RELEASED)


@must_reach(signs_of_life=500)
@given(
    st.lists(st.one_of(st.just(0), st.integers(0, 90), st.sampled_from([100, 260])), max_size=60),
    TRACES,
)
@settings(max_examples=30, deadline=None)
def test_invariant_10_every_sign_of_life_follows_a_complete_tick(
    delays_ms: list[int], trace: list[tuple[int, Input]]
) -> None:
    """In a complete tick the watchdogs check, the button is read, and the session gets the input."""
    poller = DelayedPoller(delays_ms)
    event_log = EventLog(poller.now_ms)
    pinged_at_ms: list[int] = []
    systemd = Systemd({"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "2000000"})
    systemd._send = lambda message: pinged_at_ms.append(poller.now_ms())  # type: ignore[assignment, method-assign]
    stepped_at_ms: list[int] = []
    session = Session(SMALL, PROFILES)

    class InputWatcher:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            if isinstance(event, Contacts | Wake):
                stepped_at_ms.append(now_ms)

    daemon = Daemon(
        session, poller, Latch(SMALL, event_log, event_log), event_log, NoLedger(),  # type: ignore[arg-type]
        lambda done: None, lambda line: None, [InputWatcher()], [event_log, TickLate()], [event_log, systemd],  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    at_ms = 1_000
    poller.at(at_ms, lambda: daemon.step(Start("lively")))
    for gap_ms, event in trace:
        at_ms += gap_ms
        if not isinstance(event, Contacts):
            poller.at(at_ms, lambda event=event: daemon.step(event))  # type: ignore[misc]
    poller.at(at_ms + 8_000, lambda: daemon.step(Close()))
    daemon.run()

    checked_at_ms = [at_ms for at_ms, event in event_log.log if event == "check"]
    read_at_ms = [at_ms for at_ms, event in event_log.log if event == "read"]
    signs_of_life_at_ms = [at_ms for at_ms, event in event_log.log if event in ("arm", "edge")]
    reached("signs_of_life", len(signs_of_life_at_ms))
    for sign_at_ms in (*signs_of_life_at_ms, *pinged_at_ms):
        for ticks_at_ms in (checked_at_ms, read_at_ms, stepped_at_ms):
            tick_count = bisect_right(ticks_at_ms, sign_at_ms)
            assert tick_count
            assert sign_at_ms - ticks_at_ms[tick_count - 1] <= 100
    # No motor is on before the dead-man is armed, and every motor is off at the end.
    on_at_ms = [at_ms for at_ms, event in event_log.log if event == "on"]
    armed_at_ms = [at_ms for at_ms, event in event_log.log if event == "arm"]
    for at_ms in on_at_ms:
        assert bisect_right(armed_at_ms, at_ms)
    assert event_log.log[-1][1] in ("off", "disarm")
    # systemd's watchdog expires after 2 s.
    assert all(later_ms - earlier_ms < 1_500 for earlier_ms, later_ms in pairwise(pinged_at_ms))


def test_invariant_10_tick_that_fails_gives_no_sign_of_life() -> None:
    poller = VirtualPoller()
    event_log = EventLog(poller.now_ms)
    daemon = Daemon(
        Session(SMALL, PROFILES), poller, Latch(SMALL, event_log, event_log), event_log, NoLedger(),  # type: ignore[arg-type]
        lambda done: None, lambda line: None, (), [event_log], [event_log],  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    poller.at(1_000, lambda: daemon.step(Start("lively")))

    failed_at_ms: list[int] = []

    def fail() -> Contacts:
        failed_at_ms.append(poller.now_ms())
        raise RuntimeError("the button cannot be read")

    poller.at(1_500, lambda: setattr(event_log, "read", fail))
    with pytest.raises(RuntimeError):
        daemon.run()

    events_before = {event for at_ms, event in event_log.log if 1_400 <= at_ms < 1_500}
    assert events_before == {"check", "read", "arm", "edge", "on"}
    [failure_ms] = failed_at_ms
    assert failure_ms <= 1_500 + SAMPLE_MS
    assert {event for at_ms, event in event_log.log if at_ms >= failure_ms} == {"off", "disarm"}


@must_reach(mats=5)
@given(mats_and_profiles(), st.integers(0, 20_000), st.booleans())
@settings(max_examples=10, deadline=None, phases=[Phases.explicit, Phases.generate])
def test_invariant_11_only_motor_led_and_heartbeat_pins_are_driven(
    mat_and_profile: tuple[Mat, Profile], closes_after_ms: int, with_fault: bool
) -> None:
    mat, profile = mat_and_profile
    if mat.gate is not None and mat.gate.rail_pin in (2, 3):
        return  # these pins have fixed pull-ups, and gpiozero refuses them as an input for the rail
    reached("mats")
    poller = VirtualPoller()
    board = Board(mat)
    driven: set[int] = set()
    original_set_line = board.set_line

    def set_line(pin: int, line: Line, now_ms: int) -> None:
        if line.duty_pct is not None:
            driven.add(pin)
        original_set_line(pin, line, now_ms)

    board.set_line = set_line  # type: ignore[method-assign]
    catalogue = Catalogue((GoodEntry(profile.name, profile, compile_profile(profile, mat)),))
    daemon, _ = daemon_on_board(mat, catalogue, board, poller)
    poller.at(1_000, lambda: daemon.step(Start(profile.name)))
    if with_fault:
        poller.at(1_000 + closes_after_ms // 2, lambda: daemon.step(Fault("rail", "off")))
    poller.at(1_000 + closes_after_ms, lambda: daemon.step(Close()))
    daemon.run()

    own_pins = {motor.pin for motor in mat.motors}
    own_pins |= {mat.led_pin} if mat.led_pin is not None else set()
    own_pins |= {mat.gate.heartbeat_pin} if mat.gate else set()
    assert driven == own_pins
    assert [board.line(motor.pin).duty_pct for motor in mat.motors] == [0] * len(mat.motors)


def daemon_on_board(
    mat: Mat, catalogue: Catalogue, board: Board, poller: VirtualPoller
) -> tuple[Daemon, GpioMotors]:
    """A daemon with gpiozero's own devices on the simulated pins of the board."""
    factory = SimulatedFactory(board, poller.now_ms)
    button = None
    if mat.button is not None:
        button = SimulatedButton(mat.button, factory, lambda: None)
    motors = GpioMotors(mat, factory)
    watchers = [GpioLed(mat.led_pin, factory)] if mat.led_pin is not None else []
    watchdogs: list[Watchdog] = [TickLate()]
    heartbeats: list[Heartbeat] = []
    if mat.gate is not None:
        gate = GpioGate(mat.gate, factory)
        heartbeats.append(gate)
        if gate.has_rail:
            rail = Rail(gate.is_rail_on)
            watchdogs.append(rail)
            heartbeats.append(rail)
    daemon = Daemon(
        Session(mat, catalogue), poller, Latch(mat, motors, NoDeadman()), button, NoLedger(),
        lambda done: None, lambda line: None, watchers, watchdogs, heartbeats,  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    return daemon, motors


class FailingPin:
    """Replaces a pin. Every write fails, and is counted."""

    def __init__(self) -> None:
        self.write_attempts = 0

    def __setattr__(self, name: str, value: object) -> None:
        if name == "write_attempts":
            object.__setattr__(self, name, value)
        else:
            self.write_attempts += 1
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("failing_bits", range(8))
def test_invariant_12_panic_off_writes_every_pin_whichever_writes_fail(failing_bits: int) -> None:
    factory = SimulatedFactory()
    motors = GpioMotors(SMALL, factory)
    latch = Latch(SMALL, motors, NoDeadman())
    latch.apply((40, 40, 40))
    names = ["motor neck on GPIO 17", "motor left on GPIO 22", "motor right on GPIO 23"]
    failing_motors = [i for i in range(3) if failing_bits >> i & 1]
    pins = [*motors._pins]
    failing_pins = {}
    for i in failing_motors:
        failing_pins[i] = FailingPin()
        motors._pins[i] = failing_pins[i]
    for repetition in (1, 2, 3):  # panic-off can be repeated
        latch.trip()
        assert [pin.state for i, pin in enumerate(pins) if i not in failing_motors] == [0] * (
            3 - len(failing_motors)
        )
        assert [pin.frequency for i, pin in enumerate(pins) if i not in failing_motors] == [
            None
        ] * (3 - len(failing_motors))
        assert [pin.write_attempts for pin in failing_pins.values()] == [3 * repetition] * len(
            failing_motors
        )
        assert (latch.fault and latch.fault.message) == (
            "; ".join(
                f"{names[i]} cannot be driven low: [Errno 5] Input/output error"
                for i in failing_motors
            )
            or None
        )


# --- invariant 13: after the daemon is killed -------------------------------------------------

GATED = SMALL._replace(gate=Gate(26, 20))


@given(
    st.integers(0, 6_500), st.booleans(), st.booleans(), st.sampled_from(STAGE_MS), st.booleans()
)
@settings(max_examples=60, deadline=None)
@example(2_003, True, True, STAGE_MS[1], True)
@example(2_003, True, True, STAGE_MS[1], False)
def test_invariant_13_motors_lose_power_in_time_whenever_the_daemon_is_killed(
    runs_for_ms: int, lines_persist: bool, freeze_high: bool, stage_ms: int, has_gate: bool
) -> None:
    """The gate cuts the power. Without a gate, if lines persist, ExecStopPost= of the unit does."""
    mat = GATED if has_gate else SMALL
    poller = VirtualPoller()
    board = Board(mat, stage_ms=stage_ms)
    daemon, _ = daemon_on_board(mat, PROFILES, board, poller)
    killed_at_ms = 1_000 + runs_for_ms
    poller.at(1_000, lambda: daemon.step(Start("lively")))

    class Killed(BaseException):
        pass

    def kill() -> None:
        board.kill(killed_at_ms, lines_persist, freeze_high)
        board.set_line = lambda *_: None  # type: ignore[assignment, method-assign]
        raise Killed

    poller.at(killed_at_ms, kill)
    with pytest.raises(Killed):
        daemon.run()

    off_at_ms = killed_at_ms + 500
    if lines_persist and not has_gate:
        # ExecStopPost= drives every motor pin low at most 0.5 s after the process ends.
        del board.set_line
        for motor in mat.motors:
            board.set_line(motor.pin, Line(0), off_at_ms)
    due_at_ms = killed_at_ms if not lines_persist else killed_at_ms + 400 if has_gate else off_at_ms
    motor_power = [
        board.power_at(motor, at_ms)
        for at_ms in (due_at_ms, off_at_ms, off_at_ms + 60_000)
        for motor in mat.motors
    ]
    assert motor_power == [0] * 9
