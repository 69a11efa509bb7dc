"""The serial protocol's promises about stops, starts, leases and answers, as a judge of a daemon.

Written from the contract alone. `Judge` is told what the daemon's loop read from each client and
when, what it wrote to each client and to the pins, and when a round of the loop ended. It knows
nothing of how the daemon works. Where the contract is silent the judge permits both.
"""

import re
import string
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from firmware_ctl.session.button import Contact

RESTART_MS: Final = 100
LOCK_MS: Final = 1_500
DEBOUNCE_MS: Final = 30
QUIET_MS: Final = 500
"""How long a noisy contact must rest released before the button counts again."""
MOST_CLIENTS: Final = 64
MOST_WAITING: Final = 1024
LONGEST_LINE: Final = 96
FLOOD_BYTES: Final = 16 * 1024
LEASE_SLACK_MS: Final = 100
"""A lapsed lease may stop the motors this much late."""
ROUNDS_TO_ACT: Final = 3
"""After an end of file or an eviction that ends a lease, motors are off after so many rounds."""
ROUNDS_TO_READ: Final = 60
"""Bytes that the kernel holds are read within so many rounds of the loop."""
MOST_BYTES: Final = 64 * 1024 * 2 + MOST_WAITING * (LONGEST_LINE + 1) + 16 * 1024
"""Of one connection: unread and unsent bytes, waiting requests, and some room."""


class BrokenPromiseError(AssertionError):
    """A promise that was not kept. `rule` is its short name."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


# --- what a client says ---------------------------------------------------------------------------


class Means(Enum):
    """What a piece of a client's bytes is by the contract."""

    STOP = "stop"
    MAYBE_STOP = "maybe a stop"
    START = "start"
    PRESS = "press"
    REQUEST = "request"
    NOTHING = "nothing"


class Said(NamedTuple):
    means: Means
    answer: re.Pattern[str] | None = None
    """The final line that it gets; None: it gets none."""
    renews: bool = False
    """It may renew a lease."""
    lease_s: int | None = None
    """It is a `lease` request for so many seconds."""
    is_line: bool = True
    is_loose: bool = False
    """It is a stop, but no valid request."""
    is_unsure: bool = False
    """The contract does not say whether this line gets an answer."""


_TOKENS: Final = re.compile(rb"[^!?\x00-\x1f\x7f-\xff]+|.", re.DOTALL)
_STOP_BYTES: Final = (b"!", b"\x18", b"\x03")
_STOP_WORDS: Final = ("stop", "off", "halt", "abort")
_PUNCTUATION: Final = string.punctuation + " "
_LIKE_AN_ANSWER: Final = re.compile(r"(ok|err)\b|\*|-")

_MOVER: Final = r"err (busy|not-ready|fault|allowance|not-here) .*"
_ANSWERS: Final = {
    name: (re.compile(arguments), re.compile(answer))
    for name, arguments, answer in (
        ("help", r"(\w+)?", "ok"),
        ("hello", "", "ok firmware-ctl .*"),
        ("caps", "", "ok"),
        ("profiles", "", r"ok count=\d+"),
        ("select", r"calm|quick|steps", r"ok profile=.*"),
        ("start", r"(calm|quick|steps)?", rf"ok profile=\S+ left=\d+|{_MOVER}"),
        ("try", r"(all|back|neck) steady \d+", rf"ok left=10|{_MOVER}"),
        ("press", r"(short|long)?", rf"ok|{_MOVER}"),
        ("pause", "", r"ok|err (not-running|fault) .*"),
        ("resume", "", r"ok|err (not-running|fault) .*"),
        ("trim", r"[1-9]\d|100", r"ok trim=\d+"),
        ("status", "", r"ok state=.*"),
        ("limits", "", r"ok session=.*"),
        ("events", "on|off", "ok"),
        ("lease", r"0|[1-9]|[1-5]\d|60", r"ok lease=\d+"),
        ("ping", "", "ok"),
        ("reload", "", r"ok count=\d+|err (busy|not-ready) .*"),
        ("clear", "", r"ok|err fault .*"),
        ("stop", "", "ok"),
    )
}
_ERROR: Final = re.compile(
    r"err (unknown-command|bad-argument|too-long|not-text|unknown-profile) .*"
)
_ANY_FINAL: Final = re.compile(r"(ok|err)\b.*")


