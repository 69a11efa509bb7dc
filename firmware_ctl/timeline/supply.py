"""Proves before a session plays that the supply bears every instant of it.

A motor that starts from rest draws `start_ma` for 150 ms, then its running current in proportion to
its duty. If the sum would exceed the supply, starts are staggered, then kicks are dropped, then all
levels are scaled by one factor. A session that still does not fit is refused, and its author has to
change the profile.

The proof plays the session on the model of the motors ("dry run"), and counts its own steps. It
skips time only if the motors are in the same state at the same place of a pass or period as once
before, so its result is that of visiting every instant. A session whose proof takes more than
`STEPS` is refused.
"""

from bisect import bisect_left
from collections import Counter
from math import lcm
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import Piece
from firmware_ctl.config.profile import Phase, Profile
from firmware_ctl.config.quantities import clock, in_units
from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import GRID_MS, INRUSH_MS, STAGGER_MS
from firmware_ctl.timeline.compiler import compile_profile, scaled, sealed
from firmware_ctl.timeline.haptics import FIVE_MINUTES_LEFT
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels, MotorDrive
from firmware_ctl.timeline.playback import Playback
from firmware_ctl.timeline.steps import steps_to_draw

STEPS: Final = 40_000
"""Most steps to compute what a session would draw, and as many again to make the session fit.

Steps are counted, and not time, so that a profile is accepted or refused alike on every machine. An
instant costs a step for each motor of the mat, and four more: 40 000 steps are 3 300 instants on
the reference mat with its eight motors, and 1 900 with 17 motors, the most of any mat. To compile
and to draw costs steps as well.

A step took 0.5 to 1 us on an x86 processor that is assumed to be 10 to 15 times as fast as a Pi
Zero 2. Both halves together took 40 to 80 ms there, which is 0.6 to 1 s on the Pi. No shipped
profile takes more than 20 000 steps in both halves, whatever the supply.
"""

_INSTANT_STEPS: Final = 4
"""Steps for an instant, in addition to one for each motor."""

_SETTLED_MS: Final = 2_000
"""What a motor did longer ago than this has no effect on it. The full kick follows a gentle first
kick after a second, and no kick, rest or inrush takes more than 300 ms."""


class TooLongError(Exception):
    """A proof took more steps than it may. `segment`: index of the segment that took most steps."""

    def __init__(self, segment: int) -> None:
        super().__init__(segment)
        self.segment = segment


class Work:
    """The steps that a proof has taken, and the steps that are left."""

    def __init__(self, most: int = STEPS) -> None:
        self._left = most
        self._by_segment: Counter[int] = Counter()

    def take(self, segment: int, steps: int) -> None:
        """Counts steps for a segment. Raises `TooLongError` if none are left."""
        self._by_segment[segment] += steps
        self._left -= steps
        if self._left < 0:
            raise TooLongError(self._by_segment.most_common(1)[0][0])


class PeakCurrent(NamedTuple):
    """The instant at which a session draws most current."""

    at_ms: int = 0
    ma: float = 0.0
    motors: tuple[int, ...] = ()
    """The indices of the motors that draw current at that instant."""

    def sentence(self, mat: Mat) -> str:
        return f"{clock(self.at_ms)}: {self.ma:.0f} of {mat.max_ma} mA, {self.zones(mat)}"

    def zones(self, mat: Mat) -> str:
        return " + ".join(dict.fromkeys(mat.motors[i].zone for i in self.motors))


class Budget(NamedTuple):
    """The changes with which the session stays within the supply. By default nothing is changed."""

    asked: PeakCurrent | None = None
    """The peak without any change. None if the supply bears the profile as it is."""
    longest_wait_ms: int = 0
    """The longest that a start waits for the supply."""
    kicks: bool = True
    """False: all kicks were dropped."""
    level_pct: int = 100
    """The factor on all levels, in percent."""


def fit_to_supply(
    profile: Profile, mat: Mat, path: str = "", steps: int = STEPS
) -> tuple[Timeline, Budget]:
    """Compiles a profile so that the supply bears it, and returns the changes made for that.

    Raises `AuthorError` if the profile does not fit, or if the proof takes more than `steps`.
    """
    timeline = compile_profile(profile, mat, path)
    if max(_bounds_ma(timeline)) <= mat.max_ma:
        return timeline, Budget()
    try:
        return _fit(profile, timeline, mat, path, steps)
    except TooLongError as error:
        segment = timeline.segments[error.segment]
        place = (path, *profile.phases[error.segment].place)
        raise AuthorError([Mistake(*place, _too_long(segment, mat))]) from None


