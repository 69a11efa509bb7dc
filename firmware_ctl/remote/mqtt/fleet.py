"""What all mats of a broker publish, gathered by mat. It starts nothing."""

import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from firmware_ctl.remote.mqtt.topics import ALL_STOP, ONLINE, ROOT, Topics

FILTERS: Final = tuple(f"{ROOT}/+/{name}" for name in ("bridge", "daemon", "state"))
_TOPIC: Final = re.compile(rf"{ROOT}/([0-9a-f]{{8}})/(bridge|daemon|state)")
TEXTS: Final = ("state", "selected", "profile", "phase", "ends_at", "fault", "by")
SECONDS_AND_PERCENT: Final = ("trim", "left_today", "used_today")
"""The fields of a state."""
STATE_MAX: Final = 4_096
"""The longest state that is read. A mat's own has a tenth of that."""


class FleetMat(NamedTuple):
    mat_id: str
    has_bridge: bool = False
    has_daemon: bool = False
    state: dict[str, object] = {}  # noqa: RUF012, it is never changed

    @property
    def is_there(self) -> bool:
        return self.has_bridge and self.has_daemon

    @property
    def shown_state(self) -> str:
        """The state in one word. What a mat has published last counts only while it is there."""
        if not self.has_bridge:
            return "offline"
        return self.text("state") or "?" if self.has_daemon else "no daemon"

    @property
    def is_stopped(self) -> bool:
        return self.is_there and self.state.get("state") in ("idle", "fault")

    def text(self, key: str) -> str:
        """A field of the state as text. Empty if the mat has none."""
        value = self.state.get(key)
        return "" if value is None else str(value)

    def as_json(self) -> dict[str, object]:
        """The known fields. What is no text or no whole number where one is expected is None: any
        client of a broker may publish anything."""
        texts = {key: value for key in TEXTS if isinstance(value := self.state.get(key), str)}
        numbers = {
            key: value for key in SECONDS_AND_PERCENT if type(value := self.state.get(key)) is int
        }
        return {
            "id": self.mat_id,
            "bridge": self.has_bridge,
            "daemon": self.has_daemon,
            **{key: texts.get(key) or None for key in TEXTS},
            **{key: numbers.get(key) for key in SECONDS_AND_PERCENT},
        }


class Fleet:
    def __init__(self) -> None:
        self.mats: dict[str, FleetMat] = {}

    def take(self, topic: str, payload: bytes) -> bool:
        """Takes a message. Returns whether a mat has changed."""
        match = _TOPIC.fullmatch(topic)
        if match is None:
            return False
        mat_id, name = match[1], match[2]
        before = self.mats.get(mat_id, FleetMat(mat_id))
        if name == "state":
            mat = before._replace(state=_object(payload))
        elif name == "bridge":
            mat = before._replace(has_bridge=payload == ONLINE.encode())
        else:
            mat = before._replace(has_daemon=payload == ONLINE.encode())
        is_new = mat_id not in self.mats
        self.mats[mat_id] = mat
        return is_new or mat != before

    def sorted(self, ids: Iterable[str] = ()) -> list[FleetMat]:
        """The mats with these ids in their order; without ids all mats, sorted."""
        wanted = list(ids) or sorted(self.mats)
        return [self.mats.get(mat_id, FleetMat(mat_id)) for mat_id in wanted]


def stop_topics(ids: Iterable[str]) -> list[str]:
    """Where to publish a stop for these mats; without ids, for all."""
    return [Topics(mat_id).command("stop") for mat_id in ids] or [ALL_STOP]


def _object(payload: bytes) -> dict[str, object]:
    """The object in a payload. Empty if it is none: any client of a broker may publish anything."""
    if len(payload) > STATE_MAX:
        return {}
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
