"""A profile on a mat, compiled: what every motor does at every instant of a session.

The segments are closed forms on absolute time: their size grows with the phases of a profile and
not with its length. This module never asks what time it is.
"""

from binascii import crc32, crc_hqx
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import lcm
from typing import Final, NamedTuple

from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.limits import TICK_MS, resolve
from firmware_ctl.mat import Mat
from firmware_ctl.patterns import PATTERNS, Piece, Seat
from firmware_ctl.profile import Level, Phase, Play, Profile
from firmware_ctl.shaping import Levels, Shape, Shaper, shape_of
from firmware_ctl.signals import FIVE_MINUTES_LEFT, FIVE_MINUTES_MS, Felt, Gap, felt, felt_length_ms
from firmware_ctl.steps import Steps, draw, steps_to_draw

_APART_MS = 1_000
"""Least time between the five minutes that are left and a cue's signal."""

MOST_PARTS: Final = 30_000
"""Most parts of a compiled profile: 10 a phase, one a motor of the mat, and what its voices consist
of. A part takes about 1 us to compile on a processor that is taken to be 10 to 15 times as fast as
a Pi Zero 2: 30 to 40 ms there, and half a second on the Pi. That is enough for 800 phases of one
pattern on all motors, and for 450 in which each of six targets has its own.
"""

_REMEMBERED_MS: Final = 30_000
"""The longest period whose levels are kept while it plays, so that they stay few."""

_REMEMBERED: Final = 2_000
"""Most steps of a period that are kept: jumps have a millisecond of their own, and in half a minute
there may be tens of thousands."""

MOST_STEPS: Final = 4_000
"""Most steps to draw all courses of a phase, which happens on the loop at the phase's begin. A step
was measured to take 0.25 to 0.45 us on a processor that is taken to be 10 to 15 times as fast as a
Pi Zero 2: with all around it 2 to 3 ms there, and up to 45 ms on the Pi. That is enough for the 17
motors of the largest mat with a wave or a breath of its own each, from 0 to 100 % and back.
"""

_KEPT: Final = 20_000
"""Most steps and pieces of courses that are kept drawn, and 10 for each of them: about 1 MB, which
is locked in memory."""


class _Drawing:
    """Draws courses and keeps the last: motors, phases and the proof ask for the same ones."""

    def __init__(self, draw_one: Callable[[tuple[Piece, ...], int], Steps]) -> None:
        self._draw_one = draw_one
        self._kept: dict[tuple[tuple[Piece, ...], int], Steps] = {}
        self._size = 0

    def __call__(self, course: tuple[Piece, ...], asked_pct: int) -> Steps:
        asked = course, asked_pct
        drawn = self._kept.pop(asked, None)
        if drawn is None:
            drawn = self._draw_one(course, asked_pct)
            self._size += _size(course, drawn)
        self._kept[asked] = drawn  # as the last: what was not asked for longest is the first
        while self._size > _KEPT:
            oldest = next(iter(self._kept))
            self._size -= _size(oldest[0], self._kept.pop(oldest))
        return drawn


def _size(course: tuple[Piece, ...], drawn: Steps) -> int:
    return 10 + len(course) + len(drawn.at_ms)


def _draw_turns(course: tuple[Piece, ...], asked_pct: int) -> Steps:
    """Of a course the steps at which a motor begins or ends. No limit moves them."""
    at_ms, levels, cycle_ms = _drawn(course, asked_pct)
    kept = [i for i, n in enumerate(levels) if i == 0 or (n == 0) != (levels[i - 1] == 0)]
    return Steps(tuple(at_ms[i] for i in kept), tuple(levels[i] for i in kept), cycle_ms)


_drawn: Final = _Drawing(draw)
_turns: Final = _Drawing(_draw_turns)

_told: Final = lru_cache(maxsize=4)(repr)
"""Of a shape, which is the same for every profile and a thousand figures long."""

_NO_GAP: Final = Gap(1 << 60, 1 << 60)


