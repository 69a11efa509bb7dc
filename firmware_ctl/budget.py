"""The supply against every instant of a compiled session: proven before it plays.

A motor that starts from rest draws `start_ma` for 150 ms, then its running current in proportion to
its duty. Where the sum would go over the supply, starts are staggered, then kicks are dropped, then
all levels are scaled by one factor; what then still does not fit is the author's to change.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import INRUSH_MS, REST_MS, SECOND_KICK_MS, STAGGER_MS, TICK_MS
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Phase, Profile
from firmware_ctl.timeline import Playback, Segment, Timeline, compile_profile

HISTORY_MS: Final = 2_000
"""What a motor did longer ago than this does not show in what it draws."""

_AFTERMATH_MS: Final = REST_MS + SECOND_KICK_MS + INRUSH_MS


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
    """What was done to hold the supply, and what is drawn then."""

    asked: Worst | None = None
    """As the profile asks; None: all its motors together cannot draw more than the supply gives."""
    worst: Worst | None = None
    """As it plays."""
    longest_wait_ms: int = 0
    """How far a start was moved."""
    kicks: bool = True
    level_pct: int = 100
    """The factor over all levels."""


def fit(profile: Profile, mat: Mat, path: str = "") -> tuple[Timeline, Budget]:
    """Compiles a profile within the supply; `AuthorError` where that cannot be."""
    timeline = compile_profile(profile, mat)
    if all(_bound_ma(timeline, segment) <= mat.max_ma for segment in timeline.segments):
        return timeline, Budget()
    asked, _ = worst(timeline, limited=False)
    if asked.ma <= mat.max_ma:
        return timeline, Budget(asked, asked)
    phase = _phase_at(profile, asked.at_ms)
    place = (path, *phase.place)
    if profile.strict:
        raise AuthorError([Mistake(*place, f"too much current at {asked.sentence(mat)}")])
    for level_pct, kicks in ((100, True), (100, False)):
        fitted = _fitted(profile, mat, asked, level_pct, kicks)
        if fitted:
            return fitted
    low, high = 0, 100
    found = None
    while high - low > 1:
        middle = (low + high) // 2
        fitted = _fitted(profile, mat, asked, middle, kicks=False)
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
    profile: Profile, mat: Mat, asked: Worst, level_pct: int, kicks: bool
) -> tuple[Timeline, Budget] | None:
    timeline = compile_profile(profile, mat, level_pct, kicks)
    found, longest_wait_ms = worst(timeline)
    if found.ma > mat.max_ma or longest_wait_ms > STAGGER_MS:
        return None
    return timeline, Budget(asked, found, longest_wait_ms, kicks, level_pct)


def worst(timeline: Timeline, limited: bool = True) -> tuple[Worst, int]:
    """The worst instant of an undisturbed session, and how long a start waits at most.

    One period of each segment is walked, with what is special about it: its soft start, its second
    pass, the ends of its ramps, the gaps of its signals. A segment whose motors all together could
    not draw more than what was found already is passed over.
    """
    bounds_ma = [_bound_ma(timeline, segment) for segment in timeline.segments]
    # Where the bound is highest, the most is soon found, and the others need no walk. In a session
    # with a segment so short that a start may outlast it, all are walked in their order.
    spans_ms = [segment.end_ms - segment.begin_ms for segment in timeline.segments]
    by_bound = min(spans_ms) >= HISTORY_MS
    order = list(range(len(spans_ms)))
    if by_bound:
        order.sort(key=lambda i: -bounds_ma[i])
    found = Worst()
    longest_wait_ms = 0
    playback, walked_ms = Playback(timeline, limited=limited), 0
    for index in order:
        segment = timeline.segments[index]
        if by_bound and bounds_ma[index] <= min(found.ma, timeline.shape.max_ma):
            break
        earlier = timeline.segments[:index]
        started = {i for before in earlier for i, high in enumerate(before.high_pct) if high}
        for begin_ms, end_ms in _windows(timeline, segment):
            if begin_ms < walked_ms:
                playback, walked_ms = Playback(timeline, limited=limited), 0
            if begin_ms - HISTORY_MS > walked_ms:
                playback.settle(begin_ms - HISTORY_MS, started)
            playback.walk_to(begin_ms)
            now_ms: int | None = begin_ms
            while now_ms is not None and now_ms < end_ms:
                until_ms = playback.at(now_ms).until_ms
                ma = playback.shaper.draws_ma(now_ms)
                if ma > found.ma:
                    found = Worst(now_ms, ma, tuple(playback.shaper.motors_drawing()))
                    if by_bound and bounds_ma[index] <= min(ma, timeline.shape.max_ma):
                        # No instant draws more, here or in those to come, and no start waits.
                        return found, max(longest_wait_ms, playback.shaper.longest_wait_ms)
                walked_ms, now_ms = now_ms, until_ms
            longest_wait_ms = max(longest_wait_ms, playback.shaper.longest_wait_ms)
    return found, longest_wait_ms


def _bound_ma(timeline: Timeline, segment: Segment) -> float:
    """More than a segment can draw: every motor that plays in it starts or runs at its highest."""
    return sum(
        max(drive.start_ma, drive.ma_at[drive.highest_pct])
        for drive, high in zip(timeline.shape.drives, segment.high_pct, strict=True)
        if high
    )


def _windows(timeline: Timeline, segment: Segment) -> Iterator[tuple[int, int]]:
    period_ms = min(segment.period_ms, segment.pass_ms)
    after_ms = max((voice.after_ms for voice in segment.voices), default=0)
    climb_ms = max(segment.high_pct) * 1000 // timeline.rise_pct_s
    one_ms = after_ms + period_ms + _AFTERMATH_MS
    pass_end_ms = segment.begin_ms + segment.pass_ms
    windows = [(segment.begin_ms, segment.begin_ms + climb_ms + one_ms)]
    ramps = [voice.ramp for voice in segment.voices if len(voice.ramp.at_ms) > 1]
    if ramps:
        windows.append((pass_end_ms - period_ms - TICK_MS, pass_end_ms))
    for ramp in ramps:
        if ramp.level_pct[0] == 0:  # its motors start where it leaves 0
            for pass_begin_ms in (segment.begin_ms, pass_end_ms)[: min(segment.repeat, 2)]:
                starts_at_ms = pass_begin_ms + ramp.at_ms[1]
                windows.append((starts_at_ms - TICK_MS, starts_at_ms + one_ms))
    if segment.repeat > 1:
        windows.append((pass_end_ms - TICK_MS, pass_end_ms + one_ms))
    for signal in timeline.signals:
        for gap in signal.gaps:
            if segment.begin_ms <= gap.end_ms < segment.end_ms:
                windows.append((gap.begin_ms, gap.end_ms + _AFTERMATH_MS))
    last_ms = -1
    for begin_ms, end_ms in sorted(windows):
        begin_ms = max(begin_ms, last_ms, segment.begin_ms)
        last_ms = max(last_ms, min(end_ms, segment.end_ms))
        if begin_ms < last_ms:
            yield begin_ms, last_ms


def _phase_at(profile: Profile, at_ms: int) -> Phase:
    for phase in profile.phases:
        at_ms -= phase.for_ms * phase.repeat
        if at_ms < 0:
            return phase
    return profile.phases[-1]
