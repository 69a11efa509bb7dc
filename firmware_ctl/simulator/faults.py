"""Faults on purpose, for tests only: `mock --inject FAULT` has one happen, a second into a session.

It knows how to bring each about on simulated pins; what has to follow is the safety concept's
affair. Neither `run` nor a plain `mock` loads it.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Input, Step
from firmware_ctl.simulator.board import Board
from firmware_ctl.storage.ledger import Files

AFTER_MS: Final = 1_000
"""So long after the begin of the first session, in real time."""

HANGS_S: Final = 10.0
LATE_S: Final = 0.3


class FaultyFiles(Files):
    """The ledger's system calls, which can be made to hang once or to find no room."""

    def __init__(self) -> None:
        self.hangs_s = 0.0
        self.is_full = False

    def write(self, fd: int, data: bytes) -> int:
        hangs_s, self.hangs_s = self.hangs_s, 0.0
        time.sleep(hangs_s)
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)


class Stage(NamedTuple):
    """What faults are made with."""

    mat: Mat
    factory: Any
    """gpiozero's, with simulated pins."""
    board: Board
    files: FaultyFiles


def _hang(stage: Stage) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _gil(stage: Stage) -> None:
    # C code that keeps Python's lock, for hours; unlike a sleep no signal ends it early.
    sum(range(10**15))


def _error(stage: Stage) -> None:
    raise RuntimeError("a fault on purpose")


def _late(stage: Stage) -> None:
    time.sleep(LATE_S)


def _pin(stage: Stage) -> None:
    def fails(value: float) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    running = [motor.pin for motor in stage.mat.motors if stage.board.line(motor.pin).duty_pct]
    stage.factory.pin(running[0])._set_state = fails


def _rail(stage: Stage) -> None:
    stage.board.stop_switch(True)


def _rail_stuck(stage: Stage) -> None:
    stage.board.is_rail_shorted = True


def _disk(stage: Stage) -> None:
    stage.files.hangs_s = HANGS_S


def _disk_full(stage: Stage) -> None:
    stage.files.is_full = True


FAULTS: Final[Mapping[str, tuple[str, Callable[[Stage], None]]]] = {
    "hang": ("the loop waits for a lock that is never given", _hang),
    "gil": ("C code keeps Python's lock", _gil),
    "error": ("an exception in a tick", _error),
    "late": (f"a tick that takes {LATE_S} s", _late),
    "pin": ("the pin of the first motor that runs takes no write any more", _pin),
    "rail": ("the stop switch opens the motor rail", _rail),
    "rail-stuck": ("the motor rail's own MOSFET shorts, so that it stays on", _rail_stuck),
    "disk": (f"the next write of the ledger hangs for {HANGS_S:g} s", _disk),
    "disk-full": ("from now on the ledger's disk is full", _disk_full),
}


class Injector:
    """Watches the steps; when the first session is old enough, the fault happens in the tick."""

    def __init__(self, name: str, stage: Stage, say: Callable[[str], object]) -> None:
        """`say` is told what happens just before, with the time on the monotonic clock."""
        self._name = name
        self._say = say
        self._stage = stage
        self._at_ms: int | None = None
        self._is_done = False
        if name.startswith("rail") and stage.board.rail_pin is None:
            raise DeviceError(f"--inject {name} needs a mat file whose gate names a rail pin")

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if self._at_ms is None and step.status.started:
            self._at_ms = now_ms + AFTER_MS
        if self._is_done or self._at_ms is None or now_ms < self._at_ms:
            return
        self._is_done = True
        what, bring_about = FAULTS[self._name]
        self._say(f"--inject {self._name}: {what}, at {time.monotonic():.6f} s")
        bring_about(self._stage)
