"""The ledger: what is used of today's running time, where no death and no power cut loses it.

One line of text with its checksum, written beside its place, synced, and moved over it. It knows
the disk and the kernel's clocks; what an account means is `allowance`'s affair.
"""

import binascii
import json
import os
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from firmware_ctl.allowance import UNSPENT, Spent
from firmware_ctl.disk import Disk
from firmware_ctl.files import create_new, open_regular
from firmware_ctl.limits import DAILY_MS, DAY_MS
from firmware_ctl.session import Keep

FORMAT: Final = 2
MOST_BYTES: Final = 4096
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_LONGEST_MS: Final = 100 * 366 * DAY_MS
"""No figure of a clock or of an age is greater: more is damage."""
_LATEST_MS: Final = 253_402_300_800_000
"""The end of the year 9999."""


class Clock(NamedTuple):
    """The machine's clocks at one moment."""

    boot: str
    """Which boot this is."""
    up_ms: int
    """Time since that boot, suspends included; no one can set it."""
    wall_ms: int | None
    """The time of day, only while the kernel calls it synchronised. A hand can set it otherwise,
    and an RTC, too: what they say proves nothing of the time that has passed."""


def read_clock() -> Clock:
    up_ms = time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 10**6
    wall_ms = time.time_ns() // 10**6 if clock_is_synchronised() else None
    return Clock(_boot_id(), up_ms, wall_ms)


class Files:
    """The system calls of a save, one a method, in the order in which they are made."""

    def create(self, path: str) -> int:
        return create_new(path)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def move(self, source: str, target: str) -> None:
        os.replace(source, target)

    def sync_folder(self, path: str) -> None:
        """Until then a power cut may undo the move."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Ledger:
    """The file `ledger` of a state folder. `spent`: what it held, as of time 0 of a new session."""

    def __init__(
        self,
        folder: str,
        disk: Disk,
        post: Callable[[Callable[[], object]], None],
        clock: Callable[[], Clock] = read_clock,
        files: Files | None = None,
    ) -> None:
        """`post` has the loop call something; the disk's thread uses it."""
        self._path = os.path.join(folder, "ledger")
        self._disk = disk
        self._post = post
        self._clock = clock
        self._files = files or Files()
        self._before_ms: int | None = None
        """The time of day when an earlier boot wrote; the time since is not all counted."""
        try:
            self.spent = self._read()
        except _DamagedError as error:
            self.spent = Spent(damage=f"the record of today's running time, {self._path}, {error}")

    def save(self, keep: Keep, done: Callable[[str], object]) -> None:
        """Has the disk's thread write it; `done` is called on the loop, with what failed."""

        def job() -> None:
            try:
                self._write(keep)
            except OSError as error:
                why = f"{self._path} cannot be written: {error.strerror}"
                self._post(lambda: done(why))
                raise
            self._post(lambda: done(""))

        self._disk.submit(job)

    @property
    def is_unsure_of_time(self) -> bool:
        """The time for which the machine was off may yet become known."""
        return self._before_ms is not None

    def unseen_ms(self) -> int | None:
        """For how long the machine was off, once the clock can say so; None: it cannot, or did."""
        now = self._clock()
        since_ms = _between_ms(self._before_ms, now.wall_ms)
        if since_ms is None:
            return None
        self._before_ms = None
        return max(0, since_ms - now.up_ms)

    def _read(self) -> Spent:
        try:
            with open(open_regular(self._path, os.O_RDONLY), "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return UNSPENT
        except OSError as error:
            raise _DamagedError(f"cannot be read: {error.strerror}") from None
        record = _parse(data)
        now = self._clock()
        wall_ms: int | None = record["wall_ms"] if record["synchronised"] else None
        unsure: bool = record["unsure"]
        if record["boot"] == now.boot:
            away_ms = now.up_ms - record["up_ms"]
        else:
            since_ms = _between_ms(wall_ms, now.wall_ms)
            if since_ms is not None:
                away_ms = since_ms
            else:
                away_ms, unsure = now.up_ms, True
                self._before_ms = wall_ms
        if away_ms < 0:
            raise _DamagedError("is from the future: the clock was set back")
        day_ms = record["day_ms"]
        return Spent(
            record["used_ms"],
            None if day_ms is None else -(day_ms + away_ms),
            may_renew=unsure,
        )

    def _write(self, keep: Keep) -> None:
        spent, now = keep.spent, self._clock()
        began_at_ms = spent.day_began_at_ms
        data = _sealed(
            {
                "ledger": FORMAT,
                "boot": now.boot,
                "up_ms": now.up_ms,
                "wall_ms": now.wall_ms,
                "synchronised": now.wall_ms is not None,
                "used_ms": spent.used_ms,
                "day_ms": None if began_at_ms is None else keep.at_ms - began_at_ms,
                "unsure": spent.may_renew,
            }
        )
        files, beside = self._files, f"{self._path}.part"
        fd = files.create(beside)
        try:
            while data:
                data = data[files.write(fd, data) :]
            files.sync(fd)
        finally:
            files.close(fd)
        files.move(beside, self._path)
        files.sync_folder(os.path.dirname(self._path))


def _between_ms(before_ms: int | None, now_ms: int | None) -> int | None:
    """Between two boots, by the time of day; None: it was not known both times."""
    return None if before_ms is None or now_ms is None else now_ms - before_ms


class _DamagedError(Exception):
    """The file says nothing that can be relied on; the text goes on after the file's name."""


def _sealed(record: dict[str, object]) -> bytes:
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%b %08x\n" % (text, binascii.crc32(text))


def _parse(data: bytes) -> dict[str, Any]:
    """The record, with every value of it checked."""
    text, _, seal = data.rpartition(b" ")
    if seal != b"%08x\n" % binascii.crc32(text):
        raise _DamagedError("is damaged")
    try:
        record: dict[str, Any] = json.loads(text)
        version = record["ledger"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _DamagedError("was not written by firmware-ctl") from None
    if version != FORMAT:
        raise _DamagedError(f"has format {version} and this program knows {FORMAT}")
    if set(record) != {"ledger", *_FIELDS} or not all(
        type(record[name]) in kinds and (type(record[name]) is not int or 0 <= record[name] <= most)
        for name, (most, *kinds) in _FIELDS.items()
    ):
        raise _DamagedError("is damaged")
    if record["used_ms"] and record["day_ms"] is None:
        raise _DamagedError("is damaged")  # a day begins with its first start
    return record


_FIELDS: Final = {
    "boot": (0, str),
    "up_ms": (_LONGEST_MS, int),
    "wall_ms": (_LATEST_MS, int, type(None)),
    "synchronised": (0, bool),
    "used_ms": (DAILY_MS, int),
    "day_ms": (_LONGEST_MS, int, type(None)),
    "unsure": (0, bool),
}
"""What a record holds beside its format: the greatest whole number, and the types."""


def clock_is_synchronised() -> bool:
    """What the kernel says of its clock (adjtimex(2): TIME_ERROR while nothing disciplines it)."""
    import ctypes

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return True  # not Linux: a desktop, whose clock is kept
    timex = ctypes.create_string_buffer(512)  # modes 0: only reads; the struct has 208 bytes
    return libc.adjtimex(timex) not in (-1, 5)


def _boot_id() -> str:
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""
