"""`try`: plays one line on a running daemon, in the grammar of a profile, into which it may go.

The protocol takes a number without a unit, because programs write it. A profile does not, and a
line that was tried here must not be refused there. So this command asks for the unit itself.
"""

import argparse
import sys
from collections.abc import Iterator

from firmware_ctl.cli.client import ask
from firmware_ctl.config.patterns import LONGEST_MS, PATTERNS
from firmware_ctl.config.quantities import duration, integer
from firmware_ctl.config.yaml_tree import Report, ScalarNode
from firmware_ctl.errors import CallerError


def try_line(args: argparse.Namespace) -> int:
    """Plays the line for 10 s. Prints it as a profile has it, so that it can be copied."""
    keys = dict(word.partition("=")[::2] for word in args.keys)
    if sentences := list(_without_units({"level": args.level, **keys})):
        raise CallerError("bad-argument", "; ".join(sentences))
    exit_code = ask(args, " ".join(["try", args.target, args.pattern, args.level, *args.keys]))
    values = {"pattern": args.pattern, "level": args.level, **keys}
    block = "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
    is_short = args.pattern == "steady" and not keys
    print(f"in a profile: {args.target}: {args.level if is_short else block}", file=sys.stderr)
    return exit_code


def _without_units(values: dict[str, str]) -> Iterator[str]:
    """A sentence for each number without a unit, in the words of a mistake in a profile."""
    counts = {key.name for kind in PATTERNS.values() for key in kind.keys if key.is_count}
    for key, text in values.items():
        if key not in counts and text.replace(".", "", 1).isdecimal():
            kind = integer(0, 100, "%") if key == "level" else duration(0, LONGEST_MS)
            report = Report("try")
            kind.read(ScalarNode(1, 1, text), key, report)
            yield from (mistake.sentence for mistake in report.mistakes)
