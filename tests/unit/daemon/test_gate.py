"""The motor gate in the loop: the heartbeat, the read-back, and the power of the electrical model."""

from collections.abc import Callable, Collection

import pytest

from firmware_ctl.config.mat import Gate
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.loop import STARTING_TICK_MS
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.daemon.watchdogs import Rail, TickLate
from firmware_ctl.hardware.gpio import GpioGate, GpioMotors
from firmware_ctl.limits import TICK_MS
from firmware_ctl.session.events import (
    Clear,
    Close,
    EndTry,
    Input,
    Pause,
    Resume,
    Start,
    State,
    Step,
    Stop,
    Trim,
    Try,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.board import Board, Line
from firmware_ctl.simulator.pins import SimulatedFactory
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, MAT, WirePoller
from tests.unit.session.inputs import TRIAL

GATED = MAT._replace(gate=Gate(26, 8), button=None)


class World:
    """The daemon on simulated pins, with a board that has a motor gate."""

    def __init__(self) -> None:
        self.poller = WirePoller()
        self.board = Board(GATED)
        factory = SimulatedFactory(self.board, self.poller.now_ms)
        gate = GpioGate(GATED.gate, factory)  # type: ignore[arg-type]
        rail = Rail(gate.is_rail_on)
        self.session = Session(GATED, CATALOGUE)
        self.log: list[str] = []
        self.states: list[tuple[int, str]] = []
        self.daemon = Daemon(
            self.session,
            self.poller,
            Latch(GATED, GpioMotors(GATED, factory), NoDeadman()),
            None,
            NoLedger(),
            lambda done: pytest.fail("nobody reloads here"),
            self.log.append,
            [self],
            [TickLate(), rail],
            [gate, rail],
        )

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        status = step.status
        word = status.fault.code if status.fault else status.state.value
        if not self.states or self.states[-1][1] != word:
            self.states.append((now_ms, word))

    def at(self, at_ms: int, do: Callable[[Daemon], object]) -> None:
        self.poller.at(at_ms, lambda: do(self.daemon))

    def run(self, until_ms: int) -> list[tuple[int, str]]:
        self.at(until_ms, lambda daemon: daemon.step(Close()))
        self.daemon.run()
        return self.states

    def power(self) -> int:
        return max(self.board.power_at(motor, self.poller.now_ms()) for motor in GATED.motors)


def powers_at(world: World, times_ms: Collection[int]) -> list[bool]:
    """Whether any motor had power at these times."""
    has_power: list[bool] = []
    for at_ms in times_ms:
        world.at(at_ms, lambda _: has_power.append(world.power() > 0))
    world.run(max(times_ms) + 1)
    return has_power


def test_rail_is_on_while_a_session_runs_and_off_soon_after() -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(5_000, lambda daemon: daemon.step(Stop()))
    rails: list[bool] = []
    for at_ms in (999, 1_040, 3_000, 4_999, 5_450, 6_000):
        world.at(at_ms, lambda _: rails.append(world.board.rail_at(world.poller.now_ms())))
    states = world.run(7_000)

    assert rails == [False, True, True, True, False, False]
    assert states == [(0, "idle"), (1_020, "running"), (5_000, "idle")]


def test_try_that_replaces_a_try_waits_until_the_rail_is_off() -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Try(TRIAL)))

    def replace(daemon: Daemon) -> None:
        daemon.act(EndTry())
        daemon.act(Try(TRIAL))

    world.at(3_000, replace)
    rails: list[bool] = []
    world.daemon.player.on_step.append(
        lambda step: (
            rails.append(world.board.rail_at(world.poller.now_ms()))
            if step.status.started == 2 and len(rails) == 0
            else None
        )
    )
    states = world.run(6_000)

    assert [word for _, word in states] == ["idle", "running", "idle", "running", "idle"]
    assert states[2][0] == 3_000
    assert 3_000 < states[3][0] <= 3_500
    assert rails == [False]


def test_rail_falls_by_itself_without_heartbeats() -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.run(5_000)  # the process ends here with its pins as they are: no beat after this
    world.board.kill(5_000, persist=True, freeze_high=True)
    assert [world.board.rail_at(at_ms) for at_ms in (5_001, 5_401)] == [True, False]


def test_stop_switch_while_running_is_a_fault_and_a_clear_starts_nothing() -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(3_000, lambda _: world.board.stop_switch(True))
    world.at(4_000, lambda daemon: daemon.step(Clear()))
    world.at(5_000, lambda daemon: daemon.act(Start("calm")))
    states = world.run(6_000)

    assert states[:2] == [(0, "idle"), (1_020, "running")]
    assert states[2][1] == "rail"
    assert 3_000 <= states[2][0] <= 3_000 + TICK_MS
    assert [word for _, word in states[3:]] == ["idle", "running", "rail"]


