"""`firmware-ctl mqtt` and `fleet` between a real mosquitto and a real mock."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.json_shapes import checked
from tests.support.mosquitto import (
    BridgeProcess,
    Listener,
    Mosquitto,
    certificates,
    fleet,
    own_id,
    password_file,
    required_broker,
)
from tests.support.process import PATIENCE_S, Client, Mock

ID = "" if not Path("/etc/machine-id").exists() else own_id()
BASE = f"firmware-ctl/{ID}"
STATE, EVENT = f"{BASE}/state", f"{BASE}/event"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    required_broker()
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Mock]:
    with patient_mock(tmp_path) as mock:
        yield mock


def patient_mock(folder: Path) -> Mock:
    program = [sys.executable, "-m", "tests.support.patient"]
    return Mock(folder / "home", speed=1, program=program)


def bridge_of(mock: Mock, broker: Mosquitto, *options: str) -> BridgeProcess:
    return BridgeProcess(mock.home, mock.socket, "--broker", f"127.0.0.1:{broker.port}", *options)


def started(listener: Listener) -> None:
    """Starts the profile `long` over MQTT."""
    listener.publish(f"{BASE}/cmd/start", "long")
    state = listener.until_state(STATE, "running")
    assert (state["profile"], state["by"]) == ("long", "mqtt")


def pressed(mock: Mock) -> None:
    """Starts a session by the button of the mock."""
    with Client(mock.port) as client:
        client.ask("events on")
        client.ask("select long")
        client.status_until(lambda _: client.ask("press")[-1] == "ok")
        client.told_until("state=running")


def reason_of_the_end(mock: Mock) -> str:
    line = mock.log.until(
        lambda line: line.startswith("event=state state=idle") and "reason=" in line
    )
    return line.partition("reason=")[2].split()[0]


def test_start_trim_and_stop_over_mqtt(mock: Mock, broker: Mosquitto) -> None:
    with Listener(broker, "firmware-ctl/#") as listener, bridge_of(mock, broker, "--allow-start"):
        listener.until_state(STATE, "idle")
        started(listener)
        listener.publish(f"{BASE}/cmd/trim", "70")
        assert listener.until(lambda topic, payload: topic == STATE and '"trim": 70' in payload)
        listener.publish(f"{BASE}/cmd/stop", b"\xff" * 100_000)
        assert listener.until_state(STATE, "idle")["by"] == "mqtt"
        assert reason_of_the_end(mock) == "stop"


def test_without_allow_start_a_start_is_refused(mock: Mock, broker: Mosquitto) -> None:
    with Listener(broker, "firmware-ctl/#") as listener, bridge_of(mock, broker):
        listener.until_state(STATE, "idle")
        listener.publish(f"{BASE}/cmd/start", "long")
        assert json.loads(listener.until_topic(EVENT))["code"] == "not-allowed"


def test_kept_start_starts_nothing_and_is_removed(mock: Mock, broker: Mosquitto) -> None:
    with Listener(broker) as sender:
        sender.publish(f"{BASE}/cmd/start", "long", retain=True)
        sender.publish(f"{BASE}/cmd/trim", "50", retain=True)
    with (
        Listener(broker, STATE, EVENT) as listener,
        bridge_of(mock, broker, "--allow-start") as bridge,
    ):
        bridge.until("a kept message (retain) on cmd/start is ignored")
        listener.until(lambda topic, _: topic == EVENT)
        # The live start is the first thing that plays.
        started(listener)
        assert not any(
            '"started"' in payload for topic, payload, _ in listener.messages[:2] if topic == EVENT
        )
        assert listener.messages[-1][1].count('"trim": 100') == 1
    with Listener(broker, f"{BASE}/cmd/+", f"{BASE}/bridge") as listener:
        listener.until_topic(f"{BASE}/bridge")
        assert all(topic == f"{BASE}/bridge" for topic, _, _ in listener.messages)


def test_stop_that_came_while_the_bridge_was_away(mock: Mock, broker: Mosquitto) -> None:
    pressed(mock)
    with Listener(broker, "firmware-ctl/#") as listener:
        # Nothing is queued for a bridge that is away: only a kept stop reaches it.
        listener.publish(f"{BASE}/cmd/stop", "lost")
        with bridge_of(mock, broker) as bridge:
            assert listener.until_state(STATE, "running")["by"] is None
            bridge.end()
        listener.publish(f"{BASE}/cmd/stop", "kept", retain=True)
        with bridge_of(mock, broker):
            assert reason_of_the_end(mock) == "stop"
            listener.until_topic(f"{BASE}/cmd/stop", "")


def test_killed_broker_ends_what_mqtt_started_and_its_return_resumes_nothing(
    mock: Mock, broker: Mosquitto
) -> None:
    with bridge_of(mock, broker, "--allow-start") as bridge:
        with Listener(broker, STATE) as listener:
            listener.until_state(STATE, "idle")
            started(listener)
        broker.kill()
        bridge.until("what MQTT has started ends within 10 s")
        assert reason_of_the_end(mock) == "lease"
        broker.start()
        bridge.until("connected to the broker")
        with Listener(broker, STATE) as listener:
            listener.until_state(STATE, "idle")
        with Client(mock.port) as client:
            assert client.status()["state"] == "idle"
        assert not any("state=running" in line for line in mock.log.lines[-1:])


def test_frozen_broker_ends_what_mqtt_started(mock: Mock, broker: Mosquitto) -> None:
    with Listener(broker, STATE) as listener, bridge_of(mock, broker, "--allow-start"):
        listener.until_state(STATE, "idle")
        started(listener)
        broker.freeze()
        assert reason_of_the_end(mock) == "lease"
        broker.thaw()
        listener.until_state(STATE, "idle")


def test_broker_that_restarts_leaves_a_session_of_the_button_alone(
    mock: Mock, broker: Mosquitto
) -> None:
    with bridge_of(mock, broker) as bridge:
        bridge.until("connected to the broker")
        pressed(mock)
        broker.kill()
        bridge.until("no connection to the broker")
        broker.start()
        bridge.until("connected to the broker")
        with Listener(broker, STATE) as listener:
            assert listener.until_state(STATE, "running")["by"] == "button"


def test_killed_bridge_is_offline_and_what_it_started_ends(mock: Mock, broker: Mosquitto) -> None:
    with (
        Listener(broker, "firmware-ctl/#") as listener,
        bridge_of(mock, broker, "--allow-start") as bridge,
    ):
        listener.until_state(STATE, "idle")
        started(listener)
        bridge.process.kill()
        assert reason_of_the_end(mock) == "closed"
        listener.until_topic(f"{BASE}/bridge", "offline")


def test_bridge_that_is_ended_says_so_and_exits_with_0(mock: Mock, broker: Mosquitto) -> None:
    with Listener(broker, "firmware-ctl/#") as listener, bridge_of(mock, broker) as bridge:
        listener.until_topic(f"{BASE}/bridge", "online")
        assert bridge.end() == (0, "")
        listener.until_topic(f"{BASE}/bridge", "offline")


SIGNAL_IN_ANOTHER_THREAD = """\
import os, signal, threading
from firmware_ctl.remote.mqtt.runner import Runner

