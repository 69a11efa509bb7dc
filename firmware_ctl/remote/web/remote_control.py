"""What one phone asks of the daemon, over a connection of its own.

The connection carries the lease of the phone's session: only frames of this phone renew it, and the
session ends when the phone or the bridge is gone.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from firmware_ctl.remote.web.bridge import Bridge
from firmware_ctl.remote.web.daemon_link import DaemonGoneError, DaemonLink, open_link
from firmware_ctl.remote.web.frames import Command, Ping, Refused

MOST_QUEUED: Final = 16

SILENT: Final = Refused("not-ready", "the mat's program does not answer")
STOPPED: Final = Refused("busy", "a stop came before this could be done")
CROWDED: Final = Refused("overflow", "too much was asked at once")
NO_BUTTON: Final = Refused(
    "not-here", "this mat has no start button, so someone has to hold the session by phone"
)
PLAYS: Final = Refused("busy", "a session plays already; stop it first")
NOT_HELD: Final = Refused(
    "not-here", "what plays can be made stronger only by a phone whose leaving would end it"
)


class RemoteControl:
    """The queue of one phone's commands, and its connection to the daemon."""

    def __init__(self, bridge: Bridge, answered: Callable[[Refused | None], object]) -> None:
        """`answered` gets the refusal of each command. None: it was done."""
        self._bridge = bridge
        self._answered = answered
        self._queue: asyncio.Queue[tuple[tuple[int, int], Command | Ping]] = asyncio.Queue(
            MOST_QUEUED
        )
        self._link: DaemonLink | None = None
        self._held: int | None = None
        """The mirror's `ended_count` when this phone started a session with a lease."""
        self._worker = asyncio.ensure_future(self._work())

    def put(self, item: Command | Ping) -> None:
        """Does it after what the phone asked before."""
        try:
            self._queue.put_nowait((self._bridge.endings, item))
        except asyncio.QueueFull:
            self._answered(CROWDED)

    def close(self) -> None:
        """The phone is gone. A session that it holds by a lease ends."""
        self._worker.cancel()
        if self._link is not None:
            self._link.close()

    async def _work(self) -> None:
        while True:
            endings, item = await self._queue.get()
            if isinstance(item, Ping):
                await self._ping()
            else:
                self._answered(await self._do(item, endings))

    async def _ping(self) -> None:
        if self._link is not None:
            with suppress(DaemonGoneError):
                await self._link.ask("ping")

    async def _do(self, command: Command, endings: tuple[int, int]) -> Refused | None:
        bridge = self._bridge
        if command.needs_button and not bridge.mirror.has_button:
            return NO_BUTTON
        pct = command.trim_pct
        is_held = self._held == bridge.mirror.ended_count
        if pct is not None and bridge.mirror.raises(pct) and not is_held:
            return NOT_HELD
        if not bridge.is_online():
            return SILENT
        if command.lease_s is not None:
            # The daemon would say `ok` to the profile that plays, whoever started it, and the new
            # lease would count for a session that this phone holds.
            if bridge.mirror.is_session:
                return PLAYS
            self._held = None
        try:
            link = await self._open()
            for request in command.requests:
                if endings != bridge.endings:
                    return STOPPED
                answer = await link.ask(request)
                if not answer.is_ok:
                    return Refused(*answer.refusal)
            if command.lease_s is not None:
                self._held = bridge.mirror.ended_count if command.lease_s else None
        except (DaemonGoneError, OSError):
            self._forget_link()
            return SILENT
        return None

    async def _open(self) -> DaemonLink:
        if self._link is not None and self._link.lost.done():
            self._forget_link()
        if self._link is None:
            self._link = await open_link(self._bridge.socket)
        return self._link

    def _forget_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = self._held = None
