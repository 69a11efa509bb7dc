"""The button through the session: what a press, a hold and noise do in each state."""

from random import Random

import pytest

from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Contact, Spell
from firmware_ctl.session.core import NOISY_BUTTON
from firmware_ctl.session.events import (
    Clear,
    Contacts,
    Fault,
    Pause,
    Start,
    State,
    Stop,
    Suspended,
    Wake,
)
from firmware_ctl.session.session import Session
from tests.support.worlds import CALM, CATALOGUE, MAT, SILENCE, World, world_in
from tests.unit.session.button_scripts import BOTH, NEITHER, P, R, noise


def test_button_edge_older_than_the_last_is_not_a_touch() -> None:
    world = World()
    world.contact(1_000, P)
    world.contact(1_102, R)
    world.at(1_140)
    assert world.session.state is State.RUNNING
    world.at(1_150, Contacts(R, (Spell(1_100, 1_101, R),)))
    assert world.session.state is State.RUNNING
    world.at(1_160, Contacts(R, (Spell(1_155, 1_155, R),)))
    assert world.session.state is State.IDLE


@pytest.mark.parametrize(
    ("late", "starts"),
    [
        ((1_003, 1_003), True),  # in the bounce of the press
        ((1_098, 1_098), True),  # in the bounce of the release
        ((1_020, 1_020), False),  # the press had not come to rest yet
        ((1_050, 1_050), False),  # it did not rest all the time
        ((990, 990), True),
    ],
)
def test_button_edge_read_late_cancels_the_rest_around_it(
    late: tuple[int, int], starts: bool
) -> None:
    world = World()
    world.at(1_000, Contacts(P, (Spell(1_000, 1_005, P),)))
    world.at(1_102, Contacts(R, (Spell(1_100, 1_102, R),)))
    world.at(1_120, Contacts(R, (Spell(*late, P),)))
    world.at(1_121, Contacts(R))
    world.at(2_000)
    assert world.session.status.started == starts


@pytest.mark.parametrize("contact", [P, NEITHER])
def test_touch_that_stops_has_no_further_effect(contact: Contact) -> None:
    """The release before the touch has not settled, so the press is long enough to select."""
    world = World()
    world.contact(1_000, P)
    world.contact(1_790, R)
    world.at(1_795, Start())
    assert world.session.state is State.RUNNING
    step = world.contact(1_802, contact)
    assert (world.session.state, step.duty_pct) == (State.IDLE, SILENCE)
    step = world.at(1_840)
    assert (world.session.status.haptic, step.duty_pct) == ("", SILENCE)


def test_short_press_starts_the_selected_profile() -> None:
    world = World()
    world.press(1_000)

    assert world.notices() == [
        (1_130, "state", {"state": "running", "profile": "calm", "by": "button"}),
        (1_130, "phase", {"phase": "rest"}),
    ]


@pytest.mark.parametrize("contact", [P, NEITHER, BOTH])
@pytest.mark.parametrize("for_ms", [1, 100, 1_000, 4_000])
def test_any_edge_stops_and_the_same_press_starts_nothing(contact: Contact, for_ms: int) -> None:
    world = World()
    world.at(1_000, Start("calm"))
    assert world.contact(5_000, contact).duty_pct == SILENCE
    world.contact(5_000 + for_ms, R)
    world.at(20_000)

    assert world.levels(5_000) == [(5_000, SILENCE)]
    assert world.session.status.started == 1


def test_press_while_paused_stops() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(2_000, Pause())
    world.press(3_000)
    world.at(20_000)

    fields = {"state": "idle", "profile": "calm", "reason": "button", "by": "button"}
    assert world.notices(3_000) == [(3_000, "state", fields)]


def test_ten_presses_in_three_seconds_leave_the_mat_off() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    for i in range(10):
        world.press(5_000 + 300 * i)
    world.at(20_000)

    assert world.levels(5_000) == [(5_000, SILENCE)]
    world.press(20_000)
    assert world.session.state is State.RUNNING


def test_noise_stops_a_session_and_starts_none() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    for at_ms, raw in noise(2_000, 2_200):
        world.contact(at_ms, raw)
    for at_ms, raw in noise(6_000, 6_200):
        world.contact(at_ms, raw)
    world.at(20_000)

    assert world.levels(2_000) == [(2_000, SILENCE)]
    assert world.session.status.started == 1


@pytest.mark.parametrize("ends", ["by itself", "stopped", "fault"])
def test_button_is_locked_after_every_end_of_a_session(ends: str) -> None:
    world = World()
    world.at(1_000, Start("quick"))
    if ends == "stopped":
        world.at(5_000, Stop())
    if ends == "fault":
        world.at(5_000, Fault("rail", "the rail is off"))
        world.at(5_000, Clear())
    world.press(6_499)
    world.at(9_000)
    assert world.session.status.started == 1
    world.press(9_000)
    assert world.session.status.started == 2


