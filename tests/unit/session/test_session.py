"""The session: the contract's state table, and the limits that no input can move."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.mat import Gate
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.errors import CallerError
from firmware_ctl.protocol import commands
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    TRY,
    Clear,
    ClockSynchronised,
    Close,
    Contacts,
    Fault,
    FaultCleared,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    Pause,
    RailOff,
    Ready,
    Reload,
    Resume,
    Select,
    Start,
    State,
    Stop,
    Suspended,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.session.session import TABLE, Session
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.motor_drive import duty_table
from tests.support.worlds import (
    BACK,
    CALM,
    CATALOGUE,
    LIMITS,
    MAT,
    MINUTE_MS,
    NECK,
    QUICK,
    SILENCE,
    STEPS,
    World,
    entry,
    steady,
    world_in,
)

TRIAL = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)

INPUTS: dict[str, Input] = {
    "wake": Wake(),
    "start": Start(),
    "start the same": Start("calm"),
    "start another": Start("quick"),
    "start unknown": Start("nobody"),
    "start a bad one": Start("bad"),
    "try": Try(TRIAL),
    "stop": Stop(),
    "pause": Pause(),
    "resume": Resume(),
    "select": Select("quick"),
    "select unknown": Select("nobody"),
    "select a bad one": Select("bad"),
    "trim": Trim(50),
    "reload": Reload(Catalogue((QUICK,))),
    "clear": Clear(),
    "fault": Fault("internal", "a mistake"),
    "gone": FaultCleared("rail"),
    "rail off": RailOff(),
    "kept": LedgerSaved(99_999),
    "unkept": LedgerSaveFailed(99_999, "the disk is full"),
    "slept": Suspended(5_000),
    "away": ClockSynchronised(5_000),
    "ready": Ready(),
    "close": Close(),
}

VARIANTS = """
                  idle                    running          paused           fault
start the same  | ok running            | ok running     | busy paused    | fault fault
start another   | ok running            | busy running   | busy paused    | fault fault
start unknown   | unknown-profile idle  | busy running   | busy paused    | fault fault
start a bad one | invalid-profile idle  | busy running   | busy paused    | fault fault
select unknown  | unknown-profile idle  | unknown-profile running | unknown-profile paused | unknown-profile fault
select a bad one| invalid-profile idle  | invalid-profile running | invalid-profile paused | invalid-profile fault
"""
"""Where an input's arguments matter: ok or the error's code, and the state afterwards."""


def _cells(kind: type[object]) -> list[str]:
    """What the session's own table says of an input, in the form of `VARIANTS`."""
    return [
        f"ok {outcome.value}" if isinstance(outcome, State) else f"{outcome} {state.value}"
        for state, outcome in zip(State, TABLE[kind], strict=True)
    ]


ROWS = {
    name.strip(): [cell.strip() for cell in cells.split("|")]
    for name, _, cells in (row.partition("|") for row in VARIANTS.splitlines()[2:])
}
ROWS |= {name: _cells(type(event)) for name, event in INPUTS.items() if name not in ROWS}
PAIRS = [
    (name, state, cell)
    for name, cells in ROWS.items()
    for state, cell in zip(State, cells, strict=True)
]


@pytest.mark.parametrize(("name", "state", "cell"), PAIRS)
def test_every_input_in_every_state(name: str, state: State, cell: str) -> None:
    world = world_in(state)
    left_ms = world.session.status.clock.left_ms(10_000)

    step = world.at(10_000, INPUTS[name])

    refusal = step.refusal
    code = refusal.code if refusal else "ok"
    assert f"{code} {world.session.state.value}" == cell
    if world.session.state is not State.RUNNING:
        assert (step.level_pct, step.duty_pct) == (SILENCE, SILENCE)
    if state is State.RUNNING and world.session.state is state:
        assert step.level_pct == (40, 40, 40)  # `trim` too: it counts from the next tick
        assert world.session.status.clock.left_ms(10_000) == left_ms
    if state is State.IDLE and world.session.state is State.RUNNING:
        assert step.level_pct == SILENCE  # softly, from 0


def test_the_table_names_every_input() -> None:
    assert set(ROWS) == set(INPUTS)
    assert {type(event) for event in INPUTS.values()} == set(Input.__args__) - {Contacts}
    assert set(TABLE) == set(Input.__args__)


def test_the_table_says_what_the_contract_says() -> None:
    """The session refuses by its table, so that a test by the table alone proves no refusal."""
    assert {
        (kind, state): outcome
        for kind, outcomes in TABLE.items()
        for state, outcome in zip(State, outcomes, strict=True)
        if outcome is not state
    } == {
        (Start, State.IDLE): State.RUNNING,
        (Start, State.PAUSED): "busy",
        (Start, State.FAULT): "fault",
        (Try, State.IDLE): State.RUNNING,
        (Try, State.RUNNING): "busy",
        (Try, State.PAUSED): "busy",
        (Try, State.FAULT): "fault",
        (Stop, State.RUNNING): State.IDLE,
        (Stop, State.PAUSED): State.IDLE,
        (Pause, State.IDLE): "not-running",
        (Pause, State.RUNNING): State.PAUSED,
        (Pause, State.FAULT): "fault",
        (Resume, State.IDLE): "not-running",
        (Resume, State.PAUSED): State.RUNNING,
        (Resume, State.FAULT): "fault",
        (Clear, State.FAULT): State.IDLE,
        (Fault, State.IDLE): State.FAULT,
        (Fault, State.RUNNING): State.FAULT,
        (Fault, State.PAUSED): State.FAULT,
        (Suspended, State.RUNNING): State.FAULT,
        (Suspended, State.PAUSED): State.FAULT,
        (Close, State.RUNNING): State.IDLE,
        (Close, State.PAUSED): State.IDLE,
    }


