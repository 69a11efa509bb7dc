"""The state of a session, and the elementary changes from which every decision is made.

`handlers` decides which changes an input makes, and `session` calls the handlers. This module knows
the rules that hold for every change: a start is refused if the button is pressed, a stop locks the
button, an end returns unused running time. It never knows protocol lines, pins or files.
"""

from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import SLICE_WAIT_MS
from firmware_ctl.session.accounts import Accounts
from firmware_ctl.session.allowance import Allowance, Spent
from firmware_ctl.session.arrivals import Arrivals
from firmware_ctl.session.button import Button
from firmware_ctl.session.events import Fault, Notice, Origin, Reason, SessionClock, State
from firmware_ctl.session.idle_haptics import IdleHaptics
from firmware_ctl.session.running import Reservation, Running
from firmware_ctl.timeline import haptics
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels, MotorDrive, drive_table_of
from firmware_ctl.timeline.steps import Steps

BROKEN_BUTTON: Final = (
    "the start button's contacts read neither pressed nor released; check its wires"
)

NOISY_BUTTON: Final = (
    "the start button's contacts do not come to rest; its cable picks up noise or a wire is loose: "
    "check its wires, then leave the button alone for half a second"
)


class Waiting(NamedTuple):
    """An accepted start that waits.

    Two things have to happen before the session begins. The first slice of running time has to be
    on disk, because a power cut must not give running time back. The rail has to read as off,
    because only that proves that the motor gate can cut it.
    """

    timeline: Timeline
    entry: GoodEntry | None
    """The profile to select when the session begins, or None to keep the selection."""
    number: int
    """The number of the account that has to be on disk."""
    until_ms: int
    """The start is given up at this time."""
    is_proven_off: bool
    """The supply has read as off since the start was accepted, or this mat cannot read it."""
    is_saved: bool = False
    """The account is on disk."""
    by: Origin | None = None
    """Where the start came from. If it came from the button, a haptic answers a refusal."""


