"""The pin guard: a forked child that drives the pins low after a death."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from errno import EINVAL, ENOSYS
from pathlib import Path

import pytest

from firmware_ctl.hardware import emergency_off, pin_guard
from tests.support.gpio_chip import GpioChip
from tests.support.process import PATIENCE_S, Lines, environment

GUARDED = """\
import os, signal, sys
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17, 27])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: print("low:", *pins, flush=True) or len(pins) - 1
pin_guard.fork_pin_guard(sys.argv[1])
print("plays", flush=True)
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT", "SIGTERM"])
def test_pin_guard_drives_the_pins_low_at_a_death(how: str, tmp_path: Path) -> None:
    """`run` waits for the end of the output, which the guard holds open until it ends."""
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path), how],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    first, *attempts, one, other = done.stdout.splitlines()
    assert (first, one, other) == ("plays", "low: 17", "low: 27")
    assert set(attempts) == {"low: 17 27"}


SIGNALLED = """\
import os, signal, sys, time
from pathlib import Path
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: os.write(1, b"low\\n") and 0
pin_guard.fork_pin_guard(sys.argv[1])
guard = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
mask = sum(1 << number - 1 for number in numbers)
until_s = time.monotonic() + 5
ignored = 0
while ignored & mask != mask and time.monotonic() < until_s:  # the guard may not run yet
    status = Path(f"/proc/{guard}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
for number in numbers:
    os.kill(guard, number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_pin_guard_outlives_the_signals_to_a_whole_service_or_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(tmp_path)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "low\n", "")


ENDING = """\
import os, sys
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17, 27])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: os.write(1, b"low\\n") and 0
pin_guard.fork_pin_guard(sys.argv[1])
os.close(pin_guard.ABOVE_ALL)
sys.stdin.read()
"""


def test_pin_guard_drives_the_pins_low_while_a_port_delays_the_death(tmp_path: Path) -> None:
    """The kernel closes the highest descriptors first, and waits for a port to send its bytes."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDING, str(tmp_path)],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert Lines(process.stdout.fileno()).until(bool) == "low"
        assert process.poll() is None
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


# --- the two sides of the fork, each in this process


class Ended(BaseException):
    """Takes the place of `os._exit`."""


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GpioChip:
    """The chip of a state folder, `tmp_path`, that names GPIO 17 and 27."""
    made = GpioChip(tmp_path / "gpiochip0")
    files = {made.chip: made.file}
    monkeypatch.setattr(emergency_off, "open_chip", lambda path: os.open(files[path], os.O_RDWR))
    emergency_off.write_lines(str(tmp_path), made.chip, [17, 27])
    return made


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that takes the place of the daemon."""
    process = subprocess.Popen(["sleep", "600"])
    pidfd_open = os.pidfd_open
    pids = {os.getpid(): process.pid, process.pid: process.pid}
    monkeypatch.setattr(os, "pidfd_open", lambda pid: pidfd_open(pids[pid]))
    yield process
    process.kill()
    process.wait()


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def open_fds() -> set[int]:
    return {int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}


def test_guard_ignores_the_usual_signals_waits_for_the_death_and_ends(
    chip: GpioChip,
    daemon: "subprocess.Popen[bytes]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[object] = []
    before = open_fds()

    def wait(readers: list[int], *rest: object) -> object:
        """The guard waits for the daemon's end and for the pipe's, and holds no end that would keep
        the pipe open."""
        if len(calls) == 3:
            calls.append((len(readers), *rest))
            assert len(open_fds() - before) == 2
            end(daemon)
        return real_select(readers, *rest)

    def ended(code: int) -> None:
        raise Ended(code)

    real_select = select.select
    chip.held = {27: 0}
    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(os, "_exit", ended)
    monkeypatch.setattr(fcntl, "ioctl", chip.ioctl)
    monkeypatch.setattr(signal, "signal", lambda *call: calls.append(call))
    monkeypatch.setattr(select, "select", wait)
    with pytest.raises(Ended) as code:
        pin_guard.fork_pin_guard(str(tmp_path))
    assert code.value.args == (0,)
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    assert calls == [*((number, signal.SIG_IGN) for number in numbers), (2, [], [])]
    assert chip.requests == [[17, 27], [17, 27], [17], [27]]
    assert chip.low == {17}
    for fd in open_fds() - before:
        os.close(fd)


def drive_low(daemon: "subprocess.Popen[bytes]", folder: Path) -> None:
    before = open_fds()
    pidfd = os.pidfd_open(daemon.pid)
    pin_guard._drive_pins_low(str(folder), pidfd)
    for fd in open_fds() - before:
        os.close(fd)


def test_guard_tries_again_until_the_kernel_has_freed_the_lines(
    chip: GpioChip,
    daemon: "subprocess.Popen[bytes]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ioctl(fd: int, number: int, data: bytearray) -> None:
        if len(chip.requests) == 3:
            end(daemon)
        chip.ioctl(fd, number, data)

    chip.held = {17: daemon.pid, 27: daemon.pid}
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    drive_low(daemon, tmp_path)
    assert chip.requests == [[17, 27]] * 4
    assert chip.low == {17, 27}


def test_guard_leaves_a_line_that_another_program_holds(
    chip: GpioChip,
    daemon: "subprocess.Popen[bytes]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chip.held = {17: 0}
    monkeypatch.setattr(fcntl, "ioctl", chip.ioctl)
    end(daemon)
    drive_low(daemon, tmp_path)
    assert chip.requests == [[17, 27], [17, 27], [17], [27]]
    assert chip.low == {27}


@pytest.mark.parametrize("has_room", [True, False])
def test_daemon_keeps_one_end_of_a_pipe_and_nothing_else(
    has_room: bool, daemon: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(EINVAL, "Invalid argument")

    before = open_fds()
    monkeypatch.setattr(os, "fork", lambda: 4711)
    if not has_room:
        monkeypatch.setattr(fcntl, "fcntl", fail)
    pin_guard.fork_pin_guard("/nowhere")
    (kept,) = open_fds() - before
    assert (kept >= pin_guard.ABOVE_ALL) is has_room
    assert not os.get_inheritable(kept)
    with pytest.raises(BrokenPipeError):  # the other end is the guard's alone
        os.write(kept, b".")
    os.close(kept)


@pytest.mark.parametrize("error", [AttributeError("pidfd_open"), OSError(ENOSYS, "no pidfd")])
def test_kernel_without_pidfd_gets_no_guard(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pid: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", fail)
    monkeypatch.setattr(os, "fork", pytest.fail)
    pin_guard.fork_pin_guard("/nowhere")
