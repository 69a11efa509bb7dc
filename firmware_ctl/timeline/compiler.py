"""Compiles a profile for a mat: a profile's phases become the segments of a timeline."""

from binascii import crc32, crc_hqx
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import PATTERNS, Piece, Position, changing_periods
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.config.profile_fields import targets_of
from firmware_ctl.errors import AuthorError, Mistake
from firmware_ctl.timeline.haptics import (
    FIVE_MINUTES_LEFT,
    FIVE_MINUTES_MS,
    HapticCue,
    haptic_cue,
    haptic_length_ms,
)
from firmware_ctl.timeline.model import MotorCourse, Segment, Timeline
from firmware_ctl.timeline.motor_drive import DriveTable, Levels, drive_table_of
from firmware_ctl.timeline.steps import Steps, draw_cached, steps_to_draw

_APART_MS = 1_000
"""Least time between the haptic for the last five minutes and a cue's haptic. A person would count
the gaps of two closer haptics as one."""

MOST_PARTS: Final = 30_000
"""Most parts of a compiled profile, so that compiling it takes at most half a second on a Pi.

A phase counts as 10 parts, and one for each motor of the mat. Each of its courses adds 5, and 2 for
each of its pieces; if its period changes, each cycle counts as a course. A part takes about 1 us on
an x86 processor that is assumed to be 10 to 15 times as fast as a Pi Zero 2, so the most parts take
30 to 40 ms there. The limit leaves room for 800 phases of one pattern on all motors, or for 450
phases with six targets of a pattern each.
"""

MOST_STEPS: Final = 4_000
"""Most steps to draw all courses of a phase. The loop draws them when the phase begins, and a tick
must not wait long for that.

A step took 0.25 to 0.45 us on an x86 processor that is assumed to be 10 to 15 times as fast as a Pi
Zero 2. All steps, with the code around them, took 2 to 3 ms there, which is up to 45 ms on the Pi.
The limit leaves room for the 17 motors of the largest mat, each with a wave or a breath of its own
from 0 to 100 % and back.
"""


def compile_profile(profile: Profile, mat: Mat, path: str = "") -> Timeline:
    """Compiles a profile. It must have been read for this mat: the mat has every zone it names.

    `path` is for the places of mistakes. Raises `AuthorError` if the profile has more than
    `MOST_PARTS`, or a phase more than `MOST_STEPS`: compiling must take bounded time.
    """
    segments = []
    begin_ms = parts = 0
    for phase in profile.phases:
        segment = _segment(phase, begin_ms, mat, path)
        segments.append(segment)
        begin_ms = segment.end_ms
        cycles = [pieces for course in segment.courses for pieces in course.piece_lists]
        parts += 10 + len(segment.course_of) + sum(5 + 2 * len(pieces) for pieces in cycles)
        if parts > MOST_PARTS:
            sentence = (
                "from this phase on the profile is too large: its phases play too much; write "
                "fewer of them with `repeat`, or fewer targets, taps, frames, changing periods or "
                "passes of groups"
            )
            raise AuthorError([Mistake(path, *phase.place, sentence)])
    cues = _haptic_cues(segments)
    rise_pct_s = mat.limits.rise_pct_s
    return sealed(
        Timeline(profile.name, tuple(segments), cues, rise_pct_s, drive_table_of(mat), "")
    )


def scaled(timeline: Timeline, budget_pct: int, kicks: bool) -> Timeline:
    """The same session with all levels scaled by `budget_pct`. `kicks` False: without any kick.

    The `cert` of the result is empty: `supply` scales a session several times, and hashes only the
    result that fits (`sealed`).
    """
    segments = []
    for segment in timeline.segments:
        courses = tuple(course._replace(budget_pct=budget_pct) for course in segment.courses)
        highs = _highs(courses, segment.course_of)
        segments.append(segment._replace(courses=courses, high_pct=highs))
    drive_table = timeline.drive_table._replace(kicks=kicks)
    return timeline._replace(segments=tuple(segments), drive_table=drive_table, cert="")


