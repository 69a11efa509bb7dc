"""Motors, gate and status LED on gpiozero's pins.

The pin factory is named by the caller and never chosen by gpiozero, which would fall back to
another with a warning.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import nextafter
from typing import Any, Final

from gpiozero import (
    LED,
    DigitalOutputDevice,
    GPIOZeroError,
    InputDevice,
    OutputDevice,
)

from firmware_ctl.config import mat
from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware import emergency_off
from firmware_ctl.session.events import Input, State, Step
from firmware_ctl.timeline.motor_drive import Levels

# lgpio's pin truncates value * 100, so that 29, 57 and 58 % come out one low (gpiozero #1209).
# The next float above k / 100 mends all of them; 0 stays exactly 0.
VALUES: Final = (0.0, *(nextafter(duty / 100, 1) for duty in range(1, 101)))


class GpioMotors:
    """Every motor's pin, low from the start.

    Its PWM begins with the first duty and ends with `all_low`: lgpio's thread wakes for each period
    of a PWM, of 0 % too.
    """

    def __init__(self, mat: mat.Mat, factory: Any) -> None:
        self._devices: list[Any] = []
        self._names = [f"motor {motor.name} on GPIO {motor.pin}" for motor in mat.motors]
        self._duties = [0] * len(mat.motors)
        self._pwm_hz = mat.pwm_hz
        self._is_low = True
        """There is no PWM."""
        for motor, name in zip(mat.motors, self._names, strict=True):
            with _named(name):
                device = OutputDevice(motor.pin, pin_factory=factory)
            self._devices.append(device)
        self._pins = [device.pin for device in self._devices]

    def apply(self, duty_pct: Levels) -> None:
        """Writes what changed; falling duties first, so that the sum never overshoots."""
        duties = self._duties
        if self._is_low:
            for name, pin in zip(self._names, self._pins, strict=True):
                with _named(name):
                    pin.frequency = self._pwm_hz
            self._is_low = False
        changes = sorted(
            [(duty - duties[i], i) for i, duty in enumerate(duty_pct) if duty != duties[i]]
        )
        for _, i in changes:
            try:
                self._pins[i].state = VALUES[duty_pct[i]]
            except Exception as error:
                raise _named_error(self._names[i], error) from None
            duties[i] = duty_pct[i]

    def all_low(self) -> list[str]:
        """Ends the PWM of every pin and drives it low, also where a write fails."""
        stuck = []
        for pin in self._pins:
            with suppress(Exception):
                pin.state = 0.0
        for name, pin in zip(self._names, self._pins, strict=True):
            # Ending lgpio's PWM leaves the level as it was; the write after it makes it low.
            with suppress(Exception):
                pin.frequency = None
            try:
                pin.state = 0
            except Exception as error:
                stuck.append(f"{name} cannot be driven low: {error}")
        self._duties = [0] * len(self._duties)
        self._is_low = True
        return stuck


class GpioGate:
    """The motor gate: a heartbeat that holds the rail on, and the pin that reads the rail back."""

    def __init__(self, gate: mat.Gate, factory: Any) -> None:
        with _named(f"the motor gate's heartbeat on GPIO {gate.heartbeat_pin}"):
            self._heartbeat = DigitalOutputDevice(gate.heartbeat_pin, pin_factory=factory)
        self._rail: Any = None
        if gate.rail_pin is not None:
            with _named(f"the motor gate's read-back on GPIO {gate.rail_pin}"):
                # A DigitalInputDevice would have lgpio look for edges.
                self._rail = InputDevice(gate.rail_pin, pull_up=False, pin_factory=factory)

    def beat(self, now_ms: int, is_moving: bool) -> None:
        """An edge for each tick; none while nothing moves, so that the rail falls."""
        if is_moving:
            self._heartbeat.toggle()
        elif self._heartbeat.value:
            self._heartbeat.off()

    @property
    def has_rail(self) -> bool:
        """The rail can be read back."""
        return self._rail is not None

    def is_rail_on(self) -> bool:
        return self._rail is not None and bool(self._rail.value)


class GpioLed:
    """The status LED: on while a session is on, blinking in a fault, else off."""

    def __init__(self, pin: int, factory: Any) -> None:
        with _named(f"the LED on GPIO {pin}"):
            self._led = LED(pin, pin_factory=factory)

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        state = step.status.state
        blink = state is State.FAULT and now_ms % 1000 < 500
        self._led.value = blink or state in (State.RUNNING, State.PAUSED)


def lgpio_factory() -> Any:
    """The header's pins of this Pi by lgpio; `DeviceError` where there are none.

    The chip is found by its label: another one's lines belong to what is soldered to the board.
    Pins stay driven low when they are closed: gpiozero's own close makes them floating inputs, and
    a gate that floats can turn its motor on.
    """
    try:
        from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin
    except ImportError as error:
        raise DeviceError(f"the GPIO library lgpio is not installed here ({error})") from None
    except OSError as error:  # its FIFO cannot be made
        folder = os.environ.get("LG_WD", os.getcwd())
        raise DeviceError(f"lgpio cannot write to the folder {folder}: {error.strerror}") from None

    class KeptPin(LGPIOPin):  # type: ignore[misc]
        def close(self) -> None:
            if self.function == "input":
                super().close()

    path = emergency_off.find_chip()
    if not path:
        raise DeviceError(_no_header())
    try:
        factory = LGPIOFactory(int(path.removeprefix("/dev/gpiochip")))
    except Exception as error:
        # lgpio raises its own error, gpiozero PinUnknownPi, the kernel OSError.
        raise DeviceError(f"there are no GPIO pins that can be used here ({error})") from None
    factory.pin_class = KeptPin
    return factory


def _no_header() -> str:
    import glob  # 2 ms that no one needs who has pins

    chips = sorted(glob.glob("/dev/gpiochip*"))
    if not chips:
        return "there are no GPIO pins here: the kernel offers no /dev/gpiochip0"
    shut = [chip for chip in chips if not os.access(chip, os.R_OK | os.W_OK)]
    if shut:
        return (
            f"this user may not open {shut[0]}; use sudo, or join the group: "
            "`sudo usermod -aG gpio $USER`, then log in anew"
        )
    return f"no GPIO chip here ({', '.join(chips)}) drives the header of a Raspberry Pi"


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Turns a pin's error into a sentence that names the pin."""
    try:
        yield
    except Exception as error:
        raise _named_error(what, error) from None


def _named_error(what: str, error: Exception) -> Exception:
    # lgpio raises an error of its own, whose class is called just that.
    if not isinstance(error, GPIOZeroError | OSError) and type(error).__name__ != "error":
        return error
    who = "; `firmware-ctl doctor` says who holds it" if "busy" in str(error) else ""
    return DeviceError(f"{what} cannot be used: {error}{who}")
