"""The flight recorder: what the session was given and what that changed, kept across a SIGKILL.

The record is JSON lines in two files of bounded size, the halves of a ring. A half begins with a
snapshot of the session, and each input adds a line. A wake is the input that only says that time
has passed: it gets a line if it changed the state or gave a notice, such as a phase or the end.
`replay` makes the other wakes again. The session's steps depend on when it was woken, so each line
counts the wakes since the line before, and notes by how much they were late.
"""

import gzip
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Final, get_args

from firmware_ctl import __version__
from firmware_ctl.errors import FirmwareError, WarningLine
from firmware_ctl.limits import HOUR_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Contacts,
    Fault,
    Input,
    Notice,
    Reload,
    SessionStatus,
    State,
    Step,
    Try,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.files import atomic_write
from firmware_ctl.storage.ring import HALF_BYTES, Half, Ring, as_line
from firmware_ctl.timeline.catalogue import Catalogue

FORMAT: Final = 9

PROFILES_BYTES: Final = HALF_BYTES // 8
"""The most bytes of profile files in one line. JSON writes a byte as three at most, so a snapshot
with the mat file and the line of a reload fit into one half."""

QUIET_MS: Final = 60_000
"""After this long without a change, the next input begins a half with a new snapshot."""

WAKES_MAX: Final = 128
"""The most entries in a line's count of wakes. A line is written before there are more."""

GIVE_WAY_LINES: Final = 64
"""After so many lines the disk thread lets the loop have Python's lock."""

KEPT: Final = 4
"""Incidents in the state folder. The oldest is removed for a new one."""

EVENTS: Final = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower(): kind for kind in get_args(Input)
}
"""Every kind of input by its name in a record, such as `ledger saved`."""

_NAMES: Final = {kind: name for name, kind in EVENTS.items()}
_WAKE: Final = Wake()
_KEPT_NAME: Final = re.compile(r"incident-.*\.jsonl\.gz(\.part)?")


def lines(halves: Sequence[Half], why: str) -> list[bytes]:
    """The lines of an incident in the order of time, and a last one that counts them.

    Empty if no half has a line. Raises ValueError if a half is damaged.
    """
    can_replay: list[bool] = []
    for half in halves:
        for number, line in enumerate(half):
            record = json.loads(line)
            if not isinstance(record, dict) or ("incident" in record) != (number == 0):
                raise ValueError("neither a snapshot nor a line after it")
            if number == 0:
                can_replay.append(record.get("can_replay") is True)
            if number % GIVE_WAY_LINES == 0:
                time.sleep(0)  # Gives Python's lock to the loop, if the loop waits for it.
    if can_replay == [False, True]:
        # Replay cannot begin in the middle of a session, where the older half begins. The newer
        # half begins at rest, so it is kept alone.
        halves, can_replay = halves[1:], can_replay[1:]
    all_lines = [line for half in halves for line in half]
    last = {"why": why, "whole": all(can_replay[:1]), "lines": len(all_lines)}
    return [*all_lines, as_line(last)] if all_lines else []


class Shelf:
    """The incidents that are kept in the state folder."""

    def __init__(self, folder: str, disk: Disk, log: Callable[[str], None]) -> None:
        self._folder = folder
        self._disk = disk
        self._log = log
        # While the disk hangs, a newer incident replaces the one that waits: memory is bounded.
        self._waiting: deque[tuple[str, Sequence[Half]]] = deque(maxlen=1)

    def keep(self, why: str, halves: Sequence[Half]) -> None:
        """Queues an incident for the disk thread, which logs where it was saved. Never waits."""
        self._waiting.append((why, halves))
        self._disk.submit(self._write)

    def _write(self) -> None:
        if not self._waiting:
            return
        why, halves = self._waiting.popleft()
        try:
            incident = lines(halves, why)
        except (ValueError, RecursionError):
            self._log(WarningLine("the record of the last minutes is damaged and is not kept"))
            return
        if not incident:
            return
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = os.path.join(self._folder, f"incident-{moment}-{why}.jsonl.gz")
        others = sorted(name for name in os.listdir(self._folder) if _KEPT_NAME.fullmatch(name))
        for name in others[: -(KEPT - 1)]:
            os.unlink(os.path.join(self._folder, name))
        # Not durable: a start waits for its ledger, which this thread writes after this file.
        atomic_write(path, gzip.compress(b"".join(incident)), durable=False)
        self._log(
            f"the last minutes are kept in {path}; `firmware-ctl simulate --replay {path}` plays "
            "them again"
        )


