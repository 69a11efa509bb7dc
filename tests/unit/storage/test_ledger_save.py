"""A save of the ledger, with a failure or a power cut at any of its calls."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_ctl.session.allowance import Spent
from firmware_ctl.storage import ledger as module
from firmware_ctl.storage.clock import Clock
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.ledger import Ledger
from tests.support.worlds_disk import (
    CALLS,
    NEW,
    OLD,
    THEN,
    AtOnce,
    Medium,
    PowerCut,
    fail_at_call,
    ledger_bytes,
    ledger_of,
    save,
)

HOUR_MS = 3_600_000


def read(folder: Path, data: bytes | None, clock: Clock = THEN) -> Spent:
    return ledger_of(folder, data, lambda: clock).spent


# --- on a real disk ----------------------------------------------------------------------------


def test_save_is_read_again(tmp_path: Path) -> None:
    posted: list[Callable[[], object]] = []
    done: list[str] = []
    sentences: list[str] = []
    disk = Disk(sentences.append)
    ledger = Ledger(str(tmp_path), disk, posted.append, lambda: THEN)
    for keep in (OLD, NEW):
        ledger.save(keep, done.append)
    disk.close()
    assert done == []  # only the loop calls it
    for call in posted:
        call()

    assert (done, sentences) == (["", ""], [])
    assert os.listdir(tmp_path) == ["ledger"]
    assert Ledger(str(tmp_path), disk, posted.append, lambda: THEN).spent == Spent(
        660_000, -HOUR_MS - 30_000
    )
    assert (tmp_path / "ledger").stat().st_size < module.MOST_BYTES


def test_save_to_a_missing_folder_reports_the_failure(tmp_path: Path) -> None:
    posted: list[Callable[[], object]] = []
    done: list[str] = []
    sentences: list[str] = []
    disk = Disk(sentences.append)
    ledger = Ledger(str(tmp_path / "gone"), disk, posted.append, lambda: THEN)
    ledger.save(OLD, done.append)
    disk.close()
    for call in posted:
        call()

    why = f"{tmp_path}/gone/ledger cannot be written: No such file or directory"
    assert done == [why]
    assert sentences == [
        "the disk does not take what is written: [Errno 2] No such file or directory: "
        f"'{tmp_path}/gone/ledger.part'"
    ]


# --- call by call ------------------------------------------------------------------------------


def test_save_makes_its_calls_in_the_safe_order() -> None:
    medium = Medium()
    assert save(medium, OLD) == [""]
    assert tuple(medium.calls) == CALLS
    assert medium.open_files == 0


@pytest.mark.parametrize("write_limit_bytes", [1, 7, 100])
def test_save_continues_after_short_writes(write_limit_bytes: int) -> None:
    medium = Medium()
    medium.write_limit_bytes = write_limit_bytes
    assert save(medium, OLD) == [""]
    assert medium.content == ledger_bytes(OLD)


@pytest.mark.parametrize("before", [None, ledger_bytes(OLD)], ids=["no ledger", "old ledger"])
@pytest.mark.parametrize("write_limit_bytes", [1 << 20, 60])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_fault_23_a_power_cut_at_every_call_leaves_the_old_or_the_new_ledger(
    before: bytes | None, write_limit_bytes: int, is_before: bool, tmp_path: Path
) -> None:
    """In whatever order the disk writes, and wherever it tears a write that was not synced."""
    new = ledger_bytes(NEW)
    cuts = 0
    while True:
        medium = Medium(before)
        medium.write_limit_bytes = write_limit_bytes
        medium.before_call = fail_at_call(0, cuts, PowerCut())
        if is_before:
            results = _until_cut(medium)
        else:
            # The call has its effect, and the next one does not happen.
            medium.before_call = fail_at_call(0, cuts + 1, PowerCut())
            results = _until_cut(medium)
        left = medium.contents_after_power_cut()
        assert left <= {before, new}
        assert medium.content in (before, new)  # a death of the process alone
        if results == [""]:
            break
        assert results == []
        cuts += 1

    assert left == {new}  # reported only when nothing can undo it
    assert cuts >= len(CALLS) - 1
    for data in (before, new):
        spent = read(tmp_path, data)
        assert (spent.damage, spent.used_ms) == ("", {before: 600_000, new: 660_000}[data] if data else 0)  # fmt: skip


def _until_cut(medium: Medium) -> list[str]:
    results: list[str] = []
    ledger = Ledger("/none", AtOnce(), lambda call: call(), lambda: THEN, medium)  # type: ignore[arg-type]
    try:
        ledger.save(NEW, results.append)
    except PowerCut:
        assert results == []
    return results


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_simulated_disk_reveals_a_missing_sync(forgotten: str) -> None:
    """Without this, the test above would prove nothing."""
    medium = Medium(ledger_bytes(OLD))
    setattr(medium, forgotten, lambda *_: None)
    assert save(medium, NEW) == [""]

    left = medium.contents_after_power_cut()
    assert left != {ledger_bytes(NEW)}
    assert (b"" in left) == (forgotten == "sync")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("at", range(len(CALLS)), ids=CALLS)
def test_save_whose_call_fails_reports_it_and_leaves_no_damage(number: int, at: int) -> None:
    old = ledger_bytes(OLD)
    medium = Medium(old)
    medium.before_call = fail_at_call(number, at)

    assert save(medium, NEW) == [f"/none/ledger cannot be written: {os.strerror(number)}"]
    assert medium.open_files == 0
    assert tuple(medium.calls) == (*CALLS[: at + 1], *(["close"] if 0 < at < 3 else []))
    if CALLS[at] == "sync_folder":
        assert medium.contents_after_power_cut() == {old, ledger_bytes(NEW)}
    else:
        assert medium.contents_after_power_cut() == {medium.content} == {old}

    assert save(medium, NEW) == [""]  # the next one is whole
    assert medium.contents_after_power_cut() == {ledger_bytes(NEW)}


def test_save_to_a_disk_full_after_half_the_record_leaves_the_old_one() -> None:
    medium = Medium(ledger_bytes(OLD))
    medium.write_limit_bytes = 60
    medium.before_call = fail_at_call(errno.ENOSPC, 2)
    assert save(medium, NEW) == ["/none/ledger cannot be written: No space left on device"]
    assert medium.contents_after_power_cut() == {ledger_bytes(OLD)}
