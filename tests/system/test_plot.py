"""The picture of a session: its words, and the level that it draws."""

import re
from bisect import bisect_right
from math import isnan

import pytest

from firmware_ctl.simulator.columns import columns_of
from firmware_ctl.simulator.offline import Played, play
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_entry, load_mat
from tests.support.process import ROOT

plot = pytest.importorskip(
    "firmware_ctl.simulator.plot",
    reason="matplotlib is not installed; extra plot",
    exc_type=OSError,
)

MAT = load_mat(str(ROOT / "hw/mat.yaml"))

PHASES = """\
title: T
phases:
  - name: frames
    for: 20s
    repeat: 2
    play: {hips: {pattern: keyframes, frames: [[0s, 0%], [10s, 40%], [15s, 10%]], after: 4s}}
  - {name: back, for: 10s, play: {lower_back: {pattern: wave, level: 30%, period: 2s, after: 2s}}}
  - {name: ramp, for: 30s, play: {hips.left: {pattern: steady, level: {from: 20%, to: 50%}}}}
"""


def played(trim_pct: int = 100) -> Played:
    entry = read_entry("t", PHASES.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    return play(entry, MAT, trim_pct)


def level_at(session: Played, motor: str, at_s: float) -> float:
    index = [m.name for m in MAT.motors].index(motor)
    at_min, level_pct = plot.asked_levels(session, index)
    return float(level_pct[bisect_right(at_min, at_s / 60 + 1e-9) - 1])


@pytest.mark.parametrize(
    ("motor", "at_s", "level_pct"),
    [
        ("hip_left", 3.9, 0),
        ("hip_left", 9, 20),
        ("hip_left", 14, 40),
        ("hip_left", 19.5, 10),
        ("hip_left", 23.9, 0),
        ("hip_left", 34, 40),
        ("back_upper_left", 41.9, 0),
        ("back_upper_left", 42, 30),
        ("back_upper_left", 45, 30),
        ("hip_left", 65, 35),
    ],
)
def test_asked_level_is_that_of_the_profile(motor: str, at_s: float, level_pct: int) -> None:
    assert level_at(played(), motor, at_s) == level_pct
    assert level_at(played(50), motor, at_s) == level_pct / 2


@pytest.mark.parametrize(
    ("motor", "at_s"),
    [("back_upper_left", 10), ("hip_left", 45), ("hip_right", 65), ("neck_left", 70)],
)
def test_asked_level_of_a_motor_that_a_phase_does_not_play_is_not_drawn(
    motor: str, at_s: float
) -> None:
    assert isnan(level_at(played(), motor, at_s))


def test_asked_level_of_a_repeated_phase_is_one_line_without_dips() -> None:
    text = "title: T\nphases:\n- {name: a, for: 20s, repeat: 3, play: {hips: 30%}}\n"
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    _, level_pct = plot.asked_levels(play(entry, MAT), len(MAT.motors) - 1)
    assert level_pct == [30, 30, 30, 0]


def test_picture_explains_itself() -> None:
    mat = load_mat(str(ROOT / "hw/mat.yaml"))
    entry = load_entry(str(ROOT / "profiles/guided-points.yaml"), mat)
    assert isinstance(entry, GoodEntry)
    words = words_in(entry)
    assert {
        "Guided points",
        "guided-points, 12:40 min",
        "minutes since the start",
        "in mA",
        "level: the highest level that the profile asks for",
        "vibration, simulated: the strongest",
        "vibration, simulated: the average",
        "duty: the power that the motor gets; peaks are kicks, which start it",
        "done by you: the mat keeps the time",
        "message to you: short gaps in the vibration",
        "five minutes left",
        "the most that the supply gives: 2000 mA",
        "lower back, average",
        "all motors together, highest",
        *(f"{m.side}: {m.name}" for m in mat.motors if m.zone != "neck"),
    } <= words
    assert not any("neck_left" in text for text in words)


def words_of(text: str) -> set[str]:
    """The texts in the picture of a profile."""
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    return words_in(entry)


def words_in(entry: GoodEntry) -> set[str]:
    # Text is drawn as paths; matplotlib writes it as a comment as well.
    return set(re.findall(r"<!-- (.*?) -->", plot.svg(play(entry, MAT)).decode()))


def test_text_with_dollar_signs_is_drawn_as_it_is() -> None:
    words = words_of(
        "title: 'Costs $\\foo$ now'\nphases:\n"
        "- {name: 'a $\\bar$', for: 5s, cue: 'say $\\x$', play: {hips: 20%}}\n"
    )
    assert {"Costs $\\foo$ now", "a $\\bar$", "say $\\x$"} <= words


def test_text_cue_is_in_the_picture_as_far_as_it_fits() -> None:
    phases = "- {name: b, for: 1min, cue: Breathe out slowly, play: {hips: 20%}}\n"
    phases = phases.replace("Breathe out slowly", "'Breathe out slowly'")
    assert "Breathe out slowly" in words_of(f"title: T\nphases:\n{phases}")
    long = "- {name: a, for: 13min, play: {hips: 20%}}\n"
    shortened = words_of(f"title: T\nphases:\n{long}{phases}")
    assert not {"Breathe out slowly"} & shortened
    assert any(word.endswith("…") and word.startswith("Br") for word in shortened)


@pytest.mark.parametrize(
    ("play_text", "is_drawn"),
    [("20%", True), ("{pattern: pulse, level: 20%, on_for: 500ms, off_for: 2s}", False)],
)
def test_mark_of_a_cue_is_in_the_picture_only_if_it_is_felt(play_text: str, is_drawn: bool) -> None:
    text = f"title: T\nphases:\n- {{name: a, for: 60s, cue: KI3, play: {{hips: {play_text}}}}}\n"
    assert ("message to you: short gaps in the vibration" in words_of(text)) == is_drawn


def test_columns_longer_than_a_cycle_show_its_whole_range() -> None:
    """171 cycles in 360 columns: single columns would show a slow rhythm that does not exist."""
    text = (
        "title: T\nphases:\n- {name: a, for: 290s, "
        "play: {all: {pattern: travel, level: 40%, period: 1.7s}}}\n"
    )
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    motors, _ = columns_of(play(entry, MAT))
    for motor in motors:
        for columns in (motor.highest_pct, motor.mean_pct, motor.duty_pct, motor.current_ma):
            settled = columns[10:-10]
            assert min(settled) > 0.75 * max(settled) > 0


def test_group_is_labelled_in_its_first_pass_and_has_a_line_over_all() -> None:
    hips = "{name: hips, for: 20s, play: {hips: 20%}}"
    text = f"title: T\nphases: [rest: 40s, {{repeat: 3, phases: [{hips}, rest: 10s]}}, rest: 1s]\n"
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    strip = plot._figure(play(entry, MAT)).axes[0]
    labels = [text.get_text() for text in strip.texts if text.get_text()]
    assert labels == ["rest", "3× hips", "rest", "rest"]  # noqa: RUF001
    (line,) = strip.lines
    assert [round(60 * minute) for minute in line.get_xdata()] == [40, 130]


def test_label_of_the_last_of_many_phases_is_inside_the_picture() -> None:
    phases = "".join(
        f"- {{name: a phase of a long name {i}, for: 30s, play: {{hips: 20%}}}}\n"
        for i in range(10, 30)
    )
    entry = read_entry("t", f"title: T\nphases:\n{phases}".encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    figure = plot._figure(play(entry, MAT))
    figure.draw_without_rendering()
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith("a phase")]
    assert len(labels) == 20
    assert labels[-1].get_window_extent().x1 <= figure.bbox.x1
