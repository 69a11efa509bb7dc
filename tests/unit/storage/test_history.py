"""The history: what is written of a session, and what a reader makes of the file."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_ctl.session.events import Close, Fault, Origin, Pause, Resume, Start, Stop, Wake
from firmware_ctl.storage import history_file
from firmware_ctl.storage.clock import boot_id
from firmware_ctl.storage.history import History
from firmware_ctl.storage.history_file import CUT, KEPT, PastSession, read
from tests.support.traps import fifo, hard_link, link, untouched
from tests.support.worlds import World
from tests.support.worlds_disk import AtOnce

BEGAN_MS = 1_800_000_000_000
STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


class Day:
    """A world whose steps a history watches. The time of day runs with the world's clock."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.folder = folder
        self.set_at_ms = BEGAN_MS
        """The time of day at the world's time 0."""
        self.is_synchronised = True
        self.log_lines: list[str] = []
        self._watched = 0
        self.history = History(
            str(folder),
            AtOnce(),  # type: ignore[arg-type]
            self.log_lines.append,
            lambda: self.set_at_ms + self._now_ms,
            lambda: self.is_synchronised,
        )
        self._now_ms = 0

    def at(self, at_ms: int, event: object = None) -> None:
        self.world.at(at_ms, event)  # type: ignore[arg-type]
        for step_at_ms, step in self.world.steps[self._watched :]:
            self._now_ms = step_at_ms
            self.history.step(Wake(), step, step_at_ms)
        self._watched = len(self.world.steps)

    @property
    def sessions(self) -> tuple[PastSession, ...]:
        return read(str(self.folder / "history.jsonl")).sessions


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path)


def test_session_is_written_when_it_begins_and_when_it_ends(day: Day) -> None:
    day.at(1_000, Start("calm", by=Origin.SERIAL))
    begun = PastSession(
        BEGAN_MS + 1_000, True, "calm", "serial", 600_000, 0, "", "", "", os.getpid(), boot_id()
    )
    assert day.sessions == (begun,)
    day.at(13_500, Stop(by=Origin.SOCKET))
    assert day.sessions == (begun._replace(played_ms=12_500, end="stop", ended_by="socket"),)


def test_session_that_ends_by_itself_and_a_press_have_their_words(day: Day) -> None:
    day.at(1_000, Start("quick"))
    day.at(9_000)
    day.world.press(12_000)
    day.at(20_000)
    whole, pressed = day.sessions
    assert whole[2:9] == ("quick", "", 4_000, 4_000, "end", "", "")
    assert pressed[2:9] == ("quick", "button", 4_000, 4_000, "end", "", "")


def test_fault_and_the_end_of_the_daemon_are_named(day: Day) -> None:
    day.at(1_000, Start("calm"))
    day.at(3_000, Fault("rail", "the rail is off"))
    assert day.sessions[-1][5:9] == (2_000, "fault", "", "rail")
    other = Day(day.folder)
    other.at(1_000, Start("calm"))
    other.at(2_000, Close())
    assert other.sessions[-1][5:9] == (1_000, "closed", "", "")
    assert len(other.sessions) == 2


def test_pause_does_not_count_as_played(day: Day) -> None:
    day.at(1_000, Start("calm"))
    day.at(3_000, Pause())
    day.at(63_000, Resume(by=Origin.SERIAL))
    day.at(64_000, Pause())
    day.at(70_000, Stop())
    assert len(day.sessions) == 1
    assert day.sessions[0].played_ms == 3_000


def test_session_that_was_cut_keeps_the_time_of_its_last_slice(day: Day) -> None:
    day.at(1_000, Start("calm"))
    day.at(95_000)
    [cut] = day.sessions
    assert (cut.end, cut.played_ms) == ("", 90_000)
    after = Day(day.folder)  # the next daemon
    after.at(1_000, Start("quick"))
    assert [(s.profile, s.end, s.played_ms) for s in after.sessions] == [
        ("calm", CUT, 90_000),
        ("quick", "", 0),
    ]


def test_begin_is_computed_back_from_the_first_time_that_can_be_trusted(day: Day) -> None:
    day.is_synchronised, day.set_at_ms = False, 0
    day.at(1_000, Start("calm"))
    assert day.sessions[0][:2] == (1_000, False)
    day.is_synchronised, day.set_at_ms = True, BEGAN_MS
    day.at(40_000)
    assert day.sessions[0][:2] == (BEGAN_MS + 1_000, True)
    day.set_at_ms += 3_600_000  # somebody sets the clock while the session plays
    day.at(50_000, Stop())
    assert day.sessions[0][:2] == (BEGAN_MS + 1_000, True)
    assert day.sessions[0].played_ms == 49_000


def test_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    old = PastSession(1, True, "p" * 32, "socket", 1, 1, "stop", "socket", "", 1, "b" * 36)
    path.write_text("".join(json.dumps(old._asdict()) + "\n" for _ in range(KEPT)))
    day = Day(tmp_path)
    day.at(1_000, Start("calm"))
    day.at(2_000, Stop())
    assert len(day.sessions) == KEPT
    assert day.sessions[-1].profile == "calm"
    assert path.stat().st_size < history_file.MOST_BYTES / 4


def test_damaged_lines_are_logged_and_left_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    good = json.dumps(PastSession(1, True, "p", "", 9, 1, "stop", "", "", 1, "b")._asdict())
    path.write_text(f"{good}\nnonsense\n{good}\n")
    day = Day(tmp_path)
    assert day.log_lines == [f"{path}: 1 line cannot be read as a session and is left out"]
    day.at(1_000, Start("calm"))
    assert [session.profile for session in day.sessions] == ["p", "p", "calm"]


@pytest.fixture
def private_file(tmp_path: Path) -> Iterator[Path]:
    yield from untouched(tmp_path / "roots")


@pytest.mark.parametrize("put", [link, fifo])
def test_history_that_cannot_be_read_is_left_alone(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    put(state / "history.jsonl", private_file)
    before = os.lstat(state / "history.jsonl")
    day = Day(state)
    day.at(1_000, Start("calm"))
    assert os.lstat(state / "history.jsonl") == before
    [sentence] = day.log_lines
    assert sentence.startswith(
        f"no session is written down: {state}/history.jsonl cannot be read: "
    )


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_nothing_is_written_through_a_link(
    put: Callable[[Path, Path], None], private_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    put(state / "history.jsonl.part", private_file)
    day = Day(state)
    day.at(1_000, Start("calm"))
    assert len(day.sessions) == 1


@needs_root
def test_history_written_by_root_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, STRANGER, STRANGER)
    day = Day(tmp_path)
    day.at(1_000, Start("calm"))
    assert (tmp_path / "history.jsonl").stat().st_uid == STRANGER


def test_disk_that_fails_does_not_reach_the_session(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(history_file, "atomic_write", fail)
        day.at(1_000, Start("calm"))
    assert not (day.folder / "history.jsonl").exists()
    day.at(5_000, Stop())
    assert day.sessions[0].played_ms == 4_000
