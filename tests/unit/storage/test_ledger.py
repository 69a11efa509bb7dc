"""The ledger file when it is read: what the clocks make of it, and damage."""

import binascii
import json
import os
from pathlib import Path

import pytest

from firmware_ctl.limits import DAY_MS
from firmware_ctl.session.allowance import UNSPENT, Allowance, Spent
from firmware_ctl.session.events import (
    SaveLedger,
)
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.ledger import Ledger
from tests.support.worlds import MINUTE_MS
from tests.support.worlds_disk import (
    OLD,
    THEN,
    WALL_MS,
    AtOnce,
    ledger_bytes,
    ledger_of,
)

HOUR_MS = 3_600_000
DAILY_MS = 3 * MINUTE_MS


def read(folder: Path, data: bytes | None, clock: Clock = THEN) -> Spent:
    return ledger_of(folder, data, lambda: clock).spent


def sealed(text: bytes) -> bytes:
    return b"%b %08x\n" % (text, binascii.crc32(text))


# --- clocks -----------------------------------------------------------------------------------

CLOCKS: dict[str, tuple[Clock, Clock, int, bool]] = {
    "at once": (THEN, THEN, 0, False),
    "same boot": (THEN, Clock("one", 6 * HOUR_MS, WALL_MS + HOUR_MS), HOUR_MS, False),
    "wall clock a day on": (THEN, Clock("one", THEN.up_ms + 10, WALL_MS + DAY_MS), 10, False),
    "wall clock a day back": (THEN, Clock("one", THEN.up_ms + 10, WALL_MS - DAY_MS), 10, False),
    "suspended": (THEN, Clock("one", THEN.up_ms + 8 * HOUR_MS, WALL_MS), 8 * HOUR_MS, False),
    "never synchronised": (
        THEN._replace(wall_ms=None),
        Clock("one", THEN.up_ms + 10, None),
        10,
        False,
    ),
    "other boot": (THEN, Clock("two", MINUTE_MS, WALL_MS + HOUR_MS), HOUR_MS, False),
    "other boot, up for longer": (
        THEN,
        Clock("two", 9 * HOUR_MS, WALL_MS + 10 * HOUR_MS),
        10 * HOUR_MS,
        False,
    ),
    "other boot, unsure before": (
        THEN._replace(wall_ms=None),
        Clock("two", MINUTE_MS, WALL_MS + DAY_MS),
        MINUTE_MS,
        True,
    ),
    "other boot, unsure now": (THEN, Clock("two", MINUTE_MS, None), MINUTE_MS, True),
    "other boot, unsure both times": (
        THEN._replace(wall_ms=None),
        Clock("two", 9 * HOUR_MS, None),
        9 * HOUR_MS,
        True,
    ),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_ledger_ages_the_day_only_by_time_known_to_have_passed(case: str, tmp_path: Path) -> None:
    before, after, away_ms, may_renew = CLOCKS[case]

    spent = read(tmp_path, ledger_bytes(OLD, before), after)

    assert spent == Spent(600_000, -HOUR_MS - away_ms, may_renew=may_renew)


@pytest.mark.parametrize(
    "clock",
    [Clock("one", THEN.up_ms - 1, WALL_MS), Clock("two", MINUTE_MS, WALL_MS - 1)],
    ids=["same boot", "other boot"],
)
def test_ledger_from_the_future_counts_as_used_up(clock: Clock, tmp_path: Path) -> None:
    assert read(tmp_path, ledger_bytes(OLD), clock) == Spent(
        damage=f"the record of today's running time, {tmp_path}/ledger, "
        "is from the future: the clock was set back"
    )


def test_day_is_no_older_for_the_time_that_its_save_took(tmp_path: Path) -> None:
    """The disk wrote 10 s after the session asked for it."""
    data = ledger_bytes(OLD, THEN._replace(up_ms=THEN.up_ms + 10_000))
    assert (
        read(tmp_path, data, THEN._replace(up_ms=THEN.up_ms + 10_000)).day_began_at_ms == -HOUR_MS
    )


def test_ledger_of_a_day_that_has_not_begun_is_unspent(tmp_path: Path) -> None:
    data = ledger_bytes(SaveLedger(1, UNSPENT, at_ms=7_000))
    assert read(tmp_path, data, THEN) == UNSPENT


def test_clock_synchronised_later_tells_once_how_long_the_machine_was_off(tmp_path: Path) -> None:
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, ledger_bytes(OLD), lambda: clock)
    answers: list[object] = [ledger.is_unsure_of_time, ledger.unseen_ms()]
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS + 3 * HOUR_MS)
    answers += [ledger.is_unsure_of_time, ledger.unseen_ms(), ledger.is_unsure_of_time]
    answers.append(ledger.unseen_ms())

    assert answers == [True, None, True, 3 * HOUR_MS - 2 * MINUTE_MS, False, None]


