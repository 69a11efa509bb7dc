"""A year of one mat on virtual time: daily sessions with presses, commands, faults and power cuts.

The year consists of lives: a life begins with a boot and ends with a power cut. An independent count
of the running time is compared with the ledger after each session and at each boot.
"""

import gc
import random
from collections import Counter
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware_ctl.config import shipped
from firmware_ctl.daemon.interfaces import Link, ReadProfiles, Source
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.loop import IDLE_SAMPLE_MS
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.limits import DAY_MS, HOUR_MS, SLICE_MS
from firmware_ctl.session.events import (
    Fault,
    FaultCleared,
    Input,
    State,
    Step,
    Suspended,
)
from firmware_ctl.session.session import Session
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.flight_recorder import FlightRecorder, Shelf
from firmware_ctl.storage.ledger import Files, Ledger
from firmware_ctl.storage.ring import Ring
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.daemon import Daemon
from tests.support.worlds import Finger, Job, Wire, WirePoller
from tests.support.worlds_disk import AtOnce

MAT = load_mat(shipped.mat_file())
CATALOGUE = read_catalogue([shipped.profiles_dir()], MAT)
MINUTE_MS = 60_000
FIRST_BOOT_WALL_MS = 1_700_000_000_000
REQUESTS = (
    *("start", "start neck", "start full-body", "start hips", "stop", "pause", "resume", "status"),
    *("trim 40", "trim 100", "select first-time", "reload", "profiles", "limits", "clear", "!"),
    *("try hips wave 30 period=3", "nonsense", "start nobody", "events on", "explain", "caps", "?"),
    *("lease 5", "lease 0", "press", "help"),
)


class SoakError(Exception):
    """Something leaks, drifts or is counted wrong."""


class PowerCutError(BaseException):
    """Ends a life: the process is gone, and so is everything that was not synced to the disk."""


class IdleSkippingPoller(WirePoller):
    """Skips the ticks of an idle mat, in which nothing happens, so that a year takes a minute."""

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        if until_ms - self.now_ms() == IDLE_SAMPLE_MS and self._script:
            until_ms = max(until_ms, self._script[0][0])
        return super().wait(until_ms, readers, writers)


class PowerCutFiles(Files):
    """Real files on a disk that may lose its power at any call."""

    def __init__(self) -> None:
        self.calls_until_cut: int | None = None
        """How many more calls succeed before the power fails. None: all."""

    def _call(self) -> None:
        if self.calls_until_cut is not None:
            self.calls_until_cut -= 1
            if self.calls_until_cut < 0:
                raise PowerCutError

    def create(self, path: str) -> int:
        self._call()
        return super().create(path)

    def write(self, fd: int, data: bytes) -> int:
        self._call()
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._call()

    def move(self, source: str, target: str) -> None:
        self._call()
        super().move(source, target)

    def sync_folder(self, path: str) -> None:
        self._call()


class DelayedDisk:
    """A disk thread on virtual time: each job runs 1 to 29 ms after it was submitted."""

    def __init__(self, poller: IdleSkippingPoller, rng: random.Random) -> None:
        self._poller = poller
        self._rng = rng

    def submit(self, job: Callable[[], object]) -> None:
        self._poller.at(self._poller.now_ms() + self._rng.randrange(1, 30), job)


class LastDuties:
    """Motors that keep only the last duties: a record of a year would grow as a leak does."""

    def __init__(self) -> None:
        self.duty_pct: Levels = ()

    def apply(self, duty_pct: Levels) -> None:
        self.duty_pct = duty_pct

    def all_low(self) -> list[str]:
        self.duty_pct = ()
        return []


class RunningTimeCount:
    """A watcher that counts the day's running time from the session's states alone."""

    def __init__(self) -> None:
        self.used_ms = 0
        self.day_began_at_ms: int | None = None
        """Since the first boot, as `boot_at_ms`."""
        self.session_ms = 0
        """Running time of the current or the last session."""
        self.ended_ms: list[int] = []
        """Running time of each session that has ended, in order."""
        self.boot_at_ms = 0
        """When the session's clock was at 0. A suspend stops that clock, so it adds to this time."""
        self._last_step: tuple[int, State] = (0, State.IDLE)
        """Time and state."""
        self._duty_pct: Levels = ()
        self.duties_hash = sha256()
        """Of every change of the duties in the session, with its time."""

    def boot(self) -> None:
        self._last_step = (self.boot_at_ms, State.IDLE)
        self._duty_pct = ()

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        last_at_ms, last_state = self._last_step
        now_ms += self.boot_at_ms
        if last_state is State.RUNNING:
            self.session_ms += now_ms - last_at_ms
            self.used_ms += now_ms - last_at_ms
        was_on = last_state in (State.RUNNING, State.PAUSED)
        is_on = step.status.state in (State.RUNNING, State.PAUSED)
        if is_on and not was_on:
            day_is_over = self.day_began_at_ms is None or now_ms - self.day_began_at_ms >= DAY_MS
            if self.used_ms == 0 or day_is_over:
                self.used_ms, self.day_began_at_ms = 0, now_ms
            self.session_ms = 0
            self.duties_hash = sha256()
        if step.duty_pct != self._duty_pct:
            self._duty_pct = step.duty_pct
            self.duties_hash.update(repr((self.session_ms, step.duty_pct)).encode())
        if was_on and not is_on:
            self.ended_ms.append(self.session_ms)
        if isinstance(event, Suspended):
            self.boot_at_ms += event.for_ms
            now_ms += event.for_ms
        self._last_step = now_ms, step.status.state

    def is_within_day(self, now_ms: int) -> bool:
        """`now_ms`: since the last boot, on the session's clock."""
        began_at_ms = self.day_began_at_ms
        return began_at_ms is not None and self.boot_at_ms + now_ms - began_at_ms < DAY_MS


