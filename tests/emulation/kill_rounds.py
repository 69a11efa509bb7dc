"""One round of the kill matrix: play at full duty, set off a fault, measure when all motors are off.

This module knows the faults and how a round is played. `kill_report` compares rounds with the promises.
"""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from tests.emulation import build
from tests.emulation.pi import DEADLOCK, HOLD_THE_GIL, MARKER_PIN, MOTOR_PINS, Pi, restore
from tests.support.process import Client, waited_ns_by_thread

FULL_DUTY_S: Final = 4.0
"""From the start of the session until every motor has its full duty."""
WATCH_S: Final = 6.0
"""Longer than the slowest way to low pins, which is the watchdog's 2 s and the run of ExecStopPost=."""
RESTART_S: Final = 90.0
REMADE_MAX: Final = 10
"""A round is played again at most this often."""
MACHINE_LATE_S: Final = 0.1
"""A tick is a fault if it is 0.25 s late. If no witness woke at least this late, the machine was not the
reason, and the daemon was."""
RUNNING_S: Final = 0.1
"""A motor runs if its pin had an edge within this time, which is several periods of the PWM."""


class Fault(NamedTuple):
    row: int
    """In the table of docs/hazards.md."""
    name: str
    command: str
    """For the guest's fault injector; `{pid}` is the daemon."""
    gone_within_ms: int
    """The promise: the process has ended by then."""
    is_restarted: bool
    """systemd starts the daemon again."""


def _kill(signal_number: int) -> str:
    return f"kill {{pid}} {signal_number}"


FAULTS: Final = {
    "deadlock": Fault(2, "the loop waits for ever", _kill(DEADLOCK), 500, True),
    "gil": Fault(2, "C code keeps Python's lock", _kill(HOLD_THE_GIL), 500, True),
    "kill": Fault(3, "SIGKILL, as the OOM killer does", _kill(signal.SIGKILL), 100, True),
    "segv": Fault(3, "SIGSEGV", _kill(signal.SIGSEGV), 100, True),
    "abrt": Fault(3, "SIGABRT", _kill(signal.SIGABRT), 100, True),
    "stop": Fault(4, "SIGSTOP", _kill(signal.SIGSTOP), 500, True),
    "term": Fault(5, "SIGTERM", _kill(signal.SIGTERM), 500, False),
    "int": Fault(5, "SIGINT", _kill(signal.SIGINT), 500, False),
    "hup": Fault(5, "SIGHUP", _kill(signal.SIGHUP), 500, False),
    # Together with the time since the last tick this is more than 250 ms, which are a fault, and less
    # than the 350 ms after which the dead-man ends the process.
    "starved": Fault(24, "no processor for 260 ms", "withhold 260", 400, False),
}
STARVED_ROW: Final = 24
LOW_AFTER_DEATH_MS: Final = {True: 500, False: 100}
"""The promise from the end of the process until the pins are low: where lines persist, and where they are
released."""
LOW_AFTER_FAULT_MS: Final = 100
"""The promise where the daemon itself makes the pins low."""
DEATH_ROWS: Final = (2, 3, 4)
"""In these rows the process ends before it has made the pins low."""


class Round(NamedTuple):
    """The measurements of one round. Times are seconds from the fault, seen from outside."""

    gone_s: float
    """The process had ended. In row 24: its processes may run again."""
    low_s: float
    """No motor pin was a high output from then on."""
    high_pins: int
    """How many motor pins were high at the fault. It depends on the phase of the PWM."""
    motors_ran: bool
    """Motors ran at the fault."""
    fault_published: bool
    """The daemon published a fault. In row 24 it must. In other rows it means that the machine made a
    tick late."""
    survived: bool
    """The same process still runs."""
    witness_late_s: float
    """The longest delay of a witness, from just before the fault until all was over."""
    held_up_s: float
    """How long one of QEMU's threads could run, but the host gave it no processor, from the fault until
    the process had ended and all pins were low. Of all threads, the longest time."""
    failed_starts: list[str]
    """Why the session had to be started again before the fault, a reason for each time."""


