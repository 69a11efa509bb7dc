"""How long motors run on after a fault, on the emulated Pi: `python -m tests.emulation.kill_matrix`.

It sets off each fault of the safety concept's table that needs a real kernel, while every motor has
the highest duty that the code allows, and writes what was seen to docs/reports/kill-matrix.md. With `--load 3`
three busy programs run beside the emulated Pi, and the second table of that document is written.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.emulation import build
from tests.emulation.pi import DEADLOCK, HAND_PIN, HOLD_THE_GIL, PINS, Pi, image, restored
from tests.support.process import Client, waited_ns_by_thread
from tests.support.stop_latency import HOG

TABLE: Final = build.REPOSITORY / "docs/reports/kill-matrix.md"
FULL_S: Final = 4.0
"""From the start until every motor has its full duty."""
WATCHED_S: Final = 6.0
"""Longer than the slowest way to low, the watchdog's 2 s, and than ExecStopPost= takes."""
RESTART_S: Final = 90.0
MOST_REMADE: Final = 10
"""So often a round is made again at most, each time counted."""
EXPLAINS_S: Final = 0.1
"""A tick is late by 0.25 s. Without a witness in the guest that woke so late at once, the machine
is no reason for it and the daemon is."""
RUNS_S: Final = 0.1
"""A motor runs where its pin moved within this time, several periods of the PWM."""


class Fault(NamedTuple):
    row: int
    """In the fault table of the safety concept."""
    name: str
    deed: str
    """What the hand in the guest does; `{pid}` is the daemon."""
    gone_ms: int
    """Promised: the process has ended by then."""
    comes_back: bool
    """systemd starts the daemon again."""


def _kill(number: int) -> str:
    return f"kill {{pid}} {number}"


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
    "starved": Fault(24, "no processor for 260 ms", "hog 260", 400, False),
}
PROMISED_MS: Final = {True: 500, False: 100}
"""From the death until the pins are low: where lines persist, and where they are released."""
ORDERLY_MS: Final = 100
"""From the fault, where the daemon itself makes them low."""
DEATHS: Final = (2, 3, 4)
"""Rows in which the process ends before it has made the pins low."""


class Seen(NamedTuple):
    """Seconds from the fault, read from outside."""

    gone_s: float
    """The process had ended; in row 24, the processors were free again."""
    low_s: float
    """The last motor pin was low, or an input, for good."""
    high: int
    """So many motor pins were high at that moment: the phase of the PWM."""
    ran: bool
    """Motors ran when the fault was set off."""
    tells_fault: bool
    """The daemon told one: in row 24 it has to, else the machine had made a tick of it late."""
    lives_on: bool
    """The same process still runs."""
    late_s: float
    """How late a witness in the guest woke at worst, from just before the fault until all was low."""
    held_s: float
    """For how long, from the fault until the process had ended and all was low, one of QEMU's threads
    could run and the host gave it no processor: of the thread that waited longest."""
    restarts: list[str]
    """Why the session had to be started again before, once for each time."""


class Rounds(NamedTuple):
    """What was seen of one fault, where lines persist or where they are released."""

    counted: list[Seen]
    told: list[Seen]
    """Rounds that were made again although the fault was set off: a tick had been late before."""
    remade: list[str]
    """Why each round that was made again does not count."""
    broken: list[str]
    """Rounds that ended in something that must never be, in words."""

    def all_seen(self) -> list[Seen]:
        """A promise that is missed in a round that was made again is missed."""
        return [*self.counted, *self.told]


class NotSetOffError(Exception):
    """The fault found no daemon: the machine had held it up, and its dead-man had ended it."""


Waits = list[tuple[float, dict[str, int]]]
"""At what time, how long each thread of QEMU had waited for a processor."""
Found = dict[tuple[str, bool], Rounds]
"""By the fault's name, and whether lines persist."""


