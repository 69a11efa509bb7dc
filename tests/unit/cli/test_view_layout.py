"""The live view's layout: whole screens from fed lines, at every size."""

import json

import pytest

from firmware_ctl.cli import view_feed
from firmware_ctl.cli.view_help import KEYS, WORDS, footer
from firmware_ctl.cli.view_layout import FAULTS
from firmware_ctl.cli.view_picture import Picture
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
    selected,
    status,
)

GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize(
    ("name", "lines", "width", "height", "ascii_only"),
    [
        ("starting", [], 80, 24, False),
        (
            "idle",
            [hello(absent="neck"), selected(), status(), "* ready firmware-ctl 0.1.0"],
            *(80, 24, False),
        ),
        ("idle-60x20", [hello(), selected(), status()], 60, 20, False),
        ("running", [hello(), selected(), RUNNING, STARTS, LEVELS], 80, 24, False),
        ("running-60x20", [hello(), selected(), RUNNING, STARTS, LEVELS], 60, 20, False),
        ("cue-wide", [hello(speed=60), selected(), CUE, STARTS, LEVELS], 120, 40, False),
        ("paused", [hello(), selected(), FREE_CUE], 80, 24, False),
        ("fault-ascii", [hello(mat="Mätte"), selected(), FAULT], 80, 24, True),
        ("small", [hello(absent="hips"), selected(), CUE, LEVELS], 50, 14, False),
    ],
)
def test_screen_equals_its_golden_picture(
    name: str, lines: list[str], width: int, height: int, ascii_only: bool
) -> None:
    shown = screen(picture_after(*lines), width, height, 2_000, ascii_only=ascii_only)
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
    picture = picture_after(
        json.dumps({"hello": fields}), selected("p12"), status("running", profile="p3")
    )
    assert screen(picture)[5:12] == [
        "  9 p9                9:00  neck         0%    0% ······· │ ·······   0%    0%",
        "    p10              10:00  lower back   0%    0% ······· │ ·······   0%    0%",
        "    p11              11:00    row 2      0%    0% ······· │ ·······   0%    0%",
        " ▸  p12              12:00    row 3      0%    0% ······· │ ·······   0%    0%",
        "    p13              13:00    row 4      0%    0% ······· │ ·······   0%    0%",
        "    p14              14:00  … and 7 more rows of motors",
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
    assert times([hello(), FAULT], at_ms) == [("0:00", "12:00")] * 4


def current(picture: Picture, at_ms: int) -> str:
    (line,) = (line for line in screen(picture, at_ms=at_ms) if line.startswith(" current "))
    return " ".join(line.replace("━", "").replace("─", "").split())


def test_current_is_modelled_between_reports_and_its_peak_is_kept() -> None:
    picture = picture_after(hello(), RUNNING, row(0, [80] * 8), hello(mat="read anew"))
    assert [current(picture, at_ms) for at_ms in (0, 40, 1000)] == [
        "current 1200 of 900 mA peak 1200 mA",
        "current 1048 of 900 mA peak 1200 mA",
        "current 960 of 900 mA peak 1200 mA",
    ]
    picture.feed(row(1000, [40] * 8), 1005)
    assert current(picture, 5000) == "current 480 of 900 mA peak 1200 mA"
    picture.feed(row(6000, [40] * 8, power=False), 6000)
    assert current(picture, 6000) == "current 0 of 900 mA NO MOTOR POWER"
    picture.feed(status(), 7000)
    (selection,) = (line for line in screen(picture, at_ms=7000) if line.startswith(" selected"))
    assert selection.endswith("NO MOTOR POWER")
    picture.feed(row(7000, [0] * 8), 7000)
    picture.feed(RUNNING, 7000)
    assert current(picture, 7000) == "current 0 of 900 mA peak 0 mA"


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
    running = screen(picture_after(hello(), status("running", signal=signal)))
    idle = screen(picture_after(hello(), status(signal=signal)))
    (phase,) = (line for line in running if line.startswith(" phase"))
    (selection,) = (line for line in idle if line.startswith(" selected"))
    assert phase[14:].strip() == words
    assert selection.partition("trim 100%")[2].strip() == words


@pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (120, 40)])
def test_help_lists_every_key_and_word_and_stays(width: int, height: int) -> None:
    picture = picture_after(hello(), status())
    picture.press("?", 0)
    lines = screen(picture, width, height, at_ms=999_000)
    text = " ".join(" ".join(lines).split())
    assert "Any key goes back; space and ! also stop, q quits." in lines[-1]
    assert all(f"{key} {effect}" in text for key, effect in KEYS.items())
    assert all(f"{word}: {sentence}" in text for word, sentence in WORDS.items())
    assert all(sentence.count(".") == 1 for sentence in WORDS.values())


