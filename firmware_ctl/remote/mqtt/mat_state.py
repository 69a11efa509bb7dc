"""What is published of a mat: its state, retained, and its events, as JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from firmware_ctl.remote.mqtt.conversation import Conversation

ENDS_AT_JITTER_S: Final = 2
"""A new end that differs by less than this from the published one is the same end. Without it,
rounding would change the state each time that the daemon is asked."""

EVENT_TYPES: Final = (
    "started", "paused", "resumed", "ended", "cleared", "selected", "trim", "phase", "cue",
    "refused", "fault",
)  # fmt: skip
"""Every `event_type` that a bridge publishes."""


class MatState:
    """The state of one mat, as it was last made."""

    def __init__(self) -> None:
        self._ends_at_s: float | None = None
        self._state = ""

    def state_of(self, daemon: Conversation, wall_s: float) -> str:
        """The state as JSON. It changes only if something happens: no field counts time."""
        status, limits = daemon.status, daemon.limits
        state = status.get("state", "")
        is_on = state in ("running", "paused")
        return json.dumps(
            {
                "state": state,
                "selected": daemon.selected or None,
                "profile": status.get("profile") if is_on else None,
                "phase": status.get("phase") or None,
                "trim": _number(status.get("trim")),
                "ends_at": self._ends_at(state, status, wall_s),
                "left_today": _number(limits.get("left")),
                "used_today": _number(limits.get("used")),
                "fault": status.get("fault") or None,
                "by": daemon.by or None,
            }
        )

    def event_of(self, fields: Mapping[str, str]) -> str | None:
        """The JSON of a daemon's event. None: it is not published."""
        kind = self._event_type(fields)
        if kind is None:
            return None
        others = {key: value for key, value in fields.items() if key not in ("event", "cert")}
        return event(kind, others)

    def _event_type(self, fields: Mapping[str, str]) -> str | None:
        kind = fields["event"]
        if kind in ("phase", "refused", "fault"):
            return kind
        if kind == "cue":
            return "cue" if fields.get("cue") else None
        if kind != "state":
            return None
        state, before = fields.get("state"), self._state
        if state is None:
            return "trim" if "trim" in fields else "selected"
        self._state = state
        if state == "running":
            return "resumed" if before == "paused" else "started"
        if state == "paused":
            return "paused"
        return "ended" if "reason" in fields else "cleared"

    def _ends_at(self, state: str, status: Mapping[str, str], wall_s: float) -> str | None:
        if state != "running":
            self._ends_at_s = None
            return None
        at_s = wall_s + float(status.get("left") or 0)
        if self._ends_at_s is None or abs(at_s - self._ends_at_s) > ENDS_AT_JITTER_S:
            self._ends_at_s = at_s
        return datetime.fromtimestamp(round(self._ends_at_s), UTC).isoformat()


def event(kind: str, fields: Mapping[str, str]) -> str:
    return json.dumps({"event_type": kind, **fields})


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
