"""The entrance of `firmware-ctl`: standard streams, arguments, expected errors and exit codes."""

import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.cli.parser import COMMANDS, make_parser
from firmware_ctl.cli.stop_line import stop
from firmware_ctl.errors import printable
from firmware_ctl.protocol.stop_words import means_stop

GC_THRESHOLD = 10_000
"""New objects per garbage collection. Python's default of 700 makes thirty during the imports."""

WIDTH = 78
"""Columns of the list of commands and of usage lines. The help of a command fits the terminal."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments name (default: those of the process), then exits."""
    # If a standard stream is closed, the next file that the process opens would take its number
    # and receive its output.
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # The terminal's encoding may lack a character of a title.
            stream.reconfigure(errors="backslashreplace")
    exit_code: int | str | None = 0
    try:
        try:
            exit_code = _run(sys.argv[1:] if arguments is None else arguments)
        except SystemExit as end:  # argparse has printed help or an error
            exit_code = end.code
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        try:
            print(flush=True)
        except BrokenPipeError:
            pass  # the reader of the output has closed it, as `head` does
        except OSError:
            print(f"firmware-ctl: the output cannot be written: {error.strerror}", file=sys.stderr)
            exit_code = 1
        else:
            raise  # the error was not about the output
        # Python flushes standard output again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    gc.freeze()  # the process ends: a last collection of all objects would only take time
    sys.exit(exit_code)


def _run(arguments: Sequence[str]) -> int:
    name, *words = arguments or ["--help"]
    is_help = {"-h", "--help"} & {*words}
    if name.lower() == "off":
        name = "off"
    if not is_help and (name == "stop" or (name not in COMMANDS and means_stop(name, COMMANDS))):
        return guarded(lambda: stop(name, words))
    if name not in COMMANDS and not name.startswith("-"):
        print(printable(f"firmware-ctl: {_unknown(name)}"), file=sys.stderr)
        return 2
    gc.set_threshold(GC_THRESHOLD)
    is_exact = name in COMMANDS or name in ("-h", "--help", "--version")
    parser = make_parser(None if is_help else WIDTH, name if is_exact else None)
    if name != "off":
        args = parser.parse_args([name, *words])
        return guarded(lambda: args.run(args))
    # What turns motors off acts before anyone complains about a word.
    args, ignored = parser.parse_known_args([name, *words])
    exit_code = guarded(lambda: args.run(args))
    if ignored:
        sentence = f"firmware-ctl: off ignored '{' '.join(ignored)}'; see `firmware-ctl off --help`"
        print(printable(sentence), file=sys.stderr)
    return exit_code


OPTIONS = {"version": "--version", "help": "--help"}
"""Options that people type as commands, because other programs have such commands."""


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), [*COMMANDS, *OPTIONS], 1)
    proposal = f" did you mean '{OPTIONS.get(close[0], close[0])}'?" if close else ""
    return f"unknown command '{name}';{proposal} `firmware-ctl --help` lists all commands."
