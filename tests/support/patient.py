"""`python -m tests.support.patient mock …`: a mock that a busy machine may hold up.

A tick that comes late is a fault, and a test whose subject is another process must not fail by it. So
here a tick may be a minute late, and the dead-man is never armed.
"""

import sys

from firmware_ctl.cli import main as commands
from firmware_ctl.daemon import watchdogs
from firmware_ctl.hardware.deadman import KernelDeadman

LATE_MS = 60_000


def main() -> None:
    watchdogs.TICK_LATE_MS = LATE_MS  # type: ignore[misc]
    KernelDeadman.arm = lambda deadman: None  # type: ignore[method-assign]
    commands.main(sys.argv[1:])


if __name__ == "__main__":
    main()
