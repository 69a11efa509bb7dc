"""Step functions of time in whole percent: how the pieces of a course become levels.

To draw a course is to compute the steps of one cycle; its drawing is those steps. Each course, ramp
and haptic is drawn once, and to play it is a look-up. A function called at each tick would compute
the same values again and again, and a list of frames would grow with the length of the session.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from math import acos, ceil, floor, pi
from typing import Final, NamedTuple

from firmware_ctl.config.patterns import Piece
from firmware_ctl.limits import GRID_MS

_CACHE_SIZE: Final = 20_000
"""Largest size of a `DrawingCache`: the steps and pieces of all drawings, and 10 for each drawing.
That is about 1 MB, and bounded because the daemon locks its memory."""


class Steps(NamedTuple):
    """A step function: from `at_ms[i]` on the level is `level_pct[i]`. `at_ms[0]` is 0.

    The function repeats after `cycle_ms`.
    """

    at_ms: tuple[int, ...]
    level_pct: tuple[int, ...]
    cycle_ms: int

    def at(self, t_ms: int) -> tuple[int, int]:
        """The level at `t_ms`, and the time of the next step after `t_ms`, in the same clock."""
        at_ms, level_pct, cycle_ms = self
        in_cycle_ms = t_ms % cycle_ms
        if len(at_ms) == 1:
            return level_pct[0], t_ms - in_cycle_ms + cycle_ms
        i = bisect_right(at_ms, in_cycle_ms)
        next_ms = at_ms[i] if i < len(at_ms) else cycle_ms
        return level_pct[i - 1], t_ms - in_cycle_ms + next_ms


def draw(pieces: Iterable[Piece], level_pct: int) -> Steps:
    """The steps of one cycle at a level. Jumps keep their exact millisecond.

    Slopes step on the tick's grid: finer steps would wake the loop more often, and no motor follows
    them.
    """
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
    """How many steps `draw` computes: one for each piece, and one for each percent of a slope.

    On the tick's grid several steps may fall together, so the drawing may have fewer.
    """
    return sum(
        1 + abs(_rounded(piece.end * level_pct) - _rounded(piece.begin * level_pct))
        for piece in pieces
    )


def _rounded(level: float) -> int:
    return floor(level + 0.5)


def _slope(piece: Piece, level_pct: int) -> Iterable[tuple[int, int]]:
    """The times in the piece at which the rounded level changes, each with its new level.

    The inverse of the slope gives each time directly, so no tick between two changes is visited.
    """
    begin, end = piece.begin * level_pct, piece.end * level_pct
    first, last = _rounded(begin), _rounded(end)
    up = 1 if last > first else -1
    for level in range(first + up, last + up, up) if last != first else ():
        share = (level - up * 0.5 - begin) / (end - begin)
        progress = acos(1 - 2 * share) / pi if piece.smooth else share
        at_ms = ceil(piece.length_ms * progress / GRID_MS) * GRID_MS
        if at_ms < piece.length_ms:
            yield at_ms, level


class DrawingCache:
    """Draws courses, and keeps the drawings that were used last.

    Motors, phases and the proof of the supply ask for the same drawings.
    """

    def __init__(self, draw_one: Callable[[tuple[Piece, ...], int], Steps]) -> None:
        self._draw_one = draw_one
        self._kept: dict[tuple[tuple[Piece, ...], int], Steps] = {}
        self._size = 0

    def __call__(self, pieces: tuple[Piece, ...], level_pct: int) -> Steps:
        key = pieces, level_pct
        drawing = self._kept.pop(key, None)
        if drawing is None:
            drawing = self._draw_one(pieces, level_pct)
            self._size += _size(pieces, drawing)
        self._kept[key] = drawing  # at the end: the first key is the least recently used
        while self._size > _CACHE_SIZE:
            oldest = next(iter(self._kept))
            self._size -= _size(oldest[0], self._kept.pop(oldest))
        return drawing


def _size(pieces: tuple[Piece, ...], drawing: Steps) -> int:
    return 10 + len(pieces) + len(drawing.at_ms)


def _draw_switches(pieces: tuple[Piece, ...], level_pct: int) -> Steps:
    """Those steps of a drawing at which a motor starts or stops.

    No limit moves these steps, because a limit never turns a level above 0 into 0.
    """
    at_ms, levels, cycle_ms = draw_cached(pieces, level_pct)
    kept = [i for i, n in enumerate(levels) if i == 0 or (n == 0) != (levels[i - 1] == 0)]
    return Steps(tuple(at_ms[i] for i in kept), tuple(levels[i] for i in kept), cycle_ms)


draw_cached: Final = DrawingCache(draw)
draw_switches_cached: Final = DrawingCache(_draw_switches)
