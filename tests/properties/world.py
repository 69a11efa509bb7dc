"""The daemon between a kernel, a disk and a hand that are simulated, on a clock that jumps.

The one place where the model touches the daemon's interfaces. The daemon's own session, latch,
links, listener and verbs are real; below them sockets behave as Linux does: what a client sent
before it closed or reset can still be read, and a write to it fails.
"""

import errno
import heapq
import socket
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Final

from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.links import Listener, SocketLink
from firmware_ctl.limits import DAILY_MS
from firmware_ctl.session.button import Contact, Spell, spells_of
from firmware_ctl.session.events import Close, Contacts, SaveLedger
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.motor_drive import Levels
from tests.properties.contract import Judge, Known
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, LIMITS, MAT

ROOM_TO_SEND: Final = 64 * 1024
"""What the kernel holds for a client that does not read."""
MOST_EDGES: Final = 64
"""Edges that the kernel keeps; of those beyond it drops the oldest."""
MOST_ROUNDS_A_MS: Final = 5_000
MUCH: Final = 16 * 1024
"""After so many bytes the memory of a connection is measured, once all of them are read."""


class Killed(BaseException):
    """The process is killed: nothing of it runs any more."""


class Client:
    """A program outside, and the daemon's end of its connection."""

    def __init__(self, world: "World", name: str, is_guest: bool = True) -> None:
        self.known = Known(name, is_guest)
        self.fd = world.next_fd()
        self.reads = True
        self.is_connected = False
        self._world = world
        self._incoming = bytearray()
        self._is_half_closed = self._is_closed = self._is_reset = False
        self._is_reset_told = False
        self.read_bytes = 0
        """What the daemon has read since its memory was measured."""
        self._unread = 0
        """Bytes that the daemon wrote and the client has not read."""

    # --- what the client does ---

    def send(self, data: bytes) -> None:
        if self._can_send:
            self._incoming += data

    def half_close(self) -> None:
        if self._can_send:
            self._is_half_closed = self.known.is_half_closed = True

    def close(self) -> None:
        if self.is_connected:
            self._is_closed = self.known.is_dead = True

    def reset(self) -> None:
        if self.is_connected and not self._is_closed:
            self._is_closed = self._is_reset = self.known.is_dead = True

    def read_on(self, reads: bool) -> None:
        self.reads = reads
        if reads:
            self._unread = 0
        else:
            self.known.is_unsure = True

    @property
    def _can_send(self) -> bool:
        is_gone = self._is_closed or self._is_half_closed or self.known.is_closed
        return self.is_connected and not is_gone

    # --- what the daemon sees: a socket ---

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return self.fd

    @property
    def has_input(self) -> bool:
        return bool(self._incoming) or self._is_closed or self._is_half_closed

    @property
    def has_unread(self) -> bool:
        return bool(self._incoming) and not self.known.is_closed

    @property
    def has_room(self) -> bool:
        return self._is_closed or self.reads or self._unread < ROOM_TO_SEND

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._world.calls()
        if self._incoming:
            data = bytes(self._incoming[:size])
            if not flags & socket.MSG_PEEK:
                del self._incoming[:size]
                self._world.read(self, data)
            return data
        if not (self._is_closed or self._is_half_closed):
            raise BlockingIOError
        self._world.judge.read_end(self.known)
        if self._is_reset and not self._is_reset_told:
            self._is_reset_told = True
            raise ConnectionResetError(104, "Connection reset by peer")
        return b""

    def send_to_client(self, data: bytes) -> int:
        self._world.calls()
        if self._is_closed:
            raise BrokenPipeError(32, "Broken pipe")
        data = data if self.reads else data[: ROOM_TO_SEND - self._unread]
        if not data:
            raise BlockingIOError
        self._unread += 0 if self.reads else len(data)
        self._world.judge.wrote_to(self.known, data)
        return len(data)

    def close_by_daemon(self) -> None:
        if not self.known.is_closed:
            self._world.closed(self, bytes(self._incoming))


