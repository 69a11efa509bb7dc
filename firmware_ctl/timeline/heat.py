"""How warm a session makes its motors and the surface that the person lies on.

The figures are estimates for the reference build: a motor glued to an aluminium plate of 60 by 60
by 2 mm under at least 10 mm of foam. They come from simulations of `hw/circuits/heat.cir` in which
each part was varied by 30 % in both directions, and the tests compare them with that circuit. No
temperature was measured on a mat.
"""

from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import INRUSH_MS
from firmware_ctl.timeline.model import MotorCourse, Timeline, cycle_ms
from firmware_ctl.timeline.motor_drive import MotorCurve

SUPPLY_V: Final = 5.0
"""Voltage of the motors' rail. All power from the rail counts as heat in the motor, although some
of it shakes the mat: that errs on the warm side."""

SKIN_C: Final = 35.0
"""Temperature of the surface under a lying person while no motor runs."""

SURFACE_LIMIT_C: Final = 41.0
"""Limit of IEC 60601-1:1988, 42.3, for parts that a patient touches for long, as quoted in IECEE
decision DSH-422. The project uses the figure for comparison and claims no conformity."""

CUT_OFF_HOLDS_C: Final = 68.0
"""Highest motor temperature at which a thermal cut-off of the reference build stays closed. Its
rated functioning temperature Tf, 73 °C, is higher."""

Span = tuple[int, float]
"""A length in milliseconds, and the mean power in watt during that length."""

PowerCourse = tuple[Span, ...]


class HeatPath(NamedTuple):
    """From a motor's power to a temperature, as one thermal resistance and one time constant."""

    k_per_w: float
    """The thermal resistance: kelvin above the skin for each watt, after a long time."""
    time_constant_ms: float

    def after(self, warmer_k: float, watt: float, for_ms: float) -> float:
        """Kelvin above the skin after `for_ms` at a steady power of `watt`.

        `warmer_k` is the temperature now, in kelvin above the skin.
        """
        end_k = watt * self.k_per_w
        return end_k + (warmer_k - end_k) * exp(-for_ms / self.time_constant_ms)


MOTOR: Final = HeatPath(52.0, 860_000.0)
"""A motor's housing in the nominal build. The simulator's motors warm up by this path."""

WORST_MOTOR: Final = HeatPath(68.0, 640_000.0)
WORST_SURFACE: Final = HeatPath(8.6, 650_000.0)
"""The worst motor housing and the worst surface over a motor. Both are upper bounds only from the
fifth minute of a steady power on."""


class Heat(NamedTuple):
    """The highest temperatures of a motor and of the surface over the motor, in °C."""

    motor: str
    motor_c: float
    surface_c: float
    from_starts: bool
    """True if most of the motor's heat comes from starts, which no level changes."""


def heat_of(timeline: Timeline, mat: Mat) -> list[Heat]:
    """The heat of each motor, in the order of the mat file.

    The session is taken to play again and again, without a break, until the day's running time is
    used up, which is the warmest use of one day.
    """
    known: dict[PowerCourse, tuple[float, float]] = {}  # most motors of a zone share a course
    heats = []
    for i, motor in enumerate(mat.motors):
        course = power_course(timeline, i)
        if course not in known:
            daily_ms = mat.limits.daily_ms
            known[course] = (
                most_k(WORST_MOTOR, course, daily_ms),
                most_k(WORST_SURFACE, course, daily_ms),
            )
        motor_k, surface_k = known[course]
        from_starts = _share_of_starts(timeline, i) > 0.5
        heats.append(Heat(motor.name, SKIN_C + motor_k, SKIN_C + surface_k, from_starts))
    return heats


class HotZone(NamedTuple):
    """A zone with a motor whose thermal cut-off may open."""

    zone: str
    motor_c: float
    """The temperature of the warmest motor of the zone."""
    remedy: str
    """What the author can do, as the end of a sentence."""


def hot_zones(timeline: Timeline, mat: Mat) -> list[HotZone]:
    """The zones with a motor that may get warmer than `CUT_OFF_HOLDS_C`, in the mat's order."""
    warmest: dict[str, Heat] = {}
    for motor, heat in zip(mat.motors, heat_of(timeline, mat), strict=True):
        known = warmest.get(motor.zone)
        if heat.motor_c > CUT_OFF_HOLDS_C and (known is None or heat.motor_c > known.motor_c):
            warmest[motor.zone] = heat
    return [HotZone(zone, heat.motor_c, _remedy(heat)) for zone, heat in warmest.items()]


