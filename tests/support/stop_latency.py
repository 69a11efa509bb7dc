"""How long from the stop byte to the last motor pin written 0: `python -m tests.support.stop_latency`.

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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.process import Mock, Took, Watch, off, on

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


class Measured(NamedTuple):
    stops: list[Took]
    remade: list[Took]
    """Rounds that were made again: the daemon itself had turned the motors off, this long after
    its last checked tick, and the stop had nothing left to turn off."""


def measure(
    home: Path, count: int, flooded: bool, nice: int = 0, program: list[str] | None = None
) -> Measured:
    """So many stops. `nice`: of the programs that keep the cores busy."""
    watch, noise, found = Watch(), garbage(AHEAD), Measured([], [])
    with ExitStack() as stack:
        stack.callback(os.close, watch.fd)
        mock = stack.enter_context(Mock(home, speed=1, watch=watch, program=program))
        port = os.open(mock.port, os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, port)
        starter = stack.enter_context(socket.socket(socket.AF_UNIX))
        starter.connect(mock.socket)
        answers = stack.enter_context(starter.makefile("rb"))
        if flooded:
            stack.enter_context(load(mock, nice))

        def begin() -> None:
            """Every motor is on."""
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
                found.remade.append(watch.ticks[-1].until(watch.last))

        def stop() -> None:
            if flooded:
                os.write(port, noise)
            os.write(port, b"!")

        try:
            while len(found.stops) < count:
                begin()
                took = watch.off_after(mock, stop)
                if took.ms > 0:
                    found.stops.append(took)
                else:
                    found.remade.append(watch.ticks[-1].until(watch.last))
        except (OSError, AssertionError) as error:
            with suppress(subprocess.TimeoutExpired):
                code = mock.process.wait(1)
                raise AssertionError(
                    f"the daemon ended with {code} after {len(found.stops)} stops; -9 is its dead-man, "
                    "which also kills a daemon that gets no processor for 0.35 s"
                ) from error
            raise
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100, help="stops of each kind")
    count = parser.parse_args().count
    print(f"from the stop byte to the last motor pin written 0, ms, {count} stops each")
    for name, flooded in (("idle", False), ("flood", True)):
        with tempfile.TemporaryDirectory() as folder:
            stops, remade = measure(Path(folder), count, flooded)
        for what, found in (
            ("", sorted(stop.ms for stop in stops)),
            ("without waits for a processor", sorted(stop.own_ms for stop in stops)),
        ):
            p50, p99 = (found[min(count - 1, count * share // 100)] for share in (50, 99))
            print(
                f"{name:5}  p50 {p50:6.2f}  p99 {p99:6.2f}  max {found[-1]:6.2f}  {what}".rstrip()
            )
        if remade:
            late = ", ".join(map(str, remade))
            print(f"{name:5}  {len(remade)} rounds made again: the daemon had turned itself off, "
                  f"since a tick took {late}")  # fmt: skip


if __name__ == "__main__":
    main()