def test_clock_synchronised_later_and_behind_gives_no_time_off(tmp_path: Path) -> None:
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, ledger_bytes(OLD), lambda: clock)
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS - DAY_MS)

    assert (ledger.unseen_ms(), ledger.is_unsure_of_time) == (0, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (THEN, THEN),
        (THEN, Clock("two", MINUTE_MS, WALL_MS + 1)),
        (THEN._replace(wall_ms=None), Clock("two", MINUTE_MS, WALL_MS)),
    ],
    ids=["same boot", "other boot", "unsure before"],
)
def test_ledger_waits_for_no_clock_that_cannot_help(
    before: Clock, after: Clock, tmp_path: Path
) -> None:
    ledger = ledger_of(tmp_path, ledger_bytes(OLD, before), lambda: after)
    assert (ledger.is_unsure_of_time, ledger.unseen_ms()) == (False, None)


def test_unsure_day_stays_unsure_over_a_restart_until_the_button_was_held(
    tmp_path: Path,
) -> None:
    unsure = read(tmp_path, ledger_bytes(OLD), Clock("two", MINUTE_MS, None))
    again = SaveLedger(2, unsure, at_ms=0)
    later = Clock("two", 2 * MINUTE_MS, None)
    held = SaveLedger(3, unsure._replace(used_ms=0, day_began_at_ms=None, may_renew=False), at_ms=0)

    may_renew = [
        read(tmp_path, ledger_bytes(keep, later), later).may_renew for keep in (again, held)
    ]
    assert may_renew == [True, False]


def test_ledger_with_the_time_of_an_rtc_gives_no_time_off(tmp_path: Path) -> None:
    """A file may hold the time of an RTC, marked as not synchronised."""
    record = sealed(json.dumps(RECORD | {"synchronised": False}).encode())
    ledger = ledger_of(tmp_path, record, lambda: Clock("two", MINUTE_MS, WALL_MS + DAY_MS))
    assert ledger.spent == Spent(600_000, -HOUR_MS - MINUTE_MS, may_renew=True)
    assert not ledger.is_unsure_of_time


def test_clock_set_by_hand_and_a_reboot_give_no_day_back(tmp_path: Path) -> None:
    """A time set by hand is not synchronised. Once the network sets it, the true age is known."""
    clock = Clock("two", MINUTE_MS, None)
    ledger = ledger_of(tmp_path, ledger_bytes(OLD), lambda: clock)
    account = Allowance(DAILY_MS, ledger.spent)
    assert account.used_ms(0) == min(OLD.spent.used_ms, DAILY_MS)
    assert ledger.unseen_ms() is None
    clock = Clock("two", 2 * MINUTE_MS, WALL_MS + HOUR_MS)
    assert ledger.unseen_ms() == HOUR_MS - 2 * MINUTE_MS


# --- files that are not ledgers --------------------------------------------------------------------


def test_missing_ledger_is_a_new_mat(tmp_path: Path) -> None:
    assert read(tmp_path, None) == UNSPENT


def test_ledger_truncated_anywhere_is_damaged(tmp_path: Path) -> None:
    data = ledger_bytes(OLD)
    assert read(tmp_path, data).used_ms == 600_000
    for length in range(len(data)):
        assert read(tmp_path, data[:length]).damage.endswith("is damaged")


