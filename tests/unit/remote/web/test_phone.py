"""A phone's WebSocket: what its frames do to the daemon, and what it gets to see."""

from pathlib import Path

import pytest

from firmware_ctl.remote.web.handlers import FRAMES
from firmware_ctl.remote.web.seats import MOST_COMMANDING
from firmware_ctl.remote.web.stopping import NO_ANSWER
from tests.support.web import Home, at_home


def own_lines(home: Home) -> list[str]:
    """The lines of the connection on which a phone has sent commands."""
    owner = next(number for number, line in home.daemon.got if line.startswith(("lease", "trim")))
    return [line for number, line in home.daemon.got if number == owner]


@pytest.mark.parametrize("lease_s", [0, 5])
def test_start_goes_over_a_connection_of_its_own_that_names_the_bridge(
    lease_s: int, tmp_path: Path
) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.send(do="start", profile="neck", lease=lease_s)
        await home.until(lambda: "start neck" in home.daemon.lines)
        assert own_lines(home) == ["hello web", f"lease {lease_s}", "start neck"]

    at_home(tmp_path, test)


def test_only_frames_of_the_phone_renew_its_lease(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone, other = [await home.phone(**home.paired()) for _ in range(2)]
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: "start neck" in home.daemon.lines)
        for _ in range(3):
            await other.send(do="ping")
        await phone.send(do="ping")
        await phone.send(do="ping")
        await home.until(lambda: own_lines(home)[3:] == ["ping", "ping"])
        home.daemon.tell("event=state state=running profile=neck cert=f1 by=web")
        await phone.see(lambda state: state["state"] == "running")
        asked = home.daemon.lines.count("?")
        await home.until(lambda: home.daemon.lines.count("?") > asked)
        assert own_lines(home) == ["hello web", "lease 5", "start neck", "ping", "ping"]

    at_home(tmp_path, test)


def test_phone_that_is_gone_takes_its_connection_along(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: "start neck" in home.daemon.lines)
        owner = next(number for number, line in home.daemon.got if line == "lease 5")
        phone.close()
        await home.until(lambda: owner not in home.daemon.open)

    at_home(tmp_path, test)


def test_refusal_of_the_daemon_is_shown_to_this_phone_until_its_next_command(
    tmp_path: Path,
) -> None:
    async def test(home: Home) -> None:
        home.daemon.answers["start"] = ["err allowance 60 the day is used up"]
        phone, other = [await home.phone(**home.paired()) for _ in range(2)]
        await phone.send(do="start", profile="neck", lease=5)
        shown = await phone.see(lambda state: state["refused"])
        assert shown["refused"] == {"code": "allowance", "message": "60 the day is used up"}
        await phone.send(do="trim", pct=70)
        await phone.see(lambda state: state["refused"] is None)
        assert (await other.see())["refused"] is None

    at_home(tmp_path, test)


