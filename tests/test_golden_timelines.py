"""The shipped profiles on the shipped mat, compiled: what a change of the compiler does to them.

`pytest --update-golden` writes the files anew; read the difference before committing it.
"""

from collections.abc import Callable
from hashlib import sha256

import pytest

from firmware_ctl import shipped
from firmware_ctl.folder import load_mat, read_catalogue
from firmware_ctl.mat import Mat
from firmware_ctl.steps import Steps
from firmware_ctl.timeline import Segment, Timeline, Voice
from tests.worlds_timeline import frames, unrepeated

MAT = load_mat(shipped.mat_file())
CATALOGUE = read_catalogue([shipped.profiles_dir()], MAT)
NAMES = ["first-time", "full-body", "guided-points", "hips", "lower-back", "neck"]


def clock(t_ms: int) -> str:
    return f"{t_ms // 60_000}:{t_ms // 1_000 % 60:02}.{t_ms % 1_000:03}"


def steps_lines(steps: Steps, indent: str) -> list[str]:
    """`ms:level`, ten a line."""
    pairs = [f"{t}:{p}" for t, p in zip(steps.at_ms, steps.level_pct, strict=True)]
    return [indent + " ".join(pairs[i : i + 10]) for i in range(0, len(pairs), 10)]


def voice_lines(voice: Voice, motors: str) -> list[str]:
    lines = [f"  {motors}: after {voice.after_ms} ms, high {voice.high_pct} %"]
    if len(voice.cycles) > 1:
        lines += ["    asked level over a pass", *steps_lines(voice.ramp, "      ")]
    cycle = voice.cycles[0]
    lines.append(f"    each {cycle.cycle_ms} ms")
    return lines + steps_lines(cycle, "      ")


def segment_lines(segment: Segment, mat: Mat) -> list[str]:
    points = f", points {' '.join(segment.points)}" if segment.points else ""
    cue = f", cue {segment.cue}" if segment.cue else ""
    passes = f"{segment.repeat} x {segment.pass_ms} ms"
    lines = [f"{clock(segment.begin_ms)} {segment.phase}: {passes}{points}{cue}"]
    for index, voice in enumerate(segment.voices):
        names = [m.name for m, v in zip(mat.motors, segment.voice_of, strict=True) if v == index]
        lines += voice_lines(voice, ", ".join(names))
    return lines


def played_lines(timeline: Timeline) -> list[str]:
    """The session as it is played: its first and last frames, and all of it as a hash."""
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
    for signal in timeline.signals:
        lines.append(f"{clock(signal.begin_ms)} {signal.name}: {len(signal.gaps)} gaps")
    return [*lines, "", *played_lines(timeline)]


def test_no_shipped_profile_is_forgotten() -> None:
    assert [entry.name for entry in CATALOGUE.entries] == NAMES
    assert [entry.error for entry in CATALOGUE.entries] == [None] * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_compiled(name: str, golden: Callable[[str, list[str]], None]) -> None:
    timeline = CATALOGUE.valid(name).timeline
    assert timeline is not None
    golden(f"timeline-{name}.txt", timeline_lines(timeline, MAT))
