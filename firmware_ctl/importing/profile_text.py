"""Writes a curve as the text of a profile with keyframes, which a person can read and change."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from firmware_ctl.config.patterns import SHORTEST_MS
from firmware_ctl.config.quantities import in_units

PHASE_MS: Final = 60_000
"""The longest phase: a minute is easy to find in a file and in a picture."""

STEPS_MAX: Final = 3_000
"""Most changes of the level in a phase, in percent. The compiler takes at most 4000 (see
`timeline.compiler.MOST_STEPS`)."""

_LINE_FRAMES: Final = 6
"""How many frames stand in one line."""


class Frame(NamedTuple):
    at_ms: int
    level_pct: int


def profile_text(title: str, about: str, target: str, frames: Sequence[Frame]) -> str:
    """The YAML text of a profile that plays these frames on one target.

    `frames`: two or more, the first at 0 ms. Each is at least `SHORTEST_MS` after the one before.
    """
    lines = [
        "# yaml-language-server: $schema=./profile.schema.json",
        # A JSON string in ASCII is a YAML string as well.
        f"title: {json.dumps(title)}",
        f"about: {json.dumps(about)}",
        "phases:",
    ]
    for number, phase in enumerate(_phases(frames), 1):
        lines += [
            f"  - name: part {number}",
            f"    for: {in_units(phase[-1].at_ms)}",
            "    play:",
            f"      {target}:",
            "        pattern: keyframes",
            "        frames: [",
            *_frame_lines(phase),
            "        ]",
        ]
    return "\n".join(lines) + "\n"


def _frame_lines(frames: Sequence[Frame]) -> Iterator[str]:
    for first in range(0, len(frames), _LINE_FRAMES):
        cells = [f"[{in_units(at)}, {pct}%]" for at, pct in frames[first : first + _LINE_FRAMES]]
        yield f"          {', '.join(cells)},"


def _phases(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """The frames of each phase, with times from its begin.

    A phase begins with the level with which the one before it ends.
    """
    begin_ms, steps = 0, 1
    phase = [frames[0]]
    for before, frame in pairwise(_with_minutes(frames)):
        steps_more = 1 + abs(frame.level_pct - before.level_pct)
        is_full = before.at_ms - begin_ms >= PHASE_MS or steps + steps_more > STEPS_MAX
        if is_full and before.at_ms > begin_ms:
            yield phase
            begin_ms, steps = before.at_ms, 1
            phase = [Frame(0, before.level_pct)]
        steps += steps_more
        phase.append(Frame(frame.at_ms - begin_ms, frame.level_pct))
    yield phase


def _with_minutes(frames: Sequence[Frame]) -> Iterator[Frame]:
    """The frames, and one at each whole minute between two of them that has room for it."""
    yield frames[0]
    for before, frame in pairwise(frames):
        length_ms = frame.at_ms - before.at_ms
        first_ms = -(-(before.at_ms + SHORTEST_MS) // PHASE_MS) * PHASE_MS
        for at_ms in range(first_ms, frame.at_ms - SHORTEST_MS + 1, PHASE_MS):
            rise = (frame.level_pct - before.level_pct) * (at_ms - before.at_ms) / length_ms
            yield Frame(at_ms, round(before.level_pct + rise))
        yield frame
