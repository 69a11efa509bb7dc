"""`simulate --replay`: plays a recorded incident through a new session and compares every step.

It knows the incident format and the inputs of a session. It never knows pins: nothing moves. The
file may be damaged, or come from a stranger, so every value is checked before anything plays, and a
mistake is reported with its line.
"""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from firmware_ctl import __version__, limits
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.errors import AuthorError, CallerError, DeviceError, Mistake, printable
from firmware_ctl.protocol.connection import FAULT_CODES, event
from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.allowance import Spent
from firmware_ctl.session.button import DEBOUNCE_MS, Contact, Spell
from firmware_ctl.session.events import (
    Contacts,
    Input,
    Origin,
    Ready,
    Reason,
    Reload,
    State,
    Step,
    Stop,
    Trim,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.storage.files import open_regular
from firmware_ctl.storage.flight_recorder import EVENTS, FORMAT
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, read_entry
from firmware_ctl.timeline.motor_drive import Levels

BYTES_MAX: Final = 32 * 1024 * 1024
"""Unpacked size of the largest file that is read: more than any flight recorder keeps."""

AT_MS_MAX: Final = 10**13
"""The latest time that a line may have, some 300 years."""
WAKES_MAX: Final = 10**6
"""The most wakes that one entry of a line may count."""

RESULTS: Final = frozenset(
    ("at_ms", "event", "wakes", "state", "level_pct", "duty_pct", "kicks", "notices")
)
"""The keys of a line that are not fields of its input."""


Json = Mapping[str, Any]
"""A JSON object of the file. It may be anything else: each value is checked where it is read."""


class Outcome(NamedTuple):
    """The part of a step that is compared."""

    state: State
    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]
    notices: tuple[str, ...] = ()
    """The kinds of its notices. Their texts may name the machine that recorded them."""

    def __str__(self) -> str:
        lists = (self.level_pct, self.duty_pct, self.kicks)
        levels, duties, kicks = ([*values] for values in lists)
        notices = f" notices={[*self.notices]}" if self.notices else ""
        return f"{self.state.value} level={levels} duty={duties} kicks={kicks}{notices}"


class Row(NamedTuple):
    """A line of the file: an input, the wakes before it, and the outcome of its step."""

    line: int
    at_ms: int
    words: str
    """The input as text, for people."""
    event: Input
    wakes: tuple[tuple[int, int], ...]
    """Wakes since the row before: a count, and by how many ms each of them was late."""
    outcome: Outcome


class Incident(NamedTuple):
    program: str
    """The version of firmware-ctl that recorded it."""
    why: str
    """Why it was kept, in words."""
    session: Session | None
    """A session in the state before the first row. None: the beginning of the record is lost, so
    the rows can be shown but not played."""
    rows: Sequence[Row]


def replay(path: str) -> int:
    """Plays an incident and prints its steps.

    Exit code 0: this version gives the same steps; 1: it gives others, or the record is incomplete.
    Raises `AuthorError` with the damaged line, `DeviceError` if the file cannot be read.
    """
    incident = read_incident(path)
    path = printable(path)
    print(f"{path}: {incident.why}, recorded by firmware-ctl {incident.program}")
    last = incident.rows[-1]
    if incident.session is None:
        state = State.IDLE
        for row in incident.rows:
            changes = [f"state={row.outcome.state.value}"] if row.outcome.state is not state else []
            state = row.outcome.state
            _print_step(row.at_ms, row.words, changes)
    else:
        difference = _first_difference(incident.session, incident.rows)
        if difference is not None:
            print(f"{path}:{difference}")
            return 1
    print(f"{last.at_ms / 1000:11.3f} s  the last: {last.outcome}")
    if incident.session is None:
        print("more happened than the ring holds: this can be read and not be played again")
        return 1
    print(f"played again: the same {len(incident.rows)} steps")
    return 0


def _first_difference(session: Session, rows: Sequence[Row]) -> str | None:
    """Plays all rows and prints each step. Returns a sentence about the first step that differs.

    None: no step differs. A record counts the wakes and does not store their times. A wake came at
    the time that the session had asked for, plus its lateness, so its time is computed here.
    """
    now_ms, due_ms = 0, None
    for row in rows:
        for count, late_ms in row.wakes:
            for _ in range(count):
                at_ms = (now_ms if due_ms is None else due_ms) + late_ms
                if not now_ms <= at_ms <= row.at_ms:
                    return (
                        f"{row.line}:1: after {now_ms / 1000:.3f} s the record has a wake for "
                        f"which firmware-ctl {__version__} does not ask"
                    )
                step = session.handle(Wake(), at_ms)
                now_ms, due_ms = at_ms, step.wake_at_ms
                _print_step(at_ms, "wake", _sentences(step))
        step = session.handle(row.event, row.at_ms)
        now_ms, due_ms = row.at_ms, step.wake_at_ms
        _print_step(row.at_ms, row.words, _sentences(step))
        kinds = tuple(notice.kind for notice in step.notices)
        outcome = Outcome(session.state, step.level_pct, step.duty_pct, step.kicks, kinds)
        if outcome != row.outcome:
            return (
                f"{row.line}:1: at {row.at_ms / 1000:.3f} s the record says {row.outcome};\n"
                f"firmware-ctl {__version__} gives {outcome}"
            )
    return None


