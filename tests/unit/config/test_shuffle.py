"""The orders of `shuffle`, and what the motors of a target do in them."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.config.patterns import PATTERNS, Position
from firmware_ctl.config.shuffle import ORDERS, split_mix, turns
from firmware_ctl.timeline.steps import draw


def test_split_mix_gives_the_published_numbers() -> None:
    assert list(islice(split_mix(0), 3)) == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_turns_of_a_seed_are_these_on_every_machine() -> None:
    assert turns(1, 8)[:3] == (
        (0, 3, 7, 1, 2, 6, 5, 4),
        (0, 3, 6, 5, 2, 7, 1, 4),
        (6, 0, 5, 2, 4, 7, 1, 3),
    )
    assert turns(2, 8) != turns(1, 8)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_turns_take_every_order_about_as_often(count: int) -> None:
    orders = [order for seed in range(1_000) for order in turns(seed, count)]
    kinds = set(orders)
    expected = len(orders) / len(kinds)
    assert len(kinds) == {2: 2, 3: 6, 4: 24}[count]
    assert all(0.8 * expected < orders.count(order) < 1.2 * expected for order in kinds)


@given(st.integers(1, 17), st.integers(200, 9_000), st.integers(10, 9_000), st.integers(0, 999_999))
def test_shuffle_plays_every_motor_once_a_period_and_one_at_a_time(
    count: int, period_ms: int, on_for_ms: int, seed: int
) -> None:
    course = PATTERNS["shuffle"].course
    assert course is not None
    keys = {"period": period_ms, "on_for": on_for_ms, "seed": seed}
    busy: list[tuple[int, int]] = []
    for index in range(count):
        pieces = [
            piece
            for period in range(ORDERS)
            for piece in course(keys, Position(index, count, "left", period))
        ]
        assert sum(piece.length_ms for piece in pieces) == ORDERS * period_ms
        begin_ms = 0
        own = []
        for piece in pieces:
            if piece.begin:
                own.append((begin_ms, begin_ms + piece.length_ms))
            begin_ms += piece.length_ms
        assert [begin // period_ms for begin, _ in own] == list(range(ORDERS))
        share_ms = period_ms // count
        assert all(min(on_for_ms, share_ms) <= end - begin <= on_for_ms for begin, end in own)
        assert draw(pieces, 30).cycle_ms == ORDERS * period_ms
        busy += own
    busy.sort()
    assert all(end <= begin for (_, end), (begin, _) in pairwise(busy))
