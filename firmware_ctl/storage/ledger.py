"""The ledger: how much of today's running time is used, safe from a crash and a power cut.

The file is one line of text with its checksum. This module knows the disk and what the clocks say
of the time since the last write; `session.allowance` knows what the account means.
"""

import binascii
import json
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from firmware_ctl.limits import DAILY_MS, DAY_MS
from firmware_ctl.session.allowance import UNSPENT, Spent
from firmware_ctl.session.events import SaveLedger
from firmware_ctl.storage.clock import LATEST_MS, Clock, read_clock
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.files import create_new, open_regular, sync_folder

FORMAT: Final = 2
MOST_BYTES: Final = 4096
"""The longest file that is read."""
_LONGEST_MS: Final = 100 * 366 * DAY_MS
"""No time since a boot and no age of a day is longer: a greater value is damage."""


class Files:
    """The system calls of a save, one a method, in the order of the save.

    The ledger does not use `files.atomic_write`: tests and `mock --inject` put a fault or a power
    cut between any two of these calls.
    """

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
        sync_folder(path)


class Ledger:
    """The file `ledger` of a state folder.

    `spent`: the account that it held, with times relative to the start of this process. A file that
    cannot be trusted gives an account with `damage`, which counts as a day that is used up.
    """

    def __init__(
        self,
        folder: str,
        disk: Disk,
        post: Callable[[Callable[[], object]], None],
        clock: Callable[[], Clock] = read_clock,
        files: Files | None = None,
    ) -> None:
        """`post` queues a call for the loop. The disk thread calls `post`."""
        self._path = os.path.join(folder, "ledger")
        self._disk = disk
        self._post = post
        self._clock = clock
        self._files = files or Files()
        self._before_ms: int | None = None
        """The time of day at which an earlier boot wrote the file, kept until a synchronised clock
        shows how long the machine was off. None: that is known, or the file has no time of day."""
        try:
            self.spent = self._read()
        except _DamagedError as error:
            self.spent = Spent(damage=f"the record of today's running time, {self._path}, {error}")

    def save(self, save: SaveLedger, done: Callable[[str], object]) -> None:
        """Queues the account for the disk thread. Never waits.

        `done` is called on the loop with the reason why it failed, or with "" once a power cut can
        no longer undo the save.
        """

        def job() -> None:
            try:
                self._write(save)
            except OSError as error:
                why = f"{self._path} cannot be written: {error.strerror}"
                self._post(lambda: done(why))
                raise
            self._post(lambda: done(""))

        self._disk.submit(job)

    @property
    def is_unsure_of_time(self) -> bool:
        """True while a synchronised clock could still tell how long the machine was off."""
        return self._before_ms is not None

    def unseen_ms(self) -> int | None:
        """How long the machine was off, in ms. Returns it once.

        None: the clock is not synchronised yet, or the time was returned before.
        """
        now = self._clock()
        between_ms = _between_ms(self._before_ms, now.wall_ms)
        if between_ms is None:
            return None
        self._before_ms = None
        return max(0, between_ms - now.up_ms)

    def _read(self) -> Spent:
        try:
            with open(open_regular(self._path, os.O_RDONLY), "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return UNSPENT  # a new mat
        except OSError as error:
            raise _DamagedError(f"cannot be read: {error.strerror}") from None
        record = _parse(data)
        now = self._clock()
        wall_ms = record.wall_ms if record.synchronised else None
        may_renew = record.unsure
        if record.boot == now.boot:
            passed_ms = now.up_ms - record.up_ms
        else:
            between_ms = _between_ms(wall_ms, now.wall_ms)
            if between_ms is not None:
                passed_ms = between_ms
            else:
                # Only the time since this boot is certain to have passed. The day may be over, but
                # no clock proves it, so the person may begin a new day by a hold of the button.
                passed_ms, may_renew = now.up_ms, True
                self._before_ms = wall_ms
        if passed_ms < 0:
            raise _DamagedError("is from the future: the clock was set back")
        day_began_at_ms = None if record.day_ms is None else -(record.day_ms + passed_ms)
        return Spent(record.used_ms, day_began_at_ms, may_renew)

    def _write(self, save: SaveLedger) -> None:
        spent, now = save.spent, self._clock()
        began_at_ms = spent.day_began_at_ms
        record = _Record(
            boot=now.boot,
            up_ms=now.up_ms,
            wall_ms=now.wall_ms,
            synchronised=now.wall_ms is not None,
            used_ms=spent.used_ms,
            day_ms=None if began_at_ms is None else save.at_ms - began_at_ms,
            unsure=spent.may_renew,
        )
        data = _sealed({"ledger": FORMAT, **record._asdict()})
        files, part = self._files, f"{self._path}.part"
        fd = files.create(part)
        try:
            while data:
                data = data[files.write(fd, data) :]
            files.sync(fd)
        finally:
            files.close(fd)
        files.move(part, self._path)
        files.sync_folder(os.path.dirname(self._path))


def _between_ms(before_ms: int | None, now_ms: int | None) -> int | None:
    """Time between two boots, by the time of day. None unless that was known at both."""
    return None if before_ms is None or now_ms is None else now_ms - before_ms


class _DamagedError(Exception):
    """The file cannot be trusted. The message continues a sentence after the file's name."""


class _Record(NamedTuple):
    """The fields of the file, in their order. `ledger`, the format, stands before them."""

    boot: str
    up_ms: int
    wall_ms: int | None
    synchronised: bool
    used_ms: int
    day_ms: int | None
    """The age of the day when the file was written."""
    unsure: bool


def _sealed(fields: dict[str, object]) -> bytes:
    text = json.dumps(fields, separators=(",", ":")).encode()
    return b"%b %08x\n" % (text, binascii.crc32(text))


def _parse(data: bytes) -> _Record:
    """The record with every value checked. Raises `_DamagedError`."""
    text, _, seal = data.rpartition(b" ")
    if seal != b"%08x\n" % binascii.crc32(text):
        raise _DamagedError("is damaged")
    try:
        fields = json.loads(text)
        version = fields.pop("ledger")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _DamagedError("was not written by firmware-ctl") from None
    if version != FORMAT:
        raise _DamagedError(f"has format {version} and this program knows {FORMAT}")
    if set(fields) != set(_FIELDS) or not all(
        type(fields[name]) in kinds and (type(fields[name]) is not int or 0 <= fields[name] <= most)
        for name, (most, *kinds) in _FIELDS.items()
    ):
        raise _DamagedError("is damaged")
    record = _Record(**fields)
    if record.used_ms and record.day_ms is None:
        # A day begins with its first start, so that no time can be used without one.
        raise _DamagedError("is damaged")
    return record


_FIELDS: Final = {
    "boot": (0, str),
    "up_ms": (_LONGEST_MS, int),
    "wall_ms": (LATEST_MS, int, type(None)),
    "synchronised": (0, bool),
    "used_ms": (DAILY_MS, int),
    "day_ms": (_LONGEST_MS, int, type(None)),
    "unsure": (0, bool),
}
"""Field of a record → the greatest value if it is a whole number, then its types."""
