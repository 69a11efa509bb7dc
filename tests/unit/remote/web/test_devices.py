"""The table of paired devices and its file."""

import json
import stat
from pathlib import Path

import pytest

from firmware_ctl.errors import CallerError
from firmware_ctl.remote.web.devices import FILE, MOST_DEVICES, Devices, device_name


def test_token_is_found_again_and_only_its_hash_is_on_disk(tmp_path: Path) -> None:
    token = Devices(str(tmp_path)).add("Firefox on Android", "2026-11-30")
    path = tmp_path / FILE
    assert len(token) == 43  # 256 bits
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = Devices(str(tmp_path)).find(token)
    assert found is not None
    assert (found.name, found.paired) == ("Firefox on Android", "2026-11-30")
    assert Devices(str(tmp_path)).find(found.hash) is None


def test_revoked_token_is_not_found(tmp_path: Path) -> None:
    devices = Devices(str(tmp_path))
    first, second = (devices.add("a program", "2026-11-30") for _ in range(2))
    device = devices.find(first)
    assert device is not None
    assert devices.revoke(device.id) == (device,)
    assert devices.revoke(device.id) == ()
    assert (devices.find(first), len(devices)) == (None, 1)
    assert devices.find(second) is not None
    devices.revoke("all")
    assert (len(devices), json.loads((tmp_path / FILE).read_text())) == (0, [])


def test_too_many_devices_are_refused(tmp_path: Path) -> None:
    devices = Devices(str(tmp_path))
    for _ in range(MOST_DEVICES):
        devices.add("a program", "2026-11-30")
    with pytest.raises(CallerError, match="revoke"):
        devices.add("a program", "2026-11-30")


@pytest.mark.parametrize("text", ["{", "[1]", '[{"id": "a"}]', "null"])
def test_damaged_file_pairs_nobody_and_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    devices = Devices(str(tmp_path))
    assert "no phone is paired" in devices.damage
    assert (len(devices), (tmp_path / FILE).read_text()) == (0, text)


def test_disk_that_is_full_pairs_nobody(tmp_path: Path) -> None:
    devices = Devices(str(tmp_path / "missing"))
    with pytest.raises(OSError, match="No such file"):
        devices.add("a program", "2026-11-30")
    assert len(devices) == 0


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0",
            "Firefox on Android",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("curl/8.1", "a program"),
        ("\x1b[31m", "a program"),
        ("", "a program"),
    ],
)
def test_device_name_is_made_of_known_words(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
