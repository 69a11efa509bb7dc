"""The invariants of the safety concept over random traces of everything that can happen."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.button import Contact
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.limits import PAUSES_MS, RESTART_MS, SIGNAL_LEVEL_PCT
from firmware_ctl.profile import Level, Phase, Play, Profile
from firmware_ctl.session import (
    TRY,
    Clear,
    Contacts,
    Fault,
    Input,
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
from firmware_ctl.shaping import Levels, duty_table
from firmware_ctl.timeline import compile_profile
from tests.worlds import BAD, CALM, LIMITS, MAT, QUICK, SILENCE, STEPS, World, entry, steady

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
TRACES = st.lists(st.tuples(GAPS_MS, INPUTS), max_size=25)
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
        before, started, was_ms = session.state, session.started, self.now_ms
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
            if before in (State.RUNNING, State.PAUSED) and started == session.started:
                assert session.state in (State.IDLE, State.FAULT)
        if session.started != started:
            assert session.started == started + 1
            assert isinstance(event, Start | Try) or self.press_since_stop
            assert at_ms - self.stopped_at_ms >= RESTART_MS
            assert before is State.IDLE
            self.may_run = True
            self.ran_ms = 0
        if session.state is State.RUNNING and (before, started) != (State.RUNNING, session.started):
            self.soft_since_ms = at_ms
            assert not any(step.level_pct)
        self._look(at_ms, step)
        return step

    def _look(self, at_ms: int, step: Step) -> None:
        session = self.session
        levels, signal = step.level_pct, session.signal(at_ms)
        for motor, (duty, level) in enumerate(zip(step.duty_pct, levels, strict=True)):
            may_wait_for_its_turn = duty == 0 < level
            assert may_wait_for_its_turn or motor in step.kicks or duty == TABLES[motor][level]
        assert max(step.duty_pct) <= SMALL.limits.duty_pct
        assert all(level <= cap for level, cap in zip(levels, CAPS, strict=True))
        if session.state is State.RUNNING:
            assert self.may_run
            assert max(levels) * 1_000 <= (at_ms - self.soft_since_ms) * LIMITS.rise_pct_s
            assert self.ran_ms <= 12_000  # the longest of the profiles that fit into the day
            assert self.ran_today_ms <= DAILY_MS
        elif session.state is State.IDLE and signal:
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


@given(TRACES)
@settings(max_examples=250, deadline=None)
@example([(0, Contacts(Contact.PRESSED)), (100, Stop()), (10, Contacts(Contact.RELEASED))])
@example([(0, Start("lively")), (500, Pause()), (500, Trim(10)), (7, Resume()), (3, Trim(100))])
def test_no_trace_breaks_an_invariant_and_all_of_them_end_at_zero(
    trace: list[tuple[int, Input]],
) -> None:
    world = play(trace)

    assert world.session.state in (State.IDLE, State.FAULT)
    assert world.steps[-1][1].duty_pct == SILENCE


@given(TRACES, TRACES, st.booleans())
@settings(max_examples=100, deadline=None)
def test_after_a_stop_or_a_fault_nothing_moves_without_a_new_start(
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
    for gap_ms, event in quiet:
        at_ms += gap_ms
        cut.at(at_ms, event)
    cut.at(at_ms + 13_000)

    assert {step.duty_pct for _, step in cut.steps[first:]} == {SILENCE}


@given(st.lists(st.tuples(GAPS_MS, st.integers(10, 100)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_level_is_above_its_undisturbed_one_or_the_trims_share(
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

    assert LIVELY.timeline is not None
    segments = LIVELY.timeline.segments
    for at_ms, step in (pair for pair in world.steps if 1_000 <= pair[0] < 6_000):
        trim_pct = next(pct for since_ms, pct in reversed(changes) if since_ms <= at_ms)
        if (at_ms, trim_pct) in changes[1:]:
            continue  # a trim counts from the next tick
        t_ms = at_ms - 1_000
        segment = next(s for s in segments if t_ms < s.end_ms)
        for motor, level in enumerate(step.level_pct):
            voice = segment.voices[segment.voice_of[motor]]
            asked, _ = voice.at(t_ms - segment.begin_ms, {})
            assert level <= max(asked * trim_pct // 100, min(asked, 1))


@given(TRACES)
@settings(max_examples=60, deadline=None)
def test_starts_repeated_change_nothing(trace: list[tuple[int, Input]]) -> None:
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
