"""What happened is written where a SIGKILL leaves it, and plays again to the same steps."""

import gzip
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl import incident, shipped, verbs
from firmware_ctl.button import Contact, Spell
from firmware_ctl.catalogue import Catalogue, read_entry
from firmware_ctl.cli import main
from firmware_ctl.daemon import IDLE_SAMPLE_MS
from firmware_ctl.disk import Disk
from firmware_ctl.folder import load_mat, read_catalogue
from firmware_ctl.incident import Recorder, Ring, Shelf, left_behind
from firmware_ctl.limits import TICK_MS
from firmware_ctl.mat import read_mat
from firmware_ctl.replay import KINDS, Came, read_incident, replay
from firmware_ctl.session import (
    Clear,
    Close,
    Contacts,
    Fault,
    Gone,
    Input,
    Kept,
    Pause,
    RailOff,
    Ready,
    Reload,
    Resume,
    Select,
    Session,
    Slept,
    Start,
    State,
    Stop,
    Trim,
    Try,
    Unkept,
    Wake,
)

MAT = read_mat(
    b"""
name: "small \xc3\xbc mat"
pwm_hz: 100
supply: {max_ma: 420}
limits: {session: 5min, daily: 6min, rise: 50%/s, duty: 80%}
button: {pressed: 5, released: 6}
zones:
  neck:
    cap: 60%
    motors:
      - {name: n, side: left, pin: 17, start: 40%, hold: 20%, cap: 80%, kick: 70ms, run_ma: 80, start_ma: 200}
  hips:
    cap: 90%
    motors:
      - {name: l, side: left, pin: 22, start: 40%, hold: 20%, cap: 80%, kick: 70ms, run_ma: 80, start_ma: 200}
      - {name: r, side: right, pin: 23, start: 30%, hold: 30%, cap: 70%, run_ma: 60, start_ma: 120}
""",
    "mat.yaml",
)
FILES = {
    "alternates": b"title: A\nphases: [{name: a, for: 20s, repeat: 3, play: {hips: {pattern: alternate, level: 60%, period: 700ms}}}]",
    "taps": b"title: T\nphases: [{name: t, for: 4s, play: {hips: {pattern: tap, level: 50%, taps: 3, rest: 300ms}, neck: {pattern: steady, level: 30%, after: 1130ms}}}, {name: end, for: 3s, cue: KI3, play: {neck: 20%}}]",
    "waves": b"title: W\nphases: [{name: w, for: 2min, play: {neck: {pattern: wave, level: {from: 10%, to: 60%}, period: 3s}}}]",
}


def catalogue(*names: str) -> Catalogue:
    return Catalogue(
        tuple(read_entry(name, FILES[name], f"{name}.yaml", MAT) for name in sorted(names))
    )


ALL = catalogue(*FILES)
FEW = catalogue("taps", "waves")
WORDS = ("hips", "wave", "40", "period=1s")


