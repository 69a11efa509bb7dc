"""The paired devices. Of each token only a hash is kept, in a file of the bridge alone."""

import json
import os
import secrets
from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from firmware_ctl.errors import CallerError
from firmware_ctl.storage.files import atomic_write

FILE: Final = "devices.json"
MOST_DEVICES: Final = 32
TOKEN_BYTES: Final = 32
"""256 bits."""


class Device(NamedTuple):
    id: str
    """Six hex digits, by which a person revokes the device."""
    name: str
    """What the browser calls itself, such as `Firefox on Android`."""
    paired: str
    """The date."""
    hash: str
    """SHA-256 of the token."""


class Devices:
    """The table of paired devices, and its file."""

    def __init__(self, folder: str) -> None:
        """Reads the file, if there is one. A damaged file counts as no devices: see `damage`."""
        self._path = os.path.join(folder, FILE)
        self.damage = ""
        """Why the file could not be read. Empty: it could, or there is none."""
        self._devices: tuple[Device, ...] = ()
        try:
            with open(self._path, encoding="utf-8") as file:
                self._devices = tuple(Device(**fields) for fields in json.load(file))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as error:
            self.damage = f"{self._path} cannot be read, so no phone is paired: {error}"

    def __len__(self) -> int:
        return len(self._devices)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices)

    def find(self, token: str) -> Device | None:
        """The device with this token."""
        found = _hash(token)
        return next((device for device in self._devices if device.hash == found), None)

    def add(self, name: str, today: str) -> str:
        """Pairs a new device, and returns its token. Raises `CallerError` and OSError."""
        if len(self._devices) >= MOST_DEVICES:
            raise CallerError(
                "busy", f"{MOST_DEVICES} devices are paired; `firmware-ctl web revoke` one first"
            )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._save((*self._devices, Device(secrets.token_hex(3), name, today, _hash(token))))
        return token

    def revoke(self, device_id: str) -> tuple[Device, ...]:
        """Removes the device with this id, or `all`. Returns the removed ones. Raises OSError."""
        gone = tuple(device for device in self._devices if device_id in ("all", device.id))
        if gone:
            self._save(tuple(device for device in self._devices if device not in gone))
        return gone

    def _save(self, devices: tuple[Device, ...]) -> None:
        data = json.dumps([device._asdict() for device in devices], indent=1)
        atomic_write(self._path, data.encode(), mode=0o600)
        self._devices = devices


def _hash(token: str) -> str:
    # The token is random and long, so that a slow hash would protect nothing more.
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


BROWSERS: Final = ("Edg", "Firefox", "Chrome", "Safari")
SYSTEMS: Final = ("iPhone", "iPad", "Android", "Windows", "Mac", "Linux")
"""Words in a browser's `User-Agent`. The first one that it contains counts."""


def device_name(user_agent: str) -> str:
    """What a person recognises a device by, such as `Firefox on Android`."""
    browser = next((word for word in BROWSERS if word in user_agent), "a program")
    system = next((word for word in SYSTEMS if word in user_agent), "")
    return f"{browser} on {system}" if system else browser
