"""The shapes that `profiles --json` prints: a profile in the list, and all of one profile.

Lengths are seconds and levels percent, as numbers. What is absent or not known is None.
"""

from contextlib import suppress

from firmware_ctl.config.profile import Phase
from firmware_ctl.timeline.catalogue import BadEntry, Entry, GoodEntry


def listed(entry: Entry) -> dict[str, object]:
    """A profile of the files."""
    if isinstance(entry, BadEntry):
        mistakes = [mistake._asdict() for mistake in entry.error.mistakes]
        return _listed(entry.name, None, None, None, mistakes)
    return _listed(entry.name, entry.profile.title, entry.profile.length_ms / 1000, None, [])


def listed_by_daemon(name: str, fields: dict[str, str]) -> dict[str, object]:
    """A profile that a daemon serves. `fields`: what the protocol says of it."""
    is_selected = fields.get("selected") == "yes"
    return _listed(name, fields.get("title"), _length_s(fields), is_selected, [])


def _listed(
    name: str,
    title: str | None,
    length_s: float | None,
    is_selected: bool | None,
    mistakes: list[dict[str, object]],
) -> dict[str, object]:
    return {
        "name": name,
        "title": title,
        "length_s": length_s,
        "is_selected": is_selected,
        "mistakes": mistakes,
    }


def of_file(path: str, entry: GoodEntry, notes: list[str]) -> dict[str, object]:
    """All of a profile. `notes`: what an author should know of it."""
    profile = entry.profile
    return {
        "name": profile.name,
        "title": profile.title,
        "about": profile.about or None,
        "path": path,
        "daemon": None,
        "length_s": profile.length_ms / 1000,
        "phases": list(map(_phase, profile.phases)),
        "notes": notes,
    }


def of_daemon(name: str, where: str, fields: dict[str, str]) -> dict[str, object]:
    """What is known of a profile whose file only the daemon at `where` has."""
    return {
        "name": name,
        "title": fields.get("title"),
        "about": None,
        "path": None,
        "daemon": where,
        "length_s": _length_s(fields),
        "phases": None,
        "notes": None,
    }


def _length_s(fields: dict[str, str]) -> float | None:
    """The protocol sends minutes with two decimals."""
    with suppress(ValueError):
        return round(float(fields.get("minutes", "")) * 60, 1)
    return None


def _phase(phase: Phase) -> dict[str, object]:
    return {
        "name": phase.name,
        "for_s": phase.for_ms / 1000,
        "repeat": phase.repeat,
        "cue": phase.cue,
        "points": list(phase.points),
        "play": [
            {
                "target": play.target,
                "pattern": play.pattern,
                "from_pct": play.level.from_pct,
                "to_pct": play.level.to_pct,
            }
            for play in phase.play
        ],
    }
