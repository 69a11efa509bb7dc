"""The button by real edges: the kernel's, to the daemon's loop.

The emulated pin controller has none, so gpio-sim's chip takes its place in /dev. The daemon is the
installed service all the same. What is left of lines when it dies is seen on the other chip only.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from firmware_ctl.session.button import DEBOUNCE_MS
from tests.emulation import build
from tests.emulation.noise import (
    NOISES,
    PRESS,
    PRESSED,
    RELEASE,
    RELEASED,
    STATES,
    STOPPED_MS,
    TAP,
    Hand,
    Move,
    after,
    hand_on,
    make_noise,
)


@pytest.fixture(scope="module")
def simulated(built: build.Image) -> Iterator[Hand]:
    with hand_on(built) as hand:
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
    felt = hand.does(TAP, 3000)
    assert felt.high_ms, felt
    assert hand.state() == "running"
    begin_s = time.monotonic()
    felt = hand.does(touch, 1000)
    late_ms = 1000 * hand.pi.late_s(begin_s, time.monotonic())
    print(f"touched to the last motor high, ms: {felt.high_ms}; a witness woke {late_ms:.0f} late")
    assert not felt.high_ms or felt.high_ms[-1] - late_ms < STOPPED_MS
    assert hand.state() == "idle"
    # It stopped, and the button is locked: the next press does not start.
    felt = hand.does(TAP, 1000)
    assert (felt.high_ms, hand.state()) == ([], "idle")


def bounced(moves: Sequence[Move]) -> list[Move]:
    """The contact that closes opens and closes twenty times more, for some 8 ms."""
    at_ms, pin, closes = moves[-1]
    return [*moves, *((at_ms + 0.2 * n, pin, closes is (n % 2 == 0)) for n in range(1, 41))]


def test_a_contact_that_bounces_is_one_press(hand: Hand) -> None:
    """A second press would have stopped what the first one started."""
    hand.client.ask("events on")
    hand.client.told.clear()
    felt = hand.does([*bounced(PRESS), *after(bounced(RELEASE), 300)], 2000)
    hand.client.ask("events off")
    states = [word for line in hand.client.told for word in line.split() if "state=" in word]
    assert states == ["state=running"], hand.client.told
    assert felt.high_ms, felt
    assert hand.state() == "running"


def test_pulses_shorter_than_the_debounce_start_nothing(hand: Hand) -> None:
    pulse = [(0, RELEASED, False), (0, PRESSED, True)]
    pulse += [(DEBOUNCE_MS / 3, PRESSED, False), (DEBOUNCE_MS / 3, RELEASED, True)]
    for made in range(5):
        felt = hand.does(pulse, 1000, times=20, every_ms=97)
        made_ms = felt.made_ms
        longest_ms = max(b - a for a, b in zip(made_ms[::4], made_ms[3::4], strict=True))
        print(f"pulses made {made + 1} times; the longest took {longest_ms:.1f} ms")
        if longest_ms < DEBOUNCE_MS:
            assert (felt.high_ms, hand.state()) == ([], "idle")
            return
        hand.rests()
    raise AssertionError("this machine is too busy to make short pulses")


def test_thousands_of_edges_start_nothing_and_the_button_works_after_them(hand: Hand) -> None:
    noise = [(0, PRESSED, True), (0.1, RELEASED, False), (0.2, PRESSED, False)]
    noise += [(0.3, RELEASED, True), (0.4, PRESSED, True), (0.5, PRESSED, False)]
    judged = 0
    for _ in range(10):
        hand.rests()
        felt = hand.does(noise, 1000, times=500, every_ms=0.6)
        print(f"a burst of edges with a rest of {felt.rest_ms:.1f} ms at most")
        # With a rest of the debounce in it, it may be a press.
        if felt.rest_ms < DEBOUNCE_MS:
            judged += 1
            assert (felt.high_ms, hand.state()) == ([], "idle"), felt
    print(f"{judged} of 10 bursts of edges had no rest in them")
    assert judged > 0, "this machine is too busy to make noise without a rest"
    hand.rests()
    assert hand.does(TAP, 2000).high_ms
    assert hand.state() == "running"


def test_a_button_held_at_boot_starts_nothing_until_it_is_pressed_anew(hand: Hand) -> None:
    hand.does(PRESS, 0)
    hand.pi.must("systemctl restart firmware-ctl")
    hand.client.ask("ping")
    hand.client.ask("select full")
    felt = hand.does([], 2000)
    assert (felt.high_ms, hand.state()) == ([], "idle")
    felt = hand.does(RELEASE, 1000)
    assert (felt.high_ms, hand.state()) == ([], "idle")
    assert hand.does(TAP, 3000).high_ms
    assert hand.state() == "running"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", NOISES)
def test_noise_on_both_contacts_moves_nothing_and_kills_nothing(
    hand: Hand, name: str, state: str
) -> None:
    """`python -m tests.emulation.noise` makes a hundred such rounds."""
    seen = make_noise(hand, name, state)
    print(seen)
    assert seen.wrongs() == []
