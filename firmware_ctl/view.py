"""The live terminal picture of `firmware-ctl mock`: what the daemon reports, drawn; keys, sent on.

It knows the feed and the protocol's lines, the terminal and the child process; between two reports
the motors are formulas. It decides nothing about the mat: each key becomes the same bytes that any
client could send.
"""

import contextlib
import json
import math
import os
import re
import select
import signal
import socket
import sys
import termios
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from firmware_ctl.allowance import NEW_DAY
from firmware_ctl.limits import TRIM_PCT
from firmware_ctl.mat import Motor
from firmware_ctl.points import POINTS
from firmware_ctl.printable import printable
from firmware_ctl.simulator.erm import Erm, Moment

WIDTH: Final = 80
HEIGHT: Final = 24
"""The smallest terminal that gets the whole picture."""

REDRAW_MS: Final = 100
MESSAGE_MS: Final = 10_000
SETTLING_MS: Final = 500
"""After a change of its duty a motor is drawn as it spins up or down for so long."""
END_MS: Final = 2_000
"""How long the daemon may take to end by itself once its channel is closed."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
QUIT_KEYS: Final = "q\x03"
DIGITS: Final = "123456789"

HELP: Final = (
    "space presses the button; h holds it: next profile; H for 5 s: clears a fault or "
    "begins a new day. p pauses, + - trim, c clears a fault, ! stops at once."
)

FOOTER: Final = (
    (("space", "press the start button"), ("h", "hold it"), ("1-9", "choose a profile")),
    (("p", "pause, resume"), ("+ -", "trim"), ("!", "stop"), ("q", "quit"), ("?", "help")),
)

FAULTS: Final[Mapping[str, str]] = {
    "tick-late": "The loop came too late. Close what keeps this machine busy.",
    "pin-write": "A motor pin could not be written. Check that nothing else uses it.",
    "rail": "The motor rail is not as it should be. Use the stop switch and check the motor gate.",
    "button": "The contacts of the start button contradict each other. Check its wire.",
    "under-voltage": "The supply voltage is too low. Check the supply and its cable.",
    "suspend": "The machine slept while the mat ran. Keep it awake during a session.",
    "internal": "The program met an error of its own. Please report what it says.",
}
"""What a person can do about each fault."""

FELT: Final[Mapping[str, str]] = {
    "cue-begin": "two gaps, the cue begins",
    "cue-end": "three gaps, the cue ends",
    "five-minutes-left": "five gaps, five minutes left",
    "refused": "a long pulse, refused",
}
"""What a signal feels like and means; `profile-N` speaks for itself."""

LOCKED: Final = "Locked for a moment after a stop: leave the button alone for 1.5 s first."

BADGES: Final[Mapping[str, str]] = {
    "idle": "bold",
    "running": "bold reverse green",
    "paused": "bold reverse",
    "fault": "bold reverse red",
}
"""Style of each state: the terminal's own colours, and reverse and bold where there is none."""

ROW: Final = ("level", "duty", "kicks", "power")

LEGEND: Final = "bars: modelled amplitude   ▲ kick"

ASCII: Final = str.maketrans("█▌▐·│━─▸▲…", "#++.|=->^~")

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|O[A-Za-z])")


class Zone(NamedTuple):
    name: str
    present: bool
    pairs: tuple[tuple[int | None, int | None], ...]
    """Left and right motor of each row, from head to feet, as places in `Hello.motors`."""


class Choice(NamedTuple):
    name: str
    title: str
    minutes: float


class Hello(NamedTuple):
    mat: str = "firmware-ctl"
    serial: str = ""
    socket: str = ""
    speed: float = 1.0
    max_ma: int = 0
    motors: tuple[Motor, ...] = ()
    zones: tuple[Zone, ...] = ()
    profiles: tuple[Choice, ...] = ()
    refused: tuple[str, ...] = ()
    """The files of profiles that have mistakes."""


