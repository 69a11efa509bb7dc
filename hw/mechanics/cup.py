"""The cup that keeps a motor's weight free under a lying person: its measures, and what follows.

All in millimetres. The plate lies on the cup's rim with foam and person above it; the motor hangs
below the plate, on a strip of aluminium that lifts its weight off. z runs away from the person and
begins at the plate's lower side. `section.py` draws it, `solid.py` makes the bodies; the tests hold
both to this.
"""

from math import pi
from typing import Final, NamedTuple

PLATE: Final = 60.0
"""Side of the square plate."""

PLATE_THICK: Final = 2.0
FOAM_OVER: Final = 10.0
"""At least so much foam between plate and skin, under the person's weight."""

LOAD_N: Final = 24.0
"""15 kPa on 40 by 40 mm, the most that a lying body presses; the builder's check uses it too."""

STEP_N: Final = 800.0
"""Somebody stands on it."""

PETG_MPA: Final = 1_500.0
"""Stiffness of printed PETG across its layers, at its lowest."""

PETG_BEARS_MPA: Final = 20.0


class Cup(NamedTuple):
    motor: str
    body: float
    """Diameter of the motor."""
    length: float
    """Of the whole motor with its weight."""
    clear: float = 2.0
    """Around the weight, to every side."""
    strip: float = 1.5
    """Thickness of the aluminium strip between motor and plate."""
    strip_long: float = 15.0
    strip_wide: float = 6.0
    cut_off: float = 5.0
    """Diameter of the thermal cut-off in its tape, which lies beside the motor."""
    wires: float = 8.0
    """Room behind the motor for its capacitor and joints."""
    wall: float = 2.4
    floor: float = 2.4
    flange: float = 5.0
    flange_thick: float = 2.0
    slot_wide: float = 6.0
    slot_high: float = 4.0
    corner: float = 3.0
    """Radius of the outer upright corners."""

    @property
    def inner(self) -> tuple[float, float, float]:
        """Room inside: along the motor, across it, and away from the plate."""
        return (
            self.length + 2 * self.clear + self.wires,
            self.body + 2 * self.clear + self.cut_off,
            self.strip + self.body + self.clear,
        )

    @property
    def outer(self) -> tuple[float, float, float]:
        """Of the walls, without the flange."""
        along, across, deep = self.inner
        return along + 2 * self.wall, across + 2 * self.wall, deep + self.floor

    @property
    def bounds(self) -> tuple[float, float, float]:
        along, across, high = self.outer
        return along + 2 * self.flange, across + 2 * self.flange, high

    @property
    def volume(self) -> float:
        inner, outer, bounds = self.inner, self.outer, self.bounds
        corners = (4 - pi) * self.corner**2
        body = (outer[0] * outer[1] - corners) * outer[2] - inner[0] * inner[1] * inner[2]
        flange = (
            bounds[0] * bounds[1] - corners - (outer[0] * outer[1] - corners)
        ) * self.flange_thick
        slot = self.slot_wide * (self.wall * self.slot_high + self.flange * self.flange_thick)
        return body + flange - slot

    @property
    def under_plate(self) -> float:
        """How thick the foam is into which the cup is let."""
        return self.outer[2]

    @property
    def sinks_mm(self) -> float:
        """How far the floor bends towards the weight under the load: a plate held at its rim."""
        press = LOAD_N / (self.outer[0] * self.outer[1])
        return 0.0284 * press * self.inner[1] ** 4 / (PETG_MPA * self.floor**3)

    @property
    def wall_mpa(self) -> float:
        """In the walls when somebody stands on the plate."""
        return STEP_N / (self.outer[0] * self.outer[1] - self.inner[0] * self.inner[1])


CUPS: Final = (Cup("307-103", 8.7, 25.1), Cup("306-10H", 7.0, 24.5))
