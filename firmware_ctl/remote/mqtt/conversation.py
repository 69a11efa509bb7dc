"""The conversation with the daemon: what was asked, and what the answers and events said.

The daemon answers requests in their order, and sends events in between.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from firmware_ctl.protocol.answers import parse_fields

LEASE_S: Final = 10
"""What a bridge has started ends this long after its last sign of life."""
ANSWER_MS: Final = 5_000
GREETING: Final = ("hello mqtt", f"lease {LEASE_S}", "events on", "profiles", "status", "limits")
"""The first requests on a connection."""
AFTER_EVENT: Final = ("profiles", "status", "limits")
"""Asked after an event, because an event names only what has changed."""


class Asked(NamedTuple):
    line: str
    at_ms: int
    command: str | None
    """The command of the message that made the bridge ask. None: the bridge asked for itself."""


class Answer(NamedTuple):
    """The final line of an answer."""

    asked: Asked
    code: str | None
    """The error code. None: it worked."""
    message: str


class Event(NamedTuple):
    fields: Mapping[str, str]


class Conversation:
    def __init__(self) -> None:
        self.version = ""
        """The version of the daemon. Empty: not told yet."""
        self.mat_name = ""
        self.profiles: tuple[str, ...] = ()
        self.selected = ""
        self.status: Mapping[str, str] = {}
        """The fields of `status`. Empty: not told yet."""
        self.limits: Mapping[str, str] = {}
        self.by = ""
        """Who caused the last change of the state. Empty: nobody, or not told yet."""
        self._pending: deque[Asked] = deque()
        self._data: list[str] = []

    @property
    def is_complete(self) -> bool:
        """True once everything is known that is published."""
        return bool(self.version and self.status and self.limits)

    @property
    def pending(self) -> int:
        return len(self._pending)

    def late_at_ms(self) -> int | None:
        """When the answer to the oldest request is late. None: all are answered."""
        return self._pending[0].at_ms + ANSWER_MS if self._pending else None

    def is_asked(self, line: str) -> bool:
        return any(asked.line == line for asked in self._pending)

    def is_asking(self, command: str) -> bool:
        """Whether a message's command waits for the daemon's answer."""
        return any(asked.command == command for asked in self._pending)

    def ask(self, line: str, now_ms: int, command: str | None = None) -> str:
        """Notes a request that is sent now, and returns its line."""
        self._pending.append(Asked(line, now_ms, command))
        return line

    def take(self, line: str) -> Answer | Event | None:
        """Takes a line of the daemon. None: it is a part of an answer, or tells nothing new."""
        if line.startswith("* "):
            fields = parse_fields(line.removeprefix("* "))
            if fields.get("event") == "state":
                self.by = fields.get("by", "")
            return Event(fields) if "event" in fields else None
        word, _, rest = line.partition(" ")
        if word == "-":
            self._data.append(rest)
        if word not in ("ok", "err") or not self._pending:
            return None
        asked, data = self._pending.popleft(), self._data
        self._data = []
        if word == "err":
            code, _, message = rest.partition(" ")
            return Answer(asked, code, message)
        self._learn(asked.line, rest, data)
        return Answer(asked, None, rest)

    def _learn(self, request: str, rest: str, data: list[str]) -> None:
        if request == GREETING[0]:
            self.version = rest.split()[1] if len(rest.split()) > 1 else "?"
            self.mat_name = parse_fields(rest).get("mat", "")
        elif request == "status":
            self.status = parse_fields(rest)
        elif request == "limits":
            self.limits = parse_fields(rest)
        elif request == "profiles":
            rows = [(row.partition(" ")[0], parse_fields(row)) for row in data]
            self.profiles = tuple(name for name, _ in rows)
            self.selected = next((n for n, row in rows if row.get("selected") == "yes"), "")
