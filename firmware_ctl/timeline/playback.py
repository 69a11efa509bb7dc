"""Plays the levels of a timeline: only forward, with a trim, and from a soft start.

Time is an argument. It is the session's time, which a pause stops. A motor rests in real time, also
during a pause, so this module knows levels only, and `MotorDrive` turns them into duties.
"""

from collections.abc import Sequence
from typing import Final

from firmware_ctl.limits import GRID_MS
from firmware_ctl.timeline.haptics import Gap
from firmware_ctl.timeline.model import Cycle, MotorCourse, Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.period_cache import PeriodCache
from firmware_ctl.timeline.steps import Steps, draw_switches_cached

_NO_GAP: Final = Gap(1 << 60, 1 << 60)
"""Stands for the next gap after the last one: no session lasts until this gap."""


class Playback:
    """Gives the levels of a session at a time. The times that a caller asks for must not decrease.

    A motor's level is course * envelope / high, where `high` is the highest level of its course in
    the segment. So the level never exceeds the envelope, the pattern keeps its shape during the
    soft start, and the level is that of the course once the envelope is up.
    """

    def __init__(
        self, timeline: Timeline, trim_pct: int = 100, cache: PeriodCache | None = None
    ) -> None:
        self._last_segment = timeline.segments[-1]
        self._silence: Levels = (0,) * len(timeline.segments[0].course_of)
        self._envelope = Envelope(timeline.segments[0], timeline.rise_pct_s, trim_pct)
        self._playhead = Playhead(timeline)
        self._cache = cache or PeriodCache()
        self._levels = self._silence
        self.until_ms: int | None = 0
        """Until then the levels of the last call hold. None: the session has ended, and they stay
        at 0."""

    @property
    def segment(self) -> Segment:
        """The segment that played at the last call of `levels`."""
        return self._playhead.segment

    @property
    def climbs_until_ms(self) -> int:
        """When the envelope of the current segment has reached its highest level."""
        return self._envelope.climbs_until_ms

    def restart(self, t_ms: int) -> None:
        """A pause ends at `t_ms`: the soft start begins again at 0."""
        self._envelope.restart(t_ms)
        self._forget(t_ms)

    def trim(self, t_ms: int, trim_pct: int) -> None:
        """Scales all levels from `t_ms` on. They fall at once, and rise at the mat's `rise`."""
        self._envelope.trim(t_ms, trim_pct)
        self._forget(t_ms)

    def _forget(self, t_ms: int) -> None:
        self._cache.clear()
        self.until_ms = t_ms

    def levels(self, t_ms: int) -> Levels:
        """The levels at `t_ms`, which must not be earlier than in the call before."""
        until_ms = self.until_ms
        if until_ms is None or t_ms < until_ms:
            return self._levels
        levels, until_ms = self._cache.find(t_ms) or self._computed(t_ms)
        self._levels, self.until_ms = levels, until_ms
        return levels

    def _computed(self, t_ms: int) -> tuple[Levels, int | None]:
        """The levels at `t_ms`, and until when they hold. None: the session has ended."""
        envelope, playhead = self._envelope, self._playhead
        if t_ms >= playhead.pass_end_ms:
            if t_ms >= self._last_segment.end_ms:
                playhead.segment = self._last_segment
                return self._silence, None
            for segment in playhead.move_to(t_ms):
                envelope.enter(segment)
                self._cache.enter(segment)
        if playhead.is_in_gap(t_ms):
            return self._silence, min(playhead.pass_end_ms, playhead.gap.end_ms)
        levels, asked_until_ms = playhead.asked(t_ms)
        levels = envelope.limited(t_ms, levels)
        steady_until_ms = min(playhead.pass_end_ms, playhead.gap.begin_ms)
        until_ms = min(asked_until_ms, steady_until_ms)
        if t_ms < envelope.climbs_until_ms:
            return levels, min(until_ms, t_ms - t_ms % GRID_MS + GRID_MS)
        self._cache.validate(t_ms, playhead.pass_begin_ms, steady_until_ms)
        if asked_until_ms < playhead.pass_end_ms:
            # Without the next gap: it cuts the levels off in this period only.
            self._cache.store(t_ms, levels, asked_until_ms)
        return levels, until_ms

    def next_switch_ms(self, t_ms: int) -> int:
        """The earliest time after `t_ms` at which a motor may start or stop.

        0: unknown, because a gap plays or a motor's envelope is below level 1, so any change of a
        level may start or stop a motor. Call `levels(t_ms)` first.
        """
        if t_ms >= self._playhead.gap.begin_ms or self._envelope.keeps_a_motor_off(t_ms):
            return 0
        return self._playhead.next_switch_ms(t_ms)


