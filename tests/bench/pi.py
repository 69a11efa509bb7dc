"""The installed service on the emulated Pi, beside programs with gpiozero: `python -m tests.bench.pi`.

For each round of a row a Pi is restored from its snapshot. On it the contestants run one after another,
each as the program of the service's unit. So user, sandbox and scheduling are those of the service,
unless the contestant's name says otherwise. Times are the guest's, whose speed changes from run to run:
compare them only within one table.
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

from tests.bench.measure import (
    Figures,
    Goal,
    Round,
    Row,
    json_of_row,
    lines,
    machine,
    measure_turn,
)
from tests.emulation import build
from tests.emulation.noise import (
    PRESS,
    RELEASE,
    START_CONTACTS,
    USE_GPIO_SIM,
    WAIT_FOR_CONTACTS,
    ButtonRig,
    Recording,
    after,
)
from tests.emulation.pi import Pi, build_image, restore, snapshot_file

OURS: Final = "ours"
DEFAULT_POLICY: Final = " CPUSchedulingPolicy=other"
DROP_IN: Final = "etc/systemd/system/firmware-ctl.service.d"
PROGRAMS: Final = "/usr/local/lib/emulation"
CONTESTANT: Final = f"/usr/bin/python3 -I {PROGRAMS}/contestant.py"
TICKS: Final = "/var/lib/firmware-ctl/ticks"

SILENCE_KERNEL: Final = "dmesg -n 1"
"""Otherwise messages of the kernel would mix with the output of commands on the console."""

SOFT_START_S: Final = 4.0
"""From the start of a session until its levels are at full height."""
USAGE_S: Final = 10
TICKS_S: Final = 20
"""1000 ticks, so that the p99.9 leaves out only the latest tick of a round."""
PRESSES: Final = 5


def drop_in(program: str, *settings: str) -> str:
    """A drop-in file for the unit. `program`: `ours` or a program of `contestant.py`, and settings."""
    name, *lines = program.split()
    if name != OURS:
        lines += ["ExecStart=", f"ExecStart={CONTESTANT} {name}", "ExecStopPost=", "WatchdogSec=0"]
        lines += ["Restart=no"]
    return "\n".join(["[Service]", *lines, *settings, ""])


def install(pi: Pi, program: str, *settings: str) -> None:
    """Makes `program` the program of the unit. The unit is stopped afterwards."""
    text = drop_in(program, *settings).replace("\n", "\\n")
    pi.run("systemctl stop firmware-ctl && systemctl reset-failed firmware-ctl")
    pi.run(f"mkdir -p /{DROP_IN} && printf '{text}' >/{DROP_IN}/bench.conf")
    pi.run("systemctl daemon-reload")


@contextmanager
def playing_program(pi: Pi, program: str, *settings: str) -> Iterator[None]:
    """Inside the context the program plays, and its soft start is over."""
    install(pi, program, *settings)
    pi.run("systemctl start firmware-ctl")
    if not program.startswith(OURS):
        time.sleep(SOFT_START_S)
        yield
        return
    with pi.client() as client:
        assert client.start("bench").startswith("ok"), client.status()
        time.sleep(SOFT_START_S)
        yield
        status = client.status()
        assert status["state"] == "running", f"this machine is too busy: {status}"
        client.ask("stop")


def until_active_s(pi: Pi, *names: str) -> list[float]:
    """The time from each event until systemd called the unit active.

    An event has systemd's name for its time stamp. An empty name is the start of the kernel.
    """
    show = "systemctl show firmware-ctl -P {}TimestampMonotonic"
    active_s = int(pi.run(show.format("ActiveEnter"))) / 1e6
    return [active_s - (int(pi.run(show.format(name))) / 1e6 if name else 0) for name in names]


def ready(image: build.Image, pi: Pi, program: str) -> Figures:
    """Measures the second start. In the first one the emulator translates code that it has never run."""
    install(pi, program)
    pi.run("systemctl start firmware-ctl && systemctl stop firmware-ctl")
    pi.run("systemctl start firmware-ctl")
    (wall_s,) = until_active_s(pi, "InactiveExit")
    cpu_ns = int(pi.run("systemctl show -P CPUUsageNSec firmware-ctl"))
    return {"s": wall_s, "CPU s": cpu_ns / 1e9}


@cache
def disk_layer(image: build.Image) -> bytes:
    """The disk of a Pi with the service installed. Reading it over the console is slow."""
    with restore(image) as pi:
        pi.run(SILENCE_KERNEL)
        return pi.disk_layer(image)


def boot(image: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    packed = f"busybox find {DROP_IN} | busybox cpio --quiet -o -H newc | base64"
    layer = disk_layer(image) + b64decode(pi.run(f"(cd / && {packed})"))
    pi.qmp("stop")
    with Pi(image, bottom_layer=layer) as booted:
        booted.wait_for_console()
        booted.wait_until_active()
        kernel_s, unit_s = until_active_s(booted, "", "InactiveExit")
    pi.qmp("cont")
    return {"s": kernel_s, "of it the unit's": unit_s}


def figures_of(pi: Pi, program: str) -> Figures:
    """Runs a measuring program in the guest, which prints its figures as JSON."""
    figures: Figures = json.loads(pi.run(f"python3 -I -S {PROGRAMS}/{program}"))
    return figures


def idle(image: build.Image, pi: Pi, program: str) -> Figures:
    install(pi, program)
    pi.run("systemctl start firmware-ctl")
    time.sleep(SOFT_START_S)
    return figures_of(pi, f"usage.py {USAGE_S}")


def playing(image: build.Image, pi: Pi, program: str) -> Figures:
    with playing_program(pi, program):
        return figures_of(pi, f"usage.py {USAGE_S}")


def ticks(hogged: Sequence[int], image: build.Image, pi: Pi, program: str) -> Figures:
    """Runs a busy loop on each core of `hogged`. If that is one core, the program may use only it."""
    affinity = [f"CPUAffinity={hogged[0]}"] if len(hogged) == 1 else []
    with playing_program(pi, program, f"Environment=EMULATION_TICKS={TICKS}", *affinity):
        for core in hogged:
            pi.run(f"systemd-run -q -u hog{core} -p CPUAffinity={core} sh -c 'while :; do :; done'")
        from_s = uptime_s(pi)
        time.sleep(TICKS_S)
        to_s = uptime_s(pi)
        pi.run("systemctl stop 'hog*'")
    pi.run("systemctl stop firmware-ctl")
    return figures_of(pi, f"late.py {TICKS} {from_s} {to_s}")


def uptime_s(pi: Pi) -> float:
    return float(pi.run("cat /proc/uptime").split()[0])


def off_after_ms(recording: Recording, move: int) -> float:
    """From a move until a motor pin was last seen high.

    0 if all pins were already low in the first sample, 2 to 4 ms after the move.
    """
    if not recording.motor_high_ms:
        return 0.0
    return max(0.0, recording.motor_high_ms[-1] - recording.moved_at_ms[move])


def press(image: build.Image, pi: Pi, program: str) -> Figures:
    """On gpio-sim's chip. Our daemon starts when the button is released and stops when it is touched. The
    other program's LED is on while the button is pressed."""
    install(pi, program)
    # The first contestant of a round sets the chip up.
    set_up = f"systemctl stop fault-injector && {USE_GPIO_SIM}{START_CONTACTS}"
    pi.run(f"[ -p /run/contacts.result ] || {{ {set_up}; }}")
    pi.run(WAIT_FOR_CONTACTS)
    is_ours = program == OURS
    on_ms, off_ms = [], []
    with pi.client() as client:
        rig = ButtonRig(pi, client)
        rig.play(RELEASE, 0)
        pi.run("systemctl start firmware-ctl")
        if is_ours:
            client.ask("select full")
        for _ in range(PRESSES):
            if is_ours:
                rig.reset()
                recording = rig.play([*PRESS, *after(RELEASE, 200)], 3000)
                assert recording.motor_high_ms, "a press started nothing"
                on_ms.append(recording.motor_high_ms[0] - recording.moved_at_ms[-1])
                recording = rig.play([*PRESS, *after(RELEASE, 200)], 1000)
                off_ms.append(off_after_ms(recording, 0))
            else:
                recording = rig.play([*PRESS, *after(RELEASE, 500)], 1000)
                on_ms.append(recording.motor_high_ms[0] - recording.moved_at_ms[1])
                off_ms.append(off_after_ms(recording, 2))
    return {
        "first on ms": on_ms[0],
        "on ms": median(on_ms[1:]),
        "on at most": max(on_ms[1:]),
        "off ms": median(off_ms),
        "off at most": max(off_ms),
    }


