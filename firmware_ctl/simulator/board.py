"""A model of the mat's wiring: GPIO lines, MOSFET gates and the motor rail.

The board knows which motor has power at which time, also after the process that drove the lines has
died. It does not know who drives a line or why, nor how a motor moves. Where the state of a real
circuit would be uncertain, the model takes the dangerous one: the motor is on.
"""

from typing import Final, Literal, NamedTuple

from firmware_ctl.config.mat import Mat, Motor

Pull = Literal["up", "down", "floating"]

GATE_OHM: Final = 3_300
"""Pull-down resistor at the gate of each motor's MOSFET in the reference build."""

STAGE_MS: Final = (260, 400)
"""Shortest and longest time for which one heartbeat edge keeps the rail on, over all tolerances."""

_THRESHOLD_V: Final = 0.65  # the lowest gate threshold of an AO3400A
_PULL_UP_OHM: Final = 33_000  # the strongest pull-up inside a Pi 4
_PULL_UP_V: Final = 3.3 * 1.05
_FLOATING_V: Final = 1.9  # 0.9 to 1.9 V was measured on a floating gate (gpiozero #1146)


class Line(NamedTuple):
    """The state of a GPIO line: its driver and its pull resistor."""

    duty_pct: int | None = None
    """0: driven low; 100: driven high; between: PWM; None: an input."""
    pull: Pull = "floating"
    """The resistor inside the Pi; it has an effect on inputs only."""

    @property
    def is_pulsing(self) -> bool:
        return self.duty_pct is not None and 0 < self.duty_pct < 100


def reset_line(pin: int) -> Line:
    """A line after a reset of the Pi: an input, pulled up on GPIO 0 to 8, down on all others."""
    return Line(None, "up" if pin <= 8 else "down")


def gate_duty_pct(line: Line, gate_ohm: int | None) -> int:
    """The share of the time, in percent, for which the MOSFET behind this line conducts.

    `gate_ohm`: the pull-down resistor at the gate of the MOSFET; None: there is none.
    """
    if line.duty_pct is not None:
        return line.duty_pct
    if line.pull == "down" or (line.pull == "floating" and gate_ohm is not None):
        gate_v = 0.0
    elif line.pull == "floating":
        gate_v = _FLOATING_V
    else:
        gate_v = _PULL_UP_V * (1 if gate_ohm is None else gate_ohm / (gate_ohm + _PULL_UP_OHM))
    return 100 if gate_v >= _THRESHOLD_V else 0


def after_death(line: Line, persist: bool, freeze_high: bool) -> Line:
    """A line after the process that drove it has died.

    `persist`: the kernel keeps outputs driven, as Raspberry Pi kernels do; with `strict_gpiod` they
    become inputs. `freeze_high`: PWM made by a thread of the process stops at 100 %; False: at 0.
    """
    if line.duty_pct is None or not persist:
        return Line(None, line.pull)
    return Line(100 if freeze_high else 0, line.pull) if line.is_pulsing else line


class Board:
    """All lines, the rail and its switches. Times must not go backwards.

    The rail has power while the supply is there and the stop switch is released; on a mat with a
    motor gate the heartbeat stage has to be fed, too. The input of that stage is AC-coupled: each
    change of the heartbeat line feeds it, and one edge is enough. A stuck line does not feed it. A
    line with PWM feeds it without a daemon that lives, which is a danger.
    """

    def __init__(
        self, mat: Mat, gate_ohm: int | None = GATE_OHM, stage_ms: int = STAGE_MS[1]
    ) -> None:
        self.rail_pin = mat.gate.rail_pin if mat.gate else None
        """The input that reads the rail back; None on a mat without a motor gate."""
        self.has_supply = True
        self.shorted: set[int] = set()
        """Injected fault: pins whose MOSFET conducts whatever their gate's voltage."""
        self.is_rail_shorted = False
        """Injected fault: the rail's own MOSFET conducts whatever the heartbeat stage does."""
        self._heartbeat_pin = mat.gate.heartbeat_pin if mat.gate else None
        self._gate_ohm = gate_ohm
        self._stage_ms = stage_ms
        self._lines = {pin: reset_line(pin) for pin in range(28)}
        self._is_stopped = False
        self._fed_until_ms: int | None = None

    def line(self, pin: int) -> Line:
        return self._lines[pin]

    def set_line(self, pin: int, line: Line, now_ms: int) -> None:
        """Drives a line, or makes it an input, as the process that owns it would."""
        previous, self._lines[pin] = self._lines[pin], line
        if pin == self._heartbeat_pin and _is_edge(previous, line):
            self._fed_until_ms = now_ms + self._stage_ms

    def kill(self, now_ms: int, persist: bool, freeze_high: bool) -> None:
        """Changes all lines as the death of their process does; see `after_death`."""
        for pin, line in self._lines.items():
            self.set_line(pin, after_death(line, persist, freeze_high), now_ms)

    def stop_switch(self, on: bool) -> None:
        """Presses the stop switch, which stays pressed and cuts the rail, or releases it."""
        self._is_stopped = on

    def rail_at(self, now_ms: int) -> bool:
        """Whether the rail has power."""
        if not self.has_supply or self._is_stopped:
            return False
        if self._heartbeat_pin is None or self.is_rail_shorted:
            return True
        if self._lines[self._heartbeat_pin].is_pulsing:
            return True
        return self._fed_until_ms is not None and now_ms < self._fed_until_ms

    def power_at(self, motor: Motor, now_ms: int) -> int:
        """The share of the time, in whole percent, for which the motor has power."""
        if not self.rail_at(now_ms):
            return 0
        if motor.pin in self.shorted:
            return 100
        return gate_duty_pct(self._lines[motor.pin], self._gate_ohm)


def _is_edge(previous: Line, line: Line) -> bool:
    return previous.is_pulsing or _is_high(previous) != _is_high(line)


def _is_high(line: Line) -> bool:
    return line.pull == "up" if line.duty_pct is None else line.duty_pct > 0
