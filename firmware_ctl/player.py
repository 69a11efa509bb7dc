"""The one way from an input to the pins: session, latch and ledger, and the tick that is checked.

Time is a function that it is given, so that the daemon plays in real time and the simulator at
once. It knows neither clients nor what a button is made of.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from firmware_ctl.latch import Latch
from firmware_ctl.sentries import Sentry
from firmware_ctl.session import (
    Fault,
    Gone,
    Input,
    Keep,
    Kept,
    RailOff,
    Session,
    Step,
    Unkept,
)


class Watcher(Protocol):
    """Sees every step after the pins have it: traces, the live view."""

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None: ...


class Proof(Protocol):
    """Tells someone that the loop lives."""

    def checked(self, now_ms: int, is_moving: bool) -> None:
        """A whole tick was made, and no sentry found anything wrong that would end it."""


class Ledger(Protocol):
    def save(self, keep: Keep, done: Callable[[str], object]) -> None:
        """Begins to put it on the disk; `done` is called on the loop, with why it failed if so."""


class NoLedger:
    """Where nothing is to outlive the process."""

    def save(self, keep: Keep, done: Callable[[str], object]) -> None:
        done("")


class Player:
    """Off first, talk later: the pins have their duties before anyone is told of a step."""

    def __init__(
        self,
        session: Session,
        now_ms: Callable[[], int],
        latch: Latch,
        ledger: Ledger,
        watchers: Collection[Watcher] = (),
        sentries: Collection[Sentry] = (),
        proofs: Collection[Proof] = (),
    ) -> None:
        self.session = session
        self.now_ms = now_ms
        self._latch = latch
        self._ledger = ledger
        self._watchers = list(watchers)
        self._sentries = list(sentries)
        self._proofs = list(proofs)
        self._faults: dict[object, Fault] = {}
        """What a sentry or the latch finds wrong, until it no longer does."""
        self._was_moving = False
        """At the begin of the last tick."""

    @property
    def must_tick(self) -> bool:
        """The next tick has to come soon: something moves, is about to, or has only just ended."""
        session = self.session
        return session.is_moving or session.is_starting or self._was_moving or self._latch.is_armed

    def act(self, event: Input) -> None:
        """As `step`, and raises what the session refuses."""
        refusal = self.step(event).refusal
        if refusal is not None:
            raise refusal

    def step(self, event: Input) -> Step:
        latch, session = self._latch, self.session
        now_ms = self.now_ms()
        step = session.handle(event, now_ms)
        if session.fault is not None and not latch.is_tripped:
            latch.trip()
        latch.apply(step.duty_pct)
        if latch.is_tripped and latch.fault is None and session.fault is None:
            latch.reset()
        for watcher in self._watchers:
            watcher.step(session, event, step, now_ms)
        self._tell(step)
        if step.keep is not None:
            self._save(step.keep)
        if latch.fault is not None:
            self._look(latch, latch.fault)
        return step

    def _tell(self, step: Step) -> None:
        """Called after each step, before what follows from it."""

    def tick(self, events: Iterable[Input]) -> None:
        """What the sentries find, what has come, and proof that the loop came round."""
        session, latch = self.session, self._latch
        now_ms, is_moving = self.now_ms(), session.is_moving
        self._was_moving = is_moving
        for sentry in self._sentries:
            found = sentry.look(now_ms, is_moving)
            if isinstance(found, RailOff):
                if session.is_starting:
                    self.step(found)
                found = None
            if found is not None or self._faults:
                self._look(sentry, found)
        for event in events:
            self.step(event)
        is_moving = session.is_moving
        latch.checked(is_moving)
        if latch.fault is not None or self._faults:
            self._look(latch, latch.fault)
        for proof in self._proofs:
            proof.checked(now_ms, is_moving)

    def _look(self, finder: object, found: Fault | None) -> None:
        """Tells the session when something is wrong, and when that is over."""
        known = self._faults.get(finder)
        if found is not None and known is None:
            self._faults[finder] = found
            self.step(found)
        elif found is None and known is not None:
            del self._faults[finder]
            if known.lasts:
                self.step(Gone(known.code))

    def _save(self, keep: Keep) -> None:
        def done(trouble: str) -> None:
            self.step(Unkept(keep.number, trouble) if trouble else Kept(keep.number))

        self._ledger.save(keep, done)