def _remedy(heat: Heat) -> str:
    if heat.from_starts:
        return "it starts too often; lengthen `on_for`, `off_for`, `rest` or `period`"
    return "lower its levels"


def power_course(timeline: Timeline, motor: int) -> PowerCourse:
    """For each segment its length and the motor's mean power.

    Where the level ramps, the highest level counts for the whole segment.
    """
    curve = timeline.drive_table.curves[motor]
    spans = []
    for segment in timeline.segments:
        index = segment.course_of[motor]
        mean_ma = sum(_mean_ma(segment.courses[index], curve)) if index >= 0 else 0.0
        spans.append((segment.end_ms - segment.begin_ms, SUPPLY_V * mean_ma / 1000))
    return tuple(spans)


def _share_of_starts(timeline: Timeline, motor: int) -> float:
    """The share of the inrush of starts in the charge that a motor takes in a session, 0 to 1."""
    curve = timeline.drive_table.curves[motor]
    running = starting = 0.0
    for segment in timeline.segments:
        index = segment.course_of[motor]
        if index >= 0:
            running_ma, starting_ma = _mean_ma(segment.courses[index], curve)
            running += running_ma * (segment.end_ms - segment.begin_ms)
            starting += starting_ma * (segment.end_ms - segment.begin_ms)
    return starting / (running + starting) if starting else 0.0


def refuse_hot(profile: Profile, timeline: Timeline, mat: Mat, path: str) -> None:
    """Raises `AuthorError` if the surface over a motor would exceed `SURFACE_LIMIT_C`.

    The mistake stands at the phase in which that motor draws most power.
    """
    heats = heat_of(timeline, mat)
    hottest = max(heats, key=lambda heat: heat.surface_c)
    if hottest.surface_c > SURFACE_LIMIT_C:
        watts = [watt for _, watt in power_course(timeline, heats.index(hottest))]
        phase = profile.phases[watts.index(max(watts))]
        of_mat = "`limits.daily`" if hottest.from_starts else "its zone's `cap` or `limits.daily`"
        sentence = (
            f"motor {hottest.motor} would warm the surface under the person to "
            f"{hottest.surface_c:.0f} °C, and {SURFACE_LIMIT_C:.0f} °C is allowed; "
            f"{_remedy(hottest)}, or lower {of_mat} in the mat file"
        )
        raise AuthorError([Mistake(path, *phase.place, sentence)])


def most_k(path: HeatPath, course: PowerCourse, for_ms: int) -> float:
    """The highest temperature, in kelvin above the skin, if a course is repeated for `for_ms`.

    Each repetition begins warmer than the one before, so the highest temperature lies in the last
    whole repetition or in the incomplete one after it. A geometric series gives the temperature at
    the beginning of the last whole repetition, so the time to compute does not grow with `for_ms`.
    """
    length_ms = sum(span_ms for span_ms, _ in course)
    passes, rest_ms = divmod(for_ms, length_ms)
    after_one_k = 0.0
    for span_ms, watt in course:
        after_one_k = path.after(after_one_k, watt, span_ms)
    stays = exp(-length_ms / path.time_constant_ms)
    now_k = after_one_k * (1 - stays ** max(0, passes - 1)) / (1 - stays)
    most = now_k
    left_ms = min(passes, 1) * length_ms + rest_ms
    for span_ms, watt in course * 2:
        now_k = path.after(now_k, watt, min(span_ms, left_ms))
        left_ms = max(0, left_ms - span_ms)
        most = max(most, now_k)
    return most


@lru_cache(maxsize=64)
def _mean_ma(course: MotorCourse, curve: MotorCurve) -> tuple[float, float]:
    """Mean currents in mA over one cycle at the highest level: of running, and of the starts.

    If the cycles have different lengths, the shortest counts, which has most starts in its time.
    """
    shortest = min(course.piece_lists, key=cycle_ms)
    at_ms, levels, length_ms = course.cycle(max(course.ramp.level_pct), shortest)
    ends_ms = (*at_ms[1:], length_ms)
    total = sum(
        curve.ma_at[curve.duty_pct[level]] * (end_ms - begin_ms)
        for begin_ms, end_ms, level in zip(at_ms, ends_ms, levels, strict=True)
    )
    starts = sum(1 for i, level in enumerate(levels) if level and not levels[i - 1])
    return total / length_ms, starts * INRUSH_MS * curve.start_ma / length_ms
