"""What a check finds: a sentence on what and why, and the fix. It knows no machine."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

Word = Literal["ok", "note", "BAD"]
"""BAD: the mat is unsafe or cannot run. note: advice, or something that could not be checked."""

INSTALL: Final = "`sudo firmware-ctl service install`"
KERNEL: Final = "start Raspberry Pi OS's own kernel: `sudo apt full-upgrade`, then `sudo reboot`"
ROOT: Final = "`sudo firmware-ctl doctor`"


class Edit(NamedTuple):
    """A fix: lines to add at the end of a file."""

    path: str
    lines: tuple[str, ...]


class Finding(NamedTuple):
    word: Word
    sentence: str
    fix: str = ""
    """What a person can do. Empty: nothing, or only `edit`."""
    edit: Edit | None = None
    """Lines that doctor can add itself. None: there are none."""


Findings = Iterator[Finding]


def ok(sentence: str) -> Finding:
    return Finding("ok", sentence)


def note(sentence: str, fix: str, edit: Edit | None = None) -> Finding:
    return Finding("note", sentence, fix, edit)


def bad(sentence: str, fix: str, edit: Edit | None = None) -> Finding:
    return Finding("BAD", sentence, fix, edit)


def listed(words: Sequence[str]) -> str:
    """The words as `one, two and three`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
