"""A real mosquitto as a process, a client that listens to it, and a bridge as a process."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware_ctl.remote.mqtt.runner import machine_id
from firmware_ctl.remote.mqtt.topics import mat_id
from tests.support.process import PATIENCE_S, Lines, command, environment

PROGRAM = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


def required_broker() -> None:
    """Skips a test where mosquitto or the machine's id is missing. In CI it fails."""
    missing = "mosquitto" if PROGRAM is None else ""
    if not Path("/etc/machine-id").exists():
        missing = "/etc/machine-id"
    if missing:
        sentence = f"{missing} is not here; the Debian packages mosquitto and systemd bring them"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)


def own_id() -> str:
    return mat_id(machine_id())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mosquitto:
    """A broker on a free port of the loopback interface. It keeps its port when it starts again."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        """`lines` are added to its configuration, below the listener."""
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.folder = folder
        self._config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []
        allow = f"allow_anonymous {'true' if anonymous else 'false'}"
        persistence = [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
        ]
        self._config.write_text(
            "\n".join([*user, *persistence, f"listener {self.port} 127.0.0.1", allow, *lines, ""])
        )
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        self.process = subprocess.Popen(
            [PROGRAM, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        Lines(self.process.stderr.fileno()).until(lambda line: line.endswith(" running"))
        # A broker whose log is not read would wait for its reader after some hundred lines.
        self._reader = Thread(target=self.process.stderr.read, daemon=True)
        self._reader.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> "Mosquitto":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Listener:
    """A client that receives every message of some topics, in their order."""

    def __init__(
        self,
        broker: Mosquitto,
        *filters: str,
        user: str | None = None,
        password: str | None = None,
        ca: str | None = None,
    ) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        """Topic, payload, and whether the broker had kept it."""
        self._queue: queue.SimpleQueue[tuple[str, str, bool]] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _, __, message: self._queue.put(
            (message.topic, message.payload.decode("utf-8", "replace"), message.retain)
        )
        subscribed: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._client.on_subscribe = lambda *_: subscribed.put(None)
        if user is not None:
            self._client.username_pw_set(user, password)
        if ca is not None:
            self._client.tls_set(ca_certs=ca)
        self._client.connect("localhost" if ca else "127.0.0.1", broker.port)
        self._client.loop_start()
        if filters:
            self._client.subscribe([(each, 1) for each in filters])
            subscribed.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: str | bytes = "", retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(PATIENCE_S)

    def until(self, is_wanted: Callable[[str, str], bool]) -> str:
        """Receives up to and including the next wanted message. Returns its payload."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                message = self._queue.get(timeout=max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(self.messages[-10:]) from None
            self.messages.append(message)
            if is_wanted(*message[:2]):
                return message[1]

    def until_topic(self, topic: str, payload: str | None = None) -> str:
        return self.until(lambda t, p: t == topic and payload in (None, p))

    def until_state(self, topic: str, state: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.until(lambda t, p: t == topic and bool(p) and json.loads(p)["state"] == state)
        )
        return found

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class BridgeProcess:
    """`firmware-ctl mqtt` as a process."""

    def __init__(self, home: Path, socket_path: str, *options: str) -> None:
        self.process = subprocess.Popen(
            command("mqtt", "--socket", socket_path, *options),
            env={**environment(home), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.log = Lines(self.process.stdout.fileno())

    def until(self, words: str) -> str:
        return self.log.until(lambda line: words in line)

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors.decode()

    def __enter__(self) -> "BridgeProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def password_file(folder: Path, users: dict[str, str]) -> Path:
    """A file of users for mosquitto."""
    path = folder / "users"
    path.touch(mode=0o600)
    for user, password in users.items():
        subprocess.run(
            ["mosquitto_passwd", "-b", str(path), user, password], check=True, capture_output=True
        )
    return path


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate with its key for localhost that it has signed."""
    folder.mkdir(exist_ok=True)
    ca, ca_key, cert, key, request = (
        folder / name for name in ("ca.crt", "ca.key", "b.crt", "b.key", "b.csr")
    )
    new_key = ["-newkey", "rsa:2048", "-nodes"]
    _openssl(
        "req",
        "-x509",
        *new_key,
        "-days",
        "2",
        "-subj",
        "/CN=Test authority",
        "-keyout",
        ca_key,
        "-out",
        ca,
    )
    _openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    _openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        ca,
        "-CAkey",
        ca_key,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        names,
        "-out",
        cert,
    )
    return ca, cert, key


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def fleet(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "firmware_ctl", "fleet", *words],
        env=environment(home), capture_output=True, text=True, timeout=2 * PATIENCE_S,
    )  # fmt: skip
