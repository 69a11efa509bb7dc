"""A judge of the daemon: checks what the serial protocol promises about stops, starts, leases, answers.

The contract is docs/protocol.md, and the judge is written from it alone. The simulated world reports
to `Judge` which bytes the daemon's loop read from each client and when, what the daemon wrote to each
client and to the pins, and when a round of the loop ended. The judge knows nothing of how the daemon
works. Where the contract does not specify a behaviour, the judge permits every behaviour.
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
"""After noise the contact must rest released for this long before a press counts again."""
MOST_CLIENTS: Final = 64
MOST_WAITING: Final = 1024
LONGEST_LINE: Final = 96
FLOOD_BYTES: Final = 16 * 1024
LEASE_SLACK_MS: Final = 100
"""A lapsed lease may stop the motors up to this much later."""
ROUNDS_TO_ACT: Final = 3
"""If an end of file or an eviction ends a lease, motors are off after this many rounds of the loop."""
ROUNDS_TO_READ: Final = 60
"""The loop reads bytes that the kernel holds within this many rounds."""
MOST_BYTES: Final = 64 * 1024 * 2 + MOST_WAITING * (LONGEST_LINE + 1) + 16 * 1024
"""Memory limit of one connection: unread and unsent bytes, unanswered requests, and a margin."""


class ContractViolationError(AssertionError):
    """The daemon broke the contract. `rule` is the short name of the broken rule."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


# --- messages of a client -------------------------------------------------------------------------


class Meaning(Enum):
    """What a line or a single byte of a client means by the contract."""

    STOP = "stop"
    MAYBE_STOP = "perhaps a stop"
    START = "start"
    PRESS = "press"
    REQUEST = "request"
    NOTHING = "nothing"


class Message(NamedTuple):
    """A line or a single byte that a client sent."""

    meaning: Meaning
    answer: re.Pattern[str] | None = None
    """Matches the final line of the answer. None if the daemon does not answer the message."""
    renews_lease: bool = False
    """The message may renew a lease."""
    lease_s: int | None = None
    """The seconds of a `lease` request. None for every other message."""
    is_line: bool = True
    is_loose_stop: bool = False
    """The message is a stop, but not a valid request."""
    is_answer_unspecified: bool = False
    """The contract does not specify whether this line gets an answer."""


_TOKENS: Final = re.compile(rb"[^!?\x00-\x1f\x7f-\xff]+|.", re.DOTALL)
_STOP_BYTES: Final = (b"!", b"\x18", b"\x03")
_STOP_WORDS: Final = ("stop", "off", "halt", "abort")
_PUNCTUATION: Final = string.punctuation + " "
_LIKE_AN_ANSWER: Final = re.compile(r"(ok|err)\b|\*|-")

_MOVER_ANSWER: Final = r"err (busy|not-ready|fault|allowance|not-here) .*"
_ANSWERS: Final = {
    name: (re.compile(arguments), re.compile(answer))
    for name, arguments, answer in (
        ("help", r"(\w+)?", "ok"),
        ("hello", "", "ok firmware-ctl .*"),
        ("caps", "", "ok"),
        ("profiles", "", r"ok count=\d+"),
        ("select", r"calm|quick|steps|[123]", r"ok profile=.*"),
        ("start", r"(calm|quick|steps|[123])?", rf"ok profile=\S+ left=\d+|{_MOVER_ANSWER}"),
        ("try", r"(all|back|neck) steady \d+", rf"ok left=10|{_MOVER_ANSWER}"),
        ("press", r"(short|long)?", rf"ok|{_MOVER_ANSWER}"),
        ("pause", "", r"ok|err (not-running|fault) .*"),
        ("resume", "", r"ok|err (not-running|fault) .*"),
        ("trim", r"[1-9]\d|100", r"ok trim=\d+"),
        ("status", "", r"ok state=.*"),
        ("limits", "", r"ok session=.*"),
        ("events", "on|off", "ok"),
        ("lease", r"0|[1-9]|[1-5]\d|60", r"ok lease=\d+"),
        ("ping", "", "ok"),
        ("reload", "", r"ok count=\d+( refused=\d+)?|err (busy|not-ready) .*"),
        ("clear", "", r"ok|err fault .*"),
        ("stop", "", "ok"),
    )
}
_ERROR: Final = re.compile(
    r"err (unknown-command|bad-argument|too-long|not-text|unknown-profile) .*"
)
_ANY_FINAL: Final = re.compile(r"(ok|err)\b.*")


