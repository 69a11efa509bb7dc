"""Makes the manual page `share/man/man1/firmware-ctl.1`: `python docs/make_manual.py`.

The page comes from the parser and from the tables of exit codes, files and variables, so it cannot
differ from the program. `docs/make_references.py` calls this module, and a test compares the page.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from command_line import (
    ENVIRONMENT,
    FILES,
    arguments,
    command_parsers,
    meaning,
    sentence,
    spelt,
    usage,
)

from firmware_ctl import __version__
from firmware_ctl.cli.exit_codes import EXIT_CODES, OF_COMMAND
from firmware_ctl.cli.parser import COMMANDS

FILE: Final = Path(__file__).resolve().parent.parent / "share/man/man1/firmware-ctl.1"

SAFETY: Final = (
    "A stop is always possible and never refused: any press of the start button, `firmware-ctl "
    "stop`, the byte `!` on any connection, `firmware-ctl off`, and the stop switch. It is not a "
    "medical device, and no medical effect is claimed."
)
STREAMS: Final = (
    "An expected problem is one sentence on standard error. A mistake in a file is "
    "FILE:LINE:COLUMN: sentence."
)


def manual() -> str:
    """The page in the language of man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Made by docs/make_manual.py.'
    yield f'.TH FIRMWARE\\-CTL 1 "" "firmware\\-ctl {__version__}" "User Commands"'
    # No hyphenation and no justification: a reader copies commands from here.
    yield from (".nh", ".ad l")
    yield ".SH NAME"
    yield "firmware\\-ctl \\- controller of a vibrating acupressure mat and its neck pillow"
    yield ".SH SYNOPSIS"
    yield ".B firmware\\-ctl"
    yield "\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]"
    yield ".SH DESCRIPTION"
    yield _text(
        "A daemon plays profiles on the motors of a mat: on the pins of a Raspberry Pi, or on a "
        "simulated mat. `firmware-ctl mock` needs no hardware. The other commands check and "
        "simulate profiles, ask a daemon that runs, and help the builder of a mat."
    )
    yield from (".PP", _text(SAFETY))
    yield ".SH COMMANDS"
    for name, parser in command_parsers().items():
        yield from _command(name, parser)
    yield ".SH EXIT STATUS"
    yield from _items({str(code): text for code, text in EXIT_CODES.items()})
    yield from (".PP", _text(STREAMS))
    yield ".SH ENVIRONMENT"
    yield from _items(ENVIRONMENT)
    yield ".SH FILES"
    yield from _items(FILES)
    yield ".SH SEE ALSO"
    yield ".BR systemctl (1),"
    yield ".BR journalctl (1)"
    yield ".PP"
    yield _text("The references of commands, profiles, the mat file and the serial protocol are in")
    yield "\\fI/usr/share/doc/firmware\\-ctl\\fR where a package has installed them."


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    about, _, more = (parser.description or "").partition("\n\n")
    yield f".SS {name}"
    # An argument stays on one line with its value.
    yield re.sub(r"(?<=[\w.]) (?=[\w.]+\])", r"\\~", _escaped(usage(name, parser)))
    yield from (".PP", _text(sentence(about)))
    for text in filter(None, [*more.split("\n\n"), (parser.epilog or "").strip()]):
        yield ".PP"
        if "\n  " in text:
            yield from (".nf", _text(text), ".fi")
        else:
            yield _text(text)
    yield from _items({spelt(action): meaning(action) for action in arguments(parser)})
    codes = "; ".join(f"{code} {text}" for code, text in OF_COMMAND[name].items())
    yield from (".PP", _text(f"Exit status: {codes}."))
    yield from (".PP", _text(f"Example: `{COMMANDS[name].example}`"))


def _items(texts: Mapping[str, str]) -> Iterator[str]:
    for item, text in texts.items():
        yield from (".TP", f"\\fB{_escaped(item)}\\fR")
        yield from [_text(text)] if text else []


def _text(text: str) -> str:
    """Text with each command in backticks in bold."""
    return re.sub("`([^`]*)`", r"\\fB\1\\fR", _escaped(text))


def _escaped(text: str) -> str:
    """Text that troff prints as it is.

    A dot or a quote at the begin of a line would be a request, and a plain `-` a hyphen."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


if __name__ == "__main__":
    FILE.write_text(manual(), encoding="utf-8")
