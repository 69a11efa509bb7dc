"""How warm a session makes its motors and the surface that the person lies on.

The figures are of the reference build, a motor glued to an aluminium plate of 60 by 60 by 2 mm
under at least 10 mm of foam. They follow from `hw/circuits/heat.cir`, simulated with each of its
parts 30 % either way; the tests hold them against it. Nothing was measured.
"""

from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import INRUSH_MS
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Profile
from firmware_ctl.shaping import Drive
from firmware_ctl.timeline import Timeline, Voice

SUPPLY_V: Final = 5.0
"""The motors' rail. What is drawn from it ends as heat in the motor, the shaking too."""

SKIN_C: Final = 35.0
"""Under a lying person, without any motor."""

SURFACE_LIMIT_C: Final = 41.0
"""Of IEC 60601-1:1988, 42.3, for what a patient touches for long, as IECEE decision DSH-422 tells
it. It is a yardstick here; no conformity is claimed."""

CUT_OFF_HOLDS_C: Final = 68.0
"""Up to here a thermal cut-off of the reference build (Tf 73 °C) stays closed."""


Span = tuple[int, float]
"""Milliseconds, and the mean power in watt that holds for them."""

Course = tuple[Span, ...]


class Path(NamedTuple):
    """From a motor's power to a temperature, as one resistance and one time constant."""

    k_per_w: float
    ms: float

    def after(self, warmer_k: float, watt: float, for_ms: float) -> float:
        """What is `warmer_k` over the skin now, after so long under a steady power."""
        end_k = watt * self.k_per_w
        return end_k + (warmer_k - end_k) * exp(-for_ms / self.ms)


MOTOR: Final = Path(52.0, 860_000.0)
"""A motor's housing in the nominal build; the simulator's motors follow it."""

WORST_MOTOR: Final = Path(68.0, 640_000.0)
WORST_SURFACE: Final = Path(8.6, 650_000.0)
"""What is not exceeded from the fifth minute of a steady power on."""


class Heat(NamedTuple):
    """The most of a motor's temperatures, and of the surface over it."""

    motor: str
    motor_c: float
    surface_c: float


def heat_of(timeline: Timeline, mat: Mat) -> list[Heat]:
    """For each motor, if the session is played again and again until the day's time is used up."""
    found: dict[Course, tuple[float, float]] = {}  # the motors of a zone mostly share one
    heats = []
    for i, motor in enumerate(mat.motors):
        course = tuple(spans(timeline, i))
        if course not in found:
            daily_ms = mat.limits.daily_ms
            found[course] = (
                most_k(WORST_MOTOR, course, daily_ms),
                most_k(WORST_SURFACE, course, daily_ms),
            )
        motor_k, surface_k = found[course]
        heats.append(Heat(motor.name, SKIN_C + motor_k, SKIN_C + surface_k))
    return heats


def spans(timeline: Timeline, motor: int) -> list[Span]:
    """Of a motor: the length of each phase and its mean power in it, at the highest of its ramp."""
    drive = timeline.shape.drives[motor]
    return [
        (s.end_ms - s.begin_ms, SUPPLY_V * _mean_ma(s.voices[s.voice_of[motor]], drive) / 1000)
        if s.voice_of[motor] >= 0
        else (s.end_ms - s.begin_ms, 0.0)
        for s in timeline.segments
    ]


def refuse_hot(profile: Profile, timeline: Timeline, mat: Mat, path: str) -> None:
    """`AuthorError` where the surface over a motor would get too warm."""
    heats = heat_of(timeline, mat)
    hottest = max(heats, key=lambda heat: heat.surface_c)
    if hottest.surface_c > SURFACE_LIMIT_C:
        watts = [watt for _, watt in spans(timeline, heats.index(hottest))]
        phase = profile.phases[watts.index(max(watts))]
        sentence = (
            f"motor {hottest.motor} would warm the surface under the person to "
            f"{hottest.surface_c:.0f} °C, and {SURFACE_LIMIT_C:.0f} °C is allowed; lower its "
            "levels here, or its zone's `cap` or `limits.daily` in the mat file"
        )
        raise AuthorError([Mistake(path, *phase.place, sentence)])


def most_k(path: Path, course: Course, for_ms: int) -> float:
    """The most over the skin, if a course of powers is repeated for so long from cold.

    Each pass begins warmer than the one before, so that the last whole pass and the piece after it
    hold the most: the passes before them are one formula.
    """
    length_ms = sum(span_ms for span_ms, _ in course)
    passes, rest_ms = divmod(for_ms, length_ms)
    after_one_k = 0.0
    for span_ms, watt in course:
        after_one_k = path.after(after_one_k, watt, span_ms)
    stays = exp(-length_ms / path.ms)
    now_k = after_one_k * (1 - stays ** max(0, passes - 1)) / (1 - stays)
    most = now_k
    left_ms = min(passes, 1) * length_ms + rest_ms
    for span_ms, watt in course * 2:
        now_k = path.after(now_k, watt, min(span_ms, left_ms))
        left_ms = max(0, left_ms - span_ms)
        most = max(most, now_k)
    return most


@lru_cache(maxsize=64)
def _mean_ma(voice: Voice, drive: Drive) -> float:
    """Over one cycle at its highest; a start draws more for a moment."""
    at_ms, levels, cycle_ms = voice.cycle(max(voice.ramp.level_pct))
    ends_ms = (*at_ms[1:], cycle_ms)
    total = sum(
        drive.ma_at[drive.duty_pct[level]] * (end_ms - begin_ms)
        for begin_ms, end_ms, level in zip(at_ms, ends_ms, levels, strict=True)
    )
    starts = sum(1 for i, level in enumerate(levels) if level and not levels[i - 1])
    return (total + starts * INRUSH_MS * drive.start_ma) / cycle_ms
