"""The file of the history when it is read: damaged lines, and whether a session plays now."""

import json
import os
from pathlib import Path

import pytest

from firmware_ctl.storage.clock import boot_id
from firmware_ctl.storage.history_file import MOST_BYTES, PastSession, plays_now, read

GOOD = {**PastSession(1, True, "p", "", 9, 1, "stop", "", "", 1, "b")._asdict()}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0\0\0\0",
        b"[" * 5_000,
        b"7",
        b"{}",
        b"\xff\xfe",
        json.dumps({**GOOD, "played_ms": "1"}).encode(),
        json.dumps({**GOOD, "played_ms": True}).encode(),
        json.dumps({**GOOD, "began_at_ms": -1}).encode(),
        json.dumps({**GOOD, "began_at_ms": 10**18}).encode(),
        json.dumps({**GOOD, "profile": None}).encode(),
        json.dumps(GOOD).encode()[:40],
    ],
)
def test_damaged_line_costs_no_other_session(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    sessions, damaged = read(str(path))
    assert (len(sessions), damaged) == (2, 1)


def test_file_that_is_too_long_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    line = json.dumps(GOOD).encode() + b"\n"
    path.write_bytes(line * (2 * MOST_BYTES // len(line)))
    sessions, damaged = read(str(path))
    assert (len(sessions), damaged) == (MOST_BYTES // len(line), 1)


def test_session_plays_now_only_while_its_daemon_runs() -> None:
    session = PastSession(**{**GOOD, "end": "", "process": os.getpid(), "boot": boot_id()})
    assert plays_now(session)
    assert not plays_now(session._replace(end="stop"))
    assert not plays_now(session._replace(boot="another"))
    assert not plays_now(session._replace(process=2**22 + 1))  # above the kernel's greatest
