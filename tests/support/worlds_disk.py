"""A disk with a volatile cache, saves of a ledger on it, and the days that safety allows."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firmware_ctl.limits import DAY_MS, HOUR_MS
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.events import SaveLedger
from firmware_ctl.storage.ledger import Clock, Files, Ledger

CALLS = ("create", "write", "sync", "close", "move", "sync_folder")
"""The calls of a save in their order, where one write takes all data."""
WALL_MS = 1_800_000_000_000


class _Node:
    """The content of a file, and whether it is on the medium."""

    def __init__(self) -> None:
        self.data = b""
        self.synced = False

    def leaves(self) -> set[bytes]:
        """Every content that a power cut may leave: torn at any byte, the rest missing or zeros."""
        if self.synced:
            return {self.data}
        cuts = range(len(self.data) + 1)
        zeros = bytes(len(self.data))
        return {self.data[:n] for n in cuts} | {self.data[:n] + zeros[n:] for n in cuts}


class Medium(Files):
    """The ledger's file on a disk that keeps what was synced, and perhaps some of the rest.

    A rename may reach the disk before the content of the file, until the folder is synced.
    """

    def __init__(self, data: bytes | None = None) -> None:
        self.calls: list[str] = []
        self.fails: Callable[[str], None] = lambda call: None
        """Called before each call has its effect; may raise."""
        self.takes = 1 << 20
        """How many bytes one write takes."""
        self.open = 0
        self._part: _Node | None = None
        self._ledger: _Node | None = None
        if data is not None:
            self._ledger = _Node()
            self._ledger.data, self._ledger.synced = data, True
        self._possible = [self._ledger]
        """The files that may have the ledger's name after a power cut."""

    def create(self, path: str) -> int:
        self._call("create")
        assert path.endswith("/ledger.part")
        self._part = _Node()
        self.open += 1
        return 7

    def write(self, fd: int, data: bytes) -> int:
        self._call("write")
        assert self._part is not None
        self._part.data += data[: self.takes]
        self._part.synced = False
        return len(data[: self.takes])

    def sync(self, fd: int) -> None:
        self._call("sync")
        assert self._part is not None
        self._part.synced = True

    def close(self, fd: int) -> None:
        self.open -= 1
        self._call("close")

    def move(self, source: str, target: str) -> None:
        self._call("move")
        assert source == f"{target}.part"
        self._ledger, self._part = self._part, None
        self._possible.append(self._ledger)

    def sync_folder(self, path: str) -> None:
        self._call("sync_folder")
        self._possible = [self._ledger]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.fails(name)

    @property
    def held(self) -> bytes | None:
        """What a process reads now, also after a crash of the process alone."""
        return self._ledger.data if self._ledger else None

    def leaves(self) -> set[bytes | None]:
        """Every content that may be there after a power cut now; None: no file."""
        contents: set[bytes | None] = set()
        for node in self._possible:
            contents |= {None} if node is None else node.leaves()
        return contents


def failing(number: int, at: int, error: BaseException | None = None) -> Callable[[str], None]:
    """Raises the error at call number `at`, and at no other."""
    calls = iter(range(1 << 30))

    def fails(_: str) -> None:
        if next(calls) == at:
            raise error or OSError(number, os.strerror(number))

    return fails


class Cut(BaseException):
    """A power cut."""


class AtOnce:
    """A disk thread whose jobs run in the call of `submit`."""

    def submit(self, job: Callable[[], object]) -> None:
        with suppress(OSError):
            job()


OLD = SaveLedger(1, Spent(600_000, -HOUR_MS), at_ms=0)
NEW = SaveLedger(2, Spent(660_000, -HOUR_MS), at_ms=30_000)
THEN = Clock("one", 5 * HOUR_MS, WALL_MS)


def written(keep: SaveLedger, clock: Clock = THEN) -> bytes:
    """The content of a saved ledger."""
    medium = Medium()
    save(medium, keep, clock)
    assert medium.held is not None
    return medium.held


def save(medium: Files, keep: SaveLedger, clock: Clock = THEN) -> list[str]:
    """Saves once; returns what `done` was called with."""
    results: list[str] = []
    ledger = Ledger("/none", AtOnce(), lambda call: call(), lambda: clock, medium)  # type: ignore[arg-type]
    ledger.save(keep, results.append)
    return results


def ledger_of(
    folder: Path, data: bytes | None, clock: Callable[[], Clock], medium: Files | None = None
) -> Ledger:
    """The ledger of a daemon that starts now with `data` in the file; None: there is no file."""
    path = folder / "ledger"
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(data)
    return Ledger(str(folder), AtOnce(), lambda call: call(), clock, medium)  # type: ignore[arg-type]


class Played(NamedTuple):
    """One session that was played. `renewed`: the button began a new day before it."""

    began_at_ms: int
    ran_ms: int
    renewed: bool = False


def fits_into_days(sessions: Sequence[Played], daily_ms: int) -> bool:
    """Whether the sessions fit into days of the allowed length. A day begins 24 true hours or more
    after the day before it, or with the button."""
    begins = {0}
    """The numbers of the sessions with which a day may begin."""
    for first, session in enumerate(sessions):
        if first not in begins:
            continue
        ran_ms = 0
        for later in range(first, len(sessions)):
            ran_ms += sessions[later].ran_ms
            if ran_ms > daily_ms:
                break
            if later + 1 == len(sessions):
                return True
            following = sessions[later + 1]
            if following.renewed or following.began_at_ms - session.began_at_ms >= DAY_MS:
                begins.add(later + 1)
    return not sessions
