"""The real `firmware-ctl mock` as a process, and its clients. Waits for what is said, not for time.

The patience is a safety net for a test that would hang; nothing here takes that long.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import serial

ROOT = Path(__file__).parent.parent
PATIENCE_S = 20.0
PATIENCE_ASKS = 20_000

SHORT = """\
title: Short
phases:
  - name: swell
    for: 10s
    play: {all: {pattern: wave, level: 40%, period: 5s}}
  - name: press
    for: 10s
    repeat: 2
    play: {lower_back: {pattern: alternate, level: 60%, period: 2s}, neck: 20%}
"""
LONG = """\
title: Long
phases:
  - name: hum
    for: 10min
    play: {all: 40%}
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "firmware_ctl", *words]


def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own: neither a socket nor a runtime folder."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return {**keep, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}


def call(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*words), env=environment(home), capture_output=True, text=True, timeout=PATIENCE_S
    )


class Lines:
    """What a file descriptor says, line by line."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.found: list[str] = []
        self._half = b""

    def until(self, is_it: Callable[[str], bool]) -> str:
        """The next line that is meant; `found` keeps all of them."""
        while True:
            while b"\n" in self._half:
                raw, _, self._half = self._half.partition(b"\n")
                self.found.append(raw.decode().rstrip("\r"))
                if is_it(self.found[-1]):
                    return self.found[-1]
            assert select.select([self.fd], [], [], PATIENCE_S)[0], self.found[-20:]
            more = os.read(self.fd, 65536)
            assert more, self.found[-20:]
            self._half += more


class Mock:
    """A running mock: its log, its serial port, its trace. Killed at the end if it still runs."""

    def __init__(self, home: Path, *options: str, speed: float = 60) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.socket = str(home / "control.sock")
        self.trace = home / "trace.jsonl"
        profiles = home / "profiles"
        if not profiles.exists():
            profiles.mkdir()
            (profiles / "long.yaml").write_text(LONG)
            (profiles / "short.yaml").write_text(SHORT)
        self.process = subprocess.Popen(
            command(
                *("mock", "--no-view", "--speed", str(speed), "--socket", self.socket),
                *("--state", str(home / "state"), "--trace", str(self.trace)),
                *("--profiles", str(profiles), *options),
            ),
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.log = Lines(self.process.stdout.fileno())

    def __enter__(self) -> "Mock":
        self.log.until(lambda line: line.startswith("* ready"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def port(self) -> str:
        assert self.log.found[0].startswith("serial port: ")
        return self.log.found[0].removeprefix("serial port: ")

    def end(self) -> tuple[int, str]:
        """Asks it to end; its exit code and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors.decode()

    def rows(self) -> list[dict[str, Any]]:
        """The trace; complete once the process has ended."""
        return [json.loads(line) for line in self.trace.read_text().splitlines()]

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Client:
    """Requests and answers over a serial port, or whatever else pyserial opens."""

    def __init__(self, url: str) -> None:
        self.port = serial.serial_for_url(url, timeout=PATIENCE_S, write_timeout=PATIENCE_S)
        self.told: list[str] = []
        self._asked = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def line(self) -> str:
        raw: bytes = self.port.readline()
        assert raw.endswith(b"\r\n"), raw
        return raw.decode().removesuffix("\r\n")

    def ask(self, request: str) -> list[str]:
        """The answer's lines, the final one last; what is only told goes to `told`."""
        self._asked += 1
        assert self._asked < PATIENCE_ASKS, request
        self.port.write(request.encode() + b"\n")
        lines = []
        while True:
            line = self.line()
            (self.told if line.startswith("* ") else lines).append(line)
            if line.split(" ")[0] in ("ok", "err"):
                return lines

    def told_until(self, words: str) -> str:
        """The next line that is told without being asked and holds these words."""
        while words not in (line := self.told.pop(0) if self.told else self.line()):
            pass
        return line

    def status(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.ask("status")[-1].split() if "=" in part)

    def status_until(self, is_it: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        while not is_it(status := self.status()):
            pass
        return status

    def start(self, name: str) -> str:
        """Starts as soon as the 100 ms after a stop are over."""
        while (final := self.ask(f"start {name}")[-1]).startswith("err busy stopped"):
            pass
        return final


def zones(status: dict[str, str]) -> list[int]:
    return [int(status[zone]) for zone in ("neck", "lower_back", "hips")]
