"""The recorder writes what a session was given, little of it, and keeps it when something fails."""

import json
import os
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    LedgerSaved,
    Ready,
    Reload,
    Select,
    Start,
    Trim,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.replay import read_incident, replay
from firmware_ctl.storage import flight_recorder, ring
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.flight_recorder import FlightRecorder, Shelf
from firmware_ctl.storage.ring import Half, Ring
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from tests.support.worlds_recorder import ALL, FEW, World, lines_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def records(half: Half) -> list[dict[str, object]]:
    return [json.loads(line) for line in half]


def test_kicks_that_overlap_play_again(tmp_path: Path) -> None:
    """A motor whose kick goes on, and one before it in the mat's order that has only begun."""
    mat = load_mat(None)
    now_ms = 0
    session = Session(mat, read_catalogue([shipped.profiles_dir()], mat))
    sentences: list[str] = []
    disk = Disk(sentences.append)
    shelf = Shelf(str(tmp_path), disk, sentences.append)
    recorder = FlightRecorder(session, Ring("", disk, sentences.append), shelf)
    events: list[Input] = [Ready(), Contacts(Contact.RELEASED), Start("hips")]
    overlapped = False
    while now_ms < 90_000:
        event = events.pop(0) if events else Wake()
        step = session.handle(event, now_ms)
        recorder.step(event, step, now_ms)
        overlapped = overlapped or len(step.kicks) > 1
        if step.save is not None:
            events.append(LedgerSaved(step.save.number))
        if not events:
            now_ms = step.wake_at_ms or 90_000
    assert overlapped
    recorder.keep("asked")
    disk.close()
    (kept,) = tmp_path.glob("incident-*")
    assert replay(str(kept)) == 0


def test_line_holds_the_input_and_what_it_changed(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(1_000)
    world.do(Start("taps"))
    world.wait(60)
    world.do(Fault("rail", "the rail is off", is_persistent=True))
    snapshot, first, released, *_, start, saved, fault, _ = records(world.ring.copy()[0])
    assert (snapshot["incident"], snapshot["half"], snapshot["can_replay"]) == (9, 1, True)
    silence = [0, 0, 0]
    assert first == {
        "at_ms": 0, "event": "wake",
        "level_pct": silence, "duty_pct": silence, "kicks": [], "state": "idle",
    }  # fmt: skip
    assert released == {"at_ms": 0, "event": "contacts", "contact": "released"}
    assert start == {"at_ms": 1_000, "event": "start", "name": "taps", "wakes": start["wakes"]}
    assert (saved["event"], saved["number"], saved["state"]) == ("ledger saved", 1_000, "running")
    assert [notice["kind"] for notice in saved["notices"]] == ["state", "phase"]  # type: ignore[attr-defined]
    assert (fault["event"], fault["is_persistent"]) == ("fault", True)
    assert fault["state"] == "fault"


@pytest.mark.parametrize("seed", [None, 1])
def test_ticks_in_which_only_time_passes_write_nothing(seed: int | None, tmp_path: Path) -> None:
    world = World(tmp_path, seed=seed)
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Start("waves"))
    before = world.ring.copy()
    levels = {outcome.level_pct for _, outcome in world.steps}
    world.wait(20_000)
    assert len({outcome.level_pct for _, outcome in world.steps} - levels) > 15
    assert world.ring.copy() == before
    assert replay(world.keep()) == 0
    *_, last, _ = lines_of(world.incident_paths()[0])
    assert (last["event"], last["at_ms"]) == ("wake", world.recorder._at_ms)


def test_wakes_that_all_come_late_write_a_line_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight_recorder, "WAKES_MAX", 4)
    world = World(tmp_path, seed=1)
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Start("waves"))
    world.wait(20_000)
    written = [line.get("wakes", []) for line in records(world.ring.copy()[0])]
    assert len(written) > 10
    assert max(map(len, written)) <= 4  # type: ignore[arg-type]
    assert replay(world.keep()) == 0


