"""How long from the stop byte to the last motor pin written 0: `python -m tests.stop_latency`.

A real mock on a pseudo-terminal. Idle: nothing else happens on it. Flood: garbage comes without
end on the serial port that the byte is written to and on the control socket, where no answer is
ever read, while every core is kept busy by a program of its own.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.process import Mock, Watch, off, on

STOPS = b"!\x18\x03"
AHEAD = 16_384
"""Bytes of garbage that are written just before the stop byte."""

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
    """Any bytes but those that stop."""
    return random.Random(1).randbytes(2 * size).translate(None, STOPS)[:size]


@contextmanager
def load(mock: Mock, nice: int) -> Iterator[None]:
    programs = [["nice", "-n", str(nice), sys.executable, "-c", HOG]] * (os.cpu_count() or 1)
    programs.append([sys.executable, "-c", FLOOD, mock.socket])
    running = [subprocess.Popen(program, stdin=subprocess.PIPE) for program in programs]
    try:
        flood = running[-1].stdin
        assert flood is not None
        flood.write(garbage(AHEAD))
        flood.close()
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


def measure(home: Path, count: int, flooded: bool, nice: int = 0) -> list[float]:
    """The latencies of so many stops, in ms. `nice`: of the programs that keep the cores busy."""
    watch, noise, latencies_ms = Watch(), garbage(AHEAD), []
    with ExitStack() as stack:
        stack.callback(os.close, watch.fd)
        mock = stack.enter_context(Mock(home, speed=1, watch=watch))
        port = os.open(mock.port, os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, port)
        starter = stack.enter_context(socket.socket(socket.AF_UNIX))
        starter.connect(mock.socket)
        answers = stack.enter_context(starter.makefile("rb"))
        if flooded:
            stack.enter_context(load(mock, nice))

        def begun() -> bool:
            """Every motor is on; or not, where the machine is too busy for any tick in time."""
            starter.sendall(b"clear\nstart long\n")
            cleared, answer = answers.readline(), answers.readline()
            assert cleared == b"ok\r\n"
            if answer.startswith(b"ok profile"):
                watch.until(lambda duties: on(duties) or off(duties))
            return on(list(watch.duties.values()))

        while len(latencies_ms) < count:
            if not begun():  # the 100 ms after a stop are not over, or a tick was late
                continue
            if flooded:
                os.write(port, noise)
            at_ns = time.monotonic_ns()
            os.write(port, b"!")
            off_ns = watch.until(off)
            if off_ns > at_ns:
                latencies_ms.append((off_ns - at_ns) / 1e6)
    return latencies_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100, help="stops of each kind")
    count = parser.parse_args().count
    print(f"from the stop byte to the last motor pin written 0, ms, {count} stops each")
    for name, flooded in (("idle", False), ("flood", True)):
        with tempfile.TemporaryDirectory() as folder:
            found = sorted(measure(Path(folder), count, flooded))
        p50, p99 = (found[min(count - 1, count * share // 100)] for share in (50, 99))
        print(f"{name:5}  p50 {p50:6.2f}  p99 {p99:6.2f}  max {found[-1]:6.2f}")


if __name__ == "__main__":
    main()
