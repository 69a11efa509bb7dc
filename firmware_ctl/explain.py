"""Why a motor gets the duty it gets: the chain of limits for each zone and phase, in one table.

It asks the resolver that the compiler asks; nothing is worked out a second time.
"""

from collections.abc import Iterator
from typing import NamedTuple

from firmware_ctl.budget import Budget
from firmware_ctl.limits import DUTY_PCT, resolve
from firmware_ctl.mat import Mat, Motor
from firmware_ctl.profile import Profile
from firmware_ctl.shaping import shape_of
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


class _Reach(NamedTuple):
    """What a target reaches of one zone."""

    zone: str
    """Or a side of it."""
    cap_pct: int
    motors: tuple[tuple[Motor, tuple[int, ...]], ...]
    """With their duties by level."""


def explain(profile: Profile, budget: Budget, mat: Mat, trim_pct: int = 100) -> Iterator[Row]:
    """A row for each line of `play` and each present zone that it reaches.

    One row at a time, and what rows have in common is worked out once: the daemon asks for some of
    them on its loop.
    """
    reached: dict[str, list[_Reach]] = {}
    known: dict[tuple[str, int], Row] = {}
    for phase in profile.phases:
        for play in phase.play:
            asked_pct = play.level.from_pct
            if play.level.to_pct != asked_pct:
                asked_pct = max(ramp_of(play.level, phase.for_ms).level_pct)
            if play.target not in reached:
                reached[play.target] = _reach(play.target, mat)
            for reach in reached[play.target]:
                key = reach.zone, asked_pct
                if key not in known:
                    known[key] = _row(reach, asked_pct, trim_pct, budget, mat)
                yield known[key]._replace(phase=phase.name)


def _reach(target: str, mat: Mat) -> list[_Reach]:
    motors, drives = mat.motors, shape_of(mat).drives
    _, dot, side = target.partition(".")
    found = []
    for zone in mat.zones:
        reached = [i for i in motors_of(target, mat) if motors[i].zone == zone.name]
        if reached:
            tables = tuple((motors[i], drives[i].duty_pct) for i in reached)
            found.append(_Reach(zone.name + dot + side, zone.cap_pct, tables))
    return found


def _row(reach: _Reach, asked_pct: int, trim_pct: int, budget: Budget, mat: Mat) -> Row:
    resolved = resolve(asked_pct, reach.cap_pct, trim_pct, budget.level_pct)
    level_pct = resolved.level_pct
    motor, duties_pct = max(reach.motors, key=lambda pair: pair[1][level_pct])
    bound_by = resolved.bound_by
    if level_pct == 100:
        bounds = (
            (motor.cap_pct, "motor cap"),
            (mat.limits.duty_pct, "mat limit"),
            (DUTY_PCT, "code limit"),
        )
        bound_by = min(bounds)[1]
    limits = asked_pct, reach.cap_pct, trim_pct, budget.level_pct
    return Row("", reach.zone, *limits, level_pct, duties_pct[level_pct], bound_by)
