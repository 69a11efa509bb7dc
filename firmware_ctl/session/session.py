"""The state machine of the mat: its states, the inputs that each allows, and the end of a session.

Theory of operation
-------------------

The caller passes an input and the time. The session returns a `Step`: what every motor should do
now, what to publish, and when to call the session again. The session never reads a clock, opens a
file or knows a pin. So a test plays half an hour in milliseconds, with the same code that plays on
the mat.

    idle        No session. Idle haptics may play: profile number, refused, new day.
    running     A session plays its levels.
    paused      The session waits with motors off. It ends after 5 minutes of pauses in all.
    fault       Something is wrong. Motors are off until a clear.

Two conditions overlay a state. While idle, an accepted start may wait (`is_starting`), because its
first slice of running time has to be on disk and the motors' supply has to read as off. After
`Close`, no input has an effect.

1.  `TABLE` gives for each input and each state the next state, or the code of the refusal. A
    handler may refuse for further reasons, such as a used-up day.
2.  A stop is never refused and has no precondition. The step that answers it has duty 0 for every
    motor. To stop is the one thing that must work in any state.
3.  A request that would move a motor is judged by the time of its arrival, not of its answer: see
    `arrivals`.
4.  A session starts only while the button is released and its contacts are not noisy. Otherwise
    nobody could stop the session by the button.
5.  Running time is recorded on disk before it is played: see `running.Reservation`.
6.  A motor that has rested gets its starting kick, whatever the reason for the rest. So a single
    `MotorDrive` in real time serves pauses, sessions, haptics and faults.
7.  A fault whose cause is still present cannot be cleared.
8.  Every session ends by itself, at the end of its profile at the latest.

There are two clocks. Real milliseconds serve the button, the restart lock and the motors. The
session's own clock serves the profile and the daily limit: a pause stops it, and `speed` makes it
faster in a simulation.
"""

