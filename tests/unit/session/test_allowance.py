"""The day's account: what a start takes, what a stop returns, and when a day begins."""

import pytest

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import DAY_MS
from firmware_ctl.session.allowance import Allowance, Spent


def test_day_begins_with_its_first_start() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 5_000)
    account.take(600_000, 900_000)

    used = [account.used_ms(at_ms) for at_ms in (900_000, DAY_MS + 4_999, DAY_MS + 5_000)]
    assert used == [1_000_000, 1_000_000, 0]


def test_refused_take_reserves_nothing_and_names_the_wait() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 5_000)
    with pytest.raises(CallerError) as refused:
        account.take(600_001, 6_500)

    assert refused.value.code == "allowance"
    assert str(refused.value) == (
        "86399 this session needs 10:00, but only 10:00 of today's 16:40 are left; "
        "choose a shorter profile or wait"
    )
    assert account.used_ms(6_500) == 400_000


def test_give_back_returns_unused_time() -> None:
    account = Allowance(1_000_000)
    account.take(400_000, 0)
    account.give_back(150_000)
    assert account.used_ms(0) == 250_000
    account.give_back(999_999)
    assert account.used_ms(0) == 0


def test_new_day_begins_with_the_whole_allowance() -> None:
    account = Allowance(1_000_000)
    account.take(1_000_000, 0)
    account.take(1_000_000, DAY_MS)

    assert account.used_ms(2 * DAY_MS - 1) == 1_000_000


def test_allowance_lowered_below_the_used_time_has_nothing_left() -> None:
    account = Allowance(1_000_000, Spent(used_ms=1_800_000, day_began_at_ms=-1))
    assert account.used_ms(0) == 1_000_000
    with pytest.raises(CallerError, match="0:00 of today's 16:40 are left"):
        account.take(1_000, 0)
    assert account.account == (1_800_000, -1)


HOUR_MS = 3_600_000
OLDER = Spent(used_ms=600_000, day_began_at_ms=-HOUR_MS, may_renew=True)
"""Ten minutes of a day that began an hour before; no clock knows how long the machine was off."""


def test_was_off_that_ends_the_older_day_moves_recent_use_to_a_new_day() -> None:
    account = Allowance(1_800_000, OLDER)
    account.take(300_000, 5_000)
    account.give_back(100_000)
    account.was_off(23 * HOUR_MS, 60_000)

    assert account.account == (200_000, 5_000)
    assert account.used_ms(DAY_MS + 4_999) == 200_000
    assert account.used_ms(DAY_MS + 5_000) == 0
    assert not account.may_renew


def test_was_off_within_the_older_day_makes_it_older() -> None:
    account = Allowance(1_800_000, OLDER)
    account.take(300_000, 5_000)
    account.was_off(22 * HOUR_MS, 60_000)

    assert account.account == (900_000, -23 * HOUR_MS)


def test_was_off_does_not_change_a_day_that_began_here() -> None:
    fresh, renewed = Allowance(1_800_000), Allowance(1_800_000, OLDER)
    assert renewed.renew()
    for account in (fresh, renewed):
        account.take(300_000, 5_000)
        account.was_off(48 * HOUR_MS, 60_000)
        assert account.account == (300_000, 5_000)


def test_renew_works_once_and_the_day_begins_with_its_first_start() -> None:
    account = Allowance(1_800_000, OLDER)
    assert (account.renew(), account.renew()) == (True, False)
    assert account.account == (0, None)
    assert not Allowance(1_800_000).renew()
    damaged = Allowance(1_800_000, Spent(damage="the record is damaged"))
    assert damaged.used_ms(0) == 1_800_000
    assert damaged.renew()
    assert (damaged.damage, damaged.used_ms(0)) == ("", 0)


def test_sleep_makes_the_day_older() -> None:
    account = Allowance(1_800_000, OLDER)
    account.take(300_000, 5_000)
    account.sleep(HOUR_MS)
    assert account.account == (900_000, -2 * HOUR_MS)
    account.was_off(22 * HOUR_MS, 60_000)
    assert account.account == (300_000, 5_000 - HOUR_MS)
