"""No motor stalls under power, and the current stays within the supply at every instant.

This holds through pauses, trims, stops and faults. The tests take the motion of the motors from the
model of the simulator and the currents from that of docs/safety.md, and use neither the code that
drives the motors nor its state.
"""

from collections.abc import Sequence
from math import ceil, log
from typing import Final

import pytest
from hypothesis import Phase as Phases
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.config.profile import Level, Phase, Play, Profile
from firmware_ctl.errors import AuthorError
from firmware_ctl.limits import (
    FIRST_KICK_PCT,
    GRID_MS,
    INRUSH_MS,
    REST_MS,
    RESTART_MS,
    SECOND_KICK_MS,
    STAGGER_MS,
)
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Clear,
    Contacts,
    Fault,
    Input,
    LedgerSaved,
    Pause,
    Ready,
    Resume,
    Start,
    State,
    Step,
    Stop,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.erm import FRICTION, STOP_MS, Erm
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.motor_drive import duty_table
from firmware_ctl.timeline.report import Certificate, certify
from firmware_ctl.timeline.supply import TooLongError, fit_to_supply
from tests.support.reached import must_reach, reached
from tests.support.strategies import mats_and_profiles
from tests.support.worlds import entry, steady
from tests.support.worlds_supply import peak_current

MAT: Final = load_mat(shipped.mat_file())
NO_BUTTON: Final = MAT._replace(button=None)
CATALOGUE: Final = read_catalogue([shipped.profiles_dir()], MAT)
PROFILE_NAMES: Final = [catalogue_entry.name for catalogue_entry in CATALOGUE.entries]

STEADY: Final = entry("steady", Phase("all", 60_000, 1, (steady("all", 20),)), mat=MAT)

LONG_AGO_MS: Final = -(10**9)

BARELY_STARTED_MS: Final = 20
"""A motor that was on for a shorter time turns slowly at most, so that another kick does no harm."""


class MotorModel:
    """A motor in the model of the simulator, with the current that the supply is proven for."""

    def __init__(self, motor: Motor) -> None:
        self.motor = motor
        self.simulated_motor = Erm(motor)
        self.duty_pct = 0
        self.off_since_ms = LONG_AGO_MS
        self.started_at_ms = LONG_AGO_MS
        self.powered_since_ms = 0
        self.was_kicked = False
        self.is_exempt = False
        """The motor turned slowly when it was switched off, so it stopped in less than REST_MS."""

    def apply_duty(self, duty_pct: int, is_kicked: bool, now_ms: int) -> None:
        was_turning = self.simulated_motor.at(now_ms).turning
        off_ms = now_ms - self.off_since_ms
        switches_on = duty_pct and not self.duty_pct
        if switches_on:
            self.powered_since_ms = now_ms
            self.is_exempt &= off_ms < REST_MS
        if is_kicked and not self.was_kicked:
            was_barely_turning = self.off_since_ms - self.started_at_ms < BARELY_STARTED_MS
            # Nobody knows whether a gentle kick has started a motor, so a full kick follows a second
            # later. After a pause in between, the motor gets a gentle kick again and may be turning.
            is_gentle = duty_pct <= FIRST_KICK_PCT
            is_at_rest = not was_turning or off_ms >= REST_MS
            assert is_at_rest or was_barely_turning or is_gentle, "a turning motor gets a kick"
            self.started_at_ms = now_ms
        elif switches_on and off_ms >= REST_MS:
            self.started_at_ms = now_ms
        if self.duty_pct and not duty_pct:
            self.off_since_ms = now_ms
            stops_after_ms = STOP_MS * log(1 + self.simulated_motor.at(now_ms).speed / FRICTION)
            self.is_exempt |= 0 < stops_after_ms < REST_MS
        self.duty_pct, self.was_kicked = duty_pct, is_kicked
        self.simulated_motor.set_duty(duty_pct, now_ms)

    def stalled_since_ms(self, now_ms: int) -> int | None:
        """Since when the motor has had a duty without turning. None if it turns, is off or is exempt."""
        if not self.duty_pct or self.simulated_motor.at(now_ms).turning or self.is_exempt:
            return None
        return self.powered_since_ms

    def current_ma(self, now_ms: int) -> float:
        if not self.duty_pct:
            return 0.0
        if now_ms - self.started_at_ms < INRUSH_MS:
            return self.motor.start_ma
        return self.motor.run_ma * self.duty_pct / self.motor.cap_pct


