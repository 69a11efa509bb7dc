"""What the page shows of each state, and what it sends, against a bridge that a test controls."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import states
from tests.browser.fake_bridge import FakeBridge

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

NewPhone = Callable[..., Any]


def linked(page: Any, link: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-link", link)


def frames_until(bridge: FakeBridge, page: Any, wanted: object) -> None:
    """Waits until the bridge has got this frame."""
    for _ in range(400):
        if wanted in bridge.frames:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{wanted} did not come; what came: {bridge.frames}")


@pytest.mark.parametrize("name", states.ALL)
def test_stop_in_every_state_is_sent_both_ways(
    name: str, bridge: FakeBridge, new_phone: NewPhone
) -> None:
    bridge.state = states.ALL[name]()
    page = new_phone(bridge.url)
    linked(page, "silent" if bridge.state["daemon"] != "online" else "live")
    expect(page.locator("#stop")).to_be_enabled()
    page.locator("#stop").click()
    frames_until(bridge, page, "!")
    frames_until(bridge, page, "POST /stop")


def test_stop_is_shown_on_the_daemons_word_only(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state, bridge.confirms = states.running(), False
    page = new_phone(bridge.url)
    linked(page, "live")
    page.locator("#stop").click()
    answer = page.locator("#stop-answer")
    expect(answer).to_have_text("No answer. Press the button on the mat.")
    expect(page.locator("#state")).to_have_text("Playing")
    bridge.say(**states.idle(by="web", reason="stop"))
    expect(answer).to_have_text("Stopped.")
    expect(page.locator("#spoken")).to_have_text("Stopped.")
    expect(page.locator("#event")).to_have_text("Stopped by a phone")


def test_stop_that_the_daemon_confirms_is_shown_in_idle_too(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    page.locator("#stop").click()
    expect(page.locator("#stop-answer")).to_have_text("Stopped.")


def test_stop_without_a_bridge_says_what_to_do(bridge: FakeBridge, new_phone: NewPhone) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    page.context.set_offline(True)
    bridge.call(lambda: [socket.close() for socket in [*bridge.sockets]])
    linked(page, "lost")
    expect(page.locator("#trouble")).to_have_text("Not connected: use the button on the mat.")
    expect(page.locator("#stop")).to_be_enabled()
    page.locator("#stop").click()
    expect(page.locator("#stop-answer")).to_have_text("No answer. Press the button on the mat.")


def test_stop_works_when_every_other_file_of_the_page_is_missing(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone()
    page.route(
        "**/page/*",
        lambda route: route.continue_() if "stop.js" in route.request.url else route.abort(),
    )
    page.goto(bridge.url)
    with page.expect_request("**/stop"):
        page.locator("#stop").click()


def test_silent_connection_turns_grey_and_back(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.running()
    page = new_phone(bridge.url)
    linked(page, "live")
    expect(page.locator("#drawing circle.on").first).to_be_visible()
    bridge.is_mute = True
    linked(page, "lost")
    expect(page.locator("#trouble")).to_have_text("Not connected: use the button on the mat.")
    expect(page.locator("#left-time")).to_have_text("\u2013:\u2013\u2013")
    expect(page.locator("#drawing circle.on")).to_have_count(0)
    expect(page.locator("#pause")).to_be_disabled()
    bridge.is_mute = False
    linked(page, "live")
    expect(page.locator("#trouble")).to_be_hidden()
    assert bridge.frames == []


def test_load_and_reconnect_send_nothing_but_pings(bridge: FakeBridge, new_phone: NewPhone) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    with page.expect_websocket() as second:
        bridge.call(lambda: [socket.close() for socket in [*bridge.sockets]])
    assert second.value.url.endswith("/ws")
    page.reload()
    linked(page, "live")
    assert bridge.frames == []


@pytest.mark.parametrize(("button", "lease"), [("#start-self", 0), ("#start-other", 5)])
def test_start_takes_a_hold(
    button: str, lease: int, bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    page.locator(button).click()
    expect(page.locator("#start-answer")).to_have_class("hint urgent")
    assert bridge.frames == []
    page.locator(button).hover()
    page.mouse.down()
    expect(page.locator(button)).to_have_attribute("data-held", "")
    frames_until(bridge, page, {"do": "start", "profile": "calm", "lease": lease})
    page.mouse.up()
    # The page shows nothing of it before the daemon does.
    expect(page.locator("html")).to_have_attribute("data-state", "idle")


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_start_by_keyboard_takes_a_hold(key: str, bridge: FakeBridge, new_phone: NewPhone) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    assert page.evaluate("document.activeElement === document.body")
    page.locator("#start-other").focus()
    page.keyboard.press(key)
    expect(page.locator("#start-answer")).to_have_class("hint urgent")
    assert bridge.frames == []
    page.keyboard.down(key)
    frames_until(bridge, page, {"do": "start", "profile": "calm", "lease": 5})
    page.keyboard.up(key)


def test_keyboard_reaches_everything_and_stop_first_by_escape(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.innerText")
        )
    expected = {"weaker", "start-self", "start-other", "stop"}
    assert expected <= {*reached}, reached
    assert any("Guided" in text for text in reached), reached
    page.locator("#stop").focus()
    page.keyboard.press("Enter")
    frames_until(bridge, page, "!")
    bridge.frames.clear()
    page.keyboard.press("Escape")
    frames_until(bridge, page, "!")


def test_start_without_lease_needs_a_button_on_the_mat(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    bridge.state = states.idle(mat={**states.MAT, "has_button": False})
    page = new_phone(bridge.url)
    linked(page, "live")
    expect(page.locator("#start-other")).to_be_visible()
    expect(page.locator("#start-self")).to_be_hidden()


def test_selection_is_the_daemons(bridge: FakeBridge, new_phone: NewPhone) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    page.get_by_role("button", name="Guided").click()
    frames_until(bridge, page, {"do": "select", "profile": "guided"})
    expect(page.locator("#detail-about")).to_have_text("Two quiet minutes.")
    bridge.say(selected="guided")
    expect(page.locator("#detail-about")).to_have_text("A point by hand.")
    expect(page.locator("#detail-warnings")).to_have_text(
        "LI4: Traditionally avoided in pregnancy."
    )
    expect(page.get_by_role("button", name="Guided")).to_have_attribute("aria-expanded", "true")


def test_cue_is_large_and_spoken(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.running()
    page = new_phone(bridge.url)
    expect(page.locator("#spoken")).to_have_text("hum")
    expect(page.locator("#phase")).to_have_text("hum")
    bridge.say(**states.cue())
    expect(page.locator("#cue-text")).to_have_text(
        "Large Intestine 4: hand, between thumb and index finger"
    )
    expect(page.locator("#cue-warning")).to_have_text("Traditionally avoided in pregnancy.")
    expect(page.locator("#spoken")).to_contain_text("Large Intestine 4")
    expect(page.locator("#spoken")).to_contain_text("pregnancy")
    bridge.say(**states.running())
    expect(page.locator("#cue")).to_be_hidden()


def test_motors_show_what_the_profile_says_while_the_daemon_says_that_the_zone_runs(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    levels = """async ([state, details, atMs]) =>
        (await import('/page/levels.js')).motorLevels(state, details, atMs)"""
    details = states.PICTURES["calm"]
    state = states.running(trim=50)
    half = dict.fromkeys(states.MOTORS, 20)
    assert page.evaluate(levels, [state, details, 59_999]) == half
    left = {"neck_left": 0, "neck_right": 0, "back_left": 40, "back_right": 0}
    assert page.evaluate(levels, [state, details, 60_000]) == left
    still = states.running(zones={"neck": 0, "lower_back": 0})
    assert page.evaluate(levels, [still, details, 10_000]) == dict.fromkeys(states.MOTORS, 0)
    # Without the profile the zone's figure is all that is known.
    assert page.evaluate(levels, [state, None, 60_000]) == dict.fromkeys(states.MOTORS, 40)


def test_stronger_needs_a_session_that_ends_with_this_phone(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    bridge.state = states.idle(trim=50)
    page = new_phone(bridge.url)
    linked(page, "live")
    expect(page.locator("#stronger")).to_be_enabled()
    bridge.say(**states.running(trim=50))
    expect(page.locator("#stronger")).to_be_disabled()
    expect(page.locator("#strength-hint")).to_be_visible()
    page.locator("#weaker").click()
    frames_until(bridge, page, {"do": "trim", "pct": 40})
    expect(page.locator("#trim")).to_have_text("50 %")
    bridge.say(**states.idle(trim=50))
    page.locator("#start-other").focus()
    page.keyboard.down("Enter")
    frames_until(bridge, page, {"do": "start", "profile": "calm", "lease": 5})
    page.keyboard.up("Enter")
    bridge.say(**states.running(trim=50))
    page.locator("#stronger").click()
    frames_until(bridge, page, {"do": "trim", "pct": 60})
    # What plays after that is not this phone's.
    bridge.say(**states.idle(trim=50))
    bridge.say(**states.running(trim=50))
    expect(page.locator("#stronger")).to_be_disabled()


def test_refused_start_gives_no_right_to_make_it_stronger(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(bridge.url)
    linked(page, "live")
    page.locator("#start-other").focus()
    page.keyboard.down("Enter")
    frames_until(bridge, page, {"do": "start", "profile": "calm", "lease": 5})
    page.keyboard.up("Enter")
    refused = {"code": "busy", "message": "stopped"}
    bridge.say(**states.running(trim=50, refused=refused))
    expect(page.locator("#weaker")).to_be_enabled()
    expect(page.locator("#stronger")).to_be_disabled()


@pytest.mark.parametrize(
    ("state", "shown"),
    [("running", "pause"), ("paused", "resume")],
)
def test_pause_and_resume(state: str, shown: str, bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.ALL[state]()
    page = new_phone(bridge.url)
    linked(page, "live")
    page.locator("#pause").click()
    frames_until(bridge, page, {"do": shown})


def test_fault_says_what_to_do(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.fault()
    page = new_phone(bridge.url)
    expect(page.locator("#fault-text")).to_contain_text("check the motor gate")
    expect(page.locator("#fault-code")).to_have_text("Fault: rail stuck-on")
    page.locator("#clear").click()
    frames_until(bridge, page, {"do": "clear"})


@pytest.mark.parametrize(
    ("refused", "shown"),
    [
        (
            {"code": "allowance", "message": "5400 used up"},
            "Too little time is left today. It works again in 1 h 30 min.",
        ),
        (
            {"code": "busy", "message": "stopped"},
            "The mat has only just stopped, or plays already. Try again.",
        ),
        ({"code": "not-ready", "message": "the rail is off"}, "the rail is off"),
    ],
    ids=["allowance", "busy", "other"],
)
def test_refusal_is_shown(
    refused: dict[str, str], shown: str, bridge: FakeBridge, new_phone: NewPhone
) -> None:
    bridge.state = states.idle(refused=refused)
    page = new_phone(bridge.url)
    expect(page.locator("#refused")).to_have_text(shown)


def test_ninth_phone_can_watch_and_stop(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.running(may_command=False)
    page = new_phone(bridge.url)
    expect(page.locator("#trouble")).to_contain_text("watch, and stop")
    expect(page.locator("#pause")).to_be_disabled()
    expect(page.locator("#stop")).to_be_enabled()


def test_hung_daemon_is_said(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state, bridge.confirms = states.running(daemon="silent"), False
    page = new_phone(bridge.url)
    expect(page.locator("#trouble")).to_contain_text("does not answer")
    page.locator("#stop").click()
    expect(page.locator("#stop-answer")).to_have_text("No answer. Use the stop switch of the mat.")


def test_wrong_code_is_said_and_a_right_one_opens_the_page(
    bridge: FakeBridge, new_phone: NewPhone
) -> None:
    bridge.state, bridge.pair_status = states.unpaired(), 403
    page = new_phone(bridge.url)
    expect(page.locator("#pairing-plays")).to_have_text(
        "The mat plays now. You can stop it without pairing."
    )
    expect(page.locator("#pairing-hold")).to_be_visible()
    expect(page.locator("#mat")).to_be_hidden()
    code, answer = page.get_by_label("Six-digit code"), page.locator("#pairing-answer")
    code.fill("12345")
    code.press("Enter")
    expect(answer).to_have_text("The code has six digits.")
    code.fill("123456")
    page.get_by_role("button", name="Pair").click()
    expect(answer).to_have_text("That is not the code. Look again, it changes.")
    bridge.pair_status, bridge.pair_message = 429, "try again in 30 s"
    code.press("Enter")
    expect(answer).to_have_text("Too many wrong codes. Try again in 30 s.")
    bridge.pair_status, bridge.state = 204, states.running()
    code.press("Enter")
    expect(page.locator("#pairing")).to_be_hidden()
    expect(page.locator("#phase")).to_have_text("hum")


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_nothing_is_wider_than_the_screen(
    language: str, bridge: FakeBridge, new_phone: NewPhone
) -> None:
    page = new_phone(locale=language)
    for state in states.ALL.values():
        bridge.state = state()
        page.goto(bridge.url)
        expect(page.locator("html")).not_to_have_attribute("data-link", "connecting")
        for width in (320, 390, 1280):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", states.ALL)
def test_axe_finds_nothing(name: str, bridge: FakeBridge, new_phone: NewPhone) -> None:
    from axe_playwright_python.sync_playwright import Axe

    bridge.state = states.ALL[name]()
    page = new_phone(bridge.url, color_scheme="light")
    expect(page.locator("html")).not_to_have_attribute("data-link", "connecting")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.emulate_media(color_scheme="dark")
    found = Axe().run(page, options={"runOnly": ["color-contrast"]})
    assert found.violations_count == 0, found.generate_report()


def test_reader_of_german_gets_german(bridge: FakeBridge, new_phone: NewPhone) -> None:
    bridge.state = states.cue()
    page = new_phone(bridge.url, locale="de-AT")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("#state")).to_have_text("Läuft")
    expect(page.locator("#cue-text")).to_contain_text("zwischen Daumen und Zeigefinger")


def test_reduced_motion_moves_in_steps(bridge: FakeBridge, new_phone: NewPhone) -> None:
    page = new_phone(bridge.url, reduced_motion="reduce")
    linked(page, "live")
    page.locator("#start-other").focus()
    page.keyboard.down("Enter")
    ring = "getComputedStyle(document.querySelector('[data-held] .ring')).transitionTimingFunction"
    assert page.evaluate(ring) == "steps(3)"
    page.keyboard.up("Enter")