class Core:
    """Everything that a session remembers. Handlers change it; others read it through `Session`."""

    def __init__(
        self,
        mat: Mat,
        catalogue: Catalogue,
        speed: float,
        spent: Spent,
        start_inhibited_because: str,
        selected: str,
        wanted: str,
    ) -> None:
        self.mat = mat
        self.catalogue = catalogue
        self.speed = speed
        self.start_inhibited_because = start_inhibited_because
        """Why no session may start on this machine; empty if sessions may start."""
        self.state = State.IDLE
        self.is_closed = False
        """True after `Close`: no input has an effect any more."""
        self.selected = catalogue.find_valid(selected) or catalogue.first()
        self.wanted = wanted
        """The profile that was selected until a reload found it refused or gone. A later reload
        that finds it valid selects it again, unless someone has selected a profile meanwhile.
        Empty: there is none."""
        self.trim_pct = 100
        self.running: Running | None = None
        self.waiting: Waiting | None = None
        self.not_started: CallerError | None = None
        """Why the last accepted start did not begin; None if it began or still waits."""
        self.started = 0
        """How many sessions have begun."""
        self.clock = SessionClock(speed)
        self.fault: Fault | None = None
        self.fault_at_ms = 0
        """When the last fault came, the first one or a later one."""
        self.persistent: dict[str, str] = {}
        """Code → message of each fault whose cause is still present."""
        self.allowance = Allowance(mat.limits.daily_ms, spent)
        self.accounts = Accounts(self.allowance)
        self.arrivals = Arrivals()
        self.button = Button()
        self.touches = 0
        """How often the start button was touched."""
        self.touches_before_try: int | None = None
        """`touches` at the last `EndTry`, while its `Try` has not come. None: no `Try` is due."""
        self.silence: Levels = (0,) * len(mat.motors)
        self.levels_pct = self.silence
        self.drive = MotorDrive(drive_table_of(mat), guarded=True)
        self.haptics = IdleHaptics(mat)
        self.notices: list[Notice] = []

    @property
    def profile(self) -> str:
        """The profile of the running or paused session, or the selected one. Empty: none."""
        if self.running is not None:
            return self.running.timeline.profile
        return self.selected.name if self.selected else ""

    @property
    def cert(self) -> str:
        if self.running is not None:
            return self.running.timeline.cert
        return self.selected.timeline.cert if self.selected else ""

    def account_ms(self, now_ms: int) -> int:
        """The present time on the clock of the day's account, which runs faster with `speed`."""
        return int(now_ms * self.speed + 1e-6)

    def publish(self, kind: str, **fields: object) -> None:
        """Publishes a notice. A field that is None is left out."""
        texts = {key: str(value) for key, value in fields.items() if value is not None}
        self.notices.append(Notice(kind, texts))

    def accept(
        self,
        timeline: Timeline,
        entry: GoodEntry | None,
        arrived_at_ms: int | None,
        now_ms: int,
        by: Origin | None,
    ) -> None:
        """Accepts a start, which then waits: see `Waiting`. Raises `CallerError` if it may not."""
        self.arrivals.refuse_early(now_ms if arrived_at_ms is None else arrived_at_ms)
        if self.start_inhibited_because:
            raise CallerError("not-ready", self.start_inhibited_because)
        if self.waiting is not None:
            raise CallerError("busy", f"{self.waiting.timeline.profile} is about to start")
        if self.mat.button is not None and not self.button.is_released:
            raise CallerError("not-ready", "the start button is not released; let go of it first")
        if self.button.is_noisy:
            raise CallerError("not-ready", NOISY_BUTTON)
        self.allowance.take(timeline.end_ms, self.account_ms(now_ms))
        self.not_started = None
        self.end_haptic()
        # A mat without a read-back of its supply cannot prove that the supply is off.
        is_proven_off = self.mat.gate is None or self.mat.gate.rail_pin is None
        number = self.accounts.next_number(now_ms)
        until_ms = now_ms + SLICE_WAIT_MS
        self.waiting = Waiting(timeline, entry, number, until_ms, is_proven_off, by=by)
        self.save_account(now_ms)

    def begin_if_ready(self, waiting: Waiting, now_ms: int) -> None:
        """Begins the session if nothing is left to wait for."""
        if not (waiting.is_saved and waiting.is_proven_off):
            return
        self.waiting = None
        self.end_haptic()
        self.running = Running(waiting.timeline, self.trim_pct, self.speed, now_ms)
        self.drive.begin(waiting.timeline.drive_table, now_ms)
        self.started += 1
        if waiting.entry is not None:
            self.select(waiting.entry)
        self.change_state(State.RUNNING, by=waiting.by)
        self.play(self.running, now_ms)

    def give_up(self, reason: CallerError, now_ms: int) -> None:
        """Cancels the waiting start, and answers by a haptic if it came from the button."""
        is_pressed = self.waiting is not None and self.waiting.by is Origin.BUTTON
        self.cancel(reason, now_ms)
        if is_pressed:
            self.refuse_press(reason, now_ms)

    def cancel(self, reason: CallerError, now_ms: int) -> None:
        """Cancels the waiting start, if there is one, and returns its running time."""
        if self.waiting is not None:
            self.allowance.give_back(self.waiting.timeline.end_ms)
            self.waiting, self.not_started = None, reason
            self.save_account(now_ms)

    def end(
        self,
        now_ms: int,
        reason: Reason,
        by: Origin | None = None,
        void_until_ms: int | None = None,
    ) -> None:
        """Ends the session, for any reason: motors off, unused time returned, button locked.

        Requests that arrived before `void_until_ms` start nothing any more. None: before now.
        """
        if self.running is not None:
            self.allowance.give_back(self.running.clock.left_ms(now_ms))
            self.clock = SessionClock(self.speed, self.running.clock.began_at_ms)
        self.arrivals.void_earlier(now_ms if void_until_ms is None else void_until_ms)
        self.running = None
        self.levels_pct = self.silence
        self.button.lock(now_ms)
        self.save_account(now_ms)
        self.change_state(State.IDLE, reason=reason, by=by)

    def stop(self, now_ms: int, reason: Reason, by: Origin | None = None) -> None:
        """Ends a session, a waiting start and an idle haptic. Never refused, never raises."""
        self.arrivals.stopped_at_ms = now_ms
        self.button.ignore_until_release()
        self.end_haptic()
        if self.waiting is not None:
            self.cancel(CallerError("busy", "a stop came before it began; start again"), now_ms)
            self.button.lock(now_ms)
        if self.running is not None:
            self.end(now_ms, reason, by)

    def fail(self, fault: Fault, now_ms: int) -> None:
        """Stops, and blocks every start until a clear.

        The first fault is the one that is shown, because a second fault is often its consequence.
        """
        if fault.is_persistent:
            self.persistent[fault.code] = fault.message
        self.stop(now_ms, Reason.FAULT)
        self.button.lock(now_ms)
        self.fault_at_ms = now_ms
        if self.fault is None:
            self.fault = fault
            self.state = State.FAULT
            self.publish("fault", state=self.state.value, fault=fault.code)

    def change_state(self, state: State, **fields: object) -> None:
        self.state = state
        self.publish("state", state=state.value, profile=self.profile, cert=self.cert, **fields)

    def select(self, entry: GoodEntry) -> None:
        self.selected, self.wanted = entry, ""

    def begin_haptic(self, name: str, steps: Steps, now_ms: int) -> None:
        # A haptic turns motors as well. Starts are inhibited for example if no dead-man works, and
        # then nothing would kill a daemon that hangs while motors turn.
        account_ms = self.account_ms(now_ms)
        if not self.start_inhibited_because and self.haptics.begin(name, steps, now_ms, account_ms):
            # The pulse would end before a gentle kick could be followed by a full one, so a person
            # would not feel the pulse.
            self.drive.begin(drive_table_of(self.mat), now_ms, is_gentle=False)

    def end_haptic(self) -> None:
        if self.haptics.now is not None:
            self.haptics.now = None
            self.levels_pct = self.silence

    def save_account(self, now_ms: int) -> int:
        """Requests a write of the account, and returns its number.

        A session reserves its whole length in memory. On disk only the slices that were asked for
        count as used, so that a power cut does not cost the rest of the session.
        """
        unused_ms = 0
        if self.running is not None:
            unused_ms = self.running.timeline.end_ms - self.running.reservation.asked_ms
        elif self.waiting is not None:
            end_ms = self.waiting.timeline.end_ms
            unused_ms = end_ms - Reservation(end_ms, self.speed).asked_ms
        return self.accounts.save(unused_ms, now_ms, self.account_ms(now_ms))

    def play(self, running: Running, now_ms: int) -> None:
        """Takes the levels of this moment, and asks for the next slice when it is due."""
        played_ms = running.clock.played_ms(now_ms)
        self.levels_pct = running.playback.levels(played_ms)
        if running.reservation.is_ask_due(played_ms):
            running.reservation.ask(played_ms)
            running.reservation.note_asked(self.save_account(now_ms))
        self.notices += running.notices()

    def refuse_press(self, reason: CallerError, now_ms: int) -> None:
        """Publishes why a press started nothing, and answers the finger by a haptic."""
        self.publish("refused", code=reason.code, message=reason)
        # The touch of a stop must not be answered by more vibration.
        if self.waiting is None and not self.arrivals.is_just_stopped(now_ms):
            self.begin_haptic("refused", haptics.refused_pulse(), now_ms)