class CheckedSession:
    """A session that gets every wake at its time. The class checks each step."""

    def __init__(self, mat: Mat, entries: Sequence[GoodEntry], speed: float = 1.0) -> None:
        self.mat = mat
        self.session = Session(mat, Catalogue(tuple(entries)), speed)
        self.session.handle(Ready(), 0)
        self.timelines = {
            catalogue_entry.name: catalogue_entry.timeline for catalogue_entry in entries
        }
        self.duty_tables = [duty_table(motor, mat) for motor in mat.motors]
        self.motors = [MotorModel(motor) for motor in mat.motors]
        self.now_ms = 0
        self.envelope_began_at_ms = 0
        """When the session last began or resumed."""
        self.first_started_at_ms: dict[int, int] = {}
        """For each motor, when it first started since then."""
        self.kicked_motors: set[int] = set()
        """The motors that have had a kick since then."""
        self.waiting_since_ms: dict[int, int] = {}
        self.longest_wait_ms = 0
        self.longest_stall_ms = 0
        self.highest_ma = 0.0
        self.highest_level_pct = [0] * len(mat.motors)
        self.highest_duty_pct = [0] * len(mat.motors)
        self.start_count = 0
        self.is_loop_late = False
        self.has_kicks = True
        """Whether the session of the previous step has kicks. It has none if the supply is too weak."""
        self.step = Step(
            (0,) * len(mat.motors), (0,) * len(mat.motors), (), None, self.session.status
        )

    def pass_event(self, event: Input, at_ms: int | None = None) -> None:
        """Makes every wake before `at_ms`, then passes the event. The disk answers a save at once."""
        if at_ms is not None:
            self.play_until(at_ms)
        earlier_status = self.session.status.started, self.session.state
        self._check_currents(self.now_ms)
        step = self.session.handle(event, self.now_ms)
        if step.save is not None:
            step = self.session.handle(LedgerSaved(step.save.number), self.now_ms)
        if self.session.state is State.RUNNING and earlier_status != (
            self.session.status.started,
            State.RUNNING,
        ):
            self.envelope_began_at_ms = self.now_ms
            self.first_started_at_ms.clear()
            self.kicked_motors.clear()
        self._check(step)
        self.step = step

    def play_until(self, at_ms: int) -> None:
        while (wake_at_ms := self.step.wake_at_ms) is not None and wake_at_ms < at_ms:
            assert wake_at_ms >= self.now_ms
            self.now_ms = wake_at_ms
            self.pass_event(Wake())
        self.now_ms = at_ms

    def play_for(self, for_ms: int) -> None:
        self.play_until(self.now_ms + for_ms)
        self.pass_event(Wake())

    def play_with_late_loop(self, for_ms: int) -> None:
        """Plays for `for_ms` with a loop that is so late that it makes a step only every 5 s."""
        end_ms = self.now_ms + for_ms
        self.is_loop_late = True
        while self.now_ms < end_ms:
            self.now_ms = min(self.now_ms + 5_000, end_ms)
            self.pass_event(Wake())
        self.is_loop_late = False
        self.waiting_since_ms.clear()

    def _check(self, step: Step) -> None:
        now_ms = self.now_ms
        for index, model in enumerate(self.motors):
            level, duty = step.level_pct[index], step.duty_pct[index]
            is_kicked = index in step.kicks
            started = duty and not self.step.duty_pct[index]
            stalled_at_ms = model.stalled_since_ms(now_ms)
            if stalled_at_ms is not None and model.motor.kick_ms and self.has_kicks:
                self.longest_stall_ms = max(self.longest_stall_ms, now_ms - stalled_at_ms)
                assert (
                    self.is_loop_late or now_ms - stalled_at_ms <= SECOND_KICK_MS + 2 * GRID_MS
                ), model.motor.name
            model.apply_duty(duty, is_kicked, now_ms)
            self.highest_level_pct[index] = max(self.highest_level_pct[index], level)
            self.highest_duty_pct[index] = max(self.highest_duty_pct[index], duty)
            assert is_kicked or duty <= self.duty_tables[index][level], (
                "the duty is above the duty of the level"
            )
            assert level or not duty
            if level == 0 or duty:
                waiting_from_ms = self.waiting_since_ms.pop(index, now_ms)
                if duty:
                    self.longest_wait_ms = max(self.longest_wait_ms, now_ms - waiting_from_ms)
            elif not self.is_loop_late:
                self.waiting_since_ms.setdefault(index, now_ms)
            if started and self.session.status.is_on and index not in self.first_started_at_ms:
                if len(self.motors) > 1:
                    assert now_ms not in self.first_started_at_ms.values(), (
                        "two motors start at the same time"
                    )
                self.first_started_at_ms[index] = now_ms
                self.start_count += 1
            if is_kicked and self.session.status.is_on and index not in self.kicked_motors:
                self.kicked_motors.add(index)
                assert duty <= max(FIRST_KICK_PCT, self.duty_tables[index][level]), (
                    "the first kick is too strong"
                )
            if self.session.status.is_on:
                envelope_ms = (now_ms - self.envelope_began_at_ms) * self.session.speed
                assert level * 1_000 <= envelope_ms * self.mat.limits.rise_pct_s, (
                    "the level is above the envelope"
                )
        timeline = self.timelines.get(self.session.status.profile)
        self.has_kicks = (
            not self.session.status.is_on or timeline is None or timeline.drive_table.kicks
        )
        self._check_currents(now_ms)

    def _check_currents(self, now_ms: int) -> None:
        """Checks the current now. Between two steps it can only fall, when an inrush ends."""
        total_ma = sum(model.current_ma(now_ms) for model in self.motors)
        self.highest_ma = max(self.highest_ma, total_ma)
        assert total_ma <= self.mat.max_ma + 1e-6, (
            f"the motors draw {total_ma} mA, the supply gives {self.mat.max_ma} mA"
        )


