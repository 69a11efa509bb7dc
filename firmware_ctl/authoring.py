"""`check`, `profiles`, `new` and `schema`: for those who write profiles. No daemon, no pins."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from firmware_ctl import places, shipped
from firmware_ctl.catalogue import Entry, read_entry
from firmware_ctl.certificate import certify
from firmware_ctl.errors import DeviceError
from firmware_ctl.explain import explain as explain_rows
from firmware_ctl.folder import (
    find_profile,
    load_entry,
    load_mat,
    profile_files,
    read_catalogue,
    read_served,
    write_new,
)
from firmware_ctl.mat import Mat
from firmware_ctl.printable import printable

WHO_SHOULD_ASK: Final = (
    "Not for use while asleep or unattended. Pregnant, with an implant, or ill? The README says "
    "who should ask a doctor first."
)


def check(args: argparse.Namespace) -> int:
    """Validates profiles. 0 all valid, 1 some invalid or a folder without any, 2 unreadable."""
    mat = load_mat(args.mat)
    entries: list[tuple[str, Entry]] = []
    trouble: list[str] = []
    empty = [path for path in args.paths if os.path.isdir(path) and not profile_files([path])]
    for name, path in _files(args.paths, trouble):
        try:
            entries.append((path, read_served(name, path, mat)))
        except OSError as error:
            trouble.append(f"{path} cannot be read: {error.strerror}")
    for sentence in trouble:
        print(printable(f"firmware-ctl: {sentence}"), file=sys.stderr)
    with suppress(BrokenPipeError):  # who reads has had enough; the verdict stands
        if args.json:
            import json

            print(json.dumps([_as_json(path, entry, mat) for path, entry in entries], indent=2))
        else:
            for path, entry in entries:
                if entry.error is not None:
                    print(entry.error, file=sys.stderr)
                else:
                    print("\n".join(certificate_lines(path, entry, mat)))
    for folder in empty:
        sentence = f"firmware-ctl: no profile in {folder}; the name of one ends in .yaml"
        print(printable(sentence), file=sys.stderr)
    if trouble:
        return 2
    return 1 if empty or any(entry.error for _, entry in entries) else 0


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


def explain(args: argparse.Namespace) -> int:
    """Shows how each asked level becomes a duty."""
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat, args.profiles)
    if entry.error is not None:
        print(entry.error, file=sys.stderr)
        return 1
    assert entry.profile is not None
    assert entry.budget is not None
    heads = ("phase", "zone", "asked", "cap", "trim", "supply", "bound by", "level", "duty")
    table: list[tuple[str, ...]] = [heads]
    for row in explain_rows(entry.profile, entry.budget, mat):
        limits = (row.asked_pct, row.cap_pct, row.trim_pct, row.supply_pct)
        given = (row.level_pct, row.duty_pct)
        figures = [f"{pct}%" for pct in limits], [f"{pct}%" for pct in given]
        table.append((row.phase, row.zone, *figures[0], row.bound_by, *figures[1]))
    widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
    for cells in table:
        aligned = (
            f"{cell:{width}}" if i in _WORDS else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join(aligned))
    return 0


_WORDS: Final = (0, 1, 6)
"""The columns that are no figures."""


def new(args: argparse.Namespace) -> int:
    """Writes a profile to start from; never over a file that is there."""
    if os.path.basename(args.name) != args.name:
        raise DeviceError(f"{args.name} is no name; use a-z, 0-9 and '-', and --profiles DIR")
    if args.name.startswith("-"):
        raise DeviceError(f"{args.name} begins with '-', as an option does; choose another name")
    path = os.path.join(args.profiles or "", f"{args.name}.yaml")
    schema_file = os.path.join(shipped.profiles_dir(), "profile.schema.json")
    text = f"# yaml-language-server: $schema={schema_file}\n{TEMPLATE}"
    entry = read_entry(args.name, text.encode(), path, load_mat(args.mat))
    if entry.error is not None:
        # The template fits every mat with a zone; what does not fit is the name.
        raise DeviceError(entry.error.mistakes[0].sentence)
    write_new(path, text)
    print(printable(f"{path} is written; edit it, then: firmware-ctl check {path}"))
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


def _files(given: list[str], trouble: list[str]) -> Iterator[tuple[str, str]]:
    """The name and the file of each profile that is meant: by folders, files and names."""
    if not given:
        yield from sorted(profile_files(places.profile_folders()).items())
    for which in given:
        if os.path.isdir(which):
            yield from sorted(profile_files([which]).items())
            continue
        try:
            # A file that is there is meant as one, whatever its name ends in.
            path = which if os.path.lexists(which) else find_profile(which)
        except DeviceError as error:
            trouble.append(str(error))
        else:
            yield os.path.basename(path).rpartition(".")[0], path


def _minutes(length_ms: int) -> str:
    return f"{length_ms // 60_000}:{length_ms // 1000 % 60:02} min"


def certificate_lines(path: str, entry: Entry, mat: Mat) -> list[str]:
    assert entry.profile is not None
    assert entry.timeline is not None
    assert entry.budget is not None
    proof = certify(entry.timeline, entry.budget, mat)
    budget = proof.budget
    width = max(len(zone.zone) for zone in proof.zones) if proof.zones else 0
    lines = [
        printable(f"{path}: valid"),
        f"  length   {_minutes(proof.length_ms)}, ends at zero; cert {proof.cert}",
        f"  rise     at most {proof.rise_pct_s} %/s",
        f"  current  at most {proof.worst.sentence(mat)}",
    ]
    for zone in proof.zones:
        kick = f", kicks {zone.kick_pct}%" if zone.kick_pct else ""
        dead = f"; {zone.dead_steps} of {zone.steps} steps too small to show" if zone.steps else ""
        lines.append(
            f"  {zone.zone:{width}}  {_minutes(zone.played_ms)}, level {zone.level_pct}%, "
            f"duty {zone.duty_pct}%{kick}{dead}"
        )
    if budget.asked is not None:
        done = [f"starts are moved by up to {budget.longest_wait_ms} ms"]
        done += [] if budget.kicks else ["kicks are dropped"]
        done += [] if budget.level_pct == 100 else [f"all levels are scaled to {budget.level_pct}%"]
        lines.append(f"  note     the supply is exceeded at {budget.asked.sentence(mat)}: ")
        lines[-1] += ", ".join(done)
    targets = {play.target.partition(".")[0] for p in entry.profile.phases for play in p.play}
    for absent in (zone.name for zone in mat.zones if not zone.present and zone.name in targets):
        lines.append(f"  note     {absent} is not present on this mat: its motors stay off")
    for phase in entry.profile.phases:
        if phase.cue and not phase.play:
            lines.append(
                f"  note     {phase.name}: nothing plays, so its begin and end cannot be felt; "
                "give it a gentle level"
            )
    return lines


def _as_json(path: str, entry: Entry, mat: Mat) -> dict[str, Any]:
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
    assert entry.budget is not None
    proof = certify(entry.timeline, entry.budget, mat)
    certificate = proof._asdict() | {
        "zones": [zone._asdict() for zone in proof.zones],
        "worst": proof.worst._asdict(),
        "budget": proof.budget._asdict(),
    }
    return {"path": path, "valid": True, "certificate": certificate}
