"""The arguments of the commands that ask a running daemon, and the functions that run them."""

from argparse import ArgumentParser, Namespace
from typing import Final

from firmware_ctl.cli.arguments import (
    Run,
    add_client,
    add_json,
    add_mat,
    add_socket,
    add_state,
    count,
)


def _ask(args: Namespace, *words: str | None) -> int:
    from firmware_ctl.cli import client

    return client.ask(args, " ".join(filter(None, words)))


def add_start(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a profile (default: the selected)")
    add_client(parser)
    return lambda args: _ask(args, "start", args.name)


def add_pause(parser: ArgumentParser) -> Run:
    add_client(parser)
    return lambda args: _ask(args, "pause")


def add_resume(parser: ArgumentParser) -> Run:
    add_client(parser)
    return lambda args: _ask(args, "resume")


def add_select(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", help="a profile")
    add_client(parser)
    return lambda args: _ask(args, "select", args.name)


def add_trim(parser: ArgumentParser) -> Run:
    parser.add_argument("trim", metavar="PCT", help="10 to 100; the daemon checks it")
    add_client(parser)
    return lambda args: _ask(args, "trim", args.trim)


PATTERNS_HELP: Final = """\
patterns and their keys, with the default in parentheses:
  steady
  pulse      on_for off_for
  wave       period
  alternate  period
  travel     period
  tap        taps tap_for (150ms) rest
  breathe    in hold (0s) out rest (0s)
every pattern takes after (0s), too"""
"""Written by hand, because the table of patterns would be loaded by every command."""


def add_try(parser: ArgumentParser) -> Run:
    parser.epilog = f"{PATTERNS_HELP}\n\n{parser.epilog}"
    parser.add_argument("target", metavar="TARGET", help="a zone, a side (`hips.left`) or `all`")
    parser.add_argument("pattern", metavar="PATTERN", help="as in a profile, for example `wave`")
    parser.add_argument("level", metavar="LEVEL", help="a level, for example 40%%")
    # Without a default argparse would list an optional argument among the missing ones.
    parser.add_argument(
        "keys", metavar="KEY=VALUE", nargs="*", default=[], help="for example period=4s"
    )
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import try_command

        return try_command.try_line(args)

    return run


STOP: Final = """
A daemon of `run --socket PATH` is none of these: `firmware-ctl stop --socket PATH`.
Words that stop does not know are ignored, after the motors are off."""


def add_stop(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{STOP}"
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.stop(args)

    return run


WATCH: Final = """
With --watch each change is one plain line below the others, which a screen
reader speaks as it comes. It has no colour and moves no cursor."""


def add_status(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{WATCH}"
    parser.add_argument(
        "--watch", action="store_true", help="print a line for each change, until the daemon ends"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--raw", action="store_true", help="print the line of the serial protocol")
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import status

        return status.status(args)

    return run


def add_limits(parser: ArgumentParser) -> Run:
    add_json(parser)
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import running_time

        return running_time.limits(args)

    return run


HISTORY: Final = """
It reads the file in the state folder, so it needs no daemon. A mock keeps its
sessions only if it was started with --state DIR."""


def add_history(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{HISTORY}"
    parser.add_argument(
        "--last", metavar="N", type=count, default=20, help="the last N sessions (default: 20)"
    )
    parser.add_argument(
        "--state", metavar="DIR", help="state folder (default: /var/lib/firmware-ctl)"
    )
    add_json(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import history

        return history.history(args)

    return run


def add_send(parser: ArgumentParser) -> Run:
    parser.add_argument("words", metavar="WORD", nargs="+", help="a line, for example select neck")
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.send(args)

    return run


def add_off(parser: ArgumentParser) -> Run:
    add_mat(parser)
    add_state(parser)
    add_socket(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.all_low(args)

    return run
