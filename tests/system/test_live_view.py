"""The live view as a process in a real terminal, and why it says that the daemon has ended."""

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_ctl.cli.live_view import describe_end
from tests.support.process import PATIENCE_S, ROOT
from tests.support.view import RUNNING, hello, selected, status


def test_describe_end_for_every_way_to_end() -> None:
    kill = int(signal.SIGKILL)
    assert [
        describe_end(0, "", overdue=False),
        describe_end(1 << 8, "tick-late", overdue=False),
        describe_end(2 << 8, "", overdue=False),
        describe_end(kill, "", overdue=False),
        describe_end(kill, "", overdue=True),
        describe_end(kill, "", overdue=False, running=True),
        describe_end(int(signal.SIGSEGV), "", overdue=False, running=True),
    ] == [
        (0, ""),
        (1, "the daemon ended with exit code 1 after the fault tick-late."),
        (2, "the daemon ended with exit code 2."),
        (1, "the daemon was killed by signal 9 (SIGKILL)."),
        (1, "the daemon did not end within 2 s and was killed."),
        (
            1,
            "the daemon was killed by signal 9 (SIGKILL) while a session ran, "
            "as its dead-man does when it hangs or is stopped.",
        ),
        (1, "the daemon was killed by signal 11 (SIGSEGV)."),
    ]


FAKE = """
import os, signal, socket, sys
ours, its = socket.socketpair()
child_pid = os.fork()
if child_pid:
    its.close()
    from firmware_ctl.cli.live_view import run
    sys.exit(run(ours, child_pid, "serial port: /dev/pts/5"))
ours.close()
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
heard_file, may_read, *lines = sys.argv[1:]
its.sendall(b"\\r\\n".join(line.encode() for line in lines) + b"\\r\\n")
if may_read:
    open(may_read).read()
with open(heard_file, "wb", buffering=0) as file:
    heard = b""
    while more := its.recv(100):
        heard += more
        file.write(more)
        if b"press\\r\\n" in heard:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"press long\\r\\n" in heard:
            os.kill(os.getppid(), signal.SIGTERM)
sys.exit(3)
"""
"""The view of a daemon that keeps what it hears in a file.

Words: that file; a named pipe whose end it awaits before it hears, or nothing; what it reports.
"""