class Socket:
    """The daemon's end of one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.fileno = client.fileno
        self.setblocking = client.setblocking
        self.recv = client.recv
        self.send = client.send_to_client
        self.close = client.close_by_daemon


class Backlog:
    """A listening socket with those who wait to be accepted."""

    def __init__(self, world: "World") -> None:
        self.fd = world.next_fd()
        self.waiting: deque[Client] = deque()
        self.meanwhile: deque[Callable[[], object]] = deque()
        """What others do while the next client is accepted."""
        self.most_clients: int | None = None
        """There is no descriptor for more; None: there is."""
        self._world = world

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return self.fd

    @property
    def has_input(self) -> bool:
        return bool(self.waiting)

    def accept(self) -> tuple[Any, str]:
        self._world.calls()
        if not self.waiting:
            raise BlockingIOError
        if self.most_clients is not None and len(self._world.clients) >= self.most_clients:
            self._world.judge.descriptors_are_used_up()
            raise OSError(errno.EMFILE, "Too many open files")
        client = self.waiting.popleft()
        self._world.accepted(client)
        while self.meanwhile:
            self.meanwhile.popleft()()
        return Socket(client), ""

    def close(self) -> None:
        pass


class Finger:
    """The start button's two contacts and the kernel's queue of their edges."""

    def __init__(self, world: "World") -> None:
        self.fd = world.next_fd()
        self.contact = Contact.RELEASED
        self._edges: deque[tuple[int, Contact]] = deque()
        self._is_lost = False
        self._looked_at_ms = 0
        self._world = world

    def move(self, contact: Contact) -> None:
        if contact is not self.contact:
            self.contact = contact
            self._edges.append((self._world.now_ms(), contact))
            if len(self._edges) > MOST_EDGES:
                self._edges.popleft()
                self._is_lost = True

    @property
    def has_input(self) -> bool:
        return bool(self._edges)

    def fileno(self) -> int:
        return self.fd

    def ready(self) -> None:
        """A source that is readable asks for a tick, which reads the edges."""

    def read(self) -> Contacts:
        self._world.calls()
        for at_ms, contact in self._edges:
            self._world.judge.touched(at_ms, contact)
        spells = spells_of(self._edges)
        if self._is_lost:
            # Those that were lost may have come at any time since the last look.
            spells = (Spell(self._looked_at_ms, spells[-1].last_at_ms, self.contact),)
        self._edges.clear()
        self._is_lost = False
        self._looked_at_ms = self._world.now_ms()
        return Contacts(self.contact, spells)

    def press(self, is_down: bool) -> None:
        if is_down:
            self._world.judge.pressed()
        self.move(Contact.PRESSED if is_down else Contact.RELEASED)


class Disk:
    """Takes the day's accounts at once, or late, or not."""

    def __init__(self, world: "World") -> None:
        self.takes_ms = 0
        self.fails = False
        self._free_at_ms = 0
        self._world = world

    def mend(self) -> None:
        self.takes_ms, self.fails = 0, False

    def save(self, keep: SaveLedger, done: Callable[[str], object]) -> None:
        self._world.calls()
        trouble = "No space left on device" if self.fails else ""
        if not self.takes_ms and self._world.now_ms() >= self._free_at_ms:
            done(trouble)
            return
        self._free_at_ms = max(self._free_at_ms, self._world.now_ms()) + self.takes_ms
        self._world.on_loop(self._free_at_ms, lambda: done(trouble))


class Reading:
    """Profiles that are being read elsewhere."""

    def __init__(self, world: "World", done: Callable[[Catalogue | str], None]) -> None:
        result: Catalogue | str = "the folder cannot be read" if world.reload_fails else CATALOGUE
        world.on_loop(world.now_ms() + world.reload_ms, lambda: done(result))

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        pass

    def give_up(self) -> None:
        pass


class Pins:
    def __init__(self, world: "World") -> None:
        self._world = world

    def apply(self, duty_pct: Levels) -> None:
        self._world.calls()
        self._world.judge.wrote(duty_pct)

    def all_low(self) -> list[str]:
        if not self._world.is_killed:
            self._world.judge.wrote((0,) * len(MAT.motors))
        return []