def motors_of(target: str, mat: Mat) -> list[int]:
    """The indices of the target's motors, in the order of the mat file. Absent zones have none."""
    names = targets_of(mat)[target].motors
    present = {zone.name for zone in mat.zones if zone.present}
    return [
        i for i, motor in enumerate(mat.motors) if motor.name in names and motor.zone in present
    ]


def ramp_of(asked: Level, pass_ms: int) -> Steps:
    """The level that a line of `play` asks for, over one pass of `pass_ms`.

    Slopes step on the tick's grid, so a short pass may end before the last level is reached.
    """
    return draw_cached((Piece(pass_ms, asked.from_pct / 100, asked.to_pct / 100),), 100)


# --- phases -----------------------------------------------------------------------------------


def _segment(phase: Phase, begin_ms: int, mat: Mat, path: str) -> Segment:
    caps = {zone.name: zone.cap_pct for zone in mat.zones}
    motors = mat.motors
    courses: dict[MotorCourse, int] = {}
    course_of = [-1] * len(motors)
    for play in phase.play:
        targets = motors_of(play.target, mat)
        # The pieces of keyframes are shares of 100 %, not of the phase's level. So their ramp is
        # a constant 100 %.
        frames = _keyframes(play.frames, phase.for_ms) if play.frames else ()
        ramp = ramp_of(Level(100, 100) if play.frames else play.level, phase.for_ms)
        for index, motor in enumerate(targets):
            position = Position(index, len(targets), motors[motor].side)
            pieces, later = (frames, ()) if frames else _cycles(play, position, phase.for_ms)
            cap_pct = caps[motors[motor].zone]
            course = MotorCourse(play.after_ms, ramp, pieces, cap_pct, 100, later)
            course_of[motor] = courses.setdefault(course, len(courses))
    drawings = {(course.pieces, max(course.ramp.level_pct)) for course in courses}
    steps = sum(steps_to_draw(pieces, high_pct) for pieces, high_pct in drawings)
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
        tuple(courses),
        tuple(course_of),
        _highs(courses, course_of),
        phase.group_passes,
    )


def _highs(courses: Iterable[MotorCourse], course_of: Sequence[int]) -> Levels:
    """For each motor the highest level of its course; 0 for a silent motor."""
    highs = [*(course.high_pct for course in courses), 0]  # a silent motor's index, -1, gets the 0
    return tuple(highs[index] for index in course_of)


Cycles = tuple[tuple[Piece, ...], tuple[tuple[int, tuple[Piece, ...]], ...]]
"""The pieces of the first cycle, and begin in the pass and pieces of each later one. There are
later ones only if the cycles have different lengths."""


def _cycles(play: Play, position: Position, pass_ms: int) -> Cycles:
    kind, keys = PATTERNS[play.pattern], dict(play.keys)
    assert kind.course is not None
    positions = [position._replace(period=period) for period in range(kind.periods)]
    if play.period_to_ms is None:
        courses = (kind.course(keys, one) for one in positions)
        return tuple(piece for course in courses for piece in course), ()
    cycles = []
    periods = changing_periods(keys["period"], play.period_to_ms, play.after_ms, pass_ms)
    for index, (begin_ms, length_ms) in enumerate(periods):
        changed = keys | {"period": length_ms}
        cycles.append((begin_ms, kind.course(changed, positions[index % kind.periods])))
    return cycles[0][1], tuple(cycles[1:])


def _keyframes(frames: Sequence[tuple[int, int]], pass_ms: int) -> tuple[Piece, ...]:
    """Silence before the first frame, straight lines between frames, then the last level held."""
    pieces = [Piece(frames[0][0], 0.0, 0.0)]
    for (at_ms, level), (next_ms, next_level) in pairwise(frames):
        pieces.append(Piece(next_ms - at_ms, level / 100, next_level / 100))
    at_ms, level = frames[-1]
    return (*pieces, Piece(max(pass_ms - at_ms, 1), level / 100, level / 100))


