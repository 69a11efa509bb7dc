"""Facts about a machine, simulated and real."""

import errno
import math
import os
from pathlib import Path

import pytest

from firmware_ctl.doctor.machine import Calls, Machine, seconds
from tests.support.machines import CONFIG, GOOD_PI_4, STARTED, Make, opened


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Zero 2 W Rev 1.0", "0"),
        ("Model B Plus Rev 1.2", "1"),
        ("Compute Module Rev 1.0", "1"),
        ("3 Model B Plus Rev 1.3", "3"),
        ("Compute Module 4S Rev 1.0", "4"),
        ("400 Rev 1.0", "4"),
        ("500 Rev 1.0", "5"),
    ],
)
def test_family_is_the_digit_of_the_filter_of_the_board(
    model: str, family: str, machine: Make
) -> None:
    here = machine({"proc/device-tree/model": f"Raspberry Pi {model}\0"})
    assert here.family == family


def test_changed_since_start_ignores_times_in_the_future(machine: Make) -> None:
    here = machine({CONFIG: "x", "proc/stat": STARTED, "proc/uptime": "9.25 1.0"})
    assert not here.changed_since_start(f"/{CONFIG}")


def test_opened_by_finds_this_process() -> None:
    held, other = os.openpty()
    try:
        processes = dict(Machine().opened_by(os.ttyname(other)))
    finally:
        os.close(held)
        os.close(other)
    assert str(os.getpid()) in processes


def test_opened_by_skips_a_process_that_ends_meanwhile(
    machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(path: Path) -> list[str]:
        raise ProcessLookupError(errno.ESRCH, "No such process")

    here = machine(GOOD_PI_4 | opened(612, "agetty", "/dev/ttyS0", "/"))
    monkeypatch.setattr("os.listdir", ended)
    assert list(here.opened_by("/dev/serial0")) == []


def test_calls_of_this_machine_answer() -> None:
    own = Calls()
    assert own.clock_is_kept() in (True, False)
    assert own.deadman_doubt() == ""
    assert own.find_module("json")
    assert len(own.run("findmnt", "-bno", "FSTYPE,AVAIL,OPTIONS", "-T", "/").split()) == 3
    assert own.run("systemctl", "no-such-verb") == ""
    assert own.run("/no/such/command") == ""
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        own.ioctl("/dev/null", 0x8044B401, bytearray(68))


@pytest.mark.parametrize(
    ("text", "is_s"),
    [
        ("0", 0),
        ("10s", 10),
        ("1min 30s", 90),
        ("500ms", 0.5),
        ("1d", 86_400),
        ("infinity", math.inf),
    ],
)
def test_seconds_parses_times_of_systemd(text: str, is_s: float) -> None:
    assert seconds(text) == is_s
