"""Reads facts about this machine: files under a root folder, and a few system calls.

It judges nothing and changes nothing. A test gives another root folder and other calls.
"""

import importlib.util
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from firmware_ctl.doctor.finding import Edit
from firmware_ctl.hardware import emergency_off
from firmware_ctl.hardware.deadman import verify_deadman
from firmware_ctl.storage.clock import clock_is_synchronised

# linux/gpio.h: struct gpio_v2_line_info, and the ioctl that fills it.
_LINE: Final = struct.Struct("=32s32sIIQ160s16s")
_LINE_INFO: Final = 0xC100B405
_LINE_USED: Final = 1

_UNIT: Final = (
    "LoadState,ActiveState,DropInPaths,User,StateDirectory,WatchdogUSec,WatchdogSignal,"
    "ExecStopPost,CPUSchedulingPolicy"
)
_INCLUDES: Final = 8


class Line(NamedTuple):
    """A line of config.txt, and whether it applies to this board. None: doctor cannot tell."""

    text: str
    applies: bool | None


def _ioctl(path: str, request: int, data: bytearray) -> None:
    import fcntl

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, data)
    finally:
        os.close(fd)


def _run(*words: str) -> str:
    """The output of a command, empty if it fails or does not exist."""
    import subprocess

    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace").strip()


class Calls(NamedTuple):
    """Calls for facts that are in no file. They take real paths, which include the root folder."""

    ioctl: Callable[[str, int, bytearray], None] = _ioctl
    may: Callable[[str, int], bool] = os.access
    run: Callable[..., str] = _run
    clock_is_kept: Callable[[], bool] = clock_is_synchronised
    deadman_doubt: Callable[[], str] = verify_deadman
    find_module: Callable[[str], object] = importlib.util.find_spec