class FlightRecorder:
    """Watches the steps, writes the ring, and keeps an incident on a fault or when asked to."""

    def __init__(self, session: Session, ring: Ring, shelf: Shelf) -> None:
        self._session = session
        self._ring = ring
        self._shelf = shelf
        self._contact: Contact | None = None
        self._fault: Fault | None = None
        self._last = Step((), (), (), None, SessionStatus(State.IDLE))
        """The last step that changed something."""
        self._at_ms = 0
        """The time of `_last`."""
        self._wakes: list[list[int]] = []
        """The wakes that changed something since the last line, in their order: how many, and by
        how many ms each came later than the session had asked for."""
        self._written: dict[str, object] = {}
        """The results that the last line of this half recorded. Empty: the half has no line yet."""
        self._haptic_at_ms: int | None = None
        """The time of the last idle haptic. None: there was none."""
        self._snapshot: dict[str, object] | None = self._take_snapshot()
        """The snapshot with which the next input begins a half. None: the present half goes on."""

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if isinstance(event, Contacts):
            # An unchanged contact reading is just a tick, and replay plays it as one.
            if event.contact is self._contact and not event.spells:
                event = _WAKE
            else:
                self._contact = event.contact
        if isinstance(event, Wake) and not step.notices:
            if _is_same(step, self._last):
                is_quiet = now_ms - self._at_ms >= QUIET_MS
                if is_quiet and self._snapshot is None and self._is_at_rest(now_ms):
                    self._snapshot = self._take_snapshot()
                return
            if self._snapshot is None and step.status.state is self._last.status.state:
                self._count_wake(now_ms)
                self._last, self._at_ms = step, now_ms
                return
        if self._snapshot is not None:
            self._flush()
            self._begin(self._snapshot)
            self._snapshot = None
        self._last, self._at_ms = step, now_ms
        self._record(event, step.notices)
        if step.status.fault is not self._fault:
            self._fault = step.status.fault
            if self._fault is not None:
                self.keep(f"fault-{self._fault.code}")

    def keep(self, why: str) -> None:
        """Queues the record as an incident. Never waits."""
        self._flush()
        self._shelf.keep(why, self._ring.copy())

    def __enter__(self) -> "FlightRecorder":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        is_kept = self._fault is not None and self._fault.code == "internal"
        if error is not None and not isinstance(error, FirmwareError) and not is_kept:
            self.keep("error")
        self._ring.close()

    def _count_wake(self, now_ms: int) -> None:
        due_ms = self._last.wake_at_ms
        late_ms = now_ms - (self._at_ms if due_ms is None else due_ms)
        if self._wakes and self._wakes[-1][1] == late_ms:
            self._wakes[-1][0] += 1
            return
        if len(self._wakes) == WAKES_MAX:
            self._flush()
        self._wakes.append([1, late_ms])

    def _flush(self) -> None:
        """Writes the counted wakes: the last one as a line, which counts those before it."""
        if self._wakes:
            self._wakes[-1][0] -= 1
            if not self._wakes[-1][0]:
                self._wakes.pop()
            self._record(_WAKE, ())

    def _record(self, event: Input, notices: Sequence[Notice]) -> None:
        """Writes the line of the step `_last`, which `event` led to."""
        is_idle = self._last.status.state is State.IDLE
        if is_idle and any(notice.fields.get("signal") for notice in notices):
            self._haptic_at_ms = self._at_ms
        line = self._line(event, notices)
        if not self._ring.has_room(line):
            # This half begins in the middle of a session, so replay needs the older half as well.
            self._begin(self._head() | {"can_replay": False})
            line = self._line(event, notices)
        self._ring.append(line)
        self._written, self._wakes = _results(self._last), []

    def _line(self, event: Input, notices: Sequence[Notice]) -> bytes:
        record: dict[str, object] = {"at_ms": self._at_ms, "event": _NAMES[type(event)]}
        record |= _values(event)
        if self._wakes:
            record["wakes"] = self._wakes
        for name, value in _results(self._last).items():
            if self._written.get(name) != value:
                record[name] = value
        if notices:
            record["notices"] = [{"kind": notice.kind, **notice.fields} for notice in notices]
        return as_line(record)

    def _begin(self, snapshot: dict[str, object]) -> None:
        self._ring.begin(snapshot)
        self._written = {}

    def _is_at_rest(self, now_ms: int) -> bool:
        """Whether a snapshot would hold everything that decides what the session does next."""
        session = self._session
        if session.state is not State.IDLE or session.status.is_closed:
            return False
        if session.mat.button is not None and not session.button.is_released:
            return False
        # The haptics of an hour are limited, and a snapshot does not hold how many there were.
        haptic_at_ms = self._haptic_at_ms
        return haptic_at_ms is None or (now_ms - haptic_at_ms) * session.speed > HOUR_MS

    def _head(self) -> dict[str, object]:
        mat = self._session.mat.source.decode()
        return {"incident": FORMAT, "program": __version__, "mat": mat}

    def _take_snapshot(self) -> dict[str, object]:
        """Everything that decides what a session at rest does next, as of `_at_ms`."""
        session = self._session
        spent = session.spent
        profiles = _profiles(session.catalogue)
        return self._head() | {
            "can_replay": profiles is not None,
            "since_ms": self._at_ms,
            "speed": session.speed,
            "selected": session.selected.name if session.selected else "",
            "wanted": session.wanted,
            "trim_pct": session.trim_pct,
            "asked_until_ms": session.arrivals.early_until_ms,
            "stopped_at_ms": session.arrivals.stopped_at_ms,
            "is_released": self._contact is Contact.RELEASED,
            "used_ms": spent.used_ms,
            "day_began_at_ms": spent.day_began_at_ms,
            "may_renew": spent.may_renew,
            "is_ledger_damaged": bool(spent.damage),
            "is_start_inhibited": bool(session.start_inhibited_because),
            "profiles": profiles,
        }


