"""The verbs of the serial protocol, in one table: the parser, `help` and `caps` are made from it.

A verb turns its words into inputs of the session, or answers from what the session says of itself.
It knows neither bytes nor ports.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Final, NamedTuple, Protocol

from firmware_ctl import PROTOCOL, __version__, limits
from firmware_ctl.budget import fit
from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.explain import explain
from firmware_ctl.mat import Mat
from firmware_ctl.profile import Phase, Profile, read_play
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

    def lease(self, connection: Connection, seconds: int) -> None: ...

    def press(self, for_ms: int) -> None:
        """Presses the simulated button; `CallerError` where there is none."""

    def reload(self, connection: Connection) -> None:
        """Begins to read all profiles; the answer comes when they are read."""


Handler = Callable[[Desk, Connection, Sequence[str]], Iterable[str] | None]


class Verb(NamedTuple):
    name: str
    usage: str
    about: str
    handler: Handler
    least: int = 0
    most: int = 0
    """How many words it takes after its name."""
    moves: bool = False
    """It can set motors moving: refused when a stop came after it."""


def answer(desk: Desk, connection: Connection, line: str, stale: bool) -> list[str] | None:
    """The lines that answer a request; None: they come later. `stale`: a stop overtook it."""
    name, *words = line.split()
    verb = VERBS.get(name.lower())
    try:
        if verb is None:
            raise CallerError("unknown-command", f"{name} is no command; try help")
        name, usage, _, handler, least, most, moves = verb
        if not least <= len(words) <= most:
            raise CallerError("bad-argument", f"it is used so: {name} {usage}".rstrip())
        if moves and stale:
            raise CallerError("busy", f"a stop overtook this {name}; send it again")
        lines = handler(desk, connection, words)
        return None if lines is None else list(lines)
    except CallerError as error:
        return [f"err {error.code} {error}"]


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


def _help(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    if words and words[0].lower() not in VERBS:
        raise CallerError("bad-argument", f"{words[0]} is no command; try help")
    for verb in [VERBS[words[0].lower()]] if words else VERBS.values():
        yield f"- {verb.name} {verb.usage}".rstrip() + f": {verb.about}"
    yield "ok"


def _hello(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    mat = desk.session.mat
    zones = ",".join(zone.name for zone in mat.zones if zone.present)
    gate = "yes" if mat.gate else "none"
    yield (
        f"ok firmware-ctl {__version__} protocol={PROTOCOL} mat={text(mat.name)} zones={zones} "
        f"gate={gate}"
    )


def _caps(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
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


def _profiles(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    session = desk.session
    good = [entry.profile for entry in session.catalogue.entries if entry.profile is not None]
    for profile in good:
        minutes = f"{profile.length_ms / 60_000:.1f}".removesuffix(".0")
        selected = "yes" if session.selected and profile is session.selected.profile else "no"
        yield f"- {profile.name} minutes={minutes} selected={selected} title={text(profile.title)}"
    yield f"ok count={len(good)}"


def _select(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    desk.act(Select(words[0]))
    return [f"ok profile={words[0]}"]


def _start(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str] | None:
    def lines() -> list[str]:
        left_s = ceil(desk.session.left_ms(desk.now_ms()) / 1000)
        return [f"ok profile={desk.session.profile} left={left_s}"]

    desk.act(Start(words[0] if words else None))
    return desk.begun(connection, lines)


def _stop(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    desk.act(Stop())
    return ["ok"]


def _pause(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    desk.act(Pause())
    return ["ok"]


def _resume(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    desk.act(Resume())
    return ["ok"]


def _trim(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    trim_pct = _number(words[0].removesuffix("%"), *limits.TRIM_PCT)
    desk.act(Trim(trim_pct))
    return [f"ok trim={trim_pct}"]


def _try(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str] | None:
    desk.session.refuse_try()
    desk.act(Try(try_timeline(words, desk.session.mat), tuple(words)))
    return desk.begun(connection, lambda: [f"ok left={limits.TRY_MS // 1000}"])


def try_timeline(words: Sequence[str], mat: Mat) -> Timeline:
    """Compiles the line of a `try`; `CallerError` says what is wrong with it."""
    target, pattern, level, *rest = words
    if not all(part.partition("=")[1] for part in rest):
        raise CallerError("bad-argument", f"after the level come key=value pairs: {' '.join(rest)}")
    keys = {key: value for key, _, value in (part.partition("=") for part in rest)}
    if len(keys) < len(rest):
        raise CallerError("bad-argument", f"a key is given twice: {' '.join(rest)}")
    play = read_play(target, pattern, level, keys, mat)
    phase = Phase(TRY, limits.TRY_MS, 1, (play,))
    profile = Profile(TRY, TRY, "", (), False, (phase,))
    try:
        timeline, _ = fit(profile, mat)
    except AuthorError as error:
        raise CallerError("bad-argument", error.mistakes[0].sentence) from None
    return timeline


def _status(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    return [f"ok {status(desk.session, desk.now_ms())}"]


def _limits(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    mat_limits = desk.session.mat.limits
    used_s = ceil(desk.session.used_ms(desk.now_ms()) / 1000)
    daily_s = mat_limits.daily_ms // 1000
    yield (
        f"ok session={mat_limits.session_ms // 1000} daily={daily_s} used={used_s} "
        f"left={daily_s - used_s}"
    )


def _explain(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    session = desk.session
    entry = session.catalogue.valid(words[0]) if words else session.selected
    if entry is None or entry.profile is None or entry.budget is None:
        raise CallerError("unknown-profile", "no profile is loaded; add one, then reload")
    for row in explain(entry.profile, entry.budget, session.mat, session.trim_pct):
        yield (
            f"- phase={text(row.phase)} zone={row.zone} asked={row.asked_pct} cap={row.cap_pct} "
            f"trim={row.trim_pct} supply={row.supply_pct} level={row.level_pct} "
            f"duty={row.duty_pct} bound={text(row.bound_by)}"
        )
    yield "ok"


def _events(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    connection.events = _switch(words[0])
    return ["ok"]


def _echo(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    connection.echo = _switch(words[0])
    return ["ok"]


def _lease(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    seconds = 0 if words[0] == "0" else _number(words[0], *limits.LEASE_S)
    desk.lease(connection, seconds)
    return [f"ok lease={seconds}"]


def _ping(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    return ["ok"]


def _press(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    named = {"short": 100, "long": 1_000}
    word = words[0].lower() if words else "short"
    if word in named:
        for_ms = named[word]
    else:
        try:
            for_ms = round(float(word.removesuffix("s")) * 1000)
        except (ValueError, OverflowError):
            for_ms = 0
        least_ms, most_ms = limits.PRESS_MS
        if not least_ms <= for_ms <= most_ms:
            raise CallerError("bad-argument", "a press is short, long, or 0.01 to 10 seconds")
    desk.press(for_ms)
    return ["ok"]


def _reload(desk: Desk, connection: Connection, words: Sequence[str]) -> None:
    desk.reload(connection)


def _clear(desk: Desk, connection: Connection, words: Sequence[str]) -> Iterable[str]:
    desk.act(Clear())
    return ["ok"]


def _number(word: str, least: int, most: int) -> int:
    if not (word.isdecimal() and len(word) < 9 and least <= int(word) <= most):
        raise CallerError("bad-argument", f"{word} is not a whole number from {least} to {most}")
    return int(word)


def _switch(word: str) -> bool:
    if word.lower() not in ("on", "off"):
        raise CallerError("bad-argument", f"{word} is neither on nor off")
    return word.lower() == "on"


VERBS: Final[Mapping[str, Verb]] = {
    verb.name: verb
    for verb in (
        Verb("help", "[VERB]", "what can be asked", _help, most=1),
        Verb("hello", "", "who answers: version, protocol, mat, zones", _hello),
        Verb("caps", "", "verbs, zones, codes and limits as one line of JSON", _caps),
        Verb("profiles", "", "the profiles that can be selected", _profiles),
        Verb("select", "NAME", "choose a profile for the next start", _select, 1, 1),
        Verb("start", "[NAME]", "start the selected profile, or select one and start it", _start,
             most=1, moves=True),
        Verb("stop", "", "all motors off, now; so do the bytes ! and Ctrl-C", _stop, most=48),
        Verb("pause", "", "all motors off; the session waits, five minutes in all", _pause),
        Verb("resume", "", "go on after a pause, softly", _resume),
        Verb("trim", "PCT", "scale every level, 10 to 100 percent", _trim, 1, 1),
        Verb("try", "TARGET PATTERN LEVEL [key=value...]", "play one line for 10 s", _try, 3, 12,
             moves=True),
        Verb("status", "", "what happens now; so does the single byte ?", _status),
        Verb("limits", "", "session and daily limit, and what is left of today's", _limits),
        Verb("explain", "[NAME]", "how each asked level becomes a duty", _explain, most=1),
        Verb("events", "on|off", "tell this connection what changes", _events, 1, 1),
        Verb("echo", "on|off", "echo what is typed on this connection", _echo, 1, 1),
        Verb("lease", "SECONDS", "stop this connection's session when it falls silent for that"
             " long; 0: never", _lease, 1, 1),
        Verb("ping", "", "an answer, and a sign of life for the lease", _ping),
        Verb("press", "[short|long|SECONDS]", "press the start button of a mock", _press, most=1,
             moves=True),
        Verb("reload", "", "read all profiles again; a running session keeps its own", _reload),
        Verb("clear", "", "leave a fault whose cause is gone", _clear),
    )
}  # fmt: skip
