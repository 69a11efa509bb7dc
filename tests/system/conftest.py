"""A fake GPIO chip for `emergency_off`, a process that may be killed, and a builder's terminals."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.hardware import emergency_off
from tests.support.builder import QUICK
from tests.support.gpio_chip import GpioChip
from tests.support.process import Terminal


@pytest.fixture
def gpio_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GpioChip:
    chip = GpioChip(tmp_path / "gpiochip0")
    monkeypatch.setattr(fcntl, "ioctl", chip.ioctl)
    monkeypatch.setattr(emergency_off, "open_chip", lambda _: os.open(chip.file, os.O_RDWR))
    monkeypatch.setattr(emergency_off, "_holders", chip.holders)
    return chip


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def mat_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(QUICK)
    return path


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.close()
