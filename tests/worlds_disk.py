"""A disk with a volatile cache, a machine's clocks, and the days that safety allows for."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firmware_ctl.ledger import Clock, Files, Ledger
from firmware_ctl.limits import DAY_MS

CALLS = ("create", "write", "sync", "close", "move", "sync_folder")
"""What a save does, in its order, where every write takes all."""
WALL_MS = 1_800_000_000_000


class _Node:
    """A file's content, and whether it is on the medium."""

    def __init__(self) -> None:
        self.data = b""
        self.synced = False

    def leaves(self) -> set[bytes]:
        """All that a power cut may make of it: torn at any byte, the rest missing or zeros."""
        if self.synced:
            return {self.data}
        cuts = range(len(self.data) + 1)
        zeros = bytes(len(self.data))
        return {self.data[:n] for n in cuts} | {self.data[:n] + zeros[n:] for n in cuts}


class Medium(Files):
    """The ledger's file on a disk that has only what was synced, and perhaps some of the rest.

    A rename may reach the disk before what the file holds; the folder's sync settles it.
    """

    def __init__(self, data: bytes | None = None) -> None:
        self.calls: list[str] = []
        self.fails: Callable[[str], None] = lambda call: None
        """Called before each call has its effect; may raise."""
        self.takes = 1 << 20
        """How many bytes a write takes at once."""
        self.open = 0
        self._beside: _Node | None = None
        self._ledger: _Node | None = None
        if data is not None:
            self._ledger = _Node()
            self._ledger.data, self._ledger.synced = data, True
        self._perhaps = [self._ledger]

    def create(self, path: str) -> int:
        self._call("create")
        assert path.endswith("/ledger.part")
        self._beside = _Node()
        self.open += 1
        return 7

    def write(self, fd: int, data: bytes) -> int:
        self._call("write")
        assert self._beside is not None
        self._beside.data += data[: self.takes]
        self._beside.synced = False
        return len(data[: self.takes])

    def sync(self, fd: int) -> None:
        self._call("sync")
        assert self._beside is not None
        self._beside.synced = True

    def close(self, fd: int) -> None:
        self.open -= 1
        self._call("close")

    def move(self, source: str, target: str) -> None:
        self._call("move")
        assert source == f"{target}.part"
        self._ledger, self._beside = self._beside, None
        self._perhaps.append(self._ledger)

    def sync_folder(self, path: str) -> None:
        self._call("sync_folder")
        self._perhaps = [self._ledger]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.fails(name)

    @property
    def held(self) -> bytes | None:
        """What a process reads now; also the next one, after a death without a power cut."""
        return self._ledger.data if self._ledger else None

    def leaves(self) -> set[bytes | None]:
        """All that may be there after a power cut now."""
        left: set[bytes | None] = set()
        for node in self._perhaps:
            left |= {None} if node is None else node.leaves()
        return left


def failing(number: int, at: int, error: BaseException | None = None) -> Callable[[str], None]:
    """Fails from call `at` on, once."""
    calls = iter(range(1 << 30))

    def fails(_: str) -> None:
        if next(calls) == at:
            raise error or OSError(number, os.strerror(number))

    return fails


class Cut(BaseException):
    """The power is gone."""


class AtOnce:
    """The disk's thread, run by who gives it work."""

    def submit(self, job: Callable[[], object]) -> None:
        with suppress(OSError):
            job()


def ledger_of(
    folder: Path, data: bytes | None, clock: Callable[[], Clock], medium: Files | None = None
) -> Ledger:
    """The ledger of a daemon that starts now and finds `data`."""
    path = folder / "ledger"
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(data)
    return Ledger(str(folder), AtOnce(), lambda call: call(), clock, medium)  # type: ignore[arg-type]


class Played(NamedTuple):
    """One session as it really was; `renewed`: by the button, between the one before and it."""

    began_at_ms: int
    ran_ms: int
    renewed: bool = False


def fits_into_days(sessions: Sequence[Played], daily_ms: int) -> bool:
    """Whether there are days, each 24 true hours or more after the last or begun by the button,
    in none of which more was played than is allowed."""
    begins = {0}
    """The sessions with which a day may begin."""
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
