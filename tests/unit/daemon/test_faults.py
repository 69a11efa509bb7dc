"""Faults of the safety concept's table, by their numbers, on virtual time.

`tests/system/test_faults_process.py` has the faults that need a process.
"""

import time
from pathlib import Path

import pytest

from firmware_ctl import limits
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.errors import ErrorLine
from firmware_ctl.hardware import deadman
from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import TICK_MS
from firmware_ctl.simulator.board import Line
from tests.support.daemon import Daemon
from tests.support.worlds import SILENCE, Bench
from tests.unit.daemon.fault_rig import (
    BEGIN_MS,
    DRIVEN_LOW,
    FAULT_MS,
    Rig,
    pass_time,
)


def test_fault_01_an_exception_in_a_tick_is_off_and_a_fault(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "error")
    rig.ask(BEGIN_MS, "start calm")
    with pytest.raises(RuntimeError, match="a fault on purpose"):
        rig.daemon.run()
    assert FAULT_MS <= rig.poller.now_ms() <= FAULT_MS + TICK_MS
    assert rig.lines() == DRIVEN_LOW
    assert rig.session.fault is not None
    assert rig.session.fault.code == "internal"
    assert not rig.deadman.is_armed
    assert "event=fault state=fault fault=internal" in rig.log


def test_fault_01_an_error_in_the_loop_is_off_before_any_client_is_answered(
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


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, ""),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "2000000"}, ""),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, ""),
        *(
            (
                {"NOTIFY_SOCKET": "@notify", **more},
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
def test_fault_07_a_unit_without_a_watchdog_inhibits_starts(
    environ: dict[str, str], reason: str
) -> None:
    systemd = Systemd(environ, process=7)
    assert systemd.start_inhibited_because == reason
    if systemd._socket is not None:
        systemd._socket.close()


def test_fault_07_a_timer_that_does_not_kill_fails_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert deadman.DeadmanTrial().verify() == ""
    monkeypatch.setattr(deadman, "_TRIAL_WITHIN_S", 0.05)
    monkeypatch.setattr(deadman._Timer, "set", lambda *_: None)
    reason = "a kernel timer did not kill the process that it was tried on"
    assert deadman.DeadmanTrial().verify() == reason


def test_fault_07_the_first_process_of_a_namespace_fails_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = deadman.DeadmanTrial()
    monkeypatch.setattr(deadman.os, "getpid", lambda: 1)
    assert trial.verify() == (
        "the first process of a PID namespace is not killed by its own timer; start the container with `--init`"
    )


def test_fault_07_sessions_are_refused_with_the_reason_and_a_stop_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path, inhibited="the unit has no watchdog")
    rig.ask(BEGIN_MS, "start calm", "try back steady 20", "press")
    rig.ask(2_000, "stop")
    rig.run(3_000)
    refused = "err not-ready the unit has no watchdog"
    assert rig.answers == [refused, refused, "ok", "ok"]
    assert 'event=refused code=not-ready message="the unit has no watchdog"' in rig.log
    assert rig.lines() == DRIVEN_LOW
    assert rig.session.status.started == 0


def test_fault_08_a_pin_that_cannot_be_written_is_named_and_all_others_are_off(
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
    message = "pin-write: motor neck on GPIO 17 cannot be driven low: [Errno 5] Input/output error"
    assert (started, stop) == ("ok profile=calm left=600", "ok")
    assert status.endswith("fault=pin-write")
    assert (clear, start) == (f"err fault {message}", f"err fault {message}. Then clear the fault.")
    assert [type(line) for line in rig.log if line == message] == [ErrorLine]
    assert rig.lines() == lines[0]
    assert rig.power() == [0, 0, 0]  # the motor gate has let the rail fall


def test_fault_11_a_rail_that_is_off_while_running_stops_and_does_not_retry(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "rail")
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(FAULT_MS + 100, "status", "start", "clear")
    rig.at(FAULT_MS + 1_000, lambda: rig.board.stop_switch(False))
    rig.at(FAULT_MS + 2_000, rig.collect)
    rig.ask(FAULT_MS + 2_000, "start")
    rig.run(FAULT_MS + 4_000)
    message = "the motors have no supply: is the stop switch pressed, or a fuse blown?"
    started, status, start, clear, again = rig.answers
    assert started == again == "ok profile=calm left=600"
    assert "state=fault" in status
    assert status.endswith("fault=rail")
    assert (start, clear) == (f"err fault rail: {message}. Then clear the fault.", "ok")
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
    message = (
        "rail: the motors' supply is on while nothing runs: press the stop switch, "
        "and have the motor gate fixed"
    )
    assert rig.answers[:-1] == [
        *("ok profile=calm left=600", "ok", "ok"),
        *(f"err fault {message}. Then clear the fault.", f"err fault {message}", "ok"),
    ]
    assert "state=idle" in rig.answers[-1]
    assert rig.session.status.started == 1


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
        "err fault suspend: the machine was suspended for 3600 s. Then clear the fault.",
        "ok",
    ]
    assert rig.lines() == DRIVEN_LOW
    assert rig.deadman.armed_at_ms[-1] <= FAULT_MS + TICK_MS


def test_fault_24_a_late_tick_is_a_fault_that_can_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, "late")
    monkeypatch.setattr(time, "sleep", lambda s: pass_time(rig.poller, round(s * 1_000)))
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(FAULT_MS + 500, "start", "clear", "start")
    rig.run(FAULT_MS + 2_000)
    assert rig.answers == [
        "ok profile=calm left=600",
        "err fault tick-late: the loop was held up for 0.30 s; free the processor. Then clear the fault.",
        *("ok", "ok profile=calm left=600"),
    ]


def test_fault_24_a_stop_that_waited_does_not_hide_a_late_tick() -> None:
    bench = Bench()
    bench.daemon.player._watchdogs.append(TickLate())

    def hang(_: Daemon) -> None:
        bench.wires[0].chunks.append(b"!")
        pass_time(bench.poller, 300)

    bench.send(1_000, b"start calm\n")
    bench.at(2_000, hang)
    bench.at(
        2_400,
        lambda daemon: daemon.clients.log(str(bench.session.fault and bench.session.fault.code)),
    )
    bench.run(3_000)
    assert (2_300, SILENCE) in bench.pins.written
    assert "tick-late" in bench.log_lines


def test_fault_24_no_tick_is_late_where_nothing_moves(tmp_path: Path) -> None:
    late = TickLate()
    looks = [(0, True), (251, True), (260, True), (280, False), (1_300, True), (1_550, True)]
    assert [late.check(*look) is not None for look in looks] == [False, True] + 4 * [False]


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
    assert rig.log.count(warned) == 1
    reason = "err fault under-voltage: the Pi gets too little voltage; use a stronger supply"
    assert rig.answers[1] == (reason if is_fault else "ok")
    states = [line.split()[1] for line in (rig.answers[2], rig.answers[4])]
    assert states == (["state=fault", "state=idle"] if is_fault else ["state=running"] * 2)