# --- what is told, as whole lists -------------------------------------------------------------


def test_a_session_tells_what_it_does_and_ends_by_itself_at_zero() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    world.at(20_000)

    assert world.notices() == [
        (1_000, "state", {"state": "running", "profile": "steps"}),
        (1_000, "phase", {"phase": "one"}),
        (5_000, "cue", {"cue": "KI3"}),
        (5_000, "phase", {"phase": "hand"}),
        (6_000, "signal", {"signal": "cue-begin"}),
        (6_600, "signal", {"signal": ""}),
        (10_000, "signal", {"signal": "cue-end"}),
        (11_000, "cue", {"cue": ""}),
        (11_000, "phase", {"phase": "two"}),
        (11_000, "signal", {"signal": ""}),
        (13_000, "state", {"state": "idle", "profile": "steps"}),
    ]
    assert world.levels()[-1] == (13_000, SILENCE)
    assert world.session.selected is CATALOGUE.entries[3]


def test_signals_of_a_session_are_gaps_and_never_add() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    world.at(20_000)

    assert world.levels(5_801) == [
        (6_000, (0, 0, 0)),
        (6_200, (0, 40, 40)),
        (6_400, (0, 0, 0)),
        (6_600, (0, 40, 40)),
        (10_000, (0, 0, 0)),
        (10_200, (0, 40, 40)),
        (10_400, (0, 0, 0)),
        (10_600, (0, 40, 40)),
        (10_800, (0, 0, 0)),
        (11_000, (0, 10, 10)),
        *((11_000 + 20 * i, (i, 10, 10)) for i in range(1, 11)),
        (13_000, (0, 0, 0)),
    ]


def test_five_minutes_left_is_told_by_five_gaps() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(1_000 + 5 * MINUTE_MS + 2_000)

    begin_ms = 1_000 + 5 * MINUTE_MS
    gaps = [
        change
        for i in range(5)
        for change in (
            (begin_ms + 400 * i, SILENCE),
            (begin_ms + 400 * i + 200, (40, 40, 40)),
        )
    ]
    assert world.levels(begin_ms) == gaps
    assert world.notices(begin_ms) == [
        (begin_ms, "signal", {"signal": "five-minutes-left"}),
        (begin_ms + 1_800, "signal", {"signal": ""}),
    ]


def test_a_start_is_soft_and_its_duties_are_the_tables() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000)

    assert world.levels() == [(1_000 + 20 * i, (0, i, i)) for i in range(1, 41)]
    table = duty_table(MAT.motors[1], MAT)
    assert (table[0], table[1], table[100]) == (0, 20, 80)
    right_begins_ms = 1_070  # motors start one after another
    assert [(at_ms, step.duty_pct) for at_ms, step in world.steps] == [
        (at_ms, (0, table[level], table[level] if at_ms >= right_begins_ms else 0))
        for at_ms, (_, level, _) in ((at_ms, step.level_pct) for at_ms, step in world.steps)
    ]


def test_select_trim_fault_and_clear_are_told() -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Trim(70))
    world.at(3_000, Start())
    world.at(4_000, Fault("rail", "the rail is off"))
    world.at(5_000, Fault("internal", "a later one does not hide the first"))
    world.at(6_000, Clear())

    assert world.notices() == [
        (1_000, "state", {"profile": "quick"}),
        (2_000, "state", {"trim": "70"}),
        (3_000, "state", {"state": "running", "profile": "quick"}),
        (3_000, "phase", {"phase": "only"}),
        (4_000, "state", {"state": "idle", "profile": "quick"}),
        (4_000, "fault", {"state": "fault", "fault": "rail"}),
        (6_000, "state", {"state": "idle", "profile": "quick", "fault": ""}),
    ]


def test_select_while_running_is_for_the_next_start_and_tells_nothing() -> None:
    world = world_in(State.RUNNING)
    world.at(10_000, Select("quick"))

    assert world.notices(10_000) == []
    assert world.session.status.profile == "calm"
    world.at(11_000, Stop())
    world.at(12_000, Start())
    assert world.session.status.profile == "quick"


def test_a_refusal_says_what_to_do() -> None:
    world = world_in(State.FAULT)

    assert [
        str(world.at(10_000, event).refusal) for event in (Start(), Pause(), Select("bad"))
    ] == [
        "rail: the rail is off; then clear",
        "rail: the rail is off; then clear",
        "bad.yaml:3:7: level: 140% is above the most, 100%",
    ]


