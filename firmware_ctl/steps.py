"""Step functions of time in whole percent: how pieces of a course become levels.

Every course, ramp and signal is drawn into one of these once, for one cycle; playing is then a
look-up. Nothing here grows with the length of a session.
"""

from bisect import bisect_right
from collections.abc import Iterable
from math import acos, ceil, floor, pi
from typing import NamedTuple

from firmware_ctl.limits import TICK_MS
from firmware_ctl.patterns import Piece


class Steps(NamedTuple):
    """From `at_ms[i]` on the level is `level_pct[i]`; after `cycle_ms` it all begins again."""

    at_ms: tuple[int, ...]
    level_pct: tuple[int, ...]
    cycle_ms: int

    def at(self, t_ms: int) -> tuple[int, int]:
        """The level at `t_ms`, and the time of the next step after it."""
        at_ms, level_pct, cycle_ms = self
        in_cycle_ms = t_ms % cycle_ms
        if len(at_ms) == 1:
            return level_pct[0], t_ms - in_cycle_ms + cycle_ms
        i = bisect_right(at_ms, in_cycle_ms)
        next_ms = at_ms[i] if i < len(at_ms) else cycle_ms
        return level_pct[i - 1], t_ms - in_cycle_ms + next_ms


def draw(pieces: Iterable[Piece], level_pct: int) -> Steps:
    """Draws one cycle at a level. Jumps keep their millisecond; slopes step on the tick's grid."""
    at_ms: list[int] = []
    levels: list[int] = []

    def put(t_ms: int, level: int) -> None:
        if at_ms and at_ms[-1] == t_ms:
            levels[-1] = level
        elif not levels or levels[-1] != level:
            at_ms.append(t_ms)
            levels.append(level)

    begin_ms = 0
    for piece in pieces:
        if piece.length_ms == 0:
            continue
        put(begin_ms, _rounded(piece.begin * level_pct))
        for after_ms, level in _slope(piece, level_pct):
            put(begin_ms + after_ms, level)
        begin_ms += piece.length_ms
    return Steps(tuple(at_ms), tuple(levels), begin_ms)


def steps_to_draw(pieces: Iterable[Piece], level_pct: int) -> int:
    """How many steps `draw` works out: one a piece, and one for each percent that a slope passes.

    On the tick's grid several may become one, so that fewer are left.
    """
    return sum(
        1 + abs(_rounded(piece.end * level_pct) - _rounded(piece.begin * level_pct))
        for piece in pieces
    )


def _rounded(level: float) -> int:
    return floor(level + 0.5)


def _slope(piece: Piece, level_pct: int) -> Iterable[tuple[int, int]]:
    """Where a slope crosses from one whole percent to the next: found by its inverse."""
    begin, end = piece.begin * level_pct, piece.end * level_pct
    first, last = _rounded(begin), _rounded(end)
    up = 1 if last > first else -1
    for level in range(first + up, last + up, up) if last != first else ():
        share = (level - up * 0.5 - begin) / (end - begin)
        course = acos(1 - 2 * share) / pi if piece.smooth else share
        at_ms = ceil(piece.length_ms * course / TICK_MS) * TICK_MS
        if at_ms < piece.length_ms:
            yield at_ms, level
