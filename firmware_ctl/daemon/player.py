"""The only way from an input to the pins: decider, latch, then everyone who watches.

The order is the rule of this module. The pins have their duties before a watcher, a client or the
log learns of a step, because none of these may delay a motor that has to stop. Time comes from a
function, so that the daemon plays in real time and the simulator in an instant. The player never
knows clients, ports or the wiring of the button.
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
    """Records nothing: for simulations, whose running time does not count."""

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
        """Called after each step, before its ledger is saved and before a fault of the latch is
        passed to the decider."""
        self._ledger = ledger
        self._watchers = list(watchers)
        self._watchdogs = list(watchdogs)
        self._heartbeats = list(heartbeats)
        self._faults: dict[object, Fault] = {}
        """The present fault of each watchdog and of the latch."""
        self._was_moving = False
        """Whether motors moved when the last tick began or ended."""
        self.has_beaten = False
        """True if the heartbeats of the last tick said that motors move."""

    @property
    def must_tick(self) -> bool:
        """True if ticks must be frequent: motors move, are about to, or have just stopped."""
        status = self.decider.status
        return status.is_moving or status.is_starting or self._was_moving or self.latch.is_armed

    def act(self, event: Input) -> None:
        """Makes a step, and raises the `CallerError` with which it was refused."""
        refusal = self.step(event).refusal
        if refusal is not None:
            raise refusal

    def step(self, event: Input) -> Step:
        """Passes one input to the decider and the resulting duties to the pins."""
        latch = self.latch
        # Read here, because a step before this one may have taken time, and time must not decrease.
        now_ms = self.now_ms()
        step = self.decider.handle(event, now_ms)
        fault = step.status.fault
        if fault is not None and not latch.is_tripped:
            latch.trip()
        latch.apply(step.duty_pct)
        # The fault has ended, in a session by a clear. Duties go out again from the next step on.
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

    def tick(self, events: Iterable[Input], now_ms: int) -> None:
        """One complete round of checks: watchdogs, inputs, latch, heartbeats, in this order.

        Watchdogs come before inputs, so that a start meets the faults of this moment. Heartbeats
        come last, so that the motor gate keeps the rail on only if every check has run.
        """
        decider, latch = self.decider, self.latch
        is_moving = decider.status.is_moving
        self._was_moving = is_moving
        for watchdog in self._watchdogs:
            finding = watchdog.check(now_ms, is_moving)
            if isinstance(finding, RailOff):
                # A start that waits needs the proof that the gate can cut the rail. Nothing else
                # does, and a step for it in every idle tick would cost time.
                if decider.status.is_starting:
                    self.step(finding)
                finding = None
            if finding is not None or self._faults:
                self._report(watchdog, finding)
        for event in events:
            self.step(event)
        self.has_beaten = is_moving = decider.status.is_moving
        self._was_moving |= is_moving
        latch.checked(is_moving)
        if latch.fault is not None or self._faults:
            self._report(latch, latch.fault)
        for heartbeat in self._heartbeats:
            heartbeat.beat(now_ms, is_moving)

    def _report(self, reporter: object, fault: Fault | None) -> None:
        """Passes a fault to the decider when it begins, and again when a persistent one ends."""
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
