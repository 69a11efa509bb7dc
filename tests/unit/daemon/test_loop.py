"""The loop on virtual time: what the pins get, when it wakes, and what ends it."""

from collections.abc import Callable, Collection
from typing import Any

import pytest

from firmware_ctl.daemon.clients import READY
from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.limits import SAMPLE_MS, TICK_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Clear,
    Fault,
    Start,
    State,
    Suspended,
)
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.worlds_timeline import (
    make_mat,
)
from tests.unit.daemon.loop_world import OFF, Wire, World


class LinkPoller(VirtualPoller):
    """Reports a wire as readable while it has bytes."""

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        readable = super().wait(until_ms, readers, writers)
        return [*readable, *(one for one in readers if isinstance(one, Wire) and one._received)]


def test_link_that_is_readable_is_read_in_that_round_and_its_stop_acts() -> None:
    world = World(poller=LinkPoller())
    wire = Wire(world.daemon)
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(1_510, lambda _: setattr(wire, "_received", b"!"))
    world.run(3_000)
    (off_at_ms,) = world.offs_at_ms()
    assert 1_510 <= off_at_ms <= 1_510 + TICK_MS


def test_loop_while_running_writes_only_changes() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.run(3_000)
    # Level 1 at 720 is duty 30, level 2 at 740 too; first starts are one after another.
    assert world.motors.writes == [
        *((720 + 20 * i, (30,) * (i + 1) + (0,) * (5 - i)) for i in range(6)),
        (1_700, OFF),
    ]


def test_loop_while_idle_wakes_twice_a_second() -> None:
    world = World()
    world.run(60_000)
    assert 120 <= world.finger.reads <= 124
    assert world.motors.writes == []


def test_loop_while_idle_without_a_button_wakes_twice_a_second() -> None:
    world = World(mat=make_mat(), finger=False)
    world.run(60_000)
    assert 120 <= len(world.rows) <= 124


def test_loop_while_paused_is_off_and_wakes_at_the_end_of_the_pauses() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"start beta\n"))
    world.at(5_700, lambda _: wire.receive(b"pause\n"))
    world.run(400_000)
    assert wire.answers[-2:] == ["ok profile=beta left=60", "ok"]
    assert world.motors.writes[-1] == (5_700, OFF)
    paused = [at_ms for at_ms, state, *_ in world.rows if state is State.PAUSED]
    assert paused[-1] < 305_000
    assert (305_000, State.IDLE) in [row[:2] for row in world.rows]


@pytest.mark.parametrize("where", ["watcher", "source", "button"])
def test_exception_anywhere_leaves_the_pins_low(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()

    def fail(*_: object) -> Any:
        raise RuntimeError("a mistake in the program")

    def break_it(daemon: Daemon) -> None:
        if where == "watcher":
            monkeypatch.setattr(world, "step", fail)
        if where == "button":
            monkeypatch.setattr(world.finger, "read", fail)
        if where == "source":
            fail()

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, break_it)
    with pytest.raises(RuntimeError):
        world.daemon.run()
    assert 900 <= world.motors.lows_at_ms[0] <= 900 + SAMPLE_MS
    assert world.session.state is State.FAULT
    assert world.session.fault == Fault("internal", "RuntimeError: a mistake in the program")


def test_pin_that_fails_is_a_persistent_fault_until_it_works() -> None:
    world = World()
    codes: list[str] = []

    def clear(daemon: Daemon) -> None:
        refusal = daemon.step(Clear()).refusal
        codes.append(refusal.code if refusal else "ok")

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, lambda _: setattr(world.motors, "fails", True))
    world.at(1_500, clear)
    world.at(2_000, lambda _: setattr(world.motors, "fails", False))
    world.at(2_100, clear)
    world.run(3_000)
    assert codes == ["fault", "ok"]
    assert 900 <= world.motors.lows_at_ms[0] <= 940
    faults = [line for line in world.log if "fault" in line]
    assert [line.partition(" profile")[0] for line in faults] == [
        "event=state state=idle",
        "event=fault state=fault fault=pin-write",
        "event=state state=idle",
    ]


@pytest.mark.parametrize("kind", ["button", "suspend", "rail"])
def test_fault_of_any_kind_trips_the_latch_until_a_clear(kind: str) -> None:
    world = World()

    def fault(daemon: Daemon) -> None:
        if kind == "button":
            world.finger.contact = Contact.NEITHER
        else:
            daemon.step(Suspended(5_000) if kind == "suspend" else Fault("rail", "the rail is off"))

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, fault)
    world.at(2_000, lambda _: setattr(world.finger, "contact", Contact.RELEASED))
    tripped = []
    for at_ms in (890, 1_500, 3_000):
        world.at(at_ms, lambda _: tripped.append(world.latch.is_tripped))
    world.at(3_000, lambda daemon: daemon.act(Clear()))
    world.at(3_000, lambda _: tripped.append(world.latch.is_tripped))
    world.at(5_000, lambda daemon: daemon.act(Start("beta")))
    world.run(6_000)

    assert tripped == [False, True, True, False]
    # A wire that breaks without an edge is found by the next reading.
    off_at_ms = {"button": 980, "suspend": 900, "rail": 900}[kind]
    assert [at_ms for at_ms, duties in world.motors.writes if any(duties)][-1] > 5_000
    assert off_at_ms in (*world.offs_at_ms(), *world.motors.lows_at_ms)


def test_close_turns_motors_off_first() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.run(2_000)
    assert world.motors.writes[-1] == (2_000, OFF)
    assert world.motors.lows_at_ms == [2_000]
    assert world.log[0] == READY


def test_timers_are_called_when_due_in_their_order() -> None:
    world = World()
    calls: list[tuple[int, str]] = []

    def note(word: str) -> Callable[[], None]:
        return lambda: calls.append((world.poller.now_ms(), word))

    def begin(daemon: Daemon) -> None:
        for after_ms, word in ((333, "c"), (0, "a"), (111, "b"), (333, "d")):
            daemon.later(after_ms, note(word))

    world.at(100, begin)
    world.run(1_000)
    assert calls == [(100, "a"), (211, "b"), (433, "c"), (433, "d")]
