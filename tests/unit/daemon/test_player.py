"""The one way from an input to the pins: times, and the order of the calls in a step and in a tick."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.player import Player
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import (
    Clear,
    Fault,
    Input,
    RailOff,
    Ready,
    SaveLedger,
    Start,
    State,
    Step,
    Stop,
    Trim,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.worlds import CATALOGUE, MAT, SILENCE


@dataclass(eq=False)
class World:
    """A player whose parts record their calls in one list."""

    fault: Fault | RailOff | None = None
    """The result of the watchdog."""
    trouble: str | None = None
    """The answer of the disk to a save. None: no answer yet."""
    now_ms: int = 0
    calls: list[str] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    events: list[Input] = field(default_factory=list)
    written: list[Levels] = field(default_factory=list)
    stuck: bool = False
    """A pin takes no write."""

    def __post_init__(self) -> None:
        self.session = Session(MAT._replace(button=None), CATALOGUE)
        self.session.handle(Ready(), 0)
        self.latch = Latch(MAT, self, self)
        self.player = Player(
            self.session, lambda: self.now_ms, self.latch, self, [self], [self], [self]
        )

    # motors

    def apply(self, duty_pct: Levels) -> None:
        if self.stuck and any(duty_pct):
            raise DeviceError("motor left on GPIO 22 cannot be used")
        self.calls.append("pins")
        self.written.append(duty_pct)

    def all_low(self) -> list[str]:
        self.written.append(SILENCE)
        return []

    # dead-man

    def arm(self) -> None:
        self.calls.append("armed")

    def disarm(self) -> None:
        self.calls.append("disarmed")

    # watcher, watchdog, heartbeat, ledger

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        self.calls.append("watcher")
        self.events.append(event)
        self.times_ms.append(now_ms)

    def check(self, now_ms: int, is_moving: bool) -> Fault | RailOff | None:
        self.calls.append("watchdog")
        return self.fault

    def beat(self, now_ms: int, is_moving: bool) -> None:
        self.calls.append(f"heartbeat {'moving' if is_moving else 'still'}")

    def save(self, keep: SaveLedger, done: Callable[[str], object]) -> None:
        if self.trouble is not None:
            done(self.trouble)

    def at(self, now_ms: int, *events: Input) -> list[str]:
        """One tick. Returns the calls in their order."""
        self.calls.clear()
        self.now_ms = now_ms
        self.player.tick(events, now_ms)
        return list(self.calls)

    def start(self) -> None:
        """A session that has run for a second."""
        self.trouble = ""
        self.at(1_000, Start("calm"))
        for now_ms in range(1_020, 2_020, 20):
            self.at(now_ms, Wake())
        assert self.session.state is State.RUNNING
        assert any(self.written[-1])


def test_step_counts_from_now() -> None:
    world = World()
    world.at(1_000, Wake())
    world.at(1_010, Stop())
    assert world.times_ms == [1_000, 1_010]


def test_step_writes_the_pins_before_any_watcher() -> None:
    world = World()
    world.start()
    assert world.at(2_020, Stop())[:3] == ["watchdog", "pins", "watcher"]
    assert world.written[-1] == SILENCE


def test_fault_trips_the_latch_in_its_own_step_and_a_clear_resets_it() -> None:
    world = World()
    world.start()
    world.at(2_020, Fault("rail", "the rail is off"))
    assert world.latch.is_tripped
    assert world.written[-1] == SILENCE
    world.at(3_000, Clear())
    assert not world.latch.is_tripped


def test_fault_lets_no_duty_out_though_the_session_asks_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The latch is there for a session that is wrong."""
    world = World()
    world.start()
    duties = world.written[-1]
    real = world.session.handle

    def handle(event: Input, now_ms: int) -> Step:
        return real(event, now_ms)._replace(duty_pct=tuple(duty + 1 for duty in duties))

    monkeypatch.setattr(world.session, "handle", handle)
    before = len(world.written)
    world.at(2_020, Fault("rail", "the rail is off"))
    assert set(world.written[before:]) == {SILENCE}


def test_pin_that_cannot_be_written_is_a_fault_before_the_step_returns() -> None:
    world = World()
    world.start()
    world.player.step(Trim(50))
    world.stuck = True
    world.now_ms = 2_020
    world.player.step(Wake())
    assert world.session.fault is not None
    assert world.session.fault.code == "pin-write"
    assert world.latch.is_tripped
    assert [type(event).__name__ for event in world.events[-3:]] == ["Wake", "Fault", "LedgerSaved"]


def test_tick_beats_after_watchdogs_events_and_the_latch() -> None:
    world = World()
    world.start()
    calls = world.at(2_020, Trim(90))
    assert calls[0] == "watchdog"
    assert calls[-2:] == ["armed", "heartbeat moving"]
    assert "watcher" in calls[1:-2]
    assert world.at(2_040, Stop())[-1] == "heartbeat still"


def test_tick_handles_watchdog_faults_before_events() -> None:
    world = World(fault=Fault("rail", "the rail is off"))
    world.at(1_000, Start("calm"))
    assert [type(event) for event in world.events] == [Fault, Start]
    assert world.session.state is State.FAULT


@pytest.mark.parametrize("is_persistent", [True, False])
def test_watchdog_fault_is_passed_on_once_and_its_end_only_if_persistent(
    is_persistent: bool,
) -> None:
    world = World(fault=Fault("rail", "the rail is off", is_persistent))
    for now_ms in (1_000, 1_020, 1_040):
        world.at(now_ms)
    world.fault = None
    for now_ms in (1_060, 1_080):
        world.at(now_ms)
    assert [type(event).__name__ for event in world.events] == ["Fault"] + [
        "FaultCleared"
    ] * is_persistent


def test_rail_off_is_passed_only_to_a_session_that_waits_for_it() -> None:
    world = World(fault=RailOff())
    world.at(1_000)
    assert world.events == []
    world.at(1_020, Start("calm"))  # the disk has not answered yet
    assert world.session.status.is_starting
    world.at(1_040)
    assert world.events[-1] == RailOff()


def test_save_that_fails_refuses_the_start() -> None:
    world = World(trouble="the disk is full")
    world.at(1_000, Start("calm"))
    assert not world.session.status.is_starting
    assert world.session.state is State.IDLE


def test_must_tick_while_motors_move_or_are_about_to_or_have_just_stopped() -> None:
    world = World()
    world.at(980)
    assert not world.player.must_tick
    world.at(1_000, Start("calm"))  # the disk has not answered yet
    assert world.player.must_tick
    world = World()
    world.start()
    assert world.player.must_tick
    world.at(2_020, Stop())
    assert world.player.must_tick  # the latch has yet to see it checked
    world.at(2_040)
    assert not world.player.must_tick


def test_must_tick_until_the_deadman_is_disarmed() -> None:
    world = World()
    world.start()
    world.now_ms = 2_020
    world.player.step(Stop())
    world.player._was_moving = False
    assert world.latch.is_armed
    assert world.player.must_tick
