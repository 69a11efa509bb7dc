"""The machine as data: zones, motors, pins, supply and limits, read from a mat file.

Knows nothing of time, and does no I/O beyond reading its file.
"""

from dataclasses import dataclass

from firmware_ctl.patterns import Side


@dataclass(frozen=True, slots=True)
class Motor:
    """One motor. Duties in whole percent of what the pin can give, currents at the cap."""

    name: str
    zone: str
    side: Side
    pin: int
    start_pct: int
    """Duty that sets a resting motor turning."""
    hold_pct: int
    """Duty that just keeps a turning motor turning; level 1 maps onto it."""
    cap_pct: int
    """Highest duty; level 100 maps onto it. Never above the mat's and the code's own."""
    kick_ms: int
    run_ma: int
    start_ma: int


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    present: bool
    cap_pct: int
    """Highest level that a profile may ask of the zone."""
    motors: tuple[Motor, ...]


@dataclass(frozen=True, slots=True)
class Contacts:
    """The start button. Change-over where `released_pin` is given: a broken wire is then seen."""

    pressed_pin: int
    released_pin: int | None


@dataclass(frozen=True, slots=True)
class Gate:
    heartbeat_pin: int
    rail_pin: int | None


@dataclass(frozen=True, slots=True)
class SerialPort:
    device: str
    baud: int


@dataclass(frozen=True, slots=True)
class MatLimits:
    """What the file asks for, at most the code's own limits."""

    session_ms: int
    daily_ms: int
    duty_pct: int
    rise_pct_s: int


@dataclass(frozen=True, slots=True)
class Mat:
    name: str
    zones: tuple[Zone, ...]
    pwm_hz: int
    max_ma: int
    limits: MatLimits
    button: Contacts | None
    led_pin: int | None
    gate: Gate | None
    ports: tuple[SerialPort, ...]

    @property
    def motors(self) -> tuple[Motor, ...]:
        """Every motor in the order of the file: the order of levels, duties and traces."""
        return tuple(motor for zone in self.zones for motor in zone.motors)
