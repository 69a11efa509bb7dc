"""Checks of the serial ports of the mat file: they exist, and no other program reads them."""

import os
import re
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.doctor.finding import ROOT, Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine

GADGET_FILE: Final = "/etc/modules-load.d/firmware-ctl-gadget.conf"
SWALLOWS: Final = "it takes bytes that were meant for the mat, perhaps a stop"
ADAPTER: Final = re.compile("/dev/(serial/|ttyUSB|ttyACM)")
PROBING: Final = ("ModemManager.service", "brltty.service")
"""Services that open a USB adapter when it is plugged in, perhaps only before doctor looks."""


def serial_ports(machine: Machine, mat: Mat) -> Findings:
    devices = [port.device for port in mat.ports if "://" not in port.device]
    for device in devices:
        check = _present if machine.exists(device) else _missing
        findings = [*check(machine, device), *_shared(machine, device)]
        yield from findings
        if not findings:
            name = machine.link(device)
            is_link = name != os.path.basename(device)
            yield ok(f"{device} ({name})" if is_link else device)
    if devices and not machine.is_root:
        yield note("who else has the ports open, and takes their bytes, was not checked", ROOT)


def _present(machine: Machine, device: str) -> Findings:
    name = machine.link(device)
    if device.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        stable = [
            path for path in machine.find("/dev/serial/by-id/*") if machine.link(path) == name
        ]
        yield note(
            f"{device} may be another adapter after the next boot",
            f"in the mat file: {(stable or ['its name in /dev/serial/by-id/'])[0]}",
        )
    elif name == "ttyAMA10":
        # Raspberry Pi's documentation of UARTs: the primary UART of a Pi 5 is its debug connector.
        yield note(
            f"{device} is the debug connector of a Pi 5, not GPIO 14 and 15",
            "for the header: /dev/ttyAMA0 in the mat file, `dtparam=uart0=on` in config.txt",
        )


def _shared(machine: Machine, device: str) -> Findings:
    names = {os.path.basename(device), machine.link(device)}
    cmdline = machine.text(machine.boot_file("cmdline.txt"))
    configured = names & {*re.findall(r"\bconsole=([^\s,]+)", cmdline)}
    active = names & {line.split()[0] for line in machine.text("/proc/consoles").splitlines()}
    if configured or active:
        yield bad(
            f"the kernel's console and its login are on {device}: they answer there, not the mat",
            "`sudo raspi-config nonint do_serial_cons 1`, then `sudo reboot`"
            if configured
            else "`sudo reboot` if you removed it already; otherwise remove its `console=` from "
            "the kernel's command line (`cat /proc/cmdline`)",
        )
    for unit in PROBING if ADAPTER.match(device) else ():
        if machine.show("ActiveState", unit).get("ActiveState") == "active":
            yield note(
                f"{unit} runs, which opens adapters such as {device} when they are plugged in: "
                f"{SWALLOWS}",
                f"`sudo systemctl disable --now {unit}`",
            )
    for process, name in machine.opened_by(device):
        command = machine.text(f"/proc/{process}/cmdline")
        place = machine.text(f"/proc/{process}/cgroup")
        unit = os.path.basename(place)
        if re.search("firmware[-_]ctl", command):
            continue
        is_service = "/system.slice/" in place and unit.endswith(".service")
        yield bad(
            f"{name} (process {process}) has {device} open as well: {SWALLOWS}",
            f"`sudo systemctl disable --now {unit}`" if is_service else f"`sudo kill {process}`",
        )


def _missing(machine: Machine, device: str) -> Findings:
    """Proposes a line of config.txt, or, if it is there already, to change the mat file."""
    leave = "remove it from the mat file if nothing is wired to it"
    uarts = filter(machine.exists, ("/dev/ttyAMA0", "/dev/ttyS0"))
    others = [*machine.find("/dev/serial/by-id/*"), *uarts]
    instead = f"use one that exists ({listed(others)}), or {leave}" if others else leave
    config = machine.boot_file("config.txt")
    uart, line = "serial0", "enable_uart=1"
    if machine.family == "5":
        uart, line = "ttyAMA0", "dtparam=uart0=on"
    if "ttyGS" in device:
        yield from _no_gadget(machine, device, config)
    elif os.path.basename(device) == uart:
        fix, edit = machine.fix(
            Edit(config, (line,)), f"`{line}` did not enable it on this Pi: {instead}"
        )
        yield bad(f"there is no {device}: it is not switched on", fix or f"{leave}, or", edit)
    elif re.match(r"/dev/(serial\d|ttyS|ttyAMA)", device):
        yield bad(
            f"there is no {device} on this Pi as it is set up; GPIO 14 and 15 are /dev/{uart}",
            f"/dev/{uart} in the mat file, or {leave}",
        )
    else:
        yield note(
            f"there is no {device}", f"plug it in (the daemon opens it by itself), or {instead}"
        )


def _no_gadget(machine: Machine, device: str, config: str) -> Findings:
    """A gadget port needs the USB controller in device mode and a driver that makes the port."""
    has_device = bool(machine.find("/sys/class/udc/*"))
    has_driver = machine.exists("/sys/module/g_serial")
    leave = f"remove {device} from the mat file"
    if not has_device:
        edit = Edit(config, ("dtoverlay=dwc2,dr_mode=peripheral",))
        otherwise = f"this Pi's USB port has no device mode: {leave}"
        yield bad(
            f"there is no {device}: the Pi's USB port is not in device mode",
            *machine.fix(edit, otherwise),
        )
    if not has_driver:
        edit = Edit(GADGET_FILE, ("dwc2", "g_serial"))
        otherwise = f"`sudo modprobe g_serial` says why it cannot be loaded; or {leave}"
        yield bad(f"there is no {device}: its driver is not loaded", *machine.fix(edit, otherwise))
    if has_device and has_driver:
        yield bad(
            f"there is no {device}, though USB port and driver are set up: another gadget has it",
            f"`lsmod | grep ^g_` names it; remove it from /etc/modules-load.d, or {leave}",
        )
