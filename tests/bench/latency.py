"""Latency of commands, stops and presses: until the answer, until all pins are low, until a motor starts.

Also a program: `python -m tests.bench.latency echo|readline` is a server that answers `ping`, for the
client in this module.
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
from tests.bench.rig import (
    MAT,
    RecordingPin,
    Write,
    busy_processors,
    daemon_process,
    ramps_and_waves,
    rig,
)
from tests.support.process import Mock
from tests.support.worlds_timeline import FramePlayback

ANSWER_TIMEOUT_S = 10.0

# --- commands -----------------------------------------------------------------------------------


def _ask(fd: int, request: bytes, expected: bytes = b"ok") -> None:
    """Writes a request and reads up to the line that begins with `expected`. Fails on an error line."""
    os.write(fd, request)
    received = b""
    while True:
        assert select.select([fd], [], [], ANSWER_TIMEOUT_S)[0], (request, received)
        data = os.read(fd, 65536)
        assert data, "the server has closed the connection"
        received += data
        if received.endswith(b"\n"):
            for line in received.splitlines():
                if line.startswith((expected, b"err ")):
                    assert line.startswith(expected), (request, line)
                    return


def _ping(fd: int, server_pid: int, size: Size) -> Figures:
    # Each side gets a processor of its own: the scheduler's choice would matter more than the servers.
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:1])
    os.sched_setaffinity(server_pid, processors[-1:])
    for _ in range(10):
        _ask(fd, b"ping\n")
    latency_us = []
    begin_cpu_ns = _cpu_ns(server_pid)
    for _ in range(size.commands):
        sent_ns = time.monotonic_ns()
        _ask(fd, b"ping\n")
        latency_us.append((time.monotonic_ns() - sent_ns) / 1000)
    cpu_us = (_cpu_ns(server_pid) - begin_cpu_ns) / 1000
    return {
        "p50 us": median(latency_us),
        "p99 us": quantiles(latency_us, n=100)[98],
        "CPU us": cpu_us / size.commands,
    }


def _cpu_ns(pid: int) -> int:
    folder = Path(f"/proc/{pid}/task")
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in folder.iterdir())


def ping_ours(size: Size) -> Figures:
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as mock:
        fd = _open_raw(mock.port)
        return _ping(fd, mock.process.pid, size)


def _open_raw(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return fd


@contextmanager
def _server(kind: str, *words: str) -> Iterator["Popen[bytes]"]:
    with Popen([sys.executable, "-m", "tests.bench.latency", kind, *words], stdout=PIPE) as server:
        try:
            yield server
        finally:
            server.kill()


def ping_echo(size: Size) -> Figures:
    """The floor: a server that does nothing but epoll, one read and one write."""
    with _server("echo") as server:
        assert server.stdout is not None
        fd = _open_raw(server.stdout.readline().decode().strip())
        return _ping(fd, server.pid, size)


def ping_readline(size: Size) -> Figures:
    """The loop of pyserial's documentation. pyserial only opens ports that exist, so the pty is made here."""
    fd, server_fd = pty.openpty()
    tty.setraw(server_fd)
    with _server("readline", os.ttyname(server_fd)) as server:
        assert server.stdout is not None
        server.stdout.readline()
        return _ping(fd, server.pid, size)


def _serve_echo() -> None:
    fd, client_fd = pty.openpty()
    tty.setraw(client_fd)
    print(os.ttyname(client_fd), flush=True)
    poll = select.epoll()
    poll.register(fd, select.EPOLLIN)
    while True:
        poll.poll()
        os.read(fd, 4096)
        os.write(fd, b"ok\r\n")


def _serve_readline(path: str) -> None:
    import serial

    port = serial.Serial(path, 115_200)
    print("ready", flush=True)
    while True:
        if port.readline().strip() == b"ping":
            port.write(b"ok\r\n")


# --- stops --------------------------------------------------------------------------------------


def stops(size: Size) -> Figures:
    return _stops(size, [])


def stops_flooded(size: Size) -> Figures:
    """With every processor busy, and a client that writes as fast as it can and never reads."""
    with busy_processors(size.burners):
        return _stops(size, [flood])