def test_ledger_with_any_wrong_byte_is_damaged(tmp_path: Path) -> None:
    data = ledger_bytes(OLD)
    for place in range(len(data)):
        for flip in (1, 0x20, 0x80):
            bad = bytearray(data)
            bad[place] ^= flip
            assert read(tmp_path, bytes(bad)).damage.endswith("is damaged")
    for bad_data in (data + b"\n", b" " + data, data + data, data * 40):
        assert read(tmp_path, bad_data).damage.endswith("is damaged")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is damaged"),
        (b"\0" * 300, "is damaged"),
        (b"schema: 1\n", "is damaged"),
        (b"x" * 100_000, "is damaged"),
        (sealed(b""), "was not written by firmware-ctl"),
        (sealed(b"not json"), "was not written by firmware-ctl"),
        (sealed(b"\xff\xfe"), "was not written by firmware-ctl"),
        (sealed(b"[" * 3_000), "was not written by firmware-ctl"),
        (sealed(b"[1]"), "was not written by firmware-ctl"),
        (sealed(b"3"), "was not written by firmware-ctl"),
        (sealed(b"{}"), "was not written by firmware-ctl"),
        (sealed(b'{"ledger":3}'), "has format 3 and this program knows 2"),
        (sealed(b'{"ledger":"x"}'), "has format x and this program knows 2"),
        (sealed(b'{"ledger":2}'), "is damaged"),
    ],
)
def test_file_that_is_not_a_ledger_counts_as_used_up_and_says_why(
    data: bytes, sentence: str, tmp_path: Path
) -> None:
    assert read(tmp_path, data) == Spent(
        damage=f"the record of today's running time, {tmp_path}/ledger, {sentence}"
    )


RECORD = json.loads(ledger_bytes(OLD).rpartition(b" ")[0])
CENTURY_MS = 100 * 366 * DAY_MS
TOO_MUCH = {
    "up_ms": (CENTURY_MS + 1, 10**400),
    "wall_ms": (253_402_300_800_001, 10**3000),
    "used_ms": (3_600_001, 10**400, 10**3000),
    "day_ms": (CENTURY_MS + 1, 10**3000),
}


@pytest.mark.parametrize("name", [name for name in RECORD if name != "ledger"])
def test_ledger_with_any_wrong_field_and_a_right_checksum_is_damaged(
    name: str, tmp_path: Path
) -> None:
    wrong: list[object] = [-1, 1.5, [], {}, "7" if name != "boot" else 7]
    if name not in ("unsure", "synchronised"):
        wrong.append(True)
    if name not in ("wall_ms", "day_ms"):
        wrong.append(None)
    records = [RECORD | {name: value} for value in wrong]
    records += [{key: value for key, value in RECORD.items() if key != name}, RECORD | {"more": 1}]
    records += [RECORD | {name: most} for most in TOO_MUCH.get(name, ())]
    for record in records:
        assert read(tmp_path, sealed(json.dumps(record).encode())).damage.endswith("is damaged")


def test_ledger_with_time_used_and_no_day_is_damaged(tmp_path: Path) -> None:
    record = RECORD | {"used_ms": 1, "day_ms": None}
    assert read(tmp_path, sealed(json.dumps(record).encode())).damage.endswith("is damaged")
    record["used_ms"] = 0
    assert read(tmp_path, sealed(json.dumps(record).encode())).damage == ""


def test_ledger_with_the_greatest_values_is_read(tmp_path: Path) -> None:
    record = RECORD | {name: min(figures) - 1 for name, figures in TOO_MUCH.items()}
    spent = read(tmp_path, sealed(json.dumps(record).encode()), Clock("one", CENTURY_MS, WALL_MS))
    assert (spent.damage, spent.used_ms) == ("", 3_600_000)


def test_ledger_with_zeros_is_read(tmp_path: Path) -> None:
    record = RECORD | {
        "up_ms": 0, "wall_ms": 0, "used_ms": 0, "day_ms": 0,
    }  # fmt: skip
    data = sealed(json.dumps(record).encode())
    assert read(tmp_path, data, Clock("one", 0, 0)) == Spent(0, 0)


def test_ledger_that_cannot_be_read_counts_as_used_up(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    sentences = []
    path.mkdir()
    sentences.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]
    path.rmdir()
    (tmp_path / "other").write_bytes(ledger_bytes(OLD))
    path.symlink_to(tmp_path / "other")
    sentences.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]
    path.unlink()
    os.mkfifo(path)
    sentences.append(Ledger(str(tmp_path), AtOnce(), print, lambda: THEN).spent.damage)  # type: ignore[arg-type]

    name = f"the record of today's running time, {path}, cannot be read"
    assert sentences == [
        f"{name}: it is not a regular file",
        f"{name}: Too many levels of symbolic links",
        f"{name}: it is not a regular file",
    ]
