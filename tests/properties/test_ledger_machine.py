"""One machine over its lives: loop, session, latch, button and ledger, and all that may go wrong.

After each round of the loop a simple model, which knows only what was done to the machine, says
what the motors may do.
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
from firmware_ctl.session.events import Contacts as Sensed
from firmware_ctl.session.session import Session
from firmware_ctl.storage.ledger import Clock, Ledger
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.motor_drive import Levels
from tests.support.clock import VirtualPoller
from tests.support.daemon import Daemon
from tests.support.reached import must_reach, reached
from tests.support.worlds import LIMITS, MAT, MINUTE_MS, QUICK, SILENCE, entry, steady
from tests.support.worlds_disk import WALL_MS, Cut, Medium, Played, fits_into_days

DAILY_MS = 3 * MINUTE_MS
SMALL = MAT._replace(limits=LIMITS._replace(daily_ms=DAILY_MS))
LONG = entry("long", Phase("long", 100_000, 1, (steady("all", 20),)))
PROFILES = Catalogue((LONG, QUICK))
LONGEST_MS = 100_000
TRIAL = compile_profile(
    Profile(TRY, TRY, "", (), False, (Phase(TRY, 10_000, 1, (steady("neck", 30),)),)), MAT
)
TICK_MS = 100
"""Five times slower than the daemon's, so that minutes are over soon."""


class Pins:
    """Motor pins of which some may not take what is written, and the kernel's timer."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.duties = [0, 0, 0]
        self.broken: set[int] = set()
        self.armed_at_ms: int | None = None

    def apply(self, duty_pct: Levels) -> None:
        for motor, duty in enumerate(duty_pct):
            if duty != self.duties[motor]:
                if motor in self.broken:
                    raise DeviceError(f"motor {motor} cannot be used")
                assert self.armed_at_ms is not None or not duty, "a motor on, and no dead-man"
                self.duties[motor] = duty

    def all_low(self) -> list[str]:
        for motor in {0, 1, 2} - self.broken:
            self.duties[motor] = 0
        return [f"motor {motor} cannot be driven low" for motor in sorted(self.broken)]

    def arm(self) -> None:
        self.armed_at_ms = self._now_ms()

    def disarm(self) -> None:
        assert not any(self.duties), "the dead-man rests, and a motor is on"
        self.armed_at_ms = None


class Life(VirtualPoller):
    """What one process has: its clock, its disk's thread, and what it sees of the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.until_ms = 0
        self.suspended_ms = 0
        self.jobs: deque[Callable[[], object]] = deque()
        self.hangs = False

    def wait(self, until_ms: int, *others: Any) -> Any:
        return super().wait(min(until_ms, self.until_ms), *others)

    def slept_ms(self) -> int:
        slept_ms, self.suspended_ms = self.suspended_ms, 0
        return slept_ms

    def submit(self, job: Callable[[], object]) -> None:
        self.jobs.append(job)
        self.at(self.now_ms() + 3, self.work)

    def work(self) -> None:
        while self.jobs and not self.hangs:
            with suppress(OSError):
                self.jobs.popleft()()

    def post(self, call: Callable[[], object]) -> None:
        self.at(self.now_ms(), call)

    def jump(self, by_ms: int) -> None:
        """The loop is held up."""
        self._now_ms += by_ms


