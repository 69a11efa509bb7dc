"""The live view as lines of text, for a terminal that cannot move its cursor."""

from firmware_ctl.cli.view_lines import LINE_MS, Lines
from firmware_ctl.cli.view_picture import KEYS_SENTENCE, Picture
from tests.support.view import ABOUT, RUNNING, hello, selected, status


def test_keys_once_then_what_happens_with_progress_and_time() -> None:
    picture, lines = Picture(has_pages=False), Lines()
    assert lines.next(picture, 0) == f"{KEYS_SENTENCE}\nstarting"
    picture.feed(hello(), 0)
    picture.feed(selected(), 0)
    picture.feed(status(), 0)
    picture.feed("* ready", 0)
    assert lines.next(picture, 0) == f"idle, guided-points | The mat is ready.\n{ABOUT}"
    assert lines.next(picture, 999_000) == ""
    picture.feed(RUNNING, 0)
    facts = "running, guided-points, knead, 2 of 4"
    assert lines.next(picture, 0) == f"{facts}, 1:40 of 12:00 | Started guided-points."
    assert lines.next(picture, LINE_MS - 1) == ""
    assert lines.next(picture, LINE_MS) == f"{facts}, 1:50 of 12:00"
    picture.feed(status(), 0)
    assert lines.next(picture, LINE_MS) == "idle, guided-points | Stopped."
    picture.press("?", 0)
    picture.press("?", 0)
    assert lines.next(picture, LINE_MS).endswith(f" | {KEYS_SENTENCE}")


def test_lines_in_ascii() -> None:
    picture, lines = Picture(), Lines(ascii_only=True)
    picture.feed(status(profile="näck"), 0)
    assert lines.next(picture, 0).endswith("\nidle, n?ck")
