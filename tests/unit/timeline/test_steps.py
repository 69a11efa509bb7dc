"""Step functions: drawn lines and curves as whole lists, look-ups, and the cache of drawings."""

from math import ceil, cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.patterns import Piece
from firmware_ctl.limits import GRID_MS
from firmware_ctl.timeline import steps as steps_module
from firmware_ctl.timeline.steps import DrawingCache, Steps, draw, steps_to_draw

# pieces, level, [(from ms, level)]
DRAWN: list[tuple[list[Piece], int, list[tuple[int, int]]]] = [
    ([Piece(100, 1, 1)], 50, [(0, 50)]),
    ([Piece(100, 1, 1), Piece(50, 1, 1)], 50, [(0, 50)]),
    ([Piece(100, 1, 1), Piece(50, 0, 0)], 50, [(0, 50), (100, 0)]),
    ([Piece(0, 1, 1), Piece(50, 0, 0)], 50, [(0, 0)]),
    ([Piece(13, 1, 1), Piece(7, 0, 0), Piece(1, 1, 1)], 9, [(0, 9), (13, 0), (20, 9)]),
    ([Piece(400, 0, 1)], 4, [(0, 0), (60, 1), (160, 2), (260, 3), (360, 4)]),
    ([Piece(400, 1, 0)], 4, [(0, 4), (60, 3), (160, 2), (260, 1), (360, 0)]),
    ([Piece(80, 0, 1)], 8, [(0, 0), (20, 2), (40, 4), (60, 6)]),
    ([Piece(10, 0, 1), Piece(10, 1, 0)], 80, [(0, 0), (10, 80)]),
    ([Piece(400, 0.25, 0.75)], 4, [(0, 1), (100, 2), (300, 3)]),
    ([Piece(400, 0, 1)], 0, [(0, 0)]),
]


@pytest.mark.parametrize(("pieces", "level_pct", "steps"), DRAWN)
def test_draw_gives_these_steps(
    pieces: list[Piece], level_pct: int, steps: list[tuple[int, int]]
) -> None:
    drawn = draw(pieces, level_pct)
    assert list(zip(drawn.at_ms, drawn.level_pct, strict=True)) == steps
    assert drawn.cycle_ms == sum(piece.length_ms for piece in pieces)


def test_steps_at_gives_the_level_and_the_next_step() -> None:
    steps = Steps((0, 30, 70), (5, 0, 9), 100)
    assert [steps.at(t_ms) for t_ms in (0, 29, 30, 69, 70, 99, 100, 129, 130, 999)] == [
        (5, 30),
        (5, 30),
        (0, 70),
        (0, 70),
        (9, 100),
        (9, 100),
        (5, 130),
        (5, 130),
        (0, 170),
        (9, 1_000),
    ]


SHARES = st.integers(0, 100).map(lambda percent: percent / 100)
PIECES = st.lists(
    st.builds(Piece, st.integers(1, 2_000), SHARES, SHARES, st.booleans()), min_size=1, max_size=5
)


@given(PIECES, st.integers(0, 100))
def test_draw_is_exact_to_half_a_percent_at_every_tick(pieces: list[Piece], level_pct: int) -> None:
    drawn = draw(pieces, level_pct)
    begin_ms = 0
    for piece in pieces:
        for u_ms in range(0, piece.length_ms, GRID_MS):
            share = u_ms / piece.length_ms
            if piece.smooth:
                share = (1 - cos(pi * share)) / 2
            exact = (piece.begin + (piece.end - piece.begin) * share) * level_pct
            assert abs(drawn.at(begin_ms + u_ms)[0] - exact) <= 0.5 + 1e-6
        begin_ms += piece.length_ms


@given(PIECES, st.integers(0, 100))
def test_steps_to_draw_counts_each_level_that_draw_computes(
    pieces: list[Piece], level_pct: int
) -> None:
    slopes: list[float] = []

    def counted(value: float) -> int:
        slopes.append(value)
        return ceil(value)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(steps_module, "ceil", counted)
        drawn = draw(pieces, level_pct)
    assert len(drawn.at_ms) <= len(pieces) + len(slopes) == steps_to_draw(pieces, level_pct)


@given(PIECES, st.integers(0, 100), st.integers(0, 100_000))
def test_level_holds_until_the_next_step(pieces: list[Piece], level_pct: int, t_ms: int) -> None:
    drawn = draw(pieces, level_pct)
    level, next_ms = drawn.at(t_ms)
    assert t_ms < next_ms <= t_ms + drawn.cycle_ms
    assert {drawn.at(u_ms) for u_ms in range(t_ms, next_ms)} == {(level, next_ms)}
    assert 0 <= min(drawn.level_pct) <= max(drawn.level_pct) <= level_pct


def test_drawing_cache_keeps_the_recent_drawings_up_to_its_size() -> None:
    drawn: list[int] = []

    def draw_one(pieces: tuple[Piece, ...], level_pct: int) -> Steps:
        drawn.append(level_pct)
        return draw(pieces, level_pct)

    cache = DrawingCache(draw_one)
    pieces = (Piece(100_000, 0.0, 1.0), Piece(100_000, 1.0, 0.0)) * 10
    size = steps_module._size(pieces, draw(pieces, 100))
    fit = steps_module._CACHE_SIZE // size
    courses = [(*pieces[:-1], Piece(100_000 + n, 1.0, 0.0)) for n in range(fit + 1)]
    first, *_, last = courses
    for one in courses[:-1]:
        assert cache(one, 100) == draw(one, 100)
    assert len(drawn) == fit
    for one in courses[:-1]:
        cache(one, 100)
    assert len(drawn) == fit
    cache(first, 100)
    cache(last, 100)
    assert len(drawn) == fit + 1
    cache(first, 100)
    assert len(drawn) == fit + 1
    cache(courses[1], 100)
    assert len(drawn) == fit + 2
    sizes = [steps_module._size(c, steps) for (c, _), steps in cache._kept.items()]
    assert cache._size == sum(sizes) <= steps_module._CACHE_SIZE
