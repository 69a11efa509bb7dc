"""What goes into a session and what comes out of it: plain values, decided elsewhere.

An input is an event with what belongs to it. A `Step` is the answer: what every motor should do
now, what to tell, and when the session wants to be asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from firmware_ctl.errors import CallerError
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import Contact, Spell
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels

TRY: Final = "try"
"""The name of a session that plays one line; no profile file may have it."""


class State(Enum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    FAULT = "fault"


# --- inputs -----------------------------------------------------------------------------------

# Data classes, not tuples: two events are equal only if they are of one kind.


@dataclass(frozen=True, slots=True)
class Wake:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Contacts:
    """One look at the start button's contact."""

    contact: Contact
    """What it reads now. If that is new and no spell tells since when, the contact moved now."""
    spells: tuple[Spell, ...] = ()
    """All its edges since the last look."""


@dataclass(frozen=True, slots=True)
class Start:
    name: str | None = None
    """None: the selected profile."""
    arrived_at_ms: int | None = None
    """When the request arrived; None: now."""


@dataclass(frozen=True, slots=True)
class Try:
    """Plays one line for 10 s."""

    timeline: Timeline
    words: tuple[str, ...] = ()
    """The line that the timeline was compiled from."""
    arrived_at_ms: int | None = None
    """When the request arrived; None: now."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends whatever runs or is about to. Never refused."""


@dataclass(frozen=True, slots=True)
class Pause:
    arrived_at_ms: int | None = None
    """When the request arrived; None: now."""


@dataclass(frozen=True, slots=True)
class Resume:
    arrived_at_ms: int | None = None
    """When the request arrived; None: now."""


@dataclass(frozen=True, slots=True)
class Select:
    name: str


@dataclass(frozen=True, slots=True)
class Trim:
    trim_pct: int


@dataclass(frozen=True, slots=True)
class Reload:
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Clear:
    """Ends a fault whose cause is gone."""

    arrived_at_ms: int | None = None
    """When the request arrived; None: now."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong: every motor goes off, and only a clear lets the mat start again."""

    code: str
    """One of the protocol's fault codes."""
    message: str
    is_persistent: bool = False
    """The cause stays until `FaultCleared`; a clear before that is refused."""


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """The cause of a persistent fault is gone."""

    code: str


@dataclass(frozen=True, slots=True)
class RailOff:
    """The motors' supply reads as off while nothing moves."""


@dataclass(frozen=True, slots=True)
class LedgerSaved:
    """The account with this number is on the disk, and with it all earlier ones."""

    number: int


@dataclass(frozen=True, slots=True)
class LedgerSaveFailed:
    """The account with this number could not be written."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """The machine was suspended, also on the session's clock."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class ClockSynchronised:
    """A clock that can be relied on tells for how long the machine was off before it started."""

    off_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The daemon is ready. A press that began before now starts nothing."""

    asked_until_ms: int = -1
    """A request that arrived until then starts nothing either."""


@dataclass(frozen=True, slots=True)
class Close:
    """The daemon ends: every motor goes off, and no later input does anything."""


Input = (
    Wake | Contacts | Start | Try | Stop | Pause | Resume | Select | Trim | Reload | Clear | Fault
    | FaultCleared | RailOff | LedgerSaved | LedgerSaveFailed | Suspended | ClockSynchronised
    | Ready | Close
)  # fmt: skip

# --- outputs ----------------------------------------------------------------------------------


class Notice(NamedTuple):
    """Something to tell: a kind (`state phase cue signal refused fault`) and what changed."""

    kind: str
    fields: Mapping[str, str]


class SaveLedger(NamedTuple):
    """The day's accounts, to be written to disk: `LedgerSaved` or `LedgerSaveFailed` answers it."""

    number: int
    spent: Spent
    at_ms: int
    """Now, on the clock of `spent`."""


class SessionClock(NamedTuple):
    """How far a session has come. Its own time stands still while it is paused."""

    speed: float = 1.0
    """Own milliseconds in a real one."""
    began_at_ms: int = 0
    anchor_at_ms: int = 0
    """The real time at which `anchor_ms` was its own."""
    anchor_ms: int = 0
    end_ms: int = 0
    runs: bool = False

    def played_ms(self, now_ms: int) -> int:
        """Time into the session, without its pauses; 0 while idle."""
        if not self.runs:
            return self.anchor_ms
        played_ms = self.anchor_ms + self._own_ms(now_ms - self.anchor_at_ms)
        return min(played_ms, self.end_ms)

    def left_ms(self, now_ms: int) -> int:
        return self.end_ms - self.played_ms(now_ms)

    def since_start_ms(self, now_ms: int) -> int:
        """Time since the last session began, pauses included: the time of a trace."""
        return self._own_ms(now_ms - self.began_at_ms)

    def _own_ms(self, real_ms: int) -> int:
        return int(real_ms * self.speed + 1e-6)


class SessionStatus(NamedTuple):
    """What a session is like after a step, for all who only watch it."""

    state: State
    profile: str = ""
    """The profile of the session that is on, else the selected one."""
    cert: str = ""
    segment: Segment | None = None
    """The phase that plays; None while idle."""
    haptic: str = ""
    """The haptic that is felt, idle or in a session; empty: none."""
    trim_pct: int = 100
    fault: Fault | None = None
    started: int = 0
    """How many sessions have begun."""
    is_starting: bool = False
    """A start was accepted and waits for the disk, or for the motors' supply to be off."""
    is_moving: bool = False
    """Motors may have a duty now or at any time."""
    is_closed: bool = False
    """The daemon ends."""
    locked_until_ms: int = 0
    """A press that begins before then is ignored; 0: the button is not locked."""
    clock: SessionClock = SessionClock()
    catalogue: Catalogue = Catalogue()

    @property
    def is_on(self) -> bool:
        """A session has begun and is not over."""
        return self.segment is not None

    @property
    def phase(self) -> str:
        return self.segment.phase if self.segment else ""

    @property
    def cue(self) -> str:
        return self.segment.cue if self.segment else ""

    def repeat(self, now_ms: int) -> str:
        """Which pass of how many: `2/4`; empty for a phase that plays once."""
        segment = self.segment
        if segment is None or segment.repeat == 1:
            return ""
        passes = (self.clock.played_ms(now_ms) - segment.begin_ms) // segment.pass_ms
        return f"{passes + 1}/{segment.repeat}"


class Step(NamedTuple):
    """What the world should look like now, and when the session wants to be asked again."""

    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    """The motors that are in their kick, by their index."""
    wake_at_ms: int | None
    status: SessionStatus
    notices: tuple[Notice, ...] = ()
    refusal: CallerError | None = None
    """Why the input was not done; None: it was, or waits for the disk."""
    save: SaveLedger | None = None
