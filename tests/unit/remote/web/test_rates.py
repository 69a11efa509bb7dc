"""How often something may happen."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.remote.web.rates import Rate


@given(st.lists(st.integers(0, 400)))
def test_rate_lets_through_at_most_its_count_in_any_time(gaps_ms: list[int]) -> None:
    rate, at_ms, taken = Rate(3, 1000), 0, list[int]()
    for gap_ms in gaps_ms:
        at_ms += gap_ms
        if rate.takes(at_ms):
            taken.append(at_ms)
        else:
            assert rate.wait_ms(at_ms) > 0
    for first, fourth in zip(taken, taken[3:], strict=False):
        assert fourth - first >= 1000


def test_rate_lets_through_again_after_its_time() -> None:
    rate = Rate(2, 1000)
    assert [rate.takes(at_ms) for at_ms in (0, 10, 20, 999, 1000, 1009, 1010)] == [
        True, True, False, False, True, False, True,
    ]  # fmt: skip
