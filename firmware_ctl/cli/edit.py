"""`edit`: watches a profile, and after each save shows its picture, or its mistakes by line."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from firmware_ctl.cli import mistakes
from firmware_ctl.cli.authoring import certificate_lines
from firmware_ctl.cli.edit_picture import BLOCKS, picture_lines
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import profile_stem
from firmware_ctl.errors import AuthorError, DeviceError, printable
from firmware_ctl.timeline.catalogue import BadEntry, GoodEntry, read_entry
from firmware_ctl.timeline.folder import find_profile, load_mat, read_file, unreadable

if TYPE_CHECKING:
    from firmware_ctl.cli.file_watch import FileWatch

MISTAKES_SHOWN: Final = 5
"""The most mistakes that are shown: more would hide the first one above the terminal's edge."""

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
"""Moves the cursor to the top, and clears the terminal with the lines above it."""


class Screen(NamedTuple):
    """What the output can show."""

    width: int
    is_terminal: bool = False
    """True: the picture is drawn anew in the same place. False: plain lines follow each other."""
    colour: bool = False
    ascii_only: bool = False


def edit(args: argparse.Namespace) -> int:
    """Shows the profile after each save. Ctrl-C ends it, with exit code 0.

    Raises `DeviceError` if the file cannot be read or watched.
    """
    path = find_profile(args.profile)
    mat = load_mat(args.mat)
    data = _read(path)
    from firmware_ctl.cli.file_watch import FileWatch

    with FileWatch(path) as watch:
        try:
            _show_saves(path, data, mat, watch)
        except KeyboardInterrupt:
            return 0


def _show_saves(path: str, data: bytes | None, mat: Mat, watch: "FileWatch") -> NoReturn:
    last_good: GoodEntry | None = None
    while True:
        screen = _screen()
        entry = None if data is None else read_entry(profile_stem(path), data, path, mat)
        lines = version_lines(path, entry, last_good, mat, screen)
        if screen.is_terminal:
            print(end=_CLEAR)
        print("\n".join(lines), flush=True)
        if isinstance(entry, GoodEntry):
            last_good = entry
        before = data
        while data == before:
            watch.wait()
            data = _read_again(path)


def _read(path: str) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise DeviceError(unreadable(path, error)) from None


def _read_again(path: str) -> bytes | None:
    """The bytes of the file. None while it is gone or cannot be read."""
    try:
        return read_file(path)
    except OSError:
        return None


def _screen() -> Screen:
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    try:
        BLOCKS.encode(sys.stdout.encoding)
        ascii_only = False
    except UnicodeEncodeError:
        ascii_only = True
    width = shutil.get_terminal_size().columns if is_terminal else 80
    return Screen(width, is_terminal, mistakes.wants_colour(sys.stdout), ascii_only)


def version_lines(
    path: str, entry: GoodEntry | BadEntry | None, last_good: GoodEntry | None, mat: Mat,
    screen: Screen,
) -> Iterator[str]:  # fmt: skip
    """What is shown for one version of the file.

    `entry` None: the file is gone. `last_good`: the last valid version, whose picture stays while a
    terminal shows mistakes.
    """
    if isinstance(entry, GoodEntry):
        yield from _picture(entry, mat, screen)
        yield from certificate_lines(path, entry, mat)
    elif entry is None:
        yield printable(f"{path} cannot be read now; it is shown again after the next save")
    else:
        yield from _mistake_lines(path, entry.error, screen)
        if last_good is not None and screen.is_terminal:
            yield "\nthe last valid version:"
            yield from _picture(last_good, mat, screen)
    if screen.is_terminal:
        yield "\nSave the file to see it again. Ctrl-C ends this."


def _picture(entry: GoodEntry, mat: Mat, screen: Screen) -> Iterator[str]:
    lines = picture_lines(entry, mat, screen.width, screen.ascii_only)
    return (printable(line) for line in lines)


def _mistake_lines(path: str, error: AuthorError, screen: Screen) -> Iterator[str]:
    shown = AuthorError(list(error.mistakes[:MISTAKES_SHOWN]))
    yield from mistakes.lines_of(shown, screen.colour)
    more = len(error.mistakes) - MISTAKES_SHOWN
    if more > 0:
        yield printable(f"{more} more; all of them: firmware-ctl check {path}")
