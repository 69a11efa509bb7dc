"""The loop: one thread that waits, asks the session, and has the latch write what it says.

It knows the small interfaces below, and never who stands behind them. Off first, talk later: the
pins have their duties before anything is told to anyone.
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from typing import Final, Protocol, cast

from firmware_ctl import PROTOCOL, __version__, verbs
from firmware_ctl.button import DEBOUNCE_MS, Contact
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.errors import CallerError
from firmware_ctl.framing import Arrival, Flaw, Line, begins_like_http, text_of
from firmware_ctl.latch import Latch
from firmware_ctl.limits import SUSPEND_MS, TICK_MS
from firmware_ctl.player import Ledger, Player, Proof, Watcher
from firmware_ctl.protocol import Connection, Dropped
from firmware_ctl.sentries import Sentry
from firmware_ctl.session import (
    Contacts,
    Fault,
    Input,
    Notice,
    Ready,
    Reload,
    Session,
    Slept,
    Start,
    Step,
    Stop,
    Try,
    Wake,
)

IDLE_SAMPLE_MS: Final = 500
"""While nothing runs the contacts are sampled this often, beside their edges."""

REQUESTS_A_ROUND: Final = 16
SERVE_MS: Final = 5
"""What is done for one connection, and for all, before button and ports are looked at again."""

MOST_GUESTS: Final = 64
"""Clients at once. For one more the one that was silent longest goes."""

HEAR_MS: Final = 5
"""For so long ports are read in a round; who was not read is read first in the next one."""

MUCH: Final = 1024
"""A port that gives so many bytes at once may have more."""

LEAVING_MS: Final = 10_000
"""For so long at most what the kernel holds of a client that has to go is read for stops."""

SETTLE_MS: Final = DEBOUNCE_MS + 5
"""The button is looked at for this long before the daemon says that it is ready."""

RELOAD_MS: Final = 10_000
"""A folder that is not read by then is given up."""

_WAKES: Final = (Wake(),)

READY: Final = f"* ready firmware-ctl {__version__} protocol={PROTOCOL}"


class StartButton(Protocol):
    def read(self) -> Contacts:
        """What the contact says now, and its edges since the last call. Bounded work."""

    def press(self, is_down: bool) -> None:
        """Moves the simulated button; `CallerError` where it is a real one."""


class Link(Protocol):
    """Bytes to and from one client. Never blocks.

    A client that cannot be written to may have sent bytes that are not read yet, a stop among them:
    only the end of what it sent ends a link.
    """

    connection: Connection
    ended: bool
    """All that the client sent has been read, and no more can come."""

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """What has come, as much as one look of the loop takes."""

    def write(self, data: bytes) -> int:
        """How much of it was taken: all of it where nobody can read it any more."""

    def close(self, daemon: "Daemon") -> None:
        """Called once, when the daemon has let go of the link."""


class Source(Protocol):
    """What the loop waits for beside links: new clients, finished jobs, signals, edges."""

    def fileno(self) -> int: ...

    def ready(self, daemon: "Daemon") -> None:
        """Called by the loop when `fileno` is readable."""


class Inbox(Protocol):
    """The clock and the waiting, in one: real in the daemon, jumping in the simulator."""

    def now_ms(self) -> int: ...

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        """Those to be read, at the latest at `until_ms`; comes back early to write.

        `readers` is the same object for as long as they are the same ones.
        """

    def slept_ms(self) -> int:
        """For how long the machine was suspended since this was asked last."""


class Job(Source, Protocol):
    def give_up(self) -> None:
        """Ends it, if it still runs; it calls back with why."""


ReadProfiles = Callable[[Callable[[Catalogue | str], None]], Job]
"""Begins to read all profiles elsewhere; calls back with them, or with why that failed."""


class Daemon(Player):
    """The session with its pins, its button and its clients."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        latch: Latch,
        button: StartButton | None,
        ledger: Ledger,
        read_profiles: ReadProfiles,
        say: Callable[[str], None],
        watchers: Collection[Watcher] = (),
        sentries: Collection[Sentry] = (),
        proofs: Collection[Proof] = (),
    ) -> None:
        super().__init__(session, inbox.now_ms, latch, ledger, watchers, sentries, proofs)
        self.links: list[Link] = []
        self._guests: list[Link] = []
        """Those of them that come and go as they like."""
        self.sources: list[Source] = []
        self.when_ready: list[Callable[[], object]] = []
        self.say = say
        self._inbox = inbox
        self._button = button
        self._button_is_down = False
        self._contact: Contact | None = None
        """What the button said last."""
        self._read_profiles = read_profiles
        self._timers: list[tuple[int, int, Callable[[], object]]] = []
        self._timer_numbers = count()
        self._owner: tuple[Connection, int] | None = None
        """Whose request started a session, or is about to, and the number of that session."""
        self._unheard: list[Link] = []
        """Those that could be read in the last round, and were not."""
        self._leaving: dict[Link, int] = {}
        """Clients that have to go, and until when at most they are read for stops."""
        self._deferred: set[Connection] = set()
        """Those whose last request is answered later, and the next ones after it."""
        self._reloading: Connection | None = None
        self._starting: tuple[Connection, Callable[[], list[str]]] | None = None
        self._readers: Collection[Link | Source] | None = None
        """None: to be worked out, since one has come or gone."""
        self._writers: list[Link] = []
        """Those who have not taken all that they are told."""
        self._is_behind = False
        """There is more to do than could be done in the last round."""
        self._has_unserved = False
        """Bytes or requests of someone wait, and be it for an answer that comes later."""
        self._wake_at_ms: int | None = None
        self._sampled_at_ms = inbox.now_ms()
        self._tick_at_ms: int | None = None
        """When the next tick has to come; None: to be worked out, since something has changed."""
        self._notices: list[Notice] = []
        self._is_ready = False
        self._heard_at_ms = -1
        """When bytes last came, from anyone."""
        self._started_before = 0
        """How many sessions had begun when the last start was asked for."""

    # --- the loop ---

    def run(self) -> None:
        """Plays until the session is closed. Whatever ends it, every pin is low afterwards."""
        try:
            self.sample()
            self.later(0 if self._button is None else SETTLE_MS, self._ready)
            while not self.session.closed:
                self._round()
        except Exception as error:
            self._latch.trip()
            self._tell_last(Fault("internal", f"{type(error).__name__}: {error}"))
            raise
        finally:
            self._latch.close()

    def _tell_last(self, fault: Fault) -> None:
        """The motors are off; who can still be told is told."""
        with suppress(Exception):
            self.step(fault)
        with suppress(Exception):
            self._publish()
        for link in self.links:
            with suppress(Exception):
                _flush(link)

    def _ready(self) -> None:
        self.act(Ready(self._heard_at_ms))
        self._is_ready = True
        self.say(READY)
        for call in self.when_ready:
            call()
        for link in self.links:
            link.connection.answer([READY])

    def _round(self) -> None:
        links = self.links
        if self._readers is None:
            self._readers = [*self.sources, *(link for link in links if not link.ended)]
        tick_at_ms = self._next_tick_ms()
        readable = self._inbox.wait(self._until_ms(tick_at_ms), self._readers, self._writers)
        sources: list[Source] = []
        heard: list[Link] = []
        for reader in readable:
            # isinstance of a protocol looks at every member of it: 30 us a command.
            if reader in links:
                heard.append(reader)
            else:
                sources.append(cast(Source, reader))
        # Bytes alone ask for no tick: `act` takes one before they set anything moving.
        if sources or not readable or self.now_ms() >= tick_at_ms:
            self.sample()
        self._hear_all(heard)
        if self._timers or self._lease_ends_at_ms() is not None:
            self._timers_due()
        if not (readable or self._is_behind or self._has_unserved or self._notices):
            for link in links:
                if link.connection.has_unsent:
                    break
            else:
                return  # time has passed, and no one is to be told of it
        for source in sources:
            source.ready(self)
        self._serve()
        for link in [link for link in links if link.ended]:
            self._readers = None
            if link.connection.lease_s:
                self._end_lease(link.connection)
                link.connection.forget()
            # It may still read: a client that half-closes gets all answers, also the late ones.
            connection = link.connection
            is_answered = connection.is_served and connection not in self._deferred
            if is_answered and not connection.has_unsent:
                self._leave(link)
        self._publish()
        self._send()

    def _next_tick_ms(self) -> int:
        if self._tick_at_ms is None:
            # From the last tick, whatever it came for: a grid of its own would double those that
            # levels ask for on theirs.
            at_ms = self._sampled_at_ms + (TICK_MS if self.must_tick else IDLE_SAMPLE_MS)
            self._tick_at_ms = at_ms if self._wake_at_ms is None else min(at_ms, self._wake_at_ms)
        return self._tick_at_ms

    def _until_ms(self, tick_at_ms: int) -> int:
        if self._is_behind or self._leaving:
            return self.now_ms()
        lease_ends_at_ms = self._lease_ends_at_ms()
        if self._timers or lease_ends_at_ms is not None:
            dues = [due_ms for due_ms, _, _ in self._timers[:1]]
            if lease_ends_at_ms is not None:
                dues.append(lease_ends_at_ms)
            return min(tick_at_ms, *dues)
        return tick_at_ms

    def sample(self) -> None:
        """One tick: what the button says now, and what time has brought."""
        self._sampled_at_ms = self.now_ms()
        slept_ms = self._inbox.slept_ms()
        if slept_ms > SUSPEND_MS:
            self.step(Slept(slept_ms))
        events: Sequence[Input] = _WAKES
        if self._button is not None:
            look = self._button.read()
            if not self._is_ready:
                look = Contacts(look.contact)  # what was pressed and released by now starts nothing
            # An unchanged contact is just a tick, for which the session has a fast path.
            if look.spells or look.contact is not self._contact:
                self._contact = look.contact
                events = (look,)
        self.tick(events)
        self._tick_at_ms = None

    def _tell(self, step: Step) -> None:
        self._wake_at_ms = step.wake_at_ms
        self._tick_at_ms = None
        if step.notices:
            self._notices += step.notices
        if self._starting is not None and not self.session.is_starting:
            self._answer_start(*self._starting)

    # --- what verbs ask for ---

    def act(self, event: Input) -> None:
        if self._sampled_at_ms != self.now_ms():
            self.sample()
        if isinstance(event, Start | Try):
            self.step(Wake())  # a start that waits may be over: its client is answered first
            self._started_before = self.session.started
        super().act(event)

    def begun(self, connection: Connection, lines: Callable[[], list[str]]) -> list[str] | None:
        if self.session.is_starting:
            self._owner = connection, self.session.started + 1
            self._starting = connection, lines
            self._deferred.add(connection)
            return None
        if self.session.not_started is not None:
            raise self.session.not_started
        if self.session.started != self._started_before:
            self._owner = connection, self.session.started
        return lines()

    def _answer_start(self, connection: Connection, lines: Callable[[], list[str]]) -> None:
        self._starting = None
        self._deferred.discard(connection)
        refusal = self.session.not_started
        connection.answer(lines() if refusal is None else [f"err {refusal.code} {refusal}"])
        if refusal is not None:
            self._owner = None

    def press(self, for_ms: int) -> None:
        if self._button is None:
            raise CallerError("not-here", "this mat has no start button")
        if self._button_is_down:
            raise CallerError("busy", "the button is still down")
        self._button.press(True)
        self._button_is_down = True
        self.sample()
        self.later(for_ms, self._release)

    def reload(self, connection: Connection) -> None:
        if self._reloading is not None:
            raise CallerError("busy", "the profiles are being read already; ask again")

        def done(result: Catalogue | str) -> None:
            if self._reloading is not connection:
                return  # given up before
            self._reloading = None
            self._deferred.discard(connection)
            self.unwatch(source)
            if isinstance(result, str):
                connection.answer([f"err not-ready {result}"])
                return
            for entry in result.entries:
                if entry.error is not None:
                    self.say(entry.error.summary())
            self.act(Reload(result))
            good = [entry for entry in result.entries if entry.timeline is not None]
            connection.answer([f"ok count={len(good)}"])

        source = self._read_profiles(done)
        self._reloading = connection
        self._deferred.add(connection)
        self.watch(source)
        self.later(RELOAD_MS, source.give_up)

    # --- what links and sources ask for ---

    def join(self, link: Link) -> None:
        """Takes a new client; where there are too many, another one goes."""
        if len(self._guests) >= MOST_GUESTS:
            self.make_room()
        link.connection.heard_at_ms = self.now_ms()
        self._guests.append(link)
        self.add(link)

    def make_room(self) -> bool:
        """Closes the client that was silent longest; only the one whose session runs may stay."""
        free = [guest for guest in self._guests if guest.connection is not self._owns()]
        if not free:
            return False
        self.say(
            f"{len(self._guests)} clients are connected; the one that was silent longest is closed"
        )
        self.turn_away(min(free, key=lambda guest: guest.connection.heard_at_ms))
        return True

    def turn_away(self, link: Link) -> None:
        """Closes a client for which there is no room, after reading it for stops and telling it.

        That takes several rounds where it has sent much.
        """
        self._let_go(link)
        link.connection.forget()
        link.connection.begin()
        now_ms = self.now_ms()
        self._leaving[link] = now_ms + LEAVING_MS
        while link in self._leaving and self.now_ms() < now_ms + HEAR_MS:
            self._hear_leaving(link)

    def add(self, link: Link) -> None:
        """Takes a link that is the daemon's own, however many clients there are."""
        self.links.append(link)
        self._readers = None

    def watch(self, *sources: Source) -> None:
        """Waits for them too from now on."""
        self.sources += sources
        self._readers = None

    def unwatch(self, source: Source) -> None:
        self.sources.remove(source)
        self._readers = None

    def later(self, after_ms: int, call: Callable[[], object]) -> None:
        """Calls once, on the loop, when the time has passed."""
        due_ms = self.now_ms() + after_ms
        heapq.heappush(self._timers, (due_ms, next(self._timer_numbers), call))

    # --- inside a round ---

    def _timers_due(self) -> None:
        now_ms = self.now_ms()
        while self._timers and self._timers[0][0] <= now_ms:
            heapq.heappop(self._timers)[2]()
        owner = self._owns()
        if owner is not None and owner.lease_s and owner.lease_ends_at_ms <= now_ms:
            self._renew_lease_by_waiting(owner)
            if owner.lease_ends_at_ms <= now_ms:
                self._end_lease(owner)

    def _release(self) -> None:
        if self._button is not None:
            self._button_is_down = False
            self._button.press(False)
            self.sample()

    def _hear_all(self, links: list[Link]) -> None:
        """Reads ports, in turn and as often as they give much, for `HEAR_MS` and once at least."""
        until_ms = self.now_ms() + HEAR_MS
        if self._unheard:
            links.sort(key=lambda link: link not in self._unheard)
        for n, link in enumerate(links):  # it grows
            if n and self.now_ms() >= until_ms:
                self._unheard = links[n:]
                break
            if self._hear(link):
                links.append(link)
        else:
            self._unheard = []
        for link in [*self._leaving]:
            self._hear_leaving(link)

    def _hear(self, link: Link) -> bool:
        """Reads a port once; True: it may have more."""
        connection = link.connection
        data = link.read()
        if not data:
            if link.ended and any(
                verbs.stops(line, self.session) for line in connection.suspect_tail(self.now_ms())
            ):
                self.step(Stop())
            return False
        self._heard_at_ms = self.now_ms()
        arrival = connection.receive(data, self._heard_at_ms)
        self._stop_as_said(connection, arrival)
        if arrival.asks_status:
            connection.status(f"* status {verbs.status(self.session, self.now_ms())}")
            connection.valid_at_ms = self.now_ms()
        return len(data) >= MUCH

    def _hear_leaving(self, link: Link) -> None:
        """What the kernel still holds of a client that goes is not answered, but a stop acts."""
        connection = link.connection
        data = link.read() if self.now_ms() < self._leaving[link] else b""
        if data:
            self._stop_as_said(connection, connection.receive(data, self.now_ms()))
            connection.forget()
            return
        del self._leaving[link]
        connection.answer(["err overflow too many clients are connected; connect again"])
        _flush(link)
        link.close(self)

    def _stop_as_said(self, connection: Connection, arrival: Arrival) -> None:
        if arrival.stop_bytes:
            self.step(Stop())
            return
        for line in arrival.suspects:
            if verbs.stops(line, self.session):
                self.step(Stop())
                if not verbs.is_request(line, self.session):
                    # Its own answer is an error, as for any line of its form.
                    connection.tell_stopped(1, self.now_ms())
                return

    def _serve(self) -> None:
        """Answers some of what is asked, each client in turn, and comes back soon for the rest."""
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
            if connection.is_served or connection in self._deferred or self.session.closed:
                return
            if n and self.now_ms() >= until_ms:
                return
            item = connection.next()
            if isinstance(item, Dropped):
                connection.answer([f"err overflow dropped={item.lines}"])
            elif not connection.has_answered and link in self._guests and begins_like_http(item):
                self.say("a client that speaks HTTP is closed; this port takes lines of text")
                self.turn_away(link)
                return
            else:
                self._answer_line(connection, item)

    def _answer_line(self, connection: Connection, line: Line) -> None:
        connection.has_answered = True
        if verbs.asks_status(line):
            return
        text = text_of(line)
        if isinstance(text, Flaw):
            connection.answer([verbs.complaint(text.code)])
            return
        if not text.strip() or verbs.is_answer(text):
            return
        lines = verbs.answer(self, connection, text, line.arrived_at_ms)
        if lines is not None:
            connection.answer(lines)
        if lines is None or lines[-1].startswith("ok") or verbs.is_request(line, self.session):
            connection.valid_at_ms = max(connection.valid_at_ms, line.arrived_at_ms)

    # --- the lease of the client whose session it is ---

    def _owns(self) -> Connection | None:
        """Whose request started the session that is on, or about to begin; None: nobody's."""
        if self._owner is None:
            return None
        session = self.session
        connection, number = self._owner
        if session.is_starting:
            return connection if number == session.started + 1 else None
        return connection if session.is_on and number == session.started else None

    def _lease_ends_at_ms(self) -> int | None:
        """When the session stops unless its owner says something; None: its owner has no lease."""
        owner = self._owns()
        return owner.lease_ends_at_ms if owner is not None and owner.lease_s else None

    def _renew_lease_by_waiting(self, connection: Connection) -> None:
        """Counts the lines that have arrived in time, and wait for their answer."""
        for item in reversed(connection.waiting):
            if isinstance(item, Line) and verbs.is_request(item, self.session):
                connection.valid_at_ms = max(connection.valid_at_ms, item.arrived_at_ms)
                return

    def _end_lease(self, connection: Connection) -> None:
        """Stops the session that this connection started."""
        if self._owns() is connection:
            self._owner = None
            self.step(Stop())

    def _publish(self) -> None:
        if not self._notices:
            return
        notices, self._notices = self._notices, []
        for notice in notices:
            event = verbs.event(notice)
            self.say(event.removeprefix("* "))
            if notice.kind == "fault" and self.session.fault is not None:
                self.say(f"{self.session.fault.code}: {self.session.fault.message}")
            for link in self.links:
                if link.connection.events:
                    link.connection.answer([event])

    def _send(self) -> None:
        """What they take of what they are told."""
        self._writers, self._is_behind, self._has_unserved = [], False, False
        for link in self.links:
            connection = link.connection
            if connection.has_unsent:
                _flush(link)
                if connection.has_unsent:
                    self._writers.append(link)
                elif link.ended:
                    self._is_behind = True  # it can be let go
            if not connection.is_served:
                self._has_unserved = True
                if connection not in self._deferred:
                    self._is_behind = True

    def _leave(self, link: Link) -> None:
        self._let_go(link)
        link.close(self)

    def _let_go(self, link: Link) -> None:
        if link in self.links:
            self.links.remove(link)
        if link in self._guests:
            self._guests.remove(link)
        self._readers = None
        if link.connection.lease_s:
            self._end_lease(link.connection)


def _flush(link: Link) -> None:
    connection = link.connection
    while connection.has_unsent:
        data = connection.unsent
        sent = link.write(data)
        connection.sent(sent)
        if sent < len(data):
            return
