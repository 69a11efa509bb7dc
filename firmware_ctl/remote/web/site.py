"""What the handlers share: the bridge, the paired devices and the files of the page."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from tornado.iostream import IOStream

from firmware_ctl.remote.web.bridge import Bridge
from firmware_ctl.remote.web.devices import Device, Devices
from firmware_ctl.remote.web.page_files import PageFile
from firmware_ctl.remote.web.pairing import Pairing

COOKIE: Final = "firmware_ctl"
YEAR_S: Final = 365 * 24 * 3600


class Site:
    """One page on one address."""

    def __init__(
        self,
        bridge: Bridge,
        devices: Devices,
        page: Mapping[str, PageFile],
        today: Callable[[], str],
        names: Collection[str] = (),
        is_open_here: bool = False,
    ) -> None:
        """`names`: host names beside addresses, `localhost` and those in `.local`, in lower case.

        `is_open_here`: a browser on this machine needs no pairing, because a mock has no motors.
        """
        self.bridge = bridge
        self.devices = devices
        self.page = page
        self.pairing = Pairing()
        self.names = names
        self.is_open_here = is_open_here
        self._today = today
        self.seated: Callable[[IOStream], object] = lambda _: None
        """Tells the server that a connection belongs to a phone with a seat."""

    def pair(self, name: str) -> str:
        """Pairs a new device. Returns its token. Raises `CallerError` and OSError."""
        return self.devices.add(name, self._today())

    def figures(self) -> dict[str, int]:
        """The name and the value of each figure of `/metrics`."""
        bridge = self.bridge
        return {
            "daemon_online": int(bridge.is_online()),
            "session_running": int(bridge.mirror.state == "running"),
            "phones": len(bridge.seats),
            "phones_commanding": bridge.seats.commanding,
            "devices": len(self.devices),
            "stops_total": bridge.stops,
            "pairing_failures_total": self.pairing.failures,
        }

    def revoke(self, device_id: str) -> tuple[Device, ...]:
        """Takes a device back, or `all`, and ends their connections. Raises OSError."""
        gone = self.devices.revoke(device_id)
        for phone in self.bridge.seats.phones:
            phone.revoke(frozenset(device.id for device in gone))
        return gone
