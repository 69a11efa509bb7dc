"""Pins that are not there: gpiozero's mock factory, and a start button that a program presses."""

from collections.abc import Callable
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware_ctl import mat
from firmware_ctl.gpio import GpioButton


class SimulatedPin(MockPWMPin):  # type: ignore[misc]
    """A mock pin that keeps no history: the stock one's list of states grows for ever."""

    def _change_state(self, value: float) -> bool:
        changed: bool = super()._change_state(value)
        del self.states[:-1]
        return changed


def mock_factory() -> Any:
    return MockFactory(pin_class=SimulatedPin)


class SimulatedButton(GpioButton):
    """The contacts on mock pins, moved as a finger moves them."""

    def __init__(self, contacts: mat.Contacts, factory: Any, edge: Callable[[], None]) -> None:
        super().__init__(contacts, factory, edge)
        self.press(False)

    def press(self, is_down: bool) -> None:
        pressed, *released = (device.pin for device in self._devices)
        if is_down:
            for pin in released:
                pin.drive_high()
            pressed.drive_low()
        else:
            pressed.drive_high()
            for pin in released:
                pin.drive_low()
