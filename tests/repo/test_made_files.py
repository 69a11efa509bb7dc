"""The manual page and the completions are what the parser says, and `man` and the shells read them."""

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from firmware_ctl.cli.exit_codes import EXIT_CODES
from firmware_ctl.cli.parser import COMMANDS
from tests.support.process import ROOT

PAGE = ROOT / "share/man/man1/firmware-ctl.1"


def test_manual_page_is_what_the_parser_says() -> None:
    import make_manual

    assert make_manual.FILE == PAGE
    assert PAGE.read_text("utf-8") == make_manual.manual(), "run: python docs/make_references.py"


def test_completions_are_what_the_parser_says() -> None:
    pytest.importorskip("shtab", reason="shtab is not installed; extra test")
    if version("shtab") != "1.13.0":
        pytest.skip("another release of shtab writes other scripts")
    import make_completion

    made = make_completion.scripts()
    stale = [path.name for path, text in made.items() if path.read_text("utf-8") != text]
    assert (len(made), stale) == (3, []), "run: python docs/make_references.py"


def test_manual_page_has_every_command_code_and_no_warning(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    shown = subprocess.run(
        ["man", "-l", "--warnings", str(PAGE)],
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if line[:1].isalpha()][1:-1]
    assert heads == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES"),
        "SEE ALSO",
    ]
    assert [line.strip() for line in lines if line[:3] == "   " and line[3:4] != " "] == [*COMMANDS]
    for code, text in EXIT_CODES.items():
        assert any(line.split()[:2] == [str(code), text.split()[0]] for line in lines)
