"""Reads a funscript: positions over time.

A funscript is JSON. `actions` is a list of `{"at": ms, "pos": 0 to 100}`, and devices go straight
from one position to the next. `inverted` true turns 0 and 100 round. Sources: the description in
https://github.com/buttplugio/stpihkal (video-encoding-formats/funscript.md), and the types of
https://github.com/iketown/pfs-editor (src/types/funscript.ts). `range`, further `axes` and
`metadata` say nothing about a strength, and are not read.

A position becomes a level: 0 is off, 100 is the strongest.
"""

from firmware_ctl.importing.curve import TIME_MAX_MS, Curve, Point
from firmware_ctl.importing.json_values import JsonValue


def read_funscript(root: JsonValue) -> Curve:
    version = root.optional("version")
    if version is not None and str(version.value).partition(".")[0] != "1":
        version.fail("only version 1 can be imported; save the file as funscript 1.0")
    inverted = root.optional("inverted")
    if inverted is not None and not isinstance(inverted.value, bool):
        inverted.fail("write true or false")
    turned = inverted is not None and inverted.value is True
    points: list[Point] = []
    for action in root.required("actions").items():
        at = action.required("at")
        at_ms = round(at.number(0, TIME_MAX_MS))
        if points and at_ms < points[-1].at_ms:
            at.fail(f"{at_ms} goes back; the action before it is at {points[-1].at_ms}")
        pos = action.required("pos").number(0, 100)
        points.append(Point(at_ms, (100 - pos if turned else pos) / 100))
    return tuple(points)
