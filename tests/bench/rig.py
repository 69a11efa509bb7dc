"""The daemon of `mock` in this process, on pins that record the time of every write.

Also a program: `python -m tests.bench.rig FILE` serves a pty until SIGTERM, then writes the recorded
pin writes to FILE as JSON.
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
"""Monotonic time in nanoseconds, GPIO number, value from 0 to 1."""


class RecordingPin(pins.SimulatedPin):  # type: ignore[misc]
    """Records each write, which adds the same few hundred nanoseconds for every contestant."""

    writes: list[Write] = []  # noqa: RUF012, shared by all pins

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        self.writes.append((time.monotonic_ns(), self._number, value))


def recording_pin_factory() -> Any:
    factory = pins.SimulatedFactory()
    factory.pin_class = RecordingPin
    return factory


def play(target: str, pattern: str, level_pct: int, **keys: int) -> Play:
    values = tuple((key.name, keys[key.name]) for key in PATTERNS[pattern].keys)
    return Play(target, pattern, Level(level_pct, level_pct), values, after_ms=0)


def entry(*phases: Phase) -> GoodEntry:
    profile = Profile("bench", "Bench", "", (), False, phases)
    timeline, budget = fit_to_supply(profile, MAT, "bench.yaml")
    return GoodEntry("bench", profile, timeline, budget)


def ramps_and_waves(for_s: float) -> GoodEntry:
    """A profile that moves all eight motors all the time."""
    swell = play("lower_back", "breathe", 60, **{"in": 1_500, "hold": 0, "out": 1_500, "rest": 0})
    waves = play("neck", "wave", 60, period=3_000), play("hips", "wave", 70, period=2_000)
    return entry(Phase("all", round(for_s * 1000), 1, (*waves, swell)))


class Rig(NamedTuple):
    daemon: Daemon
    session: Session
    poller: SelectPoller
    waker: Waker
    button: pins.SimulatedButton
    control: str
    """Path of the control socket."""


@contextmanager
def rig(*entries: GoodEntry) -> Iterator[Rig]:
    """A daemon assembled as `mock` does it, except that it has only the given profiles."""
    RecordingPin.writes.clear()

    def log(line: str) -> None:
        pass

    trial = assembly.begin_deadman_trial()
    with ExitStack() as stack:
        state = stack.enter_context(TemporaryDirectory())
        poller, waker = SelectPoller(), Waker()
        storage = Storage(state, log, waker.post, stack)
        profiles = assembly.Profiles(shipped.profiles_dir(), MAT, log)
        pin_factory = recording_pin_factory()
        pin_factory.now_ms = poller.now_ms  # so that edges carry the time of the daemon's clock
        assert MAT.button is not None
        assert MAT.gate is None  # these pins have no simulated board, so a rail would never go on
        button = pins.SimulatedButton(MAT.button, pin_factory, waker)
        hardware = Hardware(gpio.GpioMotors(MAT, pin_factory), button)
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


def _serve(writes_file: str) -> None:
    with rig(ramps_and_waves(600)) as (daemon, _, _, _, _, control):
        pty = PtyLink()
        daemon.clients.join(pty)
        ready = json.dumps([pty.path, control])
        daemon.loop.when_ready.append(lambda: print(ready, flush=True))
        daemon.loop.run()
    Path(writes_file).write_text(json.dumps(RecordingPin.writes))


@contextmanager
def daemon_process(writes_file: Path) -> Iterator[tuple[str, str]]:
    """Runs this module as a process; yields the paths of its pty and of its control socket.

    The process writes `writes_file` when the context ends.
    """
    words = [sys.executable, "-m", "tests.bench.rig", str(writes_file)]
    with Popen(words, stdout=PIPE) as process:
        assert process.stdout is not None
        try:
            pty, control = json.loads(process.stdout.readline())
            yield pty, control
        finally:
            process.terminate()
            process.wait()


@contextmanager
def busy_processors(count: int) -> Iterator[None]:
    """Runs `count` processes beside the caller, each in an endless loop."""
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
