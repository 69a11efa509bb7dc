"""Plays the levels of a timeline: forward only, under a trim, from a soft start.

Time is an argument, and is the session's own, which stands still in a pause. So nothing here knows
duties: whether a motor rests is a matter of real time, and of the session's `MotorDrive`.
"""

from collections.abc import Sequence
from typing import Final

from firmware_ctl.limits import TICK_MS
from firmware_ctl.timeline.haptics import Gap
from firmware_ctl.timeline.model import MotorCourse, Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.period_cache import PeriodCache
from firmware_ctl.timeline.steps import Steps, draw_switches_cached

_NO_GAP: Final = Gap(1 << 60, 1 << 60)


class Playback:
    """The levels of a session at a time. Ask with times that never go back.

    A motor's level is the level of its course times its envelope over the segment's highest level:
    at most the envelope, and the course's own level once the envelope is up.
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
        """Until then the levels of the last call hold; None: for good."""

    @property
    def segment(self) -> Segment:
        """The segment of the levels of the last call."""
        return self._playhead.segment

    @property
    def climbs_until_ms(self) -> int:
        """When the envelope of the current segment is up."""
        return self._envelope.climbs_until_ms

    def restart(self, t_ms: int) -> None:
        """A pause ends at `t_ms`: the soft start begins again at 0."""
        self._envelope.restart(t_ms)
        self._forget(t_ms)

    def trim(self, t_ms: int, trim_pct: int) -> None:
        """From `t_ms` on all levels are scaled; downwards at once, upwards at the rise."""
        self._envelope.trim(t_ms, trim_pct)
        self._forget(t_ms)

    def _forget(self, t_ms: int) -> None:
        self._cache.clear()
        self.until_ms = t_ms

    def levels(self, t_ms: int) -> Levels:
        """The levels at `t_ms`, which must not lie before an earlier call's."""
        until_ms = self.until_ms
        if until_ms is None or t_ms < until_ms:
            return self._levels
        levels, until_ms = self._cache.find(t_ms) or self._computed(t_ms)
        self._levels, self.until_ms = levels, until_ms
        return levels

    def _computed(self, t_ms: int) -> tuple[Levels, int | None]:
        """The levels at `t_ms`, and until when they hold; None: for good."""
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
            return levels, min(until_ms, t_ms - t_ms % TICK_MS + TICK_MS)
        self._cache.validate(t_ms, playhead.pass_begin_ms, steady_until_ms)
        if asked_until_ms < playhead.pass_end_ms:
            self._cache.store(t_ms, levels, until_ms)
        return levels, until_ms

    def next_switch_ms(self, t_ms: int) -> int:
        """When, after `levels(t_ms)`, a motor may next start or stop; 0: at its next change."""
        if t_ms >= self._playhead.gap.begin_ms or self._envelope.keeps_a_motor_off(t_ms):
            return 0
        return self._playhead.next_switch_ms(t_ms)


