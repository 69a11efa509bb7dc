"""The messages to systemd, on a socket like systemd's own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.limits import PING_MS


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def received(self) -> list[bytes]:
        messages = []
        try:
            while True:
                messages.append(self.socket.recv(100))
        except BlockingIOError:
            return messages


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
    """Closes the sockets after each test. The daemon keeps its socket to the end."""
    made: list[socket.socket] = []
    real = socket.socket

    def make(*arguments: int) -> socket.socket:
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(socket, "socket", make)
    yield
    for sock in made:
        sock.close()


def test_beat_pings_the_watchdog_once_in_ping_ms(path: str, manager: Manager) -> None:
    systemd = _systemd(path, WATCHDOG_USEC="2000000")
    received = {}
    for now_ms in (0, 20, PING_MS - 1, PING_MS, PING_MS + 20, 2 * PING_MS, 10 * PING_MS):
        systemd.beat(now_ms, is_moving=False)
        received[now_ms] = manager.received()
    pings = [now_ms for now_ms, messages in received.items() if messages]
    assert pings == [0, PING_MS, 2 * PING_MS, 10 * PING_MS]
    assert all(messages in ([], [b"WATCHDOG=1"]) for messages in received.values())


def test_ready_and_stopping_send_their_messages(path: str, manager: Manager) -> None:
    systemd = _systemd(path)
    systemd.ready()
    systemd.stopping()
    assert manager.received() == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    ("environ", "has_watchdog"),
    [
        ({"WATCHDOG_USEC": "2000000"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}, True),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
)
def test_watchdog_of_another_process_or_without_a_time_is_no_watchdog(
    environ: dict[str, str], has_watchdog: bool, path: str, manager: Manager
) -> None:
    systemd = _systemd(path, **environ)
    systemd.beat(0, is_moving=True)
    assert manager.received() == [b"WATCHDOG=1"] * has_watchdog
    assert bool(systemd.start_inhibited_because) is not has_watchdog


def test_ready_reaches_an_abstract_socket() -> None:
    name = f"firmware-ctl-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    _systemd(f"@{name}").ready()
    assert manager.received() == [b"READY=1"]


def test_beat_to_a_manager_that_does_not_read_or_is_gone_does_not_block(
    path: str, manager: Manager
) -> None:
    systemd = _systemd(path, WATCHDOG_USEC="2000000")
    for tick in range(1_000):  # more than any queue takes; a test that hangs here has failed
        systemd.beat(tick * PING_MS, is_moving=True)
    assert 0 < len(manager.received()) < 1_000
    manager.socket.close()
    systemd.stopping()


def test_without_systemd_nothing_is_sent_and_starts_are_allowed() -> None:
    systemd = Systemd({"WATCHDOG_USEC": "2000000"}, process=7)
    assert systemd.start_inhibited_because == ""
    systemd.ready()
    systemd.beat(0, is_moving=True)
    systemd.stopping()
