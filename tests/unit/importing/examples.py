"""Files of the three formats, as the tests read them."""

import json

from firmware_ctl.importing.curve import Curve
from firmware_ctl.importing.formats import format_of
from firmware_ctl.importing.json_values import parse


def funscript(*actions: tuple[object, object], **keys: object) -> bytes:
    listed = [{"at": at, "pos": pos} for at, pos in actions]
    return json.dumps({"version": "1.0", "actions": listed, **keys}).encode()


def haptic(*points: tuple[object, object], emphasis: object = None, major: object = 1) -> bytes:
    """`emphasis`: the amplitude of the emphasis of every breakpoint."""
    more = {} if emphasis is None else {"emphasis": {"amplitude": emphasis, "frequency": 0.5}}
    amplitude = [{"time": time, "amplitude": level, **more} for time, level in points]
    signals = {"continuous": {"envelopes": {"amplitude": amplitude}}}
    return json.dumps({"version": {"major": major}, "signals": signals}).encode()


def event(begin_s: object, length_s: object = None, intensity: object = None) -> dict[str, object]:
    """A continuous event, or a transient one without a length."""
    kind = "HapticTransient" if length_s is None else "HapticContinuous"
    fields: dict[str, object] = {"Time": begin_s, "EventType": kind}
    if length_s is not None:
        fields["EventDuration"] = length_s
    if intensity is not None:
        fields["EventParameters"] = [
            {"ParameterID": "HapticSharpness", "ParameterValue": 0.3},
            {"ParameterID": "HapticIntensity", "ParameterValue": intensity},
        ]
    return {"Event": fields}


def control(begin_s: object, *points: tuple[object, object]) -> dict[str, object]:
    """A curve of the intensity."""
    listed = [{"Time": time, "ParameterValue": value} for time, value in points]
    return {
        "ParameterCurve": {
            "ParameterID": "HapticIntensityControl",
            "Time": begin_s,
            "ParameterCurveControlPoints": listed,
        }
    }


def ahap(*items: dict[str, object], version: object = 1.0) -> bytes:
    return json.dumps({"Version": version, "Pattern": items}).encode()


def curve_of(data: bytes) -> Curve:
    root = parse(data)
    return format_of(root).read(root)
