"""The command line: one table of commands, and what any of them may end with.

Each command's module is imported when it is called, so that `--help` and `check` load no pins.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM
from importlib import import_module
from io import TextIOWrapper

from firmware_ctl import __version__
from firmware_ctl.printable import printable

TYPE_CHECKING = False  # as in typing, whose import alone takes as long as Python's start
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

GC_THRESHOLD = 10_000
"""Objects until garbage is looked for: Python's own 700 has it look thirty times at the imports."""

Option = tuple[tuple[str, ...], dict[str, object]]


def _option(*names: str, **how: object) -> Option:
    return names, how


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text} is not HOST:PORT, such as 127.0.0.1:7000")
    return host, int(port)


def _speed(text: str) -> float:
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0
    if not 0.1 <= speed <= 1000:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text} is not a speed from 0.1 to 1000")
    return speed


def _fault(text: str) -> str:
    from argparse import ArgumentTypeError

    from firmware_ctl.simulator.faults import FAULTS

    if text not in FAULTS:
        raise ArgumentTypeError(f"{text} is no fault to inject; there are {', '.join(FAULTS)}")
    return text


def _trim(text: str) -> int:
    number = text.removesuffix("%")
    if not number.isdecimal() or len(number) > 3 or not 10 <= int(number) <= 100:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text} is not a trim from 10 to 100 percent")
    return int(number)


MAT = _option("--mat", metavar="FILE", help="mat file (default: the service's, else the shipped)")
PROFILES = _option("--profiles", metavar="DIR", help="take profiles from here and nowhere else")
SOCKET = _option("--socket", metavar="PATH", help="control socket")
STATE = _option("--state", metavar="DIR", help="state folder; one daemon at a time")
CLIENT = (
    SOCKET,
    _option("--port", metavar="DEV", help="ask over a serial port (any pyserial URL) instead"),
)
DAEMON = (
    MAT,
    PROFILES,
    STATE,
    SOCKET,
    _option("--port", metavar="DEV", action="append", default=[],
            help="serial port to answer on, beside the mat file's; may be given again"),
    _option("--trace", metavar="FILE.jsonl", help="write what the motors do, a line a change"),
)  # fmt: skip

