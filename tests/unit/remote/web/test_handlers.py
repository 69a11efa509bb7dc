"""What browsers, programs and strangers get, over real sockets and with a scripted daemon."""

import json
from pathlib import Path

import pytest

from firmware_ctl.remote.web import handlers
from firmware_ctl.remote.web.paths import PATHS
from firmware_ctl.remote.web.seats import MOST_COMMANDING, MOST_WATCHING
from firmware_ctl.remote.web.stopping import NO_ANSWER
from tests.support.web import PACKED, Home, at_home


def test_page_is_served_with_a_strict_policy_and_an_etag(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        page = await home.ask("GET", "/", Accept_Encoding="gzip")
        assert (page.status, page.body) == (200, PACKED)
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert page.headers["Cache-Control"] == "no-cache"
        assert "Server" not in page.headers
        again = await home.ask("GET", "/page/index.html", If_None_Match=page.headers["Etag"])
        assert (again.status, again.body) == (304, b"")

    at_home(tmp_path, test)


@pytest.mark.parametrize(
    "path", ["/page/../devices.json", "/page/%2e%2e/devices.json", "/devices.json", "/page/", "//"]
)
def test_no_path_reaches_the_file_system(path: str, tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        assert (await home.ask("GET", path)).status == 404

    at_home(tmp_path, test)


@pytest.mark.parametrize("path", [p.path for p in PATHS if p.path != "/stop"])
def test_foreign_host_is_refused_everywhere_but_for_a_stop(path: str, tmp_path: Path) -> None:
    method = next(p.method for p in PATHS if p.path == path)

    async def test(home: Home) -> None:
        real = path.replace("/page/NAME", "/page/index.html").replace("NAME", "neck")
        answer = await home.ask(method, real, Host="evil.example", **home.paired())
        assert (answer.status, answer.json["message"]) == (421, handlers.WRONG_HOST)

    at_home(tmp_path, test)


def test_foreign_origin_is_refused(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        code = home.site.pairing.begin(home.site.bridge.now_ms())
        body = json.dumps({"code": code}).encode()
        refused = await home.ask("POST", "/pair", body, Origin="http://evil.example")
        assert refused.status == 403
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
        key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "http://evil.example"}
        socket = await home.ask("GET", "/ws", **upgrade, **key, **home.paired())
        assert socket.status == 403
        assert (await home.ask("POST", "/pair", body, Origin=f"http://{home.host}")).status == 204

    at_home(tmp_path, test)


# --- stop ---


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Cookie": "firmware_ctl=wrong"},
        {"Content_Length": "1000000"},
        {"Transfer_Encoding": "chunked"},
    ],
)
def test_stop_is_sent_whoever_asks(headers: dict[str, str], tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        assert (await home.ask("POST", "/stop", **headers)).status == 204
        assert "!" in home.daemon.lines

    at_home(tmp_path, test)


def test_stop_is_sent_on_a_connection_of_its_own_before_anything_else(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        before = {number for number, _ in home.daemon.got}
        await home.ask("POST", "/stop")
        own = [line for number, line in home.daemon.got if number not in before]
        assert own == ["!"]

    at_home(tmp_path, test)


def test_stop_needs_no_body_and_does_not_wait_for_one(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        head = b"POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        assert (await home.send(head)).status == 204

    at_home(tmp_path, test)


@pytest.mark.parametrize("is_hanging", [True, False])
def test_stop_without_the_daemons_word_names_the_button(
    is_hanging: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.stopping.CONFIRM_S", 0.05)

    async def test(home: Home) -> None:
        if is_hanging:
            home.daemon.is_hanging = True
        else:
            await home.daemon.end()
        answer = await home.ask("POST", "/stop")
        assert (answer.status, answer.json["message"]) == (504, NO_ANSWER)
        assert ("!" in home.daemon.lines) is is_hanging

    at_home(tmp_path, test)


def test_stop_reaches_a_daemon_that_the_bridge_believes_absent(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        await home.daemon.begin()  # the bridge tries again once a second
        assert home.site.bridge.mirror.daemon(home.site.bridge.now_ms()) == "absent"
        assert (await home.ask("POST", "/stop")).status == 204

    at_home(tmp_path, test, has_daemon=False)


def test_stop_is_no_get(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        assert (await home.ask("GET", "/stop")).status == 405
        assert "!" not in home.daemon.lines

    at_home(tmp_path, test)


# --- the state ---


def test_state_of_a_stranger_is_only_whether_something_plays(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        home.daemon.state = "running"
        assert (await home.ask("GET", "/state")).json == {
            "paired": False, "may_command": False, "can_hold_button": False,
            "daemon": "online", "version": home.site.bridge.mirror.version, "state": "running",
        }  # fmt: skip
        paired = (await home.ask("GET", "/state", **home.paired())).json
        assert (paired["paired"], paired["selected"], paired["refused"]) == (True, "neck", None)

    at_home(tmp_path, test)


def test_nobody_who_watches_costs_the_daemon_nothing(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        before = home.daemon.lines.count("?")
        phone = await home.phone()
        await phone.see()
        await home.until(lambda: home.daemon.lines.count("?") >= before + 2)
        phone.close()
        await home.until(lambda: not len(home.site.bridge.seats))
        watched = home.daemon.lines.count("?")
        other = await home.phone()
        await other.see()
        assert home.daemon.lines.count("?") <= watched + 1

    at_home(tmp_path, test)


@pytest.mark.parametrize("name", ["neck", "missing"])
def test_picture_is_for_the_paired_and_of_served_profiles(name: str, tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        assert (await home.ask("GET", f"/profiles/{name}")).status == 403
        answer = await home.ask("GET", f"/profiles/{name}", **home.paired())
        assert answer.status == (200 if name == "neck" else 404)
        if name == "neck":
            etag = {"If_None_Match": answer.headers["Etag"]}
            again = await home.ask("GET", "/profiles/neck", **home.paired(), **etag)
            assert again.status == 304

    at_home(tmp_path, test, reads_files=True)


def test_metrics_are_lines_of_names_and_numbers(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        await home.ask("POST", "/stop")
        lines = (await home.ask("GET", "/metrics")).body.decode().splitlines()
        figures = dict(line.rsplit(" ", 1) for line in lines)
        assert figures["firmware_ctl_web_stops_total"] == "1"
        assert figures["firmware_ctl_web_daemon_online"] == "1"

    at_home(tmp_path, test)


# --- pairing ---


def test_code_gives_a_cookie_that_only_the_page_itself_sends(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        code = home.site.pairing.begin(home.site.bridge.now_ms())
        body = json.dumps({"code": code}).encode()
        answer = await home.ask("POST", "/pair", body)
        cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {*attributes}
        assert (await home.ask("GET", "/state", Cookie=cookie)).json["paired"]
        assert (await home.ask("POST", "/pair", body)).status == 403

    at_home(tmp_path, test)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"code": 1}', b'{"code": "\\ud800"}', b"\xff", b"[" * 1000]
)
def test_pairing_with_nonsense_is_refused_in_a_sentence(body: bytes, tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        home.site.pairing.begin(0)
        answer = await home.ask("POST", "/pair", body)
        assert (answer.status, "web pair" in answer.json["message"]) == (403, True)

    at_home(tmp_path, test)


def test_wrong_codes_are_told_to_wait(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        for _ in range(5):
            assert (await home.ask("POST", "/pair", b'{"code": ""}')).status == 403
        answer = await home.ask("POST", "/pair", b'{"code": ""}')
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
        assert answer.json["message"] == "Too many wrong codes: try again in 60 s."

    at_home(tmp_path, test)


def test_revoked_device_is_out_at_once_and_its_token_is_worth_nothing(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        headers = home.paired()
        phone = await home.phone(**headers)
        await phone.see()
        home.site.revoke("all")
        assert await phone.see(lambda _: False) is None
        assert phone.connection.close_code == handlers.REVOKED
        assert not (await home.ask("GET", "/state", **headers)).json["paired"]

    at_home(tmp_path, test)


def test_revoked_phone_that_does_not_close_commands_and_holds_nothing(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        headers = home.paired()
        phone = await home.phone(**headers)
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: "start neck" in home.daemon.lines)
        owner = next(number for number, line in home.daemon.got if line == "lease 5")
        (handler,) = home.site.bridge.seats.phones
        assert isinstance(handler, handlers.PhoneHandler)
        home.site.revoke("all")
        handler.on_message('{"do":"trim","pct":10}')  # as if the browser kept the connection
        handler.on_message('{"do":"ping"}')
        handler.on_message("!")
        await home.until(lambda: "!" in home.daemon.lines and owner not in home.daemon.open)
        assert "trim 10" not in home.daemon.lines
        assert len(home.site.bridge.seats) == 0

    at_home(tmp_path, test)


def test_browser_of_this_machine_needs_no_pairing_with_a_mock_only(tmp_path: Path) -> None:
    async def at_mock(home: Home) -> None:
        assert (await home.ask("GET", "/state")).json["paired"]
        named = await home.ask("GET", "/state", Host=f"mat.local:{home.port}")
        assert not named.json["paired"]

    async def at_service(home: Home) -> None:
        assert not (await home.ask("GET", "/state")).json["paired"]

    at_home(tmp_path, at_mock, is_open_here=True)
    at_home(tmp_path, at_service)


# --- limits ---


def test_phones_beyond_the_seats_are_turned_away_and_a_stop_is_not(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        strangers = [await home.phone() for _ in range(MOST_WATCHING)]
        late = await home.phone()
        assert await late.see(lambda _: False) is None
        assert late.connection.close_code == handlers.CROWDED_OUT
        paired = [await home.phone(**home.paired()) for _ in range(MOST_COMMANDING)]
        assert (await paired[-1].see())["may_command"]
        assert (await home.ask("POST", "/stop")).status == 204
        assert (await strangers[0].see())["state"] == "idle"

    at_home(tmp_path, test)


def test_half_open_requests_make_room_for_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.server.MOST_CONNECTIONS", 8)

    async def test(home: Home) -> None:
        phone = await home.phone()
        await phone.see()
        opened = [await home.open() for _ in range(20)]
        for _, writer in opened:
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
        assert (await home.ask("POST", "/stop")).status == 204
        reader, _ = opened[0]
        assert await reader.read() == b""  # the oldest one was closed
        await phone.stop()  # and the phone keeps its seat
        await home.until(lambda: home.daemon.lines.count("!") >= 3)

    at_home(tmp_path, test)


def test_half_open_request_is_closed_after_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.server.HALF_OPEN_S", 0.05)

    async def test(home: Home) -> None:
        for begin in (
            b"GET / HT",
            b"POST /pair HTTP/1.1\r\nHost: 1.1.1.1\r\nContent-Length: 9\r\n\r\n{",
        ):
            reader, writer = await home.open()
            writer.write(begin)
            assert await reader.read() == b""

    at_home(tmp_path, test)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /pair HTTP/1.1\r\nHost: 1.1.1.1\r\nContent-Length: 2000\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 1.1.1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
    ],
)
def test_request_that_is_too_large_is_closed(head: bytes, tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        reader, writer = await home.open()
        writer.write(head)
        assert (await reader.read()).split(b" ")[1:2] in ([], [b"400"])

    at_home(tmp_path, test)
