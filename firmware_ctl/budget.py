"""The supply against every instant of a compiled session: proven before it plays.

A motor that starts from rest draws `start_ma` for 150 ms, then its running current in proportion to
its duty. Where the sum would go over the supply, starts are staggered, then kicks are dropped, then
all levels are scaled by one factor; what then still does not fit is the author's to change.

The proof plays the session on the motors' model and counts its steps. It passes over a time only
where the state at its begin is one that was met before, so that the same follows: the result is
that of a walk through every instant. A session that takes more than `STEPS` is refused.
"""

from bisect import bisect_left
from collections import Counter
from math import lcm
from typing import Final, NamedTuple

from firmware_ctl.document import in_units
from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import INRUSH_MS, STAGGER_MS, TICK_MS
from firmware_ctl.mat import Mat
from firmware_ctl.patterns import Piece
from firmware_ctl.profile import Phase, Profile
from firmware_ctl.shaping import Levels, Shaper
from firmware_ctl.signals import FIVE_MINUTES_LEFT
from firmware_ctl.timeline import LevelPlayback, Segment, Timeline, compile_profile, scaled, sealed

STEPS: Final = 40_000
"""Most steps to see what a session would draw, and as many again to make it fit: the same on every
machine.

An instant costs a step for each motor of the mat, and four more. On the reference mat with its
eight motors 40 000 steps are 3 300 instants, and on a mat with 17, the most there can be, 1 900.
What it takes to read, to compile and to draw counts as well. A step was measured to take 0.5 to
1 us on a processor that is taken to be 10 to 15 times as fast as a Pi Zero 2: both halves together
take 40 to 80 ms there, and 0.6 to 1 s on the Pi. The shipped profiles take 20 000 in both
together at most, whatever the supply.
"""

_INSTANT_STEPS: Final = 4
"""What an instant costs beside its motors."""

_SETTLED_MS: Final = 2_000
"""What a motor did longer ago than this does not show in what it does: a gentle first kick is
followed by a full one after a second, and no kick, rest or inrush takes more than 300 ms."""


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

    @property
    def taken(self) -> int:
        return self._by_segment.total()

    def take(self, segment: int, steps: int) -> None:
        self._by_segment[segment] += steps
        self._left -= steps
        if self._left < 0:
            raise TooLongError(self._by_segment.most_common(1)[0][0])


class Worst(NamedTuple):
    """The instant at which a session draws most."""

    at_ms: int = 0
    ma: float = 0.0
    motors: tuple[int, ...] = ()

    def sentence(self, mat: Mat) -> str:
        names = dict.fromkeys(mat.motors[i].zone for i in self.motors)
        zones = " + ".join(names)
        return f"t={self.at_ms / 1000:.1f} s: {self.ma:.0f} of {mat.max_ma} mA, {zones}"


class Budget(NamedTuple):
    """What was done to hold the supply."""

    asked: Worst | None = None
    """As the profile asks, where that is more than the supply gives."""
    longest_wait_ms: int = 0
    """How far a start was moved."""
    kicks: bool = True
    level_pct: int = 100
    """The factor over all levels."""


