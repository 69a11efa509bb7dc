"""The interfaces that the loop, the player and the clients use: pins, clock, ports, disk.

`hardware`, `simulator`, `storage` and the tests implement them, and `cli.run` puts them together.
This module has no behaviour of its own.
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
"""Writes a line to the log. Never blocks: a blocked log must not delay a stop.

A line is information, unless it is a `WarningLine` or an `ErrorLine` (`errors.py`)."""

# --- for the player ----------------------------------------------------------------------------


class Decider(Protocol):
    """Decides what every motor does: a session, or a procedure of commissioning."""

    @property
    def status(self) -> SessionStatus:
        """The status after the last step."""

    def handle(self, event: Input, now_ms: int) -> Step:
        """Takes one input. `now_ms` never decreases. Must not raise: a refusal is in the step."""


class Motors(Protocol):
    def apply(self, duty_pct: Levels) -> None:
        """Gives every motor its duty in percent, in the order of the mat.

        Writes only the duties that changed. Raises `DeviceError` that names the pin.
        """

    def all_low(self) -> Sequence[str]:
        """Drives every motor pin low. Returns a sentence for each pin that stayed up.

        Tries every pin even if others fail. Safe to repeat. Must not raise.
        """


class Deadman(Protocol):
    def arm(self) -> None:
        """The kernel kills this process unless `arm` is called again within 0.35 s."""

    def disarm(self) -> None:
        """Ends the watch. To be called only when every motor is off: from then on the kernel does
        not kill a daemon that hangs.
        """


class Watcher(Protocol):
    """Receives every step after it reached the pins: traces, the live view, the flight recorder."""

    def step(self, event: Input, step: Step, now_ms: int) -> None: ...


class Watchdog(Protocol):
    def check(self, now_ms: int, is_moving: bool) -> Fault | RailOff | None:
        """The fault that is present now, or None. `RailOff`: the rail has no power, as it should.

        Called in every tick, so it must not wait.
        """


class Heartbeat(Protocol):
    def beat(self, now_ms: int, is_moving: bool) -> None:
        """Tells the motor gate or systemd that a tick is complete. Called after each tick."""


class Ledger(Protocol):
    def save(self, save: SaveLedger, done: Callable[[str], object]) -> None:
        """Begins to write the account, and does not wait for the disk.

        `done` is called on the loop, with an empty text or with the reason of a failure.
        """


# --- for the loop ------------------------------------------------------------------------------


class StartButton(Protocol):
    def read(self) -> Contacts:
        """The contact now, and its edges since the last call. Takes bounded time."""

    def press(self, is_down: bool) -> None:
        """Moves a simulated button. Raises `CallerError` if the button is real."""


class Source(Protocol):
    """A descriptor for which the loop waits: new clients, finished jobs, signals, edges."""

    def fileno(self) -> int: ...

    def ready(self) -> None:
        """Called by the loop when the descriptor is readable."""


class Link(Protocol):
    """Bytes to and from one client. Never blocks.

    A write that fails does not end a link. The client may have sent bytes that are not read yet,
    and a stop may be among them. Only the end of the received bytes ends a link.
    """

    connection: Connection
    ended: bool
    """True when all received bytes have been read and no more can arrive."""

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """The bytes received so far, up to a bounded number. Empty: none, or the end."""

    def write(self, data: bytes) -> int:
        """Returns how many bytes were taken. If nobody can read them any more: all."""

    def close(self) -> None:
        """Called once, after the link was removed from the clients."""


class Poller(Protocol):
    """The clock, and waiting for descriptors. Real in the daemon, virtual in the simulator.

    Both are one object, because a virtual clock advances by being waited for.
    """

    def now_ms(self) -> int:
        """Milliseconds since the daemon began. Never decreases."""

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        """Waits until `until_ms` at most, and returns the members of `readers` that are readable.

        Returns early if one of `writers` takes bytes. The caller passes the same object as
        `readers` while its members are the same, so that an implementation may keep what it derives
        from it.
        """

    def slept_ms(self) -> int:
        """How long the machine was suspended since the last call."""


class Peers(Protocol):
    """All clients of the daemon, as the loop uses them."""

    @property
    def writers(self) -> Collection[Link]:
        """The links with bytes that the client has not taken."""

    def readers(self) -> Collection[Link]:
        """The links to wait for."""

    def due_ms(self) -> int | None:
        """When the peers need a round even if nobody sends anything. None: never."""

    def receive(self, readable: Collection[Link], now_ms: int) -> None:
        """Reads these links. A stop acts here, before any request of any client is answered.

        `readable` may be empty: a client that leaves or a lease that is over needs a call, too.
        """

    def serve(self) -> None:
        """Answers some of the waiting requests, and sends."""

    def flush(self) -> None:
        """The daemon ends by an error: sends what can be sent at once. Must not raise."""


# --- for the clients -----------------------------------------------------------------------------


class Job(Source, Protocol):
    def give_up(self) -> None:
        """Ends the job if it still runs. The job then calls back with the reason."""


ReadProfiles = Callable[[Callable[[Catalogue | str], None]], Job]
"""Begins to read all profiles in another process. The callback gets them, or the
reason of a failure."""

# --- all of the hardware ----------------------------------------------------------------------


class Hardware(NamedTuple):
    """The hardware of a mat.

    `hardware.pi` makes a real one, `simulator.hardware` a simulated one.
    """

    motors: Motors
    button: StartButton | None = None
    sources: tuple[Source, ...] = ()
    """Descriptors that become readable when an edge or another event arrives."""
    watchers: tuple[Watcher, ...] = ()
    """The status LED."""
    watchdogs: tuple[Watchdog, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = ()
    """The motor gate, which cuts the motors' supply when the heartbeats end."""
