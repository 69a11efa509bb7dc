"""How mistakes are printed: the line of the file, the caret, colour on terminals, the summary."""

import sys
from io import StringIO
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.cli.mistakes import excerpt, lines_of, summary, wants_colour
from firmware_ctl.errors import AuthorError, Mistake
from tests.support.process import SHORT


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def error_at(path: str, *places: tuple[int, int]) -> AuthorError:
    return AuthorError([Mistake(path, line, column, "wrong; right") for line, column in places])


def test_excerpt_shows_the_line_and_a_caret_below_the_column() -> None:
    assert excerpt(Mistake("p", 2, 5, ""), ["a: 1", "for: 90"]) == [
        "    2 | for: 90",
        "      |     ^",
    ]


def test_excerpt_of_a_column_after_the_end_points_there() -> None:
    assert excerpt(Mistake("p", 1, 5, ""), ["a: 1"])[1] == "      |     ^"


@pytest.mark.parametrize("line", [1, 2, 3])
def test_excerpt_of_a_line_without_text_is_empty(line: int) -> None:
    assert excerpt(Mistake("p", line, 1, ""), ["", "  "]) == []


def test_excerpt_of_a_long_line_shows_the_part_around_the_mistake() -> None:
    line = "a" * 100 + "X" + "b" * 100
    text, caret = excerpt(Mistake("p", 1, 101, ""), [line])
    assert len(text) == len("    1 | ") + 72
    assert text[caret.index("^")] == "X"


@pytest.mark.parametrize(("before", "columns"), [("日本", 4), ("e\u0301", 1), ("\tü", 2)])
def test_excerpt_counts_the_columns_of_the_terminal(before: str, columns: int) -> None:
    _, caret = excerpt(Mistake("p", 1, len(before) + 1, ""), [f"{before}x"])
    assert caret == "      | " + " " * columns + "^"


def test_excerpt_has_no_terminal_escapes_of_the_file() -> None:
    text, _ = excerpt(Mistake("p", 1, 1, ""), ["a\x1b[31m\u202eb"])
    assert text == "    1 | a [31m b"


def test_lines_of_a_file_with_a_bom_and_dos_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xff\r\n")
    assert list(lines_of(error_at(str(path), (1, 4), (2, 4)))) == [
        f"{path}:1:4: wrong; right",
        "    1 | a: 1",
        "      |    ^",
        f"{path}:2:4: wrong; right",
        "    2 | b: \ufffd",
        "      |    ^",
    ]


def test_lines_of_a_file_that_is_gone_are_the_sentences() -> None:
    assert list(lines_of(error_at("/gone/p.yaml", (1, 1)))) == ["/gone/p.yaml:1:1: wrong; right"]


def test_lines_in_colour_have_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: 1\n")
    plain, coloured = (list(lines_of(error_at(str(path), (1, 4)), on)) for on in (False, True))
    assert coloured == [
        f"\x1b[1m{path}:1:4: \x1b[0mwrong; right",
        plain[1],
        "      |    \x1b[1;31m^\x1b[0m",
    ]


@pytest.mark.parametrize(
    ("variables", "colour"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_only_and_can_be_refused(
    variables: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(Terminal()) is colour
    assert wants_colour(StringIO()) is False


@pytest.mark.parametrize(
    ("counts", "checked", "line"),
    [
        ([1], 1, "1 mistake in 1 file"),
        ([3], 1, "3 mistakes in 1 file"),
        ([3], 4, "3 mistakes in 1 of 4 files"),
        ([3, 1], 2, "4 mistakes in 2 files"),
    ],
)
def test_summary_counts_mistakes_and_files(counts: list[int], checked: int, line: str) -> None:
    errors = [error_at("p", *((n + 1, 1) for n in range(count))) for count in counts]
    assert summary(errors, checked) == line


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_check_prints_certificates_then_mistakes_then_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.yaml").write_text(SHORT)
    bad = tmp_path / "bad.yaml"
    bad.write_text(SHORT.replace("level: 40%", "level: 0.25"))
    assert run("check", str(tmp_path)) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{tmp_path}/good.yaml: valid\n")
    first, line, caret, last = printed.err.splitlines()
    assert first.startswith(f"{bad}:")
    assert first.endswith(": level: 0.25 has no unit; did you mean 25%?")
    assert line[caret.index("^") :].startswith("0.25")
    assert last == "1 mistake in 1 of 2 files"


def test_check_on_a_terminal_is_in_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    (tmp_path / "bad.yaml").write_text("titel: t\nphases: 1\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run("check", str(tmp_path)) == 1
    assert terminal.getvalue().startswith(f"\x1b[1m{tmp_path}/bad.yaml:1:1: \x1b[0mtitel: ")


def test_check_of_a_mat_file_with_mistakes_shows_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mat = tmp_path / "mat.yaml"
    mat.write_text("name:m\nzones: {}\n")
    assert run("check", "--mat", str(mat)) == 2
    assert capsys.readouterr() == (
        "",
        f"{mat}:1:1: no space after the colon; write `name: m`\n"
        "    1 | name:m\n      | ^\n1 mistake in 1 file\n",
    )


def test_check_of_a_mat_file_without_mistakes_says_so_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mat = str(Path(__file__).parents[3] / "hw" / "mat.yaml")
    assert run("check", "neck", "--mat", mat) == 0
    assert capsys.readouterr().out.startswith(f"{mat}: valid, 8 motors in 3 zones\n")


def test_check_prints_notes_and_json_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "loud.yaml"
    path.write_text("title: t\nphases:\n  - {name: a, for: 1min, play: {lower_back: 100%}}\n")
    assert run("check", str(path)) == 0
    assert "  note        line 3: a: lower_back: 100% is the strongest" in capsys.readouterr().out
    assert run("check", "--json", str(path)) == 0
    assert '"notes": [' in capsys.readouterr().out


def test_explain_of_a_wrong_profile_shows_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("titel: t\nphases: 1\n")
    assert run("explain", str(path)) == 1
    assert "    1 | titel: t\n      | ^\n" in capsys.readouterr().err
