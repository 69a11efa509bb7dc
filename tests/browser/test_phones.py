"""Real phones, a real bridge and a real mock: what starts, what stops, and who gets in."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import STRANGE_HOST
from tests.browser.real import Bridge, hold, page_of
from tests.support.process import Mock

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

NewPhone = Callable[..., Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Bridge]]:
    """The address of the page that a mock serves, and beside it a bridge as that of the service, with
    which every phone has to be paired. A profile lasts ten minutes, so no test sees its end."""
    home = tmp_path_factory.mktemp("house") / "home"
    with Mock(home, "--web", "127.0.0.1:0", speed=1) as mock, Bridge(mock) as bridge:
        yield page_of(mock), bridge


@pytest.fixture
def bridge(house: tuple[str, Bridge]) -> Iterator[Bridge]:
    """The bridge beside a mat at rest."""
    yield house[1]
    house[1].stop()


@pytest.fixture
def mock_page(house: tuple[str, Bridge], bridge: Bridge) -> str:
    """The address of the page of a mat at rest. A browser on this machine needs no pairing."""
    return house[0]


def ready(page: Any) -> Any:
    """Waits until the page shows a mat at rest, whose profile can be started."""
    expect(page.locator("html[data-link=live][data-state=idle]")).to_be_attached()
    expect(page.locator("#start-other")).to_be_enabled()
    # Nothing moves any more when the picture is there.
    expect(page.locator("#detail-picture .cursor")).to_be_attached()
    return page


def paired(new_phone: NewPhone, bridge: Bridge) -> Any:
    page = new_phone(f"{bridge.url}#code={bridge.code()}")
    return ready(page)


def is_in(page: Any, state: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-state", state)


@pytest.mark.parametrize("state", ["idle", "running", "paused"])
def test_stop_in_every_state(state: str, mock_page: str, new_phone: NewPhone) -> None:
    page = ready(new_phone(mock_page))
    if state != "idle":
        hold(page, "#start-self")
    if state == "paused":
        page.locator("#pause").click()
    is_in(page, state)
    page.locator("#stop").click()
    expect(page.locator("#stop-answer")).to_have_text("Stopped.")
    is_in(page, "idle")
    if state != "idle":
        expect(page.locator("#event")).to_have_text("Stopped by a phone")


def test_fault_is_said_and_a_stop_is_taken_in_it(tmp_path: Path, new_phone: NewPhone) -> None:
    with Mock(tmp_path / "home", "--web", "127.0.0.1:0", "--inject", "pin", speed=1) as mock:
        page = ready(new_phone(page_of(mock)))
        hold(page, "#start-self")
        is_in(page, "fault")
        expect(page.locator("#fault-text")).to_contain_text("A motor pin could not be written.")
        page.locator("#stop").click()
        expect(page.locator("#stop-answer")).to_have_text("Stopped.")


def test_daemon_that_hangs_while_motors_run_is_said_and_the_dead_man_kills_it(
    tmp_path: Path, new_phone: NewPhone
) -> None:
    with Mock(tmp_path / "home", speed=1) as mock, Bridge(mock) as bridge:
        page = paired(new_phone, bridge)
        hold(page, "#start-self")
        mock.process.send_signal(signal.SIGSTOP)
        expect(page.locator("html")).to_have_attribute("data-link", "silent")
        expect(page.locator("#trouble")).to_contain_text("use the stop switch")
        expect(page.locator("#drawing circle.on")).to_have_count(0)
        page.locator("#stop").click()
        expect(page.locator("#stop-answer")).to_have_text(
            "No answer. Use the stop switch of the mat."
        )
        mock.wait_for_exit()
        assert mock.process.wait() == -signal.SIGKILL


def test_daemon_that_hangs_at_rest_is_said_and_its_return_too(
    tmp_path: Path, new_phone: NewPhone
) -> None:
    with Mock(tmp_path / "home", "--web", "127.0.0.1:0", speed=1) as mock:
        page = ready(new_phone(page_of(mock)))
        mock.process.send_signal(signal.SIGSTOP)
        expect(page.locator("#trouble")).to_contain_text("does not answer")
        page.locator("#stop").click()
        expect(page.locator("#stop-answer")).to_have_text(
            "No answer. Use the stop switch of the mat."
        )
        mock.process.send_signal(signal.SIGCONT)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#stop-answer")).to_have_text("Stopped.")


def test_second_phone_sees_the_session_and_stops_it(mock_page: str, new_phone: NewPhone) -> None:
    first, second = (ready(new_phone(mock_page)) for _ in range(2))
    hold(first, "#start-self")
    is_in(second, "running")
    expect(second.locator("#phase")).to_have_text("hum")
    expect(second.locator("#drawing circle.on").first).to_be_visible()
    second.locator("#stop").click()
    is_in(first, "idle")
    expect(first.locator("#event")).to_have_text("Stopped by a phone")


def test_trim_reaches_the_mat_and_every_phone(mock_page: str, new_phone: NewPhone) -> None:
    first, second = (ready(new_phone(mock_page)) for _ in range(2))
    hold(first, "#start-other")
    first.locator("#weaker").click()
    expect(second.locator("#trim")).to_have_text("90 %")
    expect(second.locator("#stronger")).to_be_disabled()
    first.locator("#stronger").click()
    expect(second.locator("#trim")).to_have_text("100 %")


def test_selected_profile_is_the_one_that_starts(mock_page: str, new_phone: NewPhone) -> None:
    page = ready(new_phone(mock_page))
    page.get_by_role("button", name="Short").click()
    expect(page.get_by_role("button", name="Short")).to_have_attribute("aria-expanded", "true")
    hold(page, "#start-self")
    expect(page.locator("#session-title")).to_have_text("Short")
    page.locator("#stop").click()
    page.get_by_role("button", name="Long").click()
    expect(page.get_by_role("button", name="Long")).to_have_attribute("aria-expanded", "true")


def test_closed_tab_ends_a_session_with_a_lease(bridge: Bridge, new_phone: NewPhone) -> None:
    first, second = (paired(new_phone, bridge) for _ in range(2))
    hold(first, "#start-other")
    is_in(second, "running")
    first.close()
    is_in(second, "idle")
    expect(second.locator("#event")).to_have_text("Stopped: the phone that started it was gone")


def test_closed_tab_leaves_a_session_without_a_lease(bridge: Bridge, new_phone: NewPhone) -> None:
    first, second = (paired(new_phone, bridge) for _ in range(2))
    hold(first, "#start-self")
    is_in(second, "running")
    first.close()
    bridge.wait_for_phones(1)
    assert bridge.state() == "running"
    second.locator("#stop").click()
    is_in(second, "idle")


@pytest.mark.parametrize(
    ("button", "is_left"), [("#start-self", "running"), ("#start-other", "idle")]
)
def test_killed_bridge_that_comes_back_resumes_nothing(
    button: str, is_left: str, tmp_path: Path, new_phone: NewPhone
) -> None:
    with Mock(tmp_path / "home", speed=1) as mock:
        with Bridge(mock) as first:
            page = paired(new_phone, first)
            hold(page, button)
            first.kill()
            expect(page.locator("html")).to_have_attribute("data-link", "lost")
            expect(page.locator("#trouble")).to_have_text(
                "Not connected: use the button on the mat."
            )
        with Bridge(mock, first.port):
            expect(page.locator("html")).to_have_attribute("data-link", "live")
            is_in(page, is_left)
            expect(page.locator("#trouble")).to_be_hidden()
            # Who started it does not hold it any more, so nobody may make it stronger.
            if is_left == "running":
                expect(page.locator("#pause")).to_be_enabled()
                page.locator("#weaker").click()
                expect(page.locator("#trim")).to_have_text("90 %")
                expect(page.locator("#stronger")).to_be_disabled()


def test_wrong_code_is_refused_and_the_right_one_taken_once(
    bridge: Bridge, new_phone: NewPhone
) -> None:
    code = bridge.code()
    page, late = new_phone(bridge.url), new_phone(bridge.url)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for digits, phone in ((wrong, page), (code, page), (code, late)):
        phone.get_by_label("Six-digit code").fill(digits)
        phone.get_by_role("button", name="Pair").click()
        if (digits, phone) == (code, page):
            ready(page)
        else:
            expect(phone.locator("#pairing-answer")).to_contain_text("not the code")


def test_phone_that_was_never_paired_sees_that_it_plays_and_stops_it(
    bridge: Bridge, new_phone: NewPhone
) -> None:
    owner, stranger = paired(new_phone, bridge), new_phone(bridge.url)
    hold(owner, "#start-self")
    expect(stranger.locator("#pairing-plays")).to_contain_text("The mat plays now.")
    stranger.locator("#stop").click()
    expect(stranger.locator("#stop-answer")).to_have_text("Stopped.")
    is_in(owner, "idle")


def test_revoked_phone_has_to_pair_again_and_its_token_is_worth_nothing(
    bridge: Bridge, new_phone: NewPhone
) -> None:
    page = paired(new_phone, bridge)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    bridge.run("revoke", "all")
    expect(page.locator("#pairing")).to_be_visible()
    thief = new_phone()
    thief.context.add_cookies([cookie])
    thief.goto(bridge.url)
    expect(thief.locator("#pairing")).to_be_visible()
    expect(page.locator("#stop")).to_be_enabled()


def test_page_of_another_site_reads_nothing_and_starts_nothing(
    bridge: Bridge, new_phone: NewPhone
) -> None:
    paired(new_phone, bridge)
    foreign = new_phone()
    foreign.route("http://foreign.example/", lambda route: route.fulfill(body="<p>foreign"))
    foreign.goto("http://foreign.example/")
    attempt = """async (url) => {
        const read = await fetch(url + "state").then(() => "read", () => "refused");
        const socket = new WebSocket(url.replace("http", "ws") + "ws");
        const opened = await new Promise((done) => {
            socket.onopen = () => done("open");
            socket.onerror = () => done("refused");
        });
        return [read, opened];
    }"""
    assert foreign.evaluate(attempt, bridge.url) == ["refused", "refused"]


def test_name_of_a_stranger_that_leads_here_is_refused(bridge: Bridge, new_phone: NewPhone) -> None:
    page = new_phone()
    answer = page.goto(f"http://{STRANGE_HOST}:{bridge.port}/")
    assert answer.status == 421
    expect(page.locator("#stop")).to_have_count(0)
