"""An incident plays again to the same steps, and a file that is not one is refused."""

import gzip
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.cli.main import main
from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.button import Contact, Spell
from firmware_ctl.session.events import (
    Clear,
    ClockSynchronised,
    Close,
    Contacts,
    Fault,
    FaultCleared,
    Input,
    LedgerSaveFailed,
    Pause,
    RailOff,
    Ready,
    Reload,
    Resume,
    Select,
    Start,
    Step,
    Stop,
    Suspended,
    Trim,
    Try,
)
from firmware_ctl.simulator.replay import CHECKS, Outcome, _first_difference, read_incident, replay
from firmware_ctl.storage.flight_recorder import EVENTS, FORMAT
from tests.support.worlds_recorder import (
    ALL,
    FEW,
    MAT,
    TRY_WORDS,
    World,
    changes,
    lines_of,
)

SPELLS = st.builds(
    lambda ago_ms, for_ms, contact: Spell(-ago_ms - for_ms, -ago_ms, contact),
    st.integers(0, 100),
    st.sampled_from([0, 5, 30, 31, 12_000]),
    st.sampled_from(Contact),
)
"""Their times count from when they are told."""


def at_time(event: Input, now_ms: int) -> Input:
    if not isinstance(event, Contacts):
        return event
    spells = [
        Spell(max(0, first_ms + now_ms), max(0, last_ms + now_ms), contact)
        for first_ms, last_ms, contact in event.spells
    ]
    return Contacts(event.contact, tuple(spells))


inputs = st.one_of(
    st.sampled_from(
        [
            Start(),
            Start("alternates"),
            Start("nobody"),
            Stop(),
            Pause(),
            Resume(),
            Resume(7),
            Clear(7),
            Start(None, 7),
            Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS, 7),
            Clear(),
            Select("taps"),
            Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS),
            Reload(FEW),
            Reload(ALL),
            Fault("pin-write", "GPIO 17: \x1b[2J \u2713 cannot be written"),
            Fault("rail", "the rail is off", is_persistent=True),
            FaultCleared("rail"),
            RailOff(),
            Ready(),
            Suspended(1_500),
            ClockSynchronised(0),
            LedgerSaveFailed(0, "the disk is full"),
            Close(),
        ]
    ),
    st.builds(Contacts, st.sampled_from(Contact), st.lists(SPELLS, max_size=3).map(tuple)),
    st.builds(Trim, st.integers(10, 100)),
)
waits = st.one_of(st.integers(0, 200), st.integers(0, 8_000), st.just(62_000))


def played_steps(path: str) -> list[tuple[int, Outcome]]:
    """Every step of the replay, also those between two lines of the file."""
    incident = read_incident(path)
    session = incident.session
    assert session is not None
    steps: list[tuple[int, Outcome]] = []
    handle: Callable[[Input, int], Step] = session.handle

    def watched(event: Input, now_ms: int) -> Step:
        step = handle(event, now_ms)
        outcome = Outcome(session.state, step.level_pct, step.duty_pct, step.kicks)
        steps.append((now_ms, outcome))
        return step

    session.handle = watched  # type: ignore[method-assign]
    assert _first_difference(session, incident.rows) is None
    return steps


@settings(max_examples=40)
@given(
    st.lists(st.tuples(waits, inputs), min_size=1, max_size=12),
    st.sampled_from([1.0, 60.0, 3.3]),
    st.integers(0, 9),
)
def test_replay_of_any_record_makes_the_same_steps(
    events: list[tuple[int, Input]], speed: float, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), speed, seed)
        world.do(Contacts(Contact.RELEASED))
        for wait_ms, event in events:
            world.wait(wait_ms)
            world.do(at_time(event, world.now_ms))
        world.wait(1_500)
        path = world.keep()
        world.ring.close()
        world.disk.close()
        assert read_incident(path).rows[-1].outcome[:4] == world.steps[-1][1][:4]
        assert replay(path) == 0
        replayed = changes(played_steps(path))
        assert replayed == changes(world.steps)[-len(replayed) :] or not replayed


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
    assert world.sentences == [
        f"the last minutes are kept in {path}; `firmware-ctl simulate --replay {path}` plays them again"
    ]
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--replay", path])
    assert end.value.code == 0
    first, *printed, last = capsys.readouterr().out.splitlines()
    cert = ALL.valid("taps").timeline.cert  # type: ignore[union-attr]
    assert first == f"{path}: asked, recorded by firmware-ctl 0.1.0"
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
        f"      9.000 s  wake  event=state state=idle profile=taps cert={cert}  event=signal signal=",
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
    world = World(tmp_path_factory.mktemp("good"))
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Select("taps"))
    world.do(Start("alternates"))
    world.wait(400)
    world.do(Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS))
    world.do(Reload(FEW))
    world.do(Fault("internal", "x"))
    path = world.keep()
    assert any("wakes" in line for line in lines_of(path))
    return Path(path).read_bytes()


