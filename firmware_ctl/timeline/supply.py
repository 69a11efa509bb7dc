"""The supply against every instant of a compiled session: proven before it plays.

A motor that starts from rest draws `start_ma` for 150 ms, then its running current in proportion to
its duty. Where the sum would go over the supply, starts are staggered, then kicks are dropped, then
all levels are scaled by one factor. A session that still does not fit is refused: its author has to
change it.

The proof plays the session on the model of the motors, as a dry run, and counts its steps. The dry
run skips time only where the state equals an earlier one, from which the same follows: its result
is that of visiting every instant. A session that takes more than `STEPS` is refused.
"""

from bisect import bisect_left
from collections import Counter
from math import lcm
from typing import Final, NamedTuple

from firmware_ctl.config.fields import in_units
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import Piece
from firmware_ctl.config.profile import Phase, Profile
from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import INRUSH_MS, STAGGER_MS, TICK_MS
from firmware_ctl.timeline.compiler import compile_profile, scaled, sealed
from firmware_ctl.timeline.haptics import FIVE_MINUTES_LEFT
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels, MotorDrive
from firmware_ctl.timeline.playback import Playback

STEPS: Final = 40_000
"""Most steps to compute what a session would draw, and as many again to make it fit: the same on
every machine.

An instant costs a step for each motor of the mat, and four more. On the reference mat with its
eight motors 40 000 steps are 3 300 instants, and on a mat with 17, the most there can be, 1 900.
Steps to read, to compile and to draw count as well. A step was measured to take 0.5 to
1 us on a processor that is taken to be 10 to 15 times as fast as a Pi Zero 2: both halves together
take 40 to 80 ms there, and 0.6 to 1 s on the Pi. The shipped profiles take 20 000 in both
together at most, whatever the supply.
"""

_INSTANT_STEPS: Final = 4
"""What an instant costs beside its motors."""

_SETTLED_MS: Final = 2_000
"""A motor has no longer memory than this: its gentle first kick is followed by a full one after a
second, and no kick, rest or inrush takes more than 300 ms."""


class TooLongError(Exception):
    """A proof took more steps than it may; `segment` is the index of the one that took most."""

    def __init__(self, segment: int) -> None:
        super().__init__(segment)
        self.segment = segment


class Work:
    """The steps that a proof has taken, and those that are left."""

    def __init__(self, most: int = STEPS) -> None:
        self._left = most
        self._by_segment: Counter[int] = Counter()

    def take(self, segment: int, steps: int) -> None:
        self._by_segment[segment] += steps
        self._left -= steps
        if self._left < 0:
            raise TooLongError(self._by_segment.most_common(1)[0][0])


class PeakCurrent(NamedTuple):
    """The instant at which a session draws most."""

    at_ms: int = 0
    ma: float = 0.0
    motors: tuple[int, ...] = ()
    """The motors that draw then, by index."""

    def sentence(self, mat: Mat) -> str:
        zones = " + ".join(dict.fromkeys(mat.motors[i].zone for i in self.motors))
        return f"t={self.at_ms / 1000:.1f} s: {self.ma:.0f} of {mat.max_ma} mA, {zones}"


class Budget(NamedTuple):
    """What was changed so that the session stays within the supply. By default: nothing."""

    asked: PeakCurrent | None = None
    """The peak as the profile asks, where that is more than the supply gives."""
    longest_wait_ms: int = 0
    """How far a start was moved."""
    kicks: bool = True
    level_pct: int = 100
    """The factor over all levels."""


