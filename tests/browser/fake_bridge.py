"""A bridge that says what a test tells it to say, for states that no mock reaches on its own."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from firmware_ctl.remote.web.handlers import HEADERS
from firmware_ctl.remote.web.page_files import FOLDER, TYPES


class FakeBridge:
    """Serves the page, and the state that the test has set. It runs in a thread of its own."""

    def __init__(self, state: dict[str, Any], pictures: dict[str, Any]) -> None:
        self.state = state
        self.pictures = pictures
        self.frames: list[object] = []
        """What came, but pings: frames as JSON, `!`, `POST /stop`, and what was posted to /pair."""
        self.confirms = True
        """Whether the daemon confirms a stop that was posted."""
        self.is_mute = False
        """Whether nothing is answered any more, although the connections stay open."""
        self.pair_status, self.pair_message = 204, ""
        self.sockets: set[WebSocketHandler] = set()
        self._loop = asyncio.new_event_loop()
        self.url = ""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        (socket,) = bind_sockets(0, "127.0.0.1")
        rows = [
            (r"/", _Page),
            (r"/page/([a-z0-9.-]+)", _Page),
            (r"/state", _State),
            (r"/ws", _Socket),
            (r"/stop", _Stop),
            (r"/pair", _Pair),
            (r"/profiles/([a-z0-9-]+)", _Picture),
        ]

        async def serve() -> None:
            application = Application([(path, kind, {"bridge": self}) for path, kind in rows])
            HTTPServer(application).add_sockets([socket])

        self._loop.run_until_complete(serve())
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}/"
        ready.set()
        self._loop.run_forever()

    def say(self, **values: Any) -> None:
        """Changes the state, and sends it to every phone."""
        self.call(lambda: (self.state.update(values), self.send()))

    def call(self, act: Callable[[], object]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (act(), done.set()))
        done.wait()

    def send(self) -> None:
        if not self.is_mute:
            for socket in [*self.sockets]:
                socket.write_message(json.dumps(self.state))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Handler(RequestHandler):
    def initialize(self, bridge: FakeBridge) -> None:
        self.bridge = bridge

    async def prepare(self) -> None:
        while self.bridge.is_mute:
            await asyncio.sleep(0.05)


class _Page(_Handler):
    def get(self, name: str = "index.html") -> None:
        for header, value in HEADERS.items():
            self.set_header(header, value)
        path = Path(FOLDER) / name
        self.set_header("Content-Type", TYPES[path.suffix])
        self.finish(path.read_bytes())


class _State(_Handler):
    def get(self) -> None:
        self.finish(self.bridge.state)


class _Stop(_Handler):
    async def post(self) -> None:
        self.bridge.frames.append("POST /stop")
        self.set_status(204 if self.bridge.confirms else 503)


class _Pair(_Handler):
    def post(self) -> None:
        self.bridge.frames.append({"pair": json.loads(self.request.body)})
        self.set_status(self.bridge.pair_status)
        if self.bridge.pair_status != 204:
            self.finish({"message": self.bridge.pair_message})


class _Picture(_Handler):
    def get(self, name: str) -> None:
        self.finish(self.bridge.pictures[name])


class _Socket(WebSocketHandler):
    def initialize(self, bridge: FakeBridge) -> None:
        self.bridge = bridge

    def open(self) -> None:
        self.bridge.sockets.add(self)
        self.bridge.send()

    def on_message(self, message: str | bytes) -> None:
        frame = "!" if message == "!" else json.loads(message)
        if frame == {"do": "ping"}:
            self.bridge.send()
        else:
            self.bridge.frames.append(frame)

    def on_close(self) -> None:
        self.bridge.sockets.discard(self)
