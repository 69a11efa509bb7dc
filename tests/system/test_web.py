"""The page's bridge beside a real mock: leases, stops, and the ends of phone, bridge and mock."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tornado.websocket import websocket_connect

from firmware_ctl.remote.web.stopping import NO_ANSWER
from tests.support.process import PATIENCE_S, ROOT, Client, Mock, call, environment
from tests.support.web import Browser


class Page:
    """The page of a mock, and a client on its serial port."""

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        (self.address,) = (
            line.removeprefix("web page: ").rstrip("/")
            for line in mock.log.lines
            if line.startswith("web page: ")
        )
        self.client = Client(mock.port)

    @property
    def child(self) -> int:
        """The process of the bridge."""
        path = Path(f"/proc/{self.mock.process.pid}/task/{self.mock.process.pid}/children")
        for pid in path.read_text().split():
            if b"beside_mock" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        raise AssertionError("the mock has no bridge")

    def get(self, path: str) -> Any:
        with urlopen(self.address + path, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def wait_until_online(self) -> None:
        """Waits until the bridge, which starts beside the mock, has found it."""
        until_s = time.monotonic() + PATIENCE_S
        while self.get("/state")["daemon"] != "online":
            assert time.monotonic() < until_s

    def stop(self) -> tuple[int, str]:
        try:
            with urlopen(
                Request(f"{self.address}/stop", method="POST"), timeout=PATIENCE_S
            ) as done:
                return done.status, ""
        except HTTPError as error:
            with error:
                return error.code, json.load(error)["message"]

    async def phone(self) -> Browser:
        until_s = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            with suppress(OSError):
                return Browser(await websocket_connect(f"{self.address.replace('http', 'ws')}/ws"))
            assert asyncio.get_running_loop().time() < until_s
            await asyncio.sleep(0.01)


def at_mock(tmp_path: Path, test: Callable[[Page], Awaitable[None]], speed: float = 1) -> None:
    with Mock(tmp_path / "home", "--web", "127.0.0.1:0", speed=speed) as mock:
        page = Page(mock)
        page.client.ask("events on")
        with page.client:
            asyncio.run(test(page))


async def start(page: Page, lease_s: int) -> Browser:
    phone = await page.phone()
    await phone.see(lambda state: state["daemon"] == "online" and state["mat"]["has_button"])
    await phone.send(do="start", profile="long", lease=lease_s)
    shown = await phone.see(lambda state: state["state"] == "running")
    assert (shown["by"], shown["refused"]) == ("web", None)
    return phone


async def closed(phone: Browser) -> None:
    phone.close()
    await phone.see(lambda _: False)


def test_web_stop_ends_the_session_and_is_named(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 0)
        assert await asyncio.to_thread(page.stop) == (204, "")
        shown = await phone.see(lambda state: state["state"] == "idle")
        assert (shown["by"], shown["reason"]) == ("web", "stop")
        assert page.client.status()["state"] == "idle"
        await closed(phone)

    at_mock(tmp_path, test)


def test_web_frame_stops_from_a_second_phone(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone, other = await start(page, 5), await page.phone()
        await other.stop()
        shown = await phone.see(lambda state: state["state"] == "idle")
        assert shown["reason"] == "stop"
        await closed(phone)
        await closed(other)

    at_mock(tmp_path, test)


def test_web_closed_tab_ends_the_session_that_it_holds(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 5)
        await closed(phone)
        assert "reason=closed" in page.client.told_until("state=idle")

    at_mock(tmp_path, test)


def test_web_closed_tab_leaves_the_session_of_whom_lies_on_the_mat(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 0)
        await closed(phone)
        other = await page.phone()
        assert (await other.see(lambda state: state["t"] > 0.2))["state"] == "running"
        await closed(other)

    at_mock(tmp_path, test)


def test_web_phone_that_sends_nothing_loses_its_session(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 5)  # and its page, which hangs, sends no ping
        shown = await phone.see(lambda state: state["state"] == "idle")
        assert shown["reason"] == "lease"
        await closed(phone)

    at_mock(tmp_path, test)


def test_web_killed_bridge_ends_the_session_that_a_phone_holds(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 5)
        os.kill(page.child, signal.SIGKILL)
        assert "reason=closed" in page.client.told_until("state=idle")
        await closed(phone)

    at_mock(tmp_path, test)


def test_web_stop_of_a_stopped_daemon_says_so(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await page.phone()
        await phone.see(lambda state: state["daemon"] == "online")
        os.kill(page.mock.process.pid, signal.SIGSTOP)
        assert await asyncio.to_thread(page.stop) == (504, NO_ANSWER)
        await phone.see(lambda state: state["daemon"] == "silent")
        os.kill(page.mock.process.pid, signal.SIGCONT)
        await phone.see(lambda state: state["daemon"] == "online")
        await closed(phone)

    at_mock(tmp_path, test)


def test_web_picture_is_that_of_the_daemons_session(tmp_path: Path) -> None:
    async def test(page: Page) -> None:
        phone = await start(page, 0)
        shown = await asyncio.to_thread(page.get, "/profiles/long")
        assert shown["cert"] == page.client.status()["cert"]
        await closed(phone)

    at_mock(tmp_path, test)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_web_bridge_ends_with_its_mock(number: signal.Signals, tmp_path: Path) -> None:
    with Mock(tmp_path / "home", "--web", "127.0.0.1:0", speed=1) as mock:
        bridge = os.pidfd_open(Page(mock).child)
        mock.process.send_signal(number)
        with os.fdopen(bridge):
            assert wait_readable(bridge)


def wait_readable(fd: int) -> bool:
    import select

    return bool(select.select([fd], [], [], PATIENCE_S)[0])


def test_web_example_of_the_document_pairs_and_stops(tmp_path: Path) -> None:
    with Mock(tmp_path / "home", "--web", "127.0.0.1:0", speed=1) as mock:
        page = Page(mock)
        page.client.start("long")
        page.wait_until_online()
        code = paired_code(mock)
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "web_stop.py"), page.address, code],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        page.client.port.close()
        assert (done.stderr, done.returncode) == ("", 0)
        first, second = done.stdout.splitlines()
        assert re.fullmatch(r"running long \d+ s left", first)
        assert second == "idle"
        listed = call(mock.home, "web", "devices").stdout
        assert listed.split()[2:] == ["a", "program"]
        assert call(mock.home, "web", "revoke", "all").stdout.endswith("is not paired any more\n")


def paired_code(mock: Mock) -> str:
    done = call(mock.home, "web", "pair")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("code ")[1].split()[0]


def test_web_commands_without_a_page_are_one_sentence(tmp_path: Path) -> None:
    for action in ("pair", "devices"):
        done = call(tmp_path, "web", action)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("firmware-ctl: the page for phones does not run")
        assert done.stderr.count("\n") == 1


def test_web_without_tornado_is_one_sentence(tmp_path: Path) -> None:
    """As in a Python without the library."""
    hidden = (
        "import sys, importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'tornado' else found(name, *a)\n"
        "from firmware_ctl.__main__ import main; sys.argv = ['firmware-ctl', *sys.argv[1:]]; main()"
    )
    for words in (["web"], ["web", "pair"], ["mock", "--web"]):
        done = subprocess.run(
            [sys.executable, "-c", hidden, *words],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "needs tornado (extra web), which is not installed: " in done.stderr
