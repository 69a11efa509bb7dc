"""Reads a .haptic file of Lofelt Studio or Meta Haptics Studio: an envelope of amplitudes.

The format is JSON. `signals.continuous.envelopes.amplitude` is a list of breakpoints `{"time":
seconds, "amplitude": 0 to 1}` whose times never go back, and the amplitude goes straight from one
to the next. A breakpoint may have an `emphasis` with an amplitude of its own, for a short click.
`envelopes.frequency` is not read: the frequency of these motors follows from their strength.
Source: "Haptic Data Model, version 1.0.0", the README of the crate `datamodel` in the Lofelt SDK
(https://github.com/Lofelt/NiceVibrations).

An emphasis raises its breakpoint to its amplitude.
"""

from firmware_ctl.importing.curve import TIME_MAX_MS, Curve, Point
from firmware_ctl.importing.json_values import JsonValue


def read_haptic(root: JsonValue) -> Curve:
    major = root.required("version").required("major")
    if major.value != 1:
        major.fail("only version 1 can be imported; export the file as version 1.0.0")
    envelopes = root.required("signals").required("continuous").required("envelopes")
    points: list[Point] = []
    for breakpoint_ in envelopes.required("amplitude").items():
        time = breakpoint_.required("time")
        at_ms = round(1_000 * time.number(0, TIME_MAX_MS / 1_000))
        if points and at_ms < points[-1].at_ms:
            time.fail(f"{time.value} goes back; the one before is {points[-1].at_ms / 1_000:g}")
        level = breakpoint_.required("amplitude").number(0, 1)
        emphasis = breakpoint_.optional("emphasis")
        if emphasis is not None:
            level = max(level, emphasis.required("amplitude").number(0, 1))
        points.append(Point(at_ms, level))
    return tuple(points)
