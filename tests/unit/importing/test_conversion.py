"""A file of another program becomes a profile that `check` accepts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import CallerError
from firmware_ctl.importing.conversion import Imported, import_file
from firmware_ctl.importing.json_values import ForeignFileError
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat
from tests.unit.importing.examples import ahap, control, event, funscript, haptic

MAT: Mat = load_mat(shipped.mat_file())

BOING = ahap(event(0, None, 0.8), event(0.5, 2.5, 0.8), control(0.5, (0, 1), (1, 0.5), (2.5, 0)))


def test_golden_ahap() -> None:
    assert (
        import_file(BOING, "boing", "all", MAT).text
        == """\
# yaml-language-server: $schema=./profile.schema.json
title: "boing, from AHAP"
about: "Imported from AHAP; its strongest is 60% here."
phases:
  - name: part 1
    for: 3s
    play:
      all:
        pattern: keyframes
        frames: [
          [0s, 0%], [10ms, 48%], [150ms, 48%], [160ms, 0%], [500ms, 0%], [510ms, 48%],
          [1.5s, 24%], [3s, 0%],
        ]
"""
    )


def test_golden_funscript_in_minutes() -> None:
    text = import_file(funscript((30_000, 0), (90_000, 100)), "mine", "lower-back", MAT).text
    assert (
        text.partition("phases:\n")[2]
        == """\
  - name: part 1
    for: 1min
    play:
      lower_back:
        pattern: keyframes
        frames: [
          [0s, 0%], [29.99s, 0%], [30s, 0%], [1min, 50%],
        ]
  - name: part 2
    for: 30s
    play:
      lower_back:
        pattern: keyframes
        frames: [
          [0s, 50%], [30s, 100%],
        ]
"""
    )


def test_golden_haptic() -> None:
    text = import_file(haptic((0, 0), (0.2, 1), (0.25, 0.3), (3, 0)), "tap", "hips", MAT).text
    assert "          [0s, 0%], [200ms, 70%], [250ms, 21%], [3s, 0%],\n" in text


def test_notes_say_what_was_left_out_and_why() -> None:
    fast = funscript(*((20 * i, 100 * (i % 2)) for i in range(500)), (60_000, 0))
    assert import_file(fast, "fast", "hips", MAT).notes == (
        "501 points became 5 frames",
        "415 points were faster than the motors, which take 120 ms to spin up and 100 ms to run down; they became their mean",
        "81 points were within 1% of the line between their neighbours",
        "the soft start keeps the first levels lower: they climb by 25% a second",
        "the strongest level is 70%; hips allows 70%",
    )


def test_file_longer_than_a_session_is_cut_and_says_so() -> None:
    imported = import_file(funscript((0, 10), (3_600_000, 50)), "long", "all", MAT)
    assert imported.entry.profile.length_ms == MAT.limits.session_ms
    assert imported.notes[0] == "cut at 15:00 of 60:00 min, the longest session of this mat"


def test_so_many_changes_that_no_proof_bears_them_are_coarsened() -> None:
    many = funscript(*((150 * i, 100 * (i % 2)) for i in range(5_000)))
    notes = import_file(many, "many", "all", MAT).notes
    assert any("the proof of so many changes would take too long" in note for note in notes)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (funscript((0, 0), (5_000, 0)), "every level is 0, so there is nothing to play"),
        (funscript((0, 0), (900_000, 0), (900_100, 9)), "every level of its first 15:00 min is 0, so there is nothing to play"),
        (funscript((0, 40)), "all of it is within 10 ms; no motor can play that"),
    ],
)  # fmt: skip
def test_file_without_anything_to_play_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(ForeignFileError) as caught:
        import_file(data, "x", "all", MAT)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "target", "sentence"),
    [
        ("x", "necks", "target: the mat has no zone, row or side necks; did you mean neck?"),
        ("A", "neck", "name: A is not a valid name; use lower case: a"),
    ],
)
def test_wrong_name_or_target_is_refused(name: str, target: str, sentence: str) -> None:
    with pytest.raises(CallerError) as caught:
        import_file(BOING, name, target, MAT)
    assert str(caught.value) == sentence


SHARES = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
SECONDS = st.one_of(st.floats(0, 0.3), st.floats(0, 1_200))


@st.composite
def times(draw: st.DrawFn) -> list[float]:
    gaps = draw(st.lists(SECONDS, min_size=1, max_size=60))
    return [sum(gaps[: i + 1]) for i in range(len(gaps))]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A valid file of one of the three formats."""
    listed = draw(times())
    levels = [draw(SHARES) for _ in listed]
    kind = draw(st.sampled_from(["funscript", "haptic", "ahap"]))
    if kind == "funscript":
        pairs = [(1_000 * at, 100 * n) for at, n in zip(listed, levels, strict=True)]
        return funscript(*pairs, inverted=draw(st.booleans()))
    points = list(zip(listed, levels, strict=True))
    if kind == "haptic":
        return haptic(*points, emphasis=draw(st.one_of(st.none(), SHARES)))
    lengths = st.one_of(st.none(), SECONDS)
    events = [event(at, draw(lengths), n) for at, n in points]
    cut_at = draw(st.integers(0, len(points)))
    controls = [
        control(draw(SECONDS), *part) for part in (points[:cut_at], points[cut_at:]) if part
    ]
    return ahap(*draw(st.permutations([*events, *controls])))


@settings(max_examples=60, deadline=None)
@given(files(), st.sampled_from(["all", "neck", "lower_back.upper.left", "hips"]))
def test_valid_file_gives_a_profile_that_check_accepts_or_one_sentence(
    data: bytes, target: str
) -> None:
    imported = imported_or_sentence(data, target)
    if isinstance(imported, str):
        assert imported.startswith(("every level", "all of it is within", "no profile of it"))
        return
    assert isinstance(read_entry("mine", imported.text.encode(), "mine.yaml", MAT), GoodEntry)
    assert imported.text.isascii()


def imported_or_sentence(data: bytes, target: str = "all") -> Imported | str:
    try:
        return import_file(data, "mine", target, MAT)
    except ForeignFileError as error:
        return str(error)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["actions", "at", "pos", "Pattern", "Event", "Time", "x"]), inner
        ),
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_give_a_profile_or_one_sentence(data: bytes) -> None:
    imported = imported_or_sentence(data)
    assert isinstance(imported, Imported) or imported.isprintable()
