"""`check`, `new` and `schema`, for authors of profiles.

These commands need no daemon and no pins.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from firmware_ctl.cli import session_lines, templates
from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.notes import Note, cut_texts, notes
from firmware_ctl.config.profile import profile_stem
from firmware_ctl.config.quantities import clock
from firmware_ctl.errors import AuthorError, DeviceError, printable
from firmware_ctl.timeline import folder
from firmware_ctl.timeline.catalogue import BadEntry, Entry, GoodEntry, read_entry
from firmware_ctl.timeline.folder import (
    ENDINGS,
    find_profile,
    load_mat,
    profile_files,
    read_file,
    read_served,
    rename,
    write_new,
)
from firmware_ctl.timeline.marks import mark_notes
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
            unreadable.append(folder.unreadable(path, error))
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
                    print("\n".join(certificate_lines(path, entry, mat, args.verbose)))
            if args.verbose and len(bad) < len(entries):
                print("\n".join(session_lines.meanings(session_lines.PROOF_HEADS)))
            sys.stdout.flush()  # so that the mistakes stand below the certificates
    if not args.json:
        print_mistakes(bad, checked=len(entries))
    for path in filter(os.path.isdir, args.paths):
        for file in _left_out(path):
            note = f"firmware-ctl: note: {file} is left out of this folder; {rename(file)}"
            print(printable(note), file=sys.stderr)
    for path in empty:
        sentence = f"firmware-ctl: no profile in {path}; profile files end in .yaml"
        print(printable(sentence), file=sys.stderr)
    if unreadable:
        return 2
    return 1 if empty or bad else 0


def new(args: argparse.Namespace) -> int:
    """Writes a new profile from a template, and beside it the schema that its first line names.

    Raises OSError if the profile exists.
    """
    name = args.name.removesuffix(".yaml")
    if not name:
        raise DeviceError("the name is empty; write for example: firmware-ctl new mine")
    if os.path.basename(name) != name:
        raise DeviceError(f"{name} is not a name; use a-z, 0-9 and '-', and --profiles DIR")
    if name.startswith("-"):
        raise DeviceError(f"{name} begins with '-', as an option does; choose another name")
    path = os.path.join(args.profiles or "", f"{name}.yaml")
    mat = load_mat(args.mat)
    text = templates.example(mat) if args.example else templates.SHORT
    entry = read_entry(name, text.encode(), path, mat)
    if isinstance(entry, BadEntry):
        # The templates suit every mat, unless its caps are very low or its sessions very short.
        raise DeviceError(entry.error.mistakes[0].sentence)
    served: dict[str, str] = {}
    with suppress(DeviceError):  # a folder that cannot be read has no profile to take for this one
        served = profile_files(paths.profile_folders())
    write_new(path, text)
    write_schema_beside(path)
    print(printable(f"{path} is written; edit it, then: firmware-ctl check {path}"))
    if name in served:
        note = (
            f"firmware-ctl: note: {served[name]} has this name, too; commands find that one by the "
            f"name {name}, and yours by {path}"
        )
        print(printable(note), file=sys.stderr)
    return 0


def write_schema_beside(path: str) -> None:
    """Writes the schema that the first line of a profile names, unless it is there."""
    schema_path = os.path.join(os.path.dirname(path), templates.SCHEMA_FILE)
    if not os.path.lexists(schema_path):
        source = os.path.join(shipped.profiles_dir(), templates.SCHEMA_FILE)
        with open(source, encoding="utf-8") as file:
            write_new(schema_path, file.read())


def schema(args: argparse.Namespace) -> int:
    """Prints the JSON Schema of profiles or of mat files, for editors."""
    import json

    from firmware_ctl.config.schema import schema as make

    print(json.dumps(make(args.kind), indent=2))
    return 0


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
            yield profile_stem(path), path


def _profiles_here() -> dict[str, str]:
    """The YAML files of this folder by their names, if one of them looks like a profile."""
    with suppress(DeviceError):  # the folder was removed, or only its names are hidden
        files = {n: os.path.normpath(p) for n, p in profile_files([os.curdir]).items()}
        if any(map(_looks_like_profile, files.values())):
            return files
    return {}


def _left_out(folder: str) -> Iterator[str]:
    """The files of a folder that look like profiles and whose endings are those of other files."""
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            is_other = not name.startswith(".") and not name.lower().endswith(ENDINGS)
            if is_other and _looks_like_profile(path):
                yield path


def _looks_like_profile(path: str) -> bool:
    with suppress(OSError):
        return any(line.startswith(b"phases:") for line in read_file(path).splitlines())
    return False


def certificate_lines(
    path: str, entry: GoodEntry, mat: Mat, is_verbose: bool = False
) -> Iterator[str]:
    """What `check` prints for a valid profile: a plain summary, then all that is proven."""
    proof = certify(entry.timeline, entry.budget, mat)
    lines = [("length", f"{session_lines.minutes(proof.length_ms)}, ends at zero")]
    lines += [session_lines.zone_line(z.zone, z.played_ms, z.level_pct) for z in proof.zones]
    lines.append(("current", f"at most {proof.worst.ma:.0f} of {mat.max_ma} mA, even after pauses"))
    lines += [("note", fact) for fact in facts(entry, mat)]
    if is_verbose:
        if proof.worst.motors:
            zones, at = proof.worst.zones(mat), clock(proof.worst.at_ms)
            lines.append(("peak", f"at {at}, if a pause ends then and {zones} start at once"))
        lines.append(("rise", f"levels rise by at most {proof.rise_pct_s}% a second after a start"))
        lines.append(("cert", proof.cert))
    yield printable(f"{path}: valid")
    yield from session_lines.labelled(lines)
    if is_verbose:
        cells = [session_lines.proof_cells(zone) for zone in proof.zones]
        yield from session_lines.zone_table(session_lines.PROOF_HEADS, cells)


def facts(entry: GoodEntry, mat: Mat) -> Iterator[str]:
    """What an author should know about a valid profile, apart from its figures."""
    yield from session_lines.notes_on_mat(entry, mat)
    yield from (f"line {note.line}: {note.sentence}" for note in _notes(entry, mat))


def _notes(entry: GoodEntry, mat: Mat) -> list[Note]:
    """What is noted about the text of a profile and about its cues, in the order of the file."""
    marks = mark_notes(entry.profile, entry.timeline)
    return sorted([*cut_texts(entry.source), *notes(entry.profile, mat), *marks])


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
    asked = proof.budget.asked
    certificate = proof._asdict() | {
        "zones": [zone._asdict() for zone in proof.zones],
        "worst": proof.worst._asdict(),
        "budget": {**proof.budget._asdict(), "asked": asked and asked._asdict()},
    }
    found = [note._asdict() for note in _notes(entry, mat)]
    return {
        "path": path,
        "valid": True,
        "certificate": certificate,
        "notes": found,
        "mat_notes": list(session_lines.notes_on_mat(entry, mat)),
    }
