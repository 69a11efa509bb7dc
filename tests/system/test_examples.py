"""The example client and the answers in the documents, against a real mock."""

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from tests.support.process import ROOT, Client, Mock

ANSWERS = runpy.run_path(str(ROOT / "docs" / "make_references.py"))["ANSWERS"]

SCRIPT = {
    "hello": "hello",
    "help": "help",
    "caps": "caps",
    "profiles": "profiles",
    "select": "select lower-back",
    "explain": "explain",
    "limits": "limits",
    "status": "status",
    "events": "events off",
    "echo": "echo off",
    "start": "start",
    "pause": "pause",
    "resume": "resume",
    "trim": "trim 70",
    "lease": "lease 5",
    "ping": "ping",
    "clear": "clear",
    "reload": "reload",
    "stop": "stop",
    "try": "try lower_back wave 40% period=4s",
    "press": "press short",
}
"""An example of every request, in an order in which each works."""


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    home = tmp_path_factory.mktemp("examples")
    shutil.copytree(shipped.profiles_dir(), home / "profiles")
    with Mock(home, speed=1) as mock:
        yield mock


def client(port: str, *requests: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "client.py"), port, *requests],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_example_client_shows_data_and_final_lines(mock: Mock) -> None:
    done = client(mock.port, "profiles", "select neck", "select nobody", "stop")

    assert (done.returncode, done.stderr) == (0, "")
    hello, *profiles, count, select, error, stop = done.stdout.splitlines()
    assert hello.startswith("ok firmware-ctl ")
    assert [line.split()[1] for line in profiles] == [
        *("first-time", "full-body", "guided-points", "hips", "lower-back", "neck"),
    ]
    assert (count, select, stop) == ("ok count=6", "ok profile=neck", "ok")
    assert error.startswith("err unknown-profile ")


def test_example_client_without_a_mat_says_so(tmp_path: Path) -> None:
    done = client("loop://")

    assert done.returncode == 1
    assert done.stderr == "no answer; is the mat running, and is this its port?\n"


@pytest.mark.parametrize("port", ["/dev/nope", "/dev/null"])
def test_example_client_on_a_port_without_a_mat_ends_with_one_sentence(port: str) -> None:
    done = client(port, "status")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"no mat on {port}; a mock prints its port (")
    assert done.stderr.count("\n") == 1


def test_example_requests_are_all_there() -> None:
    assert set(SCRIPT) == set(ANSWERS)


def test_documented_answers_are_those_of_a_mock(mock: Mock) -> None:
    with Client(mock.port) as asked:
        answers = {name: final_line(asked, request) for name, request in SCRIPT.items()}
        asked.ask("stop")

    assert {name: shape(line) for name, line in answers.items()} == {
        name: shape(line) for name, line in ANSWERS.items()
    }


def final_line(asked: Client, request: str) -> str:
    """Asked again while a start is refused because it came too soon after a stop."""
    while (line := asked.ask(request)[-1]).startswith("err busy stopped just now"):
        pass
    return line


def shape(line: str) -> list[str]:
    """The first word and the names of the fields."""
    first, *rest = re.sub(r'"[^"]*"', '""', line).split()
    return [first, *(field.partition("=")[0] for field in rest if "=" in field)]
