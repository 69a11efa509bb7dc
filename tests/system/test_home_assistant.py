"""Home Assistant itself finds a mat, may not start it, and can stop it when it calls it unavailable.

It needs a Home Assistant of its own, with Python 3.13 and 400 MB:

    python3.13 -m venv ha
    ha/bin/pip install homeassistant==2025.4.4 home-assistant-frontend==20250411.0 paho-mqtt==2.1.0
    HASS=ha/bin/hass .venv/bin/pytest -n 0 -m slow tests/system/test_home_assistant.py
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.mosquitto import BridgeProcess, Listener, Mosquitto, own_id, required_broker
from tests.support.process import Lines
from tests.system.test_mqtt import bridge_of, patient_mock, pressed, reason_of_the_end

STARTING_S = 120.0
HASS = os.environ.get("HASS", "")

PROBE = """
import asyncio, json, os

async def async_setup(hass, config):
    def changed(event):
        new = event.data["new_state"]
        if new is not None:
            line = {"id": new.entity_id, "state": new.state, "attributes": dict(new.attributes)}
            os.write(1, (json.dumps(line, default=str) + "\\n").encode())

    async def serve(reader, writer):
        while line := await reader.readline():
            call = json.loads(line)
            await hass.services.async_call(*call["service"].split("."), call["data"], blocking=True)
            writer.write(b"ok\\n")

    hass.bus.async_listen("state_changed", changed)
    await asyncio.start_unix_server(serve, os.environ["PROBE_SOCKET"])
    return True
"""
"""An integration that prints every change of a state, and calls the services that its socket names."""


class HomeAssistant:
    def __init__(self, folder: Path, port: int) -> None:
        probe, storage = folder / "custom_components/probe", folder / ".storage"
        probe.mkdir(parents=True)
        storage.mkdir()
        (folder / "configuration.yaml").write_text("homeassistant:\n  name: Test\nprobe:\nlogger:\n  default: critical\n")  # fmt: skip
        (probe / "manifest.json").write_text(
            json.dumps({"domain": "probe", "name": "Probe", "version": "1"})
        )
        (probe / "__init__.py").write_text(PROBE)
        entry = {
            "domain": "mqtt", "entry_id": "mqtt", "title": "broker", "version": 1, "minor_version": 2,
            "data": {"broker": "127.0.0.1", "port": port}, "options": {}, "source": "user", "unique_id": None,
            "disabled_by": None, "discovery_keys": {}, "pref_disable_new_entities": False,
            "pref_disable_polling": False, "subentries": [],
            "created_at": "2026-01-01T00:00:00+00:00", "modified_at": "2026-01-01T00:00:00+00:00",
        }  # fmt: skip
        entries = {
            "version": 1,
            "minor_version": 5,
            "key": "core.config_entries",
            "data": {"entries": [entry]},
        }
        (storage / "core.config_entries").write_text(json.dumps(entries))
        self._socket = str(folder / "probe.sock")
        self.states: dict[str, str] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.process = subprocess.Popen(
            [HASS, "-c", str(folder), "--skip-pip"],
            env={**os.environ, "PROBE_SOCKET": self._socket, "PYTHONPATH": ""},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        self._lines = Lines(self.process.stdout.fileno(), STARTING_S)

    def until(self, entity: str, *states: str) -> dict[str, Any]:
        """Waits until an entity has one of these states (none: any). Returns its attributes."""

        def is_wanted(line: str) -> bool:
            if not line.startswith('{"id"'):
                return False
            new = json.loads(line)
            self.states[new["id"]], self.attributes[new["id"]] = new["state"], new["attributes"]
            return new["id"] == entity and (not states or new["state"] in states)

        if not (states and self.states.get(entity) in states):
            self._lines.until(is_wanted)
        return self.attributes[entity]

    def press(self, entity: str) -> None:
        self.call("button.press", {"entity_id": entity})

    def call(self, service: str, data: dict[str, object]) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(STARTING_S)
            sock.connect(self._socket)
            sock.sendall(json.dumps({"service": service, "data": data}).encode() + b"\n")
            assert sock.recv(100) == b"ok\n"

    def __enter__(self) -> "HomeAssistant":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if not HASS:
        pytest.skip("no Home Assistant is named; the begin of this file says how to install one")
    required_broker()
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


ENTITIES = {
    "binary_sensor.reference_mat_problem": "off",
    "button.reference_mat_start": "unknown",
    "button.reference_mat_stop": "unknown",
    "event.reference_mat_session": "unknown",
    "number.reference_mat_strength": "100",
    "select.reference_mat_profile": "long",
    "sensor.reference_mat_ends_at": "unknown",
    "sensor.reference_mat_left_today": "1800",
    "sensor.reference_mat_state": "idle",
    "update.reference_mat_program": "off",
}
"""Each entity and its state once the mat is there. A button that nobody has pressed is unknown."""


@pytest.mark.slow
def test_home_assistant_finds_may_not_start_and_can_stop(tmp_path: Path, broker: Mosquitto) -> None:
    home = HomeAssistant(tmp_path / "ha", broker.port)
    base = f"firmware-ctl/{own_id()}"
    with home, patient_mock(tmp_path) as mock, Listener(broker, f"{base}/#") as listener:
        with bridge_of(mock, broker):
            for entity, state in ENTITIES.items():
                home.until(entity, state)
            found = {entity for entity in home.states if ".reference_mat_" in entity}
            assert found == set(ENTITIES)

            home.press("button.reference_mat_start")
            home.until("event.reference_mat_session")
            assert home.attributes["event.reference_mat_session"]["event_type"] == "refused"
            assert home.attributes["event.reference_mat_session"]["code"] == "not-allowed"

            home.call("select.select_option", {"entity_id": "select.reference_mat_profile", "option": "short"})  # fmt: skip
            home.until("select.reference_mat_profile", "short")
            assert home.states["sensor.reference_mat_state"] == "idle"
            home.call(
                "number.set_value", {"entity_id": "number.reference_mat_strength", "value": 60}
            )
            home.until("number.reference_mat_strength", "60")

            # Home Assistant calls the mat unavailable, and its stop acts all the same.
            pressed(mock)
            home.until("sensor.reference_mat_state", "running")
            listener.publish(f"{base}/bridge", "offline", retain=True)
            home.until("sensor.reference_mat_state", "unavailable")
            home.press("button.reference_mat_stop")
            assert reason_of_the_end(mock) == "stop"

        with BridgeProcess(
            mock.home, mock.socket, "--broker", f"127.0.0.1:{broker.port}", "--allow-start"
        ):
            home.until("sensor.reference_mat_state", "idle")
            home.press("button.reference_mat_start")
            home.until("sensor.reference_mat_state", "running")
            assert listener.until_state(f"{base}/state", "running")