def play(pi: Pi, client: Client) -> list[str]:
    """Every motor has its full duty. Why this took further starts, a reason for each.

    A machine that holds the emulated Pi up makes a tick of the daemon late, and the daemon turns
    its motors off, or the dead-man or systemd's watchdog ends it, as they have to. Only then is the
    session started again. Raises AssertionError where the motors did not go off, and where the
    machine was not to blame.
    """
    remade: list[str] = []
    begin_s = pi.begun_s
    while len(remade) < MOST_REMADE:
        pi.until_ready()
        pid = pi.pid()
        try:
            client.ask("clear")
            client.ask("events on")  # so that a fault is told that comes before what is tried
            final = client.ask("start full")[-1]
            assert final == "ok profile=full left=600", final
            time.sleep(FULL_S)
            status = client.status()
        except AssertionError:
            if pi.pid() == pid:
                raise
            why = "a watchdog ended the daemon"
        else:
            if status["state"] == "running":
                return remade
            assert status["state"] == "idle" or status["fault"] == "tick-late", status
            why = "a tick was late" if status["fault"] else "a watchdog ended the daemon"
            assert status["fault"] or pi.pid() != pid, "the session ended by itself"
        late_s = pi.late_s(begin_s, time.monotonic())
        assert pi.driven() == [], f"{why}, and motors go on"
        assert late_s >= EXPLAINS_S, (
            f"{why}, and no witness woke later than {late_s:.3f} s: the machine is not the reason"
        )
        remade.append(f"{why} before the fault")
        print(f"started again: {why}; a witness woke {late_s:.2f} s late", flush=True)
        begin_s = time.monotonic()
    raise AssertionError(f"this machine is too busy for the emulated Pi: {Counter(remade)}")


def play_and_break(pi: Pi, fault: Fault, sees_restart: bool = True) -> Seen:
    """Raises AssertionError where motors do not stay low, or the daemon comes back not idle."""
    sees_restart = sees_restart and fault.comes_back
    with pi.client() as client:
        restarts = play(pi, client)
        playing_s = time.monotonic()
        pid = pi.pid()
        deed = fault.deed.format(pid=pid)
        first = len(pi.edges)
        heard = b""
        until_s = time.monotonic() + (RESTART_S if sees_restart else WATCHED_S)
        qemu = qemu_pid(pi)
        waits = [(time.monotonic(), waited_ns_by_thread(qemu))]
        pi.deed(deed)

        def is_over() -> bool:
            nonlocal heard, until_s
            waits.append((time.monotonic(), waited_ns_by_thread(qemu)))
            heard += client.port.read(client.port.in_waiting)
            if sees_restart and b"* ready" in heard:
                until_s = min(until_s, time.monotonic() + 0.5)
            return time.monotonic() > until_s

        changes = pi.watch(PINS, is_over)
        if sees_restart:
            assert b"* ready" in heard, f"the daemon did not come back: {pi.service_state()}"
            state = client.status()["state"]
            assert state == "idle", f"the daemon came back {state}"
    lives_on = pi.pid() == pid
    marks = [edge.at_s for edge in pi.edges[first:] if edge.pin == HAND_PIN]
    if not marks and not lives_on:
        now_s = time.monotonic()
        held_s = max(pi.late_s(playing_s, now_s), longest_wait_s(waits, waits[0][0], now_s))
        assert held_s >= EXPLAINS_S, (
            f"the daemon ended before the fault, held up for {held_s:.3f} s"
        )
        assert pi.driven() == [], "the daemon ended before the fault, and motors go on"
        raise NotSetOffError("the dead-man ended the daemon just before the fault")
    assert len(marks) == 2, f"the hand in the guest moved its pin {len(marks)} times instead of 2"
    last = {change.pin: change for change in changes}
    on = sorted(change.pin for change in last.values() if change.drives)
    assert on == [], f"GPIO {on} still drove motors when the round was over"
    low_at_s = max(change.at_s for change in last.values())
    before = [edge for edge in pi.edges if edge.at_s <= marks[0] and edge.pin in PINS]
    levels = {edge.pin: edge.is_high for edge in before}
    ran = any(edge.at_s > marks[0] - RUNS_S for edge in before)
    tells_fault = b"* event=fault" in heard
    assert ran or tells_fault, "no motor ran when the fault was set off, and no fault was told"
    high = sum(levels.get(pin, False) for pin in PINS)
    low_s = max(0.0, low_at_s - marks[0])
    end_s = max(low_at_s, marks[1])
    late_s, held_s = pi.late_s(playing_s, end_s), longest_wait_s(waits, marks[0], end_s)
    gone_s = marks[1] - marks[0]
    return Seen(gone_s, low_s, high, ran, tells_fault, lives_on, late_s, held_s, restarts)


