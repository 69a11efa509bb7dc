"""The daemon with a simulated kernel, disk and start button, on a clock that jumps.

Only this module connects the model to the daemon's interfaces. The session, latch, links, listener
and commands are the daemon's own. The sockets are simulated and behave as on Linux: the daemon can
still read what a client sent before it closed or reset the connection, and a write to it fails.
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
from tests.properties.contract import ClientRecord, Judge
from tests.support.daemon import Daemon
from tests.support.worlds import CATALOGUE, LIMITS, MAT

SEND_BUFFER_BYTES: Final = 64 * 1024
"""The kernel holds this many bytes for a client that does not read."""
MOST_EDGES: Final = 64
"""The kernel keeps this many edges, and drops the oldest ones if there are more."""
MOST_ROUNDS_IN_A_MS: Final = 5_000
"""With more rounds of the loop in one millisecond, the loop spins."""
MEASURE_AFTER_BYTES: Final = 16 * 1024
"""After this many bytes, the memory of a connection is measured once the loop has read them all."""


class Killed(BaseException):
    """The daemon's process has been killed."""


class Client:
    """A client program, and the state of its connection to the daemon."""

    def __init__(self, world: "World", name: str, is_guest: bool = True) -> None:
        self.record = ClientRecord(name, is_guest)
        self.fd = world.next_fd()
        self.is_reading = True
        self.is_connected = False
        self._world = world
        self._incoming = bytearray()
        self._is_half_closed = self._is_closed = self._is_reset = False
        self._is_reset_reported = False
        self.read_since_measured_bytes = 0
        """Bytes that the daemon has read since the memory of the connection was measured."""
        self._unread_output_bytes = 0
        """The number of bytes that the daemon wrote and the client has not read."""

    # --- actions of the client ---

    def send(self, data: bytes) -> None:
        if self._can_send:
            self._incoming += data

    def half_close(self) -> None:
        if self._can_send:
            self._is_half_closed = self.record.is_half_closed = True

    def close(self) -> None:
        if self.is_connected:
            self._is_closed = self.record.is_closed_by_client = True

    def reset(self) -> None:
        if self.is_connected and not self._is_closed:
            self._is_closed = self._is_reset = self.record.is_closed_by_client = True

    def set_reading(self, is_reading: bool) -> None:
        self.is_reading = is_reading
        if is_reading:
            self._unread_output_bytes = 0
        else:
            self.record.is_answer_count_unknown = True

    @property
    def _can_send(self) -> bool:
        is_closed = self._is_closed or self._is_half_closed or self.record.is_closed_by_daemon
        return self.is_connected and not is_closed

    # --- the socket, as the daemon sees it ---

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return self.fd

    @property
    def has_input(self) -> bool:
        return bool(self._incoming) or self._is_closed or self._is_half_closed

    @property
    def has_unread(self) -> bool:
        return bool(self._incoming) and not self.record.is_closed_by_daemon

    @property
    def has_room(self) -> bool:
        return self._is_closed or self.is_reading or self._unread_output_bytes < SEND_BUFFER_BYTES

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._world.system_call()
        if self._incoming:
            data = bytes(self._incoming[:size])
            if not flags & socket.MSG_PEEK:
                del self._incoming[:size]
                self._world.client_read(self, data)
            return data
        if not (self._is_closed or self._is_half_closed):
            raise BlockingIOError
        self._world.judge.end_of_file_read(self.record)
        if self._is_reset and not self._is_reset_reported:
            self._is_reset_reported = True
            raise ConnectionResetError(104, "Connection reset by peer")
        return b""

    def send_to_client(self, data: bytes) -> int:
        self._world.system_call()
        if self._is_closed:
            raise BrokenPipeError(32, "Broken pipe")
        data = data if self.is_reading else data[: SEND_BUFFER_BYTES - self._unread_output_bytes]
        if not data:
            raise BlockingIOError
        self._unread_output_bytes += 0 if self.is_reading else len(data)
        self._world.judge.bytes_written(self.record, data)
        return len(data)

    def close_by_daemon(self) -> None:
        if not self.record.is_closed_by_daemon:
            self._world.client_closed(self, bytes(self._incoming))


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
    """A listening socket, with the clients that wait to be accepted."""

    def __init__(self, world: "World") -> None:
        self.fd = world.next_fd()
        self.pending: deque[Client] = deque()
        self.during_next_accept: deque[Callable[[], object]] = deque()
        """Actions of other clients while the daemon accepts the next client."""
        self.descriptor_limit: int | None = None
        """The process has descriptors for this many clients. None: no limit."""
        self._world = world

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def fileno(self) -> int:
        return self.fd

    @property
    def has_input(self) -> bool:
        return bool(self.pending)

    def accept(self) -> tuple[Any, str]:
        self._world.system_call()
        if not self.pending:
            raise BlockingIOError
        if self.descriptor_limit is not None and len(self._world.clients) >= self.descriptor_limit:
            self._world.judge.descriptors_exhausted()
            raise OSError(errno.EMFILE, "Too many open files")
        client = self.pending.popleft()
        self._world.client_accepted(client)
        while self.during_next_accept:
            self.during_next_accept.popleft()()
        return Socket(client), ""

    def close(self) -> None:
        pass


