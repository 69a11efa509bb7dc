"""Compiles a profile for a mat: a profile's phases become the segments of a timeline."""

from binascii import crc32, crc_hqx
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import PATTERNS, Piece, Position
from firmware_ctl.config.profile import Level, Phase, Play, Profile
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
"""Least time between the haptic for the last five minutes and a cue's haptic."""

MOST_PARTS: Final = 30_000
"""Most parts of a compiled profile: for each phase 10, one a motor of the mat, and those of its
courses. A part takes about 1 us to compile on a processor that is taken to be 10 to 15 times as
fast as a Pi Zero 2: 30 to 40 ms there, and half a second on the Pi. That is enough for 800 phases
of one pattern on all motors, and for 450 in which each of six targets has its own.
"""

MOST_STEPS: Final = 4_000
"""Most steps to draw all courses of a phase, because the loop draws them when the phase begins. A
step was measured to take 0.25 to 0.45 us on a processor that is taken to be 10 to 15 times as fast
as a Pi Zero 2: with all around it 2 to 3 ms there, and up to 45 ms on the Pi. That is enough for
the 17 motors of the largest mat with a wave or a breath of its own each, from 0 to 100 % and back.
"""


def compile_profile(profile: Profile, mat: Mat, path: str = "") -> Timeline:
    """Compiles a profile that was read against this mat: it names only zones that the mat has.

    Raises `AuthorError` where the profile has too many parts to be compiled in bounded time.
    """
    segments = []
    begin_ms = parts = 0
    for phase in profile.phases:
        segment = _segment(phase, begin_ms, mat, path)
        segments.append(segment)
        begin_ms = segment.end_ms
        parts += 10 + len(segment.course_of) + sum(5 + 2 * len(c.pieces) for c in segment.courses)
        if parts > MOST_PARTS:
            sentence = (
                "from this phase on the profile is too large: its phases play too much; write "
                "fewer of them with `repeat`, or fewer targets, taps or frames"
            )
            raise AuthorError([Mistake(path, *phase.place, sentence)])
    cues = _haptic_cues(segments)
    rise_pct_s = mat.limits.rise_pct_s
    return sealed(
        Timeline(profile.name, tuple(segments), cues, rise_pct_s, drive_table_of(mat), "")
    )


def scaled(timeline: Timeline, budget_pct: int, kicks: bool) -> Timeline:
    """The same session with all levels scaled, and its kicks kept or dropped.

    The result has no hash yet: `supply` scales a session several times and seals only the one that
    fits.
    """
    segments = []
    for segment in timeline.segments:
        courses = tuple(course._replace(budget_pct=budget_pct) for course in segment.courses)
        highs = _highs(courses, segment.course_of)
        segments.append(segment._replace(courses=courses, high_pct=highs))
    drive_table = timeline.drive_table._replace(kicks=kicks)
    return timeline._replace(segments=tuple(segments), drive_table=drive_table, cert="")


def motors_of(target: str, mat: Mat) -> list[int]:
    """The motors of a target in present zones, by their index in the order of the mat file."""
    zone, _, side = target.partition(".")
    present = {z.name for z in mat.zones if z.present}
    return [
        i
        for i, motor in enumerate(mat.motors)
        if motor.zone in present and zone in ("all", motor.zone) and side in ("", motor.side)
    ]


def ramp_of(asked: Level, pass_ms: int) -> Steps:
    """The asked level over a pass. A short pass may end before the ramp reaches its end."""
    return draw_cached((Piece(pass_ms, asked.from_pct / 100, asked.to_pct / 100),), 100)


# --- phases -----------------------------------------------------------------------------------


def _segment(phase: Phase, begin_ms: int, mat: Mat, path: str) -> Segment:
    caps = {zone.name: zone.cap_pct for zone in mat.zones}
    motors = mat.motors
    courses: dict[MotorCourse, int] = {}
    course_of = [-1] * len(motors)
    for play in phase.play:
        targets = motors_of(play.target, mat)
        # The pieces of keyframes hold the levels themselves, so their ramp stays at 100 %.
        frames = _keyframes(play.frames, phase.for_ms) if play.frames else ()
        ramp = ramp_of(Level(100, 100) if play.frames else play.level, phase.for_ms)
        for index, motor in enumerate(targets):
            position = Position(index, len(targets), motors[motor].side)
            pieces = frames or _pieces(play, position)
            course = MotorCourse(play.after_ms, ramp, pieces, caps[motors[motor].zone], 100)
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
    )


