"""The serial ports of the mat file: there, open to the mat, and free of consoles and logins."""

import os
import re
from typing import Final

from firmware_ctl.doctor.finding import Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.mat import Mat

GADGET_FILE: Final = "/etc/modules-load.d/firmware-ctl-gadget.conf"


def serial_ports(machine: Machine, mat: Mat) -> Findings:
    for port in mat.ports:
        if "://" not in port.device:
            is_there = machine.exists(port.device)
            look = _present if is_there else _missing
            found = [*look(machine, port.device), *_shared(machine, port.device)]
            yield from found
            if not found:
                name = machine.link(port.device)
                is_link = name != os.path.basename(port.device)
                yield ok(f"{port.device} ({name})" if is_link else port.device)


def _present(machine: Machine, device: str) -> Findings:
    name = machine.link(device)
    if device.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        steady = [
            path for path in machine.find("/dev/serial/by-id/*") if machine.link(path) == name
        ]
        yield note(
            f"{device} may be another adapter after the next start",
            f"in the mat file: {(steady or ['its name in /dev/serial/by-id/'])[0]}",
        )
    elif name == "ttyAMA10":
        # Raspberry Pi's documentation of UARTs: the primary one of a Pi 5 is its debug header.
        yield note(
            f"{device} is the debug connector of a Pi 5, not GPIO 14 and 15",
            "for the header: /dev/ttyAMA0 in the mat file, and the next line",
            Edit(machine.boot_file("config.txt"), ("dtparam=uart0=on",)),
        )
    if not machine.may(device, os.R_OK | os.W_OK):
        user = machine.calls.user()
        yield (note if machine.unit else bad)(
            f"the user {user} may not open {device}",
            f"`sudo usermod -aG dialout {user}`, then log in anew",
        )


def _shared(machine: Machine, device: str) -> Findings:
    names = {os.path.basename(device), machine.link(device)}
    words = [word[8:] for word in machine.boot_words if word.startswith("console=")]
    if names & {word.partition(",")[0] for word in words}:
        yield bad(
            f"the kernel's console and its login are on {device}: they answer there, not the mat",
            "`sudo raspi-config nonint do_serial_cons 1`, then `sudo reboot`",
        )
    for wanted in machine.find("/etc/systemd/system/*.wants/*getty@*"):
        unit = os.path.basename(wanted)
        if unit.partition("@")[2].removesuffix(".service") in names:
            yield bad(
                f"a login waits on {device} and takes the mat's commands",
                f"`sudo systemctl disable --now {unit}`",
            )


def _missing(machine: Machine, device: str) -> Findings:
    config = machine.boot_file("config.txt")
    if "ttyGS" in device:
        yield from _no_gadget(machine, device, config)
    elif re.match(r"/dev/(serial\d|ttyS|ttyAMA)", device):
        line = "dtparam=uart0=on" if "pi5" in machine.filters else "enable_uart=1"
        if line in machine.config:
            yield bad(f"there is no {device}", f"config.txt has `{line}` already: `sudo reboot`")
        else:
            yield bad(
                f"there is no {device}: it is not switched on",
                "take it out of the mat file where nothing is wired to it, or",
                Edit(config, (line,)),
            )
    else:
        there = machine.find("/dev/serial/by-id/*")
        instead = f", or name another in the mat file: {listed(there)}" if there else ""
        yield note(f"there is no {device}", f"plug it in, it is opened by itself{instead}")


def _no_gadget(machine: Machine, device: str, config: str) -> Findings:
    """Needs the USB controller as a device and a driver that makes a port of it."""
    modules = [machine.text(path) for path in machine.find("/etc/modules-load.d/*.conf")]
    has_device = any(line.startswith("dtoverlay=dwc2") for line in machine.config)
    has_driver = any("g_serial" in text for text in (*modules, *machine.boot_words))
    if not has_device:
        edit = Edit(config, ("dtoverlay=dwc2,dr_mode=peripheral",))
        yield bad(f"there is no {device}: the Pi's USB port is not set up as a device's", edit=edit)
    if not has_driver:
        edit = Edit(GADGET_FILE, ("dwc2", "g_serial"))
        yield bad(f"there is no {device}: its driver is not loaded", edit=edit)
    if has_device and has_driver:
        yield bad(
            f"there is no {device}, though all is set up for it",
            "`sudo reboot`; the cable goes into the Zero's port marked USB, or into the USB-C port",
        )
