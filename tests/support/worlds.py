"""A small mat, a few profiles, and the two drivers that tests run them with.

`World` drives a session alone. `Bench` runs the daemon on virtual time, with clients in memory.
"""

from collections import deque
from collections.abc import Callable, Collection

from firmware_ctl.config.mat import ButtonPins, Mat, MatLimits, Motor, Zone
from firmware_ctl.config.patterns import Side
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.errors import AuthorError, CallerError, Mistake
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.allowance import UNSPENT, Spent
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Close,
    Fault,
    Input,
    LedgerSaved,
    Origin,
    Pause,
    Ready,
    SaveLedger,
    Start,
    State,
    Step,
    Wake,
)
from firmware_ctl.session.events import Contacts as Sensed
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, GoodEntry
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.supply import fit_to_supply
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon

MINUTE_MS = 60_000


def motor(name: str, zone: str, side: Side, pin: int, hold_pct: int = 20) -> Motor:
    return Motor(name, zone, side, pin, 40, hold_pct, 90, 0, 100, 150)


NECK = Zone("neck", True, 60, (motor("neck", "neck", "left", 17),))
BACK = Zone(
    "back", True, 100, (motor("left", "back", "left", 22), motor("right", "back", "right", 23))
)
LIMITS = MatLimits(15 * MINUTE_MS, 30 * MINUTE_MS, 80, 50)
MAT = Mat("Small mat", (NECK, BACK), 200, 1000, LIMITS, ButtonPins(5, 6), None, None, ())
"""Three motors: neck, left and right. At its rise of 50 %/s a level reaches 40 % after 0.8 s."""

SILENCE = (0, 0, 0)


def steady(target: str, level_pct: int) -> Play:
    return Play(target, "steady", Level(level_pct, level_pct))


def entry(name: str, *phases: Phase, mat: Mat = MAT) -> GoodEntry:
    profile = Profile(name, f"The {name} one", "", (), False, phases)
    timeline, budget = fit_to_supply(profile, mat, f"{name}.yaml")
    return GoodEntry(name, profile, timeline, budget)


BAD = BadEntry(
    "bad", error=AuthorError([Mistake("bad.yaml", 3, 7, "level: 140% is above the most, 100%")])
)
CALM = entry("calm", Phase("rest", 10 * MINUTE_MS, 1, (steady("all", 40),)))
QUICK = entry("quick", Phase("only", 4_000, 1, (steady("back", 40),)))
STEPS = entry(
    "steps",
    Phase("one", 2_000, 2, (steady("back.left", 20),)),
    Phase("hand", 6_000, 1, (steady("back", 40),), cue="KI3"),
    Phase("two", 2_000, 1, (steady("all", 10),)),
)
CATALOGUE = Catalogue((BAD, CALM, QUICK, STEPS))


class World:
    """A session that is called at each of its wake times. From 100 ms on, its button counts as released."""

    def __init__(
        self,
        catalogue: Catalogue = CATALOGUE,
        mat: Mat = MAT,
        speed: float = 1,
        spent: Spent = UNSPENT,
    ) -> None:
        self.session = Session(mat, catalogue, speed, spent)
        self.now_ms = 0
        self.disk_is_sound = True
        self.steps: list[tuple[int, Step]] = []
        self.session.handle(Ready(), 0)
        self.contact(0, Contact.RELEASED)
        self.at(100)

    def at(self, at_ms: int, event: Input | None = None) -> Step:
        """Makes every wake that is due before `at_ms`, each at its time, then passes the event."""
        while (wake_at_ms := self.steps[-1][1].wake_at_ms if self.steps else None) is not None:
            if wake_at_ms >= at_ms:
                break
            self._handle(max(wake_at_ms, self.now_ms), Wake())
        return self._handle(at_ms, event or Wake())

    def contact(self, at_ms: int, contact: Contact) -> Step:
        return self.at(at_ms, Sensed(contact))

    def press(self, at_ms: int, for_ms: int = 100) -> Step:
        """Presses and releases the button, and waits until the release is debounced."""
        self.contact(at_ms, Contact.PRESSED)
        self.contact(at_ms + for_ms, Contact.RELEASED)
        return self.at(at_ms + for_ms + 30)

    def notices(self, since_ms: int = 0) -> list[tuple[int, str, dict[str, str]]]:
        """All notices with their times, without the hash of the compiled session."""
        return [
            (at_ms, notice.kind, {k: v for k, v in notice.fields.items() if k != "cert"})
            for at_ms, step in self.steps
            if at_ms >= since_ms
            for notice in step.notices
        ]

    def levels(self, since_ms: int = 0) -> list[tuple[int, Levels]]:
        """Every change of the levels: when, and the levels from then on."""
        changes: list[tuple[int, Levels]] = []
        earlier: Levels = SILENCE
        for at_ms, step in self.steps:
            if step.level_pct != earlier and at_ms >= since_ms:
                if changes and changes[-1][0] == at_ms:
                    changes.pop()
                changes.append((at_ms, step.level_pct))
            earlier = step.level_pct
        return changes

    def _handle(self, at_ms: int, event: Input) -> Step:
        self.now_ms = at_ms
        step = self.session.handle(event, at_ms)
        if step.save is not None and (answer := self._save(step.save)) is not None:
            # The disk answers at once, so the world records both steps as a single step.
            saved = self.session.handle(answer, at_ms)
            notices = (*step.notices, *saved.notices)
            step = saved._replace(notices=notices, refusal=step.refusal, save=step.save)
        self.steps.append((at_ms, step))
        return step

    def _save(self, request: SaveLedger) -> Input | None:
        """The answer of the disk, which saves at once. None if the disk does not answer."""
        return LedgerSaved(request.number) if self.disk_is_sound else None


