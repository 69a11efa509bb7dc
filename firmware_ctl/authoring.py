"""`check`, `profiles`, `new` and `schema`: for those who write profiles. No daemon, no pins."""

import argparse
import os
import sys
from typing import Any, Final

from firmware_ctl import places
from firmware_ctl.catalogue import Entry, read_entry
from firmware_ctl.errors import DeviceError
from firmware_ctl.folder import load_mat, profile_files, read_catalogue, read_file
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Profile
from firmware_ctl.timeline import Timeline

WHO_SHOULD_ASK: Final = (
    "Not for use while asleep or unattended. Pregnant, with an implant, or ill? The README says "
    "who should ask a doctor first."
)


def check(args: argparse.Namespace) -> int:
    """Validates profiles. 0 all valid, 1 some invalid, 2 unreadable."""
    mat = load_mat(args.mat)
    entries: list[tuple[str, Entry]] = []
    unreadable = False
    for path in _paths(args.paths):
        name = os.path.basename(path).rpartition(".")[0]
        try:
            entries.append((path, read_entry(name, read_file(path), path, mat)))
        except OSError as error:
            unreadable = True
            print(f"firmware-ctl: {path} cannot be read: {error.strerror}", file=sys.stderr)
    if args.json:
        import json

        print(json.dumps([_as_json(path, entry) for path, entry in entries], indent=2))
    else:
        for path, entry in entries:
            if entry.error is not None:
                print(entry.error, file=sys.stderr)
            elif entry.profile is not None and entry.timeline is not None:
                print("\n".join(_certificate(path, entry.profile, entry.timeline, mat)))
    if unreadable:
        return 2
    return 1 if any(entry.error for _, entry in entries) else 0


def profiles(args: argparse.Namespace) -> int:
    """Lists the profiles that a daemon would serve here."""
    folders = [args.profiles] if args.profiles else places.profile_folders()
    catalogue = read_catalogue(folders, load_mat(args.mat))
    width = max((len(entry.name) for entry in catalogue.entries), default=0)
    for entry in catalogue.entries:
        if entry.profile is not None:
            minutes = _minutes(entry.profile.length_ms)
            print(f"{entry.name:{width}}  {minutes:>8}  {entry.profile.title}")
    for entry in catalogue.entries:
        if entry.error is not None:
            print(entry.error, file=sys.stderr)
    print(WHO_SHOULD_ASK, file=sys.stderr)
    return 1 if any(entry.error for entry in catalogue.entries) else 0


def new(args: argparse.Namespace) -> int:
    """Writes a profile to start from; never over a file that is there."""
    path = os.path.join(args.profiles or "", f"{args.name}.yaml")
    entry = read_entry(args.name, TEMPLATE.encode(), path, load_mat(args.mat))
    if entry.error is not None:
        # The template fits every mat with a zone; what does not fit is the name.
        raise DeviceError(entry.error.mistakes[0].sentence)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise DeviceError(f"{path} is there already; choose another name or edit it") from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
    print(f"{path} is written; edit it, then: firmware-ctl check {path}")
    return 0


def schema(args: argparse.Namespace) -> int:
    """Prints the JSON Schema that editors complete from."""
    import json

    from firmware_ctl.schema import schema as make

    print(json.dumps(make(args.kind), indent=2))
    return 0


TEMPLATE: Final = """\
title: A profile of my own
about: What it is like, in a sentence or two.
phases:
  - name: warm up
    for: 1min
    play:
      all: {pattern: wave, level: 25%, period: 6s}
  - name: main part
    for: 2min
    repeat: 2
    play:
      all: {pattern: alternate, level: 40%, period: 4s}
  - name: cool down
    for: 1min
    play:
      all: {pattern: steady, level: {from: 25%, to: 0%}}
"""


def _paths(given: list[str]) -> list[str]:
    if not given:
        return [path for _, path in sorted(profile_files(places.profile_folders()).items())]
    paths = []
    for path in given:
        if os.path.isdir(path):
            paths += [file for _, file in sorted(profile_files([path]).items())]
        else:
            paths.append(path)
    return paths


def _minutes(length_ms: int) -> str:
    return f"{length_ms // 60_000}:{length_ms // 1000 % 60:02} min"


def _highest(timeline: Timeline, mat: Mat) -> dict[str, int]:
    highest = dict.fromkeys((zone.name for zone in mat.zones), 0)
    for segment in timeline.segments:
        for motor, high in zip(mat.motors, segment.high_pct, strict=True):
            highest[motor.zone] = max(highest[motor.zone], high)
    return highest


def _certificate(path: str, profile: Profile, timeline: Timeline, mat: Mat) -> list[str]:
    highest = _highest(timeline, mat)
    lines = [
        f"{path}: valid",
        f"  length   {_minutes(timeline.end_ms)}, ends at zero",
        "  highest  " + ", ".join(f"{zone} {level}%" for zone, level in highest.items() if level),
        f"  cert     {timeline.cert}",
    ]
    for zone in mat.zones:
        if not zone.present and any(
            play.target.partition(".")[0] == zone.name
            for phase in profile.phases
            for play in phase.play
        ):
            lines.append(f"  note     {zone.name} is not present on this mat: its motors stay off")
    return lines


def _as_json(path: str, entry: Entry) -> dict[str, Any]:
    if entry.error is not None:
        return {
            "path": path,
            "valid": False,
            "mistakes": [
                {"line": m.line, "column": m.column, "sentence": m.sentence}
                for m in entry.error.mistakes
            ],
        }
    assert entry.timeline is not None
    return {
        "path": path,
        "valid": True,
        "seconds": entry.timeline.end_ms / 1000,
        "cert": entry.timeline.cert,
    }
