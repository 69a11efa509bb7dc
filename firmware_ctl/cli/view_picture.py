"""The live view's model: the picture, as the daemon's reports and a person's keys change it.

It knows the objects of `feed` and the lines of the protocol. It knows no terminal, socket or clock:
every time is an argument, in ms on the monotonic clock that view and daemon share. It decides
nothing about the mat: each key becomes bytes that any client could send. Between two reports it
computes the motors by their models.
"""

import contextlib
import json
import math
import os
import re
from collections import deque
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from firmware_ctl.config.mat import Motor
from firmware_ctl.errors import printable
from firmware_ctl.limits import TRIM_PCT
from firmware_ctl.session.allowance import NEW_DAY
from firmware_ctl.simulator.erm import Erm, Moment

REDRAW_MS: Final = 100
"""The shortest time between two pictures."""
MESSAGE_MS: Final = 10_000
"""How long a message is shown."""
SETTLING_MS: Final = 500
"""A motor that spins up or down is drawn anew for this long after its duty has changed."""

STOP: Final = b"!"
"""The protocol's stop byte; it needs no line end and acts in the middle of any line."""

HELP: Final = (
    "space presses the button; h holds it: next profile; H for 5 s: clears a fault or "
    "begins a new day. p pauses, + - trim, c clears a fault, ! stops at once."
)

LOCKED: Final = "Locked for a moment after a stop: leave the button alone for 1.5 s first."

_DIGITS: Final = "123456789"
_ROW: Final = ("level", "duty", "kicks", "power")


Json = Mapping[str, Any]
"""An object of the daemon's feed. `Picture.feed` takes a wrong one as an unreadable line."""


class Zone(NamedTuple):
    name: str
    present: bool
    pairs: tuple[tuple[int | None, int | None], ...]
    """Left and right motor of each row, from head to feet, as indices into `Hello.motors`."""


class ProfileLine(NamedTuple):
    """A profile as the list on the screen shows it."""

    name: str
    title: str
    minutes: float


class Hello(NamedTuple):
    """What stays the same until the daemon reads its profiles again."""

    mat: str = "firmware-ctl"
    serial: str = ""
    """Path of the pseudo-terminal; empty where the daemon could not open one."""
    socket: str = ""
    speed: float = 1.0
    max_ma: int = 0
    motors: tuple[Motor, ...] = ()
    zones: tuple[Zone, ...] = ()
    profiles: tuple[ProfileLine, ...] = ()
    refused: tuple[str, ...] = ()
    """Paths of the profiles that have mistakes."""


class Status(NamedTuple):
    """The session as the daemon last reported it."""

    state: str = "starting"
    profile: str = ""
    phase: str = ""
    repeat: str = ""
    """`2/4` in the second of four passes through the phase."""
    cue: str = ""
    signal: str = ""
    fault: str = ""
    t: float = 0.0
    """Seconds of the session that have been played."""
    left: float = 0.0
    """Seconds of the session that remain."""
    trim: int = 100
    locked_until_ms: int = 0
    by_itself: bool = False
    """No request and no fault brought about this status, only time."""

    @property
    def phase_label(self) -> str:
        """The phase and the pass through it; empty outside a session."""
        number, _, passes = self.repeat.partition("/")
        pass_label = f", {number} of {passes}" if passes not in ("", "1") else ""
        return f"{self.phase}{pass_label}" if self.phase else ""


