"""Who may import whom, what a command loads, and the style: so that one command checks it all."""

import os
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


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["profiles"], ["check"], ["schema", "mat"], ["simulate", "neck"]],
    ids=" ".join,
)
@pytest.mark.skipif(sys.platform != "linux", reason="a device that is full is a kernel's")
def test_an_output_without_room_is_one_sentence_and_one_without_a_reader_is_none(
    words: list[str], unbuffered: str, tmp_path: Path
) -> None:
    ends = []
    for output in (os.open("/dev/full", os.O_WRONLY), unread()):
        found = subprocess.run(
            command(*words),
            env={**environment(tmp_path), "PYTHONUNBUFFERED": unbuffered},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(output)
        said = [line for line in found.stderr.splitlines() if line.startswith("firmware-ctl: ")]
        ends.append((found.returncode, said))
        assert "Traceback" not in found.stderr
        assert "Exception ignored" not in found.stderr
    no_room = "firmware-ctl: the output cannot be written: No space left on device"
    assert ends == [(1, [no_room]), (0, [])]


def test_a_verdict_stands_though_nobody_reads_it(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: bad\n")
    neck = str(ROOT / "profiles" / "neck.yaml")
    for words, code in (([neck], 0), ([neck, str(tmp_path / "bad.yaml")], 1)):
        for more in ([], ["--json"]):
            output = unread()
            found = subprocess.run(
                command("check", *words, *more),
                env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.DEVNULL,
            )
            os.close(output)
            assert found.returncode == code


def unread() -> int:
    """A pipe whose other end is closed."""
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


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


def test_ci_tries_no_test_twice() -> None:
    """A test that fails once in three times tells of a fault that is there once in three times."""
    retries = (
        r"--last-failed|--lf\b|--reruns|--count|rerunfailures|flaky|\bfor _ in\b|\|\| .*pytest"
    )
    for path in (".ci/run", "pyproject.toml", "README.md"):
        assert re.findall(retries, (ROOT / path).read_text()) == [], path