class Voice(NamedTuple):
    """What one or more motors do in one pass of a phase, before the envelope and the trim.

    The course is drawn into steps at each level that the ramp asks for, when it is asked for.
    """

    after_ms: int
    ramp: Steps
    """The asked level over the pass."""
    course: tuple[Piece, ...]
    cap_pct: int
    budget_pct: int

    @property
    def high_pct(self) -> int:
        return max(self.cycle(max(self.ramp.level_pct)).level_pct)

    @property
    def cycles(self) -> list[Steps]:
        """One for every level of the ramp."""
        return [self.cycle(level) for level in self.ramp.level_pct]

    def cycle(self, asked_pct: int) -> Steps:
        """The course at one level, within the limits."""
        asked = _drawn(self.course, asked_pct)
        high = max(asked.level_pct)
        if self._resolved(high) == high:  # then what is lower stays as it is too
            return asked
        levels = {level: self._resolved(level) for level in set(asked.level_pct)}
        return Steps(asked.at_ms, tuple(levels[n] for n in asked.level_pct), asked.cycle_ms)

    def _resolved(self, level_pct: int) -> int:
        return resolve(level_pct, self.cap_pct, budget_pct=self.budget_pct).level_pct

    def at(self, u_ms: int, drawn: dict[int, Steps]) -> tuple[int, int]:
        """The level `u_ms` into the pass, and when it next steps (never later than it changes).

        `drawn` keeps the cycles by their level, for the next time.
        """
        after_ms = self.after_ms
        if u_ms < after_ms:
            return 0, after_ms
        asked_pct, ramp_next_ms = self.ramp.at(u_ms)
        cycle = drawn.get(asked_pct)
        if cycle is None:
            cycle = drawn[asked_pct] = self.cycle(asked_pct)
        level, next_ms = cycle.at(u_ms - after_ms)
        return level, min(next_ms + after_ms, ramp_next_ms)

    def turns_after(self, u_ms: int, turns: dict[int, Steps]) -> int:
        """When after `u_ms` its motors may next begin or end. `turns` keeps what is worked out."""
        if u_ms < self.after_ms:
            return self.after_ms
        asked_pct, ramp_next_ms = self.ramp.at(u_ms)
        if asked_pct not in turns:
            turns[asked_pct] = _turns(self.course, asked_pct)
        _, next_ms = turns[asked_pct].at(u_ms - self.after_ms)
        return min(next_ms + self.after_ms, ramp_next_ms)


class Segment(NamedTuple):
    """One phase with its repeats: `repeat` equal passes of `pass_ms` from `begin_ms` on."""

    phase: str
    cue: str
    points: tuple[str, ...]
    begin_ms: int
    pass_ms: int
    repeat: int
    voices: tuple[Voice, ...]
    voice_of: tuple[int, ...]
    """For every motor the index of its voice; -1: silent."""
    high_pct: Levels
    """Where each motor's envelope climbs to."""

    @property
    def end_ms(self) -> int:
        return self.begin_ms + self.pass_ms * self.repeat

    @property
    def period_ms(self) -> int:
        """After which all that has begun and does not ramp begins again."""
        changing = [voice.course for voice in self.voices if len(voice.course) > 1]
        return lcm(*(sum(piece.length_ms for piece in course) for course in changing))


class Frame(NamedTuple):
    """What holds from some instant until `until_ms`; None: for good."""

    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    """The motors that are in their kick, by their index."""
    until_ms: int | None


class Timeline(NamedTuple):
    """A compiled session. Ends at zero at `end_ms`, whatever the profile says."""

    profile: str
    segments: tuple[Segment, ...]
    signals: tuple[Felt, ...]
    """In the order of their begin."""
    rise_pct_s: int
    shape: Shape
    cert: str
    """Hash of all that decides what the pins do."""

    @property
    def end_ms(self) -> int:
        return self.segments[-1].end_ms

    def frame_at(self, t_ms: int) -> Frame:
        """The frame of an undisturbed session `t_ms` after its start."""
        times_ms, frames = _all_frames(self)
        return frames[bisect_right(times_ms, t_ms) - 1]

    def next_change_after(self, t_ms: int) -> int | None:
        """The first instant after `t_ms` at which a level may change; None after the end."""
        return self.frame_at(t_ms).until_ms


@lru_cache(maxsize=2)
def _all_frames(timeline: Timeline) -> tuple[list[int], list[Frame]]:
    """Every frame of an undisturbed session with its time; only for those who look at any."""
    playback = Playback(timeline)
    times_ms, frames = [0], [playback.at(0)]
    while (until_ms := frames[-1].until_ms) is not None:
        times_ms.append(until_ms)
        frames.append(playback.at(until_ms))
    return times_ms, frames


