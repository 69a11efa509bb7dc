"""A curve: how strong a file of another program is over time.

A curve is straight between its points. Two points at one time are a jump.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

TIME_MAX_MS: Final = 24 * 3_600_000
"""The latest time that a file may name."""


class Point(NamedTuple):
    at_ms: int
    level: float
    """In any unit. A format's reader gives 0 (off) to 1 (the strongest that the format knows)."""


Curve = tuple[Point, ...]
"""At least one point. Times never go back."""


def level_at(points: Sequence[Point], at_ms: float) -> float:
    """The level at a time: 0 before the first point, and the last level after the last point.

    At a jump it is the level after the jump.
    """
    index = bisect_right(points, at_ms, key=lambda point: point.at_ms)
    if index == 0:
        return 0.0
    before = points[index - 1]
    if index == len(points):
        return before.level
    after = points[index]
    share = (at_ms - before.at_ms) / (after.at_ms - before.at_ms)
    return before.level + (after.level - before.level) * share


def cut(points: Sequence[Point], end_ms: int) -> Curve:
    """The part of a curve up to `end_ms`."""
    if points[-1].at_ms <= end_ms:
        return tuple(points)
    kept = [point for point in points if point.at_ms <= end_ms]
    return (*kept, Point(end_ms, level_at(points, end_ms)))


class Areas:
    """The means of a curve over spans of time."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._sums = [0.0]
        for a, b in pairwise(points):
            self._sums.append(self._sums[-1] + (b.at_ms - a.at_ms) * (a.level + b.level) / 2)

    def mean(self, begin_ms: float, end_ms: float) -> float:
        """The mean level from `begin_ms` to `end_ms`, both within the curve."""
        return (self._until(end_ms) - self._until(begin_ms)) / (end_ms - begin_ms)

    def _until(self, at_ms: float) -> float:
        points = self._points
        index = max(bisect_right(points, at_ms, key=lambda point: point.at_ms) - 1, 0)
        point = points[index]
        level = level_at(points, at_ms)
        return self._sums[index] + (at_ms - point.at_ms) * (point.level + level) / 2


def without_doubles(points: Iterable[Point]) -> Curve:
    """The points without those that are equal to the one before."""
    kept: list[Point] = []
    for point in points:
        if not kept or point != kept[-1]:
            kept.append(point)
    return tuple(kept)
