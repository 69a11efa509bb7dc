"""Noise on the start button's cable, on the emulated Pi: `python -m tests.emulation.noise`.

gpio-sim's chip stands for the header, since the emulated pin controller has no edges. A finger in the
guest moves both contacts as 50 or 60 Hz from the mains would, or in bursts, while the daemon is idle,
signals, runs or has a fault. Each round counts the edges that the guest's kernel delivered to the
daemon's lines: one that the noise did not reach is a failure like any other.
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
from tests.emulation.pi import MAT, PINS, Pi, image, restored
from tests.support.process import Client

assert MAT.button is not None
assert MAT.button.released_pin is not None
PRESSED: Final = MAT.button.pressed_pin
RELEASED: Final = MAT.button.released_pin

CHIP: Final = """\
insmod /lib/configfs.ko.xz && insmod /lib/gpio-sim.ko.xz &&
mount -t configfs none /sys/kernel/config && cd /sys/kernel/config/gpio-sim && mkdir -p pi/bank0 &&
echo 54 >pi/bank0/num_lines && echo pinctrl-bcm2835 >pi/bank0/label && echo 1 >pi/live &&
name=$(cat pi/bank0/chip_name) && cd / && mv /dev/gpiochip0 /dev/header && mv /dev/$name /dev/gpiochip0 &&
echo LINES=/sys/devices/platform/gpio-sim.0/$name >/run/finger.env && \
"""

Move = tuple[float, int, bool]
"""At how many ms, which contact, whether it closes."""


class HapticCue(NamedTuple):
    """ms from the first move."""

    made_ms: list[float]
    rest_ms: float
    """Between two moves, at most."""
    high_ms: list[float]
    """When a motor was first and last seen high; empty: at no look."""
    moves: int
    """How many were made."""


class Hand:
    """What it does to the button, and what comes of it. The button is at rest between tests."""

    def __init__(self, pi: Pi, client: Client) -> None:
        self.pi = pi
        self.client = client

    def does(self, moves: Sequence[Move], look_ms: int, **how: object) -> HapticCue:
        """`how`: see `finger.py` in the guest."""
        told = json.dumps({"moves": moves, "look_ms": look_ms, **how})
        said = self.pi.must(f"echo '{told}' >/run/finger; cat /run/felt")
        return HapticCue(**json.loads(said))

    def delivered(self) -> int:
        """How many edges the guest's kernel has delivered to the lines that the daemon holds."""
        lines = self.pi.shell("grep 'firmware-ctl button' /proc/interrupts")[1].splitlines()
        counts = [int(word) for line in lines for word in line.split()[1:] if word.isdecimal()]
        return sum(counts)

    def rests(self) -> None:
        """Idle, and free to start again; the busy machine may have had the daemon killed."""
        self.pi.until_ready()
        self.does(RELEASE, 0)
        for request in ("stop", "clear", "select full"):
            self.client.ask(request)
        time.sleep(LOCK_MS / 1000 + 0.2)
        assert self.state() == "idle"

    def state(self) -> str:
        return self.client.status()["state"]


PRESS: Final[list[Move]] = [(0, RELEASED, False), (2, PRESSED, True)]
RELEASE: Final[list[Move]] = [(0, PRESSED, False), (2, RELEASED, True)]


def after(moves: Sequence[Move], ms: float) -> list[Move]:
    return [(at_ms + ms, pin, is_closed) for at_ms, pin, is_closed in moves]


TAP: Final = [*PRESS, *after(RELEASE, 300)]


@contextmanager
def hand_on(built: build.Image) -> Iterator[Hand]:
    """A Pi whose header is gpio-sim's chip, with the service on it, idle."""
    with restored(built, life_s=3 * LIFE_S) as pi:  # many tests share it
        pi.must("systemctl stop firmware-ctl hand")
        pi.must(CHIP + f"echo 'MOTORS={' '.join(map(str, PINS))}' >>/run/finger.env")
        pi.must("systemctl start finger && until [ -p /run/felt ]; do sleep 0.2; done")
        with pi.client() as client:
            hand = Hand(pi, client)
            hand.does(RELEASE, 0)
            pi.must("systemctl start firmware-ctl")
            client.ask("ping")
            client.ask("select full")
            yield hand


# --- noise ------------------------------------------------------------------------------------

NOISE_MS: Final = 3_000


