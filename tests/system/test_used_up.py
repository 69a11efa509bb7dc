"""A machine that has no descriptor, process, thread or terminal left."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import PATIENCE_S, Client, Lines, Mock, command, environment

# --- a sentence, never a traceback

NOTHING_LEFT = """\
import errno, os, sys, threading
from firmware_ctl.cli.main import main

def no_process():
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

def no_thread(self):
    raise RuntimeError("can't start new thread")

def no_terminal():
    raise OSError("out of pty devices")

if sys.argv[1] == "process":
    os.fork = no_process
if sys.argv[1] == "thread":
    threading.Thread.start = no_thread
if sys.argv[1] == "terminal":
    os.openpty = no_terminal
main(sys.argv[2:])
"""


@pytest.mark.parametrize(("what", "words"), [("process", ["mock", "--no-view"]), ("process", ["run"]), ("thread", ["mock", "--no-view"])])  # fmt: skip
def test_command_without_a_process_or_thread_left_says_so(
    what: str, words: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_LEFT, what, *words],
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "firmware-ctl: no process can be started any more; end other programs, or raise "
        "`ulimit -u`\n",
    )


@pytest.mark.parametrize("most", range(5, 15))
def test_command_with_few_descriptors_says_so_or_runs(most: int, tmp_path: Path) -> None:
    limited = ["sh", "-c", f'ulimit -n {most}; exec "$@"', "sh"]
    with subprocess.Popen(
        [*limited, *command("mock", "--no-view")],
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            Lines(process.stdout.fileno()).until(lambda line: line.startswith("* ready"))
        except AssertionError:  # its output has ended
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 2
            assert errors.startswith(b"firmware-ctl: ")
            assert errors.count(b"\n") == 1
        else:
            process.terminate()
            assert process.communicate(timeout=PATIENCE_S)[1] == b""


def test_mock_without_a_terminal_to_be_had_runs_without_a_port(tmp_path: Path) -> None:
    """As in a container without /dev/pts."""
    program = [sys.executable, "-c", NOTHING_LEFT, "terminal"]
    with Mock(tmp_path, program=program) as mock:
        assert not mock.log.lines[0].startswith("serial port")
        assert mock.end() == (
            0,
            "firmware-ctl: there is no serial port, no terminal can be made: out of pty devices\n",
        )


# --- clients beyond the last descriptor


def test_stop_arrives_though_idle_clients_hold_every_descriptor(tmp_path: Path) -> None:
    program = ["sh", "-c", 'ulimit -n 32; exec "$@"', "sh", *command()]
    with Mock(tmp_path, program=program, speed=1) as mock, Client(mock.port) as port:
        port.start("long")
        idle = []
        for _ in range(60):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE_S)
            client.connect(mock.socket)
            idle.append(client)
        idle[-1].sendall(b"status\n")
        assert idle[-1].recv(99).startswith((b"ok state=running", b"* firmware-ctl"))
        with socket.socket(socket.AF_UNIX) as stopping:
            stopping.settimeout(PATIENCE_S)
            stopping.connect(mock.socket)
            stopping.sendall(b"!")
            assert b"* stopped" in stopping.recv(99)
        assert port.status()["state"] == "idle"
        for client in idle:
            client.close()


# --- a stop needs nothing


@pytest.mark.parametrize("what", ["thread", "process"])
def test_stop_without_a_thread_or_process_left_stops(what: str, tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as port:
        port.start("long")
        done = subprocess.run(
            [sys.executable, "-c", NOTHING_LEFT, what, "stop", "--socket", mock.socket],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert (done.returncode, done.stdout, done.stderr) == (
            0,
            f"{mock.socket}: all motors are off\n",
            "",
        )
        assert port.status()["state"] == "idle"