# --- stops and starts -------------------------------------------------------------------------


@pytest.mark.parametrize(("after_ms", "code"), [(0, "busy"), (99, "busy"), (100, "ok")])
@pytest.mark.parametrize("stopped", [State.IDLE, State.RUNNING, State.PAUSED])
def test_a_start_within_100_ms_after_a_stop_is_refused(
    stopped: State, after_ms: int, code: str
) -> None:
    for start in (Start(), Try(TRIAL)):
        world = world_in(stopped)
        world.at(10_000, Stop())

        refusal = world.at(10_000 + after_ms, start).refusal

        assert (refusal.code if refusal else "ok") == code


def test_nothing_extends_a_session() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    for at_ms in range(1_010, 4_990, 10):
        world.at(at_ms, Start("quick" if at_ms % 20 else None))
        world.at(at_ms, Trim(100 if at_ms % 20 else 90))
        world.at(at_ms, Resume())
        world.at(at_ms, Select("calm"))
        world.at(at_ms, Select("quick"))
    world.at(6_000)

    assert world.session.status.started == 1
    assert world.levels()[-1] == (5_000, SILENCE)
    assert world.notices()[-1] == (5_000, "state", {"state": "idle", "profile": "quick"})


def test_a_late_wake_shifts_nothing_that_follows() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    steps = [world.session.handle(Wake(), at_ms) for at_ms in (1_333, 4_999, 5_000)]

    assert [step.level_pct for step in steps] == [(0, 16, 16), (0, 40, 40), SILENCE]
    assert steps[0].wake_at_ms == 1_340


def test_start_while_a_try_plays_is_refused() -> None:
    world = World()
    world.at(1_000, Try(TRIAL))

    assert [world.at(2_000, event).refusal is None for event in (Start(), Start("calm"))] == [
        False,
        False,
    ]
    world.at(12_000)
    assert world.levels()[-1] == (11_000, SILENCE)
    assert world.session.selected is CALM


def test_a_button_that_is_not_released_refuses_every_start() -> None:
    for contact in (Contact.PRESSED, Contact.NEITHER, Contact.BOTH):
        world = World()
        world.contact(1_000, contact)
        codes = [world.at(1_100, start).refusal for start in (Start(), Try(TRIAL))]

        assert [code and code.code for code in codes] == ["not-ready", "not-ready"]


def test_a_mat_without_a_button_starts_by_command() -> None:
    world = World(mat=MAT._replace(button=None))

    assert world.at(200, Start()).refusal is None
    assert world.at(1_200).level_pct == (40, 40, 40)


def test_no_profile_at_all_refuses_a_start_and_a_fault_comes_first() -> None:
    world = World(Catalogue())
    empty = world.at(1_000, Start()).refusal
    world.at(1_000, Fault("rail", "the rail is off"))
    fault = world.at(2_000, Start()).refusal

    assert [error and error.code for error in (empty, fault)] == ["unknown-profile", "fault"]
    assert (world.session.status.profile, world.session.status.cert) == ("", "")


def test_after_a_close_nothing_moves_whatever_comes() -> None:
    world = World()
    world.contact(1_000, Contact.PRESSED)
    world.contact(1_100, Contact.RELEASED)
    world.at(1_110, Close())
    for at_ms in range(1_120, 3_000, 10):
        for event in (Start(), Try(TRIAL), Resume(), Wake()):
            assert world.at(at_ms, event).duty_pct == SILENCE
    assert world.session.status.started == 0


# --- pauses -----------------------------------------------------------------------------------


def test_a_pause_is_off_and_a_resume_begins_softly_where_it_was() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(3_000, Pause())
    world.at(60_000, Resume())
    world.at(60_100)

    assert world.levels(3_000) == [
        (3_000, SILENCE),
        *((60_000 + 20 * i, (0, i, i)) for i in range(1, 5)),
        (60_100, (0, 5, 5)),
    ]
    assert world.session.status.clock.left_ms(60_000) == 2_000
    world.at(70_000)
    assert world.levels()[-1] == (62_000, SILENCE)


def test_pauses_together_end_a_session_after_five_minutes() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(2_000, Pause())
    world.at(2_000 + 4 * MINUTE_MS, Resume())
    world.at(3_000 + 4 * MINUTE_MS, Pause())
    world.at(20 * MINUTE_MS)

    ended_at_ms = 3_000 + 5 * MINUTE_MS
    assert world.notices(ended_at_ms - 1) == [
        (ended_at_ms, "state", {"state": "idle", "profile": "calm"})
    ]
    assert world.session.used_ms(world.now_ms) == 2_000


def test_a_second_pause_does_not_begin_the_five_minutes_anew() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    for at_ms in range(2_000, 6 * MINUTE_MS, 10_000):
        world.at(at_ms, Pause())

    assert world.notices()[-1] == (
        2_000 + 5 * MINUTE_MS,
        "state",
        {"state": "idle", "profile": "calm"},
    )


# --- trim -------------------------------------------------------------------------------------


