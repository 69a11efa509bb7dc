"""What the loop, the player and the clients expect of those who stand behind them.

Pins, clocks, ports and files implement these; `cli.run` and the tests put them together.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    RailOff,
    SaveLedger,
    SessionStatus,
    Step,
)
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.motor_drive import Levels

Log = Callable[[str], None]
"""Takes a line for the log. Never blocks."""

# --- the player's -----------------------------------------------------------------------------


class Decider(Protocol):
    """Decides what every motor does: a session, or a builder's procedure in its place."""

    @property
    def status(self) -> SessionStatus:
        """What it is like after the last step."""

    def handle(self, event: Input, now_ms: int) -> Step:
        """Takes one input at `now_ms`, which never goes back. Never raises."""


class Motors(Protocol):
    def apply(self, duty_pct: Levels) -> None:
        """Gives every motor its duty; writes only what changed. `DeviceError` names the pin."""

    def all_low(self) -> Sequence[str]:
        """Drives every motor pin low, and gives a sentence for each that could not be.

        Safe to repeat. Never raises.
        """


class Deadman(Protocol):
    def arm(self) -> None:
        """From now on the process is killed unless this is called again in time."""

    def disarm(self) -> None: ...


class Watcher(Protocol):
    """Sees every step after the pins have it: traces, the live view, the flight recorder."""

    def step(self, event: Input, step: Step, now_ms: int) -> None: ...


class Watchdog(Protocol):
    def check(self, now_ms: int, is_moving: bool) -> Fault | RailOff | None:
        """What is wrong now; None: nothing. Cheap, and never waits."""


class Heartbeat(Protocol):
    def beat(self, now_ms: int, is_moving: bool) -> None:
        """Receives a beat after every completed tick: the motor gate, systemd."""


class Ledger(Protocol):
    def save(self, save: SaveLedger, done: Callable[[str], object]) -> None:
        """Begins to write the account. `done` is called on the loop: empty, or why it failed."""


# --- the loop's -------------------------------------------------------------------------------


class StartButton(Protocol):
    def read(self) -> Contacts:
        """What the contacts read now, and their edges since the last call. Bounded work."""

    def press(self, is_down: bool) -> None:
        """Moves the simulated button; `CallerError` where the button is a real one."""


class Source(Protocol):
    """A descriptor that the loop waits for: new clients, finished jobs, signals, edges."""

    def fileno(self) -> int: ...

    def ready(self) -> None:
        """Called by the loop when the descriptor is readable."""


class Link(Protocol):
    """Bytes to and from one client. Never blocks.

    A client that cannot be written to may have sent bytes that are not read yet, a stop among
    them: only the end of what it sent ends a link.
    """

    connection: Connection
    ended: bool
    """All that the client sent has been read, and no more can come."""

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """What has come, as much as one round of the loop takes."""

    def write(self, data: bytes) -> int:
        """How much of it was taken: all of it where nobody can read it any more."""

    def close(self) -> None:
        """Called once, when the clients have let go of the link."""


class Poller(Protocol):
    """The clock and the waiting, in one: real in the daemon, jumping in the simulator."""

    def now_ms(self) -> int: ...

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        """Those of `readers` that are readable, at the latest at `until_ms`.

        Returns early when one of `writers` can be written to. `readers` is the same object for as
        long as its members are the same.
        """

    def slept_ms(self) -> int:
        """For how long the machine was suspended since the last call."""


class Peers(Protocol):
    """All who talk to the daemon, as the loop sees them."""

    @property
    def writers(self) -> Collection[Link]:
        """Those who have not taken all that they are sent."""

    def readers(self) -> Collection[Link]: ...

    def due_ms(self) -> int | None:
        """When they need a round though nobody sends anything; None: never."""

    def hear(self, readable: Collection[Link]) -> None:
        """Reads them. A stop acts here, before anything else is done for anyone."""

    def serve(self) -> None:
        """Answers some of what they ask, and sends."""

    def flush(self) -> None:
        """The daemon ends because of an error: sends what can still be sent. Never raises."""


# --- the clients' -----------------------------------------------------------------------------


class Job(Source, Protocol):
    def give_up(self) -> None:
        """Ends the job if it still runs; it calls back with the reason."""


ReadProfiles = Callable[[Callable[[Catalogue | str], None]], Job]
"""Begins to read all profiles in another process; calls back with them, or with why it failed."""

# --- what all of it stands on -----------------------------------------------------------------


class Hardware(NamedTuple):
    """A mat as the daemon sees it. `hardware.pi` makes one, `simulator.hardware` another."""

    motors: Motors
    button: StartButton | None = None
    sources: tuple[Source, ...] = ()
    """Descriptors that become readable when the hardware has something to say."""
    watchers: tuple[Watcher, ...] = ()
    """The status LED."""
    watchdogs: tuple[Watchdog, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = ()
    """The motor gate, whose rail falls when the beats end."""