def hum(rate_hz: int) -> dict[str, object]:
    """Both contacts, each closed for half a period, not at the same time."""
    period_ms = 1000 / rate_hz
    sides = [(0.0, PRESSED, True), (0.15, RELEASED, False), (0.5, PRESSED, False)]
    moves = [
        (period_ms * part, pin, closes) for part, pin, closes in [*sides, (0.65, RELEASED, True)]
    ]
    return {"moves": moves, "times": NOISE_MS * rate_hz // 1000, "every_ms": period_ms}


NOISES: Final = {
    "50 Hz": hum(50),
    "60 Hz": hum(60),
    "bursts": {
        "moves": [
            (0, PRESSED, True), (0.2, RELEASED, False), (0.4, PRESSED, False), (0.6, RELEASED, True),
        ],
        "times": 60, "every_ms": 0.8, "bursts": 10, "burst_every_ms": 300,
    },
}  # fmt: skip
"""Each ends at rest on released."""

BEFORE: Final[dict[str, tuple[list[Move], int]]] = {
    "idle": ([], 0),
    "fault": ([], 0),
    "signal": (PRESS, 1_600),
    "running": (TAP, 3_000),
}
"""What the finger does before the noise, and when the noise begins."""
STATES: Final = tuple(BEFORE)
MOVE_MS: Final = 50
"""A move itself may take as long on a busy machine."""
STOPPED_MS: Final = 500
"""No motor is high so long after the first edge: the emulated Pi is slow, and PWM has its period."""


class Round(NamedTuple):
    noise: str
    state: str
    """Of the daemon when the noise begins."""
    made: int
    """Moves of the contacts."""
    delivered: int
    """Edges that the daemon's lines got of them."""
    high_ms: tuple[float, ...]
    """When a motor was first and last seen high, counted from the begin of the noise."""
    events: tuple[str, ...]
    """Every state and signal that the daemon told."""
    was_killed: bool
    ends_as: str
    rest_ms: int
    """The longest rest between two moves: a busy machine may have held up the finger itself."""

    def wrongs(self) -> list[str]:
        """What must not be; empty: the round is as it has to be, and it was one."""
        runs, signals = self.state == "running", self.state == "signal"
        may_move = runs or signals
        wrongs = {
            "the noise did not reach the daemon": self.delivered < max(200, self.made // 4),
            "the daemon was killed": self.was_killed,
            "a motor moved": bool(self.high_ms) and not may_move,
            "nothing moved before the noise": may_move and not self.high_ms,
            "a motor ran on": self.high_ms[1:] > (STOPPED_MS,),
            "a session began": self.events.count("state=running") != runs,
            "a signal began": sum("signal=p" in event for event in self.events) != signals,
            "another signal began": "signal=new-day" in self.events
            or "signal=refused" in self.events,
            "it is in another state": self.ends_as not in self._right_ends(),
        }
        return [wrong for wrong, is_so in wrongs.items() if is_so]

    def _right_ends(self) -> tuple[str, ...]:
        if self.state == "fault":
            return ("fault",)
        # A finger that was held up on its way may have rested on neither side, as a broken wire does.
        return ("idle", "fault") if self.rest_ms >= BROKEN_MS - MOVE_MS else ("idle",)


def make_noise(hand: Hand, noise: str, state: str) -> Round:
    """One round. The hand is at rest before."""
    client = hand.client
    if state == "fault":
        hand.does([(0, RELEASED, False)], 900)
        hand.does(RELEASE, 100)
        assert hand.state() == "fault"
    before, begin_ms = BEFORE[state]
    how = dict(NOISES[noise])
    pid, delivered = hand.pi.pid(), hand.delivered()
    client.ask("events on")
    client.told.clear()
    felt = hand.does(how.pop("moves"), 1_000, before=before, begin_ms=begin_ms, **how)  # type: ignore[arg-type]
    was_killed = hand.pi.pid() != pid
    delivered = 0 if was_killed else hand.delivered() - delivered
    client.ask("events off")
    words = [word for line in client.told if "event=" in line for word in line.split()]
    events = tuple(word for word in words if word.startswith(("state=", "signal=")))
    high_ms = tuple(round(ms - begin_ms) for ms in felt.high_ms)
    if was_killed:
        print(hand.pi.shell("journalctl -q --no-pager -n 30 -u firmware-ctl")[1])
    return Round(
        noise, state, felt.moves, delivered, high_ms, events, was_killed, hand.state(),
        round(felt.rest_ms),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.noise")
    parser.add_argument("--rounds", type=int, default=100, help="in all, each kind in each state")
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
    wrong = 0
    begin_s = time.monotonic()
    built = image()
    lost = 0
    while len(rounds) + lost < args.rounds:
        try:
            # No machine lives longer than twenty minutes.
            with hand_on(built) as hand:
                until_s = time.monotonic() + 900
                while len(rounds) + lost < args.rounds and time.monotonic() < until_s:
                    hand.rests()
                    seen = make_noise(hand, *kinds[len(rounds) % len(kinds)])
                    rounds.append(seen)
                    wrong += bool(seen.wrongs())
                    print(len(rounds), seen, seen.wrongs() or "as it has to be", flush=True)
        except (AssertionError, TimeoutError) as error:
            lost += 1
            print(f"a round is lost: {error!r}", flush=True)
    for noise in NOISES:
        of = [seen for seen in rounds if seen.noise == noise]
        offs = [seen.high_ms[1] for seen in of if seen.state == "running" and seen.high_ms]
        print(
            f"{noise}: {len(of)} rounds, {sum(seen.made for seen in of)} moves, "
            f"{sum(seen.delivered for seen in of)} edges delivered; running, the last motor high "
            f"after {f'{median(offs):.0f} ms, at most {max(offs):.0f} ms' if offs else '-'}"
        )
    print(
        f"{len(rounds)} rounds in {time.monotonic() - begin_s:.0f} s, {wrong} wrong; {lost} lost, "
        "since the daemon or the machine did not answer in time"
    )
    return 1 if wrong or lost else 0


if __name__ == "__main__":
    sys.exit(main())
