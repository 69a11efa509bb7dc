"""Motors, motor gate and status LED on gpiozero's pins.

This module knows duties and pins. It never knows why a motor runs: the latch alone calls it to
write a duty. The caller always names the pin factory: gpiozero's own choice would fall back to
another library with a mere warning.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import nextafter
from typing import Final, Protocol

from gpiozero import (
    GPIOZeroError,
    InputDevice,
    OutputDevice,
)

from firmware_ctl.config import mat
from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware import emergency_off
from firmware_ctl.session.events import Input, State, Step
from firmware_ctl.timeline.motor_drive import Levels

VALUES: Final = (0.0, *(nextafter(duty_pct / 100, 1) for duty_pct in range(1, 101)))
"""Duty in percent → value for gpiozero.

lgpio's pin truncates value * 100, so 29, 57 and 58 % would come out one percent low (gpiozero
#1209). The next float above k / 100 avoids that; 0 stays exactly 0.
"""


class Pin(Protocol):
    """One of gpiozero's pins, which has no types of its own."""

    frequency: float | None
    """None: no PWM."""
    state: float
    """From 0 to 1 with PWM; 0 or 1 without."""


class PinFactory(Protocol):
    """Makes gpiozero's pins, for gpiozero's devices."""

    def pin(self, name: int) -> Pin: ...


class HeaderFactory(PinFactory, Protocol):
    """The pins of this Pi's header."""

    chip: int
    """The number of the chip that drives the header."""


class GpioMotors:
    """The pins of all motors. They are low from the start.

    PWM begins with the first `apply` and ends with `all_low`. It does not run while the mat is
    idle, because lgpio's thread wakes in each period, even at a duty of 0 %.
    """

    def __init__(self, mat: mat.Mat, factory: PinFactory) -> None:
        """Raises DeviceError, which names the pin."""
        self._devices: list[OutputDevice] = []
        self._names = [f"motor {motor.name} on GPIO {motor.pin}" for motor in mat.motors]
        self._duties = [0] * len(mat.motors)
        self._pwm_hz = mat.pwm_hz
        self._has_pwm = False
        for motor, name in zip(mat.motors, self._names, strict=True):
            with _named(name):
                device = OutputDevice(motor.pin, pin_factory=factory)
            self._devices.append(device)
        self._pins: list[Pin] = [device.pin for device in self._devices]

    def apply(self, duty_pct: Levels) -> None:
        """Writes the duties that changed, in percent; DeviceError names the pin that fails.

        Falling duties are written first, so that the sum of all duties never overshoots. A duty
        that could not be written counts as not written, and the next call tries it again.
        """
        duties = self._duties
        if not self._has_pwm:
            for name, pin in zip(self._names, self._pins, strict=True):
                with _named(name):
                    pin.frequency = self._pwm_hz
            self._has_pwm = True
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
        """Ends the PWM of every pin and drives it low. A sentence for each pin that is not low.

        Never raises. A pin that fails does not keep the others from being driven low.
        """
        stuck = []
        # First a duty of 0 on every pin, the fastest way to stop all motors.
        for pin in self._pins:
            with suppress(Exception):
                pin.state = 0.0
        for name, pin in zip(self._names, self._pins, strict=True):
            # The end of lgpio's PWM leaves the pin at its present level, so a write must follow.
            with suppress(Exception):
                pin.frequency = None
            try:
                pin.state = 0
            except Exception as error:
                stuck.append(f"{name} cannot be driven low: {error}")
        self._duties = [0] * len(self._duties)
        self._has_pwm = False
        return stuck


class GpioGate:
    """The motor gate: a heartbeat pin that keeps the rail on, a pin that reads the rail back."""

    def __init__(self, gate: mat.Gate, factory: PinFactory) -> None:
        with _named(f"the motor gate's heartbeat on GPIO {gate.heartbeat_pin}"):
            self._heartbeat = OutputDevice(gate.heartbeat_pin, pin_factory=factory)
        self._is_high = False
        """The level of the heartbeat pin."""
        self._rail: InputDevice | None = None
        if gate.rail_pin is not None:
            with _named(f"the motor gate's read-back on GPIO {gate.rail_pin}"):
                # Not a DigitalInputDevice, for which lgpio would start a thread that polls edges.
                self._rail = InputDevice(gate.rail_pin, pull_up=False, pin_factory=factory)

    def beat(self, now_ms: int, is_moving: bool) -> None:
        """One edge in each tick while motors run; else the pin stays low, and the rail goes off."""
        is_high = is_moving and not self._is_high
        if is_high is not self._is_high:
            self._heartbeat.pin.state = is_high
            self._is_high = is_high

    @property
    def has_rail(self) -> bool:
        """True if the rail can be read back."""
        return self._rail is not None

    def is_rail_on(self) -> bool:
        return self._rail is not None and bool(self._rail.value)