class Status(NamedTuple):
    state: str = "starting"
    profile: str = ""
    phase: str = ""
    repeat: str = ""
    cue: str = ""
    signal: str = ""
    fault: str = ""
    t: float = 0.0
    left: float = 0.0
    trim: int = 100
    locked_until_ms: int = 0
    by_itself: bool = False


def _ascii(text: str) -> str:
    """As many characters as before."""
    return text.translate(ASCII).encode("ascii", "replace").decode()


def _hello(fields: dict[str, Any]) -> Hello:
    zones = []
    motors: list[Motor] = []
    for zone in fields["zones"]:
        sides: dict[str, list[int]] = {"left": [], "right": []}
        for motor in zone["motors"]:
            sides[motor["side"]].append(len(motors))
            motors.append(Motor(**motor))
        pairs = tuple(zip_longest(sides["left"], sides["right"]))
        zones.append(Zone(printable(zone["name"]), bool(zone["present"]), pairs))
    return Hello(
        mat=printable(fields["mat"]),
        serial=printable(fields["serial"]),
        socket=printable(fields["socket"]),
        speed=float(fields["speed"]),
        max_ma=int(fields["max_ma"]),
        motors=tuple(motors),
        zones=tuple(zones),
        profiles=tuple(
            Choice(printable(row["name"]), printable(row["title"]), float(row["minutes"]))
            for row in fields["profiles"]
        ),
        refused=tuple(map(printable, fields["refused"])),
    )


