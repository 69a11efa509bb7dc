"""Commands, stops and presses: how long until the answer, the zeros, the first motor.

Also a program: `python -m tests.bench.talking echo|readline` is a server for the client below.
"""

import json
import os
import pty
import select
import socket
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory

from firmware_ctl.limits import LOCK_MS
from firmware_ctl.session.button import DEBOUNCE_MS
from firmware_ctl.session.events import Close, Stop
from tests.bench.measure import Figures, Size
from tests.bench.rig import MAT, NotingPin, Write, busy, busy_processors, rig, served
from tests.support.process import Mock
from tests.support.worlds_timeline import FramePlayback

PATIENCE_S = 10.0

# --- commands -----------------------------------------------------------------------------------


def _ask(fd: int, request: bytes, until: bytes = b"ok") -> None:
    """Writes a line and reads to the end of the line that begins with `until`, or an error."""
    os.write(fd, request)
    heard = b""
    while True:
        assert select.select([fd], [], [], PATIENCE_S)[0], (request, heard)
        data = os.read(fd, 65536)
        assert data, "the daemon is gone"
        heard += data
        if heard.endswith(b"\n"):
            for line in heard.splitlines():
                if line.startswith((until, b"err ")):
                    assert line.startswith(until), (request, line)
                    return


def _commands(fd: int, process: int, size: Size) -> Figures:
    # Where the scheduler puts the two would decide more than what they do.
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:1])
    os.sched_setaffinity(process, processors[-1:])
    for _ in range(10):
        _ask(fd, b"ping\n")
    took_us = []
    cpu_ns = _cpu_ns(process)
    for _ in range(size.commands):
        asked_ns = time.monotonic_ns()
        _ask(fd, b"ping\n")
        took_us.append((time.monotonic_ns() - asked_ns) / 1000)
    cpu_us = (_cpu_ns(process) - cpu_ns) / 1000
    return {
        "p50 us": median(took_us),
        "p99 us": quantiles(took_us, n=100)[98],
        "CPU us": cpu_us / size.commands,
    }


