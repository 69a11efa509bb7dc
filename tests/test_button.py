"""The button: scripts of (time, contact), and the gestures that come out, as whole lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.button import DEBOUNCE_MS, Button, Contact, Gesture, contact
from firmware_ctl.session import Clear, Contacts, Fault, Pause, Session, Start, State, Stop, Wake
from tests.worlds import CATALOGUE, MAT, SILENCE, World

R, P, NEITHER, BOTH = Contact
TOUCH, PRESS, SHORT, HELD, HELD_3_S, HELD_5_S, BROKEN = Gesture

Edge = tuple[int, Contact] | tuple[int, Contact, bool]
"""When it is told, what the contact says, and whether it moved unseen."""
Script = list[Edge]
Told = list[tuple[int, Gesture]]


def play(script: Script, until_ms: int, button: Button | None = None) -> Told:
    """Every gesture with its time; between the edges the button is asked when it wants to be."""
    button = button or Button()
    told: Told = []
    for at_ms, raw, *unsteady in [*script, (until_ms, script[-1][1])]:
        while (wake_at_ms := button.wake_at_ms()) is not None and wake_at_ms < at_ms:
            told += [(wake_at_ms, gesture) for gesture in button.wait(wake_at_ms)]
        told += [(at_ms, gesture) for gesture in button.sense(raw, at_ms, *unsteady)]
    return told


def noise(begin_ms: int, end_ms: int) -> Script:
    """Faster than the clock: both levels in every millisecond."""
    return [(at_ms, raw) for at_ms in range(begin_ms, end_ms) for raw in (P, R)]


BOOT: Script = [(0, R)]

SCRIPTS: dict[str, tuple[Script, Told]] = {
    "nothing": (BOOT, []),
    "short": ([*BOOT, (100, P), (200, R)], [(100, TOUCH), (100, PRESS), (230, SHORT)]),
    "just short": ([*BOOT, (100, P), (899, R)], [(100, TOUCH), (100, PRESS), (929, SHORT)]),
    "just held": ([*BOOT, (100, P), (900, R)], [(100, TOUCH), (100, PRESS), (900, HELD)]),
    "held 3 s": (
        [*BOOT, (100, P), (5_000, R)],
        [(100, TOUCH), (100, PRESS), (900, HELD), (3_100, HELD_3_S)],
    ),
    "too short to be a press": ([*BOOT, (100, P), (129, R)], [(100, TOUCH), (100, PRESS)]),
    "as short as a press may be": (
        [*BOOT, (100, P), (130, R)],
        [(100, TOUCH), (100, PRESS), (160, SHORT)],
    ),
    "bounce of a plain contact": (
        [*BOOT, (100, P), (101, R), (103, P), (106, R), (107, P), (300, R), (301, P), (305, R)],
        [(100, TOUCH), (100, PRESS), (103, TOUCH), (107, TOUCH), (301, TOUCH), (335, SHORT)],
    ),
    "bounce of a change-over contact": (
        [*BOOT, (100, NEITHER), (101, R), (102, NEITHER), (110, P), (300, NEITHER), (308, R)],
        [
            (100, TOUCH),
            (100, PRESS),
            (102, TOUCH),
            (110, TOUCH),
            (300, TOUCH),
            (338, SHORT),
        ],
    ),
    "a hold is counted from its first edge": (
        [*BOOT, (100, P), (110, R), (120, P), (2_000, R)],
        [(100, TOUCH), (100, PRESS), (120, TOUCH), (900, HELD)],
    ),
    "two presses": (
        [*BOOT, (100, P), (200, R), (400, P), (500, R)],
        [
            (100, TOUCH),
            (100, PRESS),
            (230, SHORT),
            (400, TOUCH),
            (400, PRESS),
            (530, SHORT),
        ],
    ),
    "noise of 5 kHz": (
        [*BOOT, *noise(100, 200)],
        [(100, TOUCH), (100, PRESS), *((at_ms, TOUCH) for at_ms in range(101, 200))],
    ),
    "held at boot": ([(0, P), (9_000, R)], []),
    "held at boot, then pressed": (
        [(0, P), (5_000, R), (5_100, P), (5_200, R)],
        [(5_100, TOUCH), (5_100, PRESS), (5_230, SHORT)],
    ),
    "not yet seen released when pressed": (
        [(0, P), (5_000, R), (5_020, P), (5_200, R)],
        [(5_020, TOUCH)],
    ),
    "broken wire": ([*BOOT, (100, NEITHER)], [(100, TOUCH), (100, PRESS), (600, BROKEN)]),
    "both sides closed": ([*BOOT, (100, BOTH)], [(100, TOUCH), (100, PRESS), (600, BROKEN)]),
    "broken at boot": ([(0, NEITHER)], [(0, TOUCH), (500, BROKEN)]),
    "broken in a press": (
        [*BOOT, (100, P), (300, NEITHER), (2_000, R), (2_200, P), (2_300, R)],
        [
            (100, TOUCH),
            (100, PRESS),
            (300, TOUCH),
            (800, BROKEN),
            (2_200, TOUCH),
            (2_200, PRESS),
            (2_330, SHORT),
        ],
    ),
    "broken twice": (
        [*BOOT, (100, NEITHER), (1_000, R), (2_000, BOTH)],
        [
            (100, TOUCH),
            (100, PRESS),
            (600, BROKEN),
            (2_000, TOUCH),
            (2_000, PRESS),
            (2_500, BROKEN),
        ],
    ),
    "wire flutters between broken and shorted": (
        [*BOOT, *((100 + 100 * i, (NEITHER, BOTH)[i % 2]) for i in range(10))],
        [
            (100, TOUCH),
            (100, PRESS),
            *((200 + 100 * i, TOUCH) for i in range(4)),
            (600, BROKEN),
            *((600 + 100 * i, TOUCH) for i in range(5)),
        ],
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_gestures(name: str) -> None:
    script, told = SCRIPTS[name]

    assert play(script, 10_000) == told


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "noise" not in name])
def test_samples_between_the_edges_change_nothing(name: str) -> None:
    script, told = SCRIPTS[name]
    sampled: Script = []
    for (at_ms, raw), (next_ms, _) in zip(script, [*script[1:], (10_000, R)], strict=True):
        sampled += [(at_ms, raw), *((t, raw) for t in range(at_ms + 1, next_ms, 7))]

    late = [(at_ms, gesture) for at_ms, gesture in play(sampled, 10_000)]
    assert late == told


UNSEEN: dict[str, tuple[Script, Told]] = {
    "noise that the kernel always takes for pressed": (
        [*BOOT, (100, P), *((at_ms, P, True) for at_ms in range(101, 600)), (600, R)],
        [(100, TOUCH), (100, PRESS), *((at_ms, TOUCH) for at_ms in range(101, 600))],
    ),
    "noise that ends pressed": (
        [*BOOT, (100, P), *((at_ms, P, True) for at_ms in range(101, 600)), (700, R)],
        [
            (100, TOUCH),
            (100, PRESS),
            *((at_ms, TOUCH) for at_ms in range(101, 600)),
            (730, SHORT),
        ],
    ),
    "a release that bounces unseen": (
        [*BOOT, (100, P), (200, R), (215, R, True), (240, R, True)],
        [(100, TOUCH), (100, PRESS), (215, TOUCH), (240, TOUCH), (270, SHORT)],
    ),
    "a press that bounces unseen": (
        [*BOOT, (100, R, True), (101, NEITHER), (103, P, True), (200, R)],
        [
            (100, TOUCH),
            (100, PRESS),
            (101, TOUCH),
            (103, TOUCH),
            (103, TOUCH),
            (230, SHORT),
        ],
    ),
    "a hold that bounces unseen": (
        [*BOOT, (100, P), (500, P, True), (2_000, R)],
        [(100, TOUCH), (100, PRESS), (500, TOUCH), (900, HELD)],
    ),
    "both sides at times, as the kernel sees it": (
        [*BOOT, (100, BOTH), *((at_ms, BOTH, True) for at_ms in range(101, 900)), (900, R)],
        [(100, TOUCH), (100, PRESS), *((at_ms, TOUCH) for at_ms in range(101, 900))],
    ),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_contact_that_moves_unseen_settles_when_it_rests(name: str) -> None:
    script, told = UNSEEN[name]

    assert play(script, 10_000) == told


def test_of_edges_that_were_lost_while_the_loop_was_held_up_no_press_is_made() -> None:
    button = Button()
    came = [(0, R, False), (50, R, False), (100, P, False), (135, R, True), (200, R, False)]

    told = [gesture for edge in came for gesture in button.sense(edge[1], edge[0], edge[2])]

    assert told == [TOUCH, PRESS, TOUCH]


@given(st.lists(st.tuples(st.integers(0, DEBOUNCE_MS - 1), st.sampled_from(Contact))))
def test_noise_starts_and_holds_nothing_whatever_the_kernel_makes_of_it(
    noise: list[tuple[int, Contact]],
) -> None:
    button, at_ms, said = Button(), 100, R
    script: Script = list(BOOT)
    for gap_ms, raw in noise:
        at_ms += gap_ms
        script.append((at_ms, raw, raw is said))
        said = raw
    script.append((at_ms, R, True))

    told = {gesture for _, gesture in play(script, 10_000, button)}
    assert told <= {TOUCH, PRESS, BROKEN}


def test_contacts_read() -> None:
    assert {(p, r): contact(p, r) for p in (False, True) for r in (False, True)} == {
        (False, False): NEITHER,
        (False, True): R,
        (True, False): P,
        (True, True): BOTH,
    }


def test_a_session_takes_no_pulse_for_a_press_whose_edges_were_lost() -> None:
    session = Session(MAT, CATALOGUE)
    for at_ms, event in (
        (0, Contacts(R)),
        (50, Wake()),
        (1_000, Contacts(P)),
        (1_070, Contacts(NEITHER, unsteady=True)),
        (1_071, Contacts(R)),
        (1_110, Wake()),
    ):
        session.handle(event, at_ms)
    assert (session.started, session.is_starting) == (0, False)


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
    assert (world.session.signal(1_840), step.duty_pct) == ("", SILENCE)


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
    "a press that bounces unseen": (1_000, [(2_500, R, True), (2_501, P), (2_600, R)], [2_630]),
    "an unseen blink of the contact is a break": (
        1_000,
        [(2_000, R, True), (3_400, P), (3_500, R), (5_000, P), (5_100, R)],
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

    assert play([(9_000, R)], 10_000, button) == []


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
    assert world.session.started == 1


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
    assert world.session.started == 1


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
    assert world.session.started == 1
    world.press(9_000)
    assert world.session.started == 2


def test_a_stop_in_the_middle_of_a_press_spends_it() -> None:
    for stopped_at_ms in (1_050, 1_110):
        world = World()
        world.contact(1_000, P)
        if stopped_at_ms > 1_100:
            world.contact(1_100, R)
        world.at(stopped_at_ms, Stop())
        world.contact(1_300, R)
        world.at(9_000)

        assert (world.levels(), world.session.started) == ([], 0)
        world.press(9_000)
        assert world.session.started == 1


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