def qemu_pid(pi: Pi) -> int:
    """QEMU is the child of `timeout`."""
    [pid] = Path(f"/proc/{pi.process.pid}/task/{pi.process.pid}/children").read_text().split()
    return int(pid)


def longest_wait_s(waits: Waits, from_s: float, to_s: float) -> float:
    """Of the thread that waited longest, from the last sample before the interval to its end."""
    before = [waited for at_s, waited in waits if at_s <= from_s][-1]
    after = [waited for at_s, waited in waits if at_s <= to_s][-1]
    return max(ns - before.get(thread, 0) for thread, ns in after.items()) / 1e9


def measure(built: build.Image, name: str, persist: bool, sees_restart: bool, to: Rounds) -> None:
    """One round more. It is made again where it does not count, and each time says why."""
    fault = FAULTS[name]
    remade = 0
    while remade < MOST_REMADE:
        remade += 1
        try:
            with restored(built, persist) as pi:
                seen = play_and_break(pi, fault, sees_restart)
        except AssertionError as error:
            to.broken.append(str(error).partition("\n")[0])
            return
        except NotSetOffError as error:
            print(error, flush=True)
            to.remade.append(str(error))
            continue
        except (RuntimeError, TimeoutError) as error:
            print(error, flush=True)
            to.remade.append("the emulator itself failed")
            continue
        print(f"{name:9} persist={persist!s:5} {seen}", flush=True)
        to.remade.extend(seen.restarts)
        if fault.row == 24 or not seen.tells_fault:
            to.counted.append(seen)
            return
        to.told.append(seen)
        to.remade.append("a tick was late just before the fault")
        if seen.late_s < EXPLAINS_S:
            to.broken.append(f"a tick was late, and no witness woke later than {seen.late_s:.3f} s")


def python_start_s(built: build.Image) -> float:
    """How fast the emulated Pi is just now: what a bare Python takes there."""
    with restored(built) as pi:
        times = []
        for _ in range(5):
            begin_s = time.monotonic()
            pi.must("python3 -I -S -c pass")
            times.append(time.monotonic() - begin_s)
    return median(times)