class Quiet:
    def handle(self, taken, moment):
        return []
    def wake_at_ms(self):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
Runner(Quiet(), None, str, print).run()
"""


def test_bridge_ends_by_a_signal_that_another_thread_gets() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNAL_IN_ANOTHER_THREAD], timeout=PATIENCE_S)
    assert done.returncode == 0


def test_second_bridge_with_the_same_id_replaces_the_first_one(
    mock: Mock, broker: Mosquitto
) -> None:
    with bridge_of(mock, broker) as first:
        first.until("connected to the broker")
        with bridge_of(mock, broker) as second:
            second.until("connected to the broker")
            first.until(f"id {ID}")  # in one of two sentences, by the broker's version
            with Listener(broker, f"{BASE}/bridge") as listener:
                listener.until_topic(f"{BASE}/bridge", "online")


def test_daemon_that_ends_and_comes_back(tmp_path: Path, broker: Mosquitto) -> None:
    listener = Listener(broker, "firmware-ctl/#")
    with listener, patient_mock(tmp_path) as mock, bridge_of(mock, broker, "--allow-start"):
        listener.until_topic(f"{BASE}/daemon", "online")
        mock.end()
        listener.until_topic(f"{BASE}/daemon", "offline")
        with patient_mock(tmp_path):
            listener.until_topic(f"{BASE}/daemon", "online")
            started(listener)


# --- who may ---


def config(
    folder: Path, broker: Mosquitto, *lines: str, mode: int = 0o600, password: str = "secret"
) -> Path:
    secret = folder / "password"
    secret.write_text(f"{password}\n")
    secret.chmod(mode)
    path = folder / "mqtt.yaml"
    path.write_text(
        "\n".join([f"broker: localhost:{broker.port}", f"password_file: {secret}", *lines, ""])
    )
    return path


def test_wrong_password_is_told_and_the_right_one_connects(mock: Mock, tmp_path: Path) -> None:
    required_broker()
    users = password_file(tmp_path, {"mat": "secret"})
    with Mosquitto(tmp_path / "broker", f"password_file {users}", anonymous=False) as broker:
        file = config(tmp_path, broker, "user: mat", password="wrong")
        with BridgeProcess(mock.home, mock.socket, "--config", str(file)) as bridge:
            bridge.until("no connection to the broker: Not authorized")
            (tmp_path / "password").write_text("secret\n")
            bridge.until("connected to the broker")
        file = config(tmp_path, broker, "user: mat", mode=0o644)
        with BridgeProcess(mock.home, mock.socket, "--config", str(file)) as bridge:
            _, errors = bridge.process.communicate()
            assert bridge.process.returncode == 2
            assert errors.decode().endswith(
                f"(mode 0644); run: chmod 600 {tmp_path / 'password'}\n"
            )


ACL = """\
pattern readwrite firmware-ctl/%u/#
pattern read firmware-ctl/all/cmd/stop
user desk
topic read firmware-ctl/#
topic write firmware-ctl/+/cmd/stop
"""


def test_rules_of_a_studio_let_a_mat_use_its_own_topics_only(mock: Mock, tmp_path: Path) -> None:
    required_broker()
    rules = tmp_path / "acl"
    rules.write_text(ACL)
    users = password_file(tmp_path, {ID: "secret", "0badcafe": "secret", "desk": "secret"})
    lines = (f"password_file {users}", f"acl_file {rules}")
    with Mosquitto(tmp_path / "broker", *lines, anonymous=False) as broker:
        file = config(
            tmp_path, broker, f"user: '{ID}'", "allow_start: true", "discovery_prefix: none"
        )
        with (
            BridgeProcess(mock.home, mock.socket, "--config", str(file)),
            Listener(broker, "firmware-ctl/#", user="desk", password="secret") as desk,
            Listener(broker, user="0badcafe", password="secret") as other,
            Listener(broker, user=ID, password="secret") as own,
        ):
            desk.until_state(STATE, "idle")
            other.publish(f"{BASE}/cmd/start", "long")
            desk.publish(f"{BASE}/cmd/start", "long")
            own.publish(f"{BASE}/cmd/start", "short")
            # Only the start of the mat's own user has arrived.
            assert desk.until_state(STATE, "running")["profile"] == "short"
            other.publish("firmware-ctl/all/cmd/stop")
            other.publish(f"{BASE}/cmd/stop")
            desk.publish("firmware-ctl/all/cmd/stop")
            assert reason_of_the_end(mock) == "stop"
        file = config(tmp_path, broker, "user: desk")
        with BridgeProcess(mock.home, mock.socket, "--config", str(file)) as bridge:
            bridge.until(f"does not let this mat publish {BASE}/bridge")


def test_tls_with_the_authority_of_a_file(mock: Mock, tmp_path: Path) -> None:
    required_broker()
    ca, certificate, key = certificates(tmp_path / "tls")
    other_ca, _, _ = certificates(tmp_path / "other")
    with Mosquitto(tmp_path / "broker", f"certfile {certificate}", f"keyfile {key}") as broker:
        path = tmp_path / "mqtt.yaml"
        path.write_text(f"broker: localhost:{broker.port}\ntls: {{ca: {other_ca}}}\n")
        with BridgeProcess(mock.home, mock.socket, "--config", str(path)) as bridge:
            bridge.until("no connection to the broker: its certificate is not valid")
        path.write_text(f"broker: localhost:{broker.port}\ntls: {{ca: {ca}}}\n")
        with BridgeProcess(mock.home, mock.socket, "--config", str(path)) as bridge:
            bridge.until("connected to the broker")
            with Listener(broker, STATE, ca=str(ca)) as listener:
                listener.until_state(STATE, "idle")


# --- many mats ---


def test_fleet_lists_and_stops(mock: Mock, broker: Mosquitto) -> None:
    at = ("--broker", f"127.0.0.1:{broker.port}")
    with Listener(broker, STATE) as listener, bridge_of(mock, broker, "--allow-start"):
        listener.until_state(STATE, "idle")
        started(listener)
        [mat] = checked("fleet", fleet(mock.home, "--json", *at).stdout)
        assert (mat["id"], mat["state"], mat["by"]) == (ID, "running", "mqtt")
        shown = fleet(mock.home, *at).stdout.splitlines()
        assert shown[1].split()[:3] == [ID, "running", "long"]
        done = fleet(mock.home, "stop", *at)
        assert (done.returncode, done.stdout, done.stderr) == (0, "1 of 1 mats have stopped\n", "")
        assert reason_of_the_end(mock) == "stop"
        done = fleet(mock.home, "stop", "0badcafe", *at)
        assert (done.returncode, done.stderr) == (
            1,
            "firmware-ctl: 0badcafe is offline: it did not confirm the stop\n",
        )


def test_fleet_of_a_broker_without_mats_says_so(tmp_path: Path, broker: Mosquitto) -> None:
    done = fleet(tmp_path, "stop", "--broker", f"127.0.0.1:{broker.port}")
    assert (done.returncode, done.stdout) == (0, "no mat has ever been connected to this broker\n")


def test_fleet_without_a_broker_ends_with_3(tmp_path: Path, broker: Mosquitto) -> None:
    broker.kill()
    done = fleet(tmp_path, "--broker", f"127.0.0.1:{broker.port}")
    assert done.returncode == 3
    assert (
        done.stderr
        == f"firmware-ctl: no connection to the broker 127.0.0.1:{broker.port}: Connection refused\n"
    )


def test_fleet_stops_while_the_bridge_is_frozen_in_one_sentence(
    mock: Mock, broker: Mosquitto
) -> None:
    at = ("--broker", f"127.0.0.1:{broker.port}")
    with Listener(broker, STATE) as listener, bridge_of(mock, broker, "--allow-start") as bridge:
        listener.until_state(STATE, "idle")
        started(listener)
        os.kill(bridge.process.pid, signal.SIGSTOP)
        done = fleet(mock.home, "stop", *at)
        assert (done.returncode, done.stdout) == (1, "0 of 1 mats have stopped\n")
        assert done.stderr == f"firmware-ctl: {ID} is running: it did not confirm the stop\n"
        assert reason_of_the_end(mock) == "lease"