def _sentences(step: Step) -> list[str]:
    """The notices of a step as lines of the protocol, and its refusal."""
    sentences = [event(notice).removeprefix("* ") for notice in step.notices]
    if step.refusal is not None:
        sentences.append(f"refused: {json.dumps(str(step.refusal))}")
    return sentences


def _print_step(at_ms: int, words: str, sentences: Sequence[str]) -> None:
    if sentences or words != "wake":
        print(f"{at_ms / 1000:11.3f} s", words, *sentences, sep="  ")


def read_incident(path: str) -> Incident:
    """Reads and checks the whole file. Raises `AuthorError` or `DeviceError`."""
    lines = _read_lines(path)
    with _at_line(path, 1):
        begin = json.loads(lines[0])
        program, version = _short(begin["program"]), _whole(begin["incident"], 0, 1_000_000)
    if version != FORMAT:
        sentence = f"format {version}, and this is format {FORMAT}; play it with {program}"
        raise AuthorError(
            [Mistake(path, 1, 1, f"recorded by firmware-ctl {program} in {sentence}")]
        )
    with _at_line(path, len(lines)):
        end = json.loads(lines[-1])
        why, can_replay = _short(end["why"]), bool(end["whole"])
        if end["lines"] != len(lines) - 1:
            raise ValueError
    session, first_at_ms = None, 0
    with _at_line(path, 1):
        mat = read_mat(begin["mat"].encode(), os.path.join(path, "mat.yaml"))
        if can_replay:
            session = _session(path, begin, mat)
            first_at_ms = begin["since_ms"] + (DEBOUNCE_MS if begin["is_released"] else 0)
    rows: list[Row] = []
    for number, line in enumerate(lines[1:-1], 2):
        with _at_line(path, number):
            record = json.loads(line)
            if "incident" in record:
                # The recorder's second half begins with a snapshot, which replay does not need.
                continue
            previous = rows[-1].outcome if rows else None
            row = _row(path, number, record, mat, previous)
            _whole(row.at_ms, rows[-1].at_ms if rows else first_at_ms, AT_MS_MAX)
            rows.append(row)
            # The profiles of this reload were too large to record, so nothing can be played.
            if record.get("profiles", {}) is None:
                session = None
    if not rows:
        raise AuthorError([Mistake(path, len(lines), 1, "the file has no inputs: it is damaged")])
    return Incident(program, why, session, rows)


