"""Faults of a session: what ends them, and what a person does about them."""

import pytest

from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Clear,
    Contacts,
    Fault,
    FaultCleared,
    Input,
    LedgerSaved,
    Ready,
    Start,
    State,
    Suspended,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from tests.support.worlds import (
    CATALOGUE,
    MAT,
    SILENCE,
    World,
    world_in,
)
from tests.unit.session.inputs import TRIAL


def test_broken_wire_is_a_fault_that_clears_only_after_repair() -> None:
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
        (2_000, "state", {"state": "idle", "profile": "calm", "reason": "button", "by": "button"}),
        (2_500, "fault", {"state": "fault", "fault": "button"}),
        (4_030, "state", {"state": "idle", "profile": "calm", "fault": ""}),
    ]
    assert (refusal and refusal.code, again) == ("fault", None)


def test_hold_of_three_seconds_in_a_fault_clears_it_and_starts_nothing() -> None:
    world = world_in(State.FAULT)
    world.press(11_000, 500)
    world.press(13_000, 1_000)
    assert world.session.state is State.FAULT
    world.press(16_000, 3_500)
    world.at(30_000)

    assert world.notices(10_000) == [
        (19_000, "state", {"state": "idle", "profile": "calm", "fault": "", "by": "button"})
    ]
    assert world.levels() == []


def test_suspend_cancels_a_waiting_start() -> None:
    """Else it would begin when the machine wakes, hours after it was asked for."""
    world = World()
    world.disk_is_sound = False
    save = world.at(1_000, Start()).save
    assert save is not None
    world.at(1_010, Suspended(3_600_000))
    world.at(1_020, LedgerSaved(save.number))

    assert (world.session.status.started, world.session.state) == (0, State.FAULT)
    assert world.session.fault == Fault("suspend", "the machine was suspended for 3600 s")


def test_suspend_while_idle_is_not_a_fault_and_makes_the_day_older() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(9_000, Suspended(24 * 3_600_000))
    assert world.session.state is State.IDLE
    assert world.session.used_ms(9_000) == 0


@pytest.mark.parametrize("start", [Start(), Try(TRIAL)])
def test_start_on_an_inhibited_machine_is_refused_with_the_reason(start: Input) -> None:
    session = Session(MAT, CATALOGUE, start_inhibited_because="the dead-man is not proven")
    session.handle(Ready(), 0)
    session.handle(Contacts(Contact.RELEASED), 0)
    refusal = session.handle(start, 100).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == ("not-ready", "the dead-man is not proven")
    assert not session.status.is_starting


def test_persistent_fault_clears_only_after_its_cause_is_gone() -> None:
    world = World()
    world.at(1_000, Fault("rail", "the rail is on", is_persistent=True))
    world.at(1_001, Fault("pin-write", "motor left", is_persistent=True))
    refusals = []
    for gone in (Wake(), FaultCleared("button"), FaultCleared("rail"), FaultCleared("pin-write")):
        world.at(2_000, gone)
        refusals.append(str(world.at(2_000, Clear()).refusal))

    assert refusals == ["rail: the rail is on"] * 2 + ["pin-write: motor left", "None"]
    assert world.session.state is State.IDLE


def test_hold_that_cannot_clear_publishes_the_reason() -> None:
    world = World()
    world.at(1_000, Fault("rail", "the rail is on", is_persistent=True))
    refusal = world.at(1_500, Clear()).refusal
    world.press(5_000, 3_500)

    assert (refusal and refusal.code) == "fault"
    assert world.notices(5_000) == [
        (8_000, "refused", {"code": "fault", "message": "rail: the rail is on"})
    ]
