"""The profiles that a daemon serves, and the sentences for those that it does not."""

from pathlib import Path

import pytest

from firmware_ctl.errors import CallerError
from firmware_ctl.session.events import (
    LedgerSaved,
    Ready,
    Start,
    State,
)
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, GoodEntry, read_entry
from firmware_ctl.timeline.folder import read_catalogue
from tests.support.worlds import BAD, CALM, CATALOGUE, MAT, QUICK
from tests.support.worlds_timeline import make_mat

GOOD = b"""
title: Short
phases:
  - {name: all of it, for: 10s, play: {back: 30%}}
"""


def test_first_is_the_first_good_entry() -> None:
    assert CATALOGUE.first() is CALM
    assert Catalogue((BAD,)).first() is None
    assert Catalogue().first() is None


def test_valid_of_a_bad_name_gives_its_mistake_and_of_an_unknown_one_all_names() -> None:
    assert CATALOGUE.valid("quick") is QUICK
    refusals = []
    for name in ("bad", "nobody", "0", "", "Quikc", "\x1b[2J"):
        with pytest.raises(CallerError) as refused:
            CATALOGUE.valid(name)
        refusals.append((refused.value.code, str(refused.value)))

    assert refusals == [
        ("invalid-profile", "bad.yaml:3:7: level: 140% is above the most, 100%"),
        ("unknown-profile", "there is no profile nobody; known: calm, quick, steps"),
        (
            "unknown-profile",
            "there is no profile 0; known: calm, quick, steps, or by number 1 to 3",
        ),
        ("unknown-profile", "there is no profile ; known: calm, quick, steps"),
        ("unknown-profile", "there is no profile Quikc; did you mean quick?"),
        ("unknown-profile", "there is no profile \\x1b[2J; known: calm, quick, steps"),
    ]
    assert (CATALOGUE.find_valid("bad"), CATALOGUE.find_valid("calm")) == (None, CALM)


@pytest.mark.parametrize(
    ("word", "name"),
    [("calm", "calm"), ("CALM", "calm"), ("Bad", "bad"), ("1", "calm"), ("2", "quick"), ("3", "7"),
     ("7", "7"), ("4", "4"), ("0", "0"), ("02", "02"), ("-1", "-1"), ("\u00b2", "\u00b2"),
     ("Nobody", "Nobody")],
)  # fmt: skip
def test_name_of_a_word_is_the_profile_in_any_case_or_by_its_number(word: str, name: str) -> None:
    """The bad one is not counted, and a name comes before a number."""
    seven = QUICK._replace(name="7")
    assert Catalogue((BAD, CALM, QUICK, seven)).name_of(word) == name


def test_read_entry_makes_a_good_or_a_bad_entry() -> None:
    good = read_entry("short", GOOD, "dir/short.yaml", MAT)
    bad = read_entry("short", GOOD.replace(b"30%", b"130%"), "dir/short.yaml", MAT)

    assert isinstance(good, GoodEntry)
    assert (good.profile.length_ms, good.timeline.end_ms) == (10_000, 10_000)
    assert isinstance(bad, BadEntry)
    assert str(bad.error).startswith("dir/short.yaml:4:")


WILD = (
    "title: Wild\nphases:\n"
    + """
  - name: never again
    for: 290s
    play:
      neck.left: {pattern: wave, level: 60%, period: 1.009s}
      neck.right: {pattern: wave, level: 60%, period: 1.013s, after: 200ms}
      back.left: {pattern: wave, level: 60%, period: 1.019s, after: 400ms}
      back.right: {pattern: wave, level: 60%, period: 1.021s, after: 600ms}
"""
    * 3
)


def test_read_catalogue_with_a_profile_that_cannot_be_proven_serves_the_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "wild.yaml").write_text(WILD)
    (tmp_path / "short.yaml").write_bytes(GOOD)
    mat = make_mat()._replace(max_ma=650)
    catalogue = read_catalogue([str(tmp_path)], mat)

    (short,) = catalogue.good
    assert [entry.name for entry in catalogue.bad] == ["wild"]
    with pytest.raises(CallerError, match=r"wild\.yaml:\d+:5: it cannot be proven") as refused:
        catalogue.valid("wild")
    assert refused.value.code == "invalid-profile"

    session = Session(mat, catalogue)
    assert session.selected is short
    session.handle(Ready(), 0)
    step = session.handle(Start("short"), 0)
    assert step.save is not None
    session.handle(LedgerSaved(step.save.number), 0)
    assert session.state is State.RUNNING