class ButtonContacts:
    """The start button's two contacts and the kernel's queue of their edges."""

    def __init__(self, world: "World") -> None:
        self.fd = world.next_fd()
        self.contact = Contact.RELEASED
        self._edges: deque[tuple[int, Contact]] = deque()
        self._has_lost_edges = False
        self._last_read_at_ms = 0
        self._world = world

    def move(self, contact: Contact) -> None:
        if contact is not self.contact:
            self.contact = contact
            self._edges.append((self._world.now_ms(), contact))
            if len(self._edges) > MOST_EDGES:
                self._edges.popleft()
                self._has_lost_edges = True

    @property
    def has_input(self) -> bool:
        return bool(self._edges)

    def fileno(self) -> int:
        return self.fd

    def ready(self) -> None:
        """Nothing to do: the loop makes a tick for a readable source, and the tick reads the edges."""

    def read(self) -> Contacts:
        self._world.system_call()
        for at_ms, contact in self._edges:
            self._world.judge.button_edge_read(at_ms, contact)
        spells = spells_of(self._edges)
        if self._has_lost_edges:
            # The lost edges may have occurred at any time since the last read.
            spells = (Spell(self._last_read_at_ms, spells[-1].last_at_ms, self.contact),)
        self._edges.clear()
        self._has_lost_edges = False
        self._last_read_at_ms = self._world.now_ms()
        return Contacts(self.contact, spells)

    def press(self, is_down: bool) -> None:
        if is_down:
            self._world.judge.simulated_button_pressed()
        self.move(Contact.PRESSED if is_down else Contact.RELEASED)


class Disk:
    """Saves the ledger at once, late, or not at all."""

    def __init__(self, world: "World") -> None:
        self.save_ms = 0
        self.fails = False
        self._free_at_ms = 0
        self._world = world

    def repair(self) -> None:
        self.save_ms, self.fails = 0, False

    def save(self, request: SaveLedger, done: Callable[[str], object]) -> None:
        self._world.system_call()
        error = "No space left on device" if self.fails else ""
        if not self.save_ms and self._world.now_ms() >= self._free_at_ms:
            done(error)
            return
        self._free_at_ms = max(self._free_at_ms, self._world.now_ms()) + self.save_ms
        self._world.call_in_loop(self._free_at_ms, lambda: done(error))


class ReloadJob:
    """A reload of the profiles in another process. Implements `Job` of the daemon."""

    def __init__(self, world: "World", done: Callable[[Catalogue | str], None]) -> None:
        result: Catalogue | str = "the folder cannot be read" if world.reload_fails else CATALOGUE
        world.call_in_loop(world.now_ms() + world.reload_ms, lambda: done(result))

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        pass

    def give_up(self) -> None:
        pass


class Pins:
    """The motor pins. Reports every write to the judge."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def apply(self, duty_pct: Levels) -> None:
        self._world.system_call()
        self._world.judge.pins_written(duty_pct)

    def all_low(self) -> list[str]:
        if not self._world.is_killed:
            self._world.judge.pins_written((0,) * len(MAT.motors))
        return []


class _LoopCall:
    """A call that a thread has posted to the loop, in the form of a readable source."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        self._call()


