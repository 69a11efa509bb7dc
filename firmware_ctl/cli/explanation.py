"""`explain`: how each level of a profile becomes a duty, and which limit decides.

A daemon that runs explains its own profile at its own trim. A file, a mat file or a folder that the
user names is read here, and so is a profile that the daemon does not serve.
"""

import argparse
import sys
from collections.abc import Iterable
from typing import Final

from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.config import paths
from firmware_ctl.errors import FirmwareError, printable
from firmware_ctl.timeline.catalogue import BadEntry
from firmware_ctl.timeline.folder import is_path, load_entry, load_mat
from firmware_ctl.timeline.report import explain as explain_rows

HEADS: Final = ("phase", "zone", "asked", "cap", "trim", "supply", "limited by", "level", "duty")

_WORDS: Final = (0, 1, 6)
"""The columns of words, which are aligned to the left."""

Row = tuple[str, ...]


def explain(args: argparse.Namespace) -> int:
    """The command. Exit code 1: the profile is invalid."""
    is_of_daemon = not (args.mat or args.profiles or is_path(args.profile))
    if args.socket or args.port or (is_of_daemon and paths.daemon_may_run()):
        try:
            _print_table(_rows_of_daemon(args))
            return 0
        except FirmwareError as error:
            if args.socket or args.port or str(error).startswith("invalid-profile"):
                raise
            print(f"firmware-ctl: {error}", file=sys.stderr)
    return _explain_file(args)


def _rows_of_daemon(args: argparse.Namespace) -> list[Row]:
    from firmware_ctl.cli.client import find, refuse, sendable
    from firmware_ctl.protocol.answers import parse_fields

    with find(args) as client:
        *data, final = client.ask(sendable(f"explain {args.profile}"))
        refuse(final)
    if final == "ok running=older":
        heading = (
            f"{args.profile} as the next start will play it on the daemon at {client.where}; "
            "the running session keeps the version it was started with:"
        )
    else:
        heading = f"{args.profile} as the daemon at {client.where} plays it now:"
    print(heading, file=sys.stderr)
    rows = []
    for fields in map(parse_fields, data):
        if "more" in fields:
            print(f"firmware-ctl: note: {fields['more']}", file=sys.stderr)
            continue
        limits = (f"{fields[key]}%" for key in ("asked", "cap", "trim", "supply"))
        given = (f"{fields[key]}%" for key in ("level", "duty"))
        rows.append((fields["phase"], fields["zone"], *limits, fields["bound"], *given))
    return rows


def _explain_file(args: argparse.Namespace) -> int:
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat, args.profiles)
    if isinstance(entry, BadEntry):
        print_mistakes([entry.error], checked=1)
        return 1
    rows = []
    for row in explain_rows(entry.profile, entry.budget, mat):
        limits = (f"{pct}%" for pct in (row.asked_pct, row.cap_pct, row.trim_pct, row.supply_pct))
        given = (f"{pct}%" for pct in (row.level_pct, row.duty_pct))
        rows.append((row.phase, row.zone, *limits, row.bound_by, *given))
    _print_table(rows)
    return 0


def _print_table(rows: Iterable[Row]) -> None:
    table = [HEADS, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        aligned = (
            f"{cell:{width}}" if i in _WORDS else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print(printable("  ".join(aligned)))
