"""The loop: one thread that waits for descriptors and for time.

It wakes for three reasons. A checked tick lets the player run every check; it comes every 50 ms
while motors run and every 500 ms while idle, and at each edge of the button. In between, a wake
that the decider asked for only plays: the levels of a session change on their exact millisecond.
And received bytes are read at once, a stop in them acts, and requests are answered for a bounded
time.

The loop knows descriptors, timers and ticks. It never knows the protocol (`clients` does) and never
what a tick does to the motors (`player` does). An exception that reaches `run` turns the motors off
before anything else happens.
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from typing import Final

from firmware_ctl.daemon.interfaces import Link, Peers, Poller, Source, StartButton
from firmware_ctl.daemon.player import Player
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import GRID_MS, SAMPLE_MS, SUSPEND_MS, TICK_MS
from firmware_ctl.session.button import DEBOUNCE_MS, Contact
from firmware_ctl.session.events import Contacts, Fault, Input, State, Step, Suspended, Wake

IDLE_SAMPLE_MS: Final = 500
"""The period of ticks while idle. Edges of the button wake the loop in between."""

STARTING_TICK_MS: Final = 20
"""The period of ticks while an accepted start waits, and until the first heartbeat of a session. A
tick may prove that the rail is off, and the first heartbeat switches the rail on."""

SETTLE_MS: Final = DEBOUNCE_MS + 5
"""The button is read for this long before the daemon is ready.

