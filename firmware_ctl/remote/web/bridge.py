"""The bridge: follows the daemon, keeps the phones, and tells each phone what has changed."""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final, Protocol

from firmware_ctl.remote.web.daemon_link import DaemonGoneError, DaemonLink, open_link
from firmware_ctl.remote.web.mirror import ONLINE, Mirror
from firmware_ctl.remote.web.profile_pictures import Pictures
from firmware_ctl.remote.web.seats import Seats
from firmware_ctl.remote.web.stopping import Stopper

ASK_S: Final = 0.5
"""How often the status is asked for while a phone watches."""
AGAIN_S: Final = 1.0
"""The wait before the next attempt to reach a daemon."""
REPEAT_MS: Final = 1000
"""A phone gets the state this often, also if nothing changed, while something plays."""
FRESH_S: Final = 1.5
"""How long a request for the state waits for the daemon."""


class Phone(Protocol):
    """A connected phone."""

    paired: bool

    def show(self, shared: str) -> None:
        """Sends the state. `shared`: what all phones of its kind get, as JSON."""

    def revoke(self, device_ids: frozenset[str]) -> None:
        """Ends the connection if its device is one of these."""


class Bridge:
    """One daemon, and the phones that watch it."""

    def __init__(self, socket: str, pictures: Pictures) -> None:
        self.socket = socket
        self.pictures = pictures
        self.mirror = Mirror()
        self.stopper = Stopper(socket)
        self.seats: Seats[Phone] = Seats()
        self.stops = 0
        """How many stops came. What a phone asked before a stop is not done after it."""
        self._link: DaemonLink | None = None
        self._fresh: asyncio.Future[None] | None = None
        self._shown = ("", "")
        self._shown_at_ms = 0
        self._is_push_due = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- time ---

    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def begin(self) -> None:
        """Begins to follow the daemon, whenever there is one."""
        self._begin(self._run())
        self._begin(self._watch())

    async def _run(self) -> None:
        while True:
            with suppress(DaemonGoneError, OSError):
                await self._follow()
            self._link = None
            self.mirror.lost()
            self.push()
            await asyncio.sleep(AGAIN_S)

    async def end(self) -> None:
        """Ends what the bridge does by itself."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Asks for the status while a phone watches, and repeats the state."""
        while True:
            await asyncio.sleep(ASK_S)
            if len(self.seats):
                self._ask_status()
                self.push()

    # --- the daemon ---

    async def _follow(self) -> None:
        link = await open_link(self.socket, self._told)
        try:
            await link.ask("events on")
            self.mirror.connected()
            self._link = link
            self._ask_status()
            self._begin(self._ask_lists(link))
            await link.lost
        finally:
            link.close()

    def _told(self, line: str) -> None:
        if self.mirror.told(line) and self._link is not None:
            self._begin(self._ask_lists(self._link))
        if line.startswith("status ") and self._fresh is not None:
            self._fresh.set_result(None)
            self._fresh = None
        self.push()

    async def _ask_lists(self, link: DaemonLink) -> None:
        """Asks for what a session or a choice changes: the allowance, and the selected profile."""
        with suppress(DaemonGoneError):
            self.mirror.limits(await link.ask("limits"))
            if self.mirror.profiles(await link.ask("profiles")):
                self.pictures.forget()
                if (found := await self.pictures.facts()) is not None:
                    self.mirror.facts(found)
            self.push()

    def _ask_status(self) -> None:
        if self._link is not None:
            self.mirror.asked(self.now_ms())
            self._link.send_byte(b"?")

    async def refresh(self) -> None:
        """Waits until the daemon has said its status anew, or is known to be silent."""
        if self._link is None:
            return
        if self._fresh is None:
            self._fresh = asyncio.get_running_loop().create_future()
            self._ask_status()
        with suppress(TimeoutError):
            async with asyncio.timeout(FRESH_S):
                await asyncio.shield(self._fresh)

    async def stop(self) -> bool:
        """Stops the mat. Returns whether the daemon said so."""
        self.stops += 1
        if self._link is not None:
            # The daemon then names this bridge as the one that stopped. The stop does not rely on
            # it: it has a connection of its own.
            self._link.send_byte(b"!")
        return await self.stopper.stop()

    def stop_again(self) -> None:
        """Stops, while an earlier stop still waits for the daemon's word."""
        self.stops += 1
        if self._link is not None:
            self._link.send_byte(b"!")
        self.stopper.again()

    @property
    def endings(self) -> tuple[int, int]:
        """Changes with each stop here, and with each end of a session, whoever has ended it."""
        return self.stops, self.mirror.ended_count

    def is_online(self) -> bool:
        return self.mirror.daemon(self.now_ms()) == ONLINE

    # --- the phones ---

    def joined(self, phone: Phone) -> None:
        """The phone has a seat: it gets the state, and a new one at each change."""
        phone.show(self.shared(phone.paired))
        self._ask_status()

    def left(self, phone: Phone) -> None:
        """The phone is gone. Another one may have got its seat."""
        self.seats.leave(phone)
        self._shown = ("", "")
        self.push()

    def push(self) -> None:
        """Sends the state to every phone soon, if it is another one."""
        if not self._is_push_due and len(self.seats):
            self._is_push_due = True
            asyncio.get_running_loop().call_soon(self._push)

    def _push(self) -> None:
        self._is_push_due = False
        now_ms = self.now_ms()
        shown = self.shared(True), self.shared(False)
        is_due = now_ms - self._shown_at_ms >= REPEAT_MS and self.mirror.is_lively(now_ms)
        if shown != self._shown or is_due:
            self._shown, self._shown_at_ms = shown, now_ms
            for phone in self.seats.phones:
                phone.show(shown[0] if phone.paired else shown[1])

    def shared(self, is_paired: bool) -> str:
        """The state as JSON, for a paired phone or for anybody, without what is only its own."""
        mirror, now_ms = self.mirror, self.now_ms()
        return json.dumps(mirror.view(now_ms) if is_paired else mirror.public_view(now_ms))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
