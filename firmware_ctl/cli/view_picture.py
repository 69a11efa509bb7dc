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
from typing import Final

from firmware_ctl.cli.view_feed import Hello, Json, Status, read_hello, read_status
from firmware_ctl.errors import printable
from firmware_ctl.limits import LOCK_MS, TRIM_PCT
from firmware_ctl.session.allowance import NEW_DAY
from firmware_ctl.simulator.erm import STALL_MS, Erm, Moment

REDRAW_MS: Final = 100
"""The shortest time between two pictures."""
MESSAGE_MS: Final = 10_000
"""How long a message is shown."""
SETTLING_MS: Final = 500
"""A motor that spins up or down is drawn anew for this long after its duty has changed."""

STOP: Final = b"!"
"""The protocol's stop byte; it needs no line end and acts in the middle of any line."""

UP: Final = "up"
DOWN: Final = "down"
ENTER: Final = "enter"
"""The names of the keys that a terminal sends as more than one character, or as a line end."""

ESC: Final = "\x1b"
"""Leaves a page, and does nothing else."""

HELP_PAGE: Final = "help"
ABOUT_PAGE: Final = "about"
"""The pages that cover the picture until a key is pressed."""

LOCKED: Final = f"Too early: each press starts the wait of {LOCK_MS / 1000:g} s again."
UNLOCKED: Final = "Press space to start."
"""What `LOCKED` becomes when the wait is over."""

KEYS_SENTENCE: Final = (
    "Keys: space starts or stops, 1-9 select a profile, Enter starts it, i describes it, p pauses, "
    "+ and - trim, c clears a fault, ! stops at once, ? lists the keys, q quits."
)
"""For a terminal that shows lines of text only."""

_DIGITS: Final = "123456789"
_ROW: Final = ("level", "duty", "kicks", "power")


