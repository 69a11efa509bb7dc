"""What the mat does: the states, who may start what, and when it all ends.

An input and the time go in; duties, the time of the next question and notices come out. Nothing
here reads a clock, opens a file or knows a pin. Two clocks run: real milliseconds for the button,
the restart lock and the motors, and the session's own, which a pause stops and `speed` makes faster
on a laptop.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from enum import Enum
from math import ceil
from typing import Final, NamedTuple

from firmware_ctl import signals
from firmware_ctl.allowance import UNSPENT, Allowance, Spent
from firmware_ctl.button import Button, Contact, Gesture, Spell
from firmware_ctl.catalogue import Catalogue, Entry
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import (
    HOUR_MS,
    PAUSES_MS,
    RESTART_MS,
    SIGNALS_HOURLY_MS,
    SLICE_AGAIN_MS,
    SLICE_DISK_MS,
    SLICE_MS,
    SLICE_RETRY_MS,
    SLICE_WAIT_MS,
)
from firmware_ctl.mat import Mat
from firmware_ctl.shaping import Levels, Shaped, Shaper, shape_of
from firmware_ctl.steps import Steps
from firmware_ctl.timeline import LevelPlayback, Segment, Timeline

TRY: Final = "try"
"""The name of a session that plays one line; no profile file may have it."""

BROKEN_BUTTON: Final = (
    "the start button's contacts read neither pressed nor released; check its wires"
)

NOISY_BUTTON: Final = (
    "the start button's contacts do not come to rest; its cable picks up noise or a wire is loose: "
    "check its wires, then leave the button alone for half a second"
)

SLOW_DISK: Final = (
    "the disk does not take the record of today's running time; see whether it is full or failing"
)


STUCK_RAIL: Final = "the motors' supply does not go off before the start; have the gate mended"


class State(Enum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    FAULT = "fault"


# --- inputs -----------------------------------------------------------------------------------


class _Word:
    """An input that says all by its name; two of a kind are equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Wake(_Word):
    """Time has passed."""


class Contacts(NamedTuple):
    """One look at the start button's contact."""

    contact: Contact
    """What it says now. If it says something new and no spell tells since when, it moved now."""
    spells: tuple[Spell, ...] = ()
    """Its edges since the last look, however many they were."""


class Start(NamedTuple):
    name: str | None = None
    """None: the selected profile."""
    arrived_at_ms: int | None = None
    """When it was asked for; None: now."""


class Try(NamedTuple):
    timeline: Timeline
    words: tuple[str, ...] = ()
    """What it was compiled from."""
    arrived_at_ms: int | None = None
    """When it was asked for; None: now."""


class Stop(_Word):
    pass


class Pause(NamedTuple):
    arrived_at_ms: int | None = None
    """When it was asked for; None: now."""


class Resume(NamedTuple):
    arrived_at_ms: int | None = None
    """When it was asked for; None: now."""


class Select(NamedTuple):
    name: str


class Trim(NamedTuple):
    trim_pct: int


class Reload(NamedTuple):
    catalogue: Catalogue


class Clear(NamedTuple):
    arrived_at_ms: int | None = None
    """When it was asked for; None: now."""


class Fault(NamedTuple):
    code: str
    """One of the protocol's fault codes."""
    message: str
    lasts: bool = False
    """No clear helps until `Gone` says that the cause is."""


class Gone(NamedTuple):
    """The cause of a fault that lasts is no longer there."""

    code: str


class RailOff(_Word):
    """The motors' supply was read as off while nothing moves."""


class Kept(NamedTuple):
    """An account is on the disk, and with it all that were asked for before."""

    number: int


class Unkept(NamedTuple):
    """An account could not be written."""

    number: int
    why: str


class Slept(NamedTuple):
    """The machine was suspended for that long, on the session's clock too."""

    for_ms: int


class Away(NamedTuple):
    """A clock that can be relied on says for how long the machine had been off before."""

    for_ms: int


class Ready(NamedTuple):
    """The daemon is ready. What was pressed until now starts nothing."""

    asked_until_ms: int = -1
    """Nor does what was asked for until then."""


class Close(_Word):
    pass


Input = (
    Wake | Contacts | Start | Try | Stop | Pause | Resume | Select | Trim | Reload | Clear | Fault
    | Gone | RailOff | Kept | Unkept | Slept | Away | Ready | Close
)  # fmt: skip

# --- outputs ----------------------------------------------------------------------------------


class Notice(NamedTuple):
    """Something to tell: a kind (`state phase cue signal refused fault`) and what changed."""

    kind: str
    fields: Mapping[str, str]