def played(data: bytes) -> int:
    """Exit code of the whole command on this file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "incident.jsonl.gz")
        Path(path).write_bytes(data)
        with pytest.raises(SystemExit) as end:
            main(["simulate", "--replay", path])
        assert isinstance(end.value.code, int)
        return end.value.code


def packed(records: list[object]) -> bytes:
    return gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))


def test_replay_finds_any_damaged_byte(good: bytes) -> None:
    @settings(max_examples=60)
    @given(st.integers(10, len(good) - 1), st.integers(1, 255))
    def damaged(at: int, bits: int) -> None:
        assert played(good[:at] + bytes([good[at] ^ bits]) + good[at + 1 :]) == 2

    @settings(max_examples=20)
    @given(st.integers(0, len(good) - 1))
    def truncated(at: int) -> None:
        assert played(good[:at]) == 2

    damaged()
    truncated()


VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 2, 1e308, float("nan"), 10**30, "", "wake", "start", "reload", "\x1b[2J",
    [], [[]], [[1, 0]], [[10**6, 0]], [[1, -7]], {}, {"name": 3}, ["a", "b", "c"], {"x": "y"},
    [{"kind": "\x1b[2J"}], "x" * 9_000,
)  # fmt: skip
NAMES = (
    "at_ms",
    "event",
    "wakes",
    "state",
    "level_pct",
    "duty_pct",
    "kicks",
    "notices",
    "name",
    "x",
)


def test_replay_of_any_damaged_value_ends_with_a_sentence(
    good: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.decompress(good).splitlines()

    @settings(max_examples=150)
    @given(st.data())
    def damaged(data: st.DataObject) -> None:
        broken = [json.loads(line) for line in lines]
        at = data.draw(st.sampled_from([0, *range(len(broken)), len(broken) - 1]))
        line = broken[at]
        key = data.draw(st.sampled_from([*line]))
        how = data.draw(st.sampled_from(["value", "part", "gone", "line", "added"]))
        if how == "part" and isinstance(line[key], list | dict) and line[key]:
            part = data.draw(st.sampled_from([*line[key]] if isinstance(line[key], dict) else [0]))
            line[key][part] = data.draw(st.sampled_from(VALUES))
        elif how == "gone":
            del line[key]
        elif how == "line":
            broken[at] = data.draw(st.sampled_from(VALUES))
        elif how == "added":
            line[data.draw(st.sampled_from(NAMES))] = data.draw(st.sampled_from(VALUES))
        else:
            line[key] = data.draw(st.sampled_from(VALUES))
        code = played(packed(broken))
        printed = capsys.readouterr()
        assert code in (0, 1, 2)
        assert (code == 2) == bool(printed.err)
        assert "\x1b" not in printed.out + printed.err

    damaged()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", ":1:1: no incident, or a damaged one"),
        (b"title: A\n", ":1:1: no incident, or a damaged one: Not a gzipped file (b'ti')"),
        (gzip.compress(b"\n" * 9), ":1:1: the incident is damaged: no recorder writes this line"),
        (gzip.compress(b"[" * 99_999 + b"\n\n\n"), ":1:1: the incident is damaged: no recorder writes this line"),
        (
            gzip.compress(b'{"incident":9,"program":"9.0"}\n{}\n{}\n'),
            f":1:1: recorded by firmware-ctl 9.0 in format 9, and this is format {FORMAT}; play it with 9.0",
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
    assert played(data) == 2
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
    path.write_bytes(packed(lines))
    assert replay(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{path}:{at + 1}:1: at 0.100 s the record says running level=[0, 0, 0] duty=[0, 0, 7] kicks=[] notices=['state', 'phase'];",
        "firmware-ctl 0.1.0 gives running level=[0, 0, 0] duty=[0, 0, 0] kicks=[] notices=['state', 'phase']",
    ]


def test_replay_tells_a_wake_that_comes_at_no_time_of_this_program(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "incident.jsonl.gz"
    lines = [json.loads(line) for line in gzip.decompress(good).splitlines()]
    at = next(n for n, line in enumerate(lines) if line.get("event") == "try")
    lines[at]["wakes"] = [[1, 600]]
    path.write_bytes(packed(lines))
    assert replay(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{path}:{at + 1}:1: after 0.100 s the record has a wake for which firmware-ctl 0.1.0 does not ask"
    )