class Machine:
    """Facts about one machine. What cannot be read counts as empty, so no method raises."""

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
        """Paths that match, sorted and without the root folder."""
        matches = self.root.glob(pattern.lstrip("/"))
        return sorted("/" + str(path.relative_to(self.root)) for path in matches)

    def link(self, path: str) -> str:
        """The name of the target of a symbolic link; of any other file its own name."""
        try:
            return os.path.basename(os.readlink(self.at(path)))
        except OSError:
            return os.path.basename(path)

    def may(self, path: str, mode: int) -> bool:
        return self.calls.may(str(self.at(path)), mode)

    @property
    def is_root(self) -> bool:
        """Whether the processes of other users and the debug files of the kernel can be read."""
        return self.may("/proc/1/fd", os.R_OK)

    def changed_since_start(self, path: str) -> bool:
        """Whether a file, or one with its ending in its folder, was changed after the last boot.

        config.txt may include the others. A time in the future counts as unchanged: another machine
        may have written the card.
        """
        boot = re.search(r"^btime (\d+)", self.text("/proc/stat"), re.MULTILINE)
        boot_s = int(boot[1]) if boot else 0
        now_s = boot_s + float(self.text("/proc/uptime").partition(" ")[0] or 0)
        folder, kind = os.path.dirname(path), os.path.splitext(path)[1]
        for other in self.find(f"{folder}/*{kind}"):
            with suppress(OSError):
                if boot_s < self.at(other).stat().st_mtime <= now_s:
                    return True
        return False

    def fix(self, edit: Edit, otherwise: str) -> tuple[str, Edit | None]:
        """The fix of a finding: its sentence, and the lines to add if the file does not have them.

        If the file has them, the sentence is `otherwise`, or proposes a reboot if the file was
        changed after the last boot.
        """
        if edit.path == self.boot_file("config.txt"):
            lines = [line.text for line in self.config if line.applies]
        else:
            lines = self.text(edit.path).splitlines()
        if not set(edit.lines) <= set(lines):
            return "", edit
        if self.changed_since_start(edit.path):
            return f"{edit.path} was changed after the last boot: `sudo reboot`", None
        return otherwise, None

    # ---- the board

    @cached_property
    def model(self) -> str:
        """For example `Raspberry Pi 4 Model B Rev 1.4`. Empty on a machine without device tree."""
        return self.text("/proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        return self.model.startswith("Raspberry Pi")

    @property
    def family(self) -> str:
        """The digit of the filter `[pi4]`. 4: a Pi 4, 400 or Compute Module 4; 0: Zero; else 1."""
        match = re.match(r"Raspberry Pi (?:Compute Module )?(Zero|\d)", self.model)
        return match[1].replace("Zero", "0") if match else "1"

    def boot_file(self, name: str) -> str:
        """The path of a boot file. Raspberry Pi OS moved them to /boot/firmware in Bookworm."""
        new, old = f"/boot/firmware/{name}", f"/boot/{name}"
        return old if self.exists(old) and not self.exists(new) else new

    @cached_property
    def config(self) -> list[Line]:
        """The lines of config.txt and of its included files. Only a whole line can be a comment."""
        return list(self._lines(self.boot_file("config.txt"), {}, 0))

    def _lines(self, path: str, scopes: dict[str, bool | None], depth: int) -> Iterator[Line]:
        """The lines of one file. `scopes`: for each type of filter, whether this board passes it.

        Raspberry Pi's documentation of conditional filters: filters of one type replace each other,
        filters of different types combine, `[all]` ends all of them.
        """
        for text in map(str.strip, self.text(path).splitlines()):
            values = scopes.values()
            applies = False if False in values else None if None in values else True
            if text.startswith("["):
                self._enter(text[1:].partition("]")[0], scopes)
            elif text.startswith("include ") and applies is not False and depth < _INCLUDES:
                included = f"{os.path.dirname(path)}/{text[len('include ') :].strip()}"
                yield from self._lines(included, scopes, depth + 1)
            elif text and not text.startswith("#"):
                yield Line(text, applies)

    def _enter(self, name: str, scopes: dict[str, bool | None]) -> None:
        """Applies the filter `[name]` to the scopes."""
        serial = self.text("/proc/device-tree/serial-number")
        if name == "all":
            scopes.clear()
        elif name == "none":
            scopes["model"] = False
        elif re.fullmatch("0x[0-9a-fA-F]+", name):
            # The filter may have the full serial number or its last 32 bits.
            own = int(serial or "0", 16)
            scopes["serial"] = int(name, 16) in (own, own & 0xFFFFFFFF) if serial else None
        elif model := re.match(r"(?:pi|cm)(\d)", name):
            # `[cm4]` and `[pi3+]` name some boards of a family. Doctor cannot tell whether this is
            # one.
            is_family = name == f"pi{self.family}"
            scopes["model"] = (is_family or None) if model[1] == self.family else False
        else:
            scopes[name.partition("=")[0]] = None

    # ---- pins

    @cached_property
    def chips(self) -> dict[str, str | None]:
        """Path and label of each GPIO chip. Label None: this user has no permission to open it."""
        labels: dict[str, str | None] = {}
        for path in self.find("/dev/gpiochip*"):
            data = bytearray(emergency_off.CHIP_INFO.size)
            try:
                self.calls.ioctl(str(self.at(path)), emergency_off.GET_CHIP, data)
            except PermissionError:
                labels[path] = None
            except OSError:
                labels[path] = ""
            else:
                labels[path] = _word(emergency_off.CHIP_INFO.unpack(data)[1])
        return labels

    @cached_property
    def header(self) -> str:
        """The path of the chip that has the pins of the header, empty if there is none."""
        labels = [label.decode() for label in emergency_off.HEADER_LABELS]
        return next((path for path, label in self.chips.items() if label in labels), "")

    def holder(self, pin: int) -> str | None:
        """The name under which a program holds a pin of the header, or None.

        The name is empty if the kernel itself holds the pin.
        """
        data = bytearray(_LINE.pack(b"", b"", pin, 0, 0, b"", b""))
        if self.header:
            with suppress(OSError):
                self.calls.ioctl(str(self.at(self.header)), _LINE_INFO, data)
        _, consumer, _, _, flags, _, _ = _LINE.unpack(data)
        return _word(consumer) if flags & _LINE_USED else None

    # ---- systemd, processes

    def show(self, properties: str, *unit: str) -> dict[str, str]:
        """Properties of a unit, or of systemd itself. Empty if systemd does not answer."""
        lines = self.calls.run("systemctl", "show", "-p", properties, *unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @cached_property
    def unit(self) -> dict[str, str]:
        """The unit as systemd has loaded it, drop-ins included. Empty if it is not installed."""
        properties = self.show(_UNIT, "firmware-ctl.service")
        return properties if properties.get("LoadState") == "loaded" else {}

    @property
    def service_runs(self) -> bool:
        return self.unit.get("ActiveState", "inactive") not in ("inactive", "failed")

    def opened_by(self, device: str) -> Iterator[tuple[str, str]]:
        """Number and name of each process that has a device open. Only root sees all of them."""
        for process in self.find("/proc/[0-9]*"):
            try:
                opened = os.listdir(self.at(f"{process}/fd"))
            except OSError:
                continue
            if any(self.link(f"{process}/fd/{fd}") == self.link(device) for fd in opened):
                yield os.path.basename(process), self.text(f"{process}/comm")


def _word(text: bytes) -> str:
    return text.partition(b"\0")[0].decode(errors="replace")


def seconds(text: str) -> float:
    """Parses a time as systemd shows it: `0`, `10s`, `1min 30s`, `infinity`."""
    units = {"": 1, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
    if text == "infinity":
        return float("inf")
    parts = re.findall(r"(\d+)([a-z]*)", text)
    return sum(int(number) * units.get(unit, 86_400) for number, unit in parts)
