"""The ledger: what a day means across clocks and reboots, and what a power cut can do to it."""

import binascii
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl import ledger as module
from firmware_ctl.allowance import UNSPENT, Allowance, Spent
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.disk import Disk
from firmware_ctl.ledger import Clock, Files, Ledger, read_clock
from firmware_ctl.limits import DAY_MS, SLICE_MS
from firmware_ctl.profile import Phase
from firmware_ctl.session import (
    Away,
    Input,
    Keep,
    Kept,
    Pause,
    Resume,
    Slept,
    Start,
    State,
    Step,
    Stop,
    Unkept,
)
from tests.worlds import LIMITS, MAT, MINUTE_MS, QUICK, World, entry, steady
from tests.worlds_disk import (
    CALLS,
    WALL_MS,
    AtOnce,
    Cut,
    Medium,
    Played,
    failing,
    fits_into_days,
    ledger_of,
)

HOUR_MS = 3_600_000
OLD = Keep(1, Spent(600_000, -HOUR_MS), at_ms=0)
NEW = Keep(2, Spent(660_000, -HOUR_MS), at_ms=30_000)
THEN = Clock("one", 5 * HOUR_MS, WALL_MS)


def written(keep: Keep, clock: Clock = THEN) -> bytes:
    """What a save leaves."""
    medium = Medium()
    save(medium, keep, clock)
    assert medium.held is not None
    return medium.held


def save(medium: Files, keep: Keep, clock: Clock = THEN) -> list[str]:
    """One save on a disk; what was told of it."""
    told: list[str] = []
    ledger = Ledger("/none", AtOnce(), lambda call: call(), lambda: clock, medium)  # type: ignore[arg-type]
    ledger.save(keep, told.append)
    return told


def read(folder: Path, data: bytes | None, clock: Clock = THEN) -> Spent:
    return ledger_of(folder, data, lambda: clock).spent


def sealed(text: bytes) -> bytes:
    return b"%b %08x\n" % (text, binascii.crc32(text))


# --- clocks -----------------------------------------------------------------------------------

CLOCKS: dict[str, tuple[Clock, Clock, int, bool]] = {
    "at once": (THEN, THEN, 0, False),
    "same boot": (THEN, Clock("one", 6 * HOUR_MS, WALL_MS + HOUR_MS), HOUR_MS, False),
    "wall clock a day on": (THEN, Clock("one", THEN.up_ms + 10, WALL_MS + DAY_MS), 10, False),
    "wall clock a day back": (THEN, Clock("one", THEN.up_ms + 10, WALL_MS - DAY_MS), 10, False),
    "suspended": (THEN, Clock("one", THEN.up_ms + 8 * HOUR_MS, WALL_MS), 8 * HOUR_MS, False),
    "never synchronised": (
        THEN._replace(wall_ms=None),
        Clock("one", THEN.up_ms + 10, None),
        10,
        False,
    ),
    "other boot": (THEN, Clock("two", MINUTE_MS, WALL_MS + HOUR_MS), HOUR_MS, False),
    "other boot, up for longer": (
        THEN,
        Clock("two", 9 * HOUR_MS, WALL_MS + 10 * HOUR_MS),
        10 * HOUR_MS,
        False,
    ),
    "other boot, unsure before": (
        THEN._replace(wall_ms=None),
        Clock("two", MINUTE_MS, WALL_MS + DAY_MS),
        MINUTE_MS,
        True,
    ),
    "other boot, unsure now": (THEN, Clock("two", MINUTE_MS, None), MINUTE_MS, True),
    "other boot, unsure both times": (
        THEN._replace(wall_ms=None),
        Clock("two", 9 * HOUR_MS, None),
        9 * HOUR_MS,
        True,
    ),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_only_time_that_is_known_to_have_passed_ages_the_day(case: str, tmp_path: Path) -> None:
    before, after, away_ms, may_renew = CLOCKS[case]

    spent = read(tmp_path, written(OLD, before), after)

    assert spent == Spent(600_000, -HOUR_MS - away_ms, may_renew=may_renew)


@pytest.mark.parametrize(
    "clock",
    [Clock("one", THEN.up_ms - 1, WALL_MS), Clock("two", MINUTE_MS, WALL_MS - 1)],
    ids=["same boot", "other boot"],
)
def test_a_ledger_from_the_future_is_spent(clock: Clock, tmp_path: Path) -> None:
    assert read(tmp_path, written(OLD), clock) == Spent(
        damage=f"the record of today's running time, {tmp_path}/ledger, "
        "is from the future: the clock was set back"
    )


def test_time_that_passed_while_it_was_written_counts_as_none(tmp_path: Path) -> None:
    """The disk took it 10 s after it was asked to: the day is no older for that."""
    data = written(OLD, THEN._replace(up_ms=THEN.up_ms + 10_000))
    assert (
        read(tmp_path, data, THEN._replace(up_ms=THEN.up_ms + 10_000)).day_began_at_ms == -HOUR_MS
    )


def test_a_day_that_has_not_begun_has_not(tmp_path: Path) -> None:
    data = written(Keep(1, UNSPENT, at_ms=7_000))
    assert read(tmp_path, data, THEN) == UNSPENT


def test_a_clock_that_becomes_sure_later_tells_how_long_the_machine_was_off(tmp_path: Path) -> None:
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, written(OLD), lambda: clock)
    told: list[object] = [ledger.is_unsure_of_time, ledger.unseen_ms()]
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS + 3 * HOUR_MS)
    told += [ledger.is_unsure_of_time, ledger.unseen_ms(), ledger.is_unsure_of_time]
    told.append(ledger.unseen_ms())

    assert told == [True, None, True, 3 * HOUR_MS - 2 * MINUTE_MS, False, None]


