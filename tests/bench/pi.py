"""The installed service on the emulated Pi, beside gpiozero's own programs in its place:
`python -m tests.bench.pi`.

A round of a row is a machine of its own, restored from the snapshot. In it the contestants take
turns as the program of the same unit: user, sandbox and scheduling are those of the service unless
a contestant's name says otherwise. Seconds are the guest's: they compare within one table only.
"""

import argparse
import json
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from tests.bench.measure import Figures, Round, Row, kept, lines, machine, turn
from tests.emulation import build
from tests.emulation.pi import PINS, Pi, image, snapshot
from tests.emulation.test_button import CHIP, PRESS, RELEASE, Hand, after

OURS: Final = "ours"
OTHER: Final = " CPUSchedulingPolicy=other"
DROP_IN: Final = "etc/systemd/system/firmware-ctl.service.d"
PEER: Final = "/opt/firmware-ctl/bin/python3 -I /usr/local/lib/emulation/peer.py"
TICKS: Final = "/var/lib/firmware-ctl/ticks"

SOFT_S: Final = 4.0
"""From the start of a session until its levels are up."""
LOOK_S: Final = 15
TICKS_S: Final = 30
"""1 500 ticks: the p99.9 is the second latest of a round."""
PRESSES: Final = 4


def install(pi: Pi, program: str, *settings: str) -> None:
    """Puts a program of `peer.py` in the daemon's place, or the daemon back, with these settings."""
    name, *more = program.split()
    if name != OURS:
        more += ["ExecStart=", f"ExecStart={PEER} {name}", "ExecStopPost=", "WatchdogSec=0", "Restart=no"]  # fmt: skip
    text = "".join(f"{line}\\n" for line in ("[Service]", *more, *settings))
    pi.must(
        f"mkdir -p /{DROP_IN} && systemctl stop firmware-ctl && printf '{text}' >/{DROP_IN}/bench.conf"
    )
    pi.must("systemctl daemon-reload && systemctl reset-failed firmware-ctl")


@contextmanager
def played(pi: Pi, program: str, *settings: str) -> Iterator[None]:
    """It plays, and has for long enough that its soft start is over."""
    install(pi, program, *settings)
    pi.must("systemctl start firmware-ctl")
    if not program.startswith(OURS):
        time.sleep(SOFT_S)
        yield
        return
    with pi.client() as client:
        assert client.start("bench").startswith("ok"), client.status()
        time.sleep(SOFT_S)
        yield
        status = client.status()
        assert status["state"] == "running", f"this machine is too busy: {status}"
        client.ask("stop")


def stamps(pi: Pi) -> dict[str, float]:
    """Seconds of the guest's monotonic clock, by systemd's names for what happened then."""
    told = pi.must("systemctl show firmware-ctl").splitlines()
    pairs = (line.split("=", 1) for line in told if "TimestampMonotonic=" in line)
    return {name.removesuffix("TimestampMonotonic"): int(us) / 1e6 for name, us in pairs}


def ready(built: build.Image, pi: Pi, program: str) -> Figures:
    """The second start: of the first, the emulator translates what it has not met before."""
    install(pi, program)
    pi.must("systemctl start firmware-ctl && systemctl stop firmware-ctl")
    pi.must("systemctl start firmware-ctl")
    at_s = stamps(pi)
    cpu_ns = int(pi.must("systemctl show -P CPUUsageNSec firmware-ctl"))
    return {
        "s": at_s["ActiveEnter"] - at_s["InactiveExit"],
        "of it the program's": at_s["ActiveEnter"] - at_s["ExecMainStart"],
        "CPU s": cpu_ns / 1e9,
    }