class Mat(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "ledger"
        self.medium = Medium()
        self.true_ms = 1_000_000
        """At the begin of this process's life, or after its last suspend."""
        self.boots, self.booted_at_ms, self.is_sure = 0, 0, True
        self.sessions: list[Played] = []
        self.renewed = False
        self.breaks_disk = False
        self.live()

    def teardown(self) -> None:
        self._folder.cleanup()

    # --- lives ---

    def live(self) -> None:
        """A new process on what the last one left."""
        data = self.medium.held
        if data is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(data)
        self.medium.fails = self.fail
        self.life = Life()
        self.pins = Pins(self.life.now_ms)
        self.contact, self.rail = Contact.RELEASED, False
        self.ledger = Ledger(
            str(self.path.parent), self.life, self.life.post, self.clock, self.medium  # type: ignore[arg-type]
        )  # fmt: skip
        self.session = Session(SMALL, PROFILES, spent=self.ledger.spent)
        self.latch = Latch(SMALL, self.pins, self.pins)
        self.daemon = Daemon(
            self.session, self.life, self.latch, self, self.ledger,  # type: ignore[arg-type]
            lambda done: None, lambda line: None, [self], [self, TickLate()],  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        # The model: what was asked of this process, and what ended it.
        self.asked_at_ms: int | None = None
        """When something was last done that may start or signal, since the last stop."""
        self.stopped_at_ms = -RESTART_MS
        self.is_fault = False
        self.seen_started = 0
        self.before = State.IDLE
        self.before_ms = 0
        self.running_ms = 0
        self.had_doubt = self.doubt
        self.daemon.sample()
        self.daemon.later(SETTLE_MS, self.daemon.loop._become_ready)
        self.play(SETTLE_MS + 50)

    @property
    def doubt(self) -> bool:
        """The button may begin a new day."""
        return self.session.allowance.may_renew or bool(self.session.allowance.damage)

    def clock(self) -> Clock:
        now_ms = self.true_ms + self.life.now_ms()
        wall_ms = WALL_MS + now_ms if self.is_sure else None
        return Clock(f"boot {self.boots}", now_ms - self.booted_at_ms, wall_ms)

    def fail(self, call: str) -> None:
        if self.breaks_disk:
            raise OSError(errno.EIO, "Input/output error")

    # --- what the daemon asks ---

    def read(self) -> Sensed:
        return Sensed(self.contact)

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        return Fault("rail", "the rail is on", is_persistent=True) if self.rail else None

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """As a watcher: what was really played, and that each step keeps to the model."""
        session = self.session
        if self.before is State.RUNNING:
            self.played(now_ms - self.before_ms)
        if self.had_doubt and not self.doubt and not isinstance(event, ClockSynchronised):
            # A first start of a day that was over ends the doubt as well, and begins one anyway.
            self.renewed |= session.allowance.account[1] is None
        self.had_doubt = self.doubt
        if isinstance(event, Stop | Fault):
            self.stops(now_ms)
        is_touch = isinstance(event, Sensed) and event.contact is not Contact.RELEASED
        if is_touch and self.before in (State.RUNNING, State.PAUSED):
            reached("touched")
            assert session.state in (State.IDLE, State.FAULT)
            self.stops(now_ms)
        if session.status.started != self.seen_started:
            reached("started")
            self.seen_started += 1
            assert session.status.started == self.seen_started
            assert self.asked_at_ms is not None, "a start that no one asked for"
            assert not self.is_fault
            assert now_ms - self.stopped_at_ms >= RESTART_MS
            start_ms = self.true_ms + now_ms
            self.sessions.append(Played(start_ms, 0, self.renewed))
            self.renewed, self.running_ms = False, 0
        self.is_fault = session.fault is not None
        self.before, self.before_ms = session.state, now_ms
        self.may(step.duty_pct)

    def stops(self, now_ms: int) -> None:
        self.asked_at_ms, self.stopped_at_ms = None, now_ms

    def played(self, for_ms: int) -> None:
        session = self.sessions[-1]
        self.sessions[-1] = session._replace(ran_ms=session.ran_ms + for_ms)
        self.running_ms += for_ms
        assert self.running_ms <= LONGEST_MS

    # --- the model ---

    def may(self, duties: Levels) -> None:
        session = self.session
        assert max(duties) <= SMALL.limits.duty_pct
        if session.state is not State.RUNNING and not session.status.haptic:
            assert duties == SILENCE
        if any(duties):
            reached("moving")
            assert self.asked_at_ms is not None, "motors on, and no one asked since the last stop"
            assert session.fault is None

    def check_round(self) -> None:
        """After each round of the loop."""
        now_ms = self.life.now_ms()
        whole = [
            duty for motor, duty in enumerate(self.pins.duties) if motor not in self.pins.broken
        ]
        if self.session.fault is not None:
            reached("fault")
            assert self.latch.is_tripped
        if self.latch.is_tripped or not self.session.status.is_moving:
            assert not any(whole), "a pin on that could be off"
        if any(self.pins.duties):
            assert self.pins.armed_at_ms is not None
            assert now_ms - self.pins.armed_at_ms <= TICK_MS

    def play(self, for_ms: int) -> None:
        self.life.until_ms = self.life.now_ms() + for_ms
        while self.life.now_ms() < self.life.until_ms:
            idle = (
                self.session.state in (State.IDLE, State.FAULT)
                and not self.session.status.is_starting
            )
            left_ms = self.life.until_ms - self.life.now_ms()
            if (
                idle
                and left_ms > 60_000
                and not self.session.status.is_moving
                and not self.life.jobs
            ):
                self.life.jump(left_ms - 10_000)  # nothing would happen
            self.daemon.loop._round()
            self.check_round()
        assert fits_into_days(self.sessions, DAILY_MS), self.sessions

    def do(self, event: Input) -> None:
        if isinstance(event, Start | Try):
            self.asked_at_ms = self.life.now_ms()
        self.daemon.step(event)
        self.play(1)

    # --- rules: people ---

    @rule(
        name=st.sampled_from(["long", "long", "quick", None]),
        for_ms=st.sampled_from([50, 1_000, 31_000, 59_000, 61_000, 90_000]),
        repair=st.integers(0, 3),
    )
    def start(self, name: str | None, for_ms: int, repair: int) -> None:
        if repair and (self.session.fault or self.pins.broken or self.life.hangs or self.rail):
            self.mend()
        self.do(Start(name))
        self.play(for_ms)

    @rule(name=st.sampled_from(["long", "quick"]))
    def start_right_after_a_stop(self, name: str) -> None:
        self.do(Stop())
        self.do(Start(name))
        self.play(150)
        self.do(Start(name))
        self.play(50)

    @rule(after_ms=st.sampled_from([200, 1_400, 1_600]), times=st.integers(1, 3))
    def press_and_press_again(self, after_ms: int, times: int) -> None:
        for _ in range(times + 1):
            self.press([], 100, after_ms)

    @rule(for_ms=st.sampled_from([1_000, 31_000, 61_000, 90_000]))
    def play_and_die(self, for_ms: int) -> None:
        self.start("long", for_ms, 1)
        self.kill()

    @rule(
        event=st.sampled_from(
            [Try(TRIAL), Stop(), Pause(), Resume(), Trim(50), Trim(100), Select("quick"),
             Select("long"), Clear(), Fault("internal", "a mistake")]
        )
    )  # fmt: skip
    def command(self, event: Input) -> None:
        self.do(event)

    def touch(self, contact: Contact) -> None:
        if contact is not self.contact and contact is not Contact.RELEASED:
            self.asked_at_ms = self.life.now_ms()
        self.contact = contact
        self.daemon.sample()

    @rule(
        bounces=st.lists(st.integers(1, 12), max_size=4),
        for_ms=st.sampled_from([20, 100, 700, 1_000, 3_500, 5_500]),
        after_ms=st.sampled_from([0, 40, 200, 1_450, 1_600]),
    )
    def press(self, bounces: list[int], for_ms: int, after_ms: int) -> None:
        for bounce_ms in bounces:
            self.touch(Contact.PRESSED)
            self.play(bounce_ms)
            self.touch(Contact.RELEASED)
            self.play(bounce_ms)
        self.touch(Contact.PRESSED)
        self.play(for_ms)
        self.touch(Contact.RELEASED)
        self.play(after_ms)

    @rule(contact=st.sampled_from(Contact), for_ms=st.integers(1, 700))
    def leave_button(self, contact: Contact, for_ms: int) -> None:
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

    # --- rules: what breaks ---

    @rule(hangs=st.booleans(), breaks=st.booleans())
    def disk(self, hangs: bool, breaks: bool) -> None:
        self.life.hangs, self.breaks_disk = hangs, breaks
        self.life.post(self.life.work)
        self.play(10)

    @rule(broken=st.sets(st.integers(0, 2), max_size=2))
    def break_pins(self, broken: set[int]) -> None:
        self.pins.broken = broken
        self.play(2 * TICK_MS)

    @rule(is_on=st.booleans())
    def rail_sticks(self, is_on: bool) -> None:
        self.rail = is_on
        self.play(2 * TICK_MS)

    @rule(for_ms=st.sampled_from([90, 240, 390, 450, 5_000]))
    def hold_up(self, for_ms: int) -> None:
        """The loop does not come round; the kernel ends it in time."""
        was_moving, armed_at_ms = self.session.status.is_moving, self.pins.armed_at_ms
        if armed_at_ms is not None and self.life.now_ms() + for_ms - armed_at_ms > DEADMAN_KILL_MS:
            reached("killed by the dead-man")
            self.life.jump(DEADMAN_KILL_MS - (self.life.now_ms() - armed_at_ms))
            self.kill()
            return
        assert not was_moving or armed_at_ms is not None or not any(self.pins.duties)
        self.life.jump(for_ms)
        self.play(1)

    @rule()
    def mend(self) -> None:
        """So that there is something to break again."""
        self.life.hangs, self.breaks_disk, self.rail = False, False, False
        self.pins.broken = set()
        self.touch(Contact.RELEASED)
        self.life.post(self.life.work)
        self.play(1_600)
        self.do(Clear())
        assert self.session.state is not State.FAULT

    # --- rules: deaths and clocks ---

    def dies(self) -> None:
        if self.session.state is State.RUNNING:
            self.played(self.life.now_ms() - self.before_ms)
        self.true_ms += self.life.now_ms()
        assert fits_into_days(self.sessions, DAILY_MS), self.sessions

    @rule()
    def kill(self) -> None:
        self.dies()
        self.true_ms += 1_000
        self.live()
        assert not self.session.allowance.damage

    @rule(call=st.integers(0, 5))
    def kill_in_a_save(self, call: int) -> None:
        """As the last thing that the process does, the disk's thread makes some calls."""
        if self.life.jobs and not self.breaks_disk:
            calls = iter(range(call))

            def fails(_: str) -> None:
                if next(calls, None) is None:
                    raise Cut

            self.medium.fails = fails
            with suppress(Cut):
                self.life.jobs.popleft()()
        self.kill()

    @rule(
        off_ms=st.sampled_from([5_000, 3_600_000, DAY_MS, 40 * 3_600_000]),
        is_sure=st.booleans(),
        pick=st.integers(0, 1_000),
    )
    def cut_power(self, off_ms: int, is_sure: bool, pick: int) -> None:
        self.dies()
        left = sorted(self.medium.leaves(), key=lambda data: data or b"")
        self.medium = Medium(left[pick % len(left)])
        self.breaks_disk = False
        self.true_ms += off_ms
        self.boots += 1
        self.booted_at_ms, self.is_sure = self.true_ms, is_sure
        self.true_ms += 20_000
        self.live()
        assert not self.session.allowance.damage

    @rule()
    def synchronise(self) -> None:
        self.is_sure = True
        away_ms = self.ledger.unseen_ms()
        if away_ms is not None:
            self.do(ClockSynchronised(away_ms))

    @rule(for_ms=st.sampled_from([500, 5_000, 3_600_000, DAY_MS]))
    def suspend(self, for_ms: int) -> None:
        self.true_ms += for_ms
        self.life.suspended_ms = for_ms
        was = self.session.state
        self.play(1)
        if for_ms > 1_000 and was in (State.RUNNING, State.PAUSED):
            reached("suspended")
            assert self.session.state is State.FAULT


@must_reach(
    started=50, moving=500, touched=10, fault=50, suspended=1, **{"killed by the dead-man": 1}
)
def test_invariants_01_04_05_06_07_08_12_of_a_machine_over_its_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "TICK_MS", TICK_MS)
    run_state_machine_as_test(
        Mat,
        settings=settings(max_examples=40, stateful_step_count=50, deadline=None, derandomize=True),
    )