def _cpu_ns(process: int) -> int:
    folder = Path(f"/proc/{process}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in folder.iterdir())


def ours(size: Size) -> Figures:
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as mock:
        fd = _opened(mock.port)
        return _commands(fd, mock.process.pid, size)


def _opened(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return fd


@contextmanager
def _server(kind: str, *words: str) -> Iterator["Popen[bytes]"]:
    with Popen([sys.executable, "-m", "tests.bench.talking", kind, *words], stdout=PIPE) as server:
        try:
            yield server
        finally:
            server.kill()


def echo(size: Size) -> Figures:
    """The floor: epoll, a read and a write."""
    with _server("echo") as server:
        assert server.stdout is not None
        fd = _opened(server.stdout.readline().decode().strip())
        return _commands(fd, server.pid, size)


def readline(size: Size) -> Figures:
    """The loop of pyserial's documentation, which needs a port that someone else made."""
    fd, theirs = pty.openpty()
    tty.setraw(theirs)
    with _server("readline", os.ttyname(theirs)) as server:
        assert server.stdout is not None
        server.stdout.readline()
        return _commands(fd, server.pid, size)


def _echo() -> None:
    fd, theirs = pty.openpty()
    tty.setraw(theirs)
    print(os.ttyname(theirs), flush=True)
    waiting = select.epoll()
    waiting.register(fd, select.EPOLLIN)
    while True:
        waiting.poll()
        os.read(fd, 4096)
        os.write(fd, b"ok\r\n")


def _readline(path: str) -> None:
    import serial

    port = serial.Serial(path, 115_200)
    print("ready", flush=True)
    while True:
        if port.readline().strip() == b"ping":
            port.write(b"ok\r\n")


# --- stop ---------------------------------------------------------------------------------------


def stops(size: Size) -> Figures:
    return _stops(size, [])


def stops_flooded(size: Size) -> Figures:
    """Both processors busy, and a client that writes as fast as it is read and reads nothing."""
    with busy_processors(size.burners):
        return _stops(size, [flood])


def _stops(size: Size, others: Sequence[Callable[[str, threading.Event], None]]) -> Figures:
    over = threading.Event()
    asked_ns = []
    with TemporaryDirectory() as folder:
        log = Path(folder) / "writes.json"
        with served(log) as (port, control):
            fd = _opened(port)
            threads = [threading.Thread(target=other, args=(control, over)) for other in others]
            for thread in threads:
                thread.start()
            for n in range(size.presses):
                time.sleep(0.15)  # a start this soon after a stop is refused
                _ask(fd, b"start\n")
                time.sleep(0.3 + n % 10 * 0.013)
                asked_ns.append(time.monotonic_ns())
                _ask(fd, b"!", b"* stopped")
            over.set()
            for thread in threads:
                thread.join()
        writes: list[Write] = [(at, pin, value) for at, pin, value in json.loads(log.read_text())]
    took_ms = [(_all_low_ns(writes, at_ns) - at_ns) / 1e6 for at_ns in asked_ns]
    return {"p50 ms": median(took_ms), "p99 ms": _p99(took_ms)}


def _all_low_ns(writes: Sequence[Write], asked_ns: int) -> int:
    """When the last pin was low after that time; some must not have been before."""
    values = dict.fromkeys((motor.pin for motor in MAT.motors), 0.0)
    moved = False
    for at_ns, pin, value in writes:
        if pin in values:
            values[pin] = value
        if at_ns < asked_ns:
            moved = any(values.values())
        elif not any(values.values()):
            assert moved
            return at_ns
    raise AssertionError("the pins were never low")


def _p99(found: Sequence[float]) -> float:
    return quantiles(found, n=100, method="inclusive")[98] if len(found) > 1 else found[0]


def flood(path: str, over: threading.Event) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.settimeout(0.1)
        while not over.is_set():
            try:
                client.send(b"status\nprofiles\n\xff\x00garbage\n" * 100)
            except TimeoutError:
                continue


# --- press --------------------------------------------------------------------------------------


def presses(size: Size) -> Figures:
    """From the instant at which a press counts: debounced, and as long as its soft start needs.

    The edges come from another thread, as lgpio's do. The ledger is on the disk.
    """
    made = busy(60)
    playback = FramePlayback(made.timeline)
    first = playback.at(0)
    while not any(first.duty_pct) and first.until_ms is not None:
        soft_ms = first.until_ms
        first = playback.at(soft_ms)
    released_ns: list[int] = []
    with rig(made) as (daemon, _, _, waker, button, _):

        def finger() -> None:
            for n in range(size.presses):
                if n:
                    time.sleep(LOCK_MS / 1000 + 0.1)
                button.press(True)
                time.sleep(0.1 + n % 10 * 0.003)
                released_ns.append(time.monotonic_ns())
                button.press(False)
                time.sleep(0.4)
                waker.post(lambda: daemon.player.step(Stop()))
            waker.post(lambda: daemon.player.step(Close()))

        thread = threading.Thread(target=finger)
        # After a while of being released the button counts.
        daemon.loop.when_ready.append(lambda: daemon.loop.later(100, thread.start))
        daemon.loop.run()
        thread.join()
    pins = {motor.pin for motor in MAT.motors}
    moved_ns = [at_ns for at_ns, pin, value in NotingPin.writes if pin in pins and value]
    took_ms = [
        (next(at for at in moved_ns if at > at_ns) - at_ns) / 1e6 - DEBOUNCE_MS - soft_ms
        for at_ns in released_ns
    ]
    return {"p50 ms": median(took_ms), "p99 ms": _p99(took_ms)}


if __name__ == "__main__":
    {"echo": _echo, "readline": _readline}[sys.argv[1]](*sys.argv[2:])