def table(found: Found, is_quiet: bool) -> list[str]:
    kept, missed = ("met", "**missed**") if is_quiet else ("yes", "**no**")
    lines = [
        "| row | fault | lines | n | remade | high | witness late | held up | process gone | all low "
        f"| low after death | promised | {'' if is_quiet else 'kept'} |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, persist), rounds in sorted(found.items(), key=lambda each: FAULTS[each[0][0]].row):
        fault, seen = FAULTS[name], rounds.counted
        high = [each.high for each in seen]
        told = f", a fault told in {len(seen)} of {len(seen)}" if fault.row == 24 else ""
        verdict = missed if misses(fault, persist, rounds) else kept + told
        cells = (
            fault.row, fault.name, "persist" if persist else "released", len(seen),
            _counts(rounds.remade), f"{min(high)}-{max(high)}" if high else "",
            # The witnesses get no processor either in row 24: that is its fault.
            _spread([each.late_s for each in seen]) if fault.row != 24 else "",
            _spread([each.held_s for each in seen]),
            _spread([each.gone_s for each in seen]), _spread([each.low_s for each in seen]),
            _spread(after_s(seen)) if fault.row in DEATHS else "",
            promise(fault, persist), verdict,
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _counts(reasons: Sequence[str]) -> str:
    return ", ".join(f"{count}: {why}" for why, count in Counter(reasons).items()) or "0"


def promise(fault: Fault, persist: bool) -> str:
    if fault.row == 24:
        return "low, a fault"
    if fault.row not in DEATHS:
        return f"low {ORDERLY_MS / 1000}"
    gone = f"gone {fault.gone_ms / 1000}, " if fault.row != 3 else ""
    return f"{gone}low {PROMISED_MS[persist] / 1000} after death"


def misses(fault: Fault, persist: bool, rounds: Rounds) -> list[str]:
    """What of the promise the worst round did not keep, a sentence each."""
    found = [f"a round ended so: {why}" for why in rounds.broken]
    if not rounds.counted:
        found.append("no round counts")
    seen = rounds.all_seen()
    if fault.row == 24:
        silent = [each for each in seen if not each.tells_fault]
        if silent:
            killed = sum(not each.lives_on for each in silent)
            found.append(
                f"no fault was told in {len(silent)} of {len(seen)}; the dead-man came first in {killed}"
            )
    elif fault.row in DEATHS:
        _add(found, "low after death", after_s(seen), PROMISED_MS[persist])
        if fault.row != 3:
            # The dead-man is armed only while motors run; an idle daemon is left to the watchdog.
            _add(found, "gone", [each.gone_s for each in seen if each.ran], fault.gone_ms)
    else:
        _add(found, "low", [each.low_s for each in seen], ORDERLY_MS)
    lines = "persist" if persist else "are released"
    return [f"- Row {fault.row}, {fault.name}, where lines {lines}: {what}." for what in found]


def _add(found: list[str], what: str, times_s: Sequence[float], promised_ms: int) -> None:
    late = [time_s for time_s in times_s if time_s > promised_ms / 1000]
    if late:
        found.append(
            f"{what} after {max(late):.2f} s instead of {promised_ms / 1000}, "
            f"too late in {len(late)} of {len(times_s)}"
        )


def after_s(seen: Sequence[Seen]) -> list[float]:
    return [max(0.0, each.low_s - each.gone_s) for each in seen]


def all_misses(found: Found) -> list[str]:
    lines = [
        line
        for (name, persist), rounds in found.items()
        for line in misses(FAULTS[name], persist, rounds)
    ]
    return lines or ["Nothing: the worst round of each keeps what is promised."]


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} / {max(seconds):.2f}" if seconds else ""


QUIET: Final = "On a quiet machine"
LOADED: Final = "Beside other work"


def section(title: str, text: str) -> str:
    """A section of the document as it is now; empty: it has none."""
    found = re.search(rf"^## {title}\n.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many programs beside the emulated Pi that never rest."""
    programs = [subprocess.Popen([sys.executable, "-I", "-S", "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


HOW: Final = """\
# How long motors run on after a fault

**Summary.** Ten faults are set off while eight motors run, and a watcher outside the emulated Pi measures
when the process is gone and when the last motor pin is low. Promised are 0.5 s from a hang or a SIGSTOP to
the end of the process, 0.5 s from its end to low pins (0.1 s where lines are released), and 0.1 s for an
orderly end. {summary}
None of it is from a real Raspberry Pi; `python -m tests.emulation.kill_matrix` writes this file.

An emulated Raspberry Pi 3B (QEMU, Linux {kernel}, systemd 252; it uses as many of its four processors as
the machine underneath has) plays a profile with every motor at 90 % duty, 53 Hz, through the real daemon, unit, gpiozero, lgpio and pinctrl-bcm2835. A process of its
own raises a spare pin, sets off the fault, and lowers the pin when the daemon has ended ("gone"). The
pins are read from outside, at the emulated chip: each edge as it comes, and whether a pin is an
output every few milliseconds. "All low" is the last time that any motor pin was a high output. Each
round is a machine of its own, at whatever phase the PWM is in: "high" is how many of the eight motor
pins were high when the fault was set off, least to most. The pins are watched for 6 s, and in the
first round of a fault until systemd has started the daemon again and it says that it is ready and idle:
a pin that rose again would be the last time. "Persist": outputs stay driven when their owner dies, as on
Raspberry Pi OS. "Released": they become inputs, as with `dtparam=strict_gpiod`.

Times are median / worst, in seconds from the fault. A time is met when its worst round meets it.

"Witness late" is how late a program of the highest importance woke in the guest: on each of its
processors one moves a pin every 50 ms, at a higher priority than the daemon's. "Held up" is for how long
one of QEMU's threads, between the fault and the last of "gone" and "low", could run and the machine
underneath gave it no processor. A witness that only sleeps is served at once even by a busy machine,
while the end of a process, which computes, is held up: so both are told.

"Remade" counts the rounds that were made again, with the reason of each. The daemon turns its motors
off by itself when a tick is late, so the fault would then find nothing that runs. A round is made again
only where a witness woke at least 0.1 s late; with no such witness it is the daemon's mistake, which
is told as missed. What a round that was made again shows is held against the promises as well.

"""
SEEN: Final = """\
## What the time goes into

The dead-man's SIGKILL is due 0.33 to 0.35 s after a hang, since it was armed at the last checked tick.
The end of a killed process takes time by itself: that is "process gone" of SIGKILL in row 3, where
nothing is waited for. Rows 2 and 4 are the sum. One such end, traced in the kernel (`function_graph`
on `do_exit` and what it calls, which makes it slower by itself) while lgpio still told the button's
edges, with two threads more than now:

| what | s |
|---|---|
| until the last of five threads has come to its end | 0.04 |
| 28 MB of memory given back, 5 us a page; it is locked, which makes it dearer | 0.04 |
| eleven GPIO lines: two with edges 2.5 and 1.5 ms, the others 0.06 to 2.5 ms each | 0.01 |
| all other descriptors, without the UART's | less than 0.01 |

The dead-man was due after 0.4 s before. A SIGSTOP traced then, on a machine with nothing else to do:
the timer's SIGKILL 0.393 s after it, 4 ms until four of the five threads had ended, 28 ms for memory,
8 ms for descriptors, gone after 0.433 s. With 0.4 s a hang or a stop was gone after 0.50 to 0.54 s in
some rounds, so the dead-man is due after 0.35 s now. What the rounds of the tables take beyond 0.4 s is
about what "held up" shows.

A Python that only sleeps is gone after 0.01 to 0.05 s, with 15 MB locked after 0.07 to 0.10 s, with
eight lines after 0.02 to 0.04 s, with two lines with edges after 0.04 to 0.09 s. What is left is the
end of threads and memory on emulated processors.

The emulated clock manager never tells that a clock has stopped, for which the UART's driver waits
0.1 s when the port is closed, so also at each death: the emulated device tree gives the UART a clock
that need not be stopped. A real one may wait longer: until all that was written is sent, up to 30 s.

## What the emulated Pi showed that the mock did not

- Where lines persist, a death at full duty left pins high until systemd had started `ExecStopPost=`:
  2 to 4 s on a busy machine. Since then the daemon has a guard beside it, a process that waits for
  the death and makes the pins low.
- `KillMode=mixed` killed that guard first in two of six deaths; it is `process`.
- `TimeoutStopSec=5` ended `ExecStopPost=` before its work was done; it is 20 s.
- The start limit never tripped at 10 s, since a round takes longer; it is five in ten minutes.
- `ProtectClock=` forbids to ask whether the clock is synchronised: no time off would ever count.
- With another GPIO chip as `/dev/gpiochip0` a line of it was taken before anything was refused; the
  header's chip is found by its label now.
- lgpio ended in a traceback where the state folder was read-only.
- The kernel closes a dead process's descriptors one after the other, from the highest number down, and
  a serial port not before it has sent what it holds: motors waited for that, and so did the guard. Ports
  are opened before pins since then, and the guard does not wait for the end.
- For a user who may lock only a little memory, locking all that comes later refused threads their stacks.
- A GIL that is held by a `sleep` is no such fault: the dead-man's first timer, which has the stacks
  written, ends the sleep, and the loop turns the motors off. C code that computes is.
- lgpio's thread for edges took a quarter of a processor, idle or not; the button's come from the kernel.
- Of a touch shorter than half a millisecond the daemon learns only that the contact moved: the kernel
  reads the level when its thread comes round to an edge, and both then say that nothing is touched. It
  stops all the same. A press is longer.
- Noise at 10 kHz was read by the kernel as "pressed" for 32 ms on end, and its edges were lost while the
  loop was held up: a session started. Since then edges are folded into spells by their times, and a
  spell of more than 30 ms counts for nothing (`python -m tests.emulation.noise`).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.kill_matrix")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is set off")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--load", type=int, default=0, metavar="N",
                        help="run N busy programs beside it and write the second table")  # fmt: skip
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args(arguments)
    missing = build.missing_tools()
    if missing:
        print(
            f"the emulated Pi needs {', '.join(missing)}; the README names the packages",
            file=sys.stderr,
        )
        return 2
    built = image()
    restored(built).close()  # what has to be built takes minutes, and is no part of the load
    found: Found = {}
    load: list[float] = []
    with busy(args.load):
        with restored(built) as pi:
            kernel = pi.must("uname -r").strip()
        python_s = python_start_s(built)
        for name in args.only:
            for persist in (True, False):
                rounds = found[name, persist] = Rounds([], [], [], [])
                for n in range(args.rounds):
                    load.append(os.getloadavg()[0])
                    measure(built, name, persist, persist and n == 0, rounds)
                for miss in misses(FAULTS[name], persist, rounds):
                    print(miss, flush=True)
            # After each fault, so that a run that is ended leaves what it has seen.
            new = measured(found, args.rounds, args.load, load, python_s)
            args.out.write_text(document(args.out, kernel, new))
    return 0


def measured(
    found: Found, rounds: int, busy_programs: int, load: Sequence[float], python_s: float
) -> str:
    """The section with the table."""
    is_quiet = not busy_programs
    options = "" if is_quiet else f" --load {busy_programs}"
    beside = "the emulated Pi" if is_quiet else f"{busy_programs} busy programs and the emulated Pi"
    lines = [
        f"## {QUIET if is_quiet else LOADED}",
        "",
        f"`python -m tests.emulation.kill_matrix --rounds {rounds}{options}` on {os.cpu_count()} "
        f"processors, {time.strftime('%Y-%m-%d', time.gmtime())}.",
        f"With {beside} the load of this machine was {median(load):.1f} ({min(load):.1f} to "
        f"{max(load):.1f}), and a bare",
        f"`python3 -I -S -c pass` took {python_s:.2f} s in the guest.",
    ]
    if not is_quiet:
        lines.append("The promises are for a quiet machine; here the table tells what was seen.")
    title = "Missed:" if is_quiet else "Not as promised for a quiet machine:"
    lines += ["", *table(found, is_quiet), "", title, "", *all_misses(found), "", ""]
    return "\n".join(lines)


def document(path: Path, kernel: str, new: str) -> str:
    """The whole text, with a new section; the other one stays as it is."""
    text = path.read_text() if path.exists() else ""
    sections = {title: section(title, text) for title in (QUIET, LOADED)}
    sections[new.partition("\n")[0].removeprefix("## ")] = new
    how = HOW.format(kernel=kernel, summary=summary(sections[QUIET]))
    return how + "".join(sections.values()) + SEEN


def summary(quiet: str) -> str:
    """One sentence on the table of the quiet machine."""
    rows = [line for line in quiet.splitlines() if line.startswith("| ") and line[2].isdecimal()]
    missed = sum("**missed**" in row for row in rows)
    return (
        f"In the table for a quiet machine {len(rows) - missed} of {len(rows)} rows met their promise "
        f"and {missed} missed it."
    )


if __name__ == "__main__":
    sys.exit(main())