class Picture:
    """What the view knows of the mat.

    The attributes are for reading: `level_pct` and `duty_pct` have one entry a motor, in the order
    of `hello.motors`, and are empty before the first report.
    """

    def __init__(self) -> None:
        self.hello = Hello()
        self.status = Status()
        self.level_pct: list[int] = []
        self.duty_pct: list[int] = []
        self.kicks: list[int] = []
        """Indices of the motors that get their start kick now."""
        self.has_power = True
        """False: motors have a duty and the rail gives none of them power."""
        self.peak_ma = 0.0
        """The highest current of this session, in mA."""
        self.message = ""
        """The last sentence for the person. `message_at` hides it after `MESSAGE_MS`."""
        self._message_until_ms = 0
        self._status_at_ms = 0
        self._erms: list[Erm] = []
        self._changed_at_ms = 0
        self._settled_at_ms = 0
        self._replies: deque[str] = deque()

    # --- from the daemon ---

    def feed(self, line: str, now_ms: int) -> None:
        """Takes one line of the daemon, without its end. An unreadable line changes nothing."""
        if line.startswith("{"):
            # A defect of the feed must not end the view: the person would lose the stop key.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self._feed_object(json.loads(line), now_ms)
        elif line:
            self._feed_answer(line, now_ms)

    def _feed_object(self, fields: Json, now_ms: int) -> None:
        if "hello" in fields:
            self._feed_hello(_read_hello(fields["hello"]), now_ms)
        elif "status" in fields:
            self._feed_status(_read_status(fields["status"]), now_ms)
        else:
            self._feed_motors(fields)

    def _feed_hello(self, hello: Hello, now_ms: int) -> None:
        # The daemon sends `hello` again after a reload. The models of the motors must go on then.
        if hello.motors != self.hello.motors:
            self._erms = [Erm(motor) for motor in hello.motors]
        has_new_refusals = hello.refused != self.hello.refused
        self.hello = hello
        if has_new_refusals:
            self._show(self._refused_profiles(), now_ms)

    def _feed_status(self, status: Status, now_ms: int) -> None:
        if self.status.state not in ("running", "paused"):
            self.peak_ma = 0.0
        elif status.state == "idle" and status.by_itself:
            self._show("The session is over.", now_ms)
        self.status = status
        self._status_at_ms = now_ms

    def _feed_motors(self, fields: Json) -> None:
        at_ms = int(fields["at_ms"])
        # All four are read before any is stored, so that an unreadable line changes nothing.
        level, duty, kicks, power = ([int(value) for value in fields[name]] for name in _ROW)
        self.level_pct, self.duty_pct, self.kicks = level, duty, kicks
        self.has_power = any(power) or not any(duty)
        for erm, power_pct in zip(self._erms, power, strict=False):
            erm.set_duty(power_pct, self._model_ms(at_ms))
        self._changed_at_ms = at_ms
        self._settled_at_ms = at_ms + math.ceil(SETTLING_MS / self.hello.speed)
        current_ma = sum(moment.current_ma for moment in self.moments(at_ms))
        self.peak_ma = max(self.peak_ma, current_ma)

    def _feed_answer(self, line: str, now_ms: int) -> None:
        kind, _, rest = printable(line).partition(" ")
        if kind in ("ok", "err"):
            reply = self._replies.popleft() if self._replies else ""
            self._show(reply if kind == "ok" else _refusal(rest), now_ms)
        elif kind == "*":
            event, _, fields = rest.partition(" ")
            if event == "event=refused":
                self._show(f"Refused: {_refusal_of_event(fields)}", now_ms)
            elif event == "ready":
                self._show(f"The mat is ready. {self._refused_profiles()}".rstrip(), now_ms)
            elif not event.startswith("event="):  # the picture itself shows the other events
                self._show("Stopped." if event == "stopped" else rest, now_ms)

    def _refused_profiles(self) -> str:
        """A sentence about the profiles that have mistakes; empty where there are none."""
        paths = self.hello.refused
        if len(paths) == 1:
            return f"1 profile is refused: `firmware-ctl check {paths[0]}` says why."
        if paths:
            folder = os.path.dirname(paths[0])
            return f"{len(paths)} profiles are refused: `firmware-ctl check {folder}` says why."
        return ""

    def _show(self, message: str, now_ms: int) -> None:
        if message:
            self.message = message
            self._message_until_ms = now_ms + MESSAGE_MS

    # --- from the person ---

    def request(self, line: str, reply: str) -> bytes:
        """The bytes of a request. `reply` is shown when the daemon answers `ok`."""
        self._replies.append(reply)
        return f"{line}\r\n".encode("ascii", "replace")

    def press(self, key: str, now_ms: int) -> bytes:
        """The bytes that a key sends to the daemon; none for a key that only shows something."""
        trim_pct = self.status.trim
        match key:
            case "!":
                return STOP
            case " " if now_ms < self.status.locked_until_ms and self.status.state == "idle":
                return self.request("press", LOCKED)
            case " ":
                return self.request("press", "Start button pressed.")
            case "H":
                return self.request("press 5.2", "Start button held for five seconds.")
            case "h":
                return self.request("press long", "Start button held for a second.")
            case "p" if self.status.state == "paused":
                return self.request("resume", "Resumed.")
            case "p":
                return self.request("pause", "Paused. p resumes, space stops.")
            case "+" | "=" | "-":
                least_pct, most_pct = TRIM_PCT
                step_pct = -10 if key == "-" else 10
                trim_pct = max(least_pct, min(most_pct, trim_pct + step_pct))
                return self.request(f"trim {trim_pct}", f"Trim {trim_pct}%.")
            case "c":
                return self.request("clear", "Cleared.")
            case _ if key in _DIGITS:
                return self._select(key, now_ms)
            case _:
                self._show(HELP, now_ms)
                return b""

    def _select(self, digit: str, now_ms: int) -> bytes:
        index = _DIGITS.index(digit)
        if index >= len(self.hello.profiles):
            self._show(f"There is no profile {digit}.", now_ms)
            return b""
        name = self.hello.profiles[index].name
        is_idle = self.status.state == "idle"
        effect = "space starts it" if is_idle else "it is for the next start"
        return self.request(f"select {name}", f"{name} is selected; {effect}.")

    # --- at a time ---

    def message_at(self, now_ms: int) -> str:
        return self.message if now_ms < self._message_until_ms else ""

    def moments(self, now_ms: int) -> list[Moment]:
        """Each motor as its model has it now, in the order of `hello.motors`."""
        at_ms = self._model_ms(max(now_ms, self._changed_at_ms))
        return [erm.at(at_ms) for erm in self._erms]

    def _model_ms(self, at_ms: int) -> int:
        """Time for the models, at the session's speed: so each kick has its full effect."""
        return int(at_ms * self.hello.speed)

    def times_s(self, now_ms: int) -> tuple[float, float]:
        """Seconds of the session that have passed and that are left. Idle: of the chosen profile.

        While a session runs, both go on between two reports, at the daemon's speed.
        """
        status = self.status
        if status.state not in ("running", "paused"):
            minutes = {profile.name: profile.minutes for profile in self.hello.profiles}
            return 0.0, minutes.get(status.profile, 0.0) * 60
        since_s = 0.0
        if status.state == "running":
            since_s = (now_ms - self._status_at_ms) / 1000 * self.hello.speed
        since_s = max(0.0, min(since_s, status.left))
        return status.t + since_s, status.left - since_s

    def redraw_after_ms(self, now_ms: int) -> int | None:
        """After how many ms the picture changes without another line of the daemon. None: never."""
        if now_ms < self._settled_at_ms:
            return REDRAW_MS
        if self.status.state == "running":
            return max(REDRAW_MS, int(1000 / max(self.hello.speed, 0.1)))
        left_ms = self._message_until_ms - now_ms
        return left_ms if left_ms > 0 else None


def _read_hello(fields: Json) -> Hello:
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
            ProfileLine(printable(row["name"]), printable(row["title"]), float(row["minutes"]))
            for row in fields["profiles"]
        ),
        refused=tuple(map(printable, fields["refused"])),
    )


def _read_status(fields: Json) -> Status:
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


def _refusal_of_event(fields: str) -> str:
    """The message in the fields of an event. If there is none: the fields themselves."""
    match = re.fullmatch(r'code=(\S+) message=("(?:[^"\\]|\\.)*")', fields)
    return _refusal(f"{match[1]} {json.loads(match[2])}") if match else fields


def _refusal(answer: str) -> str:
    """A sentence for `CODE MESSAGE`, the rest of an answer that begins with err."""
    code, _, message = answer.partition(" ")
    if code != "allowance":
        return message or code
    wait_s, _, message = message.partition(" ")
    message = message.replace(NEW_DAY, f"{NEW_DAY} (H does)")
    if not wait_s.isdigit():
        return message
    return f"{message} Possible again in {math.ceil(int(wait_s) / 60)} min."
