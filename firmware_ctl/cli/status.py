"""`status`: what the daemon does now, for people, as JSON, or as the line of the protocol."""

import argparse
import json
from contextlib import suppress

from firmware_ctl.cli.client import Client, NoDaemonError, find, refuse
from firmware_ctl.errors import printable
from firmware_ctl.protocol.answers import SECONDS, parse_fields, status_values
from firmware_ctl.protocol.connection import FAULT_CODES


def status(args: argparse.Namespace) -> int:
    """Prints the status of the daemon, with `--watch` again at every change.

    `--watch` ends with Ctrl-C, or with exit code 3 when the daemon ends.
    """
    with find(args) as client:
        shown = _show(client, args, "")
        if args.watch:
            with suppress(KeyboardInterrupt):
                refuse(client.ask("events on")[-1])
                with suppress(NoDaemonError):  # it may end while it is asked
                    _watch(client, args, shown)
                raise NoDaemonError(f"the daemon has ended ({client.where})")
    return 0


def _watch(client: Client, args: argparse.Namespace, shown: str) -> None:
    for event in client.events():
        fields = parse_fields(event.removeprefix("* "))
        if fields.get("event") == "refused" and not (args.json or args.raw):
            refusal = f"refused  {fields.get('code')}: {fields.get('message')}"
            print(printable(refusal), flush=True)
        shown = _show(client, args, shown)


def _show(client: Client, args: argparse.Namespace, before: str) -> str:
    """Asks for the status and prints it. A line for people is printed only if it is a new one."""
    final = client.ask("status")[-1]
    refuse(final)
    line = final.removeprefix("ok ")
    if args.json:
        line = json.dumps(status_values(parse_fields(line)))
    elif not args.raw:
        line = for_people(parse_fields(line))
        if line == before:
            return line
    print(line, flush=True)
    return line


def for_people(fields: dict[str, str]) -> str:
    """One line, such as `running  lower-back, arrive  0:02 of 12:00  trim 80%`."""
    state, profile, trim = (fields.get(key, "") for key in ("state", "profile", "trim"))
    parts = [state]
    if state in ("running", "paused"):
        played_s, left_s = (float(fields.get(key) or 0) for key in SECONDS)
        # The only phase of a `try` has its name, too.
        parts.append(", ".join(dict.fromkeys(filter(None, (profile, fields.get("phase"))))))
        parts.append(f"{_clock(int(played_s))} of {_clock(round(played_s + left_s))}")
    elif profile:
        parts.append(f"{profile} is selected")
    if trim:
        parts.append(f"trim {trim}%")
    if signal := fields.get("signal"):
        parts.append(f"signal {signal}")
    if fault := fields.get("fault"):
        parts.append(f"fault {fault}: {FAULT_CODES.get(fault, 'see the log')}")
    # JSON strings of the protocol may hold any character, a terminal's escape as well.
    return printable("  ".join(parts))


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"
