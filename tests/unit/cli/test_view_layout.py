"""The live view's layout: whole screens from fed lines, at every size."""

import json

import pytest

from firmware_ctl.cli.view_layout import FAULTS
from firmware_ctl.cli.view_picture import HELP, Picture
from firmware_ctl.protocol.connection import FAULT_CODES
from tests.support.process import ROOT
from tests.support.view import (
    CUE,
    FAULT,
    FREE_CUE,
    LEVELS,
    RUNNING,
    STARTS,
    hello,
    picture_after,
    row,
    screen,
    status,
)

GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize(
    ("name", "lines", "width", "height", "ascii_only"),
    [
        ("starting", [], 80, 24, False),
        ("idle", [hello(absent="neck"), status(), "* ready firmware-ctl 0.1.0"], 80, 24, False),
        ("running", [hello(), RUNNING, STARTS, LEVELS], 80, 24, False),
        ("cue-wide", [hello(speed=60), CUE, STARTS, LEVELS], 120, 40, False),
        ("paused", [hello(), FREE_CUE], 80, 24, False),
        ("fault-ascii", [hello(mat="Mätte"), FAULT], 80, 24, True),
        ("small", [hello(absent="hips"), CUE, LEVELS], 50, 14, False),
    ],
)
def test_screen_equals_its_golden_picture(
    name: str, lines: list[str], width: int, height: int, ascii_only: bool
) -> None:
    shown = screen(picture_after(*lines), width, height, 150, ascii_only=ascii_only)
    golden = (GOLDEN / f"view-{name}.txt").read_text(encoding="utf-8")
    assert shown == golden.splitlines()


def test_screen_fills_every_size_and_never_exceeds_it() -> None:
    picture = picture_after(hello(mat="a\x1b[2Jb"), CUE, LEVELS)
    for width in (1, 2, 9, 30, 79, 80, 81, 200):
        for height in (1, 2, 7, 23, 24, 25, 60):
            lines = screen(picture, width, height)
            assert len(lines) == height
            assert max(map(len, lines)) <= width
            assert "\x1b" not in "".join(lines)


def test_screen_with_too_many_motors_and_profiles_is_cropped_around_the_chosen() -> None:
    fields = json.loads(hello())["hello"]
    fields["zones"][1]["motors"] *= 5
    fields["profiles"] = [{"name": f"p{n}", "title": "", "minutes": n} for n in range(1, 20)]
    picture = picture_after(json.dumps({"hello": fields}), status(profile="p12"))
    assert screen(picture)[5:12] == [
        "  9 p9                9 min  neck         0%    0% ······· │ ·······   0%    0%",
        "    p10              10 min  lower back   0%    0% ······· │ ·······   0%    0%",
        "    p11              11 min               0%    0% ······· │ ·······   0%    0%",
        " ▸  p12              12 min               0%    0% ······· │ ·······   0%    0%",
        "    p13              13 min               0%    0% ······· │ ·······   0%    0%",
        "    p14              14 min  … and 7 more rows of motors",
        "",
    ]


def test_clock_runs_at_the_speed_between_reports_and_stops_at_the_end() -> None:
    def times(lines: list[str], at_ms: list[int]) -> list[tuple[str, str]]:
        screens = [screen(picture_after(*lines), at_ms=ms) for ms in at_ms]
        rows = [line.split() for lines in screens for line in lines if line.endswith(" left")]
        return [(row[0], row[-2]) for row in rows]

    at_ms = [0, 500, 10_000, 999_000]
    still = [("1:00", "11:00")] * 4
    assert times([hello(), FREE_CUE], at_ms) == still
    ran = [("1:40", "10:20"), ("1:40", "10:20"), ("1:50", "10:10"), ("12:00", "0:00")]
    assert times([hello(), RUNNING], at_ms) == ran
    fast = [("1:40", "10:20"), ("2:10", "9:50"), ("11:40", "0:20"), ("12:00", "0:00")]
    assert times([hello(speed=60), RUNNING], at_ms) == fast
    assert times([hello(), status()], at_ms) == [("0:00", "12:00")] * 4


def current(picture: Picture, at_ms: int) -> str:
    (line,) = (line for line in screen(picture, at_ms=at_ms) if line.startswith(" current "))
    return " ".join(line.replace("━", "").replace("─", "").split())


def test_current_is_modelled_between_reports_and_its_peak_is_kept() -> None:
    picture = picture_after(hello(), RUNNING, row(0, [80] * 8), hello(mat="read anew"))
    assert [current(picture, at_ms) for at_ms in (0, 40, 1000)] == [
        "current 1200 of 900 mA most so far 1200 mA",
        "current 1048 of 900 mA most so far 1200 mA",
        "current 960 of 900 mA most so far 1200 mA",
    ]
    picture.feed(row(1000, [40] * 8), 1005)
    assert current(picture, 5000) == "current 480 of 900 mA most so far 1200 mA"
    picture.feed(row(6000, [40] * 8, power=False), 6000)
    assert current(picture, 6000) == "current 0 of 900 mA NO MOTOR POWER"
    picture.feed(status(), 7000)
    assert current(picture, 7000) == "current 0 of 900 mA NO MOTOR POWER"
    picture.feed(row(7000, [0] * 8), 7000)
    picture.feed(RUNNING, 7000)
    assert current(picture, 7000) == "current 0 of 900 mA most so far 0 mA"


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ("cue-begin", "felt: two gaps, the cue begins"),
        ("cue-end", "felt: three gaps, the cue ends"),
        ("five-minutes-left", "felt: five gaps, five minutes left"),
        ("refused", "felt: a long pulse, refused"),
        ("profile-3", "felt: profile 3"),
        ("", ""),
    ],
)
def test_haptic_is_shown_in_words(signal: str, words: str) -> None:
    (line,) = (
        x for x in screen(picture_after(hello(), status(signal=signal))) if x.startswith(" phase")
    )
    assert line[14:].strip() == words


def test_help_is_shown_whole() -> None:
    picture = picture_after(hello(), status())
    picture.press("?", 0)
    assert HELP in " ".join(line.strip() for line in screen(picture))


def test_every_fault_has_a_remedy() -> None:
    assert set(FAULTS) == set(FAULT_CODES)
    assert all(remedy.endswith(".") for remedy in FAULTS.values())
