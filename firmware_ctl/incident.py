"""The incident ring: what the session was given and what came of it, where a SIGKILL leaves it.

First text, the session's condition with the files that it plays and what inputs carry; then a row
of figures for each input that changed something. Kept, all of it is text. It knows how to write and
to put a copy aside; who plays it again is `replay`.
"""

import gzip
import json
import mmap
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from struct import Struct, error
from typing import Final, NamedTuple, get_args

from firmware_ctl import __version__
from firmware_ctl.allowance import Spent
from firmware_ctl.button import Contact
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.disk import Disk
from firmware_ctl.errors import FirmwareError
from firmware_ctl.files import create_new, open_regular
from firmware_ctl.session import (
    Away,
    Clear,
    Contacts,
    Fault,
    Gone,
    Input,
    Kept,
    Pause,
    Ready,
    Reload,
    Resume,
    Select,
    Session,
    Slept,
    Start,
    State,
    Step,
    Trim,
    Try,
    Unkept,
    Wake,
)

FORMAT: Final = 5

ROWS: Final = 32_768
"""The shipped profiles fill five a second, a mat full of waves fifty."""

TEXTS: Final = 1024 * 1024
"""Bytes for the condition and for what inputs carry."""

QUIET_MS: Final = 60_000
"""After this long without anything the next input begins a new record: nothing before it shows."""

GIVE_WAY_ROWS: Final = 64

KEPT: Final = 4
"""Incidents in the state folder; the oldest makes room."""

_MAGIC: Final = b"matring2"
_HEAD: Final = Struct("<8sIIQQQ")  # magic, process, bytes a row, rows, bytes of text, texts lost
_ROWS_AT, _TEXTS_AT, _LOST_AT = 16, 24, 32
_COUNT: Final = Struct("<Q")

_KINDS: Final = {kind: n for n, kind in enumerate(get_args(Input))}
_NAMES: Final = tuple(kind.__name__.lower() for kind in _KINDS)
_STATES: Final = (*State,)
_CONTACTS: Final = (*Contact,)
_NOTHING: Final = -1
"""The argument of an input that carries none, or more than there was room for."""
_FIRST_CONTACT: Final = -2
"""The argument of a look that saw no edges: this one for the first contact, and down from it."""


def _row_of(motors: int) -> Struct:
    """Milliseconds, input, its argument, state, levels, duties, and a bit a motor in its kick."""
    return Struct(f"<QBqB{motors}s{motors}sQ")


_MOTORS_AT: Final = _row_of(0).size
MOST_BYTES: Final = _HEAD.size + TEXTS + ROWS * _row_of(64).size
"""No ring is longer."""


def _told(row: Struct, data: bytes) -> bytes:
    """A row as a line of JSON."""
    at_ms, kind, number, state, levels, duties, kicks = row.unpack(data)
    told: object = "null" if number == _NOTHING else number
    if number <= _FIRST_CONTACT:
        told = f'"{_CONTACTS[_FIRST_CONTACT - number].value}"'
    motors = [i for i in range(len(levels)) if kicks >> i & 1] if kicks else []
    came = f'"{_STATES[state].value}",{[*levels]},{[*duties]},{motors}'
    # A list's own text is that of JSON; json takes four times as long.
    return f'[{at_ms},"{_NAMES[kind]}",{told},{came}]'.encode()


class Ring:
    """The memory-mapped file: a head, texts one after the other, and rows of one length, round and
    round. All of it is there from the start, so that writing never asks for room."""

    def __init__(self, path: str, motors: int) -> None:
        """Replaces what lies at `path`. Raises OSError where the file cannot be made.

        No path: no file, for a mock whose state folder ends with it: nobody would look for one.
        """
        row = _row_of(motors)
        self._width, self._pack_into = row.size, row.pack_into
        self._path = path
        size = _HEAD.size + TEXTS + ROWS * self._width
        if path:
            self._map = _map_file(path, size)
            self._file = os.lstat(path)
        else:
            self._map = mmap.mmap(-1, size)
        self._rows = self._texts_end = 0
        self._lines: dict[bytes, int] = {}
        _HEAD.pack_into(self._map, 0, _MAGIC, os.getpid(), self._width, 0, 0, 0)

    def begin(self, text: dict[str, object]) -> None:
        """Forgets all and begins with this line."""
        self._rows = self._texts_end = 0
        self._lines.clear()
        for at in (_ROWS_AT, _TEXTS_AT, _LOST_AT):
            _COUNT.pack_into(self._map, at, 0)
        self.tell(text)

    def tell(self, text: dict[str, object]) -> int:
        """The number of the line that says this, from 1; -1 when there is no room for it."""
        line = json.dumps(text, separators=(",", ":")).encode() + b"\n"
        if line in self._lines:
            return self._lines[line]
        end = self._texts_end + len(line)
        if end > TEXTS:
            self.lose()
            return _NOTHING
        self._map[_HEAD.size + self._texts_end : _HEAD.size + end] = line
        self._texts_end = end
        _COUNT.pack_into(self._map, _TEXTS_AT, end)
        self._lines[line] = len(self._lines) + 1
        return self._lines[line]

    def lose(self) -> None:
        """Something does not fit: what is kept can be read, and not be played again."""
        _COUNT.pack_into(self._map, _LOST_AT, 1)

    def write(
        self,
        at_ms: int,
        kind: int,
        argument: int,
        state: int,
        level_pct: Sequence[int],
        duty_pct: Sequence[int],
        kicks: Sequence[int],
    ) -> None:
        self._pack_into(
            self._map,
            _HEAD.size + TEXTS + self._rows % ROWS * self._width,
            at_ms,
            kind,
            argument,
            state,
            bytes(level_pct),
            bytes(duty_pct),
            sum([1 << motor for motor in kicks]) if kicks else 0,
        )
        self._rows += 1
        _COUNT.pack_into(self._map, _ROWS_AT, self._rows)

    def copy(self) -> bytes:
        """All that is written, as it lies there: one copy of memory, the rest is `lines`."""
        return self._map[: _HEAD.size + TEXTS + min(self._rows, ROWS) * self._width]

    def close(self) -> None:
        """The daemon ends by itself: nobody will look for the ring."""
        if self._path:
            with suppress(FileNotFoundError):  # logind removes a user's shared memory at logout
                if os.path.samestat(os.lstat(self._path), self._file):  # else it is another's
                    os.unlink(self._path)
        self._map.close()