def test_a_clock_that_becomes_sure_and_is_behind_says_nothing_of_the_time(tmp_path: Path) -> None:
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, written(OLD), lambda: clock)
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS - DAY_MS)

    assert (ledger.unseen_ms(), ledger.is_unsure_of_time) == (0, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (THEN, THEN),
        (THEN, Clock("two", MINUTE_MS, WALL_MS + 1)),
        (THEN._replace(wall_ms=None), Clock("two", MINUTE_MS, WALL_MS)),
    ],
    ids=["same boot", "other boot", "unsure before"],
)
def test_a_clock_that_cannot_help_later_is_not_asked(
    before: Clock, after: Clock, tmp_path: Path
) -> None:
    ledger = ledger_of(tmp_path, written(OLD, before), lambda: after)
    assert (ledger.is_unsure_of_time, ledger.unseen_ms()) == (False, None)


def test_doubt_outlives_a_restart_in_the_same_boot_until_the_button_was_held(
    tmp_path: Path,
) -> None:
    doubt = read(tmp_path, written(OLD), Clock("two", MINUTE_MS, None))
    again = Keep(2, doubt, at_ms=0)
    later = Clock("two", 2 * MINUTE_MS, None)
    held = Keep(3, doubt._replace(used_ms=0, day_began_at_ms=None, may_renew=False), at_ms=0)

    found = [read(tmp_path, written(keep, later), later).may_renew for keep in (again, held)]
    assert found == [True, False]


def test_the_real_clocks_go_on_and_are_of_one_boot() -> None:
    first, second = read_clock(), read_clock()
    assert first.boot == second.boot
    assert len(first.boot) == 36
    assert first.up_ms <= second.up_ms
    assert (first.wall_ms is None) == (second.wall_ms is None)


@pytest.mark.parametrize("answer", [0, 4, 5, -1])
def test_read_clock_tells_the_time_of_day_only_where_the_kernel_calls_it_synchronised(
    answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time that a hand has set, or an RTC, is not: the kernel then answers TIME_ERROR, 5."""
    import ctypes

    class Libc:
        @staticmethod
        def adjtimex(timex: ctypes.Array[ctypes.c_char]) -> int:
            assert (len(timex) >= 208, timex[:4]) == (True, b"\0" * 4)  # only reads
            return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc)
    monkeypatch.setattr("time.time_ns", lambda: 5_000_000)

    clock = read_clock()
    assert isinstance(clock.up_ms, int)
    assert clock.wall_ms == (5 if answer in (0, 4) else None)


def test_read_clock_without_adjtimex_is_that_of_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert read_clock().wall_ms is not None


def test_ledger_that_an_rtc_wrote_tells_nothing_of_the_time_off(tmp_path: Path) -> None:
    """Earlier versions kept an RTC's time, marked as not synchronised."""
    record = sealed(json.dumps(RECORD | {"synchronised": False}).encode())
    ledger = ledger_of(tmp_path, record, lambda: Clock("two", MINUTE_MS, WALL_MS + DAY_MS))
    assert ledger.spent == Spent(600_000, -HOUR_MS - MINUTE_MS, may_renew=True)
    assert not ledger.is_unsure_of_time


def test_day_is_not_given_back_by_a_clock_set_by_hand_and_a_reboot(tmp_path: Path) -> None:
    """The hand's time is not synchronised; once the network's is, the day is as old as it is."""
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, written(OLD), lambda: clock)
    account = Allowance(DAILY_MS, ledger.spent)
    assert account.used_ms(0) == min(OLD.spent.used_ms, DAILY_MS)
    assert ledger.unseen_ms() is None
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS + HOUR_MS)
    assert ledger.unseen_ms() == HOUR_MS - 2 * MINUTE_MS