def fit(profile: Profile, mat: Mat, path: str = "", steps: int = STEPS) -> tuple[Timeline, Budget]:
    """Compiles a profile within the supply; `AuthorError` where that cannot be, or cannot be told
    in so many steps.
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
    walk = _Walk(timeline, work, limited=False)
    for index in range(len(timeline.segments)):
        work.take(index, 3 * walk.instant_steps)
    try:
        walk.all(timeline.shape.max_ma)
    except TooLongError:
        if walk.worst.ma <= mat.max_ma:
            raise
        # It is too much already, and perhaps the starts soon show that it cannot be made to fit.
    asked = walk.worst
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
    found = _fitted(timeline, asked, work, low, kicks=False)
    while found and high - low > 1:
        middle = (low + high) // 2
        try:
            fitted = _fitted(timeline, asked, work, middle, kicks=False)
        except TooLongError:
            break  # `found` is proven, though perhaps not the highest level that fits
        found = fitted or found
        low, high = (middle, high) if fitted else (low, middle)
    if found is None:
        sentence = (
            f"the supply cannot bear the starts at {asked.sentence(mat)}; let motors start at "
            f"least {INRUSH_MS} ms apart with `after`, or play fewer of them at once"
        )
        raise AuthorError([Mistake(*place, sentence)])
    return found


def _fitted(
    timeline: Timeline, asked: Worst, work: Work, level_pct: int, kicks: bool
) -> tuple[Timeline, Budget] | None:
    for index, segment in enumerate(timeline.segments):
        work.take(index, len(segment.voice_of) + _INSTANT_STEPS * len(segment.voices))
    timeline = scaled(timeline, level_pct, kicks)
    walk = _Walk(timeline, work, limited=True)
    if not walk.holds():
        return None
    return sealed(timeline), Budget(asked, walk.longest_wait_ms, kicks, level_pct)


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


def worst(timeline: Timeline, work: Work | None = None, limited: bool = True) -> tuple[Worst, int]:
    """The worst instant of an undisturbed session, and how long a start waits at most.

    Raises `TooLongError` where there is less `work` than it takes.
    """
    walk = _Walk(timeline, work or Work(), limited)
    walk.all()
    return walk.worst, walk.longest_wait_ms


def most_drawn(timeline: Timeline) -> Worst:
    """The most that a session can draw whatever happens, and when.

    A pause that ends at an instant makes all motors that play there start together. Nothing makes
    a session draw more: no pause, trim or late tick gives a motor a level at an instant at which it
    has none without it, and the drive never draws more than the supply gives. Where it takes too
    long to find that instant, all motors of a phase are taken to play together.
    """
    max_ma = timeline.shape.max_ma
    try:
        walk = _Walk(timeline, Work(), limited=False, resumed=True)
        walk.all()
        found = walk.worst
    except TooLongError:
        bounds_ma = _bounds_ma(timeline)
        segment = timeline.segments[bounds_ma.index(max(bounds_ma))]
        motors = tuple(i for i, high in enumerate(segment.high_pct) if high)
        found = Worst(segment.begin_ms, max(bounds_ma), motors)
    return found._replace(ma=min(found.ma, max_ma))


def _bounds_ma(timeline: Timeline) -> list[float]:
    """For every segment more than it can draw: all motors that play in it start together."""
    return [timeline.shape.together_ma(segment.high_pct) for segment in timeline.segments]


class _OverError(Exception):
    """The supply does not bear an instant, or a start waits for too long."""


class _Walk:
    """An undisturbed session on the motors' model, from its begin to its end.

    `_now_ms` is the time of the session. The motors' own time lacks what was passed over, always
    whole ticks, so that starts that wait are asked again at the same times.
    """

    def __init__(
        self, timeline: Timeline, work: Work, limited: bool, resumed: bool = False
    ) -> None:
        """`limited` False: no start waits for the supply, to see what a session would draw.

        `resumed`: at each instant all motors that play are taken to start, as when a pause ends.
        """
        self._resumed = resumed
        self._timeline = timeline
        self._work = work
        self._playback = LevelPlayback(timeline)
        self._shaper = Shaper(timeline.shape, limited)
        self.instant_steps = len(timeline.shape.drives) + _INSTANT_STEPS
        self._now_ms = 0
        self._passed_over_ms = 0
        self._bounds_ma = _bounds_ma(timeline)
        self._most_to_come_ma = self._bounds_ma[:]
        """By segment, the highest bound of it and all after it."""
        for i in reversed(range(len(self._bounds_ma) - 1)):
            self._most_to_come_ma[i] = max(self._bounds_ma[i], self._most_to_come_ma[i + 1])
        self._gaps_at_ms = sorted(
            at_ms for signal in timeline.signals for gap in signal.gaps for at_ms in gap
        )
        self._once = next((s for s in timeline.signals if s.name == FIVE_MINUTES_LEFT), None)
        self._index = 0
        self._worst_of = 0
        """The segment of the worst instant."""
        self.worst = Worst()
        self._ends_when_over = False
        self._least_ma = 0.0
        self._cycles: set[tuple[tuple[Piece, ...], int]] = set()
        """The courses and levels that were drawn."""

    @property
    def longest_wait_ms(self) -> int:
        return self._shaper.longest_wait_ms

    def holds(self) -> bool:
        """Whether the supply bears the session; ends at the first instant at which it does not."""
        self._ends_when_over = True
        try:
            self.all(self._timeline.shape.max_ma)
        except _OverError:
            return False
        return True

    def all(self, least_ma: float = 0.0) -> None:
        """Walks the session; what draws no more than `least_ma` may be left out."""
        self._least_ma = least_ma
        for index, segment in enumerate(self._timeline.segments):
            self._index = index
            enough_ma = self._enough_ma()
            # Where all motors of a segment together draw no more, no instant of it does; and no
            # start waits there for the supply, but one that waits already.
            is_settled = not self._shaper.is_waiting
            if is_settled and self._most_to_come_ma[index] <= enough_ma:
                return
            is_settled &= self._shaper.had_first_starts(segment.high_pct)
            if is_settled and self._bounds_ma[index] <= enough_ma:
                self._pass_over((segment.end_ms - self._now_ms - _SETTLED_MS) // TICK_MS * TICK_MS)
                self._until(segment.end_ms)
            else:
                self._passes(segment)

    def _enough_ma(self) -> float:
        """What draws no more than this need not be looked at."""
        return min(max(self.worst.ma, self._least_ma), self._timeline.shape.max_ma)

    def _take_for_cycles(self, segment: Segment) -> None:
        """Counts what it takes to draw the segment's courses, most of which are kept for others."""
        for voice in segment.voices:
            slopes = sum(abs(piece.end - piece.begin) for piece in voice.course)
            for level_pct in voice.ramp.level_pct:
                cycle = voice.course, level_pct
                steps = 5
                if cycle not in self._cycles or len(self._cycles) > 100:
                    steps = 10 + 2 * len(voice.course) + int(slopes * level_pct)
                self._cycles.add(cycle)
                self._work.take(self._index, steps)

    def _passes(self, segment: Segment) -> None:
        """The passes of a segment, until one begins as the one before did."""
        self._take_for_cycles(segment)
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
                self._pass_over((until_ms - begin_ms) // unit_ms * unit_ms)
                begin_ms = self._now_ms
            known = state
            for pass_begin_ms in range(
                begin_ms, min(begin_ms + unit_ms, segment.end_ms), segment.pass_ms
            ):
                self._pass(segment, pass_begin_ms)

    def _pass(self, segment: Segment, begin_ms: int) -> None:
        self._work.take(self._index, self.instant_steps)
        end_ms = begin_ms + segment.pass_ms
        cuts_ms = {begin_ms + voice.after_ms for voice in segment.voices}
        for voice in segment.voices:
            cuts_ms.update(begin_ms + at_ms for at_ms in voice.ramp.at_ms)
        first = bisect_left(self._gaps_at_ms, begin_ms)
        cuts_ms.update(self._gaps_at_ms[first : bisect_left(self._gaps_at_ms, end_ms)])
        cuts_ms.add(end_ms)
        period_ms = lcm(segment.period_ms, TICK_MS)
        for cut_ms in sorted(cuts_ms):
            self._stretch(cut_ms, period_ms)

    def _stretch(self, end_ms: int, period_ms: int) -> None:
        """Where the same patterns play at the same levels: walked until a period begins as the one
        before did.
        """
        known = None
        while self._now_ms < end_ms:
            if self._now_ms + period_ms < end_ms:
                state = self._state()
                if state is not None and state == known:
                    self._pass_over((end_ms - self._now_ms) // period_ms * period_ms)
                known = state
            self._until(min(self._now_ms + period_ms, end_ms))

    def _state(self) -> tuple[object, ...] | None:
        """What the motors do next, as far as that depends on the past; None: they still climb."""
        if self._now_ms < self._playback.climbs_until_ms:
            return None
        self._work.take(self._index, self.instant_steps)
        return self._shaper.state(self._now_ms - self._passed_over_ms)

    def _pass_over(self, for_ms: int) -> None:
        for_ms = max(for_ms, 0)
        self._now_ms += for_ms
        self._passed_over_ms += for_ms

    def _until(self, end_ms: int) -> None:
        playback, shaper, passed_over_ms = self._playback, self._shaper, self._passed_over_ms
        while self._now_ms < end_ms:
            self._work.take(self._index, self.instant_steps)
            own_ms = self._now_ms - passed_over_ms
            levels, until_ms = playback.levels(self._now_ms), playback.until_ms
            shaped = shaper.shape(levels, own_ms)
            shaped_until_ms = shaped.until_ms
            if self._resumed:
                self._look(self._timeline.shape.together_ma(levels), levels)
            else:
                self._look(shaper.draws_ma(own_ms), shaped.duty_pct)
            next_ms = end_ms if until_ms is None else min(until_ms, end_ms)
            if shaped_until_ms is not None:
                next_ms = min(next_ms, shaped_until_ms + passed_over_ms)
            elif shaper.most_ma(playback.segment.high_pct, own_ms) < self._enough_ma():
                # No change of a level matters until a motor begins or ends.
                next_ms = max(next_ms, min(playback.turns_after(self._now_ms), end_ms))
            self._now_ms = next_ms

    def _look(self, ma: float, given: Levels) -> None:
        """Of instants that draw the same, one of the segment that could draw most is told."""
        bounds_ma = self._bounds_ma
        if ma > self.worst.ma or (
            ma == self.worst.ma and bounds_ma[self._index] > bounds_ma[self._worst_of]
        ):
            self.worst = Worst(self._now_ms, ma, tuple(i for i, n in enumerate(given) if n))
            self._worst_of = self._index
        if self._ends_when_over and (
            ma > self._timeline.shape.max_ma or self._shaper.longest_wait_ms > STAGGER_MS
        ):
            raise _OverError


def _phase_at(profile: Profile, at_ms: int) -> Phase:
    for phase in profile.phases:
        at_ms -= phase.for_ms * phase.repeat
        if at_ms < 0:
            return phase
    return profile.phases[-1]
