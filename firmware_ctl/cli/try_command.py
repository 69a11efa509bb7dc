"""`try`: plays one line on a running daemon, in the grammar of a profile, into which it may go.

The protocol takes a number without a unit, because programs write it. A profile does not, and a
line that was tried here must not be refused there. So this command asks for the unit itself.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import suppress

from firmware_ctl.cli.client import NoDaemonError, ask, find
from firmware_ctl.config.patterns import LONGEST_MS, PATTERNS
from firmware_ctl.config.profile_fields import ANY_PLAY, target_kind
from firmware_ctl.config.quantities import duration, integer
from firmware_ctl.config.yaml_tree import MappingNode, Report, ScalarNode
from firmware_ctl.errors import CallerError


def try_line(args: argparse.Namespace) -> int:
    """Plays the line for 10 s. Prints it as a profile has it, so that it can be copied."""
    keys = dict(word.partition("=")[::2] for word in args.keys)
    if sentences := list(_without_units({"level": args.level, **keys})):
        # The daemon does not get the line, so its other mistakes are looked for here.
        sentences = [*_unknown_words(args), *sentences]
        raise CallerError("bad-argument", "; ".join(sentences))
    exit_code = ask(args, " ".join(["try", args.target, args.pattern, args.level, *args.keys]))
    values = {"pattern": args.pattern, "level": args.level, **keys}
    block = "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
    is_short = args.pattern == "steady" and not keys
    print(f"in a profile: {args.target}: {args.level if is_short else block}", file=sys.stderr)
    return exit_code


def _unknown_words(args: argparse.Namespace) -> Iterator[str]:
    """A sentence for a target that the daemon's mat does not have, and for an unknown pattern."""
    report = Report("try")
    with suppress(NoDaemonError), find(args) as client:
        zones = json.loads(client.ask("caps")[0].removeprefix("- "))["zones"]
        sides = (f"{zone}{side}" for zone in zones for side in ("", ".left", ".right"))
        target_kind(["all", *sides]).read(ScalarNode(1, 1, args.target), "target", report)
    if args.pattern not in PATTERNS:
        line = MappingNode(1, 1)
        for key, text in (("pattern", args.pattern), ("level", "0%")):
            line.pairs[key] = (ScalarNode(1, 1, key), ScalarNode(1, 1, text))
        ANY_PLAY.read(line, "play", report)
    yield from (mistake.sentence for mistake in sorted(report.mistakes))


def _without_units(values: dict[str, str]) -> Iterator[str]:
    """A sentence for each number without a unit, in the words of a mistake in a profile."""
    counts = {key.name for kind in PATTERNS.values() for key in kind.keys if key.is_count}
    for key, text in values.items():
        if key not in counts and text.replace(".", "", 1).isdecimal():
            kind = integer(0, 100, "%") if key == "level" else duration(0, LONGEST_MS)
            report = Report("try")
            kind.read(ScalarNode(1, 1, text), key, report)
            yield from (mistake.sentence for mistake in report.mistakes)
