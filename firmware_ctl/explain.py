"""Why a motor gets the duty it gets: the chain of limits for each zone and phase, in one table.

It asks the resolver that the compiler asks; nothing is worked out a second time.
"""

from collections.abc import Iterator
from typing import NamedTuple

from firmware_ctl.budget import Budget
from firmware_ctl.limits import DUTY_PCT, resolve
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Profile
from firmware_ctl.shaping import duty_table
from firmware_ctl.timeline import motors_of, ramp_of


class Row(NamedTuple):
    """One zone in one phase, at the highest level asked there."""

    phase: str
    zone: str
    """Or a side of it."""
    asked_pct: int
    cap_pct: int
    trim_pct: int
    supply_pct: int
    level_pct: int
    duty_pct: int
    """Of the motor that gets most; kicks from rest apart."""
    bound_by: str


def explain(profile: Profile, budget: Budget, mat: Mat, trim_pct: int = 100) -> Iterator[Row]:
    """A row for each line of `play` and each present zone that it reaches."""
    tables = {motor.name: duty_table(motor, mat) for motor in mat.motors}
    for phase in profile.phases:
        for play in phase.play:
            asked_pct = max(play.level.from_pct, play.level.to_pct)
            if not play.frames:
                asked_pct = max(ramp_of(play.level, phase.for_ms).level_pct)
            reached = motors_of(play.target, mat)
            _, dot, side = play.target.partition(".")
            for zone in mat.zones:
                motors = [mat.motors[i] for i in reached if mat.motors[i].zone == zone.name]
                if not motors:
                    continue
                resolved = resolve(asked_pct, zone.cap_pct, trim_pct, budget.level_pct)
                motor = max(motors, key=lambda m: tables[m.name][resolved.level_pct])
                bound_by = resolved.bound_by
                if resolved.level_pct == 100:
                    bounds = (
                        (motor.cap_pct, "motor cap"),
                        (mat.limits.duty_pct, "mat limit"),
                        (DUTY_PCT, "code limit"),
                    )
                    bound_by = min(bounds)[1]
                yield Row(
                    phase.name,
                    zone.name + dot + side,
                    asked_pct,
                    zone.cap_pct,
                    trim_pct,
                    budget.level_pct,
                    resolved.level_pct,
                    tables[motor.name][resolved.level_pct],
                    bound_by,
                )