class Rounds(NamedTuple):
    """All rounds of one fault, where lines persist or where they are released."""

    counted: list[Round]
    disturbed: list[Round]
    """Rounds that were played again although the fault was set off, because a tick was late before."""
    remade: list[str]
    """The reason of each round that was played again."""
    failures: list[str]
    """A sentence for each round in which something happened that must never happen."""

    def all_measured(self) -> list[Round]:
        """A promise that was broken in a disturbed round was broken."""
        return [*self.counted, *self.disturbed]


class FaultMissedError(Exception):
    """The daemon had ended before the fault. A busy machine had held it up until its dead-man killed it."""


WaitSamples = list[tuple[float, dict[str, int]]]
"""Time in s, and for how many ns each of QEMU's threads had waited for a processor until then."""


def play_at_full_duty(pi: Pi, client: Client) -> list[str]:
    """Starts a session and returns when every motor has its full duty.

    A machine that holds up the emulated Pi makes a tick of the daemon late. The daemon then has to
    turn its motors off, or the dead-man or systemd's watchdog has to end it. In these cases the
    session is started again. Returns the reasons of the further starts. Raises AssertionError if the
    motors did not go off, or if the machine was not the reason.
    """
    reasons: list[str] = []
    begin_s = pi.started_s
    while len(reasons) < REMADE_MAX:
        pi.wait_until_active()
        pid = pi.pid()
        try:
            client.ask("clear")
            client.ask(
                "events on"
            )  # so that the client also receives a fault before the injected one
            answer = client.ask("start full")[-1]
            assert answer == "ok profile=full left=600", answer
            time.sleep(FULL_DUTY_S)
            status = client.status()
            # A daemon that is started again refuses what arrived before it was ready.
            assert "state" in status, status
        except AssertionError:
            if pi.pid() == pid:
                raise
            reason = "a watchdog ended the daemon"
        else:
            if status["state"] == "running":
                return reasons
            assert status["state"] == "idle" or status["fault"] == "tick-late", status
            reason = "a tick was late" if status["fault"] else "a watchdog ended the daemon"
            assert status["fault"] or pi.pid() != pid, "the session ended by itself"
        late_s = pi.witness_late_s(begin_s, time.monotonic())
        assert pi.high_motor_pins() == [], f"{reason}, but motors still run"
        assert late_s >= MACHINE_LATE_S, (
            f"{reason}, but no witness woke later than {late_s:.3f} s: the machine is not the reason"
        )
        reasons.append(f"{reason} before the fault")
        print(f"started again: {reason}; a witness woke {late_s:.2f} s late", flush=True)
        begin_s = time.monotonic()
    raise AssertionError(f"this machine is too busy for the emulated Pi: {Counter(reasons)}")


