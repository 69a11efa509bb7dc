"""The long runs, once and by hand: a year on the virtual clock, and minutes at full load.

`python -m tests.bench.soak year [--days N] [--seed N]` plays daily sessions with random presses,
commands, faults and power cuts; the ledger is held against a count of its own.
`python -m tests.bench.soak load [--minutes N] [--burners N]` plays the real process against clients that flood.
Exit 1, and a sentence, when something leaks, drifts or is counted wrong.
"""

import argparse
import gc
import random
import sys
import threading
import time
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
from firmware_ctl.errors import DeviceError
from firmware_ctl.limits import DAY_MS, SLICE_MS
from firmware_ctl.session.events import (
    Fault,
    FaultCleared,
    Input,
    State,
    Step,
    Suspended,
)
from firmware_ctl.session.session import Session
from firmware_ctl.storage.flight_recorder import Recorder, Shelf
from firmware_ctl.storage.ledger import Clock, Files, Ledger
from firmware_ctl.storage.ring import Ring
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.motor_drive import Levels
from tests.bench.measure import SIZES
from tests.bench.rig import busy_processors
from tests.bench.talking import flood
from tests.support.daemon import Daemon
from tests.support.process import Client, Mock
from tests.support.worlds import Finger, Job, Wire, WirePoller
from tests.support.worlds_disk import AtOnce

MAT = load_mat(shipped.mat_file())
ALL = read_catalogue([shipped.profiles_dir()], MAT)
MINUTE_MS = 60_000
LINES = (
    *("start", "start neck", "start full-body", "start hips", "stop", "pause", "resume", "status"),
    *("trim 40", "trim 100", "select first-time", "reload", "profiles", "limits", "clear", "!"),
    *("try hips wave 30 period=3", "nonsense", "start nobody", "events on", "explain", "caps", "?"),
    *("lease 5", "lease 0", "press", "help"),
)


class PowerCutError(BaseException):
    """Nothing of the process is left, and of the disk what had been synced."""


class QuietInbox(WirePoller):
    """Jumps over the samples of an idle mat, in which nothing happens."""

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        if until_ms - self.now_ms() == IDLE_SAMPLE_MS and self._script:
            until_ms = max(until_ms, self._script[0][0])
        return super().wait(until_ms, readers, writers)


class CutFiles(Files):
    """A disk that may lose its power at any call. What is not synced is then gone."""

    def __init__(self) -> None:
        self.cut_in: int | None = None
        """So many calls from now."""

    def _call(self) -> None:
        if self.cut_in is not None:
            self.cut_in -= 1
            if self.cut_in < 0:
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


class NowDisk:
    """The disk's thread without a thread: each job is done some milliseconds later."""

    def __init__(self, poller: QuietInbox, chance: random.Random) -> None:
        self._poller = poller
        self._chance = chance

    def submit(self, job: Callable[[], object]) -> None:
        self._poller.at(self._poller.now_ms() + self._chance.randrange(1, 30), job)


class Pins:
    """Remembers nothing but the last duties."""

    def __init__(self) -> None:
        self.duty_pct: Levels = ()

    def apply(self, duty_pct: Levels) -> None:
        self.duty_pct = duty_pct

    def all_low(self) -> list[str]:
        self.duty_pct = ()
        return []


