"""`explain`: how each level of a profile becomes a duty, and what limits it.

A daemon has a mat, profiles and a trim of its own. So a name is explained by the daemon if one
runs, and the heading says whose figures these are. A file is explained without a daemon.
"""

import argparse
import sys
from collections.abc import Iterable
from typing import Final

from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.cli.profile_list import may_run
from firmware_ctl.errors import printable
from firmware_ctl.timeline.catalogue import BadEntry
from firmware_ctl.timeline.folder import is_path, load_entry, load_mat
from firmware_ctl.timeline.report import explain as rows_of

HEADS: Final = ("phase", "zone", "asked", "cap", "trim", "supply", "limited by", "level", "duty")
FIELDS: Final = ("phase", "zone", "asked", "cap", "trim", "supply", "bound", "level", "duty")
"""The names of the columns in the daemon's answer."""
_WORDS: Final = (0, 1, 6)
"""The columns of words, which are aligned to the left."""


def explain(args: argparse.Namespace) -> int:
    """Shows how each level becomes a duty, and its limits. Exit code 1: the profile is invalid."""
    if args.socket or args.port:
        return _of_daemon(args)
    if args.mat or args.profiles or is_path(args.profile):
        return _of_file(args)
    if may_run():
        from firmware_ctl.cli.client import NoDaemonError

        try:
            return _of_daemon(args)
        except NoDaemonError as error:
            print(f"firmware-ctl: {error}", file=sys.stderr)
    return _of_file(args, "at trim 100%, as no daemon answers:")


def _of_daemon(args: argparse.Namespace) -> int:
    from firmware_ctl.cli.client import find, refuse, sendable
    from firmware_ctl.protocol.connection import parse_fields

    with find(args) as client:
        *data, final = client.ask(sendable(f"explain {args.profile}"))
        refuse(final)
    print(f"as the daemon at {client.where} plays it:", file=sys.stderr)
    rows = [parse_fields(line) for line in data]
    _print_table([row.get(name, "") for name in FIELDS] for row in rows if "more" not in row)
    for row in rows:
        if "more" in row:
            print(printable(row["more"]), file=sys.stderr)
    return 0


def _of_file(args: argparse.Namespace, heading: str = "") -> int:
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat, args.profiles)
    if isinstance(entry, BadEntry):
        print_mistakes([entry.error])
        return 1
    if heading:
        print(heading, file=sys.stderr)
    _print_table(
        [
            *(row.phase, row.zone),
            *map(str, (row.asked_pct, row.cap_pct, row.trim_pct, row.supply_pct)),
            *(row.bound_by, str(row.level_pct), str(row.duty_pct)),
        ]
        for row in rows_of(entry.profile, entry.budget, mat)
    )
    return 0


def _print_table(rows: Iterable[list[str]]) -> None:
    """Prints the rows below `HEADS`, with a % behind each number."""
    table: list[tuple[str, ...]] = [HEADS]
    for row in rows:
        shown = map(printable, row)
        table.append(tuple(cell if i in _WORDS else f"{cell}%" for i, cell in enumerate(shown)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        aligned = (
            f"{cell:{width}}" if i in _WORDS else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join(aligned))
