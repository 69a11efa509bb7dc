"""States of a mat as the bridge sends them, and two small profiles."""

from typing import Any, Final

MAT: Final[dict[str, Any]] = {
    "name": "Test mat",
    "has_button": True,
    "zones": [
        {
            "name": "neck",
            "present": True,
            "motors": [
                {"name": "neck_left", "side": "left"},
                {"name": "neck_right", "side": "right"},
            ],
        },
        {
            "name": "lower_back",
            "present": True,
            "motors": [
                {"name": "back_left", "side": "left"},
                {"name": "back_right", "side": "right"},
            ],
        },
    ],
}
MOTORS: Final = ["neck_left", "neck_right", "back_left", "back_right"]


def picture(name: str) -> dict[str, Any]:
    """A minute at 40 % on both zones, then a minute on the left of the back, with a cue."""
    return {
        "name": name,
        "cert": f"cert-{name}",
        "length_ms": 120_000,
        "motors": MOTORS,
        "zones": {"neck": [0, 1], "lower_back": [2, 3]},
        "phases": [
            {"name": "hum", "at_ms": 0, "until_ms": 60_000, "cue": None},
            {"name": "ankle", "at_ms": 60_000, "until_ms": 120_000, "cue": "KI3"},
        ],
        "envelope": {
            "neck": [[0, 40], [60_000, 0], [120_000, 0]],
            "lower_back": [[0, 40], [60_000, 80], [120_000, 0]],
        },
        "changes": [[0, [40, 40, 40, 40]], [60_000, [0, 0, 80, 0]], [120_000, [0, 0, 0, 0]]],
    }


PICTURES: Final = {name: picture(name) for name in ("calm", "guided")}


def idle(**values: Any) -> dict[str, Any]:
    return {
        "daemon": "online",
        "paired": True,
        "may_command": True,
        "version": "0.1.0",
        "mat": MAT,
        "state": "idle",
        "profile": "calm",
        "cert": "cert-calm",
        "phase": None,
        "t": 0.0,
        "left": 0.0,
        "trim": 100,
        "zones": {"neck": 0, "lower_back": 0},
        "signal": None,
        "fault": None,
        "cue": None,
        "by": None,
        "reason": None,
        "selected": "calm",
        "limits": {"session": 900, "daily": 1800, "used": 412, "left": 1388},
        "profiles": [
            {
                "name": "calm",
                "title": "Calm",
                "about": "Two quiet minutes.",
                "minutes": 2,
                "needs": [],
                "warnings": [],
            },
            {
                "name": "guided",
                "title": "Guided",
                "about": "A point by hand.",
                "minutes": 2,
                "needs": ["neck"],
                "warnings": ["LI4: Traditionally avoided in pregnancy."],
            },
        ],
        "refused": None,
        **values,
    }


def running(**values: Any) -> dict[str, Any]:
    playing = {
        "state": "running",
        "phase": "hum",
        "t": 20.0,
        "left": 100.0,
        "zones": {"neck": 40, "lower_back": 40},
        "by": "web",
    }
    return idle(**{**playing, **values})


def cue(**values: Any) -> dict[str, Any]:
    by_hand = {
        "phase": "ankle",
        "t": 70.0,
        "left": 50.0,
        "zones": {"neck": 0, "lower_back": 80},
        "cue": {
            "name": "LI4",
            "text": "Large Intestine 4: hand, between thumb and index finger",
            "warning": "Traditionally avoided in pregnancy.",
        },
    }
    return running(**{**by_hand, **values})


def paused(**values: Any) -> dict[str, Any]:
    return running(**{"state": "paused", "zones": {"neck": 0, "lower_back": 0}, **values})


def fault(**values: Any) -> dict[str, Any]:
    return idle(**{"state": "fault", "fault": "rail stuck-on", **values})


def unpaired(**values: Any) -> dict[str, Any]:
    return {
        "daemon": "online",
        "paired": False,
        "may_command": True,
        "version": "0.1.0",
        "state": "running",
        "can_hold_button": True,
        **values,
    }


ALL: Final = {
    "idle": idle,
    "running": running,
    "cue": cue,
    "paused": paused,
    "fault": fault,
    "unpaired": unpaired,
    "hung": lambda: running(daemon="silent"),
    "absent": lambda: idle(daemon="absent", state=None),
}
"""Every state that a phone may meet, by the name that tests give it."""
