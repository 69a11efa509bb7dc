"""Board, Python, service, disk and clock: what the mat stands on beside its pins and ports."""

import os
import re
import sys
from typing import Final

from firmware_ctl import places
from firmware_ctl.doctor.finding import INSTALL, Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine, seconds
from firmware_ctl.mat import Mat

WATCHDOG_S: Final = 10
WATCHDOG_MAX_S: Final = 15
"""What the Pi's own timer can count; a longer time may leave none armed (systemd #27427)."""

# Raspberry Pi OS sets its own value in 40- or 70-rpi-enable-watchdog.conf; the last name counts.
WATCHDOG_FILE: Final = "/etc/systemd/system.conf.d/zz-firmware-ctl.conf"

FREE_MIB: Final = 16
TRUE: Final = ("1", "yes", "true", "on")
FORGETFUL: Final = ("overlay", "tmpfs", "ramfs")


def board(machine: Machine, mat: Mat) -> Findings:
    if machine.is_pi:
        yield ok(machine.model)
    else:
        yield bad(
            f"this is no Raspberry Pi{machine.model and f' but {machine.model}'}: there are no "
            "pins for motors, and nothing else is looked at",
            "`firmware-ctl mock` plays the same mat without pins",
        )


def power(machine: Machine, mat: Mat) -> Findings:
    """The alarm is of the last two seconds, bit 16 since the start (raspberrypi/linux #2367)."""
    sensors = [
        os.path.dirname(path)
        for path in machine.find("/sys/class/hwmon/hwmon*/name")
        if machine.text(path) == "rpi_volt"
    ]
    throttled = machine.text("/sys/devices/platform/soc/soc:firmware/get_throttled")
    mend = "use the Pi's own supply and a short thick cable; motors need a supply of their own"
    if any(machine.text(f"{path}/in0_lcrit_alarm") == "1" for path in sensors):
        yield bad("the Pi's supply is too weak now: a session would be stopped", mend)
    elif re.fullmatch("(0x)?[0-9a-f]+", throttled) and int(throttled, 16) & 1 << 16:
        yield note("the Pi's supply was too weak at some time since the start", mend)
    elif sensors:
        yield ok("its supply is strong enough")


def pin_library(machine: Machine, mat: Mat) -> Findings:
    if all(map(machine.calls.has_module, ("lgpio", "_lgpio"))):
        yield ok("lgpio is there")
    else:
        # No wheels for 3.13 and later: on a Pi it is the system's package.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield bad(
            f"this Python ({version}) has no lgpio, so no pin can be driven",
            "`sudo apt install python3-lgpio`, and this program in an environment made by "
            "`/usr/bin/python3 -m venv --system-site-packages`",
        )
    factory = machine.calls.environ.get("GPIOZERO_PIN_FACTORY", "lgpio")
    if factory != "lgpio":
        yield note(
            f"GPIOZERO_PIN_FACTORY={factory} counts for other programs; the mat uses lgpio",
            "`unset GPIOZERO_PIN_FACTORY`, or leave it",
        )


def service(machine: Machine, mat: Mat) -> Findings:
    unit = machine.unit
    if not unit:
        yield note(
            "it is not installed: nothing starts the mat with the Pi, puts it first under load, "
            "ends it when it hangs, or drives its pins low after a crash",
            INSTALL,
        )
        return
    signal = unit.last("WatchdogSignal", "SIGABRT")
    user = unit.last("User", "root")
    groups = {*machine.groups(user), *" ".join(unit.every("SupplementaryGroups")).split()}
    lacks = sorted({"gpio", *(["dialout"] if mat.ports else [])} - groups) if user != "root" else []
    wrong = [
        sentence
        for is_wrong, sentence in (
            (not seconds(unit.last("WatchdogSec", "0")), "has no watchdog (WatchdogSec=)"),
            (signal not in ("SIGKILL", "9"), f"is ended by {signal}, which a hung one ignores"),
            (not unit.every("ExecStopPost"), "leaves the pins as they are (no ExecStopPost=)"),
            # The dead-man's kill does nothing to PID 1 of a namespace.
            (unit.last("PrivatePIDs", "no") in TRUE, "cannot be killed from inside (PrivatePIDs=)"),
            (bool(lacks), f"runs as {user}, who is not in the group {listed(lacks or [''])}"),
        )
        if is_wrong
    ]
    for sentence in wrong:
        yield bad(f"it {sentence}", f"{INSTALL}; drop-ins: `systemctl cat firmware-ctl`")
    if not wrong:
        yield ok(f"runs as {user}, with a watchdog")


