"""The file of the history: its lines, and what a reader makes of them.

It is `history.jsonl` in a state folder, with a line of JSON for each session, the oldest first.
This module loads no session, because `firmware-ctl history` has to be quick on a small Pi.
"""

import json
import os
from typing import Final, NamedTuple

from firmware_ctl.storage.clock import LATEST_MS, boot_id
from firmware_ctl.storage.files import atomic_write, open_regular

FILE: Final = "history.jsonl"

KEPT: Final = 100
"""Sessions in the file. The oldest is dropped for a new one."""

MOST_BYTES: Final = 256 * 1024
"""The most bytes of the file that are read: several times what `KEPT` sessions need."""

CUT: Final = "cut"
"""The end of a session whose daemon could write no end: power failed, or the daemon was killed."""


class PastSession(NamedTuple):
    """One session. The fields are those of a line in the file, in their order."""

    began_at_ms: int
    """The time of day at the begin, in ms since 1970."""
    is_time_sure: bool
    """False: the machine's clock was never synchronised while the session played."""
    profile: str
    by: str
    """Where the start came from; empty: the program itself, as with `play`."""
    length_ms: int
    """The length of the whole profile."""
    played_ms: int
    """The time that was played, without pauses."""
    end: str
    """One of `session.events.Reason`, or `CUT`. Empty: it plays, or was cut."""
    ended_by: str
    """Where the stop came from; empty: the session had another end."""
    fault: str
    """The code of the fault that ended it; empty: none did."""
    process: int
    """The process number of the daemon."""
    boot: str
    """The kernel's identifier of the boot in which the daemon ran."""


class Lines(NamedTuple):
    """What was read from a file."""

    sessions: tuple[PastSession, ...]
    damaged: int
    """How many lines are no sessions, and are left out."""


def read(path: str) -> Lines:
    """Reads a history. Raises OSError if it cannot be read."""
    with open(open_regular(path, os.O_RDONLY), "rb") as file:
        lines = file.read(MOST_BYTES).splitlines()
    sessions = tuple(filter(None, map(_parse, lines)))
    return Lines(sessions, len(lines) - len(sessions))


def plays_now(session: PastSession) -> bool:
    """Whether the daemon of this session runs and has not written an end."""
    if session.end or session.boot != boot_id():
        return False
    try:
        os.kill(session.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True


def damaged_lines(count: int) -> str:
    lines, are = ("line", "is") if count == 1 else ("lines", "are")
    return f"{count} {lines} cannot be read as a session and {are} left out"


def write(path: str, sessions: tuple[PastSession, ...]) -> None:
    """Replaces the file, so that a power cut leaves the old lines or the new ones, each whole."""
    lines = (json.dumps(s._asdict(), separators=(",", ":")) for s in sessions)
    owner = None
    if os.geteuid() == 0:
        # The service must be able to read the file after root ran a daemon on its folder.
        folder = os.stat(os.path.dirname(path))
        owner = folder.st_uid, folder.st_gid
    atomic_write(path, "".join(f"{line}\n" for line in lines).encode(), owner=owner)


def _parse(line: bytes) -> PastSession | None:
    """The session in a line with every value checked. None: the line is damaged."""
    try:
        values = json.loads(line)
        fields = {name: values[name] for name in PastSession._fields}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    kinds = PastSession.__annotations__
    if any(type(value) is not kinds[name] for name, value in fields.items()):
        return None
    if any(type(value) is int and not 0 <= value < LATEST_MS for value in fields.values()):
        return None
    return PastSession(**fields)
