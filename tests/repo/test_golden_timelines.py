"""The compiled timelines of the shipped profiles on the shipped mat: a change shows here.

`pytest --update-golden` rewrites the files; read the difference before you commit it.
"""

from collections.abc import Callable
from hashlib import sha256

import pytest

from firmware_ctl.cli.authoring import certificate_lines, facts
from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.model import MotorCourse, Segment, Timeline, cycle_ms
from firmware_ctl.timeline.steps import Steps
from tests.support.process import ROOT
from tests.support.worlds_timeline import frames, unrepeated

MAT = load_mat(shipped.mat_file())
CATALOGUE = read_catalogue([shipped.profiles_dir()], MAT)
NAMES = ["first-time", "full-body", "guided-points", "hips", "lower-back", "neck"]


def clock(t_ms: int) -> str:
    return f"{t_ms // 60_000}:{t_ms // 1_000 % 60:02}.{t_ms % 1_000:03}"


def steps_lines(steps: Steps, indent: str) -> list[str]:
    """`ms:level`, ten a line."""
    pairs = [f"{t}:{p}" for t, p in zip(steps.at_ms, steps.level_pct, strict=True)]
    return chunks(pairs, indent)


def chunks(texts: list[str], indent: str) -> list[str]:
    return [indent + " ".join(texts[i : i + 10]) for i in range(0, len(texts), 10)]


def course_lines(course: MotorCourse, motors: str) -> list[str]:
    lines = [f"  {motors}: after {course.after_ms} ms, high {course.high_pct} %"]
    if len(course.cycles) > 1:
        lines += ["    asked level over a pass", *steps_lines(course.ramp, "      ")]
    cycle = course.cycles[0]
    lines.append(f"    each {cycle.cycle_ms} ms")
    lines += steps_lines(cycle, "      ")
    if course.later:
        later = [f"{begin_ms}:{cycle_ms(pieces)}" for begin_ms, pieces in course.later]
        lines += ["    later cycles, ms:length", *chunks(later, "      ")]
    return lines


def segment_lines(segment: Segment, mat: Mat) -> list[str]:
    passes = "".join(f" {number}/{total}" for number, total in segment.group_passes)
    if any(number > 1 for number, _ in segment.group_passes):
        return [f"{clock(segment.begin_ms)} {segment.phase}{passes}: as in the first pass"]
    points = f", points {' '.join(segment.points)}" if segment.points else ""
    cue = f", cue {segment.cue}" if segment.cue else ""
    length = f"{segment.repeat} x {segment.pass_ms} ms"
    lines = [f"{clock(segment.begin_ms)} {segment.phase}{passes}: {length}{points}{cue}"]
    for index, course in enumerate(segment.courses):
        names = [m.name for m, i in zip(mat.motors, segment.course_of, strict=True) if i == index]
        lines += course_lines(course, ", ".join(names))
    return lines


def played_lines(timeline: Timeline) -> list[str]:
    """The frames of the session: the first and the last ones, and a hash of all."""
    played = unrepeated(
        [(t_ms, (frame.level_pct, frame.duty_pct)) for t_ms, frame in frames(timeline)]
    )
    rows = [
        f"{clock(t_ms)}  {' '.join(f'{n:2}' for n in levels)}  |  {' '.join(f'{n:2}' for n in duties)}"
        for t_ms, (levels, duties) in played
    ]
    digest = sha256("\n".join(rows).encode()).hexdigest()[:12]
    summary = f"played: {len(rows)} frames, hash {digest}; levels | duties"
    return [summary, *rows[:20], "...", *rows[-3:]]


def timeline_lines(timeline: Timeline, mat: Mat) -> list[str]:
    lines = [
        f"{timeline.profile}: {clock(timeline.end_ms)}, rise {timeline.rise_pct_s} %/s, "
        f"cert {timeline.cert}"
    ]
    for segment in timeline.segments:
        lines += ["", *segment_lines(segment, mat)]
    lines += ["", "signals"]
    for cue in timeline.haptic_cues:
        lines.append(f"{clock(cue.begin_ms)} {cue.name}: {len(cue.gaps)} gaps")
    return [*lines, "", *played_lines(timeline)]


EXAMPLES = ROOT / "examples" / "profiles"


@pytest.mark.parametrize("name", ["raindrops", "spine-walk"])
def test_timeline_and_certificate_of_an_example_are_the_golden_ones(
    name: str, golden: Callable[[str, list[str]], None]
) -> None:
    entry = read_entry(name, (EXAMPLES / f"{name}.yaml").read_bytes(), f"{name}.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    assert [*facts(entry, MAT)] == []
    assert entry.profile.about
    golden(f"timeline-{name}.txt", timeline_lines(entry.timeline, MAT))
    lines = certificate_lines(f"{name}.yaml", entry, MAT, is_verbose=True)
    golden(f"certificate-{name}.txt", list(lines))


def test_examples_are_all_compared() -> None:
    assert sorted(path.stem for path in EXAMPLES.iterdir()) == ["raindrops", "spine-walk"]


def test_shipped_profiles_are_all_compared() -> None:
    assert [entry.name for entry in CATALOGUE.entries] == NAMES
    assert CATALOGUE.bad == []


@pytest.mark.parametrize("name", NAMES)
def test_timeline_of_a_shipped_profile_is_the_golden_one(
    name: str, golden: Callable[[str, list[str]], None]
) -> None:
    timeline = CATALOGUE.valid(name).timeline
    golden(f"timeline-{name}.txt", timeline_lines(timeline, MAT))