def test_trim_falls_at_once_and_climbs_at_the_rise() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000, Trim(50))
    world.at(2_000)
    world.at(2_500, Trim(100))
    world.at(3_000)

    assert world.levels(2_000) == [
        (2_000, (0, 20, 20)),
        *((2_500 + 20 * i, (0, 20 + i, 20 + i)) for i in range(1, 21)),
    ]


def test_a_trim_holds_from_session_to_session() -> None:
    world = World()
    world.at(500, Trim(25))
    world.at(1_000, Start("quick"))
    world.at(2_000)

    assert world.session.trim_pct == 25
    assert world.levels() == [(1_000 + 20 * i, (0, i, i)) for i in range(1, 11)]


def test_a_trim_while_paused_moves_nothing_and_counts_after_it() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(3_000, Pause())
    assert world.at(4_000, Trim(10)).level_pct == SILENCE
    world.at(5_000, Resume())
    world.at(6_000)

    assert world.levels(3_000) == [(3_000, SILENCE)] + [
        (5_000 + 20 * i, (0, i, i)) for i in range(1, 5)
    ]


# --- speed and allowance ----------------------------------------------------------------------


def test_speed_makes_phases_pauses_and_allowance_faster_but_not_the_restart_lock() -> None:
    world = World(speed=10)
    world.at(1_000, Start("calm"))
    assert world.session.status.clock.left_ms(2_000) == 10 * MINUTE_MS - 10_000
    world.at(2_000, Pause())
    states = []
    for at_ms in (2_000 + 29_999, 2_000 + 30_000):
        world.at(at_ms)
        states.append(world.session.state)
    assert states == [State.PAUSED, State.IDLE]
    world.at(40_000, Start("quick"))
    world.at(41_000)
    assert world.levels()[-1] == (40_400, SILENCE)
    assert world.session.used_ms(41_000) == 14_000
    world.at(42_000, Stop())
    refusal = world.at(42_099, Start()).refusal
    assert refusal is not None
    assert refusal.code == "busy"


def test_a_session_starts_only_if_all_of_it_fits_and_the_wait_is_exact() -> None:
    world = World(mat=MAT._replace(limits=LIMITS._replace(daily_ms=12 * MINUTE_MS)))
    world.at(1_000, Start("calm"))
    world.at(1_000 + 10 * MINUTE_MS)
    refusal = world.at(20 * MINUTE_MS, Start("calm")).refusal
    assert refusal is not None
    assert refusal.code == "allowance"
    wait_s = int(str(refusal).split()[0])
    assert str(refusal).startswith("85201 the session takes 600 s and 120 s of today's 720 s")
    assert world.session.used_ms(world.now_ms) == 10 * MINUTE_MS

    again = world.at(20 * MINUTE_MS + (wait_s - 1) * 1_000, Start("calm")).refusal
    assert again is not None
    assert again.code == "allowance"
    assert world.at(20 * MINUTE_MS + wait_s * 1_000, Start("calm")).refusal is None


def test_a_stop_gives_back_what_was_not_played() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    assert world.session.used_ms(1_000) == 0
    world.at(31_000, Pause())
    world.at(61_000, Stop())

    assert world.session.used_ms(61_000) == 30_000


def test_a_session_over_the_end_of_the_day_leaves_no_more_than_a_day() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    day_ms = 24 * 3_600_000
    world.at(day_ms - 9_000, Start("calm"))

    used = [world.session.used_ms(day_ms + after_ms) for after_ms in (999, 1_000, 60_000)]
    assert used == [4_000 + 9_999, 0, 0]


# --- signals while idle -----------------------------------------------------------------------


def hold(world: World, at_ms: int) -> None:
    """Held for a second, through both sides of a change-over contact that bounces."""
    for after_ms, contact in (
        (0, Contact.NEITHER),
        (4, Contact.PRESSED),
        (1_000, Contact.NEITHER),
        (1_002, Contact.PRESSED),
        (1_003, Contact.NEITHER),
        (1_005, Contact.RELEASED),
        (1_006, Contact.NEITHER),
        (1_007, Contact.RELEASED),
    ):
        world.contact(at_ms + after_ms, contact)


def test_a_hold_selects_the_next_profile_and_signals_its_number() -> None:
    world = World()
    hold(world, 2_000)
    world.at(5_000)

    assert world.notices() == [
        (2_804, "state", {"profile": "quick"}),
        (2_804, "signal", {"signal": "profile-2"}),
        (3_604, "signal", {"signal": ""}),
    ]
    assert world.levels() == [
        (2_804, (0, 30, 30)),
        (3_004, SILENCE),
        (3_204, (0, 30, 30)),
        (3_404, SILENCE),
    ]


def test_holds_go_round_the_good_profiles() -> None:
    world = World()
    for i in range(4):
        hold(world, 2_000 + 5_000 * i)

    profiles = [fields["profile"] for _, kind, fields in world.notices() if kind == "state"]
    assert profiles == ["quick", "steps", "calm", "quick"]


