"""The envelope of amplitudes becomes levels."""

from tests.unit.importing.examples import curve_of, haptic


def test_haptic_amplitudes_become_levels() -> None:
    assert curve_of(haptic((0, 0.25), (0.5, 1))) == ((0, 0.25), (500, 1.0))


def test_emphasis_raises_its_breakpoint_and_never_lowers_it() -> None:
    assert curve_of(haptic((0, 0.25), (0.5, 1), emphasis=0.5)) == ((0, 0.5), (500, 1.0))