from collections.abc import Mapping
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.errors import CallerError
from firmware_ctl.session.allowance import UNSPENT, Allowance, Spent
from firmware_ctl.session.arrivals import Arrivals
from firmware_ctl.session.button import Button
from firmware_ctl.session.core import Core
from firmware_ctl.session.events import (
    Clear,
    ClockSynchronised,
    Close,
    Contacts,
    EndTry,
    Fault,
    FaultCleared,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    Pause,
    RailOff,
    Ready,
    Reason,
    Reload,
    Resume,
    Select,
    SessionStatus,
    Start,
    State,
    Step,
    Stop,
    Suspended,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.session.handlers import HANDLERS, apply_gesture
from firmware_ctl.session.running import Running
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.motor_drive import Levels

SLOW_DISK: Final = (
    "the disk does not take the record of today's running time; see whether it is full or failing"
)

STUCK_RAIL: Final = "the motors' supply does not go off before the start; have the gate fixed"

_I, _R, _P, _F = State

TABLE: Final[Mapping[type[object], tuple[State | str, ...]]] = {
    # Input             idle           running  paused  fault
    Wake:              (_I,            _R,      _P,     _F),
    Contacts:          (_I,            _R,      _P,     _F),
    Start:             (_R,            _R,      "busy", "fault"),
    Try:               (_R,            "busy",  "busy", "fault"),
    EndTry:            (_I,            _I,      "busy", "fault"),
    Stop:              (_I,            _I,      _I,     _F),
    Pause:             ("not-running", _P,      _P,     "fault"),
    Resume:            ("not-running", _R,      _R,     "fault"),
    Select:            (_I,            _R,      _P,     _F),
    Trim:              (_I,            _R,      _P,     _F),
    Reload:            (_I,            _R,      _P,     _F),
    Clear:             (_I,            _R,      _P,     _I),
    Fault:             (_F,            _F,      _F,     _F),
    FaultCleared:      (_I,            _R,      _P,     _F),
    RailOff:           (_I,            _R,      _P,     _F),
    LedgerSaved:       (_I,            _R,      _P,     _F),
    LedgerSaveFailed:  (_I,            _R,      _P,     _F),
    Suspended:         (_I,            _F,      _F,     _F),
    ClockSynchronised: (_I,            _R,      _P,     _F),
    Ready:             (_I,            _R,      _P,     _F),
    Close:             (_I,            _I,      _I,     _F),
}  # fmt: skip
"""For each kind of input: the next state in each state, or the error code of the refusal.

Four entries need a note. `Start` with the name of another profile than the running one is refused
as "busy". `EndTry` is refused as "busy" while a profile runs. An accepted start stays in `idle`
until its first slice is on disk. `Contacts` changes the state by the gestures that follow from it:
see `handlers.apply_gesture`.
"""

_COLUMN: Final = {state: n for n, state in enumerate(State)}


class Session:
    """`handle` is the only method that changes a session. All others read."""

    def __init__(
        self,
        mat: Mat,
        catalogue: Catalogue,
        speed: float = 1.0,
        spent: Spent = UNSPENT,
        start_inhibited_because: str = "",
        *,
        selected: str = "",
        wanted: str = "",
    ) -> None:
        """`start_inhibited_because`: why no session may start on this machine. Empty: one may.

        `speed` is above 1 in simulations only. `spent` is the day's account from the disk.
        `selected`: the name of the selected profile. Empty: the first one. `wanted`: the profile to
        select when a reload finds it valid again. Only a replay begins with one.
        """
        inhibited = start_inhibited_because
        self._core = Core(mat, catalogue, speed, spent, inhibited, selected, wanted)
        self._button_at_ms: int | None = None
        """When the button has a gesture next, if no edge comes before. None: never."""
        self._quiet_until_ms = 0
        """Up to this time a `Wake` can change nothing but levels, so `_play_on` serves it. 0: every
        input takes the slow path."""
        self._duties = self._core.drive.duties(self._core.silence, 0)
        self.status = self._status("")
        """The session after the last step."""

    def handle(self, event: Input, now_ms: int) -> Step:
        """Takes one input. `now_ms` must not decrease. Never raises: a refusal is in the step."""
        core = self._core
        if now_ms < self._quiet_until_ms and core.running is not None and type(event) is Wake:
            return self._play_on(core.running, now_ms)
        if core.is_closed:
            return Step(core.silence, core.silence, (), None, self.status)
        # `Contacts` brings edges that happened before `now_ms`. If the button's time advanced to
        # `now_ms` first, it would report a hold that one of these edges has ended.
        self._advance(now_ms, with_button=type(event) is not Contacts)
        refusal = None
        try:
            self.admit(type(event))
            HANDLERS[type(event)](core, event, now_ms)
        except CallerError as error:
            refusal = error
        return self._step(now_ms, refusal)

    def admit(self, kind: type[object]) -> None:
        """Raises `CallerError` if the table refuses an input of that kind in this state."""
        core = self._core
        outcome = TABLE[kind][_COLUMN[core.state]]
        if isinstance(outcome, State):
            return
        if outcome == "not-running":
            raise CallerError(outcome, "no session is running; start one first")
        if core.fault is not None:
            raise CallerError(
                outcome, f"{core.fault.code}: {core.fault.message}. Then clear the fault."
            )
        if core.state is State.PAUSED:
            raise CallerError(outcome, f"{core.profile} is paused; resume or stop it first")
        raise CallerError(outcome, f"{core.profile} is running; stop it first")

    # --- read-only access ---

    @property
    def mat(self) -> Mat:
        return self._core.mat

    @property
    def catalogue(self) -> Catalogue:
        return self._core.catalogue

    @property
    def selected(self) -> GoodEntry | None:
        return self._core.selected

    @property
    def wanted(self) -> str:
        """The profile that a reload selects again if it is valid then. Empty: there is none."""
        return self._core.wanted

    @property
    def state(self) -> State:
        return self._core.state

    @property
    def fault(self) -> Fault | None:
        return self._core.fault

    @property
    def trim_pct(self) -> int:
        return self._core.trim_pct

    @property
    def speed(self) -> float:
        return self._core.speed

    @property
    def button(self) -> Button:
        return self._core.button

    @property
    def allowance(self) -> Allowance:
        return self._core.allowance

    @property
    def arrivals(self) -> Arrivals:
        return self._core.arrivals

    @property
    def spent(self) -> Spent:
        return self._core.accounts.spent

    @property
    def start_inhibited_because(self) -> str:
        return self._core.start_inhibited_because

    @property
    def not_started(self) -> CallerError | None:
        """Why the last accepted start did not begin; None if it began or still waits."""
        return self._core.not_started

    @property
    def levels_pct(self) -> Levels:
        return self._core.levels_pct

    def used_ms(self, now_ms: int) -> int:
        """The running time used today.

        A session that waits or runs counts only for the time that it has played.
        """
        core = self._core
        reserved_ms = core.clock.left_ms(now_ms)
        if core.waiting is not None:
            reserved_ms = core.waiting.timeline.end_ms
        return max(0, core.allowance.used_ms(core.account_ms(now_ms)) - reserved_ms)

    # --- time ---

    def _advance(self, now_ms: int, with_button: bool) -> None:
        """Does everything that is due by time alone: gestures, ends, slices.

        `with_button` False: the handler advances the button and applies its gestures.
        """
        core = self._core
        if with_button and self._button_at_ms is not None and now_ms >= self._button_at_ms:
            for gesture in core.button.wait(now_ms):
                apply_gesture(core, gesture, now_ms)
        if core.haptics.now is not None and now_ms >= core.haptics.now.end_ms:
            core.end_haptic()
        waiting = core.waiting
        if waiting is not None and now_ms >= waiting.until_ms:
            reason = STUCK_RAIL if waiting.is_saved else SLOW_DISK
            core.give_up(CallerError("not-ready", reason), now_ms)
        running = core.running
        if running is None:
            return
        if core.state is State.RUNNING:
            played_ms = running.clock.played_ms(now_ms)
            if played_ms >= running.timeline.end_ms:
                core.end(now_ms, Reason.END)
            elif played_ms >= running.reservation.saved_ms:
                core.publish("refused", code="not-ready", message=SLOW_DISK)
                core.end(now_ms, Reason.END)
            else:
                core.play(running, now_ms)
        elif now_ms >= running.pause_ends_at_ms(now_ms):
            core.end(now_ms, Reason.END)

    def _play_on(self, running: Running, now_ms: int) -> Step:
        """The fast path of a tick, in which nothing but the levels can have changed.

        A running session is woken for each change of a level, up to 50 times a second, and almost
        always nothing else is due. Decision record 0012 has the figures, and a test compares this
        path with the slow one.
        """
        core = self._core
        core.levels_pct = levels = running.levels(now_ms)
        self._duties = duty_pct, kicks, drive_until_ms = core.drive.duties(levels, now_ms)
        wake_at_ms = self._quiet_until_ms
        if running.playback.until_ms is not None:
            wake_at_ms = min(wake_at_ms, running.levels_change_at_ms())
        if drive_until_ms is not None:
            wake_at_ms = min(wake_at_ms, drive_until_ms)
        return Step(levels, duty_pct, kicks, wake_at_ms, self.status)

    def _step(self, now_ms: int, refusal: CallerError | None) -> Step:
        """The slow path: gathers everything that a step holds."""
        core = self._core
        running = core.running
        haptic = ""
        if core.haptics.now is not None:
            haptic = core.haptics.now.name
            core.levels_pct = core.haptics.now.levels(now_ms)
        elif running is not None and running.haptics and core.state is State.RUNNING:
            haptic = running.haptic(running.clock.played_ms(now_ms))
        self._duties = duty_pct, kicks, _ = core.drive.duties(core.levels_pct, now_ms)
        if haptic != self.status.haptic:
            core.publish("signal", signal=haptic)
        notices, core.notices = tuple(core.notices), []
        wake_at_ms = self._wake_at_ms(now_ms)
        self.status = status = self._status(haptic)
        save = core.accounts.take()
        return Step(core.levels_pct, duty_pct, kicks, wake_at_ms, status, notices, refusal, save)

    def _status(self, haptic: str) -> SessionStatus:
        core = self._core
        running = core.running
        if running is not None:
            core.clock = running.clock
        return SessionStatus(
            core.state,
            core.profile,
            core.cert,
            None if running is None else running.playback.segment,
            haptic,
            core.trim_pct,
            core.fault,
            core.started,
            is_starting=core.waiting is not None,
            is_moving=core.state is State.RUNNING or core.haptics.now is not None,
            is_closed=core.is_closed,
            locked_until_ms=core.button.locked_until_ms,
            clock=core.clock,
            catalogue=core.catalogue,
        )

    def _wake_at_ms(self, now_ms: int) -> int | None:
        """When something is due next. None: never. Sets the limit of the fast path as well."""
        core = self._core
        self._button_at_ms = core.button.wake_at_ms()
        wakes = [] if self._button_at_ms is None else [self._button_at_ms]
        if core.waiting is not None:
            wakes.append(core.waiting.until_ms)
        if core.haptics.now is not None:
            wakes.append(core.haptics.now.changes_at_ms(now_ms))
        running = core.running
        self._quiet_until_ms = 0
        if running is not None:
            if core.state is State.PAUSED:
                wakes.append(running.pause_ends_at_ms(now_ms))
            else:
                wakes.append(running.due_at_ms(now_ms))
                self._quiet_until_ms = min(wakes)
                wakes.append(running.levels_change_at_ms())
        if self._duties.until_ms is not None:
            wakes.append(self._duties.until_ms)
        return min(wakes) if wakes else None