def boot(built: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    packed = f"(cd / && busybox find {DROP_IN} | busybox cpio --quiet -o -H newc | base64)"
    disk = pi.disk() + b64decode(pi.must(packed))
    pi.qmp("stop")
    with Pi(built, more=disk) as booted:
        booted.wait_for("the console is ready\r?\n")
        booted.press(False)
        booted.until_ready()
        at_s = stamps(booted)
    pi.qmp("cont")
    return {
        "s from the kernel's start": at_s["ActiveEnter"],
        "s from the unit's": at_s["ActiveEnter"] - at_s["InactiveExit"],
    }


def look(pi: Pi) -> Figures:
    figures: Figures = json.loads(
        pi.must(f"python3 -I -S /usr/local/lib/emulation/look.py {LOOK_S}")
    )
    return figures


def idle(built: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    pi.must("systemctl start firmware-ctl")
    time.sleep(SOFT_S)
    return look(pi)


def playing(built: build.Image, pi: Pi, program: str) -> Figures:
    with played(pi, program):
        return look(pi)


def ticks(hogged: Sequence[int], built: build.Image, pi: Pi, program: str) -> Figures:
    """Each core of `hogged` has a loop that spins; of one core, the program has no other."""
    affinity = [f"CPUAffinity={hogged[0]}"] if len(hogged) == 1 else []
    with played(pi, program, f"Environment=EMULATION_TICKS={TICKS}", *affinity):
        for core in hogged:
            pi.must(
                f"systemd-run -q -u hog{core} -p CPUAffinity={core} sh -c 'while :; do :; done'"
            )
        from_s = uptime_s(pi)
        time.sleep(TICKS_S)
        to_s = uptime_s(pi)
        pi.must("systemctl stop 'hog*'")
    pi.must("systemctl stop firmware-ctl")
    return lateness(json.loads(pi.must(f"cat {TICKS}")), from_s, to_s)


def uptime_s(pi: Pi) -> float:
    return float(pi.must("cat /proc/uptime").split()[0])


def lateness(noted: Sequence[tuple[int, int]], from_s: float, to_s: float) -> Figures:
    """Of ticks as pairs of nanoseconds, when one was due and when it was done, within that time.

    One that was done before it was due came for something else, and is left out.
    """
    within = [(due, done) for due, done in noted if from_s <= done / 1e9 <= to_s]
    late_ms = [(done - due) / 1e6 for due, done in within if done >= due]
    apart_ms = [(b - a) / 1e6 for (_, a), (_, b) in pairwise(within)]
    late = quantiles(late_ms, n=1000, method="inclusive")
    apart = quantiles(apart_ms, n=1000, method="inclusive")
    return {
        "p50 ms": median(late_ms), "p99 ms": late[989], "p99.9 ms": late[998], "most ms": max(late_ms),
        "apart p99.9 ms": apart[998], "ticks": len(late_ms),
    }  # fmt: skip


def press(built: build.Image, pi: Pi, program: str) -> Figures:
    """On gpio-sim's chip. Ours starts when the button is released and stops when it is touched; the
    LED goes on when it is pressed and off when it is released."""
    install(pi, program)
    made = f"{CHIP}echo 'MOTORS={' '.join(map(str, PINS))}' >>/run/finger.env && systemctl start finger"
    pi.must(f"[ -p /run/felt ] || {{ systemctl stop hand && {made}; }}")
    pi.must("until [ -p /run/felt ]; do sleep 0.2; done")
    is_ours = program == OURS
    start_ms, stop_ms = [], []
    with pi.client() as client:
        hand = Hand(pi, client)
        hand.does(RELEASE, 0)
        pi.must("systemctl start firmware-ctl")
        if is_ours:
            client.ask("select full")
        for _ in range(PRESSES):
            if is_ours:
                hand.rests()
                felt = hand.does([*PRESS, *after(RELEASE, 200)], 3000)
                start_ms.append(felt.high_ms[0] - felt.made_ms[-1])
                felt = hand.does([*PRESS, *after(RELEASE, 200)], 1000)
                stop_ms.append(felt.high_ms[-1] - felt.made_ms[0])
            else:
                felt = hand.does([*PRESS, *after(RELEASE, 500)], 1000)
                start_ms.append(felt.high_ms[0] - felt.made_ms[1])
                stop_ms.append(felt.high_ms[-1] - felt.made_ms[2])
    return {
        "on ms": median(start_ms), "at most": max(start_ms),
        "off ms": median(stop_ms), "off at most": max(stop_ms),
    }  # fmt: skip


Measure = Callable[[build.Image, Pi, str], Figures]

TICKING: Final = {
    "ours": "ours",
    "absolute deadline": "loop",
    "gpiozero source": "source",
    "ours, default policy": "ours" + OTHER,
    "absolute deadline, default policy": "loop" + OTHER,
    "gpiozero source, default policy": "source" + OTHER,
}
HOW: Final = "How late ticks of 20 ms come while eight motors play, "

ROWS: Final[Sequence[tuple[Row, Measure]]] = (
    (Row("boot", "From the kernel's start until systemd calls the unit active.",
         {"ours": "ours", "gpiozero minimal": "minimal"}, ()), boot),
    (Row("ready", "`systemctl start` until it says READY.",
         {"ours": "ours", "gpiozero minimal": "minimal", "imports alone": "imports"}, ()), ready),
    (Row("idle", "Waiting for a press, eight motors at 0: processor time and memory.",
         {"ours": "ours", "gpiozero minimal": "minimal", "imports alone": "imports"}, ()), idle),
    (Row("playing", "Ramps and waves on eight motors at 53 Hz: processor time and memory.",
         {"ours": "ours", "absolute deadline": "loop", "gpiozero source": "source",
          "gpiozero pulse": "pulse"}, ()), playing),
    (Row("ticks", HOW + "on four cores.", TICKING, ()), partial(ticks, ())),
    (Row("ticks-one", HOW + "on one core, beside a loop that spins.", TICKING, ()), partial(ticks, (3,))),
    (Row("ticks-all", HOW + "with a loop that spins on each of four cores.", TICKING, ()),
     partial(ticks, (0, 1, 2, 3))),
    (Row("press", "From the button's edge until the first motor is high, and the last one was.",
         {"ours": "ours", "gpiozero when_pressed": "press"}, ()), press),
)  # fmt: skip


def play(
    row: Row, measure: Measure, built: build.Image, before: build.Image | None, number: int
) -> Iterator[Round]:
    """One round. Who comes first is another one each time; an earlier state of ours has a machine of its own."""
    names = list(row.contestants)
    first = number % len(names)
    with Pi(built, True, snapshot(built, True)) as pi:
        for name in names[first:] + names[:first]:
            yield turn(name, partial(measure, built, pi, row.contestants[name]))
    if before is not None:
        with Pi(before, True, snapshot(before, True)) as pi:
            yield turn("ours before", partial(measure, before, pi, OURS))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pi")
    names = [row.name for row, _ in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="an earlier state of this project, measured as well")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="every round with its figures")
    args = parser.parse_args(arguments)
    if unknown := set(args.rows) - set(names):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    if missing := build.missing_tools():
        print(
            f"the emulated Pi needs {', '.join(missing)}; the README names the packages",
            file=sys.stderr,
        )
        return 2
    built = image()
    before = image(args.before) if args.before else None
    found = {}
    for row, measure in ROWS:
        if args.rows and row.name not in args.rows:
            continue
        rounds = [each for n in range(args.rounds) for each in play(row, measure, built, before, n)]
        rounds.sort(key=lambda each: [*row.contestants, each.contestant].index(each.contestant))
        print("\n".join(lines(row, rounds)), flush=True)
        found[row.name] = kept(row, rounds)
    if args.json is not None:
        told = {**machine(), "rows": found}
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
