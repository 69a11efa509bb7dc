"""The marks of a cue that fall into silence, in the notes."""

from pathlib import Path

import pytest

from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.marks import is_felt, mark_notes
from tests.support.process import ROOT

MAT = load_mat(str(ROOT / "hw/mat.yaml"))


def entry_of(play: str) -> GoodEntry:
    text = f"title: T\nphases:\n- {{name: a, for: 60s, repeat: 3, cue: KI3, play: {play}}}\n"
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    return entry


@pytest.mark.parametrize(
    ("play", "lost"),
    [
        ("{hips: 20%}", ""),
        ("{hips: {pattern: alternate, level: 20%, period: 500ms}}", ""),
        (
            "{hips: {pattern: pulse, level: 20%, on_for: 500ms, off_for: 2s}}",
            "start and end, so they",
        ),
        ("{hips: {pattern: steady, level: 20%, after: 10s}}", "start, so it"),
        (
            "{hips: {pattern: keyframes, frames: [[0s, 20%], [40s, 20%], [40.01s, 0%]]}}",
            "end, so it",
        ),
    ],
)
def test_mark_of_a_cue_that_falls_into_silence_is_noted_once_a_phase(play: str, lost: str) -> None:
    entry = entry_of(play)
    sentences = [note.sentence for note in mark_notes(entry.profile, entry.timeline)]
    expected = f"a: nothing plays at its {lost} cannot be felt; let a zone play at a steady level"
    assert sentences == ([expected] if lost else [])
    assert all(is_felt(cue, entry.timeline) for cue in entry.timeline.haptic_cues) == (not lost)


def test_cue_without_play_has_no_second_note() -> None:
    text = "title: T\nphases:\n- {name: a, for: 60s, cue: KI3}\n"
    entry = read_entry("t", text.encode(), "t.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    assert mark_notes(entry.profile, entry.timeline) == []


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem)
def test_marks_of_the_cues_of_shipped_profiles_are_felt(path: Path) -> None:
    entry = read_entry(path.stem, path.read_bytes(), path.name, MAT)
    assert isinstance(entry, GoodEntry)
    assert mark_notes(entry.profile, entry.timeline) == []