def _highs(courses: Iterable[MotorCourse], course_of: Sequence[int]) -> Levels:
    """For every motor the highest level of its course."""
    highs = [*(course.high_pct for course in courses), 0]  # the last one for index -1: silent
    return tuple(highs[index] for index in course_of)


def _pieces(play: Play, position: Position) -> tuple[Piece, ...]:
    course = PATTERNS[play.pattern].course
    assert course is not None
    return course(dict(play.keys), position)


def _keyframes(frames: Sequence[tuple[int, int]], pass_ms: int) -> tuple[Piece, ...]:
    """Silence before the first frame, lines between the frames, and the last one held."""
    pieces = [Piece(frames[0][0], 0.0, 0.0)]
    for (at_ms, level), (next_ms, next_level) in pairwise(frames):
        pieces.append(Piece(next_ms - at_ms, level / 100, next_level / 100))
    at_ms, level = frames[-1]
    return (*pieces, Piece(max(pass_ms - at_ms, 1), level / 100, level / 100))


def _haptic_cues(segments: Sequence[Segment]) -> tuple[HapticCue, ...]:
    """The haptics of a session: where a cue begins and ends, and when five minutes are left."""
    cues = []
    for segment in (s for s in segments if s.cue):
        lead_ms = min(1_000, segment.pass_ms // 4)  # after the soft start, so that it can be felt
        for begin_ms in range(segment.begin_ms, segment.end_ms, segment.pass_ms):
            cues.append(haptic_cue("cue-begin", begin_ms + lead_ms))
            end_ms = begin_ms + segment.pass_ms
            cues.append(haptic_cue("cue-end", end_ms - haptic_length_ms("cue-end")))
    end_ms = segments[-1].end_ms
    if end_ms > FIVE_MINUTES_MS:
        begin_ms = end_ms - FIVE_MINUTES_MS
        for cue in cues:
            # Nobody can count the gaps of two haptics that overlap.
            if cue.begin_ms - _APART_MS < begin_ms + haptic_length_ms(FIVE_MINUTES_LEFT) and (
                begin_ms < cue.end_ms + _APART_MS
            ):
                begin_ms = cue.end_ms + _APART_MS
        cues.append(haptic_cue(FIVE_MINUTES_LEFT, begin_ms))
    return tuple(sorted(cues, key=lambda cue: cue.begin_ms))


# --- the hash ---------------------------------------------------------------------------------
#
# The hashed text is a format: it spells its own words, so that a class or a field can be renamed
# and every profile keeps its hash. The golden files hold it.

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
    """The timeline with the hash of everything that decides what the pins do."""
    segments = ", ".join(_segment_text(segment) for segment in timeline.segments)
    cues = _tuple_text(_CUE_TEXT % cue for cue in timeline.haptic_cues)
    drive = _drive_text(timeline.drive_table)
    text = f"([{segments}], {cues}, {timeline.rise_pct_s}, {drive})".encode()
    # Nobody forges a hash here, and hashlib loads all of OpenSSL: 6 ms, and 3.6 MiB in a daemon.
    return timeline._replace(cert=f"{crc32(text):08x}{crc_hqx(text, 0):04x}")


def _segment_text(segment: Segment) -> str:
    courses = _tuple_text(_COURSE_TEXT % course for course in segment.courses)
    return _SEGMENT_TEXT % (*segment[:6], courses, *segment[7:])


@lru_cache(maxsize=4)
def _drive_text(table: DriveTable) -> str:
    """Cached: every profile of a mat has the same table, which is a thousand figures long."""
    curves = _tuple_text(_CURVE_TEXT % curve for curve in table.curves)
    return _DRIVE_TEXT % (curves, table.max_ma, table.kicks)


def _tuple_text(texts: Iterable[str]) -> str:
    items = list(texts)
    return f"({', '.join(items)}{',' * (len(items) == 1)})"