def test_a_refused_press_is_felt_in_one_zone_only() -> None:
    world = World(mat=MAT._replace(limits=LIMITS._replace(daily_ms=MINUTE_MS)))
    world.press(2_000)
    world.at(5_000)

    (at_ms, kind, fields), *signals = world.notices()
    assert (at_ms, kind, fields["code"]) == (2_130, "refused", "allowance")
    assert signals == [
        (2_130, "signal", {"signal": "refused"}),
        (3_330, "signal", {"signal": ""}),
    ]
    assert world.levels() == [(2_130, (0, 30, 30)), (3_130, SILENCE)]


def test_a_signal_keeps_to_the_zones_cap() -> None:
    mat = MAT._replace(zones=(NECK._replace(cap_pct=12), BACK._replace(present=False)))
    profile = entry("only", Phase("only", 1_000, 1, (steady("neck", 10),)), mat=mat)
    world = World(Catalogue((profile,)), mat)
    hold(world, 2_000)
    world.at(5_000)

    assert world.levels() == [(2_804, (12, 0, 0)), (3_004, SILENCE)]


@pytest.mark.parametrize(
    "event",
    [Stop(), Start(), Try(TRIAL), Fault("rail", "off"), Suspended(9_000), Close()],
    ids=lambda e: type(e).__name__,
)
def test_every_stop_and_every_start_ends_a_signal(event: Input) -> None:
    world = World()
    hold(world, 2_000)
    world.at(3_300)
    assert world.session.status.haptic == "profile-2"
    step = world.at(3_300, event)

    told = [dict(notice.fields) for notice in step.notices if notice.kind == "signal"]
    assert (told, world.session.status.haptic) == ([{"signal": ""}], "")
    assert (step.level_pct, step.duty_pct) == (SILENCE, SILENCE)


def test_a_press_ends_a_signal_and_starts_nothing() -> None:
    world = World()
    hold(world, 2_000)
    world.contact(3_300, Contact.PRESSED)
    world.contact(3_400, Contact.RELEASED)
    world.at(9_000)

    assert world.levels(3_300) == [(3_300, SILENCE)]
    assert world.session.status.started == 0


def test_signals_of_an_hour_are_sixty_seconds_at_most() -> None:
    world = World()
    for i in range(100):
        hold(world, 2_000 + 5_000 * i)
        world.at(2_000 + 5_000 * i + 4_900)
    names = [fields["signal"] for _, kind, fields in world.notices() if kind == "signal"]
    felt_ms = sum(400 * int(name.removeprefix("profile-")) for name in names if name)

    assert 60_000 - 1_200 < felt_ms <= 60_000
    assert world.session.used_ms(world.now_ms) == 0
    assert not any(step.save for _, step in world.steps)
    before = len(names)
    hold(world, 3_600_000)
    world.at(3_602_000)
    assert len([kind for _, kind, _ in world.notices() if kind == "signal"]) == before
    hold(world, 3_604_000)
    world.at(3_612_000)
    assert len([kind for _, kind, _ in world.notices() if kind == "signal"]) == before + 2


@pytest.mark.parametrize("count", [1, 12, 13, 100])
def test_no_number_is_longer_than_five_seconds(count: int) -> None:
    entries = tuple(QUICK._replace(name=f"p{i:03}") for i in range(count))
    world = World(Catalogue(entries))
    world.at(1_000, Select(entries[-2 if count > 1 else -1].name))
    hold(world, 2_000)
    world.at(9_000)

    last_ms = world.levels()[-1]
    assert last_ms == (2_804 + min(count, 12) * 400 - 200, SILENCE)
    assert max(level for _, levels in world.levels() for level in levels) == 30


# --- faults -----------------------------------------------------------------------------------


def test_a_broken_wire_is_a_fault_that_clears_only_once_it_is_whole() -> None:
    world = World()
    world.at(1_000, Start())
    world.contact(2_000, Contact.NEITHER)
    world.at(2_600)
    refusal = world.at(3_000, Clear()).refusal
    world.contact(4_000, Contact.RELEASED)
    world.at(4_030)
    again = world.at(4_030, Clear()).refusal

    assert world.levels(2_000) == [(2_000, SILENCE)]
    assert world.notices(2_000) == [
        (2_000, "state", {"state": "idle", "profile": "calm"}),
        (2_500, "fault", {"state": "fault", "fault": "button"}),
        (4_030, "state", {"state": "idle", "profile": "calm", "fault": ""}),
    ]
    assert (refusal and refusal.code, again) == ("fault", None)


def test_in_a_fault_a_hold_of_three_seconds_clears_and_starts_nothing() -> None:
    world = world_in(State.FAULT)
    world.press(11_000, 500)
    world.press(13_000, 1_000)
    assert world.session.state is State.FAULT
    world.press(16_000, 3_500)
    world.at(30_000)

    assert world.notices(10_000) == [
        (19_000, "state", {"state": "idle", "profile": "calm", "fault": ""})
    ]
    assert world.levels() == []


def test_a_suspend_ends_a_start_that_waits_for_the_disk() -> None:
    """Else it would begin when the machine wakes, hours after it was asked for."""
    world = World()
    world.disk_is_sound = False
    save = world.at(1_000, Start()).save
    assert save is not None
    world.at(1_010, Suspended(3_600_000))
    world.at(1_020, LedgerSaved(save.number))

    assert (world.session.status.started, world.session.state) == (0, State.FAULT)
    assert world.session.fault == Fault("suspend", "the machine was suspended for 3600 s")


