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

TABLE: Final = build.REPOSITORY / "docs/kill-matrix.md"
FULL_S: Final = 4.0
"""From the start until every motor has its full duty."""
WATCHED_S: Final = 3.0
"""Longer than the slowest way to low: the watchdog's 2 s."""
RESTART_S: Final = 60.0


class Fault(NamedTuple):
    row: int
    """In the safety concept's table."""
    name: str
    deed: str
    """What the hand in the guest does; `{pid}` is the daemon."""
    persist_ms: int
    """Promised: low after so long where lines persist, the pin follows within a PWM period."""
    released_ms: int
    comes_back: bool = True
    """systemd starts the daemon again."""


def _kill(number: int) -> str:
    return f"kill {{pid}} {number}"


FAULTS: Final = {
    "deadlock": Fault(2, "the loop waits for ever", _kill(DEADLOCK), 1000, 600),
    "gil": Fault(2, "C code holds Python's lock", _kill(HOLD_THE_GIL), 1000, 600),
    "kill": Fault(3, "SIGKILL, as by the OOM killer", _kill(signal.SIGKILL), 500, 100),
    "segv": Fault(3, "SIGSEGV", _kill(signal.SIGSEGV), 500, 100),
    "abrt": Fault(3, "SIGABRT", _kill(signal.SIGABRT), 500, 100),
    "stop": Fault(4, "SIGSTOP", _kill(signal.SIGSTOP), 1000, 600),
    "term": Fault(5, "SIGTERM", _kill(signal.SIGTERM), 100, 100, False),
    "int": Fault(5, "SIGINT", _kill(signal.SIGINT), 100, 100, False),
    "hup": Fault(5, "SIGHUP", _kill(signal.SIGHUP), 100, 100, False),
    "starved": Fault(24, "no processor for 350 ms", "hog 350", 500, 500, False),
}


class Seen(NamedTuple):
    low_after_s: float
    """From the fault until the last motor pin was low, or an input, for good."""
    high_at_death: int
    """How many pins were left high for longer than a PWM period could explain."""
    state: str
    """What the daemon that is there afterwards says."""


def play_and_break(pi: Pi, fault: Fault) -> Seen:
    """Raises AssertionError where motors do not stay low."""
    deed = fault.deed.format(pid=pi.pid())
    with pi.client() as client:
        assert client.ask("start full")[-1] == "ok profile=full left=600"
        time.sleep(FULL_S)
        before = len(pi.edges)
        pi.deed(deed)
        heard = b""
        until_s = time.monotonic() + (RESTART_S if fault.comes_back else WATCHED_S)

        def is_over() -> bool:
            nonlocal heard, until_s
            heard += client.port.read(client.port.in_waiting)
            if fault.comes_back and b"* ready" in heard and until_s - time.monotonic() > 0.5:
                until_s = time.monotonic() + 0.5
            return time.monotonic() > until_s

        changes = pi.watch(PINS, is_over)
        if fault.comes_back:
            assert b"* ready" in heard, (heard, pi.shell("systemctl status firmware-ctl")[1])
    begin_s = next(edge.at_s for edge in pi.edges[before:] if edge.pin == HAND_PIN)
    last = {pin: [change for change in changes if change.pin == pin][-1] for pin in PINS}
    assert not any(change.drives for change in last.values()), last
    low_after_s = max(0.0, *(change.at_s - begin_s for change in last.values()))
    stayed = sum(change.at_s - begin_s > 0.05 for change in last.values())
    code, state = pi.shell("firmware-ctl status || systemctl is-active firmware-ctl")
    return Seen(low_after_s, stayed, state)


def measure(built: build.Image, name: str, persist: bool) -> Seen:
    with Pi(built, persist, snapshot(built, persist)) as pi:
        return play_and_break(pi, FAULTS[name])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.kill_matrix")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is set off")
    parser.add_argument("--only", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args(arguments)
    missing = build.missing_tools()
    if missing:
        print(f"the emulated Pi needs {', '.join(missing)}; .ci/run installs all", file=sys.stderr)
        return 2
    built = image()
    lines = []
    for name in args.only:
        for persist in (True, False):
            seen = []
            for _ in range(args.rounds):
                seen.append(measure(built, name, persist))
                print(name, "persist" if persist else "released", seen[-1], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
