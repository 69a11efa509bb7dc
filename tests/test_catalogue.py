"""The profiles that are served, and what is said of those that are not."""

from pathlib import Path

import pytest

from firmware_ctl.catalogue import Catalogue, read_entry
from firmware_ctl.errors import CallerError
from firmware_ctl.folder import read_catalogue
from firmware_ctl.session import Kept, Ready, Session, Start, State
from tests.worlds import BAD, CALM, CATALOGUE, MAT, QUICK
from tests.worlds_timeline import make_mat

GOOD = b"""
title: Short
phases:
  - {name: all of it, for: 10s, play: {back: 30%}}
"""


def test_the_first_good_one_is_first() -> None:
    assert CATALOGUE.first() is CALM
    assert Catalogue((BAD,)).first() is None
    assert Catalogue().first() is None


def test_a_bad_one_says_where_and_an_unknown_one_what_there_is() -> None:
    assert CATALOGUE.valid("quick") is QUICK
    said = []
    for name in ("bad", "nobody", ""):
        with pytest.raises(CallerError) as refused:
            CATALOGUE.valid(name)
        said.append((refused.value.code, str(refused.value)))

    assert said == [
        ("invalid-profile", "bad.yaml:3:7: level: 140% is above the most, 100%"),
        ("unknown-profile", "there is no profile nobody; there are: calm, quick, steps"),
        ("unknown-profile", "there is no profile ; there are: calm, quick, steps"),
    ]
    assert (CATALOGUE.find_valid("bad"), CATALOGUE.find_valid("calm")) == (None, CALM)


def test_reading_makes_a_good_entry_or_one_that_says_what_is_wrong() -> None:
    good = read_entry("short", GOOD, "dir/short.yaml", MAT)
    bad = read_entry("short", GOOD.replace(b"30%", b"130%"), "dir/short.yaml", MAT)

    assert good.profile is not None
    assert good.timeline is not None
    assert (good.profile.length_ms, good.timeline.end_ms, good.error) == (10_000, 10_000, None)
    assert (bad.profile, bad.timeline) == (None, None)
    assert bad.error is not None
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


def test_read_catalogue_a_profile_that_cannot_be_proven_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "wild.yaml").write_text(WILD)
    (tmp_path / "short.yaml").write_bytes(GOOD)
    mat = make_mat()._replace(max_ma=650)
    catalogue = read_catalogue([str(tmp_path)], mat)

    short, wild = catalogue.entries
    assert short.timeline is not None
    assert wild.timeline is None
    with pytest.raises(CallerError, match=r"wild\.yaml:\d+:5: it cannot be proven") as refused:
        catalogue.valid("wild")
    assert refused.value.code == "invalid-profile"

    session = Session(mat, catalogue)
    assert session.selected is short
    session.handle(Ready(), 0)
    step = session.handle(Start("short"), 0)
    assert step.keep is not None
    session.handle(Kept(step.keep.number), 0)
    assert session.state is State.RUNNING
