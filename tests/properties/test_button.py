"""The gestures of the scripts, however late or often the button is read."""

from collections import deque
from itertools import pairwise

import pytest

from firmware_ctl.session.button import Button, Spell, spells_of
from tests.unit.session.button_scripts import (
    REST_MS,
    SCRIPTS,
    Gestures,
    R,
    Script,
    effects,
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_button_sampled_between_the_edges_reports_the_same_gestures(name: str) -> None:
    script, expected = SCRIPTS[name]
    button = Button()
    gestures: Gestures = []
    for (at_ms, contact_now), (next_ms, _) in pairwise([*script, (script[-1][0] + REST_MS, R)]):
        gestures += [
            (at_ms, g)
            for g in button.sense(contact_now, at_ms, (Spell(at_ms, at_ms, contact_now),))
        ]
        for ms in range(at_ms + 1, next_ms):
            gestures += [(ms, gesture) for gesture in button.sense(contact_now, ms)]

    assert effects(gestures) == expected


@pytest.mark.parametrize("late_ms", [1, 20, 60, 250])
@pytest.mark.parametrize("name", SCRIPTS)
def test_button_read_late_reports_the_same_gestures(name: str, late_ms: int) -> None:
    """The edges between two readings are grouped into spells."""
    script, expected = SCRIPTS[name]
    button, edges, contact_now = Button(), deque(script), script[0][1]
    gestures: Gestures = []
    for at_ms in range(0, script[-1][0] + REST_MS, late_ms + 1):
        new: Script = []
        while edges and edges[0][0] <= at_ms:
            new.append(edges.popleft())
        contact_now = new[-1][1] if new else contact_now
        gestures += [
            (at_ms, gesture) for gesture in button.sense(contact_now, at_ms, spells_of(new))
        ]

    assert [gesture for _, gesture in effects(gestures)] == [gesture for _, gesture in expected]
    for (at_ms, _), (expected_at_ms, _) in zip(effects(gestures), expected, strict=True):
        assert expected_at_ms <= at_ms <= expected_at_ms + late_ms