class Count:
    """Running time of the day, counted from the states alone."""

    def __init__(self) -> None:
        self.used_ms = 0
        self.day_began_at_ms: int | None = None
        self.session_ms = 0
        self.ended: list[int] = []
        """Running time of each session that has ended, in order."""
        self.boot_at_ms = 0
        """When the session's clock, which stands still in a suspend, was at 0."""
        self._before: tuple[int, State] = (0, State.IDLE)
        self._duties: Levels = ()
        self.course = sha256()
        """Of every change of the duties in the session, with its time."""

    def boot(self) -> None:
        self._before = (self.boot_at_ms, State.IDLE)
        self._duties = ()

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        at_ms, before = self._before
        now_ms += self.boot_at_ms
        if before is State.RUNNING:
            self.session_ms += now_ms - at_ms
            self.used_ms += now_ms - at_ms
        was_on = before in (State.RUNNING, State.PAUSED)
        is_on = step.status.state in (State.RUNNING, State.PAUSED)
        if is_on and not was_on:
            day_is_over = self.day_began_at_ms is None or now_ms - self.day_began_at_ms >= DAY_MS
            if self.used_ms == 0 or day_is_over:
                self.used_ms, self.day_began_at_ms = 0, now_ms
            self.session_ms = 0
            self.course = sha256()
        if step.duty_pct != self._duties:
            self._duties = step.duty_pct
            self.course.update(repr((self.session_ms, step.duty_pct)).encode())
        if was_on and not is_on:
            self.ended.append(self.session_ms)
        if isinstance(event, Suspended):
            self.boot_at_ms += event.for_ms
            now_ms += event.for_ms
        self._before = now_ms, step.status.state

    def is_within_day(self, now_ms: int) -> bool:
        began = self.day_began_at_ms
        return began is not None and self.boot_at_ms + now_ms - began < DAY_MS


