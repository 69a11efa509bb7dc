"""The pins of the header: who may drive them, who does, and what they are before and after."""

import re
from collections.abc import Iterator
from typing import Final

from firmware_ctl import off
from firmware_ctl.doctor.finding import Edit, Findings, bad, listed, note, ok
from firmware_ctl.doctor.machine import Machine
from firmware_ctl.mat import Mat

# Pins that lines of config.txt take, from the README of the kernel's overlays. NAME=PIN is a
# parameter and its default. What is not listed counts by its parameters alone.
OVERLAYS: Final = {
    "dtparam=i2c(_arm|1)?": "2 3",
    "dtparam=i2s": "18 19 20 21",
    "dtparam=spi": "7 8 9 10 11",
    "audremap": "12 13",
    "dht11|w1-gpio(-pi5)?": "gpiopin=4",
    "dpi(18|24)|vc4-kms-dpi.*": " ".join(map(str, range(28))),
    "enc28j60": "7 8 9 10 11 int_pin=25",
    "gpio-fan": "gpiopin=12",
    "gpio-ir|gpio-ir-tx": "gpio_pin=18",
    "gpio-poweroff": "gpiopin=26",
    "gpio-shutdown": "gpio_pin=3",
    "(hifiberry|iqaudio|justboom|allo|audioinjector|googlevoicehat|max98357a|i2s).*": "18 19 20 21",
    "i2c3(-pi5)?|uart3|uart2-pi5": "4 5",
    "i2c4|uart4|uart3-pi5": "8 9",
    "i2c5|uart5|uart4-pi5": "12 13",
    "i2c6": "22 23",
    "i2c-gpio": "i2c_gpio_sda=23 i2c_gpio_scl=24",
    "mcp2515-can0": "7 8 9 10 11 interrupt=25",
    "pps-gpio": "gpiopin=18",
    "pwm|pwm-gpio|pwm-ir-tx": "pin=18",
    "pwm-2chan": "pin=18 pin2=19",
    "rotary-encoder": "pin_a=4 pin_b=17",
    "sdio.*": "22 23 24 25 26 27",
    "spi0-[012]cs": "9 10 11 cs0_pin=8 cs1_pin=7",
    "spi1-1cs": "19 20 21 cs0_pin=18",
    "spi1-2cs": "19 20 21 cs0_pin=18 cs1_pin=17",
    "spi1-3cs": "19 20 21 cs0_pin=18 cs1_pin=17 cs2_pin=16",
    "w1-gpio-pullup": "gpiopin=4 extpullup=5",
}

KERNEL: Final = "start Raspberry Pi OS's own kernel: `sudo apt full-upgrade`, then `sudo reboot`"


BUTTON: Final = off.BUTTON_NAME.decode()
OURS: Final = ("lg", BUTTON)
"""The names under which a daemon holds its lines."""

PULLS: Final = ("pu", "pd", "pn", "np")

# By the name that who holds a pin gave to the kernel: what that is, and how it ends.
HOLDERS: Final = {
    "": ("a part of the kernel", "take the line that claims it out of config.txt"),
    "lg": ("a program with lgpio", "if that is your mat run by hand, all is well; else end it"),
    BUTTON: ("a mat run by hand", "end it"),
    "sysfs": ("/sys/class/gpio", "write its number to /sys/class/gpio/unexport"),
}


def chip(machine: Machine, mat: Mat) -> Findings:
    user = machine.calls.user()
    if machine.header is not None:
        yield ok(f"{machine.header.label} on {machine.header.path}")
    elif not machine.chips:
        yield bad("there is no /dev/gpiochip0: the kernel offers no pins", KERNEL)
    elif any(chip.label is None for chip in machine.chips):
        # As a service the mat runs as another user; then this one is only kept from looking.
        yield (note if machine.unit else bad)(
            f"the user {user} may not open {machine.chips[0].path}, so the pins were not looked at",
            f"`sudo usermod -aG gpio {user}`, then log in anew; or `sudo firmware-ctl doctor`",
        )
    else:
        labels = listed([chip.label or "one that does not answer" for chip in machine.chips])
        yield bad(f"no chip here drives the header of a Pi (there is: {labels})", KERNEL)


def reset_pulls(machine: Machine, mat: Mat) -> Findings:
    """GPIO 0-8 are pulled up at reset, 9-27 down (BCM2835 ARM Peripherals, table 6-31).

    A mat file with a motor on one of the former is refused, and the mistake names the pin.
    """
    yield ok(f"{len(mat.motors)} motor pins, all pulled down at reset")


def held(machine: Machine, mat: Mat) -> Findings:
    if machine.header is None:
        return
    runs = machine.exists("/run/systemd/units/invocation:firmware-ctl.service")
    taken: dict[str, list[str]] = {}
    for pin, owner in sorted(_owners(mat).items()):
        holder = machine.holder(machine.header, pin)
        if holder is not None and not (runs and holder in OURS):
            taken.setdefault(holder, []).append(f"GPIO {pin} ({owner})")
    for holder, whose in taken.items():
        who, how = HOLDERS.get(holder, (f"another program, `{holder}`", "end that program"))
        yield bad(f"{who} holds {listed(whose)}", f"{how}, or use another pin")
    if not taken:
        yield ok("held by the running service" if runs else "no other program on them")
    if machine.exists("/run/pigpio.pid"):
        yield bad(
            "pigpiod runs: its clients can drive any pin, and the kernel does not know",
            "`sudo systemctl disable --now pigpiod`",
        )