Measure = Callable[[build.Image, Pi, str], Figures]

TICK_CONTESTANTS: Final = {
    "ours": "ours",
    "absolute deadline": "loop",
    "gpiozero source": "source",
    "absolute deadline, default policy": "loop" + DEFAULT_POLICY,
    "gpiozero source, default policy": "source" + DEFAULT_POLICY,
}
TICK_LATENESS: Final = "How late ticks of 20 ms are while eight motors play, "

ROWS: Final[Sequence[tuple[Row, Measure]]] = (
    (Row("boot", "From the kernel's start until systemd calls the unit active.",
         {"ours": "ours", "gpiozero minimal": "minimal"}, ()), boot),
    (Row("ready", "From `systemctl start` until the program reports READY.",
         {"ours": "ours", "gpiozero minimal": "minimal", "imports alone": "imports"}, ()), ready),
    (Row("idle", "Waiting for a press, eight motors at 0: processor time and memory.",
         {"ours": "ours", "gpiozero minimal": "minimal", "imports alone": "imports"}, ()), idle),
    (Row("playing", "Ramps and waves on eight motors at 53 Hz: processor time and memory.",
         {"ours": "ours", "absolute deadline": "loop", "gpiozero source": "source",
          "gpiozero pulse": "pulse"},
         (Goal("CPU ms/s", "", 120), Goal("of it Python's", "", 90))), playing),
    (Row("pwm", "lgpio's PWM alone, eight motors at different duties: by its frequency, and with periods that "
         "begin one after another instead of together.",
         {"ours": "pwm-53", "200 Hz": "pwm-200", "250 Hz": "pwm-250", "250 Hz, apart": "pwm-250-500"}, ()),
     idle),
    (Row("ticks", TICK_LATENESS + "on four idle cores.", TICK_CONTESTANTS, ()), partial(ticks, ())),
    (Row("ticks-one", TICK_LATENESS + "on one core, beside a busy loop.", TICK_CONTESTANTS, ()), partial(ticks, (3,))),
    (Row("ticks-all", TICK_LATENESS + "with a busy loop on each of four cores.", TICK_CONTESTANTS, ()),
     partial(ticks, (0, 1, 2, 3))),
    (Row("press", "From the button's edge until the first motor pin is high, and until the last one was high.",
         {"ours": "ours", "gpiozero when_pressed": "press"}, ()), press),
)  # fmt: skip


