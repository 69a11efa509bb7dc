"""What the files say of mat and profiles, as JSON. It runs as a process of its own and then ends.

To read and compile profiles takes more memory than the whole bridge, which runs for weeks.

`python -m firmware_ctl.remote.web.profile_data SOURCES facts` describes mat and profiles, with
`picture NAME` one whole session. SOURCES is JSON: see `sources.Sources`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.remote.web.sources import Sources
from firmware_ctl.timeline.catalogue import GoodEntry
from firmware_ctl.timeline.folder import load_mat, profile_files, read_file, read_served
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.playback import Playback

GRID_MS: Final = 100
"""A picture has at most one change in this time: a screen shows no more, and it bounds the size."""
ENVELOPE_POINTS: Final = 240
"""Most points of a zone's envelope, which a phone draws in about as many pixels."""


def main(sources: str, kind: str, name: str = "") -> None:
    """Prints an object of JSON. Exit code 1, and the reason on stderr, if files cannot be read."""
    found = Sources(**json.loads(sources))
    try:
        values = facts(found) if kind == "facts" else picture(found, name)
    except (FirmwareError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps(values, separators=(",", ":")))


def _files(sources: Sources) -> dict[str, str]:
    """Profile name → path of its file, as the daemon finds them."""
    folders = [sources.profiles] if sources.profiles else paths.profile_folders()
    return profile_files([*folders, *sources.files])


def facts(sources: Sources) -> dict[str, object]:
    """The mat, and of each profile what a person should know before it starts."""
    mat = load_mat(sources.mat)
    profiles = {}
    for name, path in _files(sources).items():
        try:
            profiles[name] = _profile_facts(read_profile(read_file(path), path, mat))
        except (AuthorError, OSError):
            continue  # the daemon does not serve it either
    return {"mat": _mat_facts(mat), "profiles": profiles}


def _mat_facts(mat: Mat) -> dict[str, object]:
    return {
        "name": mat.name,
        "has_button": mat.button is not None,
        "zones": [
            {
                "name": zone.name,
                "present": zone.present,
                "motors": [{"name": motor.name, "side": motor.side} for motor in zone.motors],
            }
            for zone in mat.zones
        ],
    }


def _profile_facts(profile: Profile) -> dict[str, object]:
    named = [name for phase in profile.phases for name in (*phase.points, phase.cue or "")]
    points = [POINTS[name] for name in dict.fromkeys(named) if name in POINTS]
    return {
        "about": profile.about,
        "needs": [*profile.needs],
        "warnings": [f"{point.name}: {point.caution}" for point in points if point.caution],
    }


def picture(sources: Sources, name: str) -> dict[str, object]:
    """A whole session of a profile: its phases, and the level of each motor over time.

    Raises `AuthorError` for a profile with mistakes, and OSError for one that is not there.
    """
    mat = load_mat(sources.mat)
    path = _files(sources).get(name)
    if path is None:
        raise FileNotFoundError(f"there is no profile {name}")
    entry = read_served(name, path, mat)
    if not isinstance(entry, GoodEntry):
        raise entry.error
    timeline = entry.timeline
    changes = [*_changes(timeline)]
    motors_of: dict[str, list[int]] = {}
    for index, motor in enumerate(mat.motors):
        motors_of.setdefault(motor.zone, []).append(index)
    return {
        "name": name,
        "cert": timeline.cert,
        "length_ms": timeline.end_ms,
        "motors": [motor.name for motor in mat.motors],
        "zones": motors_of,
        "phases": [
            {
                "name": segment.phase,
                "at_ms": segment.begin_ms,
                "until_ms": segment.end_ms,
                "cue": segment.cue or None,
            }
            for segment in timeline.segments
        ],
        "envelope": {
            zone: _envelope(changes, indices, timeline.end_ms)
            for zone, indices in motors_of.items()
        },
        "changes": changes,
    }


def _changes(timeline: Timeline) -> Iterator[tuple[int, Sequence[int]]]:
    """Time and level of each motor at each change, at most one in `GRID_MS`.

    Of changes that fall into one interval it gives the highest level of each motor, so that a short
    tap is seen.
    """
    playback = Playback(timeline)
    shown: Sequence[int] = ()
    at_ms = 0
    while True:
        end_ms = at_ms - at_ms % GRID_MS + GRID_MS
        levels = playback.levels(at_ms)
        highest = levels
        until_ms = playback.until_ms
        while until_ms is not None and until_ms < end_ms:
            levels = playback.levels(until_ms)
            highest = tuple(map(max, highest, levels))
            until_ms = playback.until_ms
        if highest != shown:
            yield at_ms, highest
            shown = highest
        if until_ms is None:
            return
        # Levels that fell within the interval hold from the next one on.
        at_ms = end_ms if highest != levels else max(end_ms, until_ms - until_ms % GRID_MS)


def _envelope(
    changes: Sequence[tuple[int, Sequence[int]]], motors: Sequence[int], end_ms: int
) -> list[tuple[int, int]]:
    """The highest level of a zone in each of `ENVELOPE_POINTS` equal parts of the session.

    Equal neighbours are one point, and the last point is the end at 0.
    """
    step_ms = max(GRID_MS, -(-end_ms // ENVELOPE_POINTS))
    highest = [0] * -(-end_ms // step_ms)
    nexts = [at_ms for at_ms, _ in changes[1:]]
    for (at_ms, levels), until_ms in zip(changes, [*nexts, end_ms], strict=True):
        level_pct = max(levels[index] for index in motors)
        for part in range(at_ms // step_ms, min(len(highest), -(-until_ms // step_ms))):
            highest[part] = max(highest[part], level_pct)
    points: list[tuple[int, int]] = []
    for part, level_pct in enumerate(highest):
        if not points or points[-1][1] != level_pct:
            points.append((part * step_ms, level_pct))
    return [*points, (end_ms, 0)]


if __name__ == "__main__":
    main(*sys.argv[1:])
