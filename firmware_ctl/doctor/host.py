"""Checks of the board, Python, the service, the disk and the clock."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Final

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat
from firmware_ctl.doctor.finding import (
    INSTALL,
    KERNEL,
    Edit,
    Finding,
    Findings,
    bad,
    listed,
    note,
    ok,
)
from firmware_ctl.doctor.machine import Machine, seconds

WATCHDOG_S: Final = 10
WATCHDOG_MAX_S: Final = 15
"""The longest time that the Pi's timer can count. With a longer setting systemd may arm no timer at
all (systemd #27427)."""

# Of several files systemd takes the value of the last name. Raspberry Pi OS sets its value in 40-
# or 70-rpi-enable-watchdog.conf.
WATCHDOG_FILE: Final = "/etc/systemd/system.conf.d/zz-firmware-ctl.conf"

FREE_MIB: Final = 16
IN_MEMORY: Final = ("overlay", "tmpfs", "ramfs")
"""File systems that lose their content at a reboot."""


def board(machine: Machine, mat: Mat) -> Findings:
    if machine.is_pi:
        yield ok(machine.model)
    else:
        yield note(
            f"not a Raspberry Pi{machine.model and f' but {machine.model}'}: only the mat file was "
            "checked",
            "`firmware-ctl doctor` on the Pi; here `firmware-ctl mock` plays the mat without pins",
        )


def power(machine: Machine, mat: Mat) -> Findings:
    """Under-voltage now, or since boot: bit 16 of `get_throttled` (raspberrypi/linux #2367)."""
    sensors = [
        os.path.dirname(path)
        for path in machine.find("/sys/class/hwmon/hwmon*/name")
        if machine.text(path) == "rpi_volt"
    ]
    throttled = machine.text("/sys/devices/platform/soc/soc:firmware/get_throttled")
    fix = "use the Pi's own supply and a short thick cable; motors need a supply of their own"
    if any(machine.text(f"{path}/in0_lcrit_alarm") == "1" for path in sensors):
        yield bad("under-voltage right now: a session would be stopped", fix)
    elif re.fullmatch("(0x)?[0-9a-f]+", throttled) and int(throttled, 16) & 1 << 16:
        yield note("under-voltage at some time since the boot: it would stop a session", fix)
    elif sensors:
        yield ok("no under-voltage")


def pin_library(machine: Machine, mat: Mat) -> Findings:
    if all(map(machine.calls.find_module, ("lgpio", "_lgpio"))):
        yield ok("lgpio is there")
    else:
        # PyPI has no wheels for Python 3.13 and later, so on a Pi the system's package is used.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield bad(
            f"this Python ({version}) has no lgpio, so no pin can be driven",
            "`sudo apt install python3-lgpio`, and this program in an environment made by "
            "`/usr/bin/python3 -m venv --system-site-packages`",
        )


def service(machine: Machine, mat: Mat) -> Findings:
    """The unit as systemd has loaded it, drop-ins included."""
    unit = machine.unit
    if not machine.show("Version"):
        yield note(
            "systemd does not answer: neither the service nor the watchdog was checked",
            "`systemctl show firmware-ctl` says why",
        )
        return
    if not unit:
        yield note(
            "not installed: nothing starts the daemon at boot, restarts it after a hang, or drives "
            "the motor pins low after a crash",
            INSTALL,
        )
        return
    fix = INSTALL
    if drop_ins := unit.get("DropInPaths", "").split():
        # Drop-ins override what `service install` writes, so installing again would not help.
        fix = (
            f"remove the line that changes it from {listed(drop_ins)}, then `sudo systemctl "
            "daemon-reload` and `sudo systemctl restart firmware-ctl`; if none does, "
            f"{INSTALL}"
        )
    findings = [make(sentence, fix) for make, sentence in _unit_problems(machine, unit)]
    yield from findings or [ok(f"runs as {unit.get('User') or 'root'}, watched and in real time")]


