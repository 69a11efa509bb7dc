"""The verbs of the serial protocol, in one table: the parser, `help` and `caps` are made from it.

A verb first reads its words, which says whether the line is a valid request at all. Then it turns
them into inputs of the session, or answers from what the session says of itself. It knows neither
bytes nor ports.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any, Final, NamedTuple, Protocol

from firmware_ctl import PROTOCOL, __version__, limits
from firmware_ctl.budget import fit
from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.explain import explain
from firmware_ctl.framing import Flaw, Line, text_of
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Phase, Play, Profile, read_play
from firmware_ctl.protocol import ERROR_CODES, FAULT_CODES, Connection, fields, text
from firmware_ctl.session import (
    TRY,
    Clear,
    Input,
    Notice,
    Pause,
    Resume,
    Select,
    Session,
    Start,
    Stop,
    Trim,
    Try,
)
from firmware_ctl.timeline import Timeline


class Desk(Protocol):
    """What a verb may ask of the daemon."""

    session: Session

    def act(self, event: Input) -> None:
        """Gives the session an input now and the pins their duties; raises what it refuses."""

    def now_ms(self) -> int: ...

    def begun(self, connection: Connection, lines: Callable[[], list[str]]) -> list[str] | None:
        """The lines, if the session has begun; None: they come when it has, or why it did not."""

    def press(self, for_ms: int) -> None:
        """Presses the simulated button; `CallerError` where there is none."""

    def reload(self, connection: Connection) -> None:
        """Begins to read all profiles; the answer comes when they are read."""


MOST_ROWS: Final = 128
"""Most rows of `explain`, which are made on the loop: 4 us a row on a processor that is taken to be
10 to 15 times as fast as a Pi Zero 2, so half a millisecond there and up to 8 ms on the Pi. The
longest shipped profile has 19 rows; a file of 64 KiB may have more than ten thousand.
"""

TRY_STEPS: Final = 5_000
"""Most steps to see what a line of `try` draws, and to make it fit, on the loop: 410 instants of
the reference mat each, together 5 to 10 ms where `budget.STEPS` was measured. Where the supply
bears the starts of all motors that play, as the reference mat's does, no step is taken.
"""


class Request(NamedTuple):
    """A line that a verb takes."""

    connection: Connection
    value: Any
    """What `Verb.read` made of its words."""
    arrived_at_ms: int
    """When it was read. Every question of order is asked of this time, not of now."""


Reader = Callable[[Sequence[str], Session], object]
Handler = Callable[[Desk, Request], Iterable[str] | None]


def _words(words: Sequence[str], _: Session) -> Sequence[str]:
    return words


class Verb(NamedTuple):
    name: str
    usage: str
    about: str
    handler: Handler
    least: int = 0
    most: int = 0
    """How many words it takes after its name."""
    read: Reader = _words
    """Its words as a value. Raises `CallerError` for words that it does not take."""


def answer(desk: Desk, connection: Connection, line: str, arrived_at_ms: int) -> list[str] | None:
    """The lines that answer a request; None: they come later."""
    try:
        verb, value = _read(line, desk.session)
        lines = verb.handler(desk, Request(connection, value, arrived_at_ms))
        return None if lines is None else list(lines)
    except CallerError as error:
        return [f"err {error.code} {error}"]


def _read(line: str, session: Session) -> tuple[Verb, object]:
    """The verb of a line, and what it makes of its words. Raises `CallerError` if it is none."""
    name, *words = line.split()
    verb = VERBS.get(name.lower())
    if verb is None:
        raise CallerError("unknown-command", f"{name} is no command; try help")
    if not verb.least <= len(words) <= verb.most:
        raise CallerError("bad-argument", f"it is used so: {verb.name} {verb.usage}".rstrip())
    return verb, verb.read(words, session)


def is_request(line: Line, session: Session) -> bool:
    """Whether a line is one that a verb takes, whatever would come of it now."""
    text = text_of(line)
    if isinstance(text, Flaw) or not text.strip() or asks_status(line) or is_answer(text):
        return False
    try:
        _read(text, session)
    except CallerError:
        return False
    return True


def stops(line: Line, session: Session) -> bool:
    """Whether a line that says stop is one: all are but valid requests, as `events off` is."""
    text = text_of(line)
    if isinstance(text, Flaw):
        return True
    name = text.lower().split()[:1]
    # The others take no word that says stop. To read theirs takes time, which a stop has not.
    return name not in ENDS_LIKE_A_STOP or not is_request(line, session)


ENDS_LIKE_A_STOP: Final = [["help"], ["select"], ["start"], ["explain"], ["events"], ["echo"]]
"""Verbs of which a valid request may end as a stop does: `events off`, `help stop`."""


def asks_status(line: Line) -> bool:
    """`?` was typed within it: the status has answered it, and it is not executed."""
    return b"?" in line.raw


def is_answer(text: str) -> bool:
    """It begins as an answer does: a far side that echoes, which gets no answer to its echo."""
    return text.startswith(("*", "-")) or text.split(None, 1)[0] in ("ok", "err")


def complaint(code: str) -> str:
    return f"err {code} {ERROR_CODES[code]}"


def event(notice: Notice) -> str:
    quoted = ("phase", "cue", "message")
    values = {k: text(v) if k in quoted else v for k, v in notice.fields.items()}
    return f"* event={notice.kind} {fields(values)}"


def status(session: Session, now_ms: int) -> str:
    """Every field, always, in this order."""
    return fields(
        {
            "state": session.state.value,
            "profile": session.profile,
            "cert": session.cert,
            "phase": text(session.phase),
            "t": f"{session.played_ms(now_ms) / 1000:.1f}",
            "left": f"{session.left_ms(now_ms) / 1000:.1f}",
            "trim": str(session.trim_pct),
            **{zone: str(level) for zone, level in session.zone_levels().items()},
            "signal": session.signal(now_ms),
            "fault": session.fault.code if session.fault else "",
        }
    )


# --- one handler a verb -----------------------------------------------------------------------


def _read_verb(words: Sequence[str], _: Session) -> Iterable[Verb]:
    if not words:
        return VERBS.values()
    if words[0].lower() not in VERBS:
        raise CallerError("bad-argument", f"{words[0]} is no command; try help")
    return [VERBS[words[0].lower()]]


def _help(desk: Desk, request: Request) -> Iterable[str]:
    for verb in request.value:
        yield f"- {verb.name} {verb.usage}".rstrip() + f": {verb.about}"
    yield "ok"


def _hello(desk: Desk, request: Request) -> Iterable[str]:
    request.connection.begin()
    mat = desk.session.mat
    zones = ",".join(zone.name for zone in mat.zones if zone.present)
    gate = "yes" if mat.gate else "none"
    yield (
        f"ok firmware-ctl {__version__} protocol={PROTOCOL} mat={text(mat.name)} zones={zones} "
        f"gate={gate}"
    )


def _caps(desk: Desk, request: Request) -> Iterable[str]:
    mat = desk.session.mat
    caps = {
        "protocol": PROTOCOL,
        "verbs": {verb.name: verb.usage for verb in VERBS.values()},
        "zones": [zone.name for zone in mat.zones if zone.present],
        "errors": list(ERROR_CODES),
        "faults": list(FAULT_CODES),
        "limits": {
            "session": mat.limits.session_ms // 1000,
            "daily": mat.limits.daily_ms // 1000,
            "duty": mat.limits.duty_pct,
            "rise": mat.limits.rise_pct_s,
            "trim": list(limits.TRIM_PCT),
            "pauses": limits.PAUSES_MS // 1000,
        },
    }
    yield f"- {json.dumps(caps, separators=(',', ':'))}"
    yield "ok"


def _profiles(desk: Desk, request: Request) -> Iterable[str]:
    session = desk.session
    count = 0
    for entry in session.catalogue.entries:
        profile, timeline = entry.profile, entry.timeline
        if profile is None or timeline is None:
            continue
        count += 1
        minutes = f"{timeline.end_ms / 60_000:.1f}".removesuffix(".0")
        selected = "yes" if session.selected and profile is session.selected.profile else "no"
        yield f"- {profile.name} minutes={minutes} selected={selected} title={text(profile.title)}"
    yield f"ok count={count}"


def _read_name(words: Sequence[str], session: Session) -> str | None:
    """The name of a profile that can be played; None: none is named."""
    return session.catalogue.valid(words[0]).name if words else None


def _select(desk: Desk, request: Request) -> Iterable[str]:
    desk.act(Select(request.value))
    return [f"ok profile={request.value}"]


def _start(desk: Desk, request: Request) -> Iterable[str] | None:
    def lines() -> list[str]:
        left_s = ceil(desk.session.left_ms(desk.now_ms()) / 1000)
        return [f"ok profile={desk.session.profile} left={left_s}"]

    desk.act(Start(request.value, request.arrived_at_ms))
    return desk.begun(request.connection, lines)


def _stop(desk: Desk, request: Request) -> Iterable[str]:
    # It has acted when it arrived; what began since then came later.
    stopped_at_ms = desk.session.stopped_at_ms
    if stopped_at_ms is None or stopped_at_ms < request.arrived_at_ms:
        desk.act(Stop())
    return ["ok"]


def _pause(desk: Desk, request: Request) -> Iterable[str]:
    desk.act(Pause(request.arrived_at_ms))
    return ["ok"]


def _resume(desk: Desk, request: Request) -> Iterable[str]:
    desk.act(Resume(request.arrived_at_ms))
    return ["ok"]


def _read_trim(words: Sequence[str], _: Session) -> int:
    return _number(words[0].removesuffix("%"), *limits.TRIM_PCT)


def _trim(desk: Desk, request: Request) -> Iterable[str]:
    desk.session.refuse_early_trim(request.value, request.arrived_at_ms)
    desk.act(Trim(request.value))
    return [f"ok trim={request.value}"]


def _read_try(words: Sequence[str], session: Session) -> Sequence[str]:
    _try_play(words, session.mat)
    return words


def _try(desk: Desk, request: Request) -> Iterable[str] | None:
    desk.session.refuse_try()
    timeline = try_timeline(request.value, desk.session.mat)
    desk.act(Try(timeline, tuple(request.value), request.arrived_at_ms))
    return desk.begun(request.connection, lambda: [f"ok left={limits.TRY_MS // 1000}"])


def _try_play(words: Sequence[str], mat: Mat) -> Play:
    target, pattern, level, *rest = words
    if not all(part.partition("=")[1] for part in rest):
        raise CallerError("bad-argument", f"after the level come key=value pairs: {' '.join(rest)}")
    keys = {key: value for key, _, value in (part.partition("=") for part in rest)}
    if len(keys) < len(rest):
        raise CallerError("bad-argument", f"a key is given twice: {' '.join(rest)}")
    return read_play(target, pattern, level, keys, mat)


def try_timeline(words: Sequence[str], mat: Mat) -> Timeline:
    """Compiles the line of a `try`; `CallerError` says what is wrong with it."""
    play = _try_play(words, mat)
    phase = Phase(TRY, limits.TRY_MS, 1, (play,))
    profile = Profile(TRY, TRY, "", (), False, (phase,))
    try:
        timeline, _ = fit(profile, mat, steps=TRY_STEPS)
    except AuthorError as error:
        raise CallerError("bad-argument", error.mistakes[0].sentence) from None
    return timeline


def _status(desk: Desk, request: Request) -> Iterable[str]:
    return [f"ok {status(desk.session, desk.now_ms())}"]


def _limits(desk: Desk, request: Request) -> Iterable[str]:
    mat_limits = desk.session.mat.limits
    used_s = ceil(desk.session.used_ms(desk.now_ms()) / 1000)
    daily_s = mat_limits.daily_ms // 1000
    yield (
        f"ok session={mat_limits.session_ms // 1000} daily={daily_s} used={used_s} "
        f"left={daily_s - used_s}"
    )


def _explain(desk: Desk, request: Request) -> Iterable[str]:
    session = desk.session
    entry = session.catalogue.valid(request.value) if request.value else session.selected
    if entry is None or entry.profile is None or entry.budget is None:
        raise CallerError("unknown-profile", "no profile is loaded; add one, then reload")
    rows = explain(entry.profile, entry.budget, session.mat, session.trim_pct)
    for row in islice(rows, MOST_ROWS):
        yield (
            f"- phase={text(row.phase)} zone={row.zone} asked={row.asked_pct} cap={row.cap_pct} "
            f"trim={row.trim_pct} supply={row.supply_pct} level={row.level_pct} "
            f"duty={row.duty_pct} bound={text(row.bound_by)}"
        )
    if next(rows, None) is not None:
        yield f"- more={text('firmware-ctl explain with the file of this profile shows all rows')}"
    yield "ok"


def _events(desk: Desk, request: Request) -> Iterable[str]:
    request.connection.events = request.value
    return ["ok"]


def _echo(desk: Desk, request: Request) -> Iterable[str]:
    request.connection.echo = request.value
    return ["ok"]


def _read_lease(words: Sequence[str], _: Session) -> int:
    return 0 if words[0] == "0" else _number(words[0], *limits.LEASE_S)


def _lease(desk: Desk, request: Request) -> Iterable[str]:
    request.connection.lease_s = request.value
    return [f"ok lease={request.value}"]


def _ping(desk: Desk, request: Request) -> Iterable[str]:
    return ["ok"]


def _read_press(words: Sequence[str], _: Session) -> int:
    named = {"short": 100, "long": 1_000}
    word = words[0].lower() if words else "short"
    if word in named:
        return named[word]
    try:
        for_ms = round(float(word.removesuffix("s")) * 1000)
    except (ValueError, OverflowError):
        for_ms = 0
    least_ms, most_ms = limits.PRESS_MS
    if not least_ms <= for_ms <= most_ms:
        raise CallerError("bad-argument", "a press is short, long, or 0.01 to 10 seconds")
    return for_ms


def _press(desk: Desk, request: Request) -> Iterable[str]:
    desk.session.refuse_early(request.arrived_at_ms)
    desk.press(request.value)
    return ["ok"]


def _reload(desk: Desk, request: Request) -> None:
    desk.reload(request.connection)


def _clear(desk: Desk, request: Request) -> Iterable[str]:
    desk.act(Clear(request.arrived_at_ms))
    return ["ok"]


def _number(word: str, least: int, most: int) -> int:
    if not (word.isdecimal() and len(word) < 9 and least <= int(word) <= most):
        raise CallerError("bad-argument", f"{word} is not a whole number from {least} to {most}")
    return int(word)


def _read_switch(words: Sequence[str], _: Session) -> bool:
    if words[0].lower() not in ("on", "off"):
        raise CallerError("bad-argument", f"{words[0]} is neither on nor off")
    return words[0].lower() == "on"


VERBS: Final[Mapping[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb("help", "[VERB]", "what can be asked", _help, most=1,
             read=_read_verb),
        Verb("hello", "", "who answers: version, protocol, mat, zones", _hello),
        Verb("caps", "", "verbs, zones, codes and limits as one line of JSON", _caps),
        Verb("profiles", "", "the profiles that can be selected", _profiles),
        Verb("select", "NAME", "choose a profile for the next start", _select, 1, 1,
             _read_name),
        Verb("start", "[NAME]", "start the selected profile, or select one and start it", _start,
             most=1, read=_read_name),
        Verb("stop", "", "all motors off, now; so do the bytes ! and Ctrl-C", _stop, most=48),
        Verb("pause", "", "all motors off; the session waits, five minutes in all", _pause),
        Verb("resume", "", "go on after a pause, softly", _resume),
        Verb("trim", "PCT", "scale every level, 10 to 100 percent", _trim, 1, 1,
             _read_trim),
        Verb("try", "TARGET PATTERN LEVEL [key=value...]", "play one line for 10 s", _try, 3, 12,
             _read_try),
        Verb("status", "", "what happens now; so does the single byte ?", _status),
        Verb("limits", "", "session and daily limit, and what is left of today's", _limits),
        Verb("explain", "[NAME]", "how each asked level becomes a duty", _explain, most=1,
             read=_read_name),
        Verb("events", "on|off", "tell this connection what changes", _events, 1, 1,
             _read_switch),
        Verb("echo", "on|off", "echo what is typed on this connection", _echo, 1, 1,
             _read_switch),
        Verb("lease", "SECONDS", "stop this connection's session when it falls silent for that"
             " long; 0: never", _lease, 1, 1, _read_lease),
        Verb("ping", "", "an answer, and a sign of life for the lease", _ping),
        Verb("press", "[short|long|SECONDS]", "press the start button of a mock", _press, most=1,
             read=_read_press),
        Verb("reload", "", "read all profiles again; a running session keeps its own", _reload),
        Verb("clear", "", "leave a fault whose cause is gone", _clear),
    )
}  # fmt: skip