class World:
    """A session asked as the loop asks it, now and then late, and the ring that watches."""

    def __init__(self, folder: Path, speed: float = 1.0, seed: int | None = None) -> None:
        self.now_ms = 0
        self.said: list[str] = []
        self.folder = folder
        self.session = Session(MAT, ALL, speed)
        self.session.handle(Ready(), 0)
        self.ring = Ring(str(folder / "ring"), len(MAT.motors))
        self.disk = Disk(self.said.append)
        self.recorder = Recorder(
            self.session, self.ring, Shelf(str(folder), self.disk, self.said.append)
        )
        self.contact = Contact.RELEASED
        self.came: list[Came] = []
        self._wake_at_ms: int | None = None
        self._random = random.Random(seed) if seed is not None else None
        self.do(Wake())

    def do(self, event: Input) -> None:
        if isinstance(event, Contacts):
            self.contact = event.contact
        step = self.session.handle(event, self.now_ms)
        self._wake_at_ms = step.wake_at_ms
        self.recorder.step(self.session, event, step, self.now_ms)
        self.came.append(Came(self.session.state, step.level_pct, step.duty_pct, step.kicks))
        if step.keep is not None:
            self.do(Kept(step.keep.number))

    def wait(self, for_ms: int) -> None:
        """Ticks and deadlines for so long; with a seed some come late, as on a busy machine."""
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            every_ms = TICK_MS if self.session.state is State.RUNNING else IDLE_SAMPLE_MS
            next_ms = min(self.now_ms - self.now_ms % every_ms + every_ms, until_ms)
            if self._wake_at_ms is not None:
                next_ms = min(next_ms, max(self._wake_at_ms, self.now_ms))
            if self._random is not None and self._random.random() < 0.05:
                next_ms += self._random.choice([1, 7, 190, 600])
            self.now_ms = max(next_ms, self.now_ms)
            self.do(Contacts(self.contact))

    def keep(self, why: str = "asked") -> str:
        """What was kept, once it is there."""
        self.recorder.keep(why)
        self.disk.close()
        return self.said[-1].removeprefix("the last minutes are kept in ").partition(";")[0]

    def kept(self) -> list[str]:
        return sorted(str(path) for path in self.folder.glob("incident-*"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def lines_of(path: str) -> list[object]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


SPELLS = st.builds(
    lambda ago_ms, for_ms, contact: Spell(-ago_ms - for_ms, -ago_ms, contact),
    st.integers(0, 100),
    st.sampled_from([0, 5, 30, 31, 12_000]),
    st.sampled_from(Contact),
)
"""Of which the times count from when they are told."""


def told_at(event: Input, now_ms: int) -> Input:
    if not isinstance(event, Contacts):
        return event
    spells = [
        Spell(max(0, first_ms + now_ms), max(0, last_ms + now_ms), contact)
        for first_ms, last_ms, contact in event.spells
    ]
    return event._replace(spells=tuple(spells))


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
            Try(verbs.try_timeline(WORDS, MAT), WORDS, 7),
            Clear(),
            Select("taps"),
            Try(verbs.try_timeline(WORDS, MAT), WORDS),
            Reload(FEW),
            Reload(ALL),
            Fault("pin-write", "GPIO 17: \x1b[2J \u2713 cannot be written"),
            Fault("rail", "the rail is off", lasts=True),
            Gone("rail"),
            RailOff(),
            Ready(),
            Slept(1_500),
            Unkept(0, "the disk is full"),
            Close(),
        ]
    ),
    st.builds(Contacts, st.sampled_from(Contact), st.lists(SPELLS, max_size=3).map(tuple)),
    st.builds(Trim, st.integers(10, 100)),
)
waits = st.one_of(st.integers(0, 200), st.integers(0, 8_000), st.just(62_000))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(waits, inputs), min_size=1, max_size=12),
    st.sampled_from([1.0, 60.0, 3.3]),
    st.integers(0, 9),
)
def test_whatever_happened_plays_again(
    what: list[tuple[int, Input]], speed: float, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), speed, seed)
        world.do(Contacts(Contact.RELEASED))
        for wait_ms, event in what:
            world.wait(wait_ms)
            world.do(told_at(event, world.now_ms))
        world.wait(1_500)
        path = world.keep()
        rows = read_incident(path).rows
        assert rows[-1].came == world.came[-1]
        assert replay(path) == 0


