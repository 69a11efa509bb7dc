"""Every command of `firmware-ctl`: its help, its arguments, and the function that runs it.

A command imports what it needs when it runs, so that `--help` and `check` load no pins and no port.
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from firmware_ctl import __version__
from firmware_ctl.cli.arguments import (
    add_client,
    add_daemon,
    add_json,
    add_mat,
    add_profiles,
    add_socket,
    add_state,
    fault,
    host_port,
    speed,
    trim_pct,
)
from firmware_ctl.errors import printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

Run = Callable[[Namespace], int]
"""Runs a command with its parsed arguments. Returns the exit code."""

DESCRIPTION: Final = """\
Controller of a vibrating acupressure mat and its neck pillow.
Start with `firmware-ctl mock`: it needs no hardware."""

EPILOG: Final = """\
exit codes:
  0  done
  1  failed: a fault, an invalid profile, a problem found, an answer `err`
  2  could not run: wrong arguments, an unreadable file, no pins, a port in use
  3  no daemon answers

Run `firmware-ctl COMMAND --help` for details."""


class Parser(ArgumentParser):
    """Shows arguments as printable text: a shell's `*` can pass any file name as an argument."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # argparse ignores OSError here, so that `--help` into a full disk would exit with 0.
        if file is sys.stdout:
            print(message, end="")
        else:
            super()._print_message(message, file)


# ---- the daemon


def _run(parser: ArgumentParser) -> Run:
    add_daemon(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli.run import run

        return run(args)

    return run


def _mock(parser: ArgumentParser) -> Run:
    add_daemon(parser)
    parser.add_argument("--link", metavar="PATH", help="symbolic link to the serial port")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", type=host_port, help="serve the protocol over TCP as well"
    )
    parser.add_argument(
        "--speed", metavar="X", type=speed, default=1.0, help="run sessions X times as fast"
    )
    parser.add_argument(
        "--no-view", action="store_true", help="print plain log lines instead of the live view"
    )
    parser.add_argument(
        "--inject",
        metavar="FAULT",
        type=fault,
        help="for tests only: simulate a fault one second into the first session: "
        "hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full",
    )

    def run(args: Namespace) -> int:
        from firmware_ctl.cli.mock import mock

        return mock(args)

    return run


# ---- for authors of profiles


