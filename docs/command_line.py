"""What the documents say of the command line: the parsers' arguments as text, files, variables."""

import argparse
from collections.abc import Mapping
from typing import Final

from firmware_ctl.cli.parser import COMMANDS
from firmware_ctl.config import paths

ENVIRONMENT: Final[Mapping[str, str]] = {
    "NO_COLOR": "if set and not empty, no output has a colour",
    "TERM": "`dumb`: no colour and no live picture, but a plain line for each change",
    "XDG_RUNTIME_DIR": "the folder of the mock's control socket, if it is the user's own; else "
    "`firmware-ctl-UID` in `TMPDIR` or `/tmp`",
    "XDG_STATE_HOME": "`setup --mock` and `wiring --mock` keep their mat file below it (default: "
    "`~/.local/state`)",
}

FILES: Final[Mapping[str, str]] = {
    paths.SERVICE_MAT: "the mat file of the service",
    f"{paths.SERVICE_PROFILES}/": "profiles of one's own; the same name replaces a shipped one",
    f"{paths.SERVICE_STATE}/ledger": "the running time of the day",
    f"{paths.SERVICE_STATE}/history.jsonl": "the last sessions, for `firmware-ctl history`",
    f"{paths.SERVICE_STATE}/incident-*.jsonl.gz": "what led to a fault, for `firmware-ctl "
    "simulate --replay`",
    paths.SERVICE_SOCKET: "the control socket of the service",
}


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser by its name."""
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = argparse.ArgumentParser(description=command.about, epilog="")
        command.add_arguments(parsers[name])
    return parsers


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command, options last, without `--help`."""
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    return sorted(actions, key=lambda action: bool(action.option_strings))


def usage(name: str, parser: argparse.ArgumentParser) -> str:
    return " ".join([f"firmware-ctl {name}", *map(_form, arguments(parser))])


def _form(action: argparse.Action) -> str:
    if action.option_strings:
        return f"[{spelt(action)}]"
    forms = {"?": "[{}]", "*": "[{}...]", "+": "{}..."}
    return forms.get(str(action.nargs), "{}").format(spelt(action))


def spelt(action: argparse.Action) -> str:
    """An argument with its value, such as `--mat FILE`."""
    value = action.metavar or "|".join(map(str, action.choices or ()))
    value = value if isinstance(value, str) else " ".join(value)
    if not action.option_strings:
        return value or action.dest
    return ", ".join(action.option_strings) + (f" {value}" if value and action.nargs != 0 else "")


def meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    is_plain = action.default in (None, False, []) or "default" in text
    return text if is_plain else f"{text} (default: {action.default})"


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
