"""The course of every pattern, drawn at a level as a list of all its steps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.patterns import (
    LONGEST_MS,
    MOST_CHANGING,
    PATTERNS,
    Piece,
    Position,
    Side,
    changing_periods,
)
from firmware_ctl.timeline.steps import draw

LEFT = Position(0, 1, "left")
RIGHT = Position(0, 1, "right")

# pattern, keys, position, [(from ms, level at 4 %)], cycle ms
COURSES: list[tuple[str, dict[str, int], Position, list[tuple[int, int]], int]] = [
    ("steady", {}, LEFT, [(0, 4)], LONGEST_MS),
    ("pulse", {"on_for": 70, "off_for": 30}, LEFT, [(0, 4), (70, 0)], 100),
    (
        "wave",
        {"period": 400},
        LEFT,
        [(0, 0), (60, 1), (100, 2), (120, 3), (160, 4), (260, 3), (300, 2), (320, 1), (360, 0)],
        400,
    ),
    ("alternate", {"period": 301}, LEFT, [(0, 4), (150, 0)], 301),
    ("alternate", {"period": 301}, RIGHT, [(0, 0), (150, 4)], 301),
    ("travel", {"period": 200}, Position(0, 3, "left"), [(0, 4), (66, 0)], 200),
    ("travel", {"period": 200}, Position(1, 3, "left"), [(0, 0), (66, 4), (133, 0)], 200),
    ("travel", {"period": 200}, Position(2, 3, "left"), [(0, 0), (133, 4)], 200),
    (
        "shuffle",
        {"period": 200, "on_for": 50, "seed": 1},
        Position(0, 2, "left"),
        [(0, 4), (50, 0)],
        200,
    ),
    (
        "shuffle",
        {"period": 200, "on_for": 50, "seed": 1},
        Position(0, 2, "left", 3),
        [(0, 0), (100, 4), (150, 0)],
        200,
    ),
    (
        "shuffle",
        {"period": 200, "on_for": 150, "seed": 1},
        Position(0, 2, "left", 3),
        [(0, 0), (100, 4)],
        200,
    ),
    ("tap", {"taps": 1, "tap_for": 150, "rest": 50}, LEFT, [(0, 4), (150, 0)], 200),
    (
        "tap",
        {"taps": 3, "tap_for": 150, "rest": 500},
        LEFT,
        [(0, 4), (150, 0), (300, 4), (450, 0), (600, 4), (750, 0)],
        1_250,
    ),
    (
        "breathe",
        {"in": 200, "hold": 100, "out": 400, "rest": 300},
        LEFT,
        [(0, 0), (60, 1), (100, 2), (120, 3), (160, 4), (400, 3), (480, 2), (540, 1), (620, 0)],
        1_000,
    ),
    (
        "breathe",
        {"in": 200, "hold": 0, "out": 10, "rest": 0},
        LEFT,
        [(0, 0), (60, 1), (100, 2), (120, 3), (160, 4)],
        210,
    ),
]


@pytest.mark.parametrize(("name", "keys", "position", "steps", "cycle_ms"), COURSES)
def test_course_one_cycle_is_drawn_as_steps(
    name: str, keys: dict[str, int], position: Position, steps: list[tuple[int, int]], cycle_ms: int
) -> None:
    kind = PATTERNS[name]
    assert kind.course is not None
    assert list(keys) == [key.name for key in kind.keys]
    drawn = draw(kind.course(keys, position), 4)
    assert list(zip(drawn.at_ms, drawn.level_pct, strict=True)) == steps
    assert drawn.cycle_ms == cycle_ms


def test_patterns_have_these_keys_and_defaults() -> None:
    rows = {
        name: {key.name: key.default for key in kind.keys} for name, kind in PATTERNS.items()
    }  # fmt: skip
    assert rows == {
        "steady": {},
        "pulse": {"on_for": None, "off_for": None},
        "wave": {"period": None},
        "alternate": {"period": None},
        "travel": {"period": None},
        "shuffle": {"period": None, "on_for": None, "seed": 1},
        "tap": {"taps": None, "tap_for": 150, "rest": None},
        "breathe": {"in": None, "hold": 0, "out": None, "rest": 0},
        "keyframes": {},
    }
    assert set(rows) - {name for name, *_ in COURSES} == {"keyframes"}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("period_ms", [200, 201, 999, 8_000])
def test_travel_plays_exactly_one_motor_at_any_time(count: int, period_ms: int) -> None:
    course = PATTERNS["travel"].course
    assert course is not None
    drawn = [
        draw(course({"period": period_ms}, Position(i, count, "left")), 9) for i in range(count)
    ]
    for t_ms in range(period_ms):
        levels = sorted(steps.at(t_ms)[0] for steps in drawn)
        assert levels == [0] * (count - 1) + [9]


@given(st.integers(200, 9_000), st.integers(200, 9_000), st.integers(0, 9_000), st.integers(0, 99))
def test_changing_periods_follow_each_other_and_have_the_length_of_their_begin(
    from_ms: int, to_ms: int, after_ms: int, more_s: int
) -> None:
    pass_ms = after_ms + 10 + more_s * 1_000
    periods = changing_periods(from_ms, to_ms, after_ms, pass_ms)
    begin_ms = after_ms
    for at_ms, length_ms in periods:
        assert at_ms == begin_ms < pass_ms
        assert min(from_ms, to_ms) <= length_ms <= max(from_ms, to_ms)
        asked_ms = from_ms + (to_ms - from_ms) * at_ms / pass_ms
        assert abs(length_ms - asked_ms) < 1
        begin_ms += length_ms
    assert begin_ms >= pass_ms or len(periods) == MOST_CHANGING + 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_course_smooth_pieces_meet_and_stay_within_the_level(side: Side) -> None:
    for name, keys, position, _, cycle_ms in COURSES:
        course = PATTERNS[name].course
        assert course is not None
        pieces = course(keys, Position(position.motor_index, position.motor_count, side))
        assert all(0 <= share <= 1 for piece in pieces for share in (piece.begin, piece.end))
        assert sum(piece.length_ms for piece in pieces) == cycle_ms
        assert all(
            before.end == after.begin
            for before, after in pairwise(pieces)
            if (before.smooth or after.smooth) and before.length_ms and after.length_ms
        )


def test_piece_is_not_smooth_by_default() -> None:
    assert Piece(10, 0, 1) == Piece(10, 0, 1, smooth=False)
