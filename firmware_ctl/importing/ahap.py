"""Reads an AHAP file of Apple's Core Haptics: events, and curves that change their intensity.

The format is JSON. `Pattern` is a list, in any order, of three kinds of items:

- `Event` with `Time` in seconds, `EventType` and `EventParameters`. A `HapticContinuous` lasts for
  `EventDuration`, and a `HapticTransient` is a tap. `HapticIntensity` is 0 to 1.
- `ParameterCurve` with `Time` and `ParameterCurveControlPoints`, whose times count from the curve's
  `Time`. `HapticIntensityControl` multiplies the intensity of all events, straight from point to
  point.
- `Parameter`, which changes a value at once.

Values out of range are clamped, and unknown keys ignored, as Core Haptics does. Audio and sharpness
are not read, and neither is the envelope within an event (attack, decay, release). Sources:
"Representing haptic patterns in AHAP files" and "CHHapticParameterCurve"
(https://developer.apple.com/documentation/corehaptics). Where events overlap, the strongest counts.
"""

from heapq import heappop, heappush
from typing import Final, NamedTuple

from firmware_ctl.importing.curve import TIME_MAX_MS, Curve, Point, without_doubles
from firmware_ctl.importing.json_values import JsonValue

TAP_MS: Final = 150
"""Length of a transient event: that of a tap of the pattern `tap`, which a motor can follow."""

_TYPES: Final = {"HapticContinuous", "HapticTransient"}


class HapticEvent(NamedTuple):
    begin_ms: int
    end_ms: int
    intensity: float


def read_ahap(root: JsonValue) -> Curve:
    version = root.optional("Version")
    if version is not None and int(version.number(0, 1_000)) != 1:
        version.fail("only version 1 can be imported; save the pattern as version 1.0")
    pattern = root.required("Pattern")
    events: list[HapticEvent] = []
    controls: list[list[Point]] = []
    for item in pattern.items():
        if (event := item.optional("Event")) is not None:
            if event.required("EventType").text() in _TYPES:
                events.append(_event(event))
        elif (curve := item.optional("ParameterCurve")) is not None:
            if curve.required("ParameterID").text() == "HapticIntensityControl":
                controls.append(_control_points(curve))
        elif (change := item.optional("Parameter")) is not None and change.required(
            "ParameterID"
        ).text() == "HapticIntensityControl":
            level = _clamped(change.required("ParameterValue"))
            controls.append([Point(_time_ms(change), level)])
    if not events:
        pattern.fail("it has no haptic event, so there is nothing to play")
    return _multiplied(events, _joined(controls))


def _event(event: JsonValue) -> HapticEvent:
    begin_ms = _time_ms(event)
    length_ms = TAP_MS
    if event.required("EventType").value == "HapticContinuous":
        length_ms = round(1_000 * event.required("EventDuration").number(0, TIME_MAX_MS / 1_000))
    intensity = 1.0
    parameters = event.optional("EventParameters")
    if parameters is not None and parameters.value != []:
        for parameter in parameters.items():
            if parameter.required("ParameterID").text() == "HapticIntensity":
                intensity = _clamped(parameter.required("ParameterValue"))
    return HapticEvent(begin_ms, begin_ms + length_ms, intensity)


def _time_ms(item: JsonValue) -> int:
    time = item.optional("Time")
    return 0 if time is None else round(1_000 * time.number(0, TIME_MAX_MS / 1_000))


def _clamped(value: JsonValue) -> float:
    return min(1.0, max(0.0, value.number(-1e9, 1e9)))


def _control_points(curve: JsonValue) -> list[Point]:
    begin_ms = _time_ms(curve)
    points: list[Point] = []
    for item in curve.required("ParameterCurveControlPoints").items():
        at_ms = begin_ms + _time_ms(item)
        if points and at_ms < points[-1].at_ms:
            item.fail("its Time goes back behind that of the control point before it")
        points.append(Point(at_ms, _clamped(item.required("ParameterValue"))))
    return points


def _joined(controls: list[list[Point]]) -> list[Point]:
    """All curves of the intensity as one: it is 1 at first, and a later curve replaces the rest of
    an earlier one."""
    joined = [Point(0, 1.0)]
    for points in sorted(controls, key=lambda points: points[0].at_ms):
        begin_ms = points[0].at_ms
        while len(joined) > 1 and joined[-1].at_ms > begin_ms:
            joined.pop()
        joined += [Point(begin_ms, joined[-1].level), *points]
    return joined


def _multiplied(events: list[HapticEvent], control: list[Point]) -> Curve:
    """The strongest event at each time, times the control at that time."""
    end_ms = max(event.end_ms for event in events)
    times_ms = {ms for event in events for ms in event[:2]}
    times_ms |= {point.at_ms for point in control if point.at_ms < end_ms}
    waiting = sorted(events, reverse=True)
    playing: list[tuple[float, int]] = []  # (minus the intensity, the end) of each event
    points: list[Point] = []
    base = 0.0
    index = 0  # of the first control point that is not before the time
    for at_ms in sorted(times_ms):
        while index < len(control) and control[index].at_ms < at_ms:
            index += 1
        points.append(Point(at_ms, base * _control_before(control, index, at_ms)))
        while index + 1 < len(control) and control[index + 1].at_ms == at_ms:
            index += 1
        while waiting and waiting[-1].begin_ms <= at_ms:
            event = waiting.pop()
            heappush(playing, (-event.intensity, event.end_ms))
        while playing and playing[0][1] <= at_ms:
            heappop(playing)
        base = -playing[0][0] if playing else 0.0
        points.append(Point(at_ms, base * _control_before(control, index, at_ms)))
    return without_doubles(points)


def _control_before(control: list[Point], index: int, at_ms: int) -> float:
    """The control at a time from the point before `index` up to that at `index`."""
    if index == len(control):
        return control[-1].level
    after = control[index]
    if after.at_ms == at_ms or index == 0:
        return after.level
    before = control[index - 1]
    share = (at_ms - before.at_ms) / (after.at_ms - before.at_ms)
    return before.level + (after.level - before.level) * share
