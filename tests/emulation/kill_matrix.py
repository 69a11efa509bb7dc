"""How long motors run on after a fault, on the emulated Pi: `python -m tests.emulation.kill_matrix`.

It sets off each fault of the safety concept's table that needs a real kernel, while every motor has
the highest duty that the code allows, and writes what was seen to docs/kill-matrix.md.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.emulation import build
from tests.emulation.pi import DEADLOCK, HAND_PIN, HOLD_THE_GIL, PINS, Pi, image, snapshot
from tests.process import Client

TABLE: Final = build.REPOSITORY / "docs/kill-matrix.md"
FULL_S: Final = 4.0
"""From the start until every motor has its full duty."""
WATCHED_S: Final = 3.0
"""Longer than the slowest way to low: the watchdog's 2 s."""
RESTART_S: Final = 90.0


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
    "starved": Fault(24, "no processor for 300 ms", "hog 300", 400, False),
}
PROMISED_MS: Final = {True: 500, False: 100}
"""From the death until the pins are low: where lines persist, and where they are released."""
ORDERLY_MS: Final = 100
"""From the fault, where the daemon itself makes them low: rows 5 and 24."""


class Seen(NamedTuple):
    """Seconds from the fault, read from outside."""

    gone_s: float
    """The process had ended; in row 24, the processors were free again."""
    low_s: float
    """The last motor pin was low, or an input, for good."""


def play(client: Client) -> None:
    """Every motor has its full duty. Where the machine underneath is so busy that a tick is late,
    the daemon turns them off, as it has to: then it is tried again."""
    for _ in range(10):
        assert client.ask("start full")[-1] == "ok profile=full left=600"
        time.sleep(FULL_S)
        if client.status()["state"] == "running":
            return
        client.ask("clear")
    raise AssertionError("this machine is too busy for the emulated Pi: ticks are late")


def play_and_break(pi: Pi, fault: Fault) -> Seen:
    """Raises AssertionError where motors do not stay low, or the daemon comes back not idle."""
    deed = fault.deed.format(pid=pi.pid())
    with pi.client() as client:
        play(client)
        first = len(pi.edges)
        heard = b""
        until_s = time.monotonic() + (RESTART_S if fault.comes_back else WATCHED_S)
        pi.deed(deed)

        def is_over() -> bool:
            nonlocal heard, until_s
            heard += client.port.read(client.port.in_waiting)
            if fault.comes_back and b"* ready" in heard:
                until_s = min(until_s, time.monotonic() + 0.5)
            return time.monotonic() > until_s

        changes = pi.watch(PINS, is_over)
        if fault.comes_back:
            assert b"* ready" in heard, pi.shell("systemctl status firmware-ctl")[1]
            assert client.status()["state"] == "idle"
    marks = [edge.at_s for edge in pi.edges[first:] if edge.pin == HAND_PIN]
    assert len(marks) == 2, marks
    last = {change.pin: change for change in changes}
    assert not any(change.drives for change in last.values()), last
    low_at_s = max(change.at_s for change in last.values())
    return Seen(marks[1] - marks[0], max(0.0, low_at_s - marks[0]))


def measure(built: build.Image, name: str, persist: bool) -> Seen:
    with Pi(built, persist, snapshot(built, persist)) as pi:
        return play_and_break(pi, FAULTS[name])


def python_start_s(built: build.Image) -> float:
    """How fast the emulated Pi is just now: what a bare Python takes there."""
    with Pi(built, True, snapshot(built, True)) as pi:
        times = []
        for _ in range(5):
            begin_s = time.monotonic()
            pi.must("python3 -I -S -c pass")
            times.append(time.monotonic() - begin_s)
    return median(times)


def table(found: dict[tuple[str, bool], list[Seen]]) -> list[str]:
    lines = [
        "| row | fault | lines | n | process gone (s) | all low (s) | low after death (s) | promised |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, persist), seen in found.items():
        fault = FAULTS[name]
        if fault.row in (5, 24):
            after, promised = "", f"low {ORDERLY_MS / 1000}"
            if fault.row == 24:
                promised = "low, a fault"
        else:
            after = _spread([max(0.0, each.low_s - each.gone_s) for each in seen])
            promised = f"gone {fault.gone_ms / 1000}, then low {PROMISED_MS[persist] / 1000}"
        lines.append(
            f"| {fault.row} | {fault.name} | {'persist' if persist else 'released'} | {len(seen)} "
            f"| {_spread([each.gone_s for each in seen])} "
            f"| {_spread([each.low_s for each in seen])} | {after} | {promised} |"
        )
    return lines


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} / {max(seconds):.2f}"


HOW: Final = """\
# How long motors run on after a fault

Written by `python -m tests.emulation.kill_matrix`; none of it is from a real Raspberry Pi. Figures
are median / worst, in seconds.

An emulated Raspberry Pi 3B (QEMU, Linux {kernel}, systemd 252) plays a profile with every motor at
90 % duty through the real daemon, unit, gpiozero, lgpio and pinctrl-bcm2835. A process of its own
raises a spare pin, sets off the fault, and lowers the pin when the daemon has ended. The pins are
read from outside, at the emulated chip: each edge as it comes, and whether a pin is an output
every few milliseconds. "All low" is the last time that any motor pin was a high output; the pins are
watched until systemd has started the daemon again and it says that it is ready and idle. "Persist":
outputs stay driven when their owner dies, as on Raspberry Pi OS. "Released": they become inputs, as
with `dtparam=strict_gpiod`.

Times in which programs start depend on how busy the machine underneath is: while this was written
a bare `python3 -I -S -c pass` took {python:.2f} s in the guest.

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
    found: dict[tuple[str, bool], list[Seen]] = {}
    for name in args.only:
        for persist in (True, False):
            seen = found.setdefault((name, persist), [])
            for _ in range(args.rounds):
                seen.append(measure(built, name, persist))
                print(f"{name:9} persist={persist!s:5} {seen[-1]}", flush=True)
    with Pi(built, True, snapshot(built, True)) as pi:
        kernel = pi.must("uname -r").strip()
    how = HOW.format(kernel=kernel, python=python_start_s(built))
    args.out.write_text(how + "\n".join(table(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
