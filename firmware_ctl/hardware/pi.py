"""This Raspberry Pi: finds its GPIO header, and opens a mat's pins as one `Hardware` value.

It knows which devices a mat has and the order in which they open. It never knows how a pin is
driven: `gpio` and `button_lines` do.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Hardware, Heartbeat, Log, Source, Watchdog
from firmware_ctl.daemon.watchdogs import Rail, UnderVoltage
from firmware_ctl.errors import DeviceError
from firmware_ctl.hardware import emergency_off


class Pi:
    """The GPIO header of this Raspberry Pi. It takes no pin before `open`."""

    def __init__(self, state_folder: str, advice: str, stack: ExitStack) -> None:
        """`state_folder`: where `write_down` leaves the pins for `emergency_off`.

        Raises `DeviceError`, which ends with `advice`, if this machine has no usable pins.
        """
        self._state_folder = state_folder
        self._stack = stack
        _keep_lgpio_in(state_folder, stack)
        # gpiozero takes a quarter of a second to load on a small Pi, and a mock may not need it.
        from firmware_ctl.hardware import gpio

        try:
            self._factory = gpio.lgpio_factory()
        except DeviceError as error:
            raise DeviceError(f"{error}; {advice}") from None
        self._chip = f"/dev/gpiochip{self._factory.chip}"

    def write_down(self, mat: Mat) -> None:
        """Writes the pins into the state folder, for `emergency_off` to drive low after a crash.

        Call it before `open`: no pin may be taken that an emergency off would not know. Raises
        `DeviceError` if the folder cannot be written.
        """
        try:
            emergency_off.write_lines(self._state_folder, self._chip, mat.power_pins)
        except OSError as error:
            sentence = f"nothing can be written to {self._state_folder}: {error.strerror}"
            raise DeviceError(sentence) from None

    def open(self, mat: Mat, origin_ns: int, log: Log) -> Hardware:
        """Takes the pins, all low. When the stack closes, every motor pin is driven low again.

        `origin_ns`: the loop's time 0 on the monotonic clock. Raises `DeviceError`, which names
        the pin that cannot be used.
        """
        from firmware_ctl.hardware import button_lines, gpio

        factory = self._factory
        leds = () if mat.led_pin is None else (gpio.GpioLed(mat.led_pin, factory),)
        button = None
        if mat.button is not None:
            button = button_lines.KernelContacts(self._chip, mat.button, origin_ns)
        motors = gpio.GpioMotors(mat, factory)
        self._stack.callback(motors.all_low)
        watchdogs: list[Watchdog] = []
        is_under_voltage = _under_voltage_alarm()
        if is_under_voltage is not None:
            watchdogs.append(UnderVoltage(is_under_voltage, log))
        heartbeats: list[Heartbeat] = []
        if mat.gate is not None:
            gate = gpio.GpioGate(mat.gate, factory)
            heartbeats.append(gate)
            if gate.has_rail:
                rail = Rail(gate.is_rail_on)
                watchdogs.append(rail)
                heartbeats.append(rail)
        sources: tuple[Source, ...] = () if button is None else (button,)
        return Hardware(motors, button, sources, leds, tuple(watchdogs), tuple(heartbeats))


def _keep_lgpio_in(state_folder: str, stack: ExitStack) -> None:
    """Sets LG_WD: lgpio makes its FIFO in that folder, and changes its working directory to it.

    lgpio opens the FIFO by its path, maybe as root. So no other user may be able to put a link into
    the folder: it is the state folder if this user owns it, else a temporary one.
    """
    if "LG_WD" in os.environ:
        return
    is_own = os.access(state_folder, os.W_OK) and os.stat(state_folder).st_uid == os.geteuid()
    folder = state_folder if is_own else stack.enter_context(tempfile.TemporaryDirectory())
    os.environ["LG_WD"] = folder


def _under_voltage_alarm() -> Callable[[], bool] | None:
    """A function that reads the kernel's alarm for the Pi's own supply. None: there is no alarm."""
    import glob  # Takes 2 ms to load, which a mock does not need.

    for path in glob.glob("/sys/class/hwmon/hwmon*/in0_lcrit_alarm"):
        with open(os.path.join(os.path.dirname(path), "name"), encoding="ascii") as file:
            if file.read().strip() == "rpi_volt":
                alarm_fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                return lambda: os.pread(alarm_fd, 8, 0).strip() == b"1"
    return None