def test_lease_that_is_refused_starts_nothing(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        home.daemon.answers["lease"] = ["err bad-argument no"]
        phone = await home.phone(**home.paired())
        await phone.send(do="start", profile="neck", lease=5)
        await phone.see(lambda state: state["refused"])
        assert "start neck" not in home.daemon.lines

    at_home(tmp_path, test)


def test_stranger_may_only_stop(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone()
        shown = await phone.see()
        assert {*shown} == {
            "daemon", "paired", "may_command", "version", "state", "can_hold_button",
        }  # fmt: skip
        for values in ({"do": "start", "profile": "neck", "lease": 5}, {"do": "trim", "pct": 10}):
            await phone.send(**values)
        await phone.stop()
        await home.until(lambda: "!" in home.daemon.lines)
        assert {*home.daemon.lines} == {"hello web", "events on", "?", "limits", "profiles", "!"}

    at_home(tmp_path, test)


def test_ninth_phone_watches_and_is_told_so(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        headers = home.paired()
        phones = [await home.phone(**headers) for _ in range(MOST_COMMANDING + 1)]
        assert not (await phones[-1].see())["may_command"]
        await phones[-1].send(do="trim", pct=70)
        assert (await phones[-1].see(lambda state: state["refused"]))["refused"]["code"] == "busy"
        phones[0].close()
        await phones[-1].see(lambda state: state["may_command"])

    at_home(tmp_path, test)


def test_session_without_a_lease_needs_a_mat_with_a_button(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        home.site.bridge.mirror.facts({"mat": {"has_button": False}, "profiles": {}})
        phone = await home.phone(**home.paired())
        await phone.send(do="start", profile="neck", lease=0)
        shown = await phone.see(lambda state: state["refused"])
        assert "no start button" in shown["refused"]["message"]
        assert "start neck" not in home.daemon.lines

    at_home(tmp_path, test)


def test_only_the_phone_that_holds_a_session_makes_it_stronger(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        holder, other = [await home.phone(**home.paired()) for _ in range(2)]
        mirror = home.site.bridge.mirror
        await holder.send(do="start", profile="neck", lease=5)
        await home.until(lambda: "start neck" in home.daemon.lines)
        mirror.told("event=state state=running profile=neck cert=f1 trim=60 by=web")
        await other.send(do="trim", pct=70)
        shown = await other.see(lambda state: state["refused"])
        assert "stronger" in shown["refused"]["message"]
        await other.send(do="trim", pct=50)
        await home.until(lambda: "trim 50" in home.daemon.lines)
        await holder.send(do="trim", pct=70)
        await home.until(lambda: "trim 70" in home.daemon.lines)

        mirror.told("event=state state=idle profile=neck cert=f1 reason=stop by=web")
        mirror.told("event=state state=running profile=neck cert=f1 trim=60 by=serial")
        await holder.send(do="trim", pct=80)
        await holder.see(lambda state: state["refused"])
        assert "trim 80" not in home.daemon.lines

    at_home(tmp_path, test)


@pytest.mark.parametrize("lease_s", [0, 5])
def test_start_while_something_plays_changes_neither_its_lease_nor_who_holds_it(
    lease_s: int, tmp_path: Path
) -> None:
    async def test(home: Home) -> None:
        home.daemon.state = "running"
        phone = await home.phone(**home.paired())
        await phone.see(lambda state: state["state"] == "running")
        await phone.send(do="start", profile="neck", lease=lease_s)
        shown = await phone.see(lambda state: state["refused"])
        assert shown["refused"]["code"] == "busy"
        assert not {f"lease {lease_s}", "start neck"} & {*home.daemon.lines}

    at_home(tmp_path, test)


def test_start_that_waits_when_the_mats_button_stops_is_not_sent_after_it(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.see()
        home.daemon.is_hanging = True  # the phone's connection waits for the answer to its hello
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: home.daemon.lines.count("hello web") == 2)
        home.daemon.tell("event=state state=idle profile=neck cert=f1 reason=stop by=button")
        await phone.see(lambda state: state["state"] == "idle")
        home.daemon.is_hanging = False
        for connection, writer in home.daemon.open.items():
            if (connection, "hello web") in home.daemon.got and connection != 1:
                writer.write(b"ok firmware-ctl\r\n")
        shown = await phone.see(lambda state: state["refused"])
        assert shown["refused"]["code"] == "busy"
        assert "start neck" not in home.daemon.lines

    at_home(tmp_path, test)


# --- stops ---


def test_stops_in_a_flood_are_all_sent_and_none_is_counted(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        for _ in range(3 * FRAMES[0]):
            await phone.send(do="ping")
        await phone.stop()
        await home.until(lambda: "!" in home.daemon.lines)
        await phone.send(do="trim", pct=70)
        await phone.see(lambda state: state["refused"] and state["refused"]["code"] == "overflow")
        stops = home.site.bridge.stops
        for _ in range(200):
            await phone.stop()
        await home.until(lambda: home.site.bridge.stops == stops + 200)

    at_home(tmp_path, test)


def test_start_that_waits_when_a_stop_comes_is_not_sent_after_it(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone, other = [await home.phone(**home.paired()) for _ in range(2)]
        await phone.see()
        home.daemon.is_hanging = True  # the phone's connection waits for the answer to its hello
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: home.daemon.lines.count("hello web") == 2)
        await other.stop()
        await home.until(lambda: home.site.bridge.stops == 1)
        home.daemon.is_hanging = False
        for connection, writer in home.daemon.open.items():
            if (connection, "hello web") in home.daemon.got and connection != 1:
                writer.write(b"ok firmware-ctl\r\n")
        shown = await phone.see(lambda state: state["refused"])
        assert shown["refused"]["code"] == "busy"
        assert "start neck" not in home.daemon.lines

    at_home(tmp_path, test)


def test_stop_without_the_daemons_word_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.stopping.CONFIRM_S", 0.05)

    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        home.daemon.is_hanging = True
        await phone.stop()
        shown = await phone.see(lambda state: state["refused"])
        assert shown["refused"] == {"code": "not-stopped", "message": NO_ANSWER}

    at_home(tmp_path, test)


def test_stop_flood_in_a_hanging_daemon_opens_few_connections(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        home.daemon.is_hanging = True
        before = len(home.daemon.open)
        phones = [await home.phone() for _ in range(10)]
        for phone in phones:
            for _ in range(20):
                await phone.stop()
        await home.until(lambda: home.site.bridge.stops == 200)
        await home.until(lambda: len(home.daemon.open) > before)
        assert len(home.daemon.open) <= before + 16

    at_home(tmp_path, test)


# --- what is shown ---


def test_state_says_absent_and_comes_back_with_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.bridge.AGAIN_S", 0.01)

    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.see(lambda state: state["daemon"] == "online")
        await home.daemon.end()
        await phone.see(lambda state: state["daemon"] == "absent")
        await phone.send(do="start", profile="neck", lease=5)
        refused = await phone.see(lambda state: state["refused"])
        assert refused["refused"]["code"] == "not-ready"
        await home.daemon.begin()
        await phone.see(lambda state: state["daemon"] == "online")

    at_home(tmp_path, test)


def test_reconnected_daemon_is_asked_for_nothing_but_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.bridge.AGAIN_S", 0.01)

    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.send(do="start", profile="neck", lease=5)
        await home.until(lambda: "start neck" in home.daemon.lines)
        await home.daemon.end()
        await phone.see(lambda state: state["daemon"] == "absent")
        home.daemon.got.clear()
        await home.daemon.begin()
        await phone.see(lambda state: state["daemon"] == "online")
        await home.until(lambda: "profiles" in home.daemon.lines)
        assert {*home.daemon.lines} <= {"hello web", "events on", "?", "limits", "profiles"}

    at_home(tmp_path, test)


def test_silent_daemon_is_shown_as_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_ctl.remote.web.mirror.SILENT_MS", 20)
    monkeypatch.setattr("firmware_ctl.remote.web.bridge.ASK_S", 0.01)

    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        home.daemon.is_hanging = True
        await phone.see(lambda state: state["daemon"] == "silent")
        before = home.daemon.lines.count("start neck")
        await phone.send(do="start", profile="neck", lease=5)
        refused = await phone.see(lambda state: state["refused"])
        assert (refused["refused"]["code"], before) == ("not-ready", 0)
        assert "start neck" not in home.daemon.lines

    at_home(tmp_path, test)


def test_frame_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async def test(home: Home) -> None:
        phone = await home.phone(**home.paired())
        await phone.connection.write_message("x" * 200)
        assert await phone.see(lambda _: False) is None

    at_home(tmp_path, test)
