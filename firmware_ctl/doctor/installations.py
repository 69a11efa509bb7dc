"""Checks which installation of this program the service runs, if there is more than one."""

import os
import re

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat
from firmware_ctl.doctor.finding import Findings, bad, note
from firmware_ctl.doctor.machine import Machine

ENVIRONMENT = "/opt/firmware-ctl"
"""The environment of the documents, for an installation without the Debian package."""
PACKAGES_PYTHON = "/usr/bin/python3"


def which(machine: Machine, mat: Mat) -> Findings:
    """Both installations have a unit of the same name, and a command of the same name."""
    found = re.search(r"path=(\S+)", machine.unit.get("ExecStart", ""))
    if not found:
        return
    python = found[1]
    is_packaged = machine.exists(paths.PACKAGED_AT)
    environment = os.path.dirname(os.path.dirname(python))
    if not machine.exists(python):
        yield bad(
            f"the unit runs {python}, which is gone",
            "install this program again, then `sudo firmware-ctl service install`",
        )
    elif is_packaged and python != PACKAGES_PYTHON:
        yield note(
            f"two installations: the unit runs the one in {environment}, not the Debian package",
            f"for the package: `sudo {environment}/bin/firmware-ctl service uninstall`, then "
            "`sudo /usr/bin/firmware-ctl service install`; else `sudo apt remove firmware-ctl`, "
            f"then `sudo {environment}/bin/firmware-ctl service install`",
        )
    elif is_packaged and machine.exists(ENVIRONMENT):
        yield note(
            f"two installations: the unit runs the Debian package, not the one in {ENVIRONMENT}",
            f"`sudo rm -r {ENVIRONMENT} /usr/local/bin/firmware-ctl`",
        )
