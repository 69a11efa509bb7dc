"""The tests of the emulated button fail if they could judge too little. No emulated Pi is needed."""

from collections.abc import Callable, Sequence

import pytest

from firmware_ctl.session.button import DEBOUNCE_MS
from tests.emulation import test_button
from tests.emulation.noise import TAP, Move, Recording


class Rig:
    """A rig whose machine makes the first `timely` recordings in time, and delays the others."""

    def __init__(self, timely: int) -> None:
        self.timely = timely
        self.recordings = 0
        self._state = "idle"

    def play(self, moves: Sequence[Move], watch_ms: int, **_: object) -> Recording:
        if moves is TAP:
            self._state = "running"
            return Recording([], 0, [100, 200], len(moves))
        self.recordings += 1
        gap_ms = 1 if self.recordings <= self.timely else DEBOUNCE_MS
        return Recording([n * gap_ms for n in range(4)] * 20, gap_ms, [], len(moves))

    def reset(self) -> None:
        self._state = "idle"

    def state(self) -> str:
        return self._state


PULSES = test_button.test_pulses_shorter_than_the_debounce_start_nothing
EDGES = test_button.test_thousands_of_edges_start_nothing_and_the_button_works_after_them


@pytest.mark.parametrize(
    ("judges", "timely", "played"), [(PULSES, 2, 5), (EDGES, 4, 10), (EDGES, 0, 10)]
)
def test_judgement_of_less_than_half_of_what_was_played_fails(
    judges: Callable[[Rig], None], timely: int, played: int
) -> None:
    with pytest.raises(AssertionError, match=f"only {timely} of {played} .* too busy"):
        judges(Rig(timely))


@pytest.mark.parametrize(("judges", "timely"), [(PULSES, 3), (PULSES, 5), (EDGES, 5)])
def test_judgement_of_half_of_what_was_played_passes(
    judges: Callable[[Rig], None], timely: int
) -> None:
    judges(Rig(timely))