def test_a_suspend_while_idle_is_no_fault_but_time_that_passed() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(9_000, Suspended(24 * 3_600_000))
    assert world.session.state is State.IDLE
    assert world.session.used_ms(9_000) == 0


# --- the disk ---------------------------------------------------------------------------------


def waiting(world: World, at_ms: int, start: Input) -> int:
    """A start that was accepted and waits; the number of what is to be kept."""
    world.disk_is_sound = False
    step = world.at(at_ms, start)
    assert (step.refusal, world.session.status.is_starting) == (None, True)
    assert world.session.state is State.IDLE
    assert step.save is not None
    return step.save.number


def told(world: World) -> tuple[str, str]:
    error = world.session.not_started
    return (error.code, str(error)) if error else ("", "")


def test_a_start_begins_when_its_first_slice_is_on_the_disk_and_not_before() -> None:
    world = World()
    number = waiting(world, 1_000, Start())
    for early in (LedgerSaved(number - 1), LedgerSaveFailed(number - 1, "full"), Wake()):
        assert world.at(1_500, early).duty_pct == SILENCE
        assert world.session.status.is_starting
    assert world.session.used_ms(1_500) == 0
    step = world.at(2_999, LedgerSaved(number))

    assert (world.session.state, world.session.status.is_starting) == (State.RUNNING, False)
    assert told(world) == ("", "")
    assert step.level_pct == SILENCE
    assert world.at(3_500).level_pct[1] == 25


def test_a_disk_that_takes_longer_than_two_seconds_gets_no_session() -> None:
    world = World()
    number = waiting(world, 1_000, Start())
    assert world.steps[-1][1].wake_at_ms == 3_000
    world.at(2_999)
    assert world.session.status.is_starting
    step = world.at(3_000)
    late = world.at(3_001, LedgerSaved(number))

    sentence = "the disk does not take the record of today's running time; see whether it is full or failing"
    assert told(world) == ("not-ready", sentence)
    assert step.save is not None
    assert step.save.spent.used_ms == 0  # what was taken is given back
    assert (world.session.status.started, late.duty_pct, world.notices()) == (0, SILENCE, [])


def test_an_account_that_cannot_be_written_is_why_the_start_came_to_nothing() -> None:
    world = World()
    number = waiting(world, 1_000, Start())
    step = world.at(1_010, LedgerSaveFailed(number, "the disk is full"))

    assert told(world) == ("not-ready", "the disk is full; no session can start")
    assert step.save is not None
    assert world.session.used_ms(1_010) == step.save.spent.used_ms == 0
    world.disk_is_sound = True
    world.at(1_020, Start())
    assert (told(world), world.session.state) == (("", ""), State.RUNNING)


def test_a_press_that_waits_for_the_disk_is_answered_by_a_signal_when_it_fails() -> None:
    world = World()
    world.disk_is_sound = False
    world.press(1_000)
    save = world.steps[-1][1].save
    assert save is not None
    world.at(1_200, LedgerSaveFailed(save.number, "the disk is full"))
    world.at(5_000)

    message = "the disk is full; no session can start"
    assert world.notices() == [
        (1_200, "refused", {"code": "not-ready", "message": message}),
        (1_200, "signal", {"signal": "refused"}),
        (2_400, "signal", {"signal": ""}),
    ]


def test_what_stops_ends_a_start_that_waits_and_locks_the_button() -> None:
    for stop in (Stop(), Contacts(Contact.PRESSED), Fault("rail", "off"), Close()):
        world = World()
        number = waiting(world, 1_000, Start())
        world.at(1_010, stop)
        world.at(1_020, LedgerSaved(number))

        assert (world.session.status.started, world.session.status.is_starting) == (0, False)
        assert told(world) == ("busy", "a stop came before it began; start again")
        world.disk_is_sound = True
        if stop == Stop():
            world.press(2_000)
            assert world.session.status.started == 0  # 1.5 s are not over
            world.press(5_000)
            assert world.session.status.started == 1


def test_a_second_start_while_one_waits_is_refused() -> None:
    world = World()
    waiting(world, 1_000, Start("quick"))
    refusals = [world.at(1_100, start).refusal for start in (Start("quick"), Start(), Try(TRIAL))]
    assert [(error.code, str(error)) for error in refusals if error] == [
        ("busy", "quick is about to start")
    ] * 3


def test_slices_are_asked_for_in_time_and_each_is_a_minute_ahead() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(1_000 + 10 * MINUTE_MS)
    kept = [(at_ms - 1_000, step.save.spent.used_ms) for at_ms, step in world.steps if step.save]

    assert kept[:4] == [(0, 60_000), (30_000, 90_000), (60_000, 120_000), (90_000, 150_000)]
    assert kept[-2:] == [(540_000, 600_000), (600_000, 600_000)]
    assert len(kept) == 20


