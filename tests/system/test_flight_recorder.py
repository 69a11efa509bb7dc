"""What a killed daemon was doing is kept by the next one."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl.session.events import (
    State,
)
from firmware_ctl.simulator.replay import read_incident, replay


class Mock:
    """A real `mock` with plain log lines; what it says is waited for, never slept for."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "socket")
        arguments = [
            "mock",
            "--no-view",
            "--state",
            str(folder / "state"),
            "--socket",
            self._socket,
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "firmware_ctl", *arguments], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout
        self._lines = self._read()

    def _read(self) -> Iterator[str]:
        rest = b""
        while select.select([self._out], [], [], 20)[0]:
            chunk = os.read(self._out.fileno(), 65_536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in lines)
        pytest.fail("the mock says nothing more")

    def until(self, words: str) -> str:
        return next(line for line in self._lines if words in line)

    def kept(self) -> str:
        return self.until("are kept in").split("are kept in ")[1].split(";")[0]

    def start(self, name: str) -> None:
        """Starts a profile, as soon as the button was seen released."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
            client.settimeout(20)
            client.connect(self._socket)
            while not answer.startswith(b"ok"):
                client.sendall(f"start {name}\n".encode())
                answer = answers.readline()
                assert answer.startswith((b"ok", b"err not-ready"))

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(20)
        self._out.close()


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Callable[[], Mock]]:
    mocks: list[Mock] = []

    def begin() -> Mock:
        mocks.append(Mock(tmp_path))
        return mocks[-1]

    yield begin
    for each in mocks:
        each.end(signal.SIGKILL)


def test_a_killed_daemon_is_kept_by_the_next_one(mock: Callable[[], Mock], tmp_path: Path) -> None:
    first = mock()
    first.until("* ready")
    first.start("lower-back")
    first.until('phase="')
    first.process.send_signal(signal.SIGUSR1)
    asked = first.kept()
    first.end(signal.SIGKILL)
    second = mock()
    killed = second.kept()
    second.until("* ready")
    second.end(signal.SIGTERM)
    third = mock()
    third.until("* ready")
    third.end(signal.SIGTERM)
    found = sorted(str(path) for path in (tmp_path / "state").glob("incident-*"))
    assert found == sorted([asked, killed])
    for path, why in ((asked, "asked"), (killed, "killed")):
        kept = read_incident(path)
        assert (kept.why, kept.rows[-1].outcome.state) == (why, State.RUNNING)
        assert replay(path) == 0
