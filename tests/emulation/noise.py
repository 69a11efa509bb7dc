"""Noise on the start button's cable, on the emulated Pi: `python -m tests.emulation.noise`.

The emulated pin controller reports no edges, so a chip of gpio-sim takes the place of the header. A
program in the guest moves both contacts of the button as a hum of 50 or 60 Hz or as bursts, while the
daemon is idle, plays a haptic, runs a session or has a fault. Each round counts the edges that the
guest's kernel delivered to the daemon. A round whose noise did not reach the daemon has failed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final, NamedTuple

from firmware_ctl.limits import LOCK_MS
from firmware_ctl.session.button import BROKEN_MS
from tests.emulation import build
from tests.emulation.machine import LIFE_S
from tests.emulation.pi import MAT, MOTOR_PINS, Pi, build_image, restore
from tests.support.process import Client

assert MAT.button is not None
assert MAT.button.released_pin is not None
PRESSED_PIN: Final = MAT.button.pressed_pin
RELEASED_PIN: Final = MAT.button.released_pin

USE_GPIO_SIM: Final = """\
insmod /lib/configfs.ko.xz && insmod /lib/gpio-sim.ko.xz &&
mount -t configfs none /sys/kernel/config && cd /sys/kernel/config/gpio-sim && mkdir -p pi/bank0 &&
echo 54 >pi/bank0/num_lines && echo pinctrl-bcm2835 >pi/bank0/label && echo 1 >pi/live &&
udevadm settle &&
name=$(cat pi/bank0/chip_name) && cd / && mv /dev/gpiochip0 /dev/header && mv /dev/$name /dev/gpiochip0 &&
echo LINES=/sys/devices/platform/gpio-sim.0/$name >/run/contacts.env && \
"""
"""Shell commands that put a gpio-sim chip in the place of the header's chip, once udev has given it to the
group of the pins. They end with `&&`, so another command must follow."""
START_CONTACTS: Final = f"echo 'MOTORS={' '.join(map(str, MOTOR_PINS))}' >>/run/contacts.env && systemctl start contacts"
WAIT_FOR_CONTACTS: Final = "until [ -p /run/contacts.result ]; do sleep 0.2; done"

Move = tuple[float, int, bool]
"""When in ms, the pin of a contact, and whether it closes."""


class Recording(NamedTuple):
    """What the guest recorded during moves of the contacts. Times are ms from their begin."""

    moved_at_ms: list[float]
    """The times of the first hundred moves."""
    longest_pause_ms: float
    """An upper limit for the longest time between two moves."""
    motor_high_ms: list[float]
    """The first and the last time at which a motor pin was seen high. Empty: never."""
    move_count: int


class ButtonRig:
    """A Pi whose button can be moved, and a client of its daemon."""

    def __init__(self, pi: Pi, client: Client) -> None:
        self.pi = pi
        self.client = client

    def play(self, moves: Sequence[Move], watch_ms: int, **options: object) -> Recording:
        """Makes the moves. `options` are the other arguments of `play` in the guest's `contacts.py`."""
        request = json.dumps({"moves": moves, "watch_ms": watch_ms, **options})
        output = self.pi.run(f"echo '{request}' >/run/contacts.request; cat /run/contacts.result")
        return Recording(**json.loads(output))

    def delivered_edges(self) -> int:
        """How many edges the guest's kernel has delivered to the lines that the daemon holds."""
        lines = self.pi.shell("grep 'firmware-ctl button' /proc/interrupts")[1].splitlines()
        counts = [int(word) for line in lines for word in line.split()[1:] if word.isdecimal()]
        return sum(counts)

    def reset(self) -> None:
        """Makes the daemon idle and ready for a press, also if a busy machine had it killed."""
        self.pi.wait_until_active()
        self.play(RELEASE, 0)
        for request in ("stop", "clear", "select full"):
            self.client.ask(request)
        time.sleep(LOCK_MS / 1000 + 0.2)
        assert self.state() == "idle"

    def state(self) -> str:
        return self.client.status()["state"]


PRESS: Final[list[Move]] = [(0, RELEASED_PIN, False), (2, PRESSED_PIN, True)]
RELEASE: Final[list[Move]] = [(0, PRESSED_PIN, False), (2, RELEASED_PIN, True)]


