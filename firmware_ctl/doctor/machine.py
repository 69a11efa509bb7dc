"""This machine as facts: files under a root folder, and the few calls that only its kernel answers.

Judges nothing and changes nothing. A test gives another root and other calls.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from firmware_ctl.deadman import deadman_doubt
from firmware_ctl.ledger import clock_is_synchronised

UNIT: Final = "system/firmware-ctl.service"

# linux/gpio.h: struct gpiochip_info, struct gpio_v2_line_info and the calls that fill them in.
_CHIP: Final = struct.Struct("=32s32sI")
_CHIP_INFO: Final = 0x8044B401
_LINE: Final = struct.Struct("=32s32sIIQ160s16s")
_LINE_INFO: Final = 0xC100B405
_LINE_USED: Final = 1

# Which [filters] of config.txt a board passes, by what its model begins with (Raspberry Pi's
# documentation of conditional filters); the first that fits.
_FILTERS: Final = (
    ("Zero 2", "pi0 pi0w pi02"),
    ("Zero W", "pi0 pi0w"),
    ("Zero", "pi0"),
    ("Compute Module 5", "pi5 cm5"),
    ("500", "pi5 pi500"),
    ("5", "pi5"),
    ("Compute Module 4S", "pi4 cm4s"),
    ("Compute Module 4", "pi4 cm4"),
    ("400", "pi4 pi400"),
    ("4", "pi4"),
    ("3 Model B Plus", "pi3 pi3+"),
    ("3 Model A Plus", "pi3 pi3+"),
    ("Compute Module 3", "pi3"),
    ("3", "pi3"),
    ("2", "pi2"),
)
_SYSTEMD: Final = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")


class Settings(dict[str, list[str]]):
    """Keys of systemd with every value given; falsy where nothing is."""

    def last(self, key: str, default: str) -> str:
        return (self.get(key) or [default])[-1]

    def every(self, key: str) -> list[str]:
        return self.get(key, [])


class Chip(NamedTuple):
    path: str
    label: str | None
    """None where this user may not open it."""


class Space(NamedTuple):
    free_mib: int
    is_read_only: bool


def _ioctl(path: str, request: int, data: bytearray) -> None:
    import fcntl

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, data)
    finally:
        os.close(fd)


def _space(path: str) -> Space:
    found = os.statvfs(path)
    return Space(found.f_bavail * found.f_frsize >> 20, bool(found.f_flag & os.ST_RDONLY))


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


class Calls(NamedTuple):
    """What no file says. Paths are real ones, under the root."""

    ioctl: Callable[[str, int, bytearray], None] = _ioctl
    may: Callable[[str, int], bool] = os.access
    space: Callable[[str], Space] = _space
    user: Callable[[], str] = _user
    clock_is_kept: Callable[[], bool] = clock_is_synchronised
    deadman_doubt: Callable[[], str] = deadman_doubt
    has_module: Callable[[str], bool] = _has_module
    environ: Mapping[str, str] = os.environ


class Machine:
    """Reads what is asked for and takes what is missing for empty: it raises nothing."""

    def __init__(self, root: Path = Path("/"), calls: Calls = Calls()) -> None:  # noqa: B008
        self.root = root
        self.calls = calls

    # ---- files

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.at(path))

    def text(self, path: str) -> str:
        try:
            return self.at(path).read_text(errors="replace").replace("\0", "").strip()
        except OSError:
            return ""

    def find(self, pattern: str) -> list[str]:
        """Paths as this machine knows them, in order."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self.root)) for path in found)

    def link(self, path: str) -> str:
        """The name that a device's symbolic link leads to; its own where it is none."""
        try:
            return os.path.basename(os.readlink(self.at(path)))
        except OSError:
            return os.path.basename(path)

    def may(self, path: str, mode: int) -> bool:
        return self.calls.may(str(self.at(path)), mode)

    # ---- the board

    @cached_property
    def model(self) -> str:
        """Such as `Raspberry Pi 4 Model B Rev 1.4`; empty on what has no device tree."""
        return self.text("/proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        return self.model.startswith("Raspberry Pi")

    @cached_property
    def filters(self) -> list[str]:
        board = self.model.removeprefix("Raspberry Pi ")
        return next((names.split() for begin, names in _FILTERS if board.startswith(begin)), [])

    def boot_file(self, name: str) -> str:
        """Raspberry Pi OS moved its boot files to /boot/firmware with Bookworm."""
        new, old = f"/boot/firmware/{name}", f"/boot/{name}"
        return old if self.exists(old) and not self.exists(new) else new

    @cached_property
    def config(self) -> list[str]:
        """The lines of config.txt that hold on this board; a `#` counts at a line's begin only."""
        applies = True
        lines = []
        for line in map(str.strip, self.text(self.boot_file("config.txt")).splitlines()):
            if line.startswith("["):
                applies = line[1:].partition("]")[0] in ("all", *self.filters)
            elif line and applies and not line.startswith("#"):
                lines.append(line)
        return lines

    @cached_property
    def boot_words(self) -> list[str]:
        """The kernel's command line, as it was given and as it stands for the next start."""
        return (self.text("/proc/cmdline") + " " + self.text(self.boot_file("cmdline.txt"))).split()

    # ---- pins

    @cached_property
    def chips(self) -> list[Chip]:
        return list(self._chips())

    def _chips(self) -> Iterator[Chip]:
        for path in self.find("/dev/gpiochip*"):
            data = bytearray(_CHIP.size)
            try:
                self.calls.ioctl(str(self.at(path)), _CHIP_INFO, data)
            except PermissionError:
                yield Chip(path, None)
            except OSError:
                yield Chip(path, "")
            else:
                yield Chip(path, _word(_CHIP.unpack(data)[1]))

    @cached_property
    def header(self) -> Chip | None:
        """The chip of the header's pins: pinctrl-bcm2835, -bcm2711 or -rp1."""
        labels = r"pinctrl-(bcm2835|bcm2711|rp1)"
        return next((chip for chip in self.chips if re.fullmatch(labels, chip.label or "")), None)

    def holder(self, chip: Chip, pin: int) -> str | None:
        """The name that a pin's holder gave, empty for the kernel; None for a free pin."""
        data = bytearray(_LINE.pack(b"", b"", pin, 0, 0, b"", b""))
        with suppress(OSError):
            self.calls.ioctl(str(self.at(chip.path)), _LINE_INFO, data)
        _, consumer, _, _, flags, _, _ = _LINE.unpack(data)
        return _word(consumer) if flags & _LINE_USED else None

    # ---- systemd, users, disk

    def settings(self, name: str) -> Settings:
        """A unit or a `.conf` of systemd with its drop-ins, by systemd's own order: of files with
        one name the first folder's counts, drop-ins follow by name, an empty value starts anew.

        Sections are not told apart. Empty where there is neither file nor drop-in.
        """
        files: dict[str, str] = {}
        for folder in reversed(_SYSTEMD):
            base = f"{folder}/systemd/{name}"
            drop_ins = self.find(f"{base}.d/*.conf")
            files |= {os.path.basename(path): path for path in drop_ins}
            if self.at(base).is_file():
                files[""] = base
        found = Settings()
        for _, path in sorted(files.items()):
            for line in self.text(path).splitlines():
                key, equals, value = map(str.strip, line.partition("="))
                if equals and not key.startswith(("#", ";")):
                    found[key] = [*found.every(key), value] if value else []
        return found

    @cached_property
    def unit(self) -> Settings:
        """The service as it is installed; empty where it is not."""
        return self.settings(UNIT)

    def groups(self, user: str) -> set[str]:
        """The groups of a user by /etc/passwd and /etc/group."""
        rows = [line.split(":") for line in self.text("/etc/passwd").splitlines()]
        own = next((row[3] for row in rows if row[0] == user and len(row) > 3), None)
        groups = [line.split(":") for line in self.text("/etc/group").splitlines()]
        return {
            row[0]
            for row in groups
            if len(row) > 3 and (row[2] == own or user in row[3].split(","))
        }

    def kind_of_disk(self, path: str) -> str:
        """The file system under a path, such as `ext4`; `overlay` and `tmpfs` forget."""
        mounts = [line.split() for line in self.text("/proc/mounts").splitlines()]
        over = [
            (len(row[1]), row[2])
            for row in mounts
            if len(row) > 2 and (path + "/").startswith(row[1].rstrip("/") + "/")
        ]
        return max(over, default=(0, ""))[1]

    def space(self, path: str) -> Space | None:
        """Of the nearest folder that is there."""
        at = self.at(path)
        while not at.exists() and at != self.root:
            at = at.parent
        with suppress(OSError):
            return self.calls.space(str(at))
        return None


def _word(text: bytes) -> str:
    return text.partition(b"\0")[0].decode(errors="replace")


def seconds(text: str) -> float | None:
    """A time as systemd writes it (`10`, `1min 30s`, `16s`, `infinity`); None for what is none."""
    units = {"": 1, "s": 1, "sec": 1, "ms": 0.001, "us": 1e-6, "m": 60, "min": 60, "h": 3600}
    if text in ("infinity", "off"):
        return float("inf") if text == "infinity" else 0.0
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", text)
    if not parts or any(unit not in units for _, unit in parts):
        return None
    with suppress(ValueError):
        return sum(float(number) * units[unit] for number, unit in parts)
    return None
