"""The daemon of `mock` in this process, on pins that note when they were written.

Also a program: `python -m tests.bench.rig FILE` serves a pty until SIGTERM and then writes what its
pins got to the file.
"""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any

from firmware_ctl import gpio, serve, shipped
from firmware_ctl.budget import fit
from firmware_ctl.catalogue import Catalogue, Entry
from firmware_ctl.daemon import Daemon
from firmware_ctl.folder import load_mat
from firmware_ctl.inbox import Waker
from firmware_ctl.links import PtyLink
from firmware_ctl.patterns import PATTERNS
from firmware_ctl.profile import Level, Phase, Play, Profile
from firmware_ctl.session import Reload
from firmware_ctl.simulator import pins

MAT = load_mat(shipped.mat_file())

Write = tuple[int, int, float]
"""Nanoseconds of the monotonic clock, the GPIO's number, its value."""


class NotingPin(pins.SimulatedPin):  # type: ignore[misc]
    """Adds the same few hundred nanoseconds to every contestant's write."""

    writes: list[Write] = []  # noqa: RUF012, of all pins together

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        self.writes.append((time.monotonic_ns(), self._number, value))


def factory() -> Any:
    made = pins.mock_factory()
    made.pin_class = NotingPin
    return made


def play(target: str, pattern: str, level_pct: int, **keys: int) -> Play:
    wanted = tuple((key.name, keys[key.name]) for key in PATTERNS[pattern].keys)
    return Play(target, pattern, Level(level_pct, level_pct), wanted, after_ms=0)


def entry(*phases: Phase) -> Entry:
    profile = Profile("bench", "Bench", "", (), False, phases)
    timeline, budget = fit(profile, MAT, "bench.yaml")
    return Entry("bench", profile, timeline, budget)


def busy(seconds: float) -> Entry:
    """Ramps and waves on all eight motors."""
    swell = play("lower_back", "breathe", 60, **{"in": 1_500, "hold": 0, "out": 1_500, "rest": 0})
    waves = play("neck", "wave", 60, period=3_000), play("hips", "wave", 70, period=2_000)
    return entry(Phase("all", round(seconds * 1000), 1, (*waves, swell)))


@contextmanager
def daemon(
    entries: Sequence[Entry], mat: str = shipped.mat_file()
) -> Iterator[tuple[Daemon, Any, Waker]]:
    """With its button and its waker; everything else is as `mock` puts it together."""
    NotingPin.writes.clear()
    with ExitStack() as stack:
        state = stack.enter_context(TemporaryDirectory())
        args = Namespace(mat=mat, profiles=shipped.profiles_dir(), trace=None)
        parts = serve._Parts(args, stack, state, lambda line: None)
        made = factory()
        made.now_ms = parts.inbox.now_ms  # edges count from when they are made
        assert parts.mat.button is not None
        button = pins.SimulatedButton(parts.mat.button, made, parts.waker)
        motors = gpio.GpioMotors(parts.mat, made)
        built = parts.daemon(motors, made, button, 1.0, [])
        parts.control(built, os.path.join(state, "control.sock"))
        if entries:
            built.step(Reload(Catalogue(tuple(entries))))
        yield built, button, parts.waker


def _serve(log: str) -> None:
    with daemon([busy(600)]) as (built, _, _):
        pty = PtyLink()
        built.join(pty)
        sockets = [source for source in built.sources if hasattr(source, "_socket")]
        path = sockets[-1]._socket.getsockname()
        built.when_ready.append(lambda: print(json.dumps([pty.path, path]), flush=True))
        built.run()
    Path(log).write_text(json.dumps(NotingPin.writes))


@contextmanager
def served(log: Path) -> Iterator[tuple[str, str]]:
    """As a process; gives the paths of its pty and of its control socket. `log` is there after."""
    with Popen([sys.executable, "-m", "tests.bench.rig", str(log)], stdout=PIPE) as process:
        assert process.stdout is not None
        try:
            pty, control = json.loads(process.stdout.readline())
            yield pty, control
        finally:
            process.terminate()
            process.wait()


@contextmanager
def busy_processors(count: int) -> Iterator[None]:
    """So many processors have something else to do as well."""
    burn = [sys.executable, "-c", "while True: pass"]
    burners = [Popen(burn) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


if __name__ == "__main__":
    _serve(sys.argv[1])