def _check(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "paths",
        metavar="PROFILE",
        nargs="*",
        help="names, files or folders (default: all profiles that a daemon serves)",
    )
    add_mat(parser)
    add_json(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.check(args)

    return run


def _profiles(parser: ArgumentParser) -> Run:
    add_mat(parser)
    add_profiles(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.profiles(args)

    return run


def _explain(parser: ArgumentParser) -> Run:
    parser.add_argument("profile", metavar="PROFILE", help="a name or a file")
    add_mat(parser)
    add_profiles(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.explain(args)

    return run


def _simulate(parser: ArgumentParser) -> Run:
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="a name or a file")
    parser.add_argument(
        "--replay", metavar="FILE", help="replay a recorded incident instead of a profile"
    )
    parser.add_argument(
        "--trim",
        metavar="PCT",
        type=trim_pct,
        default=100,
        help="scale every level, 10 to 100 percent",
    )
    parser.add_argument("--trace", metavar="FILE", help="export motor changes: .vcd .csv .jsonl")
    parser.add_argument("--plot", metavar="FILE", help="draw the session: .svg .png")
    add_mat(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.simulator import offline

        return offline.simulate(args)

    return run


def _new(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9 and '-'; the file is NAME.yaml")
    add_mat(parser)
    parser.add_argument("--profiles", metavar="DIR", help="folder to write to (default: here)")

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.new(args)

    return run


def _schema(parser: ArgumentParser) -> Run:
    parser.add_argument("kind", choices=("profile", "mat"))

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.schema(args)

    return run


# ---- for the builder


def _wiring(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "--calibrate",
        metavar="ZONE",
        help="measure the start and hold duty of each motor of the zone and save them in the mat "
        "file",
    )
    add_mat(parser)
    add_state(parser)
    parser.add_argument("--mock", action="store_true", help="use simulated motors, to try it")

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import builder

        return builder.wiring(args)

    return run


def _setup(parser: ArgumentParser) -> Run:
    add_mat(parser)
    add_state(parser)
    parser.add_argument("--mock", action="store_true", help="use a simulated mat, to try it")

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import builder

        return builder.setup(args)

    return run


def _doctor(parser: ArgumentParser) -> Run:
    add_mat(parser)
    add_json(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.doctor import command

        return command.doctor(args)

    return run


def _service(parser: ArgumentParser) -> Run:
    parser.add_argument("action", choices=("install", "uninstall"))

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import service

        return service.service(args)

    return run


# ---- clients of a running daemon


def _ask(args: Namespace, *words: str | None) -> int:
    from firmware_ctl.cli import client

    return client.ask(args, " ".join(filter(None, words)))


def _start(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a profile (default: the selected)")
    add_client(parser)
    return lambda args: _ask(args, "start", args.name)


def _pause(parser: ArgumentParser) -> Run:
    add_client(parser)
    return lambda args: _ask(args, "pause")


def _resume(parser: ArgumentParser) -> Run:
    add_client(parser)
    return lambda args: _ask(args, "resume")


def _select(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", help="a profile")
    add_client(parser)
    return lambda args: _ask(args, "select", args.name)


def _trim(parser: ArgumentParser) -> Run:
    parser.add_argument("trim", metavar="PCT", help="10 to 100; the daemon checks it")
    add_client(parser)
    return lambda args: _ask(args, "trim", args.trim)


def _try(parser: ArgumentParser) -> Run:
    parser.add_argument("target", metavar="TARGET", help="a zone, a side (`hips.left`) or `all`")
    parser.add_argument("pattern", metavar="PATTERN", help="as in a profile, for example `wave`")
    parser.add_argument("level", metavar="LEVEL", help="a level in percent, for example 40")
    # Without a default argparse would list an optional argument among the missing ones.
    parser.add_argument(
        "keys", metavar="KEY=VALUE", nargs="*", default=[], help="for example period=4s"
    )
    add_client(parser)
    return lambda args: _ask(args, "try", args.target, args.pattern, args.level, *args.keys)


def _stop(parser: ArgumentParser) -> Run:
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.stop(args)

    return run


def _status(parser: ArgumentParser) -> Run:
    parser.add_argument("--watch", action="store_true", help="print again on every change")
    add_json(parser)
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.status(args)

    return run


def _send(parser: ArgumentParser) -> Run:
    parser.add_argument("line", metavar="LINE", help="for example 'select neck'")
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.send(args)

    return run


def _off(parser: ArgumentParser) -> Run:
    add_mat(parser)
    add_state(parser)
    add_socket(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import client

        return client.all_low(args)

    return run


# ---- all of them


class Command(NamedTuple):
    about: str
    add_arguments: Callable[[ArgumentParser], Run]
    """Adds the arguments to the parser of the command. Returns the function that runs it."""


COMMANDS: Final = {
    "run": Command("run the daemon in the foreground, on the real pins", _run),
    "mock": Command("run the same daemon on simulated pins, with a live view", _mock),
    "check": Command("check profiles and list all errors", _check),
    "profiles": Command("list the profiles", _profiles),
    "explain": Command("show how levels become motor duty, and what limits them", _explain),
    "simulate": Command("simulate a session instantly", _simulate),
    "new": Command("write a profile to start from", _new),
    "wiring": Command("test the motors one by one", _wiring),
    "setup": Command("guided first setup (resumable)", _setup),
    "doctor": Command("check this machine and suggest fixes", _doctor),
    "schema": Command("print the JSON Schema for editors", _schema),
    "start": Command("start the selected or the named profile", _start),
    "stop": Command("turn all motors off, on every daemon found", _stop),
    "pause": Command("turn all motors off; the session waits", _pause),
    "resume": Command("continue after a pause", _resume),
    "select": Command("choose the profile for the next start", _select),
    "trim": Command("scale every level, 10 to 100 percent", _trim),
    "try": Command("play one line for 10 s, before you write it into a profile", _try),
    "status": Command("show what the daemon does now", _status),
    "off": Command("force all motor pins low, even if the daemon hangs", _off),
    "service": Command("install or remove the systemd service", _service),
    "send": Command("send one line of the serial protocol", _send),
}


def make_parser(width: int | None = None) -> ArgumentParser:
    """Makes the parser of the whole command line. `width`: columns of help; None: the terminal's.

    A fixed width saves time: to find the width of the terminal argparse imports `shutil`, which
    loads three compressors, even if it prints no help.
    """
    formatter = partial(RawDescriptionHelpFormatter, width=width)
    parser = Parser(
        prog="firmware-ctl", description=DESCRIPTION, epilog=EPILOG, formatter_class=formatter
    )
    parser.add_argument("--version", action="version", version=f"firmware-ctl {__version__}")
    # Without `prog` argparse would format the usage line of the whole command line here.
    subparsers = parser.add_subparsers(
        prog="firmware-ctl", title="commands", metavar="COMMAND", required=True
    )
    for name, (about, add_arguments) in COMMANDS.items():
        command = subparsers.add_parser(
            name, help=about, description=about, formatter_class=formatter
        )
        command.set_defaults(run=add_arguments(command))
    return parser
