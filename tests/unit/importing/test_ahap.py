"""Events and curves of the intensity become levels."""

import pytest

from firmware_ctl.importing.curve import level_at
from tests.unit.importing.examples import ahap, control, curve_of, event


def test_continuous_event_is_a_block_and_a_transient_event_a_tap() -> None:
    assert curve_of(ahap(event(0, 1, 0.5), event(2))) == (
        (0, 0.0), (0, 0.5), (1000, 0.5), (1000, 0.0), (2000, 0.0), (2000, 1.0), (2150, 1.0), (2150, 0.0),
    )  # fmt: skip


def test_strongest_of_overlapping_events_counts_in_any_order_of_the_file() -> None:
    events = [event(0, 4, 0.25), event(1, 1, 0.75), event(1.5, 2, 0.5)]
    curve = curve_of(ahap(*events))
    assert curve == curve_of(ahap(*reversed(events)))
    assert [level_at(curve, ms) for ms in (500, 1250, 2500, 3750, 4000)] == [
        0.25,
        0.75,
        0.5,
        0.25,
        0,
    ]


def test_curve_multiplies_all_events_from_its_begin_and_holds_its_last_value() -> None:
    curve = curve_of(ahap(event(0, 8), control(2, (0, 1), (2, 0.5))))
    assert [level_at(curve, ms) for ms in (0, 1000, 3000, 4000, 7999)] == [1, 1, 0.75, 0.5, 0.5]


def test_later_curve_replaces_the_rest_of_an_earlier_one() -> None:
    curve = curve_of(ahap(event(0, 8), control(3, (0, 0.5)), control(0, (0, 1), (6, 0))))
    assert [level_at(curve, ms) for ms in (0, 3000, 7000)] == [1, 0.5, 0.5]


def test_parameter_changes_the_intensity_at_once() -> None:
    change = {
        "Parameter": {"ParameterID": "HapticIntensityControl", "Time": 1, "ParameterValue": 0.5}
    }
    curve = curve_of(ahap(event(0, 2), change))
    assert [level_at(curve, ms) for ms in (999, 1000)] == [1, 0.5]


@pytest.mark.parametrize(("asked", "level"), [(7, 1), (-3, 0)])
def test_intensity_out_of_range_is_clamped_as_by_core_haptics(asked: int, level: int) -> None:
    assert level_at(curve_of(ahap(event(0, 2, asked))), 1000) == level


def test_audio_other_curves_and_unknown_items_are_ignored() -> None:
    sound = {"Event": {"Time": 0, "EventType": "AudioCustom", "EventWaveformPath": "x.wav"}}
    sharpness = control(0, (0, 0))
    sharpness["ParameterCurve"]["ParameterID"] = "HapticSharpnessControl"  # type: ignore[index]  # a document
    plain = curve_of(ahap(event(0, 2)))
    assert curve_of(ahap(sound, sharpness, {"Comment": 1}, event(0, 2))) == plain
