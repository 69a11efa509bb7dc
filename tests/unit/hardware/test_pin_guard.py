"""The pin guard: a forked child that drives the pins low after a death."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