class Keep(NamedTuple):
    """The day's accounts, to be put on the disk; answered by `Kept` or `Unkept`."""

    number: int
    spent: Spent
    at_ms: int
    """Now, on the clock of `spent`."""


class Step(NamedTuple):
    """What the world should look like now, and when the session wants to be asked again."""

    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    """The motors that are in their kick, by their index."""
    wake_at_ms: int | None
    notices: tuple[Notice, ...] = ()
    refusal: CallerError | None = None
    """Why the input was not done; None: it was, or waits for the disk."""
    keep: Keep | None = None


# --- the session ------------------------------------------------------------------------------


class _Run:
    """A session that was started. Its own time stands still while it is paused."""

    def __init__(
        self, timeline: Timeline, playback: LevelPlayback, end_ms: int, now_ms: int
    ) -> None:
        self.timeline = timeline
        self.playback = playback
        self.end_ms = end_ms
        self.signals = [(felt.begin_ms, felt.end_ms, felt.name) for felt in timeline.signals]
        ends_ms = {segment.end_ms for segment in timeline.segments}
        self.marks_ms = sorted(ends_ms.union(*(signal[:2] for signal in self.signals)))
        """When there is more to tell than levels, in its own time; the last is its end."""
        self.anchor_at_ms = now_ms
        """Real time at which `played_ms` was true."""
        self.played_ms = 0
        self.pauses_ms = 0
        self.told: Segment | None = None
        """The phase that was last told."""
        self.kept_ms = 0
        """So much of its running time is on the disk as used."""
        self.asked_ms = 0
        """And so much was asked for, as account `number`."""
        self.ask_at_ms = 0
        """When more is asked for."""
        self.number = 0


class _Asked(NamedTuple):
    """A start that was accepted and waits for its first slice to be on the disk."""

    timeline: Timeline
    entry: Entry | None
    """What is selected when it begins; None: it changes nothing of that."""
    number: int
    by_ms: int
    """When it must be there."""
    is_proven_off: bool
    """The rail was read as off since this start was asked for, or it cannot be read."""
    is_kept: bool = False
    is_pressed: bool = False


class _Signal(NamedTuple):
    """Pulses felt while idle; no motor gets more than its share of `most_pct`."""

    name: str
    steps: Steps
    most_pct: Levels
    began_at_ms: int

    def levels_at(self, now_ms: int) -> Levels:
        level, _ = self.steps.at(now_ms - self.began_at_ms)
        return tuple(min(level, most) for most in self.most_pct)

    def next_ms(self, now_ms: int) -> int:
        return self.began_at_ms + self.steps.at(now_ms - self.began_at_ms)[1]


