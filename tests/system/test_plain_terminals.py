"""Terminals that want no colour (`NO_COLOR`), and terminals that have no cursor (`TERM=dumb`)."""

import os
import re
import select
from pathlib import Path

import pytest

from tests.support.builder import exit_code, see_and_type
from tests.support.process import PATIENCE_S, Client, Mock, Terminal, command

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
ESCAPE = b"\x1b"


def _set(variables: str, *words: str) -> list[str]:
    return ["env", *variables.split(), *command(*words)]


def _all_shown(terminal: Terminal) -> bytes:
    """What the terminal shows until its command has ended."""
    terminal.process.wait(PATIENCE_S)
    while select.select([terminal.master], [], [], 0)[0]:
        terminal.shown += os.read(terminal.master, 65536)
    return terminal.shown


@pytest.mark.parametrize(
    ("variables", "has_colour"),
    [("NO_COLOR=", True), ("NO_COLOR=1", False), ("TERM=dumb", False)],
)
@pytest.mark.parametrize("name", ["check", "explain", "simulate", "profiles"])
def test_mistakes_are_coloured_unless_the_person_refuses(
    name: str, variables: str, has_colour: bool, terminals: list[Terminal], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("title: Bad\nphases: [{name: a, for: 1s, play: {hip: 20%}}]")
    terminals.append(Terminal(tmp_path, program=_set(variables, name, str(bad))))
    shown = _all_shown(terminals[0])
    assert b"hip" in shown
    assert bool(COLOUR.search(shown)) == has_colour


@pytest.mark.parametrize(
    "words", [["--help"], ["mock", "--help"], ["history"], ["profiles"], ["simulate", "neck", "-v"]]
)
def test_other_output_has_no_escape_at_all(
    words: list[str], terminals: list[Terminal], tmp_path: Path
) -> None:
    terminals.append(Terminal(tmp_path, program=_set("NO_COLOR=1", *words)))
    assert ESCAPE not in _all_shown(terminals[0])


def test_live_view_without_colour_keeps_its_picture(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminals.append(Terminal(tmp_path, program=_set("NO_COLOR=1", "play", "neck")))
    [view] = terminals
    view.see("neck")
    view.see("running")
    view.type("q")
    view.see("Stopped. All motors are off.")
    colours = {code for found in COLOUR.findall(view.shown) for code in _codes(found)}
    assert colours
    assert not [code for code in colours if 30 <= code <= 49 or 90 <= code <= 107]


def _codes(found: bytes) -> list[int]:
    return [int(code or 0) for code in found[2:-1].split(b";")]


def test_wiring_on_a_dumb_terminal_prints_lines_only(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file))
    terminals.append(Terminal(tmp_path, program=_set("TERM=dumb", *words)))
    [terminal] = terminals
    see_and_type(terminal, ("space: begin", " "), ("(turns)   y: felt", "y"))
    terminal.see("only                 GPIO 22  felt")
    assert exit_code(terminal) == 0
    assert ESCAPE not in terminal.shown
    # The power rises in steps of one percent, and each of them would be a line.
    assert terminal.shown.count(b"(turns)   y: felt") == 1


def test_status_watch_prints_one_plain_line_a_change(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        words = ("status", "--watch", "--socket", mock.socket)
        terminals.append(Terminal(tmp_path, *words))
        [watch] = terminals
        watch.see("idle  long is selected  trim 100%\r\n")
        client.ask("trim 80")
        watch.see("idle  long is selected  trim 80%\r\n")
        while not client.start("long").startswith("ok"):
            pass  # the button was not seen released yet
        watch.see("running  long, hum  0:00 of 10:00  trim 80%\r\n")
        client.ask("stop")
        watch.see("idle  long is selected  trim 80%\r\n")
        assert mock.end() == (0, "")
        shown = _all_shown(watch)
    assert ESCAPE not in shown
    lines = shown.decode().splitlines()
    assert len(lines) == 5
    assert lines[-1] == f"firmware-ctl: the daemon has ended ({mock.socket})"
