"""The real `firmware-ctl mock` as a process, and its clients. Waits for what is said, not for time.

The patience is a safety net for a test that would hang; nothing here takes that long.
"""

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import serial

from firmware_ctl.config import shipped
from firmware_ctl.config.paths import ring_file
from firmware_ctl.storage.ring import half_paths
from firmware_ctl.timeline.folder import load_mat

ROOT = Path(__file__).parents[2]
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


def watched(fd: int) -> list[str]:
    return [sys.executable, "-m", "tests.support.watched", str(fd)]


def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own: neither a socket nor a runtime folder."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return {**keep, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}


def waited_ns(pid: int) -> int:
    """How long threads of a process could run and the kernel gave them no processor, together.

    A thread that sleeps, waits or computes adds nothing, so a test that subtracts this forgives what
    other programs do to a process, and nothing that the process does itself. All threads count,
    since one that holds Python's lock and gets no processor holds up the others.

    A process that only sleeps is no measure of this: beside busy programs such a witness woke 1 ms
    late while a daemon that had work to do was held up for 82 ms.
    """
    return sum(waited_ns_by_thread(pid).values())


def waited_ns_by_thread(pid: int) -> dict[str, int]:
    waited = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            waited[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return waited


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


class Took(NamedTuple):
    """How long something took, and for how much of it the machine held the processes up."""

    ms: float
    waited_ms: float

    @property
    def own_ms(self) -> float:
        """What the program has to answer for."""
        return self.ms - self.waited_ms

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms ({self.waited_ms:.1f} of it without a processor)"


class Moment(NamedTuple):
    at_ns: int
    waited_ns: int
    """Of the daemon, up to then."""

    def until(self, later: "Moment") -> Took:
        return Took((later.at_ns - self.at_ns) / 1e6, (later.waited_ns - self.waited_ns) / 1e6)


class Watch:
    """What `tests.support.watched` tells: every motor pin's duty, and the checked ticks, with their time."""

    def __init__(self) -> None:
        self.fd, self.theirs = os.pipe()
        fcntl.fcntl(self.theirs, fcntl.F_SETPIPE_SZ, 1 << 20)  # so that telling never waits
        pins = [motor.pin for motor in load_mat(shipped.mat_file()).motors]
        self.duties: dict[int, int | None] = dict.fromkeys(pins)
        self.ticks: list[Moment] = []
        self.last = Moment(0, 0)
        """Of what was told last."""
        self._lines = Lines(self.fd)

    def until(self, is_it: Callable[[list[int | None]], bool]) -> Moment:
        """When a write to a motor's pin made the duties what is meant."""
        while True:
            line = self._lines.until(lambda _: True)
            moment = self._take(line)
            if not line.endswith("tick") and is_it(list(self.duties.values())):
                return moment

    def off_after(self, mock: "Mock", act: Callable[[], object]) -> Took:
        """From before an act until every motor pin is driven low."""
        begun_ns, before_ns = mock.waited_ns(), waited_ns(os.getpid())
        at_ns = time.monotonic_ns()
        act()
        here_ns = waited_ns(os.getpid()) - before_ns  # the act itself may have come late
        return Moment(at_ns, begun_ns - here_ns).until(self.until(off))

    def rest(self) -> None:
        """All that is left, once the process is gone."""
        with suppress(AssertionError):
            while True:
                self._take(self._lines.until(lambda _: True))

    def gaps(self) -> list[Took]:
        """Between one checked tick and the next."""
        return [before.until(after) for before, after in pairwise(self.ticks)]

    def _take(self, line: str) -> Moment:
        at_ns, waited, *what = line.split()
        self.last = moment = Moment(int(at_ns), int(waited))
        if what == ["tick"]:
            self.ticks.append(moment)
        elif int(what[0]) in self.duties:
            self.duties[int(what[0])] = None if what[1] == "None" else int(what[1])
        return moment


def off(duties: list[int | None]) -> bool:
    """Driven low; an input would float."""
    return all(duty == 0 for duty in duties)


def on(duties: list[int | None]) -> bool:
    return all(duties)


class Terminal:
    """A command as someone sees it who types it into a terminal of 80x24."""

    def __init__(self, home: Path, *words: str, program: Sequence[str] | None = None) -> None:
        """`program`: run in the place of `firmware-ctl WORDS`."""
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            program or command(*words),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**environment(home), "TERM": "xterm", "PYTHONUTF8": "1"},
            start_new_session=True,
        )
        self.shown = b""
        self._seen = 0

    def see(self, words: str) -> None:
        """Waits until the words are shown, after those that were seen before."""
        while (found := self.shown.find(words.encode(), self._seen)) < 0:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.shown[-3000:]
            self.shown += os.read(self.master, 65536)
        self._seen = found + len(words.encode())

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    @property
    def child(self) -> int:
        """The process that the command has forked."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        (child,) = path.read_text().split()
        return int(child)

    def is_restored(self) -> bool:
        return bool(termios.tcgetattr(self.slave) == self.before)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class Mock:
    """A running mock: its log, its serial port, its trace. Killed at the end if it still runs."""

    def __init__(
        self,
        home: Path,
        *options: str,
        speed: float = 60,
        watch: Watch | None = None,
        program: list[str] | None = None,
    ) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.socket = str(home / "control.sock")
        self.trace = home / "trace.jsonl"
        profiles = home / "profiles"
        if not profiles.exists():
            profiles.mkdir()
            (profiles / "long.yaml").write_text(LONG)
            (profiles / "short.yaml").write_text(SHORT)
        if program is None:
            program = command() if watch is None else watched(watch.theirs)
        self.process = subprocess.Popen(
            [
                *program,
                *("mock", "--no-view", "--speed", str(speed), "--socket", self.socket),
                *("--state", str(home / "state"), "--trace", str(self.trace)),
                *("--profiles", str(profiles), *options),
            ],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=() if watch is None else (watch.theirs,),
        )
        if watch is not None:
            os.close(watch.theirs)
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
        for path in half_paths(ring_file(str(self.home / "state"))):
            with suppress(OSError):
                os.unlink(path)

    def gone(self) -> tuple[int, float]:
        """When the process was seen to have ended, in ns, and how late this very look may be, ms.

        What a busy machine does to this loop it may have done to the death as well.
        """
        late_ns, step_ns, fd = 0, 2_000_000, os.pidfd_open(self.process.pid)
        until_ns = (at_ns := time.monotonic_ns()) + int(PATIENCE_S * 1e9)
        while at_ns < until_ns and not select.select([fd], [], [], step_ns / 1e9)[0]:
            before_ns, at_ns = at_ns, time.monotonic_ns()
            late_ns = max(late_ns, at_ns - before_ns - step_ns)
        os.close(fd)
        return time.monotonic_ns(), late_ns / 1e6

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

    def waited_ns(self) -> int:
        return waited_ns(self.process.pid)

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Client:
    """Requests and answers over a serial port, or whatever else pyserial opens."""

    def __init__(self, url: str, explain: Callable[[], str] = lambda: "") -> None:
        """`explain` says what became of the daemon, for the message of a failure."""
        self.port = serial.serial_for_url(url, timeout=PATIENCE_S, write_timeout=PATIENCE_S)
        self.told: list[str] = []
        self._asked = 0
        self._last = ""
        self._explain = explain

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        # pyserial leaves a socket open whose other end has reset it.
        sock = getattr(self.port, "_socket", None)
        self.port.close()
        if sock is not None:
            sock.close()

    def line(self) -> str:
        begun_s = time.monotonic()
        raw: bytes = self.port.readline()
        if not raw.endswith(b"\r\n"):
            waited_s = time.monotonic() - begun_s
            what = f"there is half a line, {raw!r}," if raw else "there is nothing"
            raise AssertionError(
                f"{what} {waited_s:.0f} s after the last line; the last request was "
                f"{self._last!r}, told before it was {self.told[-3:]}. {self._explain()}".rstrip()
            )
        return raw.decode().removesuffix("\r\n")

    def ask(self, request: str) -> list[str]:
        """The answer's lines, the final one last; what is only told goes to `told`."""
        self._asked += 1
        assert self._asked < PATIENCE_ASKS, request
        self._last = request
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