def _stops(size: Size, clients: Sequence[Callable[[str, threading.Event], None]]) -> Figures:
    is_over = threading.Event()
    sent_ns = []
    with TemporaryDirectory() as folder:
        writes_file = Path(folder) / "writes.json"
        with daemon_process(writes_file) as (port, control):
            fd = _open_raw(port)
            threads = [
                threading.Thread(target=client, args=(control, is_over)) for client in clients
            ]
            for thread in threads:
                thread.start()
            for n in range(size.presses):
                time.sleep(0.15)  # the daemon refuses a start for 0.1 s after a stop
                _ask(fd, b"start\n")
                # Stops must not all meet the same phase of the daemon's tick.
                time.sleep(0.3 + n % 10 * 0.013)
                sent_ns.append(time.monotonic_ns())
                _ask(fd, b"!", b"* stopped")
            is_over.set()
            for thread in threads:
                thread.join()
        writes: list[Write] = [
            (at_ns, pin, value) for at_ns, pin, value in json.loads(writes_file.read_text())
        ]
    latency_ms = [(_all_low_ns(writes, at_ns) - at_ns) / 1e6 for at_ns in sent_ns]
    return {"p50 ms": median(latency_ms), "p99 ms": _p99(latency_ms)}


def _all_low_ns(writes: Sequence[Write], stop_ns: int) -> int:
    """The time after a stop at which all motor pins were low. Fails if they were low before it too."""
    values = dict.fromkeys((motor.pin for motor in MAT.motors), 0.0)
    motors_ran = False
    for at_ns, pin, value in writes:
        if pin in values:
            values[pin] = value
        if at_ns < stop_ns:
            motors_ran = any(values.values())
        elif not any(values.values()):
            assert motors_ran, "no motor ran when the stop was sent"
            return at_ns
    raise AssertionError("the pins were never low after the stop")


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def flood(path: str, is_over: threading.Event) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.settimeout(0.1)
        while not is_over.is_set():
            try:
                client.send(b"status\nprofiles\n\xff\x00garbage\n" * 100)
            except TimeoutError:
                continue


# --- presses ------------------------------------------------------------------------------------


def presses(size: Size) -> Figures:
    """From a release until the first motor pin is written, minus debounce and soft start.

    Both are waited for on purpose; the rest is what the daemon adds. The edges come from another
    thread, as those of lgpio do, and the ledger is on a real disk.
    """
    profile = ramps_and_waves(60)
    playback = FramePlayback(profile.timeline)
    frame = playback.at(0)
    while not any(frame.duty_pct) and frame.until_ms is not None:
        soft_start_ms = frame.until_ms
        frame = playback.at(soft_start_ms)
    released_ns: list[int] = []
    with rig(profile) as (daemon, _, _, waker, button, _):

        def press_and_stop() -> None:
            for n in range(size.presses):
                if n:
                    time.sleep(LOCK_MS / 1000 + 0.1)
                button.press(True)
                # Releases must not all meet the same phase of the daemon's tick.
                time.sleep(0.1 + n % 10 * 0.003)
                released_ns.append(time.monotonic_ns())
                button.press(False)
                time.sleep(0.4)
                waker.post(lambda: daemon.player.step(Stop()))
            waker.post(lambda: daemon.player.step(Close()))

        thread = threading.Thread(target=press_and_stop)
        # The daemon accepts presses only after the button has been released for a while.
        daemon.loop.when_ready.append(lambda: daemon.loop.later(100, thread.start))
        daemon.loop.run()
        thread.join()
    motor_pins = {motor.pin for motor in MAT.motors}
    high_ns = [at_ns for at_ns, pin, value in RecordingPin.writes if pin in motor_pins and value]
    latency_ms = [
        (next(at for at in high_ns if at > at_ns) - at_ns) / 1e6 - DEBOUNCE_MS - soft_start_ms
        for at_ns in released_ns
    ]
    return {"p50 ms": median(latency_ms), "p99 ms": _p99(latency_ms)}


if __name__ == "__main__":
    {"echo": _serve_echo, "readline": _serve_readline}[sys.argv[1]](*sys.argv[2:])
