"""A session as lines of text: the levels of each zone over time, for `edit`.

It reads a proven profile and never writes. `simulator.plot` draws the motors as well, as a file.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from firmware_ctl.cli.mistakes import columns
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.quantities import clock
from firmware_ctl.timeline.catalogue import GoodEntry
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.playback import Playback

BLOCKS: Final = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS: Final = " .:-=+*#@"
"""A level of an eighth of a line's height, or for terminals without these blocks its character."""

_LEAST_COLUMNS: Final = 20
"""The fewest columns of time: in a narrower terminal the lines are cut off or wrapped by it."""


def picture_lines(
    entry: GoodEntry, mat: Mat, width: int, ascii_only: bool = False
) -> Iterator[str]:
    """A line or two for each zone that plays, one if `ascii_only`, and the phases below.

    A column shows the highest level of any motor of the zone in its time, after all limits.
    """
    zones = [zone.name for zone in mat.zones if zone.present]
    margin = max(map(len, zones)) + 2
    count = max(_LEAST_COLUMNS, width - margin - 6)
    levels = _highest(entry.timeline, mat, zones, count)
    for zone, row in zip(zones, levels, strict=True):
        if not any(row):
            continue
        rows = [_line(row, 0, 100, ASCII_BLOCKS)]
        if not ascii_only:
            rows = [_line(row, 50, 100, BLOCKS), _line(row, 0, 50, BLOCKS)]
        *upper, lowest = rows
        yield from (f"{'':{margin}}{line}".rstrip() for line in upper if line.strip())
        yield f"{zone:{margin}}{lowest} {max(row):>3}%"
    yield f"{'':{margin}}{_ruler(entry.timeline, count)}".rstrip()


def _line(row: Sequence[int], from_pct: int, to_pct: int, blocks: str) -> str:
    """The part of a zone's levels between two levels. A level above 0 never looks like 0."""
    cells = []
    for level in row:
        eighths = -(-8 * (level - from_pct) // (to_pct - from_pct))
        cells.append(blocks[min(8, max(0, eighths))])
    return "".join(cells)


def _highest(timeline: Timeline, mat: Mat, zones: Sequence[str], count: int) -> list[list[int]]:
    """For each zone the highest level in each column."""
    rows = [[0] * count for _ in zones]
    zone_of = [zones.index(m.zone) if m.zone in zones else -1 for m in mat.motors]
    playback = Playback(timeline)
    at_ms = 0
    while at_ms < timeline.end_ms:
        levels = playback.levels(at_ms)
        until_ms = min(playback.until_ms or timeline.end_ms, timeline.end_ms)
        first = at_ms * count // timeline.end_ms
        last = (until_ms - 1) * count // timeline.end_ms
        for zone, level in zip(zone_of, levels, strict=True):
            if zone >= 0 and level:
                row = rows[zone]
                for column in range(first, last + 1):
                    row[column] = max(row[column], level)
        at_ms = until_ms
    return rows


def _ruler(timeline: Timeline, count: int) -> str:
    """The begin of each phase, with its name if there is room before the next phase.

    A phase that begins in the label of an earlier one has none.
    """
    begins = [segment.begin_ms * count // timeline.end_ms for segment in timeline.segments]
    ruler = ""
    for (begin, end), segment in zip(pairwise([*begins, count]), timeline.segments, strict=True):
        at = clock(segment.begin_ms)
        label = f"{at} {segment.phase}"
        if columns(label) >= end - begin:
            label = at
        if not ruler or columns(ruler) < begin <= count - len(at):
            ruler += " " * (begin - columns(ruler)) + label
    return ruler