def test_a_whole_session_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(2_000)
    world.do(Start("taps"))
    world.wait(1_000)
    world.do(Trim(50))
    world.do(Start("waves"))
    world.wait(7_000)
    path = world.keep()
    assert world.said == [
        f"the last minutes are kept in {path}; `firmware-ctl simulate --replay {path}` plays them again"
    ]
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--replay", path])
    assert end.value.code == 0
    first, *told, last = capsys.readouterr().out.splitlines()
    cert = ALL.valid("taps").timeline.cert  # type: ignore[union-attr]
    assert first == f"{path}: asked, recorded by firmware-ctl 0.1.0"
    assert told == [
        '      0.000 s  contacts "released"',
        '      2.000 s  start "taps"',
        f'      2.000 s  kept 2000  event=state state=running profile=taps cert={cert}  event=phase phase="t"',
        "      3.000 s  trim 50  event=state trim=50",
        '      3.000 s  start "waves"  refused: "taps is running; stop it first"',
        '      6.000 s  wake  event=cue cue="KI3"  event=phase phase="end"',
        "      6.750 s  wake  event=signal signal=cue-begin",
        "      7.350 s  wake  event=signal signal=",
        "      8.000 s  wake  event=signal signal=cue-end",
        f"      9.000 s  wake  event=state state=idle profile=taps cert={cert}  event=signal signal=",
        "      9.000 s  kept 9000",
        "      9.000 s  the last: idle level=[0, 0, 0] duty=[0, 0, 0] kicks=[]",
    ]
    assert last == f"played again: the same {len(read_incident(path).rows)} steps"


def test_kicks_that_overlap_play_again(tmp_path: Path) -> None:
    """A motor whose kick goes on, and one before it in the mat's order that has only begun."""
    mat = load_mat(None)
    now_ms = 0
    session = Session(mat, read_catalogue([shipped.profiles_dir()], mat))
    said: list[str] = []
    disk = Disk(said.append)
    ring = Ring(str(tmp_path / "ring"), len(mat.motors))
    recorder = Recorder(session, ring, Shelf(str(tmp_path), disk, said.append))
    events: list[Input] = [Ready(), Contacts(Contact.RELEASED), Start("hips")]
    overlapped = False
    while now_ms < 90_000:
        event = events.pop(0) if events else Wake()
        step = session.handle(event, now_ms)
        recorder.step(session, event, step, now_ms)
        overlapped = overlapped or len(step.kicks) > 1
        if step.keep is not None:
            events.append(Kept(step.keep.number))
        if not events:
            now_ms = step.wake_at_ms or 90_000
    assert overlapped
    recorder.keep("asked")
    disk.close()
    (kept,) = tmp_path.glob("incident-*")
    assert replay(str(kept)) == 0


def test_a_damaged_ring_is_not_kept_and_the_disk_goes_on(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    ring = world.ring.copy()
    shelf = Shelf(str(world.folder), world.disk, world.said.append)
    shelf.keep("asked", ring[:-1])
    done = threading.Event()
    world.disk.submit(done.set)
    assert done.wait(10)
    assert world.said == ["the record of the last minutes is damaged and is not kept"]


def test_a_fault_keeps_what_led_to_it(world: World) -> None:
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Start("alternates"))
    world.wait(3_000)
    world.do(Fault("pin-write", "GPIO 22 cannot be written"))
    world.do(Fault("internal", "and another"))
    world.wait(1_000)
    world.disk.close()
    (path,) = world.kept()
    assert path.endswith("-fault-pin-write.jsonl.gz")
    assert read_incident(path).rows[-1].words == 'fault "pin-write" "GPIO 22 cannot be written"'
    assert replay(path) == 0


def test_an_exception_keeps_what_led_to_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(ZeroDivisionError), world.recorder:
        raise ZeroDivisionError
    world.disk.close()
    assert [path.rpartition("-")[2] for path in world.kept()] == ["error.jsonl.gz"]
    assert not (tmp_path / "ring").exists()


