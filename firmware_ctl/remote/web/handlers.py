"""The answers to browsers and programs: one class for each kind of path. `paths` has the paths."""

import asyncio
import gzip
import json
from contextlib import suppress
from typing import Any, Final

from tornado.web import HTTPError, RequestHandler, stream_request_body
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from firmware_ctl.errors import CallerError
from firmware_ctl.remote.web.access import is_own_host, is_same_origin, is_this_machine
from firmware_ctl.remote.web.devices import Device, device_name
from firmware_ctl.remote.web.frames import Command, Ping, Refused, Stop, read_frame
from firmware_ctl.remote.web.page_files import PageFile
from firmware_ctl.remote.web.pairing import INVALID
from firmware_ctl.remote.web.rates import Rate
from firmware_ctl.remote.web.remote_control import CROWDED, RemoteControl
from firmware_ctl.remote.web.site import COOKIE, YEAR_S, Site
from firmware_ctl.remote.web.stopping import NO_ANSWER

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
FRAMES: Final = (20, 1000)
"""At most so many frames of a phone within so many ms. Stops are not counted."""
CROWDED_OUT: Final = 1013
"""WebSocket close code: there is no seat, try again later."""
REVOKED: Final = 4001
"""WebSocket close code: the device is not paired any more."""

WRONG_HOST: Final = (
    "This name is not known here. Use the IP address of the mat's computer, or start the page with "
    "`--name NAME`."
)
FOREIGN: Final = "This request comes from the page of another site."
NOT_PAIRED: Final = Refused("not-paired", "pair this phone first")
NO_SEAT: Final = Refused("busy", "eight phones command the mat already; this one watches")


class Handler(RequestHandler):
    """What all answers have in common. Only a stop is answered without asking who it is."""

    is_stop = False

    def initialize(self, site: Site) -> None:
        self.site = site

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if not is_own_host(self.host, self.site.names):
            raise HTTPError(421, WRONG_HOST)
        if not is_same_origin(self.request.headers.get("Origin"), self.host):
            raise HTTPError(403, FOREIGN)

    @property
    def host(self) -> str:
        return self.request.headers.get("Host", "")

    @property
    def is_paired(self) -> bool:
        return self.device is not None or (
            self.site.is_open_here and is_this_machine(self.request.remote_ip or "", self.host)
        )

    @property
    def device(self) -> Device | None:
        token = self.get_cookie(COOKIE)
        return self.site.devices.find(token) if token else None

    def compute_etag(self) -> str | None:
        return None

    def write_json(self, text: str) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(text)

    def write_packed(self, data: bytes) -> None:
        """Sends bytes that are packed by gzip, to a client that cannot unpack them unpacked."""
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(data)
        else:
            self.finish(gzip.decompress(data))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error is a sentence."""
        self.set_default_headers()
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = error.log_message if isinstance(error, HTTPError) else None
        self.write_json(json.dumps({"message": message or f"{status_code}: {self._reason}"}))


class NothingHandler(Handler):
    """A path that is not in the table."""

    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404, "There is no such page.")


class PageHandler(Handler):
    """A file of the page."""

    def initialize(self, site: Site, name: str = "") -> None:
        self.site = site
        self.name = name

    def get(self, name: str = "") -> None:
        file = self.site.page.get(name or self.name)
        if file is None:
            raise HTTPError(404, "There is no such page.")
        self._send(file)

    head = get

    def _send(self, file: PageFile) -> None:
        self.set_header("Content-Type", file.content_type)
        self.set_header("Etag", file.etag)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.write_packed(file.packed)


class StateHandler(Handler):
    """The state, once."""

    async def get(self) -> None:
        await self.site.bridge.refresh()
        shared = self.site.bridge.shared(self.is_paired)
        self.write_json(with_own(shared, self.is_paired, self.is_paired, None))


class ProfileHandler(Handler):
    """A whole session of a profile, to be drawn."""

    async def get(self, name: str) -> None:
        if not self.is_paired:
            raise HTTPError(403, "Pair this phone first.")
        bridge = self.site.bridge
        picture = None
        if name in bridge.mirror.names:
            picture = await bridge.pictures.picture(name, bridge.mirror.cert_of(name))
        if picture is None:
            raise HTTPError(404, "The mat has no such profile, or its file cannot be read here.")
        self.set_header("Content-Type", "application/json")
        self.set_header("Etag", f'"{picture.cert}"')
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.write_packed(picture.packed)


@stream_request_body
class StopHandler(Handler):
    """A stop. It is sent when the headers are there, before the body, and whoever asks for it."""

    is_stop = True

    async def prepare(self) -> None:  # type: ignore[override]  # tornado allows both
        if self.request.method != "POST":
            raise HTTPError(405, "A stop is a POST.")
        if await self.site.bridge.stop():
            self.set_status(204)
            self.finish()
        else:
            raise HTTPError(504, NO_ANSWER)

    def data_received(self, chunk: bytes) -> None:
        pass

    def post(self) -> None:
        pass


class PairHandler(Handler):
    """Pairs the phone that knows the code."""

    def post(self) -> None:
        pairing, now_ms = self.site.pairing, self.site.bridge.now_ms()
        if wait_s := pairing.wait_s(now_ms):
            self.set_status(429)
            self.set_header("Retry-After", str(wait_s))
            message = f"Too many wrong codes: try again in {wait_s} s."
            self.write_json(json.dumps({"message": message}))
            return
        if not pairing.takes(self._code(), now_ms):
            raise HTTPError(403, INVALID)
        try:
            token = self.site.pair(device_name(self.request.headers.get("User-Agent", "")))
        except (CallerError, OSError) as error:
            raise HTTPError(403, "The phone cannot be paired: %s", error) from None
        self.set_cookie(COOKIE, token, max_age=YEAR_S, path="/", httponly=True, samesite="Strict")
        self.set_status(204)
        self.finish()

    def _code(self) -> str:
        with suppress(ValueError, RecursionError):
            values = json.loads(self.request.body)
            if isinstance(values, dict) and isinstance(values.get("code"), str):
                return str(values["code"]).strip()
        return ""


class MetricsHandler(Handler):
    """Figures for Prometheus, in its text format."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4")
        self.finish("".join(f"firmware_ctl_web_{n} {v}\n" for n, v in self.site.figures().items()))


