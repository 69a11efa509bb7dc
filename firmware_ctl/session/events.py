"""The inputs and outputs of a session, as plain frozen values without behaviour.

An input is an event with its data. A `Step` is the answer to an input: what every motor should do
now, what to publish, and when the session wants to be called again. This module knows the shapes
of these values and none of the rules.

Requests carry `arrived_at_ms`, the time at which the loop read them; None stands for the time of
the call. `arrivals` explains why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from math import ceil
from typing import Final, NamedTuple

from firmware_ctl.errors import CallerError
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Contact, Spell
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels

TRY: Final = "try"
"""The profile name of a session that plays one line of `try`. No profile file may have it."""


class State(Enum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    FAULT = "fault"


class Origin(StrEnum):
    """Where a request came from. State events publish it as `by`."""

    BUTTON = "button"
    SERIAL = "serial"
    SOCKET = "socket"
    WEB = "web"
    MQTT = "mqtt"


class Reason(StrEnum):
    """Why a session ended. The state event of the end publishes it as `reason`."""

    STOP = "stop"
    BUTTON = "button"
    LEASE = "lease"
    END = "end"
    FAULT = "fault"
    CLOSED = "closed"


# --- inputs -----------------------------------------------------------------------------------

# Data classes, not named tuples, because named tuples of different kinds can compare as equal. `by`
# is the origin of a request; None: it is not known.


@dataclass(frozen=True, slots=True)
class Wake:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Contacts:
    """One reading of the start button's contact."""

    contact: Contact
    """The contact now. A change that no spell shows counts as a change at the time of the call."""
    spells: tuple[Spell, ...] = ()
    """All edges since the last reading."""


@dataclass(frozen=True, slots=True)
class Start:
    name: str | None = None
    """None: the selected profile."""
    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """Plays one line of `try` for 10 s."""

    timeline: Timeline
    words: tuple[str, ...] = ()
    """The line that the timeline was compiled from."""
    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class EndTry:
    """Ends a running `try` or haptic, because the same request will start a `try`.

    The next line is compiled after this end, so that no motor moves while the loop computes.
    """

    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends a session, a waiting start and an idle haptic. Never refused."""

    by: Origin | None = None
    reason: Reason = Reason.STOP


@dataclass(frozen=True, slots=True)
class Pause:
    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Select:
    name: str
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Trim:
    trim_pct: int
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Reload:
    catalogue: Catalogue
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """Ends a fault whose cause is gone."""

    arrived_at_ms: int | None = None
    by: Origin | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong: every motor goes off, and nothing starts before a clear."""

    code: str
    """One of the protocol's fault codes."""
    message: str
    is_persistent: bool = False
    """The cause is present until `FaultCleared`. A clear before that is refused."""


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """The cause of a persistent fault is gone."""

    code: str


@dataclass(frozen=True, slots=True)
class RailOff:
    """The rail reads as off while no motor has a duty: the motor gate can cut the rail."""


@dataclass(frozen=True, slots=True)
class LedgerSaved:
    """The account with this number is on disk. It includes all earlier ones."""

    number: int


@dataclass(frozen=True, slots=True)
class LedgerSaveFailed:
    """The account with this number could not be written."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """The machine was suspended. The session's clock did not count that time."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class ClockSynchronised:
    """The machine's clock is synchronised, so the time for which the machine was off is known."""

    off_ms: int
    """From the last write of the ledger to the start of this daemon."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The daemon is ready. A press that began earlier starts nothing."""

    asked_until_ms: int = -1
    """A request that arrived up to this time starts nothing either. -1: there is none."""


@dataclass(frozen=True, slots=True)
class Close:
    """The daemon ends: every motor goes off, and no later input does anything."""


Input = (
    Wake | Contacts | Start | Try | EndTry | Stop | Pause | Resume | Select | Trim | Reload | Clear
    | Fault | FaultCleared | RailOff | LedgerSaved | LedgerSaveFailed | Suspended
    | ClockSynchronised | Ready | Close
)  # fmt: skip

# --- outputs ----------------------------------------------------------------------------------


class Notice(NamedTuple):
    """An event to publish: its kind (`state phase cue signal refused fault`) and its fields."""

    kind: str
    fields: Mapping[str, str]