def after(moves: Sequence[Move], delay_ms: float) -> list[Move]:
    return [(at_ms + delay_ms, pin, is_closed) for at_ms, pin, is_closed in moves]


TAP: Final = [*PRESS, *after(RELEASE, 300)]


@contextmanager
def button_rig(image: build.Image) -> Iterator[ButtonRig]:
    """A Pi with gpio-sim's chip as its header. The service runs and is idle."""
    with restore(image, life_s=3 * LIFE_S) as pi:  # many tests share it
        pi.run("systemctl stop firmware-ctl fault-injector")
        pi.run(USE_GPIO_SIM + START_CONTACTS)
        pi.run(WAIT_FOR_CONTACTS)
        with pi.client() as client:
            rig = ButtonRig(pi, client)
            rig.play(RELEASE, 0)
            pi.run("systemctl start firmware-ctl")
            client.ask("ping")
            client.ask("select full")
            yield rig


# --- noise ------------------------------------------------------------------------------------

NOISE_MS: Final = 3_000


def hum(rate_hz: int) -> dict[str, object]:
    """Each contact is closed for about half of each period. They are never closed at the same time."""
    period_ms = 1000 / rate_hz
    shares = [
        (0.0, PRESSED_PIN, True),
        (0.15, RELEASED_PIN, False),
        (0.5, PRESSED_PIN, False),
        (0.65, RELEASED_PIN, True),
    ]
    moves = [(period_ms * share, pin, is_closed) for share, pin, is_closed in shares]
    return {"moves": moves, "times": NOISE_MS * rate_hz // 1000, "every_ms": period_ms}


NOISES: Final = {
    "50 Hz": hum(50),
    "60 Hz": hum(60),
    "bursts": {
        "moves": [
            (0, PRESSED_PIN, True),
            (0.2, RELEASED_PIN, False),
            (0.4, PRESSED_PIN, False),
            (0.6, RELEASED_PIN, True),
        ],
        "times": 60,
        "every_ms": 0.8,
        "bursts": 10,
        "burst_every_ms": 300,
    },
}
"""The arguments of `play` for each kind of noise. At its end the button is released."""

BEFORE: Final[dict[str, tuple[list[Move], int]]] = {
    "idle": ([], 0),
    "fault": ([], 0),
    "haptic": (PRESS, 1_600),
    "running": (TAP, 3_000),
}
"""State of the daemon → moves that lead to it, and the time in ms at which the noise begins."""
STATES: Final = tuple(BEFORE)
MOVE_MS: Final = 50
"""A single move may take so long on a busy machine."""
MOST_LATE_MS: Final = 100
STOPPED_MS: Final = 500
"""From this time after the first edge no motor pin is high. It includes the delays of the slow emulated
Pi and a period of the PWM."""


class Round(NamedTuple):
    noise: str
    state: str
    """The daemon's state when the noise begins."""
    moves: int
    """How often a contact was moved."""
    delivered_edges: int
    """How many edges of these moves reached the daemon's lines."""
    motor_high_ms: tuple[float, ...]
    """The first and the last time, from the beginning of the noise, at which a motor pin was seen high."""
    events: tuple[str, ...]
    """The states and haptics that the daemon published."""
    was_killed: bool
    final_state: str
    longest_pause_ms: int
    """The longest time between two moves. It is long if a busy machine delayed the moves."""
    late_ms: int
    """How late a witness in the guest woke at most. The emulator or the host delayed it, and so perhaps
    the daemon and the moves, too."""

    @property
    def is_judged(self) -> bool:
        """False if the machine was so late that a failure proves nothing."""
        return self.late_ms < MOST_LATE_MS

    def failures(self) -> list[str]:
        """Why the round has failed. Empty: it has passed."""
        may_move = self.state in ("running", "haptic")
        sessions = self.events.count("state=running")
        expected_sessions = int(self.state == "running")
        haptics = sum("signal=p" in event for event in self.events)
        expected_haptics = int(self.state == "haptic")
        failures = {
            "the noise did not reach the daemon": self.delivered_edges < max(200, self.moves // 4),
            "the daemon was killed": self.was_killed,
            "a motor moved": bool(self.motor_high_ms) and not may_move,
            "no motor moved before the noise": may_move and not self.motor_high_ms,
            f"a motor moved for more than {STOPPED_MS} ms": self.motor_high_ms[1:] > (STOPPED_MS,),
            f"{sessions} sessions started instead of {expected_sessions}": sessions
            != expected_sessions,
            f"{haptics} haptics of the profile's number started instead of {expected_haptics}": haptics
            != expected_haptics,
            "a haptic for a refused start or a new day started": "signal=new-day" in self.events
            or "signal=refused" in self.events,
            f"the daemon ended in state {self.final_state}": self.final_state
            not in self._expected_final_states(),
        }
        return [sentence for sentence, is_true in failures.items() if is_true]

    def _expected_final_states(self) -> tuple[str, ...]:
        if self.state == "fault":
            return ("fault",)
        # A move that was delayed may have left both contacts open for as long as a broken wire does.
        return ("idle", "fault") if self.longest_pause_ms >= BROKEN_MS - MOVE_MS else ("idle",)


def make_noise(rig: ButtonRig, noise: str, state: str) -> Round:
    """Plays one round. The rig must have been reset."""
    client = rig.client
    if state == "fault":
        rig.play([(0, RELEASED_PIN, False)], 900)
        rig.play(RELEASE, 100)
        assert rig.state() == "fault"
    before, begin_ms = BEFORE[state]
    options = dict(NOISES[noise])
    pid, edges_before = rig.pi.pid(), rig.delivered_edges()
    client.ask("events on")
    client.told.clear()
    begin_s = time.monotonic()
    recording = rig.play(options.pop("moves"), 1_000, before=before, begin_ms=begin_ms, **options)  # type: ignore[arg-type]
    late_ms = round(1000 * rig.pi.witness_late_s(begin_s, time.monotonic()))
    was_killed = rig.pi.pid() != pid
    edges = 0 if was_killed else rig.delivered_edges() - edges_before
    client.ask("events off")
    words = [word for line in client.told if "event=" in line for word in line.split()]
    events = tuple(word for word in words if word.startswith(("state=", "signal=")))
    motor_high_ms = tuple(round(at_ms - begin_ms) for at_ms in recording.motor_high_ms)
    if was_killed:
        print(rig.pi.shell("journalctl -q --no-pager -n 30 -u firmware-ctl")[1])
    return Round(
        noise, state, recording.move_count, edges, motor_high_ms, events, was_killed, rig.state(),
        round(recording.longest_pause_ms), late_ms,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.noise", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="in total; rounds take turns through all noises and states")  # fmt: skip
    args = parser.parse_args(arguments)
    missing = build.missing_tools()
    if missing:
        print(
            f"the emulated Pi needs {', '.join(missing)}; the README names the packages",
            file=sys.stderr,
        )
        return 2
    kinds = [(noise, state) for state in STATES for noise in NOISES]
    rounds: list[Round] = []
    failed = 0
    lost = 0
    """Rounds that could not be finished."""
    begin_s = time.monotonic()
    image = build_image()
    while len(rounds) + lost < args.rounds:
        try:
            # After 15 minutes the next machine is started, because each has a limited life.
            with button_rig(image) as rig:
                until_s = time.monotonic() + 900
                while len(rounds) + lost < args.rounds and time.monotonic() < until_s:
                    rig.reset()
                    played = make_noise(rig, *kinds[len(rounds) % len(kinds)])
                    rounds.append(played)
                    failed += bool(played.failures())
                    print(len(rounds), played, played.failures() or "passed", flush=True)
        except (AssertionError, TimeoutError) as error:
            lost += 1
            print(f"a round was lost: {error!r}", flush=True)
    for noise in NOISES:
        of_noise = [played for played in rounds if played.noise == noise]
        off_ms = [
            played.motor_high_ms[1]
            for played in of_noise
            if played.state == "running" and played.motor_high_ms
        ]
        last_high = f"{median(off_ms):.0f} ms (at most {max(off_ms):.0f} ms)" if off_ms else "-"
        print(
            f"{noise}: {len(of_noise)} rounds, {sum(played.moves for played in of_noise)} moves, "
            f"{sum(played.delivered_edges for played in of_noise)} edges delivered; in a running "
            f"session the last motor pin was high {last_high} after the beginning of the noise"
        )
    print(
        f"{len(rounds)} rounds in {time.monotonic() - begin_s:.0f} s, {failed} failed; {lost} lost "
        "because the daemon or the machine did not answer in time"
    )
    return 1 if failed or lost else 0


if __name__ == "__main__":
    sys.exit(main())
