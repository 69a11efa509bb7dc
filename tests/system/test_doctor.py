"""`doctor` as a process on this machine."""

import subprocess
import sys
from pathlib import Path

from tests.support import process


def test_doctor_on_this_machine_loads_no_library_for_pins_and_ports(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *process.command("doctor")[1:]],
        env=process.environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1)
    assert done.stdout.startswith("machine ")
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "firmware_ctl.doctor.machine" in names
    assert not names & {"gpiozero", "serial", "rich", "lgpio"}
