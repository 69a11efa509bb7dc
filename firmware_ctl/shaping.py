"""From a level that is felt to the duty that a pin gets, one table a motor.

Knows what a motor needs, and nothing of time.
"""

from firmware_ctl.limits import DUTY_PCT
from firmware_ctl.mat import Mat, Motor


def highest_duty_pct(motor: Motor, mat: Mat) -> int:
    return min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT)


def duty_table(motor: Motor, mat: Mat) -> tuple[int, ...]:
    """Duty in whole percent for the levels 0 to 100: 0 is off, 1 to 100 map onto hold to cap.

    Rounded down, so that no level gets more than it asks for.
    """
    span_pct = highest_duty_pct(motor, mat) - motor.hold_pct
    return (0, *(motor.hold_pct + span_pct * (level - 1) // 99 for level in range(1, 101)))
