"""The commands of the serial protocol in one table, from which parser, `help` and `caps` are made.

A command works in two steps. `Command.read` turns the words of a line into a value, and so decides
whether the line is a valid request. `Command.handler` turns the value into an input of the session,
or answers from the session's status. The steps are apart because `meaning` asks for the first one
alone. This module never knows ports, and never writes bytes.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from firmware_ctl import PROTOCOL, __version__, limits
from firmware_ctl.errors import CallerError
from firmware_ctl.protocol.connection import ERROR_CODES, FAULT_CODES, Connection, fields, text
from firmware_ctl.protocol.people import unknown_command, usage
from firmware_ctl.protocol.try_line import read_try, try_timeline
from firmware_ctl.session.events import (
    Clear,
    EndTry,
    Input,
    Origin,
    Pause,
    Resume,
    Select,
    Start,
    Stop,
    Trim,
    Try,
)
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.report import explain


class CommandContext(Protocol):
    """The part of the daemon that a command may use."""

    session: Session

    def act(self, event: Input) -> None:
        """Passes an input to the session. Raises the `CallerError` with which it is refused."""

    def now_ms(self) -> int: ...

    def start_answer(
        self, connection: Connection, lines: Callable[[], list[str]]
    ) -> list[str] | None:
        """The lines, if the session has begun.

        None if the accepted start still waits: the connection gets the lines, or the refusal,
        later.
        """

    def press(self, for_ms: int) -> None:
        """Presses the simulated button. Raises `CallerError` if the button is real or missing."""

    def reload(self, connection: Connection) -> None:
        """Begins to read all profiles. The connection gets the answer when they are read."""


MOST_ROWS: Final = 128
"""Most rows of one `explain`, because the loop makes them between two ticks: up to 8 ms on a Pi
Zero 2, estimated from 4 us a row on a processor 10 to 15 times as fast. The longest shipped profile
has 19 rows; a file of 64 KiB may have more than ten thousand."""


Value = TypeVar("Value", covariant=True)


class Request(NamedTuple, Generic[Value]):
    """A valid line for a command."""

    connection: Connection
    value: Value
    """The result of `Command.read`."""
    arrived_at_ms: int
    """When the loop read the line. Order is decided by this time: see `session.arrivals`."""


Reader = Callable[[Sequence[str], Session], object]
Handler = Callable[[CommandContext, Request[Any]], Iterable[str] | None]
"""The table holds requests of any value. A test compares each handler's with the reader's."""


def _words(words: Sequence[str], _: Session) -> Sequence[str]:
    return words


class Command(NamedTuple):
    name: str
    usage: str
    about: str
    handler: Handler
    least: int = 0
    most: int = 0
    """The least and the greatest number of words after the name."""
    read: Reader = _words
    """Turns the words into a value. Raises `CallerError` for invalid words."""


def read_request(line: str, session: Session) -> tuple[Command, object]:
    """The command of a line, and the value of its words. Raises `CallerError` if it is invalid."""
    name, *words = line.split()
    if (command := COMMANDS.get(name.lower())) is None:
        raise CallerError("unknown-command", unknown_command(name))
    if not command.least <= len(words) <= command.most:
        raise CallerError("bad-argument", usage(command.name, command.usage, words, session))
    return command, command.read(words, session)


def status(session: Session, now_ms: int) -> str:
    """The fields of the status. The number and the order of the fields never change."""
    status = session.status
    highest_pct = dict.fromkeys((zone.name for zone in session.mat.zones), 0)
    for motor, level_pct in zip(session.mat.motors, session.levels_pct, strict=True):
        highest_pct[motor.zone] = max(highest_pct[motor.zone], level_pct)
    return fields(
        {
            "state": status.state.value,
            "profile": status.profile,
            "cert": status.cert,
            "phase": text(status.phase),
            "t": f"{status.clock.played_ms(now_ms) / 1000:.1f}",
            "left": f"{status.clock.left_ms(now_ms) / 1000:.1f}",
            "trim": str(status.trim_pct),
            **{zone: str(level_pct) for zone, level_pct in highest_pct.items()},
            "signal": status.haptic,
            "fault": status.fault.code if status.fault else "",
        }
    )


# --- one handler for each command ----------------------------------------------------------------


def _read_command(words: Sequence[str], _: Session) -> Iterable[Command]:
    if not words:
        return COMMANDS.values()
    if words[0].lower() not in COMMANDS:
        raise CallerError("bad-argument", f"unknown command {words[0]}; try help")
    return [COMMANDS[words[0].lower()]]


def _help(context: CommandContext, request: Request[Iterable[Command]]) -> Iterable[str]:
    for command in request.value:
        yield f"- {command.name} {command.usage}".rstrip() + f": {command.about}"
    yield "ok"


BRIDGES: Final = {origin.value: origin for origin in (Origin.WEB, Origin.MQTT)}


def _read_bridge(words: Sequence[str], _: Session) -> Origin | None:
    """The bridge that a client says it is. None: it says nothing."""
    if not words:
        return None
    if (bridge := BRIDGES.get(words[0].lower())) is None:
        raise CallerError("bad-argument", f"{words[0]} is neither {' nor '.join(BRIDGES)}")
    return bridge


def _hello(context: CommandContext, request: Request[Origin | None]) -> Iterable[str]:
    connection = request.connection
    connection.reset_settings()
    if request.value is not None:
        # What a serial port publishes as `by` must name the cable, whoever sits at its other end.
        if connection.origin is not Origin.SOCKET:
            raise CallerError("not-here", "only a client of the control socket may be a bridge")
        connection.origin = request.value
    mat = context.session.mat
    zones = ",".join(zone.name for zone in mat.zones if zone.present)
    gate = "yes" if mat.gate else "none"
    yield (
        f"ok firmware-ctl {__version__} protocol={PROTOCOL} mat={text(mat.name)} zones={zones} "
        f"gate={gate}"
    )


def _caps(context: CommandContext, request: Request[object]) -> Iterable[str]:
    mat = context.session.mat
    caps = {
        "protocol": PROTOCOL,
        "verbs": {command.name: command.usage for command in COMMANDS.values()},
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


def _profiles(context: CommandContext, request: Request[object]) -> Iterable[str]:
    session = context.session
    count = 0
    for entry in session.catalogue.good:
        profile, timeline = entry.profile, entry.timeline
        count += 1
        minutes = f"{timeline.end_ms / 60_000:.2f}".rstrip("0").rstrip(".")
        selected = "yes" if session.selected and profile is session.selected.profile else "no"
        yield f"- {profile.name} minutes={minutes} selected={selected} title={text(profile.title)}"
    yield f"ok count={count}"


def _read_name(words: Sequence[str], session: Session) -> str:
    """The name of the valid profile that a line names or numbers."""
    catalogue = session.catalogue
    return catalogue.valid(catalogue.name_of(words[0])).name


def _read_name_if_any(words: Sequence[str], session: Session) -> str | None:
    return _read_name(words, session) if words else None


def _select(context: CommandContext, request: Request[str]) -> Iterable[str]:
    context.act(Select(request.value, request.connection.origin))
    return [f"ok profile={request.value}"]


def _start(context: CommandContext, request: Request[str | None]) -> Iterable[str] | None:
    def lines() -> list[str]:
        status = context.session.status
        left_s = ceil(status.clock.left_ms(context.now_ms()) / 1000)
        return [f"ok profile={status.profile} left={left_s}"]

    context.act(Start(request.value, request.arrived_at_ms, request.connection.origin))
    return context.start_answer(request.connection, lines)


def _stop(context: CommandContext, request: Request[object]) -> Iterable[str]:
    # The line stopped the mat when its bytes arrived. A second stop now would end a session that
    # was started after the line.
    stopped_at_ms = context.session.arrivals.stopped_at_ms
    if stopped_at_ms is None or stopped_at_ms < request.arrived_at_ms:
        context.act(Stop(request.connection.origin))
    return ["ok"]


def _pause(context: CommandContext, request: Request[object]) -> Iterable[str]:
    context.act(Pause(request.arrived_at_ms, request.connection.origin))
    return ["ok"]


def _resume(context: CommandContext, request: Request[object]) -> Iterable[str]:
    context.act(Resume(request.arrived_at_ms, request.connection.origin))
    return ["ok"]


def _read_trim(words: Sequence[str], _: Session) -> int:
    return _number(words[0].removesuffix("%"), *limits.TRIM_PCT)


def _trim(context: CommandContext, request: Request[int]) -> Iterable[str]:
    if request.value > context.session.trim_pct:
        context.session.arrivals.refuse_stronger(request.arrived_at_ms)
    context.act(Trim(request.value, request.connection.origin))
    return [f"ok trim={request.value}"]


def _read_try(words: Sequence[str], session: Session) -> Sequence[str]:
    read_try(words, session.mat)
    return words


def _try(context: CommandContext, request: Request[Sequence[str]]) -> Iterable[str] | None:
    # Compiling takes up to 150 ms on a Pi, in which the loop does nothing else. So the `try` that
    # this one replaces ends before, and a request that has to be refused is refused before.
    context.act(EndTry(request.arrived_at_ms, request.connection.origin))
    timeline = try_timeline(request.value, context.session.mat)
    context.act(
        Try(timeline, tuple(request.value), request.arrived_at_ms, request.connection.origin)
    )
    return context.start_answer(request.connection, lambda: [f"ok left={limits.TRY_MS // 1000}"])


def _status(context: CommandContext, request: Request[object]) -> Iterable[str]:
    return [f"ok {status(context.session, context.now_ms())}"]


def _limits(context: CommandContext, request: Request[object]) -> Iterable[str]:
    mat_limits = context.session.mat.limits
    used_s = ceil(context.session.used_ms(context.now_ms()) / 1000)
    daily_s = mat_limits.daily_ms // 1000
    yield (
        f"ok session={mat_limits.session_ms // 1000} daily={daily_s} used={used_s} "
        f"left={daily_s - used_s}"
    )


def _explain(context: CommandContext, request: Request[str | None]) -> Iterable[str]:
    session = context.session
    entry = session.catalogue.valid(request.value) if request.value else session.selected
    if entry is None:
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
    yield "ok running=older" if session.status.plays_older(entry) else "ok"


def _events(context: CommandContext, request: Request[bool]) -> Iterable[str]:
    request.connection.events = request.value
    return ["ok"]


def _echo(context: CommandContext, request: Request[bool]) -> Iterable[str]:
    request.connection.echo = request.value
    return ["ok"]


def _read_lease(words: Sequence[str], _: Session) -> int:
    return 0 if words[0] == "0" else _number(words[0], *limits.LEASE_S)


def _lease(context: CommandContext, request: Request[int]) -> Iterable[str]:
    request.connection.lease_s = request.value
    return [f"ok lease={request.value}"]


def _ping(context: CommandContext, request: Request[object]) -> Iterable[str]:
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


def _press(context: CommandContext, request: Request[int]) -> Iterable[str]:
    context.session.arrivals.refuse_early(request.arrived_at_ms)
    context.press(request.value)
    return ["ok"]


def _reload(context: CommandContext, request: Request[object]) -> None:
    context.reload(request.connection)


def _clear(context: CommandContext, request: Request[object]) -> Iterable[str]:
    context.act(Clear(request.arrived_at_ms, request.connection.origin))
    return ["ok"]


def _number(word: str, least: int, most: int) -> int:
    if not (word.isdecimal() and len(word) < 9 and least <= int(word) <= most):
        raise CallerError("bad-argument", f"{word} is not a whole number from {least} to {most}")
    return int(word)


def _read_switch(words: Sequence[str], _: Session) -> bool:
    if words[0].lower() not in ("on", "off"):
        raise CallerError("bad-argument", f"{words[0]} is neither on nor off")
    return words[0].lower() == "on"


COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command
    for command in (
        Command("help", "[VERB]", "list commands, or explain one", _help, most=1,
             read=_read_command),
        Command("hello", "[web|mqtt]", "show version, protocol, mat and zones; a bridge says"
             " what it is, and events name it", _hello, most=1, read=_read_bridge),
        Command("caps", "", "commands, zones, codes and limits as one line of JSON", _caps),
        Command("profiles", "", "the profiles that can be selected", _profiles),
        Command("select", "NAME", "choose a profile by name or number for the next start", _select,
             1, 1, _read_name),
        Command("start", "[NAME]", "start the selected profile, or select one and start it", _start,
             most=1, read=_read_name_if_any),
        Command("stop", "", "stop all motors now (also: ! or Ctrl-C)", _stop, most=48),
        Command("pause", "", "all motors off; the session waits, five minutes in all", _pause),
        Command("resume", "", "go on after a pause, softly", _resume),
        Command("trim", "PCT", "scale every level, 10 to 100 percent", _trim, 1, 1, _read_trim),
        Command("try", "TARGET PATTERN LEVEL [key=value...]",
             "play one line for 10 s; it replaces a running try", _try, 3, 12, _read_try),
        Command("status", "", "show the current state (also: ?)", _status),
        Command("limits", "", "session and daily limit, and what is left of today's", _limits),
        Command("explain", "[NAME]", "how each asked level becomes a duty", _explain, most=1,
             read=_read_name_if_any),
        Command("events", "on|off", "send events on this connection", _events, 1, 1, _read_switch),
        Command("echo", "on|off", "echo what is typed on this connection", _echo, 1, 1,
             _read_switch),
        Command("lease", "SECONDS", "stop the session if this client sends nothing for SECONDS"
             " (0 = off)", _lease, 1, 1, _read_lease),
        Command("ping", "", "an answer, and a sign of life for the lease", _ping),
        Command("press", "[short|long|SECONDS]", "press the start button of a mock", _press, most=1,
             read=_read_press),
        Command("reload", "", "read all profiles again; a running session keeps its own", _reload),
        Command("clear", "", "clear a fault after fixing its cause", _clear),
    )
}  # fmt: skip