class _OnLoop:
    """Something that a thread has ready for the loop."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        self._do()


class World:
    """A script of what happens outside, and the daemons that live through it one by one."""

    def __init__(self, counts: Counter[str], has_button: bool = True) -> None:
        self.mat = MAT._replace(
            limits=LIMITS._replace(daily_ms=DAILY_MS),
            button=MAT.button if has_button else None,
        )
        self._now_us = 0
        self.judge = Judge(counts, len(MAT.motors), self.now_ms)
        self.reload_ms = 5
        self.reload_fails = False
        self.is_killed = False
        self.round_us = 0
        """What a round of the loop costs."""
        self.call_us = 0
        """What a call to the kernel costs."""
        self._calls_to_live: int | None = None
        self._held_up_ms = 0
        self._living: Daemon
        self._daemons = 0
        """How many have lived before this one."""
        self._fds = count(3)
        self._numbers = count()
        self._script: list[tuple[int, int, Callable[[], object]]] = []
        self._on_loop: deque[_OnLoop] = deque()
        self._idle_rounds = 0
        self.backlog = Backlog(self)
        self.finger = Finger(self)
        self.disk = Disk(self)
        self.clients: list[Client] = []
        self._read_much: list[Client] = []
        self.port = Client(self, "the port", is_guest=False)
        self.port.is_connected = True
        self.judge.known.append(self.port.known)
        self._by_fd: dict[int, Client | Backlog | Finger] = {
            device.fd: device for device in (self.backlog, self.finger, self.port)
        }

    def next_fd(self) -> int:
        return next(self._fds)

    # --- the script ---

    def at(self, at_ms: int, do: Callable[[], object]) -> None:
        """Does something outside the daemon at a time."""
        heapq.heappush(self._script, (at_ms, next(self._numbers), do))

    def on_loop(self, at_ms: int, do: Callable[[], object]) -> None:
        """Has the loop do something from then on."""
        daemons = self._daemons

        def ready() -> None:
            if self._daemons == daemons:
                self._on_loop.append(_OnLoop(do))

        self.at(at_ms, ready)

    def client(self, name: str) -> Client:
        client = Client(self, name)
        self._by_fd[client.fd] = client
        return client

    def connect(self, client: Client) -> None:
        client.is_connected = True
        self.backlog.waiting.append(client)

    def hold_up(self, for_ms: int) -> None:
        """The loop comes back this much later than it is due."""
        self._held_up_ms += for_ms

    def kill(self, after_calls: int = 0) -> None:
        """At once, or after so many more calls to the world."""
        self._calls_to_live = after_calls

    def close(self) -> None:
        """An orderly end, as by SIGTERM."""
        self._on_loop.append(_OnLoop(lambda: self._living.step(Close())))

    def play(self, until_ms: int) -> None:
        """Plays the script; a daemon that ends before its end is followed by another."""
        self.at(until_ms, self._end)
        self._is_over = False
        while not self._is_over:
            daemon = self._living = self._daemon()
            try:
                with suppress(Killed):
                    daemon.run()
            finally:
                self._listener.close()
            if self.judge.broken is not None:
                raise self.judge.broken
            if self.judge.is_moving and not self.is_killed:
                self.judge.fail("moved", "the daemon has ended and left the motors on")
            self._bury()

    def _end(self) -> None:
        self.judge.play_ends()
        self._is_over = True
        self.close()

    def _bury(self) -> None:
        """The kernel closes all that the process had; the next one starts 50 ms later."""
        self.judge.daemon_ends()
        self.backlog.waiting.clear()
        self._on_loop.clear()
        self._daemons += 1
        self._calls_to_live, self.is_killed = None, False
        self.clients.clear()
        # What was written to the port is kept for the next daemon.
        self.port.known = Known("the port", is_guest=False)
        self.judge.known = [self.port.known]
        self._now_us += 50_000

    def _daemon(self) -> Daemon:
        daemon = Daemon(
            Session(self.mat, CATALOGUE),
            self,
            Latch(self.mat, Pins(self), NoDeadman()),
            self.finger if self.mat.button is not None else None,
            self.disk,
            lambda done: Reading(self, done),
            self.judge.told,
        )
        self._listener = Listener(self.backlog)  # type: ignore[arg-type]
        self._listener.attach(daemon.clients, daemon.loop)
        if self.mat.button is not None:
            daemon.watch(self.finger)
        daemon.add(SocketLink(Socket(self.port)))  # type: ignore[arg-type]
        self.links = daemon.links
        return daemon

    # --- the daemon's clock and waiting ---

    def now_ms(self) -> int:
        return self._now_us // 1000

    def slept_ms(self) -> int:
        return 0

    def _mark_leaving(self) -> None:
        """Who was turned away in the round that ends, and is still read."""
        leaving = {link.fileno() for link in self._living.clients._leaving}
        for client in self.clients:
            client.known.is_leaving = client.fileno() in leaving

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        self._measure()
        for client in self.clients:
            if client.has_unread:
                self.judge.holds(client.known)
        self._mark_leaving()
        self._idle_rounds += 1
        assert self._idle_rounds < MOST_ROUNDS_A_MS, "the loop spins"
        self.judge.round_ends()
        self.calls()
        before_ms = self.now_ms()
        self._now_us += self.round_us
        found = self._wait(until_ms, readers, writers)
        if self._held_up_ms:
            self._now_us += self._held_up_ms * 1000
            self._held_up_ms = 0
        if self.now_ms() > before_ms:
            self._idle_rounds = 0
        self.judge.round_begins()
        return found

    def _wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> list[Link | Source]:
        while True:
            self._play_due()
            found = [reader for reader in readers if self._has_input(reader)]
            if self._on_loop:
                found.append(self._on_loop.popleft())
            if found or any(self._has_room(writer) for writer in writers):
                return found
            if self.now_ms() >= until_ms:
                return []
            next_ms = min(until_ms, self._script[0][0]) if self._script else until_ms
            self._now_us = max(self._now_us, next_ms * 1000)

    def _has_input(self, reader: Link | Source) -> bool:
        device = self._by_fd.get(reader.fileno())
        return device is not None and device.has_input

    def _has_room(self, writer: Link) -> bool:
        client = self._by_fd.get(writer.fileno())
        return isinstance(client, Client) and client.has_room

    def _play_due(self) -> None:
        while self._script and self._script[0][0] <= self.now_ms():
            heapq.heappop(self._script)[2]()

    # --- what devices tell ---

    def calls(self) -> None:
        """The daemon calls the kernel, which takes time; here it may be killed."""
        if self.is_killed:
            raise Killed
        self._now_us += self.call_us
        self._play_due()
        if self._calls_to_live is not None:
            self._calls_to_live -= 1
            if self._calls_to_live < 0:
                self.is_killed = True
                raise Killed

    def accepted(self, client: Client) -> None:
        self.judge.known.append(client.known)
        self.clients.append(client)
        self.judge.joined(client.known)

    def read(self, client: Client, data: bytes) -> None:
        self.judge.heard(client.known, data)
        client.read_bytes += len(data)
        if client.read_bytes >= MUCH and not client.has_unread:
            client.read_bytes = 0
            self._read_much.append(client)

    def closed(self, client: Client, unread: bytes) -> None:
        if client in self.clients:
            self.clients.remove(client)
        self.judge.closed(client.known, unread)

    def _measure(self) -> None:
        if not self._read_much:
            return
        fds = {client.fd: client for client in self._read_much}
        self._read_much.clear()
        for link in self.links:
            client = fds.get(link.fileno())
            if client is not None:
                self.judge.held_bytes(client.known, size_of(vars(link)["connection"]))


def size_of(value: object) -> int:
    """The bytes of all texts that can be reached from a value, and 8 for every other thing."""
    seen: set[int] = set()
    total = 0
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes | bytearray | str):
            total += len(item)
        elif isinstance(item, Mapping):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset | deque):
            waiting += item
        else:
            total += 8
            if id(item) not in seen and hasattr(item, "__dict__") and not isinstance(item, type):
                seen.add(id(item))
                waiting += vars(item).values()
    return total