def test_rail_that_stays_on_is_a_persistent_fault_until_it_is_off() -> None:
    world = World()
    world.board.is_rail_shorted = True
    refused: list[bool] = []

    def clear(daemon: Daemon) -> None:
        refused.append(daemon.step(Clear()).refusal is not None)

    world.at(2_000, clear)
    world.at(3_000, lambda _: setattr(world.board, "is_rail_shorted", False))
    world.at(4_000, clear)
    states = world.run(5_000)

    assert refused == [True, False]
    assert [word for _, word in states] == ["idle", "rail", "idle"]


def test_start_soon_after_a_stop_waits_until_the_rail_reads_off() -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(2_000, lambda daemon: daemon.step(Stop()))
    world.at(2_150, lambda daemon: daemon.act(Start("calm")))
    world.at(9_000, lambda daemon: daemon.step(Trim(90)))
    states = world.run(10_000)

    (stopped_ms, _), (began_ms, _) = states[-3:-1] if states[-1][1] == "idle" else states[-2:]
    assert stopped_ms == 2_000
    # The stage holds the rail for 400 ms after the last edge, which comes with the next tick.
    assert 2_400 <= began_ms <= 2_400 + TICK_MS + STARTING_TICK_MS
    assert world.session.state is State.IDLE


def test_rail_that_is_shorted_at_boot_moves_nothing() -> None:
    world = World()
    world.board.is_rail_shorted = True
    world.at(100, lambda daemon: daemon.act(Start("calm")))
    assert powers_at(world, [4_000]) == [False]
    assert "rail" in [word for _, word in world.states]


@pytest.mark.parametrize("ticks", [1, 2, 7, 8])
def test_heartbeat_is_low_whenever_nothing_moves(ticks: int) -> None:
    """Left high it would need one more edge to be seen, and a stuck stage would look alive."""
    board = Board(GATED)
    gate = GpioGate(GATED.gate, SimulatedFactory(board, lambda: 0))  # type: ignore[arg-type]
    seen = []
    for now_ms in range(0, 20 * ticks, 20):
        gate.beat(now_ms, is_moving=True)
        seen.append(board.line(26))
    assert seen == ([Line(100), Line(0)] * 4)[:ticks]  # an edge a tick
    for now_ms in (1_000, 1_020, 1_040):
        gate.beat(now_ms, is_moving=False)
        assert board.line(26) == Line(0)


@pytest.mark.parametrize("stop_at_ms", [3_000, 3_010, 3_020, 3_030])
def test_heartbeat_is_low_after_a_session_however_many_ticks_it_had(stop_at_ms: int) -> None:
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(stop_at_ms, lambda daemon: daemon.act(Stop()))
    lines: list[Line] = []
    for at_ms in (900, stop_at_ms + 50, stop_at_ms + 300):
        world.at(at_ms, lambda _: lines.append(world.board.line(26)))
    world.run(stop_at_ms + 400)
    assert lines == [Line(0)] * 3


def restarted() -> World:
    """A session is stopped and started again, so that a tick begins the second one."""
    world = World()
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(2_000, lambda daemon: daemon.step(Stop()))
    world.at(2_150, lambda daemon: daemon.act(Start("calm")))
    return world


def heartbeat_edges(world: World) -> list[tuple[int, int | None]]:
    """The time and the duty of each write of the heartbeat pin, while the world runs."""
    edges: list[tuple[int, int | None]] = []
    set_line = world.board.set_line

    def record(pin: int, line: Line, now_ms: int) -> None:
        if pin == 26:
            edges.append((now_ms, line.duty_pct))
        set_line(pin, line, now_ms)

    world.board.set_line = record  # type: ignore[method-assign]
    return edges


@pytest.mark.parametrize("after_ms", range(0, 70, 7))
def test_stop_just_after_a_tick_began_the_session_is_no_fault(after_ms: int) -> None:
    """The tick has fed the gate once. The rail needs its time to go off, and no stop may cost a clear."""
    began_ms = [at_ms for at_ms, word in restarted().run(3_000) if word == "running"][-1]
    world = restarted()
    edges = heartbeat_edges(world)
    world.at(began_ms + after_ms, lambda daemon: daemon.step(Stop()))
    assert "rail" not in [word for _, word in world.run(5_000)]
    ended_ms, duty_pct = edges[-1]
    assert duty_pct == 0
    assert began_ms <= ended_ms <= began_ms + after_ms + TICK_MS


def test_first_heartbeat_comes_within_a_starting_tick_of_the_session() -> None:
    world = World()
    edges = heartbeat_edges(world)
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    began_ms = [at_ms for at_ms, word in world.run(3_000) if word == "running"][-1]
    assert began_ms <= edges[0][0] <= began_ms + STARTING_TICK_MS


def test_first_heartbeat_comes_within_a_starting_tick_of_a_resume() -> None:
    """A resume comes between two ticks, and the rail must be on before the motors start again."""
    world = World()
    edges = heartbeat_edges(world)
    world.at(1_000, lambda daemon: daemon.act(Start("calm")))
    world.at(3_000, lambda daemon: daemon.step(Pause()))
    world.at(4_000, lambda daemon: daemon.step(Resume()))
    world.run(5_000)
    first_ms = next(at_ms for at_ms, _ in edges if at_ms >= 4_000)
    assert first_ms <= 4_000 + STARTING_TICK_MS
