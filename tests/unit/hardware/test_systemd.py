"""What systemd hears, on a socket as systemd makes one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import PING_MS


class Manager:
    """The end that systemd holds."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[bytes]:
        found = []
        try:
            while True:
                found.append(self.socket.recv(100))
        except BlockingIOError:
            return found


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def manager(path: str) -> Iterator[Manager]:
    made = Manager(path)
    yield made
    made.socket.close()


def _systemd(path: str, **environ: str) -> Systemd:
    return Systemd({"NOTIFY_SOCKET": path, **environ}, process=7)


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The program keeps its socket to the end; here it is closed after each test."""
    made: list[socket.socket] = []
    real = socket.socket

    def make(*how: int) -> socket.socket:
        made.append(real(*how))
        return made[-1]

    monkeypatch.setattr(socket, "socket", make)
    yield
    for sock in made:
        sock.close()


def test_checked_ticks_ping_the_watchdog_again_and_again(path: str, manager: Manager) -> None:
    systemd = _systemd(path, WATCHDOG_USEC="2000000")
    heard = {}
    for now_ms in (0, 20, PING_MS - 1, PING_MS, PING_MS + 20, 2 * PING_MS, 10 * PING_MS):
        systemd.beat(now_ms, is_moving=False)
        heard[now_ms] = manager.heard()
    pings = [now_ms for now_ms, words in heard.items() if words]
    assert pings == [0, PING_MS, 2 * PING_MS, 10 * PING_MS]
    assert all(words in ([], [b"WATCHDOG=1"]) for words in heard.values())


def test_ready_and_stopping_are_told_in_systemds_words(path: str, manager: Manager) -> None:
    systemd = _systemd(path)
    systemd.ready()
    systemd.stopping()
    assert manager.heard() == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    ("environ", "is_promised"),
    [
        ({"WATCHDOG_USEC": "2000000"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_watchdog_of_another_process_or_of_no_time_is_none(
    environ: dict[str, str], is_promised: bool, path: str, manager: Manager
) -> None:
    systemd = _systemd(path, **environ)
    systemd.beat(0, is_moving=True)
    assert manager.heard() == [b"WATCHDOG=1"] * is_promised
    assert bool(systemd.start_inhibited_because) is not is_promised


def test_abstract_socket_is_reached() -> None:
    name = f"firmware-ctl-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    _systemd(f"@{name}").ready()
    assert manager.heard() == [b"READY=1"]


def test_manager_that_does_not_read_or_is_gone_holds_nothing_up(
    path: str, manager: Manager
) -> None:
    systemd = _systemd(path, WATCHDOG_USEC="2000000")
    for tick in range(1_000):  # more than any queue takes; a test that hangs here has failed
        systemd.beat(tick * PING_MS, is_moving=True)
    assert 0 < len(manager.heard()) < 1_000
    manager.socket.close()
    systemd.stopping()


def test_where_nobody_listens_nothing_is_told_and_nothing_doubted() -> None:
    systemd = Systemd({"WATCHDOG_USEC": "2000000"}, process=7)
    assert systemd.start_inhibited_because == ""
    systemd.ready()
    systemd.beat(0, is_moving=True)
    systemd.stopping()
