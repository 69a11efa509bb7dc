"""The live view as lines of text, for a terminal that cannot move its cursor."""

from firmware_ctl.cli.view_lines import LINE_MS, Lines
from firmware_ctl.cli.view_picture import KEYS_SENTENCE, Picture
from tests.support.view import ABOUT, RUNNING, hello, picture_after, selected, status

WIDE = 1_000


def test_keys_once_then_what_happens_with_progress_and_time() -> None:
    picture, lines = Picture(has_pages=False), Lines()
    assert lines.next(picture, 0, WIDE) == f"{KEYS_SENTENCE}\nstarting"
    picture.feed(hello(), 0)
    picture.feed(selected(), 0)
    picture.feed(status(), 0)
    picture.feed("* ready", 0)
    assert lines.next(picture, 0, WIDE) == f"idle, guided-points | The mat is ready.\n{ABOUT}"
    assert lines.next(picture, 999_000, WIDE) == ""
    picture.feed(RUNNING, 0)
    facts = "running, guided-points, knead, 2 of 4"
    assert lines.next(picture, 0, WIDE) == f"{facts}, 1:40 of 12:00 | Started guided-points."
    assert lines.next(picture, LINE_MS - 1, WIDE) == ""
    assert lines.next(picture, LINE_MS, WIDE) == f"{facts}, 1:50 of 12:00"
    picture.feed(status(), 0)
    assert lines.next(picture, LINE_MS, WIDE) == "idle, guided-points | Stopped."
    picture.press("?", 0)
    picture.press("?", 0)
    assert lines.next(picture, LINE_MS, WIDE).endswith(f" | {KEYS_SENTENCE}")


def test_lines_in_ascii() -> None:
    picture, lines = Picture(), Lines(ascii_only=True)
    picture.feed(status(profile="näck"), 0)
    assert lines.next(picture, 0, WIDE).endswith("\nidle, n?ck")


def test_lines_break_between_words() -> None:
    picture, lines = picture_after(hello(), selected(), status()), Lines()
    shown = lines.next(picture, 0, 40).split("\n")
    assert max(map(len, shown)) <= 40
    assert " ".join(shown) == f"{KEYS_SENTENCE} idle, guided-points {ABOUT}"
