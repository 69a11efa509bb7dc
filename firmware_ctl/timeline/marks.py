"""The marks of a cue that nobody can feel, because nothing plays where their gaps are."""

from bisect import bisect_right
from typing import Final

from firmware_ctl.config.notes import Note
from firmware_ctl.config.profile import Profile
from firmware_ctl.timeline.haptics import GAP_MS, HapticCue
from firmware_ctl.timeline.model import MotorCourse, Segment, Timeline

_MARKS: Final = {"cue-begin": "start", "cue-end": "end"}


def is_felt(haptic: HapticCue, timeline: Timeline) -> bool:
    """Whether something plays before each gap of a cue's mark, so that the gap can be felt.

    Silence after the last gap does not matter: the person has counted by then.
    """
    before_ms = (1, GAP_MS // 2)
    return all(_plays(timeline, gap.begin_ms - ms) for gap in haptic.gaps for ms in before_ms)


def mark_notes(profile: Profile, timeline: Timeline) -> list[Note]:
    """A note for each phase with a cue of which a mark is not felt in one of its passes.

    A cue without `play` has its own note in `config.notes`.
    """
    found: dict[Note, None] = {}  # a phase of a group has a segment for each pass of the group
    for phase, segment in zip(profile.phases, timeline.segments, strict=True):
        lost = {
            _MARKS[haptic.name]
            for haptic in timeline.haptic_cues
            if haptic.name in _MARKS
            and segment.begin_ms <= haptic.begin_ms < segment.end_ms
            and not is_felt(haptic, timeline)
        }
        if phase.play and lost:
            words = " and ".join(word for word in _MARKS.values() if word in lost)
            sentence = f"{phase.name}: nothing plays at its {words}, so it cannot be felt"
            if len(lost) > 1:
                sentence = f"{phase.name}: nothing plays at its {words}, so they cannot be felt"
            note = Note(phase.place[0], f"{sentence}; let a zone play at a steady level")
            found[note] = None
    return list(found)


def _plays(timeline: Timeline, at_ms: int) -> bool:
    segment = next(s for s in timeline.segments if at_ms < s.end_ms)
    return any(
        _level_pct(segment.courses[index], segment, at_ms)
        for index in set(segment.course_of)
        if index >= 0
    )


def _level_pct(course: MotorCourse, segment: Segment, at_ms: int) -> int:
    """The level that the course asks for at this time of the session, before the soft start."""
    pass_ms = (at_ms - segment.begin_ms) % segment.pass_ms
    if pass_ms < course.after_ms:
        return 0
    asked_pct = course.ramp.level_pct[bisect_right(course.ramp.at_ms, pass_ms) - 1]
    begin_ms, pieces, _ = course.cycle_at(pass_ms)
    steps = course.cycle(asked_pct, pieces)
    in_cycle_ms = (pass_ms - begin_ms) % steps.cycle_ms
    return steps.level_pct[bisect_right(steps.at_ms, in_cycle_ms) - 1]