class Year:
    """One life after another of the same mat, each from a boot to a power cut."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.count = Count()
        self.done: Counter[str] = Counter()
        self.courses: dict[str, set[str]] = {}
        """Of undisturbed sessions: what their duties were, by profile."""
        self.boots = 0
        self._compared = 0
        self._session: Session | None = None
        """The one of this life."""

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """After each session the account is the count, to the millisecond."""
        if len(self.count.ended) == self._compared:
            return
        self._compared = len(self.count.ended)
        self.done["sessions"] += 1
        if self._session is not None and self.count.is_within_day(now_ms):
            if (used_ms := self._session.used_ms(now_ms)) != self.count.used_ms:
                raise Wrong(f"the ledger says {used_ms} ms, the count {self.count.used_ms} ms")
            self.done["accounts compared"] += 1

    def live(self, days: int) -> int:
        """From a boot to a power cut some days later; the time then, since the first boot."""
        chance = self.chance
        self.boots += 1
        poller = QuietInbox()
        files = CutFiles()
        disk = NowDisk(poller, chance)
        began_at_ms = self.count.boot_at_ms

        def clock() -> Clock:
            at_ms = self.count.boot_at_ms + poller.now_ms()
            return Clock(str(self.boots), at_ms - began_at_ms, 1_700_000_000_000 + at_ms)

        def post(call: Callable[[], object]) -> None:
            poller.at(poller.now_ms(), call)

        ledger = Ledger(str(self.folder), disk, post, clock, files)  # type: ignore[arg-type]
        self._compare(ledger)
        self.count.boot()
        self._session = session = Session(MAT, ALL, 1.0, ledger.spent)
        shelf = Shelf(str(self.folder), disk, lambda line: None)  # type: ignore[arg-type]
        # Its disk writes at once: the other's delays are drawn from the same chance as the days.
        ring = Ring(str(self.folder / "ring"), AtOnce(), lambda line: None)  # type: ignore[arg-type]
        recorder = Recorder(session, ring, shelf)
        finger = Finger()
        pins = Pins()
        daemon = Daemon(
            session,
            poller,
            Latch(MAT, pins, NoDeadman()),
            finger,
            ledger,
            _reading(poller),
            lambda line: None,
            [self.count, self, recorder],
            [TickLate()],
        )
        wires = (Wire(), Wire())
        for wire in wires:
            daemon.join(wire)
        for day in range(days):
            self._script(day * DAY_MS, poller, daemon, finger, wires)
        cut_at_ms = days * DAY_MS - chance.randrange(1, DAY_MS // 2)
        if chance.random() < 0.5:  # in the middle of a session, at some call of a save
            poller.at(cut_at_ms - MINUTE_MS, lambda: wires[0].chunks.append(b"stop\nclear\n"))
            poller.at(cut_at_ms - 500, lambda: wires[0].chunks.append(b"start neck\n"))
            calls = chance.randrange(12)
            poller.at(cut_at_ms - 400, lambda: setattr(files, "cut_in", calls))
            cut_at_ms += chance.randrange(3 * MINUTE_MS)
        poller.at(cut_at_ms, _cut)
        try:
            daemon.run()
        except PowerCutError:
            pass
        else:
            raise Wrong("the daemon ended by itself")
        ring.close()
        # What ended with the power is no end that anyone saw.
        last = Step((), (), (), None, session.status)
        self.count.step(FaultCleared("power"), last, poller.now_ms())
        self.done["power cuts"] += 1
        self.count.boot_at_ms += poller.now_ms() + chance.randrange(1_000, 3 * 3_600_000)
        return self.count.boot_at_ms

    def _compare(self, ledger: Ledger) -> None:
        """After a cut the ledger may count a slice too much and never anything too little."""
        spent, count = ledger.spent, self.count
        if spent.damage:
            raise Wrong(f"a power cut damaged the ledger: {spent.damage}")
        if count.is_within_day(0):
            over_ms = spent.used_ms - count.used_ms
            if not 0 <= over_ms <= SLICE_MS:
                raise Wrong(f"after a power cut the ledger is {over_ms} ms from the count")
            self.done["ms lost to power cuts"] += over_ms
        count.used_ms = spent.used_ms

    def _script(
        self,
        from_ms: int,
        poller: QuietInbox,
        daemon: Daemon,
        finger: Finger,
        wires: tuple[Wire, Wire],
    ) -> None:
        """A day: a whole session that nobody disturbs, and an evening in which all kinds happen."""
        chance = self.chance
        morning_ms = from_ms + 6 * 3_600_000 + chance.randrange(MINUTE_MS)
        name = chance.choice([entry.name for entry in ALL.entries])
        commands = f"stop\nclear\ntrim 100\nlease 0\nselect {name}\n".encode()
        poller.at(morning_ms, lambda: wires[0].chunks.append(commands))
        poller.at(morning_ms + 5_000, lambda: wires[0].chunks.append(b"start\n"))
        poller.at(morning_ms + 16 * MINUTE_MS, lambda: self._undisturbed(name))
        at_ms = from_ms + 18 * 3_600_000
        for _ in range(chance.randrange(12)):
            at_ms += int(chance.expovariate(1 / 40_000)) + 20
            what = chance.random()
            if what < 0.35:
                for_ms = chance.choice([5, 80, 300, 1_000, 3_500])
                poller.at(at_ms, lambda: _press(daemon, finger, True))
                poller.at(at_ms + for_ms, lambda: _press(daemon, finger, False))
                self.done["presses"] += 1
            elif what < 0.9:
                line = chance.choice(LINES).encode() + b"\n"
                wire = chance.choice(wires)
                poller.at(at_ms, lambda wire=wire, line=line: wire.chunks.append(line))
                self.done["commands"] += 1
            elif what < 0.97:
                poller.at(at_ms, lambda: daemon.step(Fault("rail", "a fault")))
                self.done["faults"] += 1
            else:
                slept_ms = chance.randrange(3_000, 3_600_000)
                poller.at(at_ms, lambda slept_ms=slept_ms: daemon.step(Suspended(slept_ms)))
                self.done["suspends"] += 1
        poller.at(at_ms + 40 * MINUTE_MS, lambda: self._tidy(wires))

    def _undisturbed(self, name: str) -> None:
        entry = ALL.valid(name)
        if self.count.ended and self.count.ended[-1] == entry.timeline.end_ms:
            self.courses.setdefault(name, set()).add(self.count.course.hexdigest())
            self.done["whole sessions"] += 1
        self.count.ended.clear()
        self._compared = 0

    def _tidy(self, wires: tuple[Wire, Wire]) -> None:
        self.done["days"] += 1
        for wire in wires:
            wire.heard.clear()


def _press(daemon: Daemon, finger: Finger, is_down: bool) -> None:
    finger.press(is_down)
    daemon.sample()


def _cut() -> None:
    raise PowerCutError


def _reading(poller: QuietInbox) -> ReadProfiles:
    def read(done: Callable[[Catalogue | str], None]) -> Job:
        poller.at(poller.now_ms() + 50, lambda: done(ALL))
        return Job()

    return read


class Wrong(Exception):  # noqa: N818, it is a verdict
    """What the soak was looking for."""


def year(days: int, seed: int) -> None:
    sizes: list[tuple[int, int, int]] = []
    with TemporaryDirectory() as folder:
        life = Year(Path(folder), seed)
        now_ms = 0
        while now_ms < days * DAY_MS:
            left = days - now_ms // DAY_MS
            now_ms = life.live(min(life.chance.randrange(1, 15), left))
            gc.collect()
            sizes.append((now_ms // DAY_MS, len(gc.get_objects()), _rss_kib()))
            if len(sizes) % 4 == 0:
                day, objects, kib = sizes[-1]
                print(f"day {day}: {objects} objects, {kib} KiB", flush=True)
    print(", ".join(f"{count} {what}" for what, count in life.done.items()))
    moved = [name for name, courses in life.courses.items() if len(courses) != 1]
    if moved:
        raise Wrong(f"not the same duties every day: {', '.join(moved)}")
    early, late = sizes[len(sizes) // 4], sizes[-1]
    print(
        f"objects from day {early[0]} to {late[0]}: {early[1]} to {late[1]}; "
        f"memory: {early[2]} to {late[2]} KiB"
    )
    if len(sizes) >= 8 and (late[1] > early[1] * 1.02 or late[2] > early[2] * 1.05):
        raise Wrong("memory grows")


def _rss_kib(process: int | str = "self") -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


PROFILE = """\
title: Full load
phases:
  - name: all
    for: 15min
    play:
      lower_back: {pattern: breathe, level: 60%, in: 1500ms, out: 1500ms}
      neck: {pattern: wave, level: 60%, period: 3s}
      hips: {pattern: wave, level: 70%, period: 2s}