def _fit(
    profile: Profile, timeline: Timeline, mat: Mat, path: str, steps: int
) -> tuple[Timeline, Budget]:
    work = Work(steps)
    dry_run = DryRun(timeline, work, limited=False)
    for index in range(len(timeline.segments)):
        work.take(index, 3 * dry_run.instant_steps)
    try:
        dry_run.run(timeline.drive_table.max_ma)
    except TooLongError:
        if dry_run.peak.ma <= mat.max_ma:
            raise
        # The steps ran out, but a peak above the supply is known. So it is known that the session
        # has to be changed, and the attempts below have steps of their own.
    asked = dry_run.peak
    if asked.ma <= mat.max_ma:
        return timeline, Budget()
    work = Work(steps)
    place = (path, *_phase_at(profile, asked.at_ms).place)
    if profile.strict:
        raise AuthorError([Mistake(*place, f"too much current at {asked.sentence(mat)}")])
    for level_pct, kicks in ((100, True), (100, False)):
        fitted = _fitted(timeline, asked, work, level_pct, kicks)
        if fitted:
            return fitted
    # A factor on the levels moves no start. So if the lowest level does not fit, no level fits.
    low, high = 1, 100
    best = _fitted(timeline, asked, work, low, kicks=False)
    while best and high - low > 1:
        middle = (low + high) // 2
        try:
            fitted = _fitted(timeline, asked, work, middle, kicks=False)
        except TooLongError:
            break  # `best` is proven to fit, even if a higher level might fit, too
        best = fitted or best
        low, high = (middle, high) if fitted else (low, middle)
    if best is None:
        sentence = (
            f"too many motors start at once at {asked.sentence(mat)}; let them start at "
            f"least {INRUSH_MS} ms apart with `after`, or play fewer of them at once"
        )
        raise AuthorError([Mistake(*place, sentence)])
    return best


def _fitted(
    timeline: Timeline, asked: PeakCurrent, work: Work, level_pct: int, kicks: bool
) -> tuple[Timeline, Budget] | None:
    """The session with this factor, and with or without kicks. None if the session does not fit."""
    for index, segment in enumerate(timeline.segments):
        work.take(index, len(segment.course_of) + _INSTANT_STEPS * len(segment.courses))
    timeline = scaled(timeline, level_pct, kicks)
    dry_run = DryRun(timeline, work, limited=True)
    if not dry_run.fits():
        return None
    return sealed(timeline), Budget(asked, dry_run.longest_wait_ms, kicks, level_pct)


def _too_long(segment: Segment, mat: Mat) -> str:
    """The sentence for a session whose proof took too many steps, most of them in this segment."""
    if segment.period_ms > max(segment.pass_ms, 60_000):
        why = f"the patterns repeat together only after {_long(segment.period_ms)}"
        way_out = "choose periods that are multiples of one another"
    else:
        why = "too much changes to check every instant"
        way_out = "choose longer periods, or levels that stay"
    return (
        f"it cannot be proven that the supply bears what plays here: {why}; {way_out}, or play "
        f"fewer motors at once: up to {mat.max_ma} mA of starting currents need no proof"
    )


def _long(ms: int) -> str:
    """A duration in units, or in hours from two hours on: periods may be of absurd length."""
    if ms < 2 * 3_600_000:
        return in_units(ms)
    hours = ms // 3_600_000
    return f"{hours} h" if hours < 1_000 else "more than 1000 h"


def peak_current_with_pauses(timeline: Timeline) -> PeakCurrent:
    """The highest current that a session can draw, whatever disturbs it, and when.

    When a pause ends, all motors that play at that instant may start together. Nothing draws more:
    no pause, trim or late tick gives a level to a motor that has none at that instant, and the
    drive never draws more than the supply gives. If the search for the worst instant takes too many
    steps, all motors of a phase are assumed to start together.
    """
    max_ma = timeline.drive_table.max_ma
    try:
        dry_run = DryRun(timeline, Work(), limited=False, resumed=True)
        dry_run.run()
        peak = dry_run.peak
    except TooLongError:
        bounds_ma = _bounds_ma(timeline)
        segment = timeline.segments[bounds_ma.index(max(bounds_ma))]
        motors = tuple(i for i, high in enumerate(segment.high_pct) if high)
        peak = PeakCurrent(segment.begin_ms, max(bounds_ma), motors)
    return peak._replace(ma=min(peak.ma, max_ma))


def _bounds_ma(timeline: Timeline) -> list[float]:
    """An upper bound in mA for each segment: all motors that play in the segment start together."""
    return [timeline.drive_table.together_ma(segment.high_pct) for segment in timeline.segments]


class _OverError(Exception):
    """The supply does not bear an instant, or a start waits for too long."""


