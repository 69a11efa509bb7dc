"""What a message asks of the mat: a line for the daemon, or the sentence why it is none.

A payload may hold anything, so nothing of it goes into a line that was not compared with a pattern.
A stop is not read here: it acts whatever its payload is.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.config.yaml_tree import shown
from firmware_ctl.errors import CallerError

SELECTED: Final = "selected"
"""The payload of a start that plays the selected profile."""
PAYLOAD_MAX: Final = 64
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TRIM: Final = re.compile(r"([0-9]{1,3})(?:\.0)?%?")
_PRESSED: Final = ("", "PRESS")
"""What a button sends that has nothing to say."""


class MatRequest(NamedTuple):
    line: str
    """The request to the daemon."""
    trim_pct: int | None = None
    """The trim that it asks for, if it asks for one."""
    strengthens: bool = False
    """Motors may start, or get stronger. A trim depends on the present one."""


def read(command: str, payload: bytes) -> MatRequest:
    """Reads the payload of a command. Raises `CallerError` with a sentence for the sender."""
    if command not in REQUESTS:
        known = ", ".join(["stop", *REQUESTS])
        raise CallerError("unknown-command", f"unknown command {shown(command)}; known: {known}")
    if len(payload) > PAYLOAD_MAX:
        raise CallerError("too-long", f"{command}: {len(payload)} bytes are too many to be one")
    text = payload.decode("ascii", "replace").strip()
    return REQUESTS[command](text)


def _start(text: str) -> MatRequest:
    if text == SELECTED:
        return MatRequest("start", strengthens=True)
    return MatRequest(f"start {_name('start', text)}", strengthens=True)


def _select(text: str) -> MatRequest:
    return MatRequest(f"select {_name('select', text)}")


def _trim(text: str) -> MatRequest:
    least, most = limits.TRIM_PCT
    match = _TRIM.fullmatch(text)
    if match is None or not least <= int(match[1]) <= most:
        sentence = f"trim: {shown(text)} is not a percentage; send {least} to {most}"
        raise CallerError("bad-argument", sentence)
    return MatRequest(f"trim {int(match[1])}", trim_pct=int(match[1]))


def _pause(text: str) -> MatRequest:
    return MatRequest("pause")


def _resume(text: str) -> MatRequest:
    if text not in (*_PRESSED, "resume"):
        raise CallerError("bad-argument", f"resume: {shown(text)} means nothing here; send resume")
    return MatRequest("resume", strengthens=True)


def _name(command: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        either = f" or {SELECTED}" if command == "start" else ""
        sentence = f"{command}: {shown(text)} is not a profile; send its name{either}"
        raise CallerError("bad-argument", sentence)
    return text


REQUESTS: Final[Mapping[str, Callable[[str], MatRequest]]] = {
    "start": _start,
    "select": _select,
    "trim": _trim,
    "pause": _pause,
    "resume": _resume,
}