def test_a_ring_that_is_gone_ends_no_daemon_with_an_error(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.recorder:
        (tmp_path / "ring").unlink()
    world.disk.close()
    assert not list(tmp_path.iterdir())


def test_an_idle_mat_writes_nothing_and_a_quiet_minute_begins_anew(world: World) -> None:
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
    begin, row, kept, end = map(json.loads, incident.lines(world.ring.copy(), "asked"))
    assert {key: begin[key] for key in ("since_ms", "selected", "trim", "released", "spent")} == {
        "since_ms": 7_100,
        "selected": "taps",
        "trim": 80,
        "released": True,
        "spent": [7_000, 100, False, ""],
    }
    assert row[:4] == [world.now_ms, "start", None, "idle"]
    assert kept[:4] == [world.now_ms, "kept", world.now_ms, "running"]
    assert end == {"why": "asked", "whole": True, "lines": 3}
    assert replay(world.keep()) == 0


def test_what_a_day_has_used_is_part_of_the_condition(
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
    path = world.keep()
    assert [row.words for row in read_incident(path).rows][:2] == [
        'contacts "pressed"',
        "wake",
    ]
    assert replay(path) == 0
    assert "event=refused code=allowance" in capsys.readouterr().out


def test_a_ring_that_wraps_can_be_read_and_not_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(incident, "ROWS", 5)
    world = World(tmp_path)
    for trim_pct in range(20, 30):
        world.now_ms += 10
        world.do(Trim(trim_pct))
    assert replay(world.keep()) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "      0.060 s  trim 25",
        "      0.070 s  trim 26",
        "      0.080 s  trim 27",
        "      0.090 s  trim 28",
        "      0.100 s  trim 29",
        "      0.100 s  the last: idle level=[0, 0, 0] duty=[0, 0, 0] kicks=[]",
        "more happened than the ring holds: this can be read and not be played again",
    ]


def test_texts_that_do_not_fit_can_be_read_and_not_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident, "TEXTS", 8_000)
    world = World(tmp_path)
    for n in range(400):
        world.do(Select(f"nobody-{n}"))
    world.do(Reload(Catalogue(tuple(ALL.entries * 20))))
    assert replay(world.keep()) == 1


def test_few_are_kept(tmp_path: Path) -> None:
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
        "ring",
    ]


def test_another_process_ring_is_not_taken_for_it(world: World) -> None:
    ring = str(world.folder / "ring")
    world.do(Start("taps"))
    left = incident.lines(left_behind(ring, str(os.getpid())), "killed")
    assert left == incident.lines(world.ring.copy(), "killed")
    assert [json.loads(line)[1] for line in left[2:-1]] == ["wake", "start"]
    assert left_behind(ring, "1") == b""
    assert left_behind(str(world.folder / "none"), "1") == b""
    assert left_behind(str(world.folder), "1") == b""


# ---- bad files


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    world = World(tmp_path_factory.mktemp("good"))
    world.do(Contacts(Contact.RELEASED))
    world.wait(100)
    world.do(Select("taps"))
    world.do(Start("alternates"))
    world.wait(400)
    world.do(Try(verbs.try_timeline(WORDS, MAT), WORDS))
    world.do(Reload(FEW))
    world.do(Fault("internal", "x"))
    return Path(world.keep()).read_bytes()


