"""The payload by which Home Assistant finds a mat: one device with ten entities.

It has no fan, switch, valve or light: "turn on everything" and groups would start the mat. A mat is
started by its button only, and `select` chooses without a start.
"""

import json
from typing import Final

from firmware_ctl import __version__, limits
from firmware_ctl.remote.mqtt.conversation import Conversation
from firmware_ctl.remote.mqtt.mat_state import EVENT_TYPES
from firmware_ctl.remote.mqtt.requests import SELECTED
from firmware_ctl.remote.mqtt.topics import OFFLINE, ONLINE, Topics

Entity = dict[str, object]

BIRTH: Final = b"online"
"""What Home Assistant publishes on its status topic when it has started."""


def config_topic(prefix: str, mat_id: str) -> str:
    return f"{prefix}/device/{mat_id}/config"


def status_topic(prefix: str) -> str:
    return f"{prefix}/status"


def payload(topics: Topics, daemon: Conversation) -> str:
    """The discovery payload as JSON (Home Assistant 2024.11 or newer)."""
    name = daemon.mat_name or "Mat"
    return json.dumps(
        {
            "device": {
                "identifiers": [f"firmware-ctl-{topics.mat_id}"],
                "name": name,
                "manufacturer": "firmware-ctl",
                "model": "Vibrating acupressure mat",
                "sw_version": daemon.version,
            },
            "origin": {"name": "firmware-ctl", "sw_version": __version__},
            "components": {
                key: entity | {"unique_id": f"firmware-ctl-{topics.mat_id}-{key}"}
                for key, entity in _entities(topics, daemon).items()
            },
        }
    )


def _entities(topics: Topics, daemon: Conversation) -> dict[str, Entity]:
    return _controls(topics, daemon) | _sensors(topics) | _others(topics, daemon)


def _controls(topics: Topics, daemon: Conversation) -> dict[str, Entity]:
    # Availability stands in each entity, never for the device: Home Assistant would show the stop
    # button as unavailable, and such a button publishes nothing.
    while_there = _while_there(topics)
    least, most = limits.TRIM_PCT
    return {
        "stop": {
            "platform": "button",
            "name": "Stop",
            "icon": "mdi:stop-circle",
            "command_topic": topics.command("stop"),
            "payload_press": "stop",
            "qos": 1,
        },
        # Quality 0, at most once: a start that is sent again after a lost connection could come
        # long after it was wanted.
        "start": while_there
        | {
            "platform": "button",
            "name": "Start",
            "icon": "mdi:play-circle",
            "command_topic": topics.command("start"),
            "payload_press": SELECTED,
            "qos": 0,
        },
        "profile": while_there
        | {
            "platform": "select",
            "name": "Profile",
            "command_topic": topics.command("select"),
            "options": list(daemon.profiles),
            **_value(topics, "selected"),
        },
        "strength": while_there
        | {
            "platform": "number",
            "name": "Strength",
            "command_topic": topics.command("trim"),
            "min": least,
            "max": most,
            "step": 5,
            "unit_of_measurement": "%",
            **_value(topics, "trim"),
        },
    }


def _sensors(topics: Topics) -> dict[str, Entity]:
    while_there = _while_there(topics)
    return {
        "state": while_there
        | {
            "platform": "sensor",
            "name": "State",
            "device_class": "enum",
            "options": ["idle", "running", "paused", "fault"],
            **_value(topics, "state"),
        },
        "ends_at": while_there
        | {
            "platform": "sensor",
            "name": "Ends at",
            "device_class": "timestamp",
            **_value(topics, "ends_at"),
        },
        "left_today": while_there
        | {
            "platform": "sensor",
            "name": "Left today",
            "device_class": "duration",
            "unit_of_measurement": "s",
            "suggested_display_precision": 0,
            **_value(topics, "left_today"),
        },
    }


def _others(topics: Topics, daemon: Conversation) -> dict[str, Entity]:
    while_there = _while_there(topics)
    return {
        "problem": while_there
        | {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value_json.fault else 'OFF' }}",
        },
        "session": while_there
        | {
            "platform": "event",
            "name": "Session",
            "state_topic": topics.event,
            "event_types": list(EVENT_TYPES),
        },
        # The version that runs, and the one that is installed: they differ after an upgrade until
        # the service is restarted.
        "update": while_there
        | {
            "platform": "update",
            "name": "Program",
            "entity_category": "diagnostic",
            "state_topic": topics.state,
            "value_template": json.dumps(
                {"installed_version": daemon.version, "latest_version": __version__}
            ),
        },
    }


def _while_there(topics: Topics) -> Entity:
    """The keys by which an entity is available while bridge and daemon are."""
    return {
        "availability": [
            {"topic": topic, "payload_available": ONLINE, "payload_not_available": OFFLINE}
            for topic in (topics.bridge, topics.daemon)
        ],
        "availability_mode": "all",
    }


def _value(topics: Topics, key: str) -> Entity:
    return {"state_topic": topics.state, "value_template": f"{{{{ value_json.{key} }}}}"}
