"""Prints the mistakes of authors: each with its line of the file, and a caret below its column."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from firmware_ctl.config.yaml_syntax import LINE_END
from firmware_ctl.errors import AuthorError, Mistake, printable
from firmware_ctl.timeline.folder import read_file

WIDTH: Final = 72
"""The most characters of a line that are shown. Of a longer line, those around the mistake."""
_BOLD: Final = "\x1b[1m"
_RED: Final = "\x1b[1;31m"
_PLAIN: Final = "\x1b[0m"


def print_mistakes(errors: Sequence[AuthorError], checked: int | None = None) -> None:
    """Prints every mistake to standard error, then a summary.

    `checked`: the number of all files that were checked. None: prints no summary.
    """
    colour = wants_colour(sys.stderr)
    for error in errors:
        for line in lines_of(error, colour):
            print(line, file=sys.stderr)
    if checked is not None and errors:
        print(summary(errors, checked), file=sys.stderr)


def wants_colour(stream: TextIO) -> bool:
    """Colour is for terminals only, and never if the user refuses it (https://no-color.org)."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not refused


def lines_of(error: AuthorError, colour: bool = False) -> Iterator[str]:
    """The lines to print for the mistakes of one file."""
    texts: dict[str, list[str]] = {}
    for mistake in error.mistakes:
        if mistake.path not in texts:
            texts[mistake.path] = _text_lines(mistake.path)
        yield _sentence(mistake, colour)
        yield from excerpt(mistake, texts[mistake.path], colour)


def _text_lines(path: str) -> list[str]:
    """The lines of a file. Empty if it cannot be read: the sentence must not get lost with it."""
    try:
        data = read_file(path)
    except OSError:
        return []
    return LINE_END.split(data.decode(errors="replace").removeprefix("\ufeff"))


def _sentence(mistake: Mistake, colour: bool) -> str:
    text = str(mistake)
    place = text.removesuffix(printable(mistake.sentence))
    return f"{_BOLD}{place}{_PLAIN}{text[len(place) :]}" if colour else text


def excerpt(mistake: Mistake, lines: Sequence[str], colour: bool = False) -> list[str]:
    """The line of the file and a caret below the column. Empty if that line has no text."""
    text = lines[mistake.line - 1] if mistake.line <= len(lines) else ""
    if not text.strip():
        return []
    at = mistake.column - 1
    # A third of the width before the mistake shows the key of the value that is wrong.
    begin = max(0, min(at - WIDTH // 3, len(text) - WIDTH)) if len(text) > WIDTH else 0
    shown = "".join(char if char.isprintable() else " " for char in text[begin : begin + WIDTH])
    indent = " " * columns(shown[: at - begin])
    margin = f"{mistake.line:>5} | "
    caret = f"{_RED}^{_PLAIN}" if colour else "^"
    return [f"{margin}{shown.rstrip()}", f"{' ' * (len(margin) - 2)}| {indent}{caret}"]


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def summary(errors: Sequence[AuthorError], checked: int) -> str:
    mistakes = sum(len(error.mistakes) for error in errors)
    wrong = len(errors)
    of_all = f" of {checked}" if checked > wrong else ""
    files = "file" if max(wrong, checked) == 1 else "files"
    return f"{mistakes} mistake{'s' * (mistakes != 1)} in {wrong}{of_all} {files}"
