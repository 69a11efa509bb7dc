"""The bridge's file: every key, every kind of mistake, and the secrets."""

from pathlib import Path

import pytest

from firmware_ctl.errors import AuthorError, DeviceError
from firmware_ctl.remote.mqtt.settings import (
    Address,
    Settings,
    Tls,
    address,
    load_settings,
    read_password,
    read_settings,
    secret_file,
)
from tests.support.process import ROOT


def read(text: str) -> Settings:
    return read_settings(text.encode(), "mqtt.yaml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(AuthorError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_every_key_is_read() -> None:
    text = """\
broker: broker.example:8883
user: mat
password_file: /etc/firmware-ctl/mqtt.password
tls: {ca: ca.crt, certificate: mat.crt, key: mat.key}
allow_start: true
discovery_prefix: ha
"""
    assert read(text) == Settings(
        Address("broker.example", 8883), "mat", "/etc/firmware-ctl/mqtt.password",
        Tls("ca.crt", "mat.crt", "mat.key"), True, "ha",
    )  # fmt: skip


def test_defaults_are_a_broker_on_this_machine_that_may_not_start() -> None:
    assert read("broker: localhost") == Settings()
    assert Settings().where == "localhost:1883"


def test_port_depends_on_tls() -> None:
    assert read("broker: '[::1]'\ntls: true").where == "[::1]:8883"
    assert read("broker: a.example\ntls: false").port == 1883


def test_discovery_can_be_turned_off() -> None:
    assert read("discovery_prefix: none").discovery_prefix is None


def test_document_has_a_valid_file() -> None:
    text = (ROOT / "docs/home.md").read_text("utf-8")
    block = text.partition("```yaml\n")[2].partition("```")[0]
    assert read(block).where == "broker.example:8883"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("broker: a b", "mqtt.yaml:1:9: broker: 'a b' is not HOST or HOST:PORT; write localhost:1883"),
        ("broker: a:0", "mqtt.yaml:1:9: broker: a:0 is not HOST or HOST:PORT; write localhost:1883"),
        ("brokr: a", "mqtt.yaml:1:1: brokr: the file of the MQTT bridge has no such key; did you mean broker?"),
        ("allow_start: yes", "mqtt.yaml:1:14: allow_start: yes is neither true nor false; write one of them"),
        ("password_file: p", "mqtt.yaml:1:16: password_file: a password needs a user; add `user: NAME`"),
        ("discovery_prefix: a/#", "mqtt.yaml:1:19: discovery_prefix: a/# is not the begin of a topic; write homeassistant"),
        ("tls: {key: k}", "mqtt.yaml:1:6: tls: a certificate and its key belong together; write both"),
        ("password: x", "mqtt.yaml:1:1: password: the file of the MQTT bridge has no such key; did you mean password_file?"),
        ("", "mqtt.yaml:1:1: the file is empty; write `broker: HOST`, or remove the file"),
    ],
)  # fmt: skip
def test_mistake_has_its_place_and_says_what_to_write(text: str, sentence: str) -> None:
    assert mistakes(text) == [sentence]


def test_all_mistakes_of_a_file_are_told() -> None:
    assert len(mistakes("broker: ':'\nallow_start: 1\ntls: 3\n")) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("localhost", Address("localhost", None)),
        ("10.0.0.1:1884", Address("10.0.0.1", 1884)),
        ("[fe80::1]:1883", Address("fe80::1", 1883)),
        ("", None), (":1883", None), ("a:", None), ("a:65536", None), ("a:b", None), ("[::1", None), ("mqtt://a", None), ("ü", None),
    ],
)  # fmt: skip
def test_address_is_a_host_and_perhaps_a_port(text: str, found: Address | None) -> None:
    assert address(text) == found


def test_named_broker_without_a_file_needs_no_file() -> None:
    assert load_settings(None, Address("a", 1)) == Settings(Address("a", 1))


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be read: there is no such file"):
        load_settings(str(tmp_path / "none.yaml"))


# --- secrets ---


def test_password_is_the_first_line(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text("se cret \nmore\n")
    file.chmod(0o600)
    assert read_password(str(file)) == "se cret "


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"secret\n", 0o640, "mode 0640.; run: chmod 600"),
        (b"secret\n", 0o604, "mode 0604"),
        (b"\n", 0o600, "is empty; write the password as one line"),
        (b"\xff\n", 0o600, "is not text"),
    ],
)
def test_unusable_password_file_is_refused(
    tmp_path: Path, content: bytes, mode: int, words: str
) -> None:
    file = tmp_path / "p"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(DeviceError, match=words):
        read_password(str(file))


def test_secret_that_systemd_hands_over_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mqtt.password").write_text("handed over\n")
    (tmp_path / "mqtt.password").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_password("/etc/firmware-ctl/mqtt.password") == "handed over"
    assert secret_file("/etc/firmware-ctl/other") == "/etc/firmware-ctl/other"
