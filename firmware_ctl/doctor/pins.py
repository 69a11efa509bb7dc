"""Checks of the pins: who may drive them, who does, and their levels at boot and after a crash.

The checks ask the kernel which driver has taken which pin, so they need no table of overlays. Only
what the firmware does before the kernel starts is read from config.txt.
"""

import os
import re
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.doctor.finding import KERNEL, ROOT, Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.hardware import emergency_off

OURS: Final = ("lg", emergency_off.BUTTON_NAME.decode())
"""The names under which the daemon holds its lines."""

OTHER_PINS: Final = "or use other pins"
FROM_CONFIG: Final = (
    "remove its line from config.txt (`grep ^dt /boot/firmware/*.txt` lists the devices), "
    f"then `sudo reboot`; {OTHER_PINS}"
)
BY_HAND: Final = "if you started the daemon manually, this is fine; otherwise stop that program"

HOLDERS: Final = {
    "": ("a part of the kernel", FROM_CONFIG),
    **dict.fromkeys(OURS, ("a daemon or another program with lgpio", BY_HAND)),
    "sysfs": ("/sys/class/gpio", f"write its number to /sys/class/gpio/unexport, {OTHER_PINS}"),
}
"""By the name that a holder of a pin gave to the kernel: what the holder is, and the fix."""

DEBUG: Final = "/sys/kernel/debug"
KINDS: Final = dict.fromkeys(("dh", "dl"), "level") | dict.fromkeys(
    ("pu", "pd", "pn", "np"), "pull"
)
"""Words of a `gpio=` line and what each sets. Any other word sets the function of the pin."""


def chip(machine: Machine, mat: Mat) -> Findings:
    labels = machine.chips.values()
    if machine.header:
        yield ok(f"{machine.chips[machine.header]} on {machine.header}")
    elif not labels:
        yield bad("there is no /dev/gpiochip0: the kernel offers no pins", KERNEL)
    elif None in labels:
        yield note(
            f"this user has no permission to open {next(iter(machine.chips))}, so the pins were "
            "not checked",
            f"{ROOT}; to run the mat yourself: `sudo usermod -aG gpio $USER`, then log out and in",
        )
    else:
        names = listed([label or "a chip that does not answer" for label in labels])
        yield bad(f"no GPIO chip drives the header of a Pi (found: {names})", KERNEL)


def _controllers(machine: Machine) -> list[str]:
    """Folders of the pin controllers in the kernel's debug files."""
    return [
        folder
        for folder in machine.find(f"{DEBUG}/pinctrl/*")
        if re.search("bcm2835|bcm2711|rp1", os.path.basename(folder))
    ]


def left_on(machine: Machine, mat: Mat) -> Findings:
    """Motors whose pin is high although no program holds it, for example after a crash."""
    levels = "\n".join(machine.text(f"{folder}/pins") for folder in _controllers(machine))
    for motor in mat.motors:
        is_high = re.search(rf"^pin {motor.pin} .* in hi\b", levels, re.MULTILINE)
        if is_high and machine.header and machine.holder(motor.pin) is None:
            yield bad(
                f"GPIO {motor.pin} is high, and no program drives it: motor {motor.name} is on",
                f"press the stop switch, then `sudo pinctrl set {motor.pin} op dl`",
            )


def taken(machine: Machine, mat: Mat) -> Findings:
    """Who holds each pin, and which device of the kernel (I2C, PWM, …) uses it."""
    claims = "\n".join(machine.text(f"{folder}/pinmux-pins") for folder in _controllers(machine))
    # A line is `pin 7 (gpio7): DEVICE …`; a strict controller shows `device DEVICE …`.
    claim = r"^pin (\d+) \(\S+\): (?:device )?(?!GPIO|UNCLAIMED)([^( ]\S*)"
    devices = {int(pin): device for pin, device in re.findall(claim, claims, re.MULTILINE)}
    pins_by_holder: dict[tuple[str, str], list[str]] = {}
    for pin, owner in sorted(_owners(mat).items()):
        holder = machine.holder(pin)
        if pin in devices:
            described = f"the kernel's device {devices[pin]}", FROM_CONFIG
        elif holder is None or (machine.service_runs and holder in OURS):
            continue
        else:
            fix = f"end the program, {OTHER_PINS}; if it is a driver, {FROM_CONFIG}"
            described = HOLDERS.get(holder, (f"`{holder}`, another program or a driver,", fix))
        pins_by_holder.setdefault(described, []).append(f"GPIO {pin} ({owner})")
    for (name, fix), pins in pins_by_holder.items():
        yield bad(f"{name} has {listed(pins)}: the daemon cannot drive it safely", fix)
    if machine.exists("/run/pigpio.pid"):
        yield bad(
            "pigpiod runs: its clients can drive any pin, and the kernel does not know",
            "`sudo systemctl disable --now pigpiod`",
        )
    if machine.header and not pins_by_holder:
        yield ok("held by the running service" if machine.service_runs else "held by no program")
    if not claims.strip():
        yield note(
            "which devices of the kernel use the mat's pins was not checked",
            f"`sudo mount -t debugfs none {DEBUG}`, then {ROOT}" if machine.is_root else ROOT,
        )
    elif machine.changed_since_start(machine.boot_file("config.txt")):
        yield note(
            "config.txt was changed after the last boot: its effect on the pins is not known yet",
            f"`sudo reboot`, then {ROOT} again",
        )
    elif not pins_by_holder:
        yield ok("used by no device")


