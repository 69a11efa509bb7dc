"""Simulated pins for gpiozero, and a start button that a program presses.

Each pin drives its line of the simulated board as lgpio would drive the line of a Pi.
"""

from collections import deque
from collections.abc import Callable

from gpiozero import DigitalInputDevice
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware_ctl.config import mat
from firmware_ctl.hardware.button_lines import MOST_EDGES
from firmware_ctl.session.button import Contact, contact, spells_of
from firmware_ctl.session.events import Contacts
from firmware_ctl.simulator.board import Board, Line


class SimulatedPin(MockPWMPin):  # type: ignore[misc]
    """A mock pin that drives its line of the board.

    It keeps no history: gpiozero's own list of a mock pin's states grows without end.
    """

    def __init__(self, factory: "SimulatedFactory", info: object) -> None:
        super().__init__(factory, info)
        self._is_rail = factory.board is not None and self._number == factory.board.rail_pin
        self._set_line(None)  # lgpio claims a new pin as an input without a pull

    def _change_state(self, value: float) -> bool:
        changed: bool = super()._change_state(value)
        del self.states[:-1]
        return changed

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        if value == "output":  # for an input gpiozero sets the pull next, which sets the line
            self._set_line(0)  # lgpio claims an output low

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self._set_line(None)

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        # lgpio truncates a duty to whole percent (gpiozero #1209).
        self._set_line(int(value * 100) if self._frequency else 100 * bool(value))

    def _set_frequency(self, value: float | None) -> None:
        ends_high = value is None and self._frequency is not None and self._state > 0
        super()._set_frequency(value)
        if ends_high:
            self._set_line(100)  # lgpio ends PWM without driving low; at worst the line stays high

    def _get_state(self) -> float:
        if self._is_rail:
            return float(self.factory.board.rail_at(self.factory.now_ms()))
        state: float = self._state
        return state

    def _set_line(self, duty_pct: int | None) -> None:
        board = self.factory.board
        if board is not None:
            board.set_line(self._number, Line(duty_pct, self._pull), self.factory.now_ms())


class KeptPin(SimulatedPin):
    """Keeps driving its line when it is closed, as the daemon's own pins on a Pi do."""

    def close(self) -> None:
        if self.function == "input":
            super().close()


class SimulatedFactory(MockFactory):  # type: ignore[misc]
    """A factory whose pins drive a board, at the times of a clock in ms. None: no board."""

    def __init__(self, board: Board | None = None, now_ms: Callable[[], int] = lambda: 0) -> None:
        super().__init__(pin_class=SimulatedPin)
        self.board = board
        self.now_ms = now_ms


class SimulatedButton:
    """The contacts of the start button on simulated pins, moved as a finger moves them."""

    def __init__(
        self, contacts: mat.ButtonPins, factory: SimulatedFactory, edge: Callable[[], None]
    ) -> None:
        """`edge` is called at each edge of a contact."""
        pins = [contacts.pressed_pin]
        if contacts.released_pin is not None:
            pins.append(contacts.released_pin)
        self._now_ms = factory.now_ms
        self._edges: deque[tuple[int, Contact]] = deque(maxlen=MOST_EDGES)
        self._devices = [DigitalInputDevice(pin, pull_up=True, pin_factory=factory) for pin in pins]
        self._pins = [device.pin for device in self._devices]
        for index, device in enumerate(self._devices):
            device.when_activated = self._handler(index, True, edge)
            device.when_deactivated = self._handler(index, False, edge)
        self.press(False)

    def read(self) -> Contacts:
        """The contact now, and the spells of edges since the last reading."""
        edges = self._edges
        spells = spells_of(edges.popleft() for _ in range(len(edges))) if edges else ()
        return Contacts(self._contact(self._closed()), spells)

    def _closed(self) -> list[bool]:
        # The loop reads this in each tick; a device's own `value` calls three more functions.
        return [not pin.state for pin in self._pins]

    def _handler(self, index: int, is_closed: bool, edge: Callable[[], None]) -> Callable[[], None]:
        def changed() -> None:
            # A tap may be over before the loop reads the pins, so each edge is kept for `read`.
            closed = self._closed()
            closed[index] = is_closed
            self._edges.append((self._now_ms(), self._contact(closed)))
            edge()

        return changed

    def _contact(self, closed: list[bool]) -> Contact:
        pressed = closed[0]
        return contact(pressed, closed[1] if len(closed) > 1 else not pressed)

    def press(self, is_down: bool) -> None:
        """Presses the button or releases it. On a change-over button both contacts move."""
        pressed, *released = self._pins
        if is_down:
            for pin in released:
                pin.drive_high()
            pressed.drive_low()
        else:
            pressed.drive_high()
            for pin in released:
                pin.drive_low()
