"""The button: scripts of (time, contact), and the gestures that come out, as whole lists."""

from collections import deque
from itertools import pairwise
from random import Random

import pytest

from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Button, Contact, Gesture, Spell, contact, spells_of
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

R, P, NEITHER, BOTH = Contact
TOUCH, PRESS, SHORT, HELD, HELD_3_S, HELD_5_S, NOISE, RESTLESS, BROKEN = Gesture

Script = list[tuple[int, Contact]]
"""Edges, each told at its time."""
Told = list[tuple[int, Gesture]]


def play(script: Script, until_ms: int, button: Button | None = None) -> Told:
    """Every gesture with its time; between the edges the button is asked when it wants to be."""
    button = button or Button()
    told: Told = []
    for at_ms, said in [*script, (until_ms, script[-1][1])]:
        while (wake_at_ms := button.wake_at_ms()) is not None and wake_at_ms < at_ms:
            told += [(wake_at_ms, gesture) for gesture in button.wait(wake_at_ms)]
        edges = (Spell(at_ms, at_ms, said),) if at_ms < until_ms else ()
        told += [(at_ms, gesture) for gesture in button.sense(said, at_ms, edges)]
    return told


def effects(told: Told) -> Told:
    """Without touches and the begins of presses."""
    return [pair for pair in told if pair[1] not in (TOUCH, PRESS)]


def noise(begin_ms: int, end_ms: int) -> Script:
    """Faster than the clock: both levels in every millisecond."""
    return [(at_ms, raw) for at_ms in range(begin_ms, end_ms) for raw in (P, R)]


BOOT: Script = [(0, R)]

