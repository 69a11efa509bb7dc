"""The tests of the emulated button fail if they could judge too little. No emulated Pi is needed."""

from collections.abc import Callable, Sequence

import pytest

from firmware_ctl.session.button import DEBOUNCE_MS
from tests.emulation import test_button
from tests.emulation.noise import TAP, Move, Recording


class Rig:
    """A rig whose machine delays the first `late` recordings, and makes the others in time."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.recordings = 0
        self._state = "idle"

    def play(self, moves: Sequence[Move], watch_ms: int, **_: object) -> Recording:
        if moves is TAP:
            self._state = "running"
            return Recording([], 0, [100, 200], len(moves))
        self.recordings += 1
        gap_ms = DEBOUNCE_MS if self.recordings <= self.late else 1
        return Recording([n * gap_ms for n in range(4)] * 20, gap_ms, [], len(moves))

    def reset(self) -> None:
        self._state = "idle"

    def state(self) -> str:
        return self._state


PULSES = test_button.test_pulses_shorter_than_the_debounce_start_nothing
EDGES = test_button.test_thousands_of_edges_start_nothing_and_the_button_works_after_them


@pytest.mark.parametrize("judges", [PULSES, EDGES])
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
