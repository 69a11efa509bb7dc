"""The values of a picture of a session, column by column."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import ceil
from typing import Final, NamedTuple

from firmware_ctl.simulator.erm import Erm
from firmware_ctl.simulator.motors import moments
from firmware_ctl.simulator.offline import Played, peak_times_ms
from firmware_ctl.timeline.model import Timeline, cycle_ms

COLUMNS: Final = 360
"""Columns of a picture. A pattern changes faster than they can show, so each column shows the
maximum and the mean of its time."""
SAMPLES: Final = 8
"""How many samples of the motor models make one column."""


class MotorColumns(NamedTuple):
    """One motor; each sequence has `COLUMNS` values."""

    duty_pct: Sequence[int]
    """The highest duty."""
    highest_pct: Sequence[float]
    """The highest amplitude."""
    mean_pct: Sequence[float]
    """The mean amplitude."""
    current_ma: Sequence[float]
    """The mean current."""


def columns_of(played: Played) -> tuple[list[MotorColumns], list[float]]:
    """The columns of each motor, and the highest sum of all currents in each column, in mA."""
    end_ms = played.timeline.end_ms
    sample_count = COLUMNS * SAMPLES
    samples_ms = {end_ms * (2 * i + 1) // (2 * sample_count) for i in range(sample_count)}
    samples_ms |= set(peak_times_ms(played))
    times_ms = sorted(samples_ms)
    rows = played.rows()
    sums_ma = [0.0] * len(times_ms)
    motors = []
    for i, motor in enumerate(played.mat.motors):
        spans = [_shown_ms(played.timeline, [i], column) for column in range(COLUMNS)]
        # An amplitude is highest where a duty falls, and a current jumps with the duty.
        changes_ms = {ms for at_ms, _ in played.changes[i] for ms in (at_ms - 1, at_ms)}
        edges_ms = {ms for span in spans for ms in span}
        own_ms = sorted(samples_ms | edges_ms | {ms for ms in changes_ms if ms >= 0})
        moments_at = list(moments(Erm(motor), played.changes[i], own_ms))
        amplitudes = [100 * moment.amplitude for moment in moments_at]
        currents = [moment.current_ma for moment in moments_at]
        for index, at_ms in enumerate(times_ms):
            sums_ma[index] += currents[bisect_left(own_ms, at_ms)]
        motors.append(
            MotorColumns(
                _highest([(row.at_ms, row.duty_pct[i]) for row in rows], spans),
                [max(values) for values in _in_spans(own_ms, amplitudes, spans)],
                _means(own_ms, amplitudes, spans),
                _means(own_ms, currents, spans),
            )
        )
    every = range(len(played.mat.motors))
    spans = [_shown_ms(played.timeline, every, column) for column in range(COLUMNS)]
    return motors, [max(values) for values in _in_spans(times_ms, sums_ma, spans)]


Span = tuple[int, int]
"""From and to, in ms of the session."""


def _shown_ms(timeline: Timeline, motors: Sequence[int], column: int) -> Span:
    """The time that a column shows: its own, or the cycle around it if a cycle has few columns.

    Columns that are nearly as long as a cycle would show it at another place each, which looks
    like a slow rhythm.
    """
    own_ms = timeline.end_ms / COLUMNS
    begin_ms, middle_ms = column * own_ms, (column + 0.5) * own_ms
    segment = next(s for s in timeline.segments if middle_ms < s.end_ms)
    courses = [segment.courses[segment.course_of[i]] for i in motors if segment.course_of[i] >= 0]
    cycles_ms = [max(map(cycle_ms, course.piece_lists)) for course in courses]
    short_ms = [ms for ms in (min(c, segment.pass_ms) for c in cycles_ms) if ms < 4 * own_ms]
    if not short_ms or segment.end_ms - segment.begin_ms < 2 * max(short_ms):
        return round(begin_ms), round(begin_ms + own_ms)
    longest_ms = max(short_ms)
    length_ms = longest_ms * ceil(own_ms / longest_ms)
    first_ms = max(middle_ms - length_ms / 2, segment.begin_ms)
    last_ms = min(first_ms + length_ms, segment.end_ms)
    return round(max(last_ms - length_ms, segment.begin_ms)), round(last_ms)


def _highest(steps: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[int]:
    """The highest value of a step function in each span; each step is (time in ms, value)."""
    times_ms = [at_ms for at_ms, _ in steps]
    values = [value for _, value in steps]
    return [
        max(values[max(bisect_right(times_ms, begin_ms) - 1, 0) : bisect_left(times_ms, end_ms)])
        for begin_ms, end_ms in spans
    ]


def _in_spans(
    times_ms: Sequence[int], values: Sequence[float], spans: Sequence[Span]
) -> Iterator[Sequence[float]]:
    for begin_ms, end_ms in spans:
        yield values[bisect_left(times_ms, begin_ms) : bisect_right(times_ms, end_ms)] or [0.0]


def _means(times_ms: Sequence[int], values: Sequence[float], spans: Sequence[Span]) -> list[float]:
    """The mean in each span of what goes straight from value to value."""
    slices = list(pairwise(zip(times_ms, values, strict=True)))
    areas = [(b_ms - a_ms) * (a + b) / 2 for (a_ms, a), (b_ms, b) in slices]
    sums = [0.0, *accumulate(areas)]
    means = []
    for begin_ms, end_ms in spans:
        first = bisect_left(times_ms, begin_ms)
        last = max(bisect_right(times_ms, end_ms) - 1, first)
        length_ms = times_ms[last] - times_ms[first] if last < len(times_ms) else 0
        means.append((sums[last] - sums[first]) / length_ms if length_ms else values[first])
    return means
