"""A fake GPIO chip for `emergency_off`. The structs are those of linux/gpio.h, laid out by ctypes."""

import ctypes
import fcntl
import os
from collections.abc import Iterator
from errno import EBUSY, EINVAL, EIO
from pathlib import Path

import pytest

from firmware_ctl.hardware import emergency_off


class Attribute(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("values", ctypes.c_uint64),
        ("mask", ctypes.c_uint64),
    )


class LineRequest(ctypes.Structure):
    _fields_ = (
        ("offsets", ctypes.c_uint32 * 64),
        ("consumer", ctypes.c_char * 32),
        ("flags", ctypes.c_uint64),
        ("num_attrs", ctypes.c_uint32),
        ("config_padding", ctypes.c_uint32 * 5),
        ("attrs", Attribute * 10),
        ("num_lines", ctypes.c_uint32),
        ("event_buffer_size", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("fd", ctypes.c_int32),
    )


def ioctl_number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0xB4 << 8 | number


def put_chips(labels: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `/dev` hold the chips that `labels` has at each time, `tty`, and `gpiochip1`, which this
    user may not open. A chip whose label is empty does not answer."""
    opened: dict[int, str] = {}
    real_open = os.open

    def ioctl(fd: int, number: int, data: bytearray) -> None:
        assert number == emergency_off.GET_CHIP
        if not labels[opened[fd]]:
            raise OSError(EIO, "Input/output error")
        data[:] = emergency_off.CHIP_INFO.pack(b"", labels[opened[fd]], 54)

    def open_chip(path: str, flags: int) -> int:
        name = path.removeprefix("/dev/")
        if name not in labels:
            raise PermissionError(13, "Permission denied")
        fd = real_open(os.devnull, flags)
        opened[fd] = name
        return fd

    def names(folder: str) -> list[str]:
        assert folder == "/dev"
        return ["tty", *reversed(labels), "gpiochip1"]

    monkeypatch.setattr(os, "listdir", names)
    monkeypatch.setattr(os, "open", open_chip)
    monkeypatch.setattr(fcntl, "ioctl", ioctl)


class GpioChip:
    """A GPIO chip that records requests for lines."""

    def __init__(self, chip: Path) -> None:
        self.chip = "/dev/gpiochip0"
        self.file = str(chip)
        self.requests: list[list[int]] = []
        self.data: list[bytes] = []
        self.line_fds: list[int] = []
        self.held: dict[int, int] = {}
        """For each line that is in use, the id of the process that holds it. 0: the kernel."""
        self.low: set[int] = set()
        """The lines that a request has driven low."""
        self.lines = 54
        chip.touch()

    def ioctl(self, fd: int, number: int, data: bytearray) -> None:
        assert os.readlink(f"/proc/self/fd/{fd}") == self.file
        assert number == emergency_off.GET_LINE
        self.data.append(bytes(data))
        request = LineRequest.from_buffer(data)
        pins = list(request.offsets[: request.num_lines])
        self.requests.append(pins)
        if max(pins) >= self.lines:
            raise OSError(EINVAL, "Invalid argument")
        if any(self.is_held(pin) for pin in pins):
            raise OSError(EBUSY, "Device or resource busy")
        request.fd = os.open(os.devnull, os.O_RDWR)
        self.line_fds.append(request.fd)
        self.low.update(pins)

    def is_held(self, pin: int) -> bool:
        pid = self.held.get(pin)
        return pid is not None and (
            pid in (0, 1) or os.waitid(os.P_PID, pid, EXITED_UNREAPED) is None
        )

    def holders(self, chip: str) -> Iterator[tuple[int, int]]:
        assert chip == self.chip
        return ((pin, pid) for pin, pid in self.held.items() if pid and self.is_held(pin))


EXITED_UNREAPED = os.WEXITED | os.WNOHANG | os.WNOWAIT
"""`waitid` reports an ended child without waiting for one, and leaves it for a later wait."""
