"""The command `mqtt`: what it says before it connects."""

import sys
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.errors import DeviceError
from firmware_ctl.remote.mqtt import runner


def ended(*words: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


@pytest.mark.parametrize("command", ["mqtt", "fleet"])
def test_missing_library_is_one_sentence(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.enums", None)
    assert ended(command) == 2
    assert capsys.readouterr().err == (
        "firmware-ctl: the library paho-mqtt is missing; run: pip install 'firmware-ctl[mqtt]', or on Debian: "
        "apt install firmware-ctl-mqtt\n"
    )


def test_id_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runner, "machine_id", lambda: "3d1219c7c4c5404aaa1f6d2a48adfda4")
    assert ended("mqtt", "--id") == 0
    assert capsys.readouterr().out == "6d4f4d62\n"


@pytest.mark.parametrize("text", ["", "uninitialized\n", None])
def test_machine_without_an_id_is_told_how_to_make_one(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DeviceError, match="run: systemd-machine-id-setup"):
        runner.machine_id(str(path))


def test_mistake_in_the_file_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "machine_id", lambda: "3d1219c7c4c5404aaa1f6d2a48adfda4")
    path = tmp_path / "mqtt.yaml"
    path.write_text("brokr: a\n")
    assert ended("mqtt", "--config", str(path)) == 2
    assert (
        "brokr: the file of the MQTT bridge has no such key; did you mean broker?"
        in capsys.readouterr().err
    )
