"""The picture of `edit`: levels over time, zone by zone."""

import pytest

from firmware_ctl.cli.edit_picture import picture_lines
from firmware_ctl.config import shipped
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_mat

MAT = load_mat(shipped.mat_file())

TEXT = b"""\
title: Two zones
phases:
  - name: rise
    for: 20s
    play: {hips: {pattern: steady, level: {from: 0%, to: 40%}}}
  - rest: 10s
  - name: both
    for: 30s
    play: {hips: 20%, lower_back: {pattern: pulse, level: 100%, on_for: 5s, off_for: 5s}}
"""
PICTURE = """\
                                            ▄██     █████     █████
lower_back                                ▄████     █████     █████      100%
hips        ▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇          ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄  40%
            0:00 rise           0:20 rest 0:30 both"""


def entry_of(text: bytes) -> GoodEntry:
    entry = read_entry("mine", text, "mine.yaml", MAT)
    assert isinstance(entry, GoodEntry)
    return entry


def test_picture_shows_each_zone_that_plays_and_the_phases() -> None:
    assert list(picture_lines(entry_of(TEXT), MAT, 78)) == PICTURE.splitlines()


def test_picture_in_ascii_has_one_line_a_zone() -> None:
    lines = list(picture_lines(entry_of(TEXT), MAT, 78, ascii_only=True))
    assert len(lines) == 3
    assert "".join(lines).isascii()


@pytest.mark.parametrize("width", [0, 20, 40, 300])
def test_picture_fits_a_terminal_that_is_not_too_narrow(width: int) -> None:
    assert max(map(len, picture_lines(entry_of(TEXT), MAT, width))) <= max(width, 38)


def test_lowest_level_is_visible() -> None:
    text = b"title: Low\nphases:\n  - {name: hum, for: 1min, play: {hips: 1%}}\n"
    assert "▁" * 40 in next(picture_lines(entry_of(text), MAT, 78))
