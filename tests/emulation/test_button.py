"""The button with real edges of the kernel, on the emulated Pi.

The emulated pin controller reports no edges, so a chip of gpio-sim takes its place in /dev. The daemon is
the installed service. What happens to lines when the daemon dies cannot be tested with gpio-sim; the
other tests use the emulated chip for that.
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
    PRESSED_PIN,
    RELEASE,
    RELEASED_PIN,
    STATES,
    STOPPED_MS,
    TAP,
    ButtonRig,
    Move,
    after,
    button_rig,
    make_noise,
)


@pytest.fixture(scope="module")
def shared_rig(image: build.Image) -> Iterator[ButtonRig]:
    with button_rig(image) as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: ButtonRig) -> ButtonRig:
    shared_rig.reset()
    return shared_rig


TOUCHES: Final[dict[str, list[Move]]] = {
    "a tap": [*PRESS, *after(RELEASE, 30)],
    # The kernel reads the level when it handles an edge, so it reports both edges as released.
    "a blink of one contact": [(0, RELEASED_PIN, False), (0.2, RELEASED_PIN, True)],
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_button_press_starts_and_touch_stops(rig: ButtonRig, touch: list[Move]) -> None:
    recording = rig.play(TAP, 3000)
    assert recording.motor_high_ms, recording
    assert rig.state() == "running"
    begin_s = time.monotonic()
    recording = rig.play(touch, 1000)
    late_ms = 1000 * rig.pi.witness_late_s(begin_s, time.monotonic())
    print(
        f"first and last time a motor was high after the touch: {recording.motor_high_ms} ms; "
        f"a witness woke {late_ms:.0f} ms late"
    )
    assert not recording.motor_high_ms or recording.motor_high_ms[-1] - late_ms < STOPPED_MS
    assert rig.state() == "idle"
    # A touch that stops locks the button for a while, so the next press does not start.
    recording = rig.play(TAP, 1000)
    assert (recording.motor_high_ms, rig.state()) == ([], "idle")


def with_bounce(moves: Sequence[Move]) -> list[Move]:
    """The last contact opens and closes twenty more times within 8 ms."""
    at_ms, pin, is_closed = moves[-1]
    return [*moves, *((at_ms + 0.2 * n, pin, is_closed is (n % 2 == 0)) for n in range(1, 41))]


ENOUGH_JUDGED: Final = 3
MOST_PLAYED: Final = 40
"""A busy machine moves contacts too late. What it plays then proves nothing and is played again, until
`ENOUGH_JUDGED` rounds could be judged."""


def require_judged(judged: int, what: str) -> None:
    assert judged, (
        f"none of {MOST_PLAYED} {what}, so nothing is proven: this machine is too busy to move the "
        "contacts in time; run this test while nothing else runs"
    )


RELEASED_AT_MS: Final = 300


def test_a_contact_that_bounces_is_one_press(rig: ButtonRig) -> None:
    """A second press would stop the session that the first one started."""
    press, release = with_bounce(PRESS), after(with_bounce(RELEASE), RELEASED_AT_MS)
    for _ in range(MOST_PLAYED):
        rig.client.ask("events on")
        rig.client.told.clear()
        recording = rig.play([*press, *release], 2000)
        rig.client.ask("events off")
        # Measured from the planned begins, because the recorded time of a move is that of its end.
        at_ms = recording.moved_at_ms
        longest_ms = max(at_ms[len(press) - 1], at_ms[-1] - RELEASED_AT_MS)
        print(f"the longer of the two spells took {longest_ms:.1f} ms at most")
        # A contact that moves for longer is noise, and starts nothing.
        if longest_ms < DEBOUNCE_MS:
            break
        rig.reset()
    else:
        require_judged(0, f"presses bounced for less than {DEBOUNCE_MS} ms")
    states = [word for line in rig.client.told for word in line.split() if "state=" in word]
    assert states == ["state=running"], rig.client.told
    assert recording.motor_high_ms, recording
    assert rig.state() == "running"


def test_pulses_shorter_than_the_debounce_start_nothing(rig: ButtonRig) -> None:
    judged = 0
    pulse = [(0, RELEASED_PIN, False), (0, PRESSED_PIN, True)]
    pulse += [(DEBOUNCE_MS / 3, PRESSED_PIN, False), (DEBOUNCE_MS / 3, RELEASED_PIN, True)]
    every_ms = 97
    for attempt in range(MOST_PLAYED):
        recording = rig.play(pulse, 1000, times=20, every_ms=every_ms)
        # The recorded time of a move is that of its end, so a pulse is measured from its planned begin.
        ends_at_ms = recording.moved_at_ms[3::4]
        longest_ms = max(end_ms - n * every_ms for n, end_ms in enumerate(ends_at_ms))
        print(f"attempt {attempt + 1}: the longest pulse took {longest_ms:.1f} ms")
        if longest_ms < DEBOUNCE_MS:
            judged += 1
            assert (recording.motor_high_ms, rig.state()) == ([], "idle"), recording
        rig.reset()
        if judged == ENOUGH_JUDGED:
            break
    require_judged(judged, f"attempts had only pulses below {DEBOUNCE_MS} ms")


def test_thousands_of_edges_start_nothing_and_the_button_works_after_them(rig: ButtonRig) -> None:
    noise = [(0, PRESSED_PIN, True), (0.1, RELEASED_PIN, False), (0.2, PRESSED_PIN, False)]
    noise += [(0.3, RELEASED_PIN, True), (0.4, PRESSED_PIN, True), (0.5, PRESSED_PIN, False)]
    judged = 0
    for _ in range(MOST_PLAYED):
        rig.reset()
        recording = rig.play(noise, 1000, times=350, every_ms=0.6)
        print(f"a burst of edges; its longest pause took {recording.longest_pause_ms:.1f} ms")
        # A pause as long as the debounce may make the burst a valid press.
        if recording.longest_pause_ms < DEBOUNCE_MS:
            judged += 1
            assert (recording.motor_high_ms, rig.state()) == ([], "idle"), recording
        if judged == ENOUGH_JUDGED:
            break
    require_judged(judged, f"bursts had only pauses below {DEBOUNCE_MS} ms")
    rig.reset()
    assert rig.play(TAP, 2000).motor_high_ms
    assert rig.state() == "running"


def test_a_button_held_at_boot_starts_nothing_until_it_is_pressed_anew(rig: ButtonRig) -> None:
    rig.play(PRESS, 0)
    rig.pi.run("systemctl restart firmware-ctl")
    rig.client.ask("ping")
    rig.client.ask("select full")
    recording = rig.play([], 2000)
    assert (recording.motor_high_ms, rig.state()) == ([], "idle")
    recording = rig.play(RELEASE, 1000)
    assert (recording.motor_high_ms, rig.state()) == ([], "idle")
    assert rig.play(TAP, 3000).motor_high_ms
    assert rig.state() == "running"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("noise", NOISES)
def test_noise_on_both_contacts_starts_no_motor_and_kills_no_daemon(
    rig: ButtonRig, noise: str, state: str
) -> None:
    """`python -m tests.emulation.noise` plays a hundred such rounds."""
    for _ in range(MOST_PLAYED):
        played = make_noise(rig, noise, state)
        print(played)
        if played.is_judged:
            break
        rig.reset()
    else:
        require_judged(0, "rounds had a machine that was in time")
    assert played.failures() == []
