"""The live view's model: what the daemon's lines mean, and the bytes of each key."""

import pytest

from firmware_ctl.cli.view_layout import sentence
from firmware_ctl.cli.view_picture import HELP, LOCKED, MESSAGE_MS
from tests.support.view import FREE_CUE, LEVELS, RUNNING, hello, picture_after, screen, status


def test_redraw_after_only_while_something_moves() -> None:
    spoken = picture_after(hello(), status(), "* stopped")
    pictures = [
        picture_after(),
        picture_after(hello(), FREE_CUE),
        picture_after(RUNNING),
        picture_after(hello(speed=60), RUNNING),
    ]
    assert [picture.redraw_after_ms(0) for picture in pictures] == [None, None, 1000, 100]
    assert [spoken.redraw_after_ms(at_ms) for at_ms in (0, MESSAGE_MS)] == [MESSAGE_MS, None]
    turning = picture_after(hello(), status(), LEVELS)
    assert [turning.redraw_after_ms(at_ms) for at_ms in (0, 619, 620)] == [100, 100, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ok", "Paused. p resumes, space stops."),
        ("ok state=idle", "Paused. p resumes, space stops."),
        ("err not-running nothing is running", "nothing is running"),
        ("err busy", "busy"),
        ("err allowance 61 Spent for now.", "Spent for now. Possible again in 2 min."),
        ("err allowance - Hold the button.", "Hold the button."),
        ("* stopped", "Stopped."),
        ("* dropped=3", "dropped=3"),
        ("* event=refused allowance", "Refused: allowance"),
        ('* event=refused code=busy message="A \\"b\\"."', 'Refused: A "b".'),
        (
            '* event=refused code=allowance message="61 Spent."',
            "Refused: Spent. Possible again in 2 min.",
        ),
        (
            '* event=refused code=allowance message="- It is damaged; hold the start button for '
            '5 s to begin a new day"',
            "Refused: It is damaged; hold the start button for 5 s to begin a new day (H does)",
        ),
        ("* event=state state=running", ""),
        ("- a data line", ""),
        ("", ""),
        ("noise", ""),
    ],
)
def test_answer_of_the_daemon_becomes_a_message(line: str, message: str) -> None:
    picture = picture_after(hello(), status())
    picture.press("p", 0)
    picture.feed(line, 0)
    assert sentence(picture) == f"idle, guided-points | {message}".rstrip(" |")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_session_that_ends_by_itself_is_reported_as_over(state: str) -> None:
    messages = []
    for end in (status(by_itself=True), status()):
        picture = picture_after(hello(), status(state))
        picture.press(" ", 0)
        picture.feed("ok", 0)
        picture.feed(end, 0)
        messages.append(sentence(picture).partition(" | ")[2])
    assert messages == ["The session is over.", "Start button pressed."]


def test_refused_profiles_are_counted_and_the_count_stays() -> None:
    picture = picture_after(
        hello(refused=("/mine/bad.yaml",)), status(), "* ready firmware-ctl 0.1.0"
    )
    assert sentence(picture).endswith(
        " | The mat is ready. 1 profile is refused: `firmware-ctl check /mine/bad.yaml` says why."
    )
    picture.feed(hello(refused=("/mine/bad.yaml", "/mine/worse.yaml")), 0)
    assert sentence(picture).endswith(
        " | 2 profiles are refused: `firmware-ctl check /mine` says why."
    )
    (heading,) = (
        line for line in screen(picture, at_ms=MESSAGE_MS) if line.startswith(" profiles")
    )
    assert heading.startswith(" profiles, 2 refused         ")


def test_answers_belong_to_requests_in_their_order() -> None:
    picture = picture_after(hello(), status())
    sent = [picture.press(key, 0) for key in "1p!"]
    messages = []
    for line in ("ok profile=first-time", "err not-running no session", "* stopped"):
        picture.feed(line, 0)
        messages.append(sentence(picture).partition(" | ")[2])
    assert sent == [b"select first-time\r\n", b"pause\r\n", b"!"]
    assert messages == ["first-time is selected; space starts it.", "no session", "Stopped."]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        "{]",
        '{"hello":5}',
        '{"hello":{"mat":"x"}}',
        '{"status":null}',
        '{"status":{"state":"running"}}',
        '{"at_ms":1,"level":[1,2],"duty":[1,2],"kicks":[],"power":"x"}',
        '{"level":5}',
        '{"at_ms":1}',
        "{\x00\x1b",
    ],
)
def test_unreadable_feed_line_changes_nothing(line: str) -> None:
    assert screen(picture_after(hello(), RUNNING, LEVELS, line)) == screen(
        picture_after(hello(), RUNNING, LEVELS)
    )


def test_each_key_becomes_its_request() -> None:
    keys = " h!p+=-c14950x?\n"
    running = picture_after(hello(), RUNNING)
    assert [running.press(key, 0) for key in keys] == [
        b"press\r\n",
        b"press long\r\n",
        b"!",
        b"pause\r\n",
        b"trim 80\r\n",
        b"trim 80\r\n",
        b"trim 60\r\n",
        b"clear\r\n",
        b"select first-time\r\n",
        b"select neck\r\n",
        *[b""] * 6,
    ]
    assert sentence(running).endswith(HELP)
    assert sentence(picture_after(status(profile="näck")), ascii_only=True) == "idle, n?ck"
    assert running.press("H", 0) == b"press 5.2\r\n"
    assert picture_after(hello(), FREE_CUE).press("p", 0) == b"resume\r\n"
    assert picture_after(hello(), status(trim=100)).press("+", 0) == b"trim 100\r\n"
    assert picture_after(hello(), status(trim=10)).press("-", 0) == b"trim 10\r\n"


@pytest.mark.parametrize(
    ("state", "at_ms", "message"),
    [
        ("idle", 1_499, LOCKED),
        ("idle", 1_500, "Start button pressed."),
        ("running", 1_499, "Start button pressed."),
    ],
)
def test_press_during_the_lock_says_so(state: str, at_ms: int, message: str) -> None:
    picture = picture_after(hello(), status(state, locked_until_ms=1_500))
    assert picture.press(" ", at_ms) == b"press\r\n"
    picture.feed("ok", at_ms)
    assert sentence(picture).endswith(f" | {message}")
