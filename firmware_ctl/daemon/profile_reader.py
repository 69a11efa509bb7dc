"""Reads all profiles in a child process, because a parser in the daemon would delay the motors.

The daemon writes one JSON object to the child, and the child answers in lines of JSON. A thread of
the daemon turns these lines into values, and checks the type and the range of each. So the loop
only takes a finished catalogue. This module never knows who asked for it.
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
from itertools import pairwise
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
"""Most bytes read from a child."""

PAUSE_S: Final = 0.001
"""The reading thread sleeps for this long after each `2 * PAUSE_S` of work.

The loop needs Python's global lock for every tick, and the thread must not hold it for long.
"""

FAILED: Final = "the profiles could not be read"
_GREATEST: Final = 1 << 53
"""The greatest whole number that a line of the child may have."""

_reading: Final = Lock()
"""Held while a thread reads, so that no second thread reads.

A disk that hangs blocks the thread and the child even after they were given up. Without this lock
each further reload would add another blocked pair.
"""


class Reader:
    """Reads all profiles once. `done` gets the catalogue or a failure's reason, on the loop."""

    def __init__(
        self, folders: Sequence[str], mat: Mat, done: Callable[[Catalogue | str], None]
    ) -> None:
        """Begins to read. Raises `CallerError` if an earlier reading has not ended, or if the
        system gives no pipe or thread.
        """
        self._mat = mat
        self._done = done
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False
        self._result: Catalogue | str = FAILED
        if not _reading.acquire(blocking=False):
            sentence = (
                "the reading of the profiles that took too long has not ended yet; ask again later"
            )
            raise CallerError("busy", sentence)
        try:
            self._done_fd, running_fd = os.pipe()
        except OSError as error:
            _reading.release()
            raise CallerError("not-ready", f"no process can be started: {error.strerror}") from None
        os.set_blocking(self._done_fd, False)
        request = json.dumps({"folders": list(folders), "mat": mat.source.decode()}).encode()
        thread = Thread(target=self._work, args=(request, running_fd), name="reader", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _reading.release()
            os.close(self._done_fd)
            os.close(running_fd)
            raise CallerError("not-ready", f"no process can be started: {error}") from None

    def fileno(self) -> int:
        return self._done_fd

    def ready(self) -> None:
        if self._is_over:
            return  # the reading was given up a moment ago
        with suppress(BlockingIOError):
            os.read(self._done_fd, 1)
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
        # The timer that gives up a reading still refers to this object. It must not keep a whole
        # catalogue in memory.
        self._result = FAILED
        os.close(self._done_fd)

    # --- on the thread, because to start a child and to read its lines may take seconds

    def _work(self, request: bytes, running_fd: int) -> None:
        try:
            self._result = self._read(request)
        finally:
            _reading.release()
            os.close(running_fd)  # makes `_done_fd` readable, which wakes the loop

    def _read(self, request: bytes) -> Catalogue | str:
        try:
            process = subprocess.Popen(
                # -P: Python must not import modules from the daemon's working folder.
                [sys.executable, "-P", "-m", __name__],
                env=shipped.child_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # a line that is not JSON is the reason of a failure
                preexec_fn=_prepare_child,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"no process can be started: {getattr(error, 'strerror', None) or error}"
        self._process = process
        if self._is_over:
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            with suppress(BrokenPipeError):  # the child has died: its last lines are read below
                process.stdin.write(request)
                process.stdin.close()
            try:
                return _result(process.stdout, self._mat)
            finally:
                process.kill()


def _prepare_child() -> None:
    """Runs in the child before the program: gives up priority and descriptors of the daemon.

    As a service the loop has real-time priority, which a child would inherit. The child waits for a
    processor, and the daemon may end in the meantime. Then the child must not keep the motors' GPIO
    lines and the lock of the state folder open. Pipes stay open: `Popen` needs one of them.
    """
    if sys.platform != "linux":
        return
    fds: list[str] = []
    with suppress(OSError):  # without /proc, exec closes the descriptors a little later
        fds = os.listdir("/proc/self/fd")
    for fd in map(int, fds):
        with suppress(OSError):
            if fd > 2 and not stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.close(fd)
    with suppress(OSError):  # a sandbox may forbid the change of the scheduler
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


# ---- the lines of the child: one for each segment of a timeline, then one for its entry


class _Rest(NamedTuple):
    """The parts of a timeline that are not in its segments.

    The drive table follows from the mat.
    """

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


def _result(output: IO[bytes], mat: Mat) -> Catalogue | str:
    """The catalogue from the lines of a child, or the reason of a failure."""
    reason, left = FAILED, MOST_BYTES
    pause_at_s = 0.0
    entries: list[Entry] = []
    segments: list[Segment] = []
    while line := output.readline(left + 1):
        left -= len(line)
        if left < 0:
            return "the profiles together are too large"
        if time.monotonic() > pause_at_s:
            time.sleep(PAUSE_S)
            pause_at_s = time.monotonic() + 2 * PAUSE_S
        try:
            message = json.loads(line, parse_constant=_refuse_constant)
            (kind,) = message
        except (ValueError, TypeError, RecursionError):
            reason = f"{FAILED}: {printable(line.decode(errors='replace').strip())[:200]}"
            continue
        try:
            match kind:
                case "segment":
                    segments.append(_reader_of(Segment)(message[kind]))
                case "entry":
                    entries.append(_entry(message[kind], tuple(segments), mat))
                    segments.clear()
                case "end":
                    # If the numbers differ, a line was lost.
                    _require(message[kind] == len(entries) and not segments)
                    return Catalogue(tuple(entries))
                case "why":
                    return str(message[kind])
        except (ValueError, TypeError, KeyError):
            return f"{FAILED}: another version of the program has read them; restart the daemon"
    return reason


def _entry(fields: dict[str, object], segments: tuple[Segment, ...], mat: Mat) -> Entry:
    """Makes an entry from its fields.

    Raises ValueError, TypeError or KeyError for a wrong value.
    """
    is_bad = "error" in fields
    kinds = _kinds(is_bad)
    _require(set(fields) == set(kinds))
    values = {name: _reader_of(kind)(fields[name]) for name, kind in kinds.items()}
    if is_bad:
        _require(not segments)
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
    _require(entry.timeline.end_ms == entry.profile.length_ms)
    return entry


@lru_cache(maxsize=2)
def _kinds(is_bad: bool) -> dict[str, Any]:
    """The type of each field in a line of the child."""
    if is_bad:
        return {"name": str, "error": tuple[Mistake, ...]}
    return get_type_hints(GoodEntry) | {"timeline": _Rest}


def _check(timeline: Timeline, mat: Mat) -> None:
    """Checks everything on which playing relies. Raises ValueError."""
    motors = len(mat.motors)
    begin_ms = 0
    for segment in timeline.segments:
        courses = segment.courses
        _require(segment.begin_ms == begin_ms and segment.pass_ms > 0 and segment.repeat > 0)
        begin_ms = segment.end_ms
        _require(len(segment.course_of) == len(segment.high_pct) == motors)
        _require(all(-1 <= index < len(courses) for index in segment.course_of))
        _require(_are_pct(segment.high_pct))
        for course in courses:
            ramp = course.ramp
            _require(len(ramp.at_ms) == len(ramp.level_pct) > 0 and ramp.cycle_ms > 0)
            _require(ramp.at_ms[0] == 0 and list(ramp.at_ms) == sorted(ramp.at_ms))
            _require(_are_pct((*ramp.level_pct, course.cap_pct, course.budget_pct)))
            begins_ms = [course.after_ms, *(begin_ms for begin_ms, _ in course.later)]
            _require(all(begin_ms < end_ms for begin_ms, end_ms in pairwise(begins_ms)))
            for pieces in course.piece_lists:
                shares = [share for piece in pieces for share in (piece.begin, piece.end)]
                _require(sum(piece.length_ms for piece in pieces) > 0)
                _require(all(0 <= share <= 1 for share in shares))
    _require(0 < begin_ms <= mat.limits.session_ms)
    _require(all(gap.begin_ms < gap.end_ms for cue in timeline.haptic_cues for gap in cue.gaps))
    _require(all(cue.gaps for cue in timeline.haptic_cues))


def _require(is_so: bool) -> None:
    if not is_so:
        raise ValueError("not the value that was read")


def _are_pct(figures: Sequence[int]) -> bool:
    return all(0 <= figure <= 100 for figure in figures)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")


@lru_cache(maxsize=64)
def _reader_of(kind: Any) -> Callable[[Any], Any]:
    """A function from JSON to a value of this type. It raises ValueError or TypeError.

    The type is known only as the program runs, so a type checker knows neither end.
    """
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


def _list(value: object) -> list[object]:
    if type(value) is not list:
        raise ValueError(f"{value!r} is not a list")
    return value


def _main() -> None:
    request = sys.stdin.buffer.read()
    if not request:
        return  # the daemon has ended
    values = json.loads(request)
    try:
        lines = _lines(read_catalogue(values["folders"], read_mat(values["mat"].encode(), "")))
    except DeviceError as error:
        lines = [{"why": str(error)}]
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    _main()