def test_a_session_ends_where_the_disk_took_no_more() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(1_000 + 59_999)
    assert world.session.state is State.RUNNING
    world.at(1_000 + 60_000)
    ended = world.notices(60_000)

    message = "the disk does not take the record of today's running time; see whether it is full or failing"
    assert ended == [
        (61_000, "refused", {"code": "not-ready", "message": message}),
        (61_000, "state", {"state": "idle", "profile": "calm"}),
    ]
    assert world.steps[-1][1].duty_pct == SILENCE
    assert world.session.used_ms(61_000) == 60_000


def test_a_slice_that_comes_late_is_still_in_time() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(40_000)
    keep = next(step.save for _, step in reversed(world.steps) if step.save)
    world.at(60_995, LedgerSaved(keep.number - 1))
    world.at(60_999, LedgerSaved(keep.number))
    world.at(70_000)
    assert world.session.state is State.RUNNING
    world.at(1_000 + 90_000)
    assert world.session.state is State.IDLE


def test_nothing_plays_beyond_the_disk_while_an_ask_is_tried_again() -> None:
    """The last ask before the end of the slice would be due only after it."""
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    for at_ms in range(31_100, 61_000, 5_100):
        world.at(at_ms - 1)
        save = next(step.save for _, step in reversed(world.steps) if step.save)
        world.at(at_ms, LedgerSaveFailed(save.number, "the disk is full"))
    asked = [at_ms for at_ms, step in world.steps if step.save]
    assert asked == [1_000, 31_000, 36_100, 41_200, 46_300, 51_400, 56_500]
    assert any(world.at(60_999).duty_pct)
    ended = world.at(61_000)
    assert (ended.duty_pct, world.session.state) == (SILENCE, State.IDLE)
    assert world.session.used_ms(61_000) == 60_000


def test_a_slice_that_comes_when_the_next_is_due_has_that_asked_for_at_once() -> None:
    world = World(speed=100)
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(1_301)
    keep = next(step.save for _, step in reversed(world.steps) if step.save)
    world.at(1_700, LedgerSaved(keep.number))
    world.at(1_701)

    kept = [(at_ms, step.save.spent.used_ms) for at_ms, step in world.steps if step.save]
    assert kept == [(1_000, 80_000), (1_300, 110_000), (1_700, 150_000)]


@pytest.mark.parametrize("start", [Start(), Try(TRIAL)])
def test_a_machine_that_is_barred_starts_nothing_and_says_why(start: Input) -> None:
    session = Session(MAT, CATALOGUE, start_inhibited_because="the dead-man is not proven")
    session.handle(Ready(), 0)
    session.handle(Contacts(Contact.RELEASED), 0)
    refusal = session.handle(start, 100).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == ("not-ready", "the dead-man is not proven")
    assert not session.status.is_starting


def test_a_fault_that_lasts_clears_when_its_cause_is_gone() -> None:
    world = World()
    world.at(1_000, Fault("rail", "the rail is on", is_persistent=True))
    world.at(1_001, Fault("pin-write", "motor left", is_persistent=True))
    refusals = []
    for gone in (Wake(), FaultCleared("button"), FaultCleared("rail"), FaultCleared("pin-write")):
        world.at(2_000, gone)
        refusals.append(str(world.at(2_000, Clear()).refusal))

    assert refusals == ["rail: the rail is on"] * 2 + ["pin-write: motor left", "None"]
    assert world.session.state is State.IDLE


def test_with_a_gate_that_is_read_back_a_start_waits_until_the_rail_was_seen_off() -> None:
    world = World(mat=MAT._replace(gate=Gate(26, 20)))
    world.at(1_000, Start("quick"))
    world.at(2_000)  # the loop's last tick
    world.at(2_000, Stop())
    assert world.at(2_150, Start("quick")).refusal is None
    states = []
    for at_ms, event in ((2_499, Wake()), (2_500, RailOff())):
        world.at(at_ms, event)
        states.append((world.session.status.is_starting, world.session.state))
    assert states == [(True, State.IDLE), (False, State.RUNNING)]


# --- reload -----------------------------------------------------------------------------------


def test_a_reload_keeps_the_running_sessions_own_profile() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    louder = entry("quick", Phase("louder", 8_000, 1, (steady("back", 90),)))
    world.at(3_000, Reload(Catalogue((louder,))))
    assert world.at(3_500, Start("quick")).refusal is None
    world.at(4_999)
    assert world.levels()[-1][1] == (0, 40, 40)
    world.at(6_000)
    assert world.levels()[-1] == (5_000, SILENCE)
    world.at(7_000, Start())
    assert world.session.status.clock.left_ms(7_000) == 8_000


def test_a_start_of_the_running_profile_is_ok_even_when_its_file_is_gone_or_bad() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000, Reload(Catalogue((CALM,))))

    assert world.at(2_000, Start("quick")).refusal is None
    assert world.session.status.clock.left_ms(2_000) == 3_000


def test_a_reload_tells_when_the_selected_profile_is_another() -> None:
    world = World()
    world.at(1_000, Reload(CATALOGUE))
    world.at(2_000, Reload(Catalogue((QUICK,))))
    world.at(3_000, Reload(Catalogue()))
    world.at(4_000, Reload(CATALOGUE))

    assert world.notices() == [
        (2_000, "state", {"profile": "quick"}),
        (3_000, "state", {"profile": ""}),
        (4_000, "state", {"profile": "calm"}),
    ]