SCRIPTS: dict[str, tuple[Script, Told]] = {
    "nothing": (BOOT, []),
    "short": ([*BOOT, (100, P), (200, R)], [(230, SHORT)]),
    "just short": ([*BOOT, (100, P), (899, R)], [(929, SHORT)]),
    "just held": ([*BOOT, (100, P), (900, R)], [(900, HELD)]),
    "held 3 s": ([*BOOT, (100, P), (5_000, R)], [(900, HELD), (3_100, HELD_3_S)]),
    "held 5 s": (
        [*BOOT, (100, P), (9_000, R)],
        [(900, HELD), (3_100, HELD_3_S), (5_100, HELD_5_S)],
    ),
    "too short to be a press": ([*BOOT, (100, P), (129, R)], []),
    "as short as a press may be": ([*BOOT, (100, P), (130, R)], [(160, SHORT)]),
    "bounce of a plain contact": (
        [*BOOT, (100, P), (101, R), (103, P), (106, R), (107, P), (300, R), (301, P), (305, R)],
        [(335, SHORT)],
    ),
    "bounce of a change-over contact": (
        [*BOOT, (100, NEITHER), (101, R), (102, NEITHER), (110, P), (300, NEITHER), (308, R)],
        [(338, SHORT)],
    ),
    "the longest bounce of a press and a release": (
        [*BOOT, (100, P), (120, R), (130, P), (300, R), (315, P), (330, R)],
        [(360, SHORT)],
    ),
    "a press that bounces for too long": ([*BOOT, (100, P), (120, R), (131, P), (300, R)],
        [(131, NOISE)]),
    "a release that bounces for too long": ([*BOOT, (100, P), (300, R), (320, P), (331, R)],
        [(331, NOISE)]),
    "a hold is counted from its last edge": (
        [*BOOT, (100, P), (110, R), (120, P), (2_000, R)],
        [(920, HELD)],
    ),
    "a glitch begins a hold anew": ([*BOOT, (100, P), (899, NEITHER), (899, P), (1_700, R)],
        [(1_699, HELD)]),
    "a glitch after a hold lets nothing happen twice": (
        [*BOOT, (100, P), (2_000, NEITHER), (2_001, P), (5_500, R)],
        [(900, HELD), (5_001, HELD_3_S)],
    ),
    "a glitch makes no short press of a long one": (
        [*BOOT, (100, P), (800, NEITHER), (801, P), (1_000, R)],
        [],
    ),
    "two presses": (
        [*BOOT, (100, P), (200, R), (400, P), (500, R)],
        [(230, SHORT), (530, SHORT)],
    ),
    "noise of 5 kHz": ([*BOOT, *noise(100, 200)], [(131, NOISE)]),
    "noise that rests pressed": ([*BOOT, *noise(100, 200), (200, P), (9_000, R)],
        [(131, NOISE)]),
    "a press too soon after noise": (
        [*BOOT, *noise(100, 200), (698, P), (800, R), (1_299, P), (1_400, R)],
        [(131, NOISE)],
    ),
    "a press 500 ms after noise": (
        [*BOOT, *noise(100, 200), (699, P), (800, R)],
        [(131, NOISE), (830, SHORT)],
    ),
    "noise in a hold": ([*BOOT, (100, P), *noise(500, 540), (541, P), (9_000, R)],
        [(531, NOISE)]),
    "noise for 10 s": ([*BOOT, *noise(100, 10_200)], [(131, NOISE), (10_100, RESTLESS)]),
    "noise for 9.9 s, a rest, and again": (
        [*BOOT, *noise(100, 10_000), (10_000, R), *noise(10_500, 20_400)],
        [(131, NOISE), (10_531, NOISE)],
    ),
    "noise for 20 s with a rest of 0.6 s on pressed": (
        [*BOOT, *noise(100, 9_000), (9_000, P), *noise(9_600, 19_000)],
        [(131, NOISE)],
    ),
    "noise for 10 s that comes and goes": (
        [*BOOT, *(edge for ms in range(100, 10_500, 400) for edge in noise(ms, ms + 40))],
        [(131, NOISE), (10_100, RESTLESS)],
    ),
    "held at boot": ([(0, P), (9_000, R)], []),
    "held at boot, then pressed": ([(0, P), (5_000, R), (5_100, P), (5_200, R)],
        [(5_230, SHORT)]),
    "not yet seen released when pressed": ([(0, P), (5_000, R), (5_020, P), (5_200, R)], []),
    "broken wire": ([*BOOT, (100, NEITHER)], [(600, BROKEN)]),
    "both sides closed": ([*BOOT, (100, BOTH)], [(600, BROKEN)]),
    "broken at boot": ([(0, NEITHER)], [(500, BROKEN)]),
    "broken in a press": (
        [*BOOT, (100, P), (300, NEITHER), (2_000, R), (2_200, P), (2_300, R)],
        [(800, BROKEN), (2_330, SHORT)],
    ),
    "broken twice": ([*BOOT, (100, NEITHER), (1_000, R), (2_000, BOTH)],
        [(600, BROKEN), (2_500, BROKEN)]),
    "wire flutters between broken and shorted": (
        [*BOOT, *((100 + 100 * i, (NEITHER, BOTH)[i % 2]) for i in range(10))],
        [(600, BROKEN)],
    ),
    "glitches of both sides hide no broken wire": (
        [*BOOT, (100, NEITHER), *((ms + i, (R, NEITHER)[i]) for ms in range(150, 900, 50)
                                  for i in (0, 1))],
        [(600, BROKEN)],
    ),
    "noise on a broken wire": (
        [*BOOT, *((ms, (NEITHER, R)[ms % 2]) for ms in range(100, 10_200))],
        [(131, NOISE), (10_100, RESTLESS)],
    ),
    "noise of a wire that then rests broken": (
        [*BOOT, *((ms, (R, NEITHER)[ms % 2]) for ms in range(101, 200)), (199, NEITHER)],
        [(132, NOISE), (699, BROKEN)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_button_tells_the_gestures_of_a_script(name: str) -> None:
    script, told = SCRIPTS[name]

    assert effects(play(script, 21_000)) == told


@pytest.mark.parametrize("name", SCRIPTS)
def test_button_sampled_between_the_edges_tells_the_same(name: str) -> None:
    script, told = SCRIPTS[name]
    button = Button()
    found: Told = []
    for (at_ms, said), (next_ms, _) in pairwise([*script, (21_000, R)]):
        found += [(at_ms, g) for g in button.sense(said, at_ms, (Spell(at_ms, at_ms, said),))]
        for ms in range(at_ms + 1, next_ms):
            found += [(ms, gesture) for gesture in button.sense(said, ms)]

    assert effects(found) == told


@pytest.mark.parametrize("late_ms", [1, 20, 60, 250])
@pytest.mark.parametrize("name", SCRIPTS)
def test_button_that_is_looked_at_late_tells_the_same_gestures(name: str, late_ms: int) -> None:
    """The edges of each look are folded into spells."""
    script, told = SCRIPTS[name]
    button, edges, said = Button(), deque(script), script[0][1]
    found: Told = []
    for at_ms in range(0, 21_000, late_ms + 1):
        new: Script = []
        while edges and edges[0][0] <= at_ms:
            new.append(edges.popleft())
        said = new[-1][1] if new else said
        found += [(at_ms, gesture) for gesture in button.sense(said, at_ms, spells_of(new))]

    assert [gesture for _, gesture in effects(found)] == [gesture for _, gesture in told]
    for (found_ms, _), (told_ms, _) in zip(effects(found), told, strict=True):
        assert told_ms <= found_ms <= told_ms + late_ms


def test_touch_is_told_at_every_movement_and_press_at_the_first_of_a_press() -> None:
    script = [*BOOT, (100, NEITHER), (101, R), (102, P), (300, R), (301, P), (302, R), (900, R)]
    told = [pair for pair in play(script, 2_000) if pair[1] in (TOUCH, PRESS)]

    assert told == [
        (0, TOUCH), (100, TOUCH), (100, PRESS), (101, TOUCH), (102, TOUCH),
        (300, TOUCH), (301, TOUCH), (302, TOUCH), (900, TOUCH), (900, PRESS),
    ]  # fmt: skip


def test_edges_told_after_a_later_one_are_no_touch_and_stop_no_session() -> None:
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
def test_an_edge_told_late_takes_back_the_rest_that_it_was_in(
    late: tuple[int, int], starts: bool
) -> None:
    world = World()
    world.at(1_000, Contacts(P, (Spell(1_000, 1_005, P),)))
    world.at(1_102, Contacts(R, (Spell(1_100, 1_102, R),)))
    world.at(1_120, Contacts(R, (Spell(*late, P),)))
    world.at(1_121, Contacts(R))
    world.at(2_000)
    assert world.session.status.started == starts


def test_spells_of_edges_less_than_the_debounce_apart_are_one() -> None:
    edges = [(100, P), (129, R), (127, P), (159, P), (188, R)]
    assert spells_of(edges) == ((100, 129, P), (159, 188, R))
    assert spells_of([]) == ()


def test_contacts_read() -> None:
    assert {(p, r): contact(p, r) for p in (False, True) for r in (False, True)} == {
        (False, False): NEITHER,
        (False, True): R,
        (True, False): P,
        (True, True): BOTH,
    }


@pytest.mark.parametrize("contact", [P, NEITHER])
def test_a_touch_that_stops_does_nothing_else(contact: Contact) -> None:
    """The release before it has not settled, so that the press would be long enough to select."""
    world = World()
    world.contact(1_000, P)
    world.contact(1_790, R)
    world.at(1_795, Start())
    assert world.session.state is State.RUNNING
    step = world.contact(1_802, contact)
    assert (world.session.state, step.duty_pct) == (State.IDLE, SILENCE)
    step = world.at(1_840)
    assert (world.session.status.haptic, step.duty_pct) == ("", SILENCE)


# --- the lock ---------------------------------------------------------------------------------

# When it is locked, what the contacts do then, and when the first press counts.
LOCKS: dict[str, tuple[int, Script, list[int]]] = {
    "pressed too early": (1_000, [(2_499, P), (2_600, R)], []),
    "pressed late enough": (1_000, [(2_500, P), (2_600, R)], [2_630]),
    "an early press begins it anew": (
        1_000,
        [(2_000, P), (2_100, R), (3_599, P), (3_700, R), (5_200, P), (5_300, R)],
        [5_330],
    ),
    "a blink of the contact is a break": (
        1_000,
        [(2_000, NEITHER), (2_001, R), (3_500, P), (3_600, R), (5_100, P), (5_200, R)],
        [5_230],
    ),
    "a press that bounces": (1_000, [(2_500, R), (2_501, P), (2_600, R)], [2_630]),
    "an unseen blink of the contact is a break": (
        1_000,
        [(2_000, R), (3_400, P), (3_500, R), (5_000, P), (5_100, R)],
        [5_130],
    ),
    "ten presses in three seconds": (
        1_000,
        [edge for i in range(10) for edge in ((1_000 + 300 * i, P), (1_100 + 300 * i, R))],
        [],
    ),
}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_wants_a_second_and_a_half_without_a_break(name: str) -> None:
    locked_at_ms, script, shorts = LOCKS[name]
    button = Button()
    play(BOOT, locked_at_ms, button)
    button.lock(locked_at_ms)

    told = play(script, 10_000, button)

    assert [at_ms for at_ms, gesture in told if gesture is SHORT] == shorts
    assert {gesture for _, gesture in told} <= {TOUCH, PRESS, SHORT}


def test_a_press_that_goes_on_when_the_lock_comes_does_nothing_more() -> None:
    button = Button()
    play([*BOOT, (100, P)], 200, button)
    button.lock(200)

    assert effects(play([(9_000, R)], 10_000, button)) == []


# --- through the session ----------------------------------------------------------------------


def test_a_short_press_starts_the_selected_profile() -> None:
    world = World()
    world.press(1_000)

    assert world.notices() == [
        (1_130, "state", {"state": "running", "profile": "calm"}),
        (1_130, "phase", {"phase": "rest"}),
    ]


@pytest.mark.parametrize("contact", [P, NEITHER, BOTH])
@pytest.mark.parametrize("for_ms", [1, 100, 1_000, 4_000])
def test_any_edge_stops_and_a_press_that_stopped_never_starts(
    contact: Contact, for_ms: int
) -> None:
    world = World()
    world.at(1_000, Start("calm"))
    assert world.contact(5_000, contact).duty_pct == SILENCE
    world.contact(5_000 + for_ms, R)
    world.at(20_000)

    assert world.levels(5_000) == [(5_000, SILENCE)]
    assert world.session.status.started == 1


def test_a_press_while_paused_stops() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(2_000, Pause())
    world.press(3_000)
    world.at(20_000)

    assert world.notices(3_000) == [(3_000, "state", {"state": "idle", "profile": "calm"})]


def test_ten_presses_in_three_seconds_leave_it_off() -> None:
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
def test_after_every_end_the_button_is_locked(ends: str) -> None:
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


def test_a_stop_in_the_middle_of_a_press_spends_it() -> None:
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


def test_a_stop_in_the_middle_of_a_hold_spends_it() -> None:
    world = World()
    world.contact(1_000, P)
    world.at(1_500, Stop())
    world.at(9_000)

    assert world.notices() == []


def test_while_running_a_hold_selects_nothing() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.press(5_000, 4_000)
    world.at(20_000)

    assert world.session.selected is not None
    assert world.session.selected.name == "calm"


def test_a_held_button_at_boot_starts_nothing() -> None:
    session = Session(MAT, CATALOGUE)
    script = [(0, P), (5_000, R), (5_010, P), (5_300, R)]
    steps = [session.handle(Contacts(raw), at_ms) for at_ms, raw in script]
    steps += [session.handle(Wake(), at_ms) for at_ms in range(5_320, 8_000, 20)]

    assert {step.duty_pct for step in steps} == {SILENCE}


# --- a press counts only if it began when it could start something ----------------------------


@pytest.mark.parametrize("for_ms", [100, 700, 1_000, 6_000])
def test_session_a_press_that_began_in_a_fault_does_nothing_after_a_clear_over_serial(
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


def test_session_a_press_that_began_before_a_fault_does_nothing_after_a_clear() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_050, Fault("rail", "the rail is off"))
    world.at(2_060, Clear())
    world.contact(2_100, R)
    world.at(9_000)

    assert (world.session.status.started, world.levels()) == (0, [])


def test_session_a_short_press_in_a_fault_does_nothing_and_a_hold_of_3_s_clears_it() -> None:
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


def test_session_a_hold_goes_on_for_nothing_after_a_suspend() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_100, Suspended(5_000))
    world.contact(2_200, R)
    world.at(9_000)

    assert world.session.status.started == 0


# --- noise through the session ----------------------------------------------------------------


def test_session_noise_ends_a_signal_and_lets_none_begin() -> None:
    world = World()
    world.contact(2_000, P)
    world.at(2_850)
    assert world.session.status.haptic == "profile-2"
    for at_ms, said in noise(2_900, 2_940):
        world.contact(at_ms, said)
    assert (world.session.status.haptic, world.steps[-1][1].duty_pct) == ("", SILENCE)
    world.contact(2_950, P)
    world.at(20_000)

    assert world.levels(2_940) == []


@pytest.mark.parametrize("event", [Start(), Start("quick")])
def test_session_refuses_every_start_until_500_ms_after_noise(event: Start) -> None:
    world = World()
    for at_ms, said in noise(2_000, 2_040):
        world.contact(at_ms, said)
    refusal = world.at(2_538, event).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == ("not-ready", NOISY_BUTTON)
    assert world.at(2_539, event).refusal is None
    assert world.session.status.started == 1


@pytest.mark.parametrize("state", [State.IDLE, State.RUNNING, State.PAUSED])
def test_session_noise_for_10_s_is_a_fault_that_clears_500_ms_after_it(state: State) -> None:
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


def test_session_with_a_damaged_ledger_noise_begins_no_day() -> None:
    world = World(spent=Spent(0, None, True, "it cannot be read"))
    random = Random(1)
    said = R
    for at_ms in sorted(random.sample(range(1_000, 61_000), 10_000)):
        said = P if said is R else R
        world.contact(at_ms, said)
    assert world.session.allowance.damage
    world.contact(70_000, R)
    world.at(80_000, Clear())
    world.contact(80_000, P)
    world.at(85_000)
    assert not world.session.allowance.damage
