"""A simulated mat as one `Hardware` value, the counterpart of `hardware.pi`.

It uses the classes of `hardware.gpio` on simulated pins, so a mock runs the code that drives real
motors. It knows which devices a mat has. It never knows how a pin or a motor is simulated.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Hardware
from firmware_ctl.daemon.watchdogs import Rail
from firmware_ctl.simulator.board import Board

if TYPE_CHECKING:
    from firmware_ctl.simulator.pins import SimulatedFactory


class SimulatedMat(NamedTuple):
    hardware: Hardware
    board: Board
    """What the pins drive: the motors' power, the gate, the stop switch."""
    factory: "SimulatedFactory"


def simulated(mat: Mat, now_ms: Callable[[], int], wake: Callable[[], None]) -> SimulatedMat:
    """Makes the simulated mat, with all motor pins low.

    `now_ms`: the loop's clock. `wake`: called on any thread at each edge of the simulated button,
    so that the loop ticks.
    """
    # gpiozero takes a quarter of a second to load on a small Pi, so it is imported on use.
    from firmware_ctl.hardware import gpio
    from firmware_ctl.simulator import pins

    board = Board(mat)
    factory = pins.SimulatedFactory(board, now_ms)
    factory.pin_class = pins.KeptPin
    button = None if mat.button is None else pins.SimulatedButton(mat.button, factory, wake)
    motors = gpio.GpioMotors(mat, factory)
    if mat.gate is None:
        return SimulatedMat(Hardware(motors, button), board, factory)
    gate = gpio.GpioGate(mat.gate, factory)
    rails = (Rail(gate.is_rail_on),) if gate.has_rail else ()
    hardware = Hardware(motors, button, watchdogs=rails, heartbeats=(gate, *rails))
    return SimulatedMat(hardware, board, factory)
