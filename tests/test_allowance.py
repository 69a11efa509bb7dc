"""The day's account: what a start takes, what a stop returns, and when a day begins."""

import pytest

from firmware_ctl.allowance import Allowance
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import DAY_MS


def test_a_day_begins_with_its_first_start() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 5_000)
    account.take(600_000, 900_000)

    used = [account.used_ms(at_ms) for at_ms in (900_000, DAY_MS + 4_999, DAY_MS + 5_000)]
    assert used == [1_000_000, 1_000_000, 0]


def test_a_refusal_takes_nothing_and_its_first_word_is_the_wait() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 5_000)
    with pytest.raises(CallerError) as refused:
        account.take(600_001, 6_500)

    assert refused.value.code == "allowance"
    assert str(refused.value) == (
        "86399 the session takes 600 s and 600 s of today's 1000 s are left; "
        "choose a shorter profile or wait"
    )
    assert account.used_ms(6_500) == 400_000


def test_what_a_stopped_session_did_not_use_returns() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 0)
    account.give_back(150_000)
    assert account.used_ms(0) == 250_000
    account.give_back(999_999)
    assert account.used_ms(0) == 0


def test_a_new_day_owes_nothing_to_the_old_one() -> None:
    account = Allowance(1_000_000)
    account.take(1_000_000, 0)
    account.take(1_000_000, DAY_MS)

    assert account.used_ms(2 * DAY_MS - 1) == 1_000_000