# --- the shipped profiles ---


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_resume_at_any_time_in_a_shipped_profile_sets_every_motor_turning(name: str) -> None:
    timeline = CATALOGUE.valid(name).timeline
    assert timeline is not None
    pauses_at_ms = range(1_000, timeline.end_ms - 10_000, timeline.end_ms // 60)
    for pause_at_ms in pauses_at_ms:
        checked = CheckedSession(NO_BUTTON, CATALOGUE.entries)
        checked.pass_event(Start(name))
        checked.play_with_late_loop(pause_at_ms - 3_000 if pause_at_ms > 3_000 else 0)
        checked.pass_event(Pause(), pause_at_ms)
        checked.pass_event(Resume(), pause_at_ms + 5_000)
        checked.play_for(8_000)
        assert checked.session.state is State.RUNNING
        assert checked.start_count, f"no motor starts after a pause at {pause_at_ms} ms"
        assert checked.longest_wait_ms <= STAGGER_MS
    assert len(pauses_at_ms) > 50


@pytest.mark.parametrize("for_ms", [0, 20, 100, 130, 149, 150, 200, 1_000])
@pytest.mark.parametrize("at_ms", [30, 60, 100, 400, 1_000, 1_100, 8_000])
def test_pause_of_any_length_leaves_no_motor_stalled(at_ms: int, for_ms: int) -> None:
    for name in ("full-body", "lower-back"):
        checked = CheckedSession(NO_BUTTON, CATALOGUE.entries)
        checked.pass_event(Start(name))
        checked.pass_event(Pause(), at_ms)
        checked.pass_event(Resume(), at_ms + for_ms)
        checked.play_for(5_000)
        assert checked.start_count


@pytest.mark.parametrize("after_ms", [RESTART_MS, 130, 149, 150, 300])
@pytest.mark.parametrize("at_ms", [50, 70, 100, 200, 500, 1_050, 3_000])
def test_start_soon_after_a_stop_or_fault_leaves_no_motor_stalled(
    at_ms: int, after_ms: int
) -> None:
    for stop_event, next_event in ((Stop(), Wake()), (Fault("rail", "the rail is off"), Clear())):
        checked = CheckedSession(NO_BUTTON, CATALOGUE.entries)
        checked.pass_event(Start("full-body"))
        checked.pass_event(stop_event, at_ms)
        checked.pass_event(next_event, at_ms + 50)
        checked.pass_event(Start("lower-back"), at_ms + after_ms)
        checked.play_for(5_000)
        assert checked.session.status.profile == "lower-back"
        assert checked.start_count >= 2


@pytest.mark.parametrize(("start_at_ms", "has_rested"), [(1_150, False), (1_350, True)])
def test_start_during_a_haptic_kicks_only_motors_at_rest(
    start_at_ms: int, has_rested: bool
) -> None:
    checked = CheckedSession(MAT, [STEADY, *CATALOGUE.entries])
    checked.pass_event(Contacts(Contact.RELEASED), 0)
    checked.pass_event(Contacts(Contact.PRESSED), 200)
    checked.pass_event(Contacts(Contact.RELEASED), 1_100)
    checked.play_until(1_150)
    assert checked.session.status.haptic == "profile-2"  # pulses of 200 ms from 1000 ms on
    haptic_motors = {index for index, duty in enumerate(checked.step.duty_pct) if duty}
    assert len(haptic_motors) == 4
    checked.pass_event(Start("steady"), start_at_ms)
    kicked_motors = set()
    for _ in range(20):
        checked.play_for(GRID_MS)
        kicked_motors |= {*checked.step.kicks}
    assert kicked_motors == set(range(8)) - (set() if has_rested else haptic_motors)
    checked.play_for(3_000)


def test_try_after_another_try_kicks_only_motors_at_rest() -> None:
    timelines = {}
    for zone in ("neck", "hips"):
        phase = Phase("try", 10_000, 1, (steady(zone, 30),))
        timelines[zone] = compile_profile(Profile("try", "try", "", (), False, (phase,)), MAT)
    checked = CheckedSession(NO_BUTTON, CATALOGUE.entries)
    checked.pass_event(Try(timelines["neck"]))
    for zone, at_ms in (("hips", 2_000), ("neck", 2_150), ("neck", 4_000)):
        checked.pass_event(Stop(), at_ms)
        checked.pass_event(Try(timelines[zone]), at_ms + RESTART_MS)
        checked.play_for(30)
        assert checked.session.status.profile == "try"
    checked.play_for(4_000)
    assert checked.start_count >= 2


def test_haptic_in_a_session_restarts_motors_after_its_gaps() -> None:
    checked = CheckedSession(NO_BUTTON, CATALOGUE.entries)
    checked.pass_event(Start("guided-points"))
    timeline = CATALOGUE.valid("guided-points").timeline
    assert timeline is not None
    for haptic_cue in timeline.haptic_cues[:4]:
        if haptic_cue.begin_ms - 2_000 > checked.now_ms:
            checked.play_with_late_loop(haptic_cue.begin_ms - 2_000 - checked.now_ms)
        checked.play_until(haptic_cue.gaps[0].begin_ms + 10)
        checked.pass_event(Wake())
        assert not any(checked.step.duty_pct)
        checked.play_until(haptic_cue.end_ms + 1_500)
        checked.pass_event(Wake())
        assert any(checked.step.duty_pct)


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0, 60.0])
def test_kick_and_rest_at_any_speed_take_real_time(speed: float) -> None:
    checked = CheckedSession(NO_BUTTON, [STEADY], speed)
    checked.pass_event(Start("steady"))
    checked.play_for(2_000 if speed < 10 else 500)
    checked.pass_event(Pause())
    checked.pass_event(Resume(), checked.now_ms + 200)
    kicked_ms = [0] * 8
    for _ in range(400):
        for index in checked.step.kicks:
            kicked_ms[index] += 1
        checked.play_for(1)
    assert kicked_ms == [120] * 8