def _is_same(step: Step, before: Step) -> bool:
    """Whether a wake with this step changed nothing. It is called in every tick."""
    return (
        step.wake_at_ms == before.wake_at_ms
        and step.level_pct == before.level_pct
        and step.duty_pct == before.duty_pct
        and step.kicks == before.kicks
        and step.status.state is before.status.state
    )


def _results(step: Step) -> dict[str, object]:
    """What a line records of a step, beside its notices."""
    return {
        "state": step.status.state.value,
        "level_pct": step.level_pct,
        "duty_pct": step.duty_pct,
        "kicks": step.kicks,
    }


def _values(event: Input) -> dict[str, object]:
    """What an input carries, by the names of its fields; None is left out."""
    match event:
        case Contacts(contact, spells):
            values: dict[str, object] = {"contact": contact.value}
            if spells:
                values["spells"] = [(*spell[:2], spell.contact.value) for spell in spells]
            return values
        case Try(_, words, arrived_at_ms, by):
            values = {"words": words, "arrived_at_ms": arrived_at_ms, "by": by}
        case Reload(catalogue, by):
            return {"profiles": _profiles(catalogue)} | ({} if by is None else {"by": by})
        case _:
            values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: value for name, value in values.items() if value is not None}


def _profiles(catalogue: Catalogue) -> dict[str, str] | None:
    """Name → file of each good profile. None: together they exceed `PROFILES_BYTES`."""
    good = catalogue.good
    if sum(len(entry.source) for entry in good) > PROFILES_BYTES:
        return None
    return {entry.name: entry.source.decode() for entry in good}
