"""Faults for tests: `mock --inject FAULT` makes one happen, a second into the first session.

It knows how to cause each fault on simulated pins and files. It never knows how the daemon should
react: `docs/hazards.md` says that. Neither `run` nor a plain `mock` loads this module.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Input, Step
from firmware_ctl.simulator.board import Board
from firmware_ctl.storage.ledger import Files

if TYPE_CHECKING:
    from firmware_ctl.simulator.pins import SimulatedFactory

AFTER_MS: Final = 1_000
"""From the start of the first session to the fault, in real time."""

HANG_S: Final = 10.0
"""How long a write to the disk hangs."""
LATE_S: Final = 0.3
"""How long a late tick takes."""


class FaultyFiles(Files):
    """The ledger's system calls, with two faults: the next write hangs, or the disk is full."""

    def __init__(self) -> None:
        self.hang_s = 0.0
        self.is_full = False

    def write(self, fd: int, data: bytes) -> int:
        hang_s, self.hang_s = self.hang_s, 0.0
        time.sleep(hang_s)
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)


class Stage(NamedTuple):
    """The simulated parts that a fault acts on."""

    mat: Mat
    factory: "SimulatedFactory"
    board: Board
    files: FaultyFiles


def _cause_hang(stage: Stage) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()  # Nobody releases it: the loop waits here for good.


def _cause_gil(stage: Stage) -> None:
    # C code that keeps Python's lock for hours. A signal would end a sleep early, but not this.
    sum(range(10**15))


def _cause_error(stage: Stage) -> None:
    raise RuntimeError("a fault on purpose")


def _cause_late(stage: Stage) -> None:
    time.sleep(LATE_S)


def _cause_pin(stage: Stage) -> None:
    def fail(value: float) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    running_pins = [motor.pin for motor in stage.mat.motors if stage.board.line(motor.pin).duty_pct]
    stage.factory.pin(running_pins[0])._set_state = fail


def _cause_rail(stage: Stage) -> None:
    stage.board.stop_switch(True)


def _cause_rail_stuck(stage: Stage) -> None:
    stage.board.is_rail_shorted = True


def _cause_disk(stage: Stage) -> None:
    stage.files.hang_s = HANG_S


def _cause_disk_full(stage: Stage) -> None:
    stage.files.is_full = True


FAULTS: Final[Mapping[str, tuple[str, Callable[[Stage], None]]]] = {
    "hang": ("the loop waits for a lock that is never given", _cause_hang),
    "gil": ("C code keeps Python's lock", _cause_gil),
    "error": ("an exception in a tick", _cause_error),
    "late": (f"a tick that takes {LATE_S} s", _cause_late),
    "pin": ("the pin of the first motor that runs takes no write any more", _cause_pin),
    "rail": ("the stop switch opens the motor rail", _cause_rail),
    "rail-stuck": ("the motor rail's own MOSFET shorts, so that it stays on", _cause_rail_stuck),
    "disk": (f"the next write of the ledger hangs for {HANG_S:g} s", _cause_disk),
    "disk-full": ("from now on the ledger's disk is full", _cause_disk_full),
}
"""Name of a fault → a sentence about it, and the function that causes it."""


class Injector:
    """A watcher of the steps that causes one fault, `AFTER_MS` into the first session."""

    def __init__(self, name: str, stage: Stage, log: Callable[[str], object]) -> None:
        """`log` receives a line just before the fault, with the time on the monotonic clock.

        Raises DeviceError if the fault needs a part that this mat does not have.
        """
        self._name = name
        self._log = log
        self._stage = stage
        self._at_ms: int | None = None
        self._has_happened = False
        if name.startswith("rail") and stage.board.rail_pin is None:
            raise DeviceError(f"--inject {name} needs a mat file whose gate names a rail pin")

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if self._at_ms is None and step.status.started:
            self._at_ms = now_ms + AFTER_MS
        if self._has_happened or self._at_ms is None or now_ms < self._at_ms:
            return
        self._has_happened = True
        description, cause = FAULTS[self._name]
        self._log(f"--inject {self._name}: {description}, at {time.monotonic():.6f} s")
        cause(self._stage)
