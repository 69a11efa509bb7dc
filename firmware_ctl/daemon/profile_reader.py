"""Reads a catalogue in a process of its own: a parser in the daemon's would hold up the motors.

The child gets and gives lines of JSON. A thread reads them and makes values of them again, each
with its type and its range checked, so that the loop has nothing to do but to take the result.
"""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from threading import Lock, Thread
from types import UnionType
from typing import IO, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.errors import AuthorError, CallerError, DeviceError, Mistake, printable
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, Entry, GoodEntry
from firmware_ctl.timeline.folder import read_catalogue
from firmware_ctl.timeline.haptics import HapticCue
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import drive_table_of

MOST_BYTES: Final = 16 << 20
"""More than this is not read from a child."""

GIVE_WAY_S: Final = 0.001
"""After twice as long at work on the lines: the loop needs Python's lock for every tick."""

WHY: Final = "the profiles could not be read"
_GREATEST: Final = 1 << 53

_working: Final = Lock()
"""Held while a thread reads. A disk that hangs keeps a thread and its child that were given up, and
would keep those of each further reading too."""


class Reader:
    """One reading. `done` is called on the loop with the catalogue, or with why there is none."""

    def __init__(
        self, folders: Sequence[str], mat: Mat, done: Callable[[Catalogue | str], None]
    ) -> None:
        """`CallerError` where a reading has not ended, or no pipe or thread is left."""
        self._mat = mat
        self._done = done
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False
        self._result: Catalogue | str = WHY
        if not _working.acquire(blocking=False):
            sentence = (
                "the reading of the profiles that took too long has not ended yet; ask again later"
            )
            raise CallerError("busy", sentence)
        try:
            self._ends, is_open = os.pipe()
        except OSError as error:
            _working.release()
            raise CallerError("not-ready", f"no process can be started: {error.strerror}") from None
        os.set_blocking(self._ends, False)
        asked = json.dumps({"folders": list(folders), "mat": mat.source.decode()}).encode()
        thread = Thread(target=self._work, args=(asked, is_open), name="reader", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _working.release()
            os.close(self._ends)
            os.close(is_open)
            raise CallerError("not-ready", f"no process can be started: {error}") from None

    def fileno(self) -> int:
        return self._ends

    def ready(self) -> None:
        if self._is_over:
            return  # given up a moment ago
        with suppress(BlockingIOError):
            os.read(self._ends, 1)
            self._end(self._result)

    def give_up(self) -> None:
        if not self._is_over:
            self._end("reading the profiles takes too long")

    def _end(self, result: Catalogue | str) -> None:
        self._is_over = True
        if self._process is not None:
            self._process.kill()
        if isinstance(result, str):
            result += "; the daemon keeps those that it has"
        self._done(result)
        self._result = WHY  # a timer to give this up is left, and would keep a whole catalogue
        os.close(self._ends)

    # --- on the thread: a child begins when others leave it a processor, and one that hangs in the
    # disk dies when the disk lets it

    def _work(self, asked: bytes, is_open: int) -> None:
        try:
            self._result = self._read(asked)
        finally:
            _working.release()
            os.close(is_open)  # which makes the other end readable

    def _read(self, asked: bytes) -> Catalogue | str:
        try:
            process = subprocess.Popen(
                # -P: nothing of the folder in which the daemon works is run.
                [sys.executable, "-P", "-m", "firmware_ctl.daemon.profile_reader"],
                env=shipped.child_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # what is no line of JSON says why there is none
                preexec_fn=_give_way,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"no process can be started: {getattr(error, 'strerror', None) or error}"
        self._process = process
        if self._is_over:
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            with suppress(BrokenPipeError):  # it has died: its last words are read below
                process.stdin.write(asked)
                process.stdin.close()
            try:
                return _result(process.stdout, self._mat)
            finally:
                process.kill()


def _give_way() -> None:
    """As a service the loop has real-time priority, and what it starts would inherit it.

    The child then waits for a processor, and the daemon may end meanwhile: without it no one must
    hold the motors' lines and the state folder's lock. Pipes stay, one tells that it has begun.
    """
    if sys.platform != "linux":
        return
    fds: list[str] = []
    with suppress(OSError):  # where /proc is not mounted they are closed a little later
        fds = os.listdir("/proc/self/fd")
    for fd in map(int, fds):
        with suppress(OSError):
            if fd > 2 and not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
    with suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


# ---- what the child says: a line for each segment of a timeline, then one for its entry


class _Rest(NamedTuple):
    """Of a timeline what is not in its segments. The motors' shape follows from the mat."""

    haptic_cues: tuple[HapticCue, ...]
    kicks: bool
    cert: str


def _lines(catalogue: Catalogue) -> "list[dict[str, object]]":
    lines: list[dict[str, object]] = []
    for entry in catalogue.entries:
        if isinstance(entry, BadEntry):
            lines.append({"entry": {"name": entry.name, "error": entry.error.mistakes}})
            continue
        timeline = entry.timeline
        lines += [{"segment": segment} for segment in timeline.segments]
        rest = _Rest(timeline.haptic_cues, timeline.drive_table.kicks, timeline.cert)
        fields: dict[str, object] = {"timeline": rest, "source": entry.source.decode()}
        lines.append({"entry": entry._asdict() | fields})
    return [*lines, {"end": len(catalogue.entries)}]


def _result(said: IO[bytes], mat: Mat) -> Catalogue | str:
    """The catalogue that a child has said line by line, or why there is none."""
    why, left = WHY, MOST_BYTES
    give_way_at_s = 0.0
    entries: list[Entry] = []
    segments: list[Segment] = []
    while line := said.readline(left + 1):
        left -= len(line)
        if left < 0:
            return "the profiles together are too large"
        if time.monotonic() > give_way_at_s:
            time.sleep(GIVE_WAY_S)
            give_way_at_s = time.monotonic() + 2 * GIVE_WAY_S
        try:
            message = json.loads(line, parse_constant=_no_number)
            (kind,) = message
        except (ValueError, TypeError, RecursionError):
            why = f"{WHY}: {printable(line.decode(errors='replace').strip())[:200]}"
            continue
        try:
            match kind:
                case "segment":
                    segments.append(_reader_of(Segment)(message[kind]))
                case "entry":
                    entries.append(_entry(message[kind], tuple(segments), mat))
                    segments.clear()
                case "end":
                    _must(message[kind] == len(entries) and not segments)  # else a line was lost
                    return Catalogue(tuple(entries))
                case "why":
                    return str(message[kind])
        except (ValueError, TypeError, KeyError):
            return f"{WHY}: another version of the program has read them; restart the daemon"
    return why


def _entry(fields: dict[str, Any], segments: tuple[Segment, ...], mat: Mat) -> Entry:
    """The entry again. Raises ValueError, TypeError or KeyError where a value is not as it was."""
    is_bad = "error" in fields
    kinds = _kinds(is_bad)
    _must(set(fields) == set(kinds))
    values = {name: _reader_of(kind)(fields[name]) for name, kind in kinds.items()}
    if is_bad:
        _must(not segments)
        return BadEntry(values["name"], AuthorError(list(values["error"])))
    rest: _Rest = values["timeline"]
    values["timeline"] = Timeline(
        values["name"],
        segments,
        rest.haptic_cues,
        mat.limits.rise_pct_s,
        drive_table_of(mat)._replace(kicks=rest.kicks),
        rest.cert,
    )
    _check(values["timeline"], mat)
    entry = GoodEntry(**values)
    _must(entry.timeline.end_ms == entry.profile.length_ms)
    return entry


@lru_cache(maxsize=2)
def _kinds(is_bad: bool) -> dict[str, Any]:
    """The type of each field, as it is sent."""
    if is_bad:
        return {"name": str, "error": tuple[Mistake, ...]}
    return get_type_hints(GoodEntry) | {"timeline": _Rest}


def _check(timeline: Timeline, mat: Mat) -> None:
    """What playing relies on. Raises ValueError."""
    motors = len(mat.motors)
    begin_ms = 0
    for segment in timeline.segments:
        courses = segment.courses
        _must(segment.begin_ms == begin_ms and segment.pass_ms > 0 and segment.repeat > 0)
        begin_ms = segment.end_ms
        _must(len(segment.course_of) == len(segment.high_pct) == motors)
        _must(all(-1 <= index < len(courses) for index in segment.course_of))
        _must(_are_pct(segment.high_pct))
        for course in courses:
            ramp, pieces = course.ramp, course.pieces
            _must(len(ramp.at_ms) == len(ramp.level_pct) > 0 and ramp.cycle_ms > 0)
            _must(ramp.at_ms[0] == 0 and list(ramp.at_ms) == sorted(ramp.at_ms))
            _must(_are_pct((*ramp.level_pct, course.cap_pct, course.budget_pct)))
            _must(sum(piece.length_ms for piece in pieces) > 0)
            _must(all(0 <= share <= 1 for piece in pieces for share in (piece.begin, piece.end)))
    _must(0 < begin_ms <= mat.limits.session_ms)
    _must(all(gap.begin_ms < gap.end_ms for cue in timeline.haptic_cues for gap in cue.gaps))
    _must(all(cue.gaps for cue in timeline.haptic_cues))


def _must(is_so: bool) -> None:
    if not is_so:
        raise ValueError("it is not what was read")


def _are_pct(figures: Sequence[int]) -> bool:
    return all(0 <= figure <= 100 for figure in figures)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


@lru_cache(maxsize=64)
def _reader_of(kind: Any) -> Callable[[Any], Any]:
    """Makes a value of this type from its JSON. What it gives raises ValueError or TypeError."""
    of = get_args(kind)
    if get_origin(kind) is UnionType:
        (some,) = (_reader_of(one) for one in of if one is not type(None))
        return lambda value: None if value is None else some(value)
    if get_origin(kind) is Literal:
        return lambda value: of[of.index(value)]
    if get_origin(kind) is tuple and of[-1] is Ellipsis:
        each = _reader_of(of[0])
        return lambda value: tuple([each(item) for item in _list(value)])
    if get_origin(kind) is tuple:
        items = [_reader_of(one) for one in of]
        return lambda value: tuple([f(v) for f, v in zip(items, _list(value), strict=True)])
    if issubclass(kind, tuple):  # a NamedTuple
        fields = [_reader_of(one) for one in get_type_hints(kind).values()]
        make = kind._make
        return lambda value: make([f(v) for f, v in zip(fields, _list(value), strict=True)])
    if kind is bytes:
        return lambda value: str.encode(value)
    types = (int, float) if kind is float else (kind,)

    def plain(value: Any) -> Any:
        if type(value) not in types or (types[0] is int and not -1 <= value <= _GREATEST):
            raise ValueError(f"{value!r} is not {kind}")
        return value

    return plain


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"{value!r} is not a list")
    return value


def _main() -> None:
    asked = sys.stdin.buffer.read()
    if not asked:
        return  # the daemon has ended
    what = json.loads(asked)
    try:
        lines = _lines(read_catalogue(what["folders"], read_mat(what["mat"].encode(), "")))
    except DeviceError as error:
        lines = [{"why": str(error)}]
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    _main()