# --- a supply that cannot start all motors at once ---


def tight_mat_and_entry(max_ma: int, *plays: Play) -> tuple[Mat, GoodEntry]:
    mat = NO_BUTTON._replace(max_ma=max_ma)
    return mat, entry("tight", Phase("all", 60_000, 1, plays), mat=mat)


SIDES: Final = ("neck.left", "neck.right", "hips.left", "hips.right", "lower_back.left")


def test_resume_on_a_weak_supply_starts_every_motor_and_reaches_its_level() -> None:
    plays = [
        Play(side, "steady", Level(60, 60), after_ms=160 * index)
        for index, side in enumerate(SIDES)
    ]
    mat, catalogue_entry = tight_mat_and_entry(630, *plays)
    assert catalogue_entry.timeline.drive_table.kicks
    uninterrupted, checked = (
        CheckedSession(mat, [catalogue_entry]),
        CheckedSession(mat, [catalogue_entry]),
    )
    for session in (uninterrupted, checked):
        session.pass_event(Start("tight"))
        session.play_for(10_000)
    assert uninterrupted.highest_ma > 600
    checked.pass_event(Pause())
    checked.pass_event(Resume(), 15_000)
    checked.play_for(3_000)
    running_motors = [index for index, duty in enumerate(checked.step.duty_pct) if duty]
    assert len(running_motors) == 6
    assert sorted(checked.first_started_at_ms) == running_motors
    assert STAGGER_MS < checked.longest_wait_ms < 6 * (INRUSH_MS + GRID_MS)
    checked.play_for(3_000)
    assert checked.step.duty_pct == uninterrupted.step.duty_pct


