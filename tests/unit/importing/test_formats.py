"""Which format a file is of, and every mistake of a file: one sentence with its place."""

import pytest

from firmware_ctl.importing.formats import FORMATS
from firmware_ctl.importing.json_values import BYTES_MAX, ForeignFileError
from tests.unit.importing.examples import ahap, control, curve_of, event, funscript, haptic


def test_format_table_has_each_format_once() -> None:
    assert [one.name for one in FORMATS] == ["funscript", "AHAP", ".haptic"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \n", "the file is empty"),
        (b"\xff{}", "byte 1: the file is not UTF-8 text"),
        (b" " * (BYTES_MAX + 1), "the file is larger than 2048 KiB; shorten it first"),
        (b"[" * 100_000, "the file nests too deeply; it is of no known format"),
        (b'{"actions":\n [}', "line 2, column 3: this is no JSON: Expecting value"),
        (b'{"a": NaN}', "the file holds NaN, which is no number; write a number instead"),
        (b'{"a": -Infinity}', "the file holds -Infinity, which is no number; write a number instead"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "a number in the file has too many digits"),
        (b"[1]", "the file: a list is no object; an object {…} belongs here"),
        (b"{}", "the file is of no known format; one of these keys is needed: actions (funscript), Pattern (AHAP), signals (.haptic)"),
        (b'{"actions": 3}', "actions: 3 is no list; a list […] belongs here"),
        (b'{"actions": [7]}', "actions[0]: 7 is no object; an object {…} belongs here"),
        (b'{"actions": [{"at": 1e999, "pos": 1}]}', "actions[0].at: inf is not a number from 0 to 86400000"),
        (funscript(), "actions: the list is empty, so there is nothing to play"),
        (funscript((0, 1), version="2.0"), "version: only version 1 can be imported; save the file as funscript 1.0"),
        (funscript((0, 1), inverted="no"), "inverted: write true or false"),
        (funscript((0, 0), (900, 9), (500, 0)), "actions[2].at: 500 goes back; the action before it is at 900"),
        (funscript((0, 101)), "actions[0].pos: 101 is not a number from 0 to 100"),
        (funscript(("0", 1)), 'actions[0].at: "0" is no number; write 0 to 86400000'),
        (funscript((0, True)), "actions[0].pos: True is no number; write 0 to 100"),
        (funscript((0, "x" * 99)), f'actions[0].pos: "{"x" * 29}… is no number; write 0 to 100'),
        (funscript((0, None)), "actions[0]: the key pos is missing"),
        (funscript((-1, 0)), "actions[0].at: -1 is not a number from 0 to 86400000"),
        (haptic((0, 1), major=2), "version.major: only version 1 can be imported; export the file as version 1.0.0"),
        (haptic((1, 1), (0.5, 1)), "signals.continuous.envelopes.amplitude[1].time: 0.5 goes back; the one before is 1"),
        (haptic((0, 1.5)), "signals.continuous.envelopes.amplitude[0].amplitude: 1.5 is not a number from 0 to 1"),
        (haptic((0, 1), emphasis=[]), "signals.continuous.envelopes.amplitude[0].emphasis.amplitude: a list is no number; write 0 to 1"),
        (ahap(event(0), version=2), "Version: only version 1 can be imported; save the pattern as version 1.0"),
        (ahap(control(0, (0, 1))), "Pattern: it has no haptic event, so there is nothing to play"),
        (ahap(event(0, "long")), 'Pattern[0].Event.EventDuration: "long" is no number; write 0 to 86400'),
        (ahap(event(0), control(0, (1, 1), (0.5, 0))), "Pattern[1].ParameterCurve.ParameterCurveControlPoints[1]: its Time goes back behind that of the control point before it"),
        (ahap({"Event": {"Time": 0, "EventType": "HapticContinuous"}}), "Pattern[0].Event: the key EventDuration is missing"),
        (ahap({"Event": {"Time": 0, "EventType": 5}}), "Pattern[0].Event.EventType: 5 is no text; a text in quotes belongs here"),
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_with_its_place(data: bytes, sentence: str) -> None:
    with pytest.raises(ForeignFileError) as caught:
        curve_of(data)
    assert str(caught.value) == sentence