class SaveLedger(NamedTuple):
    """A request to write the day's account. `LedgerSaved` or `LedgerSaveFailed` answers it."""

    number: int
    spent: Spent
    at_ms: int
    """The present time on the clock of `spent`."""


class SessionClock(NamedTuple):
    """The position in a session, for any real time. The session's time stops during a pause."""

    speed: float = 1.0
    """Session milliseconds in one real millisecond."""
    began_at_ms: int = 0
    anchor_at_ms: int = 0
    """The real time at which the session's time was `anchor_ms`."""
    anchor_ms: int = 0
    end_ms: int = 0
    """The length of the session."""
    runs: bool = False
    """False while idle or paused."""

    def played_ms(self, now_ms: int) -> int:
        """The time played since the start, without pauses. 0 while idle."""
        if not self.runs:
            return self.anchor_ms
        return min(self.anchor_ms + self.since_anchor_ms(now_ms), self.end_ms)

    def left_ms(self, now_ms: int) -> int:
        return self.end_ms - self.played_ms(now_ms)

    def since_start_ms(self, now_ms: int) -> int:
        """The time since the last session began, pauses included. A trace uses this time."""
        return int((now_ms - self.began_at_ms) * self.speed + 1e-6)

    def since_anchor_ms(self, now_ms: int) -> int:
        """The time since the last start, pause or resume, at the session's speed."""
        return int((now_ms - self.anchor_at_ms) * self.speed + 1e-6)

    def real_at_ms(self, at_ms: int) -> int:
        """The real time at which the session's time is `at_ms`, rounded up. Only while it runs."""
        return self.anchor_at_ms + ceil((at_ms - self.anchor_ms) / self.speed)


class SessionStatus(NamedTuple):
    """The session after a step, for watchers: traces, the live view, the LED, the watchdogs."""

    state: State
    profile: str = ""
    """The profile of the running or paused session, or the selected one."""
    cert: str = ""
    segment: Segment | None = None
    """The present phase; None while idle."""
    haptic: str = ""
    """The name of the haptic that plays, idle or in a session. Empty: none."""
    trim_pct: int = 100
    fault: Fault | None = None
    started: int = 0
    """How many sessions have begun."""
    is_starting: bool = False
    """An accepted start waits for the disk, or for the motors' supply to read as off."""
    is_moving: bool = False
    """Motors may have a duty now or at any time."""
    is_closed: bool = False
    """The daemon ends."""
    locked_until_ms: int = 0
    """Presses before this time are ignored (lock after a stop). 0 if not locked."""
    clock: SessionClock = SessionClock()
    catalogue: Catalogue = Catalogue()

    @property
    def is_on(self) -> bool:
        """True while a session runs or is paused."""
        return self.segment is not None

    @property
    def phase(self) -> str:
        return self.segment.phase if self.segment else ""

    @property
    def cue(self) -> str:
        return self.segment.cue if self.segment else ""

    def plays_older(self, entry: GoodEntry) -> bool:
        """True if a session plays this profile as it was before a reload changed it."""
        return self.is_on and self.profile == entry.name and self.cert != entry.timeline.cert

    def repeat(self, now_ms: int) -> str:
        """The present pass and the number of passes, as in `2/4`. Empty if the phase plays once."""
        segment = self.segment
        if segment is None or segment.repeat == 1:
            return ""
        passes = (self.clock.played_ms(now_ms) - segment.begin_ms) // segment.pass_ms
        return f"{passes + 1}/{segment.repeat}"

    @property
    def group(self) -> str:
        """The present pass of each group around the phase, outermost first, as in `1/2 2/3`."""
        passes = self.segment.group_passes if self.segment else ()
        return " ".join(f"{number}/{count}" for number, count in passes)


class Step(NamedTuple):
    """The answer to an input: what motors should do now, and when to call the session again."""

    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    """The indices of the motors that get their starting kick."""
    wake_at_ms: int | None
    """When to send the next `Wake`. None: not before another input."""
    status: SessionStatus
    notices: tuple[Notice, ...] = ()
    refusal: CallerError | None = None
    """Why the input was refused. None: it was accepted, though a start may still wait."""
    save: SaveLedger | None = None
    """The account to write to disk, if it changed."""
