"""`fleet`: all mats of a broker in a live table, as JSON, or stopped at once."""

import argparse
import json
import queue
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from firmware_ctl.cli.client import NoDaemonError
from firmware_ctl.cli.mqtt import require_library
from firmware_ctl.errors import CallerError, printable

if TYPE_CHECKING:
    from rich.table import Table

    from firmware_ctl.remote.mqtt.broker import BrokerLink
    from firmware_ctl.remote.mqtt.fleet import Fleet, FleetMat
    from firmware_ctl.remote.mqtt.inputs import Input

CONNECT_S: Final = 15.0
QUIET_S: Final = 0.5
"""After this long without a message all mats are listed: a broker sends at once what it keeps."""

STOP_S: Final = 5.0
"""How long a mat may take to say that it has stopped."""
STYLES: Final = {
    "fault": "red",
    "running": "bold",
    "paused": "bold",
    "idle": "",
    "no daemon": "dim",
    "offline": "dim",
}
"""State → how a terminal shows its row, in the order of the rows."""
COLUMNS: Final = ("mat", "state", "profile", "left", "used today", "started by", "fault")


def fleet(args: argparse.Namespace) -> int:
    """Shows the mats, or stops them. Exit code 1: a mat did not stop. 3: no broker."""
    require_library()
    from firmware_ctl.remote.mqtt.fleet import FILTERS, Fleet, stop_topics

    for mat_id in args.ids:
        if not re.fullmatch(r"[0-9a-f]{8}", mat_id):
            raise CallerError("bad-argument", f"{mat_id} is not the id of a mat: 8 hex digits")
    inputs: queue.SimpleQueue[Input] = queue.SimpleQueue()
    link = _connected(args, inputs)
    mats = Fleet()
    try:
        if args.action == "stop":
            # Off, then talk: nobody has to be known before the stop.
            for topic in stop_topics(args.ids):
                link.publish(topic, "stop", retain=False, qos=1)
        link.subscribe(FILTERS)
        if args.action == "stop":
            return _stop(mats, args, inputs)
        if args.json or not sys.stdout.isatty():
            _gather(mats, inputs)
            _print(mats.sorted(args.ids), args.json)
            return 0
        return _watch(mats, args.ids, inputs)
    finally:
        link.close()


def _connected(args: argparse.Namespace, inputs: "queue.SimpleQueue[Input]") -> "BrokerLink":
    from firmware_ctl.remote.mqtt.broker import BrokerLink
    from firmware_ctl.remote.mqtt.inputs import BrokerConnected, BrokerLost
    from firmware_ctl.remote.mqtt.runner import now_ms
    from firmware_ctl.remote.mqtt.settings import load_settings

    settings = load_settings(args.config, args.broker)
    for with_mqtt_5 in (True, False):
        link = BrokerLink(settings, "", None, with_mqtt_5, inputs.put, now_ms)
        link.open()
        taken = _next(inputs, time.monotonic() + CONNECT_S)
        if isinstance(taken, BrokerConnected):
            return link
        link.drop()
        if not (isinstance(taken, BrokerLost) and taken.is_too_new):
            break
    why = taken.why if isinstance(taken, BrokerLost) else "it does not answer"
    raise NoDaemonError(f"no connection to the broker {settings.where}: {why}")


def _next(inputs: "queue.SimpleQueue[Input]", until_s: float) -> "Input | None":
    """The next input. None: the time is over."""
    try:
        return inputs.get(timeout=max(0.0, until_s - time.monotonic()))
    except queue.Empty:
        return None


def _take(mats: "Fleet", taken: "Input") -> bool:
    """Takes an input, and returns whether a mat has changed. Raises `NoDaemonError` at the end."""
    from firmware_ctl.remote.mqtt.inputs import BrokerLost, Message

    if isinstance(taken, BrokerLost):
        raise NoDaemonError(f"the connection to the broker has ended: {taken.why}")
    return isinstance(taken, Message) and mats.take(taken.topic, taken.payload)


