"""All clients of the daemon: their links, the order in which they are served, their leases.

A stop acts in `receive`, as soon as its bytes are read, whoever sent it and whatever else waits.
Any other request waits for its turn in `serve`. Each of the two methods takes a bounded time, so
that no client can delay a tick. This module never knows what a request does (`protocol.commands`
does) and never what kind of port a link is.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from firmware_ctl import PROTOCOL, __version__
from firmware_ctl.daemon.interfaces import Link, Log, ReadProfiles
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.daemon.requests import Requests
from firmware_ctl.errors import ErrorLine
from firmware_ctl.protocol import commands, meaning
from firmware_ctl.protocol.connection import Connection, Dropped, event
from firmware_ctl.protocol.framing import (
    Flaw,
    Line,
    Received,
    asks_status,
    begins_like_http,
    is_answer,
    text_of,
)
from firmware_ctl.protocol.people import greeting
from firmware_ctl.session.events import Notice, Ready, Reason, Step, Stop
from firmware_ctl.session.session import Session

REQUESTS_A_ROUND: Final = 16
"""Most requests of one connection that are answered in a round of the loop."""

SERVE_MS: Final = 5
"""Requests are answered for this long in a round. Then the loop checks button and ports again."""

GUESTS_MAX: Final = 64
"""Most clients on sockets. For one more, the client that was silent longest is closed."""

RECEIVE_MS: Final = 5
"""Links are read for this long in a round. Links that were not read come first in the next one."""

FULL_READ_BYTES: Final = 1024
"""A link that returns this many bytes in one read may have more."""

LEAVING_MS: Final = 10_000
"""A client that is being closed is read for this long at most. It may have sent a stop."""

READY: Final = f"* ready firmware-ctl {__version__} protocol={PROTOCOL}"


class Clients:
    """The loop's `Peers`. Guests are clients on sockets; all other links are the daemon's own."""

    def __init__(self, session: Session, loop: Loop, read_profiles: ReadProfiles, log: Log) -> None:
        self.session = session
        self.now_ms = loop.now_ms
        self.log = log
        self.links: list[Link] = []
        self.writers: list[Link] = []
        """The links with bytes that the client has not taken."""
        self._loop = loop
        self._player = loop.player
        self._guests: list[Link] = []
        """The links of clients on sockets, which `make_room` may close."""
        self._unread: list[Link] = []
        """Links that were readable in the last round, but not read for lack of time."""
        self._leaving: dict[Link, int] = {}
        """Clients that are being closed → the time until which they are read for stops, in ms."""
        self._requests = Requests(session, loop, read_profiles, log)
        self._owner = self._requests.owner
        self._deferred = self._requests.deferred
        self._has_received = False
        """True if a link was read since the last call of `serve`."""
        self._is_behind = False
        """True if the last round left something to do."""
        self._received_at_ms = -1
        """When bytes last arrived, from any client."""
        self._notices: list[Notice] = []
        loop.peers = self
        loop.when_ready.append(self._become_ready)
        loop.player.on_step.append(self._take)

    # --- for the loop ---

    def readers(self) -> Collection[Link]:
        return [link for link in self.links if not link.ended]

    def due_ms(self) -> int | None:
        if self._is_behind or self._leaving:
            return self.now_ms()
        return self._owner.lease_ends_at_ms()

    def receive(self, readable: Collection[Link], now_ms: int) -> None:
        """Reads these links and those that leave, and ends the owner's session with its lease."""
        if readable:
            self._receive_in_turn(readable, now_ms + RECEIVE_MS)
        for link in [*self._leaving]:
            self._receive_leaving(link)
        # After this the loop calls the sources, one of which may report that the ledger is saved. A
        # waiting session then begins. It must not if its owner's lease is over, so leases end here.
        owner = self._owner.connection
        if owner is not None and self._owner.is_lease_over(now_ms):
            self._end_lease(owner, Reason.LEASE)

    def serve(self) -> None:
        # A request that waits behind a late answer is served with it: the late answer is unsent.
        is_busy = self._has_received or self._is_behind or self._notices
        if not is_busy and not any(link.connection.has_unsent for link in self.links):
            return  # only time has passed
        self._has_received = False
        self._answer_some()
        for link in [link for link in self.links if link.ended]:
            self._loop.readers_changed()
            connection = link.connection
            if connection.lease_s:
                self._end_lease(connection, Reason.CLOSED)
                connection.forget()
            # A client that has closed one direction still gets all its answers, late ones included.
            is_answered = connection.is_served and connection not in self._deferred
            if is_answered and not connection.has_unsent:
                self._remove(link)
                link.close()
        self._publish()
        self._send()

    def flush(self) -> None:
        with suppress(Exception):
            self._publish()
        for link in self.links:
            with suppress(Exception):
                _flush(link)

    # --- for links and listeners ---

    def join(self, link: Link) -> None:
        """Adds a client on a socket. If there are too many, closes another one."""
        if len(self._guests) >= GUESTS_MAX:
            self.make_room()
        link.connection.received_at_ms = self.now_ms()
        self._guests.append(link)
        self.add(link)

    def add(self, link: Link) -> None:
        """Adds a link of the daemon's own, such as a serial port. It does not count as a guest."""
        self.links.append(link)
        self._loop.readers_changed()

    def make_room(self) -> bool:
        """Closes the client that was silent longest.

        Never closes the owner of the session, whose lease would stop it. Returns False if there is
        no other client.
        """
        free = [guest for guest in self._guests if guest.connection is not self._owner.connection]
        if not free:
            return False
        self.log(
            f"{len(self._guests)} clients are connected; the one that was silent longest is closed"
        )
        self._turn_away(min(free, key=lambda guest: guest.connection.received_at_ms))
        return True

    # --- after a step of the session ---

    def _become_ready(self) -> None:
        self._requests.act(Ready(self._received_at_ms))
        self.log(READY)
        for link in self.links:
            link.connection.answer([READY])

    def _take(self, step: Step) -> None:
        if step.notices:
            self._notices += step.notices
        self._requests.answer_waiting_start()

    def _publish(self) -> None:
        notices, self._notices = self._notices, []
        for notice in notices:
            line = event(notice)
            self.log(line.removeprefix("* "))
            fault = self.session.fault
            if notice.kind == "fault" and fault is not None:
                self.log(ErrorLine(f"{fault.code}: {fault.message}"))
            for link in self.links:
                if link.connection.events:
                    link.connection.answer([line])

    # --- reading ---

    def _receive_in_turn(self, readable: Collection[Link], until_ms: int) -> None:
        """Reads links in turn, and full ones repeatedly, until `until_ms`; at least one link."""
        self._has_received = True
        # In the order in which they wait: some of them were read more recently than others.
        waiting = [link for link in self._unread if link in readable]
        links = [*waiting, *(link for link in readable if link not in waiting)]
        self._unread = []
        for n, link in enumerate(links):  # a link with more bytes is appended again
            if n and self.now_ms() >= until_ms:
                self._unread = links[n:]
                return
            if self._receive(link):
                links.append(link)

    def _receive(self, link: Link) -> bool:
        """Reads a link once. Returns whether the link may have more bytes."""
        connection = link.connection
        data = link.read()
        if not data:
            if link.ended:
                self._stop_if_tail_asks(connection)
            return False
        self._received_at_ms = self.now_ms()
        received = connection.receive(data, self._received_at_ms)
        self._stop_if_asked(connection, received)
        if connection.awaits_greeting:
            connection.awaits_greeting = False
            connection.answer([greeting(self.session)])
        if received.asks_status:
            connection.status(f"* status {commands.status(self.session, self.now_ms())}")
            connection.renewed_at_ms = self.now_ms()
        return len(data) >= FULL_READ_BYTES

    def _receive_leaving(self, link: Link) -> None:
        """Reads a client that is being closed. Its requests get no answer, but its stops act."""
        connection = link.connection
        data = link.read() if self.now_ms() < self._leaving[link] else b""
        if data:
            self._stop_if_asked(connection, connection.receive(data, self.now_ms()))
            connection.forget()
            return
        self._stop_if_tail_asks(connection)
        del self._leaving[link]
        connection.answer(["err overflow too many clients are connected; connect again"])
        _flush(link)
        link.close()

    def _stop_if_asked(self, connection: Connection, received: Received) -> None:
        if received.stop_bytes:
            self._player.step(Stop(connection.origin))
            return
        for line in received.suspects:
            if meaning.stops(line, self.session):
                self._player.step(Stop(connection.origin))
                if not meaning.is_request(line, self.session):
                    # The line is not a request. Its own answer, an error, comes in its turn.
                    connection.answer_stopped(1, self.now_ms())
                return

    def _stop_if_tail_asks(self, connection: Connection) -> None:
        """Stops if the incomplete line of a client means stop: it will not end any more."""
        tail = connection.suspect_tail(self.now_ms())
        if any(meaning.stops(line, self.session) for line in tail):
            self._player.step(Stop(connection.origin))

    # --- answering ---

    def _answer_some(self) -> None:
        """Answers clients in turn, for `SERVE_MS`. A client that was served moves to the end."""
        waiting = [link for link in self.links if not link.connection.is_served]
        until_ms = self.now_ms() + SERVE_MS
        for link in waiting:
            self.links.remove(link)
            self.links.append(link)
            self._answer(link, until_ms)
            if self.now_ms() >= until_ms:
                return

    def _answer(self, link: Link, until_ms: int) -> None:
        connection = link.connection
        for n in range(REQUESTS_A_ROUND):
            if (
                connection.is_served
                or connection in self._deferred
                or self.session.status.is_closed
            ):
                return
            if n and self.now_ms() >= until_ms:
                return
            item = connection.next()
            if isinstance(item, Dropped):
                connection.answer([f"err overflow dropped={item.lines}"])
            elif not connection.has_answered and link in self._guests and begins_like_http(item):
                self.log("a client that speaks HTTP is closed; this port takes lines of text")
                self._turn_away(link)
                return
            else:
                self._answer_line(connection, item)

    def _answer_line(self, connection: Connection, line: Line) -> None:
        connection.has_answered = True
        if asks_status(line):
            return
        text = text_of(line)
        if not isinstance(text, Flaw) and (not text.strip() or is_answer(text)):
            return
        answer = meaning.answer(self._requests, connection, text, line)
        if answer is not None:
            connection.answer(answer)
        if answer is None or answer[-1].startswith("ok") or meaning.is_request(line, self.session):
            connection.renewed_at_ms = max(connection.renewed_at_ms, line.arrived_at_ms)

    def _send(self) -> None:
        """Sends what the clients take, and notes what is left to do."""
        self.writers, self._is_behind = [], False
        for link in self.links:
            connection = link.connection
            if connection.has_unsent:
                _flush(link)
                if connection.has_unsent:
                    self.writers.append(link)
                elif link.ended:
                    self._is_behind = True  # the next round removes the link
            if not connection.is_served and connection not in self._deferred:
                self._is_behind = True

    # --- leaving ---

    def _turn_away(self, link: Link) -> None:
        """Closes a client, after its received bytes were read for stops.

        This may take several rounds if the client has sent many bytes.
        """
        self._remove(link)
        link.connection.forget()
        link.connection.reset_settings()
        now_ms = self.now_ms()
        self._leaving[link] = now_ms + LEAVING_MS
        while link in self._leaving and self.now_ms() < now_ms + RECEIVE_MS:
            self._receive_leaving(link)

    def _end_lease(self, connection: Connection, reason: Reason) -> None:
        if self._owner.leave(connection):
            self._player.step(Stop(connection.origin, reason))

    def _remove(self, link: Link) -> None:
        if link in self.links:
            self.links.remove(link)
        if link in self._guests:
            self._guests.remove(link)
        self._loop.readers_changed()


def _flush(link: Link) -> None:
    connection = link.connection
    while connection.has_unsent:
        data = connection.unsent
        sent = link.write(data)
        connection.sent(sent)
        if sent < len(data):
            return
