"""Random and damaged incident files: a replay makes the recorded steps, and damage never ends in a traceback."""

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.button import Contact, Spell
from firmware_ctl.session.events import (
    Clear,
    ClockSynchronised,
    Close,
    Contacts,
    EndTry,
    Fault,
    FaultCleared,
    Input,
    LedgerSaveFailed,
    Origin,
    Pause,
    RailOff,
    Ready,
    Reason,
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
from firmware_ctl.simulator.replay import Outcome, _first_difference, read_incident, replay
from tests.support.worlds_recorder import (
    ALL,
    FEW,
    MAT,
    TRY_WORDS,
    World,
    changes,
    pack_incident,
    record_incident,
    replay_exit_code,
)

RELATIVE_SPELLS = st.builds(
    lambda ago_ms, for_ms, contact: Spell(-ago_ms - for_ms, -ago_ms, contact),
    st.integers(0, 100),
    st.sampled_from([0, 5, 30, 31, 12_000]),
    st.sampled_from(Contact),
)
"""Spells whose times are relative to the time of their input."""


def with_absolute_spells(event: Input, now_ms: int) -> Input:
    """The same input with the times of its spells counted from the start of the clock."""
    if not isinstance(event, Contacts):
        return event
    spells = [
        Spell(max(0, first_ms + now_ms), max(0, last_ms + now_ms), contact)
        for first_ms, last_ms, contact in event.spells
    ]
    return Contacts(event.contact, tuple(spells))


INPUTS = st.one_of(
    st.sampled_from(
        [
            Start(),
            Start("alternates"),
            Start("nobody"),
            Stop(),
            Stop(Origin.SOCKET, Reason.LEASE),
            Stop(Origin.SERIAL, Reason.CLOSED),
            Start("taps", 7, Origin.SERIAL),
            Pause(None, Origin.SERIAL),
            Pause(),
            Resume(),
            Resume(7),
            Clear(7),
            EndTry(7),
            EndTry(None, Origin.SERIAL),
            Start(None, 7),
            Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS, 7),
            Clear(),
            Select("taps"),
            Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS),
            Reload(FEW),
            Reload(ALL),
            Reload(ALL, Origin.SOCKET),
            Trim(40, Origin.SOCKET),
            Select("taps", Origin.SERIAL),
            Try(try_timeline(TRY_WORDS, MAT), TRY_WORDS, None, Origin.SOCKET),
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
    st.builds(Contacts, st.sampled_from(Contact), st.lists(RELATIVE_SPELLS, max_size=3).map(tuple)),
    st.builds(Trim, st.integers(10, 100)),
)


WAITS_MS = st.one_of(st.integers(0, 200), st.integers(0, 8_000), st.just(62_000))


def replayed_steps(path: str) -> list[tuple[int, Outcome]]:
    """Every step of the replay, including the steps between two lines of the file."""
    incident = read_incident(path)
    session = incident.session
    assert session is not None
    steps: list[tuple[int, Outcome]] = []
    handle: Callable[[Input, int], Step] = session.handle

    def handle_and_record(event: Input, now_ms: int) -> Step:
        step = handle(event, now_ms)
        outcome = Outcome(session.state, step.level_pct, step.duty_pct, step.kicks)
        steps.append((now_ms, outcome))
        return step

    session.handle = handle_and_record  # type: ignore[method-assign]
    assert _first_difference(session, incident.rows) is None
    return steps


@settings(max_examples=40)
@given(
    st.lists(st.tuples(WAITS_MS, INPUTS), min_size=1, max_size=12),
    st.sampled_from([1.0, 60.0, 3.3]),
    st.integers(0, 9),
)
def test_replay_of_any_incident_makes_the_same_steps(
    events: list[tuple[int, Input]], speed: float, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), speed, seed)
        world.do(Contacts(Contact.RELEASED))
        for wait_ms, event in events:
            world.wait(wait_ms)
            world.do(with_absolute_spells(event, world.now_ms))
        world.wait(1_500)
        path = world.keep()
        world.ring.close()
        world.disk.close()
        assert read_incident(path).rows[-1].outcome[:4] == world.steps[-1][1][:4]
        assert replay(path) == 0
        replayed = changes(replayed_steps(path))
        assert replayed == changes(world.steps)[-len(replayed) :] or not replayed


@pytest.fixture(scope="module")
def good_incident(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return record_incident(tmp_path_factory.mktemp("good"))


def test_replay_of_file_with_damaged_byte_fails(good_incident: bytes) -> None:
    @settings(max_examples=60)
    @given(st.integers(10, len(good_incident) - 1), st.integers(1, 255))
    def replay_damaged(index: int, flipped_bits: int) -> None:
        assert (
            replay_exit_code(
                good_incident[:index]
                + bytes([good_incident[index] ^ flipped_bits])
                + good_incident[index + 1 :]
            )
            == 2
        )

    @settings(max_examples=20)
    @given(st.integers(0, len(good_incident) - 1))
    def replay_truncated(index: int) -> None:
        assert replay_exit_code(good_incident[:index]) == 2

    replay_damaged()
    replay_truncated()


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
    "by",
    "reason",
    "x",
)


def test_replay_of_file_with_damaged_value_ends_with_exit_code_or_message(
    good_incident: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = gzip.decompress(good_incident).splitlines()

    @settings(max_examples=150)
    @given(st.data())
    def replay_damaged(data: st.DataObject) -> None:
        records = [json.loads(line) for line in lines]
        index = data.draw(st.sampled_from([0, *range(len(records)), len(records) - 1]))
        line = records[index]
        key = data.draw(st.sampled_from([*line]))
        damage = data.draw(st.sampled_from(["value", "part", "removed", "line", "added"]))
        if damage == "part" and isinstance(line[key], list | dict) and line[key]:
            part = data.draw(st.sampled_from([*line[key]] if isinstance(line[key], dict) else [0]))
            line[key][part] = data.draw(st.sampled_from(VALUES))
        elif damage == "removed":
            del line[key]
        elif damage == "line":
            records[index] = data.draw(st.sampled_from(VALUES))
        elif damage == "added":
            line[data.draw(st.sampled_from(NAMES))] = data.draw(st.sampled_from(VALUES))
        else:
            line[key] = data.draw(st.sampled_from(VALUES))
        code = replay_exit_code(pack_incident(records))
        output = capsys.readouterr()
        assert code in (0, 1, 2)
        assert (code == 2) == bool(output.err)
        assert "\x1b" not in output.out + output.err

    replay_damaged()
