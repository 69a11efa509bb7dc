"""How long motors run on after a fault, on the emulated Pi: `python -m tests.emulation.kill_matrix`.

It sets off each fault of the safety concept's table that needs a real kernel, while every motor has
the highest duty that the code allows, and writes what was seen to docs/kill-matrix.md.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.emulation import build
from tests.emulation.pi import DEADLOCK, HAND_PIN, HOLD_THE_GIL, PINS, Pi, image, restored
from tests.process import Client

TABLE: Final = build.REPOSITORY / "docs/kill-matrix.md"
FULL_S: Final = 4.0
"""From the start until every motor has its full duty."""
WATCHED_S: Final = 6.0
"""Longer than the slowest way to low, the watchdog's 2 s, and than ExecStopPost= takes."""
RESTART_S: Final = 90.0
BUSY: Final = "this machine is too busy for the emulated Pi: its ticks are late"


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
    tells_fault: bool
    """The daemon told one: in row 24 it has to, else the busy machine had made a tick of it late."""
    lives_on: bool
    """The same process still runs."""


Found = dict[tuple[str, bool], list[Seen]]
"""By the fault's name, and whether lines persist."""


def play(pi: Pi, client: Client) -> None:
    """Every motor has its full duty. Where the machine underneath is so busy that a tick is late,
    the daemon turns them off, or the dead-man ends it, as they have to: then it is tried again."""
    for _ in range(10):
        pi.until_ready()
        pid = pi.pid()
        client.ask("clear")
        client.ask("events on")  # so that a fault is told that comes before what is tried
        assert client.ask("start full")[-1] == "ok profile=full left=600"
        time.sleep(FULL_S)
        if pi.pid() == pid and client.status()["state"] == "running":
            return
    raise AssertionError(BUSY)


def play_and_break(pi: Pi, fault: Fault, sees_restart: bool = True) -> Seen:
    """Raises AssertionError where motors do not stay low, or the daemon comes back not idle."""
    sees_restart = sees_restart and fault.comes_back
    with pi.client() as client:
        play(pi, client)
        pid = pi.pid()
        deed = fault.deed.format(pid=pid)
        first = len(pi.edges)
        heard = b""
        until_s = time.monotonic() + (RESTART_S if sees_restart else WATCHED_S)
        pi.deed(deed)

        def is_over() -> bool:
            nonlocal heard, until_s
            heard += client.port.read(client.port.in_waiting)
            if sees_restart and b"* ready" in heard:
                until_s = min(until_s, time.monotonic() + 0.5)
            return time.monotonic() > until_s

        changes = pi.watch(PINS, is_over)
        if sees_restart:
            assert b"* ready" in heard, pi.shell("systemctl status firmware-ctl")[1]
            assert client.status()["state"] == "idle"
    lives_on = pi.pid() == pid
    marks = [edge.at_s for edge in pi.edges[first:] if edge.pin == HAND_PIN]
    assert len(marks) == 2, marks
    last = {change.pin: change for change in changes}
    assert not any(change.drives for change in last.values()), last
    low_at_s = max(change.at_s for change in last.values())
    levels = {edge.pin: edge.is_high for edge in pi.edges if edge.at_s <= marks[0]}
    tells_fault = b"* event=fault" in heard
    high = sum(levels.get(pin, False) for pin in PINS)
    low_s = max(0.0, low_at_s - marks[0])
    return Seen(marks[1] - marks[0], low_s, high, tells_fault, lives_on)


def measure(built: build.Image, name: str, persist: bool, sees_restart: bool) -> Seen:
    for _ in range(10):
        with restored(built, persist) as pi:
            seen = play_and_break(pi, FAULTS[name], sees_restart)
        if FAULTS[name].row == 24 or not seen.tells_fault:
            return seen
    raise AssertionError(BUSY)


def python_start_s(built: build.Image) -> float:
    """How fast the emulated Pi is just now: what a bare Python takes there."""
    with restored(built) as pi:
        times = []
        for _ in range(5):
            begin_s = time.monotonic()
            pi.must("python3 -I -S -c pass")
            times.append(time.monotonic() - begin_s)
    return median(times)


