"""Whole sessions in real time: beside an earlier state of the project, and in front of many clients."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import serial

from firmware_ctl.config.profile import Phase
from tests.bench.measure import ROOT, Figures, Size
from tests.bench.playing import play_selected, wake_ups_and_cpu_ns
from tests.bench.rig import entry, play, rig

BEFORE: Final = "BENCH_BEFORE"
"""The environment variable with the folder of an earlier state of this project."""
MINUTES_FACTOR: Final = 3
"""`full-body` plays this many times as long as other rows: its phases differ."""
LATE_MS: Final = 100
"""A checked tick later than this breaks invariant 10."""


# --- beside an earlier state ----------------------------------------------------------------------


def full_body(size: Size) -> Figures:
    """Plays the profile in both at the same time, since the machine's speed changes by the minute."""
    for_s = size.play_s * MINUTES_FACTOR
    with ExitStack() as stack:
        folders = ROOT, Path(os.environ[BEFORE])
        pids = [stack.enter_context(_playing_mock(folder)) for folder in folders]
        time.sleep(min(1, size.play_s))
        begin = [wake_ups_and_cpu_ns(pid) for pid in pids]
        time.sleep(for_s)
        end = [wake_ups_and_cpu_ns(pid) for pid in pids]
    (wakes, cpu_ms), (wakes_before, cpu_ms_before) = [
        ((wakes_end - wakes) / for_s, (cpu_end_ns - cpu_ns) / 1e6 / for_s)
        for (wakes, cpu_ns), (wakes_end, cpu_end_ns) in zip(begin, end, strict=True)
    ]
    return {
        "CPU ms/s": cpu_ms,
        "wake-ups/s": wakes,
        "before: CPU ms/s": cpu_ms_before,
        "before: wake-ups/s": wakes_before,
        "CPU / before": cpu_ms / cpu_ms_before,
    }


@contextmanager
def _playing_mock(folder: Path) -> Iterator[int]:
    """Runs the mock of that project folder, starts `full-body`, and yields the process's number."""
    with TemporaryDirectory() as home:
        port = os.path.join(home, "port")
        variables = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), home)
        process = subprocess.Popen(
            [sys.executable, "-m", "firmware_ctl", "mock", "--no-view", "--link", port],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(folder), **variables},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("* ready"):
                    break
            with serial.Serial(port, timeout=5) as link:
                link.write(b"start full-body\n")
                answer = b""
                while not answer.startswith((b"ok", b"err")):
                    answer = link.readline()
                    assert answer, f"no answer from {folder}"
                assert answer.startswith(b"ok"), answer
                yield process.pid
        finally:
            process.kill()
            process.communicate()


# --- many clients ---------------------------------------------------------------------------------


def many_clients(size: Size) -> Figures:
    return _play_before(64, size)


def one_client(size: Size) -> Figures:
    return _play_before(1, size)


def _play_before(count: int, size: Size) -> Figures:
    """Plays a session whose phase changes each second, while `count` clients receive its events."""
    wave = play("all", "wave", 60, period=1_000)
    phases = [Phase(f"phase {n}", 1_000, 1, (wave,)) for n in range(max(1, round(size.play_s)))]
    ticks = _TicksWhileMoving()
    with rig(entry(*phases)) as parts, _clients_with_events(parts.control, count):
        parts.daemon.player._heartbeats.append(ticks)
        cpu_s = play_selected(parts.daemon, len(phases))
        assert len(parts.daemon.clients.links) >= count
    gaps_ms = [later - earlier for earlier, later in pairwise(ticks.at_ms)]
    return {
        "late ticks": sum(gap_ms > LATE_MS for gap_ms in gaps_ms),
        "longest gap ms": max(gaps_ms),
        "CPU ms/s": 1000 * cpu_s / len(phases),
    }


class _TicksWhileMoving:
    def __init__(self) -> None:
        self.at_ms: list[int] = []

    def beat(self, now_ms: int, is_moving: bool) -> None:
        if is_moving:
            self.at_ms.append(now_ms)


CLIENTS = """\
import selectors, socket, sys
selector = selectors.DefaultSelector()
for _ in range(int(sys.argv[2])):
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    client.sendall(b"events on\\n")
    selector.register(client, selectors.EVENT_READ)
print("connected", flush=True)
while selector.get_map():
    for key, _ in selector.select():
        if not key.fileobj.recv(65536):
            selector.unregister(key.fileobj)
"""


@contextmanager
def _clients_with_events(path: str, count: int) -> Iterator[None]:
    """A process of its own reads what the clients receive, so that its time does not count."""
    words = [sys.executable, "-c", CLIENTS, path, str(count)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
