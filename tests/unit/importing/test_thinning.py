"""What motors cannot follow is left out, and the rest stays."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.patterns import SHORTEST_MS
from firmware_ctl.importing.curve import Curve, Point, level_at
from firmware_ctl.importing.thinning import SPIN_UP_MS, followed, straightened


def points(*pairs: tuple[int, float]) -> Curve:
    return tuple(Point(*pair) for pair in pairs)


CURVES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 100)), min_size=1, max_size=40).map(
    lambda gaps: tuple(
        Point(sum(gap for gap, _ in gaps[: i + 1]), level) for i, (_, level) in enumerate(gaps)
    )
)


def test_points_that_motors_can_follow_stay_as_they_are() -> None:
    slow = points((0, 0), (SPIN_UP_MS, 1), (2 * SPIN_UP_MS, 0), (9_000, 0.5))
    assert followed(slow, SPIN_UP_MS) == slow


def test_jump_gets_a_length() -> None:
    assert followed(points((0, 0), (500, 0), (500, 1), (900, 1)), SPIN_UP_MS) == points(
        (0, 0), (500, 0), (510, 1), (900, 1)
    )


def test_blip_that_no_motor_can_follow_is_left_out() -> None:
    blip = points((0, 0), (500, 0), (520, 1), (540, 0), (900, 0))
    assert followed(blip, SPIN_UP_MS) == points((0, 0), (500, 0), (540, 0), (900, 0))


def test_fast_swings_become_their_mean() -> None:
    fast = [Point(20 * i, i % 2) for i in range(13)]
    assert [round(level, 2) for _, level in followed(fast, SPIN_UP_MS)] == [0, 0.5, 0.5, 0]


@given(CURVES)
def test_followed_times_are_apart_and_levels_within_those_of_the_curve(curve: Curve) -> None:
    thinned = followed(curve, SPIN_UP_MS)
    assert all(b.at_ms - a.at_ms >= SHORTEST_MS for a, b in pairwise(thinned))
    levels = [point.level for point in curve]
    assert all(min(levels) - 1e-6 <= p.level <= max(levels) + 1e-6 for p in thinned)


@given(CURVES, st.sampled_from([1.0, 6.0]))
def test_straightened_curve_is_near_every_point_and_stays_off_where_it_was(
    curve: Curve, off: float
) -> None:
    thinned = followed(curve, SPIN_UP_MS)
    straight = straightened(thinned, off)
    assert set(straight) <= set(thinned)
    for at_ms, level in thinned:
        assert abs(level_at(straight, at_ms) - level) <= off + 1e-6
    for a, b in pairwise(thinned):
        if not a.level and not b.level:
            assert level_at(straight, (a.at_ms + b.at_ms) / 2) == 0
