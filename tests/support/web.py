"""The page's bridge in this process, between a scripted daemon and clients that send any bytes."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from firmware_ctl.remote.web.mirror import Facts
from firmware_ctl.remote.web.page_files import PageFile
from firmware_ctl.remote.web.server import BoundedServer, Options, listen, make_server, make_site
from firmware_ctl.remote.web.site import COOKIE, Site
from firmware_ctl.remote.web.sources import Sources
from tests.support.process import PATIENCE_S

ANSWERS = {
    "hello": ["ok firmware-ctl 0.1.0 protocol=1"],
    "limits": ["ok session=900 daily=1800 used=0 left=1800"],
    "profiles": ['- neck minutes=8 selected=yes title="Neck"', "ok count=1"],
}
PACKED = gzip.compress(b"<!doctype html>")
"""The page of the tests."""
STATUS = (
    '* status state={} profile=neck cert=f1 phase="" t=0.0 left=0.0 trim=100 neck=0 signal= fault='
)


class ScriptedDaemon:
    """Listens on a control socket, and notes each line and each stop that it receives."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state = "idle"
        self.is_hanging = False
        self.is_noting = True
        self.got: list[tuple[int, str]] = []
        """The number of the connection, and a line or byte."""
        self.answers = dict(ANSWERS)
        self.open: dict[int, asyncio.StreamWriter] = {}
        self._count = 0
        self._server: asyncio.Server | None = None

    async def begin(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def end(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        Path(self.path).unlink(missing_ok=True)
        for writer in [*self.open.values()]:
            writer.close()
        while self.open:  # until each connection's task has ended
            await asyncio.sleep(0)

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.got]

    def tell(self, line: str) -> None:
        """Sends an event to every connection."""
        for writer in self.open.values():
            writer.write(f"* {line}\r\n".encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        self.open[number] = writer
        line = b""
        with suppress(OSError):
            while byte := await reader.read(1):
                if byte in (b"!", b"?"):
                    self._take(number, byte.decode(), writer)
                elif byte == b"\n":
                    self._take(number, line.decode(), writer)
                    line = b""
                else:
                    line += byte
        writer.close()
        del self.open[number]

    def _take(self, number: int, word: str, writer: asyncio.StreamWriter) -> None:
        if self.is_noting:
            self.got.append((number, word))
        if self.is_hanging:
            return
        if word == "!":
            self.state = "idle"
            lines = ["* stopped"]
        elif word == "?":
            lines = [STATUS.format(self.state)]
        else:
            lines = self.answers.get(word.split(" ")[0], ["ok"])
        writer.write("".join(f"{line}\r\n" for line in lines).encode())


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Home:
    """A daemon, the bridge, and clients in the home's network."""

    def __init__(
        self, daemon: ScriptedDaemon, site: Site, server: BoundedServer, port: int
    ) -> None:
        self.daemon = daemon
        self.site = site
        self.server = server
        self.port = port
        self.phones: list[Browser] = []
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def paired(self) -> dict[str, str]:
        """The headers of a new paired device."""
        return {"Cookie": f"{COOKIE}={self.site.pair('a test')}"}

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """`headers`: with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {
            "Host": self.host,
            "Content-Length": str(len(body)),
            "Connection": "close",
        } | named
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return await self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)

    async def send(self, data: bytes) -> Answer:
        """Sends the bytes of a request. Returns the answer."""
        reader, writer = await self.open()
        writer.write(data)
        answer = await read_answer(reader)
        writer.close()
        return answer

    async def phone(self, **headers: str) -> "Browser":
        fields = {"Host": self.host} | headers
        request = HTTPRequest(f"ws://{self.host}/ws", headers=fields)
        self.phones.append(Browser(await websocket_connect(request)))
        return self.phones[-1]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Waits until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.001)


class Browser:
    """A phone's page: what it got, and what it sends."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection
        self.has_ended = False

    async def send(self, **values: object) -> None:
        await self.connection.write_message(json.dumps(values))

    async def stop(self) -> None:
        await self.connection.write_message("!")

    async def see(self, is_wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
        """The next wanted state. None: the connection was closed."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.has_ended:
                message = await self.connection.read_message()
                self.has_ended = message is None
                if message is not None and is_wanted(state := json.loads(message)):
                    return state
        return None

    def close(self) -> None:
        self.connection.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rows = head.decode("latin-1").split("\r\n")[:-2]
        headers = dict(row.split(": ", 1) for row in rows)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    return Answer(int(first.split(" ")[1]), headers, body)


async def no_facts() -> Facts:
    return {"mat": {"name": "Mat", "has_button": True, "zones": []}, "profiles": {}}


@asynccontextmanager
async def home(
    folder: Path, *, has_daemon: bool = True, reads_files: bool = False, **options: Any
) -> AsyncIterator[Home]:
    """`reads_files`: the bridge reads the shipped mat and profiles, by its child process."""
    daemon = ScriptedDaemon(str(folder / "c.sock"))
    if has_daemon:
        await daemon.begin()
    (sock,) = listen("127.0.0.1", 0)
    site = make_site(Options(daemon.path, str(folder), Sources(), **options))
    if not reads_files:
        site.bridge.pictures.facts = no_facts
    site.page = {"index.html": PageFile("text/html", '"1"', PACKED)}
    server = make_server(site)
    server.add_sockets([sock])
    site.bridge.begin()
    found = Home(daemon, site, server, sock.getsockname()[1])
    try:
        if has_daemon:
            await found.until(lambda: site.bridge.mirror.names != [])
        yield found
    finally:
        for phone in found.phones:
            phone.close()
            await phone.see(lambda _: False)
        for writer in found.writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await site.bridge.end()
        server.stop()
        await server.close_all_connections()
        await daemon.end()


def at_home(folder: Path, test: Callable[[Home], Awaitable[None]], **options: Any) -> None:
    """Runs a test with a daemon and a bridge."""

    async def run() -> None:
        async with home(folder, **options) as found:
            await test(found)

    asyncio.run(run())
