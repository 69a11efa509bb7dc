"""Runs the bridge: its sockets, the limits of tornado, and its life."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Final, NamedTuple

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application

from firmware_ctl.errors import DeviceError
from firmware_ctl.remote.web import frames
from firmware_ctl.remote.web.admin import SOCKET, serve_admin
from firmware_ctl.remote.web.bridge import Bridge
from firmware_ctl.remote.web.devices import Devices
from firmware_ctl.remote.web.handlers import NothingHandler
from firmware_ctl.remote.web.page_files import read_page
from firmware_ctl.remote.web.paths import rules
from firmware_ctl.remote.web.profile_pictures import Pictures
from firmware_ctl.remote.web.site import Site
from firmware_ctl.remote.web.sources import Sources

HALF_OPEN_S: Final = 15
"""A connection that has not sent a whole request for this long is closed."""
MOST_BODY: Final = 1024
MOST_HEADERS: Final = 8192
MOST_BUFFER: Final = 64 * 1024
"""Most bytes that wait in a connection: below the default, and above any request."""
MOST_CONNECTIONS: Final = 128
"""Most open connections beside those of phones with a seat. Beyond them the oldest one of the
address that has most is closed, so that a newcomer, which may be a stop, always gets in."""
PING_S: Final = 10
"""A phone that does not answer a WebSocket's ping for this long is gone."""


class Options(NamedTuple):
    """What a person chooses."""

    control_socket: str
    """The daemon's."""
    state: str
    """The folder of the paired devices and of the socket for `web pair`."""
    sources: Sources = Sources()
    names: Sequence[str] = ()
    """Further host names of this machine, in lower case."""
    is_open_here: bool = False
    """A browser on this machine needs no pairing, because a mock has no motors."""
    ends_with_stdin: bool = False


class BoundedServer(HTTPServer):
    """An HTTP server that closes an old connection before it refuses a new one."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self._peers: dict[IOStream, str] = {}
        """The open connections, the oldest first, and their addresses."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        self._peers = {s: peer for s, peer in self._peers.items() if not s.closed()}
        if len(self._peers) >= MOST_CONNECTIONS:
            ((greediest, _),) = Counter(self._peers.values()).most_common(1)
            oldest = next(s for s, peer in self._peers.items() if peer == greediest)
            del self._peers[oldest]
            oldest.close()
        self._peers[stream] = str(address[0]) if address else ""
        super().handle_stream(stream, address)

    def seated(self, stream: IOStream) -> None:
        """The connection is that of a phone with a seat, and is not closed for a newcomer."""
        self._peers.pop(stream, None)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen. `host` empty: on every address. Raises `DeviceError`."""
    try:
        return bind_sockets(port, host or None)
    except OSError as error:
        where = f"{host or '*'}:{port}"
        raise DeviceError(
            f"the page cannot be served on {where}: {error.strerror}; choose another address with "
            "--listen HOST:PORT"
        ) from None


def serve(options: Options, sockets: Sequence[socket.socket]) -> None:
    """Serves the page until SIGTERM, SIGINT, or the end of standard input."""
    logging.getLogger("tornado.access").disabled = True
    # What a stranger sends is no reason for a line in the log.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    asyncio.run(_serve(options, sockets))


async def _serve(options: Options, sockets: Sequence[socket.socket]) -> None:
    site = make_site(options)
    server = make_server(site)
    server.add_sockets(sockets)
    site.bridge.begin()
    admin = await serve_admin(site, options.state, sockets[0].getsockname()[:2])
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.ends_with_stdin:
        loop.add_reader(0, ended.set)  # nothing is ever written to it
    try:
        await ended.wait()
    finally:
        await site.bridge.end()
        server.stop()
        admin.close()
        with suppress(OSError):
            os.unlink(os.path.join(options.state, SOCKET))


def make_site(options: Options) -> Site:
    bridge = Bridge(options.control_socket, Pictures(options.sources))
    devices = Devices(options.state)
    if devices.damage:
        print(f"firmware-ctl web: {devices.damage}", file=sys.stderr)
    today = lambda: date.today().isoformat()  # noqa: E731
    return Site(bridge, devices, read_page(), today, options.names, options.is_open_here)


def make_server(site: Site) -> BoundedServer:
    application = Application(
        rules(site),
        default_handler_class=NothingHandler,
        default_handler_args={"site": site},
        websocket_max_message_size=frames.LONGEST,
        websocket_ping_interval=PING_S,
        websocket_ping_timeout=PING_S,
    )
    server = BoundedServer(
        application,
        idle_connection_timeout=HALF_OPEN_S,
        body_timeout=HALF_OPEN_S,
        max_header_size=MOST_HEADERS,
        max_body_size=MOST_BODY,
        max_buffer_size=MOST_BUFFER,
    )
    site.seated = server.seated
    return server
