"""The one way from an input to the pins: decider, latch and ledger, and the tick that is checked.

Time is a function that the player is given, so that the daemon plays in real time and the simulator
at once. The player knows neither clients nor what a button is made of. Off first, talk later: the
pins have their duties before anyone hears of a step.
"""

from collections.abc import Callable, Collection, Iterable

from firmware_ctl.daemon.interfaces import Decider, Heartbeat, Ledger, Watchdog, Watcher
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.session.events import (
    Fault,
    FaultCleared,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    RailOff,
    SaveLedger,
    Step,
)


class NoLedger:
    """Where nothing is to outlive the process."""

    def save(self, save: SaveLedger, done: Callable[[str], object]) -> None:
        done("")


class Player:
    def __init__(
        self,
        decider: Decider,
        now_ms: Callable[[], int],
        latch: Latch,
        ledger: Ledger,
        watchers: Collection[Watcher] = (),
        watchdogs: Collection[Watchdog] = (),
        heartbeats: Collection[Heartbeat] = (),
    ) -> None:
        self.decider = decider
        self.now_ms = now_ms
        self.latch = latch
        self.on_step: list[Callable[[Step], None]] = []
        """Called after each step, before the faults and the accounts that follow from it."""
        self._ledger = ledger
        self._watchers = list(watchers)
        self._watchdogs = list(watchdogs)
        self._heartbeats = list(heartbeats)
        self._faults: dict[object, Fault] = {}
        """What each watchdog, or the latch, reports as wrong, until it no longer does."""
        self._was_moving = False
        """When the last tick began."""

    @property
    def must_tick(self) -> bool:
        """The next tick has to come soon: something moves, is about to, or has only just ended."""
        status = self.decider.status
        return status.is_moving or status.is_starting or self._was_moving or self.latch.is_armed

    def act(self, event: Input) -> None:
        """As `step`, and raises what is refused."""
        refusal = self.step(event).refusal
        if refusal is not None:
            raise refusal

    def step(self, event: Input) -> Step:
        latch = self.latch
        now_ms = self.now_ms()
        step = self.decider.handle(event, now_ms)
        fault = step.status.fault
        if fault is not None and not latch.is_tripped:
            latch.trip()
        latch.apply(step.duty_pct)
        if latch.is_tripped and latch.fault is None and fault is None:
            latch.reset()
        for watcher in self._watchers:
            watcher.step(event, step, now_ms)
        for call in self.on_step:
            call(step)
        if step.save is not None:
            self._save(step.save)
        if latch.fault is not None:
            self._report(latch, latch.fault)
        return step

    def tick(self, events: Iterable[Input]) -> None:
        """What the watchdogs find, what has come, and a heartbeat for the loop that came round."""
        decider, latch = self.decider, self.latch
        now_ms, is_moving = self.now_ms(), decider.status.is_moving
        self._was_moving = is_moving
        for watchdog in self._watchdogs:
            finding = watchdog.check(now_ms, is_moving)
            if isinstance(finding, RailOff):
                if decider.status.is_starting:
                    self.step(finding)
                finding = None
            if finding is not None or self._faults:
                self._report(watchdog, finding)
        for event in events:
            self.step(event)
        is_moving = decider.status.is_moving
        latch.checked(is_moving)
        if latch.fault is not None or self._faults:
            self._report(latch, latch.fault)
        for heartbeat in self._heartbeats:
            heartbeat.beat(now_ms, is_moving)

    def _report(self, reporter: object, fault: Fault | None) -> None:
        """Hands a fault to the decider when it begins, and when a persistent one is over."""
        known = self._faults.get(reporter)
        if fault is not None and known is None:
            self._faults[reporter] = fault
            self.step(fault)
        elif fault is None and known is not None:
            del self._faults[reporter]
            if known.is_persistent:
                self.step(FaultCleared(known.code))

    def _save(self, save: SaveLedger) -> None:
        def done(trouble: str) -> None:
            failed = LedgerSaveFailed(save.number, trouble)
            self.step(failed if trouble else LedgerSaved(save.number))

        self._ledger.save(save, done)