def play_and_break(pi: Pi, fault: Fault, watch_restart: bool = True) -> Round:
    """Plays a round. Raises AssertionError if motors do not stay off or the restarted daemon is not idle.

    `watch_restart`: watch the pins until systemd has started the daemon again, if it does so.
    """
    watch_restart = watch_restart and fault.is_restarted
    with pi.client() as client:
        failed_starts = play_at_full_duty(pi, client)
        playing_s = time.monotonic()
        pid = pi.pid()
        first_edge = len(pi.edges)
        received = b""
        until_s = time.monotonic() + (RESTART_S if watch_restart else WATCH_S)
        qemu = qemu_pid(pi)
        waits = [(time.monotonic(), waited_ns_by_thread(qemu))]
        pi.inject(fault.command.format(pid=pid))

        def is_over() -> bool:
            nonlocal received, until_s
            waits.append((time.monotonic(), waited_ns_by_thread(qemu)))
            received += client.port.read(client.port.in_waiting)
            if watch_restart and b"* ready" in received:
                until_s = min(until_s, time.monotonic() + 0.5)
            return time.monotonic() > until_s

        changes = pi.watch(MOTOR_PINS, is_over)
        if watch_restart:
            assert b"* ready" in received, f"the daemon did not start again: {pi.service_state()}"
            state = client.status()["state"]
            assert state == "idle", f"the restarted daemon is in state {state}"
    survived = pi.pid() == pid
    marks_s = [edge.at_s for edge in pi.edges[first_edge:] if edge.pin == MARKER_PIN]
    if not marks_s and not survived:
        now_s = time.monotonic()
        witness_late_s = pi.witness_late_s(playing_s, now_s)
        held_up_s = max(witness_late_s, longest_wait_s(waits, waits[0][0], now_s))
        assert held_up_s >= MACHINE_LATE_S, (
            f"the daemon ended before the fault, although the machine held it up for {held_up_s:.3f} s only"
        )
        assert pi.high_motor_pins() == [], "the daemon ended before the fault, but motors still run"
        raise FaultMissedError("the dead-man ended the daemon just before the fault")
    assert len(marks_s) == 2, f"the marker pin had {len(marks_s)} edges instead of 2"
    fault_at_s, gone_at_s = marks_s
    last = {change.pin: change for change in changes}
    still_high = sorted(change.pin for change in last.values() if change.is_high_output)
    assert still_high == [], f"GPIO {still_high} still drove motors at the end of the round"
    low_at_s = max(change.at_s for change in last.values())
    before = [edge for edge in pi.edges if edge.at_s <= fault_at_s and edge.pin in MOTOR_PINS]
    levels = {edge.pin: edge.is_high for edge in before}
    motors_ran = any(edge.at_s > fault_at_s - RUNNING_S for edge in before)
    fault_published = b"* event=fault" in received
    assert motors_ran or fault_published, "no motor ran at the fault, and no fault was published"
    end_s = max(low_at_s, gone_at_s)
    return Round(
        gone_s=gone_at_s - fault_at_s,
        low_s=max(0.0, low_at_s - fault_at_s),
        high_pins=sum(levels.get(pin, False) for pin in MOTOR_PINS),
        motors_ran=motors_ran,
        fault_published=fault_published,
        survived=survived,
        witness_late_s=pi.witness_late_s(playing_s, end_s),
        held_up_s=longest_wait_s(waits, fault_at_s, end_s),
        failed_starts=failed_starts,
    )


def qemu_pid(pi: Pi) -> int:
    """QEMU is the child of `timeout`."""
    [pid] = Path(f"/proc/{pi.process.pid}/task/{pi.process.pid}/children").read_text().split()
    return int(pid)


def longest_wait_s(samples: WaitSamples, from_s: float, to_s: float) -> float:
    """The longest time for which one thread waited for a processor between two times.

    Both times are moved back to the last sample before them.
    """
    before = [waited_ns for at_s, waited_ns in samples if at_s <= from_s][-1]
    after = [waited_ns for at_s, waited_ns in samples if at_s <= to_s][-1]
    return max(ns - before.get(thread, 0) for thread, ns in after.items()) / 1e9


def measure(
    image: build.Image, name: str, persist: bool, watch_restart: bool, rounds: Rounds
) -> None:
    """Adds one counted round to `rounds`, and the reason of each round that had to be played again."""
    fault = FAULTS[name]
    for _ in range(REMADE_MAX):
        try:
            with restore(image, persist) as pi:
                played = play_and_break(pi, fault, watch_restart)
        except AssertionError as error:
            rounds.failures.append(str(error).partition("\n")[0])
            return
        except FaultMissedError as error:
            print(error, flush=True)
            rounds.remade.append(str(error))
            continue
        except (RuntimeError, TimeoutError) as error:
            print(error, flush=True)
            rounds.remade.append("the emulator itself failed")
            continue
        print(f"{name:9} persist={persist!s:5} {played}", flush=True)
        rounds.remade.extend(played.failed_starts)
        if fault.row == STARVED_ROW or not played.fault_published:
            rounds.counted.append(played)
            return
        rounds.disturbed.append(played)
        rounds.remade.append("a tick was late just before the fault")
        if played.witness_late_s < MACHINE_LATE_S:
            rounds.failures.append(
                f"a tick was late, but no witness woke later than {played.witness_late_s:.3f} s"
            )
