"""The values of a compiled session: what every motor does at every instant of it.

Segments are closed forms on absolute time: their size grows with the phases of a profile and not
with its length. `compiler` makes these values, `playback` plays them.
"""

from math import lcm
from typing import NamedTuple

from firmware_ctl.config.patterns import Piece
from firmware_ctl.limits import resolve
from firmware_ctl.timeline.haptics import HapticCue
from firmware_ctl.timeline.motor_drive import DriveTable, Levels
from firmware_ctl.timeline.steps import Steps, draw_cached


class MotorCourse(NamedTuple):
    """What one or more motors do in one pass of a phase, before the envelope and the trim.

    The pieces are drawn into steps at each level that the ramp asks for, on first use.
    """

    after_ms: int
    """Silence at the begin of the pass."""
    ramp: Steps
    """The asked level over the pass."""
    pieces: tuple[Piece, ...]
    """One cycle, as shares of the asked level; it repeats until the pass ends."""
    cap_pct: int
    """Highest level of the zone."""
    budget_pct: int
    """The supply's factor over all levels; 100: the supply bears them as they are."""

    @property
    def high_pct(self) -> int:
        """The highest level that it reaches."""
        return max(self.cycle(max(self.ramp.level_pct)).level_pct)

    @property
    def cycles(self) -> list[Steps]:
        """One drawing for every level of the ramp."""
        return [self.cycle(level) for level in self.ramp.level_pct]

    def cycle(self, asked_pct: int) -> Steps:
        """The drawing at one asked level, within cap and budget."""
        asked = draw_cached(self.pieces, asked_pct)
        high = max(asked.level_pct)
        if self._resolved(high) == high:  # no limit lowers it, so none lowers a lower level
            return asked
        levels = {level: self._resolved(level) for level in set(asked.level_pct)}
        return Steps(asked.at_ms, tuple(levels[n] for n in asked.level_pct), asked.cycle_ms)

    def _resolved(self, level_pct: int) -> int:
        return resolve(level_pct, self.cap_pct, budget_pct=self.budget_pct).level_pct


class Segment(NamedTuple):
    """One phase with its repeats: `repeat` equal passes of `pass_ms` from `begin_ms` on."""

    phase: str
    cue: str
    points: tuple[str, ...]
    begin_ms: int
    pass_ms: int
    repeat: int
    courses: tuple[MotorCourse, ...]
    course_of: tuple[int, ...]
    """For every motor the index of its course; -1: silent."""
    high_pct: Levels
    """For every motor the highest level of its course, to which its envelope climbs."""

    @property
    def end_ms(self) -> int:
        return self.begin_ms + self.pass_ms * self.repeat

    @property
    def period_ms(self) -> int:
        """After this time all courses that have begun repeat together, while no ramp changes."""
        changing = [course.pieces for course in self.courses if len(course.pieces) > 1]
        return lcm(*(sum(piece.length_ms for piece in pieces) for pieces in changing))


class Timeline(NamedTuple):
    """A compiled session. It ends at level 0 at `end_ms`, whatever the profile says."""

    profile: str
    segments: tuple[Segment, ...]
    haptic_cues: tuple[HapticCue, ...]
    """In the order of their begin."""
    rise_pct_s: int
    drive_table: DriveTable
    cert: str
    """Hash of everything that decides what the pins do."""

    @property
    def end_ms(self) -> int:
        return self.segments[-1].end_ms
