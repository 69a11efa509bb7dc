"""The values of a compiled session: what every motor does at every instant of the session.

A segment describes one cycle of each course and not each instant, so its size does not grow with
the length of the session. `compiler` makes these values, and `playback` plays them.
"""

from bisect import bisect_right
from math import lcm
from operator import itemgetter
from typing import Final, NamedTuple

from firmware_ctl.config.patterns import Piece
from firmware_ctl.config.profile import GroupPasses
from firmware_ctl.limits import resolve
from firmware_ctl.timeline.haptics import HapticCue
from firmware_ctl.timeline.motor_drive import DriveTable, Levels
from firmware_ctl.timeline.steps import Steps, draw_cached

_NO_END: Final = 1 << 60
"""An end in a pass that no pass reaches."""


class Cycle(NamedTuple):
    """Pieces that repeat from `begin_ms` up to `end_ms` of a pass."""

    begin_ms: int
    pieces: tuple[Piece, ...]
    end_ms: int


def cycle_ms(pieces: tuple[Piece, ...]) -> int:
    return sum(piece.length_ms for piece in pieces)


class MotorCourse(NamedTuple):
    """What one or more motors do in one pass of a phase, before the envelope and the trim.

    The pieces are turned into steps ("drawn") at each level that the ramp asks for, on first use.
    """

    after_ms: int
    """Length of the silence at the beginning of the pass."""
    ramp: Steps
    """The asked level over the pass."""
    pieces: tuple[Piece, ...]
    """One cycle, as shares of the asked level; it repeats until the pass ends."""
    cap_pct: int
    """Highest level of the zone."""
    budget_pct: int
    """The factor on all levels with which the supply bears the session. 100: nothing is scaled."""
    later: tuple[tuple[int, tuple[Piece, ...]], ...] = ()
    """If the cycles have different lengths: when in the pass each cycle after the first begins, and
    its pieces. Each is drawn when it begins, because together they would take too long."""

    def cycle_at(self, in_pass_ms: int) -> "Cycle":
        """The pieces that play at this time of a pass, not before `after_ms`."""
        if not self.later:
            return Cycle(self.after_ms, self.pieces, _NO_END)
        index = bisect_right(self.later, in_pass_ms, key=itemgetter(0))
        begin_ms, pieces = self.later[index - 1] if index else (self.after_ms, self.pieces)
        end_ms = self.later[index][0] if index < len(self.later) else _NO_END
        return Cycle(begin_ms, pieces, end_ms)

    @property
    def piece_lists(self) -> list[tuple[Piece, ...]]:
        """The pieces of each cycle. One if all cycles are equal."""
        return [self.pieces, *(pieces for _, pieces in self.later)]

    @property
    def high_pct(self) -> int:
        """The highest level of the course, within cap and budget."""
        return max(self.cycle(max(self.ramp.level_pct)).level_pct)

    @property
    def cycles(self) -> list[Steps]:
        """The steps of one cycle for each level of the ramp."""
        return [self.cycle(level) for level in self.ramp.level_pct]

    def cycle(self, asked_pct: int, pieces: tuple[Piece, ...] | None = None) -> Steps:
        """The steps of one cycle at one level of the ramp, within cap and budget.

        `pieces` None: those of the first cycle. All cycles reach the same highest level.
        """
        asked = draw_cached(pieces or self.pieces, asked_pct)
        high = max(asked.level_pct)
        if self._resolved(high) == high:  # then no limit lowers a lower level either
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
    """For each motor the index of its course in `courses`. -1: the motor is silent."""
    high_pct: Levels
    """For each motor the highest level of its course. The motor's envelope climbs to this level."""
    group_passes: GroupPasses = ()

    @property
    def end_ms(self) -> int:
        return self.begin_ms + self.pass_ms * self.repeat

    @property
    def period_ms(self) -> int:
        """After this time all courses repeat together, once all have begun and while no ramp steps.

        1 if no course changes.
        """
        periods_ms = [
            self.pass_ms if course.later else cycle_ms(course.pieces)
            for course in self.courses
            if len(course.pieces) > 1 or course.pieces[0].begin != course.pieces[0].end
        ]
        return lcm(*periods_ms)


class Timeline(NamedTuple):
    """A compiled session. At `end_ms` all levels become 0, whatever the profile says."""

    profile: str
    segments: tuple[Segment, ...]
    haptic_cues: tuple[HapticCue, ...]
    """The haptics, in the order of their begin."""
    rise_pct_s: int
    drive_table: DriveTable
    cert: str
    """Hash of everything that decides what the pins do. Empty until `compiler.sealed`."""

    @property
    def end_ms(self) -> int:
        return self.segments[-1].end_ms