class Picture:
    """What the view knows of the mat.

    The attributes are for reading: `level_pct` and `duty_pct` have one entry a motor, in the order
    of `hello.motors`, and are empty before the first report.
    """

    def __init__(self, *, has_pages: bool = True) -> None:
        """`has_pages`: the terminal can cover the picture with a page and uncover it."""
        self._has_pages = has_pages
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
        self.selected = ""
        """The profile that the next start plays. Empty: none is loaded."""
        self.about = ""
        """What the author wrote about the selected profile."""
        self.page = ""
        """The page that covers the picture: `HELP_PAGE`, `ABOUT_PAGE`, or none."""
        self.message = ""
        """The last sentence for the person. `message_at` hides it after `MESSAGE_MS`."""
        self.messages = 0
        """How many messages there have been."""
        self._message_until_ms = 0
        self._status_at_ms = 0
        self._wanted = ""
        """The profile of the last `select`, which the daemon may not have answered yet."""
        self._erms: list[Erm] = []
        self._stalled_ms: list[float] = []
        """For each motor, how long it had been stalled in all when it last turned or was off."""
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
            self._feed_hello(read_hello(fields["hello"]), now_ms)
        elif "selected" in fields:
            self._feed_selected(fields["selected"], now_ms)
        elif "status" in fields:
            self._feed_status(read_status(fields["status"]), now_ms)
        else:
            self._feed_motors(fields)

    def _feed_hello(self, hello: Hello, now_ms: int) -> None:
        # The daemon sends `hello` again after a reload. The models of the motors must go on then.
        if hello.motors != self.hello.motors:
            self._erms = [Erm(motor) for motor in hello.motors]
            self._stalled_ms = [0.0] * len(hello.motors)
        is_reload = bool(self.hello.motors)
        self.hello = hello
        if is_reload:
            count = len(hello.profiles)
            loaded = f"{count} profile{'s' * (count != 1)} loaded."
            self._show(f"{loaded} {self._refused_profiles()}".rstrip(), now_ms)

    def _feed_selected(self, fields: Json, now_ms: int) -> None:
        name, about = printable(fields["name"]), printable(fields["about"])
        has_changed = name and self.selected not in ("", name)
        self.selected = self._wanted = name
        self.about = about
        if has_changed:
            self._show(self._selection(name), now_ms)

    def _selection(self, name: str) -> str:
        if self.status.is_on:
            return f"Selected {name} for the next start."
        return f"Selected {name}."

    def _feed_status(self, status: Status, now_ms: int) -> None:
        if not self.status.is_on:
            self.peak_ma = 0.0
        self._show(describe_change(self.status, status), now_ms)
        self.status = status
        self._status_at_ms = now_ms

    def _feed_motors(self, fields: Json) -> None:
        at_ms = int(fields["at_ms"])
        # All four are read before any is stored, so that an unreadable line changes nothing.
        level, duty, kicks, power = ([int(value) for value in fields[name]] for name in _ROW)
        self.level_pct, self.duty_pct, self.kicks = level, duty, kicks
        self.has_power = any(power) or not any(duty)
        model_ms = self._model_ms(at_ms)
        for index, (erm, power_pct) in enumerate(zip(self._erms, power, strict=False)):
            erm.set_duty(power_pct, model_ms)
            # A motor that turns or is off has no stall; its total only grows during a stall.
            if erm.at(model_ms).turning or not power_pct:
                self._stalled_ms[index] = erm.stalled_ms(model_ms)
        self._changed_at_ms = at_ms
        self._settled_at_ms = at_ms + math.ceil(SETTLING_MS / self.hello.speed)
        current_ma = sum(moment.current_ma for moment in self.moments(at_ms))
        self.peak_ma = max(self.peak_ma, current_ma)

    def _feed_answer(self, line: str, now_ms: int) -> None:
        kind, _, rest = printable(line).partition(" ")
        if kind in ("ok", "err"):
            reply = self._replies.popleft() if self._replies else ""
            self._show(reply if kind == "ok" else sentence_of(_refusal(rest)), now_ms)
            if kind == "err":
                self._wanted = self.selected
        elif kind == "*":
            event, _, fields = rest.partition(" ")
            if event == "event=refused" and fields.startswith("code=invalid-profile"):
                # A reload has refused the selected profile.
                lost = f"{_refusal_of_event(fields)}. {self._refused_profiles()}"
                self._show(lost.rstrip(), now_ms)
            elif event == "event=refused":
                self._show(sentence_of(f"Refused: {_refusal_of_event(fields)}"), now_ms)
            elif event == "ready":
                self._show(f"The mat is ready. {self._refused_profiles()}".rstrip(), now_ms)
            elif not event.startswith("event="):  # the picture itself shows the other events
                self._show("Stopped." if event == "stopped" else sentence_of(rest), now_ms)

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
            self.messages += 1
            self._message_until_ms = now_ms + MESSAGE_MS

    # --- from the person ---

    def request(self, line: str, reply: str) -> bytes:
        """The bytes of a request. `reply` is shown when the daemon answers `ok`."""
        self._replies.append(reply)
        return f"{line}\r\n".encode("ascii", "replace")

    def press(self, key: str, now_ms: int) -> bytes:
        """The bytes that a key sends to the daemon; none for a key that only shows something.

        On a page every key only goes back to the picture, except those that stop the mat.
        """
        page, self.page = self.page, ""
        is_stop = key == "!" or (key == " " and self.status.is_on)
        if key == ESC or (page and not is_stop):
            return b""
        match key:
            case "!":
                return STOP
            case " ":
                return self.request("press", self._lock_at(now_ms) and LOCKED)
            case "H":
                return self.request("press 5.2", "Holding the start button for 5 s.")
            case "h":
                return self.request("press long", "")
            case "p":
                return self.request("resume" if self.status.state == "paused" else "pause", "")
            case "c":
                is_fault = self.status.state == "fault"
                return self.request("clear", "" if is_fault else "There is no fault.")
            case "+" | "=" | "-":
                return self._trim(-10 if key == "-" else 10, now_ms)
            case _ if key == ENTER:
                return self.request("start", "")
            case _ if key in (UP, DOWN):
                return self._move(1 if key == DOWN else -1, now_ms)
            case _ if key in _DIGITS:
                return self._select(_DIGITS.index(key), now_ms)
            case _:
                return self._show_page(key, now_ms)

    def _show_page(self, key: str, now_ms: int) -> bytes:
        if page := {"?": HELP_PAGE, "i": ABOUT_PAGE}.get(key):
            if self._has_pages:
                self.page = page
            else:
                self._show(KEYS_SENTENCE if key == "?" else self.about, now_ms)
        else:
            self._show("This key does nothing. Press ? for help.", now_ms)
        return b""

    def _trim(self, step_pct: int, now_ms: int) -> bytes:
        least_pct, most_pct = TRIM_PCT
        trim_pct = max(least_pct, min(most_pct, self.status.trim + step_pct))
        if trim_pct != self.status.trim:
            return self.request(f"trim {trim_pct}", "")
        self._show(f"Trim {trim_pct}% is the {'most' if step_pct > 0 else 'least'}.", now_ms)
        return b""

    def _move(self, step: int, now_ms: int) -> bytes:
        """Selects the profile above or below. At the end of the list it stays selected."""
        names = [profile.name for profile in self.hello.profiles]
        index = names.index(self._wanted) + step if self._wanted in names else 0
        return self._select(max(0, min(index, len(names) - 1)), now_ms)

    def _select(self, index: int, now_ms: int) -> bytes:
        if index >= len(self.hello.profiles):
            self._show(f"There is no profile {index + 1}.", now_ms)
            return b""
        self._wanted = name = self.hello.profiles[index].name
        return self.request(f"select {name}", self._selection(name))

    # --- at a time ---

    def message_at(self, now_ms: int) -> str:
        """The last message while it is new, and for how long the start button is locked."""
        message = self.message if now_ms < self._message_until_ms else ""
        lock = self._lock_at(now_ms)
        if message == LOCKED and not lock:
            message = UNLOCKED if self.status.state == "idle" else ""
        return f"{message} {lock}".strip()

    def _lock_at(self, now_ms: int) -> str:
        left_ms = self.status.locked_until_ms - now_ms
        if left_ms <= 0 or self.status.state != "idle":
            return ""
        return f"The start button works again in {math.ceil(left_ms / 100) / 10:.1f} s."

    def moments(self, now_ms: int) -> list[Moment]:
        """Each motor as its model has it now, in the order of `hello.motors`."""
        at_ms = self._model_ms(max(now_ms, self._changed_at_ms))
        return [erm.at(at_ms) for erm in self._erms]

    def amplitudes(self, now_ms: int) -> list[float | None]:
        """Each motor's modelled amplitude, as a share of its most. None: the motor is stalled.

        A motor is stalled if it has a duty and has stood still for longer than `STALL_MS`.
        """
        at_ms = self._model_ms(max(now_ms, self._changed_at_ms))
        # The rest between two kicks is real time, also for a mock that plays faster.
        most_ms = STALL_MS * self.hello.speed
        return [
            None if erm.stalled_ms(at_ms) - before_ms > most_ms else moment.amplitude
            for erm, before_ms, moment in zip(
                self._erms, self._stalled_ms, self.moments(now_ms), strict=True
            )
        ]

    def _model_ms(self, at_ms: int) -> int:
        """Time for the models, at the session's speed: so each kick has its full effect."""
        return int(at_ms * self.hello.speed)

    def times_s(self, now_ms: int) -> tuple[float, float]:
        """Seconds of the session that have passed and that are left. Idle: of the chosen profile.

        While a session runs, both go on between two reports, at the daemon's speed.
        """
        status = self.status
        if not status.is_on:
            minutes = {profile.name: profile.minutes for profile in self.hello.profiles}
            return 0.0, minutes.get(status.profile, 0.0) * 60
        since_s = 0.0
        if status.state == "running":
            since_s = (now_ms - self._status_at_ms) / 1000 * self.hello.speed
        since_s = max(0.0, min(since_s, status.left))
        return status.t + since_s, status.left - since_s

    def redraw_after_ms(self, now_ms: int) -> int | None:
        """After how many ms the picture changes without another line of the daemon. None: never."""
        if now_ms < self._settled_at_ms or self._lock_at(now_ms):
            return REDRAW_MS
        if self.status.state == "running":
            return max(REDRAW_MS, int(1000 / max(self.hello.speed, 0.1)))
        left_ms = self._message_until_ms - now_ms
        return left_ms if left_ms > 0 else None


def describe_change(before: Status, now: Status) -> str:
    """A sentence about what happened to the mat between two reports. Empty: nothing to report."""
    match before.state, now.state:
        case "idle", "running":
            return f"Started {now.profile}."
        case "running", "paused":
            return "Paused. p resumes, space stops."
        case "paused", "running":
            return "Resumed."
        case (("running" | "paused"), "idle"):
            if now.has_reason:
                return ""  # the event with the reason is the message
            return "The session is over." if now.by_itself else "Stopped."
        case "fault", "idle":
            return "The fault is cleared."
        case "starting", _:
            return ""
    return f"Trim {now.trim}%." if now.trim != before.trim else ""


def sentence_of(text: str) -> str:
    """The text with a capital letter and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


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