def _status(fields: dict[str, Any]) -> Status:
    return Status(
        state=printable(fields["state"]),
        profile=printable(fields["profile"]),
        phase=printable(fields["phase"]),
        repeat=printable(fields["repeat"]),
        cue=printable(fields["cue"]),
        signal=printable(fields["signal"]),
        fault=printable(fields["fault"]),
        t=float(fields["t"]),
        left=float(fields["left"]),
        trim=int(fields["trim"]),
        locked_until_ms=int(fields["locked_until_ms"]),
        by_itself=bool(fields["by_itself"]),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _line(share: float, cells: int) -> Text:
    done = int(cells * min(share, 1.0))
    return Text.assemble(("━" * done, "green"), ("─" * (cells - done), "dim"))


def _bar(amplitude: float, cells: int, *, mirrored: bool) -> Text:
    """Grows away from the spine, in half cells; whatever shakes at all shows."""
    halves = min(round(amplitude * 2 * cells), 2 * cells)
    full, half = divmod(max(halves, int(amplitude > 0)), 2)
    rest = "·" * (cells - full - half)
    if mirrored:
        return Text.assemble((rest, "dim"), ("▐" * half + "█" * full, "green"))
    return Text.assemble(("█" * full + "▌" * half, "green"), (rest, "dim"))


class Picture:
    """What the view knows of the mat. No I/O; every time is an argument, monotonic, in ms."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self._ascii_only = ascii_only
        self._hello = Hello()
        self._status = Status()
        self._status_at_ms = 0
        self._level: list[int] = []
        self._duty: list[int] = []
        self._kicks: list[int] = []
        self._has_power = True
        self._erms: list[Erm] = []
        self._changed_at_ms = 0
        self._settled_at_ms = 0
        self._most_ma = 0.0
        self._message = ""
        self._message_until_ms = 0
        self._asked: deque[str] = deque()

    @property
    def fault(self) -> str:
        return self._status.fault

    @property
    def is_running(self) -> bool:
        return self._status.state == "running"

    def feed(self, line: str, now_ms: int) -> None:
        """Take one line of the daemon, without its end. What cannot be read changes nothing."""
        if line.startswith("{"):
            # One defect of the feed must not take the stop key away from the person.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self._feed_object(json.loads(line), now_ms)
        elif line:
            self._feed_answer(line, now_ms)

    def _feed_object(self, fields: dict[str, Any], now_ms: int) -> None:
        if "hello" in fields:
            hello = _hello(fields["hello"])
            if hello.motors != self._hello.motors:  # a reload of profiles leaves them turning
                self._erms = [Erm(motor) for motor in hello.motors]
            is_news = hello.refused != self._hello.refused
            self._hello = hello
            if is_news:
                self._say(self._refused(), now_ms)
        elif "status" in fields:
            status = _status(fields["status"])
            if self._status.state not in ("running", "paused"):
                self._most_ma = 0.0
            elif status.state == "idle" and status.by_itself:
                self._say("The session is over.", now_ms)
            self._status = status
            self._status_at_ms = now_ms
        else:
            at_ms = int(fields["at_ms"])
            level, duty, kicks, power = ([int(value) for value in fields[name]] for name in ROW)
            self._level, self._duty, self._kicks = level, duty, kicks
            self._has_power = any(power) or not any(duty)
            for erm, power_pct in zip(self._erms, power, strict=False):
                erm.set_duty(power_pct, self._model_ms(at_ms))
            self._changed_at_ms = at_ms
            self._settled_at_ms = at_ms + math.ceil(SETTLING_MS / self._hello.speed)
            self._most_ma = max(self._most_ma, _current_ma(self._moments(at_ms)))

    def _model_ms(self, at_ms: int) -> int:
        """Motors live as fast as the session, so that a kick does to them what it would."""
        return int(at_ms * self._hello.speed)

    def _moments(self, now_ms: int) -> list[Moment]:
        at_ms = self._model_ms(max(now_ms, self._changed_at_ms))
        return [erm.at(at_ms) for erm in self._erms]

    def _feed_answer(self, line: str, now_ms: int) -> None:
        kind, _, rest = printable(line).partition(" ")
        if kind in ("ok", "err"):
            done = self._asked.popleft() if self._asked else ""
            self._say(done if kind == "ok" else _refusal(rest), now_ms)
        elif kind == "*":
            event, _, more = rest.partition(" ")
            if event == "event=refused":
                self._say(f"Refused: {_reason(more)}", now_ms)
            elif event == "ready":
                self._say(f"The mat is ready. {self._refused()}".rstrip(), now_ms)
            elif not event.startswith("event="):  # the picture shows what the others say
                self._say("Stopped." if event == "stopped" else rest, now_ms)

    def _refused(self) -> str:
        """What can be said of the profiles that have mistakes; nothing where there are none."""
        files = self._hello.refused
        if len(files) == 1:
            return f"1 profile is refused: `firmware-ctl check {files[0]}` says why."
        if files:
            folder = os.path.dirname(files[0])
            return f"{len(files)} profiles are refused: `firmware-ctl check {folder}` says why."
        return ""

    def _say(self, message: str, now_ms: int) -> None:
        if message:
            self._message = message
            self._message_until_ms = now_ms + MESSAGE_MS

    def ask(self, request: str, done: str) -> bytes:
        """The bytes of a request; `done` is what to say once the daemon answers ok."""
        self._asked.append(done)
        return f"{request}\r\n".encode("ascii", "replace")

    def press(self, key: str, now_ms: int) -> bytes:
        """What a key sends to the daemon; nothing for a key that only shows something."""
        trim = self._status.trim
        match key:
            case "!":
                return b"!"
            case " " if now_ms < self._status.locked_until_ms and self._status.state == "idle":
                return self.ask("press", LOCKED)
            case " ":
                return self.ask("press", "Start button pressed.")
            case "H":
                return self.ask("press 5.2", "Start button held for five seconds.")
            case "h":
                return self.ask("press long", "Start button held for a second.")
            case "p" if self._status.state == "paused":
                return self.ask("resume", "Resumed.")
            case "p":
                return self.ask("pause", "Paused. p resumes, space stops.")
            case "+" | "=" | "-":
                least, most = TRIM_PCT
                trim = max(least, min(most, trim + (-10 if key == "-" else 10)))
                return self.ask(f"trim {trim}", f"Trim {trim}%.")
            case "c":
                return self.ask("clear", "Cleared.")
            case _ if key in DIGITS:
                place = DIGITS.index(key)
                if place >= len(self._hello.profiles):
                    self._say(f"There is no profile {key}.", now_ms)
                    return b""
                name = self._hello.profiles[place].name
                later = (
                    "space starts it"
                    if self._status.state == "idle"
                    else "it is for the next start"
                )
                return self.ask(f"select {name}", f"{name} is selected; {later}.")
            case _:
                self._say(HELP, now_ms)
                return b""

    def wake_after_ms(self, now_ms: int) -> int | None:
        """When the picture changes with no line fed; None: it does not."""
        if now_ms < self._settled_at_ms:
            return REDRAW_MS
        if self._status.state == "running":
            return max(REDRAW_MS, int(1000 / max(self._hello.speed, 0.1)))
        left_ms = self._message_until_ms - now_ms
        return left_ms if left_ms > 0 else None

    def render(self, width: int, height: int, now_ms: int) -> Text:
        """Exactly `height` lines of at most `width` cells; something sensible at every size."""
        fits = width >= WIDTH and height >= HEIGHT
        lines = self._whole(width, height, now_ms) if fits else self._small(width, now_ms)
        lines = lines[:height] + [Text()] * (height - len(lines))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        text = Text("\n", no_wrap=True).join(lines)
        if self._ascii_only:
            text.plain = _ascii(text.plain)
        return text

    def sentence(self) -> str:
        """One line for a terminal that cannot move its cursor; without anything that ticks."""
        parts = (self._status.state, self._status.profile, self._phase(), self._callout()[0])
        said = ", ".join(part for part in parts if part)
        line = f"{said} | {self._message}".rstrip(" |")
        return _ascii(line) if self._ascii_only else line

    def _spoken(self, now_ms: int) -> str:
        return self._message if now_ms < self._message_until_ms else ""

    def _phase(self) -> str:
        now, _, passes = self._status.repeat.partition("/")
        pass_of = f", {now} of {passes}" if passes not in ("", "1") else ""
        return f"{self._status.phase}{pass_of}" if self._status.phase else ""

    def _callout(self) -> tuple[str, str]:
        """The one thing to do now, and its style: a fault's remedy before a cue."""
        if self._status.fault:
            remedy = FAULTS.get(self._status.fault.partition(" ")[0], "The log says more.")
            return f"Fault {self._status.fault}: {remedy} Then press c to clear it.", "fault"
        if point := POINTS.get(self._status.cue):
            caution = f" {point.caution}" if point.caution else ""
            return f"Press {point.name} now ({point.title}): {point.where}.{caution}", "paused"
        return self._status.cue, "paused"

    def _times_s(self, now_ms: int) -> tuple[float, float]:
        """Elapsed and left; between two reports the clock is the daemon's speed times ours."""
        status = self._status
        if status.state not in ("running", "paused"):
            minutes = {choice.name: choice.minutes for choice in self._hello.profiles}
            return 0.0, minutes.get(status.profile, 0.0) * 60
        since_s = 0.0
        if status.state == "running":
            since_s = (now_ms - self._status_at_ms) / 1000 * self._hello.speed
        since_s = max(0.0, min(since_s, status.left))
        return status.t + since_s, status.left - since_s

    def _progress(self, width: int, now_ms: int) -> Text:
        elapsed_s, left_s = self._times_s(now_ms)
        begin, end = f" {_clock(elapsed_s)} ", f" {_clock(math.ceil(left_s))} left"
        cells = max(0, width - len(begin) - len(end) - 1)
        share = elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s else 0.0
        return Text.assemble(begin, _line(share, cells), (end, "bold"))

    def _current(self, width: int, moments: list[Moment]) -> Text:
        """What the motors draw now, of what the supply gives; and the most of this session."""
        ma, max_ma = _current_ma(moments), self._hello.max_ma
        figures = f"{ma:.0f} of {max_ma} mA".ljust(18)
        most = f" most so far {self._most_ma:4.0f} mA"
        bar = _line(ma / max_ma if max_ma else 0.0, max(0, width - 15 - len(figures) - len(most)))
        row = Text.assemble((" current      ", "dim"), figures, bar)
        return row.append(*((most, "") if self._has_power else (" NO MOTOR POWER", "bold reverse")))

    def _title(self, width: int) -> Text:
        badge = f" {self._status.state} "
        speed = "" if self._hello.speed == 1 else f"{self._hello.speed:g} times as fast  "
        room = width - len(badge) - len(speed) - 1
        name = Text(f" {self._hello.mat}", "bold")
        name.truncate(max(0, room), overflow="ellipsis", pad=True)
        return Text.assemble(name, (speed, "dim"), (badge, BADGES.get(self._status.state, "bold")))

    def _whole(self, width: int, height: int, now_ms: int) -> list[Text]:
        top = [self._title(width)]
        for label, path in (("serial port", self._hello.serial), ("socket", self._hello.socket)):
            folded = textwrap.wrap(path, width - 15, break_on_hyphens=False) or [""]
            top += [
                Text.assemble((f" {label if row == 0 else '':<13}", "dim"), part)
                for row, part in enumerate(folded)
            ]
        chosen = next((c for c in self._hello.profiles if c.name == self._status.profile), None)
        felt = FELT.get(self._status.signal, self._status.signal.replace("-", " "))
        sign = f"felt: {felt}" if felt else ""
        moments = self._moments(now_ms)
        callout, style = self._callout()
        below = [
            Text(),
            Text.assemble(
                (" profile      ", "dim"),
                (self._status.profile or "none", "bold"),
                f"  {chosen.title}" if chosen else "",
            ),
            Text.assemble((" phase        ", "dim"), f"{self._phase():<30}  ", (sign, "bold")),
            Text.assemble(
                (" trim         ", "dim"), f"{self._status.trim}%".ljust(32), (LEGEND, "dim")
            ),
            self._current(width, moments),
            self._progress(width, now_ms),
            Text(),
            *_two_lines(callout, width, BADGES[style]),
            *_two_lines(self._spoken(now_ms), width, ""),
        ]
        room = height - len(top) - 1 - len(below) - len(FOOTER)
        body = self._body(width, min(room, 20), moments)
        spare = [Text()] * (room - len(body))
        return [*top, Text(), *body, *below, *spare, *map(_keys, FOOTER)]

    def _body(self, width: int, room: int, moments: list[Moment]) -> list[Text]:
        """Profiles on the left, the mat on the right, below one heading."""
        split = max(29, width // 3 + 2)
        profiles = self._profiles(split, room - 1)
        mat = self._mat(width - split, room - 1, moments)
        refused = f", {len(self._hello.refused)} refused" if self._hello.refused else ""
        heading = Text(f" profiles{refused}", "dim")
        heading.pad_right(split - cell_len(heading.plain))
        cells = _bar_cells(width - split)
        heading.append(
            f"{'':<11}duty level {'left':>{cells}} │ {'right':<{cells}} level duty", "dim"
        )
        rows = [heading]
        for left, right in zip_longest(profiles, mat, fillvalue=Text()):
            row = left.copy()
            row.truncate(split - 1, overflow="ellipsis", pad=True)
            rows.append(Text.assemble(row, " ", right))
        return rows

    def _profiles(self, width: int, room: int) -> list[Text]:
        names = [choice.name for choice in self._hello.profiles]
        at = names.index(self._status.profile) if self._status.profile in names else 0
        first = max(0, min(at - room // 2, len(names) - room))
        rows = []
        for place in range(first, min(first + room, len(names))):
            choice = self._hello.profiles[place]
            minutes = f"{choice.minutes:.3g} min"
            digit = str(place + 1) if place < 9 else " "
            mark, style = ("▸", "bold") if place == at and self._status.profile else (" ", "")
            row = Text(f" {mark}{digit} {choice.name}", style)
            row.truncate(width - 11, overflow="ellipsis", pad=True)
            rows.append(row.append(f" {minutes:>8}"))
        return rows

    def _mat(self, width: int, room: int, moments: list[Moment]) -> list[Text]:
        """A row a pair of motors, head first; air between the zones where there is room."""
        cells = _bar_cells(width)
        zones = []
        for zone in self._hello.zones:
            label = zone.name.replace("_", " ")[:10]
            if not zone.present:
                zones.append([Text.assemble(f"{label:<11}", ("not plugged in", "dim"))])
                continue
            zones.append(
                [
                    Text.assemble(
                        f"{label if row == 0 else '':<11}",
                        *self._motor(pair[0], cells, moments, mirrored=True),
                        (" │ ", "dim"),
                        *self._motor(pair[1], cells, moments, mirrored=False),
                    )
                    for row, pair in enumerate(zone.pairs)
                ]
            )
        rows = [row for zone in zones for row in (*zone, Text())][:-1]
        if len(rows) > room:
            rows = [row for zone in zones for row in zone]
        if len(rows) > room:
            rows[room - 1 :] = [Text(f"… and {len(rows) - room + 1} more rows of motors", "dim")]
        return rows

    def _pct(self, values: list[int], place: int) -> int:
        return values[place] if place < len(values) else 0

    def _motor(
        self, place: int | None, cells: int, moments: list[Moment], *, mirrored: bool
    ) -> list[Text]:
        if place is None:
            return [Text(" " * (cells + 11))]
        level_pct, duty_pct = self._pct(self._level, place), self._pct(self._duty, place)
        level = Text(f"{level_pct:>3}%", "bold" if level_pct else "")
        mark, style = ("▲", "bold") if place in self._kicks else (" ", "dim")
        duty = Text(f"{mark}{duty_pct:>2}%", style)  # a duty has two digits at most
        bar = _bar(moments[place].amplitude, cells, mirrored=mirrored)
        if moments[place].current_ma and not moments[place].turning:
            bar = Text("stalled".rjust(cells) if mirrored else "stalled".ljust(cells), "bold")
        space = Text("  ")
        parts = [bar, Text(" "), level, space, duty]
        return [duty, space, level, Text(" "), bar] if mirrored else parts

    def _small(self, width: int, now_ms: int) -> list[Text]:
        """The same in the order of what a person needs first."""
        callout, style = self._callout()
        lines = [
            Text.assemble(
                (f" {self._status.state} ", BADGES.get(self._status.state, "bold")),
                " ! stops, q quits",
            )
        ]
        lines += [Text(part, BADGES[style]) for part in textwrap.wrap(callout, max(1, width))]
        lines += [Text(part) for part in textwrap.wrap(self._spoken(now_ms), max(1, width))]
        lines += [self._progress(width, now_ms)]
        lines += [Text(f"{self._status.profile} {self._phase()}".strip())]
        for zone in self._hello.zones:
            places = [place for pair in zone.pairs for place in pair if place is not None]
            levels = " ".join(f"{self._pct(self._level, place)}%" for place in places)
            shown = levels if zone.present else "not plugged in"
            lines.append(Text(f"{zone.name.replace('_', ' ')} {shown}"))
        lines += [Text(self._hello.serial), Text(self._hello.socket)]
        return [*lines, *map(_keys, FOOTER)]


def _reason(fields: str) -> str:
    """What the message among the fields of an event says; all of them where there is none."""
    found = re.fullmatch(r'code=(\S+) message=("(?:[^"\\]|\\.)*")', fields)
    return _refusal(f"{found[1]} {json.loads(found[2])}") if found else fields


def _refusal(answer: str) -> str:
    code, _, message = answer.partition(" ")
    if code != "allowance":
        return message or code
    wait_s, _, message = message.partition(" ")
    message = message.replace(NEW_DAY, f"{NEW_DAY} (H does)")
    if not wait_s.isdigit():
        return message
    return f"{message} Possible again in {math.ceil(int(wait_s) / 60)} min."


def _two_lines(words: str, width: int, style: str) -> list[Text]:
    """Always two, so that nothing jumps when words come and go."""
    parts = textwrap.wrap(words, width - 2, max_lines=2, placeholder=" …")
    lines = [Text(f" {part}", style) for part in parts]
    if style:
        for line in lines:
            line.pad_right(width - cell_len(line.plain))
    return [*lines, *[Text()] * (2 - len(lines))]


def _keys(row: tuple[tuple[str, str], ...]) -> Text:
    line = Text()
    for key, does in row:
        line.append(f" {key}", "bold").append(f" {does}  ")
    return line


def _current_ma(moments: list[Moment]) -> float:
    return sum(moment.current_ma for moment in moments)


def _bar_cells(width: int) -> int:
    return max(4, min(24, (width - 11 - 2 * 11 - 3 - 1) // 2))


def run(
    channel: socket.socket,
    child_pid: int,
    first_line: str,
    last_words: Callable[[], str] = lambda: "",
) -> int:
    """Show the daemon `child_pid` until it ends; give back its exit code, 1 if it was killed.

    `channel` is this side of the pair whose other end the child alone holds. Standard input and
    output are a terminal; it is restored on every way out. `last_words` is asked, once the daemon
    has ended, for what it wrote to stderr.
    """
    print(first_line, flush=True)
    loop = _Loop(channel, child_pid, Picture(ascii_only=_ascii_only()))
    with contextlib.closing(channel), _caught_signals() as signals, _own_terminal(loop.console):
        code, why = loop.run(signals)
    sys.stderr.write(last_words())  # before the reason, which a page of stacks would push away
    if why:
        print(f"firmware-ctl: {why}", file=sys.stderr)
    return code


class _Loop:
    """One select over keys, channel and signals, and a time to draw again."""

    def __init__(self, channel: socket.socket, child_pid: int, picture: Picture) -> None:
        self.console = Console(force_terminal=True, highlight=False)
        self._channel = channel
        self._child_pid = child_pid
        self._picture = picture
        self._keys_fd = sys.stdin.fileno()
        self._sources: list[int] = []
        self._half_line = b""
        self._sentence = ""
        self._drawn_at_ms = 0
        self._draw_at_ms: int | None = 0
        self._kill_at_ms: int | None = None
        self._overdue = False

    def run(self, signals: int) -> tuple[int, str]:
        """The exit code, and why the daemon ended where that needs saying."""
        self._channel.setblocking(False)
        self._sources = [self._keys_fd, self._channel.fileno(), signals]
        self._send(self._picture.ask("events on", ""))
        while True:
            ended_pid, status = os.waitpid(self._child_pid, os.WNOHANG)
            now_ms = _now_ms()
            if ended_pid:
                self._read_channel(now_ms)  # a fault may have been its last word
                return _verdict(
                    status,
                    self._picture.fault,
                    overdue=self._overdue,
                    running=self._picture.is_running,
                )
            if self._kill_at_ms is not None and now_ms >= self._kill_at_ms:
                os.kill(self._child_pid, signal.SIGKILL)
                self._kill_at_ms = now_ms + END_MS
                self._overdue = True
            if self._draw_at_ms is not None and now_ms >= self._draw_at_ms:
                self._draw(now_ms)
            deadlines = [at_ms for at_ms in (self._draw_at_ms, self._kill_at_ms) if at_ms]
            wait_s = max(0, min(deadlines) - now_ms) / 1000 if deadlines else None
            ready, _, _ = select.select(self._sources, [], [], wait_s)
            now_ms = _now_ms()
            if signals in ready:
                self._read_signals(signals, now_ms)
            if self._keys_fd in ready:
                self._read_keys(now_ms)
            if self._channel.fileno() in ready:
                self._read_channel(now_ms)
            if ready:
                soon_ms = max(now_ms, self._drawn_at_ms + REDRAW_MS)
                self._draw_at_ms = min(self._draw_at_ms or soon_ms, soon_ms)

    def _read_signals(self, signals: int, now_ms: int) -> None:
        if set(os.read(signals, 1024)) & set(ENDING):
            self._leave(now_ms)

    def _read_keys(self, now_ms: int) -> None:
        try:
            keys = os.read(self._keys_fd, 1024).decode("utf-8", "replace")
        except OSError:  # the terminal is gone
            keys = ""
        if not keys:
            self._leave(now_ms)
        for key in _ESCAPES.sub("?", keys):
            if key in QUIT_KEYS:
                self._leave(now_ms)
            else:
                self._send(self._picture.press(key, now_ms))

    def _read_channel(self, now_ms: int) -> None:
        try:
            heard = self._channel.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._leave(now_ms)
        *lines, self._half_line = (self._half_line + heard).split(b"\n")
        for line in lines:
            self._picture.feed(line.decode("utf-8", "replace").rstrip("\r"), now_ms)

    def _send(self, request: bytes) -> None:
        with contextlib.suppress(OSError):  # a daemon that is gone is noticed when it is read
            self._channel.send(request)

    def _leave(self, now_ms: int) -> None:
        """Stop the mat and wait for the daemon, which ends when its channel does."""
        if self._kill_at_ms is None:
            self._kill_at_ms = now_ms + END_MS
            self._sources = self._sources[2:]
            self._send(b"!")
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)

    def _draw(self, now_ms: int) -> None:
        try:
            self._draw_now(now_ms)
        except OSError:  # the terminal is gone
            self._leave(now_ms)
        after_ms = self._picture.wake_after_ms(now_ms)
        self._drawn_at_ms = now_ms
        self._draw_at_ms = None if after_ms is None else now_ms + after_ms

    def _draw_now(self, now_ms: int) -> None:
        if self.console.is_dumb_terminal:
            if (sentence := self._picture.sentence()) != self._sentence:
                self._sentence = sentence
                print(sentence, flush=True)
            return
        width, height = os.get_terminal_size(sys.stdout.fileno())
        if not (width and height):  # a line that was never told a size
            width, height = WIDTH, HEIGHT
        # Else rich believes COLUMNS and LINES of the environment, which may say 0.
        self.console.size = ConsoleDimensions(width, height)
        text = self._picture.render(width, height, now_ms)
        self.console.update_screen_lines(self.console.render_lines(text))


@contextlib.contextmanager
def _caught_signals() -> Iterator[int]:
    """Each signal becomes a byte on the descriptor; what it did before is put back at the end."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    caught = (*ENDING, signal.SIGWINCH, signal.SIGCHLD)
    before = {number: signal.signal(number, lambda *_: None) for number in caught}
    wakeup_fd = signal.set_wakeup_fd(write_fd)
    try:
        yield read_fd
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read_fd)
        os.close(write_fd)


@contextlib.contextmanager
def _own_terminal(console: Console) -> Iterator[None]:
    """Single keys, no echo, the alternate screen; all of it undone at the end."""
    keys_fd = sys.stdin.fileno()
    before = termios.tcgetattr(keys_fd)
    ours = termios.tcgetattr(keys_fd)
    ours[0] &= ~termios.IXON  # Ctrl-S would freeze the picture, and the stop key with it
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    try:
        # Flushed both ways: no key typed ahead starts the mat, none left over reaches the shell.
        termios.tcsetattr(keys_fd, termios.TCSAFLUSH, ours)
        if not console.is_dumb_terminal:
            console.set_alt_screen(True)
            console.show_cursor(False)
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):
            if not console.is_dumb_terminal:
                console.show_cursor(True)
                console.set_alt_screen(False)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(keys_fd, termios.TCSAFLUSH, before)


def _verdict(status: int, fault: str, *, overdue: bool, running: bool = False) -> tuple[int, str]:
    code = os.waitstatus_to_exitcode(status)
    if overdue and code == -signal.SIGKILL:
        return 1, f"the daemon did not end within {END_MS / 1000:g} s and was killed."
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        told = f"the daemon was killed by signal {-code} ({names.get(-code, 'unnamed')})"
        if running and code == -signal.SIGKILL:
            told += " while a session ran, as its dead-man does when it hangs or is stopped"
        return 1, f"{told}."
    if code > 0:
        after = f" after the fault {fault}" if fault else ""
        return code, f"the daemon ended with exit code {code}{after}."
    return 0, ""


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _ascii_only() -> bool:
    # In a C locale Python speaks UTF-8 by itself (PEP 540); the terminal need not.
    return sys.stdout.encoding.lower() != "utf-8" or (
        bool(sys.flags.utf8_mode) and os.environ.get("PYTHONUTF8") != "1"
    )
