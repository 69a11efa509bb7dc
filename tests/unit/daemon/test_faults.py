"""Faults of the safety concept's table, by their numbers, brought about on virtual time.

The daemon is whole but for its process: gpiozero's pins on a simulated board with a motor gate,
the sentries, the ledger on a folder. What needs a process is in `test_faults_process`.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from firmware_ctl import limits
from firmware_ctl.config.mat import Gate, Mat
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.watchdogs import Rail, TickLate, UnderVoltage
from firmware_ctl.hardware import deadman
from firmware_ctl.hardware.gpio import GpioGate, GpioMotors
from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import TICK_MS
from firmware_ctl.session.events import Close
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.board import Board, Line
from firmware_ctl.simulator.clock import VirtualPoller
from firmware_ctl.simulator.faults import AFTER_MS, FaultyFiles, Injector, Stage
from firmware_ctl.simulator.pins import SimulatedButton, mock_factory
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ledger import Clock, Ledger, _sealed
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, MAT, SILENCE, Bench, Wire, WirePoller

GATED: Mat = MAT._replace(gate=Gate(26, 8))
DRIVEN_LOW = [Line(0)] * 3
BEGIN_MS = 1_000
FAULT_MS = BEGIN_MS + AFTER_MS


class LazyDisk:
    """Takes jobs like the disk's thread; while it `hangs` none is done."""

    def __init__(self) -> None:
        self.hangs = False
        self._waiting: list[Callable[[], object]] = []

    def submit(self, job: Callable[[], object]) -> None:
        self._waiting.append(job)
        while self._waiting and not self.hangs:
            with suppress(OSError):  # the real one says so once and goes on
                self._waiting.pop(0)()


