"""One connection to the control socket of a daemon."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware_ctl.remote.web.conversation import Answer, Conversation

ANSWER_S: Final = 3.0
"""How long to wait for an answer. A start is answered within 2 s."""
MOST_WAITING: Final = 32
"""Most requests without an answer on one connection."""


class DaemonGoneError(Exception):
    """The daemon has closed the connection, or does not answer."""


class DaemonLink(asyncio.Protocol):
    """Sends requests, which the daemon answers in their order, and passes on what it tells."""

    def __init__(self, on_told: Callable[[str], object] | None = None) -> None:
        self._on_told = on_told
        self._conversation = Conversation()
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""

    # --- the callbacks of asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for item in self._conversation.feed(data):
            if not isinstance(item, Answer):
                if self._on_told is not None:
                    self._on_told(item.line)
            elif self._waiting:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(item)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(DaemonGoneError())
        if not self.lost.done():
            self.lost.set_result(None)

    # --- for the bridge ---

    def send_byte(self, byte: bytes) -> None:
        """Sends a byte on which the daemon acts at once: `!` or `?`."""
        if self._transport is not None:
            self._transport.write(byte)

    async def ask(self, request: str) -> Answer:
        """Sends a request and returns its answer. Raises `DaemonGoneError`."""
        if self._transport is None or len(self._waiting) >= MOST_WAITING:
            raise DaemonGoneError
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(f"{request}\n".encode("ascii"))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await future
        except TimeoutError:
            raise DaemonGoneError from None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def open_link(path: str, on_told: Callable[[str], object] | None = None) -> DaemonLink:
    """Connects, and says that this is the web bridge. Raises OSError or `DaemonGoneError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(ANSWER_S):
        _, link = await loop.create_unix_connection(lambda: DaemonLink(on_told), path)
    try:
        if not (await link.ask("hello web")).is_ok:
            raise DaemonGoneError
    except BaseException:
        link.close()
        raise
    return link
