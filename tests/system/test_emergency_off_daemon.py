"""`stop_daemon`: which daemon counts as idle, and which process is killed."""

import argparse
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from errno import EACCES, EMFILE, EPERM, ESRCH
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.hardware import emergency_off
from tests.support.gpio_chip import GpioChip
from tests.support.process import PATIENCE_S, Client, Mock, command

OTHER_USER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def test_stop_daemon_that_answers_is_idle_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        emergency_off, "IDLE_WITHIN_S", 10 * PATIENCE_S
    )  # a wait would fail the test
    with Mock(tmp_path) as mock, Client(mock.port) as port:
        port.start("long")
        for _ in range(2):
            pid = mock.process.pid
            assert emergency_off.stop_daemon(mock.socket) == (
                pid,
                f"the daemon (process {pid}) is idle",
                True,
            )
        assert port.status()["state"] == "idle"
        assert mock.end() == (0, "")


def test_stop_daemon_that_hangs_kills_it(tmp_path: Path) -> None:
    with Mock(tmp_path) as mock, Client(mock.port) as port:
        port.start("long")
        mock.process.send_signal(signal.SIGSTOP)
        os.waitpid(mock.process.pid, os.WUNTRACED)
        assert emergency_off.stop_daemon(mock.socket) == (
            0,
            f"the daemon on {mock.socket} was not idle within 0.2 s: "
            f"process {mock.process.pid} was killed",
            True,
        )
        assert mock.process.wait(PATIENCE_S) == -signal.SIGKILL
    assert emergency_off.stop_daemon(mock.socket) == (
        0,
        f"no daemon answers on {mock.socket}",
        True,
    )


@needs_root
def test_stop_daemon_that_hangs_in_another_network_namespace_kills_it(tmp_path: Path) -> None:
    """The service has PrivateNetwork=: its sockets are in another table than this process's."""
    with Mock(tmp_path, program=["unshare", "--net", *command()]) as mock:
        mock.process.send_signal(signal.SIGSTOP)
        os.waitpid(mock.process.pid, os.WUNTRACED)
        _, sentence, is_known = emergency_off.stop_daemon(mock.socket)
        assert is_known, sentence
        assert mock.process.wait(PATIENCE_S) == -signal.SIGKILL