def test_certificate_of_a_shipped_profile_states_the_highest_current_of_a_resume() -> None:
    catalogue_entry = CATALOGUE.valid("lower-back")
    certificate = certificate_of(catalogue_entry, MAT)
    assert certificate.worst.ma == 900 > peak_current(catalogue_entry.timeline)[0].ma
    checked = CheckedSession(NO_BUTTON, [catalogue_entry])
    checked.pass_event(Start(catalogue_entry.name))
    checked.play_with_late_loop(certificate.worst.at_ms)
    checked.pass_event(Pause())
    checked.pass_event(Resume(), checked.now_ms + 1_000)
    checked.play_for(300)
    assert checked.highest_ma == 900


# --- properties ---

Action = tuple[str, int]
"""The name of an action, and its duration in ms or its trim in percent."""

SHORT_TIMES_MS: Final = st.integers(0, 400)
ACTIONS: Final = st.one_of(
    st.tuples(st.just("pause"), st.one_of(SHORT_TIMES_MS, st.integers(0, 20_000))),
    st.tuples(st.just("trim"), st.integers(10, 100)),
    st.tuples(st.just("restart"), st.integers(RESTART_MS, 400)),
    st.tuples(st.just("fault"), st.integers(RESTART_MS, 400)),
    st.tuples(st.just("late"), st.one_of(SHORT_TIMES_MS, st.integers(0, 60_000))),
)
SCRIPTS: Final = st.lists(
    st.tuples(ACTIONS, st.one_of(SHORT_TIMES_MS, st.integers(0, 5_000))), max_size=6
)
"""A script: actions, each with the time in ms that the session plays after it."""


def certificate_of(catalogue_entry: GoodEntry, mat: Mat) -> Certificate:
    return certify(catalogue_entry.timeline, catalogue_entry.budget, mat)


def run_script(checked: CheckedSession, name: str, script: list[tuple[Action, int]]) -> None:
    checked.pass_event(Start(name))
    for (action, amount), play_ms in script:
        if action == "pause":
            checked.pass_event(Pause())
            checked.pass_event(Resume(), checked.now_ms + amount)
        elif action == "trim":
            checked.pass_event(Trim(amount))
        elif action == "late":
            checked.play_with_late_loop(amount)
        else:
            checked.pass_event(Stop() if action == "restart" else Fault("rail", "the rail is off"))
            checked.pass_event(Clear())
            checked.pass_event(Start(name), checked.now_ms + amount)
        checked.play_for(play_ms)