def table(found: Found) -> list[str]:
    lines = [
        "| row | fault | lines | n | high | process gone | all low | low after death | promised | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, persist), seen in sorted(found.items(), key=lambda each: FAULTS[each[0][0]].row):
        fault = FAULTS[name]
        missed = misses(fault, persist, seen)
        kept = f"low, a fault told in {len(seen)} of {len(seen)}" if fault.row == 24 else "met"
        high = [each.high for each in seen]
        lines.append(
            f"| {fault.row} | {fault.name} | {'persist' if persist else 'released'} | {len(seen)} "
            f"| {min(high)}-{max(high)} | {_spread([each.gone_s for each in seen])} "
            f"| {_spread([each.low_s for each in seen])} "
            f"| {_spread(after_s(seen)) if fault.row in DEATHS else ''} "
            f"| {promise(fault, persist)} | {'**missed**' if missed else kept} |"
        )
    return lines


def promise(fault: Fault, persist: bool) -> str:
    if fault.row == 24:
        return "low, a fault"
    if fault.row not in DEATHS:
        return f"low {ORDERLY_MS / 1000}"
    gone = f"gone {fault.gone_ms / 1000}, " if fault.row != 3 else ""
    return f"{gone}low {PROMISED_MS[persist] / 1000} after death"


def misses(fault: Fault, persist: bool, seen: Sequence[Seen]) -> list[str]:
    """What of the promise the worst round did not keep, a sentence each."""
    found = []
    if fault.row == 24:
        silent = [each for each in seen if not each.tells_fault]
        if silent:
            killed = sum(not each.lives_on for each in silent)
            found.append(
                f"no fault was told in {len(silent)} of {len(seen)}; the dead-man came first in {killed}"
            )
    elif fault.row in DEATHS:
        _add(found, "low after death", max(after_s(seen)), PROMISED_MS[persist])
        if fault.row != 3:
            _add(found, "gone", max(each.gone_s for each in seen), fault.gone_ms)
    else:
        _add(found, "low", max(each.low_s for each in seen), ORDERLY_MS)
    lines = "persist" if persist else "are released"
    return [f"- Row {fault.row}, {fault.name}, where lines {lines}: {what}." for what in found]


def _add(found: list[str], what: str, worst_s: float, promised_ms: int) -> None:
    if worst_s > promised_ms / 1000:
        found.append(f"{what} after {worst_s:.2f} s instead of {promised_ms / 1000}")


def after_s(seen: Sequence[Seen]) -> list[float]:
    return [max(0.0, each.low_s - each.gone_s) for each in seen]


def all_misses(found: Found) -> list[str]:
    lines = [
        line
        for (name, persist), seen in found.items()
        for line in misses(FAULTS[name], persist, seen)
    ]
    return lines or ["Nothing: the worst round of each keeps what is promised."]


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} / {max(seconds):.2f}"


HOW: Final = """\
# How long motors run on after a fault

Written by `python -m tests.emulation.kill_matrix`; none of it is from a real Raspberry Pi. Times are median / worst, in seconds from the fault.

An emulated Raspberry Pi 3B (QEMU, Linux {kernel}, systemd 252) plays a profile with
every motor at 90 % duty, 53 Hz, through the real daemon, unit, gpiozero, lgpio and pinctrl-bcm2835. A process of its
own raises a spare pin, sets off the fault, and lowers the pin when the daemon has ended ("gone"). The
pins are read from outside, at the emulated chip: each edge as it comes, and whether a pin is an
output every few milliseconds. "All low" is the last time that any motor pin was a high output. Each
round is a machine of its own, at whatever phase the PWM is in: "high" is how many of the eight motor
pins were high when the fault was set off, least to most. The pins are watched for 6 s, and in the
first of a fault until systemd has started the daemon again and it says that it is ready and idle: a pin
that rose again would be the last time. "Persist": outputs stay driven when their owner dies, as on
Raspberry Pi OS. "Released": they become inputs, as with `dtparam=strict_gpiod`.

A time is met when its worst round is. Times in which programs run depend on how busy the machine
underneath is: while this was written {processors} processors had a load of {load}, and a bare
`python3 -I -S -c pass` took {python:.2f} s in the guest. A round in which the daemon had
turned the motors off before, since the busy machine made a tick of it late, is made anew.

"""
SEEN: Final = """
## What the time goes into

The dead-man's SIGKILL is due 0.33 to 0.35 s after a hang, as it was armed at the last checked tick. To
end a process that was killed takes time by itself: that is "process gone" of SIGKILL in row 3, where
nothing is waited for. Rows 2 and 4 are the sum. One such end, traced in the kernel (`function_graph`
on `do_exit` and what it calls, which makes it slower by itself) while lgpio still told the button's
edges, with two threads more than now:

| what | s |
|---|---|
| until the last of five threads has come to its end | 0.04 |
| 28 MB of memory given back, 5 us a page; it is locked, which makes it dearer | 0.04 |
| eleven GPIO lines: two with edges 2.5 and 1.5 ms, the others 0.06 to 2.5 ms each | 0.01 |
| all other descriptors, without the UART's | less than 0.01 |

Of a SIGSTOP the scheduler's and the signals' trace, on a machine with nothing else to do: the timer's
SIGKILL 0.393 s after it, 4 ms until four of the five threads have ended, 28 ms of memory, 8 ms of
descriptors, gone after 0.433 s. What the rounds of the table have beyond that, for a hang as for a stop,
is most likely emulated processors that sleep and wake late, for one thread after the other.
In three other rounds of each, a hang was gone after 0.48 s at the median and 0.52 at worst, a stop after
0.50 and 0.52: either may miss its 0.5 s here.

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
  loop was held up: a session started. An edge that tells of no new level, or that others were not told,
  begins the debounce anew since then.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.kill_matrix")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is set off")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
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
    load: list[float] = []
    found: Found = {}
    for name in args.only:
        for persist in (True, False):
            seen = found.setdefault((name, persist), [])
            for n in range(args.rounds):
                load.append(os.getloadavg()[0])
                seen.append(measure(built, name, persist, sees_restart=persist and n == 0))
                print(f"{name:9} persist={persist!s:5} {seen[-1]}", flush=True)
    with restored(built) as pi:
        kernel = pi.must("uname -r").strip()
    how = HOW.format(
        kernel=kernel, python=python_start_s(built),
        load=f"{median(load):.1f} ({min(load):.1f} to {max(load):.1f})", processors=os.cpu_count(),
    )  # fmt: skip
    missed = "\n".join(["", "## What is missed", "", *all_misses(found)])
    args.out.write_text(how + "\n".join(table(found)) + "\n" + missed + "\n" + SEEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