def test_stop_daemon_without_a_daemon_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "IDLE_WITHIN_S", 10 * PATIENCE_S)
    path = str(tmp_path / "control.sock")
    assert emergency_off.stop_daemon(path) == (0, f"no daemon runs: there is no {path}", True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    assert emergency_off.stop_daemon(path) == (0, f"no daemon answers on {path}", True)
    too_long = str(tmp_path / ("x" * 200))
    assert (emergency_off.stop_daemon(too_long)[0], emergency_off.stop_daemon(too_long)[2]) == (
        0,
        False,
    )


def test_stop_daemon_without_a_descriptor_left_is_not_certain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(EMFILE, "Too many open files")

    monkeypatch.setattr(emergency_off.socket, "socket", fail)
    sentence = "no socket can be made: Too many open files"
    assert emergency_off.stop_daemon("s") == (0, sentence, False)


class Daemon:
    """A socket to a daemon that answers in these pieces, or cannot be reached."""

    def __init__(self, *pieces: bytes, error: OSError | None = None) -> None:
        self.pieces = list(pieces)
        self.error = error
        self.sent: list[bytes] = []
        self.is_closed = False

    def settimeout(self, seconds: float) -> None:
        assert 0 < seconds <= emergency_off.IDLE_WITHIN_S

    def connect(self, path: str) -> None:
        if self.error is not None:
            raise self.error

    def getsockopt(self, *_: int) -> bytes:
        return struct.pack("3i", 42, os.geteuid(), 0)

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def recv(self, size: int) -> bytes:
        return self.pieces.pop(0)

    def close(self) -> None:
        self.is_closed = True


def test_answer_that_arrives_in_pieces_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(b"* sto", b"pped\r\n* status sta", b"te=idle profile=")
    monkeypatch.setattr(emergency_off.socket, "socket", lambda *_: daemon)
    sentence = "the daemon (process 42) is idle"
    assert emergency_off.stop_daemon("/run/s") == (42, sentence, True)
    assert (daemon.sent, daemon.is_closed) == ([b"!?"], True)


def test_socket_that_this_user_may_not_use_is_not_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(error=PermissionError(EACCES, "Permission denied"))
    monkeypatch.setattr(emergency_off.socket, "socket", lambda *_: daemon)
    sentence = "/run/s is not yours to use; try it with sudo"
    assert emergency_off.stop_daemon("/run/s") == (0, sentence, False)


@pytest.mark.parametrize(("path", "folder"), [("/run/mat/s", "/run/mat"), ("s", ".")])
def test_trusted_are_root_this_user_and_the_owner_of_the_sockets_folder(
    path: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {folder: argparse.Namespace(st_uid=1002)}
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setattr(os, "stat", owners.__getitem__)
    assert emergency_off._trusted_users(path) == (0, 1001, 1002)


@pytest.mark.parametrize("answer", [b"* status state=fault profile= \r\n", b"", b"* status state="])
def test_stop_daemon_that_answers_other_than_idle_kills_it(
    tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = []
    monkeypatch.setattr(
        emergency_off, "_kill", lambda pid, is_meant: (killed.append(pid) or is_meant(pid), "done")
    )
    # The kernel has named the listener, so nobody else is looked at: that would take time.
    monkeypatch.setattr(emergency_off, "_processes", pytest.fail)
    path = str(tmp_path / "control.sock")
    requests = []

    def serve_one() -> None:
        client_socket, _ = listener.accept()
        with client_socket:
            requests.append(client_socket.recv(64))
            client_socket.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve_one)
        thread.start()
        assert emergency_off.stop_daemon(path) == (
            0,
            f"the daemon on {path} was not idle within 0.2 s: done",
            True,
        )
        thread.join()
    assert (requests, killed) == ([b"!?"], [os.getpid()])


def test_kill_refuses_special_process_numbers() -> None:
    assert [emergency_off._kill(pid, bool) for pid in (0, 1, -1, os.getpid())] == [
        (False, "its process cannot be found from here")
    ] * 4
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert emergency_off._kill(ended.pid, bool) == (True, f"process {ended.pid} has ended")


@pytest.mark.parametrize("call", ["pidfd_open", "pidfd_send_signal"])
@pytest.mark.parametrize(
    ("error", "has_ended", "sentence"),
    [
        (ProcessLookupError(ESRCH, "No such process"), True, "has ended"),
        (PermissionError(EPERM, "Not permitted"), False, "cannot be killed (Not permitted"),
    ],
)
def test_kill_counts_a_process_as_gone_only_if_it_is(
    call: str,
    error: OSError,
    has_ended: bool,
    sentence: str,
    child: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(os if call == "pidfd_open" else emergency_off.signal, call, fail)
    is_gone, words = emergency_off._kill(child.pid, lambda pid: True)
    assert is_gone is has_ended
    assert words.startswith(f"process {child.pid} {sentence}")
    assert child.poll() is None


def test_kill_of_a_reused_process_number_kills_nobody(
    child: "subprocess.Popen[bytes]",
) -> None:
    assert emergency_off._kill(child.pid, lambda pid: False) == (
        False,
        f"the number {child.pid} now belongs to another process, which was not killed",
    )
    assert child.poll() is None


INHERITED = """\
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
child = os.fork()
if child == 0:
    listener.listen(int(sys.argv[2]))
    os._exit(0)
os.waitpid(child, 0)
print(child, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("queue", [9, 0])
def test_stop_daemon_kills_the_listener_if_the_kernel_names_another_process(
    queue: int, tmp_path: Path, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that called listen has ended, and its number may belong to any process.

    With a full queue the kernel names no process at all.
    """
    path = str(tmp_path / "s")
    with subprocess.Popen(
        [sys.executable, "-c", INHERITED, path, str(queue)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        ended = int(holder.stdout.readline())
        unpack = emergency_off.struct.unpack
        monkeypatch.setattr(
            emergency_off.struct, "unpack", lambda form, data: (child.pid, *unpack(form, data)[1:])
        )
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(path)
            assert emergency_off.stop_daemon(path) == (
                0,
                f"the daemon on {path} was not idle within 0.2 s: process {holder.pid} was killed",
                True,
            )
        assert holder.wait() == -signal.SIGKILL
    assert child.poll() is None
    assert ended != holder.pid


def test_every_process_that_listens_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program has a socket whose path is no UTF-8, and the path ends in a space."""
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as listener:
        other.bind(os.fsencode(tmp_path) + b"/\xff")
        path = str(tmp_path / "control sock ")
        listener.bind(path)
        listener.listen()
        number = listener.fileno()
        with subprocess.Popen(["sleep", "600"], pass_fds=[number]) as heir:
            both = (min(heir.pid, os.getpid()), max(heir.pid, os.getpid()))
            monkeypatch.setattr(emergency_off, "_kill", lambda pid, _: (pid == heir.pid, f"{pid}!"))
            monkeypatch.setattr(emergency_off, "_processes", lambda: both)
            outcome = emergency_off._kill_listeners(path, 0)
            heir.kill()
    assert outcome == (False, f"{both[0]}!, {both[1]}!")


def test_stop_daemon_that_hangs_and_cannot_be_found_is_not_certain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example in another PID namespace."""
    path = str(tmp_path / "s")
    monkeypatch.setattr(emergency_off, "_processes", list)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(path)
        listener.listen(0)
        waiting.connect(path)
        sentence = (
            f"the daemon on {path} was not idle within 0.2 s: its process cannot be found from here"
        )
        assert emergency_off.stop_daemon(path) == (0, sentence, False)
        assert emergency_off.main([str(tmp_path), path]) == 1


@needs_root
def test_stop_daemon_does_not_ask_the_socket_of_another_user(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.seteuid(OTHER_USER)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        sentence = f"{path} belongs to another user (uid {OTHER_USER}); it is not asked"
        assert emergency_off.stop_daemon(path) == (0, sentence, False)
        asker, _ = listener.accept()
        with asker:
            assert asker.recv(9) == b""


@needs_root
def test_listens_is_false_for_a_process_of_another_user(tmp_path: Path) -> None:
    """A user may pass a listening socket to any process, so its owner is checked too."""
    path = str(tmp_path / "s")
    assert not emergency_off._listens(os.getpid(), path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert not emergency_off._listens(os.getpid(), path)
        listener.listen()
        assert emergency_off._listens(os.getpid(), path)
        assert not emergency_off._listens(os.getpid(), str(tmp_path / "other"))
        number = listener.fileno()
        with subprocess.Popen(
            ["sleep", "600"], pass_fds=[number], user=OTHER_USER
        ) as other_process:
            links = [f"/proc/{other_process.pid}/fd/{number}", f"/proc/self/fd/{number}"]
            assert os.readlink(links[0]) == os.readlink(links[1])
            listens = emergency_off._listens(other_process.pid, path)
            other_process.kill()
        assert not listens


@pytest.mark.parametrize("is_certain", [True, False])
def test_off_command_exits_0_only_if_it_is_certain_that_no_daemon_runs_a_motor(
    is_certain: bool, tmp_path: Path, gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pins are low both times. But a daemon that hangs and is not found may raise them again."""
    path = str(tmp_path / "s")
    emergency_off.write_lines(str(tmp_path), gpio_chip.chip, [17])
    monkeypatch.setattr(emergency_off, "_processes", list)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(path)
        if not is_certain:
            listener.listen(0)
            waiting.connect(path)
        with pytest.raises(SystemExit) as ended:
            main(["off", "--socket", path, "--state", str(tmp_path)])
    assert gpio_chip.requests
    assert ended.value.code == (0 if is_certain else 1)