class Envelope:
    """The soft start and the trim: for each motor a ceiling, in thousandths of a level percent.

    A motor's ceiling climbs towards its target: the highest level of the motor's course in the
    segment, times the trim. It climbs no faster than the mat's `rise`, and it falls at once.
    """

    def __init__(self, segment: Segment, rise_pct_s: int, trim_pct: int) -> None:
        self._high_pct = segment.high_pct
        self._rise_pct_s = rise_pct_s
        self._trim_pct = trim_pct
        self._at_ms = 0
        """The time to which `_ceilings` belong. They climb only on the tick's grid."""
        self._ceilings = [0] * len(segment.high_pct)
        self._targets = self._ceilings
        self.climbs_until_ms = 0

    def enter(self, segment: Segment) -> None:
        self._climb_to(segment.begin_ms)
        self._high_pct = segment.high_pct
        self._aim(max(segment.begin_ms, self._at_ms))

    def restart(self, t_ms: int) -> None:
        self._at_ms = t_ms
        self._ceilings = [0] * len(self._ceilings)
        self._aim(t_ms)

    def trim(self, t_ms: int, trim_pct: int) -> None:
        self._climb_to(t_ms)
        self._trim_pct = trim_pct
        self._aim(t_ms)

    def limited(self, t_ms: int, levels: Levels) -> Levels:
        """The levels, reduced by the envelope at `t_ms`."""
        if self._at_ms < self.climbs_until_ms:
            self._climb_to(t_ms)
        if t_ms >= self.climbs_until_ms and self._trim_pct == 100:
            return levels
        # Rounding must not turn a level into 0: a trim or a slow rise would stop the motor and
        # start it again. A motor stays off only until its ceiling reaches level 1.
        return tuple(
            [
                (level * ceiling // (high * 1_000) or 1) if level and ceiling >= 1_000 else 0
                for level, ceiling, high in zip(levels, self._ceilings, self._high_pct, strict=True)
            ]
        )

    def keeps_a_motor_off(self, t_ms: int) -> bool:
        """Whether the ceiling of a motor that plays in this segment is still below level 1."""
        return t_ms < self.climbs_until_ms and any(
            high and ceiling < 1_000
            for high, ceiling in zip(self._high_pct, self._ceilings, strict=True)
        )

    def _aim(self, t_ms: int) -> None:
        """Sets the target of each ceiling from `t_ms` on. A ceiling above its target falls."""
        # high % times trim %, in thousandths of a percent: high * 1000 * trim / 100.
        self._targets = [high * self._trim_pct * 10 for high in self._high_pct]
        self._ceilings = [min(pair) for pair in zip(self._ceilings, self._targets, strict=True)]
        missing = max(a - b for a, b in zip(self._targets, self._ceilings, strict=True))
        climb_ms = -(-missing // self._rise_pct_s)  # 1 %/s is 1/1000 % each ms
        # One tick more, because the ceilings climb only on the tick's grid.
        self.climbs_until_ms = t_ms + climb_ms + GRID_MS if missing else t_ms

    def _climb_to(self, t_ms: int) -> None:
        t_ms -= t_ms % GRID_MS
        if t_ms <= self._at_ms:
            return
        climbed = (t_ms - self._at_ms) * self._rise_pct_s
        self._ceilings = [
            ceiling + climbed if ceiling + climbed < target else target
            for ceiling, target in zip(self._ceilings, self._targets, strict=True)
        ]
        self._at_ms = t_ms


class Playhead:
    """The position in a session: the segment, the pass, the next gap, and the courses' levels."""

    def __init__(self, timeline: Timeline) -> None:
        self._segments = timeline.segments
        self._index = -1
        self.segment = timeline.segments[0]
        self.pass_begin_ms = self.pass_end_ms = 0
        self._gaps = iter(sorted(gap for cue in timeline.haptic_cues for gap in cue.gaps))
        self.gap = next(self._gaps, _NO_GAP)
        """The gap that plays, or the next one if none plays."""
        self._courses: list[_PlayingCourse] = []

    def move_to(self, t_ms: int) -> Sequence[Segment]:
        """Advances to the pass at `t_ms`. Returns the segments entered on the way, in order.

        A late wake may enter several segments, and the envelope has to climb through each.
        """
        entered = []
        while self._index < 0 or t_ms >= self.segment.end_ms:
            self._index += 1
            self.segment = self._segments[self._index]
            entered.append(self.segment)
        if entered:
            self._courses = [_PlayingCourse(course) for course in self.segment.courses]
        in_pass_ms = (t_ms - self.segment.begin_ms) % self.segment.pass_ms
        self.pass_begin_ms = t_ms - in_pass_ms
        self.pass_end_ms = self.pass_begin_ms + self.segment.pass_ms
        return entered

    def is_in_gap(self, t_ms: int) -> bool:
        while t_ms >= self.gap.end_ms:
            self.gap = next(self._gaps, _NO_GAP)
        return t_ms >= self.gap.begin_ms

    def asked(self, t_ms: int) -> tuple[Levels, int]:
        """The levels before envelope and trim, and a time until which they hold for certain."""
        until_ms = self.pass_end_ms
        levels = []
        for course in self._courses:
            if t_ms >= course.until_ms:
                course.move_to(t_ms, self.pass_begin_ms)
            levels.append(course.level_pct)
            if course.until_ms < until_ms:
                until_ms = course.until_ms
        levels.append(0)  # for the silent motors: the index of their course is -1, the last level
        return tuple([levels[index] for index in self.segment.course_of]), until_ms

    def next_switch_ms(self, t_ms: int) -> int:
        """The earliest time after `t_ms` at which a course, a pass or a gap may start or stop a
        motor. The envelope does not count here."""
        until_ms = min(self.pass_end_ms, self.gap.begin_ms)
        for course in self._courses:
            until_ms = min(until_ms, course.next_switch_ms(t_ms, self.pass_begin_ms))
        return until_ms


class _PlayingCourse:
    """A motor course while its segment plays. `level_pct` is the course's level, which holds until
    `until_ms` of the session."""

    def __init__(self, course: MotorCourse) -> None:
        self._course = course
        self._cycle = Cycle(0, (), 0)
        self._cycles: dict[int, Steps] = {}
        """Level that the ramp asks for → the steps of the present cycle at that level."""
        self._switches: dict[int, Steps] = {}
        """Level that the ramp asks for → those steps at which the motors start or stop."""
        self.level_pct = 0
        self.until_ms = 0

    def move_to(self, t_ms: int, pass_begin_ms: int) -> None:
        in_pass_ms = t_ms - pass_begin_ms
        after_ms = self._course.after_ms
        if in_pass_ms < after_ms:
            self.level_pct, self.until_ms = 0, pass_begin_ms + after_ms
            return
        begin_ms, pieces, end_ms = self._cycle_at(in_pass_ms)
        asked_pct, ramp_next_ms = self._course.ramp.at(in_pass_ms)
        cycle = self._cycles.get(asked_pct)
        if cycle is None:
            cycle = self._cycles[asked_pct] = self._course.cycle(asked_pct, pieces)
        self.level_pct, next_ms = cycle.at(in_pass_ms - begin_ms)
        self.until_ms = pass_begin_ms + min(next_ms + begin_ms, ramp_next_ms, end_ms)

    def _cycle_at(self, in_pass_ms: int) -> Cycle:
        if not self._cycle.begin_ms <= in_pass_ms < self._cycle.end_ms:
            self._cycle = self._course.cycle_at(in_pass_ms)
            self._cycles.clear()
            self._switches.clear()
        return self._cycle

    def next_switch_ms(self, t_ms: int, pass_begin_ms: int) -> int:
        in_pass_ms = t_ms - pass_begin_ms
        after_ms = self._course.after_ms
        if in_pass_ms < after_ms:
            return pass_begin_ms + after_ms
        begin_ms, pieces, end_ms = self._cycle_at(in_pass_ms)
        asked_pct, ramp_next_ms = self._course.ramp.at(in_pass_ms)
        if asked_pct not in self._switches:
            self._switches[asked_pct] = draw_switches_cached(pieces, asked_pct)
        _, next_ms = self._switches[asked_pct].at(in_pass_ms - begin_ms)
        return pass_begin_ms + min(next_ms + begin_ms, ramp_next_ms, end_ms)
