"""The objects of the daemon's feed, as values that the live view reads.

It knows the names that `feed` writes. A missing or wrong field raises a `ValueError`, `KeyError`,
`TypeError` or `AttributeError`.
"""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from firmware_ctl.config.mat import Motor
from firmware_ctl.errors import printable

Json = Mapping[str, Any]
"""An object of the daemon's feed. `Picture.feed` takes a wrong one as an unreadable line."""


class Zone(NamedTuple):
    name: str
    present: bool
    pairs: tuple[tuple[int | None, int | None], ...]
    """Left and right motor of each row, from head to feet, as indices into `Hello.motors`."""


class ProfileLine(NamedTuple):
    """A profile as the list on the screen shows it."""

    name: str
    title: str
    minutes: float


class Hello(NamedTuple):
    """What stays the same until the daemon reads its profiles again."""

    mat: str = "firmware-ctl"
    serial: str = ""
    """Path of the pseudo-terminal; empty where the daemon could not open one."""
    socket: str = ""
    page: str = ""
    """Address of the page for phones; empty without `--web`."""
    speed: float = 1.0
    max_ma: int = 0
    motors: tuple[Motor, ...] = ()
    zones: tuple[Zone, ...] = ()
    profiles: tuple[ProfileLine, ...] = ()
    refused: tuple[str, ...] = ()
    """Paths of the profiles that have mistakes."""


class Status(NamedTuple):
    """The session as the daemon last reported it."""

    state: str = "starting"
    profile: str = ""
    phase: str = ""
    repeat: str = ""
    """`2/4` in the second of four passes through the phase."""
    cue: str = ""
    signal: str = ""
    fault: str = ""
    t: float = 0.0
    """Seconds of the session that have been played."""
    left: float = 0.0
    """Seconds of the session that remain."""
    trim: int = 100
    locked_until_ms: int = 0
    by_itself: bool = False
    """No request and no fault brought about this status, only time."""
    has_reason: bool = False
    """An event of its own reports why the session ended."""

    @property
    def is_on(self) -> bool:
        """True while a session runs or is paused."""
        return self.state in ("running", "paused")

    @property
    def phase_label(self) -> str:
        """The phase and the pass through it; empty outside a session."""
        number, _, passes = self.repeat.partition("/")
        pass_label = f", {number} of {passes}" if passes not in ("", "1") else ""
        return f"{self.phase}{pass_label}" if self.phase else ""


def read_hello(fields: Json) -> Hello:
    zones = []
    motors: list[Motor] = []
    for zone in fields["zones"]:
        sides: dict[str, list[int]] = {"left": [], "right": []}
        for motor in zone["motors"]:
            sides[motor["side"]].append(len(motors))
            motors.append(Motor(**motor))
        pairs = tuple(zip_longest(sides["left"], sides["right"]))
        zones.append(Zone(printable(zone["name"]), bool(zone["present"]), pairs))
    return Hello(
        mat=printable(fields["mat"]),
        serial=printable(fields["serial"]),
        socket=printable(fields["socket"]),
        page=printable(fields.get("page", "")),
        speed=float(fields["speed"]),
        max_ma=int(fields["max_ma"]),
        motors=tuple(motors),
        zones=tuple(zones),
        profiles=tuple(
            ProfileLine(printable(row["name"]), printable(row["title"]), float(row["minutes"]))
            for row in fields["profiles"]
        ),
        refused=tuple(map(printable, fields["refused"])),
    )


def read_status(fields: Json) -> Status:
    return Status(
        state=printable(fields["state"]),
        profile=printable(fields["profile"]),
        phase=printable(fields["phase"]),
        repeat=printable(fields["repeat"]),
        cue=printable(fields["cue"]),
        signal=printable(fields["signal"]),
        fault=printable(fields["fault"]),
        t=float(fields["t"]),
        left=float(fields["left"]),
        trim=int(fields["trim"]),
        locked_until_ms=int(fields["locked_until_ms"]),
        by_itself=bool(fields["by_itself"]),
        has_reason=bool(fields["has_reason"]),
    )
