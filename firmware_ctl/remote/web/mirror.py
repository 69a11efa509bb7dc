"""What the bridge knows of the daemon, from the lines that it sent. This module does no I/O.

It shows what the daemon said, and nothing that the bridge expects: a state is old until the daemon
says a new one.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from firmware_ctl import __version__
from firmware_ctl.config.points import POINTS
from firmware_ctl.protocol.answers import parse_fields, status_values
from firmware_ctl.remote.web.conversation import Answer

SILENT_MS: Final = 1500
"""A daemon that has not answered `?` for this long is silent."""

ONLINE: Final = "online"
SILENT: Final = "silent"
ABSENT: Final = "absent"

UNKNOWN: Final[Mapping[str, object]] = {
    "state": None,
    "profile": None,
    "cert": None,
    "phase": None,
    "t": 0.0,
    "left": 0.0,
    "trim": 100,
    "zones": {},
    "signal": None,
    "fault": None,
}
"""The status before the daemon has said one."""

ENDED: Final = ("idle", "fault")


class Facts(TypedDict):
    """What `profile_data` prints."""

    mat: dict[str, object]
    profiles: dict[str, dict[str, object]]
    """By the name of the profile."""


class Mirror:
    """The state of a daemon for phones. The time is that of the caller's monotonic clock."""

    def __init__(self) -> None:
        self.version = __version__
        self.ended_count = 0
        """How many sessions and faults have ended."""
        self._is_connected = False
        self._asked_at_ms: int | None = None
        """When the oldest `?` without an answer was sent."""
        self._status = UNKNOWN
        self._by: str | None = None
        self._reason: str | None = None
        self._cue = ""
        self._limits: dict[str, int] = {}
        self._selected: str | None = None
        self._served: list[dict[str, object]] = []
        self._mat: dict[str, object] = {"name": "", "has_button": False, "zones": []}
        self._facts: Mapping[str, Mapping[str, object]] = {}

    # --- in ---

    def connected(self) -> None:
        self._is_connected = True
        self._asked_at_ms = None
        self.ended_count += 1  # a session may have ended while nobody told the bridge
        self._by = self._reason = None
        self._cue = ""

    def lost(self) -> None:
        self._is_connected = False
        self._asked_at_ms = None

    def asked(self, now_ms: int) -> None:
        """`?` was sent."""
        if self._asked_at_ms is None:
            self._asked_at_ms = now_ms

    def told(self, line: str) -> bool:
        """Takes a line that answers no request. Returns whether session or selection changed."""
        if line.startswith("status "):
            self._asked_at_ms = None
            self._status = status_values(parse_fields(line))
            return False
        if not line.startswith("event="):
            return False
        fields = parse_fields(line)
        kind = fields["event"]
        if kind in ("state", "fault"):
            self._take_state(fields)
        elif kind == "cue":
            self._cue = fields.get("cue", "")
        elif kind == "phase":
            self._set(phase=fields.get("phase") or None)
        return kind == "state"

    def _take_state(self, fields: Mapping[str, str]) -> None:
        if fields["event"] == "state":
            self._by, self._reason = fields.get("by"), fields.get("reason")
        values = status_values({key: fields[key] for key in fields if key in UNKNOWN})
        self._set(**values)
        if values.get("state") in ENDED:
            self.ended_count += 1
            self._cue = ""
            still = dict.fromkeys(self.zones, 0)
            self._set(phase=None, t=0.0, left=0.0, zones=still, signal=None)

    def _set(self, **values: object) -> None:
        self._status = {**self._status, **values}

    def profiles(self, answer: Answer) -> bool:
        """Takes the answer to `profiles`. Returns whether it names other profiles than before."""
        before = [profile["name"] for profile in self._served]
        self._served, self._selected = [], None
        for line in answer.data:
            name, fields = line.split(" ", 1)[0], parse_fields(line)
            if fields.get("selected") == "yes":
                self._selected = name
            minutes = float(fields.get("minutes") or 0)
            self._served.append(
                {"name": name, "title": fields.get("title", ""), "minutes": minutes}
            )
        return before != [profile["name"] for profile in self._served]

    def limits(self, answer: Answer) -> None:
        """Takes the answer to `limits`."""
        if answer.is_ok:
            self._limits = {key: int(text) for key, text in parse_fields(answer.final).items()}

    def facts(self, found: Facts) -> None:
        """Takes what the files say of mat and profiles."""
        self._mat, self._facts = found["mat"], found["profiles"]

    # --- out ---

    @property
    def zones(self) -> Sequence[str]:
        zones = self._status.get("zones")
        return [*zones] if isinstance(zones, dict) else []

    @property
    def state(self) -> object:
        return self._status["state"]

    @property
    def is_session(self) -> bool:
        return self.state not in (None, *ENDED)

    def raises(self, trim_pct: int) -> bool:
        """Whether this trim makes stronger what plays or is paused."""
        trim_now_pct = self._status["trim"]
        return self.is_session and not (isinstance(trim_now_pct, int) and trim_pct <= trim_now_pct)

    @property
    def has_button(self) -> bool:
        return bool(self._mat["has_button"])

    @property
    def names(self) -> Sequence[str]:
        """The names of the profiles that the daemon serves."""
        return [str(profile["name"]) for profile in self._served]

    def cert_of(self, name: str) -> str | None:
        """The certificate of a profile, if the daemon's status is about this profile."""
        cert = self._status["cert"]
        return str(cert) if cert and self._status["profile"] == name else None

    def daemon(self, now_ms: int) -> str:
        if not self._is_connected:
            return ABSENT
        asked_at_ms = self._asked_at_ms
        is_silent = asked_at_ms is not None and now_ms - asked_at_ms >= SILENT_MS
        return SILENT if is_silent else ONLINE

    def is_lively(self, now_ms: int) -> bool:
        """Whether phones get the state again although it is the same: something plays, or the
        daemon does not answer."""
        return self.state not in (None, "idle") or self.daemon(now_ms) != ONLINE

    def view(self, now_ms: int) -> dict[str, object]:
        """All of the state that every paired phone gets."""
        return {
            "daemon": self.daemon(now_ms),
            "version": self.version,
            "mat": self._mat,
            **self._status,
            "cue": _cue(self._cue),
            "by": self._by,
            "reason": self._reason,
            "selected": self._selected,
            "limits": self._limits or None,
            "profiles": [
                {**profile, **self._facts.get(str(profile["name"]), NO_FACTS)}
                for profile in self._served
            ],
        }

    def public_view(self, now_ms: int) -> dict[str, object]:
        """The part of the state that anybody in the network may see."""
        return {"daemon": self.daemon(now_ms), "version": self.version, "state": self.state}


NO_FACTS: Final[Mapping[str, object]] = {"about": "", "needs": [], "warnings": []}
"""What is said of a profile whose file the bridge cannot read."""


def _cue(name: str) -> dict[str, str | None] | None:
    """What the person does by hand now: a point, or a text of the profile's author."""
    if not name:
        return None
    point = POINTS.get(name)
    if point is None:
        return {"name": name, "text": name, "warning": None}
    return {
        "name": name,
        "text": f"{point.title}: {point.where}",
        "warning": point.caution or None,
    }
