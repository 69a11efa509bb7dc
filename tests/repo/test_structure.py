"""What a command loads and prints, and which commands the documents name."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_ctl.cli.parser import COMMANDS, make_parser
from firmware_ctl.protocol import commands
from tests.support.process import ROOT, command, environment

PACKAGE = ROOT / "firmware_ctl"


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
        ["history"],
        ["completion", "fish"],
    ],
)
def test_command_without_pins_and_ports_loads_no_library_for_them(
    words: list[str], tmp_path: Path
) -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *command(*words)[1:]],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.rpartition("|")[2].strip() for line in loaded.stderr.splitlines()}
    assert "firmware_ctl.cli.main" in names
    if words[0] in ("history", "completion"):  # nothing that a session needs
        assert not names & {"firmware_ctl.session", "firmware_ctl.timeline", "yaml"}
    assert not names & {"gpiozero", "serial", "rich", "socket", "lgpio", "matplotlib"}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["profiles"], ["check"], ["schema", "mat"], ["simulate", "neck"]],
    ids=" ".join,
)
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
def test_full_output_is_one_sentence_and_closed_output_is_silent(
    words: list[str], unbuffered: str, tmp_path: Path
) -> None:
    ends = []
    for output in (os.open("/dev/full", os.O_WRONLY), closed_pipe()):
        done = subprocess.run(
            command(*words),
            env={**environment(tmp_path), "PYTHONUNBUFFERED": unbuffered},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(output)
        errors = [line for line in done.stderr.splitlines() if line.startswith("firmware-ctl: ")]
        ends.append((done.returncode, errors))
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    no_room = "firmware-ctl: the output cannot be written: No space left on device"
    assert ends == [(1, [no_room]), (0, [])]


def test_check_keeps_its_exit_code_when_its_output_is_closed(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: bad\n")
    neck = str(ROOT / "profiles" / "neck.yaml")
    for paths, code in (([neck], 0), ([neck, str(tmp_path / "bad.yaml")], 1)):
        for options in ([], ["--json"]):
            output = closed_pipe()
            done = subprocess.run(
                command("check", *paths, *options),
                env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.DEVNULL,
            )
            os.close(output)
            assert done.returncode == code


def closed_pipe() -> int:
    """The writing end of a pipe whose reading end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert options_of(name, capsys)


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options that the command's own help lists."""
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([command, "--help"])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.err) == (0, "")
    assert printed.out.startswith(f"usage: firmware-ctl {command} ")
    return {*re.findall(r"^  (?:-h, )?(--[a-z-]+)", printed.out, re.MULTILINE)}


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
def test_command_named_in_a_text_exists_with_its_options(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = path.read_text(encoding="utf-8")
    for name, rest in re.findall(r"[`/ ]firmware-ctl ([a-z]+)\b([^`\n]*)`", text):
        assert name in COMMANDS
        assert {*re.findall(r"--[a-z-]+", rest)} <= options_of(name, capsys)
        if name == "send":
            assert rest.split()[0].strip("'").lower() in commands.COMMANDS


def test_ci_does_not_retry_tests() -> None:
    """A test that fails in one run of three has found a defect that occurs in one run of three."""
    retries = (
        r"--last-failed|--lf\b|--reruns|--count|rerunfailures|flaky|\bfor _ in\b|\|\| .*pytest"
    )
    for path in (".ci/run", ".github/workflows/ci.yml", "pyproject.toml", "README.md"):
        assert re.findall(retries, (ROOT / path).read_text()) == [], path


FACES = sorted(PACKAGE.glob("*/**/__init__.py"))


@pytest.mark.parametrize("face", FACES, ids=lambda p: p.parent.name)
def test_face_of_a_package_says_what_it_knows_and_names_its_modules(face: Path) -> None:
    docstring = ast.get_docstring(ast.parse(face.read_text())) or ""
    assert len(docstring.splitlines()) >= 3
    name = ".".join(face.parent.relative_to(ROOT).parts)
    modules = [path.stem for path in face.parent.glob("*.py") if path != face]
    packages = [path.parent.name for path in face.parent.glob("*/__init__.py")]
    assert importlib.import_module(name).__all__ == sorted(modules + packages)