class DryRun:
    """Plays an undisturbed session on the model of the motors, from its beginning to its end.

    `_now_ms` is the time of the session. The motors' clock is behind by the time that was skipped.
    Only whole ticks are skipped, because starts that wait are tried again on the tick's grid.
    """

    def __init__(
        self, timeline: Timeline, work: Work, limited: bool, resumed: bool = False
    ) -> None:
        """`limited` False: no start waits for the supply, to find what the session would draw.

        `resumed` True: at each instant all motors that play are assumed to start together, as when
        a pause ends at that instant.
        """
        self._resumed = resumed
        self._timeline = timeline
        self._max_ma = timeline.drive_table.max_ma
        self._work = work
        self._playback = Playback(timeline)
        self._drive = MotorDrive(timeline.drive_table, limited)
        self.instant_steps = len(timeline.drive_table.curves) + _INSTANT_STEPS
        self._now_ms = 0
        self._skipped_ms = 0
        self._bounds_ma = _bounds_ma(timeline)
        self._most_to_come_ma = self._bounds_ma[:]
        """For each segment the highest bound of the segment and of all later ones."""
        for i in reversed(range(len(self._bounds_ma) - 1)):
            self._most_to_come_ma[i] = max(self._bounds_ma[i], self._most_to_come_ma[i + 1])
        self._gaps_at_ms = sorted(
            at_ms for cue in timeline.haptic_cues for gap in cue.gaps for at_ms in gap
        )
        self._once = next((c for c in timeline.haptic_cues if c.name == FIVE_MINUTES_LEFT), None)
        """The one haptic that does not play in every pass of its phase. None: it never plays."""
        self._index = 0
        """The index of the segment that plays."""
        self._peak_index = 0
        """The index of the segment with the peak."""
        self.peak = PeakCurrent()
        self._ends_when_over = False
        self._least_ma = 0.0
        self._drawings: set[tuple[tuple[Piece, ...], int]] = set()
        """The pieces and levels that were drawn already, which the cache probably holds."""

    @property
    def longest_wait_ms(self) -> int:
        return self._drive.longest_wait_ms

    def fits(self) -> bool:
        """Whether the supply bears the session. The run ends at the first instant that it cannot
        bear."""
        self._ends_when_over = True
        try:
            self.run(self._max_ma)
        except _OverError:
            return False
        return True

    def run(self, least_ma: float = 0.0) -> None:
        """Plays the session. Skips parts that cannot draw more than `least_ma` mA."""
        self._least_ma = least_ma
        for index, segment in enumerate(self._timeline.segments):
            self._index = index
            enough_ma = self._enough_ma()
            # If all motors of a segment together draw no more than `enough_ma`, no instant of the
            # segment does, and no start begins to wait there. Only a start that waits already
            # forbids to skip.
            is_settled = not self._drive.is_waiting
            if is_settled and self._most_to_come_ma[index] <= enough_ma:
                return
            is_settled &= self._drive.had_first_starts(segment.high_pct)
            if is_settled and self._bounds_ma[index] <= enough_ma:
                # The last 2 s are played, so that the next segment finds the true state.
                self._skip((segment.end_ms - self._now_ms - _SETTLED_MS) // GRID_MS * GRID_MS)
                self._run_until(segment.end_ms)
            else:
                self._run_segment(segment)

    def _enough_ma(self) -> float:
        """A current in mA: an instant that cannot draw more cannot change the result."""
        return min(max(self.peak.ma, self._least_ma), self._max_ma)

    def _take_for_drawings(self, segment: Segment) -> None:
        """Counts the steps to draw the segment's courses. A drawing in the cache costs few."""
        for course in segment.courses:
            for later in course.piece_lists[1:]:
                high_pct = max(course.ramp.level_pct)
                self._work.take(self._index, 10 + len(later) + steps_to_draw(later, high_pct))
            slopes = sum(abs(piece.end - piece.begin) for piece in course.pieces)
            for level_pct in course.ramp.level_pct:
                drawing = course.pieces, level_pct
                steps = 5
                if drawing not in self._drawings or len(self._drawings) > 100:
                    steps = 10 + 2 * len(course.pieces) + int(slopes * level_pct)
                self._drawings.add(drawing)
                self._work.take(self._index, steps)

    def _run_segment(self, segment: Segment) -> None:
        """Plays the passes of a segment. Skips the rest once two begin in the same state.

        `unit_ms` is the fewest whole passes that end on the tick's grid.
        """
        self._take_for_drawings(segment)
        self._playback.levels(segment.begin_ms)
        unit_ms = lcm(segment.pass_ms, GRID_MS)
        once = self._once
        known = None
        while self._now_ms < segment.end_ms:
            begin_ms = self._now_ms
            # If the haptic for the last five minutes has played in the unit before, equal states
            # at both ends of that unit prove nothing about a unit without the haptic.
            is_like_others = once is None or not (
                once.begin_ms < begin_ms and begin_ms - unit_ms < once.end_ms
            )
            state = self._state() if is_like_others else None
            if state is not None and state == known:
                until_ms = segment.end_ms
                if once is not None and begin_ms <= once.begin_ms:
                    until_ms = min(until_ms, once.begin_ms)
                self._skip((until_ms - begin_ms) // unit_ms * unit_ms)
                begin_ms = self._now_ms
            known = state
            for pass_begin_ms in range(
                begin_ms, min(begin_ms + unit_ms, segment.end_ms), segment.pass_ms
            ):
                self._run_pass(segment, pass_begin_ms)

    def _run_pass(self, segment: Segment, begin_ms: int) -> None:
        """Plays a pass in stretches: within one, no course begins, no ramp steps, no gap begins or
        ends."""
        self._work.take(self._index, self.instant_steps)
        end_ms = begin_ms + segment.pass_ms
        cuts_ms = {begin_ms + course.after_ms for course in segment.courses}
        for course in segment.courses:
            cuts_ms.update(begin_ms + at_ms for at_ms in course.ramp.at_ms)
        first = bisect_left(self._gaps_at_ms, begin_ms)
        cuts_ms.update(self._gaps_at_ms[first : bisect_left(self._gaps_at_ms, end_ms)])
        cuts_ms.add(end_ms)
        period_ms = lcm(segment.period_ms, GRID_MS)
        for cut_ms in sorted(cuts_ms):
            self._run_stretch(cut_ms, period_ms)

    def _run_stretch(self, end_ms: int, period_ms: int) -> None:
        """Plays the periods of a stretch. Skips the rest once two begin in the same state."""
        known = None
        while self._now_ms < end_ms:
            if self._now_ms + period_ms < end_ms:
                state = self._state()
                if state is not None and state == known:
                    self._skip((end_ms - self._now_ms) // period_ms * period_ms)
                known = state
            self._run_until(min(self._now_ms + period_ms, end_ms))

    def _state(self) -> tuple[object, ...] | None:
        """The motors' state as `MotorDrive.state` has it. None while the envelope climbs, because
        then no two periods are equal."""
        if self._now_ms < self._playback.climbs_until_ms:
            return None
        self._work.take(self._index, self.instant_steps)
        return self._drive.state(self._now_ms - self._skipped_ms)

    def _skip(self, for_ms: int) -> None:
        for_ms = max(for_ms, 0)
        self._now_ms += for_ms
        self._skipped_ms += for_ms

    def _run_until(self, end_ms: int) -> None:
        """Plays up to `end_ms`, from each change of a level or a duty to the next."""
        playback, drive, skipped_ms = self._playback, self._drive, self._skipped_ms
        while self._now_ms < end_ms:
            self._work.take(self._index, self.instant_steps)
            drive_ms = self._now_ms - skipped_ms
            levels, until_ms = playback.levels(self._now_ms), playback.until_ms
            duties = drive.duties(levels, drive_ms)
            if self._resumed:
                self._record(self._timeline.drive_table.together_ma(levels), levels)
            else:
                self._record(drive.draws_ma(drive_ms), duties.duty_pct)
            next_ms = end_ms if until_ms is None else min(until_ms, end_ms)
            if duties.until_ms is not None:
                next_ms = min(next_ms, duties.until_ms + skipped_ms)
            elif drive.most_ma(playback.segment.high_pct, drive_ms) < self._enough_ma():
                # Even the highest levels draw too little to matter until a motor starts or stops.
                next_ms = max(next_ms, min(playback.next_switch_ms(self._now_ms), end_ms))
            self._now_ms = next_ms

    def _record(self, ma: float, given_pct: Levels) -> None:
        """Keeps the highest current. Of equal peaks, the one in the segment with the highest bound
        stays. Raises `_OverError` in a run that ends at the first excess."""
        bounds_ma = self._bounds_ma
        if ma > self.peak.ma or (
            ma == self.peak.ma and bounds_ma[self._index] > bounds_ma[self._peak_index]
        ):
            motors = tuple(i for i, pct in enumerate(given_pct) if pct)
            self.peak = PeakCurrent(self._now_ms, ma, motors)
            self._peak_index = self._index
        if self._ends_when_over and (ma > self._max_ma or self._drive.longest_wait_ms > STAGGER_MS):
            raise _OverError


def _phase_at(profile: Profile, at_ms: int) -> Phase:
    for phase in profile.phases:
        at_ms -= phase.for_ms * phase.repeat
        if at_ms < 0:
            return phase
    return profile.phases[-1]
