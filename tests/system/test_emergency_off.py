"""`emergency_off` on a fake GPIO chip: its requests byte by byte, and the processes it kills."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

import pytest

from firmware_ctl.hardware import emergency_off
from tests.support.gpio_chip import Attribute, GpioChip, LineRequest, ioctl_number, put_chips
from tests.support.process import PATIENCE_S


def test_structs_and_ioctl_numbers_are_those_of_the_kernel_header() -> None:
    assert emergency_off.LINE_REQUEST.size == ctypes.sizeof(LineRequest) == 592
    assert ioctl_number(3, 0x07, 592) == emergency_off.GET_LINE
    assert emergency_off.CHIP_INFO.size == 68
    assert ioctl_number(2, 0x01, 68) == emergency_off.GET_CHIP


def test_drive_low_requests_all_lines_as_outputs_at_0_and_releases_them(
    gpio_chip: GpioChip,
) -> None:
    assert emergency_off.drive_low(gpio_chip.chip, [17, 27, 17, 22]) == ({}, [])
    expected = LineRequest(
        consumer=b"firmware-ctl off", flags=1 << 3, num_attrs=1, num_lines=3
    )  # ctypes sets all other fields to 0
    expected.offsets[:3] = [17, 27, 22]
    expected.attrs[0] = Attribute(id=2, values=0, mask=0b111)
    assert gpio_chip.data == [bytes(expected)]
    for fd in gpio_chip.line_fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_drive_low_of_more_lines_than_one_request_takes_makes_another_request(
    gpio_chip: GpioChip,
) -> None:
    pins = list(range(70))
    gpio_chip.lines = len(pins)
    assert emergency_off.drive_low(gpio_chip.chip, pins) == ({}, [])
    assert gpio_chip.requests == [pins[:64], pins[64:]]


def test_drive_low_of_many_lines_with_a_busy_one_drives_all_others(
    gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    pins = list(range(70))
    gpio_chip.lines = len(pins)
    gpio_chip.held = {3: 0}
    assert emergency_off.drive_low(gpio_chip.chip, pins) == ({3: "Device or resource busy"}, [])
    assert gpio_chip.requests == [pins[:64], *([pin] for pin in pins[:64]), pins[64:]]


def test_drive_low_with_a_busy_line_drives_each_other_line(
    gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    gpio_chip.held = {27: 0}
    gpio_chip.lines = 24
    assert emergency_off.drive_low(gpio_chip.chip, [17, 27, 22, 25]) == (
        {25: "Invalid argument", 27: "Invalid argument"},
        [],
    )
    gpio_chip.lines = 54
    gpio_chip.requests.clear()
    failed, sentences = emergency_off.drive_low(gpio_chip.chip, [17, 27, 22])
    assert gpio_chip.requests == [[17, 27, 22], [17], [27], [22]]
    assert (failed, sentences) == ({27: "Device or resource busy"}, [])
    assert emergency_off.describe([17, 27, 22], failed) == [
        "GPIO 17, 22 low",
        "GPIO 27 cannot be driven low: Device or resource busy",
    ]


def test_drive_low_kills_the_holder_of_a_line_and_drives_it(
    gpio_chip: GpioChip, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", PATIENCE_S)
    gpio_chip.held = {17: child.pid, 22: child.pid, 5: 1}
    assert emergency_off.drive_low(gpio_chip.chip, [17, 27, 22]) == (
        {},
        [f"GPIO 17, 22 held by another program: process {child.pid} was killed"],
    )
    assert child.wait() == -signal.SIGKILL
    assert gpio_chip.low == {17, 27, 22}


def test_drive_low_kills_no_process_that_holds_no_pin_any_more(
    gpio_chip: GpioChip, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder has ended between the look and the kill, and its number was given away."""
    looks = iter([[(17, child.pid)], [(5, child.pid), (17, 1)]])
    monkeypatch.setattr(emergency_off, "_holders", lambda chip: next(looks))
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    gpio_chip.held = {17: 0}
    assert emergency_off.drive_low(gpio_chip.chip, [17]) == (
        {17: "Device or resource busy"},
        [
            f"GPIO 17 held by another program: the number {child.pid} now belongs to another "
            "process, which was not killed"
        ],
    )
    assert child.poll() is None


def test_drive_low_leaves_the_idle_daemon_and_its_lines_alone(
    gpio_chip: GpioChip, child: "subprocess.Popen[bytes]"
) -> None:
    gpio_chip.held = dict.fromkeys([17, 27], child.pid)
    assert emergency_off.drive_low(gpio_chip.chip, [17, 27, 22, 60], idle=child.pid) == (
        {60: "Invalid argument"},
        [],
    )
    assert gpio_chip.requests == [[17, 27, 22, 60], [17], [27], [22], [60]]
    assert child.poll() is None