def kept_outputs(machine: Machine, mat: Mat) -> Findings:
    """Whether pins keep their level after the daemon has died (raspberrypi/linux #6117, #6150)."""
    driver = "pinctrl_rp1" if machine.family == "5" else "pinctrl_bcm2835"
    kept = machine.text(f"/sys/module/{driver}/parameters/persist_gpio_outputs")
    update = "`sudo apt full-upgrade`, then `sudo reboot`, and ask again"
    sentence = "a killed daemon leaves its motors as they were: this kernel"
    if kept in ("N", "0"):
        yield ok("let go when their program dies")
    elif kept:
        edit = Edit(machine.boot_file("config.txt"), ("dtparam=strict_gpiod",))
        otherwise = f"the firmware ignored `dtparam=strict_gpiod` in config.txt: {update}"
        yield bad(f"{sentence} keeps outputs", *machine.fix(edit, otherwise))
    elif "rpi" in machine.text("/proc/sys/kernel/osrelease"):
        yield bad(f"{sentence} is older than 2024-05", update)


def boot_levels(machine: Machine, mat: Mat) -> Findings:
    """Levels by the `gpio=` lines of config.txt. A later line overrides an earlier one.

    The firmware applies the lines some seconds after power-on (Raspberry Pi's documentation of GPIO
    control). No file of the kernel shows their effect.
    """
    settings: dict[tuple[int, str], str] = {}
    for text, applies in machine.config:
        match = re.fullmatch(r"gpio=([\d, -]+)=([a-z\d, ]+)", text)
        pins = _pins(match[1]) if match else range(28)
        if match and applies:
            words = match[2].replace(" ", "").split(",")
            settings |= {(pin, KINDS.get(word, "function")): word for pin in pins for word in words}
        elif applies is not False and text.startswith(("gpio=", "include ")):
            kinds = ("function", *KINDS.values())
            # Doctor cannot tell whether the line sets these pins. The line in backticks, in the
            # place of a word, marks the pins as doubtful.
            settings |= {(pin, kind): f"`{text}`" for pin in pins for kind in kinds}
    high, doubtful, floating = [], set(), []
    for motor in mat.motors:
        function = settings.get((motor.pin, "function"), "ip")
        level, pull = (settings.get((motor.pin, kind), "") for kind in ("level", "pull"))
        if (function, level) == ("op", "dl"):
            continue
        if unclear := {word for word in (function, level, pull) if word.startswith("`")}:
            doubtful |= unclear
        elif function != "ip" or pull == "pu":
            high.append(f"{motor.name} (GPIO {motor.pin})")
        else:
            floating.append(motor.pin)
    config = machine.boot_file("config.txt")
    edit = Edit(config, (f"gpio={ranges([motor.pin for motor in mat.motors])}=op,dl",))
    if high:
        yield bad(f"a gpio= line of config.txt can run motor {listed(high)} at boot", "", edit)
    if doubtful:
        yield note(
            f"{listed(sorted(doubtful))} in config.txt may run motors at boot: doctor cannot tell "
            "whether it applies to this board",
            "the next line overrides it",
            edit,
        )
    if floating:
        yield note(
            f"until the daemon starts, only resistors keep motors off (GPIO {ranges(floating)})",
            "",
            edit,
        )
    if not high and not doubtful and not floating:
        yield ok("driven low at boot")


def _owners(mat: Mat) -> dict[int, str]:
    """What each pin of the mat is for."""
    owners: dict[int | None, str] = {motor.pin: f"motor {motor.name}" for motor in mat.motors}
    if mat.button is not None:
        owners |= dict.fromkeys(mat.button, "the button")
    if mat.gate is not None:
        owners |= dict.fromkeys(mat.gate, "the gate")
    owners[mat.led_pin] = "the LED"
    return {pin: owner for pin, owner in owners.items() if pin is not None}


def _pins(text: str) -> set[int]:
    """The pins in a text such as `17,22-25`, without those that the header does not have."""
    runs = re.findall(r"(\d+)(?:-(\d+))?", text.replace(" ", ""))
    return {
        pin for pin in range(28) for first, last in runs if int(first) <= pin <= int(last or first)
    }


def ranges(pins: list[int]) -> str:
    """Pins as text: 12, 13, 17, 22, 23, 24 as `12-13,17,22-24`."""
    runs: list[list[int]] = []
    for pin in sorted(pins):
        if runs and pin == runs[-1][-1] + 1:
            runs[-1].append(pin)
        else:
            runs.append([pin])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
