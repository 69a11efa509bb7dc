"""The button by real edges: the kernel's, to the daemon's loop.

The emulated pin controller has none, so gpio-sim's chip takes its place in /dev. The daemon is the
installed service all the same. What is left of lines when it dies is seen on the other chip only.
"""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import pytest

from firmware_ctl.button import DEBOUNCE_MS
from firmware_ctl.limits import LOCK_MS
from tests.emulation import build
from tests.emulation.pi import MAT, PINS, Pi, restored
from tests.process import Client, at_last

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


class Felt(NamedTuple):
    """ms from the first move."""

    made_ms: list[float]
    rest_ms: float
    """Between two moves, at most."""
    high_ms: list[float]
    """When a motor was first and last seen high; empty: at no look."""


class Hand:
    """What it does to the button, and what comes of it. The button is at rest between tests."""

    def __init__(self, pi: Pi, client: Client) -> None:
        self.pi = pi
        self.client = client

    def does(
        self, moves: Sequence[Move], look_ms: int, times: int = 1, every_ms: float = 0
    ) -> Felt:
        told = json.dumps([moves, times, every_ms, look_ms])
        said = self.pi.must(f"echo '{told}' >/run/finger; cat /run/felt")
        return Felt(**json.loads(said))

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


@pytest.fixture(scope="module")
def simulated(built: build.Image) -> Iterator[Hand]:
    with restored(built) as pi:
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


@pytest.fixture
def hand(simulated: Hand) -> Hand:
    simulated.rests()
    return simulated


TOUCHES: Final[dict[str, list[Move]]] = {
    "a tap": [*PRESS, *after(RELEASE, 30)],
    # Of which the kernel tells two edges to where the contact is by then.
    "a blink of one contact": [(0, RELEASED, False), (0.2, RELEASED, True)],
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_press_starts_and_a_touch_stops(hand: Hand, touch: list[Move]) -> None:
    def attempt() -> None:
        hand.rests()
        felt = hand.does(TAP, 3000)
        assert felt.high_ms, felt
        assert hand.state() == "running"
        felt = hand.does(touch, 1000)
        print("touched to the last motor high, ms", felt.high_ms)
        assert not felt.high_ms or felt.high_ms[-1] < 500
        assert hand.state() == "idle"

    at_last(attempt)
    # It stopped, and the button is locked: the next press does not start.
    felt = hand.does(TAP, 1000)
    assert (felt.high_ms, hand.state()) == ([], "idle")


def bounced(moves: Sequence[Move]) -> list[Move]:
    """The contact that closes opens and closes twenty times more, for some 8 ms."""
    at_ms, pin, closes = moves[-1]
    return [*moves, *((at_ms + 0.2 * n, pin, closes is (n % 2 == 0)) for n in range(1, 41))]


def test_a_contact_that_bounces_is_one_press(hand: Hand) -> None:
    """A second press would have stopped what the first one started."""

    def attempt() -> None:
        hand.rests()
        hand.client.ask("events on")
        hand.client.told.clear()
        felt = hand.does([*bounced(PRESS), *after(bounced(RELEASE), 300)], 2000)
        hand.client.ask("events off")
        states = [word for line in hand.client.told for word in line.split() if "state=" in word]
        assert states == ["state=running"], hand.client.told
        assert felt.high_ms, felt
        assert hand.state() == "running"

    at_last(attempt)


def test_pulses_shorter_than_the_debounce_start_nothing(hand: Hand) -> None:
    pulse = [(0, RELEASED, False), (0, PRESSED, True)]
    pulse += [(DEBOUNCE_MS / 3, PRESSED, False), (DEBOUNCE_MS / 3, RELEASED, True)]
    for _ in range(5):
        felt = hand.does(pulse, 1000, times=20, every_ms=97)
        made_ms = felt.made_ms
        longest_ms = max(b - a for a, b in zip(made_ms[::4], made_ms[3::4], strict=True))
        if longest_ms < DEBOUNCE_MS:
            assert (felt.high_ms, hand.state()) == ([], "idle")
            return
        hand.rests()
    raise AssertionError("this machine is too busy to make short pulses")


def test_thousands_of_edges_start_nothing_and_the_button_works_after_them(hand: Hand) -> None:
    noise = [(0, PRESSED, True), (0.1, RELEASED, False), (0.2, PRESSED, False)]
    noise += [(0.3, RELEASED, True), (0.4, PRESSED, True), (0.5, PRESSED, False)]
    for _ in range(10):
        hand.rests()
        felt = hand.does(noise, 1000, times=500, every_ms=0.6)
        # With a longer rest in it, and the kernel coming round to edges late, it may be a press.
        if felt.rest_ms < DEBOUNCE_MS / 3:
            assert (felt.high_ms, hand.state()) == ([], "idle"), felt

    def attempt() -> None:
        hand.rests()
        assert hand.does(TAP, 2000).high_ms
        assert hand.state() == "running"

    at_last(attempt)


def test_a_button_held_at_boot_starts_nothing_until_it_is_pressed_anew(hand: Hand) -> None:
    hand.does(PRESS, 0)
    hand.pi.must("systemctl restart firmware-ctl")
    hand.client.ask("ping")
    hand.client.ask("select full")
    felt = hand.does([], 2000)
    assert (felt.high_ms, hand.state()) == ([], "idle")
    felt = hand.does(RELEASE, 1000)
    assert (felt.high_ms, hand.state()) == ([], "idle")

    def attempt() -> None:
        assert hand.does(TAP, 3000).high_ms
        assert hand.state() == "running"

    at_last(attempt)