def with_retries(measure: Callable[[], Figures]) -> Figures:
    """Measures again, at most twice, after an AssertionError.

    On a busy machine a tick may be late. The daemon then turns its motors off, as it has to, and there
    is nothing to measure.
    """
    for _ in range(2):
        try:
            return measure()
        except AssertionError as error:
            print(f"measured again: {error}", file=sys.stderr, flush=True)
    return measure()


def play_round(
    row: Row, measure: Measure, image: build.Image, earlier: build.Image | None, number: int
) -> Iterator[Round]:
    """Plays one round. Each round begins with another contestant, so that none is always the first.

    An earlier version of this project runs on a machine of its own.
    """
    names = list(row.contestants)
    first = number % len(names)
    with restore(image) as pi:
        pi.run(SILENCE_KERNEL)
        for name in names[first:] + names[:first]:
            call = partial(measure, image, pi, row.contestants[name])
            yield measure_turn(name, partial(with_retries, call))
    if earlier is not None:
        with Pi(earlier, True, snapshot_file(earlier, True)) as pi:
            pi.run(SILENCE_KERNEL)
            call = partial(measure, earlier, pi, OURS)
            yield measure_turn("ours before", partial(with_retries, call))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pi")
    names = [row.name for row, _ in ROWS]
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"one or more of: {', '.join(names)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="also measure the version of this project in FOLDER")  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every round with its figures to FILE"
    )
    args = parser.parse_args(arguments)
    if unknown := set(args.rows) - set(names):
        parser.error(f"unknown row {', '.join(sorted(unknown))}")
    if missing := build.missing_tools():
        print(
            f"the emulated Pi needs {', '.join(missing)}; the README names the packages",
            file=sys.stderr,
        )
        return 2
    image = build_image()
    earlier = build_image(args.before) if args.before else None
    results = {}
    for row, measure in ROWS:
        if args.rows and row.name not in args.rows:
            continue
        rounds = []
        for number in range(args.rounds):
            for each in play_round(row, measure, image, earlier, number):
                print(f"{row.name}, round {number + 1}: {each}", file=sys.stderr, flush=True)
                rounds.append(each)
        rounds.sort(key=lambda each: [*row.contestants, each.contestant].index(each.contestant))
        print("\n".join(lines(row, rounds)), flush=True)
        results[row.name] = json_of_row(row, rounds)
    if args.json is not None:
        report = {**machine(), "rows": results}
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
