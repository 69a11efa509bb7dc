"""What only a person at a serial terminal sends: an empty first line, other words, slips.

A program never gets these answers. This module never knows the port or the connection.
"""

from collections.abc import Collection, Sequence
from typing import Final

from firmware_ctl import __version__
from firmware_ctl.protocol.connection import ERROR_CODES
from firmware_ctl.protocol.framing import (
    NOT_TEXT,
    Flaw,
    Line,
    edited,
    has_slip,
    has_stop_word,
    text_of,
)
from firmware_ctl.protocol.stop_words import means_stop
from firmware_ctl.session.session import Session

LEAVING: Final = ("exit", "quit", "bye", "logout")
TRY_HELP: Final = "; try help"
TYPE_AGAIN: Final = "; type the line again"


def greeting(session: Session) -> str:
    """The answer to an empty first line: who answers, what it does now, and how to go on."""
    state = session.status.state.value
    return f"* firmware-ctl {__version__}, {session.mat.name}, {state}; type help"


def unknown_command(name: str) -> str:
    """The sentence for a word that is not a command."""
    if name.lower() in LEAVING:
        return f"{name} is not needed: close your terminal program; `stop` stops the mat"
    return f"unknown command {name}{TRY_HELP}"


def is_meant_as_stop(line: Line, commands: Collection[str]) -> bool:
    """Whether a line stops the mat if it is no valid request: somebody meant to stop the mat.

    A stop word counts in any noise, a slip of one only beside little noise: see `has_slip`.
    """
    if has_stop_word(line.raw):
        return True
    text = text_of(line)
    if isinstance(text, Flaw):
        return has_slip(line.raw)
    name = text.split()[0] if text.strip() else ""
    return name.lower() not in commands and means_stop(name, commands)


def taken_as_stop(sentence: str, session: Session) -> str:
    """The sentence about a line that is no request, and has stopped the mat when it arrived."""
    wrong = sentence.removesuffix(TRY_HELP).removesuffix(TYPE_AGAIN)
    status = session.status
    # The answer may have waited behind a reload, and somebody may have started a session meanwhile.
    has_started = status.is_moving or status.is_starting
    now = "a start came after it" if has_started else "all motors are off"
    return f"{wrong}; taken as stop: {now}"


def flaw_sentence(flaw: Flaw, line: Line) -> str:
    """The sentence about a line that is not text."""
    if flaw.code != NOT_TEXT:
        return ERROR_CODES[flaw.code]
    byte = next(byte for byte in edited(line.raw) if not 0x20 <= byte <= 0x7E)
    return f"byte 0x{byte:02X} is not printable ASCII{TYPE_AGAIN}"


def usage(command: str, arguments: str, words: Sequence[str], session: Session) -> str:
    """The sentence for too few or too many words. A profile may have been named in two words."""
    name = "-".join(words).lower()
    is_profile = "NAME" in arguments and session.catalogue.find_valid(name) is not None
    hint = f"; did you mean {name}?" if is_profile else ""
    return f"usage: {command} {arguments}".rstrip() + hint
