"""The mat's wiring: GPIO lines, gates and the motor rail, and what a death leaves of them.

Knows what has power at what time. It does not know who drives a line or why, and not what a motor
makes of its power. Where a real circuit would be in doubt, the motor is on.
"""

from typing import Final, Literal, NamedTuple

from firmware_ctl.mat import Mat, Motor

Pull = Literal["up", "down", "floating"]

GATE_OHM: Final = 3_300
"""Pull-down on each gate of the reference build."""

STAGE_MS: Final = (260, 400)
"""How long one edge of the heartbeat holds the rail on, over all tolerances."""

_THRESHOLD_V: Final = 0.65  # AO3400A, least
_PULL_UP_OHM: Final = 33_000  # the strongest inside a Pi 4
_PULL_UP_V: Final = 3.3 * 1.05
_FLOATING_V: Final = 1.9  # 0.9 to 1.9 V was measured on a floating gate (gpiozero #1146)


class Line(NamedTuple):
    """A GPIO line as its driver and its pull leave it."""

    duty_pct: int | None = None
    """0: driven low, 100: driven high, between: pulsing; None: an input."""
    pull: Pull = "floating"
    """The Pi's own resistor; it matters to an input only."""

    @property
    def is_pulsing(self) -> bool:
        return self.duty_pct is not None and 0 < self.duty_pct < 100


def reset_line(pin: int) -> Line:
    """A line as the Pi leaves it at reset: an input, pulled up from GPIO 0 to 8, else down."""
    return Line(None, "up" if pin <= 8 else "down")


def gate_duty_pct(line: Line, gate_ohm: int | None) -> int:
    """How much of the time a gate behind this line conducts; `gate_ohm` None: no pull-down."""
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
    """A line after the death of the process that drove it.

    Raspberry Pi kernels keep an output driven (`persist`); with `strict_gpiod` it becomes an input.
    PWM made by a thread of the process stops wherever it was, at 0 or at 100 %.
    """
    if line.duty_pct is None or not persist:
        return Line(None, line.pull)
    return Line(100 if freeze_high else 0, line.pull) if line.is_pulsing else line


class Board:
    """All lines, the rail and its switches. Times only go forward.

    The rail needs the supply and the stop switch, and on a mat with a motor gate the heartbeat
    stage as well. Its AC-coupled input is fed by each change of the heartbeat line; a line that is
    stuck does not feed it, one that pulses by itself always does. One edge is enough.
    """

    def __init__(
        self, mat: Mat, gate_ohm: int | None = GATE_OHM, stage_ms: int = STAGE_MS[1]
    ) -> None:
        self.rail_pin = mat.gate.rail_pin if mat.gate else None
        """The input that reads the rail back, if there is one."""
        self.has_supply = True
        self.shorted: set[int] = set()
        """Fault switch: the pins whose MOSFET conducts whatever its gate says."""
        self.is_rail_shorted = False
        """Fault switch: the rail's own MOSFET conducts whatever the heartbeat stage says."""
        self._heartbeat_pin = mat.gate.heartbeat_pin if mat.gate else None
        self._gate_ohm = gate_ohm
        self._stage_ms = stage_ms
        self._lines = {pin: reset_line(pin) for pin in range(28)}
        self._is_stopped = False
        self._fed_until_ms: int | None = None

    def line(self, pin: int) -> Line:
        return self._lines[pin]

    def set_line(self, pin: int, line: Line, now_ms: int) -> None:
        """The line's owner drives it, or makes it an input."""
        before, self._lines[pin] = self._lines[pin], line
        if pin == self._heartbeat_pin and (before.is_pulsing or _is_high(before) != _is_high(line)):
            self._fed_until_ms = now_ms + self._stage_ms

    def kill(self, now_ms: int, persist: bool, freeze_high: bool) -> None:
        """The process that drives the lines dies; see `after_death`."""
        for pin, line in self._lines.items():
            self.set_line(pin, after_death(line, persist, freeze_high), now_ms)

    def stop_switch(self, on: bool) -> None:
        """Pressed it opens the rail, and it stays so until it is released by hand."""
        self._is_stopped = on

    def rail_at(self, now_ms: int) -> bool:
        if not self.has_supply or self._is_stopped:
            return False
        if self._heartbeat_pin is None or self.is_rail_shorted:
            return True
        if self._lines[self._heartbeat_pin].is_pulsing:
            return True
        return self._fed_until_ms is not None and now_ms < self._fed_until_ms

    def power_at(self, motor: Motor, now_ms: int) -> int:
        """The share of the time, in whole percent, for which the motor is joined to its supply."""
        if not self.rail_at(now_ms):
            return 0
        if motor.pin in self.shorted:
            return 100
        return gate_duty_pct(self._lines[motor.pin], self._gate_ohm)


def _is_high(line: Line) -> bool:
    return line.pull == "up" if line.duty_pct is None else line.duty_pct > 0
