"""`history`: the last sessions of a state folder, as a table in local time or as JSON.

The command reads the file and does not ask the daemon. People look into the history when a session
ended in a way that they did not expect, and then the daemon may not run. The loop has no file to
read for a client either. Whoever may use the control socket may read the file: both belong to the
group `firmware-ctl`.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError, printable
from firmware_ctl.storage import history_file as file
from firmware_ctl.storage.history_file import CUT, PastSession

HEADS: Final = ("began", "profile", "by", "played", "ended")

ENDS: Final = {
    "button": "stopped by button",
    "lease": "client went silent",
    "closed": "daemon or client ended",
    CUT: "cut off (power, kill)",
    "": "plays now",
}
"""What the last column says for each end. `_end` has the others. A line fits into 80 columns."""

NOT_SET: Final = "* the clock of this machine was not synchronised, so this time may be wrong"


def history(args: argparse.Namespace) -> int:
    """Prints the last sessions. Exit code 0. Raises `DeviceError` if they cannot be read."""
    folder = args.state or paths.SERVICE_STATE
    sessions, damaged = _read(folder, is_named=bool(args.state))
    sessions = tuple(
        s if s.end or file.plays_now(s) else s._replace(end=CUT) for s in sessions[-args.last :]
    )
    if args.json:
        import json

        print(json.dumps([as_json(session) for session in sessions], indent=2))
    elif sessions:
        print("\n".join(map(printable, table(sessions))))
    else:
        print(printable(_none(folder, is_named=bool(args.state))))
    if damaged:
        path = os.path.join(folder, file.FILE)
        sentence = f"firmware-ctl: {path}: {file.damaged_lines(damaged)}"
        print(printable(sentence), file=sys.stderr)
    return 0


def _read(folder: str, is_named: bool) -> file.Lines:
    if is_named and not os.path.isdir(folder):
        raise DeviceError(f"there is no folder {folder}; name the daemon's with --state")
    path = os.path.join(folder, file.FILE)
    try:
        return file.read(path)
    except FileNotFoundError:
        return file.Lines((), 0)
    except PermissionError:
        raise DeviceError(
            f"no permission to read {path}; use sudo, or add yourself to its group: "
            "sudo usermod -aG firmware-ctl $USER"
        ) from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None


def _none(folder: str, is_named: bool) -> str:
    if is_named:
        return f"no session has been played with the state folder {folder}"
    return (
        f"no session has been played by the service ({folder}); a mock keeps its sessions if you "
        "start it with --state DIR, and `firmware-ctl history --state DIR` shows them"
    )


def table(sessions: Sequence[PastSession]) -> Iterator[str]:
    """A line of heads, and a line for each session, the oldest first."""
    rows = [HEADS, *map(_row, sessions)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for began, profile, by, played, ended in rows:
        began_width, profile_width, by_width, played_width, _ = widths
        yield (
            f"{began:{began_width}}  {profile:{profile_width}}  {by:{by_width}}  "
            f"{played:{played_width}}  {ended}"
        )
    if not all(session.is_time_sure for session in sessions):
        yield NOT_SET


def _row(session: PastSession) -> tuple[str, ...]:
    began = datetime.fromtimestamp(session.began_at_ms / 1000).strftime("%Y-%m-%d %H:%M")
    is_open = session.end in ("", CUT)
    played = f"{_clock(session.played_ms)}{'+' if is_open else ''} of {_clock(session.length_ms)}"
    unsure = "" if session.is_time_sure else " *"
    return began + unsure, session.profile, session.by or "-", played, _end(session)


def _end(session: PastSession) -> str:
    if session.end == "fault":
        return f"fault {session.fault}"
    if session.end == "stop":
        return f"stopped by {session.ended_by}" if session.ended_by else "stopped"
    if session.end == "end":
        is_whole = session.played_ms >= session.length_ms
        return "played to its end" if is_whole else "early (pauses, disk)"
    return ENDS.get(session.end, session.end)


def _clock(length_ms: int) -> str:
    return f"{length_ms // 60_000}:{length_ms // 1000 % 60:02}"


def as_json(session: PastSession) -> dict[str, object]:
    """The session with seconds as numbers and its begin as ISO 8601. What is absent is None."""
    began = datetime.fromtimestamp(session.began_at_ms / 1000).astimezone()
    return {
        "began": began.isoformat(timespec="seconds"),
        "clock_synchronised": session.is_time_sure,
        "profile": session.profile,
        "by": session.by or None,
        "played_s": session.played_ms / 1000,
        "length_s": session.length_ms / 1000,
        "end": session.end or None,
        "ended_by": session.ended_by or None,
        "fault": session.fault or None,
    }
