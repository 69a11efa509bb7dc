"""The table of exit codes: every command has its codes there, and no other code is named anywhere."""

import re

import pytest

from firmware_ctl import errors
from firmware_ctl.cli import client
from firmware_ctl.cli.exit_codes import EXIT_CODES, OF_COMMAND
from firmware_ctl.cli.main import main
from firmware_ctl.cli.parser import COMMANDS
from tests.support.process import ROOT


def test_every_command_has_its_codes_and_they_are_of_the_one_table() -> None:
    assert set(OF_COMMAND) == set(COMMANDS)
    for codes in OF_COMMAND.values():
        assert 0 in codes
        assert set(codes) <= set(EXIT_CODES)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_its_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out.partition("\nexit codes:\n")[2].partition("\n\n")[0]
    rows = (line.split(maxsplit=1) for line in shown.splitlines())
    assert {int(code): text for code, text in rows} == OF_COMMAND[name]
    assert max(map(len, shown.splitlines())) < 80


def test_codes_of_errors_are_in_the_table() -> None:
    kinds = [
        kind
        for module in (errors, client)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, errors.FirmwareError)
    ]
    assert {kind.exit_code for kind in kinds} == {1, 2, 3}


def test_codes_that_code_and_documents_name_are_in_the_table() -> None:
    named: set[int] = set()
    for path in (*(ROOT / "firmware_ctl").rglob("*.py"), *(ROOT / "docs").glob("*.md")):
        named |= {int(c) for c in re.findall(r"[Ee]xit code:? (\d+)", path.read_text("utf-8"))}
    assert named
    assert named <= set(EXIT_CODES)