class _Part:
    """A voice as it plays: its level, which holds until `until_ms`."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.drawn: dict[int, Steps] = {}
        self.turns: dict[int, Steps] = {}
        self.level_pct = 0
        self.until_ms = 0


class LevelPlayback:
    """The levels of a timeline as it is played: forward only, under a trim, from a soft start.

    Its time is the session's own, which stands still in a pause. So it knows no duties: whether a
    motor rests is a matter of real time, and of the session's `Shaper`.

    The envelope of a motor climbs no faster than the mat's rise towards the phase's highest level
    times the trim, and falls at once. A motor's level is its voice times envelope over highest
    level: at most the envelope, and the voice itself once the envelope is up.
    """

    def __init__(self, timeline: Timeline, trim_pct: int = 100) -> None:
        self._timeline = timeline
        self._end_ms = timeline.end_ms
        self._silence: Levels = (0,) * len(timeline.segments[0].voice_of)
        self._gaps = iter(sorted(gap for signal in timeline.signals for gap in signal.gaps))
        self._gap = next(self._gaps, _NO_GAP)
        self._trim_pct = trim_pct
        self._levels = self._silence
        self.until_ms: int | None = 0
        """Until then the levels that were last asked for hold; None: for good."""
        self._index = -1
        self.segment = timeline.segments[0]
        """The phase of the levels that were last asked for."""
        self._pass_begin_ms = 0
        self._pass_end_ms = 0
        self._parts: list[_Part] = []
        self._period_ms = 0
        self._periodic_from_ms = 0
        """So far into a pass all voices have begun; from then on one period is like the next."""
        self._period_at_ms: list[int] = []
        self._period: list[tuple[Levels, int]] = []
        """What is known of the period once the envelope is up: from `_period_at_ms` on, in its
        order, the levels and until when they hold."""
        self._steady_from_ms = 0
        self._steady_until_ms = 0
        """Between these the period tells the levels: the envelope is up, no gap, the same pass."""
        self._envelope_at_ms = 0
        self._envelope = [0] * len(self._silence)  # thousandths of a percent
        self._target = self._envelope
        self.climbs_until_ms = 0
        """When the envelope of the segment that it is in is up."""

    def rest(self, t_ms: int) -> None:
        """A pause ends at `t_ms`: the envelope begins again at 0."""
        self._envelope_at_ms = t_ms
        self._envelope = [0] * len(self._silence)
        self._aim(t_ms)

    def trim(self, t_ms: int, trim_pct: int) -> None:
        """From `t_ms` on all levels are scaled; downwards at once, upwards at the rise."""
        self._climb_to(t_ms)
        self._trim_pct = trim_pct
        self._aim(t_ms)

    def levels(self, t_ms: int) -> Levels:
        """The levels at `t_ms`, which must not lie before an earlier call's."""
        until_ms = self.until_ms
        if until_ms is None or t_ms < until_ms:
            return self._levels
        in_period_ms = known_until_ms = 0
        if self._steady_from_ms <= t_ms < self._steady_until_ms:
            in_period_ms = (t_ms - self._pass_begin_ms) % self._period_ms
            known = bisect_right(self._period_at_ms, in_period_ms)
            if known:
                levels, known_until_ms = self._period[known - 1]
        if in_period_ms < known_until_ms:
            until_ms = t_ms - in_period_ms + known_until_ms
            if until_ms > self._steady_until_ms:
                until_ms = self._steady_until_ms
        else:
            levels, until_ms = self._levels_at(t_ms)
        self._levels, self.until_ms = levels, until_ms
        return levels

    def _levels_at(self, t_ms: int) -> tuple[Levels, int | None]:
        """The levels where no period tells them, and until when they hold; None: for good."""
        if t_ms >= self._pass_end_ms:
            if t_ms >= self._end_ms:
                self.segment = self._timeline.segments[-1]
                return self._silence, None
            if self._index < 0 or t_ms >= self.segment.end_ms:
                self._enter(t_ms)
            in_pass_ms = (t_ms - self.segment.begin_ms) % self.segment.pass_ms
            self._pass_begin_ms = t_ms - in_pass_ms
            self._pass_end_ms = self._pass_begin_ms + self.segment.pass_ms
        while t_ms >= self._gap.end_ms:
            self._gap = next(self._gaps, _NO_GAP)
        if t_ms >= self._gap.begin_ms:
            return self._silence, min(self._pass_end_ms, self._gap.end_ms)
        if self._envelope_at_ms < self.climbs_until_ms:
            self._climb_to(t_ms)
        levels, asked_until_ms = self._asked_at(t_ms)
        if t_ms < self.climbs_until_ms or self._trim_pct != 100:
            levels = self._under_envelope(levels)
        self._steady_until_ms = min(self._pass_end_ms, self._gap.begin_ms)
        until_ms = min(asked_until_ms, self._steady_until_ms)
        if t_ms < self.climbs_until_ms:
            self._steady_until_ms = 0
            return levels, min(until_ms, t_ms - t_ms % TICK_MS + TICK_MS)
        self._steady_from_ms = self._pass_begin_ms + self._periodic_from_ms
        if self._steady_from_ms <= t_ms and asked_until_ms < self._pass_end_ms:
            self._remember((t_ms - self._pass_begin_ms) % self._period_ms, levels, until_ms - t_ms)
        return levels, until_ms

    def turns_after(self, t_ms: int) -> int:
        """When, after `levels(t_ms)`, a motor may next begin or end; 0: at its next change."""
        if t_ms >= self._gap.begin_ms:
            return 0
        if t_ms < self.climbs_until_ms and any(
            high and envelope < 1_000
            for high, envelope in zip(self.segment.high_pct, self._envelope, strict=True)
        ):
            return 0  # an envelope that is still so low keeps its motor off
        until_ms = min(self._pass_end_ms, self._gap.begin_ms)
        in_pass_ms = t_ms - self._pass_begin_ms
        for part in self._parts:
            next_ms = self._pass_begin_ms + part.voice.turns_after(in_pass_ms, part.turns)
            until_ms = min(until_ms, next_ms)
        return until_ms

    def _remember(self, in_period_ms: int, levels: Levels, for_ms: int) -> None:
        """Wakes come late by more or less: of what holds for a while the earliest moment counts."""
        known_until_ms = in_period_ms + for_ms
        if len(self._period) >= _REMEMBERED:
            return
        i = bisect_left(self._period_at_ms, in_period_ms)
        j = bisect_left(self._period_at_ms, known_until_ms, i)
        self._period_at_ms[i:j] = [in_period_ms]
        self._period[i:j] = [(levels, known_until_ms)]

    def _asked_at(self, t_ms: int) -> tuple[Levels, int]:
        """The levels before envelope and trim, and until when they hold at least."""
        until_ms = self._pass_end_ms
        levels = []
        for part in self._parts:
            if t_ms >= part.until_ms:
                in_pass_ms = t_ms - self._pass_begin_ms
                part.level_pct, next_ms = part.voice.at(in_pass_ms, part.drawn)
                part.until_ms = self._pass_begin_ms + next_ms
            levels.append(part.level_pct)
            if part.until_ms < until_ms:
                until_ms = part.until_ms
        levels.append(0)  # of the silent motors, whose voice is -1
        return tuple([levels[voice] for voice in self.segment.voice_of]), until_ms

    def _under_envelope(self, levels: Levels) -> Levels:
        # A level that runs stays at 1 or more: a trim or a slow rise must not stall and restart it.
        return tuple(
            [
                (level * envelope // (high * 1_000) or 1) if level and envelope >= 1_000 else 0
                for level, envelope, high in zip(
                    levels, self._envelope, self.segment.high_pct, strict=True
                )
            ]
        )

    def _enter(self, t_ms: int) -> None:
        """Goes on to the segment at `t_ms`, carrying the envelope through all between."""
        segments = self._timeline.segments
        while self._index < 0 or t_ms >= segments[self._index].end_ms:
            begin_ms = segments[self._index + 1].begin_ms
            if self._index >= 0:
                self._climb_to(begin_ms)
            self._index += 1
            self.segment = segments[self._index]
            voices = self.segment.voices
            self._parts = [_Part(voice) for voice in voices]
            self._period_ms = self.segment.period_ms
            self._periodic_from_ms = max((voice.after_ms for voice in voices), default=0)
            ramps = any(len(voice.ramp.at_ms) > 1 for voice in voices)
            if ramps or self._period_ms > _REMEMBERED_MS:
                self._periodic_from_ms = self.segment.pass_ms
            self._aim(max(begin_ms, self._envelope_at_ms))

    def _aim(self, t_ms: int) -> None:
        """Sets what the envelope climbs to from `t_ms` on; what lies above it falls at once."""
        self._target = [high * self._trim_pct * 10 for high in self.segment.high_pct]
        self._envelope = [min(pair) for pair in zip(self._envelope, self._target, strict=True)]
        missing = max(a - b for a, b in zip(self._target, self._envelope, strict=True))
        climb_ms = -(-missing // self._timeline.rise_pct_s)
        self.climbs_until_ms = t_ms + climb_ms + TICK_MS if missing else t_ms
        self._period_at_ms, self._period = [], []
        self._steady_until_ms = 0
        self.until_ms = t_ms

    def _climb_to(self, t_ms: int) -> None:
        """Moves the envelope to `t_ms` on the tick's grid; percent a second is thousandths a ms."""
        t_ms -= t_ms % TICK_MS
        if t_ms <= self._envelope_at_ms:
            return
        climbed = (t_ms - self._envelope_at_ms) * self._timeline.rise_pct_s
        self._envelope = [
            low + climbed if low + climbed < high else high
            for low, high in zip(self._envelope, self._target, strict=True)
        ]
        self._envelope_at_ms = t_ms


class Playback(LevelPlayback):
    """A timeline with its duties, as they are where nobody disturbs a session: on one clock."""

    def __init__(self, timeline: Timeline, trim_pct: int = 100) -> None:
        super().__init__(timeline, trim_pct)
        self.shaper = Shaper(timeline.shape)

    def at(self, t_ms: int) -> Frame:
        """The frame at `t_ms`, which must not lie before an earlier call's."""
        levels = self.levels(t_ms)
        duties, kicks, until_ms = self.shaper.shape(levels, t_ms)
        if self.until_ms is not None:
            until_ms = min(self.until_ms, until_ms or self.until_ms)
        return Frame(levels, duties, kicks, until_ms)


def compile_profile(profile: Profile, mat: Mat, path: str = "") -> Timeline:
    """Compiles a profile that was read against this mat: it names only zones that the mat has.

    `AuthorError` where there is more in it than can be compiled in bounded time.
    """
    segments = []
    begin_ms = parts = 0
    for phase in profile.phases:
        segment = _segment(phase, begin_ms, mat, path)
        segments.append(segment)
        begin_ms = segment.end_ms
        parts += 10 + len(segment.voice_of) + sum(5 + 2 * len(v.course) for v in segment.voices)
        if parts > MOST_PARTS:
            sentence = (
                "from this phase on the profile is too large: its phases play too much; write "
                "fewer of them with `repeat`, or fewer targets, taps or frames"
            )
            raise AuthorError([Mistake(path, *phase.place, sentence)])
    signals = _signals(segments)
    shape = shape_of(mat)
    rise_pct_s = mat.limits.rise_pct_s
    return sealed(Timeline(profile.name, tuple(segments), signals, rise_pct_s, shape, ""))


def scaled(timeline: Timeline, budget_pct: int, kicks: bool) -> Timeline:
    """The same session with all levels scaled and the kicks kept or dropped: see `budget`.

    It is not sealed: `budget` scales a session several times and plays one of the results.
    """
    segments = []
    for segment in timeline.segments:
        voices = tuple(voice._replace(budget_pct=budget_pct) for voice in segment.voices)
        highs = _highs(voices, segment.voice_of)
        segments.append(segment._replace(voices=voices, high_pct=highs))
    shape = timeline.shape._replace(kicks=kicks)
    return timeline._replace(segments=tuple(segments), shape=shape, cert="")


def sealed(timeline: Timeline) -> Timeline:
    """The timeline with the hash of all that decides what the pins do."""
    _, segments, signals, rise_pct_s, shape, _ = timeline
    proof = f"({list(segments)}, {signals}, {rise_pct_s}, {_told(shape)})".encode()
    # Nobody forges one, and hashlib brings all of OpenSSL: 6 ms, and 3.6 MiB in a daemon.
    return timeline._replace(cert=f"{crc32(proof):08x}{crc_hqx(proof, 0):04x}")


def motors_of(target: str, mat: Mat) -> list[int]:
    """The motors of a target in present zones, by their index in the order of the mat file."""
    zone, _, side = target.partition(".")
    present = {z.name for z in mat.zones if z.present}
    return [
        i
        for i, motor in enumerate(mat.motors)
        if motor.zone in present and zone in ("all", motor.zone) and side in ("", motor.side)
    ]


def _segment(phase: Phase, begin_ms: int, mat: Mat, path: str) -> Segment:
    caps = {zone.name: zone.cap_pct for zone in mat.zones}
    motors = mat.motors
    voices: dict[Voice, int] = {}
    voice_of = [-1] * len(motors)
    for play in phase.play:
        targets = motors_of(play.target, mat)
        # For keyframes the course itself holds the levels, as asked.
        frames = _keyframes(play.frames, phase.for_ms) if play.frames else ()
        ramp = ramp_of(Level(100, 100) if play.frames else play.level, phase.for_ms)
        for index, motor in enumerate(targets):
            seat = Seat(index, len(targets), motors[motor].side)
            course = frames or _course(play, seat)
            voice = Voice(play.after_ms, ramp, course, caps[motors[motor].zone], 100)
            voice_of[motor] = voices.setdefault(voice, len(voices))
    courses = {(voice.course, max(voice.ramp.level_pct)) for voice in voices}
    steps = sum(steps_to_draw(course, high_pct) for course, high_pct in courses)
    if steps > MOST_STEPS:
        sentence = (
            f"this phase changes its levels {steps} times in one period; at most {MOST_STEPS}: use "
            "fewer frames, or several phases"
        )
        raise AuthorError([Mistake(path, *phase.place, sentence)])
    return Segment(
        phase.name,
        phase.cue or "",
        phase.points,
        begin_ms,
        phase.for_ms,
        phase.repeat,
        tuple(voices),
        tuple(voice_of),
        _highs(voices, voice_of),
    )


def _highs(voices: Iterable[Voice], voice_of: Sequence[int]) -> Levels:
    """For every motor the highest level of its voice."""
    highs = [*(voice.high_pct for voice in voices), 0]
    return tuple(highs[voice] for voice in voice_of)


def _course(play: Play, seat: Seat) -> tuple[Piece, ...]:
    course = PATTERNS[play.pattern].course
    assert course is not None
    return course(dict(play.keys), seat)


def _keyframes(frames: Sequence[tuple[int, int]], pass_ms: int) -> tuple[Piece, ...]:
    """Silence before the first frame, lines between them, and the last one held."""
    pieces = [Piece(frames[0][0], 0.0, 0.0)]
    for (at_ms, level), (next_ms, next_level) in pairwise(frames):
        pieces.append(Piece(next_ms - at_ms, level / 100, next_level / 100))
    at_ms, level = frames[-1]
    return (*pieces, Piece(max(pass_ms - at_ms, 1), level / 100, level / 100))


def ramp_of(asked: Level, pass_ms: int) -> Steps:
    """The asked level over a pass; a short one may never get to its end."""
    return _drawn((Piece(pass_ms, asked.from_pct / 100, asked.to_pct / 100),), 100)


def _signals(segments: Sequence[Segment]) -> tuple[Felt, ...]:
    """What a session tells: where a cue begins and ends, and when five minutes are left."""
    found = []
    for segment in (s for s in segments if s.cue):
        lead_ms = min(1_000, segment.pass_ms // 4)  # after the soft start, so that it can be felt
        for begin_ms in range(segment.begin_ms, segment.end_ms, segment.pass_ms):
            found.append(felt("cue-begin", begin_ms + lead_ms))
            found.append(felt("cue-end", begin_ms + segment.pass_ms - felt_length_ms("cue-end")))
    end_ms = segments[-1].end_ms
    if end_ms > FIVE_MINUTES_MS:
        begin_ms = end_ms - FIVE_MINUTES_MS
        for cue in found:
            # Two signals at once would be one that no one can count.
            if cue.begin_ms - _APART_MS < begin_ms + felt_length_ms(FIVE_MINUTES_LEFT) and (
                begin_ms < cue.end_ms + _APART_MS
            ):
                begin_ms = cue.end_ms + _APART_MS
        found.append(felt(FIVE_MINUTES_LEFT, begin_ms))
    return tuple(sorted(found, key=lambda signal: signal.begin_ms))
