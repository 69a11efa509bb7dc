"""`profiles`: the list of a running daemon or of the files, and the description of one profile.

Only a daemon knows which profiles it serves. So the list is the daemon's if one runs, and its
heading names where it comes from. The description needs the author's file, which a daemon does not
send: of a profile whose file is not found, it has only what the daemon tells.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from textwrap import wrap
from typing import Final

from firmware_ctl.cli.authoring import facts
from firmware_ctl.cli.mistakes import print_mistakes
from firmware_ctl.cli.session_lines import minutes
from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import Phase
from firmware_ctl.errors import FirmwareError, printable
from firmware_ctl.timeline.catalogue import BadEntry, GoodEntry
from firmware_ctl.timeline.folder import (
    find_profile,
    is_path,
    load_entry,
    load_mat,
    read_catalogue,
)

WHO_SHOULD_ASK: Final = (
    "Not for use while asleep or unattended. Pregnant, with an implant, or ill? The README says "
    "who should ask a doctor first."
)

NOT_SENT: Final = (
    "A daemon does not send the file with the rest, such as points and cues. To read it all, give "
    "the path with which the daemon was started: firmware-ctl profiles FILE."
)

COLUMNS: Final = 78
"""The width of a description."""


def profiles(args: argparse.Namespace) -> int:
    """Lists the profiles, or describes one. Exit code 1 if a profile is invalid."""
    if args.profile:
        return _describe(args)
    if args.socket or args.port:
        code = _list_of_daemon(args)
    elif args.profiles or args.mat:
        code = _list_of_files(args)
    else:
        code = _list_of_daemon_or_files(args)
    print(WHO_SHOULD_ASK, file=sys.stderr)
    return code


def _list_of_daemon_or_files(args: argparse.Namespace) -> int:
    if paths.daemon_may_run():
        try:
            return _list_of_daemon(args)
        except FirmwareError as error:
            print(f"firmware-ctl: {error}", file=sys.stderr)
    folders = "".join(f" and those of {path}" for path in paths.profile_folders()[1:])
    print(f"shipped profiles{folders}, as no daemon answers:", file=sys.stderr)
    return _list_of_files(args)


def _list_of_daemon(args: argparse.Namespace) -> int:
    where, served = _served(args)
    print(f"profiles of the daemon at {where}:", file=sys.stderr)
    rows = []
    for name, fields in served.items():
        is_selected = fields.get("selected") == "yes"
        title = fields.get("title", "") + ("  (selected)" if is_selected else "")
        rows.append((name, _length(fields.get("minutes", "")), title))
    _print_rows(rows)
    return 0


def _served(args: argparse.Namespace) -> tuple[str, dict[str, dict[str, str]]]:
    """Where the daemon is, and the fields of each profile that it serves, by its name."""
    from firmware_ctl.cli.client import find, refuse
    from firmware_ctl.protocol.answers import parse_fields

    with find(args) as client:
        *data, final = client.ask("profiles")
        refuse(final)
    names = (line.removeprefix("- ").partition(" ")[0] for line in data)
    return client.where, dict(zip(names, map(parse_fields, data), strict=True))


def _length(number: str) -> str:
    """The length of a profile, from the daemon's minutes with two decimals."""
    with suppress(ValueError):
        length_ms = round(float(number) * 60) * 1000
        return minutes(length_ms) if length_ms else "under 1 s"
    return f"{number} min"


def _list_of_files(args: argparse.Namespace) -> int:
    folders = [args.profiles] if args.profiles else paths.profile_folders()
    catalogue = read_catalogue(folders, load_mat(args.mat))
    _print_rows(
        [(e.name, minutes(e.profile.length_ms), e.profile.title) for e in catalogue.good],
        max((len(entry.name) for entry in catalogue.entries), default=0),
    )
    if not catalogue.entries:
        where = " and ".join(folders)
        print(
            printable(f"none: no profile in {where}; profile files end in .yaml"), file=sys.stderr
        )
    print_mistakes([bad.error for bad in catalogue.bad], len(catalogue.entries))
    return 1 if catalogue.bad else 0


def _print_rows(rows: list[tuple[str, str, str]], width: int = 0) -> None:
    width = max([width, *(len(name) for name, _, _ in rows)])
    for name, length, title in rows:
        print(printable(f"{name:{width}}  {length:>9}  {title}"))