_MEANS: Final = {
    "stop": Means.STOP,
    "start": Means.START,
    "try": Means.START,
    "press": Means.PRESS,
}


class Speech:
    """Puts a client's bytes together as the contract says; cut anywhere, the result is the same."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_flawed = self._has_query = self._is_strange = self._after_cr = False
        self._typed = 0
        self._escape = b""

    def hear(self, data: bytes) -> Iterator[Said]:
        for token in _TOKENS.findall(data):
            after_cr, self._after_cr = self._after_cr, token == b"\r"
            if token in _STOP_BYTES:
                self._drop()
                yield Said(Means.STOP, is_line=False)
            elif token == b"?":
                self._has_query = True
                yield Said(Means.REQUEST, renews=True, is_line=False)
            elif token in (b"\r", b"\n"):
                if not (token == b"\n" and after_cr):
                    yield self._ended()
            elif self._escape:
                self._swallow(token)
            elif len(token) > 1 or 0x20 <= token[0] <= 0x7E:
                self._line += token
                self._typed += len(token)
            elif token == b"\x15":
                self._drop()
            elif token in (b"\x08", b"\x7f"):
                del self._line[-1:]
            elif token == b"\x1b":
                self._escape = token
            elif not (token == b"\0" and after_cr):
                self._is_flawed = True

    def _swallow(self, token: bytes) -> None:
        """An arrow key is ESC [ A. Of all other sequences the contract says too little."""
        sequence = self._escape + token
        if sequence.startswith(b"\x1b[") and len(sequence) > 2 and sequence[2:3].isalpha():
            self._line += sequence[3:]
            self._typed += len(sequence[3:])
            self._escape = b""
        elif sequence == b"\x1b[":
            self._escape = sequence
        else:
            self._escape, self._is_strange = b"", True

    def _drop(self) -> None:
        self._line.clear()
        self._is_flawed = self._has_query = self._is_strange = False
        self._typed, self._escape = 0, b""

    def _ended(self) -> Said:
        text, typed = self._line.decode("ascii"), self._typed
        is_flawed, is_unsure = self._is_flawed, self._has_query or self._is_strange
        if typed or is_flawed or is_unsure:
            self._drop()
        return _meaning(text, typed > LONGEST_LINE, is_flawed, is_unsure)


_SILENCE: Final = Said(Means.NOTHING)


@lru_cache(512)
def _meaning(text: str, was_long: bool, is_flawed: bool, is_strange: bool) -> Said:
    """What a whole line is.

    `text` is what is left of it; `was_long`: so much was typed, and perhaps deleted again;
    `is_flawed`: a byte in it was no text; `is_strange`: the contract says too little of it.
    """
    ends_as_stop = text.rstrip(_PUNCTUATION).lower().endswith(_STOP_WORDS)
    if is_strange:
        means = Means.MAYBE_STOP if ends_as_stop else Means.NOTHING
        return Said(means, renews=True, is_unsure=True)
    if not text.strip() and not is_flawed:
        return _SILENCE
    is_too_long = len(text) > LONGEST_LINE
    is_unsure = was_long and not is_too_long
    is_clean = not is_flawed and not is_too_long
    name, _, arguments = text.strip().lower().partition(" ")
    shape, answer = _ANSWERS.get(name, (None, _ERROR))
    is_known = shape is not None and is_clean
    if is_known and shape.fullmatch(" ".join(arguments.split())):
        lease_s = {"lease": arguments.strip(), "hello": "0"}.get(name)
        seconds = None if lease_s is None else int(lease_s)
        return Said(_MEANS.get(name, Means.REQUEST), answer, True, seconds, is_unsure=is_unsure)
    if is_clean and _LIKE_AN_ANSWER.match(text):
        return Said(Means.MAYBE_STOP) if ends_as_stop else _SILENCE
    if ends_as_stop:
        return Said(Means.STOP, _ANY_FINAL, is_loose=True, is_unsure=is_unsure)
    means = Means.MAYBE_STOP if is_known and name == "stop" else Means.REQUEST
    return Said(means, _ANY_FINAL if is_known else _ERROR, is_known, is_unsure=is_unsure)


# --- what is known of a client --------------------------------------------------------------------


@dataclass(eq=False)
class Start:
    """A request that may move motors: it came in time, and no stop came after it."""

    by: "Known"
    is_answered: bool = False


@dataclass(eq=False)
class Known:
    """What the judge knows of one connection."""

    name: str
    is_guest: bool = True
    speech: Speech = field(default_factory=Speech)
    waiting: deque[tuple[Said, Start | None, int]] = field(default_factory=deque)
    """Requests without an answer yet, each with the start that it is and with its number."""
    bytes: int = 0
    asked: int = 0
    answered: int = 0
    told: bytearray = field(default_factory=bytearray)
    """What was written to it after the last whole line."""
    is_unsure: bool = False
    """Its answers cannot be counted: the contract says too little, or it did not read."""
    has_overflowed: bool = False
    joined_at_ms: int = 0
    heard_at_ms: int = 0
    answered_start_at_ms: int = 0
    heard_in_round: int = -1
    unread_since_round: int | None = None
    renewed_at_ms: int = 0
    lease_s: int = 0
    """The lease that was confirmed, or the longest of those that may hold."""
    is_lease_sure: bool = False
    has_leased: bool = False
    ended_in_round: int | None = None
    """The loop read its end, or turned it away."""
    is_seated: bool = False
    is_leaving: bool = False
    """It has to go, and is still read for stops, which may take several rounds."""
    is_closed: bool = False
    """By the daemon."""
    is_dead: bool = False
    """The client has closed or reset: nothing can be answered."""
    is_half_closed: bool = False
    joined_in_round: int = -1
    is_one_too_many: bool = False
    """It came when all seats were taken."""
    stopped_in_round: int = -1
    """Its stop was read in that round, while motors moved."""


class Judge:
    """Watches one world. Every broken promise is kept, and raised when the round ends."""

    def __init__(self, counts: Counter[str], motors: int, clock: Callable[[], int]) -> None:
        self.counts = counts
        self._clock = clock
        self.ignored: frozenset[str] = frozenset()
        self.broken: BrokenPromiseError | None = None
        self.round = 0
        self.is_ready = False
        self.duties = self._off = (0,) * motors
        self.known: list[Known] = []
        self._starts: dict[Known, set[Start]] = {}
        self._used_up_in_round = -1
        self._may_press = False
        """A `press` request may move the simulated button."""
        self._may_move_in_round = False
        self._stopped_at_ms: int | None = None
        self._unheeded: str = ""
        """The stop that came in this round while motors moved."""
        self._stopped_by = ""
        self._void: str = "no start came"
        """What became of the last start that may move nothing."""
        self.button = ButtonJudge()

    def fail(self, rule: str, message: str) -> None:
        if self.broken is None and rule not in self.ignored:
            self.broken = BrokenPromiseError(rule, f"at {self.now_ms} ms: {message}")

    @property
    def now_ms(self) -> int:
        return self._clock()

    @property
    def is_moving(self) -> bool:
        return any(self.duties)

    @property
    def _may_move(self) -> bool:
        return bool(self._starts) or self.button.may_move

    @property
    def owner(self) -> Known | None:
        """The client that started what runs, where that is beyond doubt."""
        is_sure = len(self._starts) == 1 and not self.button.may_move
        return next(iter(self._starts)) if is_sure else None

    # --- what the daemon does ---

    def ready(self) -> None:
        self.is_ready = True
        self.button.ready(self.now_ms)

    def wrote(self, duties: tuple[int, ...]) -> None:
        """The pins have these duties now."""
        if any(duties) and not self.is_moving:
            self.counts["motors begin to move"] += 1
            if not self._starts:
                self.counts["motors move by the button"] += 1
        if self.is_moving and not any(duties):
            self._count_lease()
        self.duties = duties
        if any(duties) and not (self._may_move_in_round or self._may_move):
            self.fail("moved", f"duties are {duties}, but {self._void}")

    def heard(self, known: Known, data: bytes) -> None:
        """The loop read these bytes of a client now."""
        known.heard_at_ms, known.heard_in_round = self.now_ms, self.round
        known.unread_since_round = None
        known.bytes += len(data)
        for said in known.speech.hear(data):
            self._hear(known, said)

    def _hear(self, known: Known, said: Said) -> None:
        if said is _SILENCE:
            self.counts["lines without an answer"] += 1
            return
        if said.renews:
            known.renewed_at_ms = self.now_ms
        if said.lease_s is not None:
            known.lease_s = max(known.lease_s, said.lease_s)
            known.is_lease_sure = False
        start = None
        if said.means is Means.STOP:
            self._stop(known, said)
        elif said.means in (Means.START, Means.PRESS):
            start = self._start(known, said)
        if said.is_unsure:
            known.is_unsure = True
        if said.is_line and said.answer is not None:
            known.asked += 1
            known.waiting.append((said, start, self.round))
            if len(known.waiting) > MOST_WAITING:
                known.has_overflowed = True

    def _start(self, known: Known, said: Said) -> Start | None:
        is_late = self._stopped_at_ms is not None and (
            self.now_ms - self._stopped_at_ms < RESTART_MS
        )
        if not self.is_ready:
            self.counts["starts before ready"] += 1
            if known.waiting:
                self.counts["starts before ready that waited"] += 1
            self._void = f"the start of {known.name} came before ready"
            return None
        if is_late:
            self.counts["starts too soon after a stop"] += 1
            if known.waiting:
                self.counts["starts too soon after a stop that waited"] += 1
            after_ms = self.now_ms - (self._stopped_at_ms or 0)
            self._void = f"the start of {known.name} came {after_ms} ms after {self._stopped_by}"
            return None
        self._may_move_in_round = True
        if said.means is Means.PRESS:
            self._may_press = True
            return None
        start = Start(known)
        self._starts.setdefault(known, set()).add(start)
        return start

    def _forget(self, start: Start) -> None:
        """It moves nothing any more."""
        starts = self._starts.get(start.by, set())
        starts.discard(start)
        if not starts:
            self._starts.pop(start.by, None)

    def _stop(self, known: Known, said: Said) -> None:
        if any(by.waiting for by in self._starts) and not self.is_moving:
            self.counts["stops before a waiting start"] += 1
        kind = "loose line" if said.is_loose else "line" if said.is_line else "byte"
        self._stopped_by = f"a stop ({kind}) of {known.name}"
        if self._starts or self._may_press:
            self._void = f"{self._stopped_by} came after the last start"
        if self.is_moving:
            self.counts[f"stops by a {kind}"] += 1
            if known.is_dead:
                self.counts["stops of a dead sender"] += 1
            if known.bytes > FLOOD_BYTES:
                self.counts["stops behind a flood"] += 1
            if known.is_one_too_many:
                self.counts["stops of a newcomer to a full house"] += 1
            known.stopped_in_round = self.round
            gone = ", who has gone," if known.is_dead else ""
            self._unheeded = f"{known.name}{gone} sent a stop ({kind})"
        self._revoke()

    def _revoke(self) -> None:
        self._stopped_at_ms = self.now_ms
        self._starts.clear()
        self._may_press = False
        self.button.stopped()

    def touched(self, at_ms: int, contact: Contact) -> None:
        """The loop was told of an edge of the button."""
        is_press = self.button.edge(at_ms, contact)
        if is_press and self.is_moving:
            self.counts["stops by the button"] += 1
            self._unheeded = "the button was pressed"
            # Without a start it may have been a signal felt while idle. To end one is no stop, and
            # the press that ended it may still be held to select another profile.
            self.button.may_move = False
            if self._starts:
                self._stopped_by = "a press of the button"
                self._void = "a press of the button came after the last start"
                self._revoke()
                self.button.lock(at_ms)
        if self.button.is_noisy:
            self.counts["edges of noise"] += 1
            self._void = "the button's contact is noisy"

    def pressed(self) -> None:
        """A `press` request moved the simulated button."""
        if not self._may_press:
            self.fail("moved", "a press that came before ready or too near a stop was done")

    def wrote_to(self, known: Known, data: bytes) -> None:
        known.told += data
        *lines, rest = bytes(known.told).split(b"\r\n")
        known.told = bytearray(rest)
        for line in lines:
            self._answered(known, line.decode("ascii"))

    def _answered(self, known: Known, line: str) -> None:
        if line.startswith("* dropped="):
            known.is_unsure = True
        if not line.startswith(("ok", "err")):
            return
        overflow = re.fullmatch(r"err overflow dropped=(\d+)\b.*", line)
        if overflow:
            self.counts["overflows told"] += 1
            if not known.has_overflowed and not known.is_unsure:
                self.fail("answers", f"{known.name} is told {line!r} with few requests waiting")
            known.answered += int(overflow[1])
            return
        if line.startswith("err overflow"):
            return  # turned away
        known.answered += 1
        if not known.waiting:
            if not (known.is_unsure or known.has_overflowed):
                self.fail("answers", f"{known.name} got {line!r} and asked nothing")
                known.is_unsure = True
            return
        said, start, asked_in_round = known.waiting.popleft()
        if known.has_overflowed or known.is_unsure:
            return
        assert said.answer is not None
        self.counts["answers compared"] += 1
        if not said.answer.fullmatch(line):
            known.is_unsure = True
            self.fail("answers", f"{known.name} got {line!r}, not {said.answer.pattern!r}")
        if said.lease_s is not None:
            known.lease_s, known.is_lease_sure = said.lease_s, True
            known.has_leased = said.lease_s > 0
        if said.means is Means.START:
            known.answered_start_at_ms = self.now_ms
            if asked_in_round < self.round:
                self.counts["starts that waited"] += 1
            if start is not None:
                start.is_answered = True
                if line.startswith("err"):
                    self._forget(start)

    def joined(self, known: Known) -> None:
        known.joined_at_ms = known.heard_at_ms = self.now_ms
        known.joined_in_round = self.round
        known.is_seated = True
        if self._seats() > MOST_CLIENTS:
            known.is_one_too_many = True

    def descriptors_are_used_up(self) -> None:
        """A client could not be accepted: another one may have to go."""
        self._used_up_in_round = self.round
        self.counts["clients for whom no descriptor was left"] += 1

    def read_end(self, known: Known) -> None:
        """The loop came to the end of what this client sent."""
        if known.ended_in_round is None:
            known.ended_in_round = self.round

    def closed(self, known: Known, unread: bytes) -> None:
        """The daemon closed this connection, while it goes on."""
        was_full = (
            self._used_up_in_round == self.round
            or sum(k.is_guest and k.is_seated for k in self.known) >= MOST_CLIENTS
        )
        is_new = known.joined_in_round == self.round
        known.is_closed, known.is_seated = True, False
        known.unread_since_round = None
        if unread:
            said = [said for said in known.speech.hear(unread) if said.means is Means.STOP]
            what = "with a stop in it" if said else "of no stop"
            self.fail("unread", f"{known.name} was closed with {len(unread)} bytes unread, {what}")
        if known.is_dead or known.ended_in_round is not None:
            if known.is_half_closed and not known.is_dead:
                self._expect_all_answered(known)
            return
        known.ended_in_round = self.round
        if known.is_leaving:
            self.counts["clients that went in several rounds"] += 1
        elif not was_full:
            self.fail("seat", f"{known.name} was closed although there was a seat for it")
        elif is_new:
            self.fail("seat", f"{known.name} got no seat although others than the owner have one")
        else:
            self.counts["evictions"] += 1
            if known.has_leased:
                self.counts["evictions of clients with a lease"] += 1
            if known.stopped_in_round == self.round:
                self.counts["stops of an evicted client"] += 1
            self._look_at_eviction(known)

    def _look_at_eviction(self, known: Known) -> None:
        if known is self.owner and self.is_moving:
            self.fail("seat", f"{known.name} was evicted although it owns the running session")
        heard_at_ms = known.heard_at_ms
        if known.heard_in_round == self.round:
            return  # its last bytes were read only to look for a stop
        for other in self.known:
            may_own = other in self._starts
            is_free = other.is_guest and other.is_seated and not (may_own or other is known)
            is_free = is_free and not other.is_leaving
            if not is_free or other.is_dead or other.heard_in_round == self.round:
                continue
            if max(other.heard_at_ms, other.answered_start_at_ms) < heard_at_ms:
                self.fail("seat", f"{known.name} was evicted, but {other.name} was silent longer")

    def _seats(self) -> int:
        return sum(
            k.is_guest and k.is_seated and not (k.is_dead or k.is_leaving) for k in self.known
        )

    def _expect_all_answered(self, known: Known) -> None:
        if known.is_unsure:
            return
        self.counts["clients whose answers are complete"] += 1
        if known.answered != known.asked:
            self.fail(
                "answers", f"{known.name} got {known.answered} answers to {known.asked} requests"
            )

    # --- the world around it ---

    def holds(self, known: Known) -> None:
        """The kernel holds bytes of this client, or its end, that the loop has not read."""
        if known.unread_since_round is None:
            known.unread_since_round = self.round
        elif self.round - known.unread_since_round > ROUNDS_TO_READ:
            self.fail("unread", f"bytes of {known.name} are not read")

    def held_bytes(self, known: Known, size: int) -> None:
        self.counts["measurements of memory"] += 1
        if size > MOST_BYTES:
            self.fail("memory", f"{known.name} takes {size} bytes")

    def round_ends(self) -> None:
        """The loop is about to wait: what it read before has been acted on."""
        if self.is_moving and not self._may_move:
            why = self._unheeded or self._void
            rule = "stop" if self._unheeded else "moved"
            self.fail(rule, f"duties are {self.duties} at the round's end, but {why}")
        self._look_at_lease()
        if self._seats() > MOST_CLIENTS:
            self.fail("seat", f"{self._seats()} clients are connected")
        if self.broken is not None:
            raise self.broken
        if not self.is_moving:
            self._unheeded = ""

    def round_begins(self) -> None:
        """The loop has waited."""
        self.round += 1
        self.button.look(self.now_ms)
        self._may_move_in_round = self._may_move

    def _look_at_lease(self) -> None:
        """The session of a client whose lease lapsed, or who has gone, is over."""
        owner = self.owner
        if owner is None or not owner.is_lease_sure or not owner.lease_s:
            self._overdue = None
            return
        lapsed_ms = self.now_ms - owner.renewed_at_ms - owner.lease_s * 1000
        why = f"the lease of {owner.name} lapsed {lapsed_ms} ms ago"
        if owner.ended_in_round is not None:
            why = f"{owner.name} has a lease and has gone"
        elif lapsed_ms <= LEASE_SLACK_MS:
            self._overdue = None
            return
        if self._overdue is None or self._overdue[0] is not owner:
            self._overdue = owner, self.round
        if self.round - self._overdue[1] < ROUNDS_TO_ACT:
            return
        if self.is_moving:
            self.fail("lease", f"{why}, and the session that it started runs")
        # Of a lease that lapses while the start still waits the contract says nothing.
        for start in list(self._starts.get(owner, ())):
            if start.is_answered or owner.ended_in_round is not None:
                self._forget(start)

    _overdue: tuple[Known, int] | None = None
    """Whose session has to end, and since which round."""

    def _count_lease(self) -> None:
        """Motors have stopped: because of a lease?"""
        owner = self.owner
        if owner is None or not owner.is_lease_sure or not owner.lease_s:
            return
        if owner.ended_in_round is not None:
            self.counts["leases ended by going"] += 1
        elif self.now_ms - owner.renewed_at_ms >= owner.lease_s * 1000:
            is_beside = owner.heard_at_ms > owner.renewed_at_ms
            self.counts["leases lapsed beside bytes" if is_beside else "leases lapsed"] += 1

    def told(self, line: str) -> None:
        """A line of the daemon's log."""
        if line.startswith("* ready"):
            self.ready()
        elif line.startswith("event=state state=idle"):
            # What began is over: whatever moves now, an answered start is not the reason.
            for start in [start for starts in self._starts.values() for start in starts]:
                if start.is_answered:
                    self._forget(start)

    def daemon_ends(self) -> None:
        """The process is gone, and with it all that it was told; its pins are released."""
        if self.is_moving:
            self.counts["ends while motors move"] += 1
        self.duties = self._off
        self.is_ready = False
        self._starts.clear()
        self._may_press = False
        self._stopped_at_ms = None
        self._unheeded = ""
        self._may_move_in_round = False
        self.button = ButtonJudge(self.button.contact, self.button.edge_at_ms)
        for known in self.known:
            known.is_dead = known.is_closed = True
            known.is_seated = False
            known.unread_since_round = None

    def play_ends(self) -> None:
        """All has been served; nothing waits for a disk or for profiles."""
        for known in self.known:
            if not (known.is_closed or known.is_dead):
                self._expect_all_answered(known)
        if self.broken is not None:
            raise self.broken


class ButtonJudge:
    """Whether a press may move motors: an upper bound from the edges that the loop was told of."""

    def __init__(self, contact: Contact = Contact.RELEASED, edge_at_ms: int = -10_000) -> None:
        self.contact = contact
        self.edge_at_ms = edge_at_ms
        self.is_noisy = False
        self.may_move = False
        self._spell_at_ms = edge_at_ms
        self._pressed_at_ms: int | None = None
        """When the press began that may count; None: there is none."""
        self._locked_at_ms: int | None = None
        self._is_ready = False

    def ready(self, at_ms: int) -> None:
        self._is_ready = True
        self._pressed_at_ms = None

    def edge(self, at_ms: int, contact: Contact) -> bool:
        """Takes an edge; True: it is a press, which stops whatever moves."""
        self.look(at_ms)
        if contact is self.contact:
            return False
        rested_ms = at_ms - self.edge_at_ms
        if rested_ms >= DEBOUNCE_MS:
            self._spell_at_ms = at_ms
        elif at_ms - self._spell_at_ms > DEBOUNCE_MS:
            self.is_noisy = True
            self.may_move = False
            self._pressed_at_ms = None
        is_rested = self.contact is Contact.RELEASED and rested_ms >= DEBOUNCE_MS
        if is_rested and self._is_ready and not self.is_noisy:
            is_locked = self._locked_at_ms is not None and (
                at_ms - max(self._locked_at_ms, self.edge_at_ms) < LOCK_MS
            )
            if not is_locked:
                self._locked_at_ms = None
                self._pressed_at_ms = at_ms
        self.contact, self.edge_at_ms = contact, at_ms
        return contact is Contact.PRESSED

    def look(self, now_ms: int) -> None:
        """Time has passed without an edge."""
        rested_ms = now_ms - self.edge_at_ms
        if self.contact is Contact.RELEASED and rested_ms >= QUIET_MS:
            self.is_noisy = False
        if self.contact is Contact.PRESSED and rested_ms >= DEBOUNCE_MS and self._pressed_at_ms:
            self.may_move = True

    def stopped(self) -> None:
        self.may_move = False
        self._pressed_at_ms = None

    def lock(self, at_ms: int) -> None:
        self._locked_at_ms = at_ms
