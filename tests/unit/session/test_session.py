"""The session's table of states, and which requests start and stop a session."""

from typing import get_type_hints

import pytest

from firmware_ctl.session.button import Contact
from firmware_ctl.session.core import Core
from firmware_ctl.session.events import (
    Clear,
    Close,
    Contacts,
    EndTry,
    Fault,
    Input,
    Pause,
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
from firmware_ctl.session.handlers import HANDLERS
from firmware_ctl.session.session import TABLE
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import (
    CALM,
    MAT,
    SILENCE,
    World,
    world_in,
)
from tests.unit.session.inputs import INPUTS, TRIAL

VARIANTS = """
                  idle                    running          paused           fault
start the same  | ok running            | ok running     | busy paused    | fault fault
start another   | ok running            | busy running   | busy paused    | fault fault
start unknown   | unknown-profile idle  | busy running   | busy paused    | fault fault
start a bad one | invalid-profile idle  | busy running   | busy paused    | fault fault
end try         | ok idle               | busy running   | busy paused    | fault fault
select unknown  | unknown-profile idle  | unknown-profile running | unknown-profile paused | unknown-profile fault
select a bad one| invalid-profile idle  | invalid-profile running | invalid-profile paused | invalid-profile fault
"""
"""Inputs whose arguments matter: `ok` or the error code, and the state afterwards."""


def _cells(kind: type[object]) -> list[str]:
    """The row of the session's table for an input, in the form of `VARIANTS`."""
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
def test_session_every_input_in_every_state_follows_the_table(
    name: str, state: State, cell: str
) -> None:
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


def test_table_names_every_input() -> None:
    assert set(ROWS) == set(INPUTS)
    assert {type(event) for event in INPUTS.values()} == set(Input.__args__) - {Contacts}
    assert set(TABLE) == set(Input.__args__)


def test_handler_of_an_input_takes_that_input() -> None:
    taken = {kind: get_type_hints(handler) for kind, handler in HANDLERS.items()}
    assert set(taken) == set(Input.__args__)
    for kind, hints in taken.items():
        hints.pop("return")
        assert list(hints.values()) == [Core, kind, int]


def test_table_equals_the_contract() -> None:
    """The session refuses by its own table, so only a second copy of the table can test it."""
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
        (EndTry, State.RUNNING): State.IDLE,
        (EndTry, State.PAUSED): "busy",
        (EndTry, State.FAULT): "fault",
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


@pytest.mark.parametrize(("after_ms", "code"), [(0, "busy"), (99, "busy"), (100, "ok")])
@pytest.mark.parametrize("stopped", [State.IDLE, State.RUNNING, State.PAUSED])
def test_start_within_100_ms_after_a_stop_is_refused(
    stopped: State, after_ms: int, code: str
) -> None:
    for start in (Start(), Try(TRIAL)):
        world = world_in(stopped)
        world.at(10_000, Stop())

        refusal = world.at(10_000 + after_ms, start).refusal

        assert (refusal.code if refusal else "ok") == code


def test_session_with_any_later_requests_is_not_extended() -> None:
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
    assert world.notices()[-1] == (
        5_000,
        "state",
        {"state": "idle", "profile": "quick", "reason": "end"},
    )


def test_wake_that_is_late_shifts_no_later_level() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    steps = [world.session.handle(Wake(), at_ms) for at_ms in (1_333, 4_999, 5_000)]

    assert [step.level_pct for step in steps] == [(0, 16, 16), (0, 40, 40), SILENCE]
    assert steps[0].wake_at_ms == 1_340


def test_start_during_a_try_is_refused() -> None:
    world = World()
    world.at(1_000, Try(TRIAL))

    assert [world.at(2_000, event).refusal is None for event in (Start(), Start("calm"))] == [
        False,
        False,
    ]
    world.at(12_000)
    assert world.levels()[-1] == (11_000, SILENCE)
    assert world.session.selected is CALM


def test_try_after_the_end_of_a_try_starts_at_once_and_softly() -> None:
    world = World()
    world.at(1_000, Try(TRIAL))
    world.at(4_000)
    before_pct = world.steps[-1][1].level_pct
    ended = world.at(4_000, EndTry(3_990))
    step = world.at(4_000, Try(TRIAL, (), 3_990))
    world.at(20_000)

    assert any(before_pct)
    assert (ended.duty_pct, ended.level_pct) == (SILENCE, SILENCE)
    assert (step.refusal, step.level_pct) == (None, SILENCE)
    assert world.session.used_ms(20_000) == 3_000 + 10_000
    assert world.levels()[-1] == (14_000, SILENCE)
    rise_pct_s = world.session.mat.limits.rise_pct_s
    for at_ms, levels in world.levels(4_000):
        assert max(levels) * 1_000 <= max(0, at_ms - 4_000) * rise_pct_s


def test_end_of_a_try_voids_the_starts_that_arrived_before_its_request() -> None:
    world = World()
    world.at(1_000, Try(TRIAL))
    world.at(4_000, EndTry(3_990))
    refusals = [world.at(4_000, Try(TRIAL, (), at_ms)).refusal for at_ms in (3_989, 3_990)]

    assert [refusal and refusal.code for refusal in refusals] == ["busy", None]


def test_end_of_a_try_that_arrived_before_a_pause_ends_nothing() -> None:
    world = World()
    world.at(1_000, Try(TRIAL))
    world.at(4_000, Pause(4_000))
    world.at(4_100, Resume(4_100))
    refusal = world.at(4_200, EndTry(3_990)).refusal

    assert refusal is not None
    assert refusal.code == "busy"
    assert world.session.state is State.RUNNING


def test_start_while_the_button_is_not_released_is_refused() -> None:
    for contact in (Contact.PRESSED, Contact.NEITHER, Contact.BOTH):
        world = World()
        world.contact(1_000, contact)
        codes = [world.at(1_100, start).refusal for start in (Start(), Try(TRIAL))]

        assert [code and code.code for code in codes] == ["not-ready", "not-ready"]


def test_start_on_a_mat_without_a_button_is_accepted() -> None:
    world = World(mat=MAT._replace(button=None))

    assert world.at(200, Start()).refusal is None
    assert world.at(1_200).level_pct == (40, 40, 40)


def test_start_without_profiles_is_refused_and_a_fault_has_precedence() -> None:
    world = World(Catalogue())
    empty = world.at(1_000, Start()).refusal
    world.at(1_000, Fault("rail", "the rail is off"))
    fault = world.at(2_000, Start()).refusal

    assert [error and error.code for error in (empty, fault)] == ["unknown-profile", "fault"]
    assert (world.session.status.profile, world.session.status.cert) == ("", "")


def test_close_lets_no_later_input_move_a_motor() -> None:
    world = World()
    world.contact(1_000, Contact.PRESSED)
    world.contact(1_100, Contact.RELEASED)
    world.at(1_110, Close())
    for at_ms in range(1_120, 3_000, 10):
        for event in (Start(), Try(TRIAL), Resume(), Wake()):
            assert world.at(at_ms, event).duty_pct == SILENCE
    assert world.session.status.started == 0
