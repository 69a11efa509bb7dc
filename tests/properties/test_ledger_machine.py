"""One machine over many processes: loop, session, latch, button and ledger, with random failures.

A simple model decides what the motors may do, and the test compares it with the pins after each round
of the loop. The model knows only what was done to the machine.
"""

import errno
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from firmware_ctl.config.profile import Phase, Profile
from firmware_ctl.daemon import loop as loop
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.loop import SETTLE_MS
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.errors import DeviceError
from firmware_ctl.limits import DAY_MS, DEADMAN_KILL_MS, RESTART_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    TRY,
    Clear,
    ClockSynchronised,
    Contacts,
    EndTry,
    Fault,
    Input,
    Pause,
    Resume,
    Select,
    Start,
    State,
    Step,
    Stop,
    Trim,
    Try,
)
from firmware_ctl.session.session import Session
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.ledger import Ledger
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.reached import must_reach, reached
from tests.support.worlds import LIMITS, MAT, MINUTE_MS, QUICK, SILENCE, entry, steady
from tests.support.worlds_disk import WALL_MS, Medium, PlayedSession, PowerCut, fits_into_days

DAILY_MS = 3 * MINUTE_MS
SMALL = MAT._replace(limits=LIMITS._replace(daily_ms=DAILY_MS))
LONG = entry("long", Phase("long", 100_000, 1, (steady("all", 20),)))
PROFILES = Catalogue((LONG, QUICK))
LONGEST_MS = 100_000
TRIAL = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)
TICK_MS = 100
"""Twice the daemon's tick, so that the test needs fewer ticks for a minute."""


