"""The command line of `stop`: whatever follows the word, the stop acts before anyone complains."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from firmware_ctl.cli.arguments import add_client
from firmware_ctl.errors import CallerError, printable


class _Parser(ArgumentParser):
    """Raises `CallerError` where `ArgumentParser` would end the process before the stop."""

    def error(self, message: str) -> NoReturn:
        raise CallerError("bad-argument", message)


def stop(name: str, words: Sequence[str]) -> int:
    """Stops, then says which words were ignored. `name`: the word that was taken as `stop`."""
    from firmware_ctl.cli import client

    parser = _Parser(add_help=False)
    add_client(parser)
    try:
        args, ignored = parser.parse_known_args(words)
    except CallerError:  # an option without its value: every daemon that is found stops
        args, ignored = parser.parse_args([]), [*words]
    try:
        return client.stop(args)
    finally:
        if name.lower() != "stop":
            _warn(f"unknown command '{name}' was taken as stop")
        if ignored:
            _warn(f"stop ignored '{' '.join(ignored)}'; see `firmware-ctl stop --help`")


def _warn(sentence: str) -> None:
    print(printable(f"firmware-ctl: {sentence}"), file=sys.stderr)
