"""Faults of the disk and of the ledger, as a person meets them, on virtual time."""

from pathlib import Path

import pytest

from firmware_ctl.limits import TICK_MS
from firmware_ctl.storage.ledger import Ledger, _sealed
from tests.support.worlds import CATALOGUE
from tests.unit.daemon.fault_rig import BEGIN_MS, DRIVEN_LOW, FAULT_MS, Rig, as_disk


def test_fault_22_on_a_full_disk_a_session_ends_with_its_slice_and_none_starts(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "disk-full")
    rig.ask(BEGIN_MS, "start calm")
    rig.ask(BEGIN_MS + 59_900, "status")
    rig.ask(BEGIN_MS + 60_100, "status", "stop")
    rig.ask(BEGIN_MS + 61_000, "start")
    rig.ask(BEGIN_MS + 61_500, "stop", "limits")
    rig.run(BEGIN_MS + 62_000)
    _, before, after, *rest = rig.answers
    assert ("state=running" in before, "state=idle" in after) == (True, True)
    assert rest == [
        "ok",
        f"err not-ready {tmp_path}/ledger cannot be written: No space left on device; "
        "no session can start",
        "ok",
        "ok session=900 daily=1800 used=60 left=1740",
    ]
    assert rig.lines() == DRIVEN_LOW


def test_fault_22_a_disk_that_hangs_delays_nothing_and_no_session_starts(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.ask(BEGIN_MS, "start calm")
    rig.at(FAULT_MS, lambda: setattr(rig.disk, "hangs", True))
    rig.ask(BEGIN_MS + 30_000, "stop")
    rig.ask(BEGIN_MS + 35_000, "status", "start")
    rig.ask(BEGIN_MS + 37_500, "stop", "status")
    rig.at(BEGIN_MS + 40_000, lambda: setattr(rig.disk, "hangs", False))
    rig.ask(BEGIN_MS + 40_000, "start")
    rig.run(BEGIN_MS + 42_000)
    states = [line.partition(" profile")[0] for line in rig.answers]
    assert states == [
        *("ok", "ok", "ok state=idle"),
        "err not-ready the disk does not take the record of today's running time; "
        "see whether it is full or failing",
        *("ok", "ok state=idle", "ok"),
    ]
    assert [line for line in rig.log if "fault" in line] == []
    ticks = [
        b - a for a, b in zip(rig.deadman.armed_at_ms, rig.deadman.armed_at_ms[1:], strict=False)
    ]
    assert max(gap for gap in ticks if gap < 1_000) <= TICK_MS


GOOD = {
    "ledger": 2,
    "boot": "this boot",
    "up_ms": 4_000,
    "wall_ms": 10**12,
    "synchronised": True,
    "used_ms": 60_000,
    "day_ms": 60_000,
    "unsure": False,
}

NEW_DAY = "hold the start button for 5 s to begin a new day"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_sealed({**GOOD, "ledger": 3}), "has format 3 and this program knows 2"),
        (_sealed(GOOD)[:-20], "is damaged"),
        (b"", "is damaged"),
        (b"ledger: 1\n", "is damaged"),
        (_sealed({**GOOD, "up_ms": 6_000}), "is from the future: the clock was set back"),
        (
            _sealed({**GOOD, "boot": "another", "wall_ms": 10**12 + 1}),
            "is from the future: the clock was set back",
        ),
        (_sealed({**GOOD, "used_ms": -1}), "is damaged"),
    ],
    ids=["version", "truncated", "empty", "foreign", "future", "wrong clock", "nonsense"],
)
def test_ledger_that_cannot_be_read_counts_as_a_used_up_day(
    data: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "ledger").write_bytes(data)
    rig = Rig(tmp_path)
    rig.ask(1_000, "limits", "start calm", "press")
    rig.note(1_200, lambda: rig.session.status.haptic)
    rig.ask(3_000, "stop")
    rig.ask(5_000, "press long")
    rig.ask(8_000, "start calm")
    rig.note(9_000, lambda: f"kept: {(tmp_path / 'ledger').read_bytes() == data}")
    rig.ask(10_000, "press 5.2")
    rig.note(15_010, lambda: rig.session.status.haptic)
    rig.ask(19_000, "limits", "start calm")
    rig.run(20_000)
    refused = f"the record of today's running time, {tmp_path}/ledger, {reason}; {NEW_DAY}"
    assert rig.answers == [
        "ok session=900 daily=1800 used=1800 left=0",
        *(f"err allowance - {refused}", "ok", "refused"),
        *("ok", "ok", f"err allowance - {refused}", "kept: True"),
        *("ok", "new-day", "ok session=900 daily=1800 used=0 left=1800"),
        "ok profile=calm left=600",
    ]
    assert rig.session.selected is CATALOGUE.first()
    assert f'event=refused code=allowance message="- {refused}"' in rig.log
    assert Ledger(str(tmp_path), as_disk(rig.disk), lambda call: None).spent.damage == ""


def test_start_that_exceeds_the_ledgers_allowance_is_refused_with_the_wait(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(_sealed({**GOOD, "used_ms": 29 * 60_000}))
    rig = Rig(tmp_path)
    rig.ask(1_000, "limits", "start calm", "press 5.2")
    rig.ask(7_000, "start quick", "limits")
    rig.run(8_000)
    wait_s = 24 * 3_600 - 62
    assert rig.answers == [
        "ok session=900 daily=1800 used=1740 left=60",
        f"err allowance {wait_s} this session needs 10:00, but only 1:00 of today's 30:00 are left; "
        "choose a shorter profile or wait",
        *("ok", "ok profile=quick left=4", "ok session=900 daily=1800 used=1740 left=60"),
    ]