def test_drive_low_beside_the_idle_daemon_drives_the_lines_of_others(
    gpio_chip: GpioChip, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", PATIENCE_S)
    gpio_chip.held = {17: 1, 27: child.pid}
    assert emergency_off.drive_low(gpio_chip.chip, [17, 27, 22], idle=1) == (
        {},
        [f"GPIO 27 held by another program: process {child.pid} was killed"],
    )
    assert gpio_chip.low == {27, 22}


@pytest.mark.parametrize(("idle", "failed"), [(1, {}), (0, {17: "Device or resource busy"})])
def test_line_whose_holder_is_hidden_counts_as_that_of_the_idle_daemon(
    idle: int, failed: dict[int, str], gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    gpio_chip.held = {17: 0}
    assert emergency_off.drive_low(gpio_chip.chip, [17], idle) == (failed, [])


def test_drive_low_never_kills_its_own_process(
    gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    monkeypatch.setattr(emergency_off, "_holders", lambda chip: iter([(17, os.getpid())]))
    gpio_chip.held = {17: 0}
    assert emergency_off.drive_low(gpio_chip.chip, [17]) == ({17: "Device or resource busy"}, [])


def test_drive_low_of_a_chip_that_cannot_be_opened_gives_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = "/dev/gpiochip999"
    assert emergency_off.drive_low(chip, [17, 27]) == (
        dict.fromkeys([17, 27], f"{chip}: No such file or directory"),
        [],
    )

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert emergency_off.drive_low(chip, [17]) == (
        {17: f"{chip}: Permission denied; try it with sudo"},
        [],
    )


def test_find_chip_recognises_the_header_by_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"gpiochip0": b"gpio-brcmstb", "gpiochip3": b"", "gpiochip4": b"pinctrl-rp1"}
    put_chips(labels, monkeypatch)
    assert emergency_off.find_chip() == "/dev/gpiochip4"
    del labels["gpiochip4"]
    assert emergency_off.find_chip() == ""


def test_holders_are_read_from_the_kernels_descriptor_info(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text has the form of linereq_show_fdinfo in drivers/gpio/gpiolib-cdev.c."""
    info = {
        "/proc/12/fdinfo/3": "pos:\t0\nflags:\t02\ngpio-chip:\tgpiochip0\ngpio-line:\t17\ngpio-line:\t27\n",
        "/proc/12/fdinfo/4": "pos:\t0\nflags:\t02\ngpio-chip:\tgpiochip1\ngpio-line:\t22\n",
        "/proc/13/fdinfo/3": "pos:\t0\nflags:\t02\n",
    }
    folders = {
        "/proc": ["11", "12", "13", "self"],
        "/proc/12/fd": ["0", "9", "3", "4"],
        "/proc/13/fd": ["3"],
    }

    def listdir(path: str) -> list[str]:
        if path not in folders:
            raise PermissionError(13, "Permission denied")
        return folders[path]

    def readlink(path: str) -> str:
        return "anon_inode:gpio-line" if path.endswith(("/3", "/4", "/9")) else "/dev/null"

    def opened(path: str, encoding: str) -> object:
        if path not in info:
            raise FileNotFoundError(2, "No such file or directory")  # closed in the meantime
        (tmp_path / "info").write_text(info[path])
        return open(tmp_path / "info", encoding=encoding)

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(os, "readlink", readlink)
    monkeypatch.setattr(emergency_off, "open", opened, raising=False)
    assert list(emergency_off._holders("/dev/gpiochip0")) == [(17, 12), (27, 12)]


@pytest.mark.parametrize("held_later", [[], [5]])
def test_drive_low_kills_no_process_that_holds_none_of_the_lines_any_more(
    held_later: list[int],
    gpio_chip: GpioChip,
    child: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The number of the holder may belong to another process by the time of the kill."""
    answers = [[(17, child.pid)], [(pin, child.pid) for pin in held_later]]
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    monkeypatch.setattr(emergency_off, "_holders", lambda chip: iter(answers.pop(0)))
    gpio_chip.held = {17: 0}
    assert emergency_off.drive_low(gpio_chip.chip, [17]) == (
        {17: "Device or resource busy"},
        [
            f"GPIO 17 held by another program: the number {child.pid} now belongs to another "
            "process, which was not killed"
        ],
    )
    assert child.poll() is None
