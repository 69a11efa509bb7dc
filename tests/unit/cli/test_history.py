"""What `history` prints: a table in local time, JSON, and sentences."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import paths
from firmware_ctl.storage.history_file import CUT, PastSession

BEGAN_MS = 1_800_000_123_000
"""15 January 2027, 08:02 in Greenwich."""
WHOLE = PastSession(BEGAN_MS, True, "lower-back", "button", 720_000, 720_000, "end", "", "", 1, "b")
SESSIONS = (
    WHOLE,
    WHOLE._replace(by="socket", played_ms=76_260, end="stop", ended_by="serial"),
    WHOLE._replace(by="", played_ms=76_000, end="stop", is_time_sure=False),
    WHOLE._replace(played_ms=61_000, end="button", ended_by="button"),
    WHOLE._replace(played_ms=1_000, end="fault", fault="under-voltage"),
    WHOLE._replace(played_ms=0, end="closed"),
    WHOLE._replace(played_ms=0, end="lease"),
    WHOLE._replace(played_ms=400_000),
    WHOLE._replace(played_ms=60_000, end=CUT),
    WHOLE._replace(played_ms=60_000, end=""),  # of a boot that is over
)
TABLE = """\
began               profile     by      played          ended
2027-01-15 09:02    lower-back  button  12:00 of 12:00  played to its end
2027-01-15 09:02    lower-back  socket  1:16 of 12:00   stopped by serial
2027-01-15 09:02 *  lower-back  -       1:16 of 12:00   stopped
2027-01-15 09:02    lower-back  button  1:01 of 12:00   stopped by button
2027-01-15 09:02    lower-back  button  0:01 of 12:00   fault under-voltage
2027-01-15 09:02    lower-back  button  0:00 of 12:00   daemon or client ended
2027-01-15 09:02    lower-back  button  0:00 of 12:00   client went silent
2027-01-15 09:02    lower-back  button  6:40 of 12:00   early (pauses, disk)
2027-01-15 09:02    lower-back  button  1:00+ of 12:00  cut off (power, kill)
2027-01-15 09:02    lower-back  button  1:00+ of 12:00  cut off (power, kill)
* the clock of this machine was not synchronised, so this time may be wrong
"""


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "CET-1")
        time.tzset()
        yield
    time.tzset()


def _write(folder: Path, sessions: tuple[PastSession, ...]) -> None:
    lines = (json.dumps(session._asdict()) + "\n" for session in sessions)
    (folder / "history.jsonl").write_text("".join(lines))


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["history", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_table_is_aligned_in_local_time_and_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path, SESSIONS)
    assert _run("--state", str(tmp_path)) == 0
    assert capsys.readouterr() == (TABLE, "")
    assert max(map(len, TABLE.splitlines())) < 80


def test_session_of_this_process_plays_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from firmware_ctl.storage.clock import boot_id

    now = WHOLE._replace(played_ms=60_000, end="", process=os.getpid(), boot=boot_id())
    _write(tmp_path, (now,))
    assert _run("--state", str(tmp_path)) == 0
    assert capsys.readouterr().out.endswith("1:00+ of 12:00  plays now\n")
    assert _run("--json", "--state", str(tmp_path)) == 0
    assert json.loads(capsys.readouterr().out)[0]["end"] is None


def test_json_has_numbers_iso_times_and_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path, SESSIONS)
    assert _run("--json", "--last", "8", "--state", str(tmp_path)) == 0
    sessions = json.loads(capsys.readouterr().out)
    assert len(sessions) == 8
    assert sessions[0] == {
        "began": "2027-01-15T09:02:03+01:00",
        "clock_synchronised": False,
        "profile": "lower-back",
        "by": None,
        "played_s": 76.0,
        "length_s": 720.0,
        "end": "stop",
        "ended_by": None,
        "fault": None,
    }
    assert sessions[2]["fault"] == "under-voltage"
    assert [session["end"] for session in sessions[-2:]] == [CUT, CUT]


def test_without_a_session_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = f"no session has been played with the state folder {tmp_path}\n"
    assert _run("--state", str(tmp_path)) == 0
    assert capsys.readouterr() == (sentence, "")
    monkeypatch.setattr(paths, "SERVICE_STATE", str(tmp_path / "none"))
    assert _run() == 0
    assert capsys.readouterr().out.startswith("no session has been played by the service (")
    assert _run("--json") == 0
    assert capsys.readouterr() == ("[]\n", "")


def test_damaged_lines_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, (WHOLE,))
    with open(tmp_path / "history.jsonl", "a", encoding="utf-8") as file:
        file.write("\x1b]0;owned\x07\nnonsense\n")
    assert _run("--state", str(tmp_path)) == 0
    table, sentence = capsys.readouterr()
    assert len(table.splitlines()) == 2
    assert sentence == (
        f"firmware-ctl: {tmp_path}/history.jsonl: 2 lines cannot be read as a session and are left "
        "out\n"
    )


def test_text_of_the_file_reaches_no_terminal_as_an_escape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path, (WHOLE._replace(profile="\x1b]0;owned\x07\nforged"),))
    assert _run("--state", str(tmp_path)) == 0
    table = capsys.readouterr().out
    assert "\x1b" not in table
    assert len(table.splitlines()) == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "there is no folder {}"),
        (lambda folder: (folder / "history.jsonl").mkdir(parents=True), "{}/history.jsonl cannot"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    make: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    make(folder)  # type: ignore[operator]
    assert _run("--state", str(folder)) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"firmware-ctl: {sentence.format(folder)}")
    assert len(printed.splitlines()) == 1


def test_without_permission_it_names_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("firmware_ctl.storage.history_file.open_regular", refuse)
    assert _run("--state", str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"firmware-ctl: no permission to read {tmp_path}/history.jsonl; use sudo, or add yourself "
        "to its group: sudo usermod -aG firmware-ctl $USER\n"
    )


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 5000])
def test_number_that_is_none_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(f"--last={number}") == 2
    assert "is not a number from 1" in capsys.readouterr().err