def fitted(mat: Mat, profile: Profile, supply_share: float) -> tuple[Mat, GoodEntry]:
    """The profile on the mat with a supply chosen by `supply_share`.

    0: the weakest supply that is enough for an uninterrupted session. 1: a supply that can start all
    motors of the profile at once. Below 0: a weaker supply, for which the compiler must stagger starts.
    """
    limits = mat.limits._replace(daily_ms=60 * 60_000)
    mat = mat._replace(button=None, limits=limits, max_ma=10**6)
    timeline, _ = fit_to_supply(profile, mat)
    try:
        lowest_ma = peak_current(timeline)[0].ma
    except TooLongError:
        reject()
    highest_ma = max(
        timeline.drive_table.together_ma(segment.high_pct) for segment in timeline.segments
    )
    supply_ma = (
        lowest_ma + (highest_ma - lowest_ma) * supply_share
        if supply_share >= 0
        else lowest_ma * (1 + supply_share)
    )
    for max_ma in (ceil(supply_ma), ceil(lowest_ma)):
        mat = mat._replace(max_ma=max(1, max_ma))
        try:
            timeline, budget = fit_to_supply(profile, mat)
        except AuthorError:
            continue
        return mat, GoodEntry(profile.name, profile, timeline, budget)
    raise AssertionError("the lowest supply is not enough for the profile")


SUPPLY_SHARES: Final = st.one_of(st.just(0.0), st.just(0.0), st.floats(0, 1), st.floats(-0.3, 0))
PHASES_WITHOUT_SHRINKING: Final = (Phases.explicit, Phases.reuse, Phases.generate)
"""Shrinking a complete session takes minutes and adds little information."""

SPEEDS: Final = st.sampled_from([1.0, 1.0, 1.0, 6.5])


@must_reach(started=10)
@settings(max_examples=100, phases=PHASES_WITHOUT_SHRINKING)
@given(mats_and_profiles(), SUPPLY_SHARES, SCRIPTS, SPEEDS)
def test_session_with_random_actions_stalls_no_motor_and_stays_within_the_supply(
    mat_and_profile: tuple[Mat, Profile],
    supply_share: float,
    script: list[tuple[Action, int]],
    speed: float,
) -> None:
    mat, catalogue_entry = fitted(*mat_and_profile, supply_share)
    checked = CheckedSession(mat, [catalogue_entry], speed)
    run_script(checked, catalogue_entry.name, script)
    checked.play_for(1_000)
    # A profile may have only rests, or levels of 0.
    reached("started", bool(checked.start_count))
    certificate = certificate_of(catalogue_entry, mat)
    assert checked.highest_ma <= certificate.worst.ma + 1e-6
    for zone in certificate.zones:
        motors = [index for index, motor in enumerate(mat.motors) if motor.zone == zone.zone]
        assert max(checked.highest_level_pct[index] for index in motors) <= zone.level_pct
        highest_duty_pct = max(zone.duty_pct, zone.kick_pct)
        assert max(checked.highest_duty_pct[index] for index in motors) <= highest_duty_pct


@settings(max_examples=60, phases=PHASES_WITHOUT_SHRINKING)
@given(
    st.sampled_from(PROFILE_NAMES),
    SUPPLY_SHARES,
    st.floats(0, 1),
    st.integers(10, 100),
    SCRIPTS,
    SPEEDS,
)
def test_shipped_profile_with_random_actions_stays_within_any_sufficient_supply(
    name: str,
    supply_share: float,
    position: float,
    trim_pct: int,
    script: list[tuple[Action, int]],
    speed: float,
) -> None:
    shipped_profile = CATALOGUE.valid(name).profile
    mat, catalogue_entry = fitted(MAT, shipped_profile, supply_share)
    checked = CheckedSession(mat, [catalogue_entry], speed)
    checked.pass_event(Trim(trim_pct))
    skipped_ms = round(position * shipped_profile.length_ms / speed)
    run_script(checked, name, [(("late", skipped_ms), 0), (("pause", 5_000), 1_500), *script])
    assume(checked.start_count)