def test_stop_during_a_press_cancels_the_press() -> None:
    for stopped_at_ms in (1_050, 1_110):
        world = World()
        world.contact(1_000, P)
        if stopped_at_ms > 1_100:
            world.contact(1_100, R)
        world.at(stopped_at_ms, Stop())
        world.contact(1_300, R)
        world.at(9_000)

        assert (world.levels(), world.session.status.started) == ([], 0)
        world.press(9_000)
        assert world.session.status.started == 1


def test_stop_during_a_hold_cancels_the_hold() -> None:
    world = World()
    world.contact(1_000, P)
    world.at(1_500, Stop())
    world.at(9_000)

    assert world.notices() == []


def test_hold_while_running_selects_nothing() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.press(5_000, 4_000)
    world.at(20_000)

    assert world.session.selected is not None
    assert world.session.selected.name == "calm"


def test_button_held_at_boot_starts_nothing() -> None:
    session = Session(MAT, CATALOGUE)
    script = [(0, P), (5_000, R), (5_010, P), (5_300, R)]
    steps = [session.handle(Contacts(raw), at_ms) for at_ms, raw in script]
    steps += [session.handle(Wake(), at_ms) for at_ms in range(5_320, 8_000, 20)]

    assert {step.duty_pct for step in steps} == {SILENCE}


@pytest.mark.parametrize("for_ms", [100, 700, 1_000, 6_000])
def test_press_begun_in_a_fault_is_ignored_after_a_clear_over_serial(
    for_ms: int,
) -> None:
    world = world_in(State.FAULT)
    world.contact(12_000, P)
    world.at(12_050, Clear())
    world.contact(12_000 + for_ms, R)
    world.at(20_000)

    assert world.session.state is State.IDLE
    assert (world.session.status.started, world.levels(10_000)) == (0, [])
    assert world.session.selected is CALM
    world.press(20_000)
    assert world.session.status.started == 1


def test_press_begun_before_a_fault_is_ignored_after_a_clear() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_050, Fault("rail", "the rail is off"))
    world.at(2_060, Clear())
    world.contact(2_100, R)
    world.at(9_000)

    assert (world.session.status.started, world.levels()) == (0, [])


def test_short_press_in_a_fault_is_ignored_and_a_hold_of_3_s_clears_it() -> None:
    world = world_in(State.FAULT)
    world.press(12_000)
    world.at(14_000)
    assert world.session.state is State.FAULT
    world.contact(14_000, P)
    world.at(16_999)
    assert world.session.state is State.FAULT
    world.contact(22_000, R)
    world.at(30_000)

    assert world.session.state is State.IDLE
    assert (world.session.status.started, world.levels(10_000)) == (0, [])


def test_hold_across_a_suspend_is_ignored() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_100, Suspended(5_000))
    world.contact(2_200, R)
    world.at(9_000)

    assert world.session.status.started == 0


def test_noise_ends_an_idle_haptic_and_lets_none_begin() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_850)
    assert world.session.status.haptic == "profile-2"
    for at_ms, contact in noise(2_900, 2_940):
        world.contact(at_ms, contact)
    assert (world.session.status.haptic, world.steps[-1][1].duty_pct) == ("", SILENCE)
    world.contact(2_950, P)
    world.at(20_000)

    assert world.levels(2_940) == []


@pytest.mark.parametrize("event", [Start(), Start("quick")])
def test_start_until_500_ms_after_noise_is_refused(event: Start) -> None:
    world = World()
    for at_ms, contact in noise(2_000, 2_040):
        world.contact(at_ms, contact)
    refusal = world.at(2_538, event).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == ("not-ready", NOISY_BUTTON)
    assert world.at(2_539, event).refusal is None
    assert world.session.status.started == 1


@pytest.mark.parametrize("state", [State.IDLE, State.RUNNING, State.PAUSED])
def test_noise_for_10_s_is_a_fault_that_clears_500_ms_after_it(state: State) -> None:
    world = world_in(state)
    for at_ms in range(11_000, 22_000, 10):
        world.contact(at_ms, (P, R)[at_ms // 10 % 2])
    assert (world.session.fault and world.session.fault.code) == "button"
    refusal = world.at(22_000, Clear()).refusal
    assert refusal is not None
    assert str(refusal) == f"button: {NOISY_BUTTON}"
    world.at(22_600, Clear())

    assert world.session.state is State.IDLE
    assert world.levels(11_000) == ([(11_000, SILENCE)] if state is State.RUNNING else [])
    faults = [at_ms for at_ms, kind, _ in world.notices(11_000) if kind == "fault"]
    assert faults == [21_000]


def test_noise_with_a_damaged_ledger_begins_no_new_day() -> None:
    world = World(spent=Spent(0, None, True, "it cannot be read"))
    random = Random(1)
    contact = R
    for at_ms in sorted(random.sample(range(1_000, 61_000), 10_000)):
        contact = P if contact is R else R
        world.contact(at_ms, contact)
    assert world.session.allowance.damage
    world.contact(70_000, R)
    world.at(80_000, Clear())
    world.contact(80_000, P)
    world.at(85_000)
    assert not world.session.allowance.damage
