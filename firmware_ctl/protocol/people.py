"""What only a person at a serial terminal sends: an empty first line, and words of other consoles.

A program never gets these answers. This module never knows the port or the connection.
"""

from collections.abc import Sequence
from typing import Final

from firmware_ctl import __version__
from firmware_ctl.session.session import Session

LEAVING: Final = ("exit", "quit", "bye", "logout")


def greeting(session: Session) -> str:
    """The answer to an empty first line: who answers, what it does now, and how to go on."""
    state = session.status.state.value
    return f"* firmware-ctl {__version__}, {session.mat.name}, {state}; type help"


def unknown_command(name: str) -> str:
    """The sentence for a word that is not a command."""
    if name.lower() in LEAVING:
        return f"{name} is not needed: close your terminal program; `stop` stops the mat"
    return f"unknown command {name}; try help"


def usage(command: str, arguments: str, words: Sequence[str], session: Session) -> str:
    """The sentence for too few or too many words. A profile may have been named in two words."""
    name = "-".join(words).lower()
    is_profile = "NAME" in arguments and session.catalogue.find_valid(name) is not None
    hint = f"; did you mean {name}?" if is_profile else ""
    return f"usage: {command} {arguments}".rstrip() + hint
