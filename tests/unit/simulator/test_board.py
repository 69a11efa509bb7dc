"""The wiring: which motor has power when, and for how long after a death (invariant 13)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.mat import Gate, Mat
from firmware_ctl.limits import TICK_MS
from firmware_ctl.simulator.board import (
    STAGE_MS,
    Board,
    Line,
    Pull,
    after_death,
    gate_duty_pct,
    reset_line,
)
from firmware_ctl.timeline.folder import load_mat

BARE = load_mat(None)
"""The reference mat, which has no motor gate."""
GATED = BARE._replace(gate=Gate(heartbeat_pin=26, rail_pin=8))
MOTORS = BARE.motors
DUTIES = (72, 32, 100, 1, 56, 0, 99, 40)
"""One of each kind: pulsing, driven high, driven low."""
LIVES_MS = 1_000
LOOK_MS = 500
"""Longer than the longest time for which a stage holds the rail."""


def powers(board: Board, now_ms: int) -> list[int]:
    return [board.power_at(motor, now_ms) for motor in MOTORS]


def alive(mat: Mat, until_ms: int, stage_ms: int = STAGE_MS[1]) -> Board:
    """A board whose daemon plays `DUTIES`, with a heartbeat edge at every tick up to a time."""
    board = Board(mat, stage_ms=stage_ms)
    for motor, duty_pct in zip(MOTORS, DUTIES, strict=True):
        board.set_line(motor.pin, Line(duty_pct), 0)
    for tick, at_ms in enumerate(range(0, until_ms + 1, TICK_MS)):
        board.set_line(26, Line(100 if tick % 2 == 0 else 0), at_ms)
    return board


def dark_after_ms(board: Board, from_ms: int) -> int | None:
    """How long it takes until no motor has power any more; None: longer than `LOOK_MS`."""
    for t in reversed(range(LOOK_MS)):
        if any(board.power_at(motor, from_ms + t) for motor in MOTORS):
            return t + 1 if t + 1 < LOOK_MS else None
    return 0


# --- lines and gates ---


def test_lines_at_reset() -> None:
    assert [reset_line(pin).pull for pin in range(28)] == ["up"] * 9 + ["down"] * 19


@pytest.mark.parametrize(
    ("pull", "with_none", "with_10k", "with_4k7"),
    [("down", 0, 0, 0), ("floating", 100, 0, 0), ("up", 100, 100, 0)],
)
def test_input_turns_a_motor_on_if_the_pull_down_is_missing_or_weak(
    pull: Pull, with_none: int, with_10k: int, with_4k7: int
) -> None:
    duties_pct = [gate_duty_pct(Line(None, pull), ohm) for ohm in (None, 10_000, 4_700)]
    assert duties_pct == [with_none, with_10k, with_4k7]


@given(st.integers(0, 100), st.sampled_from([None, 10_000, 4_700]))
def test_driver_is_stronger_than_every_resistor(duty_pct: int, gate_ohm: int | None) -> None:
    assert gate_duty_pct(Line(duty_pct, "up"), gate_ohm) == duty_pct


@pytest.mark.parametrize(
    ("line", "released", "kept_low", "kept_high"),
    [
        (Line(None, "up"), Line(None, "up"), Line(None, "up"), Line(None, "up")),
        (Line(0), Line(None), Line(0), Line(0)),
        (Line(100), Line(None), Line(100), Line(100)),
        (Line(72), Line(None), Line(0), Line(100)),
    ],
    ids=["input", "low", "high", "pulsing"],
)
def test_line_after_the_death_of_its_process(
    line: Line, released: Line, kept_low: Line, kept_high: Line
) -> None:
    assert [after_death(line, False, freeze) for freeze in (False, True)] == [released] * 2
    assert [after_death(line, True, freeze) for freeze in (False, True)] == [kept_low, kept_high]


# --- the rail ---


@pytest.mark.parametrize("mat", [BARE, GATED], ids=["bare", "gated"])
def test_no_motor_has_power_before_a_line_is_driven(mat: Mat) -> None:
    assert [powers(Board(mat), t) for t in (0, 1_000)] == [[0] * 8] * 2


def test_rail_without_a_gate_is_always_on() -> None:
    board = alive(BARE, 0)
    assert [board.rail_at(t) for t in (0, 10_000)] == [True, True]
    assert powers(board, 10_000) == list(DUTIES)


@pytest.mark.parametrize("stage_ms", STAGE_MS)
def test_stage_holds_the_rail_for_its_time_after_the_last_edge(stage_ms: int) -> None:
    board = alive(GATED, LIVES_MS, stage_ms)
    rails = [board.rail_at(LIVES_MS + t) for t in (0, 20, stage_ms - 1, stage_ms, 10_000)]
    assert rails == [True, True, True, False, False]


@pytest.mark.parametrize("stuck", [Line(0), Line(100), Line(None, "up"), Line(None, "down")])
def test_stuck_heartbeat_does_not_feed_the_stage(stuck: Line) -> None:
    board = alive(GATED, 0)
    for t in range(0, 10_000, TICK_MS):
        board.set_line(26, stuck, t)
    assert not board.rail_at(10_000)


def test_heartbeat_line_with_pwm_holds_the_rail_for_ever() -> None:
    board = alive(GATED, 0)
    board.set_line(26, Line(50), 0)
    assert board.rail_at(10_000_000)
    board.kill(10_000_000, persist=True, freeze_high=True)
    assert [board.rail_at(10_000_000 + t) for t in (399, 400)] == [True, False]


@pytest.mark.parametrize("mat", [BARE, GATED], ids=["bare", "gated"])
def test_stop_switch_and_supply_cut_every_motor_and_the_switch_latches(mat: Mat) -> None:
    board = alive(mat, 0)
    board.shorted.add(MOTORS[5].pin)
    board.is_rail_shorted = True
    board.stop_switch(True)
    powers_pct = [powers(board, 0), powers(board, 10_000)]
    board.stop_switch(False)
    board.has_supply = False
    powers_pct.append(powers(board, 10_000))
    assert powers_pct == [[0] * 8] * 3
    board.has_supply = True
    assert powers(board, 10_000) == [72, 32, 100, 1, 56, 100, 99, 40]


# --- faults ---


def test_motor_with_a_shorted_mosfet_has_power_while_idle_only_without_a_gate() -> None:
    powers_pct = []
    for mat in (BARE, GATED):
        board = Board(mat)
        board.shorted.add(MOTORS[0].pin)
        powers_pct.append(powers(board, 0))
    assert powers_pct == [[100, *[0] * 7], [0] * 8]


def test_motor_with_a_shorted_mosfet_loses_power_after_the_session() -> None:
    board = alive(GATED, LIVES_MS)
    board.shorted.add(MOTORS[0].pin)
    for motor in MOTORS:
        board.set_line(motor.pin, Line(0), LIVES_MS)
    assert powers(board, LIVES_MS) == [100, *[0] * 7]
    assert dark_after_ms(board, LIVES_MS) == STAGE_MS[1]


def test_shorted_rail_is_on_without_a_heartbeat() -> None:
    board = Board(GATED)
    board.is_rail_shorted = True
    assert (board.rail_at(0), powers(board, 0)) == (True, [0] * 8)


# --- invariant 13 ---

DEATHS_MS = range(LIVES_MS, LIVES_MS + TICK_MS)
"""Every millisecond of a tick, which holds whole PWM periods from 50 Hz up."""


@pytest.mark.parametrize("freeze_high", [False, True], ids=["low", "high"])
@pytest.mark.parametrize("mat", [BARE, GATED], ids=["bare", "gated"])
def test_invariant_13_released_lines_are_dark_at_once(mat: Mat, freeze_high: bool) -> None:
    dark_ms = []
    for dead_ms in DEATHS_MS:
        board = alive(mat, dead_ms)
        board.kill(dead_ms, persist=False, freeze_high=freeze_high)
        dark_ms.append(dark_after_ms(board, dead_ms))
    assert dark_ms == [0] * TICK_MS


@pytest.mark.parametrize("freeze_high", [False, True], ids=["low", "high"])
@pytest.mark.parametrize("stage_ms", STAGE_MS)
def test_invariant_13_persisting_lines_are_dark_with_the_gate_in_time(
    stage_ms: int, freeze_high: bool
) -> None:
    dark_ms = []
    for dead_ms in DEATHS_MS:
        board = alive(GATED, dead_ms, stage_ms)
        board.kill(dead_ms, persist=True, freeze_high=freeze_high)
        dark_ms.append(dark_after_ms(board, dead_ms))
    # The last edge was at the last tick, so the stage ends sooner by the age of that tick.
    assert dark_ms == [stage_ms - age_ms for age_ms in range(TICK_MS)]
    assert max(dark_ms) <= 500


def test_invariant_13_persisting_lines_without_a_gate_stay_on_until_someone_drives_them_low() -> (
    None
):
    dark_ms = []
    for dead_ms in DEATHS_MS:
        board = alive(BARE, dead_ms)
        board.kill(dead_ms, persist=True, freeze_high=True)
        dark_ms.append(dark_after_ms(board, dead_ms))
        assert powers(board, dead_ms + 3_600_000) == [100, 100, 100, 100, 100, 0, 100, 100]
        for motor in MOTORS:
            board.set_line(motor.pin, Line(0), dead_ms + 300)
        dark_ms.append(dark_after_ms(board, dead_ms + 300))
    assert dark_ms == [None, 0] * TICK_MS


def test_invariant_13_persisting_lines_frozen_low_still_leave_what_was_driven_high() -> None:
    board = alive(BARE, LIVES_MS)
    board.kill(LIVES_MS, persist=True, freeze_high=False)
    assert powers(board, LIVES_MS + 3_600_000) == [0, 0, 100, 0, 0, 0, 0, 0]


# --- any history of drives and deaths ---

pulls = st.sampled_from(["up", "down", "floating"])
lines = st.builds(Line, st.none() | st.integers(0, 100), pulls)
histories = st.lists(
    st.tuples(
        st.integers(0, 500),
        st.one_of(
            st.tuples(st.sampled_from([26, *(m.pin for m in MOTORS)]), lines),
            st.tuples(st.booleans(), st.booleans()),
        ),
    ),
    max_size=30,
)


@given(histories, st.sampled_from(STAGE_MS))
def test_invariant_13_with_a_gate_no_history_leaves_power_behind_a_dead_process(
    history: list[tuple[int, tuple[int, Line] | tuple[bool, bool]]], stage_ms: int
) -> None:
    board = Board(GATED, stage_ms=stage_ms)
    now_ms = 0
    for after_ms, (first, second) in history:
        now_ms += after_ms
        if isinstance(second, Line):
            board.set_line(first, second, now_ms)
        else:
            board.kill(now_ms, first, second)
        assert all(0 <= power <= 100 for power in powers(board, now_ms))
    board.kill(now_ms, persist=True, freeze_high=True)
    assert powers(board, now_ms + stage_ms) == [0] * 8
    board.kill(now_ms, persist=False, freeze_high=True)
    assert powers(board, now_ms) == [0] * 8
