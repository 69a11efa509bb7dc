"""The priority of a line for the system's journal.

systemd reads it from the beginning of the line, as `<4>` (sd-daemon(3)), and removes it. So it is
written only where the output is a stream to the journal; a person at a terminal never sees it.
"""

import os
from collections.abc import Mapping

from firmware_ctl.errors import ErrorLine, WarningLine


def prefix(line: str) -> str:
    """The prefix of this line. Information has one too: else a text from outside that begins with
    `<0>` would set the priority."""
    if isinstance(line, ErrorLine):
        return "<3>"
    return "<4>" if isinstance(line, WarningLine) else "<6>"


def is_journal(fd: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor is the stream to the journal that systemd has named for it."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
