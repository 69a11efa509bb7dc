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
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.measure import Figures, Round, Row, kept, lines, machine, turn
from tests.emulation import build
from tests.emulation.noise import CHIP, PRESS, RELEASE, Hand, HapticCue, after
from tests.emulation.pi import PINS, Pi, image, restored, snapshot

OURS: Final = "ours"
OTHER: Final = " CPUSchedulingPolicy=other"
DROP_IN: Final = "etc/systemd/system/firmware-ctl.service.d"
PROGRAMS: Final = "/usr/local/lib/emulation"
PEER: Final = f"/opt/firmware-ctl/bin/python3 -I {PROGRAMS}/peer.py"
TICKS: Final = "/var/lib/firmware-ctl/ticks"

QUIET: Final = "dmesg -n 1"
"""What the kernel has to say would come amid what is read from the console."""

SOFT_S: Final = 4.0
"""From the start of a session until its levels are up."""
LOOK_S: Final = 10
TICKS_S: Final = 20
"""1 000 ticks: the p99.9 is all but the latest of a round."""
PRESSES: Final = 5


def drop_in(program: str, *settings: str) -> str:
    """What the unit has differently, where a program of `peer.py` is to take the daemon's place."""
    name, *more = program.split()
    if name != OURS:
        more += ["ExecStart=", f"ExecStart={PEER} {name}", "ExecStopPost=", "WatchdogSec=0"]
        more += ["Restart=no"]
    return "\n".join(["[Service]", *more, *settings, ""])


def install(pi: Pi, program: str, *settings: str) -> None:
    """Takes that place, or gives it back; the unit is stopped."""
    text = drop_in(program, *settings).replace("\n", "\\n")
    pi.must("systemctl stop firmware-ctl && systemctl reset-failed firmware-ctl")
    pi.must(f"mkdir -p /{DROP_IN} && printf '{text}' >/{DROP_IN}/bench.conf")
    pi.must("systemctl daemon-reload")


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


def took_s(pi: Pi, *names: str) -> list[float]:
    """From each of these times, by systemd's names for them, until the unit was active; 0 is the
    kernel's start."""
    show = "systemctl show firmware-ctl -P {}TimestampMonotonic"
    until_s = int(pi.must(show.format("ActiveEnter"))) / 1e6
    return [until_s - (int(pi.must(show.format(name))) / 1e6 if name else 0) for name in names]


def ready(built: build.Image, pi: Pi, program: str) -> Figures:
    """The second start: of the first, the emulator translates what it has not met before."""
    install(pi, program)
    pi.must("systemctl start firmware-ctl && systemctl stop firmware-ctl")
    pi.must("systemctl start firmware-ctl")
    (wall_s,) = took_s(pi, "InactiveExit")
    cpu_ns = int(pi.must("systemctl show -P CPUUsageNSec firmware-ctl"))
    return {"s": wall_s, "CPU s": cpu_ns / 1e9}


@cache
def disk(built: build.Image) -> bytes:
    """With the service installed; over the console it comes slowly."""
    with restored(built) as pi:
        pi.must(QUIET)
        return pi.disk()


def boot(built: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    packed = f"busybox find {DROP_IN} | busybox cpio --quiet -o -H newc | base64"
    layer = disk(built) + b64decode(pi.must(f"(cd / && {packed})"))
    pi.qmp("stop")
    with Pi(built, more=layer) as booted:
        booted.wait_for("the console is ready\r?\n")
        booted.press(False)
        booted.until_ready()
        kernel_s, unit_s = took_s(booted, "", "InactiveExit")
    pi.qmp("cont")
    return {"s": kernel_s, "of it the unit's": unit_s}


def told(pi: Pi, program: str) -> Figures:
    """What a program of the guest prints."""
    figures: Figures = json.loads(pi.must(f"python3 -I -S {PROGRAMS}/{program}"))
    return figures


def idle(built: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    pi.must("systemctl start firmware-ctl")
    time.sleep(SOFT_S)
    return told(pi, f"look.py {LOOK_S}")


def playing(built: build.Image, pi: Pi, program: str) -> Figures:
    with played(pi, program):
        return told(pi, f"look.py {LOOK_S}")


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
    return told(pi, f"late.py {TICKS} {from_s} {to_s}")


def uptime_s(pi: Pi) -> float:
    return float(pi.must("cat /proc/uptime").split()[0])


def last_high_ms(felt: HapticCue, move: int) -> float:
    """After that move; 0: all were low when they were first looked at, 2 to 4 ms after it."""
    return max(0.0, felt.high_ms[-1] - felt.made_ms[move]) if felt.high_ms else 0.0


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
                assert felt.high_ms, "a press started nothing"
                start_ms.append(felt.high_ms[0] - felt.made_ms[-1])
                felt = hand.does([*PRESS, *after(RELEASE, 200)], 1000)
                stop_ms.append(last_high_ms(felt, 0))
            else:
                felt = hand.does([*PRESS, *after(RELEASE, 500)], 1000)
                start_ms.append(felt.high_ms[0] - felt.made_ms[1])
                stop_ms.append(last_high_ms(felt, 2))
    return {
        "first on ms": start_ms[0],
        "on ms": median(start_ms[1:]),
        "on at most": max(start_ms[1:]),
        "off ms": median(stop_ms),
        "off at most": max(stop_ms),
    }  # fmt: skip


Measure = Callable[[build.Image, Pi, str], Figures]

TICKING: Final = {
    "ours": "ours",
    "absolute deadline": "loop",
    "gpiozero source": "source",
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


def patiently(measured: Callable[[], Figures]) -> Figures:
    """Where the machine underneath is so busy that a tick is late the daemon turns its motors off,
    as it has to: then it is measured anew."""
    for _ in range(2):
        try:
            return measured()
        except AssertionError as error:
            print(f"measured anew: {error}", file=sys.stderr, flush=True)
    return measured()


def play(
    row: Row, measure: Measure, built: build.Image, before: build.Image | None, number: int
) -> Iterator[Round]:
    """One round. Who comes first is another one each time; an earlier state of ours has a machine
    of its own."""
    names = list(row.contestants)
    first = number % len(names)
    with restored(built) as pi:
        pi.must(QUIET)
        for name in names[first:] + names[:first]:
            call = partial(measure, built, pi, row.contestants[name])
            yield turn(name, partial(patiently, call))
    if before is not None:
        with Pi(before, True, snapshot(before, True)) as pi:
            pi.must(QUIET)
            yield turn("ours before", partial(patiently, partial(measure, before, pi, OURS)))


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
        rounds = []
        for number in range(args.rounds):
            for each in play(row, measure, built, before, number):
                print(f"{row.name}, round {number + 1}: {each}", file=sys.stderr, flush=True)
                rounds.append(each)
        rounds.sort(key=lambda each: [*row.contestants, each.contestant].index(each.contestant))
        print("\n".join(lines(row, rounds)), flush=True)
        found[row.name] = kept(row, rounds)
    if args.json is not None:
        told = {**machine(), "rows": found}
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
