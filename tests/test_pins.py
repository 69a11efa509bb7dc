"""The simulated pins: gpiozero's devices on them reach the board as lgpio would do it."""

from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero import DigitalInputDevice, DigitalOutputDevice

from firmware_ctl.gpio import GpioMotors
from firmware_ctl.mat import Contacts
from firmware_ctl.simulator.board import Board, Line
from firmware_ctl.simulator.pins import SimulatedButton, mock_factory
from tests.test_board import BARE, GATED, MOTORS, powers


class World:
    """The gated reference mat's board on a clock that the test sets, and a factory on it."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.board = Board(GATED)
        self.factory: Any = mock_factory(self.board, lambda: self.now_ms)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.factory.reset()


def test_every_duty_reaches_the_board_whole(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    found = []
    for duty_pct in range(101):
        motors.apply((duty_pct,) * 8)
        found.append({world.board.line(motor.pin).duty_pct for motor in MOTORS})
    assert found == [{duty_pct} for duty_pct in range(101)]


def test_a_plain_fraction_comes_out_one_low_as_with_lgpio(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    motors.apply((1,) * 8)
    pin = world.factory.pin(17)
    found = []
    for duty_pct in (28, 29, 57, 58, 59):
        pin.state = duty_pct / 100
        found.append(world.board.line(17).duty_pct)
    assert found == [28, 28, 56, 57, 59]
    motors.all_low()


def test_a_line_through_a_motors_life() -> None:
    told: list[tuple[int | None, str]] = []

    class Listener(Board):
        def set_line(self, pin: int, line: Line, now_ms: int) -> None:
            if pin == 17:
                told.append((line.duty_pct, line.pull))

    factory = mock_factory(Listener(BARE))
    motors = GpioMotors(BARE, factory)
    motors.apply((72,) * 8)
    motors.all_low()
    factory.close()
    floats, low, runs = (None, "floating"), (0, "floating"), (72, "floating")
    claimed, driven_low = [floats, low, low], [low, low]
    assert told == [*claimed, runs, *driven_low, floats]


def test_ending_pwm_alone_may_leave_a_motor_on(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    motors.apply((72,) * 8)
    world.factory.pin(17).frequency = None
    assert world.board.line(17) == Line(100)
    motors.all_low()
    assert [world.board.line(motor.pin) for motor in MOTORS] == [Line(0)] * 8


def test_pins_that_gpiozero_gave_back_need_the_pull_down() -> None:
    found = []
    for gate_ohm in (None, 4_700):
        board = Board(BARE, gate_ohm)
        factory = mock_factory(board)
        motors = GpioMotors(BARE, factory)
        motors.all_low()
        found.append(powers(board, 0))
        factory.close()
        found.append(powers(board, 0))
    assert found == [[0] * 8, [100] * 8, [0] * 8, [0] * 8]


def test_the_heartbeat_holds_the_rail_and_the_read_back_sees_it(world: World) -> None:
    heartbeat = DigitalOutputDevice(26, pin_factory=world.factory)
    rail = DigitalInputDevice(8, pull_up=False, pin_factory=world.factory)
    found = [rail.value]
    for world.now_ms in (0, 20, 40):
        heartbeat.toggle()
        found.append(rail.value)
    for world.now_ms in (439, 440):
        found.append(rail.value)
    heartbeat.toggle()
    world.board.stop_switch(True)
    found.append(rail.value)
    world.board.stop_switch(False)
    found.append(rail.value)
    assert found == [0, 1, 1, 1, 1, 0, 0, 1]


def test_pins_keep_no_history_with_and_without_a_board(world: World) -> None:
    found = []
    for factory in (world.factory, mock_factory()):
        motors = GpioMotors(BARE, factory)
        for duty_pct in range(1, 81):
            motors.apply((duty_pct,) * 8)
        found.append([len(factory.pin(motor.pin).states) for motor in MOTORS])
    assert found == [[1] * 8] * 2


def test_the_buttons_contacts_are_pulled_up_and_still_moved_by_hand(world: World) -> None:
    button = SimulatedButton(Contacts(5, 6), world.factory, lambda: None)
    found = [button.read().contact]
    for is_down in (True, False):
        button.press(is_down)
        found.append(button.read().contact)
    assert [contact.name for contact in found] == ["RELEASED", "PRESSED", "RELEASED"]
    assert [world.board.line(pin) for pin in (5, 6)] == [Line(None, "up")] * 2
