"""The ledger and the session over crashes, reboots and clock changes: no day exceeds its allowance."""

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
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.ledger import Ledger
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import LIMITS, MAT, MINUTE_MS, QUICK, World, entry, steady
from tests.support.worlds_disk import (
    WALL_MS,
    Medium,
    PlayedSession,
    PowerCut,
    fail_at_call,
    fits_into_days,
    ledger_of,
)

HOUR_MS = 3_600_000
DAILY_MS = 3 * MINUTE_MS
LONG = entry("long", Phase("long", 100_000, 1, (steady("all", 20),)))
PROFILES = Catalogue((LONG, QUICK))
SMALL = MAT._replace(limits=LIMITS._replace(daily_ms=DAILY_MS))


class DaemonRun(World):
    """A daemon from its start to its end, with the ledger of a machine."""

    def __init__(self, machine: "Machine") -> None:
        self.machine = machine
        self.started_at_true_ms = machine.true_ms
        ledger = machine.ledger()
        self.ledger = ledger
        super().__init__(PROFILES, SMALL, 1, ledger.spent)

    def _handle(self, at_ms: int, event: Input) -> Step:
        session, machine = self.session, self.machine
        was_running = session.state is State.RUNNING
        if was_running:
            machine.session_ran(at_ms - self.now_ms)
        machine.true_ms = self.started_at_true_ms + at_ms
        could_renew = session.allowance.may_renew or bool(session.allowance.damage)
        started = session.status.started
        step = super()._handle(at_ms, event)
        if could_renew and not (session.allowance.may_renew or session.allowance.damage):
            machine.was_renewed_by_button |= (
                not isinstance(event, ClockSynchronised) and session.status.started == started
            )
        if session.status.started != started:
            machine.session_began()
        return step

    def _save(self, request: SaveLedger) -> Input | None:
        results: list[str] = []
        self.machine.last_save = request
        self.ledger.save(request, results.append)
        return (
            LedgerSaveFailed(request.number, results[0])
            if results[0]
            else LedgerSaved(request.number)
        )


