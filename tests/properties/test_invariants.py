"""The invariants of the safety concept over random traces of everything that can happen.

Each test names the numbers of those that it is about. Number 4 is in `test_ledger_days` and
`test_machine`; of 8, 9 and 13 there is more in `test_daemon`, `test_protocol` and `test_board`.
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
from firmware_ctl.daemon.interfaces import Watchdog
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.daemon.watchdogs import Rail, TickLate
from firmware_ctl.hardware.gpio import GpioGate, GpioLed, GpioMotors
from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import LOCK_MS, PAUSES_MS, RESTART_MS, SIGNAL_LEVEL_PCT
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    TRY,
    Clear,
    Close,
    Contacts,
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
from firmware_ctl.simulator.pins import SimulatedButton, mock_factory
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
TRIAL = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)
TABLES = [duty_table(motor, SMALL) for motor in SMALL.motors]
CAPS = [60, 100, 100]

NAMES = st.sampled_from([None, "lively", "quick", "steps", "bad", "nobody"])
INPUTS: st.SearchStrategy[Input] = st.one_of(
    NAMES.map(Start),
    st.sampled_from(["lively", "quick", "steps", "bad"]).map(Select),
    st.integers(10, 100).map(Trim),
    st.sampled_from(Contact).map(Contacts),
    st.sampled_from([Contact.PRESSED, Contact.RELEASED]).map(Contacts),
    st.sampled_from(
        [Start("lively"), Start("quick"), Try(TRIAL), Stop(), Pause(), Resume(), Clear(), Wake(),
         Fault("rail", "the rail is off"), Reload(PROFILES), Reload(Catalogue((BAD, QUICK)))]
    ),
)  # fmt: skip
GAPS_MS = st.one_of(st.integers(0, 120), st.integers(0, 1_700), st.sampled_from([99, 100, 6_000]))
PRESSED = st.tuples(GAPS_MS, st.sampled_from([100, 1_000, 3_100, 5_100])).map(
    lambda press: [
        (press[0], Contacts(Contact.RELEASED)),
        (1_600, Contacts(Contact.PRESSED)),
        (press[1], Contacts(Contact.RELEASED)),
    ]
)
"""A clean press after a rest: by chance alone no trace holds one."""
TRACES: st.SearchStrategy[list[tuple[int, Input]]] = st.lists(
    st.one_of(
        st.tuples(GAPS_MS, INPUTS).map(lambda one: [one]),
        st.tuples(GAPS_MS, INPUTS).map(lambda one: [one]),
        st.tuples(GAPS_MS, INPUTS).map(lambda one: [one]),
        PRESSED,
    ),
    max_size=20,
).map(lambda parts: [one for part in parts for one in part])
"""What happens, each with the time since what came before."""


class Watched(World):
    """Looks at every step, and knows what is allowed from the inputs alone."""

    def __init__(self) -> None:
        self.ran_ms = 0
        self.ran_today_ms = 0
        self.soft_since_ms = 0
        self.may_run = False
        self.press_since_stop = False
        self.stopped_at_ms = -RESTART_MS
        super().__init__(PROFILES, SMALL)

    def _handle(self, at_ms: int, event: Input) -> Step:
        session = self.session
        before, started, was_ms = session.state, session.status.started, self.now_ms
        is_over = before is State.RUNNING and session.status.clock.left_ms(at_ms) == 0
        if before is State.RUNNING:
            self.ran_ms += at_ms - was_ms
            self.ran_today_ms += at_ms - was_ms
        step = super()._handle(at_ms, event)
        session = self.session

        if isinstance(event, Stop | Fault):
            self.may_run = self.press_since_stop = False
            self.stopped_at_ms = at_ms
        if isinstance(event, Contacts) and event.contact is not Contact.RELEASED:
            self.press_since_stop = True
            if before in (State.RUNNING, State.PAUSED) and started == session.status.started:
                reached("touched")
                assert session.state in (State.IDLE, State.FAULT)
        if session.status.started != started:
            reached("pressed" if isinstance(event, Contacts | Wake) else "started")
            assert session.status.started == started + 1
            assert isinstance(event, Start | Try) or self.press_since_stop
            assert at_ms - self.stopped_at_ms >= RESTART_MS
            assert before is State.IDLE or is_over
            self.may_run = True
            self.ran_ms = 0
        if session.state is State.RUNNING and (before, started) != (
            State.RUNNING,
            session.status.started,
        ):
            self.soft_since_ms = at_ms
            assert not any(step.level_pct)
        self._look(at_ms, step)
        return step

    def _look(self, at_ms: int, step: Step) -> None:
        session = self.session
        levels, signal = step.level_pct, session.status.haptic
        for motor, (duty, level) in enumerate(zip(step.duty_pct, levels, strict=True)):
            may_wait_for_its_turn = duty == 0 < level
            assert may_wait_for_its_turn or motor in step.kicks or duty == TABLES[motor][level]
            reached("kicked", motor in step.kicks)
        assert max(step.duty_pct) <= SMALL.limits.duty_pct
        assert all(level <= cap for level, cap in zip(levels, CAPS, strict=True))
        if session.state is State.RUNNING:
            reached("moving", any(levels))
            assert self.may_run
            assert max(levels) * 1_000 <= (at_ms - self.soft_since_ms) * LIMITS.rise_pct_s
            assert self.ran_ms <= 12_000  # the longest of the profiles that fit into the day
            assert self.ran_today_ms <= DAILY_MS
        elif session.state is State.IDLE and signal:
            reached("signalling")
            assert self.press_since_stop
            assert max(levels) <= SIGNAL_LEVEL_PCT
            assert levels[0] == 0
        else:
            assert levels == SILENCE
        assert step.wake_at_ms is None or step.wake_at_ms >= at_ms


def play(trace: list[tuple[int, Input]]) -> Watched:
    world = Watched()
    at_ms = world.now_ms
    for gap_ms, event in trace:
        at_ms += gap_ms
        world.at(at_ms, event)
    world.at(at_ms + 13_000 + PAUSES_MS)
    return world


@must_reach(moving=500, kicked=50, signalling=20, started=50, pressed=5, touched=20)
@given(TRACES)
@settings(max_examples=250, deadline=None)
@example([(0, Contacts(Contact.PRESSED)), (100, Stop()), (10, Contacts(Contact.RELEASED))])
@example([(0, Start("steps")), (6_000, Start(None)), (6_000, Start("lively"))])
@example([(0, Start("lively")), (500, Pause()), (500, Trim(10)), (7, Resume()), (3, Trim(100))])
def test_invariants_01_02_03_06_no_step_of_any_trace_breaks_one_and_all_end_at_zero(
    trace: list[tuple[int, Input]],
) -> None:
    world = play(trace)

    assert world.session.state in (State.IDLE, State.FAULT)
    assert world.steps[-1][1].duty_pct == SILENCE


@must_reach(**{"moved before": 20})
@given(TRACES, TRACES, st.booleans())
@settings(max_examples=100, deadline=None)
def test_invariants_05_07_after_a_stop_or_a_fault_nothing_moves_without_a_new_start(
    before: list[tuple[int, Input]], after: list[tuple[int, Input]], is_fault: bool
) -> None:
    """Whatever is not a start or a press is tried afterwards, a release of the button too."""
    end = Fault("internal", "a mistake") if is_fault else Stop()
    quiet = [
        (gap_ms, event)
        for gap_ms, event in after
        if not isinstance(event, Start | Try)
        and not (isinstance(event, Contacts) and event.contact is not Contact.RELEASED)
    ]
    cut = World(PROFILES, SMALL)
    at_ms = cut.now_ms
    for gap_ms, event in [*before, (0, end)]:
        at_ms += gap_ms
        cut.at(at_ms, event)
    first = len(cut.steps) - 1
    reached("moved before", any(any(step.duty_pct) for _, step in cut.steps))
    for gap_ms, event in quiet:
        at_ms += gap_ms
        cut.at(at_ms, event)
    cut.at(at_ms + 13_000)

    assert {step.duty_pct for _, step in cut.steps[first:]} == {SILENCE}


@must_reach(steps=1_000)
@given(st.lists(st.tuples(GAPS_MS, st.integers(10, 100)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_invariant_02_no_level_is_above_its_undisturbed_one_or_the_trims_share(
    trims: list[tuple[int, int]],
) -> None:
    world = World(PROFILES, SMALL)
    world.at(1_000, Start("lively"))
    at_ms, trim_pct = 1_000, 100
    changes = [(1_000, 100)]
    for gap_ms, trim_pct in trims:
        at_ms = min(at_ms + gap_ms, 5_900)
        world.at(at_ms, Trim(trim_pct))
        world.at(at_ms)
        changes.append((at_ms, trim_pct))
    world.at(7_000)

    playhead = Playhead(LIVELY.timeline)
    for at_ms, step in (pair for pair in world.steps if 1_000 <= pair[0] < 6_000):
        trim_pct = next(pct for since_ms, pct in reversed(changes) if since_ms <= at_ms)
        if (at_ms, trim_pct) in changes[1:]:
            continue  # a trim counts from the next tick
        reached("steps")
        t_ms = at_ms - 1_000
        if t_ms >= playhead.pass_end_ms:
            playhead.move_to(t_ms)
        asked_pct, _ = playhead.asked(t_ms)
        for asked, level in zip(asked_pct, step.level_pct, strict=True):
            assert level <= max(asked * trim_pct // 100, min(asked, 1))


@given(TRACES)
@settings(max_examples=60, deadline=None)
def test_invariant_03_starts_repeated_change_nothing(trace: list[tuple[int, Input]]) -> None:
    quiet = [(gap, event) for gap, event in trace if isinstance(event, Trim | Wake | Select)]
    levels: list[list[tuple[int, Levels]]] = []
    for again in (False, True):
        world = World(PROFILES, SMALL)
        world.at(1_000, Start("lively"))
        at_ms = 1_000
        for gap_ms, event in quiet:
            at_ms = min(at_ms + gap_ms, 5_999)
            world.at(at_ms, event)
            world.at(at_ms)
            if again:
                world.at(at_ms, Start())
                world.at(at_ms, Start("lively"))
        world.at(9_000)
        levels.append(world.levels())

    assert levels[0] == levels[1]
    assert levels[0][-1][1] == SILENCE


# --- 3, 6, 7, 8 -------------------------------------------------------------------------------


def is_start(event: Input) -> bool:
    """Whether it could start something: a command, or the button away from released."""
    return isinstance(event, Start | Try) or (
        isinstance(event, Contacts) and event.contact is not Contact.RELEASED
    )


def run(trace: list[tuple[int, Input]], world: World | None = None) -> World:
    world = world or World(PROFILES, SMALL)
    at_ms = world.now_ms
    for gap_ms, event in trace:
        at_ms += gap_ms
        world.at(at_ms, event)
    world.at(at_ms + 13_000 + PAUSES_MS)
    return world


def duties(world: World) -> list[tuple[int, Levels]]:
    """What the pins had, by the time from which they had it."""
    return list({at_ms: step.duty_pct for at_ms, step in world.steps}.items())


@must_reach(moving=50)
@given(TRACES, TRACES)
@settings(max_examples=80)
@example([(0, Start("lively"))], [(1_000, Resume())])
@example([(0, Start("lively")), (900, Pause())], [(1_000, Resume())])
def test_invariant_07_a_trace_with_a_fault_is_never_above_the_one_without(
    before: list[tuple[int, Input]], after: list[tuple[int, Input]]
) -> None:
    """With every later start removed."""
    quiet = [(gap_ms, event) for gap_ms, event in after if not is_start(event)]
    whole = duties(run([*before, (0, Wake()), *quiet]))
    faulty = duties(run([*before, (0, Fault("rail", "the rail is off")), *quiet]))

    at = 0
    for at_ms, found in faulty:
        while at + 1 < len(whole) and whole[at + 1][0] <= at_ms:
            at += 1
        reached("moving", any(whole[at][1]))
        assert all(map(int.__le__, found, whole[at][1]))


PRESSES = st.lists(
    st.tuples(
        st.one_of(st.integers(40, 400), st.integers(1_400, 1_600), st.integers(0, 3_000)),
        st.one_of(st.integers(30, 300), st.integers(0, 900)),
        st.sampled_from([Contact.PRESSED, Contact.PRESSED, Contact.NEITHER]),
    ),
    max_size=14,
)
"""Each: how long it was released before, how long it is pressed, and what that looks like."""


@must_reach(started=20, **{"started again": 3})
@given(PRESSES)
@settings(max_examples=100)
@example([(200, 100, Contact.PRESSED)] * 8)
@example([(1_499, 100, Contact.PRESSED)] * 5)
@example([(1_500, 100, Contact.PRESSED)] * 5)
def test_invariant_06_no_press_that_stopped_nor_one_during_the_lock_starts(
    presses: list[tuple[int, int, Contact]],
) -> None:
    """Said of the contacts alone: before a start comes a press, and before it 1.5 s of release."""
    world = World(Catalogue((QUICK,)))
    at_ms = world.now_ms
    touches = [
        touch
        for before_ms, for_ms, contact in presses
        for touch in ((before_ms, contact), (for_ms, Contact.RELEASED))
    ]
    touches.append((40, Contact.RELEASED))
    told = [(0, Contact.RELEASED)]
    ends_ms: list[int] = []
    starts = 0
    for gap_ms, contact in touches:
        at_ms += gap_ms
        first = len(world.steps)
        world.contact(at_ms, contact)
        told.append((at_ms, contact))
        for step_ms, step in world.steps[first:]:
            states = [n.fields["state"] for n in step.notices if "state" in n.fields]
            ends_ms += [step_ms for state in states if state != State.RUNNING.value]
        if world.session.status.started > starts:
            starts = world.session.status.started
            reached("started")
            reached("started again", bool(ends_ms))
            began_ms = max(ms for ms, step in world.steps if _runs_anew(step))
            pressed = [ms for ms, what in told if what is not Contact.RELEASED and ms <= began_ms]
            assert pressed
            for end_ms in ends_ms:
                releases = _released_for_ms(told, end_ms, began_ms)
                assert end_ms > began_ms or max(releases) >= LOCK_MS


def _runs_anew(step: Step) -> bool:
    return any(notice.fields.get("state") == State.RUNNING.value for notice in step.notices)


def _released_for_ms(told: list[tuple[int, Contact]], from_ms: int, to_ms: int) -> list[int]:
    """How long each release between the two was, before the press that ended it."""
    found = [0]
    for (at_ms, contact), (next_ms, _) in pairwise(told):
        if contact is Contact.RELEASED and next_ms <= to_ms:
            found.append(next_ms - max(at_ms, from_ms))
    return found


@given(TRACES, st.booleans(), st.integers(0, DAILY_MS))
@settings(max_examples=80)
def test_invariant_08_after_start_up_nothing_moves_until_a_press_or_a_command(
    trace: list[tuple[int, Input]], held: bool, used_ms: int
) -> None:
    """Whatever the ledger said of the session that ran when the last process died."""
    spent = Spent(used_ms, -5_000, may_renew=True)
    session = Session(SMALL, PROFILES, spent=spent)
    at_ms = 0
    for gap_ms, event in trace:
        if isinstance(event, Start | Try):
            event = LedgerSaved(at_ms)
        elif isinstance(event, Contacts):
            # The button is held from before, or was never touched.
            event = Contacts(event.contact if held else Contact.RELEASED)
            if held and event.contact is Contact.RELEASED:
                event = Contacts(Contact.PRESSED)
        at_ms += gap_ms
        assert session.handle(event, at_ms).duty_pct == SILENCE
    assert session.status.started == 0


# --- 9: any bytes, to the whole daemon --------------------------------------------------------

GOOD_STARTS = {b"start", b"start calm", b"start quick", b"start steps"}


def may_start(line: bytes | None) -> bool:
    """A line that is a valid start, whatever the state; of `try` and `press` the first word."""
    words = (line or b"").lower().split()
    return b" ".join(words) in GOOD_STARTS or words[:1] in ([b"try"], [b"press"])


@must_reach(started=1, **{"no start in it": 20})
@given(cut(BYTES), cut(BYTES), st.integers(0, 60))
@settings(max_examples=80)
@example([b"st", b"art\r"], [b""], 20)
@example([b"start nobody\rstart  QUICK \r"], [b"!"], 20)
@example([b"start\x00\r", b"x" * 97 + b"start\r"], [b"restart\r"], 0)
def test_invariant_09_it_runs_only_if_the_bytes_hold_a_valid_start_and_a_stop_stops(
    first: list[bytes], second: list[bytes], after_ms: int
) -> None:
    bench = Bench()
    bench.send(100, *first)
    bench.send(100 + after_ms, *second, wire=1)
    bench.send(4_000, b"!")
    bench.run(4_500)

    lines = [*requests(b"".join(first)), *requests(b"".join(second))]
    starts = sum(map(may_start, lines))
    assert bench.session.status.started <= starts
    reached("started", bench.session.status.started > 0)
    if not starts:
        reached("no start in it")
        assert {duties for _, duties in bench.pins.written} <= {SILENCE}
    assert not any(any(duties) for at_ms, duties in bench.pins.written if at_ms >= 4_000)
    # Memory is bounded, for each client and for all.
    for wire in bench.wires:
        assert wire.connection.is_served
        assert len(wire.connection.waiting) == len(wire.connection.unsent) == 0


# --- 10, 11, 12: what the loop proves, and the pins -------------------------------------------


class Stall(VirtualPoller):
    """Comes back late from some waits, by how much the script says; everything else is on time."""

    def __init__(self, late_ms: list[int]) -> None:
        super().__init__()
        self._late_ms = iter(late_ms)

    def wait(self, until_ms: int, *others: Any) -> Any:
        found = super().wait(until_ms, *others)
        if self._now_ms > 1_000:
            self._now_ms += next(self._late_ms, 0)
        return found


class Proofs:
    """Deadman, gate, systemd, sentry and pins in one list of what happened when."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.log: list[tuple[int, str]] = []

    def _note(self, what: str) -> None:
        self.log.append((self.now_ms(), what))

    def arm(self) -> None:
        self._note("arm")

    def disarm(self) -> None:
        self._note("disarm")

    def beat(self, now_ms: int, is_moving: bool) -> None:
        self._note("edge" if is_moving else "still")

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        self._note("look")
        return None

    def apply(self, duty_pct: Levels) -> None:
        self._note("on" if any(duty_pct) else "off")

    def all_low(self) -> list[str]:
        self._note("off")
        return []

    def read(self) -> Contacts:
        self._note("read")
        return Contacts(Contact.RELEASED)


