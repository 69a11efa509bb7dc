"""The simulated pins: gpiozero's devices drive the board's lines as lgpio would."""

from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero import DigitalInputDevice, DigitalOutputDevice

from firmware_ctl.config.mat import ButtonPins
from firmware_ctl.hardware.gpio import GpioMotors
from firmware_ctl.simulator.board import Board, Line
from firmware_ctl.simulator.pins import SimulatedButton, SimulatedFactory
from tests.unit.simulator.test_board import BARE, GATED, MOTORS, powers


class World:
    """The gated reference mat's board on a clock that the test sets, and a factory on it."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.board = Board(GATED)
        self.factory: Any = SimulatedFactory(self.board, lambda: self.now_ms)


@pytest.fixture
def world() -> Iterator[World]:
    created = World()
    yield created
    created.factory.reset()


def test_every_whole_duty_reaches_the_board_unchanged(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    lines_pct = []
    for duty_pct in range(101):
        motors.apply((duty_pct,) * 8)
        lines_pct.append({world.board.line(motor.pin).duty_pct for motor in MOTORS})
    assert lines_pct == [{duty_pct} for duty_pct in range(101)]


def test_fraction_is_truncated_to_whole_percent_as_with_lgpio(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    motors.apply((1,) * 8)
    pin = world.factory.pin(17)
    lines_pct = []
    for duty_pct in (28, 29, 57, 58, 59):
        pin.state = duty_pct / 100
        lines_pct.append(world.board.line(17).duty_pct)
    assert lines_pct == [28, 28, 56, 57, 59]
    motors.all_low()


def test_line_of_a_motor_from_its_claim_to_its_release() -> None:
    drives: list[tuple[int | None, str]] = []

    class Listener(Board):
        def set_line(self, pin: int, line: Line, now_ms: int) -> None:
            if pin == 17:
                drives.append((line.duty_pct, line.pull))

    factory = SimulatedFactory(Listener(BARE))
    motors = GpioMotors(BARE, factory)
    motors.apply((72,) * 8)
    motors.all_low()
    factory.close()
    floats, low, runs = (None, "floating"), (0, "floating"), (72, "floating")
    claimed, driven_low = [floats, low, low], [low, low]
    assert drives == [*claimed, runs, *driven_low, floats]


def test_ending_pwm_alone_may_leave_a_motor_on(world: World) -> None:
    motors = GpioMotors(BARE, world.factory)
    motors.apply((72,) * 8)
    world.factory.pin(17).frequency = None
    assert world.board.line(17) == Line(100)
    motors.all_low()
    assert [world.board.line(motor.pin) for motor in MOTORS] == [Line(0)] * 8


def test_pins_that_gpiozero_has_released_need_the_pull_down() -> None:
    powers_pct = []
    for gate_ohm in (None, 4_700):
        board = Board(BARE, gate_ohm)
        factory = SimulatedFactory(board)
        motors = GpioMotors(BARE, factory)
        motors.all_low()
        powers_pct.append(powers(board, 0))
        factory.close()
        powers_pct.append(powers(board, 0))
    assert powers_pct == [[0] * 8, [100] * 8, [0] * 8, [0] * 8]


def test_heartbeat_holds_the_rail_and_the_read_back_sees_it(world: World) -> None:
    heartbeat = DigitalOutputDevice(26, pin_factory=world.factory)
    rail = DigitalInputDevice(8, pull_up=False, pin_factory=world.factory)
    read_backs = [rail.value]
    for world.now_ms in (0, 20, 40):
        heartbeat.toggle()
        read_backs.append(rail.value)
    for world.now_ms in (439, 440):
        read_backs.append(rail.value)
    heartbeat.toggle()
    world.board.stop_switch(True)
    read_backs.append(rail.value)
    world.board.stop_switch(False)
    read_backs.append(rail.value)
    assert read_backs == [0, 1, 1, 1, 1, 0, 0, 1]


def test_pins_keep_no_history_with_and_without_a_board(world: World) -> None:
    lengths = []
    for factory in (world.factory, SimulatedFactory()):
        motors = GpioMotors(BARE, factory)
        for duty_pct in range(1, 81):
            motors.apply((duty_pct,) * 8)
        lengths.append([len(factory.pin(motor.pin).states) for motor in MOTORS])
    assert lengths == [[1] * 8] * 2


def test_contacts_of_the_button_are_pulled_up_and_still_move(world: World) -> None:
    button = SimulatedButton(ButtonPins(5, 6), world.factory, lambda: None)
    contacts = [button.read().contact]
    for is_down in (True, False):
        button.press(is_down)
        contacts.append(button.read().contact)
    assert [contact.name for contact in contacts] == ["RELEASED", "PRESSED", "RELEASED"]
    assert [world.board.line(pin) for pin in (5, 6)] == [Line(None, "up")] * 2
