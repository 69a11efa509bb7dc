"""Every pattern's course, drawn at a level as a whole list of steps."""

from itertools import pairwise

import pytest

from firmware_ctl.document import in_units
from firmware_ctl.patterns import AFTER, LONGEST_MS, PATTERNS, Key, Piece, Seat, Side
from firmware_ctl.steps import draw
from tests.process import ROOT

LEFT = Seat(0, 1, "left")
RIGHT = Seat(0, 1, "right")

# pattern, keys, seat, [(from ms, level at 4 %)], cycle ms
COURSES: list[tuple[str, dict[str, int], Seat, list[tuple[int, int]], int]] = [
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
    ("travel", {"period": 200}, Seat(0, 3, "left"), [(0, 4), (66, 0)], 200),
    ("travel", {"period": 200}, Seat(1, 3, "left"), [(0, 0), (66, 4), (133, 0)], 200),
    ("travel", {"period": 200}, Seat(2, 3, "left"), [(0, 0), (133, 4)], 200),
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


@pytest.mark.parametrize(("name", "keys", "seat", "steps", "cycle_ms"), COURSES)
def test_one_cycle(
    name: str, keys: dict[str, int], seat: Seat, steps: list[tuple[int, int]], cycle_ms: int
) -> None:
    kind = PATTERNS[name]
    assert kind.course is not None
    assert list(keys) == [key.name for key in kind.keys]
    drawn = draw(kind.course(keys, seat), 4)
    assert list(zip(drawn.at_ms, drawn.level_pct, strict=True)) == steps
    assert drawn.cycle_ms == cycle_ms


def test_the_table_has_every_pattern_and_every_default() -> None:
    rows = {
        name: {key.name: key.default for key in kind.keys} for name, kind in PATTERNS.items()
    }  # fmt: skip
    assert rows == {
        "steady": {},
        "pulse": {"on_for": None, "off_for": None},
        "wave": {"period": None},
        "alternate": {"period": None},
        "travel": {"period": None},
        "tap": {"taps": None, "tap_for": 150, "rest": None},
        "breathe": {"in": None, "hold": 0, "out": None, "rest": 0},
        "keyframes": {},
    }
    assert set(rows) - {name for name, *_ in COURSES} == {"keyframes"}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("period_ms", [200, 201, 999, 8_000])
def test_a_travel_is_at_exactly_one_motor_at_any_time(count: int, period_ms: int) -> None:
    course = PATTERNS["travel"].course
    assert course is not None
    drawn = [draw(course({"period": period_ms}, Seat(i, count, "left")), 9) for i in range(count)]
    for t_ms in range(period_ms):
        levels = sorted(steps.at(t_ms)[0] for steps in drawn)
        assert levels == [0] * (count - 1) + [9]


@pytest.mark.parametrize("side", ["left", "right"])
def test_pieces_meet_and_stay_within_the_level(side: Side) -> None:
    for name, keys, seat, _, cycle_ms in COURSES:
        course = PATTERNS[name].course
        assert course is not None
        pieces = course(keys, Seat(seat.turn, seat.turns, side))
        assert all(0 <= share <= 1 for piece in pieces for share in (piece.begin, piece.end))
        assert sum(piece.length_ms for piece in pieces) == cycle_ms
        assert all(
            before.end == after.begin
            for before, after in pairwise(pieces)
            if (before.smooth or after.smooth) and before.length_ms and after.length_ms
        )


def test_a_piece_is_plain_unless_it_says_smooth() -> None:
    assert Piece(10, 0, 1) == Piece(10, 0, 1, smooth=False)


def test_the_readme_has_every_pattern_with_its_keys() -> None:
    def told(key: Key) -> str:
        if key.is_count:
            return f"`{key.name}` ({key.least} to {key.most})"
        return f"`{key.name}`" + ("" if key.default is None else f" ({in_units(key.default)})")

    rows = ["| pattern | keys beside `level` | over time |", "|---|---|---|"]
    for kind in PATTERNS.values():
        keys = ", ".join(map(told, kind.keys)) if kind.course else "`frames`, without `level`"
        rows.append(f"| `{kind.name}` | {keys} | {kind.about} |")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(["", *rows, ""]) in readme
    assert f"Every pattern takes {told(AFTER)}, too: {AFTER.about}." in readme
