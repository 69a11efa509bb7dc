"""The daemon of `mock` in this process, on pins that note when they were written.

Also a program: `python -m tests.bench.rig FILE` serves a pty until SIGTERM and then writes what its
pins got to the file.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from firmware_ctl.cli import assembly
from firmware_ctl.config import shipped
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.daemon.daemon import Daemon, make_daemon
from firmware_ctl.daemon.interfaces import Hardware
from firmware_ctl.daemon.links import PtyLink
from firmware_ctl.daemon.poller import SelectPoller, Waker
from firmware_ctl.hardware import gpio
from firmware_ctl.session.events import Reload
from firmware_ctl.session.session import Session
from firmware_ctl.simulator import pins
from firmware_ctl.storage.storage import Storage
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.supply import fit_to_supply

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


def entry(*phases: Phase) -> GoodEntry:
    profile = Profile("bench", "Bench", "", (), False, phases)
    timeline, budget = fit_to_supply(profile, MAT, "bench.yaml")
    return GoodEntry("bench", profile, timeline, budget)


def busy(seconds: float) -> GoodEntry:
    """Ramps and waves on all eight motors."""
    swell = play("lower_back", "breathe", 60, **{"in": 1_500, "hold": 0, "out": 1_500, "rest": 0})
    waves = play("neck", "wave", 60, period=3_000), play("hips", "wave", 70, period=2_000)
    return entry(Phase("all", round(seconds * 1000), 1, (*waves, swell)))


class Rig(NamedTuple):
    daemon: Daemon
    session: Session
    poller: SelectPoller
    waker: Waker
    button: pins.SimulatedButton
    control: str
    """The path of the control socket."""


@contextmanager
def rig(*entries: GoodEntry) -> Iterator[Rig]:
    """A daemon that has these profiles and no other; the rest is as `mock` puts it together."""
    NotingPin.writes.clear()

    def log(line: str) -> None:
        pass

    trial = assembly.begin_deadman_trial()
    with ExitStack() as stack:
        state = stack.enter_context(TemporaryDirectory())
        poller, waker = SelectPoller(), Waker()
        storage = Storage(state, log, waker.post, stack)
        profiles = assembly.Profiles(shipped.profiles_dir(), MAT, log)
        made = factory()
        made.now_ms = poller.now_ms  # edges count from when they are made
        assert MAT.button is not None
        assert MAT.gate is None  # the pins here have no board, so no rail would ever go on
        button = pins.SimulatedButton(MAT.button, made, waker)
        hardware = Hardware(gpio.GpioMotors(MAT, made), button)
        switch, inhibited = assembly.verify_deadman(trial, log)
        session = Session(MAT, profiles.catalogue, 1.0, storage.ledger.spent, inhibited)
        recorder = storage.record(session)
        watchers = [] if recorder is None else [recorder]
        daemon = make_daemon(
            session, hardware, poller, switch, storage.ledger, profiles.read, log, watchers
        )
        assembly.attend(daemon, waker, assembly.catch_signals(), storage, recorder, log)
        control = os.path.join(state, "control.sock")
        assembly.listen(daemon, control, (), log, stack)
        daemon.player.step(Reload(Catalogue(entries)))
        yield Rig(daemon, session, poller, waker, button, control)


def _serve(log: str) -> None:
    with rig(busy(600)) as (daemon, _, _, _, _, control):
        pty = PtyLink()
        daemon.clients.join(pty)
        ready = json.dumps([pty.path, control])
        daemon.loop.when_ready.append(lambda: print(ready, flush=True))
        daemon.loop.run()
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
