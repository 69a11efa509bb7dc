"""The orders of `shuffle`: the same for the same seed, on every machine and in every version.

The numbers come from SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, OOPSLA 2014), which is small enough to stand here. Python promises the same numbers from
its own `random` only for a few of its functions, and shuffling is none of them. Each order is drawn
by the algorithm of Fisher and Yates.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

ORDERS: Final = 16
"""How many orders are drawn. Then the first one comes again, so that a course has an end: the
supply is proven for one cycle of it."""

_MASK: Final = (1 << 64) - 1


@lru_cache(maxsize=32)
def turns(seed: int, count: int) -> tuple[tuple[int, ...], ...]:
    """For each of `ORDERS` orders the turn of every motor, from 0 to `count` - 1."""
    numbers = split_mix(seed)
    orders = []
    for _ in range(ORDERS):
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            # The product is below (last + 1) * 2**64, so the index is at most `last`.
            other = next(numbers) * (last + 1) >> 64
            order[last], order[other] = order[other], order[last]
        orders.append(tuple(order))
    return tuple(orders)


def split_mix(seed: int) -> Iterator[int]:
    """The numbers of SplitMix64, each of 64 bits, without end."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        yield mixed ^ mixed >> 31
