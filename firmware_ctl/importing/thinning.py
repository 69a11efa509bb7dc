"""Leaves out of a curve what the motors cannot follow, and what nobody could feel.

By the model of the motors (`simulator.erm`) a motor takes 120 ms to spin up, and its vibration
fades in about 100 ms. Points that are closer together than that form a run. A short run keeps its
first and its last point. A longer one keeps them too, and between them gets one point for each
120 ms, at the mean of the curve there: faster changes are felt as their mean.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from firmware_ctl.config.patterns import SHORTEST_MS
from firmware_ctl.importing.curve import Areas, Curve, Point
from firmware_ctl.simulator.erm import RISE_MS, STOP_MS

SPIN_UP_MS: Final = round(3 * RISE_MS)
"""After this time a motor has 95 % of its speed."""

RUN_DOWN_MS: Final = round(STOP_MS)
"""After this time less than 10 % of a motor's amplitude is left."""


class Coarseness(NamedTuple):
    """How much of a curve is left out."""

    apart_ms: int = SPIN_UP_MS
    """Points that are closer together form a run."""
    off_pct: float = 1.0
    """A point is left out if the line between its neighbours is as near to it as this."""


def followed(points: Sequence[Point], apart_ms: int) -> Curve:
    """The curve as motors that take `apart_ms` for a change can follow it. Jumps get a length."""
    areas = Areas(points)
    kept: list[Point] = []
    for run in _runs(points, apart_ms):
        first, last = run[0], run[-1]
        kept.append(first)
        count = (last.at_ms - first.at_ms) // apart_ms
        span_ms = (last.at_ms - first.at_ms) / max(count, 1)
        for i in range(count):
            begin_ms = first.at_ms + i * span_ms
            mean = areas.mean(begin_ms, begin_ms + span_ms)
            kept.append(Point(round(begin_ms + span_ms / 2), mean))
        if len(run) > 1:
            kept.append(last._replace(at_ms=max(last.at_ms, first.at_ms + SHORTEST_MS)))
    return tuple(kept)


def _runs(points: Sequence[Point], apart_ms: int) -> Iterator[list[Point]]:
    run = [points[0]]
    for before, point in pairwise(points):
        if point.at_ms - before.at_ms >= apart_ms:
            yield run
            run = []
        run.append(point)
    yield run


def straightened(points: Sequence[Point], off: float) -> Curve:
    """The points without those to which the line between their neighbours is as near as `off`.

    Points at level 0 beside another level stay: they start and stop motors. Times must differ.
    """
    kept = [points[0]]
    least, most = -inf, inf  # the slopes from the last kept point that miss no point by more
    before = points[0]
    for index, point in enumerate(points[1:], 1):
        anchor = kept[-1]
        length_ms = point.at_ms - anchor.at_ms
        if not least <= (point.level - anchor.level) / length_ms <= most:
            kept.append(before)
            anchor, least, most = before, -inf, inf
            length_ms = point.at_ms - anchor.at_ms
        least = max(least, (point.level - off - anchor.level) / length_ms)
        most = min(most, (point.level + off - anchor.level) / length_ms)
        after = points[min(index + 1, len(points) - 1)]
        if not point.level and (before.level or after.level):
            kept.append(point)
            least, most = -inf, inf
        before = point
    if kept[-1] != before:
        kept.append(before)
    return tuple(kept)
