"""Rest is physical: through pauses, trims, stops and faults no motor stands still under power, and
the supply bears every instant.

The checks know the motors by the simulator's model and the currents by the safety concept's, and
neither asks the code that drives them.
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
    INRUSH_MS,
    REST_MS,
    RESTART_MS,
    SECOND_KICK_MS,
    STAGGER_MS,
    TICK_MS,
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
from firmware_ctl.timeline.supply import TooLongError, fit_to_supply, peak_current
from tests.support.strategies import mats_and_profiles
from tests.support.worlds import entry, steady

MAT: Final = load_mat(shipped.mat_file())
NO_BUTTON: Final = MAT._replace(button=None)
CATALOGUE: Final = read_catalogue([shipped.profiles_dir()], MAT)
NAMES: Final = [found.name for found in CATALOGUE.entries]

STEADY: Final = entry("steady", Phase("all", 60_000, 1, (steady("all", 20),)), mat=MAT)

LONG_AGO_MS: Final = -(10**9)

HARDLY_TURNED_MS: Final = 20
"""A motor that was on for less than this turns on slowly at most, and a kick does no harm."""


class MotorCheck:
    """One motor by the simulator's model, and what it draws by the safety concept's."""

    def __init__(self, motor: Motor) -> None:
        self.motor = motor
        self.erm = Erm(motor)
        self.duty_pct = 0
        self.off_since_ms = LONG_AGO_MS
        self.started_at_ms = LONG_AGO_MS
        self.powered_since_ms = 0
        self.was_kicked = False
        self.is_excused = False
        """It rested after a shorter time than counts as a rest, because it had turned slowly."""

    def give(self, duty_pct: int, is_kicked: bool, now_ms: int) -> None:
        was_turning = self.erm.at(now_ms).turning
        off_ms = now_ms - self.off_since_ms
        is_on_again = duty_pct and not self.duty_pct
        if is_on_again:
            self.powered_since_ms = now_ms
            self.is_excused &= off_ms < REST_MS
        if is_kicked and not self.was_kicked:
            is_fresh = self.off_since_ms - self.started_at_ms < HARDLY_TURNED_MS
            # Whether a gentle kick has started a motor is not known before the full one a second
            # later: after a pause in between it gets a gentle one again, though it may turn.
            is_gentle = duty_pct <= FIRST_KICK_PCT
            rests = not was_turning or off_ms >= REST_MS
            assert rests or is_fresh or is_gentle, "a motor that turns is kicked"
            self.started_at_ms = now_ms
        elif is_on_again and off_ms >= REST_MS:
            self.started_at_ms = now_ms
        if self.duty_pct and not duty_pct:
            self.off_since_ms = now_ms
            rests_after_ms = STOP_MS * log(1 + self.erm.at(now_ms).speed / FRICTION)
            self.is_excused |= 0 < rests_after_ms < REST_MS
        self.duty_pct, self.was_kicked = duty_pct, is_kicked
        self.erm.set_duty(duty_pct, now_ms)

    def stands_since_ms(self, now_ms: int) -> int | None:
        """Since when it has had a duty without turning."""
        if not self.duty_pct or self.erm.at(now_ms).turning or self.is_excused:
            return None
        return self.powered_since_ms

    def draws_ma(self, now_ms: int) -> float:
        if not self.duty_pct:
            return 0.0
        if now_ms - self.started_at_ms < INRUSH_MS:
            return self.motor.start_ma
        return self.motor.run_ma * self.duty_pct / self.motor.cap_pct


class Checked:
    """A session that is woken when it asks for it; every step is checked."""

    def __init__(self, mat: Mat, entries: Sequence[GoodEntry], speed: float = 1.0) -> None:
        self.mat = mat
        self.session = Session(mat, Catalogue(tuple(entries)), speed)
        self.session.handle(Ready(), 0)
        self.timelines = {e.name: e.timeline for e in entries}
        self.tables = [duty_table(motor, mat) for motor in mat.motors]
        self.motors = [MotorCheck(motor) for motor in mat.motors]
        self.now_ms = 0
        self.soft_since_ms = 0
        """When the session began or was resumed last."""
        self.first_starts_ms: dict[int, int] = {}
        """When motors started first since then."""
        self.kicked: set[int] = set()
        """The motors that were kicked since then."""
        self.wants_since_ms: dict[int, int] = {}
        self.longest_wait_ms = 0
        self.longest_stand_ms = 0
        self.most_ma = 0.0
        self.most_level_pct = [0] * len(mat.motors)
        self.most_duty_pct = [0] * len(mat.motors)
        self.starts = 0
        self.is_late = False
        self.has_kicks = True
        """False: the session that played until now has no kicks, for want of current."""
        self.step = Step(
            (0,) * len(mat.motors), (0,) * len(mat.motors), (), None, self.session.status
        )

    def do(self, event: Input, at_ms: int | None = None) -> None:
        """All that is due before, then the event, which the disk answers at once."""
        if at_ms is not None:
            self.play_until(at_ms)
        began = self.session.status.started, self.session.state
        self._check_currents(self.now_ms)
        step = self.session.handle(event, self.now_ms)
        if step.save is not None:
            step = self.session.handle(LedgerSaved(step.save.number), self.now_ms)
        if self.session.state is State.RUNNING and began != (
            self.session.status.started,
            State.RUNNING,
        ):
            self.soft_since_ms = self.now_ms
            self.first_starts_ms.clear()
            self.kicked.clear()
        self._check(step)
        self.step = step

    def play_until(self, at_ms: int) -> None:
        while (wake_at_ms := self.step.wake_at_ms) is not None and wake_at_ms < at_ms:
            assert wake_at_ms >= self.now_ms
            self.now_ms = wake_at_ms
            self.do(Wake())
        self.now_ms = at_ms

    def play_for(self, for_ms: int) -> None:
        self.play_until(self.now_ms + for_ms)
        self.do(Wake())

    def jump(self, for_ms: int) -> None:
        """The loop is so late that the session plays only every few seconds."""
        end_ms = self.now_ms + for_ms
        self.is_late = True
        while self.now_ms < end_ms:
            self.now_ms = min(self.now_ms + 5_000, end_ms)
            self.do(Wake())
        self.is_late = False
        self.wants_since_ms.clear()

    def _check(self, step: Step) -> None:
        now_ms = self.now_ms
        for i, check in enumerate(self.motors):
            level, duty = step.level_pct[i], step.duty_pct[i]
            is_kicked = i in step.kicks
            started = duty and not self.step.duty_pct[i]
            stood_ms = check.stands_since_ms(now_ms)
            if stood_ms is not None and check.motor.kick_ms and self.has_kicks:
                self.longest_stand_ms = max(self.longest_stand_ms, now_ms - stood_ms)
                assert self.is_late or now_ms - stood_ms <= SECOND_KICK_MS + 2 * TICK_MS, (
                    check.motor.name
                )
            check.give(duty, is_kicked, now_ms)
            self.most_level_pct[i] = max(self.most_level_pct[i], level)
            self.most_duty_pct[i] = max(self.most_duty_pct[i], duty)
            assert is_kicked or duty <= self.tables[i][level], "more than the level's duty"
            assert level or not duty
            if level == 0 or duty:
                since_ms = self.wants_since_ms.pop(i, now_ms)
                if duty:
                    self.longest_wait_ms = max(self.longest_wait_ms, now_ms - since_ms)
            elif not self.is_late:
                self.wants_since_ms.setdefault(i, now_ms)
            if started and self.session.status.is_on and i not in self.first_starts_ms:
                if len(self.motors) > 1:
                    assert now_ms not in self.first_starts_ms.values(), "two start at once"
                self.first_starts_ms[i] = now_ms
                self.starts += 1
            if is_kicked and self.session.status.is_on and i not in self.kicked:
                self.kicked.add(i)
                assert duty <= max(FIRST_KICK_PCT, self.tables[i][level]), "a hard first kick"
            if self.session.status.is_on:
                soft_ms = (now_ms - self.soft_since_ms) * self.session.speed
                assert level * 1_000 <= soft_ms * self.mat.limits.rise_pct_s, "a hard soft start"
        timeline = self.timelines.get(self.session.status.profile)
        self.has_kicks = (
            not self.session.status.is_on or timeline is None or timeline.drive_table.kicks
        )
        self._check_currents(now_ms)

    def _check_currents(self, now_ms: int) -> None:
        """Between two steps currents only fall, when an inrush is over."""
        ma = sum(check.draws_ma(now_ms) for check in self.motors)
        self.most_ma = max(self.most_ma, ma)
        assert ma <= self.mat.max_ma + 1e-6, f"{ma} mA of {self.mat.max_ma} mA"


# --- the shipped profiles ---


@pytest.mark.parametrize("name", NAMES)
def test_resume_anywhere_in_a_shipped_profile_sets_every_motor_turning(name: str) -> None:
    timeline = CATALOGUE.valid(name).timeline
    assert timeline is not None
    pauses = range(1_000, timeline.end_ms - 10_000, timeline.end_ms // 60)
    for pause_at_ms in pauses:
        checked = Checked(NO_BUTTON, CATALOGUE.entries)
        checked.do(Start(name))
        checked.jump(pause_at_ms - 3_000 if pause_at_ms > 3_000 else 0)
        checked.do(Pause(), pause_at_ms)
        checked.do(Resume(), pause_at_ms + 5_000)
        checked.play_for(8_000)
        assert checked.session.state is State.RUNNING
        assert checked.starts, f"nothing starts after a pause at {pause_at_ms} ms"
        assert checked.longest_wait_ms <= STAGGER_MS
    assert len(pauses) > 50


@pytest.mark.parametrize("for_ms", [0, 20, 100, 130, 149, 150, 200, 1_000])
@pytest.mark.parametrize("at_ms", [30, 60, 100, 400, 1_000, 1_100, 8_000])
def test_pause_of_any_length_leaves_no_motor_standing(at_ms: int, for_ms: int) -> None:
    for name in ("full-body", "lower-back"):
        checked = Checked(NO_BUTTON, CATALOGUE.entries)
        checked.do(Start(name))
        checked.do(Pause(), at_ms)
        checked.do(Resume(), at_ms + for_ms)
        checked.play_for(5_000)
        assert checked.starts


@pytest.mark.parametrize("after_ms", [RESTART_MS, 130, 149, 150, 300])
@pytest.mark.parametrize("at_ms", [50, 70, 100, 200, 500, 1_050, 3_000])
def test_start_soon_after_a_stop_or_a_fault_leaves_no_motor_standing(
    at_ms: int, after_ms: int
) -> None:
    for end, then in ((Stop(), Wake()), (Fault("rail", "the rail is off"), Clear())):
        checked = Checked(NO_BUTTON, CATALOGUE.entries)
        checked.do(Start("full-body"))
        checked.do(end, at_ms)
        checked.do(then, at_ms + 50)
        checked.do(Start("lower-back"), at_ms + after_ms)
        checked.play_for(5_000)
        assert checked.session.status.profile == "lower-back"
        assert checked.starts >= 2


@pytest.mark.parametrize(("start_at_ms", "is_rested"), [(1_150, False), (1_350, True)])
def test_start_during_a_signal_kicks_only_motors_that_rest(
    start_at_ms: int, is_rested: bool
) -> None:
    checked = Checked(MAT, [STEADY, *CATALOGUE.entries])
    checked.do(Contacts(Contact.RELEASED), 0)
    checked.do(Contacts(Contact.PRESSED), 200)
    checked.do(Contacts(Contact.RELEASED), 1_100)
    checked.play_until(1_150)
    assert checked.session.status.haptic == "profile-2"  # on for 200 ms and off, from 1000 ms
    signalled = {i for i, duty in enumerate(checked.step.duty_pct) if duty}
    assert len(signalled) == 4
    checked.do(Start("steady"), start_at_ms)
    kicked = set()
    for _ in range(20):
        checked.play_for(TICK_MS)
        kicked |= {*checked.step.kicks}
    assert kicked == set(range(8)) - (set() if is_rested else signalled)
    checked.play_for(3_000)


def test_try_that_follows_another_kicks_only_what_rested() -> None:
    lines = {}
    for zone in ("neck", "hips"):
        phase = Phase("try", 10_000, 1, (steady(zone, 30),))
        lines[zone] = compile_profile(Profile("try", "try", "", (), False, (phase,)), MAT)
    checked = Checked(NO_BUTTON, CATALOGUE.entries)
    checked.do(Try(lines["neck"]))
    for zone, at_ms in (("hips", 2_000), ("neck", 2_150), ("neck", 4_000)):
        checked.do(Stop(), at_ms)
        checked.do(Try(lines[zone]), at_ms + RESTART_MS)
        checked.play_for(30)
        assert checked.session.status.profile == "try"
    checked.play_for(4_000)
    assert checked.starts >= 2


def test_signal_in_a_session_restarts_motors_after_its_gaps() -> None:
    checked = Checked(NO_BUTTON, CATALOGUE.entries)
    checked.do(Start("guided-points"))
    timeline = CATALOGUE.valid("guided-points").timeline
    assert timeline is not None
    for signal in timeline.haptic_cues[:4]:
        if signal.begin_ms - 2_000 > checked.now_ms:
            checked.jump(signal.begin_ms - 2_000 - checked.now_ms)
        checked.play_until(signal.gaps[0].begin_ms + 10)
        checked.do(Wake())
        assert not any(checked.step.duty_pct)
        checked.play_until(signal.end_ms + 1_500)
        checked.do(Wake())
        assert any(checked.step.duty_pct)


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0, 60.0])
def test_kick_and_rest_take_real_time_at_any_speed(speed: float) -> None:
    checked = Checked(NO_BUTTON, [STEADY], speed)
    checked.do(Start("steady"))
    checked.play_for(2_000 if speed < 10 else 500)
    checked.do(Pause())
    checked.do(Resume(), checked.now_ms + 200)
    kicked_ms = [0] * 8
    for _ in range(400):
        for i in checked.step.kicks:
            kicked_ms[i] += 1
        checked.play_for(1)
    assert kicked_ms == [120] * 8


# --- a supply that does not bear all motors at once ---


def tight(max_ma: int, *plays: Play) -> tuple[Mat, GoodEntry]:
    mat = NO_BUTTON._replace(max_ma=max_ma)
    return mat, entry("tight", Phase("all", 60_000, 1, plays), mat=mat)


SIDES: Final = ("neck.left", "neck.right", "hips.left", "hips.right", "lower_back.left")


def test_resume_on_a_tight_supply_starts_every_motor_and_brings_it_to_its_level() -> None:
    plays = [Play(side, "steady", Level(60, 60), after_ms=160 * i) for i, side in enumerate(SIDES)]
    mat, found = tight(630, *plays)
    assert found.timeline.drive_table.kicks
    undisturbed, checked = Checked(mat, [found]), Checked(mat, [found])
    for each in (undisturbed, checked):
        each.do(Start("tight"))
        each.play_for(10_000)
    assert undisturbed.most_ma > 600
    checked.do(Pause())
    checked.do(Resume(), 15_000)
    checked.play_for(3_000)
    on = [i for i, duty in enumerate(checked.step.duty_pct) if duty]
    assert len(on) == 6
    assert sorted(checked.first_starts_ms) == on
    assert STAGGER_MS < checked.longest_wait_ms < 6 * (INRUSH_MS + TICK_MS)
    checked.play_for(3_000)
    assert checked.step.duty_pct == undisturbed.step.duty_pct


def test_certificate_of_a_shipped_profile_tells_the_most_that_a_resume_draws() -> None:
    found = CATALOGUE.valid("lower-back")
    proof = certificate(found, MAT)
    assert proof.worst.ma == 900 > peak_current(found.timeline)[0].ma
    checked = Checked(NO_BUTTON, [found])
    checked.do(Start(found.name))
    checked.jump(proof.worst.at_ms)
    checked.do(Pause())
    checked.do(Resume(), checked.now_ms + 1_000)
    checked.play_for(300)
    assert checked.most_ma == 900


# --- properties ---

Move = tuple[str, int]
"""What happens, and for how long or how much."""

SHORT_MS: Final = st.integers(0, 400)
MOVES: Final = st.one_of(
    st.tuples(st.just("pause"), st.one_of(SHORT_MS, st.integers(0, 20_000))),
    st.tuples(st.just("trim"), st.integers(10, 100)),
    st.tuples(st.just("restart"), st.integers(RESTART_MS, 400)),
    st.tuples(st.just("fault"), st.integers(RESTART_MS, 400)),
    st.tuples(st.just("late"), st.one_of(SHORT_MS, st.integers(0, 60_000))),
)
SCRIPTS: Final = st.lists(st.tuples(MOVES, st.one_of(SHORT_MS, st.integers(0, 5_000))), max_size=6)
"""Each move with the time that is played after it."""


def certificate(found: GoodEntry, mat: Mat) -> Certificate:
    return certify(found.timeline, found.budget, mat)


def play(checked: Checked, name: str, script: list[tuple[Move, int]]) -> None:
    checked.do(Start(name))
    for (move, amount), play_ms in script:
        if move == "pause":
            checked.do(Pause())
            checked.do(Resume(), checked.now_ms + amount)
        elif move == "trim":
            checked.do(Trim(amount))
        elif move == "late":
            checked.jump(amount)
        else:
            checked.do(Stop() if move == "restart" else Fault("rail", "the rail is off"))
            checked.do(Clear())
            checked.do(Start(name), checked.now_ms + amount)
        checked.play_for(play_ms)


def fitted(mat: Mat, profile: Profile, share: float) -> tuple[Mat, GoodEntry]:
    """The profile on the mat with a supply between the least that bears it undisturbed (0) and one
    that bears all of its motors at once (1); below 0 the starts must be staggered for it.
    """
    limits = mat.limits._replace(daily_ms=60 * 60_000)
    mat = mat._replace(button=None, limits=limits, max_ma=10**6)
    timeline, _ = fit_to_supply(profile, mat)
    try:
        least_ma = peak_current(timeline)[0].ma
    except TooLongError:
        reject()
    most_ma = max(timeline.drive_table.together_ma(s.high_pct) for s in timeline.segments)
    supply_ma = least_ma + (most_ma - least_ma) * share if share >= 0 else least_ma * (1 + share)
    for max_ma in (ceil(supply_ma), ceil(least_ma)):
        mat = mat._replace(max_ma=max(1, max_ma))
        try:
            timeline, budget = fit_to_supply(profile, mat)
        except AuthorError:
            continue
        return mat, GoodEntry(profile.name, profile, timeline, budget)
    raise AssertionError("the least supply does not bear the profile")


SHARES: Final = st.one_of(st.just(0.0), st.just(0.0), st.floats(0, 1), st.floats(-0.3, 0))
FAST: Final = (Phases.explicit, Phases.reuse, Phases.generate)
"""To shrink a whole session takes minutes, and says little."""

SPEEDS: Final = st.sampled_from([1.0, 1.0, 1.0, 6.5])


@settings(max_examples=100, phases=FAST)
@given(mats_and_profiles(), SHARES, SCRIPTS, SPEEDS)
def test_whatever_happens_in_a_session_no_motor_stands_and_the_supply_bears_it(
    both: tuple[Mat, Profile], share: float, script: list[tuple[Move, int]], speed: float
) -> None:
    mat, found = fitted(*both, share)
    checked = Checked(mat, [found], speed)
    play(checked, found.name, script)
    checked.play_for(1_000)
    assume(checked.starts)
    proof = certificate(found, mat)
    assert checked.most_ma <= proof.worst.ma + 1e-6
    for zone in proof.zones:
        motors = [i for i, motor in enumerate(mat.motors) if motor.zone == zone.zone]
        assert max(checked.most_level_pct[i] for i in motors) <= zone.level_pct
        most_duty_pct = max(zone.duty_pct, zone.kick_pct)
        assert max(checked.most_duty_pct[i] for i in motors) <= most_duty_pct


@settings(max_examples=60, phases=FAST)
@given(st.sampled_from(NAMES), SHARES, st.floats(0, 1), st.integers(10, 100), SCRIPTS, SPEEDS)
def test_shipped_profile_on_any_supply_that_bears_it_keeps_within_it_whatever_happens(
    name: str,
    share: float,
    where: float,
    trim_pct: int,
    script: list[tuple[Move, int]],
    speed: float,
) -> None:
    shipped_profile = CATALOGUE.valid(name).profile
    mat, found = fitted(MAT, shipped_profile, share)
    checked = Checked(mat, [found], speed)
    checked.do(Trim(trim_pct))
    late_ms = round(where * shipped_profile.length_ms / speed)
    play(checked, name, [(("late", late_ms), 0), (("pause", 5_000), 1_500), *script])
    assume(checked.starts)
