"""What only a person at a serial terminal sends: an empty first line, other words, slips.

A program never gets these answers. This module never knows the port or the connection.
"""

from collections.abc import Collection, Sequence
from typing import Final

from firmware_ctl import __version__
from firmware_ctl.protocol.connection import ERROR_CODES
from firmware_ctl.protocol.framing import NOT_TEXT, Flaw, Line, edited, has_stop_word
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


def is_taken_as_stop(line: str, commands: Collection[str]) -> bool:
    """Whether a line that is no valid request stops the mat, because somebody meant to stop it."""
    name = line.split()[0]
    is_slip = name.lower() not in commands and means_stop(name, commands)
    return is_slip or has_stop_word(line.encode())


def taken_as_stop(sentence: str) -> str:
    """The sentence about a line that is no request, and has stopped the mat all the same."""
    wrong = sentence.removesuffix(TRY_HELP).removesuffix(TYPE_AGAIN)
    return f"{wrong}; taken as stop: all motors are off"


def flaw_answer(flaw: Flaw, line: Line) -> str:
    """The answer to a line that is not text."""
    sentence = ERROR_CODES[flaw.code]
    if flaw.code == NOT_TEXT:
        byte = next(byte for byte in edited(line.raw) if not 0x20 <= byte <= 0x7E)
        sentence = f"byte 0x{byte:02X} is not printable ASCII{TYPE_AGAIN}"
    return f"err {flaw.code} {taken_as_stop(sentence) if has_stop_word(line.raw) else sentence}"


def usage(command: str, arguments: str, words: Sequence[str], session: Session) -> str:
    """The sentence for too few or too many words. A profile may have been named in two words."""
    name = "-".join(words).lower()
    is_profile = "NAME" in arguments and session.catalogue.find_valid(name) is not None
    hint = f"; did you mean {name}?" if is_profile else ""
    return f"usage: {command} {arguments}".rstrip() + hint