class GpioLed:
    """The status LED: on in a session, blinking once a second in a fault, else off."""

    def __init__(self, pin: int, factory: PinFactory) -> None:
        with _named(f"the LED on GPIO {pin}"):
            self._led = OutputDevice(pin, pin_factory=factory)
        self._is_on = False

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        state = step.status.state
        is_blink_on = state is State.FAULT and now_ms % 1000 < 500
        is_on = is_blink_on or state in (State.RUNNING, State.PAUSED)
        if is_on is not self._is_on:
            self._led.pin.state = is_on
            self._is_on = is_on


def lgpio_factory() -> HeaderFactory:
    """gpiozero's pin factory for this Pi's header, by lgpio.

    Raises DeviceError, with what to do, if there are no pins that can be used. The chip is found by
    its label, because the lines of other chips belong to parts on the board.

    DANGER: closing a pin must leave it driven low. gpiozero's own close makes it a floating input,
    and a MOSFET whose gate floats can turn its motor on. `KeptPin` therefore closes inputs only.
    """
    try:
        import lgpio
        from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin
    except ImportError as error:
        raise DeviceError(f"the GPIO library lgpio is not installed here ({error})") from None
    except OSError as error:  # lgpio makes a FIFO as it is imported.
        folder = os.environ.get("LG_WD", os.getcwd())
        raise DeviceError(f"lgpio cannot write to the folder {folder}: {error.strerror}") from None

    class KeptPin(LGPIOPin):  # type: ignore[misc]
        def close(self) -> None:
            if self.function == "input":
                super().close()

    class KeptFactory(LGPIOFactory):  # type: ignore[misc]
        def __init__(self, chip: int) -> None:
            # Not LGPIOFactory's own __init__: up to gpiozero 2.0.1 it ignores the chip that it is
            # given, and opens chip 4 on a Pi 5, else chip 0 (gpiozero #1166).
            super(LGPIOFactory, self).__init__()
            self._handle = lgpio.gpiochip_open(chip)
            self._chip = chip
            self.pin_class = KeptPin

    path = emergency_off.find_chip()
    if not path:
        raise DeviceError(_no_header())
    try:
        factory: HeaderFactory = KeptFactory(int(path.removeprefix("/dev/gpiochip")))
    except lgpio.error as error:
        raise DeviceError(f"there are no GPIO pins that can be used here ({error})") from None
    return factory


def _no_header() -> str:
    """Why no chip drives the header, and what to do."""
    import glob  # Takes 2 ms to load, and only this error needs it.

    chips = sorted(glob.glob("/dev/gpiochip*"))
    if not chips:
        return "there are no GPIO pins here: the kernel offers no /dev/gpiochip0"
    forbidden = [chip for chip in chips if not os.access(chip, os.R_OK | os.W_OK)]
    if forbidden:
        return (
            f"this user has no permission to open {forbidden[0]}; use sudo, or join the group: "
            "`sudo usermod -aG gpio $USER`, then log out and in"
        )
    return f"no GPIO chip here ({', '.join(chips)}) drives the header of a Raspberry Pi"


@contextmanager
def _named(device: str) -> Iterator[None]:
    """Turns an error of a pin into a `DeviceError` that names the device and its pin."""
    try:
        yield
    except Exception as error:
        raise _named_error(device, error) from None


def _named_error(device: str, error: Exception) -> Exception:
    # lgpio's own exception class is called `error`. lgpio may be absent, so it is not imported.
    if not isinstance(error, GPIOZeroError | OSError) and type(error).__name__ != "error":
        return error
    hint = "; `firmware-ctl doctor` says who holds it" if "busy" in str(error) else ""
    return DeviceError(f"{device} cannot be used: {error}{hint}")