def _gather(mats: "Fleet", inputs: "queue.SimpleQueue[Input]") -> None:
    """Takes what the broker keeps, until it is quiet."""
    while (taken := _next(inputs, time.monotonic() + QUIET_S)) is not None:
        _take(mats, taken)


def _stop(mats: "Fleet", args: argparse.Namespace, inputs: "queue.SimpleQueue[Input]") -> int:
    """Waits until each mat has stopped, or for `STOP_S`."""
    until_s = time.monotonic() + STOP_S
    quiet_s = time.monotonic() + QUIET_S
    while True:
        is_done = all(mat.is_stopped for mat in mats.sorted(args.ids) if mat.is_there or args.ids)
        now_s = time.monotonic()
        if now_s >= until_s or (is_done and now_s >= quiet_s):
            break
        taken = _next(inputs, min(until_s, quiet_s) if is_done else until_s)
        if taken is not None and _take(mats, taken):
            quiet_s = time.monotonic() + QUIET_S
    found = mats.sorted(args.ids)
    running = [mat for mat in found if not mat.is_stopped and (mat.is_there or args.ids)]
    if args.json:
        _print(found, True)
    else:
        print(_outcome(found))
    for mat in running:
        sentence = f"{mat.mat_id} is {mat.shown_state}: it did not confirm the stop"
        print(f"firmware-ctl: {printable(sentence)}", file=sys.stderr)
    return 1 if running else 0


def _outcome(found: "Sequence[FleetMat]") -> str:
    """The sentence after a stop. A mat that is not connected may play by its button."""

    if not found:
        return "no mat has ever been connected to this broker"
    there = [mat for mat in found if mat.is_there]
    stopped = sum(mat.is_stopped for mat in there)
    away = len(found) - len(there)
    sentence = f"{stopped} of {len(there)} mats have stopped"
    return f"{sentence}; {away} not connected, so not reached" if away else sentence


def _print(mats: "Sequence[FleetMat]", as_json: bool) -> None:
    if as_json:
        print(json.dumps([mat.as_json() for mat in mats]))
        return
    rows = [COLUMNS, *(row(mat, time.time()) for mat in mats)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    for line in rows:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def row(mat: "FleetMat", now_s: float) -> tuple[str, ...]:
    """The cells of a mat, in the order of `COLUMNS`."""
    used = mat.text("used_today")
    cells = (
        mat.mat_id,
        mat.shown_state,
        mat.text("profile"),
        _left(mat.text("ends_at"), now_s) if mat.is_there else "",
        f"{int(used) // 60} min" if used.isdecimal() else "",
        mat.text("by") if mat.text("profile") else "",
        mat.text("fault"),
    )
    return tuple(map(printable, cells))


def _left(ends_at: str, now_s: float) -> str:
    try:
        left_s = max(0, round(datetime.fromisoformat(ends_at).timestamp() - now_s))
    except ValueError:
        return ""
    return f"{left_s // 60}:{left_s % 60:02}"


def _watch(mats: "Fleet", ids: Sequence[str], inputs: "queue.SimpleQueue[Input]") -> int:
    """Shows the table until Ctrl-C."""
    from rich.live import Live

    with suppress(KeyboardInterrupt), Live(_table(mats.sorted(ids)), auto_refresh=False) as live:
        while True:
            taken = _next(inputs, time.monotonic() + 1.0)  # the time that is left counts down
            while taken is not None:
                _take(mats, taken)
                taken = _next(inputs, 0.0)
            live.update(_table(mats.sorted(ids)), refresh=True)
    return 0


def _table(mats: "Sequence[FleetMat]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    running = sum(mat.shown_state in ("running", "paused") for mat in mats)
    table = Table(*COLUMNS, title=f"{len(mats)} mats, {running} playing; Ctrl-C ends", box=None)
    # The end of a long table is below the terminal's.
    for mat in sorted(mats, key=lambda mat: [*STYLES, mat.shown_state].index(mat.shown_state)):
        cells = (Text(cell) for cell in row(mat, time.time()))
        table.add_row(*cells, style=STYLES.get(mat.shown_state, ""))
    return table