def world_in(state: State) -> World:
    """A world at 10 s that has been in the state since 5 s. A running or paused session plays `calm`."""
    world = World()
    if state in (State.RUNNING, State.PAUSED):
        world.at(5_000, Start())
    if state is State.PAUSED:
        world.at(5_000, Pause())
    if state is State.FAULT:
        world.at(5_000, Fault("rail", "the rail is off"))
    world.at(10_000)
    assert world.session.state is state
    return world


# --- the daemon ---------------------------------------------------------------------------------


class Wire:
    """A client in memory. The daemon reads its chunks one by one. It reads everything or nothing."""

    def __init__(self, origin: Origin = Origin.SOCKET) -> None:
        self.connection = Connection(origin)
        self.ended = False
        self.reads = True
        self.chunks: deque[bytes] = deque()
        self.heard = bytearray()

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        return self.chunks.popleft() if self.chunks else b""

    def write(self, data: bytes) -> int:
        if not self.reads:
            return 0
        self.heard += data
        return len(data)

    def close(self) -> None:
        pass

    def lines(self) -> list[str]:
        """The lines that were received since the last call."""
        text, self.heard = self.heard.decode("ascii"), bytearray()
        return text.split("\r\n")[:-1]


class Pins:
    """Records the duties that are written, with their times."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.written: list[tuple[int, Levels]] = []

    def apply(self, duty_pct: Levels) -> None:
        self.written.append((self._now_ms(), duty_pct))

    def all_low(self) -> list[str]:
        self.apply(SILENCE)
        return []

    @property
    def are_low(self) -> bool:
        return not self.written or not any(self.written[-1][1])


class Finger:
    """The simulated start button."""

    def __init__(self) -> None:
        self.contact = Contact.RELEASED

    def read(self) -> Sensed:
        return Sensed(self.contact)

    def press(self, is_down: bool) -> None:
        self.contact = Contact.PRESSED if is_down else Contact.RELEASED


class RealButton(Finger):
    """A button that no request can press."""

    def press(self, is_down: bool) -> None:
        raise CallerError("not-here", "the start button of this mat is a real one")


class WirePoller(VirtualPoller):
    """A `VirtualPoller` that returns wires with unread bytes at once."""

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        readable = [
            reader
            for reader in readers
            if isinstance(reader, Wire) and (reader.chunks or reader.ended)
        ]
        return readable or super().wait(until_ms, readers, writers)


class Bench:
    """A daemon with two clients, the first on a serial port. Schedule calls with `at` and bytes with `send`, then call `run`."""

    def __init__(self, button: Finger | None = None) -> None:
        mat = MAT._replace(limits=LIMITS._replace(daily_ms=12 * MINUTE_MS))
        self.poller = WirePoller()
        self.pins = Pins(self.poller.now_ms)
        self.finger = button or Finger()
        self.session = Session(mat, CATALOGUE)
        self.log_lines: list[str] = []
        self.reloads: deque[Catalogue | str] = deque()
        self.reload_ms = 5
        self.daemon = Daemon(
            self.session,
            self.poller,
            Latch(mat, self.pins, NoDeadman()),
            self.finger,
            NoLedger(),
            self._reload,
            self.log_lines.append,
        )
        self.wires = (Wire(Origin.SERIAL), Wire())
        for wire in self.wires:
            self.daemon.join(wire)

    def at(self, at_ms: int, call: Callable[[Daemon], object]) -> None:
        self.poller.at(at_ms, lambda: call(self.daemon))

    def send(self, at_ms: int, *chunks: bytes, wire: int = 0) -> None:
        self.at(at_ms, lambda _: self.wires[wire].chunks.extend(chunks))

    def run(self, until_ms: int) -> None:
        self.at(until_ms, lambda daemon: daemon.step(Close()))
        self.daemon.run()

    def _reload(self, done: Callable[[Catalogue | str], None]) -> "Job":
        result = self.reloads.popleft() if self.reloads else CATALOGUE
        self.at(self.poller.now_ms() + self.reload_ms, lambda _: done(result))
        return Job()


class Job:
    """A reload that posts its own result. Implements `Job` of the daemon."""

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        pass

    def give_up(self) -> None:
        pass
