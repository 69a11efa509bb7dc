"""From a frame that a phone sends to what the bridge does. This module does no I/O."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from firmware_ctl.limits import TRIM_PCT

LONGEST: Final = 96
"""Most bytes of a frame."""
LEASE_S: Final = 5
"""The lease of a session that someone else than the person on the mat has started."""
STOP_BYTES: Final = frozenset("!\x18\x03")

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")


class Stop(NamedTuple):
    """A stop. It is obeyed whoever sent it."""


class Ping(NamedTuple):
    """The phone is there: it renews the lease of its session."""


class Command(NamedTuple):
    """Requests for the daemon, in this order. A later one is sent only after an `ok`."""

    requests: tuple[str, ...]
    needs_button: bool = False
    """True for a session without a lease, which the person on the mat has to be able to end."""
    lease_s: int | None = None
    """The lease of a start. None: the command starts nothing."""
    trim_pct: int | None = None
    """The new trim. None: the command changes none."""


class Refused(NamedTuple):
    """A frame that does nothing, and why."""

    code: str
    message: str


Frame = Stop | Ping | Command | Refused


def read_frame(data: str | bytes) -> Frame:
    """Reads a frame. A stop byte anywhere in it makes it a stop."""
    text = data if isinstance(data, str) else data.decode("latin-1")
    if STOP_BYTES & {*text}:
        return Stop()
    if len(text) > LONGEST:
        return Refused("too-long", f"a frame has at most {LONGEST} characters")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Refused("bad-argument", "a frame is an object of JSON, or !")
    if not isinstance(values, dict):
        return Refused("bad-argument", "a frame is an object of JSON, or !")
    word = values.get("do")
    reader = _READERS.get(word) if isinstance(word, str) else None
    if reader is None:
        return Refused("unknown-command", f"`do` is one of: {', '.join(_READERS)}")
    return reader(values)


def _start(values: dict[str, object]) -> Frame:
    name, lease_s = _name(values), values.get("lease")
    if name is None or lease_s not in (0, LEASE_S) or isinstance(lease_s, bool):
        return Refused("bad-argument", f"start needs a profile, and a lease of 0 or {LEASE_S}")
    requests = (f"lease {lease_s}", f"start {name}")
    return Command(requests, needs_button=lease_s == 0, lease_s=lease_s)


def _select(values: dict[str, object]) -> Frame:
    name = _name(values)
    return Command((f"select {name}",)) if name else Refused("bad-argument", "name a profile")


def _trim(values: dict[str, object]) -> Frame:
    pct = values.get("pct")
    least, most = TRIM_PCT
    if not isinstance(pct, int) or isinstance(pct, bool) or not least <= pct <= most:
        return Refused("bad-argument", f"pct is a whole number from {least} to {most}")
    return Command((f"trim {pct}",), trim_pct=pct)


def _name(values: dict[str, object]) -> str | None:
    name = values.get("profile")
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


_READERS: Final[Mapping[str, Callable[[dict[str, object]], Frame]]] = {
    "start": _start,
    "select": _select,
    "pause": lambda _: Command(("pause",)),
    "resume": lambda _: Command(("resume",)),
    "trim": _trim,
    "clear": lambda _: Command(("clear",)),
    "ping": lambda _: Ping(),
    "stop": lambda _: Stop(),
}
"""The value of `do`, and the reader of the other values."""