class Session:
    """The state table. Every public value is read only; `handle` is the one way in."""

    def __init__(
        self,
        mat: Mat,
        catalogue: Catalogue,
        speed: float = 1.0,
        spent: Spent = UNSPENT,
        barred: str = "",
    ) -> None:
        """`barred`: why no session may start on this machine; empty: it may."""
        self.mat = mat
        self.catalogue = catalogue
        self.speed = speed
        self._ahead_ms = max(SLICE_AGAIN_MS, self._scaled(SLICE_DISK_MS))
        self._slice_ms = self._ahead_ms + SLICE_MS - SLICE_AGAIN_MS
        self.state = State.IDLE
        self.closed = False
        """The daemon ends; no input does anything more."""
        self.selected: Entry | None = catalogue.first()
        self.trim_pct = 100
        self.fault: Fault | None = None
        self.barred = barred
        self.not_started: CallerError | None = None
        """Why the last start that waited for the disk came to nothing; None: it did not."""
        self.allowance = Allowance(mat.limits.daily_ms, spent)
        self.button = Button()
        self._button_at_ms: int | None = None
        """When it next has something to say without an edge."""
        self._quiet_until_ms = 0
        """Until then a session that runs plays its levels, and nothing else falls due."""
        self.started = 0
        """How many sessions have begun."""
        self._silence: Levels = (0,) * len(mat.motors)
        self._levels = self._silence
        self._shaper = Shaper(shape_of(mat), guarded=True)
        """What the motors did, in real time: it outlasts pauses, sessions, signals and faults."""
        self._shaped = Shaped(self._silence, (), None)
        self._run: _Run | None = None
        self._asked: _Asked | None = None
        self._keep: Keep | None = None
        self._keeps = 0
        """The number of the last account that was given out to be kept."""
        self._fault_at_ms = 0
        """When the last fault came."""
        self._lasting: dict[str, str] = {}
        """The faults whose cause is still there, by their codes."""
        self._began_at_ms = 0
        self._signal: _Signal | None = None
        self._signalled: deque[tuple[int, int]] = deque()
        """When the signals of the last hour began, and how long each is."""
        self.stopped_at_ms: int | None = None
        """When the last stop came, needed or not."""
        self.calmed_at_ms = 0
        """When the last pause or clear was asked for, or a session ended."""
        self.early_until_ms: int | None = None
        """What arrived until then came before the daemon was ready; None: it is not ready yet."""
        self._told_signal = ""
        self._notices: list[Notice] = []
        self._decide = {
            Contacts: self._contacts,
            Start: self._start,
            Try: self._try,
            Stop: self._stop,
            Pause: self._pause,
            Resume: self._resume,
            Select: self._select,
            Trim: self._trim,
            Reload: self._reload,
            Clear: self._clear,
            Fault: self._fail,
            Gone: self._gone,
            Kept: self._kept,
            Unkept: self._unkept,
            RailOff: self._rail_off,
            Slept: self._slept,
            Away: self._away,
            Ready: self._ready,
            Close: self._close,
        }

    def handle(self, event: Input, now_ms: int) -> Step:
        """Takes one input at `now_ms`, which never goes back. Never raises for any input."""
        if now_ms < self._quiet_until_ms and self._run is not None and type(event) is Wake:
            return self._play_on(self._run, now_ms)
        if self.closed:
            return Step(self._silence, self._silence, (), None)
        # What contacts say may be that they did not rest until now.
        self._advance(now_ms, asks_button=type(event) is not Contacts)
        refusal = None
        if not isinstance(event, Wake):
            try:
                self._decide[type(event)](event, now_ms)  # type: ignore[operator]
            except CallerError as error:
                refusal = error
        return self._step(now_ms, refusal)

    # --- what others may ask ---

    @property
    def profile(self) -> str:
        """The running profile, else the selected one."""
        if self._run is not None:
            return self._run.timeline.profile
        return self.selected.name if self.selected else ""

    @property
    def cert(self) -> str:
        if self._run is not None:
            return self._run.timeline.cert
        timeline = self.selected.timeline if self.selected else None
        return timeline.cert if timeline else ""

    @property
    def phase(self) -> str:
        return self._run.playback.segment.phase if self._run else ""

    @property
    def cue(self) -> str:
        return self._run.playback.segment.cue if self._run else ""

    def repeat(self, now_ms: int) -> str:
        """Which pass of how many: `2/4`; empty for a phase that plays once."""
        if self._run is None or self._run.playback.segment.repeat == 1:
            return ""
        segment = self._run.playback.segment
        passed = (self.played_ms(now_ms) - segment.begin_ms) // segment.pass_ms
        return f"{passed + 1}/{segment.repeat}"

    def signal(self, now_ms: int) -> str:
        """The signal being felt, idle or in a session."""
        if self._signal is not None:
            return self._signal.name
        if self._run is None or self.state is not State.RUNNING:
            return ""
        played_ms = self.played_ms(now_ms)
        for begin_ms, end_ms, name in self._run.signals:
            if played_ms < begin_ms:
                break
            if played_ms < end_ms:
                return name
        return ""

    def played_ms(self, now_ms: int) -> int:
        """Time into the session, without its pauses; 0 while idle."""
        run = self._run
        if run is None:
            return 0
        if self.state is not State.RUNNING:
            return run.played_ms
        played_ms = run.played_ms + self._scaled(now_ms - run.anchor_at_ms)
        return played_ms if played_ms < run.end_ms else run.end_ms

    def since_start_ms(self, now_ms: int) -> int:
        """Time since the last session began, pauses included: the time of a trace."""
        return self._scaled(now_ms - self._began_at_ms)

    def left_ms(self, now_ms: int) -> int:
        return self._run.end_ms - self.played_ms(now_ms) if self._run else 0

    def used_ms(self, now_ms: int) -> int:
        """Running time of today; of a session that plays, what it has played so far."""
        reserved_ms = self._asked.timeline.end_ms if self._asked else self.left_ms(now_ms)
        return max(0, self.allowance.used_ms(self._scaled(now_ms)) - reserved_ms)

    @property
    def is_starting(self) -> bool:
        """A start was accepted and waits for the disk."""
        return self._asked is not None

    @property
    def is_on(self) -> bool:
        """A session has begun and is not over."""
        return self._run is not None

    @property
    def is_moving(self) -> bool:
        """Motors may have a duty now or at any time."""
        return self.state is State.RUNNING or self._signal is not None

    @property
    def spent(self) -> Spent:
        allowance = self.allowance
        return Spent(
            *allowance.account,
            allowance.may_renew,
            allowance.damage,
        )

    def zone_levels(self) -> dict[str, int]:
        """For every zone its highest motor's level now."""
        highest = dict.fromkeys((zone.name for zone in self.mat.zones), 0)
        for motor, level in zip(self.mat.motors, self._levels, strict=True):
            highest[motor.zone] = max(highest[motor.zone], level)
        return highest

    def refuse_early(self, arrived_at_ms: int) -> None:
        """Raises why what was asked for at that time may set nothing moving, however late it is
        done: the daemon was not ready yet, a stop came after it or less than 100 ms before it, or
        a pause, the end of a session or a clear came after it.
        """
        if self.early_until_ms is None or arrived_at_ms <= self.early_until_ms:
            raise CallerError("not-ready", "the daemon was not ready yet; ask again")
        stopped_at_ms = self.stopped_at_ms
        if stopped_at_ms is not None and arrived_at_ms < stopped_at_ms + RESTART_MS:
            if arrived_at_ms > stopped_at_ms:
                raise CallerError("busy", f"stopped less than {RESTART_MS} ms before; start again")
            raise CallerError("busy", "a stop overtook this request; send it again")
        if arrived_at_ms < self.calmed_at_ms:
            raise CallerError("busy", "a later request overtook this one; send it again")

    def refuse_early_trim(self, trim_pct: int, arrived_at_ms: int) -> None:
        """Raises why a trim may not strengthen what plays: a stop came after it."""
        stopped_at_ms = self.stopped_at_ms
        is_early = stopped_at_ms is not None and arrived_at_ms <= stopped_at_ms
        if is_early and trim_pct > self.trim_pct:
            raise CallerError("busy", "a stop overtook this request; send it again")

    def refuse_try(self) -> None:
        """Raises why a `try` cannot begin now: its line need not be compiled then."""
        if self.state is State.RUNNING:
            raise CallerError("busy", f"{self.profile} is running; stop it first")
        self._refuse_unless_idle()

    # --- time ---

    def _scaled(self, real_ms: int) -> int:
        return int(real_ms * self.speed + 1e-6)

    def _advance(self, now_ms: int, asks_button: bool) -> None:
        """Lets everything happen that is due by itself."""
        if asks_button and self._button_at_ms is not None and now_ms >= self._button_at_ms:
            for gesture in self.button.wait(now_ms):
                self._gesture(gesture, now_ms)
        signal = self._signal
        if signal is not None and now_ms - signal.began_at_ms >= signal.steps.cycle_ms:
            self._end_signal()
        if self._asked is not None and now_ms >= self._asked.by_ms:
            why = STUCK_RAIL if self._asked.is_kept else SLOW_DISK
            self._give_up(CallerError("not-ready", why), now_ms)
        run = self._run
        if run is None:
            return
        if self.state is State.RUNNING:
            played_ms = self.played_ms(now_ms)
            if played_ms >= run.end_ms:
                self._end(now_ms)
            elif played_ms >= run.kept_ms:
                self._tell("refused", code="not-ready", message=SLOW_DISK)
                self._end(now_ms)
            else:
                self._play(run, played_ms, now_ms)
        elif self._pause_left_ms(run, now_ms) <= 0:
            self._end(now_ms)

    def _pause_left_ms(self, run: _Run, now_ms: int) -> int:
        return PAUSES_MS - run.pauses_ms - self._scaled(now_ms - run.anchor_at_ms)

    def _play_on(self, run: _Run, now_ms: int) -> Step:
        """What `handle` does when nothing but the levels can have changed, without looking."""
        speed, anchor_at_ms, played_ms = self.speed, run.anchor_at_ms, run.played_ms
        playback = run.playback
        levels = playback.levels(played_ms + int((now_ms - anchor_at_ms) * speed + 1e-6))
        self._levels = levels
        self._shaped = duties, kicks, shaped_until_ms = self._shaper.shape(levels, now_ms)
        wake_at_ms = self._quiet_until_ms
        if playback.until_ms is not None:
            changes_at_ms = anchor_at_ms + ceil((playback.until_ms - played_ms) / speed)
            if changes_at_ms < wake_at_ms:
                wake_at_ms = changes_at_ms
        if shaped_until_ms is not None and shaped_until_ms < wake_at_ms:
            wake_at_ms = shaped_until_ms
        return Step(levels, duties, kicks, wake_at_ms)

    def _play(self, run: _Run, played_ms: int, now_ms: int) -> None:
        self._levels = run.playback.levels(played_ms)
        if played_ms >= run.ask_at_ms and run.asked_ms == run.kept_ms < run.end_ms:
            run.asked_ms = min(played_ms + self._slice_ms, run.end_ms)
            run.number = self._ask_to_keep(now_ms)
        segment = run.playback.segment
        if segment is not run.told:
            if segment.cue != (run.told.cue if run.told else ""):
                self._tell("cue", cue=segment.cue)
            self._tell("phase", phase=segment.phase)
            run.told = segment

    def _due_ms(self, run: _Run, played_ms: int) -> int:
        """When a session that runs next asks or tells, in its own time."""
        mark_ms = run.marks_ms[bisect_right(run.marks_ms, played_ms, hi=len(run.marks_ms) - 1)]
        if run.kept_ms == run.end_ms:
            return mark_ms
        # Never later than what is on the disk: an ask that is tried again may lie behind it.
        due_ms = min(mark_ms, run.kept_ms)
        return min(due_ms, run.ask_at_ms) if run.asked_ms == run.kept_ms else due_ms

    def _real_at(self, run: _Run, at_ms: int | None) -> int:
        left_ms = (run.end_ms if at_ms is None else at_ms) - run.played_ms
        return run.anchor_at_ms + ceil(left_ms / self.speed)

    def _silent(self) -> None:
        self._levels = self._silence

    def _step(self, now_ms: int, refusal: CallerError | None) -> Step:
        signal = self._signal
        if signal is not None:
            self._levels = signal.levels_at(now_ms)
        self._shaped = self._shaper.shape(self._levels, now_ms)
        name = self.signal(now_ms) if self._run is None or self._run.signals else ""
        if name != self._told_signal:
            self._told_signal = name
            self._tell("signal", signal=name)
        notices, self._notices = tuple(self._notices), []
        keep, self._keep = self._keep, None
        wake_at_ms = self._wake_at_ms(now_ms)
        duties, kicks, _ = self._shaped
        return Step(self._levels, duties, kicks, wake_at_ms, notices, refusal, keep)

    def _wake_at_ms(self, now_ms: int) -> int | None:
        self._button_at_ms = self.button.wake_at_ms()
        wakes = [] if self._button_at_ms is None else [self._button_at_ms]
        if self._asked is not None:
            wakes.append(self._asked.by_ms)
        if self._signal is not None:
            wakes.append(self._signal.next_ms(now_ms))
        run = self._run
        self._quiet_until_ms = 0
        if run is not None:
            if self.state is State.PAUSED:
                wakes.append(now_ms + ceil(self._pause_left_ms(run, now_ms) / self.speed))
            else:
                wakes.append(self._real_at(run, self._due_ms(run, self.played_ms(now_ms))))
                self._quiet_until_ms = min(wakes)
                wakes.append(self._real_at(run, run.playback.until_ms))
        if self._shaped.until_ms is not None:
            wakes.append(self._shaped.until_ms)
        return min(wakes) if wakes else None

    def _tell(self, kind: str, **fields: object) -> None:
        self._notices.append(Notice(kind, {key: str(value) for key, value in fields.items()}))

    # --- what an input does; each refuses by raising CallerError ---

    def _start(self, event: Start, now_ms: int) -> None:
        if self._run is not None and self.state is State.RUNNING:
            running = self._run.timeline.profile
            if running == TRY or event.name not in (None, running):
                raise CallerError("busy", f"{running} is running; stop it first")
            return
        self._refuse_unless_idle()
        entry = self.selected if event.name is None else self.catalogue.valid(event.name)
        if entry is None or entry.timeline is None:
            raise CallerError("unknown-profile", "no profile is loaded; add one, then reload")
        self._begin(entry.timeline, entry, event.arrived_at_ms, now_ms)

    def _try(self, event: Try, now_ms: int) -> None:
        self.refuse_try()
        self._begin(event.timeline, None, event.arrived_at_ms, now_ms)

    def _begin(
        self, timeline: Timeline, entry: Entry | None, arrived_at_ms: int | None, now_ms: int
    ) -> None:
        """Accepts a start, which then waits for its first slice to be on the disk."""
        self.refuse_early(now_ms if arrived_at_ms is None else arrived_at_ms)
        if self.barred:
            raise CallerError("not-ready", self.barred)
        if self._asked is not None:
            raise CallerError("busy", f"{self._asked.timeline.profile} is about to start")
        if self.mat.button is not None and not self.button.is_released:
            raise CallerError("not-ready", "the start button is not released; let go of it first")
        if self.button.is_noisy:
            raise CallerError("not-ready", NOISY_BUTTON)
        self.allowance.take(timeline.end_ms, self._scaled(now_ms))
        self.not_started = None
        self._end_signal()
        is_proven_off = self.mat.gate is None or self.mat.gate.rail_pin is None
        by_ms = now_ms + SLICE_WAIT_MS
        number = self._next_keep(now_ms)
        self._asked = _Asked(timeline, entry, number, by_ms, is_proven_off)
        self._ask_to_keep(now_ms)

    def _is_just_stopped(self, now_ms: int) -> bool:
        return self.stopped_at_ms is not None and now_ms - self.stopped_at_ms < RESTART_MS

    def _kept(self, event: Kept, now_ms: int) -> None:
        asked, run = self._asked, self._run
        if asked is not None and event.number >= asked.number:
            self._asked = asked._replace(is_kept=True)
            self._go(self._asked, now_ms)
        elif run is not None and event.number >= run.number:
            run.kept_ms = run.asked_ms
            run.ask_at_ms = run.kept_ms - self._ahead_ms

    def _unkept(self, event: Unkept, now_ms: int) -> None:
        if self._asked is not None and event.number >= self._asked.number:
            self._give_up(CallerError("not-ready", f"{event.why}; no session can start"), now_ms)
        elif self._run is not None and event.number >= self._run.number:
            self._run.asked_ms = self._run.kept_ms
            self._run.ask_at_ms = self.played_ms(now_ms) + SLICE_RETRY_MS

    def _go(self, asked: _Asked, now_ms: int) -> None:
        if not (asked.is_kept and asked.is_proven_off):
            return
        self._asked = None
        self._end_signal()
        timeline = asked.timeline
        playback = LevelPlayback(timeline, self.trim_pct)
        self._run = _Run(timeline, playback, timeline.end_ms, now_ms)
        self._run.kept_ms = self._run.asked_ms = min(self._slice_ms, timeline.end_ms)
        self._run.ask_at_ms = self._run.kept_ms - self._ahead_ms
        self._shaper.begin(timeline.shape, now_ms)
        self._began_at_ms = now_ms
        self.started += 1
        if asked.entry is not None:
            self.selected = asked.entry
        self._change_state(State.RUNNING)
        self._play(self._run, 0, now_ms)

    def _give_up(self, why: CallerError, now_ms: int) -> None:
        """The start that waits for the disk comes to nothing."""
        if self._asked is not None:
            is_pressed = self._asked.is_pressed
            self._cancel(why, now_ms)
            if is_pressed:
                self._refuse_press(why, now_ms)

    def _cancel(self, why: CallerError, now_ms: int) -> None:
        if self._asked is not None:
            self.allowance.give_back(self._asked.timeline.end_ms)
            self._asked, self.not_started = None, why
            self._ask_to_keep(now_ms)

    def _stop(self, _: Stop, now_ms: int) -> None:
        self.stopped_at_ms = now_ms
        self.button.spend()
        self._end_signal()
        if self._asked is not None:
            self._cancel(CallerError("busy", "a stop came before it began; start again"), now_ms)
            self.button.lock(now_ms)
        if self._run is not None:
            self._end(now_ms)

    def _pause(self, event: Pause, now_ms: int) -> None:
        run = self._running_or_refuse()
        self._calm(event.arrived_at_ms, now_ms)
        if self.state is State.RUNNING:
            run.played_ms, run.anchor_at_ms = self.played_ms(now_ms), now_ms
            self._silent()
            self._change_state(State.PAUSED)

    def _resume(self, event: Resume, now_ms: int) -> None:
        run = self._running_or_refuse()
        self.refuse_early(now_ms if event.arrived_at_ms is None else event.arrived_at_ms)
        if self.state is State.PAUSED:
            run.pauses_ms += self._scaled(now_ms - run.anchor_at_ms)
            run.anchor_at_ms = now_ms
            run.playback.rest(run.played_ms)
            self._shaper.begin(run.timeline.shape, now_ms)
            self._change_state(State.RUNNING)
            self._play(run, run.played_ms, now_ms)

    def _calm(self, asked_at_ms: int | None, now_ms: int) -> None:
        """What was asked for before sets nothing moving any more."""
        at_ms = now_ms if asked_at_ms is None else asked_at_ms
        self.calmed_at_ms = max(self.calmed_at_ms, at_ms)

    def _select(self, event: Select, _: int) -> None:
        self.selected = self.catalogue.valid(event.name)
        if self._asked is not None:
            self._asked = self._asked._replace(entry=None)
        if self._run is None:
            self._tell("state", profile=self.profile, cert=self.cert)

    def _trim(self, event: Trim, now_ms: int) -> None:
        self.trim_pct = event.trim_pct
        if self._run is not None:
            self._run.playback.trim(self.played_ms(now_ms), event.trim_pct)
        self._tell("state", trim=event.trim_pct)

    def _reload(self, event: Reload, _: int) -> None:
        before = self.profile, self.cert
        name = self.selected.name if self.selected else ""
        self.catalogue = event.catalogue
        self.selected = event.catalogue.find_valid(name) or event.catalogue.first()
        if self._asked is not None and self._asked.entry is not None:
            entry = event.catalogue.find_valid(self._asked.entry.name)
            self._asked = self._asked._replace(entry=entry)
        if (self.profile, self.cert) != before:
            self._tell("state", profile=self.profile, cert=self.cert)

    def _clear(self, event: Clear, now_ms: int) -> None:
        if self.fault is None:
            return
        if event.arrived_at_ms is not None and event.arrived_at_ms < self._fault_at_ms:
            # Whoever sent it had not heard of this fault.
            raise CallerError("fault", f"{self.fault.code}: {self.fault.message}; then clear")
        if self.button.is_broken or (self.fault.code == "button" and not self.button.is_sound):
            message = NOISY_BUTTON if self.button.is_noisy else BROKEN_BUTTON
            raise CallerError("fault", f"button: {message}")
        for code, message in self._lasting.items():
            raise CallerError("fault", f"{code}: {message}")
        self.fault = None
        # A press counts only if it began when it could start something, and this one did not.
        self.button.spend()
        self._calm(event.arrived_at_ms, now_ms)
        self._change_state(State.IDLE, fault="")

    def _fail(self, event: Fault, now_ms: int) -> None:
        if event.lasts:
            self._lasting[event.code] = event.message
        self._stop(Stop(), now_ms)
        self.button.lock(now_ms)
        self._fault_at_ms = now_ms
        if self.fault is None:
            self.fault = event
            self.state = State.FAULT
            self._tell("fault", state=self.state.value, fault=event.code)

    def _gone(self, event: Gone, _: int) -> None:
        self._lasting.pop(event.code, None)

    def _slept(self, event: Slept, now_ms: int) -> None:
        self.allowance.sleep(event.for_ms)
        self.button.spend()  # what the contacts did meanwhile was not seen
        self._end_signal()
        if self._run is not None or self._asked is not None:
            slept_s = event.for_ms // 1000
            self._fail(Fault("suspend", f"the machine was suspended for {slept_s} s"), now_ms)

    def _away(self, event: Away, now_ms: int) -> None:
        self.allowance.was_off(event.for_ms, self._scaled(now_ms))

    def _rail_off(self, _: RailOff, now_ms: int) -> None:
        if self._asked is not None:
            self._asked = self._asked._replace(is_proven_off=True)
            self._go(self._asked, now_ms)

    def _ready(self, event: Ready, _: int) -> None:
        self.button.spend()
        self.early_until_ms = event.asked_until_ms

    def _close(self, _: Close, now_ms: int) -> None:
        self._stop(Stop(), now_ms)
        self.closed = True

    def _contacts(self, event: Contacts, now_ms: int) -> None:
        for gesture in self.button.sense(event.contact, now_ms, event.spells):
            self._gesture(gesture, now_ms)

    # --- the button ---

    def _gesture(self, gesture: Gesture, now_ms: int) -> None:
        if gesture is Gesture.BROKEN:
            self._fail(Fault("button", BROKEN_BUTTON), now_ms)
        elif gesture is Gesture.RESTLESS:
            self._fail(Fault("button", NOISY_BUTTON), now_ms)
        elif gesture in (Gesture.TOUCH, Gesture.NOISE):
            if gesture is Gesture.NOISE:
                self._end_signal()
            if self._run is not None or self._asked is not None:
                self._stop(Stop(), now_ms)
        elif gesture is Gesture.PRESS:
            if self._signal is not None:
                self._end_signal()
                self.button.spend_short()
        elif gesture is Gesture.SHORT and self.state is State.IDLE:
            try:
                self._start(Start(), now_ms)
            except CallerError as error:
                self._refuse_press(error, now_ms)
            if self._asked is not None:
                self._asked = self._asked._replace(is_pressed=True)
        elif gesture is Gesture.HELD and self.state is State.IDLE:
            if not self.allowance.damage:
                self._select_next(now_ms)
        elif gesture is Gesture.HELD_5_S and self.state is State.IDLE:
            if self.allowance.renew():
                self._ask_to_keep(now_ms)
                self._begin_signal("new-day", signals.new_day(), now_ms)
        elif gesture is Gesture.HELD_3_S and self.state is State.FAULT:
            self.button.spend()
            try:
                self._clear(Clear(), now_ms)
            except CallerError as error:
                self._tell("refused", code=error.code, message=error)

    def _refuse_press(self, why: CallerError, now_ms: int) -> None:
        self._tell("refused", code=why.code, message=why)
        if self._asked is None and not self._is_just_stopped(now_ms):
            self._begin_signal("refused", signals.refused(), now_ms)

    def _select_next(self, now_ms: int) -> None:
        names = [entry.name for entry in self.catalogue.entries if entry.timeline is not None]
        if names:
            selected = names.index(self.selected.name) + 1 if self.selected else 0
            self._select(Select(names[selected % len(names)]), now_ms)
            number = selected % len(names) + 1
            self._begin_signal(f"profile-{number}", signals.number(number), now_ms)

    # --- signals felt while idle ---

    def _begin_signal(self, name: str, steps: Steps, now_ms: int) -> None:
        """Plays pulses in the zone with the most motors, while the hour's account of them lasts."""
        if self.barred:
            return  # what bars sessions may be that nothing ends a daemon that hangs
        signalled, at_ms = self._signalled, self._scaled(now_ms)
        while signalled and at_ms - signalled[0][0] >= HOUR_MS:
            signalled.popleft()
        zones = [zone for zone in self.mat.zones if zone.present]
        used_ms = sum(length_ms for _, length_ms in signalled)
        if used_ms + steps.cycle_ms > SIGNALS_HOURLY_MS or not zones:
            return
        signalled.append((at_ms, steps.cycle_ms))
        zone = max(zones, key=lambda zone: len(zone.motors))
        levels = tuple(zone.cap_pct if m.zone == zone.name else 0 for m in self.mat.motors)
        # No start of a session: a gentle first kick would outlast the pulse and not be felt.
        self._shaper.begin(shape_of(self.mat), now_ms, is_gentle=False)
        self._signal = _Signal(name, steps, levels, now_ms)

    def _end_signal(self) -> None:
        if self._signal is not None:
            self._signal = None
            self._silent()

    # --- the accounts on the disk ---

    def _next_keep(self, now_ms: int) -> int:
        # By the clock, so that a replay that begins in the middle counts the same.
        return max(self._keeps + 1, now_ms)

    def _ask_to_keep(self, now_ms: int) -> int:
        """Has the accounts put on the disk: of a session only what is about to be used."""
        self._keeps = self._next_keep(now_ms)
        if self.allowance.damage:
            return self._keeps  # what cannot be read stays, until the button begins a new day
        unused_ms = 0
        if self._run is not None:
            unused_ms = self._run.end_ms - self._run.asked_ms
        elif self._asked is not None:
            unused_ms = max(0, self._asked.timeline.end_ms - self._slice_ms)
        spent = self.spent
        spent = spent._replace(used_ms=max(0, spent.used_ms - unused_ms))
        self._keep = Keep(self._keeps, spent, self._scaled(now_ms))
        return self._keeps

    # --- common ---

    def _running_or_refuse(self) -> _Run:
        self._refuse_in_fault()
        if self._run is None:
            raise CallerError("not-running", "no session is running; start one first")
        return self._run

    def _refuse_unless_idle(self) -> None:
        if self.state is State.PAUSED:
            raise CallerError("busy", f"{self.profile} is paused; resume or stop it first")
        self._refuse_in_fault()

    def _refuse_in_fault(self) -> None:
        if self.fault is not None:
            raise CallerError("fault", f"{self.fault.code}: {self.fault.message}; then clear")

    def _end(self, now_ms: int) -> None:
        """The running session is over, however it came to that."""
        self.allowance.give_back(self.left_ms(now_ms))
        self._calm(None, now_ms)
        self._run = None
        self._silent()
        self.button.lock(now_ms)
        self._ask_to_keep(now_ms)
        self._change_state(State.IDLE)

    def _change_state(self, state: State, **fields: object) -> None:
        self.state = state
        self._tell("state", state=state.value, profile=self.profile, cert=self.cert, **fields)
