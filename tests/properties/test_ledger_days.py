"""The ledger and the session, over crashes, reboots and clocks: no day gets too much time."""

import errno
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.config.profile import Phase
from firmware_ctl.limits import DAY_MS, SLICE_MS
from firmware_ctl.session.allowance import Allowance
from firmware_ctl.session.events import (
    ClockSynchronised,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    Pause,
    Resume,
    SaveLedger,
    Start,
    State,
    Step,
    Stop,
    Suspended,
)
from firmware_ctl.storage.ledger import Clock, Ledger
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import LIMITS, MAT, MINUTE_MS, QUICK, World, entry, steady
from tests.support.worlds_disk import (
    WALL_MS,
    Cut,
    Medium,
    Played,
    failing,
    fits_into_days,
    ledger_of,
)

HOUR_MS = 3_600_000
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
        started = session.status.started
        step = super()._handle(at_ms, event)
        if could_renew and not (session.allowance.may_renew or session.allowance.damage):
            machine.renewed |= (
                not isinstance(event, ClockSynchronised) and session.status.started == started
            )
        if session.status.started != started:
            machine.begins()
        return step

    def _keep(self, keep: SaveLedger) -> Input | None:
        results: list[str] = []
        self.machine.keep = keep
        self.ledger.save(keep, results.append)
        return LedgerSaveFailed(keep.number, results[0]) if results[0] else LedgerSaved(keep.number)


class Machine:
    """A Pi over its crashes and reboots. It knows the true time and the true playing times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.true_ms = 50_000
        self.boots = 0
        self.booted_at_ms = 0
        self.is_sure = True
        self.medium = Medium()
        self.sessions: list[Played] = []
        self.renewed = False
        self.keep: SaveLedger | None = None
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


class Event(NamedTuple):
    """One thing that happens to the machine. The meaning of `ms` and `flag` depends on `action`."""

    action: str
    ms: int = 0
    flag: bool = False


LATER_MS = st.one_of(
    st.sampled_from([0, 1_000, 31_000, 59_000, SLICE_MS, 61_000, 99_000, 130_000]),
    st.sampled_from([HOUR_MS, DAY_MS - 60_000, DAY_MS, 25 * HOUR_MS]),
    st.integers(0, 130_000),
)
PLAYS = st.builds(Event, st.just("play"), LATER_MS, st.booleans())
LIVES = st.lists(
    st.one_of(
        PLAYS,
        PLAYS,
        st.builds(Event, st.sampled_from(["wait", "sync", "sleep"]), LATER_MS),
        st.builds(Event, st.sampled_from(["stop", "pause", "resume", "hold", "full"])),
        st.builds(Event, st.just("kill")),
        st.builds(Event, st.just("cut in a save"), st.integers(0, 5)),
        st.builds(Event, st.just("reboot"), LATER_MS, st.booleans()),
    ),
    min_size=5,
    max_size=20,
)


def live(machine: Machine, event: Event) -> None:
    boot = machine.boot
    now_ms = boot.now_ms + 200
    match event.action:
        case "play":
            boot.at(now_ms, Start("quick" if event.flag else "long"))
            boot.at(now_ms + event.ms)
        case "wait":
            boot.at(now_ms + event.ms)
        case "stop" | "pause" | "resume":
            boot.at(now_ms, {"stop": Stop(), "pause": Pause(), "resume": Resume()}[event.action])
        case "hold":
            boot.at(now_ms, Stop())
            boot.press(now_ms + 2_000, 5_200)
            boot.at(boot.now_ms + 3_000)
        case "sync":
            machine.is_sure = True
            away_ms = boot.ledger.unseen_ms()
            if away_ms is not None:
                boot.at(now_ms, ClockSynchronised(away_ms))
        case "sleep":
            boot.origin_ms += event.ms
            boot.at(now_ms, Suspended(event.ms))
        case "kill":
            machine.restart()
        case "cut in a save":
            machine.medium.fails = failing(0, event.ms, Cut())
            try:
                boot.at(now_ms, Start("long"))
            except Cut:
                left = sorted(machine.medium.leaves(), key=lambda data: data or b"")
                machine.reboot(5_000, machine.is_sure, left[0])
            machine.medium.fails = lambda call: None
        case "reboot":
            left = sorted(machine.medium.leaves(), key=lambda data: data or b"")
            machine.reboot(event.ms, event.flag, left[-1])
        case "full":
            machine.medium.fails = failing(errno.ENOSPC, 0)


LONG_ONE = Event("play", 130_000)


@given(LIVES)
@settings(max_examples=60, deadline=None, derandomize=True)
@example([Event("play", 90_000), Event("kill")] * 4)
@example([Event("play", 59_000), Event("stop")] * 5)
@example([Event("play", 90_000), Event("reboot", DAY_MS), Event("hold"), LONG_ONE, Event("kill"),
          Event("hold"), LONG_ONE, LONG_ONE])  # fmt: skip
@example([LONG_ONE, Event("reboot", HOUR_MS), Event("sync"), Event("wait", 22 * HOUR_MS), LONG_ONE,
          LONG_ONE])  # fmt: skip
@example([LONG_ONE, Event("reboot", DAY_MS - HOUR_MS), Event("wait", HOUR_MS - 70_000), Event("sync"),
          LONG_ONE, LONG_ONE])  # fmt: skip
def test_invariant_04_no_death_and_no_clock_gives_a_day_more_than_its_allowance(
    tmp_path_factory: pytest.TempPathFactory, lives: list[Event]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for event in lives:
        live(machine, event)
        assert fits_into_days(machine.sessions, DAILY_MS), machine.sessions
        boot = machine.boot
        on_disk = Allowance(DAILY_MS, machine.ledger().spent).used_ms(0)
        is_over = boot.session.allowance.used_ms(boot.now_ms) == 0
        assert is_over or on_disk >= boot.session.used_ms(boot.now_ms)


def test_fits_into_days_finds_a_day_with_too_much() -> None:
    """Without this, the test above would prove nothing."""
    day = [Played(0, 100), Played(1_000, 80)]
    fits = [
        fits_into_days([*day, Played(at_ms, 1, renewed)], 180)
        for at_ms, renewed in ((2_000, False), (DAY_MS - 1, False), (DAY_MS, False), (2_000, True))
    ]
    assert fits == [False, False, True, True]


# --- the button and a ledger that cannot be read ----------------------------------------------


def test_damaged_ledger_refuses_starts_until_the_button_begins_a_new_day_once(
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


def test_button_renews_an_unsure_day_once_a_boot(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("source", ["ClockSynchronised", "start"])
def test_button_does_not_renew_a_day_that_became_known(source: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.boot.at(1_000, Start("quick"))
    machine.boot.at(111_000)
    machine.reboot(HOUR_MS if source == "ClockSynchronised" else DAY_MS, False, machine.medium.held)
    if source == "ClockSynchronised":
        machine.boot.at(500, ClockSynchronised(HOUR_MS))
        used_ms = 4_000
    else:
        machine.boot.at(DAY_MS, Start("quick"))
        machine.boot.at(DAY_MS + 10_000)
        used_ms = 4_000
    now_ms = machine.boot.now_ms
    machine.boot.press(now_ms + 3_000, 6_000)

    assert machine.boot.session.used_ms(machine.boot.now_ms) == used_ms
