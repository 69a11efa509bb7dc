"""The loop: one thread that waits for descriptors and for time, and makes the ticks.

A tick reads the button and lets the player run every check. It comes every 20 ms while motors run
and every 500 ms while idle. Between two ticks the loop receives bytes, in which a stop acts at
once, and answers requests for a bounded time.

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
from firmware_ctl.limits import SUSPEND_MS, TICK_MS
from firmware_ctl.session.button import DEBOUNCE_MS, Contact
from firmware_ctl.session.events import Contacts, Fault, Input, Step, Suspended, Wake

IDLE_SAMPLE_MS: Final = 500
"""The period of ticks while idle. Edges of the button wake the loop in between."""

SETTLE_MS: Final = DEBOUNCE_MS + 5
"""The button is read for this long before the daemon is ready.

A button that is held at start-up is known as pressed by then, and starts nothing.
"""

_WAKES: Final = (Wake(),)


class NoPeers:
    """A loop without clients, as in commissioning."""

    writers: Collection[Link] = ()

    def readers(self) -> Collection[Link]:
        return ()

    def due_ms(self) -> int | None:
        return None

    def receive(self, readable: Collection[Link]) -> None:
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
        self._ticked_at_ms = poller.now_ms()
        self._tick_at_ms: int | None = None
        """When the next tick is due. None after a change, until `_next_tick_ms` computes it."""
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
            self.player.latch.close()

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

    def catch_up(self) -> None:
        """Makes a tick unless one was made in this very millisecond.

        Received bytes do not cause a tick. A request that may move a motor calls this first, so
        that the session decides with the present state of button and watchdogs.
        """
        if self._ticked_at_ms != self.now_ms():
            self.tick()

    def tick(self) -> None:
        """Reads the button and passes it to the player, which runs every check."""
        self._ticked_at_ms = self.now_ms()
        slept_ms = self._poller.slept_ms()
        if slept_ms > SUSPEND_MS:
            self.player.step(Suspended(slept_ms))
        events: Sequence[Input] = _WAKES
        if self._button is not None:
            reading = self._button.read()
            if not self.is_ready:
                # Without edges: a press that ends before the daemon is ready starts nothing.
                reading = Contacts(reading.contact)
            # An unchanged contact is just a tick, for which the session has a fast path.
            if reading.spells or reading.contact is not self._contact:
                self._contact = reading.contact
                events = (reading,)
        self.player.tick(events)
        self._tick_at_ms = None

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
        self._tick_at_ms = None

    def _round(self) -> None:
        peers = self.peers
        if self._readers is None:
            links = peers.readers()
            self._links = frozenset(links)
            self._readers = [*self._sources, *links]
        tick_at_ms = self._next_tick_ms()
        readable = self._poller.wait(self._until_ms(tick_at_ms), self._readers, peers.writers)
        readable_sources: list[Source] = []
        readable_links: list[Link] = []
        for reader in readable:
            # isinstance() of a Protocol checks every member, which takes 30 us for each command.
            if reader in self._links:
                readable_links.append(reader)
            else:
                readable_sources.append(reader)  # type: ignore[arg-type]
        # Bytes of clients alone cause no tick: a client that floods would cause thousands.
        if readable_sources or not readable or self.now_ms() >= tick_at_ms:
            self.tick()
        peers.receive(readable_links)
        # A timer that falls due after this moment waits for the next round.
        now_ms = self.now_ms()
        while self._timers and self._timers[0][0] <= now_ms:
            heapq.heappop(self._timers)[2]()
        for source in readable_sources:
            source.ready()
        peers.serve()

    def _next_tick_ms(self) -> int:
        if self._tick_at_ms is None:
            # Counted from the last tick, whatever caused it. Ticks on a fixed grid would come in
            # addition to the ticks that changes of levels need: twice as many.
            every_ms = TICK_MS if self.player.must_tick else IDLE_SAMPLE_MS
            at_ms = self._ticked_at_ms + every_ms
            self._tick_at_ms = at_ms if self._wake_at_ms is None else min(at_ms, self._wake_at_ms)
        return self._tick_at_ms

    def _until_ms(self, tick_at_ms: int) -> int:
        until_ms = tick_at_ms
        if self._timers:
            until_ms = min(until_ms, self._timers[0][0])
        due_ms = self.peers.due_ms()
        return until_ms if due_ms is None else min(until_ms, due_ms)