class Envelope:
    """The soft start and the trim of every motor, in thousandths of a percent.

    An envelope climbs no faster than the mat's rise towards the segment's highest level times the
    trim, and falls at once.
    """

    def __init__(self, segment: Segment, rise_pct_s: int, trim_pct: int) -> None:
        self._high_pct = segment.high_pct
        self._rise_pct_s = rise_pct_s
        self._trim_pct = trim_pct
        self._at_ms = 0
        """The time of `_now`, on the tick's grid."""
        self._now = [0] * len(segment.high_pct)
        self._target = self._now
        self.climbs_until_ms = 0

    def enter(self, segment: Segment) -> None:
        self._climb_to(segment.begin_ms)
        self._high_pct = segment.high_pct
        self._aim(max(segment.begin_ms, self._at_ms))

    def restart(self, t_ms: int) -> None:
        self._at_ms = t_ms
        self._now = [0] * len(self._now)
        self._aim(t_ms)

    def trim(self, t_ms: int, trim_pct: int) -> None:
        self._climb_to(t_ms)
        self._trim_pct = trim_pct
        self._aim(t_ms)

    def limited(self, t_ms: int, levels: Levels) -> Levels:
        """The levels under the envelope at `t_ms`."""
        if self._at_ms < self.climbs_until_ms:
            self._climb_to(t_ms)
        if t_ms >= self.climbs_until_ms and self._trim_pct == 100:
            return levels
        # A level that runs stays at 1 or more: a trim or a slow rise must not stall and restart it.
        return tuple(
            [
                (level * envelope // (high * 1_000) or 1) if level and envelope >= 1_000 else 0
                for level, envelope, high in zip(levels, self._now, self._high_pct, strict=True)
            ]
        )

    def keeps_a_motor_off(self, t_ms: int) -> bool:
        """Some motor that plays in this segment is still below level 1."""
        return t_ms < self.climbs_until_ms and any(
            high and envelope < 1_000
            for high, envelope in zip(self._high_pct, self._now, strict=True)
        )

    def _aim(self, t_ms: int) -> None:
        """Sets what the envelope climbs to from `t_ms` on; what lies above it falls at once."""
        self._target = [high * self._trim_pct * 10 for high in self._high_pct]
        self._now = [min(pair) for pair in zip(self._now, self._target, strict=True)]
        missing = max(a - b for a, b in zip(self._target, self._now, strict=True))
        climb_ms = -(-missing // self._rise_pct_s)  # percent a second is thousandths a millisecond
        self.climbs_until_ms = t_ms + climb_ms + TICK_MS if missing else t_ms

    def _climb_to(self, t_ms: int) -> None:
        t_ms -= t_ms % TICK_MS
        if t_ms <= self._at_ms:
            return
        climbed = (t_ms - self._at_ms) * self._rise_pct_s
        self._now = [
            low + climbed if low + climbed < high else high
            for low, high in zip(self._now, self._target, strict=True)
        ]
        self._at_ms = t_ms


class Playhead:
    """The position in a session: its segment, the pass of it, the next gap, and what is asked."""

    def __init__(self, timeline: Timeline) -> None:
        self._segments = timeline.segments
        self._index = -1
        self.segment = timeline.segments[0]
        self.pass_begin_ms = self.pass_end_ms = 0
        self._gaps = iter(sorted(gap for cue in timeline.haptic_cues for gap in cue.gaps))
        self.gap = next(self._gaps, _NO_GAP)
        """The gap that plays, else the next one."""
        self._courses: list[_PlayingCourse] = []

    def move_to(self, t_ms: int) -> Sequence[Segment]:
        """Goes on to the pass at `t_ms`. Returns the segments entered on the way, in order."""
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
        """The levels before envelope and trim, and until when they hold at least."""
        until_ms = self.pass_end_ms
        levels = []
        for course in self._courses:
            if t_ms >= course.until_ms:
                course.move_to(t_ms, self.pass_begin_ms)
            levels.append(course.level_pct)
            if course.until_ms < until_ms:
                until_ms = course.until_ms
        levels.append(0)  # of the silent motors, whose course has the index -1
        return tuple([levels[index] for index in self.segment.course_of]), until_ms

    def next_switch_ms(self, t_ms: int) -> int:
        """When a motor of some course may next start or stop, by the courses, passes and gaps."""
        until_ms = min(self.pass_end_ms, self.gap.begin_ms)
        for course in self._courses:
            until_ms = min(until_ms, course.next_switch_ms(t_ms, self.pass_begin_ms))
        return until_ms


class _PlayingCourse:
    """A motor course while its segment plays: its level, which holds until `until_ms`."""

    def __init__(self, course: MotorCourse) -> None:
        self._course = course
        self._cycles: dict[int, Steps] = {}
        """Asked level → the course drawn at it."""
        self._switches: dict[int, Steps] = {}
        """Asked level → the steps of it at which the motors start or stop."""
        self.level_pct = 0
        self.until_ms = 0

    def move_to(self, t_ms: int, pass_begin_ms: int) -> None:
        in_pass_ms = t_ms - pass_begin_ms
        after_ms = self._course.after_ms
        if in_pass_ms < after_ms:
            self.level_pct, self.until_ms = 0, pass_begin_ms + after_ms
            return
        asked_pct, ramp_next_ms = self._course.ramp.at(in_pass_ms)
        cycle = self._cycles.get(asked_pct)
        if cycle is None:
            cycle = self._cycles[asked_pct] = self._course.cycle(asked_pct)
        self.level_pct, next_ms = cycle.at(in_pass_ms - after_ms)
        self.until_ms = pass_begin_ms + min(next_ms + after_ms, ramp_next_ms)

    def next_switch_ms(self, t_ms: int, pass_begin_ms: int) -> int:
        in_pass_ms = t_ms - pass_begin_ms
        after_ms = self._course.after_ms
        if in_pass_ms < after_ms:
            return pass_begin_ms + after_ms
        asked_pct, ramp_next_ms = self._course.ramp.at(in_pass_ms)
        if asked_pct not in self._switches:
            self._switches[asked_pct] = draw_switches_cached(self._course.pieces, asked_pct)
        _, next_ms = self._switches[asked_pct].at(in_pass_ms - after_ms)
        return pass_begin_ms + min(next_ms + after_ms, ramp_next_ms)
