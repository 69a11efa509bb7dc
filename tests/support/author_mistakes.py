"""Reads the table of authors' mistakes."""

from pathlib import Path
from typing import NamedTuple

from tests.support.process import ROOT

TABLE = ROOT / "tests" / "unit" / "config" / "author_mistakes.txt"
_WRITTEN = {"␣": "\u00a0", "⇥": "\t"}
"""Characters that stand in the table for invisible ones."""


class AuthorMistake(NamedTuple):
    title: str
    text: str
    """The profile as the author wrote it."""
    answers: list[str]
    """`place what | instead`, for each mistake and each note. Empty: the profile is right."""


def read_table(path: Path = TABLE) -> list[AuthorMistake]:
    base, *cases = path.read_text(encoding="utf-8").split("\n== ")
    profile = base.partition("\n\n")[2].rstrip("\n").split("\n")
    return [_case(case.rstrip("\n").split("\n"), profile) for case in cases]


def _case(lines: list[str], profile: list[str]) -> AuthorMistake:
    title, *rest = lines
    text = list(profile)
    at = 0
    answers = []
    for line in rest:
        if line.startswith("-"):
            at = text.index(line[1:])
            del text[at]
        elif line.startswith("+"):
            written = line[1:]
            for sign, char in _WRITTEN.items():
                written = written.replace(sign, char)
            text.insert(at, written)
            at += 1
        elif line:
            answers.append(line)
    return AuthorMistake(title, "\n".join(text) + "\n", answers)