# --- what is not a ledger ---------------------------------------------------------------------


def test_no_ledger_is_a_new_mat(tmp_path: Path) -> None:
    assert read(tmp_path, None) == UNSPENT


def test_truncated_anywhere_it_is_spent(tmp_path: Path) -> None:
    data = written(OLD)
    assert read(tmp_path, data).used_ms == 600_000
    for length in range(len(data)):
        assert read(tmp_path, data[:length]).damage.endswith("is damaged")


def test_any_damaged_byte_is_found(tmp_path: Path) -> None:
    data = written(OLD)
    for place in range(len(data)):
        for flip in (1, 0x20, 0x80):
            bad = bytearray(data)
            bad[place] ^= flip
            assert read(tmp_path, bytes(bad)).damage.endswith("is damaged")
    for bad_data in (data + b"\n", b" " + data, data + data, data * 40):
        assert read(tmp_path, bad_data).damage.endswith("is damaged")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is damaged"),
        (b"\0" * 300, "is damaged"),
        (b"schema: 1\n", "is damaged"),
        (b"x" * 100_000, "is damaged"),
        (sealed(b""), "was not written by firmware-ctl"),
        (sealed(b"not json"), "was not written by firmware-ctl"),
        (sealed(b"\xff\xfe"), "was not written by firmware-ctl"),
        (sealed(b"[" * 3_000), "was not written by firmware-ctl"),
        (sealed(b"[1]"), "was not written by firmware-ctl"),
        (sealed(b"3"), "was not written by firmware-ctl"),
        (sealed(b"{}"), "was not written by firmware-ctl"),
        (sealed(b'{"ledger":3}'), "has format 3 and this program knows 2"),
        (sealed(b'{"ledger":"x"}'), "has format x and this program knows 2"),
        (sealed(b'{"ledger":2}'), "is damaged"),
    ],
)
def test_what_is_not_a_ledger_is_spent_and_says_why(
    data: bytes, sentence: str, tmp_path: Path
) -> None:
    assert read(tmp_path, data) == Spent(
        damage=f"the record of today's running time, {tmp_path}/ledger, {sentence}"
    )


RECORD = json.loads(written(OLD).rpartition(b" ")[0])
CENTURY_MS = 100 * 366 * DAY_MS
TOO_MUCH = {
    "up_ms": (CENTURY_MS + 1, 10**400),
    "wall_ms": (253_402_300_800_001, 10**3000),
    "used_ms": (3_600_001, 10**400, 10**3000),
    "day_ms": (CENTURY_MS + 1, 10**3000),
}


@pytest.mark.parametrize("name", [name for name in RECORD if name != "ledger"])
def test_every_field_is_checked_though_the_checksum_is_right(name: str, tmp_path: Path) -> None:
    wrong: list[object] = [-1, 1.5, [], {}, "7" if name != "boot" else 7]
    if name not in ("unsure", "synchronised"):
        wrong.append(True)
    if name not in ("wall_ms", "day_ms"):
        wrong.append(None)
    records = [RECORD | {name: value} for value in wrong]
    records += [{key: value for key, value in RECORD.items() if key != name}, RECORD | {"more": 1}]
    records += [RECORD | {name: most} for most in TOO_MUCH.get(name, ())]
    for record in records:
        assert read(tmp_path, sealed(json.dumps(record).encode())).damage.endswith("is damaged")