class Dog:
    """A dead-man that notes when it was armed and disarmed."""

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
    """`at` and `ask` script what happens; `run` plays until then."""

    def __init__(
        self, folder: Path, fault: str = "", mat: Mat = GATED, inhibited: str = ""
    ) -> None:
        self.poller = WirePoller()
        self.board = Board(mat)
        factory = mock_factory(self.board, self.poller.now_ms)
        motors = GpioMotors(mat, factory)
        self.pins = [motor.pin for motor in mat.motors]
        self.disk = LazyDisk()
        self.clock = Clock("this boot", 5_000, 10**12)
        files = FaultyFiles()
        self.ledger = Ledger(
            str(folder), _as_disk(self.disk), lambda call: call(), lambda: self.clock, files
        )
        self.dog = Dog(self.poller.now_ms)
        self.sags = False
        self.said: list[str] = []
        self.session = Session(mat, CATALOGUE, 1, self.ledger.spent, inhibited)
        stage = Stage(mat, factory, self.board, files)
        gate = GpioGate(mat.gate, factory) if mat.gate else None
        self.daemon = Daemon(
            self.session,
            self.poller,
            Latch(mat, motors, self.dog),
            SimulatedButton(mat.button, factory, lambda: None) if mat.button else None,
            self.ledger,
            lambda done: pytest.fail("nothing is read here"),
            self.said.append,
            [Injector(fault, stage, self.said.append)] if fault else [],
            [
                TickLate(),
                *([Rail(gate.is_rail_on)] if gate else []),
                UnderVoltage(lambda: self.sags, self.said.append),
            ],
            [gate] if gate else [],
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
        """Puts what is seen then among the answers."""
        self.at(at_ms, lambda: self.hear() or self.answers.append(look()))

    def run(self, until_ms: int) -> "Rig":
        """Ends the daemon at that time; what was answered is in `answers`."""
        self.at(until_ms, lambda: self.daemon.step(Close()))
        self.at(until_ms - 1, self.hear)
        self.daemon.run()
        return self

    def hear(self) -> None:
        """All final lines until now."""
        self.answers += [line for line in self.wire.lines() if line[:3] in ("ok", "ok ", "err")]

    def lines(self) -> list[Line]:
        return [self.board.line(pin) for pin in self.pins]

    def power(self) -> list[int]:
        now_ms = self.poller.now_ms()
        return [self.board.power_at(motor, now_ms) for motor in self.session.mat.motors]


def _as_disk(disk: LazyDisk) -> Disk:
    return disk  # type: ignore[return-value]


# --- 1: an exception anywhere in a tick -------------------------------------------------------


def test_fault_01_an_exception_in_a_tick_is_off_and_a_fault(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "error")
    rig.ask(BEGIN_MS, "start calm")
    with pytest.raises(RuntimeError, match="a fault on purpose"):
        rig.daemon.run()
    assert FAULT_MS <= rig.poller.now_ms() <= FAULT_MS + TICK_MS
    assert rig.lines() == DRIVEN_LOW
    assert rig.session.fault is not None
    assert rig.session.fault.code == "internal"
    assert not rig.dog.is_armed
    assert "event=fault state=fault fault=internal" in rig.said


def test_fault_01_an_error_in_the_loop_is_off_before_anyone_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where the session itself is broken, so that no step of it can."""
    bench = Bench()
    were_low: list[bool] = []
    wire = bench.wires[0]
    real_write = wire.write

    def write(data: bytes) -> int:
        if is_broken:
            were_low.append(bench.pins.are_low)
        return real_write(data)

    def break_(*_: object) -> None:
        nonlocal is_broken
        is_broken = True
        wire.reads = True
        raise RuntimeError("broken")

    is_broken = False
    monkeypatch.setattr(wire, "write", write)
    bench.send(1_000, b"start calm\n")
    bench.at(2_000, lambda _: setattr(wire, "reads", False))
    bench.send(2_010, b"ping\n")
    bench.at(2_990, lambda _: pytest.fail("it does not play") if bench.pins.are_low else None)
    bench.at(3_000, lambda _: monkeypatch.setattr(bench.session, "handle", break_))
    with pytest.raises(RuntimeError, match="broken"):
        bench.run(4_000)
    assert were_low
    assert all(were_low)
    assert bench.pins.are_low


# --- 7: no watchdog promised, no dead-man proven ----------------------------------------------


@pytest.mark.parametrize(
    ("environ", "doubt"),
    [
        ({}, ""),
        ({"NOTIFY_SOCKET": "@told", "WATCHDOG_USEC": "2000000"}, ""),
        ({"NOTIFY_SOCKET": "@told", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, ""),
        *(
            (
                {"NOTIFY_SOCKET": "@told", **more},
                "the unit has no watchdog; give it WatchdogSec=2, as the shipped one has",
            )
            for more in (
                {},
                {"WATCHDOG_USEC": "0"},
                {"WATCHDOG_USEC": "soon"},
                {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"},
            )
        ),
    ],
)
def test_fault_07_a_unit_without_a_watchdog_is_doubted(environ: dict[str, str], doubt: str) -> None:
    systemd = Systemd(environ, process=7)
    assert systemd.start_inhibited_because == doubt
    if systemd._socket is not None:
        systemd._socket.close()


def test_fault_07_a_timer_that_does_not_kill_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deadman.DeadmanTrial().verify() == ""
    monkeypatch.setattr(deadman, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(deadman._Timer, "set", lambda *_: None)
    doubt = "a kernel timer did not kill the process that it was tried on"
    assert deadman.DeadmanTrial().verify() == doubt


def test_fault_07_the_first_process_of_a_namespace_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = deadman.DeadmanTrial()
    monkeypatch.setattr(deadman.os, "getpid", lambda: 1)
    assert proof.verify() == (
        "the first process of a PID namespace is not killed by its own timer; start the container with `--init`"
    )


def test_fault_07_sessions_are_refused_with_the_reason_and_a_stop_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path, inhibited="the unit has no watchdog")
    rig.ask(BEGIN_MS, "start calm", "try back steady 20", "press")
    rig.ask(2_000, "stop")
    rig.run(3_000)
    refused = "err not-ready the unit has no watchdog"
    assert rig.answers == [refused, refused, "ok", "ok"]
    assert 'event=refused code=not-ready message="the unit has no watchdog"' in rig.said
    assert rig.lines() == DRIVEN_LOW
    assert rig.session.status.started == 0


# --- 8: a pin takes no write ------------------------------------------------------------------


def test_fault_08_a_pin_that_takes_no_write_is_named_and_all_others_are_off(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "pin")
    rig.ask(BEGIN_MS, "start calm")
    lines: list[list[Line]] = []
    rig.ask(FAULT_MS + 500, "trim 50")  # a steady level writes nothing
    rig.at(FAULT_MS + 520, lambda: lines.append(rig.lines()))
    rig.ask(FAULT_MS + 1_000, "status", "clear", "start")
    rig.ask(FAULT_MS + 1_100, "stop")
    rig.run(FAULT_MS + 1_200)
    stuck, *others = lines[0]
    assert stuck.duty_pct
    assert others == [Line(0)] * 2
    started, _, status, clear, start, stop = rig.answers
    what = "pin-write: motor neck on GPIO 17 cannot be driven low: [Errno 5] Input/output error"
    assert (started, stop) == ("ok profile=calm left=600", "ok")
    assert status.endswith("fault=pin-write")
    assert (clear, start) == (f"err fault {what}", f"err fault {what}; then clear")
    assert what in rig.said
    assert rig.lines() == lines[0]
    assert rig.power() == [0, 0, 0]  # the motor gate has let the rail fall


# --- 11: the rail's read-back -----------------------------------------------------------------


def test_fault_11_a_rail_that_is_off_while_running_stops_and_does_not_retry(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "rail")
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(FAULT_MS + 100, "status", "start", "clear")
    rig.at(FAULT_MS + 1_000, lambda: rig.board.stop_switch(False))
    rig.at(FAULT_MS + 2_000, rig.hear)
    rig.ask(FAULT_MS + 2_000, "start")
    rig.run(FAULT_MS + 4_000)
    what = "the motors have no supply: is the stop switch pressed, or a fuse blown?"
    started, status, start, clear, again = rig.answers
    assert started == again == "ok profile=calm left=600"
    assert "state=fault" in status
    assert status.endswith("fault=rail")
    assert (start, clear) == (f"err fault rail: {what}; then clear", "ok")
    assert rig.session.status.started == 2


def test_fault_11_a_rail_that_stays_on_is_a_fault_until_it_falls(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "rail-stuck")
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(FAULT_MS + 100, "stop")
    rig.ask(FAULT_MS + 1_500, "stop")
    rig.ask(FAULT_MS + 1_700, "start", "clear")
    rig.at(FAULT_MS + 2_000, lambda: rig.board.stop_switch(True))
    rig.ask(FAULT_MS + 3_000, "clear", "status")
    rig.run(FAULT_MS + 3_500)
    what = (
        "rail: the motors' supply is on while nothing runs: press the stop switch, "
        "and have the motor gate mended"
    )
    assert rig.answers[:-1] == [
        *("ok profile=calm left=600", "ok", "ok"),
        *(f"err fault {what}; then clear", f"err fault {what}", "ok"),
    ]
    assert "state=idle" in rig.answers[-1]
    assert rig.session.status.started == 1


# --- 18: many starts --------------------------------------------------------------------------


def test_fault_18_a_thousand_starts_are_one_session_of_its_own_length(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for i in range(1_000):
        rig.ask(BEGIN_MS + 3 * i, "start quick")
    rig.ask(BEGIN_MS + 3_999, "status")
    rig.ask(BEGIN_MS + 4_100, "status")
    rig.run(BEGIN_MS + 5_000)
    assert rig.session.status.started == 1
    assert all(line.startswith("ok profile=quick left=") for line in rig.answers[:1_000])
    assert ["state=running" in line for line in rig.answers[1_000:]] == [True, False]


# --- 19: clocks and suspends ------------------------------------------------------------------


@pytest.mark.parametrize("by_days", [-1, 1, 400])
def test_fault_19_a_wall_clock_that_jumps_changes_no_limit(tmp_path: Path, by_days: int) -> None:
    rig = Rig(tmp_path)
    rig.ask(BEGIN_MS, "start quick")
    wall_ms = 10**12 + by_days * limits.DAY_MS
    rig.at(FAULT_MS, lambda: setattr(rig, "clock", rig.clock._replace(wall_ms=wall_ms)))
    rig.ask(BEGIN_MS + 10_000, "limits")
    rig.run(BEGIN_MS + 11_000)
    spent = "ok session=900 daily=1800 used=4 left=1796"
    assert rig.answers == ["ok profile=quick left=4", spent]
    after = Rig(tmp_path)
    after.clock = rig.clock
    after.ask(BEGIN_MS, "limits")
    assert after.run(2_000).answers == [spent]


def test_fault_19_a_suspend_stops_and_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    slept_ms = [0]
    monkeypatch.setattr(rig.poller, "slept_ms", lambda: slept_ms.pop() if slept_ms else 0)
    rig.ask(BEGIN_MS, "start calm")
    rig.at(FAULT_MS, lambda: slept_ms.append(3_600_000))
    rig.ask(FAULT_MS + 100, "start", "clear")
    rig.run(FAULT_MS + 2_000)
    assert rig.answers[1:] == [
        "err fault suspend: the machine was suspended for 3600 s; then clear",
        "ok",
    ]
    assert rig.lines() == DRIVEN_LOW
    assert rig.dog.armed_at_ms[-1] <= FAULT_MS + TICK_MS


# --- 22: disks --------------------------------------------------------------------------------


def test_fault_22_on_a_full_disk_a_session_ends_with_its_slice_and_none_starts(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "disk-full")
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(BEGIN_MS + 59_900, "status")
    rig.ask(BEGIN_MS + 60_100, "status", "stop")
    rig.ask(BEGIN_MS + 61_000, "start")
    rig.ask(BEGIN_MS + 61_500, "stop", "limits")
    rig.run(BEGIN_MS + 62_000)
    _, before, after, *rest = rig.answers
    assert ("state=running" in before, "state=idle" in after) == (True, True)
    assert rest == [
        "ok",
        f"err not-ready {tmp_path}/ledger cannot be written: No space left on device; "
        "no session can start",
        "ok",
        "ok session=900 daily=1800 used=60 left=1740",
    ]
    assert rig.lines() == DRIVEN_LOW


def test_fault_22_a_disk_that_hangs_delays_nothing_and_no_session_starts(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.ask(BEGIN_MS, "start calm")
    rig.at(FAULT_MS, lambda: setattr(rig.disk, "hangs", True))
    rig.ask(BEGIN_MS + 30_000, "stop")
    rig.ask(BEGIN_MS + 35_000, "status", "start")
    rig.ask(BEGIN_MS + 37_500, "stop", "status")
    rig.at(BEGIN_MS + 40_000, lambda: setattr(rig.disk, "hangs", False))
    rig.ask(BEGIN_MS + 40_000, "start")
    rig.run(BEGIN_MS + 42_000)
    states = [line.partition(" profile")[0] for line in rig.answers]
    assert states == [
        *("ok", "ok", "ok state=idle"),
        "err not-ready the disk does not take the record of today's running time; "
        "see whether it is full or failing",
        *("ok", "ok state=idle", "ok"),
    ]
    assert [line for line in rig.said if "fault" in line] == []
    ticks = [b - a for a, b in zip(rig.dog.armed_at_ms, rig.dog.armed_at_ms[1:], strict=False)]
    assert max(gap for gap in ticks if gap < 1_000) <= TICK_MS


# --- 24: a tick that is late ------------------------------------------------------------------


def test_fault_24_a_late_tick_is_a_fault_that_can_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, "late")
    monkeypatch.setattr(time, "sleep", lambda s: _pass_time(rig.poller, round(s * 1_000)))
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(FAULT_MS + 500, "start", "clear", "start")
    rig.run(FAULT_MS + 2_000)
    assert rig.answers == [
        "ok profile=calm left=600",
        "err fault tick-late: the loop was held up for 0.30 s; free the processor; then clear",
        *("ok", "ok profile=calm left=600"),
    ]


def test_fault_24_a_stop_that_waited_does_not_hide_a_late_tick() -> None:
    bench = Bench()
    bench.daemon.player._watchdogs.append(TickLate())

    def hang(_: Daemon) -> None:
        bench.wires[0].chunks.append(b"!")
        _pass_time(bench.poller, 300)

    bench.send(1_000, b"start calm\n")
    bench.at(2_000, hang)
    bench.at(
        2_400,
        lambda daemon: daemon.clients.log(str(bench.session.fault and bench.session.fault.code)),
    )
    bench.run(3_000)
    assert (2_300, SILENCE) in bench.pins.written
    assert "tick-late" in bench.said


def test_fault_24_no_tick_is_late_where_nothing_moves(tmp_path: Path) -> None:
    late = TickLate()
    looks = [(0, True), (251, True), (260, True), (280, False), (1_300, True), (1_550, True)]
    assert [late.check(*look) is not None for look in looks] == [False, True] + 4 * [False]


def _pass_time(poller: VirtualPoller, by_ms: int) -> None:
    poller._now_ms += by_ms


# --- 26: the Pi's own supply ------------------------------------------------------------------


@pytest.mark.parametrize(("for_ms", "is_fault"), [(2_000, False), (3_100, True)])
def test_fault_26_one_sag_warns_and_a_supply_that_stays_low_stops(
    tmp_path: Path, for_ms: int, is_fault: bool
) -> None:
    rig = Rig(tmp_path)
    rig.ask(BEGIN_MS, "start calm")
    rig.at(5_000, lambda: setattr(rig, "sags", True))
    rig.ask(8_000, "clear")
    rig.at(5_000 + for_ms, lambda: setattr(rig, "sags", False))
    rig.ask(9_500, "status", "clear", "status")
    rig.run(10_000)
    warned = "the Pi's supply sagged; if it does so again, use a stronger one"
    assert rig.said.count(warned) == 1
    why = "err fault under-voltage: the Pi gets too little voltage; use a stronger supply"
    assert rig.answers[1] == (why if is_fault else "ok")
    states = [line.split()[1] for line in (rig.answers[2], rig.answers[4])]
    assert states == (["state=fault", "state=idle"] if is_fault else ["state=running"] * 2)


# --- the ledger as a person meets it ----------------------------------------------------------

GOOD = {
    "ledger": 2,
    "boot": "this boot",
    "up_ms": 4_000,
    "wall_ms": 10**12,
    "synchronised": True,
    "used_ms": 60_000,
    "day_ms": 60_000,
    "unsure": False,
}
NEW_DAY = "hold the start button for 5 s to begin a new day"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_sealed({**GOOD, "ledger": 3}), "has format 3 and this program knows 2"),
        (_sealed(GOOD)[:-20], "is damaged"),
        (b"", "is damaged"),
        (b"ledger: 1\n", "is damaged"),
        (_sealed({**GOOD, "up_ms": 6_000}), "is from the future: the clock was set back"),
        (
            _sealed({**GOOD, "boot": "another", "wall_ms": 10**12 + 1}),
            "is from the future: the clock was set back",
        ),
        (_sealed({**GOOD, "used_ms": -1}), "is damaged"),
    ],
    ids=["version", "truncated", "empty", "foreign", "future", "wrong clock", "nonsense"],
)
def test_a_ledger_that_tells_nothing_is_a_day_that_is_used_up(
    data: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / "ledger").write_bytes(data)
    rig = Rig(tmp_path)
    rig.ask(1_000, "limits", "start calm", "press")
    rig.note(1_200, lambda: rig.session.status.haptic)
    rig.ask(3_000, "stop")
    rig.ask(5_000, "press long")
    rig.ask(8_000, "start calm")
    rig.note(9_000, lambda: f"kept: {(tmp_path / 'ledger').read_bytes() == data}")
    rig.ask(10_000, "press 5.2")
    rig.note(15_010, lambda: rig.session.status.haptic)
    rig.ask(19_000, "limits", "start calm")
    rig.run(20_000)
    refused = f"the record of today's running time, {tmp_path}/ledger, {why}; {NEW_DAY}"
    assert rig.answers == [
        "ok session=900 daily=1800 used=1800 left=0",
        *(f"err allowance - {refused}", "ok", "refused"),
        *("ok", "ok", f"err allowance - {refused}", "kept: True"),
        *("ok", "new-day", "ok session=900 daily=1800 used=0 left=1800"),
        "ok profile=calm left=600",
    ]
    assert rig.session.selected is CATALOGUE.first()
    assert f'event=refused code=allowance message="- {refused}"' in rig.said
    assert Ledger(str(tmp_path), _as_disk(rig.disk), lambda call: None).spent.damage == ""


def test_a_session_that_does_not_fit_is_refused_with_the_wait(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(_sealed({**GOOD, "used_ms": 29 * 60_000}))
    rig = Rig(tmp_path)
    rig.ask(1_000, "limits", "start calm", "press 5.2")
    rig.ask(7_000, "start quick", "limits")
    rig.run(8_000)
    wait_s = 24 * 3_600 - 62
    assert rig.answers == [
        "ok session=900 daily=1800 used=1740 left=60",
        f"err allowance {wait_s} the session takes 600 s and 60 s of today's 1800 s are left; "
        "choose a shorter profile or wait",
        *("ok", "ok profile=quick left=4", "ok session=900 daily=1800 used=1740 left=60"),
    ]