class Machine:
    """A Pi over its crashes and reboots. It knows the true time and how long each session really ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.true_ms = 50_000
        self.boot_count = 0
        self.booted_at_ms = 0
        self.is_clock_synchronised = True
        self.medium = Medium()
        self.sessions: list[PlayedSession] = []
        self.was_renewed_by_button = False
        self.last_save: SaveLedger | None = None
        self.daemon = DaemonRun(self)

    def clock(self) -> Clock:
        wall_ms = WALL_MS + self.true_ms if self.is_clock_synchronised else None
        return Clock(f"boot {self.boot_count}", self.true_ms - self.booted_at_ms, wall_ms)

    def ledger(self) -> Ledger:
        return ledger_of(self.folder, self.medium.content, self.clock, self.medium)

    def session_began(self) -> None:
        self.sessions.append(PlayedSession(self.true_ms, 0, self.was_renewed_by_button))
        self.was_renewed_by_button = False

    def session_ran(self, for_ms: int) -> None:
        session = self.sessions[-1]
        self.sessions[-1] = session._replace(ran_ms=session.ran_ms + for_ms)

    def restart(self) -> None:
        self.daemon = DaemonRun(self)

    def reboot(self, off_ms: int, is_clock_synchronised: bool, data: bytes | None) -> None:
        self.true_ms += off_ms
        self.boot_count += 1
        self.booted_at_ms, self.is_clock_synchronised = self.true_ms, is_clock_synchronised
        self.medium = Medium(data)
        self.true_ms += 20_000
        self.restart()


class Event(NamedTuple):
    """An event of the machine. The meaning of `ms` and `flag` depends on `action`."""

    action: str
    ms: int = 0
    flag: bool = False


DURATIONS_MS = st.one_of(
    st.sampled_from([0, 1_000, 31_000, 59_000, SLICE_MS, 61_000, 99_000, 130_000]),
    st.sampled_from([HOUR_MS, DAY_MS - 60_000, DAY_MS, 25 * HOUR_MS]),
    st.integers(0, 130_000),
)
PLAY_EVENTS = st.builds(Event, st.just("play"), DURATIONS_MS, st.booleans())
EVENTS = st.lists(
    st.one_of(
        PLAY_EVENTS,
        PLAY_EVENTS,
        st.builds(Event, st.sampled_from(["wait", "sync", "sleep"]), DURATIONS_MS),
        st.builds(Event, st.sampled_from(["stop", "pause", "resume", "hold", "full"])),
        st.builds(Event, st.just("kill")),
        st.builds(Event, st.just("power cut in a save"), st.integers(0, 5)),
        st.builds(Event, st.just("reboot"), DURATIONS_MS, st.booleans()),
    ),
    min_size=5,
    max_size=20,
)


def apply_event(machine: Machine, event: Event) -> None:
    """Lets the event happen to the machine."""
    daemon = machine.daemon
    now_ms = daemon.now_ms + 200
    match event.action:
        case "play":
            daemon.at(now_ms, Start("quick" if event.flag else "long"))
            daemon.at(now_ms + event.ms)
        case "wait":
            daemon.at(now_ms + event.ms)
        case "stop" | "pause" | "resume":
            daemon.at(now_ms, {"stop": Stop(), "pause": Pause(), "resume": Resume()}[event.action])
        case "hold":
            daemon.at(now_ms, Stop())
            daemon.press(now_ms + 2_000, 5_200)
            daemon.at(daemon.now_ms + 3_000)
        case "sync":
            machine.is_clock_synchronised = True
            off_ms = daemon.ledger.unseen_ms()
            if off_ms is not None:
                daemon.at(now_ms, ClockSynchronised(off_ms))
        case "sleep":
            daemon.started_at_true_ms += event.ms
            daemon.at(now_ms, Suspended(event.ms))
        case "kill":
            machine.restart()
        case "power cut in a save":
            machine.medium.before_call = fail_at_call(0, event.ms, PowerCut())
            try:
                daemon.at(now_ms, Start("long"))
            except PowerCut:
                possible_contents = sorted(
                    machine.medium.contents_after_power_cut(), key=lambda data: data or b""
                )
                machine.reboot(5_000, machine.is_clock_synchronised, possible_contents[0])
            machine.medium.before_call = lambda call: None
        case "reboot":
            possible_contents = sorted(
                machine.medium.contents_after_power_cut(), key=lambda data: data or b""
            )
            machine.reboot(event.ms, event.flag, possible_contents[-1])
        case "full":
            machine.medium.before_call = fail_at_call(errno.ENOSPC, 0)


PLAY_LONG = Event("play", 130_000)


@given(EVENTS)
@settings(max_examples=60, deadline=None, derandomize=True)
@example([Event("play", 90_000), Event("kill")] * 4)
@example([Event("play", 59_000), Event("stop")] * 5)
@example([Event("play", 90_000), Event("reboot", DAY_MS), Event("hold"), PLAY_LONG, Event("kill"),
          Event("hold"), PLAY_LONG, PLAY_LONG])  # fmt: skip
@example([PLAY_LONG, Event("reboot", HOUR_MS), Event("sync"), Event("wait", 22 * HOUR_MS), PLAY_LONG,
          PLAY_LONG])  # fmt: skip
@example([PLAY_LONG, Event("reboot", DAY_MS - HOUR_MS), Event("wait", HOUR_MS - 70_000), Event("sync"),
          PLAY_LONG, PLAY_LONG])  # fmt: skip
def test_invariant_04_crashes_reboots_and_clock_changes_give_no_day_more_than_its_allowance(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for event in events:
        apply_event(machine, event)
        assert fits_into_days(machine.sessions, DAILY_MS), machine.sessions
        daemon = machine.daemon
        used_on_disk_ms = Allowance(DAILY_MS, machine.ledger().spent).used_ms(0)
        is_day_over = daemon.session.allowance.used_ms(daemon.now_ms) == 0
        assert is_day_over or used_on_disk_ms >= daemon.session.used_ms(daemon.now_ms)


def test_fits_into_days_with_too_much_running_time_returns_false() -> None:
    """If `fits_into_days` always returned True, the test above would check nothing."""
    day = [PlayedSession(0, 100), PlayedSession(1_000, 80)]
    results = [
        fits_into_days([*day, PlayedSession(at_ms, 1, was_renewed_by_button)], 180)
        for at_ms, was_renewed_by_button in (
            (2_000, False),
            (DAY_MS - 1, False),
            (DAY_MS, False),
            (2_000, True),
        )
    ]
    assert results == [False, False, True, True]


# --- the button and a ledger that cannot be read ----------------------------------------------


def test_damaged_ledger_refuses_starts_until_the_button_begins_a_new_day(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    machine.medium = Medium(b"rubbish")
    machine.restart()
    daemon = machine.daemon
    refusal = daemon.at(1_000, Start("quick")).refusal
    assert refusal is not None
    assert (refusal.code, str(refusal)) == (
        "allowance",
        f"- the record of today's running time, {tmp_path}/ledger, is damaged; "
        "hold the start button for 5 s to begin a new day",
    )
    assert daemon.session.used_ms(1_000) == DAILY_MS

    daemon.press(3_000, 4_999)
    daemon.at(9_000)
    assert daemon.session.allowance.damage  # held for less than 5 s
    assert machine.medium.content == b"rubbish"
    daemon.press(10_000, 5_000)
    daemon.at(20_000)
    assert [fields["signal"] for _, kind, fields in daemon.notices() if kind == "signal"] == [
        "new-day",
        "",
    ]
    assert daemon.notices()[0][0] == 15_000
    assert daemon.at(20_000, Start("long")).refusal is None
    daemon.at(130_000)

    daemon.press(140_000, 6_000)
    machine.restart()
    machine.daemon.press(3_000, 6_000)
    refusal = machine.daemon.at(15_000, Start("long")).refusal
    assert refusal is not None
    assert str(refusal).startswith("86")
    assert machine.daemon.session.used_ms(15_000) == 100_000


def test_button_hold_in_a_day_of_unknown_age_renews_it_once_per_boot(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.daemon.at(1_000, Start("long"))
    machine.daemon.at(111_000)
    used_ms = []
    for is_clock_synchronised in (True, False, False):
        machine.reboot(HOUR_MS, is_clock_synchronised, machine.medium.content)
        for _ in range(2):
            machine.daemon.press(3_000, 6_000)
            machine.daemon.at(20_000)
            used_ms.append(machine.daemon.session.used_ms(20_000))
            machine.daemon.at(21_000, Start("quick"))
            machine.daemon.at(30_000)
            machine.restart()

    assert used_ms == [100_000, 104_000, 0, 4_000, 0, 4_000]


@pytest.mark.parametrize("source", ["ClockSynchronised", "start"])
def test_button_hold_after_the_age_of_the_day_became_known_does_not_renew_it(
    source: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path)
    machine.daemon.at(1_000, Start("quick"))
    machine.daemon.at(111_000)
    machine.reboot(
        HOUR_MS if source == "ClockSynchronised" else DAY_MS, False, machine.medium.content
    )
    if source == "ClockSynchronised":
        machine.daemon.at(500, ClockSynchronised(HOUR_MS))
        used_ms = 4_000
    else:
        machine.daemon.at(DAY_MS, Start("quick"))
        machine.daemon.at(DAY_MS + 10_000)
        used_ms = 4_000
    now_ms = machine.daemon.now_ms
    machine.daemon.press(now_ms + 3_000, 6_000)

    assert machine.daemon.session.used_ms(machine.daemon.now_ms) == used_ms
