"""The real `firmware-ctl mock` as a process, and its clients. Tests wait for output, not for time.

PATIENCE_S only ends a test that would hang: no step of a passing test takes that long.
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
    """The environment of a test process, without the user's own folders and sockets."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return {**variables, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}


def waited_ns(pid: int) -> int:
    """The time that the threads of a process, in sum, were ready to run but had no processor.

    A thread that sleeps, waits or computes adds nothing to it. So a test that subtracts it ignores
    delays by other programs, and no delay by the process itself. All threads count, because a thread
    that holds Python's lock and gets no processor delays the others.

    A second process that only sleeps cannot measure this time: next to busy programs, such a process
    woke 1 ms late while a daemon with work to do was delayed by 82 ms.
    """
    return sum(waited_ns_by_thread(pid).values())


def waited_ns_by_thread(pid: int) -> dict[str, int]:
    """The same time for each thread, by thread id."""
    waited = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # the thread has just ended
            waited[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return waited


def call(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*words), env=environment(home), capture_output=True, text=True, timeout=PATIENCE_S
    )


class Lines:
    """Reads a file descriptor line by line. `lines` holds every line that was read."""

    def __init__(self, fd: int, patience_s: float = PATIENCE_S) -> None:
        self.fd = fd
        self._patience_s = patience_s
        self.lines: list[str] = []
        self._incomplete_line = b""

    def until(self, is_wanted: Callable[[str], bool]) -> str:
        """Reads up to and including the next wanted line, and returns this line."""
        while True:
            while b"\n" in self._incomplete_line:
                raw_line, _, self._incomplete_line = self._incomplete_line.partition(b"\n")
                self.lines.append(raw_line.decode().rstrip("\r"))
                if is_wanted(self.lines[-1]):
                    return self.lines[-1]
            assert select.select([self.fd], [], [], self._patience_s)[0], self.lines[-20:]
            data = os.read(self.fd, 65536)
            assert data, self.lines[-20:]
            self._incomplete_line += data


class Elapsed(NamedTuple):
    """The duration of an action, and how much of it the processes waited for a processor."""

    ms: float
    waited_ms: float

    @property
    def own_ms(self) -> float:
        """The part of the duration that the program itself caused."""
        return self.ms - self.waited_ms

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms ({self.waited_ms:.1f} of it without a processor)"


class Moment(NamedTuple):
    """The time of an event."""

    at_ns: int
    waited_ns: int
    """How long the daemon had waited for a processor by then."""

    def until(self, later: "Moment") -> Elapsed:
        return Elapsed((later.at_ns - self.at_ns) / 1e6, (later.waited_ns - self.waited_ns) / 1e6)


class Watch:
    """Reads the output of `tests.support.watched`: the duty of every motor pin, and the checked ticks."""

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe()
        # The pipe is large enough that the mock never blocks on a write.
        fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        pins = [motor.pin for motor in load_mat(shipped.mat_file()).motors]
        self.duties: dict[int, int | None] = dict.fromkeys(pins)
        self.ticks: list[Moment] = []
        self.last = Moment(0, 0)
        """The time of the last event."""
        self._lines = Lines(self.fd)

    def until(self, is_wanted: Callable[[list[int | None]], bool]) -> Moment:
        """Waits for a write to a motor pin after which the duties are as wanted. Returns its time."""
        while True:
            line = self._lines.until(lambda _: True)
            moment = self._take_line(line)
            if not line.endswith("tick") and is_wanted(list(self.duties.values())):
                return moment

    def off_after(self, mock: "Mock", action: Callable[[], object]) -> Elapsed:
        """The time from the beginning of an action until every motor pin is driven low."""
        daemon_waited_ns, own_waited_before_ns = mock.waited_ns(), waited_ns(os.getpid())
        at_ns = time.monotonic_ns()
        action()
        # The action itself may have been delayed.
        own_waited_ns = waited_ns(os.getpid()) - own_waited_before_ns
        return Moment(at_ns, daemon_waited_ns - own_waited_ns).until(self.until(off))

    def read_remaining(self) -> None:
        """Reads the remaining events after the process has ended."""
        with suppress(AssertionError):
            while True:
                self._take_line(self._lines.until(lambda _: True))

    def gaps(self) -> list[Elapsed]:
        """The times between consecutive checked ticks."""
        return [before.until(after) for before, after in pairwise(self.ticks)]

    def _take_line(self, line: str) -> Moment:
        at_ns, waited_ns_text, *event = line.split()
        self.last = moment = Moment(int(at_ns), int(waited_ns_text))
        if event == ["tick"]:
            self.ticks.append(moment)
        elif int(event[0]) in self.duties:
            self.duties[int(event[0])] = None if event[1] == "None" else int(event[1])
        return moment