def played(data: bytes) -> int:
    """Exit code of the whole command on this file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "incident.jsonl.gz")
        Path(path).write_bytes(data)
        with pytest.raises(SystemExit) as end:
            main(["simulate", "--replay", path])
        assert isinstance(end.value.code, int)
        return end.value.code


def test_any_damaged_byte_is_found(good: bytes) -> None:
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
    [], [[]], {}, {"name": 3}, {"words": ["a", "b", "c"]}, {"profiles": {"x": "y"}}, "x" * 9_000,
)  # fmt: skip


def test_any_damaged_value_is_a_sentence(good: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    lines = gzip.decompress(good).splitlines()

    @settings(max_examples=150)
    @given(st.data())
    def damaged(data: st.DataObject) -> None:
        broken = [json.loads(line) for line in lines]
        at = data.draw(st.sampled_from([0, *range(len(broken)), len(broken) - 1]))
        line = broken[at]
        keys = [*line] if isinstance(line, dict) else [*range(len(line))]
        key = data.draw(st.sampled_from(keys))
        how = data.draw(st.sampled_from(["value", "part", "gone", "line"]))
        if how == "part" and isinstance(line[key], list | dict) and line[key]:
            part = data.draw(st.sampled_from([*line[key]] if isinstance(line[key], dict) else [0]))
            line[key][part] = data.draw(st.sampled_from(VALUES))
        elif how == "gone":
            del line[key]
        elif how == "line":
            broken[at] = data.draw(st.sampled_from(VALUES))
        else:
            line[key] = data.draw(st.sampled_from(VALUES))
        code = played(gzip.compress(b"".join(json.dumps(n).encode() + b"\n" for n in broken)))
        told = capsys.readouterr()
        assert code in (0, 1, 2)
        assert (code == 2) == bool(told.err)
        assert "\x1b" not in told.out + told.err

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
            ":1:1: recorded by firmware-ctl 9.0 in format 9, and this is format 5; play it with 9.0",
        ),
    ],
    ids=["empty", "a profile", "blank lines", "nested deep", "another format"],
)  # fmt: skip
def test_no_incident(data: bytes, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert played(data) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"incident.jsonl.gz{sentence}")


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_the_first_difference_is_told(
    good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "incident.jsonl.gz"
    lines = gzip.decompress(good).splitlines()
    at = next(n for n, line in enumerate(lines) if b'"kept"' in line)
    row = json.loads(lines[at])
    row[5] = [0, 0, 7]
    lines[at] = json.dumps(row).encode()
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    assert replay(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{path}:{at + 1}:1: at 0.100 s the record says running level=[0, 0, 0] duty=[0, 0, 7] kicks=[];",
        "firmware-ctl 0.1.0 gives running level=[0, 0, 0] duty=[0, 0, 0] kicks=[]",
    ]


# ---- a whole daemon


class Mock:
    """A real `mock` with plain log lines; what it says is waited for, never slept for."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "socket")
        arguments = [
            "mock",
            "--no-view",
            "--state",
            str(folder / "state"),
            "--socket",
            self._socket,
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "firmware_ctl", *arguments], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout
        self._lines = self._read()

    def _read(self) -> Iterator[str]:
        rest = b""
        while select.select([self._out], [], [], 20)[0]:
            chunk = os.read(self._out.fileno(), 65_536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in lines)
        pytest.fail("the mock says nothing more")

    def until(self, words: str) -> str:
        return next(line for line in self._lines if words in line)

    def kept(self) -> str:
        return self.until("are kept in").split("are kept in ")[1].split(";")[0]

    def start(self, name: str) -> None:
        """Starts a profile, as soon as the button was seen released."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
            client.settimeout(20)
            client.connect(self._socket)
            while not answer.startswith(b"ok"):
                client.sendall(f"start {name}\n".encode())
                answer = answers.readline()
                assert answer.startswith((b"ok", b"err not-ready"))

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(20)
        self._out.close()


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Callable[[], Mock]]:
    mocks: list[Mock] = []

    def begin() -> Mock:
        mocks.append(Mock(tmp_path))
        return mocks[-1]

    yield begin
    for each in mocks:
        each.end(signal.SIGKILL)


def test_a_killed_daemon_is_kept_by_the_next_one(mock: Callable[[], Mock], tmp_path: Path) -> None:
    first = mock()
    first.until("* ready")
    first.start("lower-back")
    first.until('phase="')
    first.process.send_signal(signal.SIGUSR1)
    asked = first.kept()
    first.end(signal.SIGKILL)
    second = mock()
    killed = second.kept()
    second.until("* ready")
    second.end(signal.SIGTERM)
    third = mock()
    third.until("* ready")
    third.end(signal.SIGTERM)
    found = sorted(str(path) for path in (tmp_path / "state").glob("incident-*"))
    assert found == sorted([asked, killed])
    for path, why in ((asked, "asked"), (killed, "killed")):
        kept = read_incident(path)
        assert (kept.why, kept.rows[-1].came.state) == (why, State.RUNNING)
        assert replay(path) == 0


def test_replay_knows_every_input_that_a_recorder_writes() -> None:
    assert frozenset(incident._NAMES) == KINDS
