"""The live view's model: what the daemon's lines mean, and the bytes of each key."""

import pytest

from firmware_ctl.cli.view_picture import (
    ABOUT_PAGE,
    DOWN,
    ENTER,
    ESC,
    HELP_PAGE,
    KEYS_SENTENCE,
    LOCKED,
    MESSAGE_MS,
    STALL_MS,
    UP,
    Picture,
)
from tests.support.view import (
    ABOUT,
    FAULT,
    FREE_CUE,
    LEVELS,
    RUNNING,
    hello,
    picture_after,
    row,
    screen,
    selected,
    status,
)


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
        ("ok", ""),
        ("ok state=idle", ""),
        (
            "err not-running nothing is running; start one first",
            "Nothing is running; start one first.",
        ),
        ("err busy", "Busy."),
        ("err allowance 61 Spent for now.", "Spent for now. Possible again in 2 min."),
        ("err allowance - Hold the button.", "Hold the button."),
        ("* stopped", "Stopped."),
        ("* dropped=3", "Dropped=3."),
        ("* event=refused allowance", "Refused: allowance."),
        ('* event=refused code=busy message="A \\"b\\"."', 'Refused: A "b".'),
        (
            '* event=refused code=allowance message="61 Spent."',
            "Refused: Spent. Possible again in 2 min.",
        ),
        (
            '* event=refused code=allowance message="- It is damaged; hold the start button for '
            '5 s to begin a new day"',
            "Refused: It is damaged; hold the start button for 5 s to begin a new day (H does).",
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
    assert picture.message == message


@pytest.mark.parametrize("state", ["running", "paused"])
def test_session_that_ends_by_itself_is_reported_as_over(state: str) -> None:
    messages = []
    for end in (status(by_itself=True), status()):
        picture = picture_after(hello(), status(state))
        picture.press(" ", 0)
        picture.feed("ok", 0)
        picture.feed(end, 0)
        messages.append(picture.message)
    assert messages == ["The session is over.", "Stopped."]


def test_refused_profiles_are_counted_and_the_count_stays() -> None:
    picture = picture_after(
        hello(refused=("/mine/bad.yaml",)), status(), "* ready firmware-ctl 0.1.0"
    )
    assert picture.message == (
        "The mat is ready. 1 profile is refused: `firmware-ctl check /mine/bad.yaml` says why."
    )
    picture.feed(hello(refused=("/mine/bad.yaml", "/mine/worse.yaml")), 0)
    assert picture.message == (
        "4 profiles loaded. 2 profiles are refused: `firmware-ctl check /mine` says why."
    )
    (heading,) = (
        line for line in screen(picture, at_ms=MESSAGE_MS) if line.startswith(" profiles")
    )
    assert heading.startswith(" profiles, 2 refused         ")


def test_reload_of_good_profiles_replaces_the_message_about_bad_ones() -> None:
    picture = picture_after(hello(), status(), hello(refused=("/mine/bad.yaml",)), hello())
    assert picture.message == "4 profiles loaded."


def test_reload_that_refuses_the_selected_profile_says_what_is_selected_and_where_to_read_why() -> (
    None
):
    event = "* event=refused code=invalid-profile message="
    picture = picture_after(
        hello(),
        status(),
        selected("live"),
        hello(refused=("/mine/live.yaml",)),
        selected("first-time"),
        f'{event}"live is refused; first-time is selected instead"',
    )
    assert picture.message == (
        "live is refused; first-time is selected instead. 1 profile is refused: "
        "`firmware-ctl check /mine/live.yaml` says why."
    )


def test_answers_belong_to_requests_in_their_order() -> None:
    picture = picture_after(hello(), status())
    sent = [picture.press(key, 0) for key in "1p!"]
    messages = []
    for line in ("ok profile=first-time", "err not-running no session", "* stopped"):
        picture.feed(line, 0)
        messages.append(picture.message)
    assert sent == [b"select first-time\r\n", b"pause\r\n", b"!"]
    assert messages == ["Selected first-time.", "No session.", "Stopped."]


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
        '{"selected":5}',
        '{"selected":{"name":"neck"}}',
        '{"at_ms":1}',
        "{\x00\x1b",
    ],
)
def test_unreadable_feed_line_changes_nothing(line: str) -> None:
    assert screen(picture_after(hello(), RUNNING, LEVELS, line)) == screen(
        picture_after(hello(), RUNNING, LEVELS)
    )


def test_each_key_becomes_its_request() -> None:
    running = picture_after(hello(), selected(), RUNNING)
    keys = [*" h!p+=-cH14", ENTER, "9", "5", "0", "x", "\t"]
    assert [running.press(key, 0) for key in keys] == [
        b"press\r\n",
        b"press long\r\n",
        b"!",
        b"pause\r\n",
        b"trim 80\r\n",
        b"trim 80\r\n",
        b"trim 60\r\n",
        b"clear\r\n",
        b"press 5.2\r\n",
        b"select first-time\r\n",
        b"select neck\r\n",
        b"start\r\n",
        *[b""] * 5,
    ]
    assert running.message == "This key does nothing. Press ? for help."
    assert picture_after(hello(), FREE_CUE).press("p", 0) == b"resume\r\n"


