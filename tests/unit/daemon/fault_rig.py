"""A whole daemon but for its process, for the faults of the safety concept: simulated pins on a board with
a motor gate, every watchdog, and the ledger on a folder.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from firmware_ctl.config.mat import Gate, Mat
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.watchdogs import Rail, TickLate, UnderVoltage
from firmware_ctl.hardware.gpio import GpioGate, GpioMotors
from firmware_ctl.session.events import Close
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.board import Board, Line
from firmware_ctl.simulator.faults import AFTER_MS, FaultyFiles, Injector, Stage
from firmware_ctl.simulator.pins import SimulatedButton, SimulatedFactory
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ledger import Ledger
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, MAT, Wire, WirePoller

GATED: Mat = MAT._replace(gate=Gate(26, 8))

DRIVEN_LOW = [Line(0)] * 3

BEGIN_MS = 1_000

FAULT_MS = BEGIN_MS + AFTER_MS


class LazyDisk:
    """Does jobs at once, as the disk's thread does soon. While it `hangs` it does none."""

    def __init__(self) -> None:
        self.hangs = False
        self._waiting: list[Callable[[], object]] = []

    def submit(self, job: Callable[[], object]) -> None:
        self._waiting.append(job)
        while self._waiting and not self.hangs:
            with suppress(OSError):  # the real one logs it once and continues
                self._waiting.pop(0)()


class RecordingDeadman:
    """A dead-man that records when it was armed."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.armed_at_ms: list[int] = []
        self.is_armed = False

    def arm(self) -> None:
        self.armed_at_ms.append(self._now_ms())
        self.is_armed = True

    def disarm(self) -> None:
        self.is_armed = False


class Rig:
    """`at` and `ask` plan actions and requests; `run` plays until a time."""

    def __init__(
        self, folder: Path, fault: str = "", mat: Mat = GATED, inhibited: str = ""
    ) -> None:
        self.poller = WirePoller()
        self.board = Board(mat)
        factory = SimulatedFactory(self.board, self.poller.now_ms)
        motors = GpioMotors(mat, factory)
        self.pins = [motor.pin for motor in mat.motors]
        self.disk = LazyDisk()
        self.clock = Clock("this boot", 5_000, 10**12)
        files = FaultyFiles()
        self.ledger = Ledger(
            str(folder), as_disk(self.disk), lambda call: call(), lambda: self.clock, files
        )
        self.deadman = RecordingDeadman(self.poller.now_ms)
        self.sags = False
        self.log: list[str] = []
        self.session = Session(mat, CATALOGUE, 1, self.ledger.spent, inhibited)
        stage = Stage(mat, factory, self.board, files)
        gates = [GpioGate(mat.gate, factory)] if mat.gate else []
        rails = [Rail(gate.is_rail_on) for gate in gates]
        self.daemon = Daemon(
            self.session,
            self.poller,
            Latch(mat, motors, self.deadman),
            SimulatedButton(mat.button, factory, lambda: None) if mat.button else None,
            self.ledger,
            lambda done: pytest.fail("nothing is read here"),
            self.log.append,
            [Injector(fault, stage, self.log.append)] if fault else [],
            [
                TickLate(),
                *rails,
                UnderVoltage(lambda: self.sags, self.log.append),
            ],
            [*gates, *rails],
        )
        self.wire = Wire()
        self.daemon.join(self.wire)
        self.answers: list[str] = []

    def at(self, at_ms: int, do: Callable[[], object]) -> None:
        self.poller.at(at_ms, do)

    def ask(self, at_ms: int, *requests: str) -> None:
        data = "".join(f"{request}\n" for request in requests).encode()
        self.at(at_ms, lambda: self.wire.chunks.append(data))

    def note(self, at_ms: int, look: Callable[[], str]) -> None:
        """Adds the result of `look` at that time to the answers."""
        self.at(at_ms, lambda: self.collect() or self.answers.append(look()))

    def run(self, until_ms: int) -> "Rig":
        """Runs until that time. Then `answers` has the final line of each request."""
        self.at(until_ms, lambda: self.daemon.step(Close()))
        self.at(until_ms - 1, self.collect)
        self.daemon.run()
        return self

    def collect(self) -> None:
        """Collects all final lines until now."""
        self.answers += [line for line in self.wire.lines() if line[:3] in ("ok", "ok ", "err")]

    def lines(self) -> list[Line]:
        return [self.board.line(pin) for pin in self.pins]

    def power(self) -> list[int]:
        now_ms = self.poller.now_ms()
        return [self.board.power_at(motor, now_ms) for motor in self.session.mat.motors]


def as_disk(disk: LazyDisk) -> Disk:
    return disk  # type: ignore[return-value]


def pass_time(poller: VirtualPoller, by_ms: int) -> None:
    poller._now_ms += by_ms
