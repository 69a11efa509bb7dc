"""`import`: a file of another program becomes a profile."""

import argparse
import os
import re
import sys
from typing import Final

from firmware_ctl.cli.authoring import write_schema_beside
from firmware_ctl.cli.session_lines import notes_on_mat
from firmware_ctl.config.profile import profile_stem
from firmware_ctl.config.quantities import clock
from firmware_ctl.errors import DeviceError, printable
from firmware_ctl.importing.conversion import import_file
from firmware_ctl.importing.json_values import BYTES_MAX, ForeignFileError
from firmware_ctl.timeline.folder import load_mat, read_file, write_new

STANDARD_OUTPUT: Final = "-"

_NAME_MAX: Final = 32
"""The most characters of a profile's name."""


def run(args: argparse.Namespace) -> int:
    """Writes the profile, and prints what was changed. Raises `DeviceError` if nothing is written.

    A file that exists is never replaced.
    """
    to_terminal = args.out == STANDARD_OUTPUT
    name = args.name or (profile_stem(args.out) if args.out and not to_terminal else None)
    name = (name or _name_from(args.file)).removesuffix(".yaml")
    path = f"{name}.yaml" if to_terminal or not args.out else args.out
    if os.path.basename(path) != f"{name}.yaml":
        right = os.path.join(os.path.dirname(path), f"{name}.yaml")
        raise DeviceError(f"the file of the profile {name} must be {right}, and not {path}")
    mat = load_mat(args.mat)
    try:
        data = read_file(args.file, BYTES_MAX)
    except OSError as error:
        raise DeviceError(f"{args.file} cannot be read: {error.strerror}") from None
    try:
        imported = import_file(data, name, args.target, mat)
    except ForeignFileError as error:
        raise DeviceError(f"{args.file}: {error}") from None
    length = clock(imported.entry.profile.length_ms)
    if to_terminal:
        print(imported.text, end="")
    else:
        write_new(path, imported.text)
        write_schema_beside(path)
        print(printable(f"{path} is written, {length} min; see it: firmware-ctl edit {path}"))
    for note in (*imported.notes, *notes_on_mat(imported.entry, mat)):
        print(printable(f"firmware-ctl: note: {note}"), file=sys.stderr)
    return 0


def _name_from(path: str) -> str:
    """A name for the profile of a file: `Heart beat.ahap` gives `heart-beat`."""
    stem = os.path.basename(path).partition(".")[0].lower()
    name = re.sub("[^a-z0-9]+", "-", stem)[:_NAME_MAX].strip("-")
    if not name:
        raise DeviceError(f"{path} gives no name for a profile; name it: --name mine")
    return name