_MEANING_OF_COMMAND: Final = {
    "stop": Meaning.STOP,
    "start": Meaning.START,
    "try": Meaning.START,
    "press": Meaning.PRESS,
}


class MessageParser:
    """Assembles a client's bytes into messages. The result does not depend on how the bytes are cut."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._has_bad_byte = self._has_query = self._has_unspecified_escape = self._after_cr = False
        self._typed_chars = 0
        self._escape_sequence = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        for token in _TOKENS.findall(data):
            after_cr, self._after_cr = self._after_cr, token == b"\r"
            if token in _STOP_BYTES:
                self._drop_line()
                yield Message(Meaning.STOP, is_line=False)
            elif token == b"?":
                self._has_query = True
                yield Message(Meaning.REQUEST, renews_lease=True, is_line=False)
            elif token in (b"\r", b"\n"):
                if not (token == b"\n" and after_cr):
                    yield self._finish_line()
            elif self._escape_sequence:
                self._skip_escape_sequence(token)
            elif len(token) > 1 or 0x20 <= token[0] <= 0x7E:
                self._line += token
                self._typed_chars += len(token)
            elif token == b"\x15":
                self._drop_line()
            elif token in (b"\x08", b"\x7f"):
                del self._line[-1:]
            elif token == b"\x1b":
                self._escape_sequence = token
            elif not (token == b"\0" and after_cr):
                self._has_bad_byte = True

    def _skip_escape_sequence(self, token: bytes) -> None:
        """Skips an arrow key, such as ESC [ A. The contract does not specify other escape sequences."""
        sequence = self._escape_sequence + token
        if sequence.startswith(b"\x1b[") and len(sequence) > 2 and sequence[2:3].isalpha():
            self._line += sequence[3:]
            self._typed_chars += len(sequence[3:])
            self._escape_sequence = b""
        elif sequence == b"\x1b[":
            self._escape_sequence = sequence
        else:
            self._escape_sequence, self._has_unspecified_escape = b"", True

    def _drop_line(self) -> None:
        self._line.clear()
        self._has_bad_byte = self._has_query = self._has_unspecified_escape = False
        self._typed_chars, self._escape_sequence = 0, b""

    def _finish_line(self) -> Message:
        text, typed_chars = self._line.decode("ascii"), self._typed_chars
        has_bad_byte, is_answer_unspecified = (
            self._has_bad_byte,
            self._has_query or self._has_unspecified_escape,
        )
        if typed_chars or has_bad_byte or is_answer_unspecified:
            self._drop_line()
        return _parse_line(text, typed_chars > LONGEST_LINE, has_bad_byte, is_answer_unspecified)


_IGNORED: Final = Message(Meaning.NOTHING)

_COMMANDS: Final = (*_ANSWERS, "echo", "explain")


def _is_slip(text: str) -> bool:
    """Whether the first word is one slip away from a stop word, and not from a command."""
    first = re.match(r"\s*[^\s0-9a-z]*([0-9a-z]+)", text.lower())
    others = [name for name in _COMMANDS if name not in _STOP_WORDS]
    return (
        first is not None
        and text.split()[0].lower() not in _COMMANDS
        and any(_is_one_edit(first[1], word) for word in _STOP_WORDS)
        and not any(_is_one_edit(first[1], name) for name in others)
    )


def _is_one_edit(typed: str, meant: str) -> bool:
    """Whether one letter is added, missing or wrong, or two neighbours are swapped, or none."""
    n = next((n for n in range(len(meant)) if typed[n : n + 1] != meant[n]), len(meant))
    rest, due = typed[n:], meant[n:]
    is_swapped = len(due) > 1 and rest == due[1] + due[0] + due[2:]
    return is_swapped or rest[1:] in (due, due[1:]) or rest == due[1:]


@lru_cache(512)
def _parse_line(text: str, was_too_long: bool, has_bad_byte: bool, is_unspecified: bool) -> Message:
    """Returns what a complete line means.

    `text` is the line without bytes that were deleted or dropped. `was_too_long`: more characters
    were typed than a line may have, although some may have been deleted again. `has_bad_byte`: the
    line held a byte that is not text. `is_unspecified`: the contract does not specify the line.
    """
    ends_in_stop_word = text.rstrip(_PUNCTUATION).lower().endswith(_STOP_WORDS)
    is_slip = _is_slip(text)
    if is_unspecified:
        meaning = Meaning.MAYBE_STOP if ends_in_stop_word or is_slip else Meaning.NOTHING
        return Message(meaning, renews_lease=True, is_answer_unspecified=True)
    if not text.strip() and not has_bad_byte:
        return _IGNORED
    is_too_long = len(text) > LONGEST_LINE
    is_answer_unspecified = was_too_long and not is_too_long
    is_clean = not has_bad_byte and not is_too_long
    name, _, arguments = text.strip().lower().partition(" ")
    arguments_pattern, answer = _ANSWERS.get(name, (None, _ERROR))
    is_known = arguments_pattern is not None and is_clean
    if is_known and arguments_pattern.fullmatch(" ".join(arguments.split())):
        lease_s = {"lease": arguments.strip(), "hello": "0"}.get(name)
        seconds = None if lease_s is None else int(lease_s)
        return Message(
            _MEANING_OF_COMMAND.get(name, Meaning.REQUEST),
            answer,
            True,
            seconds,
            is_answer_unspecified=is_answer_unspecified,
        )
    if is_clean and _LIKE_AN_ANSWER.match(text):
        return Message(Meaning.MAYBE_STOP) if ends_in_stop_word else _IGNORED
    if ends_in_stop_word or is_slip:
        return Message(
            Meaning.STOP,
            _ANY_FINAL,
            is_loose_stop=True,
            is_answer_unspecified=is_answer_unspecified,
        )
    meaning = Meaning.MAYBE_STOP if is_known and name == "stop" else Meaning.REQUEST
    return Message(
        meaning,
        _ANY_FINAL if is_known else _ERROR,
        is_known,
        is_answer_unspecified=is_answer_unspecified,
    )


# --- state of a client ----------------------------------------------------------------------------


@dataclass(eq=False)
class Start:
    """A request that may move motors: it did not arrive too early, and no stop arrived after it."""

    client: "ClientRecord"
    is_answered: bool = False


@dataclass(eq=False)
class ClientRecord:
    """What the judge knows about one connection."""

    name: str
    is_guest: bool = True
    parser: MessageParser = field(default_factory=MessageParser)
    unanswered: deque[tuple[Message, Start | None, int]] = field(default_factory=deque)
    """Requests without an answer yet: the message, its start if it is one, and the round that read it."""
    byte_count: int = 0
    request_count: int = 0
    answer_count: int = 0
    incomplete_line: bytearray = field(default_factory=bytearray)
    """What the daemon wrote to the client after the last complete line."""
    is_answer_count_unknown: bool = False
    """The judge cannot count the answers: a request was unspecified, or the client did not read."""
    has_overflowed: bool = False
    accepted_at_ms: int = 0
    last_read_at_ms: int = 0
    start_answered_at_ms: int = 0
    last_read_in_round: int = -1
    unread_since_round: int | None = None
    lease_renewed_at_ms: int = 0
    lease_s: int = 0
    """The confirmed lease, or the longest lease that may be in force."""
    is_lease_confirmed: bool = False
    has_had_lease: bool = False
    ended_in_round: int | None = None
    """The round in which the loop read the end of file, or closed the connection for lack of room."""
    has_slot: bool = False
    """The client has one of the MOST_CLIENTS slots."""
    is_leaving: bool = False
    """The daemon evicts the client, but first reads its bytes for stops, which may take several rounds."""
    is_closed_by_daemon: bool = False
    is_closed_by_client: bool = False
    """The client has closed or reset the connection, so nobody can receive an answer."""
    is_half_closed: bool = False
    accepted_in_round: int = -1
    is_above_limit: bool = False
    """The client connected when all slots were taken."""
    stopped_in_round: int = -1
    """The last round in which the loop read a stop of this client while motors moved."""


class Judge:
    """Judges one daemon. Keeps the first violation of the contract, and raises it when the round ends."""

    def __init__(self, counts: Counter[str], motors: int, clock: Callable[[], int]) -> None:
        self.counts = counts
        self._clock = clock
        self.ignored: frozenset[str] = frozenset()
        self.violation: ContractViolationError | None = None
        self.round = 0
        self.is_ready = False
        self.duties = self._all_off = (0,) * motors
        self.clients: list[ClientRecord] = []
        self._valid_starts: dict[ClientRecord, set[Start]] = {}
        self._descriptors_exhausted_in_round = -1
        self._may_press_simulated_button = False
        """A valid `press` request was read, which may press the simulated button."""
        self._may_move_in_round = False
        self._stopped_at_ms: int | None = None
        self._pending_stop: str = ""
        """Describes the stop that was read while motors moved; empty if no such stop is pending."""
        self._last_stop = ""
        self._no_start_because: str = "no start arrived"
        """Why no start is valid now, for the message of a violation."""
        self.button = ButtonJudge()

    def fail(self, rule: str, message: str) -> None:
        if self.violation is None and rule not in self.ignored:
            self.violation = ContractViolationError(rule, f"at {self.now_ms} ms: {message}")

    @property
    def now_ms(self) -> int:
        return self._clock()

    @property
    def is_moving(self) -> bool:
        return any(self.duties)

    @property
    def _may_move(self) -> bool:
        return bool(self._valid_starts) or self.button.may_move

    @property
    def owner(self) -> ClientRecord | None:
        """The client that started the running session. None if that is ambiguous."""
        is_unambiguous = len(self._valid_starts) == 1 and not self.button.may_move
        return next(iter(self._valid_starts)) if is_unambiguous else None

    # --- events that the daemon causes ---

    def ready(self) -> None:
        self.is_ready = True
        self.button.ready(self.now_ms)

    def pins_written(self, duties: tuple[int, ...]) -> None:
        """The daemon gave these duties to the pins."""
        if any(duties) and not self.is_moving:
            self.counts["motors begin to move"] += 1
            if not self._valid_starts:
                self.counts["motors moved by the button"] += 1
        if self.is_moving and not any(duties):
            self._count_lease_end()
        self.duties = duties
        if any(duties) and not (self._may_move_in_round or self._may_move):
            self.fail("moved", f"duties are {duties}, but {self._no_start_because}")

    def bytes_read(self, client: ClientRecord, data: bytes) -> None:
        """The loop read these bytes of a client."""
        client.last_read_at_ms, client.last_read_in_round = self.now_ms, self.round
        client.unread_since_round = None
        client.byte_count += len(data)
        for message in client.parser.feed(data):
            self._take_message(client, message)

    def _take_message(self, client: ClientRecord, message: Message) -> None:
        if message is _IGNORED:
            self.counts["lines without an answer"] += 1
            return
        if message.renews_lease:
            client.lease_renewed_at_ms = self.now_ms
        if message.lease_s is not None:
            client.lease_s = max(client.lease_s, message.lease_s)
            client.is_lease_confirmed = False
        start = None
        if message.meaning is Meaning.STOP:
            self._take_stop(client, message)
        elif message.meaning in (Meaning.START, Meaning.PRESS):
            start = self._take_start(client, message)
        if message.is_answer_unspecified:
            client.is_answer_count_unknown = True
        if message.is_line and message.answer is not None:
            client.request_count += 1
            client.unanswered.append((message, start, self.round))
            if len(client.unanswered) > MOST_WAITING:
                client.has_overflowed = True

    def _take_start(self, client: ClientRecord, message: Message) -> Start | None:
        is_too_soon = self._stopped_at_ms is not None and (
            self.now_ms - self._stopped_at_ms < RESTART_MS
        )
        if not self.is_ready:
            self.counts["starts before ready"] += 1
            if client.unanswered:
                self.counts["queued starts before ready"] += 1
            self._no_start_because = f"the start of {client.name} arrived before ready"
            return None
        if is_too_soon:
            self.counts["starts too soon after a stop"] += 1
            if client.unanswered:
                self.counts["queued starts too soon after a stop"] += 1
            after_ms = self.now_ms - (self._stopped_at_ms or 0)
            self._no_start_because = (
                f"the start of {client.name} arrived {after_ms} ms after {self._last_stop}"
            )
            return None
        self._may_move_in_round = True
        if message.meaning is Meaning.PRESS:
            self._may_press_simulated_button = True
            return None
        start = Start(client)
        self._valid_starts.setdefault(client, set()).add(start)
        return start

    def _cancel_start(self, start: Start) -> None:
        """The start may no longer move motors."""
        starts = self._valid_starts.get(start.client, set())
        starts.discard(start)
        if not starts:
            self._valid_starts.pop(start.client, None)

    def _take_stop(self, client: ClientRecord, message: Message) -> None:
        if any(starter.unanswered for starter in self._valid_starts) and not self.is_moving:
            self.counts["stops before a queued start"] += 1
        kind = "loose line" if message.is_loose_stop else "line" if message.is_line else "byte"
        self._last_stop = f"a stop ({kind}) of {client.name}"
        if self._valid_starts or self._may_press_simulated_button:
            self._no_start_because = f"{self._last_stop} arrived after the last start"
        if self.is_moving:
            self.counts[f"stops by a {kind}"] += 1
            if client.is_closed_by_client:
                self.counts["stops of a disconnected sender"] += 1
            if client.byte_count > FLOOD_BYTES:
                self.counts["stops behind a flood"] += 1
            if client.is_above_limit:
                self.counts["stops of a client above the limit"] += 1
            client.stopped_in_round = self.round
            closed = ", which has closed its connection," if client.is_closed_by_client else ""
            self._pending_stop = f"{client.name}{closed} sent a stop ({kind})"
        self._cancel_all_starts()

    def _cancel_all_starts(self) -> None:
        self._stopped_at_ms = self.now_ms
        self._valid_starts.clear()
        self._may_press_simulated_button = False
        self.button.session_stopped()

    def button_edge_read(self, at_ms: int, contact: Contact) -> None:
        """The loop read an edge of the button."""
        is_press = self.button.edge_read(at_ms, contact)
        if is_press and self.is_moving:
            self.counts["stops by the button"] += 1
            self._pending_stop = "the button was pressed"
            # Without a start, the motors may have moved for an idle haptic. A press that ends a
            # haptic is not a stop, and the person may keep holding it to select another profile.
            self.button.may_move = False
            if self._valid_starts:
                self._last_stop = "a press of the button"
                self._no_start_because = "a press of the button arrived after the last start"
                self._cancel_all_starts()
                self.button.lock(at_ms)
        if self.button.is_noisy:
            self.counts["noise edges"] += 1
            self._no_start_because = "the button's contact is noisy"

    def simulated_button_pressed(self) -> None:
        """A `press` request moved the simulated button."""
        if not self._may_press_simulated_button:
            self.fail(
                "moved",
                "the daemon executed a press request that arrived before ready or too soon after a stop",
            )

    def bytes_written(self, client: ClientRecord, data: bytes) -> None:
        client.incomplete_line += data
        *lines, rest = bytes(client.incomplete_line).split(b"\r\n")
        client.incomplete_line = bytearray(rest)
        for line in lines:
            self._line_written(client, line.decode("ascii"))

    def _line_written(self, client: ClientRecord, line: str) -> None:
        if line.startswith("* dropped="):
            client.is_answer_count_unknown = True
        if not line.startswith(("ok", "err")):
            return
        overflow = re.fullmatch(r"err overflow dropped=(\d+)\b.*", line)
        if overflow:
            self.counts["overflows answered"] += 1
            if not client.has_overflowed and not client.is_answer_count_unknown:
                self.fail(
                    "answers", f"{client.name} got {line!r} although few requests were unanswered"
                )
            client.answer_count += int(overflow[1])
            return
        if line.startswith("err overflow"):
            return  # the daemon closes the connection for lack of room
        client.answer_count += 1
        if not client.unanswered:
            if not (client.is_answer_count_unknown or client.has_overflowed):
                self.fail("answers", f"{client.name} got {line!r} without a request")
                client.is_answer_count_unknown = True
            return
        message, start, read_in_round = client.unanswered.popleft()
        if client.has_overflowed or client.is_answer_count_unknown:
            return
        assert message.answer is not None
        self.counts["answers compared"] += 1
        if not message.answer.fullmatch(line):
            client.is_answer_count_unknown = True
            self.fail(
                "answers",
                f"{client.name} got {line!r}, which does not match {message.answer.pattern!r}",
            )
        if message.lease_s is not None:
            client.lease_s, client.is_lease_confirmed = message.lease_s, True
            client.has_had_lease = message.lease_s > 0
        if message.meaning is Meaning.START:
            client.start_answered_at_ms = self.now_ms
            if read_in_round < self.round:
                self.counts["queued starts"] += 1
            if start is not None:
                start.is_answered = True
                if line.startswith("err"):
                    self._cancel_start(start)

    def client_accepted(self, client: ClientRecord) -> None:
        client.accepted_at_ms = client.last_read_at_ms = self.now_ms
        client.accepted_in_round = self.round
        client.has_slot = True
        if self._used_slots() > MOST_CLIENTS:
            client.is_above_limit = True

    def descriptors_exhausted(self) -> None:
        """A client could not be accepted, so the daemon may evict another client."""
        self._descriptors_exhausted_in_round = self.round
        self.counts["clients without a descriptor"] += 1

    def end_of_file_read(self, client: ClientRecord) -> None:
        """The loop read the end of file of this client."""
        if client.ended_in_round is None:
            client.ended_in_round = self.round

    def client_closed(self, client: ClientRecord, unread: bytes) -> None:
        """The daemon closed this connection and continues to run."""
        were_all_slots_used = (
            self._descriptors_exhausted_in_round == self.round
            or sum(other.is_guest and other.has_slot for other in self.clients) >= MOST_CLIENTS
        )
        was_just_accepted = client.accepted_in_round == self.round
        client.is_closed_by_daemon, client.has_slot = True, False
        client.unread_since_round = None
        if unread:
            stops = [
                message for message in client.parser.feed(unread) if message.meaning is Meaning.STOP
            ]
            content = "with a stop" if stops else "without a stop"
            self.fail(
                "unread", f"{client.name} was closed with {len(unread)} unread bytes {content}"
            )
        if client.is_closed_by_client or client.ended_in_round is not None:
            if client.is_half_closed and not client.is_closed_by_client:
                self._check_all_requests_answered(client)
            return
        client.ended_in_round = self.round
        if client.is_leaving:
            self.counts["evictions over several rounds"] += 1
        elif not were_all_slots_used:
            self.fail("slot", f"{client.name} was closed although a slot was free")
        elif was_just_accepted:
            self.fail(
                "slot", f"{client.name} got no slot although clients other than the owner have one"
            )
        else:
            self.counts["evictions"] += 1
            if client.has_had_lease:
                self.counts["evictions of clients with a lease"] += 1
            if client.stopped_in_round == self.round:
                self.counts["stops of an evicted client"] += 1
            self._check_eviction(client)

    def _check_eviction(self, client: ClientRecord) -> None:
        if client is self.owner and self.is_moving:
            self.fail("slot", f"{client.name} was evicted although it owns the running session")
        last_read_at_ms = client.last_read_at_ms
        if client.last_read_in_round == self.round:
            return  # the loop read the last bytes only to search them for a stop
        for other in self.clients:
            may_own = other in self._valid_starts
            is_evictable = other.is_guest and other.has_slot and not (may_own or other is client)
            is_evictable = is_evictable and not other.is_leaving
            if (
                not is_evictable
                or other.is_closed_by_client
                or other.last_read_in_round == self.round
            ):
                continue
            if max(other.last_read_at_ms, other.start_answered_at_ms) < last_read_at_ms:
                self.fail(
                    "slot",
                    f"{client.name} was evicted, but {other.name} has been silent for longer",
                )

    def _used_slots(self) -> int:
        return sum(
            other.is_guest
            and other.has_slot
            and not (other.is_closed_by_client or other.is_leaving)
            for other in self.clients
        )

    def _check_all_requests_answered(self, client: ClientRecord) -> None:
        if client.is_answer_count_unknown:
            return
        self.counts["clients whose answers are complete"] += 1
        if client.answer_count != client.request_count:
            self.fail(
                "answers",
                f"{client.name} got {client.answer_count} answers to {client.request_count} requests",
            )

    # --- events around the daemon ---

    def bytes_unread(self, client: ClientRecord) -> None:
        """The kernel holds bytes of this client that the loop has not read."""
        if client.unread_since_round is None:
            client.unread_since_round = self.round
        elif self.round - client.unread_since_round > ROUNDS_TO_READ:
            self.fail("unread", f"the loop does not read the bytes of {client.name}")

    def memory_measured(self, client: ClientRecord, size: int) -> None:
        self.counts["measurements of memory"] += 1
        if size > MOST_BYTES:
            self.fail("memory", f"the connection of {client.name} takes {size} bytes")

    def round_ends(self) -> None:
        """The loop is about to wait, and has acted on everything that it read."""
        if self.is_moving and not self._may_move:
            reason = self._pending_stop or self._no_start_because
            rule = "stop" if self._pending_stop else "moved"
            self.fail(rule, f"duties are {self.duties} at the end of the round, but {reason}")
        self._check_lease()
        if self._used_slots() > MOST_CLIENTS:
            self.fail("slot", f"{self._used_slots()} clients are connected")
        if self.violation is not None:
            raise self.violation
        if not self.is_moving:
            self._pending_stop = ""

    def round_begins(self) -> None:
        """The loop has returned from its wait."""
        self.round += 1
        self.button.time_passed(self.now_ms)
        self._may_move_in_round = self._may_move

    def _check_lease(self) -> None:
        """Checks that a session ends when the lease of its owner lapses or the owner disconnects."""
        owner = self.owner
        if owner is None or not owner.is_lease_confirmed or not owner.lease_s:
            self._overdue_lease = None
            return
        lapsed_for_ms = self.now_ms - owner.lease_renewed_at_ms - owner.lease_s * 1000
        reason = f"the lease of {owner.name} lapsed {lapsed_for_ms} ms ago"
        if owner.ended_in_round is not None:
            reason = f"{owner.name} has a lease and has disconnected"
        elif lapsed_for_ms <= LEASE_SLACK_MS:
            self._overdue_lease = None
            return
        if self._overdue_lease is None or self._overdue_lease[0] is not owner:
            self._overdue_lease = owner, self.round
        if self.round - self._overdue_lease[1] < ROUNDS_TO_ACT:
            return
        if self.is_moving:
            self.fail("lease", f"{reason}, but the session that it started still runs")
        # The contract does not specify a lease that lapses before its start is answered.
        for start in list(self._valid_starts.get(owner, ())):
            if start.is_answered or owner.ended_in_round is not None:
                self._cancel_start(start)

    _overdue_lease: tuple[ClientRecord, int] | None = None
    """The client whose session has to end, and the round since when. None if no lease is overdue."""

    def _count_lease_end(self) -> None:
        """Counts a stop of the motors if a lease was its cause."""
        owner = self.owner
        if owner is None or not owner.is_lease_confirmed or not owner.lease_s:
            return
        if owner.ended_in_round is not None:
            self.counts["leases ended by a disconnect"] += 1
        elif self.now_ms - owner.lease_renewed_at_ms >= owner.lease_s * 1000:
            sent_other_bytes = owner.last_read_at_ms > owner.lease_renewed_at_ms
            self.counts[
                "leases lapsed despite other bytes" if sent_other_bytes else "leases lapsed"
            ] += 1

    def line_logged(self, line: str) -> None:
        """A line of the daemon's log."""
        if line.startswith("* ready"):
            self.ready()
        elif line.startswith("event=state state=idle"):
            # The session is over, so an answered start no longer permits motors to move.
            for start in [start for starts in self._valid_starts.values() for start in starts]:
                if start.is_answered:
                    self._cancel_start(start)

    def daemon_ends(self) -> None:
        """The process has ended: its requests are lost and its pins are released."""
        if self.is_moving:
            self.counts["daemon ends while motors move"] += 1
        self.duties = self._all_off
        self.is_ready = False
        self._valid_starts.clear()
        self._may_press_simulated_button = False
        self._stopped_at_ms = None
        self._pending_stop = ""
        self._may_move_in_round = False
        self.button = ButtonJudge(self.button.contact, self.button.edge_at_ms)
        for client in self.clients:
            client.is_closed_by_client = client.is_closed_by_daemon = True
            client.has_slot = False
            client.unread_since_round = None

    def script_ends(self) -> None:
        """The script is over, and no request still waits for the disk or for profiles."""
        for client in self.clients:
            if not (client.is_closed_by_daemon or client.is_closed_by_client):
                self._check_all_requests_answered(client)
        if self.violation is not None:
            raise self.violation


class ButtonJudge:
    """Decides whether a press may move motors: an upper bound, from the edges that the loop read."""

    def __init__(self, contact: Contact = Contact.RELEASED, edge_at_ms: int = -10_000) -> None:
        self.contact = contact
        self.edge_at_ms = edge_at_ms
        self.is_noisy = False
        self.may_move = False
        self._spell_at_ms = edge_at_ms
        self._pressed_at_ms: int | None = None
        """When a press began that may count. None if there is no such press."""
        self._locked_at_ms: int | None = None
        self._is_ready = False

    def ready(self, at_ms: int) -> None:
        self._is_ready = True
        self._pressed_at_ms = None

    def edge_read(self, at_ms: int, contact: Contact) -> bool:
        """Takes an edge. Returns True for a press, which stops whatever moves."""
        self.time_passed(at_ms)
        if contact is self.contact:
            return False
        stable_ms = at_ms - self.edge_at_ms
        if stable_ms >= DEBOUNCE_MS:
            self._spell_at_ms = at_ms
        elif at_ms - self._spell_at_ms > DEBOUNCE_MS:
            self.is_noisy = True
            self.may_move = False
            self._pressed_at_ms = None
        is_new_press = self.contact is Contact.RELEASED and stable_ms >= DEBOUNCE_MS
        if is_new_press and self._is_ready and not self.is_noisy:
            is_locked = self._locked_at_ms is not None and (
                at_ms - max(self._locked_at_ms, self.edge_at_ms) < LOCK_MS
            )
            if not is_locked:
                self._locked_at_ms = None
                self._pressed_at_ms = at_ms
        self.contact, self.edge_at_ms = contact, at_ms
        return contact is Contact.PRESSED

    def time_passed(self, now_ms: int) -> None:
        """No edge was read up to this time."""
        stable_ms = now_ms - self.edge_at_ms
        if self.contact is Contact.RELEASED and stable_ms >= QUIET_MS:
            self.is_noisy = False
        if self.contact is Contact.PRESSED and stable_ms >= DEBOUNCE_MS and self._pressed_at_ms:
            self.may_move = True

    def session_stopped(self) -> None:
        self.may_move = False
        self._pressed_at_ms = None

    def lock(self, at_ms: int) -> None:
        self._locked_at_ms = at_ms