A button that is held at start-up is known as pressed by then, and starts nothing.
"""

_NEVER_MS: Final = 1 << 60

_WAKE: Final = Wake()
_WAKES: Final = (_WAKE,)


class NoPeers:
    """A loop without clients, as in commissioning."""

    writers: Collection[Link] = ()

    def readers(self) -> Collection[Link]:
        return ()

    def due_ms(self) -> int | None:
        return None

    def receive(self, readable: Collection[Link], now_ms: int) -> None:
        pass

    def serve(self) -> None:
        pass

    def flush(self) -> None:
        pass


class Loop:
    """Waits for descriptors and deadlines, and makes the ticks of one player. `run` is the loop."""

    def __init__(self, player: Player, poller: Poller, button: StartButton | None) -> None:
        self.player = player
        self.now_ms = poller.now_ms
        self.when_ready: list[Callable[[], object]] = []
        """Called once, when the button has been read for `SETTLE_MS` after the start."""
        self.is_ready = False
        self.peers: Peers = NoPeers()
        self._poller = poller
        self._button = button
        self._button_is_down = False
        self._contact: Contact | None = None
        """The last reading of the button, or None before the first."""
        self._sources: list[Source] = []
        self._readers: Collection[Link | Source] | None = None
        """The sources and links to wait for. None after one was added or removed."""
        self._links: frozenset[Link] = frozenset()
        """The members of `_readers` that are links."""
        self._timers: list[tuple[int, int, Callable[[], object]]] = []
        """A heap of due time, number and callback. The number keeps equal times in order."""
        self._timer_numbers = count()
        self._wake_at_ms: int | None = None
        """When the decider wants its next `Wake`. None: not before another input."""
        self._has_stepped = False
        """True if the decider made a step in this round."""
        self._attend_at_ms = 0
        """When a timer or a client is due, even if nothing else happens."""
        self._ticked_at_ms = self._read_at_ms = poller.now_ms()
        """The times of the last tick, and of the last reading of the button."""
        player.on_step.append(self._plan)

    def run(self) -> None:
        """Runs until the decider is closed.

        Every motor pin is low afterwards, also if an exception ends the loop. The exception is
        published as the fault "internal" and then raised again.
        """
        try:
            self.tick()
            self.later(0 if self._button is None else SETTLE_MS, self._become_ready)
            while not self.player.decider.status.is_closed:
                self._round()
        except Exception as error:
            self.player.latch.trip()
            with suppress(Exception):
                self.player.step(Fault("internal", f"{type(error).__name__}: {error}"))
            self.peers.flush()
            raise
        finally:
            self.player.latch.trip()

    def watch(self, *sources: Source) -> None:
        """Waits for these sources as well from now on."""
        self._sources += sources
        self.readers_changed()

    def unwatch(self, source: Source) -> None:
        self._sources.remove(source)
        self.readers_changed()

    def readers_changed(self) -> None:
        """To be called after a link was added, removed or has ended."""
        self._readers = None

    def later(self, after_ms: int, call: Callable[[], object]) -> None:
        """Calls `call` once, on the loop, after `after_ms`."""
        due_ms = self.now_ms() + after_ms
        heapq.heappush(self._timers, (due_ms, next(self._timer_numbers), call))
        self._attend_at_ms = min(self._attend_at_ms, due_ms)

    def catch_up(self) -> None:
        """Makes a tick that reads the button, unless one was made in this very millisecond.

        Received bytes do not cause a tick. A request that may move a motor calls this first, so
        that the session decides with the present state of button and watchdogs.
        """
        now_ms = self.now_ms()
        if self._ticked_at_ms != now_ms or self._read_at_ms != now_ms:
            self.tick()

    def tick(self) -> None:
        """Makes a checked tick that also reads the button."""
        self._ticked_at_ms = self._read_at_ms = now_ms = self.now_ms()
        self._check_suspend()
        self.player.tick(self._read_button(), now_ms)

    def _check_suspend(self) -> None:
        slept_ms = self._poller.slept_ms()
        if slept_ms > SUSPEND_MS:
            self.player.step(Suspended(slept_ms))

    def _read_button(self) -> Sequence[Input]:
        """The inputs of a tick: what has happened to the button's contact, or just the time."""
        if self._button is None:
            return _WAKES
        reading = self._button.read()
        if not self.is_ready:
            # Without edges: a press that ends before the daemon is ready starts nothing.
            reading = Contacts(reading.contact)
        # An unchanged contact is just a tick, for which the session has a fast path.
        if not reading.spells and reading.contact is self._contact:
            return _WAKES
        self._contact = reading.contact
        return (reading,)

    def press(self, for_ms: int) -> None:
        """Presses the simulated button. Raises `CallerError` if there is none, or it is down."""
        if self._button is None:
            raise CallerError("not-here", "this mat has no start button")
        if self._button_is_down:
            raise CallerError("busy", "the button is still down")
        self._button.press(True)
        self._button_is_down = True
        self.tick()
        self.later(for_ms, self._release)

    def _release(self) -> None:
        if self._button is not None:
            self._button_is_down = False
            self._button.press(False)
            self.tick()

    def _become_ready(self) -> None:
        for call in self.when_ready:
            call()
        # Set last: a callback may make a tick, which must not read edges of a press that is over.
        self.is_ready = True

    def _plan(self, step: Step) -> None:
        self._wake_at_ms = step.wake_at_ms
        self._has_stepped = True

    def _round(self) -> None:
        peers = self.peers
        if self._readers is None:
            links = peers.readers()
            self._links = frozenset(links)
            self._readers = [*self._sources, *links]
        tick_ms = self._tick_ms()
        until_ms = min(self._ticked_at_ms + tick_ms, self._attend_at_ms)
        if self._wake_at_ms is not None:
            until_ms = min(until_ms, self._wake_at_ms)
        readable = self._poller.wait(until_ms, self._readers, peers.writers)
        now_ms = self.now_ms()
        sources: list[Source] = []
        readable_links: list[Link] = []
        for reader in readable:
            # isinstance() of a Protocol checks every member, which takes 30 us for each command.
            if reader in self._links:
                readable_links.append(reader)
            else:
                sources.append(reader)  # type: ignore[arg-type]
        self._has_stepped = False
        if sources:
            self.tick()
        else:
            self._pass_time(now_ms, tick_ms)
        # A round in which only time has passed ends here: that is most of them.
        if readable or peers.writers or self._has_stepped or now_ms >= self._attend_at_ms:
            self._attend(readable_links, sources, now_ms)

    def _attend(self, links: Sequence[Link], sources: Sequence[Source], now_ms: int) -> None:
        """Serves clients, timers and sources."""
        self.peers.receive(links, now_ms)
        # A timer that falls due after this moment waits for the next round.
        while self._timers and self._timers[0][0] <= now_ms:
            heapq.heappop(self._timers)[2]()
        for source in sources:
            source.ready()
        self.peers.serve()
        due_ms = self.peers.due_ms()
        self._attend_at_ms = _NEVER_MS if due_ms is None else due_ms
        if self._timers:
            self._attend_at_ms = min(self._attend_at_ms, self._timers[0][0])

    def _pass_time(self, now_ms: int, tick_ms: int) -> None:
        """Makes the tick or the wake that is due, if one is."""
        is_wake_due = self._wake_at_ms is not None and now_ms >= self._wake_at_ms
        since_ms = now_ms - self._ticked_at_ms
        status = self.player.decider.status
        if tick_ms != TICK_MS or status.state is not State.RUNNING:
            if is_wake_due or since_ms >= tick_ms:
                self.tick()
        elif is_wake_due and since_ms <= TICK_MS - GRID_MS:
            self.player.step(_WAKE)
        elif is_wake_due or since_ms >= TICK_MS:
            # A wake shortly before a tick makes this tick, so that the loop wakes once for both.
            # The next tick may come `TICK_MS` later: a reading that will be too old then is due.
            if now_ms - self._read_at_ms > SAMPLE_MS - TICK_MS:
                self.tick()
            else:
                self._ticked_at_ms = now_ms
                self._check_suspend()
                self.player.tick(_WAKES if is_wake_due else (), now_ms)

    def _tick_ms(self) -> int:
        """The longest time between two ticks at present."""
        if not self.player.must_tick:
            return IDLE_SAMPLE_MS
        status = self.player.decider.status
        begins = status.is_starting or (status.is_moving and not self.player.has_beaten)
        return STARTING_TICK_MS if begins else TICK_MS