def _read_lines(path: str) -> list[bytes]:
    """The unpacked lines of the file, not more than `BYTES_MAX` in all."""
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as packed, gzip.open(packed) as file:
            data = file.read(BYTES_MAX + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise AuthorError(
            [Mistake(path, 1, 1, f"no incident, or a damaged one: {error}")]
        ) from None
    except OSError as error:
        raise DeviceError(f"the incident {path} cannot be read: {error.strerror}") from None
    lines = data.split(b"\n")
    if len(data) > BYTES_MAX or len(lines) < 3 or lines.pop():
        raise AuthorError([Mistake(path, len(lines), 1, "no incident, or a damaged one")])
    return lines


@contextmanager
def _at_line(path: str, number: int) -> Iterator[None]:
    """Turns every error of the block into an `AuthorError` at this line.

    An `AuthorError` passes, because it names a more exact place.
    """
    try:
        yield
    except AuthorError:
        raise
    except CallerError as error:
        raise AuthorError([Mistake(path, number, 1, str(error))]) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        sentence = "the incident is damaged: no recorder writes this line"
        raise AuthorError([Mistake(path, number, 1, sentence)]) from None


def _session(path: str, begin: Json, mat: Mat) -> Session:
    """A new session, brought into the state of the recorded snapshot."""
    since_ms = _time(begin["since_ms"])
    speed = begin["speed"]
    if not isinstance(speed, float | int) or not 0.1 <= speed <= 1000:
        raise ValueError
    day_began_at_ms = begin["day_began_at_ms"]
    if day_began_at_ms is not None:
        _whole(day_began_at_ms, -AT_MS_MAX, AT_MS_MAX * 1000)
    spent = Spent(
        _whole(begin["used_ms"], 0, limits.DAY_MS),
        day_began_at_ms,
        bool(begin["may_renew"]),
        "the ledger was damaged" if begin["is_ledger_damaged"] else "",
    )
    inhibited = "no session could start on that machine" if begin["is_start_inhibited"] else ""
    session = Session(
        mat,
        _catalogue(path, mat, begin["profiles"]),
        float(speed),
        spent,
        inhibited,
        selected=_short(begin["selected"]),
        wanted=_short(begin["wanted"]),
    )
    if begin["stopped_at_ms"] is not None:
        session.handle(Stop(), _whole(begin["stopped_at_ms"], 0, since_ms))
    session.handle(Trim(_trim(begin["trim_pct"])), since_ms)
    if begin["asked_until_ms"] is not None:
        session.handle(Ready(_whole(begin["asked_until_ms"], -1, since_ms)), since_ms)
    if begin["is_released"]:
        session.handle(Contacts(Contact.RELEASED), since_ms)
        session.handle(Wake(), since_ms + DEBOUNCE_MS)
    return session


def _catalogue(path: str, mat: Mat, profiles: Json) -> Catalogue:
    entries = [
        read_entry(_short(name), text.encode(), os.path.join(path, f"{name}.yaml"), mat)
        for name, text in profiles.items()
    ]
    for entry in entries:
        if isinstance(entry, BadEntry):
            raise entry.error
    return Catalogue(tuple(entries))


def _row(path: str, number: int, record: Json, mat: Mat, previous: Outcome | None) -> Row:
    """Checks one record, which names only the parts of the outcome that differ from `previous`."""
    values = {name: value for name, value in record.items() if name not in RESULTS}
    known = {} if previous is None else previous._asdict()

    def percents(name: str) -> Levels:
        numbers = record[name] if name in record else known[name]
        if len(numbers) != len(mat.motors):
            raise ValueError
        return tuple(_whole(percent, 0, 100) for percent in numbers)

    kicks = record["kicks"] if "kicks" in record else known["kicks"]
    outcome = Outcome(
        State(record["state"]) if "state" in record else known["state"],
        percents("level_pct"),
        percents("duty_pct"),
        tuple(_whole(motor, 0, len(mat.motors) - 1) for motor in kicks),
        tuple(_short(notice["kind"]) for notice in record.get("notices", ())),
    )
    wakes = tuple(
        (_whole(count, 1, WAKES_MAX), _whole(late_ms, -AT_MS_MAX, AT_MS_MAX))
        for count, late_ms in record.get("wakes", ())
    )
    kind = record["event"]
    event = _event(path, mat, kind, values)
    return Row(number, record["at_ms"], _words(kind, values), event, wakes, outcome)


def _event(path: str, mat: Mat, kind: str, values: Json) -> Input:
    match kind, values:
        case "contacts", {"contact": contact}:
            spells = tuple(_spell(*spell) for spell in values.get("spells", ()))
            return Contacts(Contact(contact), spells)
        case "try", {"words": [_, _, _, *_] as all_words}:
            words = tuple(map(_printable, all_words))
            arrived_at_ms = _time(values["arrived_at_ms"]) if "arrived_at_ms" in values else None
            return Try(try_timeline(words, mat), words, arrived_at_ms, _origin(values))
        case "reload", {"profiles": profiles}:
            catalogue = _catalogue(path, mat, {} if profiles is None else profiles)
            return Reload(catalogue, _origin(values))
    event: Input = EVENTS[kind](**{name: CHECKS[name](value) for name, value in values.items()})
    return event


def _origin(values: Json) -> Origin | None:
    return Origin(values["by"]) if "by" in values else None


def _spell(first: object, last: object, contact: object) -> Spell:
    first_at_ms = _time(first)
    return Spell(first_at_ms, _whole(last, first_at_ms, AT_MS_MAX), Contact(contact))


def _words(kind: str, values: Json) -> str:
    """The input as text. Values are written as JSON, which no terminal takes for a command."""
    shown = values.values() if kind != "reload" else ()
    return " ".join([kind, *(json.dumps(value) for value in shown if value)])


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _time(value: object) -> int:
    return _whole(value, 0, AT_MS_MAX)


def _trim(value: object) -> int:
    return _whole(value, *limits.TRIM_PCT)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _fault_code(value: object) -> str:
    if value not in FAULT_CODES:
        raise ValueError
    return _text(value)


def _printable(value: object) -> str:
    """Checks that a text from outside has no characters that control a terminal."""
    if not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise ValueError
    return value


def _short(value: object) -> str:
    word = _printable(value)
    if len(word) > 96:
        raise ValueError
    return word


CHECKS: Final[Mapping[str, Callable[[object], object]]] = {
    "name": _text,
    "arrived_at_ms": _time,
    "trim_pct": _trim,
    "code": _fault_code,
    "message": _text,
    "is_persistent": _flag,
    "number": _time,
    "why": _text,
    "by": lambda value: Origin(str(value)),
    "reason": lambda value: Reason(str(value)),
    "for_ms": _time,
    "off_ms": _time,
    "asked_until_ms": lambda value: _whole(value, -1, AT_MS_MAX),
}
"""Field of an input → the check of its value. `contacts`, `try` and `reload` have their own."""
