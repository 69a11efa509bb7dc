"""A daemon of fakes on virtual time, for the tests of loop, clients and requests."""

from collections.abc import Callable

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase
from firmware_ctl.daemon.interfaces import Job
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.button import Contact, spells_of
from firmware_ctl.session.events import (
    Close,
    Contacts,
    Input,
    State,
    Step,
)
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.worlds_timeline import (
    make_mat,
    phase,
    play,
    profile,
    unrepeated,
)

SHIPPED_MAT = load_mat(shipped.mat_file())

SHIPPED = read_catalogue([shipped.profiles_dir()], SHIPPED_MAT)

MAT = make_mat(rise_pct_s=50, button=True)

OFF = (0,) * 6


def entry(name: str, *phases: Phase) -> GoodEntry:
    played = profile(*phases)._replace(name=name)
    return GoodEntry(name, played, compile_profile(played, MAT))


CATALOGUE = Catalogue(
    (
        entry("alpha", phase(1_000, play("all", "steady", 2))),
        entry("beta", phase(60_000, play("neck", "steady", 50))),
    )
)


class Motors:
    """Motors that record every write with its time."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.writes: list[tuple[int, Levels]] = []
        self.lows_at_ms: list[int] = []
        self.fails = False

    def apply(self, duty_pct: Levels) -> None:
        if self.fails:
            raise OSError(5, "Input/output error")
        self.writes.append((self._now_ms(), duty_pct))

    def all_low(self) -> list[str]:
        self.lows_at_ms.append(self._now_ms())
        return ["motor left on GPIO 22 cannot be driven low"] if self.fails else []


class Finger:
    """A button whose edges are lost unless a test puts them in `edges`. It never wakes the loop."""

    def __init__(self) -> None:
        self.contact = Contact.RELEASED
        self.edges: list[tuple[int, Contact]] = []
        self.reads = 0

    def read(self) -> Contacts:
        self.reads += 1
        edges, self.edges = self.edges, []
        return Contacts(self.contact, spells_of(edges))

    def press(self, is_down: bool) -> None:
        self.contact = Contact.PRESSED if is_down else Contact.RELEASED


class Wire:
    """A link in memory. `receive` gives it bytes; `answers` are the lines that it got back."""

    def __init__(self, daemon: Daemon) -> None:
        self.connection = Connection()
        self.ended = False
        self.closed = 0
        self._received = b""
        self._sent = b""
        self.takes = 1 << 20
        self._daemon = daemon
        daemon.join(self)

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        received, self._received = self._received, b""
        self.ended = not received
        return received

    def write(self, data: bytes) -> int:
        self._sent += data[: self.takes]
        return len(data[: self.takes])

    def close(self) -> None:
        self.closed += 1

    def receive(self, data: bytes) -> None:
        """Makes the link readable, while the loop waits."""
        self._received = data
        self._daemon.clients.receive([self], self._daemon.now_ms())

    @property
    def answers(self) -> list[str]:
        return self._sent.decode().splitlines()


class World:
    """A daemon of fakes. `at` plans an action; `run` plays until `until_ms`."""

    def __init__(
        self,
        catalogue: Catalogue = CATALOGUE,
        mat: Mat = MAT,
        poller: VirtualPoller | None = None,
        finger: bool = True,
    ) -> None:
        self.poller = poller or VirtualPoller()
        self.motors = Motors(self.poller.now_ms)
        self.finger = Finger()
        self.log: list[str] = []
        self.rows: list[tuple[int, State, Levels, Levels]] = []
        self.readers: list[FakeReader] = []
        self.session = Session(mat, catalogue)
        self.latch = Latch(mat, self.motors, NoDeadman())
        self.daemon = Daemon(
            self.session,
            self.poller,
            self.latch,
            self.finger if finger else None,
            NoLedger(),
            self.read_profiles,
            self.log.append,
            [self],
        )

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """Records every step with the time since the start, as a trace does."""
        at_ms = step.status.clock.since_start_ms(now_ms)
        self.rows.append((at_ms, step.status.state, step.level_pct, step.duty_pct))

    def read_profiles(self, done: Callable[[Catalogue | str], None]) -> Job:
        self.readers.append(FakeReader(done))
        return self.readers[-1]

    def at(self, at_ms: int, do: Callable[[Daemon], object]) -> None:
        self.poller.at(at_ms, lambda: do(self.daemon))

    def run(self, until_ms: int) -> None:
        self.at(until_ms, lambda daemon: daemon.step(Close()))
        self.daemon.run()

    def played(self) -> list[tuple[int, tuple[Levels, Levels]]]:
        """The changes of levels and duties while it ran, with the time since the start."""
        running = [row for row in self.rows if row[1] is State.RUNNING]
        return unrepeated([(at_ms, (levels, duties)) for at_ms, _, levels, duties in running])

    def offs_at_ms(self) -> list[int]:
        """When all motors went off, apart from the begin."""
        return [at_ms for at_ms, duties in self.motors.writes if not any(duties)]


class FakeReader:
    def __init__(self, done: Callable[[Catalogue | str], None]) -> None:
        self.done = done

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        raise AssertionError

    def give_up(self) -> None:
        self.done("reading took too long")