class PhoneHandler(Handler, WebSocketHandler):
    """The WebSocket of a phone: the state down, frames up."""

    def open(self, *_: str, **__: str) -> None:
        self.set_nodelay(True)
        self._device = self.device
        self.paired = self.is_paired
        self._rate = Rate(*FRAMES)
        self._refused: Refused | None = None
        self._is_sending = False
        self._is_stale = False
        self._stop: asyncio.Task[None] | None = None
        self._control: RemoteControl | None = None
        if not self.site.bridge.seats.enter(self, self.paired):
            self.close(CROWDED_OUT, "too many phones watch this mat")
            return
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self.site.seated(self.ws_connection.stream)
        self.site.bridge.joined(self)

    # --- from the phone ---

    def on_message(self, message: str | bytes) -> None:
        frame = read_frame(message)
        if isinstance(frame, Stop):
            self._stop_now()
        elif not self._rate.takes(self.site.bridge.now_ms()):
            if self._refused is not CROWDED:  # told once: an answer to each would feed the flood
                self._answered(CROWDED)
        elif isinstance(frame, Refused):
            self._answered(frame)
        elif isinstance(frame, Ping):
            self._ping(frame)
        elif not self.site.bridge.seats.may_command(self):
            if isinstance(frame, Command):
                self._answered(NO_SEAT if self.paired else NOT_PAIRED)
        else:
            self._command(frame)

    def _ping(self, frame: Ping) -> None:
        """Renews a lease, and answers with the state: the page takes silence for a dead connection,
        also while nothing plays and nothing changes."""
        if self._control is not None:
            self._control.put(frame)
        self.show(self.site.bridge.shared(self.paired))

    def _command(self, frame: Command) -> None:
        if self._control is None:
            self._control = RemoteControl(self.site.bridge, self._answered)
        self._control.put(frame)

    def _stop_now(self) -> None:
        """Stops. Of many stops at once only the first is reported; all are sent."""
        if self._stop is None or self._stop.done():
            self._stop = asyncio.ensure_future(self._stopped())
        else:
            self.site.bridge.stop_again()

    async def _stopped(self) -> None:
        is_confirmed = await self.site.bridge.stop()
        self._answered(None if is_confirmed else Refused("not-stopped", NO_ANSWER))

    def _answered(self, refused: Refused | None) -> None:
        self._refused = refused
        self.show(self.site.bridge.shared(self.paired))

    def on_close(self) -> None:
        self.site.bridge.left(self)
        self._end_control()

    def _end_control(self) -> None:
        """Closes the phone's connection to the daemon: a session that it holds by a lease ends."""
        if self._control is not None:
            self._control.close()
            self._control = None

    # --- to the phone ---

    def show(self, shared: str) -> None:
        """Sends the state. A phone that is slow to read gets the newest one when it has read."""
        self._is_stale = self._is_sending
        if self._is_sending:
            return
        may_command = self.site.bridge.seats.may_command(self)
        text = with_own(shared, self.paired, may_command, self._refused)
        with suppress(WebSocketClosedError):
            self._is_sending = True
            asyncio.ensure_future(self.write_message(text)).add_done_callback(self._sent)

    def _sent(self, done: "asyncio.Future[None]") -> None:
        self._is_sending = False
        if not done.cancelled() and done.exception() is None and self._is_stale:
            self.show(self.site.bridge.shared(self.paired))

    def revoke(self, device_ids: frozenset[str]) -> None:
        if self._device is not None and self._device.id in device_ids:
            # The browser may take its time to close. It must not command, or hold a session, until
            # then; it may still stop.
            self.paired = False
            self.site.bridge.left(self)
            self._end_control()
            self.close(REVOKED, "this device is not paired any more")

    def check_origin(self, origin: str) -> bool:
        return is_same_origin(origin, self.host)


def with_own(shared: str, is_paired: bool, may_command: bool, refused: Refused | None) -> str:
    """The state of one phone: what all see, and what is only its own. Both are JSON."""
    own: dict[str, object] = {"paired": is_paired, "may_command": may_command}
    if is_paired:
        own["refused"] = refused._asdict() if refused else None
    else:
        own["can_hold_button"] = False
    return f"{json.dumps(own)[:-1]}, {shared[1:]}"