class World:
    """Runs a script of events around the daemon. A daemon that ends is followed by a new one."""

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
        self.round_cost_us = 0
        """The time that a round of the loop takes."""
        self.call_cost_us = 0
        """The time that a system call takes."""
        self._calls_until_kill: int | None = None
        self._loop_delay_ms = 0
        self._running_daemon: Daemon
        self._ended_daemons = 0
        """The number of daemons that have ended."""
        self._fds = count(3)
        self._numbers = count()
        self._script: list[tuple[int, int, Callable[[], object]]] = []
        self._ready_calls: deque[_LoopCall] = deque()
        self._rounds_in_this_ms = 0
        self.backlog = Backlog(self)
        self.button = ButtonContacts(self)
        self.disk = Disk(self)
        self.clients: list[Client] = []
        self._clients_to_measure: list[Client] = []
        self.port = Client(self, "the serial port", is_guest=False)
        self.port.is_connected = True
        self.judge.clients.append(self.port.record)
        self._device_of_fd: dict[int, Client | Backlog | ButtonContacts] = {
            device.fd: device for device in (self.backlog, self.button, self.port)
        }

    def next_fd(self) -> int:
        return next(self._fds)

    # --- the script ---

    def at(self, at_ms: int, call: Callable[[], object]) -> None:
        """Schedules a call outside the daemon."""
        heapq.heappush(self._script, (at_ms, next(self._numbers), call))

    def call_in_loop(self, at_ms: int, call: Callable[[], object]) -> None:
        """Schedules a call that the loop makes as soon as it can from `at_ms` on."""
        ended_daemons = self._ended_daemons

        def ready() -> None:
            if self._ended_daemons == ended_daemons:
                self._ready_calls.append(_LoopCall(call))

        self.at(at_ms, ready)

    def client(self, name: str) -> Client:
        client = Client(self, name)
        self._device_of_fd[client.fd] = client
        return client

    def connect(self, client: Client) -> None:
        client.is_connected = True
        self.backlog.pending.append(client)

    def delay_loop(self, for_ms: int) -> None:
        """Makes the loop return from its next wait this much later."""
        self._loop_delay_ms += for_ms

    def kill(self, after_calls: int = 0) -> None:
        """Kills the process in its next system call, or `after_calls` calls later."""
        self._calls_until_kill = after_calls

    def close(self) -> None:
        """Ends the daemon in order, as by SIGTERM."""
        self._ready_calls.append(_LoopCall(lambda: self._running_daemon.step(Close())))

    def run_script(self, until_ms: int) -> None:
        """Runs the script. If a daemon ends before the script does, the next daemon starts."""
        self.at(until_ms, self._end_script)
        self._is_script_over = False
        while not self._is_script_over:
            daemon = self._running_daemon = self._make_daemon()
            try:
                with suppress(Killed):
                    daemon.run()
            finally:
                self._listener.close()
            if self.judge.violation is not None:
                raise self.judge.violation
            if self.judge.is_moving and not self.is_killed:
                self.judge.fail("moved", "the daemon ended and left motors on")
            self._clean_up_after_daemon()

    def _end_script(self) -> None:
        self.judge.script_ends()
        self._is_script_over = True
        self.close()

    def _clean_up_after_daemon(self) -> None:
        """Closes the descriptors of the process, as the kernel does. The next daemon starts 50 ms later."""
        self.judge.daemon_ends()
        self.backlog.pending.clear()
        self._ready_calls.clear()
        self._ended_daemons += 1
        self._calls_until_kill, self.is_killed = None, False
        self.clients.clear()
        # The kernel keeps the bytes in the serial port for the next daemon.
        self.port.record = ClientRecord("the serial port", is_guest=False)
        self.judge.clients = [self.port.record]
        self._now_us += 50_000

    def _make_daemon(self) -> Daemon:
        daemon = Daemon(
            Session(self.mat, CATALOGUE),
            self,
            Latch(self.mat, Pins(self), NoDeadman()),
            self.button if self.mat.button is not None else None,
            self.disk,
            lambda done: ReloadJob(self, done),
            self.judge.line_logged,
        )
        self._listener = Listener(self.backlog)  # type: ignore[arg-type]
        self._listener.attach(daemon.clients, daemon.loop)
        if self.mat.button is not None:
            daemon.watch(self.button)
        daemon.add(SocketLink(Socket(self.port)))  # type: ignore[arg-type]
        self.links = daemon.links
        return daemon

    # --- the daemon's clock and its wait ---

    def now_ms(self) -> int:
        return self._now_us // 1000

    def slept_ms(self) -> int:
        return 0

    def _mark_leaving(self) -> None:
        """Marks the clients that the daemon is evicting but still reads."""
        leaving = {link.fileno() for link in self._running_daemon.clients._leaving}
        for client in self.clients:
            client.record.is_leaving = client.fileno() in leaving

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        self._measure_memory()
        for client in self.clients:
            if client.has_unread:
                self.judge.bytes_unread(client.record)
        self._mark_leaving()
        self._rounds_in_this_ms += 1
        assert self._rounds_in_this_ms < MOST_ROUNDS_IN_A_MS, "the loop spins"
        self.judge.round_ends()
        self.system_call()
        before_ms = self.now_ms()
        self._now_us += self.round_cost_us
        ready_sources = self._wait(until_ms, readers, writers)
        if self._loop_delay_ms:
            self._now_us += self._loop_delay_ms * 1000
            self._loop_delay_ms = 0
        if self.now_ms() > before_ms:
            self._rounds_in_this_ms = 0
        self.judge.round_begins()
        return ready_sources

    def _wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> list[Link | Source]:
        while True:
            self._make_due_calls()
            ready_sources = [reader for reader in readers if self._has_input(reader)]
            if self._ready_calls:
                ready_sources.append(self._ready_calls.popleft())
            if ready_sources or any(self._has_room(writer) for writer in writers):
                return ready_sources
            if self.now_ms() >= until_ms:
                return []
            next_ms = min(until_ms, self._script[0][0]) if self._script else until_ms
            self._now_us = max(self._now_us, next_ms * 1000)

    def _has_input(self, reader: Link | Source) -> bool:
        device = self._device_of_fd.get(reader.fileno())
        return device is not None and device.has_input

    def _has_room(self, writer: Link) -> bool:
        client = self._device_of_fd.get(writer.fileno())
        return isinstance(client, Client) and client.has_room

    def _make_due_calls(self) -> None:
        while self._script and self._script[0][0] <= self.now_ms():
            heapq.heappop(self._script)[2]()

    # --- reports of the devices ---

    def system_call(self) -> None:
        """The daemon makes a system call, which takes time. The process may be killed here."""
        if self.is_killed:
            raise Killed
        self._now_us += self.call_cost_us
        self._make_due_calls()
        if self._calls_until_kill is not None:
            self._calls_until_kill -= 1
            if self._calls_until_kill < 0:
                self.is_killed = True
                raise Killed

    def client_accepted(self, client: Client) -> None:
        self.judge.clients.append(client.record)
        self.clients.append(client)
        self.judge.client_accepted(client.record)

    def client_read(self, client: Client, data: bytes) -> None:
        self.judge.bytes_read(client.record, data)
        client.read_since_measured_bytes += len(data)
        if client.read_since_measured_bytes >= MEASURE_AFTER_BYTES and not client.has_unread:
            client.read_since_measured_bytes = 0
            self._clients_to_measure.append(client)

    def client_closed(self, client: Client, unread: bytes) -> None:
        if client in self.clients:
            self.clients.remove(client)
        self.judge.client_closed(client.record, unread)

    def _measure_memory(self) -> None:
        if not self._clients_to_measure:
            return
        fds = {client.fd: client for client in self._clients_to_measure}
        self._clients_to_measure.clear()
        for link in self.links:
            client = fds.get(link.fileno())
            if client is not None:
                self.judge.memory_measured(client.record, deep_size_bytes(vars(link)["connection"]))


def deep_size_bytes(value: object) -> int:
    """The size of everything that a value refers to: the length of each text, 8 bytes for other objects."""
    seen_ids: set[int] = set()
    total = 0
    pending: list[object] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, bytes | bytearray | str):
            total += len(item)
        elif isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset | deque):
            pending += item
        else:
            total += 8
            if (
                id(item) not in seen_ids
                and hasattr(item, "__dict__")
                and not isinstance(item, type)
            ):
                seen_ids.add(id(item))
                pending += vars(item).values()
    return total
