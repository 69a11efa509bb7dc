"""`off`: what it does first, and when it may say that all is well."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import pytest

from firmware_ctl.cli import off
from firmware_ctl.config import paths, shipped
from firmware_ctl.hardware import emergency_off

ABSENT = (0, "no daemon runs: there is no /run/firmware-ctl/control.sock", True)
NO_CHIP = "no GPIO chip of a Pi can be opened here"


class Machine:
    """A machine whose service, mocks and pins are recorded in the order in which they are asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = folder
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[], tuple[int, str, bool]]] = {}
        """Socket → what `stop_daemon` returns for it. A socket without one has no daemon."""
        self.chip = ""
        self.model = folder / "model"
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(emergency_off, "stop_daemon", self._stop)
        monkeypatch.setattr(emergency_off, "find_chip", lambda: self.chip)
        monkeypatch.setattr(emergency_off, "drive_low", self._drive_low)
        monkeypatch.setattr(off, "MODEL_FILE", str(self.model))
        monkeypatch.setattr(off, "glob", lambda _: [])
        self.mocks("mock")

    def mocks(self, first: str, *linked: str) -> None:
        self._monkeypatch.setattr(paths, "mock_socket", lambda: first)
        self._monkeypatch.setattr(paths, "linked_mock_sockets", lambda: [*linked])

    def forbid_chip(self) -> None:
        self._monkeypatch.setattr(off, "glob", lambda _: ["/dev/gpiochip0"])
        self._monkeypatch.setattr(os, "access", lambda *_: False)

    def off(self) -> int:
        return off.all_low(
            argparse.Namespace(socket=None, state=str(self.state), mat=shipped.mat_file())
        )

    def _stop(self, path: str) -> tuple[int, str, bool]:
        self.asked.append(path)
        return self.answers.get(path, lambda: ABSENT)()

    def _drive_low(
        self, chip: str, pins: Sequence[int], idle: int
    ) -> tuple[dict[int, str], list[str]]:
        self.asked.append(chip)
        return {}, []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def stopped(pid: int) -> Callable[[], tuple[int, str, bool]]:
    return lambda: (pid, "idle", True)


def test_off_drives_the_pins_before_it_asks_a_mock(machine: Machine) -> None:
    machine.chip = "/dev/gpiochip0"
    machine.mocks("mock", "first", "second")
    machine.answers = {"first": stopped(7), "second": stopped(8)}
    assert machine.off() == 0
    assert machine.asked[:2] == [paths.SERVICE_SOCKET, machine.chip]
    assert sorted(machine.asked[2:]) == ["first", "mock", "second"]


def test_off_waits_for_no_mock_that_hangs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has_ended = Event()

    def hang() -> tuple[int, str, bool]:
        has_ended.wait()
        return ABSENT

    monkeypatch.setattr(off, "MOCKS_WITHIN_S", 0.2)
    machine.chip = "/dev/gpiochip0"
    machine.mocks("mock", "hangs", "other")
    machine.answers = {"hangs": hang, "other": stopped(8)}
    assert machine.off() == 1
    has_ended.set()
    printed = capsys.readouterr().out
    assert "the mock (process 8) is stopped; all motors are off\n" in printed
    assert "a mock did not answer within 0 s\n" in printed


@pytest.mark.parametrize(
    ("model", "is_forbidden", "code", "why"),
    [
        (b"", False, 0, ""),
        (b"", True, 0, ""),
        (b"Some other board\0", True, 0, ""),
        (b"Raspberry Pi 4 Model B\0", False, 1, NO_CHIP),
        (b"Raspberry Pi 4 Model B\0", True, 1, "/dev/gpiochip0: Permission denied; try it with sudo"),
    ],
)  # fmt: skip
def test_off_beside_a_mock_succeeds_without_a_chip_only_if_the_machine_is_not_a_pi(
    model: bytes,
    is_forbidden: bool,
    code: int,
    why: str,
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if model:
        machine.model.write_bytes(model)
    if is_forbidden:
        machine.forbid_chip()
    machine.answers = {"mock": stopped(7)}
    assert machine.off() == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "firmware-ctl: the mock (process 7) is stopped; all motors are off"
    pins = "firmware-ctl: GPIO 12, 13, 17, 22, 23, 24, 25, 27 cannot be driven low"
    assert lines[1:] == ([f"{pins}: {why}"] if why else [])


@pytest.mark.parametrize("leftover", ["socket of a mock that was killed", "nothing"])
def test_off_without_a_daemon_and_a_chip_fails(leftover: str, machine: Machine) -> None:
    if leftover != "nothing":
        machine.answers = {"mock": lambda: (0, "no daemon answers on mock", True)}
    assert machine.off() == 1


def test_off_that_cannot_read_which_pins_a_daemon_took_is_not_certain(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.chip = "/dev/gpiochip0"
    (machine.state / "lines").write_text("nonsense")
    assert machine.off() == 1
    assert "does not name a chip and its pins" in capsys.readouterr().out
