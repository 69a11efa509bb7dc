"""A stop: `!` on a connection of its own, at once, and the daemon's word that it has stopped."""

import asyncio
from contextlib import suppress
from typing import Final

CONFIRM_S: Final = 0.5
"""How long a stop waits for the daemon's word."""
AGAIN_S: Final = 0.01
"""The wait before a daemon whose queue of new clients is full is tried again."""
MOST_STOPS: Final = 16
"""Most connections for stops at a time. A further stop goes over one of them, so that a flood of
stops cannot use up the descriptors, and no stop is refused."""

NO_ANSWER: Final = (
    "The mat's program did not confirm the stop. Use the mat's stop switch, or pull its plug."
)


class Stopper:
    """Stops the daemon at a control socket, whatever anyone believes about its state."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: dict[asyncio.Task[bool], list[asyncio.StreamWriter]] = {}
        self.count = 0
        """How many stops were asked for."""

    async def stop(self) -> bool:
        """Sends `!`. Returns whether the daemon confirmed within `CONFIRM_S`."""
        self.count += 1
        if len(self._open) < MOST_STOPS:
            writers: list[asyncio.StreamWriter] = []
            task = asyncio.ensure_future(self._stop(writers))
            self._open[task] = writers
            task.add_done_callback(self._open.pop)
        else:
            self.again()
            task = next(iter(self._open))
        return await asyncio.shield(task)

    def again(self) -> None:
        """Sends `!` over every connection that still waits for the daemon's word."""
        for writers in self._open.values():
            for writer in writers:
                writer.write(b"!")

    async def _stop(self, writers: list[asyncio.StreamWriter]) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                return await self._confirmed(writers)
        return False

    async def _confirmed(self, writers: list[asyncio.StreamWriter]) -> bool:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:  # the daemon's queue of new clients is full
                await asyncio.sleep(AGAIN_S)
                continue
            writers.append(writer)
            try:
                writer.write(b"!")
                if await _heard_stopped(reader):
                    return True
            finally:
                writers.remove(writer)
                writer.close()
            await asyncio.sleep(AGAIN_S)


async def _heard_stopped(reader: asyncio.StreamReader) -> bool:
    """Whether the daemon says that it has stopped, before it closes the connection."""
    with suppress(OSError, ValueError):
        while (line := await reader.readline()).endswith(b"\n"):
            if line.startswith(b"* stopped"):
                return True
    return False
