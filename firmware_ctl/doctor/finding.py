"""What a check finds, in a sentence, and what mends it. Knows no machine."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

Word = Literal["ok", "note", "BAD"]
"""A note is advice; BAD makes the mat unsafe or keeps it from running."""

INSTALL: Final = "`sudo firmware-ctl service install`"


class Edit(NamedTuple):
    """A mend that is lines at the end of a file."""

    path: str
    lines: tuple[str, ...]


class Finding(NamedTuple):
    word: Word
    sentence: str
    mend: str = ""
    edit: Edit | None = None


Findings = Iterator[Finding]


def ok(sentence: str) -> Finding:
    return Finding("ok", sentence)


def note(sentence: str, mend: str = "", edit: Edit | None = None) -> Finding:
    return Finding("note", sentence, mend, edit)


def bad(sentence: str, mend: str = "", edit: Edit | None = None) -> Finding:
    return Finding("BAD", sentence, mend, edit)


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