@pytest.mark.parametrize("key", "?i")
def test_page_fills_every_size(key: str) -> None:
    picture = picture_after(hello(), selected(), status())
    picture.press(key, 0)
    for width in (1, 2, 9, 30, 60, 200):
        for height in (1, 2, 7, 24):
            lines = screen(picture, width, height)
            assert len(lines) == height
            assert max(map(len, lines)) <= width


def test_about_is_shown_with_the_selected_profile_and_whole_on_its_page() -> None:
    picture = picture_after(hello(), selected(about="word " * 200 + "end."), status())
    assert screen(picture)[19].endswith("… (press i)")
    picture.press("i", 0)
    lines = screen(picture)
    assert lines[:2] == [" guided-points", " Back and hips by the mat, ankle and hand by hand"]
    assert any(line.endswith("end.") for line in lines)
    silent = picture_after(hello(), selected(about=""), status())
    silent.press("i", 0)
    assert screen(silent)[3] == " The author of this profile wrote nothing about it."


@pytest.mark.parametrize("state", ["starting", "idle", "running", "paused", "fault"])
def test_footer_fits_and_has_help_and_quit(state: str) -> None:
    for width in (50, 60, 80):
        lines = [line.plain for line in footer(state, width)]
        assert len(lines) == 2
        assert max(map(len, lines)) <= width
        assert "? help" in " ".join(lines)
        assert "q quit" in " ".join(lines)


@pytest.mark.parametrize(
    ("repeat", "group", "label"),
    [
        ("", "", "knead"),
        ("2/4", "", "knead, 2 of 4"),
        ("", "2/3", "knead, group 2 of 3"),
        ("1/4", "1/2 2/3", "knead, 1 of 4, group 1 of 2, group 2 of 3"),
    ],
)
def test_phase_has_its_pass_and_those_of_its_groups(repeat: str, group: str, label: str) -> None:
    shown = view_feed.Status(phase="knead", repeat=repeat, group=group)
    assert shown.phase_label == label
    assert shown._replace(phase="").phase_label == ""


def test_every_fault_has_a_remedy() -> None:
    assert set(FAULTS) == set(FAULT_CODES)
    assert all(remedy.endswith(".") for remedy in FAULTS.values())


ESCAPE = "\x1b]0;x\x07"
"""Sets the title of a terminal."""


@pytest.mark.parametrize("field", ["mat", "serial", "socket", "refused", "zone", "name", "title"])
def test_escape_in_a_text_of_the_hello_does_not_reach_the_terminal(field: str) -> None:
    fields = json.loads(hello(refused=("/p/a.yaml",)))["hello"]
    if field == "refused":
        fields["refused"] = [f"/p/{ESCAPE}.yaml"]
    elif field == "zone":
        fields["zones"][0]["name"] += ESCAPE
    elif field in ("name", "title"):
        fields["profiles"][0][field] += ESCAPE
    else:
        fields[field] += ESCAPE
    shown = view_feed.read_hello(fields)
    texts = [shown.mat, shown.serial, shown.socket, *shown.refused, shown.zones[0].name]
    texts += shown.profiles[0][:2]
    assert [text for text in texts if not text.isprintable()] == []
    assert "]0;x" in "".join(texts)


@pytest.mark.parametrize(
    "field", ["state", "profile", "phase", "repeat", "group", "cue", "signal", "fault"]
)
def test_escape_in_a_text_of_the_status_does_not_reach_the_terminal(field: str) -> None:
    fields = json.loads(status())["status"]
    shown = getattr(view_feed.read_status({**fields, field: f"a{ESCAPE}"}), field)
    assert shown.isprintable()
    assert "]0;x" in shown
