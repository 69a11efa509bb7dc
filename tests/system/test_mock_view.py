"""The live view of the real mock in a pseudo-terminal of 80x24: seen, pressed, quit, and killed."""

import os
import select
import signal
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import LONG, PATIENCE_S
from tests.support.process import Terminal as Typed


class Terminal(Typed):
    """`firmware-ctl mock` with two profiles."""

    def __init__(self, home: Path, *options: str) -> None:
        profiles = home / "profiles"
        profiles.mkdir()
        (profiles / "long.yaml").write_text(LONG)
        (profiles / "other.yaml").write_text(LONG.replace("Long", "Other"))
        super().__init__(
            home,
            *("mock", "--profiles", str(profiles), "--socket", str(home / "s")),
            *("--state", str(home / "state"), "--trace", str(home / "trace.jsonl")),
            *options,
        )
        self.view = self.process

    @property
    def daemon(self) -> int:
        return self.child


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


def test_seen_pressed_and_quit(terminal: Terminal, tmp_path: Path) -> None:
    terminal.see("serial port: /dev/")
    for words in ("\x1b[?1049h", "Reference mat", "idle", "long", "other", "The mat is ready."):
        terminal.see(words)
    terminal.type("2")
    terminal.see("Selected other.")
    terminal.type("\x1b[A")
    terminal.see("Selected long.")
    terminal.type("\r")
    terminal.see("running")
    terminal.see("Started long.")
    terminal.see("hum")
    terminal.see("40%")
    terminal.type("p")
    terminal.see("paused")
    terminal.type("p")
    terminal.see("running")
    terminal.type("!")
    terminal.see("idle")
    terminal.see("Stopped. The start button works again in ")
    terminal.type("q")
    terminal.see("\x1b[?1049lStopped. All motors are off.\r\n")
    assert terminal.view.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert terminal.shown.count(b"serial port: ") == 1
    assert terminal.shown.startswith(b"serial port: ")
    assert not (tmp_path / "s").exists()
    rows = (tmp_path / "trace.jsonl").read_text().splitlines()
    assert '"state":"idle"' in rows[-1]


def test_serial_port_is_shown_by_the_name_of_its_link(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--link", "port")
    try:
        terminal.see("serial port  \x1b[0mport ")
    finally:
        terminal.close()


def test_a_profile_is_refused_and_a_session_ends_by_itself(tmp_path: Path) -> None:
    profiles = tmp_path / "p"
    profiles.mkdir()
    (profiles / "long.yaml").write_text(LONG)
    (profiles / "bad.yaml").write_text("title: Bad\n")
    words = ("mock", "--profiles", str(profiles), "--socket", str(tmp_path / "s"))
    terminal = Typed(tmp_path, *words, "--speed", "300")
    try:
        terminal.see("profiles, 1 refused")
        terminal.see("The mat is ready. 1 profile is refused:")
        terminal.type(" ")
        terminal.see("running")
        terminal.see("The session is over.")
    finally:
        terminal.close()


def test_a_killed_daemon_is_told_and_the_terminal_restored(terminal: Terminal) -> None:
    terminal.see("next profile")
    os.kill(terminal.daemon, signal.SIGKILL)
    terminal.see("the daemon was killed by signal 9 (SIGKILL). The simulated motors are off; ")
    assert terminal.view.wait(PATIENCE_S) == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


@pytest.mark.parametrize("is_own", [True, False], ids=["own", "replaced"])
def test_the_view_removes_link_and_socket_of_a_killed_daemon_and_no_others(
    is_own: bool, tmp_path: Path
) -> None:
    link, path = tmp_path / "port", tmp_path / "s"
    terminal = Terminal(tmp_path, "--link", str(link))
    with socket.socket(socket.AF_UNIX) as other:
        try:
            terminal.see("next profile")
            assert link.is_symlink()
            assert path.is_socket()
            if not is_own:
                link.unlink()
                link.symlink_to("/dev/pts/x")
                path.unlink()
                other.bind(str(path))
                other.listen()
            os.kill(terminal.daemon, signal.SIGKILL)
            assert terminal.view.wait(PATIENCE_S) == 1
            assert (link.is_symlink(), path.exists()) == (not is_own, not is_own)
        finally:
            terminal.close()


def test_the_daemon_goes_with_a_killed_view(terminal: Terminal, tmp_path: Path) -> None:
    terminal.see("The mat is ready.")
    terminal.type(" ")
    terminal.see("running")
    daemon = os.pidfd_open(terminal.daemon)
    try:
        terminal.view.kill()
        terminal.view.wait()
        assert select.select([daemon], [], [], PATIENCE_S)[0]
    finally:
        os.close(daemon)
    last = (tmp_path / "trace.jsonl").read_text().splitlines()[-1]
    assert '"state":"idle","level":[0,0,0,0,0,0,0,0]' in last
    assert not (tmp_path / "s").exists()


def test_a_mistake_is_said_on_the_restored_terminal(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("no socket")
    terminal = Terminal(tmp_path)
    try:
        terminal.see(f"{tmp_path}/s is in the way and is not a socket; name another with --socket")
        assert terminal.view.wait(PATIENCE_S) == 2
        assert termios.tcgetattr(terminal.slave) == terminal.before
        assert b"Traceback" not in terminal.shown
        assert b"exit code" not in terminal.shown
        assert b"serial port: " not in terminal.shown
    finally:
        terminal.close()


def test_second_mock_says_in_one_line_that_the_first_one_runs(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.see("The mat is ready.")
    second = Typed(tmp_path, "mock", "--socket", str(tmp_path / "s"))
    try:
        assert second.process.wait(PATIENCE_S) == 2
        second.see("with --socket PATH\r\n")
        assert second.shown.decode() == (
            f"firmware-ctl: a mock is already running ({tmp_path}/s); quit it, or start this one "
            "with --socket PATH\r\n"
        )
    finally:
        second.close()


@pytest.mark.parametrize("size", ["0", "20"])
def test_the_view_has_the_terminals_size_whatever_the_environment_says(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", size)
    monkeypatch.setenv("LINES", size)
    terminal = Terminal(tmp_path)
    terminal.see("Reference mat")
    terminal.see("next profile")  # in the last line but one
    terminal.type("q")
    assert terminal.view.wait(PATIENCE_S) == 0
    terminal.close()