def _describe(args: argparse.Namespace) -> int:
    is_of_daemon = not (args.mat or args.profiles or is_path(args.profile))
    if args.socket or args.port or (is_of_daemon and paths.daemon_may_run()):
        try:
            where, served = _served(args)
        except FirmwareError as error:
            if args.socket or args.port:
                raise
            print(f"firmware-ctl: {error}", file=sys.stderr)
        else:
            if args.profile in served and not _is_in_folders(args.profile, served[args.profile]):
                print("\n".join(_description_of_daemon(args, where, served[args.profile])))
                return 0
    return _describe_file(args)


def _is_in_folders(name: str, fields: dict[str, str]) -> bool:
    """Whether a file in the usual folders is the profile that the daemon serves by this name."""
    with suppress(FirmwareError):
        entry = load_entry(find_profile(name), load_mat(None))
        if isinstance(entry, GoodEntry):
            profile = entry.profile
            length = f"{profile.length_ms / 60_000:.2f}"
            is_as_long = fields.get("minutes") == length.rstrip("0").rstrip(".")
            return is_as_long and fields.get("title") == profile.title
    return False


def _description_of_daemon(
    args: argparse.Namespace, where: str, fields: dict[str, str]
) -> Iterator[str]:
    """What a daemon tells about a profile whose file is not in the usual folders."""
    from firmware_ctl.cli.client import find, refuse, sendable
    from firmware_ctl.protocol.answers import parse_fields

    with find(args) as client:
        *rows, final = client.ask(sendable(f"explain {args.profile}"))
        refuse(final)
    yield printable(f"{args.profile}: {fields.get('title', '')}")
    yield printable(f"  daemon   {where}")
    yield f"  length   {_length(fields.get('minutes', ''))}"
    yield "  phases"
    phases: dict[str, list[str]] = {}
    for row in map(parse_fields, rows):
        if "phase" in row:
            plays = phases.setdefault(row["phase"], [])
            plays.append(f"{row.get('zone', '')} {row.get('asked', '')}%")
    for phase, plays in phases.items():
        yield printable(f"    {phase}: {', '.join(plays)}")
    yield from _part("note", NOT_SENT)
    yield from _part("warning", WHO_SHOULD_ASK)


def _describe_file(args: argparse.Namespace) -> int:
    mat = load_mat(args.mat)
    path = find_profile(args.profile, args.profiles)
    entry = load_entry(path, mat)
    if isinstance(entry, BadEntry):
        print_mistakes([entry.error], checked=1)
        return 1
    print("\n".join(_description(path, entry, mat)))
    return 0


def _description(path: str, entry: GoodEntry, mat: Mat) -> Iterator[str]:
    profile = entry.profile
    yield printable(f"{profile.name}: {profile.title}")
    yield from _part("about", profile.about)
    yield printable(f"  file     {path}")
    yield f"  length   {minutes(profile.length_ms)}"
    named = [name for phase in profile.phases for name in (*phase.points, phase.cue or "")]
    points = [POINTS[name] for name in dict.fromkeys(named) if name in POINTS]
    for point in points:
        by_whom = "you press it yourself" if point.by_hand else "the mat presses it"
        yield from _part("point", f"{point.name}, {point.title}: {point.where}; {by_whom}")
    yield "  phases"
    for phase in profile.phases:
        yield printable(f"    {_line(phase)}")
    for point in points:
        if point.caution:
            yield from _part("warning", f"{point.name}: {point.caution}")
    yield from (line for note in facts(entry, mat) for line in _part("note", note))
    yield from _part("warning", WHO_SHOULD_ASK)


def _part(label: str, text: str) -> Iterator[str]:
    """A labelled text, broken into lines."""
    for line in wrap(printable(text), COLUMNS - 11):
        yield f"  {label:<7}  {line}"
        label = ""


def _line(phase: Phase) -> str:
    """A phase in a line: its length, its name, its points or its cue, and the targets that play."""
    text = f"{minutes(phase.for_ms * phase.repeat):>9}  {phase.name}"
    if phase.repeat > 1:
        text += f", {phase.repeat} times"
    if phase.points:
        text += f", {' '.join(phase.points)}"
    if phase.cue:
        text += f", by hand: {phase.cue}"
    plays = ", ".join(f"{play.target} {play.pattern} {_level(play.level)}" for play in phase.play)
    return f"{text}: {plays}" if plays else text


def _level(level: tuple[int, int]) -> str:
    begin, end = level
    return f"{begin}%" if begin == end else f"{begin}% to {end}%"
