"""Who may import whom, what a command loads, and the style: so that one command checks it all."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from firmware_ctl.cli import COMMANDS
from firmware_ctl.verbs import VERBS
from tests.process import ROOT, call, command, environment

PACKAGE = ROOT / "firmware_ctl"


def test_imports_point_one_way_and_the_core_knows_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["mock", "--help"],
        ["check"],
        ["check", "--json"],
        ["profiles"],
        ["schema", "profile"],
        ["new", "mine"],
    ],
)
def test_what_needs_no_pins_and_no_port_loads_neither(words: list[str], tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *command(*words)[1:]],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.rpartition("|")[2].strip() for line in loaded.stderr.splitlines()}
    assert "firmware_ctl.cli" in names
    assert not names & {"gpiozero", "serial", "rich", "socket", "lgpio", "matplotlib"}


@pytest.mark.parametrize(
    "name",
    ["run", "mock", "check", "start", "status", "send", "off", "service", "wiring", "setup"],
)
def test_every_command_explains_itself(name: str, tmp_path: Path) -> None:
    found = call(tmp_path, name, "--help")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(f"usage: firmware-ctl {name} ")


@pytest.mark.parametrize(
    "path",
    sorted(
        [
            *ROOT.glob("*.md"),
            *(p for name in ("docs", "hw", "systemd") for p in (ROOT / name).rglob("*.md")),
            *PACKAGE.rglob("*.py"),
        ]
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_command_that_is_named_to_people_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, rest in re.findall(r"[`/ ]firmware-ctl ([a-z]+)\b([^`\n]*)`", text):
        assert name in COMMANDS
        known = {word for words, _ in COMMANDS[name][2] for word in words}
        assert {*re.findall(r"--[a-z-]+", rest)} <= known
        if name == "send":
            assert rest.split()[0].strip("'").lower() in VERBS


@pytest.mark.parametrize(
    "tool",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]],
    ids=["ruff check", "ruff format", "mypy --strict"],
)
def test_style(tool: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
