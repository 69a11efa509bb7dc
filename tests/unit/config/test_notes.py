"""What is noted about a valid profile, and what is not."""

import pytest

from firmware_ctl.config.notes import cut_texts, notes
from firmware_ctl.config.profile import read_profile
from tests.unit.config.test_profile import HEAD, MAT, mat_without, phase


def notes_of(text: str, without: str = "") -> list[str]:
    mat = mat_without(without) if without else MAT
    found = notes(read_profile(text.encode(), "p.yaml", mat), mat)
    return [f"{note.line}: {note.sentence.partition(';')[0]}" for note in found]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("play: {hips: 20%}", ""),
        ("play: {hips: 50%}", "a: the last phase ends at 50%"),
        (
            "play: {hips: {pattern: steady, level: {from: 0%, to: 30%}}}",
            "a: the last phase ends at 30%",
        ),
        ("play: {hips: {pattern: steady, level: {from: 60%, to: 0%}}}", ""),
        (
            "play: {hips: {pattern: keyframes, frames: [[0s, 0%], [10s, 60%]]}}",
            "a: the last phase ends at 60%",
        ),
        (
            "play: {hips: {pattern: keyframes, frames: [[5s, 20%], [10s, 0%]]}}",
            "a: hips: is silent until its first frame at 5s",
        ),
        ("play: {hips: {pattern: wave, level: 20%, period: 1min}}", ""),
        (
            "play: {hips: {pattern: wave, level: 20%, period: 1min, after: 5s}}",
            "a: hips: one cycle takes 1min, and the phase has 55s for it",
        ),
        ("play: {hips: {pattern: tap, level: 20%, taps: 10, tap_for: 3s, rest: 3s}}", ""),
        (
            "play: {hips: {pattern: tap, level: 20%, taps: 10, tap_for: 3s, rest: 4s}}",
            "a: hips: one cycle takes 61s, and the phase has 1min for it",
        ),
        (
            "play: {hips: {pattern: breathe, level: 20%, in: 30s, out: 31s}}",
            "a: hips: one cycle takes 61s, and the phase has 1min for it",
        ),
        ("play: {hips: 0%}", "a: hips: plays at 0%, so nothing is felt"),
        ("cue: KI3", "a: nothing plays, so its start and end cannot be felt"),
        (
            "repeat: 2, play: {hips: {pattern: steady, level: {from: 30%, to: 0%}}}",
            "a: hips: each repetition jumps from 0% back to 30%",
        ),
        ("repeat: 2, play: {hips: {pattern: steady, level: {from: 20%, to: 0%}}}", ""),
    ],
)
def test_one_phase_is_noted(body: str, sentence: str) -> None:
    assert notes_of(phase(body)) == ([f"3: {sentence}"] if sentence else [])


def test_highest_level_of_all_is_noted() -> None:
    assert "3: a: lower_back: 100% is the strongest there is" in notes_of(
        phase("play: {lower_back: 100%}")
    )


def test_second_phase_of_a_name_is_noted_at_its_line() -> None:
    text = HEAD + "  - {name: a, for: 1min, play: {hips: 1%}}\n" * 2
    assert notes_of(text) == ["4: a: the phase in line 3 has the same name"]


def test_rests_and_passes_of_a_group_are_no_phases_of_one_name() -> None:
    group = "{repeat: 2, phases: [{name: a, for: 1s, play: {hips: 0%}}, rest: 1s, rest: 2s]}"
    assert notes_of(f"{HEAD}  - {group}\n  - {{name: b, for: 1s, play: {{hips: 1%}}}}\n") == [
        "3: a: hips: plays at 0%, so nothing is felt"
    ]


def test_phase_on_absent_zones_alone_is_noted() -> None:
    text = phase("play: {neck: 10%}")
    assert notes_of(text) == []
    assert notes_of(text, "neck") == ["3: a: this mat has none of its zones"]
    assert notes_of(phase("play: {neck: 10%, hips: 10%}"), "neck") == []


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("title: Hips #2 for Anna", "title"),
        ("about: rule #1", "about"),
        ("  - name: part #3", "name"),
        ("    cue: press #4", "cue"),
        ("title: Hips  # the gentle one", ""),
        ("title: 'Hips #2'", ""),
        ("title: Hips#2", ""),
        ("    for: 1min #2", ""),
    ],
)
def test_text_that_a_comment_cuts_is_noted_at_its_line(line: str, key: str) -> None:
    sentence = f"{key}: ` #` begins a comment; put the text in quotes"
    assert cut_texts(f"schema: 1\n{line}\n".encode()) == ([(2, sentence)] if key else [])


def test_note_on_a_target_has_the_line_of_the_target() -> None:
    text = HEAD + (
        "  - name: a\n"
        "    for: 1min\n"
        "    play:\n"
        "      neck: 10%\n"
        "      hips: 0%\n"
        "  - {name: b, for: 1min, play: {neck: 0%,\n"
        "      hips: 0%}}\n"
    )
    assert notes_of(text) == [
        f"{line}: {name}: plays at 0%, so nothing is felt"
        for line, name in ((7, "a: hips"), (8, "b: neck"), (9, "b: hips"))
    ]