def _unit_problems(
    machine: Machine, unit: dict[str, str]
) -> Iterator[tuple[Callable[[str, str], Finding], str]]:
    """What the properties of the unit lack: `bad` or `note`, and the sentence."""
    if not seconds(unit.get("WatchdogUSec", "0")):
        yield bad, "it has no watchdog (WatchdogSec=): systemd does not end it when it hangs"
    if unit.get("WatchdogSignal") != "9":
        yield bad, "a hung daemon may survive the signal of its watchdog (WatchdogSignal=SIGKILL)"
    if not unit.get("ExecStopPost"):
        yield bad, "it leaves the pins as they are after a crash (no ExecStopPost=)"
    # After an upgrade of the program, or of Python, the script may lie in another folder.
    script = re.search(r" (/\S+\.py) ", unit.get("ExecStopPost", ""))
    if script and not machine.exists(script[1]):
        yield bad, f"it leaves the pins as they are after a crash: {script[1]} is gone"
    if unit.get("CPUSchedulingPolicy") not in ("1", "2"):  # SCHED_FIFO, SCHED_RR
        yield (
            note,
            "it has no real-time scheduling: under load its ticks come late, and a tick that "
            "is 250 ms late stops the session",
        )


def deadman(machine: Machine, mat: Mat) -> Findings:
    reason = machine.calls.deadman_doubt()
    if reason:
        yield bad(
            f"the kernel's dead-man timer cannot be relied on, so no session starts: {reason}",
            "run the daemon on Raspberry Pi OS itself, or start its container with `--init`",
        )
    else:
        yield ok("the kernel ends a daemon that hangs: tried on a child")


def watchdog(machine: Machine, mat: Mat) -> Findings:
    timeout = machine.show("RuntimeWatchdogUSec").get("RuntimeWatchdogUSec")
    if timeout is None:
        return
    fix = machine.fix(
        Edit(WATCHDOG_FILE, ("[Manager]", f"RuntimeWatchdogSec={WATCHDOG_S}")),
        f"something overrides {WATCHDOG_FILE}: `systemd-analyze cat-config systemd/system.conf`, "
        "or `systemd.watchdog_sec=` in `cat /proc/cmdline`; remove that",
    )
    if seconds(timeout) == 0:
        yield bad("the Pi's watchdog is off: a kernel that hangs leaves motors on", *fix)
    elif seconds(timeout) > WATCHDOG_MAX_S:
        yield bad(
            f"the Pi's watchdog is set to {timeout} but counts to {WATCHDOG_MAX_S} s: after a "
            "hang motors stay on for longer, or for good",
            *fix,
        )
    elif not machine.find("/dev/watchdog*"):
        yield bad("there is no /dev/watchdog: a kernel that hangs leaves motors on", KERNEL)
    else:
        yield ok(f"restarts a Pi that hangs after {timeout}")


def state(machine: Machine, mat: Mat) -> Findings:
    folder = paths.SERVICE_STATE
    existing = folder if machine.exists(folder) else os.path.dirname(folder)
    mounts = machine.calls.run("findmnt", "-bno", "FSTYPE,AVAIL,OPTIONS", "-T", existing)
    mount = mounts.split()[-3:]  # the last of several mounts on one folder is the visible one
    if mount and mount[0] in IN_MEMORY:
        yield bad(
            f"{folder} is in memory ({mount[0]}): each restart forgets how much was used today",
            f"if `findmnt -T {existing}` shows overlayroot: `sudo raspi-config nonint "
            "disable_overlayfs`, then `sudo reboot`; else remove that mount from /etc/fstab",
        )
    elif len(mount) != 3:
        yield note(f"the disk of {folder} was not checked", f"`findmnt -T {existing}` says why")
    elif "ro" in mount[2].split(","):
        yield bad(
            f"the disk of {folder} is read-only: nothing can be accounted for, no session starts",
            "`sudo mount -o remount,rw /`; if it happens again, replace the card",
        )
    elif (free_mib := int(mount[1]) >> 20) < FREE_MIB:
        yield bad(
            f"{free_mib} MiB are free for {folder}: with a full disk no session starts",
            "`sudo apt clean` and `sudo journalctl --vacuum-size=50M`",
        )
    else:
        yield ok(f"{folder}, {free_mib} MiB free")


def clock(machine: Machine, mat: Mat) -> Findings:
    """Only time from the network counts: anyone can set a real-time clock."""
    if machine.calls.clock_is_kept():
        yield ok("set over the network")
    else:
        button = "a hold of the button for 5 s, once per boot, starts a new one"
        yield note(
            "not set over the network: time without power does not count towards the 24 hours of "
            f"an allowance; {button if mat.button else 'only hours with the Pi on do'}",
            "join a network; `timedatectl` shows whether the clock is synchronised",
        )