class View:
    """The view in a pseudo-terminal of 80x24."""

    def __init__(
        self,
        home: Path,
        *lines: str,
        may_read: str = "",
        shell: bool = False,
        term: str = "xterm",
    ) -> None:
        """`shell`: it is a job of an interactive bash."""
        self.heard_file = home / "heard"
        self.heard_file.touch()
        self.shown = b""
        self.all_shown = b""
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.modes = termios.tcgetattr(self.slave)
        command = [sys.executable, "-c", FAKE, str(self.heard_file), may_read, *lines]
        terminal = os.ttyname(self.slave)
        bash = [
            "bash",
            "-c",
            f"exec env PS1='$ ' bash --norc --noediting -i <> {terminal} >&0 2>&0",
        ]
        self.process = subprocess.Popen(
            bash if shell else command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=ROOT,
            env={**os.environ, "TERM": term, "PYTHONUTF8": "1", "PS1": "$ "},
            start_new_session=True,
        )
        if shell:
            self.see("$ ")
            self.type(f"{shlex.join(command)}\n")

    def see(self, words: str) -> None:
        """Waits until the words are shown, after those that were seen before."""
        _, found, after = self.shown.partition(words.encode())
        while not found:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.shown[-3000:]
            data = os.read(self.master, 4096)
            self.shown += data
            self.all_shown += data
            _, found, after = self.shown.partition(words.encode())
        self.shown = after

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def heard(self, least: bytes) -> bytes:
        """All that the daemon has heard, once these bytes are among it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while least not in (heard := self.heard_file.read_bytes()):
            assert time.monotonic() < deadline_s, heard
            time.sleep(0.01)
        return heard

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def viewed(
    home: Path, *lines: str, may_read: str = "", shell: bool = False, term: str = "xterm"
) -> Iterator[View]:
    view = View(home, *lines, may_read=may_read, shell=shell, term=term)
    try:
        yield view
    finally:
        view.close()


@pytest.mark.parametrize(
    ("keys", "code", "heard", "reason"),
    [
        ("4q", 3, b"select neck\r\n!", "the daemon ended with exit code 3."),
        ("4\x03", 3, b"select neck\r\n!", "the daemon ended with exit code 3."),
        ("4\x04", 3, b"select neck\r\n!", "the daemon ended with exit code 3."),
        (
            "\x1b[A!h",
            3,
            b"select full-body\r\n!press long\r\n!",
            "the daemon ended with exit code 3.",
        ),
        (" ", 1, b"press\r\n", "the daemon was killed by signal 9 (SIGKILL)."),
    ],
    ids=["q", "ctrl-c", "ctrl-d", "sigterm", "killed"],
)
def test_in_a_terminal_that_is_restored_whatever_happens(
    keys: str, code: int, heard: bytes, reason: str, tmp_path: Path
) -> None:
    with viewed(tmp_path, hello(), selected(), status()) as view:
        view.see("serial port: /dev/pts/5\r\n\x1b[?1049h")
        view.see("guided-points")
        view.type(keys)
        view.see(f"\x1b[?25h\x1b[?1049lfirmware-ctl: {reason}\r\n")
        assert view.process.wait(PATIENCE_S) == code
        assert view.shown == b""
        assert termios.tcgetattr(view.slave) == view.modes
        assert view.heard(heard) == b"events on\r\n" + heard


def test_a_stop_reaches_the_daemon_while_the_terminal_takes_no_picture(tmp_path: Path) -> None:
    def is_stalled() -> bool:
        return not select.select([], [view.slave], [], 0)[1]

    with viewed(tmp_path, hello(), selected(), status()) as view:
        view.see("next profile")
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_stalled():  # the help page and a message are different pictures
            assert time.monotonic() < deadline_s
            view.type("?x9")
            time.sleep(0.15)
        view.type("4!")
        assert view.heard(b"!") == b"events on\r\nselect neck\r\n!"
        view.type("q")
        view.see("\x1b[?1049lfirmware-ctl: the daemon ended with exit code 3.\r\n")


def test_a_busy_daemon_hears_the_stop_first_and_every_key(tmp_path: Path) -> None:
    may_read = tmp_path / "may-read"
    os.mkfifo(may_read)
    with viewed(tmp_path, hello(), selected(), status(), may_read=str(may_read)) as view:
        view.see("next profile")
        for _ in range(20):
            view.type("c" * 100)  # more than a channel holds
        view.type("!?")
        view.see("Any key goes back.")
        may_read.open("w").close()
        view.type("\x1b4")
        heard = view.heard(b"select neck\r\n")
        at_once, _, later = heard.partition(b"!")
        assert later
        assert (at_once + later).replace(b"clear\r\n", b"") == b"events on\r\n!select neck\r\n"
        assert heard.count(b"clear\r\n") == 2000
        assert later.endswith(b"clear\r\n!select neck\r\n")


def test_ctrl_z_stops_the_mat_and_gives_the_terminal_to_the_shell_until_fg(tmp_path: Path) -> None:
    with viewed(tmp_path, hello(), selected(), status(), shell=True) as view:
        for keys in ("\x1a", "\x1a"):
            view.see("next profile")
            view.type(keys)
            view.see("\x1b[?25h\x1b[?1049l")
            view.see("Stopped")
            view.see("$ ")
            assert termios.tcgetattr(view.slave) == view.modes
            view.type("fg\n")
            view.see("\x1b[?1049h")
        view.see("next profile")
        assert view.heard(b"!!") == b"events on\r\n!!"
        view.type("q")
        view.see("\x1b[?1049lfirmware-ctl: the daemon ended with exit code 3.\r\n")


def test_ctrl_z_where_no_shell_could_continue_the_view_only_stops_the_mat(tmp_path: Path) -> None:
    with viewed(tmp_path, hello(), selected(), status()) as view:
        view.see("next profile")
        view.type("\x1a")
        view.see("\x1b[?1049l")
        view.see("\x1b[?1049h")
        view.see("next profile")
        view.type("4q")
        view.see("\x1b[?1049lfirmware-ctl: the daemon ended with exit code 3.\r\n")
        assert view.heard(b"neck") == b"events on\r\n!select neck\r\n!"


def test_keys_of_more_than_one_character(tmp_path: Path) -> None:
    """Also if the terminal sends them in parts. Esc, a mouse and other keys do nothing."""
    with viewed(tmp_path, hello(), selected(), status()) as view:
        view.see("next profile")
        for part in (
            "\x1bOB",
            "\x1b[200~\x1b[<0;3;4M",
            "\x1b",
            "[",
            "A\x1b\x1b[5~",
            "\r",
            "\x1b",
            "!",
        ):
            view.type(part)
            time.sleep(0.05)
        heard = view.heard(b"!")
        assert heard == b"events on\r\nselect neck\r\nselect guided-points\r\nstart\r\n!"
        view.type("q")
        view.see("exit code 3")


def test_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    with viewed(tmp_path, hello(), selected(), status(), RUNNING, term="dumb") as view:
        view.see("Keys: space starts or stops")
        view.see("running, guided-points, knead, 2 of 4, 1:40 of 12:00 | Started guided-points.")
        view.type("q")
        view.see("exit code 3")
        assert b"\x1b[?1049" not in view.all_shown
