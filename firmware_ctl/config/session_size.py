"""Whether a session is too long for the mat, or has too many phases, before it is unrolled."""

from collections.abc import Callable, Iterator
from typing import Final

from firmware_ctl.config.fields import Block
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.phase_items import Items, is_group, is_rest
from firmware_ctl.config.quantities import clock
from firmware_ctl.config.yaml_tree import Report

MOST_PHASES: Final = 2_000
"""Most phases that a session may play, to bound the work for groups. A file without groups has
fewer: each phase takes 40 bytes or more, and a file has at most 64 KiB."""


def check_size(items: Items | None, mat: Mat, report: Report) -> None:
    """Reports a session that is too long or has too many phases, at the item that exceeds."""
    most_ms = min(mat.limits.session_ms, mat.limits.daily_ms)
    if over := _over(items, _length_ms, most_ms):
        length, most = clock(sum(map(_length_ms, _valid(items)))), clock(most_ms)
        what = "group" if is_group(over) else "phase"
        key = "repeat" if is_group(over) else "rest" if is_rest(over) else "for"
        sentence = f"the session is {length} min long; this mat allows {most} min"
        report.add(over.at(key), f"{key}: {sentence} (exceeded in this {what})")
    elif over := _over(items, _phase_count, MOST_PHASES):
        count = sum(map(_phase_count, _valid(items)))
        sentence = f"the session would have {count} phases; at most {MOST_PHASES}"
        way_out = "repeat the group less often, or let a phase repeat by its own `repeat`"
        report.add(over.at("repeat"), f"repeat: {sentence}: {way_out}")


def _valid(items: Items | None) -> Iterator[Block]:
    return (item for item in items or () if item is not None)


def _over(items: Items | None, size_of: Callable[[Block], int], most: int) -> Block | None:
    """The innermost item with which the sum of the sizes exceeds `most`. None: it never does."""
    for item in _valid(items):
        size = size_of(item)
        if size > most:
            return (is_group(item) and _over(item["phases"], size_of, most)) or item
        most -= size
    return None


def _length_ms(item: Block) -> int:
    """The length of an item. What has a mistake counts as nothing."""
    if is_group(item):
        return sum(map(_length_ms, _valid(item["phases"]))) * (item["repeat"] or 1)
    if is_rest(item):
        return item["rest"] or 0
    return (item["for"] or 0) * (item["repeat"] or 1)


def _phase_count(item: Block) -> int:
    if is_group(item):
        return sum(map(_phase_count, _valid(item["phases"]))) * (item["repeat"] or 1)
    return 1