def _haptic_cues(segments: Sequence[Segment]) -> tuple[HapticCue, ...]:
    """The haptics of a session: at the start and the end of each cue, and five minutes before the
    session ends. That last haptic is moved behind each cue's haptic that it would meet."""
    cues = []
    for segment in (s for s in segments if s.cue):
        lead_ms = min(1_000, segment.pass_ms // 4)  # a gap in the soft start would not be felt
        for begin_ms in range(segment.begin_ms, segment.end_ms, segment.pass_ms):
            cues.append(haptic_cue("cue-begin", begin_ms + lead_ms))
            end_ms = begin_ms + segment.pass_ms
            cues.append(haptic_cue("cue-end", end_ms - haptic_length_ms("cue-end")))
    end_ms = segments[-1].end_ms
    if end_ms > FIVE_MINUTES_MS:
        begin_ms = end_ms - FIVE_MINUTES_MS
        for cue in cues:
            # A person cannot count the gaps of two haptics that overlap.
            if cue.begin_ms - _APART_MS < begin_ms + haptic_length_ms(FIVE_MINUTES_LEFT) and (
                begin_ms < cue.end_ms + _APART_MS
            ):
                begin_ms = cue.end_ms + _APART_MS
        cues.append(haptic_cue(FIVE_MINUTES_LEFT, begin_ms))
    return tuple(sorted(cues, key=lambda cue: cue.begin_ms))


# --- the hash ---------------------------------------------------------------------------------
#
# The hashed text is a fixed format. Its words are written out here and not taken from the classes,
# so that every profile keeps its hash when a class or a field is renamed. The golden files hold the
# hashes.

_SEGMENT_TEXT: Final = (
    "Segment(phase=%r, cue=%r, points=%r, begin_ms=%r, pass_ms=%r, repeat=%r, voices=%s, "
    "voice_of=%r, high_pct=%r)"
)
_COURSE_TEXT: Final = "Voice(after_ms=%r, ramp=%r, course=%r, cap_pct=%r, budget_pct=%r)"
_CUE_TEXT: Final = "Felt(name=%r, gaps=%r)"
_DRIVE_TEXT: Final = "Shape(drives=%s, max_ma=%r, kicks=%r)"
_CURVE_TEXT: Final = (
    "Drive(duty_pct=%r, start_pct=%r, highest_pct=%r, kick_ms=%r, start_ma=%r, ma_at=%r)"
)


def sealed(timeline: Timeline) -> Timeline:
    """The timeline with its `cert`: the hash of everything that decides what the pins do."""
    segments = ", ".join(_segment_text(segment) for segment in timeline.segments)
    cues = _tuple_text(_CUE_TEXT % cue for cue in timeline.haptic_cues)
    drive = _drive_text(timeline.drive_table)
    text = f"([{segments}], {cues}, {timeline.rise_pct_s}, {drive})".encode()
    # Two checksums are enough, because nobody gains from a forged hash. `hashlib` would load all of
    # OpenSSL: 6 ms for each command, and 3.6 MiB in a daemon.
    return timeline._replace(cert=f"{crc32(text):08x}{crc_hqx(text, 0):04x}")


def _segment_text(segment: Segment) -> str:
    courses = _tuple_text(_course_text(course) for course in segment.courses)
    return _SEGMENT_TEXT % (*segment[:6], courses, *segment[7:9])


def _course_text(course: MotorCourse) -> str:
    text = _COURSE_TEXT % course[:5]
    return f"{text} + {course.later!r}" if course.later else text


@lru_cache(maxsize=4)
def _drive_text(table: DriveTable) -> str:
    """The table as text. Cached: all profiles of a mat share it, and it has a thousand numbers."""
    curves = _tuple_text(_CURVE_TEXT % curve for curve in table.curves)
    return _DRIVE_TEXT % (curves, table.max_ma, table.kicks)


def _tuple_text(texts: Iterable[str]) -> str:
    """The texts as `repr` writes a tuple: one text alone is followed by a comma."""
    items = list(texts)
    return f"({', '.join(items)}{',' * (len(items) == 1)})"