class Year:
    """The lives of one mat, one after another, and what must hold in all of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.count = RunningTimeCount()
        self.totals: Counter[str] = Counter()
        self.duties_hashes: dict[str, set[str]] = {}
        """Profile → hashes of the duties in its undisturbed sessions."""
        self.boots = 0
        self._compared = 0
        self._session: Session | None = None
        """The session object of the current life."""

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """After each session the ledger must equal the count, to the millisecond."""
        if len(self.count.ended_ms) == self._compared:
            return
        self._compared = len(self.count.ended_ms)
        self.totals["sessions"] += 1
        if self._session is not None and self.count.is_within_day(now_ms):
            if (used_ms := self._session.used_ms(now_ms)) != self.count.used_ms:
                raise SoakError(
                    f"the ledger has {used_ms} ms of running time, the count {self.count.used_ms} ms"
                )
            self.totals["accounts compared"] += 1

    def live(self, days: int) -> int:
        """Plays one life of at most `days` days. Returns its end in ms since the first boot."""
        rng = self.rng
        self.boots += 1
        poller = IdleSkippingPoller()
        files = PowerCutFiles()
        disk = DelayedDisk(poller, rng)
        boot_at_ms = self.count.boot_at_ms

        def clock() -> Clock:
            at_ms = self.count.boot_at_ms + poller.now_ms()
            return Clock(str(self.boots), at_ms - boot_at_ms, FIRST_BOOT_WALL_MS + at_ms)

        def post(call: Callable[[], object]) -> None:
            poller.at(poller.now_ms(), call)

        ledger = Ledger(str(self.folder), disk, post, clock, files)  # type: ignore[arg-type]
        self._compare_at_boot(ledger)
        self.count.boot()
        self._session = session = Session(MAT, CATALOGUE, 1.0, ledger.spent)
        shelf = Shelf(str(self.folder), disk, lambda line: None)  # type: ignore[arg-type]
        # The ring has a disk without delays. `DelayedDisk` would draw them from `rng`, and then the
        # size of the record would change what happens on the following days.
        ring = Ring(str(self.folder / "ring"), AtOnce(), lambda line: None)  # type: ignore[arg-type]
        recorder = FlightRecorder(session, ring, shelf)
        button = Finger()
        daemon = Daemon(
            session,
            poller,
            Latch(MAT, LastDuties(), NoDeadman()),
            button,
            ledger,
            _profile_reader(poller),
            lambda line: None,
            [self.count, self, recorder],
            [TickLate()],
        )
        clients = (Wire(), Wire())
        for client in clients:
            daemon.join(client)
        for day in range(days):
            self._script_day(day * DAY_MS, poller, daemon, button, clients)
        cut_at_ms = days * DAY_MS - rng.randrange(1, DAY_MS // 2)
        if rng.random() < 0.5:
            # During a session, at any of the file calls with which its start is saved.
            poller.at(cut_at_ms - MINUTE_MS, lambda: clients[0].chunks.append(b"stop\nclear\n"))
            poller.at(cut_at_ms - 500, lambda: clients[0].chunks.append(b"start neck\n"))
            calls = rng.randrange(12)
            poller.at(cut_at_ms - 400, lambda: setattr(files, "calls_until_cut", calls))
            cut_at_ms += rng.randrange(3 * MINUTE_MS)
        poller.at(cut_at_ms, _cut_power)
        try:
            daemon.run()
        except PowerCutError:
            pass
        else:
            raise SoakError("the daemon ended by itself")
        ring.close()
        # Ends the count of a session that the power cut has ended. No watcher saw that end.
        last_step = Step((), (), (), None, session.status)
        self.count.step(FaultCleared("power"), last_step, poller.now_ms())
        self.totals["power cuts"] += 1
        self.count.boot_at_ms += poller.now_ms() + rng.randrange(1_000, 3 * HOUR_MS)
        return self.count.boot_at_ms

    def _compare_at_boot(self, ledger: Ledger) -> None:
        """After a power cut the ledger may count up to one slice too much, and never too little."""
        spent, count = ledger.spent, self.count
        if spent.damage:
            raise SoakError(f"a power cut damaged the ledger: {spent.damage}")
        if count.is_within_day(0):
            excess_ms = spent.used_ms - count.used_ms
            if not 0 <= excess_ms <= SLICE_MS:
                raise SoakError(
                    f"after a power cut the ledger has {excess_ms} ms more than the count; "
                    f"0 to {SLICE_MS} ms are allowed"
                )
            self.totals["ms lost to power cuts"] += excess_ms
        count.used_ms = spent.used_ms

    def _script_day(
        self,
        from_ms: int,
        poller: IdleSkippingPoller,
        daemon: Daemon,
        button: Finger,
        clients: tuple[Wire, Wire],
    ) -> None:
        """An undisturbed session in the morning; in the evening presses, requests, faults, suspends."""
        rng = self.rng
        morning_ms = from_ms + 6 * HOUR_MS + rng.randrange(MINUTE_MS)
        name = rng.choice([entry.name for entry in CATALOGUE.entries])
        requests = f"stop\nclear\ntrim 100\nlease 0\nselect {name}\n".encode()
        poller.at(morning_ms, lambda: clients[0].chunks.append(requests))
        poller.at(morning_ms + 5_000, lambda: clients[0].chunks.append(b"start\n"))
        poller.at(morning_ms + 16 * MINUTE_MS, lambda: self._note_undisturbed_session(name))
        at_ms = from_ms + 18 * HOUR_MS
        for _ in range(rng.randrange(12)):
            at_ms += int(rng.expovariate(1 / 40_000)) + 20
            kind = rng.random()
            if kind < 0.35:
                for_ms = rng.choice([5, 80, 300, 1_000, 3_500])
                poller.at(at_ms, lambda: _press(daemon, button, True))
                poller.at(at_ms + for_ms, lambda: _press(daemon, button, False))
                self.totals["presses"] += 1
            elif kind < 0.9:
                request = rng.choice(REQUESTS).encode() + b"\n"
                client = rng.choice(clients)
                poller.at(
                    at_ms, lambda client=client, request=request: client.chunks.append(request)
                )
                self.totals["commands"] += 1
            elif kind < 0.97:
                poller.at(at_ms, lambda: daemon.step(Fault("rail", "a fault")))
                self.totals["faults"] += 1
            else:
                suspended_ms = rng.randrange(3_000, HOUR_MS)
                poller.at(
                    at_ms, lambda suspended_ms=suspended_ms: daemon.step(Suspended(suspended_ms))
                )
                self.totals["suspends"] += 1
        poller.at(at_ms + 40 * MINUTE_MS, lambda: self._end_day(clients))

    def _note_undisturbed_session(self, name: str) -> None:
        entry = CATALOGUE.valid(name)
        if self.count.ended_ms and self.count.ended_ms[-1] == entry.timeline.end_ms:
            hashes = self.duties_hashes.setdefault(name, set())
            hashes.add(self.count.duties_hash.hexdigest())
            self.totals["whole sessions"] += 1
        self.count.ended_ms.clear()
        self._compared = 0

    def _end_day(self, clients: tuple[Wire, Wire]) -> None:
        self.totals["days"] += 1
        for client in clients:
            client.heard.clear()


def _press(daemon: Daemon, button: Finger, is_down: bool) -> None:
    button.press(is_down)
    daemon.sample()


def _cut_power() -> None:
    raise PowerCutError


def _profile_reader(poller: IdleSkippingPoller) -> ReadProfiles:
    """Answers each reload after 50 ms with the same profiles."""

    def read(done: Callable[[Catalogue | str], None]) -> Job:
        poller.at(poller.now_ms() + 50, lambda: done(CATALOGUE))
        return Job()

    return read


def play_year(days: int, seed: int) -> None:
    """Raises SoakError if the ledger is wrong, duties change from day to day, or memory grows."""
    sizes: list[tuple[int, int, int]] = []
    """After each life: the day, the number of Python objects, resident memory in KiB."""
    with TemporaryDirectory() as folder:
        year = Year(Path(folder), seed)
        now_ms = 0
        while now_ms < days * DAY_MS:
            days_left = days - now_ms // DAY_MS
            now_ms = year.live(min(year.rng.randrange(1, 15), days_left))
            gc.collect()
            sizes.append((now_ms // DAY_MS, len(gc.get_objects()), _resident_kib()))
            if len(sizes) % 4 == 0:
                day, objects, kib = sizes[-1]
                print(f"day {day}: {objects} objects, {kib} KiB", flush=True)
    print(", ".join(f"{count} {what}" for what, count in year.totals.items()))
    changed = [name for name, hashes in year.duties_hashes.items() if len(hashes) != 1]
    if changed:
        raise SoakError(f"the duties of a profile differ from day to day: {', '.join(changed)}")
    early, late = sizes[len(sizes) // 4], sizes[-1]
    print(
        f"from day {early[0]} to day {late[0]}: {early[1]} to {late[1]} objects, "
        f"{early[2]} to {late[2]} KiB of memory"
    )
    if len(sizes) >= 8 and (late[1] > early[1] * 1.02 or late[2] > early[2] * 1.05):
        raise SoakError("memory grows: by more than 2 % in objects or 5 % in KiB")


def _resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
