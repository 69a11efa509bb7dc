"""`limits`: the running time of a session and of a day, and what is left of today's."""

import argparse

from firmware_ctl.cli.client import find, refuse
from firmware_ctl.config.quantities import clock
from firmware_ctl.protocol.answers import parse_fields


def limits(args: argparse.Namespace) -> int:
    with find(args) as client:
        final = client.ask("limits")[-1]
    refuse(final)
    seconds = {name: int(text) for name, text in parse_fields(final.removeprefix("ok ")).items()}
    if args.json:
        import json

        print(json.dumps({f"{name}_s": amount for name, amount in seconds.items()}))
    else:
        session, daily, used, left = (clock(amount * 1000) for amount in seconds.values())
        print(f"a session  at most {session} min")
        print(f"a day      {used} of {daily} min used, {left} left")
    return 0
