"""The table of authors' mistakes: each with its place, what is wrong, and what to write instead."""

from pathlib import Path

import pytest

from firmware_ctl.cli.mistakes import excerpt
from firmware_ctl.config.notes import notes
from firmware_ctl.config.shipped import mat_file
from firmware_ctl.timeline.catalogue import BadEntry, read_entry
from firmware_ctl.timeline.folder import load_mat
from tests.support.author_mistakes import AuthorMistake, read_table

MAT = load_mat(mat_file())
CASES = read_table()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_mistake_is_answered_with_what_and_where_and_what_instead(case: AuthorMistake) -> None:
    entry = read_entry("p", case.text.encode(), "p.yaml", MAT)
    if isinstance(entry, BadEntry):
        found = [f"{m.line}:{m.column} {m.sentence}" for m in entry.error.mistakes]
    else:
        found = [f"note {note.line} {note.sentence}" for note in notes(entry.profile, MAT)]
    assert found == [answer.replace(" | ", "; ") for answer in case.answers]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_mistake_is_marked_below_a_character_of_its_line(case: AuthorMistake) -> None:
    entry = read_entry("p", case.text.encode(), "p.yaml", MAT)
    for mistake in entry.error.mistakes if isinstance(entry, BadEntry) else ():
        line, caret = excerpt(mistake, case.text.split("\n"))
        assert caret.strip("| ") == "^"
        written = case.text.split("\n")[mistake.line - 1][mistake.column - 1]
        assert line[caret.index("^")] == (written if written.isprintable() else " ")


def test_table_has_the_three_answers_for_every_mistake() -> None:
    assert len(CASES) >= 84
    answers = [answer for case in CASES for answer in case.answers]
    for answer in answers:
        place, _, rest = answer.removeprefix("note ").partition(" ")
        what, _, instead = rest.partition(" | ")
        assert place[0].isdigit(), answer
        assert what, answer
        assert instead, answer
    assert len({case.title for case in CASES}) == len(CASES)


def test_shipped_profiles_have_no_note() -> None:
    for path in sorted(Path(mat_file()).parent.parent.glob("profiles/*.yaml")):
        entry = read_entry(path.stem, path.read_bytes(), str(path), MAT)
        assert not isinstance(entry, BadEntry)
        assert notes(entry.profile, MAT) == []
