"""What each kind of number accepts, and the sentence for everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.fields import Kind
from firmware_ctl.config.quantities import duration, in_units, integer
from firmware_ctl.config.yaml_tree import Report, ScalarNode


def read_with(kind: Kind, text: str) -> object:
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
        ("90", ["key: 90 has no unit; write 90s or 90ms"]),
        ("2", ["key: 2 has no unit; write 2s or 2min"]),
        ("5000000", ["key: 5000000 has no unit; write 5000000s or 5000000min or 5000000ms"]),
        ("0s", ["key: 0s is below 10ms; write 10ms or more"]),
        ("-5s", ["key: -5s is below 10ms; write 10ms or more"]),
        ("-0s", ["key: -0s is below 10ms; write 10ms or more"]),
        ("5000000000s", ["key: 5000000000s is above the most, 30min; write 30min or less"]),
        ("31min", ["key: 31min is above the most, 30min; write 30min or less"]),
        ("30.000001min", ["key: 30.000001min is above the most, 30min; write 30min or less"]),
        ("20.5ms", ["key: 20.5ms is not a whole number of ms; write 20ms or 21ms"]),
        ("nan", ["key: nan is not a duration; use ms, s or min, for example 2s"]),
        (".inf", ["key: .inf is not a duration; use ms, s or min, for example 2s"]),
        ("1e3s", ["key: 1e3s is not a duration; use ms, s or min, for example 2s"]),
        ("2 s", 2_000),
        ("1.5 min", 90_000),
        ("2  s", ["key: '2  s' is not a duration; write 2s"]),
        (
            "2\u00a0s",
            [
                "key: '2\\xa0s' (with the invisible character U+00A0 in it) is not a duration; write 2s"
            ],
        ),
        ("2S", ["key: 2S is not a duration; write 2s"]),
        ("2h", ["key: 2h is not a duration; write 10ms to 30min"]),
        ("0.25h", ["key: 0.25h is not a duration; write 15min"]),
        ("010s", ["key: 010s is not a duration; write 10s"]),
        (".5s", ["key: .5s is not a duration; write 0.5s"]),
        ("1:30", ["key: 1:30 is not a duration; write 90s"]),
        ("0:02:00", ["key: 0:02:00 is not a duration; write 2min"]),
        ("1,5min", ["key: 1,5min is not a duration; write 1.5min"]),
        ("1,5", ["key: 1,5 is not a duration; write 1.5s"]),
        ("1m", ["key: 1m is not a duration; write 1min"]),
        ("1 minute", ["key: '1 minute' is not a duration; write 1min"]),
        ("500 msec", ["key: '500 msec' is not a duration; write 500ms"]),
        ("1min 30s", ["key: '1min 30s' is not a duration; write 90s"]),
        ("1m30s", ["key: 1m30s is not a duration; write 90s"]),
        ("1min or 2s", ["key: '1min or 2s' is not a duration; use ms, s or min, for example 2s"]),
        ("٣s", ["key: ٣s is not a duration; use ms, s or min, for example 2s"]),
        (
            "9" * 5_000,
            [f"key: {'9' * 37}... is not a duration; use ms, s or min, for example 2s"],
        ),
        ("", ["key: has no value; write one after the colon"]),
    ],
)
def test_duration_is_read_in_ms_or_refused(text: str, value: object) -> None:
    assert read_with(duration(10, 30 * 60_000), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", 100),
        ("101", ["key: 101 is above the most, 100; write 100 or less"]),
        ("1000000000000", ["key: 1000000000000 is above the most, 100; write 100 or less"]),
        ("0", ["key: 0 is below 1; write 1 or more"]),
        ("1.5", ["key: 1.5 is not a whole number; write 1 or 2"]),
        ("4x", ["key: 4x is not a whole number; write 4"]),
        ("3 times", ["key: '3 times' is not a whole number; write 3"]),
        ("three", ["key: three is not a whole number; write 3"]),
        ("many", ["key: many is not a whole number; write 1 to 100, for example 30"]),
    ],
)
def test_integer_without_unit_is_read_or_refused(text: str, value: object) -> None:
    assert read_with(integer(1, 100), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30%", 30),
        ("30.0%", 30),
        ("30 %", 30),
        ("0.25", ["key: 0.25 has no unit; did you mean 25%?"]),
        (".25", ["key: .25 is not a percentage; write 25%"]),
        ("0.9", ["key: 0.9 has no unit; write 0% to 60%"]),
        ("25,5%", ["key: 25,5% is not a percentage; write 26%"]),
        ("25 percent", ["key: '25 percent' is not a percentage; write 25%"]),
        ("half", ["key: half is not a percentage; write 50%"]),
        ("max", ["key: max is not a percentage; write 0% to 60%"]),
        ("60%", 60),
        ("30", ["key: 30 has no unit; write 30%"]),
        ("61%", ["key: 61% is above the neck zone's cap of 60%; write 60% or less"]),
        ("-1%", ["key: -1% is below 0%; write 0% or more"]),
        ("12.5%", ["key: 12.5% is not a whole number of %; write 12% or 13%"]),
        ("30%/s", ["key: 30%/s is not a percentage; write 0% to 60%, for example 30%"]),
        ("0x1e%", ["key: 0x1e% is not a percentage; write 0% to 60%, for example 30%"]),
        ("true", ["key: true is not a percentage; write 0% to 60%, for example 30%"]),
    ],
)
def test_integer_with_unit_is_read_or_refused(text: str, value: object) -> None:
    assert read_with(integer(0, 60, "%", "the neck zone's cap of"), text) == value


@given(st.integers(0, 10**8))
def test_duration_written_by_in_units_is_read_back(length_ms: int) -> None:
    assert read_with(duration(0, 10**8), in_units(length_ms)) == length_ms
