"""A session with a flight recorder, called as the loop calls it, on a clock that the test advances."""

import gzip
import json
import os
import random
import tempfile
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config.mat import read_mat
from firmware_ctl.daemon.loop import IDLE_SAMPLE_MS
from firmware_ctl.limits import TICK_MS
from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    LedgerSaved,
    Ready,
    Reload,
    Select,
    Start,
    State,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.replay import Outcome
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.flight_recorder import FlightRecorder, Shelf
from firmware_ctl.storage.ring import Half, Ring
from firmware_ctl.timeline.catalogue import Catalogue, read_entry

MAT = read_mat(
    b"""
name: "small \xc3\xbc mat"
pwm_hz: 100
supply: {max_ma: 420}
limits: {session: 5min, daily: 6min, rise: 50%/s, duty: 80%}
button: {pressed: 5, released: 6}
zones:
  neck:
    cap: 60%
    motors:
      - {name: n, side: left, pin: 17, start: 40%, hold: 20%, cap: 80%, kick: 70ms, run_ma: 80, start_ma: 200}
  hips:
    cap: 90%
    motors:
      - {name: l, side: left, row: upper, pin: 22, start: 40%, hold: 20%, cap: 80%, kick: 70ms, run_ma: 80, start_ma: 200}
      - {name: r, side: right, pin: 23, start: 30%, hold: 30%, cap: 70%, run_ma: 60, start_ma: 120}
""",
    "mat.yaml",
)
FILES = {
    "alternates": b"title: A\nphases: [{name: a, for: 20s, repeat: 3, play: {hips: {pattern: alternate, level: 60%, period: 700ms}}}]",
    "groups": b"title: G\nphases: [{repeat: 2, phases: [{name: g, for: 5s, play: {all: {pattern: shuffle, level: 40%, period: {from: 2s, to: 900ms}, on_for: 400ms}}}, rest: 700ms]}, {name: row, for: 2s, play: {hips.upper: 50%}}]",
    "taps": b"title: T\nphases: [{name: t, for: 4s, play: {hips: {pattern: tap, level: 50%, taps: 3, rest: 300ms}, neck: {pattern: steady, level: 30%, after: 1130ms}}}, {name: end, for: 3s, cue: KI3, play: {neck: 20%}}]",
    "waves": b"title: W\nphases: [{name: w, for: 2min, play: {neck: {pattern: wave, level: {from: 10%, to: 60%}, period: 3s}}}]",
}


def catalogue(*names: str) -> Catalogue:
    return Catalogue(
        tuple(read_entry(name, FILES[name], f"{name}.yaml", MAT) for name in sorted(names))
    )


ALL = catalogue(*FILES)
FEW = catalogue("taps", "waves")
TRY_WORDS = ("hips", "wave", "40", "period=1s")


class World:
    """A session, its recorder and a disk thread. With a seed, some ticks are late at random."""

    def __init__(self, folder: Path, speed: float = 1.0, seed: int | None = None) -> None:
        self.now_ms = 0
        self.log_lines: list[str] = []
        self.folder = folder
        self.session = Session(MAT, ALL, speed)
        self.session.handle(Ready(), 0)
        self.disk = Disk(self.log_lines.append)
        self.ring = Ring(str(folder / "ring"), self.disk, self.log_lines.append)
        self.shelf = Shelf(str(folder), self.disk, self.log_lines.append)
        self.recorder = FlightRecorder(self.session, self.ring, self.shelf)
        self.contact = Contact.RELEASED
        self.steps: list[tuple[int, Outcome]] = []
        self._wake_at_ms: int | None = None
        self._random = random.Random(seed) if seed is not None else None
        self.do(Wake())

    def do(self, event: Input) -> None:
        if isinstance(event, Contacts):
            self.contact = event.contact
        step = self.session.handle(event, self.now_ms)
        self._wake_at_ms = step.wake_at_ms
        self.recorder.step(event, step, self.now_ms)
        outcome = Outcome(self.session.state, step.level_pct, step.duty_pct, step.kicks)
        self.steps.append((self.now_ms, outcome))
        if step.save is not None:
            self.do(LedgerSaved(step.save.number))

    def wait(self, for_ms: int) -> None:
        """Makes every tick and wake of the next `for_ms`."""
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            interval_ms = TICK_MS if self.session.state is State.RUNNING else IDLE_SAMPLE_MS
            next_ms = min(self.now_ms - self.now_ms % interval_ms + interval_ms, until_ms)
            if self._wake_at_ms is not None:
                next_ms = min(next_ms, max(self._wake_at_ms, self.now_ms))
            if self._random is not None and self._random.random() < 0.05:
                next_ms += self._random.choice([1, 7, 190, 600])
            self.now_ms = max(next_ms, self.now_ms)
            self.do(Contacts(self.contact))

    def keep(self, reason: str = "asked", halves: Sequence[Half] | None = None) -> str:
        """Keeps the incident, or an incident made of these halves. Returns its path once the file exists."""
        if halves is None:
            self.recorder.keep(reason)
        else:
            self.shelf.keep(reason, halves)
        self.settle()
        return self.log_lines[-1].removeprefix("the last minutes are kept in ").partition(";")[0]

    def settle(self) -> None:
        """Waits until the disk thread has finished all its jobs."""
        done = threading.Event()
        self.disk.submit(done.set)
        assert done.wait(10)

    def incident_paths(self) -> list[str]:
        return sorted(str(path) for path in self.folder.glob("incident-*"))


def lines_of(path: str) -> list[dict[str, object]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def changes(steps: Sequence[tuple[int, Outcome]]) -> list[tuple[int, Outcome]]:
    """The steps whose outcome differs from the step before, without the first step."""
    return [
        (at_ms, outcome) for (_, before), (at_ms, outcome) in pairwise(steps) if outcome != before
    ]


def replay_exit_code(data: bytes) -> int:
    """The exit code of `simulate --replay` on a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "incident.jsonl.gz")
        Path(path).write_bytes(data)
        with pytest.raises(SystemExit) as end:
            main(["simulate", "--replay", path])
        assert isinstance(end.value.code, int)
        return end.value.code


def pack_incident(records: list[object]) -> bytes:
    """The content of an incident file with these lines."""
    return gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))


def record_incident(folder: Path) -> bytes:
    """Records an incident with many kinds of inputs and with wakes. Returns the content of its file."""
    world = World(folder)
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Select("taps"))
    world.do(Start("alternates"))
    world.wait(400)
    world.do(Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS))
    world.do(Reload(FEW))
    world.do(Fault("internal", "x"))
    path = world.keep()
    assert any("wakes" in line for line in lines_of(path))
    return Path(path).read_bytes()
