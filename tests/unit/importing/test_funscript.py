"""Positions become levels."""

from tests.unit.importing.examples import curve_of, funscript


def test_funscript_positions_become_levels() -> None:
    assert curve_of(funscript((0, 0), (1500.4, 50), (1500.4, 100))) == (
        (0, 0.0),
        (1500, 0.5),
        (1500, 1.0),
    )


def test_inverted_funscript_is_turned_round() -> None:
    assert curve_of(funscript((0, 0), (20, 75), inverted=True)) == ((0, 1.0), (20, 0.25))
