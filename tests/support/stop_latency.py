"""Measures the time from the stop byte to the last motor pin written 0.

`python -m tests.support.stop_latency` stops a real mock through a pseudo-terminal. Idle: the mock has
nothing else to do. Flood: garbage arrives on the serial port in front of the stop byte, and without end
on the control socket, where nobody reads the answers. A program on every core keeps that core busy.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.process import Elapsed, Mock, Watch, off, on

STOPS = b"!\x18\x03"
GARBAGE_BEFORE_STOP_BYTES = 16_384
"""This many bytes of garbage are written right before the stop byte."""

HOG = "while True: pass"
FLOOD = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
data = sys.stdin.buffer.read()
while True:
    sock.sendall(data)
"""


def garbage(size: int) -> bytes:
    """Random bytes without the stop bytes."""
    return random.Random(1).randbytes(2 * size).translate(None, STOPS)[:size]


@contextmanager
def load(mock: Mock, nice: int) -> Iterator[None]:
    """Keeps every core busy and floods the control socket. `nice`: niceness of the busy programs."""
    programs = [["nice", "-n", str(nice), sys.executable, "-c", HOG]] * (os.cpu_count() or 1)
    programs.append([sys.executable, "-c", FLOOD, mock.socket])
    processes = [subprocess.Popen(program, stdin=subprocess.PIPE) for program in programs]
    try:
        flood = processes[-1].stdin
        assert flood is not None
        flood.write(garbage(GARBAGE_BEFORE_STOP_BYTES))
        flood.close()
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class Measured(NamedTuple):
    stops: list[Elapsed]
    repeated: list[Elapsed]
    """Rounds that were repeated, because the daemon had already turned the motors off by itself. Each
    entry is the time since the last checked tick."""


def measure(
    home: Path, count: int, is_flooded: bool, nice: int = 0, program: list[str] | None = None
) -> Measured:
    """Measures `count` stops. `nice`: niceness of the programs that keep the cores busy."""
    watch, noise, result = Watch(), garbage(GARBAGE_BEFORE_STOP_BYTES), Measured([], [])
    with ExitStack() as stack:
        stack.callback(os.close, watch.fd)
        mock = stack.enter_context(Mock(home, speed=1, watch=watch, program=program))
        port = os.open(mock.port, os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, port)
        starter = stack.enter_context(socket.socket(socket.AF_UNIX))
        starter.connect(mock.socket)
        answers = stack.enter_context(starter.makefile("rb"))
        if is_flooded:
            stack.enter_context(load(mock, nice))

        def start_motors() -> None:
            """Starts a session and waits until every motor is on."""
            while True:
                starter.sendall(b"clear\nstart long\n")
                cleared, answer = answers.readline(), answers.readline()
                assert cleared == b"ok\r\n"
                if answer.startswith(b"err busy stopped"):  # the 100 ms after a stop are not over
                    continue
                assert answer.startswith(b"ok profile"), answer
                watch.until(any)
                watch.until(lambda duties: on(duties) or off(duties))
                if on(list(watch.duties.values())):
                    return
                result.repeated.append(watch.ticks[-1].until(watch.last))

        def stop() -> None:
            if is_flooded:
                os.write(port, noise)
            os.write(port, b"!")

        try:
            while len(result.stops) < count:
                start_motors()
                elapsed = watch.off_after(mock, stop)
                if elapsed.ms > 0:
                    result.stops.append(elapsed)
                else:
                    result.repeated.append(watch.ticks[-1].until(watch.last))
        except (OSError, AssertionError) as error:
            with suppress(subprocess.TimeoutExpired):
                code = mock.process.wait(1)
                raise AssertionError(
                    f"the daemon ended with exit code {code} after {len(result.stops)} stops; -9 is its "
                    "dead-man, which also kills a daemon that gets no processor for 0.35 s"
                ) from error
            raise
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100, help="stops of each kind")
    count = parser.parse_args().count
    print(f"from the stop byte to the last motor pin written 0, ms, {count} stops each")
    for name, is_flooded in (("idle", False), ("flood", True)):
        with tempfile.TemporaryDirectory() as folder:
            stops, repeated = measure(Path(folder), count, is_flooded)
        for label, times_ms in (
            ("", sorted(stop.ms for stop in stops)),
            ("without waits for a processor", sorted(stop.own_ms for stop in stops)),
        ):
            p50, p99 = (times_ms[min(count - 1, count * share // 100)] for share in (50, 99))
            print(
                f"{name:5}  p50 {p50:6.2f}  p99 {p99:6.2f}  max {times_ms[-1]:6.2f}  {label}".rstrip()
            )
        if repeated:
            elapsed_list = ", ".join(map(str, repeated))
            print(f"{name:5}  {len(repeated)} rounds repeated: the daemon had turned the motors off, "
                  f"because a tick took {elapsed_list}")  # fmt: skip


if __name__ == "__main__":
    main()
