"""Every exit code of `firmware-ctl`, and what it means for each command.

The help, the manual and `docs/commands.md` are made from these tables.
"""

from collections.abc import Mapping
from typing import Final

EXIT_CODES: Final[Mapping[int, str]] = {
    0: "done",
    1: "failed: a fault, an invalid profile, a problem found, an answer `err`",
    2: "could not run: wrong arguments, an unreadable file, no pins, a busy port",
    3: "no daemon answers",
    130: "ended by Ctrl-C",
}

_DAEMON: Final = {0: "stopped", 1: "ended by a fault", 2: "could not start"}
_CLIENT: Final = {0: "the daemon answered `ok`", 1: "it answered `err`", 3: "no daemon answers"}

OF_COMMAND: Final[Mapping[str, Mapping[int, str]]] = {
    "run": _DAEMON,
    "mock": _DAEMON,
    "play": _DAEMON,
    "check": {0: "all are valid", 1: "one is invalid", 2: "a file cannot be read"},
    "profiles": {0: "done", 1: "one is invalid", 3: "no daemon answers at --socket or --port"},
    "explain": {
        0: "done",
        1: "it is invalid, or the daemon answered `err`",
        2: "it cannot be read",
        3: "no daemon answers at --socket or --port",
    },
    "simulate": {
        0: "done, or a replay gives what was recorded",
        1: "the profile is invalid, or a replay differs",
        2: "a file cannot be read or written",
    },
    "new": {0: "written", 2: "not written: the file exists, or the name is not valid"},
    "edit": {0: "ended by Ctrl-C", 2: "the file cannot be read or watched"},
    "import": {0: "written", 2: "not written: FILE cannot be imported, or the file exists"},
    "wiring": {0: "every motor is as it should be", 1: "one is not", 2: "could not run"},
    "setup": {
        0: "every step is done or skipped",
        1: "a step is open or has failed",
        2: "could not run",
    },
    "doctor": {0: "nothing makes the mat unsafe or unable to run", 1: "a problem was found"},
    "schema": {0: "done"},
    "start": _CLIENT,
    "stop": {0: "every daemon that runs has stopped", 3: "none runs, or one gave no answer"},
    "pause": _CLIENT,
    "resume": _CLIENT,
    "select": _CLIENT,
    "trim": _CLIENT,
    "try": _CLIENT,
    "status": {0: "done", 1: "the daemon answered `err`", 3: "no daemon answers, or it has ended"},
    "limits": _CLIENT,
    "history": {0: "done", 2: "the state folder cannot be read"},
    "off": {0: "every pin is low, or there is none", 1: "a pin could not be driven low"},
    "service": {0: "done", 1: "a step has failed"},
    "web": {
        0: "done, or ended by a signal",
        1: "a step of `enable` or `disable` has failed",
        2: "could not run: no tornado, a busy port",
        3: "no page runs, or this user may not manage it",
    },
    "mqtt": {0: "ended by a signal", 2: "could not run: no paho-mqtt, or a mistake in its file"},
    "fleet": {
        0: "done",
        1: "a mat did not confirm its stop",
        2: "could not run: no paho-mqtt, or a mistake in the file",
        3: "the broker does not answer",
    },
    "send": _CLIENT,
    "completion": {0: "done"},
}
"""For each command its own codes. Wrong arguments give 2 with any command, and Ctrl-C gives 130
with any but `edit`."""


def lines(codes: Mapping[int, str]) -> str:
    """The codes as the help shows them."""
    return "\n".join(["exit codes:", *(f"  {code:<3}  {text}" for code, text in codes.items())])
