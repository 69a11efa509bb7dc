"""What each kind of value accepts, and the sentence for everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.fields import Kind, duration, in_units, integer
from firmware_ctl.config.yaml_tree import Report, ScalarNode


def read_with(kind: Kind[object], text: str) -> object:
    report = Report("f")
    value = kind.read(ScalarNode(1, 1, text), "key", report)
    return value if value is not None else [mistake.sentence for mistake in report.mistakes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 500),
        ("2s", 2_000),
        ("1.5min", 90_000),
        ("0.25s", 250),
        ("0.010s", 10),
        ("90", ["key: 90 has no unit; write 90ms or 90s"]),
        ("2", ["key: 2 has no unit; write 2s or 2min"]),
        ("5000000", ["key: 5000000 has no unit; write 5000000ms or 5000000s or 5000000min"]),
        ("0s", ["key: must be at least 10ms, not 0s"]),
        ("-5s", ["key: must be at least 10ms, not -5s"]),
        ("-0s", ["key: must be at least 10ms, not -0s"]),
        ("5000000000s", ["key: 5000000000s is above the most, 30min"]),
        ("31min", ["key: 31min is above the most, 30min"]),
        ("30.000001min", ["key: 30.000001min is above the most, 30min"]),
        ("20.5ms", ["key: must be a whole number of ms, not 20.5ms"]),
        ("nan", ["key: nan is not a duration; use ms, s or min, for example 2s"]),
        (".inf", ["key: .inf is not a duration; use ms, s or min, for example 2s"]),
        ("1e3s", ["key: 1e3s is not a duration; use ms, s or min, for example 2s"]),
        ("2 s", ["key: '2 s' is not a duration; use ms, s or min, for example 2s"]),
        ("2h", ["key: 2h is not a duration; use ms, s or min, for example 2s"]),
        ("010s", ["key: 010s is not a duration; use ms, s or min, for example 2s"]),
        ("1:30", ["key: 1:30 is not a duration; use ms, s or min, for example 2s"]),
        ("٣s", ["key: ٣s is not a duration; use ms, s or min, for example 2s"]),
        (
            "9" * 5_000,
            [f"key: {'9' * 37}... is not a duration; use ms, s or min, for example 2s"],
        ),
        ("", ["key: has no value"]),
    ],
)
def test_duration_is_read_in_ms_or_refused(text: str, value: object) -> None:
    assert read_with(duration(10, 30 * 60_000), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", 100),
        ("101", ["key: 101 is above the most, 100"]),
        ("1000000000000", ["key: 1000000000000 is above the most, 100"]),
        ("0", ["key: must be at least 1, not 0"]),
        ("many", ["key: many is not a whole number; write it like 30"]),
    ],
)
def test_integer_without_unit_is_read_or_refused(text: str, value: object) -> None:
    assert read_with(integer(1, 100), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30%", 30),
        ("30.0%", 30),
        ("60%", 60),
        ("30", ["key: 30 has no unit; write 30%"]),
        ("61%", ["key: 61% is above the neck zone's cap of 60%"]),
        ("-1%", ["key: must be at least 0%, not -1%"]),
        ("12.5%", ["key: must be a whole number of %, not 12.5%"]),
        ("30%/s", ["key: 30%/s is not a percentage; write it like 30%"]),
        ("0x1e%", ["key: 0x1e% is not a percentage; write it like 30%"]),
        ("true", ["key: true is not a percentage; write it like 30%"]),
    ],
)
def test_integer_with_unit_is_read_or_refused(text: str, value: object) -> None:
    assert read_with(integer(0, 60, "%", "the neck zone's cap of"), text) == value


@given(st.integers(0, 10**8))
def test_duration_written_by_in_units_is_read_back(length_ms: int) -> None:
    assert read_with(duration(0, 10**8), in_units(length_ms)) == length_ms