def test_arrows_select_the_neighbours_and_stay_at_the_ends() -> None:
    picture = picture_after(hello(), selected(), status())
    sent = [picture.press(key, 0) for key in (UP, DOWN, DOWN, DOWN)]
    names = [b"full-body", b"guided-points", b"neck", b"neck"]
    assert sent == [b"select " + name + b"\r\n" for name in names]
    picture.feed("err busy later", 0)
    assert picture.press(UP, 0) == b"select full-body\r\n"
    assert picture_after(hello(), status()).press(DOWN, 0) == b"select first-time\r\n"
    nothing = Picture()
    assert nothing.press(UP, 0) == b""
    assert nothing.message == "There is no profile 1."


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([status(), RUNNING], "Started guided-points."),
        ([RUNNING, status()], "Stopped."),
        ([FREE_CUE, status()], "Stopped."),
        ([RUNNING, status(by_itself=True)], "The session is over."),
        ([RUNNING, FREE_CUE], "Paused. p resumes, space stops."),
        ([FREE_CUE, RUNNING], "Resumed."),
        ([FAULT, status()], "The fault is cleared."),
        ([status(), status(trim=90)], "Trim 90%."),
        ([status(), FAULT], ""),
        ([status(), selected("neck")], "Selected neck."),
        ([status(), selected("")], ""),
        ([RUNNING, selected("neck")], "Selected neck for the next start."),
    ],
)
def test_message_says_what_happened_to_the_mat(lines: list[str], message: str) -> None:
    assert picture_after(hello(), selected(), *lines).message == message


def test_event_with_the_reason_of_an_end_stays() -> None:
    event = '* event=refused code=busy message="the pause took too long"'
    picture = picture_after(hello(), RUNNING, event, status(has_reason=True))
    assert picture.message == "Refused: the pause took too long."


@pytest.mark.parametrize(
    ("key", "now", "message"),
    [
        ("+", status(trim=100), "Trim 100% is the most."),
        ("-", status(trim=10), "Trim 10% is the least."),
        ("c", status(), "There is no fault."),
        ("c", FAULT, ""),
    ],
)
def test_key_without_effect_says_so(key: str, now: str, message: str) -> None:
    picture = picture_after(hello(), now)
    assert picture.press(key, 0) in (b"", b"clear\r\n")
    picture.feed("ok", 0)
    assert picture.message == message


def test_lock_after_a_stop_is_counted_down_while_it_lasts() -> None:
    picture = picture_after(hello(), RUNNING, status(locked_until_ms=1_500))
    assert [picture.message_at(at_ms) for at_ms in (0, 1_401, 1_500)] == [
        "Stopped. The start button works again in 1.5 s.",
        "Stopped. The start button works again in 0.1 s.",
        "Stopped.",
    ]
    assert [picture.redraw_after_ms(at_ms) for at_ms in (0, 1_500)] == [100, MESSAGE_MS - 1_500]
    assert picture.press(" ", 1_000) == b"press\r\n"
    picture.feed("ok", 1_000)
    assert picture.message == LOCKED
    running = picture_after(hello(), status("running", locked_until_ms=1_500))
    assert running.message_at(0) == ""


def test_press_during_the_lock_says_that_the_wait_begins_again_and_when_it_is_over() -> None:
    picture = picture_after(hello(), RUNNING, status(locked_until_ms=1_500))
    picture.press(" ", 1_000)
    picture.feed("ok", 1_000)
    picture.feed(status(locked_until_ms=2_600), 1_100)
    assert [picture.message_at(at_ms) for at_ms in (1_100, 2_599, 2_600)] == [
        "Too early: each press starts the wait of 1.5 s again. "
        "The start button works again in 1.5 s.",
        "Too early: each press starts the wait of 1.5 s again. "
        "The start button works again in 0.1 s.",
        "Press space to start.",
    ]
    picture.feed(FAULT, 2_700)
    assert picture.message_at(2_700) == ""


def test_page_stays_until_a_key_which_only_a_stop_key_passes_on() -> None:
    picture = picture_after(hello(), selected(), status())
    pages = []
    for key in "?i":
        assert picture.press(key, 0) == b""
        pages.append(picture.page)
        assert picture.press(" ", 0) == b""
        assert picture.page == ""
    assert pages == [HELP_PAGE, ABOUT_PAGE]
    picture.feed(RUNNING, 0)
    for key, request in ((" ", b"press\r\n"), ("!", b"!"), (ENTER, b""), (ESC, b"")):
        picture.press("?", 0)
        assert (picture.press(key, 0), picture.page) == (request, "")


def test_esc_does_nothing() -> None:
    picture = picture_after(hello(), selected(), status())
    assert (picture.press(ESC, 0), picture.message) == (b"", "")


def test_terminal_without_pages_gets_messages_instead() -> None:
    picture = Picture(has_pages=False)
    picture.feed(selected(), 0)
    messages = []
    for key in "?i":
        picture.press(key, 0)
        messages.append(picture.message)
    assert (messages, picture.page) == ([KEYS_SENTENCE, ABOUT], "")


def test_motor_is_stalled_only_after_the_longest_spin_up() -> None:
    picture = picture_after(hello(), RUNNING, row(0, [20] * 8))
    assert picture.amplitudes(STALL_MS)[0] == 0.0
    assert picture.amplitudes(STALL_MS + 1)[0] is None
    picture.feed(row(1_600, [0] * 8), 1_600)
    picture.feed(row(1_700, [20] * 8), 1_700)
    assert picture.amplitudes(1_700 + STALL_MS)[0] == 0.0
    assert picture.amplitudes(1_701 + STALL_MS)[0] is None
    picture.feed(row(3_300, [80] * 8), 3_300)
    assert picture.amplitudes(3_310)[0] is not None
    fast = picture_after(hello(speed=60), RUNNING, row(0, [20] * 8))
    stalled = [fast.amplitudes(at_ms)[0] is None for at_ms in (STALL_MS, STALL_MS + 1)]
    assert stalled == [False, True]
