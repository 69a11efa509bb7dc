"""What `systemctl reload` runs: a client that asks the daemon to read its profiles again.

systemd gives it the real-time priority of the unit. So it gives that up before it loads anything:
at the same priority it would keep the daemon from its processor.
"""

import os
import sys
from contextlib import suppress


def run(arguments: list[str]) -> None:
    """Sends `reload`. Exits with 1 if the daemon refuses, and with 3 if there is none."""
    with suppress(AttributeError, OSError):  # macOS has no such call, and a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    from firmware_ctl.cli.main import main

    main(["send", *arguments, "reload"])


if __name__ == "__main__":
    run(sys.argv[1:])
