"""The button alone: scripts of (time, contact), and the gestures that result, as whole lists."""

import pytest

from firmware_ctl.session.button import Button, Spell, contact, spells_of
from tests.unit.session.button_scripts import (
    BOOT,
    BOTH,
    NEITHER,
    PRESS,
    REST_MS,
    SCRIPTS,
    SHORT,
    TOUCH,
    Gestures,
    P,
    R,
    Script,
    effects,
)


def play(script: Script, until_ms: int, button: Button | None = None) -> Gestures:
    """Every gesture with its time. Between edges the button is called when it asks to be."""
    button = button or Button()
    gestures: Gestures = []
    for at_ms, contact_now in [*script, (until_ms, script[-1][1])]:
        while (wake_at_ms := button.wake_at_ms()) is not None and wake_at_ms < at_ms:
            gestures += [(wake_at_ms, gesture) for gesture in button.wait(wake_at_ms)]
        edges = (Spell(at_ms, at_ms, contact_now),) if at_ms < until_ms else ()
        gestures += [(at_ms, gesture) for gesture in button.sense(contact_now, at_ms, edges)]
    return gestures


@pytest.mark.parametrize("name", SCRIPTS)
def test_button_reports_the_gestures_of_a_script(name: str) -> None:
    script, expected = SCRIPTS[name]

    assert effects(play(script, script[-1][0] + REST_MS)) == expected


def test_touch_is_reported_for_every_edge_and_press_once() -> None:
    script = [*BOOT, (100, NEITHER), (101, R), (102, P), (300, R), (301, P), (302, R), (900, R)]
    gestures = [pair for pair in play(script, 2_000) if pair[1] in (TOUCH, PRESS)]

    assert gestures == [
        (0, TOUCH), (100, TOUCH), (100, PRESS), (101, TOUCH), (102, TOUCH),
        (300, TOUCH), (301, TOUCH), (302, TOUCH), (900, TOUCH), (900, PRESS),
    ]  # fmt: skip


def test_spells_of_edges_closer_than_the_debounce_are_one() -> None:
    edges = [(100, P), (129, R), (127, P), (159, P), (188, R)]
    assert spells_of(edges) == ((100, 129, P), (159, 188, R))
    assert spells_of([]) == ()


def test_contact_of_two_lines_has_four_readings() -> None:
    assert {(p, r): contact(p, r) for p in (False, True) for r in (False, True)} == {
        (False, False): NEITHER,
        (False, True): R,
        (True, False): P,
        (True, True): BOTH,
    }


# The time of the lock, the contacts after it, and the times of the presses that count.
LOCKS: dict[str, tuple[int, Script, list[int]]] = {
    "pressed too early": (1_000, [(2_499, P), (2_600, R)], []),
    "pressed late enough": (1_000, [(2_500, P), (2_600, R)], [2_630]),
    "an early press restarts the lock": (
        1_000,
        [(2_000, P), (2_100, R), (3_599, P), (3_700, R), (5_200, P), (5_300, R)],
        [5_330],
    ),
    "a short opening of the contact restarts the lock": (
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
def test_lock_ends_after_1500_ms_of_unbroken_release(name: str) -> None:
    locked_at_ms, script, shorts = LOCKS[name]
    button = Button()
    play(BOOT, locked_at_ms, button)
    button.lock(locked_at_ms)

    gestures = play(script, 10_000, button)

    assert [at_ms for at_ms, gesture in gestures if gesture is SHORT] == shorts
    assert {gesture for _, gesture in gestures} <= {TOUCH, PRESS, SHORT}


def test_press_in_progress_when_locked_is_ignored() -> None:
    button = Button()
    play([*BOOT, (100, P)], 200, button)
    button.lock(200)

    assert effects(play([(9_000, R)], 10_000, button)) == []