def test_running_time_without_a_day_that_it_belongs_to_is_damage(tmp_path: Path) -> None:
    record = RECORD | {"used_ms": 1, "day_ms": None}
    assert read(tmp_path, sealed(json.dumps(record).encode())).damage.endswith("is damaged")
    record["used_ms"] = 0
    assert read(tmp_path, sealed(json.dumps(record).encode())).damage == ""


def test_the_greatest_figures_are_no_damage(tmp_path: Path) -> None:
    record = RECORD | {name: min(figures) - 1 for name, figures in TOO_MUCH.items()}
    spent = read(tmp_path, sealed(json.dumps(record).encode()), Clock("one", CENTURY_MS, WALL_MS))
    assert (spent.damage, spent.used_ms) == ("", 3_600_000)


def test_a_zero_is_no_damage(tmp_path: Path) -> None:
    record = RECORD | {
        "up_ms": 0, "wall_ms": 0, "used_ms": 0, "day_ms": 0,
    }  # fmt: skip
    data = sealed(json.dumps(record).encode())
    assert read(tmp_path, data, Clock("one", 0, 0)) == Spent(0, 0)


def test_what_cannot_be_read_is_spent(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    said = []
    path.mkdir()
    said.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]
    path.rmdir()
    (tmp_path / "other").write_bytes(written(OLD))
    path.symlink_to(tmp_path / "other")
    said.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]
    path.unlink()
    os.mkfifo(path)
    said.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]

    name = f"the record of today's running time, {path}, cannot be read"
    assert said == [
        f"{name}: it is not a regular file",
        f"{name}: Too many levels of symbolic links",
        f"{name}: it is not a regular file",
    ]


# --- a save, on a real disk -------------------------------------------------------------------


def test_a_save_is_read_again(tmp_path: Path) -> None:
    posted: list[Callable[[], object]] = []
    done: list[str] = []
    said: list[str] = []
    disk = Disk(said.append)
    ledger = Ledger(str(tmp_path), disk, posted.append, lambda: THEN)
    for keep in (OLD, NEW):
        ledger.save(keep, done.append)
    disk.close()
    assert done == []  # only the loop is told, by what it calls
    for call in posted:
        call()

    assert (done, said) == (["", ""], [])
    assert os.listdir(tmp_path) == ["ledger"]
    assert Ledger(str(tmp_path), disk, posted.append, lambda: THEN).spent == Spent(
        660_000, -HOUR_MS - 30_000
    )
    assert (tmp_path / "ledger").stat().st_size < module.MOST_BYTES


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    posted: list[Callable[[], object]] = []
    done: list[str] = []
    said: list[str] = []
    disk = Disk(said.append)
    ledger = Ledger(str(tmp_path / "gone"), disk, posted.append, lambda: THEN)
    ledger.save(OLD, done.append)
    disk.close()
    for call in posted:
        call()

    why = f"{tmp_path}/gone/ledger cannot be written: No such file or directory"
    assert done == [why]
    assert said == [
        "the disk does not take what is written: [Errno 2] No such file or directory: "
        f"'{tmp_path}/gone/ledger.part'"
    ]


# --- a save, call by call ---------------------------------------------------------------------


def test_a_save_makes_its_calls_in_the_order_that_is_safe() -> None:
    medium = Medium()
    assert save(medium, OLD) == [""]
    assert tuple(medium.calls) == CALLS
    assert medium.open == 0


@pytest.mark.parametrize("takes", [1, 7, 100])
def test_short_writes_are_gone_on_with(takes: int) -> None:
    medium = Medium()
    medium.takes = takes
    assert save(medium, OLD) == [""]
    assert medium.held == written(OLD)