"""


def load(minutes: float, burners: int) -> None:
    """Two clients flood the control socket, processors are busy, and a session plays on."""
    over = threading.Event()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "profiles").mkdir()
        (home / "profiles" / "load.yaml").write_text(PROFILE)
        with Mock(home, speed=1) as mock, Client(mock.port) as client, busy_processors(burners):
            client.start("load")
            began_s = time.monotonic()
            floods = [
                threading.Thread(target=flood, args=(mock.socket, over), daemon=True)
                for _ in range(2)
            ]
            for thread in floods:
                thread.start()
            sizes, behind_ms, took_ms = [], [], []
            while (for_s := time.monotonic() - began_s) < minutes * 60:
                asked_s = time.monotonic()
                status = client.status()
                took_ms.append((time.monotonic() - asked_s) * 1000)
                if status["state"] != "running":
                    raise Wrong(f"the session ended after {for_s:.0f} s: {status}")
                # The answer tells of an instant between the question and now.
                behind_ms.append((time.monotonic() - began_s - float(status["t"])) * 1000)
                sizes.append(mock.memory_kb())
                time.sleep(1)
            over.set()
            asked_s = time.monotonic()
            client.port.write(b"!")
            client.told_until("* stopped")
            stopped_ms = (time.monotonic() - asked_s) * 1000
            for thread in floods:
                thread.join()
            errors = mock.end()[1]
    print(f"{len(sizes)} looks, an answer in {max(took_ms):.0f} ms at most")
    print(f"behind the clock: {behind_ms[0]:.0f} ms at first, {behind_ms[-1]:.0f} ms at last")
    print(f"memory: {sizes[0]} KiB at first, {sizes[-1]} at last")
    print(f"stopped after {stopped_ms:.1f} ms")
    if errors:
        raise Wrong(f"it said: {errors}")
    half = len(sizes) // 2
    if half < 30:
        return  # too short to tell
    if min(behind_ms[half:]) > min(behind_ms[:half]) + 50:
        raise Wrong("the session falls behind")
    if sizes[-1] > max(sizes[:half]) * 1.05:
        raise Wrong("memory grows")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("year", "load"))
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--burners", type=int, default=SIZES["full"].burners)
    args = parser.parse_args()
    try:
        if args.what == "year":
            year(args.days, args.seed)
        else:
            load(args.minutes, args.burners)
    except (Wrong, DeviceError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
