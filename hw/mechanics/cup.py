"""The cup around a motor, which keeps the motor's weight free under a lying person: its dimensions,
and what follows from them.

All lengths are in millimetres. The plate lies on the cup's rim, with foam and person above it. The
motor hangs below the plate, on a strip of aluminium that keeps the weight away from the plate. The
z axis begins at the plate's lower side and points away from the person. `section.py` draws the cup
and `solid.py` makes its bodies; tests compare both with this module.
"""

from math import pi
from typing import Final, NamedTuple

PLATE: Final = 60.0
"""Side of the square plate."""

PLATE_THICK: Final = 2.0
FOAM_OVER: Final = 10.0
"""Least thickness of the foam between plate and skin, under the person's weight."""

LOAD_N: Final = 24.0
"""15 kPa on 40 by 40 mm, the highest pressure of a lying body. The build guide uses it too."""

STEP_N: Final = 800.0
"""Load of a person who stands on the plate."""

PETG_MPA: Final = 1_500.0
"""Lowest stiffness of printed PETG across its layers."""

PETG_BEARS_MPA: Final = 20.0
"""Stress that printed PETG withstands across its layers."""


class Cup(NamedTuple):
    motor: str
    body: float
    """Diameter of the motor."""
    length: float
    """Length of the whole motor, including its weight."""
    clear: float = 2.0
    """Gap around the weight, on every side."""
    strip: float = 1.5
    """Thickness of the aluminium strip between motor and plate."""
    strip_long: float = 15.0
    strip_wide: float = 6.0
    cut_off: float = 5.0
    """Diameter of the thermal cut-off in its tape, beside the motor."""
    wires: float = 8.0
    """Space behind the motor for its capacitor and joints."""
    wall: float = 2.4
    floor: float = 2.4
    flange: float = 5.0
    flange_thick: float = 2.0
    slot_wide: float = 6.0
    slot_high: float = 4.0
    corner: float = 3.0
    """Radius of the outer vertical edges."""

    @property
    def inner(self) -> tuple[float, float, float]:
        """Space inside: along the motor, across it, and away from the plate."""
        return (
            self.length + 2 * self.clear + self.wires,
            self.body + 2 * self.clear + self.cut_off,
            self.strip + self.body + self.clear,
        )

    @property
    def outer(self) -> tuple[float, float, float]:
        """Outer size of the walls, without the flange."""
        along, across, deep = self.inner
        return along + 2 * self.wall, across + 2 * self.wall, deep + self.floor

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Outer size including the flange."""
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
        """Thickness of the foam that the cup is set into."""
        return self.outer[2]

    @property
    def sinks_mm(self) -> float:
        """How far the floor bends towards the weight under `LOAD_N`: a plate clamped at its rim."""
        pressure_mpa = LOAD_N / (self.outer[0] * self.outer[1])
        return 0.0284 * pressure_mpa * self.inner[1] ** 4 / (PETG_MPA * self.floor**3)

    @property
    def wall_mpa(self) -> float:
        """Stress in the walls when a person stands on the plate."""
        return STEP_N / (self.outer[0] * self.outer[1] - self.inner[0] * self.inner[1])


CUPS: Final = (Cup("307-103", 8.7, 25.1), Cup("306-10H", 7.0, 24.5))