# name: (module:function, what it does, options, fixed values)
COMMANDS: dict[str, tuple[str, str, Sequence[Option], dict[str, object]]] = {
    "run": ("serve:run", "the daemon, in the foreground, on the real pins", DAEMON, {}),
    "mock": (
        "serve:mock",
        "the same daemon on simulated pins, with a live view",
        (
            *DAEMON,
            _option("--link", metavar="PATH", help="symbolic link to the serial port"),
            _option("--listen", metavar="HOST:PORT", type=_host_port,
                    help="serve the protocol over TCP as well"),
            _option("--speed", metavar="X", type=_speed, default=1.0,
                    help="sessions run X times as fast"),
            _option("--no-view", action="store_true", help="plain log lines, no live view"),
            _option("--inject", metavar="FAULT", type=_fault,
                    help="for tests only: a second into the first session bring about a fault: "
                    "hang, gil, error, late, pin, rail, rail-stuck, disk or disk-full"),
        ),
        {},
    ),
    "check": (
        "authoring:check",
        "validate profiles: every mistake with its place, else a certificate",
        (
            _option("paths", metavar="PROFILE", nargs="*",
                    help="names, files or folders (default: all that a daemon serves)"),
            MAT,
            _option("--json", action="store_true"),
        ),
        {},
    ),
    "profiles": ("authoring:profiles", "list the profiles", (MAT, PROFILES), {}),
    "explain": (
        "authoring:explain",
        "show how each asked level becomes a duty, and what bound it",
        (_option("profile", metavar="PROFILE", help="a name or a file"), MAT, PROFILES),
        {},
    ),
    "simulate": (
        "simulate:simulate",
        "play a whole session at once: what it is like, a trace, a picture",
        (
            _option("profile", metavar="PROFILE", nargs="?", help="a name or a file"),
            _option("--replay", metavar="FILE", help="play a kept incident again instead"),
            _option("--trim", metavar="PCT", type=_trim, default=100,
                    help="scale every level, 10 to 100 percent"),
            _option("--trace", metavar="FILE", help="write what the motors do: .vcd .csv .jsonl"),
            _option("--plot", metavar="FILE", help="draw the session: .svg .png"),
            MAT,
        ),
        {},
    ),
    "new": (
        "authoring:new",
        "write a profile to start from",
        (
            _option("name", metavar="NAME", help="a-z, 0-9 and '-'; the file is NAME.yaml"),
            MAT,
            _option("--profiles", metavar="DIR", help="folder to write to (default: here)"),
        ),
        {},
    ),
    "wiring": (
        "workbench:wiring",
        "for the builder: motor after motor, gently, each confirmed by a key",
        (
            _option("--calibrate", metavar="ZONE",
                    help="find out what each motor of the zone needs; writes it into the mat file"),
            MAT,
            STATE,
            _option("--mock", action="store_true", help="on simulated motors, to try it"),
        ),
        {},
    ),
    "setup": (
        "setup:setup",
        "the first evening with a mat, step by step, to leave and to take up again",
        (
            MAT,
            STATE,
            _option("--mock", action="store_true", help="on a simulated mat, to try it"),
        ),
        {},
    ),
    "doctor": (
        "doctor.command:doctor",
        "what is wrong on this machine, and the fixes",
        (MAT, _option("--json", action="store_true")),
        {},
    ),
    "schema": (
        "authoring:schema",
        "print the JSON Schema that editors complete from",
        (_option("kind", choices=("profile", "mat")),),
        {},
    ),
    "start": (
        "client:ask",
        "start the selected or the named profile",
        (_option("words", metavar="NAME", nargs="?"), *CLIENT),
        {"verb": "start"},
    ),
    "stop": ("client:stop", "all motors off, on every daemon found", CLIENT, {}),
    "pause": ("client:ask", "all motors off; the session waits", CLIENT, {"verb": "pause"}),
    "resume": ("client:ask", "go on after a pause", CLIENT, {"verb": "resume"}),
    "select": (
        "client:ask",
        "choose a profile for the next start",
        (_option("words", metavar="NAME"), *CLIENT),
        {"verb": "select"},
    ),
    "trim": (
        "client:ask",
        "scale every level, 10 to 100 percent",
        (_option("words", metavar="PCT"), *CLIENT),
        {"verb": "trim"},
    ),
    "try": (
        "client:ask",
        "play one line for 10 s, to feel it before writing it",
        (
            _option("words", metavar="TARGET PATTERN LEVEL [key=value ...]", nargs="+"),
            *CLIENT,
        ),
        {"verb": "try"},
    ),
    "status": (
        "client:status",
        "what the daemon does now",
        (
            _option("--watch", action="store_true", help="and again at every change"),
            _option("--json", action="store_true"),
            *CLIENT,
        ),
        {},
    ),
    "off": (
        "client:all_low",
        "every motor pin low, also when the daemon hangs or is gone; safe to repeat",
        (MAT, STATE, SOCKET),
        {},
    ),
    "service": (
        "service:service",
        "the systemd service in place on a Pi, or what is in place",
        (
            _option("action", choices=("install", "uninstall", "status")),
            _option("--dry-run", action="store_true", help="only print what would be done"),
        ),
        {},
    ),
    "send": (
        "client:send",
        "send one line of the serial protocol",
        (_option("line", metavar="LINE"), *CLIENT),
        {},
    ),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    # With a standard stream closed, the next file opened would take its number and get its output.
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal need not know every character of a title.
            stream.reconfigure(errors="backslashreplace")
    exit_code: int | str | None = 0
    try:
        try:
            exit_code = _run(sys.argv[1:] if arguments is None else arguments)
        except SystemExit as end:  # argparse has told what it had to
            exit_code = end.code
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        try:
            print(flush=True)
        except BrokenPipeError:
            pass  # who reads has had enough
        except OSError:
            print(f"firmware-ctl: the output cannot be written: {error.strerror}", file=sys.stderr)
            exit_code = 1
        else:
            raise  # it was not the output
        # Python writes what is left once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    gc.freeze()  # the process ends: what is left need not be looked at once more
    sys.exit(exit_code)


def _run(arguments: Sequence[str]) -> int:
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(_overview())
        return 0
    if name == "--version":
        print(f"firmware-ctl {__version__}")
        return 0
    if name not in COMMANDS:
        sentence = f"firmware-ctl: {name} is no command; try: firmware-ctl --help"
        print(printable(sentence), file=sys.stderr)
        return 2
    gc.set_threshold(GC_THRESHOLD)
    args = _parser(name, bool({"-h", "--help"} & {*rest})).parse_args(rest)
    module, _, function = COMMANDS[name][0].partition(":")
    return guarded(lambda: getattr(import_module(f"firmware_ctl.{module}"), function)(args))


def _overview() -> str:
    """Without argparse, which takes as long to load as Python itself."""
    commands = "\n".join(f"  {name:9} {about}" for name, (_, about, _, _) in COMMANDS.items())
    return f"""\
usage: firmware-ctl COMMAND [--help] ...

Controller of a vibrating acupressure mat and its neck pillow.
Start with `firmware-ctl mock`: it needs no hardware.

commands:
{commands}

  firmware-ctl COMMAND --help tells more; --version tells the version."""


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; expected trouble becomes a sentence on stderr and an exit code."""
    from firmware_ctl.errors import AuthorError, FirmwareError

    try:
        return command()
    except AuthorError as error:
        print(error, file=sys.stderr)
    except FirmwareError as error:
        print(f"firmware-ctl: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except (OSError, RuntimeError) as error:
        sentence = _used_up(error)
        if not sentence:
            raise
        print(f"firmware-ctl: {sentence}", file=sys.stderr)
    return 2


def _used_up(error: Exception) -> str:
    """A sentence where the machine has nothing more to give; empty for any other error."""
    if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
        return "no file can be opened any more; end other programs, or raise `ulimit -n`"
    # Python raises this for a thread, the kernel for a process.
    is_a_thread = "start new thread" in str(error)
    if is_a_thread or (isinstance(error, OSError) and error.errno == EAGAIN):
        return "no process can be started any more; end other programs, or raise `ulimit -u`"
    if isinstance(error, OSError) and error.errno == ENOMEM:
        return "no memory is left; end other programs"
    return ""


def _parser(name: str, is_read: bool) -> "argparse.ArgumentParser":
    """`is_read`: someone will read its help."""
    import argparse
    from functools import partial

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> "NoReturn":
            super().error(printable(message))  # a shell's * gives file names, options by their look

    _, about, options, fixed = COMMANDS[name]
    # To ask for the terminal's width argparse loads shutil with three compressors, even if no
    # help is printed.
    shape = partial(argparse.HelpFormatter, width=None if is_read else 78)
    parser = Parser(prog=f"firmware-ctl {name}", description=about, formatter_class=shape)
    parser.set_defaults(**fixed)
    for names, how in options:
        parser.add_argument(*names, **how)  # type: ignore[arg-type]
    return parser
