"""The live view of the real mock in a pseudo-terminal of 80x24: seen, pressed, quit, and killed."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import LONG, PATIENCE_S, command, environment


class Terminal:
    """`firmware-ctl mock` as someone sees it who types it into a terminal."""

    def __init__(self, home: Path, *options: str) -> None:
        profiles = home / "profiles"
        profiles.mkdir()
        (profiles / "long.yaml").write_text(LONG)
        (profiles / "other.yaml").write_text(LONG.replace("Long", "Other"))
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.view = subprocess.Popen(
            command(
                *("mock", "--profiles", str(profiles), "--socket", str(home / "s")),
                *("--state", str(home / "state"), "--trace", str(home / "trace.jsonl")),
                *options,
            ),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**environment(home), "TERM": "xterm", "PYTHONUTF8": "1"},
            start_new_session=True,
        )
        self.shown = b""
        self._seen = 0

    def see(self, words: str) -> None:
        """Waits until the words are shown, after those that were seen before."""
        while (found := self.shown.find(words.encode(), self._seen)) < 0:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.shown[-3000:]
            self.shown += os.read(self.master, 65536)
        self._seen = found + len(words.encode())

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    @property
    def daemon(self) -> int:
        """The view's child."""
        path = Path(f"/proc/{self.view.pid}/task/{self.view.pid}/children")
        (child,) = path.read_text().split()
        return int(child)

    def is_restored(self) -> bool:
        return bool(termios.tcgetattr(self.slave) == self.before)

    def close(self) -> None:
        self.view.kill()
        self.view.wait()
        os.close(self.master)
        os.close(self.slave)


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
    terminal.see("other is selected")
    terminal.type(" ")
    terminal.see("running")
    terminal.see("hum")
    terminal.see("40%")
    terminal.type("p")
    terminal.see("paused")
    terminal.type("p")
    terminal.see("running")
    terminal.type("!")
    terminal.see("idle")
    terminal.type("q")
    terminal.see("\x1b[?1049l")
    assert terminal.view.wait(PATIENCE_S) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert terminal.shown.count(b"serial port: ") == 1
    assert terminal.shown.startswith(b"serial port: ")
    assert not (tmp_path / "s").exists()
    rows = (tmp_path / "trace.jsonl").read_text().splitlines()
    assert '"state":"idle"' in rows[-1]


def test_a_killed_daemon_is_told_and_the_terminal_restored(terminal: Terminal) -> None:
    terminal.see("press the start button")
    os.kill(terminal.daemon, signal.SIGKILL)
    terminal.see("the daemon was killed by signal 9 (SIGKILL).")
    assert terminal.view.wait(PATIENCE_S) == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


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
        terminal.see(f"{tmp_path}/s is in the way and is no socket; name another with --socket")
        assert terminal.view.wait(PATIENCE_S) == 2
        assert termios.tcgetattr(terminal.slave) == terminal.before
        assert b"Traceback" not in terminal.shown
    finally:
        terminal.close()