class Pins:
    """Motor pins, some of which may refuse writes, and the kernel's dead-man timer."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.duties = [0, 0, 0]
        self.broken_motors: set[int] = set()
        self.armed_at_ms: int | None = None

    def apply(self, duty_pct: Levels) -> None:
        for motor, duty in enumerate(duty_pct):
            if duty != self.duties[motor]:
                if motor in self.broken_motors:
                    raise DeviceError(f"motor {motor} cannot be used")
                assert self.armed_at_ms is not None or not duty, (
                    "a motor is on without an armed dead-man"
                )
                self.duties[motor] = duty

    def all_low(self) -> list[str]:
        for motor in {0, 1, 2} - self.broken_motors:
            self.duties[motor] = 0
        return [f"motor {motor} cannot be driven low" for motor in sorted(self.broken_motors)]

    def arm(self) -> None:
        self.armed_at_ms = self._now_ms()

    def disarm(self) -> None:
        assert not any(self.duties), "the dead-man is disarmed while a motor is on"
        self.armed_at_ms = None


class Process(VirtualPoller):
    """The clock and the disk thread of one process."""

    def __init__(self) -> None:
        super().__init__()
        self.until_ms = 0
        self.suspended_ms = 0
        self.jobs: deque[Callable[[], object]] = deque()
        self.disk_hangs = False

    def wait(self, until_ms: int, *others: Any) -> Any:
        return super().wait(min(until_ms, self.until_ms), *others)

    def slept_ms(self) -> int:
        slept_ms, self.suspended_ms = self.suspended_ms, 0
        return slept_ms

    def submit(self, job: Callable[[], object]) -> None:
        self.jobs.append(job)
        self.at(self.now_ms() + 3, self.work)

    def work(self) -> None:
        while self.jobs and not self.disk_hangs:
            with suppress(OSError):
                self.jobs.popleft()()

    def post(self, call: Callable[[], object]) -> None:
        self.at(self.now_ms(), call)

    def skip_time(self, by_ms: int) -> None:
        """Lets time pass without a round of the loop."""
        self._now_ms += by_ms


class MatModel(RuleBasedStateMachine):
    """The machine, its current process, and the model of what the motors may do."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "ledger"
        self.medium = Medium()
        self.true_ms = 1_000_000
        """The true time when the clock of this process read 0. A suspend shifts it."""
        self.boot_count, self.booted_at_ms, self.is_clock_synchronised = 0, 0, True
        self.sessions: list[PlayedSession] = []
        self.was_renewed_by_button = False
        self.is_disk_broken = False
        self.start_process()

    def teardown(self) -> None:
        self._folder.cleanup()

    # --- processes ---

    def start_process(self) -> None:
        """Starts a process on the ledger that the previous process left."""
        data = self.medium.content
        if data is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(data)
        self.medium.before_call = self.disk_call
        self.process = Process()
        self.pins = Pins(self.process.now_ms)
        self.contact, self.is_rail_stuck_on = Contact.RELEASED, False
        self.ledger = Ledger(
            str(self.path.parent), self.process, self.process.post, self.clock, self.medium  # type: ignore[arg-type]
        )  # fmt: skip
        self.session = Session(SMALL, PROFILES, spent=self.ledger.spent)
        self.latch = Latch(SMALL, self.pins, self.pins)
        self.daemon = Daemon(
            self.session, self.process, self.latch, self, self.ledger,  # type: ignore[arg-type]
            lambda done: None, lambda line: None, [self], [self, TickLate()],  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        # The model: the last request to this process, and the last stop.
        self.last_request_at_ms: int | None = None
        """The last action since the last stop that may start a session or a haptic. None: no such action."""
        self.stopped_at_ms = -RESTART_MS
        self.is_fault = False
        self.started_count = 0
        self.earlier_state = State.IDLE
        self.earlier_at_ms = 0
        self.running_ms = 0
        self.could_renew_day = self.can_renew_day
        self.daemon.sample()
        self.daemon.later(SETTLE_MS, self.daemon.loop._become_ready)
        self.play(SETTLE_MS + 50)

    @property
    def can_renew_day(self) -> bool:
        """Whether holding the button may begin a new day."""
        return self.session.allowance.may_renew or bool(self.session.allowance.damage)

    def clock(self) -> Clock:
        now_ms = self.true_ms + self.process.now_ms()
        wall_ms = WALL_MS + now_ms if self.is_clock_synchronised else None
        return Clock(f"boot {self.boot_count}", now_ms - self.booted_at_ms, wall_ms)

    def disk_call(self, call: str) -> None:
        if self.is_disk_broken:
            raise OSError(errno.EIO, "Input/output error")

    # --- interfaces of the daemon ---

    def read(self) -> Contacts:
        return Contacts(self.contact)

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        return (
            Fault("rail", "the rail is on", is_persistent=True) if self.is_rail_stuck_on else None
        )

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """As a watcher of the daemon: notes the running time, and compares each step with the model."""
        session = self.session
        if self.earlier_state is State.RUNNING:
            self.note_running_time(now_ms - self.earlier_at_ms)
        if (
            self.could_renew_day
            and not self.can_renew_day
            and not isinstance(event, ClockSynchronised)
        ):
            # The first start of a new day also clears the flag, and begins a day without the button.
            self.was_renewed_by_button |= session.allowance.account[1] is None
        self.could_renew_day = self.can_renew_day
        if isinstance(event, Stop | Fault):
            self.note_stop(now_ms)
        is_touch = isinstance(event, Contacts) and event.contact is not Contact.RELEASED
        if is_touch and self.earlier_state in (State.RUNNING, State.PAUSED):
            reached("touched")
            assert session.state in (State.IDLE, State.FAULT)
            self.note_stop(now_ms)
        if session.status.started != self.started_count:
            reached("started")
            self.started_count += 1
            assert session.status.started == self.started_count
            assert self.last_request_at_ms is not None, "a session started without a request"
            assert not self.is_fault
            assert now_ms - self.stopped_at_ms >= RESTART_MS
            start_ms = self.true_ms + now_ms
            self.sessions.append(PlayedSession(start_ms, 0, self.was_renewed_by_button))
            self.was_renewed_by_button, self.running_ms = False, 0
        self.is_fault = session.fault is not None
        self.earlier_state, self.earlier_at_ms = session.state, now_ms
        self.check_duties(step.duty_pct)

    def note_stop(self, now_ms: int) -> None:
        self.last_request_at_ms, self.stopped_at_ms = None, now_ms

    def note_running_time(self, for_ms: int) -> None:
        session = self.sessions[-1]
        self.sessions[-1] = session._replace(ran_ms=session.ran_ms + for_ms)
        self.running_ms += for_ms
        assert self.running_ms <= LONGEST_MS

    # --- the model ---

    def check_duties(self, duties: Levels) -> None:
        session = self.session
        assert max(duties) <= SMALL.limits.duty_pct
        if session.state is not State.RUNNING and not session.status.haptic:
            assert duties == SILENCE
        if any(duties):
            reached("moving")
            assert self.last_request_at_ms is not None, (
                "motors are on without a request since the last stop"
            )
            assert session.fault is None

    def check_round(self) -> None:
        """Compares the pins with the model after a round of the loop."""
        now_ms = self.process.now_ms()
        working_duties = [
            duty
            for motor, duty in enumerate(self.pins.duties)
            if motor not in self.pins.broken_motors
        ]
        if self.session.fault is not None:
            reached("fault")
            assert self.latch.is_tripped
        if self.latch.is_tripped or not self.session.status.is_moving:
            assert not any(working_duties), "a working pin is on and should be off"
        if any(self.pins.duties):
            assert self.pins.armed_at_ms is not None
            assert now_ms - self.pins.armed_at_ms <= TICK_MS

    def play(self, for_ms: int) -> None:
        self.process.until_ms = self.process.now_ms() + for_ms
        while self.process.now_ms() < self.process.until_ms:
            is_idle = (
                self.session.state in (State.IDLE, State.FAULT)
                and not self.session.status.is_starting
            )
            left_ms = self.process.until_ms - self.process.now_ms()
            if (
                is_idle
                and left_ms > 60_000
                and not self.session.status.is_moving
                and not self.process.jobs
            ):
                self.process.skip_time(left_ms - 10_000)  # nothing can happen until then
            self.daemon.loop._round()
            self.check_round()
        assert fits_into_days(self.sessions, DAILY_MS), self.sessions

    def send_event(self, event: Input) -> None:
        if isinstance(event, Start | Try):
            self.last_request_at_ms = self.process.now_ms()
        self.daemon.step(event)
        self.play(1)

    # --- rules: actions of people ---

    @rule(
        name=st.sampled_from(["long", "long", "quick", None]),
        for_ms=st.sampled_from([50, 1_000, 31_000, 59_000, 61_000, 90_000]),
        repair_choice=st.integers(0, 3),
    )
    def start(self, name: str | None, for_ms: int, repair_choice: int) -> None:
        if repair_choice and (
            self.session.fault
            or self.pins.broken_motors
            or self.process.disk_hangs
            or self.is_rail_stuck_on
        ):
            self.repair()
        self.send_event(Start(name))
        self.play(for_ms)

    @rule(name=st.sampled_from(["long", "quick"]))
    def start_right_after_stop(self, name: str) -> None:
        self.send_event(Stop())
        self.send_event(Start(name))
        self.play(150)
        self.send_event(Start(name))
        self.play(50)

    @rule(after_ms=st.sampled_from([200, 1_400, 1_600]), repetitions=st.integers(1, 3))
    def press_repeatedly(self, after_ms: int, repetitions: int) -> None:
        for _ in range(repetitions + 1):
            self.press([], 100, after_ms)

    @rule(for_ms=st.sampled_from([1_000, 31_000, 61_000, 90_000]))
    def play_and_kill(self, for_ms: int) -> None:
        self.start("long", for_ms, 1)
        self.kill()

    @rule(
        event=st.sampled_from(
            [Try(TRIAL), EndTry(), Stop(), Pause(), Resume(), Trim(50), Trim(100), Select("quick"),
             Select("long"), Clear(), Fault("internal", "a mistake")]
        )
    )  # fmt: skip
    def command(self, event: Input) -> None:
        self.send_event(event)

    def touch(self, contact: Contact) -> None:
        if contact is not self.contact and contact is not Contact.RELEASED:
            self.last_request_at_ms = self.process.now_ms()
        self.contact = contact
        self.daemon.sample()

    @rule(
        bounces_ms=st.lists(st.integers(1, 12), max_size=4),
        for_ms=st.sampled_from([20, 100, 700, 1_000, 3_500, 5_500]),
        after_ms=st.sampled_from([0, 40, 200, 1_450, 1_600]),
    )
    def press(self, bounces_ms: list[int], for_ms: int, after_ms: int) -> None:
        for bounce_ms in bounces_ms:
            self.touch(Contact.PRESSED)
            self.play(bounce_ms)
            self.touch(Contact.RELEASED)
            self.play(bounce_ms)
        self.touch(Contact.PRESSED)
        self.play(for_ms)
        self.touch(Contact.RELEASED)
        self.play(after_ms)

    @rule(contact=st.sampled_from(Contact), for_ms=st.integers(1, 700))
    def move_button(self, contact: Contact, for_ms: int) -> None:
        self.touch(contact)
        self.play(for_ms)

    @rule(
        for_ms=st.one_of(
            st.integers(1, 3_000),
            st.sampled_from([31_000, 61_000, 100_500, 301_000, DAY_MS, 25 * 3_600_000]),
        )
    )
    def wait(self, for_ms: int) -> None:
        self.play(for_ms)

    # --- rules: failures ---

    @rule(disk_hangs=st.booleans(), is_broken=st.booleans())
    def change_disk(self, disk_hangs: bool, is_broken: bool) -> None:
        self.process.disk_hangs, self.is_disk_broken = disk_hangs, is_broken
        self.process.post(self.process.work)
        self.play(10)

    @rule(broken_motors=st.sets(st.integers(0, 2), max_size=2))
    def break_pins(self, broken_motors: set[int]) -> None:
        self.pins.broken_motors = broken_motors
        self.play(2 * TICK_MS)

    @rule(is_on=st.booleans())
    def change_rail(self, is_on: bool) -> None:
        self.is_rail_stuck_on = is_on
        self.play(2 * TICK_MS)

    @rule(for_ms=st.sampled_from([90, 240, 390, 450, 5_000]))
    def delay_loop(self, for_ms: int) -> None:
        """Delays the loop. The kernel kills the process if the dead-man expires."""
        was_moving, armed_at_ms = self.session.status.is_moving, self.pins.armed_at_ms
        if (
            armed_at_ms is not None
            and self.process.now_ms() + for_ms - armed_at_ms > DEADMAN_KILL_MS
        ):
            reached("killed by the dead-man")
            self.process.skip_time(DEADMAN_KILL_MS - (self.process.now_ms() - armed_at_ms))
            self.kill()
            return
        assert not was_moving or armed_at_ms is not None or not any(self.pins.duties)
        self.process.skip_time(for_ms)
        self.play(1)

    @rule()
    def repair(self) -> None:
        """Ends every failure, so that the next failure has an effect."""
        self.process.disk_hangs, self.is_disk_broken, self.is_rail_stuck_on = False, False, False
        self.pins.broken_motors = set()
        self.touch(Contact.RELEASED)
        self.process.post(self.process.work)
        self.play(1_600)
        self.send_event(Clear())
        assert self.session.state is not State.FAULT

    # --- rules: ends of the process and clocks ---

    def end_process(self) -> None:
        if self.session.state is State.RUNNING:
            self.note_running_time(self.process.now_ms() - self.earlier_at_ms)
        self.true_ms += self.process.now_ms()
        assert fits_into_days(self.sessions, DAILY_MS), self.sessions

    @rule()
    def kill(self) -> None:
        self.end_process()
        self.true_ms += 1_000
        self.start_process()
        assert not self.session.allowance.damage

    @rule(call_count=st.integers(0, 5))
    def kill_during_save(self, call_count: int) -> None:
        """Kills the process after the disk thread has made some calls of a save."""
        if self.process.jobs and not self.is_disk_broken:
            calls = iter(range(call_count))

            def fail_after_calls(_: str) -> None:
                if next(calls, None) is None:
                    raise PowerCut

            self.medium.before_call = fail_after_calls
            with suppress(PowerCut):
                self.process.jobs.popleft()()
        self.kill()

    @rule(
        off_ms=st.sampled_from([5_000, 3_600_000, DAY_MS, 40 * 3_600_000]),
        is_clock_synchronised=st.booleans(),
        content_index=st.integers(0, 1_000),
    )
    def cut_power(self, off_ms: int, is_clock_synchronised: bool, content_index: int) -> None:
        self.end_process()
        possible_contents = sorted(
            self.medium.contents_after_power_cut(), key=lambda data: data or b""
        )
        self.medium = Medium(possible_contents[content_index % len(possible_contents)])
        self.is_disk_broken = False
        self.true_ms += off_ms
        self.boot_count += 1
        self.booted_at_ms, self.is_clock_synchronised = self.true_ms, is_clock_synchronised
        self.true_ms += 20_000
        self.start_process()
        assert not self.session.allowance.damage

    @rule()
    def synchronise(self) -> None:
        self.is_clock_synchronised = True
        off_ms = self.ledger.unseen_ms()
        if off_ms is not None:
            self.send_event(ClockSynchronised(off_ms))

    @rule(for_ms=st.sampled_from([5_000, DAY_MS]))
    def play_and_suspend(self, for_ms: int) -> None:
        self.start("long", 1_000, 1)
        self.suspend(for_ms)

    @rule(for_ms=st.sampled_from([500, 5_000, 3_600_000, DAY_MS]))
    def suspend(self, for_ms: int) -> None:
        self.true_ms += for_ms
        self.process.suspended_ms = for_ms
        state_before = self.session.state
        self.process.at(self.process.now_ms(), lambda: None)  # a tick, which notices the suspend
        self.play(1)
        if for_ms > 1_000 and state_before in (State.RUNNING, State.PAUSED):
            reached("suspended")
            assert self.session.state is State.FAULT


@must_reach(
    started=50, moving=500, touched=10, fault=50, suspended=1, **{"killed by the dead-man": 1}
)
def test_invariants_01_04_05_06_07_08_12_hold_for_a_machine_over_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "TICK_MS", TICK_MS)
    run_state_machine_as_test(
        MatModel,
        settings=settings(max_examples=40, stateful_step_count=50, deadline=None, derandomize=True),
    )
