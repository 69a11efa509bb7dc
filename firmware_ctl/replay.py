"""`simulate --replay`: an incident played again through the session, and compared step by step.

The file may come from a stranger or be damaged: it is text, every value of it is checked before
anything plays, and what is wrong is told with its line.
"""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from firmware_ctl import __version__, limits, verbs
from firmware_ctl.allowance import Spent
from firmware_ctl.button import DEBOUNCE_MS, Contact, Spell
from firmware_ctl.catalogue import Catalogue, read_entry
from firmware_ctl.errors import AuthorError, CallerError, DeviceError, Mistake
from firmware_ctl.files import open_regular
from firmware_ctl.incident import FORMAT
from firmware_ctl.mat import Mat, read_mat
from firmware_ctl.printable import printable
from firmware_ctl.protocol import FAULT_CODES
from firmware_ctl.session import (
    Away,
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
from firmware_ctl.shaping import Levels

BYTES_MAX: Final = 32 * 1024 * 1024
"""More than any ring holds."""

PLAIN: Final[dict[str, Callable[[], Input]]] = {
    "wake": Wake,
    "start": Start,
    "stop": Stop,
    "pause": Pause,
    "resume": Resume,
    "clear": Clear,
    "close": Close,
    "railoff": RailOff,
    "ready": Ready,
}
"""Inputs that carry nothing."""

TOLD: Final = frozenset(
    [
        "contacts",
        "start",
        "select",
        "try",
        "pause",
        "resume",
        "clear",
        "fault",
        "gone",
        "unkept",
        "reload",
    ]
)
"""Inputs whose row may name the line that says what they carry."""

KINDS: Final = frozenset((*PLAIN, *TOLD, "trim", "kept", "slept", "away"))

AT_MS_MAX: Final = 10**13


class Row(NamedTuple):
    """An input and the step that came of it."""

    line: int
    at_ms: int
    words: str
    event: Input
    came: "Came"


class Came(NamedTuple):
    """What is compared of a step."""

    state: State
    level_pct: Levels
    duty_pct: Levels
    kicks: tuple[int, ...]

    def __str__(self) -> str:
        levels, duties, kicks = ([*them] for them in (self.level_pct, self.duty_pct, self.kicks))
        return f"{self.state.value} level={levels} duty={duties} kicks={kicks}"


class Incident(NamedTuple):
    program: str
    why: str
    session: Session | None
    """As it was before the first row; None: not all is there, nothing can be played again."""
    rows: Sequence[Row]


def replay(path: str) -> int:
    """Plays a kept incident again. 0 the same steps, 1 others, or not all is there.

    Raises `AuthorError` with the place where the file is damaged, `DeviceError` where it cannot be
    read.
    """
    incident = read_incident(path)
    path = printable(path)
    print(f"{path}: {incident.why}, recorded by firmware-ctl {incident.program}")
    session = incident.session
    state = State.IDLE
    for row in incident.rows:
        told = [f"state={row.came.state.value}"] if row.came.state is not state else []
        state = row.came.state
        if session is not None:
            step = session.handle(row.event, row.at_ms)
            told = [verbs.event(notice).removeprefix("* ") for notice in step.notices]
            if step.refusal is not None:
                told.append(f"refused: {json.dumps(str(step.refusal))}")
        if told or row.words != "wake":
            print(f"{row.at_ms / 1000:11.3f} s", row.words, *told, sep="  ")
        if session is not None:
            came = Came(session.state, step.level_pct, step.duty_pct, step.kicks)
            if came != row.came:
                at_s = row.at_ms / 1000
                print(f"{path}:{row.line}:1: at {at_s:.3f} s the record says {row.came};")
                print(f"firmware-ctl {__version__} gives {came}")
                return 1
    last = incident.rows[-1]
    print(f"{last.at_ms / 1000:11.3f} s  the last: {last.came}")
    if session is None:
        print("more happened than the ring holds: this can be read and not be played again")
        return 1
    print(f"played again: the same {len(incident.rows)} steps")
    return 0


def read_incident(path: str) -> Incident:
    """Reads and checks the whole file."""
    lines = _lines(path)
    with _line(path, 1):
        begin = json.loads(lines[0])
        program, version = _short(begin["program"]), _whole(begin["incident"], 0, 1_000_000)
    if version != FORMAT:
        sentence = f"format {version}, and this is format {FORMAT}; play it with {program}"
        raise AuthorError(
            [Mistake(path, 1, 1, f"recorded by firmware-ctl {program} in {sentence}")]
        )
    with _line(path, len(lines)):
        end = json.loads(lines[-1])
        why, is_whole = _short(end["why"]), bool(end["whole"])
        if end["lines"] != len(lines) - 1:
            raise ValueError
    with _line(path, 1):
        mat = read_mat(begin["mat"].encode(), os.path.join(path, "mat.yaml"))
        session = _session(path, begin, mat) if is_whole else None
        first_at_ms = begin["since_ms"] + (DEBOUNCE_MS if begin["released"] else 0)
    texts: dict[int, Any] = {}
    rows: list[Row] = []
    events: dict[tuple[str, object], tuple[Input, str]] = {}
    for number, line in enumerate(lines[1:-1], 2):
        with _line(path, number):
            read = json.loads(line)
            if isinstance(read, dict):
                texts[number] = read
                continue
            at_ms, kind, argument, state, *figures = read
            if kind not in KINDS:
                raise ValueError
            _whole(at_ms, rows[-1].at_ms if rows else first_at_ms, AT_MS_MAX)
            key = kind, argument
            if key not in events:
                told = texts[argument] if kind in TOLD and isinstance(argument, int) else argument
                event = _event(path, mat, kind, told) if is_whole else Wake()
                events[key] = event, _words(kind, told)
            event, words = events[key]
            levels, duties, kicks = (tuple(_whole(n, 0, 100) for n in some) for some in figures)
            if {len(levels), len(duties)} != {len(mat.motors)}:
                raise ValueError
            came = Came(State(state), levels, duties, tuple(sorted(kicks)))
            rows.append(Row(number, at_ms, words, event, came))
    if not rows:
        raise AuthorError([Mistake(path, len(lines), 1, "the file has no inputs: it is damaged")])
    return Incident(program, why, session, rows)


def _lines(path: str) -> list[bytes]:
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as kept, gzip.open(kept) as file:
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
def _line(path: str, number: int) -> Iterator[None]:
    """Whatever is wrong inside is wrong in this line, if it has no place of its own."""
    try:
        yield
    except AuthorError:
        raise
    except CallerError as error:
        raise AuthorError([Mistake(path, number, 1, str(error))]) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        sentence = "the incident is damaged: no recorder writes this line"
        raise AuthorError([Mistake(path, number, 1, sentence)]) from None


def _session(path: str, begin: Any, mat: Mat) -> Session:
    since_ms, trim_pct = _whole(begin["since_ms"], 0, AT_MS_MAX), begin["trim"]
    speed = begin["speed"]
    if not isinstance(speed, float | int) or not 0.1 <= speed <= 1000:
        raise ValueError
    used_ms, day_began_at_ms, may_renew, _ = begin["spent"]
    if day_began_at_ms is not None:
        _whole(day_began_at_ms, -AT_MS_MAX, AT_MS_MAX * 1000)
    spent = Spent(
        _whole(used_ms, 0, limits.DAY_MS),
        day_began_at_ms,
        bool(may_renew),
        "the ledger was damaged" if begin["damage"] else "",
    )
    barred = "no session could start on that machine" if begin["barred"] else ""
    catalogue = _catalogue(path, mat, begin["profiles"])
    session = Session(mat, catalogue, float(speed), spent, barred)
    if begin["stopped_at_ms"] is not None:
        session.handle(Stop(), _whole(begin["stopped_at_ms"], 0, since_ms))
    session.handle(Trim(_whole(trim_pct, *limits.TRIM_PCT)), since_ms)
    if begin["selected"]:
        session.handle(Select(_short(begin["selected"])), since_ms)
    if begin["early_until_ms"] is not None:
        session.handle(Ready(_whole(begin["early_until_ms"], -1, since_ms)), since_ms)
    if begin["released"]:
        session.handle(Contacts(Contact.RELEASED), since_ms)
        session.handle(Wake(), since_ms + DEBOUNCE_MS)
    return session


def _catalogue(path: str, mat: Mat, profiles: Any) -> Catalogue:
    entries = [
        read_entry(_short(name), text.encode(), os.path.join(path, f"{name}.yaml"), mat)
        for name, text in profiles.items()
    ]
    for entry in entries:
        if entry.error is not None:
            raise entry.error
    return Catalogue(tuple(entries))


def _event(path: str, mat: Mat, kind: str, told: Any) -> Input:
    match kind, told:
        case "contacts", str():
            return Contacts(Contact(told))
        case "contacts", {"contact": contact, "spells": spells}:
            return Contacts(Contact(contact), tuple(_spell(*spell) for spell in spells))
        case "trim", int():
            return Trim(_whole(told, *limits.TRIM_PCT))
        case "start", {"name": name, "arrived_at_ms": at_ms}:
            return Start(None if name is None else _short(name), _arrival(at_ms))
        case "resume", {"arrived_at_ms": at_ms}:
            return Resume(_arrival(at_ms))
        case "clear", {"arrived_at_ms": at_ms}:
            return Clear(_arrival(at_ms))
        case "pause", {"arrived_at_ms": at_ms}:
            return Pause(_arrival(at_ms))
        case "ready", int():
            return Ready(_whole(told, -1, AT_MS_MAX))
        case "select", {"name": str(name)}:
            return Select(name)
        case "try", {"words": [_, _, _, *_], "arrived_at_ms": at_ms}:
            words = tuple(map(_short, told["words"]))
            return Try(verbs.try_timeline(words, mat), words, _arrival(at_ms))
        case "fault", {"code": str(code), "message": str(message), "lasts": bool(lasts)} if (
            code in FAULT_CODES
        ):
            return Fault(code, message, lasts)
        case "gone", {"code": str(code)} if code in FAULT_CODES:
            return Gone(code)
        case "kept", int():
            return Kept(_whole(told, 0, AT_MS_MAX))
        case "unkept", {"number": int(number), "why": str(why)}:
            return Unkept(_whole(number, 0, AT_MS_MAX), why)
        case "slept", int():
            return Slept(_whole(told, 0, AT_MS_MAX))
        case "away", int():
            return Away(_whole(told, 0, AT_MS_MAX))
        case "reload", {"profiles": profiles}:
            return Reload(_catalogue(path, mat, profiles))
    if told is not None:
        raise ValueError
    return PLAIN[kind]()


def _spell(first_at_ms: Any, last_at_ms: Any, contact: Any) -> Spell:
    first_at_ms = _whole(first_at_ms, 0, AT_MS_MAX)
    return Spell(first_at_ms, _whole(last_at_ms, first_at_ms, AT_MS_MAX), Contact(contact))


def _words(kind: str, told: Any) -> str:
    """The input for a reader. What came from outside is shown as JSON, harmless to a terminal."""
    carried = told.values() if isinstance(told, dict) and kind != "reload" else [told]
    shown = [kind, *(json.dumps(value) for value in carried if kind != "reload" and value)]
    return " ".join(shown)


def _arrival(value: Any) -> int | None:
    return None if value is None else _whole(value, 0, AT_MS_MAX)


def _whole(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _short(value: Any) -> str:
    """A word from outside: it may be shown, so it holds nothing that a terminal acts on."""
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and len(value) < 97):
        raise ValueError
    return value