@pytest.mark.parametrize("before", [None, written(OLD)], ids=["no ledger", "old ledger"])
@pytest.mark.parametrize("takes", [1 << 20, 60])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_fault_23_a_power_cut_at_every_call_leaves_the_old_or_the_new_ledger(
    before: bytes | None, takes: int, is_before: bool, tmp_path: Path
) -> None:
    """Whatever order the disk wrote in, and wherever it tore what was not synced."""
    new = written(NEW)
    cuts = 0
    while True:
        medium = Medium(before)
        medium.takes = takes
        medium.fails = failing(0, cuts, Cut())
        if is_before:
            told = _until_cut(medium)
        else:
            # The call had its effect, and nothing after it.
            medium.fails = failing(0, cuts + 1, Cut())
            told = _until_cut(medium)
        left = medium.leaves()
        assert left <= {before, new}
        assert medium.held in (before, new)  # a death of the process alone
        if told == [""]:
            break
        assert told == []
        cuts += 1

    assert left == {new}  # it is told only when nothing can undo it
    assert cuts >= len(CALLS) - 1
    for data in (before, new):
        found = read(tmp_path, data)
        assert (found.damage, found.used_ms) == ("", {before: 600_000, new: 660_000}[data] if data else 0)  # fmt: skip


def _until_cut(medium: Medium) -> list[str]:
    told: list[str] = []
    ledger = Ledger("/none", AtOnce(), lambda call: call(), lambda: THEN, medium)  # type: ignore[arg-type]
    try:
        ledger.save(NEW, told.append)
    except Cut:
        assert told == []
    return told


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_the_simulated_disk_finds_a_sync_that_is_forgotten(forgotten: str) -> None:
    """Else the test above would prove nothing."""
    medium = Medium(written(OLD))
    setattr(medium, forgotten, lambda *_: None)
    assert save(medium, NEW) == [""]

    left = medium.leaves()
    assert left != {written(NEW)}
    assert (b"" in left) == (forgotten == "sync")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("at", range(len(CALLS)), ids=CALLS)
def test_a_call_that_fails_is_told_and_leaves_no_damage(number: int, at: int) -> None:
    old = written(OLD)
    medium = Medium(old)
    medium.fails = failing(number, at)

    assert save(medium, NEW) == [f"/none/ledger cannot be written: {os.strerror(number)}"]
    assert medium.open == 0
    assert tuple(medium.calls) == (*CALLS[: at + 1], *(["close"] if 0 < at < 3 else []))
    if CALLS[at] == "sync_folder":
        assert medium.leaves() == {old, written(NEW)}
    else:
        assert medium.leaves() == {medium.held} == {old}

    assert save(medium, NEW) == [""]  # the next one is whole
    assert medium.leaves() == {written(NEW)}


def test_a_disk_that_is_full_after_half_the_record_leaves_the_old_one() -> None:
    medium = Medium(written(OLD))
    medium.takes = 60
    medium.fails = failing(errno.ENOSPC, 2)
    assert save(medium, NEW) == ["/none/ledger cannot be written: No space left on device"]
    assert medium.leaves() == {written(OLD)}


# --- a day, over deaths and reboots -----------------------------------------------------------

DAILY_MS = 3 * MINUTE_MS
LONG = entry("long", Phase("long", 100_000, 1, (steady("all", 20),)))
PROFILES = Catalogue((LONG, QUICK))
SMALL = MAT._replace(limits=LIMITS._replace(daily_ms=DAILY_MS))


class Boot(World):
    """One life of a daemon on a machine's ledger."""

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.origin_ms = machine.true_ms
        ledger = machine.ledger()
        self.ledger = ledger
        super().__init__(PROFILES, SMALL, 1, ledger.spent)

    def _handle(self, at_ms: int, event: Input) -> Step:
        session, machine = self.session, self.machine
        running = session.state is State.RUNNING
        if running:
            machine.ran(at_ms - self.now_ms)
        machine.true_ms = self.origin_ms + at_ms
        could_renew = session.allowance.may_renew or bool(session.allowance.damage)
        started = session.started
        step = super()._handle(at_ms, event)
        if could_renew and not (session.allowance.may_renew or session.allowance.damage):
            machine.renewed |= not isinstance(event, Away) and session.started == started
        if session.started != started:
            machine.begins()
        return step

    def _keep(self, keep: Keep) -> Input | None:
        told: list[str] = []
        self.machine.keep = keep
        self.ledger.save(keep, told.append)
        return Unkept(keep.number, told[0]) if told[0] else Kept(keep.number)


