"""Messages to systemd: the daemon is ready, it is alive, it is stopping.

Each message is one datagram, as sd_notify(3) describes it. Without systemd nothing is sent. This
module knows environment variables and a socket; it never knows what the daemon does.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from firmware_ctl.limits import PING_MS


class Systemd:
    """The service manager that started this process, if one did."""

    def __init__(self, environ: Mapping[str, str] = os.environ, process: int | None = None) -> None:
        """`process`: this process's id, which systemd names in WATCHDOG_PID."""
        process = process or os.getpid()
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watchdog_us = environ.get("WATCHDOG_USEC", "0")
        is_for_us = environ.get("WATCHDOG_PID", str(process)) == str(process)
        self._has_watchdog = watchdog_us.isdecimal() and watchdog_us != "0" and is_for_us
        self._socket: socket.socket | None = None
        self._pinged_at_ms: int | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @property
    def start_inhibited_because(self) -> str:
        """Why no session may start. Empty: systemd watches this process, or did not start it."""
        if self._socket is None or self._has_watchdog:
            return ""
        return "the unit has no watchdog; give it WatchdogSec=2, as the shipped one has"

    def ready(self) -> None:
        self._send(b"READY=1")

    def beat(self, now_ms: int, is_moving: bool) -> None:
        """Pings systemd's watchdog, at most once in `PING_MS`."""
        if self._has_watchdog and (
            self._pinged_at_ms is None or now_ms - self._pinged_at_ms >= PING_MS
        ):
            self._pinged_at_ms = now_ms
            self._send(b"WATCHDOG=1")

    def stopping(self) -> None:
        self._send(b"STOPPING=1")

    def _send(self, message: bytes) -> None:
        if self._socket is not None:
            # A full queue must not hold the loop up, and a lost ping is repeated after PING_MS.
            with suppress(OSError):
                self._socket.sendto(message, self._address)