def fit_to_supply(
    profile: Profile, mat: Mat, path: str = "", steps: int = STEPS
) -> tuple[Timeline, Budget]:
    """Compiles a profile within the supply.

    Raises `AuthorError` where it does not fit, or where that takes more steps to prove.
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
    dry_run = _DryRun(timeline, work, limited=False)
    for index in range(len(timeline.segments)):
        work.take(index, 3 * dry_run.instant_steps)
    try:
        dry_run.run(timeline.drive_table.max_ma)
    except TooLongError:
        if dry_run.peak.ma <= mat.max_ma:
            raise
        # The peak is too high already. The fits below may soon show that no level helps.
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
    # A level moves no start: if the lowest level does not fit, no level fits.
    low, high = 1, 100
    best = _fitted(timeline, asked, work, low, kicks=False)
    while best and high - low > 1:
        middle = (low + high) // 2
        try:
            fitted = _fitted(timeline, asked, work, middle, kicks=False)
        except TooLongError:
            break  # `best` is proven, though perhaps not the highest level that fits
        best = fitted or best
        low, high = (middle, high) if fitted else (low, middle)
    if best is None:
        sentence = (
            f"the supply cannot bear the starts at {asked.sentence(mat)}; let motors start at "
            f"least {INRUSH_MS} ms apart with `after`, or play fewer of them at once"
        )
        raise AuthorError([Mistake(*place, sentence)])
    return best


def _fitted(
    timeline: Timeline, asked: PeakCurrent, work: Work, level_pct: int, kicks: bool
) -> tuple[Timeline, Budget] | None:
    """The session at this level and with or without kicks; None where it does not fit."""
    for index, segment in enumerate(timeline.segments):
        work.take(index, len(segment.course_of) + _INSTANT_STEPS * len(segment.courses))
    timeline = scaled(timeline, level_pct, kicks)
    dry_run = _DryRun(timeline, work, limited=True)
    if not dry_run.fits():
        return None
    return sealed(timeline), Budget(asked, dry_run.longest_wait_ms, kicks, level_pct)


def _too_long(segment: Segment, mat: Mat) -> str:
    """Why a session is refused that took too many steps, most of them in this segment."""
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
    if ms < 2 * 3_600_000:
        return in_units(ms)
    hours = ms // 3_600_000
    return f"{hours} h" if hours < 1_000 else "more than 1000 h"


def peak_current(
    timeline: Timeline, work: Work | None = None, limited: bool = True
) -> tuple[PeakCurrent, int]:
    """The peak of an undisturbed session, and how long a start waits at most, in milliseconds.

    Raises `TooLongError` where there is less `work` than it takes.
    """
    dry_run = _DryRun(timeline, work or Work(), limited)
    dry_run.run()
    return dry_run.peak, dry_run.longest_wait_ms


def peak_current_with_pauses(timeline: Timeline) -> PeakCurrent:
    """The most that a session can draw whatever happens, and when.

    A pause that ends at an instant makes all motors that play there start together. Nothing makes
    a session draw more: no pause, trim or late tick gives a motor a level at an instant at which it
    has none without it, and the drive never draws more than the supply gives. Where it takes too
    long to find that instant, all motors of a phase are assumed to start together.
    """
    max_ma = timeline.drive_table.max_ma
    try:
        dry_run = _DryRun(timeline, Work(), limited=False, resumed=True)
        dry_run.run()
        peak = dry_run.peak
    except TooLongError:
        bounds_ma = _bounds_ma(timeline)
        segment = timeline.segments[bounds_ma.index(max(bounds_ma))]
        motors = tuple(i for i, high in enumerate(segment.high_pct) if high)
        peak = PeakCurrent(segment.begin_ms, max(bounds_ma), motors)
    return peak._replace(ma=min(peak.ma, max_ma))


def _bounds_ma(timeline: Timeline) -> list[float]:
    """For every segment an upper bound: all motors that play in it start together."""
    return [timeline.drive_table.together_ma(segment.high_pct) for segment in timeline.segments]


class _OverError(Exception):
    """The supply does not bear an instant, or a start waits for too long."""


class _DryRun:
    """Plays an undisturbed session on the model of the motors, from its begin to its end.

    `_now_ms` is the time of the session. The motors' own time lacks the time that was skipped,
    always whole ticks, so that starts that wait are asked again at the same times.
    """

    def __init__(
        self, timeline: Timeline, work: Work, limited: bool, resumed: bool = False
    ) -> None:
        """`limited` False: no start waits for the supply, to see what a session would draw.

        `resumed`: at each instant all motors that play are taken to start, as when a pause ends.
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
        """By segment, the highest bound of it and all after it."""
        for i in reversed(range(len(self._bounds_ma) - 1)):
            self._most_to_come_ma[i] = max(self._bounds_ma[i], self._most_to_come_ma[i + 1])
        self._gaps_at_ms = sorted(
            at_ms for cue in timeline.haptic_cues for gap in cue.gaps for at_ms in gap
        )
        self._once = next((c for c in timeline.haptic_cues if c.name == FIVE_MINUTES_LEFT), None)
        """The haptic that does not come in each pass of its phase."""
        self._index = 0
        """The segment that plays."""
        self._peak_index = 0
        """The segment of the peak."""
        self.peak = PeakCurrent()
        self._ends_when_over = False
        self._least_ma = 0.0
        self._drawings: set[tuple[tuple[Piece, ...], int]] = set()
        """The pieces and levels that were drawn."""

    @property
    def longest_wait_ms(self) -> int:
        return self._drive.longest_wait_ms

    def fits(self) -> bool:
        """Whether the supply bears the session; ends at the first instant at which it does not."""
        self._ends_when_over = True
        try:
            self.run(self._max_ma)
        except _OverError:
            return False
        return True

    def run(self, least_ma: float = 0.0) -> None:
        """Plays the session; may leave out what draws no more than `least_ma`."""
        self._least_ma = least_ma
        for index, segment in enumerate(self._timeline.segments):
            self._index = index
            enough_ma = self._enough_ma()
            # Where all motors of a segment together draw no more, no instant of it does; and no
            # start waits there for the supply, but one that waits already.
            is_settled = not self._drive.is_waiting
            if is_settled and self._most_to_come_ma[index] <= enough_ma:
                return
            is_settled &= self._drive.had_first_starts(segment.high_pct)
            if is_settled and self._bounds_ma[index] <= enough_ma:
                self._skip((segment.end_ms - self._now_ms - _SETTLED_MS) // TICK_MS * TICK_MS)
                self._run_until(segment.end_ms)
            else:
                self._run_segment(segment)

    def _enough_ma(self) -> float:
        """What draws no more than this need not be played."""
        return min(max(self.peak.ma, self._least_ma), self._max_ma)

    def _take_for_drawings(self, segment: Segment) -> None:
        """Counts the steps to draw the segment's courses, most of which the cache keeps."""
        for course in segment.courses:
            slopes = sum(abs(piece.end - piece.begin) for piece in course.pieces)
            for level_pct in course.ramp.level_pct:
                drawing = course.pieces, level_pct
                steps = 5
                if drawing not in self._drawings or len(self._drawings) > 100:
                    steps = 10 + 2 * len(course.pieces) + int(slopes * level_pct)
                self._drawings.add(drawing)
                self._work.take(self._index, steps)

    def _run_segment(self, segment: Segment) -> None:
        """Plays the passes of a segment, until one begins as the one before did."""
        self._take_for_drawings(segment)
        self._playback.levels(segment.begin_ms)
        unit_ms = lcm(segment.pass_ms, TICK_MS)
        once = self._once
        known = None
        while self._now_ms < segment.end_ms:
            begin_ms = self._now_ms
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
        """Plays a pass in stretches: in each the same courses play at the same asked levels."""
        self._work.take(self._index, self.instant_steps)
        end_ms = begin_ms + segment.pass_ms
        cuts_ms = {begin_ms + course.after_ms for course in segment.courses}
        for course in segment.courses:
            cuts_ms.update(begin_ms + at_ms for at_ms in course.ramp.at_ms)
        first = bisect_left(self._gaps_at_ms, begin_ms)
        cuts_ms.update(self._gaps_at_ms[first : bisect_left(self._gaps_at_ms, end_ms)])
        cuts_ms.add(end_ms)
        period_ms = lcm(segment.period_ms, TICK_MS)
        for cut_ms in sorted(cuts_ms):
            self._run_stretch(cut_ms, period_ms)

    def _run_stretch(self, end_ms: int, period_ms: int) -> None:
        """Plays the periods of a stretch, until one begins as the one before did."""
        known = None
        while self._now_ms < end_ms:
            if self._now_ms + period_ms < end_ms:
                state = self._state()
                if state is not None and state == known:
                    self._skip((end_ms - self._now_ms) // period_ms * period_ms)
                known = state
            self._run_until(min(self._now_ms + period_ms, end_ms))

    def _state(self) -> tuple[object, ...] | None:
        """The state of the motors, as far as the past decides what follows; None: they climb."""
        if self._now_ms < self._playback.climbs_until_ms:
            return None
        self._work.take(self._index, self.instant_steps)
        return self._drive.state(self._now_ms - self._skipped_ms)

    def _skip(self, for_ms: int) -> None:
        for_ms = max(for_ms, 0)
        self._now_ms += for_ms
        self._skipped_ms += for_ms

    def _run_until(self, end_ms: int) -> None:
        """Plays from change to change."""
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
                # No change of a level matters until a motor starts or stops.
                next_ms = max(next_ms, min(playback.next_switch_ms(self._now_ms), end_ms))
            self._now_ms = next_ms

    def _record(self, ma: float, given_pct: Levels) -> None:
        """Keeps the peak; of equal ones the one in the segment with the highest bound."""
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
