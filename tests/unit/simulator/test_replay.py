"""An incident plays again to the same steps, and a file that is not one is refused."""

import gzip
import json
from dataclasses import fields
from pathlib import Path

import pytest

from firmware_ctl import __version__
from firmware_ctl.cli.main import main
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Start,
    Trim,
)
from firmware_ctl.simulator.replay import CHECKS, read_incident, replay
from firmware_ctl.storage.flight_recorder import EVENTS, FORMAT
from tests.support.worlds_recorder import (
    ALL,
    World,
    pack_incident,
    record_incident,
    replay_exit_code,
)


def test_replay_of_a_session_prints_every_input_and_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.do(Contacts(Contact.RELEASED))
    world.wait(2_000)
    world.do(Start("taps"))
    world.wait(1_000)
    world.do(Trim(50))
    world.do(Start("waves"))
    world.wait(7_000)
    path = world.keep()
    assert world.log_lines == [
        f"the last minutes are kept in {path}; `firmware-ctl simulate --replay {path}` plays them again"
    ]
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--replay", path])
    assert end.value.code == 0
    first, *printed, last = capsys.readouterr().out.splitlines()
    cert = ALL.valid("taps").timeline.cert  # type: ignore[union-attr]
    assert first == f"{path}: asked, recorded by firmware-ctl {__version__}"
    assert printed == [
        '      0.000 s  contacts "released"',
        '      2.000 s  start "taps"',
        f'      2.000 s  ledger saved 2000  event=state state=running profile=taps cert={cert}  event=phase phase="t"',
        "      3.000 s  trim 50  event=state trim=50",
        '      3.000 s  start "waves"  refused: "taps is running; stop it first"',
        '      6.000 s  wake  event=cue cue="KI3"  event=phase phase="end"',
        "      6.750 s  wake  event=signal signal=cue-begin",
        "      7.350 s  wake  event=signal signal=",
        "      8.000 s  wake  event=signal signal=cue-end",
        f"      9.000 s  wake  event=state state=idle profile=taps cert={cert} reason=end  event=signal signal=",
        "      9.000 s  ledger saved 9000",
        "      9.000 s  the last: idle level=[0, 0, 0] duty=[0, 0, 0] kicks=[]",
    ]
    assert last == f"played again: the same {len(read_incident(path).rows)} steps"


def test_replay_checks_every_field_of_every_input() -> None:
    own_checks = {"contacts", "try", "reload"}
    names = {
        f.name for name, kind in EVENTS.items() if name not in own_checks for f in fields(kind)
    }
    assert names == set(CHECKS)


# --- bad files ---


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return record_incident(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", ":1:1: no incident, or a damaged one"),
        (b"title: A\n", ":1:1: no incident, or a damaged one: Not a gzipped file (b'ti')"),
        (gzip.compress(b"\n" * 9), ":1:1: the incident is damaged: no recorder writes this line"),
        (gzip.compress(b"[" * 99_999 + b"\n\n\n"), ":1:1: the incident is damaged: no recorder writes this line"),
        (
            gzip.compress(b'{"incident":10,"program":"9.0"}\n{}\n{}\n'),
            f":1:1: recorded by firmware-ctl 9.0 in format 10, and this is format {FORMAT}; play it with 9.0",
        ),
        (
            gzip.compress(b'{"incident":6,"program":"0.0.9"}\n[0,"wake",null,"idle",[0],[0],[]]\n{}\n'),
            f":1:1: recorded by firmware-ctl 0.0.9 in format 6, and this is format {FORMAT}; play it with 0.0.9",
        ),
    ],
    ids=["empty", "a profile", "blank lines", "nested deep", "a later format", "an older format"],
)  # fmt: skip
def test_replay_refuses_what_is_not_an_incident(
    data: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay_exit_code(data) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"incident.jsonl.gz{sentence}")


def test_replay_of_no_file_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in (
        (
            ["--replay", str(tmp_path / "x")],
            f"the incident {tmp_path}/x cannot be read: No such file or directory",
        ),
        (
            ["--replay", str(tmp_path)],
            f"the incident {tmp_path} cannot be read: it is not a regular file",
        ),
        ([], "simulate takes a PROFILE, or --replay FILE"),
        (["neck", "--replay", "x"], "simulate takes a PROFILE, or --replay FILE"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["simulate", *arguments])
        assert end.value.code == 2
        assert capsys.readouterr().err == f"firmware-ctl: {sentence}\n"


def test_replay_tells_the_first_difference(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "incident.jsonl.gz"
    lines = [json.loads(line) for line in gzip.decompress(good).splitlines()]
    at = next(n for n, line in enumerate(lines) if line.get("event") == "ledger saved")
    lines[at]["duty_pct"] = [0, 0, 7]
    path.write_bytes(pack_incident(lines))
    assert replay(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{path}:{at + 1}:1: at 0.100 s the record says running level=[0, 0, 0] duty=[0, 0, 7] kicks=[] notices=['state', 'phase'];",
        f"firmware-ctl {__version__} gives running level=[0, 0, 0] duty=[0, 0, 0] kicks=[] notices=['state', 'phase']",
    ]


def test_replay_tells_a_wake_that_comes_at_no_time_of_this_program(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "incident.jsonl.gz"
    lines = [json.loads(line) for line in gzip.decompress(good).splitlines()]
    at = next(n for n, line in enumerate(lines) if line.get("event") == "try")
    lines[at]["wakes"] = [[1, 600]]
    path.write_bytes(pack_incident(lines))
    assert replay(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{path}:{at + 1}:1: after 0.100 s the record has a wake for which firmware-ctl {__version__} does not ask"
    )