class Machine:
    """A Pi over its deaths. It knows the true time, and what was really played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.true_ms = 50_000
        self.boots = 0
        self.booted_at_ms = 0
        self.is_sure = True
        self.medium = Medium()
        self.sessions: list[Played] = []
        self.renewed = False
        self.keep: Keep | None = None
        self.boot = Boot(self)

    def clock(self) -> Clock:
        wall_ms = WALL_MS + self.true_ms if self.is_sure else None
        return Clock(f"boot {self.boots}", self.true_ms - self.booted_at_ms, wall_ms)

    def ledger(self) -> Ledger:
        return ledger_of(self.folder, self.medium.held, self.clock, self.medium)

    def begins(self) -> None:
        self.sessions.append(Played(self.true_ms, 0, self.renewed))
        self.renewed = False

    def ran(self, for_ms: int) -> None:
        session = self.sessions[-1]
        self.sessions[-1] = session._replace(ran_ms=session.ran_ms + for_ms)

    def restart(self) -> None:
        self.boot = Boot(self)

    def reboot(self, off_ms: int, is_sure: bool, data: bytes | None) -> None:
        self.true_ms += off_ms
        self.boots += 1
        self.booted_at_ms, self.is_sure = self.true_ms, is_sure
        self.medium = Medium(data)
        self.true_ms += 20_000
        self.restart()


class Does(NamedTuple):
    """One thing that happens to the machine, and what its numbers mean is `what`'s affair."""

    what: str
    ms: int = 0
    flag: bool = False


LATER_MS = st.one_of(
    st.sampled_from([0, 1_000, 31_000, 59_000, SLICE_MS, 61_000, 99_000, 130_000]),
    st.sampled_from([HOUR_MS, DAY_MS - 60_000, DAY_MS, 25 * HOUR_MS]),
    st.integers(0, 130_000),
)
PLAYS = st.builds(Does, st.just("play"), LATER_MS, st.booleans())
LIVES = st.lists(
    st.one_of(
        PLAYS,
        PLAYS,
        st.builds(Does, st.sampled_from(["wait", "sync", "sleep"]), LATER_MS),
        st.builds(Does, st.sampled_from(["stop", "pause", "resume", "hold", "full"])),
        st.builds(Does, st.just("kill")),
        st.builds(Does, st.just("cut in a save"), st.integers(0, 5)),
        st.builds(Does, st.just("reboot"), LATER_MS, st.booleans()),
    ),
    min_size=5,
    max_size=20,
)


def live(machine: Machine, does: Does) -> None:
    boot = machine.boot
    now_ms = boot.now_ms + 200
    match does.what:
        case "play":
            boot.at(now_ms, Start("quick" if does.flag else "long"))
            boot.at(now_ms + does.ms)
        case "wait":
            boot.at(now_ms + does.ms)
        case "stop" | "pause" | "resume":
            boot.at(now_ms, {"stop": Stop(), "pause": Pause(), "resume": Resume()}[does.what])
        case "hold":
            boot.at(now_ms, Stop())
            boot.press(now_ms + 2_000, 5_200)
            boot.at(boot.now_ms + 3_000)
        case "sync":
            machine.is_sure = True
            away_ms = boot.ledger.unseen_ms()
            if away_ms is not None:
                boot.at(now_ms, Away(away_ms))
        case "sleep":
            boot.origin_ms += does.ms
            boot.at(now_ms, Slept(does.ms))
        case "kill":
            machine.restart()
        case "cut in a save":
            machine.medium.fails = failing(0, does.ms, Cut())
            try:
                boot.at(now_ms, Start("long"))
            except Cut:
                left = sorted(machine.medium.leaves(), key=lambda data: data or b"")
                machine.reboot(5_000, machine.is_sure, left[0])
            machine.medium.fails = lambda call: None
        case "reboot":
            left = sorted(machine.medium.leaves(), key=lambda data: data or b"")
            machine.reboot(does.ms, does.flag, left[-1])
        case "full":
            machine.medium.fails = failing(errno.ENOSPC, 0)


LONG_ONE = Does("play", 130_000)


@given(LIVES)
@settings(max_examples=60, deadline=None, derandomize=True)
@example([Does("play", 90_000), Does("kill")] * 4)
@example([Does("play", 59_000), Does("stop")] * 5)
@example([Does("play", 90_000), Does("reboot", DAY_MS), Does("hold"), LONG_ONE, Does("kill"),
          Does("hold"), LONG_ONE, LONG_ONE])  # fmt: skip
