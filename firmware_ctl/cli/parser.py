"""Every command of `firmware-ctl`: its help, its arguments, and the function that runs it.

A command imports what it needs when it runs, so that `--help` and `check` load no pins and no port.
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from firmware_ctl import __version__
from firmware_ctl.cli import exit_codes, parser_authors, parser_clients, parser_remote, parser_web
from firmware_ctl.cli.arguments import (
    HERE,
    Run,
    add_daemon,
    add_json,
    add_mat,
    add_state,
    fault,
    host_port,
    speed,
)
from firmware_ctl.errors import printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DESCRIPTION: Final = """\
Controller of a vibrating acupressure mat and its neck pillow.
Start with `firmware-ctl mock`: it needs no hardware."""

EPILOG: Final = f"""\
{exit_codes.lines(exit_codes.EXIT_CODES)}

Run `firmware-ctl COMMAND --help` for details."""


class ListFormatter(RawDescriptionHelpFormatter):
    """Formats the list of commands, each on one line."""

    def __init__(self, prog: str, width: int | None = None) -> None:
        super().__init__(prog, width=width)
        # argparse forgets that it indents commands, and would break the line of the longest one.
        self._action_max_length = 4 + max(map(len, COMMANDS))


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


def _add_mock(parser: ArgumentParser) -> Run:
    add_daemon(parser)
    parser.add_argument("--link", metavar="PATH", help="symbolic link to the serial port")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", type=host_port, help="serve the protocol over TCP as well"
    )
    parser.add_argument(
        "--web",
        metavar="HOST:PORT",
        nargs="?",
        type=host_port,
        const=HERE,
        help="serve the page for phones as well (default: 127.0.0.1:8043, or a free port)",
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


def _mock(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "files",
        metavar="PROFILE",
        nargs="*",
        help="files or names of profiles to serve beside the others; selects the first one",
    )
    parser.set_defaults(start=False)
    return _add_mock(parser)


def _play(parser: ArgumentParser) -> Run:
    parser.add_argument("files", metavar="PROFILE", nargs=1, help="a file or a name")
    parser.set_defaults(start=True)
    return _add_mock(parser)


# ---- for the builder

WIRING: Final = """
The motors run gently, one after another, and you press a key for each: felt
where it should be, or not. With --calibrate someone lies on the zone while the
power of each motor rises and falls slowly; you press a key when the motor
begins to turn and when it stops. Space, q and Ctrl-C turn it off at any time."""

SETUP: Final = """
Step by step: mat file, doctor, stop switch and start button, then what someone
lies on the mat for, then the service. Skip, repeat or quit, and continue there
another day. While a check has failed, no later step asks anyone to lie down.
`setup --mock` is the same evening without hardware."""


def _add_mock_motors(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--mock",
        action="store_true",
        help="use simulated motors and a mat file of their own, to try it",
    )


def _wiring(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{WIRING}"
    parser.add_argument(
        "--calibrate",
        metavar="ZONE",
        help="measure the start and hold duty of each motor of the zone and save them in the mat "
        "file",
    )
    add_mat(parser)
    add_state(parser)
    _add_mock_motors(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import builder

        return builder.wiring(args)

    return run


def _setup(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{SETUP}"
    add_mat(parser)
    add_state(parser)
    _add_mock_motors(parser)

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


# ---- for the shell

COMPLETION: Final = """
The Debian package installs it. Else write it into a file of your shell:
  bash  ~/.local/share/bash-completion/completions/firmware-ctl
  zsh   _firmware-ctl in a folder of your $fpath
  fish  ~/.config/fish/completions/firmware-ctl.fish"""


def _completion(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{COMPLETION}"
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))

    def run(args: Namespace) -> int:
        from firmware_ctl.config import shipped

        with open(shipped.completion_file(args.shell), encoding="utf-8") as file:
            print(file.read(), end="")
        return 0

    return run


# ---- all of them


class Command(NamedTuple):
    about: str
    add_arguments: Callable[[ArgumentParser], Run]
    """Adds the arguments to the parser of the command. Returns the function that runs it."""
    example: str
    """A command line for the help."""


def _command(about: str, add_arguments: Callable[[ArgumentParser], Run], example: str) -> Command:
    program = "sudo firmware-ctl" if example.startswith("sudo ") else "firmware-ctl"
    return Command(about, add_arguments, f"{program} {example.removeprefix('sudo ')}")


_A, _C, _R = parser_authors, parser_clients, parser_remote

COMMANDS: Final = {
    "run": _command("run the daemon in the foreground, on the real pins", _run,
        "run --port /dev/ttyUSB0"),
    "mock": _command("run the same daemon on simulated pins, with a live view", _mock,
        "mock mine.yaml --speed 20"),
    "play": _command("play a profile on simulated pins, with a live view", _play,
        "play mine.yaml"),
    "check": _command("check profiles and list all errors", _A.add_check,
        "check mine.yaml"),
    "profiles": _command("list the profiles, or describe one", _A.add_profiles,
        "profiles lower-back"),
    "explain": _command("show how levels become motor duty, and what limits them", _A.add_explain,
        "explain mine.yaml"),
    "simulate": _command("simulate a session instantly", _A.add_simulate,
        "simulate mine.yaml --plot mine.svg"),
    "new": _command("write a profile to start from", _A.add_new,
        "new mine"),
    "edit": _command("watch a profile while you write it, and show its picture", _A.add_edit,
        "edit mine.yaml"),
    "import": _command("write a profile from a funscript, AHAP or .haptic file", _A.add_import,
        "import heartbeat.ahap --target lower_back"),
    "wiring": _command("test the motors one by one", _wiring,
        "sudo wiring --calibrate hips"),
    "setup": _command("guided first setup (resumable)", _setup,
        "setup --mock"),
    "doctor": _command("check this machine and suggest fixes", _doctor,
        "sudo doctor"),
    "schema": _command("print the JSON Schema for editors", _A.add_schema,
        "schema profile > profile.schema.json"),
    "start": _command("start the selected or the named profile", _C.add_start,
        "start lower-back"),
    "stop": _command("turn all motors off, on the service and on every mock of yours", _C.add_stop,
        "stop"),
    "pause": _command("turn all motors off; the session waits", _C.add_pause,
        "pause"),
    "resume": _command("continue after a pause", _C.add_resume,
        "resume"),
    "select": _command("choose the profile for the next start", _C.add_select,
        "select neck"),
    "trim": _command("scale every level, 10 to 100 percent", _C.add_trim,
        "trim 80"),
    "try": _command("play one line for 10 s, before you write it into a profile", _C.add_try,
        "try lower_back wave 40% period=4s"),
    "status": _command("show what the daemon does now", _C.add_status,
        "status --watch"),
    "limits": _command("show the running time that is left of today's", _C.add_limits,
        "limits"),
    "history": _command("show the last sessions and how they ended", _C.add_history,
        "history"),
    "off": _command("force all motor pins low, even if the daemon hangs", _C.add_off,
        "sudo off"),
    "service": _command("install or remove the systemd service", _service,
        "sudo service install"),
    "web": _command("serve the page for phones, and pair phones with it", parser_web.add_web,
        "sudo web enable"),
    "mqtt": _command("connect a mat to an MQTT broker", _R.add_mqtt,
        "mqtt --broker localhost"),
    "fleet": _command("show all mats on an MQTT broker, or stop them", _R.add_fleet,
        "fleet stop"),
    "send": _command("send one line of the serial protocol", _C.add_send,
        "send select neck"),
    "completion": _command("print the shell's completion of this command", _completion,
        "completion fish > ~/.config/fish/completions/firmware-ctl.fish"),
}  # fmt: skip


def make_parser(width: int | None = None, only: str | None = None) -> ArgumentParser:
    """Makes the parser of the command line.

    `width`: columns of help; None: the terminal's. A fixed width saves time: to find the width of
    the terminal argparse imports `shutil`, which loads three compressors, even if it prints no
    help. `only`: the one command to accept, which takes a tenth of the time of all of them, or
    another word for all names without their arguments. None: all commands.
    """
    formatter = partial(RawDescriptionHelpFormatter, width=width)
    parser = Parser(
        prog="firmware-ctl",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=partial(ListFormatter, width=width),
    )
    parser.add_argument("--version", action="version", version=f"firmware-ctl {__version__}")
    # Without `prog` argparse would format the usage line of the whole command line here.
    subparsers = parser.add_subparsers(
        prog="firmware-ctl", title="commands", metavar="COMMAND", required=True
    )
    for name in (only,) if only in COMMANDS else COMMANDS:
        about, add_arguments, example = COMMANDS[name]
        if only not in (None, name):
            subparsers.add_parser(name, help=about, add_help=False)
            continue
        command = subparsers.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"{exit_codes.lines(exit_codes.OF_COMMAND[name])}\n\nexample:\n  {example}",
            formatter_class=formatter,
        )
        command.set_defaults(run=add_arguments(command))
    return parser
