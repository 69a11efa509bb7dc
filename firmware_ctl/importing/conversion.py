"""Converts a file of another program into the text of a profile that `check` accepts."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import SHORTEST_MS
from firmware_ctl.config.profile_fields import PROFILE_NAME, target_kind, targets_of
from firmware_ctl.config.quantities import clock
from firmware_ctl.config.yaml_tree import Report, ScalarNode
from firmware_ctl.errors import CallerError
from firmware_ctl.importing.curve import Curve, Point, cut
from firmware_ctl.importing.formats import Format, format_of
from firmware_ctl.importing.json_values import ForeignFileError, parse
from firmware_ctl.importing.profile_text import Frame, profile_text
from firmware_ctl.importing.thinning import (
    RUN_DOWN_MS,
    SPIN_UP_MS,
    Coarseness,
    followed,
    straightened,
)
from firmware_ctl.timeline.catalogue import BadEntry, GoodEntry, read_entry

_COARSER: Final = (
    Coarseness(),
    Coarseness(2 * SPIN_UP_MS, 2.0),
    Coarseness(4 * SPIN_UP_MS, 4.0),
    Coarseness(8 * SPIN_UP_MS, 6.0),
)
"""What is tried, one after another, until the proof of the profile takes few enough steps."""

_STRENGTHS_PCT: Final = (100, 80, 60, 40)
"""The shares of the target's cap that are tried, until the profile does not get too warm."""


class Imported(NamedTuple):
    """A profile from a file of another program. It is valid on the mat it was made for."""

    text: str
    entry: GoodEntry
    notes: tuple[str, ...]
    """What was left out or changed, and why: a sentence each."""


def import_file(data: bytes, name: str, target: str, mat: Mat) -> Imported:
    """Converts the bytes of a file. `name`: of the profile. `target`: a target of the mat.

    Raises `ForeignFileError` with one sentence and its place, and `CallerError` for a wrong name or
    target.
    """
    target = _checked(name, target, mat)
    root = parse(data)
    foreign = format_of(root)
    whole = foreign.read(root)
    most_ms = min(mat.limits.session_ms, mat.limits.daily_ms)
    curve = cut(whole, most_ms)
    if not any(point.level for point in curve):
        within = "" if curve == whole else f" of its first {clock(most_ms)} min"
        raise ForeignFileError(f"every level{within} is 0, so there is nothing to play")
    if curve[-1].at_ms < SHORTEST_MS:
        raise ForeignFileError(f"all of it is within {SHORTEST_MS} ms; no motor can play that")
    notes = []
    if curve != whole:
        notes.append(
            f"cut at {clock(most_ms)} of {clock(whole[-1].at_ms)} min, the longest session of this "
            "mat"
        )
    return _fitting(foreign, curve, name, target, mat, notes)


def _checked(name: str, target: str, mat: Mat) -> str:
    """The target as the mat names it."""
    report = Report("")
    PROFILE_NAME.read(ScalarNode(1, 1, name), "name", report)
    known = target_kind(targets_of(mat)).read(ScalarNode(1, 1, target), "target", report)
    if report.mistakes or known is None:
        raise CallerError("bad-argument", min(report.mistakes).sentence)
    return known


def _fitting(
    foreign: Format, curve: Curve, name: str, target: str, mat: Mat, notes: list[str]
) -> Imported:
    """The finest and strongest profile of a curve that is valid on this mat."""
    cap_pct = targets_of(mat)[target].cap_pct
    title = f"{name}, from {foreign.name}"
    refused = ""
    for strength_pct in _STRENGTHS_PCT:
        high_pct = max(1, cap_pct * strength_pct // 100)
        for coarseness in _COARSER:
            thinned = followed(curve, coarseness.apart_ms)
            scaled = [Point(at_ms, level * high_pct) for at_ms, level in thinned]
            frames = _frames(straightened(scaled, coarseness.off_pct))
            about = f"Imported from {foreign.name}; its strongest is {high_pct}% here."
            text = profile_text(title, about, target, frames)
            entry = read_entry(name, text.encode(), f"{name}.yaml", mat)
            if not isinstance(entry, BadEntry):
                notes += _left_out(curve, len(thinned), len(frames), coarseness)
                if strength_pct < 100:
                    notes.append("levels were lowered, so that the surface does not get too warm")
                rise_pct_s = mat.limits.rise_pct_s
                if any(pct * 1_000 > rise_pct_s * at_ms for at_ms, pct in frames):
                    notes.append(
                        f"the soft start keeps the first levels lower: they climb by {rise_pct_s}% "
                        "a second"
                    )
                notes.append(f"the strongest level is {high_pct}%; {target} allows {cap_pct}%")
                return Imported(text, entry, tuple(notes))
            refused = refused or entry.error.mistakes[0].sentence
    raise ForeignFileError(f"no profile of it fits this mat: {refused}")


def _frames(points: Curve) -> list[Frame]:
    """Whole percents from 0 ms on; before the first point all is off."""
    frames = [Frame(at_ms, round(level)) for at_ms, level in points]
    begin_ms = frames[0].at_ms
    if begin_ms >= 2 * SHORTEST_MS:
        return [Frame(0, 0), Frame(begin_ms - SHORTEST_MS, 0), *frames]
    if begin_ms >= SHORTEST_MS:
        return [Frame(0, 0), *frames]
    return [frames[0]._replace(at_ms=0), *frames[1:]]


def _left_out(curve: Curve, thinned: int, written: int, coarseness: Coarseness) -> Iterator[str]:
    """How many points were left out, and why. `thinned`, `written`: what was left, and of that
    what was written."""
    yield f"{len(curve)} points became {written} frames"
    followed_count = len(followed(curve, SPIN_UP_MS))
    if followed_count < len(curve):
        yield (
            f"{len(curve) - followed_count} points were faster than the motors, which take "
            f"{SPIN_UP_MS} ms to spin up and {RUN_DOWN_MS} ms to run down; they became their mean"
        )
    if thinned < followed_count:
        yield (
            f"{followed_count - thinned} points more became their mean over "
            f"{coarseness.apart_ms} ms, because the proof of so many changes would take too long"
        )
    if written < thinned:
        yield (
            f"{thinned - written} points were within {coarseness.off_pct:g}% of the line between "
            "their neighbours"
        )
