"""This machine as facts: files under a root folder, and the few calls that no file answers.

Judges nothing and changes nothing. A test gives another root and other calls.
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

from firmware_ctl import off
from firmware_ctl.deadman import deadman_doubt
from firmware_ctl.doctor.finding import Edit
from firmware_ctl.ledger import clock_is_synchronised

# linux/gpio.h: struct gpio_v2_line_info and the call that fills it in.
_LINE: Final = struct.Struct("=32s32sIIQ160s16s")
_LINE_INFO: Final = 0xC100B405
_LINE_USED: Final = 1

_UNIT: Final = (
    "LoadState,ActiveState,DropInPaths,User,StateDirectory,WatchdogUSec,WatchdogSignal,"
    "ExecStopPost,CPUSchedulingPolicy"
)
_INCLUDES: Final = 8


class Line(NamedTuple):
    """A line of config.txt, and whether it counts on this board; None: that cannot be told."""

    text: str
    counts: bool | None


def _ioctl(path: str, request: int, data: bytearray) -> None:
    import fcntl

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, data)
    finally:
        os.close(fd)


def _run(*words: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    import subprocess

    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace").strip()


class Calls(NamedTuple):
    """What no file says. Paths are real ones, under the root."""

    ioctl: Callable[[str, int, bytearray], None] = _ioctl
    may: Callable[[str, int], bool] = os.access
    run: Callable[..., str] = _run
    clock_is_kept: Callable[[], bool] = clock_is_synchronised
    deadman_doubt: Callable[[], str] = deadman_doubt
    find_module: Callable[[str], object] = importlib.util.find_spec


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
        """The name that a symbolic link leads to; its own where it is none."""
        try:
            return os.path.basename(os.readlink(self.at(path)))
        except OSError:
            return os.path.basename(path)

    def may(self, path: str, mode: int) -> bool:
        return self.calls.may(str(self.at(path)), mode)

    @property
    def is_root(self) -> bool:
        """Whether other users' processes and the kernel's debug files can be read."""
        return self.may("/proc/1/fd", os.R_OK)

    def changed_since_start(self, path: str) -> bool:
        """Whether a file, or one beside it of its kind, is newer than this start of the kernel.

        A time in the future, from a card that was written with another clock, proves nothing.
        """
        started = re.search(r"^btime (\d+)", self.text("/proc/stat"), re.MULTILINE)
        started_s = int(started[1]) if started else 0
        now_s = started_s + float(self.text("/proc/uptime").partition(" ")[0] or 0)
        folder, kind = os.path.dirname(path), os.path.splitext(path)[1]
        for beside in self.find(f"{folder}/*{kind}"):
            with suppress(OSError):
                if started_s < self.at(beside).stat().st_mtime <= now_s:
                    return True
        return False

    def fix(self, edit: Edit, otherwise: str) -> tuple[str, Edit | None]:
        """The lines to add; where they are there already, a reboot, but only if that can help."""
        if edit.path == self.boot_file("config.txt"):
            there = [line.text for line in self.config if line.counts]
        else:
            there = self.text(edit.path).splitlines()
        if not set(edit.lines) <= set(there):
            return "", edit
        if self.changed_since_start(edit.path):
            return f"{edit.path} was changed after this start: `sudo reboot`", None
        return otherwise, None

    # ---- the board

    @cached_property
    def model(self) -> str:
        """Such as `Raspberry Pi 4 Model B Rev 1.4`; empty on what has no device tree."""
        return self.text("/proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        return self.model.startswith("Raspberry Pi")

    @property
    def family(self) -> str:
        """4 for a Pi 4, 400 or Compute Module 4, 0 for a Zero: the digit of `[pi4]`, `[pi0]`."""
        found = re.match(r"Raspberry Pi (?:Compute Module )?(Zero|\d)", self.model)
        return found[1].replace("Zero", "0") if found else "1"

    def boot_file(self, name: str) -> str:
        """Raspberry Pi OS moved its boot files to /boot/firmware with Bookworm."""
        new, old = f"/boot/firmware/{name}", f"/boot/{name}"
        return old if self.exists(old) and not self.exists(new) else new

    @cached_property
    def config(self) -> list[Line]:
        """config.txt with what it includes; a `#` makes a comment only where a line begins."""
        return list(self._lines(self.boot_file("config.txt"), {}, 0))

    def _lines(self, path: str, scopes: dict[str, bool | None], depth: int) -> Iterator[Line]:
        """By Raspberry Pi's documentation of conditional filters: filters of one type replace each
        other, those of different types add up, `[all]` ends them.
        """
        for text in map(str.strip, self.text(path).splitlines()):
            given = scopes.values()
            counts = False if False in given else None if None in given else True
            if text.startswith("["):
                self._enter(text[1:].partition("]")[0], scopes)
            elif text.startswith("include ") and counts is not False and depth < _INCLUDES:
                included = f"{os.path.dirname(path)}/{text[len('include ') :].strip()}"
                yield from self._lines(included, scopes, depth + 1)
            elif text and not text.startswith("#"):
                yield Line(text, counts)

    def _enter(self, name: str, scopes: dict[str, bool | None]) -> None:
        serial = self.text("/proc/device-tree/serial-number")
        if name == "all":
            scopes.clear()
        elif name == "none":
            scopes["model"] = False
        elif re.fullmatch("0x[0-9a-fA-F]+", name):
            # It may be written in full, or as its last 32 bits.
            mine = int(serial or "0", 16)
            scopes["serial"] = int(name, 16) in (mine, mine & 0xFFFFFFFF) if serial else None
        elif model := re.match(r"(?:pi|cm)(\d)", name):
            # Of a board's own family, `[cm4]` and `[pi3+]` are not told apart here.
            is_whole = name == f"pi{self.family}"
            scopes["model"] = (is_whole or None) if model[1] == self.family else False
        else:
            scopes[name.partition("=")[0]] = None

    # ---- pins

    @cached_property
    def chips(self) -> dict[str, str | None]:
        """Path and label of each GPIO chip; None as label where this user may not open it."""
        labels: dict[str, str | None] = {}
        for path in self.find("/dev/gpiochip*"):
            data = bytearray(off.CHIP_INFO.size)
            try:
                self.calls.ioctl(str(self.at(path)), off.GET_CHIP, data)
            except PermissionError:
                labels[path] = None
            except OSError:
                labels[path] = ""
            else:
                labels[path] = _word(off.CHIP_INFO.unpack(data)[1])
        return labels

    @cached_property
    def header(self) -> str:
        """The path of the chip that has the header's pins; empty where there is none."""
        labels = [label.decode() for label in off.HEADER_LABELS]
        return next((path for path, label in self.chips.items() if label in labels), "")

    def holder(self, pin: int) -> str | None:
        """The name that a header pin's holder gave, empty for the kernel; None for a free pin."""
        data = bytearray(_LINE.pack(b"", b"", pin, 0, 0, b"", b""))
        if self.header:
            with suppress(OSError):
                self.calls.ioctl(str(self.at(self.header)), _LINE_INFO, data)
        _, consumer, _, _, flags, _, _ = _LINE.unpack(data)
        return _word(consumer) if flags & _LINE_USED else None

    # ---- systemd, processes

    def show(self, properties: str, *unit: str) -> dict[str, str]:
        """Properties of a unit, or of systemd itself; empty where it does not answer."""
        lines = self.calls.run("systemctl", "show", "-p", properties, *unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @cached_property
    def unit(self) -> dict[str, str]:
        """The service as systemd has it; empty where it is not installed."""
        found = self.show(_UNIT, "firmware-ctl.service")
        return found if found.get("LoadState") == "loaded" else {}

    @property
    def service_runs(self) -> bool:
        return self.unit.get("ActiveState", "inactive") not in ("inactive", "failed")

    def opened_by(self, device: str) -> Iterator[tuple[str, str]]:
        """Who has a device open: each process's number and name. Only root sees them all."""
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
    """A time as systemd shows it: `0`, `10s`, `1min 30s`, `infinity`."""
    units = {"": 1, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
    if text == "infinity":
        return float("inf")
    parts = re.findall(r"(\d+)([a-z]*)", text)
    return sum(int(number) * units.get(unit, 86_400) for number, unit in parts)
