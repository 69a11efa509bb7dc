"""The code of six digits: valid once, for five minutes, and hard to guess."""

import pytest

from firmware_ctl.remote.web.pairing import FAILURES, MOST_FAILURES, VALID_MS, Pairing


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_code_pairs_once() -> None:
    pairing = Pairing()
    code = pairing.begin(0)
    assert (len(code), code.isdecimal()) == (6, True)
    assert (pairing.takes(code, 10), pairing.takes(code, 20)) == (True, False)


def test_code_is_valid_for_five_minutes() -> None:
    pairing = Pairing()
    code = pairing.begin(1000)
    assert not pairing.takes(code, 1000 + VALID_MS)
    code = pairing.begin(1000)
    assert pairing.takes(code, 999 + VALID_MS)


def test_a_new_code_makes_the_old_one_void() -> None:
    pairing = Pairing()
    old, new = pairing.begin(0), pairing.begin(0)
    assert old == new or not pairing.takes(old, 1)
    assert pairing.takes(new, 1)


def test_without_a_code_none_pairs() -> None:
    pairing = Pairing()
    assert not pairing.takes("", 0)
    assert not pairing.takes("000000", 0)


def test_wrong_codes_make_everybody_wait() -> None:
    pairing = Pairing()
    code = pairing.begin(0)
    count, within_ms = FAILURES
    for at_ms in range(count):
        assert pairing.wait_s(at_ms) == 0
        assert not pairing.takes(other(code), at_ms)
    assert pairing.wait_s(count) == within_ms // 1000
    assert pairing.wait_s(within_ms) == 0


def test_ten_wrong_codes_make_the_code_void() -> None:
    pairing = Pairing()
    code = pairing.begin(0)
    for attempt in range(MOST_FAILURES):
        assert not pairing.takes(other(code), attempt * 20_000)
    assert not pairing.takes(code, MOST_FAILURES * 20_000)


@pytest.mark.parametrize("code", ["12345é", "\ud800", "", "1" * 1000])
def test_code_of_other_characters_is_only_wrong(code: str) -> None:
    pairing = Pairing()
    pairing.begin(0)
    assert not pairing.takes(code, 0)
