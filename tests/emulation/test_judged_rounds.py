"""The tests of the emulated button fail if they could judge too little. No emulated Pi is needed."""

from collections.abc import Callable, Sequence
from typing import Final

import pytest

from firmware_ctl.session.button import DEBOUNCE_MS
from tests.emulation import test_button
from tests.emulation.noise import TAP, Move, Recording

MOVES_REPORTED: Final = 100


class Client:
    def __init__(self) -> None:
        self.told: list[str] = []

    def ask(self, request: str) -> None:
        pass


class Rig:
    """A rig whose machine delays the first `late` recordings, and makes the others in time."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.recordings = 0
        self.client = Client()
        self._state = "idle"

    def play(
        self, moves: Sequence[Move], watch_ms: int, times: int = 1, every_ms: float = 0
    ) -> Recording:
        is_press = times == 1
        if is_press:
            self._state = "running"
            self.client.told = ["* event=state state=running"]
        self.recordings += moves is not TAP
        late_ms = DEBOUNCE_MS if self.recordings <= self.late else 1
        at_ms = [
            n * every_ms + move_at_ms + late_ms for n in range(times) for move_at_ms, *_ in moves
        ]
        return Recording(at_ms[:MOVES_REPORTED], late_ms, [100, 200] * is_press, times * len(moves))

    def reset(self) -> None:
        self._state = "idle"

    def state(self) -> str:
        return self._state


PULSES = test_button.test_pulses_shorter_than_the_debounce_start_nothing
EDGES = test_button.test_thousands_of_edges_start_nothing_and_the_button_works_after_them


BOUNCE = test_button.test_a_contact_that_bounces_is_one_press


@pytest.mark.parametrize("judges", [PULSES, EDGES, BOUNCE])
def test_rounds_of_which_none_could_be_judged_fail(judges: Callable[[Rig], None]) -> None:
    with pytest.raises(AssertionError, match=r"none of 40 .* too busy"):
        judges(Rig(late=40))


@pytest.mark.parametrize("judges", [PULSES, EDGES])
@pytest.mark.parametrize(("late", "played"), [(0, 3), (5, 8), (39, 40)])
def test_rounds_are_played_until_enough_could_be_judged(
    judges: Callable[[Rig], None], late: int, played: int
) -> None:
    rig = Rig(late)
    judges(rig)
    assert rig.recordings == played


@pytest.mark.parametrize(("late", "played"), [(0, 1), (39, 40)])
def test_press_that_bounced_for_too_long_is_played_again(late: int, played: int) -> None:
    rig = Rig(late)
    BOUNCE(rig)
    assert rig.recordings == played