def kept_outputs(machine: Machine, mat: Mat) -> Findings:
    """`persist_gpio_outputs` and `strict_gpiod`: raspberrypi/linux pull requests 6117 and 6150."""
    driver = "pinctrl_rp1" if "pi5" in machine.filters else "pinctrl_bcm2835"
    kept = machine.text(f"/sys/module/{driver}/parameters/persist_gpio_outputs")
    sentence = "a killed daemon leaves its motors as they were: this kernel keeps outputs"
    if kept in ("N", "0"):
        yield ok("let go when their program dies")
    elif kept and any(re.match(r"dtparam=(.*,)?strict_gpiod\b", line) for line in machine.config):
        yield bad(sentence, "config.txt has `dtparam=strict_gpiod` already: `sudo reboot`")
    elif kept:
        edit = Edit(machine.boot_file("config.txt"), ("dtparam=strict_gpiod",))
        yield bad(sentence, edit=edit)
    elif "rpi" in machine.text("/proc/sys/kernel/osrelease"):
        yield bad(
            "a killed daemon leaves its motors as they were: this kernel is older than 2024-05",
            "`sudo apt full-upgrade`, then `sudo reboot`, and ask again",
        )


def boot_levels(machine: Machine, mat: Mat) -> Findings:
    """`gpio=` of config.txt: each line changes what it names, the later overrides the earlier.

    It acts some seconds after power (Raspberry Pi's documentation of GPIO control).
    """
    function: dict[int, str] = {}
    level: dict[int, str] = {}
    pull: dict[int, str] = {}
    for line in machine.config:
        if found := re.fullmatch(r"gpio=([\d, -]+)=([a-z\d, ]+)", line):
            for word in found[2].replace(" ", "").split(","):
                what = pull if word in PULLS else level if word in ("dh", "dl") else function
                what |= dict.fromkeys(_pins(found[1]), word)
    pins = [motor.pin for motor in mat.motors]
    wanted = f"gpio={ranges(pins)}=op,dl"
    edit = Edit(machine.boot_file("config.txt"), (wanted,))
    low = [pin for pin in pins if (function.get(pin), level.get(pin)) == ("op", "dl")]
    high = [
        motor
        for motor in mat.motors
        if motor.pin not in low
        and (function.get(motor.pin, "ip") != "ip" or pull.get(motor.pin) == "pu")
    ]
    for motor in high:
        yield bad(
            f"a gpio= line of config.txt can run motor {motor.name} (GPIO {motor.pin}) at boot",
            edit=edit,
        )
    if len(low) == len(pins):
        yield ok("driven low at boot")
    elif not high:
        rest = ranges([pin for pin in pins if pin not in low])
        yield note(
            f"until the daemon starts, only resistors keep motors off (GPIO {rest})", edit=edit
        )


def overlays(machine: Machine, mat: Mat) -> Findings:
    owners = _owners(mat)
    for line, pins in _claims(machine.config):
        taken = [f"GPIO {pin} ({owners[pin]})" for pin in sorted(pins & owners.keys())]
        if taken:
            yield bad(
                f"`{line}` in config.txt takes {listed(taken)}",
                f"put a # before it in {machine.boot_file('config.txt')}, or use other pins",
            )


def _owners(mat: Mat) -> dict[int, str]:
    owners: dict[int | None, str] = {motor.pin: f"motor {motor.name}" for motor in mat.motors}
    if mat.button is not None:
        owners |= dict.fromkeys(mat.button, "the button")
    if mat.gate is not None:
        owners |= dict.fromkeys(mat.gate, "the gate")
    owners[mat.led_pin] = "the LED"
    return {pin: owner for pin, owner in owners.items() if pin is not None}


def _pins(text: str) -> Iterator[int]:
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield from range(int(first), min(int(last or first), 27) + 1)


def ranges(pins: list[int]) -> str:
    """12, 13, 17, 22, 23, 24 as 12-13,17,22-24."""
    runs: list[list[int]] = []
    for pin in sorted(pins):
        if runs and pin == runs[-1][-1] + 1:
            runs[-1].append(pin)
        else:
            runs.append([pin])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _claims(config: list[str]) -> Iterator[tuple[str, set[int]]]:
    """The lines of config.txt that take pins, each with the pins."""
    for line in config:
        kind, _, rest = line.partition("=")
        words = [word.strip() for word in rest.split(",")]
        if kind == "dtparam":
            on = [word.partition("=") for word in words]
            names = [name for name, _, value in on if value in ("", "on", "yes", "true", "1")]
            yield line, set().union(*(_taken(f"dtparam={name}", []) for name in names))
        elif kind == "dtoverlay":
            yield line, _taken(words[0], words[1:])


def _taken(name: str, given: list[str]) -> set[int]:
    known = next((pins for names, pins in OVERLAYS.items() if re.fullmatch(names, name)), "")
    fixed = {int(word) for word in known.split() if word.isdecimal()}
    named = {key: pin for key, _, pin in (word.partition("=") for word in known.split()) if pin}
    for word in given:
        key, _, value = word.partition("=")
        if moved := re.fullmatch(r"pins_(\d+)_(\d+)", key):
            fixed = set(map(int, moved.groups()))
        elif key in named or re.search("gpio|pin|irq|reset", key):
            named[key] = value
    return fixed | {int(pin) for pin in named.values() if pin.isdecimal()}