def test_damaged_record_is_not_kept_and_the_disk_goes_on(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    (half,) = world.ring.copy()
    for damaged in ([*half, half[-1][:-2]], [b"[1]\n"], [*half, b"\n"], half[1:], [b"\xff"]):
        world.keep("asked", [damaged])
        assert world.log_lines.pop() == "the record of the last minutes is damaged and is not kept"
    assert not world.incident_paths()


def test_fault_keeps_what_led_to_it(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Start("alternates"))
    world.wait(3_000)
    world.do(Fault("pin-write", "GPIO 22 cannot be written"))
    world.do(Fault("internal", "and another"))
    world.wait(1_000)
    world.disk.close()
    (path,) = world.incident_paths()
    assert path.endswith("-fault-pin-write.jsonl.gz")
    assert read_incident(path).rows[-1].words == 'fault "pin-write" "GPIO 22 cannot be written"'
    assert replay(path) == 0


def test_exception_keeps_what_led_to_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(ZeroDivisionError), world.recorder:
        raise ZeroDivisionError
    world.disk.close()
    assert [path.rpartition("-")[2] for path in world.incident_paths()] == ["error.jsonl.gz"]
    assert not list(tmp_path.glob("ring*"))


def test_ring_files_that_are_gone_end_no_daemon_with_an_error(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.recorder:
        for path in tmp_path.glob("ring*"):
            path.unlink()
    world.disk.close()
    assert not list(tmp_path.iterdir())


def test_idle_mat_writes_nothing_and_a_quiet_minute_begins_a_half(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Select("waves"))
    world.do(Trim(80))
    world.do(Start("taps"))
    world.wait(9_000)
    before = world.ring.copy()
    world.wait(59_000)
    assert world.ring.copy() == before
    world.wait(3_600_000)
    assert world.ring.copy() == before
    world.do(Start())
    _, newer = world.ring.copy()
    snapshot, start, saved = records(newer)
    keys = ("since_ms", "selected", "trim_pct", "is_released", "used_ms", "day_began_at_ms", "half")
    assert {key: snapshot[key] for key in keys} == {
        "since_ms": 7_100,
        "selected": "taps",
        "trim_pct": 80,
        "is_released": True,
        "used_ms": 7_000,
        "day_began_at_ms": 100,
        "half": 2,
    }
    assert (start["at_ms"], start["event"], start["state"]) == (world.now_ms, "start", "idle")
    assert (saved["event"], saved["state"]) == ("ledger saved", "running")
    path = world.keep()
    assert lines_of(path)[-1]["whole"] is True
    assert [row.event for row in read_incident(path).rows].count(Start()) == 1
    assert Start("taps") in [row.event for row in read_incident(path).rows]
    assert replay(path) == 0
    assert replay(world.keep("newer", [newer])) == 0


def test_half_that_begins_while_a_profile_is_wanted_again_is_replayed_with_it(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Select("alternates"))
    world.do(Reload(FEW))
    world.wait(61_000)
    world.do(Trim(90))
    world.do(Reload(ALL))
    world.do(Start())
    world.wait(3_000)
    _, newer = world.ring.copy()
    snapshot, *_ = records(newer)
    assert (snapshot["selected"], snapshot["wanted"]) == ("taps", "alternates")
    assert world.session.status.profile == "alternates"
    assert replay(world.keep("newer", [newer])) == 0


def test_haptic_of_the_last_hour_begins_no_half(world: World) -> None:
    """A snapshot does not hold how much of the hour's haptics was used."""

    def hold(for_ms: int) -> None:
        world.do(Contacts(Contact.PRESSED))
        world.wait(for_ms)
        world.do(Contacts(Contact.RELEASED))
        world.wait(3_000)

    world.do(Contacts(Contact.RELEASED))
    world.wait(1_000)
    hold(1_000)
    assert any("profile-" in str(line.get("notices")) for line in records(world.ring.copy()[-1]))
    world.wait(120_000)
    world.do(Trim(50))
    assert len(world.ring.copy()) == 1
    world.wait(3_600_000)
    world.do(Trim(60))
    assert len(world.ring.copy()) == 2
    assert replay(world.keep()) == 0


def test_snapshot_holds_what_a_day_has_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, speed=60)
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    for _ in range(3):
        world.do(Start("waves"))
        world.wait(2_100)
    world.wait(61_000)
    world.do(Contacts(Contact.PRESSED))
    world.wait(100)
    world.do(Contacts(Contact.RELEASED))
    world.wait(1_500)
    world.recorder.keep("all")
    path = world.keep("newer", world.ring.copy()[1:])
    assert read_incident(path).rows[0].words == 'contacts "pressed"'
    assert replay(path) == 0
    assert "event=refused code=allowance" in capsys.readouterr().out


def test_half_that_is_full_in_a_session_plays_on_in_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "HALF_BYTES", 6_000)
    world = World(tmp_path)
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Start("waves"))
    trim_pct = 20
    while len(world.ring.copy()) == 1:
        world.wait(100)
        world.do(Trim(trim_pct := 50 - trim_pct))
    assert records(world.ring.copy()[1])[0]["can_replay"] is False
    world.wait(5_000)
    assert replay(world.keep()) == 0


def test_record_without_its_begin_can_be_read_and_not_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ring, "HALF_BYTES", 6_000)
    world = World(tmp_path)
    for n in range(800):
        world.now_ms += 10
        world.do(Trim(20 + n % 10))
        assert all(sum(map(len, half)) <= 6_000 for half in world.ring.copy())
    assert replay(world.keep()) == 1
    _, *printed = capsys.readouterr().out.splitlines()
    assert len(printed) > 40
    assert printed[-4:] == [
        "      7.990 s  trim 28",
        "      8.000 s  trim 29",
        "      8.000 s  the last: idle level=[0, 0, 0] duty=[0, 0, 0] kicks=[] notices=['state']",
        "more happened than the ring holds: this can be read and not be played again",
    ]
    world.wait(61_000)
    world.do(Trim(100))
    path = world.keep()
    assert replay(path) == 0, "the older half cannot be played, and the newer one needs it not"
    assert len(read_incident(path).rows) == 1


@pytest.mark.parametrize("most", [10, 300])
def test_profiles_that_fit_into_no_line_leave_a_record_to_read(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    if most > 10:
        world.do(Trim(50))
    monkeypatch.setattr(flight_recorder, "PROFILES_BYTES", most)
    world.do(Reload(FEW))
    world.do(Trim(60))
    assert replay(world.keep()) == 1


def test_few_incidents_are_kept(tmp_path: Path) -> None:
    for n in range(7):
        (tmp_path / f"incident-2001010{n}T000000Z-asked.jsonl.gz").touch()
    (tmp_path / "ledger").touch()
    path = World(tmp_path).keep()
    assert sorted(os.listdir(tmp_path)) == [
        "incident-20010104T000000Z-asked.jsonl.gz",
        "incident-20010105T000000Z-asked.jsonl.gz",
        "incident-20010106T000000Z-asked.jsonl.gz",
        os.path.basename(path),
        "ledger",
        "ring.1",
        "ring.2",
    ]