def _map_file(path: str, size: int) -> mmap.mmap:
    if os.path.lexists(path):
        os.unlink(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            file.write(bytes(size))
            file.flush()
        return mmap.mmap(fd, 0)


def left_behind(path: str, process: str) -> bytes:
    """What a process that was killed left in its ring; nothing if the ring is not that one's."""
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return b""
            data = file.read(MOST_BYTES)
    except OSError:
        return b""
    if len(data) < _HEAD.size or data[:8] != _MAGIC or str(_HEAD.unpack_from(data)[1]) != process:
        return b""
    return data


def lines(ring: bytes, why: str) -> list[bytes]:
    """A ring's lines in the order of time, and a last one that says how much it is.

    Empty when nothing had happened yet.
    """
    _, _, width, count, texts_end, lost = _HEAD.unpack_from(ring)
    texts = ring[_HEAD.size : _HEAD.size + texts_end].splitlines()
    rows_at = _HEAD.size + TEXTS
    first = count - min(count, ROWS)
    begins = (rows_at + n % ROWS * width for n in range(first, count))
    row = _row_of((width - _MOTORS_AT) // 2)
    rows = []
    for begin in begins:
        rows.append(_told(row, ring[begin : begin + width]))
        if len(rows) % GIVE_WAY_ROWS == 0:
            time.sleep(0)  # this is the disk's thread, and the loop may want Python's lock
    last = {"why": why, "whole": not lost and not first, "lines": len(texts) + len(rows)}
    return [*texts, *rows, json.dumps(last).encode()] if texts else []


class Shelf:
    """The incidents that are kept in the state folder."""

    def __init__(self, folder: str, disk: Disk, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._disk = disk
        self._say = say
        # While the disk hangs only the newest waits.
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=1)

    def keep(self, why: str, ring: bytes) -> None:
        """Has the disk's thread put it aside and say where. Never waits."""
        self._waiting.append((why, ring))
        self._disk.submit(self._write)

    def _write(self) -> None:
        if not self._waiting:
            return
        why, ring = self._waiting.popleft()
        try:
            found = lines(ring, why) if ring else []
        except (error, IndexError):
            self._say("the record of the last minutes is damaged and is not kept")
            return
        if not found:
            return
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = os.path.join(self._folder, f"incident-{moment}-{why}.jsonl.gz")
        others = sorted(name for name in os.listdir(self._folder) if _KEPT_NAME.fullmatch(name))
        for name in others[: -(KEPT - 1)]:
            os.unlink(os.path.join(self._folder, name))
        with open(create_new(f"{path}.part"), "wb") as file:
            file.write(gzip.compress(b"\n".join([*found, b""])))
        os.replace(f"{path}.part", path)
        self._say(
            f"the last minutes are kept in {path}; `firmware-ctl simulate --replay {path}` plays "
            "them again"
        )


_KEPT_NAME: Final = re.compile(r"incident-.*\.jsonl\.gz(\.part)?")


class _Condition(NamedTuple):
    """All of an idle session that shows in what it does next."""

    since_ms: int
    catalogue: Catalogue
    selected: str
    trim_pct: int
    early_until_ms: int | None
    stopped_at_ms: int | None
    released: bool
    """The button was seen released, and has been since."""
    spent: Spent


class Recorder:
    """Watches the steps and fills the ring; keeps a copy when a fault comes, or when asked to.

    A wake that changes nothing, not even when the session wants to be asked again, had nothing to
    do and is left out. So an idle mat writes nothing.
    """

    def __init__(self, session: Session, ring: Ring, shelf: Shelf) -> None:
        self._session = session
        self._ring = ring
        self._shelf = shelf
        self._contact: Contact | None = None
        self._fault: Fault | None = None
        self._moment: tuple[object, ...] = ()
        self._row_at_ms = 0
        self._quiet: _Condition | None = self._condition()

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        if isinstance(event, Contacts):
            if event.contact is self._contact and not event.spells:
                event = Wake()
            else:
                self._contact = event.contact
        moment = session.state, step.level_pct, step.duty_pct, step.kicks, step.wake_at_ms
        if isinstance(event, Wake) and moment == self._moment and not step.notices:
            if now_ms - self._row_at_ms >= QUIET_MS and self._rests():
                self._quiet = self._condition()
            return
        if self._quiet is not None:
            self._begin(self._quiet)
            self._quiet = None
        self._moment, self._row_at_ms = moment, now_ms
        kind = type(event)
        self._ring.write(
            now_ms,
            _KINDS[kind],
            _NOTHING if kind is Wake else self._argument(event),
            _STATES.index(session.state),
            step.level_pct,
            step.duty_pct,
            step.kicks,
        )
        if session.fault is not self._fault:
            self._fault = session.fault
            if self._fault is not None:
                self.keep(f"fault-{self._fault.code}")

    def keep(self, why: str) -> None:
        self._shelf.keep(why, self._ring.copy())

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        told = self._fault is not None and self._fault.code == "internal"
        if error is not None and not isinstance(error, FirmwareError) and not told:
            self.keep("error")
        self._ring.close()

    def _rests(self) -> bool:
        session = self._session
        has_button = session.mat.button is not None
        is_idle = session.state is State.IDLE and not session.closed
        return is_idle and (session.button.is_released or not has_button)

    def _condition(self) -> _Condition:
        session = self._session
        selected = session.selected.name if session.selected else ""
        released = self._contact is Contact.RELEASED
        return _Condition(
            self._row_at_ms,
            session.catalogue,
            selected,
            session.trim_pct,
            session.early_until_ms,
            session.stopped_at_ms,
            released,
            session.spent,
        )

    def _begin(self, condition: _Condition) -> None:
        profiles = _profiles(condition.catalogue)
        self._ring.begin(
            {
                "incident": FORMAT,
                "program": __version__,
                "since_ms": condition.since_ms,
                "speed": self._session.speed,
                "selected": condition.selected,
                "trim": condition.trim_pct,
                "early_until_ms": condition.early_until_ms,
                "stopped_at_ms": condition.stopped_at_ms,
                "released": condition.released,
                "spent": tuple(condition.spent._replace(damage="")),
                "damage": bool(condition.spent.damage),
                "barred": bool(self._session.barred),
                "mat": self._session.mat.source.decode(),
                "profiles": profiles,
            }
        )
        if profiles is None:
            self._ring.lose()

    def _argument(self, event: Input) -> int:
        """What a row says of its input: a number, or that of the line that says it."""
        match event:
            case Contacts(contact, ()):
                return _FIRST_CONTACT - _CONTACTS.index(contact)
            case Contacts(contact, spells):
                told = [(*spell[:2], spell.contact.value) for spell in spells]
                return self._ring.tell({"contact": contact.value, "spells": told})
            case Trim(number) | Kept(number) | Slept(number) | Away(number) | Ready(number):
                return number
            case Start(None, None) | Pause(None) | Resume(None) | Clear(None):
                return _NOTHING
            case Start(name, arrived_at_ms):
                return self._ring.tell({"name": name, "arrived_at_ms": arrived_at_ms})
            case Select(name):
                return self._ring.tell({"name": name})
            case Try(_, words, arrived_at_ms):
                return self._ring.tell({"words": words, "arrived_at_ms": arrived_at_ms})
            case Pause(arrived_at_ms) | Resume(arrived_at_ms) | Clear(arrived_at_ms):
                return self._ring.tell({"arrived_at_ms": arrived_at_ms})
            case Fault(code, message, lasts):
                return self._ring.tell({"code": code, "message": message, "lasts": lasts})
            case Gone(code):
                return self._ring.tell({"code": code})
            case Unkept(number, why):
                return self._ring.tell({"number": number, "why": why})
            case Reload(catalogue):
                profiles = _profiles(catalogue)
                if profiles is None:
                    self._ring.lose()
                return self._ring.tell({"profiles": profiles})
        return _NOTHING


def _profiles(catalogue: Catalogue) -> dict[str, str] | None:
    """The files of all good profiles; None when they are too many for the ring."""
    good = [entry for entry in catalogue.entries if entry.timeline is not None]
    # As JSON a byte takes three at most; a quarter leaves room for the mat's file too.
    if sum(len(entry.source) for entry in good) > TEXTS // 4:
        return None
    return {entry.name: entry.source.decode() for entry in good}
