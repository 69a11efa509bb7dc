"""Reports on a compiled session: its certificate, and why each motor gets its duty.

The certificate holds the figures that are proven of a session before it plays. `explain` shows the
chain of limits for each zone and phase. It calls `limits.resolve`, as the compiler does, so that
the report cannot differ from what plays.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.config.profile import Profile
from firmware_ctl.limits import DUTY_PCT, resolve
from firmware_ctl.timeline.compiler import motors_of, ramp_of
from firmware_ctl.timeline.model import MotorCourse, Timeline
from firmware_ctl.timeline.motor_drive import MotorCurve, drive_table_of
from firmware_ctl.timeline.supply import Budget, PeakCurrent, peak_current_with_pauses

MOST_CYCLES: Final = 500
"""Most cycles whose steps are counted in a session, to bound the time of a report.

A course has a cycle for each level of its ramp, up to 101, and to draw a cycle takes up to a
millisecond on a Pi Zero 2. If a session has more cycles, no steps are counted, and only the highest
cycle of each course is drawn.
"""


class ZoneProof(NamedTuple):
    """The figures of one zone over the whole session. Level, duty and kick are the highest ones."""

    zone: str
    played_ms: int
    """Total length of the phases in which the zone plays, with the silent parts of patterns."""
    level_pct: int
    duty_pct: int
    kick_pct: int
    """Duty of the strongest kick. 0: no motor of the zone is kicked."""
    steps: int
    """Steps of level in one cycle of each course of the zone. Equal motors count once. 0 if the
    session has more than `MOST_CYCLES`."""
    dead_steps: int
    """The steps that change the level and not the duty, so that nobody can feel them."""


class Certificate(NamedTuple):
    """The proven figures of a profile. A trim, a pause or a stop can only lower them.

    `check --json` prints the certificate with these field names as keys.
    """

    length_ms: int
    rise_pct_s: int
    """Steepest rise of the envelope. A pattern below the envelope may jump."""
    zones: tuple[ZoneProof, ...]
    worst: PeakCurrent
    """The highest current. The session draws it only if a pause ends at that instant."""
    budget: Budget
    cert: str


def certify(timeline: Timeline, budget: Budget, mat: Mat) -> Certificate:
    cycles = sum(len(course.ramp.level_pct) for s in timeline.segments for course in s.courses)
    counts = cycles <= MOST_CYCLES
    zones = tuple(_zone(zone.name, timeline, mat, counts) for zone in mat.zones)
    played = tuple(zone for zone in zones if zone.played_ms)
    peak = peak_current_with_pauses(timeline)
    return Certificate(timeline.end_ms, timeline.rise_pct_s, played, peak, budget, timeline.cert)


def _zone(name: str, timeline: Timeline, mat: Mat, counts: bool) -> ZoneProof:
    motors = [i for i, motor in enumerate(mat.motors) if motor.zone == name]
    curves = timeline.drive_table.curves
    played_ms = level_pct = duty_pct = kick_pct = steps = dead_steps = 0
    for segment in timeline.segments:
        if any(segment.high_pct[i] for i in motors):
            played_ms += segment.end_ms - segment.begin_ms
        played = {(segment.course_of[i], curves[i]) for i in motors if segment.course_of[i] >= 0}
        for course, curve in played:
            figures = _figures(segment.courses[course], curve, counts)
            level_pct = max(level_pct, figures.level_pct)
            duty_pct = max(duty_pct, figures.duty_pct)
            steps += figures.steps
            dead_steps += figures.dead_steps
            # The soft start and a trim may play any motor at level 1, so a motor needs a kick if
            # the duty of level 1 cannot start it.
            is_weak = figures.level_pct and curve.duty_pct[1] < curve.start_pct
            if timeline.drive_table.kicks and curve.kick_ms and is_weak:
                kick_pct = max(kick_pct, curve.highest_pct)
    steps, dead_steps = (steps, dead_steps) if counts else (0, 0)
    return ZoneProof(name, played_ms, level_pct, duty_pct, kick_pct, steps, dead_steps)


class _Figures(NamedTuple):
    level_pct: int
    duty_pct: int
    steps: int
    dead_steps: int


@lru_cache(maxsize=64)
def _figures(course: MotorCourse, curve: MotorCurve, all_cycles: bool) -> _Figures:
    """The figures of one course on one kind of motor. `all_cycles` False: the highest cycle only.

    Cached, because zones and phases share courses.
    """
    cycles = course.cycles if all_cycles else [course.cycle(max(course.ramp.level_pct))]
    levels = [cycle.level_pct for cycle in cycles]
    duties = [[curve.duty_pct[level] for level in cycle] for cycle in levels]
    return _Figures(
        max(map(max, levels)),
        max(map(max, duties)),
        sum(len(cycle) - 1 for cycle in duties),
        sum(a == b for cycle in duties for a, b in pairwise(cycle)),
    )


class Row(NamedTuple):
    """One zone in one phase, at the highest level that the phase asks of the zone."""

    phase: str
    zone: str
    """A zone, or one side of a zone."""
    asked_pct: int
    cap_pct: int
    trim_pct: int
    supply_pct: int
    level_pct: int
    duty_pct: int
    """The highest duty of a motor of the zone, apart from kicks."""
    bound_by: str
    """The name of the limit that decides the level; at level 100, the limit of the duty."""


class _Reach(NamedTuple):
    """The part of one zone that a target reaches."""

    zone: str
    """A zone, or one side of a zone."""
    cap_pct: int
    motors: tuple[tuple[Motor, tuple[int, ...]], ...]
    """Each motor with its duty for each level."""


def explain(profile: Profile, budget: Budget, mat: Mat, trim_pct: int = 100) -> Iterator[Row]:
    """A row for each line of `play` and each present zone that the line reaches.

    Rows are made one at a time, and equal rows are computed once: the daemon makes rows on its
    loop, and may stop after the first ones.
    """
    reached: dict[str, list[_Reach]] = {}
    known: dict[tuple[str, int], Row] = {}
    for phase in profile.written:
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
    motors, curves = mat.motors, drive_table_of(mat).curves
    _, dot, side = target.partition(".")
    reaches = []
    for zone in mat.zones:
        reached = [i for i in motors_of(target, mat) if motors[i].zone == zone.name]
        if reached:
            tables = tuple((motors[i], curves[i].duty_pct) for i in reached)
            reaches.append(_Reach(zone.name + dot + side, zone.cap_pct, tables))
    return reaches


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