def off(duties: list[int | None]) -> bool:
    """Every pin is driven low. A pin that is an input would float, so it does not count as low."""
    return all(duty == 0 for duty in duties)


def on(duties: list[int | None]) -> bool:
    return all(duties)


class Terminal:
    """A command in a terminal of 80x24 characters, as a person types it and sees its output."""

    def __init__(self, home: Path, *words: str, program: Sequence[str] | None = None) -> None:
        """`program` runs instead of `firmware-ctl WORDS`."""
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
        """Waits until the terminal shows the words, after the words of the previous call."""
        while (found_at := self.shown.find(words.encode(), self._seen)) < 0:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.shown[-3000:]
            self.shown += os.read(self.master, 65536)
        self._seen = found_at + len(words.encode())

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
    """A running mock with its log, serial port and trace. The context kills the mock if it still runs."""

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
            program = command() if watch is None else watched(watch.write_fd)
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
            pass_fds=() if watch is None else (watch.write_fd,),
        )
        if watch is not None:
            os.close(watch.write_fd)
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

    def wait_for_exit(self) -> tuple[int, float]:
        """Waits until the process has ended. Returns the time in ns, and how late it may be in ms.

        A busy machine may delay this loop, and may have delayed the end of the process just as long.
        """
        late_ns, interval_ns, fd = 0, 2_000_000, os.pidfd_open(self.process.pid)
        until_ns = (at_ns := time.monotonic_ns()) + int(PATIENCE_S * 1e9)
        while at_ns < until_ns and not select.select([fd], [], [], interval_ns / 1e9)[0]:
            before_ns, at_ns = at_ns, time.monotonic_ns()
            late_ns = max(late_ns, at_ns - before_ns - interval_ns)
        os.close(fd)
        return time.monotonic_ns(), late_ns / 1e6

    @property
    def port(self) -> str:
        assert self.log.lines[0].startswith("serial port: ")
        return self.log.lines[0].removeprefix("serial port: ")

    def end(self) -> tuple[int, str]:
        """Ends the mock by SIGTERM. Returns its exit code and its output on stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors.decode()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the trace. The trace is complete once the process has ended."""
        return [json.loads(line) for line in self.trace.read_text().splitlines()]

    def waited_ns(self) -> int:
        return waited_ns(self.process.pid)

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Client:
    """Requests and answers over a serial port, or any other URL that pyserial opens."""

    def __init__(self, url: str, explain: Callable[[], str] = lambda: "") -> None:
        """`explain` describes the state of the daemon, for the message of a failure."""
        self.port = serial.serial_for_url(url, timeout=PATIENCE_S, write_timeout=PATIENCE_S)
        self.told: list[str] = []
        """Events and other lines that are not part of an answer."""
        self._request_count = 0
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
        began_s = time.monotonic()
        raw_line: bytes = self.port.readline()
        if not raw_line.endswith(b"\r\n"):
            waited_s = time.monotonic() - began_s
            received = (
                f"received an incomplete line, {raw_line!r}," if raw_line else "received nothing"
            )
            raise AssertionError(
                f"{received} within {waited_s:.0f} s after the last line; the last request was "
                f"{self._last!r}, the last events were {self.told[-3:]}. {self._explain()}".rstrip()
            )
        return raw_line.decode().removesuffix("\r\n")

    def ask(self, request: str) -> list[str]:
        """Sends a request. Returns the lines of its answer, and adds all other lines to `told`."""
        self._request_count += 1
        assert self._request_count < PATIENCE_ASKS, request
        self._last = request
        self.port.write(request.encode() + b"\n")
        lines = []
        while True:
            line = self.line()
            (self.told if line.startswith("* ") else lines).append(line)
            if line.split(" ")[0] in ("ok", "err"):
                return lines

    def told_until(self, words: str) -> str:
        """Waits for an event that contains these words. Returns its line."""
        while words not in (line := self.told.pop(0) if self.told else self.line()):
            pass
        return line

    def status(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.ask("status")[-1].split() if "=" in part)

    def status_until(self, is_wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        while not is_wanted(status := self.status()):
            pass
        return status

    def start(self, name: str) -> str:
        """Starts a session, and tries again until the 100 ms after a stop are over."""
        while (final := self.ask(f"start {name}")[-1]).startswith("err busy stopped"):
            pass
        return final


def zones(status: dict[str, str]) -> list[int]:
    return [int(status[zone]) for zone in ("neck", "lower_back", "hips")]