@example([LONG_ONE, Does("reboot", HOUR_MS), Does("sync"), Does("wait", 22 * HOUR_MS), LONG_ONE,
          LONG_ONE])  # fmt: skip
@example([LONG_ONE, Does("reboot", DAY_MS - HOUR_MS), Does("wait", HOUR_MS - 70_000), Does("sync"),
          LONG_ONE, LONG_ONE])  # fmt: skip
def test_invariant_04_no_death_and_no_clock_gives_a_day_more_than_its_allowance(
    tmp_path_factory: pytest.TempPathFactory, lives: list[Does]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for does in lives:
        live(machine, does)
        assert fits_into_days(machine.sessions, DAILY_MS), machine.sessions
        boot = machine.boot
        on_disk = Allowance(DAILY_MS, machine.ledger().spent).used_ms(0)
        is_over = boot.session.allowance.used_ms(boot.now_ms) == 0
        assert is_over or on_disk >= boot.session.used_ms(boot.now_ms)


def test_the_sum_of_days_finds_a_day_with_too_much() -> None:
    """Else the test above would prove nothing."""
    day = [Played(0, 100), Played(1_000, 80)]
    found = [
        fits_into_days([*day, Played(at_ms, 1, renewed)], 180)
        for at_ms, renewed in ((2_000, False), (DAY_MS - 1, False), (DAY_MS, False), (2_000, True))
    ]
    assert found == [False, False, True, True]


# --- the button and a ledger that cannot be read ----------------------------------------------


def test_a_damaged_ledger_refuses_and_five_seconds_of_the_button_begin_a_day_once(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    machine.medium = Medium(b"rubbish")
    machine.restart()
    boot = machine.boot
    refusal = boot.at(1_000, Start("quick")).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == (
        "allowance",
        f"- the record of today's running time, {tmp_path}/ledger, is damaged; "
        "hold the start button for 5 s to begin a new day",
    )
    assert boot.session.used_ms(1_000) == DAILY_MS

    boot.press(3_000, 4_999)
    boot.at(9_000)
    assert boot.session.allowance.damage  # not for so long; and no profile was selected
    assert machine.medium.held == b"rubbish"
    boot.press(10_000, 5_000)
    boot.at(20_000)
    assert [fields["signal"] for _, kind, fields in boot.notices() if kind == "signal"] == [
        "new-day",
        "",
    ]
    assert boot.notices()[0][0] == 15_000
    assert boot.at(20_000, Start("long")).refusal is None
    boot.at(130_000)

    boot.press(140_000, 6_000)
    machine.restart()
    machine.boot.press(3_000, 6_000)
    refusal = machine.boot.at(15_000, Start("long")).refusal
    assert refusal is not None
    assert str(refusal).startswith("86")
    assert machine.boot.session.used_ms(15_000) == 100_000


def test_an_unsure_day_is_begun_anew_by_the_button_once_a_boot(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.boot.at(1_000, Start("long"))
    machine.boot.at(111_000)
    used_ms = []
    for is_sure in (True, False, False):
        machine.reboot(HOUR_MS, is_sure, machine.medium.held)
        for _ in range(2):
            machine.boot.press(3_000, 6_000)
            machine.boot.at(20_000)
            used_ms.append(machine.boot.session.used_ms(20_000))
            machine.boot.at(21_000, Start("quick"))
            machine.boot.at(30_000)
            machine.restart()

    assert used_ms == [100_000, 104_000, 0, 4_000, 0, 4_000]


@pytest.mark.parametrize("what", ["Away", "start"])
def test_a_day_that_turned_out_to_be_known_is_not_begun_anew(what: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.boot.at(1_000, Start("quick"))
    machine.boot.at(111_000)
    machine.reboot(HOUR_MS if what == "Away" else DAY_MS, False, machine.medium.held)
    if what == "Away":
        machine.boot.at(500, Away(HOUR_MS))
        used_ms = 4_000
    else:
        machine.boot.at(DAY_MS, Start("quick"))
        machine.boot.at(DAY_MS + 10_000)
        used_ms = 4_000
    now_ms = machine.boot.now_ms
    machine.boot.press(now_ms + 3_000, 6_000)

    assert machine.boot.session.used_ms(machine.boot.now_ms) == used_ms
