"""`check`, `new` and `schema`, for authors of profiles.

These commands need no daemon and no pins.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.notes import notes
from firmware_ctl.errors import AuthorError, DeviceError, printable
from firmware_ctl.timeline.catalogue import BadEntry, Entry, GoodEntry, read_entry
from firmware_ctl.timeline.folder import (
    find_profile,
    load_mat,
    profile_files,
    read_file,
    read_served,
    write_new,
)
from firmware_ctl.timeline.report import certify


def check(args: argparse.Namespace) -> int:
    """Checks profiles. Exit code 0: all valid, 1: one invalid or an empty folder, 2: unreadable."""
    try:
        mat = load_mat(args.mat)
    except AuthorError as error:
        print_mistakes([error], checked=1)
        return 2
    entries: list[tuple[str, Entry]] = []
    unreadable: list[str] = []
    empty = [path for path in args.paths if os.path.isdir(path) and not profile_files([path])]
    for name, path in _files(args.paths, unreadable):
        try:
            entries.append((path, read_served(name, path, mat)))
        except OSError as error:
            unreadable.append(f"{path} cannot be read: {error.strerror}")
    for sentence in unreadable:
        print(printable(f"firmware-ctl: {sentence}"), file=sys.stderr)
    bad = [entry.error for _, entry in entries if isinstance(entry, BadEntry)]
    with suppress(BrokenPipeError):  # the reader has enough; the exit code stays
        if args.json:
            import json

            print(json.dumps([_as_json(path, entry, mat) for path, entry in entries], indent=2))
        else:
            if args.mat:
                zones, motors = len(mat.zones), len(mat.motors)
                print(printable(f"{args.mat}: valid, {motors} motors in {zones} zones"))
            for path, entry in entries:
                if isinstance(entry, GoodEntry):
                    print("\n".join(certificate_lines(path, entry, mat)))
            sys.stdout.flush()  # so that the mistakes stand below the certificates
    if not args.json:
        print_mistakes(bad, checked=len(entries))
    for folder in empty:
        sentence = f"firmware-ctl: no profile in {folder}; profile files end in .yaml"
        print(printable(sentence), file=sys.stderr)
    if unreadable:
        return 2
    return 1 if empty or bad else 0


def new(args: argparse.Namespace) -> int:
    """Writes a new profile from a template. Raises OSError if the file exists."""
    if os.path.basename(args.name) != args.name:
        raise DeviceError(f"{args.name} is not a name; use a-z, 0-9 and '-', and --profiles DIR")
    if args.name.startswith("-"):
        raise DeviceError(f"{args.name} begins with '-', as an option does; choose another name")
    path = os.path.join(args.profiles or "", f"{args.name}.yaml")
    schema_file = os.path.join(shipped.profiles_dir(), "profile.schema.json")
    text = f"# yaml-language-server: $schema={schema_file}\n{TEMPLATE}"
    entry = read_entry(args.name, text.encode(), path, load_mat(args.mat))
    if isinstance(entry, BadEntry):
        # The template is valid on every mat that has a zone, so the mistake is in the name.
        raise DeviceError(entry.error.mistakes[0].sentence)
    write_new(path, text)
    print(printable(f"{path} is written; edit it, then: firmware-ctl check {path}"))
    return 0


def schema(args: argparse.Namespace) -> int:
    """Prints the JSON Schema of profiles or of mat files, for editors."""
    import json

    from firmware_ctl.config.schema import schema as make

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


def _files(arguments: list[str], errors: list[str]) -> Iterator[tuple[str, str]]:
    """Name and path of each profile that the arguments (folders, files, names) select.

    Without arguments: those of this folder, or else all that a daemon serves. Adds a sentence to
    `errors` for an unknown name.
    """
    if not arguments:
        here = _profiles_here()
        if not here:
            print("what a daemon serves, as this folder has no profiles:", file=sys.stderr)
        yield from sorted((here or profile_files(paths.profile_folders())).items())
    for argument in arguments:
        if os.path.isdir(argument):
            yield from sorted(profile_files([argument]).items())
            continue
        try:
            path = find_profile(argument)
        except DeviceError as error:
            errors.append(str(error))
        else:
            yield os.path.basename(path).rpartition(".")[0], path


def _profiles_here() -> dict[str, str]:
    """The YAML files of this folder by their names, if one of them looks like a profile."""
    with suppress(DeviceError):  # the folder was removed, or only its names are hidden
        files = {n: os.path.normpath(p) for n, p in profile_files([os.curdir]).items()}
        for path in files.values():
            with suppress(OSError):
                if any(line.startswith(b"phases") for line in read_file(path).splitlines()):
                    return files
    return {}


def minutes(length_ms: int) -> str:
    return f"{length_ms // 60_000}:{length_ms // 1000 % 60:02} min"


def certificate_lines(path: str, entry: GoodEntry, mat: Mat) -> list[str]:
    """What `check` prints for a valid profile."""
    proof = certify(entry.timeline, entry.budget, mat)
    budget = proof.budget
    width = max(len(zone.zone) for zone in proof.zones) if proof.zones else 0
    lines = [
        printable(f"{path}: valid"),
        f"  length   {minutes(proof.length_ms)}, ends at zero; cert {proof.cert}",
        f"  rise     at most {proof.rise_pct_s} %/s",
        f"  current  at most {proof.worst.sentence(mat)}",
    ]
    for zone in proof.zones:
        kick = f", kicks {zone.kick_pct}%" if zone.kick_pct else ""
        dead = f"; {zone.dead_steps} of {zone.steps} steps too small to feel" if zone.steps else ""
        lines.append(
            f"  {zone.zone:{width}}  {minutes(zone.played_ms)}, level {zone.level_pct}%, "
            f"duty {zone.duty_pct}%{kick}{dead}"
        )
    if budget.asked is not None:
        done = [f"starts are moved by up to {budget.longest_wait_ms} ms"]
        done += [] if budget.kicks else ["kicks are dropped"]
        done += [] if budget.level_pct == 100 else [f"all levels are scaled to {budget.level_pct}%"]
        lines.append(f"  note     the supply is exceeded at {budget.asked.sentence(mat)}: ")
        lines[-1] += ", ".join(done)
    return [*lines, *(f"  note     {note}" for note in facts(entry, mat))]


def facts(entry: GoodEntry, mat: Mat) -> Iterator[str]:
    """What an author should know about a valid profile, apart from its figures."""
    targets = {play.target.partition(".")[0] for p in entry.profile.phases for play in p.play}
    for absent in (zone.name for zone in mat.zones if not zone.present and zone.name in targets):
        yield f"{absent} is not present on this mat: its motors stay off"
    yield from (f"line {note.line}: {note.sentence}" for note in notes(entry.profile, mat))


def _as_json(path: str, entry: Entry, mat: Mat) -> dict[str, object]:
    if isinstance(entry, BadEntry):
        return {
            "path": path,
            "valid": False,
            "mistakes": [
                {"line": m.line, "column": m.column, "sentence": m.sentence}
                for m in entry.error.mistakes
            ],
        }
    proof = certify(entry.timeline, entry.budget, mat)
    certificate = proof._asdict() | {
        "zones": [zone._asdict() for zone in proof.zones],
        "worst": proof.worst._asdict(),
        "budget": proof.budget._asdict(),
    }
    found = [note._asdict() for note in notes(entry.profile, mat)]
    return {"path": path, "valid": True, "certificate": certificate, "notes": found}