def realtime(machine: Machine, mat: Mat) -> Findings:
    if machine.text("/proc/sys/kernel/sched_rt_runtime_us") == "-1":
        yield bad(
            "kernel.sched_rt_runtime_us is -1: a real-time program that spins stops this machine",
            "`sudo sysctl kernel.sched_rt_runtime_us=950000`, and look into /etc/sysctl.d",
        )
    if not machine.unit:
        return
    if machine.unit.last("CPUSchedulingPolicy", "other") in ("fifo", "rr"):
        yield ok("real-time scheduling")
    else:
        yield note(
            "it has no real-time scheduling: under load its ticks come late, and 250 ms late is a "
            "fault",
            INSTALL,
        )
    swaps = machine.text("/proc/swaps").splitlines()[1:]
    if swaps and machine.unit.last("LimitMEMLOCK", "0") != "infinity":
        yield note(f"its memory may be swapped out to {swaps[0].split()[0]}", INSTALL)


def watchdog(machine: Machine, mat: Mat) -> Findings:
    text = machine.settings("system.conf").last("RuntimeWatchdogSec", "off")
    asked_s = seconds(text)
    edit = Edit(WATCHDOG_FILE, ("[Manager]", f"RuntimeWatchdogSec={WATCHDOG_S}"))
    if asked_s == 0:
        yield bad("the Pi's watchdog is off: a kernel that hangs leaves motors on", edit=edit)
    elif asked_s is None or asked_s > WATCHDOG_MAX_S:
        given = f"`{text}`" if asked_s is None else f"{asked_s:g} s"
        yield bad(
            f"the Pi's watchdog is set to {given} but counts to {WATCHDOG_MAX_S} s: after a hang "
            "motors stay on for longer, or for good",
            edit=edit,
        )
    else:
        yield ok(f"restarts a Pi that hangs after {asked_s:g} s")


def state(machine: Machine, mat: Mat) -> Findings:
    folder = places.SERVICE_STATE
    space = machine.space(folder)
    kind = machine.kind_of_disk(folder)
    user = machine.calls.user()
    # systemd makes the folder of a unit that names one, and gives it to the unit's user.
    is_own = "StateDirectory" in machine.unit or not machine.exists(folder)
    if kind in FORGETFUL:
        yield bad(
            f"{folder} lies in memory ({kind}): each restart forgets how much was used today",
            "`sudo raspi-config nonint disable_overlayfs`, then `sudo reboot`",
        )
    elif space is None or space.is_read_only:
        yield bad(
            f"the disk of {folder} is read-only: nothing can be accounted for, no session starts",
            "`sudo mount -o remount,rw /`; if it happens again, replace the card",
        )
    elif not is_own and not machine.may(folder, os.W_OK):
        yield bad(
            f"the user {user} may not write to {folder}: no session starts",
            f"`sudo chown -R {user} {folder}`, or `firmware-ctl run --state` and another folder",
        )
    elif space.free_mib < FREE_MIB:
        yield bad(
            f"{space.free_mib} MiB are free for {folder}: with a full disk no session starts",
            "`sudo apt clean` and `sudo journalctl --vacuum-size=50M`",
        )
    else:
        yield ok(f"{folder}, {space.free_mib} MiB free")


def deadman(machine: Machine, mat: Mat) -> Findings:
    doubt = machine.calls.deadman_doubt()
    if doubt:
        yield bad(
            f"the dead-man is not proven: {doubt}",
            "run it on a kernel with POSIX timers, and not as the first process of a container",
        )
    else:
        yield ok("the kernel ends a daemon that hangs: tried on a child")


def clock(machine: Machine, mat: Mat) -> Findings:
    if any(machine.text(path) == "1" for path in machine.find("/sys/class/rtc/rtc*/hctosys")):
        yield ok("set by a real-time clock")
    elif machine.calls.clock_is_kept():
        yield ok("set over the network")
    else:
        button = "a hold of the button for 5 s, once a start, begins a new one"
        yield note(
            "no one sets it: time without power does not count towards the 24 hours of an "
            f"allowance; {button if mat.button else 'only hours with the Pi on do'}",
            "join a network (`timedatectl` shows it), or fit a real-time clock with its battery",
        )
