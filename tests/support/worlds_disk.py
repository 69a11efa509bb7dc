"""A disk with a volatile cache, saves of a ledger on it, and a check of the daily limit."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firmware_ctl.limits import DAY_MS, HOUR_MS
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.events import SaveLedger
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.ledger import Files, Ledger

CALLS = ("create", "write", "sync", "close", "move", "sync_folder")
"""The calls of a save in their order, if a single write accepts all bytes."""
WALL_MS = 1_800_000_000_000


class _StoredFile:
    """The content of a file, and whether the content has reached the medium."""

    def __init__(self) -> None:
        self.data = b""
        self.is_synced = False

    def contents_after_power_cut(self) -> set[bytes]:
        """Every content possible after a power cut: cut at any byte, with the rest missing or zeros."""
        if self.is_synced:
            return {self.data}
        cuts = range(len(self.data) + 1)
        zeros = bytes(len(self.data))
        return {self.data[:n] for n in cuts} | {self.data[:n] + zeros[n:] for n in cuts}


class Medium(Files):
    """The ledger's file on a disk that keeps synced data, and may keep some data that was not synced.

    Until the folder is synced, a rename may reach the disk before the content of the file does.
    """

    def __init__(self, data: bytes | None = None) -> None:
        self.calls: list[str] = []
        self.before_call: Callable[[str], None] = lambda call: None
        """Is called with the name of each call before that call has an effect. May raise."""
        self.write_limit_bytes = 1 << 20
        """The most bytes that a single write accepts."""
        self.open_files = 0
        self._part_file: _StoredFile | None = None
        self._ledger_file: _StoredFile | None = None
        if data is not None:
            self._ledger_file = _StoredFile()
            self._ledger_file.data, self._ledger_file.is_synced = data, True
        self._possible_files = [self._ledger_file]
        """The files that may have the name of the ledger after a power cut."""

    def create(self, path: str) -> int:
        self._call("create")
        assert path.endswith("/ledger.part")
        self._part_file = _StoredFile()
        self.open_files += 1
        return 7

    def write(self, fd: int, data: bytes) -> int:
        self._call("write")
        assert self._part_file is not None
        self._part_file.data += data[: self.write_limit_bytes]
        self._part_file.is_synced = False
        return len(data[: self.write_limit_bytes])

    def sync(self, fd: int) -> None:
        self._call("sync")
        assert self._part_file is not None
        self._part_file.is_synced = True

    def close(self, fd: int) -> None:
        self.open_files -= 1
        self._call("close")

    def move(self, source: str, target: str) -> None:
        self._call("move")
        assert source == f"{target}.part"
        self._ledger_file, self._part_file = self._part_file, None
        self._possible_files.append(self._ledger_file)

    def sync_folder(self, path: str) -> None:
        self._call("sync_folder")
        self._possible_files = [self._ledger_file]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.before_call(name)

    @property
    def content(self) -> bytes | None:
        """The content that a process reads now, also if the previous process crashed."""
        return self._ledger_file.data if self._ledger_file else None

    def contents_after_power_cut(self) -> set[bytes | None]:
        """Every content possible after a power cut at this moment. None: no file."""
        contents: set[bytes | None] = set()
        for file in self._possible_files:
            contents |= {None} if file is None else file.contents_after_power_cut()
        return contents


def fail_at_call(
    error_number: int, call_number: int, error: BaseException | None = None
) -> Callable[[str], None]:
    """Returns a function that raises the error at call number `call_number` and at no other call."""
    calls = iter(range(1 << 30))

    def before_call(_: str) -> None:
        if next(calls) == call_number:
            raise error or OSError(error_number, os.strerror(error_number))

    return before_call


class PowerCut(BaseException):
    """A power cut."""


class AtOnce:
    """A disk thread whose jobs run in the call of `submit`."""

    def submit(self, job: Callable[[], object]) -> None:
        with suppress(OSError):
            job()


OLD = SaveLedger(1, Spent(600_000, -HOUR_MS), at_ms=0)
NEW = SaveLedger(2, Spent(660_000, -HOUR_MS), at_ms=30_000)
THEN = Clock("one", 5 * HOUR_MS, WALL_MS)


def ledger_bytes(request: SaveLedger, clock: Clock = THEN) -> bytes:
    """The content of a saved ledger."""
    medium = Medium()
    save(medium, request, clock)
    assert medium.content is not None
    return medium.content


def save(medium: Files, request: SaveLedger, clock: Clock = THEN) -> list[str]:
    """Saves once, and returns the arguments that `done` was called with."""
    results: list[str] = []
    ledger = Ledger("/none", AtOnce(), lambda call: call(), lambda: clock, medium)  # type: ignore[arg-type]
    ledger.save(request, results.append)
    return results


def ledger_of(
    folder: Path, data: bytes | None, clock: Callable[[], Clock], medium: Files | None = None
) -> Ledger:
    """The ledger of a daemon that starts now with `data` in the file. None: no file exists."""
    path = folder / "ledger"
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(data)
    return Ledger(str(folder), AtOnce(), lambda call: call(), clock, medium)  # type: ignore[arg-type]


class PlayedSession(NamedTuple):
    """A session that was played. `renewed`: the button began a new day before the session."""

    began_at_ms: int
    ran_ms: int
    renewed: bool = False


def fits_into_days(sessions: Sequence[PlayedSession], daily_ms: int) -> bool:
    """Returns whether the sessions can be split into days of at most `daily_ms` of running time each.

    A day begins at least 24 true hours after the day before it, or when the button begins it.
    """
    possible_day_starts = {0}
    """The indexes of the sessions that may be the first of a day."""
    for first, first_session in enumerate(sessions):
        if first not in possible_day_starts:
            continue
        ran_ms = 0
        for last in range(first, len(sessions)):
            ran_ms += sessions[last].ran_ms
            if ran_ms > daily_ms:
                break
            if last + 1 == len(sessions):
                return True
            next_session = sessions[last + 1]
            if (
                next_session.renewed
                or next_session.began_at_ms - first_session.began_at_ms >= DAY_MS
            ):
                possible_day_starts.add(last + 1)
    return not sessions
