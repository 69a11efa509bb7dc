"""Board, Python, service, disk and clock: what the mat stands on beside its pins and ports."""

import os
import re
import sys
from typing import Final

from firmware_ctl import places
from firmware_ctl.doctor.finding import INSTALL, KERNEL, Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine, seconds
from firmware_ctl.mat import Mat

WATCHDOG_S: Final = 10
WATCHDOG_MAX_S: Final = 15
"""What the Pi's own timer can count; a longer time may leave none armed (systemd #27427)."""

# Raspberry Pi OS sets its own value in 40- or 70-rpi-enable-watchdog.conf; the last name counts.
WATCHDOG_FILE: Final = "/etc/systemd/system.conf.d/zz-firmware-ctl.conf"

FREE_MIB: Final = 16
FORGETFUL: Final = ("overlay", "tmpfs", "ramfs")


def board(machine: Machine, mat: Mat) -> Findings:
    if machine.is_pi:
        yield ok(machine.model)
    else:
        yield note(
            f"not a Raspberry Pi{machine.model and f' but {machine.model}'}: only the mat file was "
            "looked at; pins, ports and the service are not here",
            "`firmware-ctl doctor` on the Pi; here `firmware-ctl mock` plays the mat without pins",
        )


def power(machine: Machine, mat: Mat) -> Findings:
    """The alarm is of the last two seconds, bit 16 since the start (raspberrypi/linux #2367)."""
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
        yield note("under-voltage at some time since the start: it would stop a session", fix)
    elif sensors:
        yield ok("no under-voltage")


def pin_library(machine: Machine, mat: Mat) -> Findings:
    if all(map(machine.calls.find_module, ("lgpio", "_lgpio"))):
        yield ok("lgpio is there")
    else:
        # No wheels for 3.13 and later: on a Pi it is the system's package.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield bad(
            f"this Python ({version}) has no lgpio, so no pin can be driven",
            "`sudo apt install python3-lgpio`, and this program in an environment made by "
            "`/usr/bin/python3 -m venv --system-site-packages`",
        )


def service(machine: Machine, mat: Mat) -> Findings:
    unit = machine.unit
    if not machine.show("Version"):
        yield note(
            "systemd does not answer: neither the service nor the watchdog was looked at",
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
        # They override whatever the installation writes.
        fix = (
            f"take the line that changes it out of {listed(drop_ins)}, then `sudo systemctl "
            "daemon-reload` and `sudo systemctl restart firmware-ctl`; if none does, "
            f"{INSTALL}"
        )
    is_realtime = unit.get("CPUSchedulingPolicy") in ("1", "2")  # SCHED_FIFO, SCHED_RR
    found = [
        tell(sentence, fix)
        for tell, is_well, sentence in (
            (
                bad,
                seconds(unit.get("WatchdogUSec", "0")),
                "it has no watchdog (WatchdogSec=): systemd does not end it when it hangs",
            ),
            (
                bad,
                unit.get("WatchdogSignal") == "9",
                "a hung daemon may survive the signal of its watchdog (WatchdogSignal=SIGKILL)",
            ),
            (
                bad,
                unit.get("ExecStopPost"),
                "it leaves the pins as they are after a crash (no ExecStopPost=)",
            ),
            (
                note,
                is_realtime,
                "it has no real-time scheduling: under load its ticks come late, and a tick that "
                "is 250 ms late stops the session",
            ),
        )
        if not is_well
    ]
    yield from found or [ok(f"runs as {unit.get('User') or 'root'}, watched and in real time")]


def deadman(machine: Machine, mat: Mat) -> Findings:
    doubt = machine.calls.deadman_doubt()
    if doubt:
        yield bad(
            f"the kernel's dead-man timer cannot be relied on, so no session starts: {doubt}",
            "run the daemon on Raspberry Pi OS itself, or start its container with `--init`",
        )
    else:
        yield ok("the kernel ends a daemon that hangs: tried on a child")


def watchdog(machine: Machine, mat: Mat) -> Findings:
    asked = machine.show("RuntimeWatchdogUSec").get("RuntimeWatchdogUSec")
    if asked is None:
        return
    fix = machine.fix(
        Edit(WATCHDOG_FILE, ("[Manager]", f"RuntimeWatchdogSec={WATCHDOG_S}")),
        f"something overrides {WATCHDOG_FILE}: `systemd-analyze cat-config systemd/system.conf`, "
        "or `systemd.watchdog_sec=` in `cat /proc/cmdline`; take it out",
    )
    if seconds(asked) == 0:
        yield bad("the Pi's watchdog is off: a kernel that hangs leaves motors on", *fix)
    elif seconds(asked) > WATCHDOG_MAX_S:
        yield bad(
            f"the Pi's watchdog is set to {asked} but counts to {WATCHDOG_MAX_S} s: after a "
            "hang motors stay on for longer, or for good",
            *fix,
        )
    elif not machine.find("/dev/watchdog*"):
        yield bad("there is no /dev/watchdog: a kernel that hangs leaves motors on", KERNEL)
    else:
        yield ok(f"restarts a Pi that hangs after {asked}")


def state(machine: Machine, mat: Mat) -> Findings:
    folder = places.SERVICE_STATE
    is_there = machine.exists(folder)
    under = folder if is_there else os.path.dirname(folder)
    found = machine.calls.run("findmnt", "-bno", "FSTYPE,AVAIL,OPTIONS", "-T", under)
    mount = found.split()[-3:]  # of mounts over one another the last is seen
    if mount and mount[0] in FORGETFUL:
        yield bad(
            f"{folder} lies in memory ({mount[0]}): each restart forgets how much was used today",
            f"if `findmnt -T {under}` shows overlayroot: `sudo raspi-config nonint "
            "disable_overlayfs`, then `sudo reboot`; else take that mount out of /etc/fstab",
        )
    elif len(mount) != 3:
        yield note(f"the disk of {folder} was not looked at", f"`findmnt -T {under}` says why")
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
    """A real-time clock alone proves nothing, because anyone may set it."""
    if machine.calls.clock_is_kept():
        yield ok("set over the network")
    else:
        button = "a hold of the button for 5 s, once a start, begins a new one"
        yield note(
            "not set over the network: time without power does not count towards the 24 hours of "
            f"an allowance; {button if mat.button else 'only hours with the Pi on do'}",
            "join a network; `timedatectl` shows whether the clock is synchronised",
        )
