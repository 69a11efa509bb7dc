"""The discovery payload against the keys that Home Assistant accepts.

Nothing on PyPI has Home Assistant's own schemas without all of Home Assistant (328 MB, Python 3.13), so
the keys stand here. They were printed from `DISCOVERY_SCHEMA` in homeassistant/components/mqtt/PLATFORM.py
and `DEVICE_DISCOVERY_SCHEMA` in homeassistant/components/mqtt/schemas.py of Home Assistant 2025.4.4.
`tests/slow/test_home_assistant.py` lets that Home Assistant itself judge.
"""

import json
from typing import Any

import pytest

from firmware_ctl.remote.mqtt.mat_state import EVENT_TYPES
from tests.support.home import ID, Home

SHARED = {
    "availability", "availability_mode", "availability_template", "availability_topic", "device",
    "enabled_by_default", "encoding", "entity_category", "entity_picture", "icon",
    "json_attributes_template", "json_attributes_topic", "name", "object_id", "origin",
    "payload_available", "payload_not_available", "qos", "unique_id",
}  # fmt: skip
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "button": ({"command_topic"}, {"command_template", "device_class", "payload_press", "retain"}),
    "select": ({"command_topic", "options"}, {"command_template", "optimistic", "retain", "state_topic", "value_template"}),
    "number": (
        {"command_topic"},
        {"command_template", "device_class", "max", "min", "mode", "optimistic", "payload_reset", "retain", "state_topic", "step", "unit_of_measurement", "value_template"},
    ),
    "sensor": (
        {"state_topic"},
        {"device_class", "expire_after", "force_update", "last_reset_value_template", "options", "state_class", "suggested_display_precision", "unit_of_measurement", "value_template"},
    ),
    "binary_sensor": ({"state_topic"}, {"device_class", "expire_after", "force_update", "off_delay", "payload_off", "payload_on", "value_template"}),
    "event": ({"state_topic", "event_types"}, {"device_class", "value_template"}),
    "update": (
        {"state_topic"},
        {"command_topic", "device_class", "display_precision", "latest_version_template", "latest_version_topic", "payload_install", "release_summary", "release_url", "retain", "title", "value_template"},
    ),
}  # fmt: skip
"""Platform → the keys that it needs, and those that it accepts beside `SHARED`."""
DEVICE = {"identifiers", "connections", "manufacturer", "model", "model_id", "name", "hw_version", "serial_number", "sw_version", "via_device", "suggested_area", "configuration_url"}  # fmt: skip


@pytest.fixture(scope="module")
def payload() -> dict[str, Any]:
    home = Home().at(1_000)
    value: dict[str, Any] = json.loads(home.retained[f"homeassistant/device/{ID}/config"])
    return value


def entities(payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    value: dict[str, dict[str, Any]] = payload["components"]
    return value


def test_payload_has_one_device_with_ten_entities(payload: dict[str, Any]) -> None:
    assert set(payload) == {"device", "origin", "components"}
    assert set(payload["device"]) <= DEVICE
    assert payload["device"]["name"] == "Small mat"
    assert set(payload["origin"]) <= {"name", "sw_version", "support_url"}
    assert sorted(entities(payload)) == [
        "ends_at", "left_today", "problem", "profile", "session", "start", "state", "stop", "strength", "update",
    ]  # fmt: skip


def test_every_key_is_one_that_home_assistant_accepts(payload: dict[str, Any]) -> None:
    for name, entity in entities(payload).items():
        needed, accepted = KEYS[entity["platform"]]
        keys = set(entity) - {"platform"}
        assert needed <= keys <= needed | accepted | SHARED, name


def test_stop_alone_has_no_availability(payload: dict[str, Any]) -> None:
    without = [name for name, entity in entities(payload).items() if "availability" not in entity]
    assert without == ["stop"]
    assert "availability" not in payload


def test_no_entity_can_be_switched_on(payload: dict[str, Any]) -> None:
    platforms = {entity["platform"] for entity in entities(payload).values()}
    assert not platforms & {"fan", "switch", "light", "valve", "siren", "climate", "lock"}


def test_unique_ids_differ_and_name_the_mat(payload: dict[str, Any]) -> None:
    ids = [entity["unique_id"] for entity in entities(payload).values()]
    assert len({*ids}) == 10
    assert all(ID in each for each in ids)


def test_topics_and_lists_are_those_of_the_mat(payload: dict[str, Any]) -> None:
    made = entities(payload)
    assert made["profile"]["options"] == ["calm", "quick", "steps"]
    assert made["session"]["event_types"] == list(EVENT_TYPES)
    assert (
        made["start"]["command_topic"],
        made["start"]["payload_press"],
        made["start"]["qos"],
    ) == (f"firmware-ctl/{ID}/cmd/start", "selected", 0)
    for entity in made.values():
        assert all(
            topic.startswith(f"firmware-ctl/{ID}/")
            for key, topic in entity.items()
            if key.endswith("_topic")
        )


def test_every_event_has_a_type_that_the_entity_lists() -> None:
    home = Home().at(1_000)
    for at_ms, command, words in (
        (2_000, "start", "steps"), (3_000, "pause", ""), (4_000, "resume", ""), (5_000, "trim", "50"),
        (6_000, "start", "calm"), (7_000, "stop", ""), (8_000, "select", "quick"),
    ):  # fmt: skip
        home.at(at_ms).send(command, words)
    types = [event["event_type"] for event in home.events]
    assert {
        "started",
        "paused",
        "resumed",
        "ended",
        "selected",
        "trim",
        "phase",
        "cue",
        "refused",
    } == {*types}
    assert {*types} <= {*EVENT_TYPES}


def test_profiles_that_are_loaded_again_change_the_options() -> None:
    home = Home().at(1_000)
    before = home.retained[f"homeassistant/device/{ID}/config"]
    home.at(60_000)
    assert home.retained[f"homeassistant/device/{ID}/config"] == before
    assert sum(topic.startswith("homeassistant/") for topic, _ in home.messages) == 1
