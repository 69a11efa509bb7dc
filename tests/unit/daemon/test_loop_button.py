"""The loop and the start button: presses, lost edges, noise."""

import pytest

from firmware_ctl.daemon.loop import SETTLE_MS
from firmware_ctl.limits import SAMPLE_MS, TICK_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Start,
    State,
)
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.worlds_timeline import (
    make_mat,
)
from tests.unit.daemon.loop_world import Wire, World


@pytest.mark.parametrize(("late_ms", "starts"), [(0, True), (35, False)])
def test_pulse_read_late_keeps_its_length(late_ms: int, starts: bool) -> None:
    """Heard of 45 ms after its beginning: a press, unless its end was 35 ms ago."""

    class Held(VirtualPoller):
        """The loop is busy from the beginning of the pulse on, and comes back after its end."""

        def now_ms(self) -> int:
            return 1_045 if 1_000 < self._now_ms < 1_045 else self._now_ms

    world = World(poller=Held())

    def begin(daemon: Daemon) -> None:
        world.finger.press(True)
        daemon.sample()
        world.finger.press(False)
        world.finger.edges.append((1_045 - late_ms, Contact.RELEASED))

    world.at(1_000, begin)
    world.run(1_500)
    assert (State.RUNNING in {state for _, state, *_ in world.rows}) is starts


@pytest.mark.parametrize(("moves", "starts"), [(False, True), (True, False)])
def test_noise_that_always_reads_as_pressed_is_not_a_press(moves: bool, starts: bool) -> None:
    world = World()

    def touch(daemon: Daemon) -> None:
        world.finger.contact = Contact.PRESSED
        if moves:
            world.finger.edges.append((daemon.now_ms(), Contact.PRESSED))
        daemon.sample()

    def release(daemon: Daemon) -> None:
        world.finger.contact = Contact.RELEASED
        daemon.sample()

    for at_ms in range(1_000, 1_200, 10):
        world.at(at_ms, touch)
    world.at(1_200, release)
    world.run(1_500)
    assert (State.RUNNING in {state for _, state, *_ in world.rows}) is starts


def test_touch_with_a_single_edge_stops() -> None:
    world = World()

    def touch(daemon: Daemon) -> None:
        world.finger.edges.append((1_500, Contact.RELEASED))
        daemon.sample()

    world.at(1_000, lambda daemon: daemon.act(Start()))
    world.at(1_500, touch)
    world.run(3_000)
    assert 1_500 in world.offs_at_ms()
    assert world.session.state is State.IDLE


def test_press_without_edges_stops_at_the_next_reading() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_001, lambda _: setattr(world.finger, "contact", Contact.PRESSED))
    world.run(4_000)
    assert len(world.offs_at_ms()) == 1
    assert 2_001 <= world.offs_at_ms()[0] <= 2_001 + SAMPLE_MS
    assert world.session.state is State.IDLE


def test_start_while_the_button_is_held_since_boot_is_refused() -> None:
    world = World()
    world.finger.contact = Contact.PRESSED
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"start beta\n"))
    world.run(1_000)
    assert wire.answers[1:] == [
        "err not-ready the start button is not released; let go of it first"
    ]
    assert world.motors.writes == []


def test_ten_presses_in_three_seconds_leave_the_mat_off() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    for i in range(10):
        world.at(2_000 + 300 * i, lambda daemon: daemon.press(100))
    world.run(20_000)
    assert world.offs_at_ms() == [2_000]
    assert world.session.status.started == 1


def test_press_after_the_lock_starts() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_000, lambda daemon: daemon.press(100))
    world.at(3_599, lambda daemon: daemon.press(10))
    world.at(5_200, lambda daemon: daemon.press(100))
    world.run(6_000)
    assert world.session.status.started == 2
    assert world.offs_at_ms() == [2_000, 6_000]


def test_tap_shorter_than_a_tick_stops_at_once() -> None:
    tap = [(2_001, Contact.PRESSED), (2_001, Contact.RELEASED)]
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_001, lambda _: world.finger.edges.extend(tap))
    world.at(2_001, lambda _: None)  # an edge makes the button's descriptor readable
    world.run(4_000)
    assert world.offs_at_ms() == [2_001]


def test_press_command_presses_and_releases() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"press\n"))
    world.at(750, lambda _: wire.receive(b"press\n"))
    world.at(1_500, lambda _: wire.receive(b"press 0.5\n"))
    world.run(3_000)
    assert wire.answers[1:] == ["ok", "err busy the button is still down", "ok"]
    assert len(world.motors.writes) > 1
    assert world.offs_at_ms() == [1_500]


def test_press_command_without_a_button_is_refused() -> None:
    world = World(mat=make_mat(), finger=False)
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"press\n"))
    world.run(1_000)
    assert wire.answers[1:] == ["err not-here this mat has no start button"]


def test_catch_up_reads_the_button_once_in_a_millisecond() -> None:
    world = World()
    loop = world.daemon.loop
    reads: list[int] = []

    def catch_up(_: Daemon) -> None:
        for held_up_ms in (0, 1, 0):
            world.poller.hold_up(held_up_ms)
            before = world.finger.reads
            loop.catch_up()
            reads.append(world.finger.reads - before)
        loop._read_at_ms -= TICK_MS  # as after a tick that did not read the button
        before = world.finger.reads
        loop.catch_up()
        reads.append(world.finger.reads - before)

    world.at(700, catch_up)
    world.run(1_000)
    assert reads == [0, 1, 0, 1]


@pytest.mark.parametrize(("finger", "ready_at_ms"), [(False, 0), (True, SETTLE_MS)])
def test_daemon_is_ready_when_its_button_has_settled_or_at_once_without_one(
    finger: bool, ready_at_ms: int
) -> None:
    world = World(finger=finger)
    at_ms: list[int] = []
    world.daemon.loop.when_ready.append(lambda: at_ms.append(world.poller.now_ms()))
    world.run(1_000)
    assert at_ms == [ready_at_ms]