@must_reach(proofs=500)
@given(
    st.lists(st.one_of(st.just(0), st.integers(0, 90), st.sampled_from([100, 260])), max_size=60),
    TRACES,
)
@settings(max_examples=30, deadline=None)
def test_invariant_10_every_proof_of_life_follows_a_whole_tick(
    late_ms: list[int], trace: list[tuple[int, Input]]
) -> None:
    """A tick is: the sentries looked, the button was read, the session was asked."""
    poller = Stall(late_ms)
    proofs = Proofs(poller.now_ms)
    pings: list[int] = []
    systemd = Systemd({"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "2000000"})
    systemd._send = lambda message: pings.append(poller.now_ms())  # type: ignore[assignment, method-assign]
    asked: list[int] = []
    session = Session(SMALL, PROFILES)

    class Asked:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            if isinstance(event, Contacts | Wake):
                asked.append(now_ms)

    daemon = Daemon(
        session, poller, Latch(SMALL, proofs, proofs), proofs, NoLedger(),  # type: ignore[arg-type]
        lambda done: None, lambda line: None, [Asked()], [proofs, TickLate()], [proofs, systemd],  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    at_ms = 1_000
    poller.at(at_ms, lambda: daemon.step(Start("lively")))
    for gap_ms, event in trace:
        at_ms += gap_ms
        if not isinstance(event, Contacts):
            poller.at(at_ms, lambda event=event: daemon.step(event))  # type: ignore[misc]
    poller.at(at_ms + 8_000, lambda: daemon.step(Close()))
    daemon.run()

    looks = [ms for ms, what in proofs.log if what == "look"]
    reads = [ms for ms, what in proofs.log if what == "read"]
    lives = [ms for ms, what in proofs.log if what in ("arm", "edge")]
    reached("proofs", len(lives))
    for proof_ms in (*lives, *pings):
        for ticks in (looks, reads, asked):
            before = bisect_right(ticks, proof_ms)
            assert before
            assert proof_ms - ticks[before - 1] <= 100
    # And of itself: nothing is on without an arming before, and after the end nothing is.
    on_ms = [ms for ms, what in proofs.log if what == "on"]
    arms = [ms for ms, what in proofs.log if what == "arm"]
    for ms in on_ms:
        assert bisect_right(arms, ms)
    assert proofs.log[-1][1] in ("off", "disarm")
    assert all(b - a < 1_500 for a, b in pairwise(pings))  # the watchdog waits for 2 s


def test_invariant_10_a_tick_that_fails_half_way_proves_nothing() -> None:
    poller = VirtualPoller()
    proofs = Proofs(poller.now_ms)
    daemon = Daemon(
        Session(SMALL, PROFILES), poller, Latch(SMALL, proofs, proofs), proofs, NoLedger(),  # type: ignore[arg-type]
        lambda done: None, lambda line: None, (), [proofs], [proofs],  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    poller.at(1_000, lambda: daemon.step(Start("lively")))

    def breaks() -> Contacts:
        raise RuntimeError("half way")

    poller.at(1_500, lambda: setattr(proofs, "read", breaks))
    with pytest.raises(RuntimeError):
        daemon.run()

    before = {what for ms, what in proofs.log if 1_400 <= ms < 1_500}
    assert before == {"look", "read", "arm", "edge", "on"}
    assert {what for ms, what in proofs.log if ms > 1_500} == {"off", "disarm"}


@must_reach(mats=5)
@given(mats_and_profiles(), st.integers(0, 20_000), st.booleans())
@settings(max_examples=10, deadline=None, phases=[Phases.explicit, Phases.generate])
def test_invariant_11_only_the_motors_the_leds_and_the_gates_pins_are_ever_driven(
    pair: tuple[Mat, Profile], dies_at_ms: int, faulty: bool
) -> None:
    mat, profile = pair
    if mat.gate is not None and mat.gate.rail_pin in (2, 3):
        return  # these have pull-ups of their own, and gpiozero refuses them as this input
    reached("mats")
    poller = VirtualPoller()
    board = Board(mat)
    driven: set[int] = set()
    whole = board.set_line

    def set_line(pin: int, line: Line, now_ms: int) -> None:
        if line.duty_pct is not None:
            driven.add(pin)
        whole(pin, line, now_ms)

    board.set_line = set_line  # type: ignore[method-assign]
    catalogue = Catalogue((GoodEntry(profile.name, profile, compile_profile(profile, mat)),))
    daemon, _ = on_board(mat, catalogue, board, poller)
    poller.at(1_000, lambda: daemon.step(Start(profile.name)))
    if faulty:
        poller.at(1_000 + dies_at_ms // 2, lambda: daemon.step(Fault("rail", "off")))
    poller.at(1_000 + dies_at_ms, lambda: daemon.step(Close()))
    daemon.run()

    own = {motor.pin for motor in mat.motors}
    own |= {mat.led_pin} if mat.led_pin is not None else set()
    own |= {mat.gate.heartbeat_pin} if mat.gate else set()
    assert driven == own
    assert [board.line(motor.pin).duty_pct for motor in mat.motors] == [0] * len(mat.motors)


def on_board(
    mat: Mat, catalogue: Catalogue, board: Board, poller: VirtualPoller
) -> tuple[Daemon, GpioMotors]:
    """The daemon with gpiozero's own devices on simulated pins that are wired to the board."""
    factory = mock_factory(board, poller.now_ms)
    button = None
    if mat.button is not None:
        button = SimulatedButton(mat.button, factory, lambda: None)
    motors = GpioMotors(mat, factory)
    watchers = [GpioLed(mat.led_pin, factory)] if mat.led_pin is not None else []
    gate = GpioGate(mat.gate, factory) if mat.gate else None
    watchdogs: list[Watchdog] = [TickLate()]
    if gate is not None and mat.gate is not None and mat.gate.rail_pin is not None:
        watchdogs.append(Rail(gate.is_rail_on))
    daemon = Daemon(
        Session(mat, catalogue), poller, Latch(mat, motors, NoDeadman()), button, NoLedger(),
        lambda done: None, lambda line: None, watchers, watchdogs, [gate] if gate else [],  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    return daemon, motors


class DeadPin:
    """Stands for a pin of which every write fails, and counts the tries."""

    def __init__(self) -> None:
        self.tries = 0

    def __setattr__(self, name: str, value: object) -> None:
        if name == "tries":
            object.__setattr__(self, name, value)
        else:
            self.tries += 1
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("dead", range(8))
def test_invariant_12_panic_off_tries_every_pin_whichever_of_them_fail(dead: int) -> None:
    factory = mock_factory()
    motors = GpioMotors(SMALL, factory)
    latch = Latch(SMALL, motors, NoDeadman())
    latch.apply((40, 40, 40))
    names = ["motor neck on GPIO 17", "motor left on GPIO 22", "motor right on GPIO 23"]
    failing = [i for i in range(3) if dead >> i & 1]
    pins = [*motors._pins]
    dead_pins = {}
    for i in failing:
        dead_pins[i] = DeadPin()
        motors._pins[i] = dead_pins[i]
    for tries in (1, 2, 3):  # it can be repeated
        latch.trip()
        assert [pin.state for i, pin in enumerate(pins) if i not in failing] == [0] * (
            3 - len(failing)
        )
        assert [pin.frequency for i, pin in enumerate(pins) if i not in failing] == [None] * (
            3 - len(failing)
        )
        assert [pin.tries for pin in dead_pins.values()] == [3 * tries] * len(failing)
        assert (latch.fault and latch.fault.message) == (
            "; ".join(
                f"{names[i]} cannot be driven low: [Errno 5] Input/output error" for i in failing
            )
            or None
        )


# --- 13: what a death leaves ------------------------------------------------------------------

GATED = SMALL._replace(gate=Gate(26, 20))


@given(
    st.integers(0, 6_500), st.booleans(), st.booleans(), st.sampled_from(STAGE_MS), st.booleans()
)
@settings(max_examples=60, deadline=None)
@example(2_003, True, True, STAGE_MS[1], True)
@example(2_003, True, True, STAGE_MS[1], False)
def test_invariant_13_whenever_the_daemon_dies_the_motors_are_dark_in_time(
    lives_ms: int, persist: bool, freeze_high: bool, stage_ms: int, has_gate: bool
) -> None:
    """With the gate by itself; without it, where lines persist, by what the unit runs after."""
    mat = GATED if has_gate else SMALL
    poller = VirtualPoller()
    board = Board(mat, stage_ms=stage_ms)
    daemon, _ = on_board(mat, PROFILES, board, poller)
    dead_ms = 1_000 + lives_ms
    poller.at(1_000, lambda: daemon.step(Start("lively")))

    class Dies(BaseException):
        pass

    def die() -> None:
        board.kill(dead_ms, persist, freeze_high)
        board.set_line = lambda *_: None  # type: ignore[assignment, method-assign]
        raise Dies

    poller.at(dead_ms, die)
    with pytest.raises(Dies):
        daemon.run()

    off_ms = dead_ms + 500
    if persist and not has_gate:
        # ExecStopPost= drives every motor pin low, 0.5 s after a death at the latest.
        del board.set_line
        for motor in mat.motors:
            board.set_line(motor.pin, Line(0), off_ms)
    by_ms = dead_ms if not persist else dead_ms + 400 if has_gate else off_ms
    dark = [
        board.power_at(motor, at) for at in (by_ms, off_ms, off_ms + 60_000) for motor in mat.motors
    ]
    assert dark == [0] * 9