def test_refusals_are_errors_of_the_caller() -> None:
    refusal = World().at(1_000, Pause()).refusal
    assert isinstance(refusal, CallerError)
    assert str(refusal) == "no session is running; start one first"


# --- sentences and small answers ---------------------------------------------------------------


def test_refusals_of_a_start_are_sentences() -> None:
    world = World(Catalogue())
    world.at(1_000, Stop())
    said = [str(world.at(1_010, Start()).refusal)]
    world = World()
    world.at(1_000, Stop())
    said.append(str(world.at(1_010, Start()).refusal))
    assert said == [
        "no profile is loaded; add one, then reload",
        "stopped less than 100 ms before; start again",
    ]


def test_a_hold_that_cannot_clear_is_told_why() -> None:
    world = World()
    world.at(1_000, Fault("rail", "the rail is on", is_persistent=True))
    refusal = world.at(1_500, Clear()).refusal
    world.press(5_000, 3_500)

    assert (refusal and refusal.code) == "fault"
    assert world.notices(5_000) == [
        (8_000, "refused", {"code": "fault", "message": "rail: the rail is on"})
    ]


def test_which_pass_of_a_phase_plays_and_how_strong_each_zone_is() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    found = []
    for at_ms in (1_500, 3_500, 7_000, 12_500):
        world.at(at_ms)
        status = commands.status(world.session, at_ms)
        levels = {zone: int(pct) for zone, pct in re.findall(r"(neck|back)=(\d+)", status)}
        found.append((world.session.status.repeat(at_ms), levels))
    world.at(20_000)

    assert found == [
        ("1/2", {"neck": 0, "back": 20}),
        ("2/2", {"neck": 0, "back": 20}),
        ("", {"neck": 0, "back": 40}),
        ("", {"neck": 10, "back": 10}),
    ]
    assert (world.session.status.repeat(20_000), world.session.status.haptic) == ("", "")


class Thorough(Session):
    """Looks at everything at each wake, though it knows that nothing but levels can change."""

    @property
    def _quiet_until_ms(self) -> int:
        return 0

    @_quiet_until_ms.setter
    def _quiet_until_ms(self, until_ms: int) -> None:
        pass


WAVES = entry(
    "waves",
    Phase("wave", 2_500, 2, (Play("all", "wave", Level(60, 60), (("period", 700),)),)),
    Phase("ramp", 2_000, 1, (Play("back", "steady", Level(5, 60)), steady("neck", 3))),
    Phase("hand", 6_000, 1, (steady("back", 40),), cue="KI3"),
)
ANYTHING = st.sampled_from([*INPUTS.values(), Start(), Start(), Start("waves"), Stop(), Resume()])


@given(
    st.sampled_from([0.5, 1.0, 3.0, 60.0]),
    st.sampled_from(["waves", "calm"]),
    st.lists(st.tuples(st.integers(0, 2_500), ANYTHING | st.just(None)), max_size=12),
    st.booleans(),
)
def test_what_is_left_out_between_two_marks_changes_nothing(
    speed: float, name: str, script: list[tuple[int, Input | None]], disk_is_sound: bool
) -> None:
    """None: the disk has taken what it was asked to."""
    catalogue = Catalogue((WAVES, STEPS, CALM))
    quick, thorough = Session(MAT, catalogue, speed), Thorough(MAT, catalogue, speed)
    now_ms, number = 0, 0
    step = quick.handle(Contacts(Contact.RELEASED), now_ms)
    assert thorough.handle(Contacts(Contact.RELEASED), now_ms) == step
    for for_ms, event in [
        (100, Wake()),
        (100, Start("waves")),
        (5, None),
        *script,
        (2_500, Stop()),
    ]:
        end_ms = now_ms + for_ms
        while step.wake_at_ms is not None and step.wake_at_ms < end_ms:
            now_ms = max(now_ms, step.wake_at_ms)
            step = quick.handle(Wake(), now_ms)
            assert thorough.handle(Wake(), now_ms) == step
            number = step.save.number if step.save else number
        now_ms = end_ms
        if event is None:
            event = (
                LedgerSaved(number)
                if disk_is_sound
                else LedgerSaveFailed(number, "the disk is full")
            )
        step = quick.handle(event, now_ms)
        assert repr(thorough.handle(event, now_ms)) == repr(step)
        number = step.save.number if step.save else number


def test_a_reload_keeps_what_is_selected() -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Reload(CATALOGUE))
    assert world.session.status.profile == "quick"


def test_no_signal_begins_while_a_start_waits_for_the_disk() -> None:
    world = World()
    world.contact(1_000, Contact.PRESSED)
    world.contact(1_100, Contact.RELEASED)
    world.disk_is_sound = False
    world.at(1_110, Start("calm"))
    step = world.at(1_140)
    assert world.session.status.is_starting
    assert [kind for _, kind, _ in world.notices(1_110)] == ["refused"]
    assert (world.session.status.haptic, step.duty_pct) == ("", SILENCE)
