"""Header pins, boot lines and cables from `mat.yaml`: `python hw/wiring.py` writes `wiring.md`."""

from pathlib import Path
from typing import Final

from build_data import COLOURS, HEADER, HW, PULLED_UP, cables, gate, read

from firmware_ctl.doctor.pins import ranges

TARGET: Final = Path(HW / "wiring.md")


def pin_rows() -> list[tuple[int, str, str, str]]:
    """Header pin, GPIO, where its wire goes, what it does at boot."""
    mat = read()
    button, own_gate = mat.button, gate(mat)
    uses: dict[int, str] = {motor.pin: f"driver, {motor.name}" for motor in mat.motors}
    if button is not None:
        uses[button.pressed_pin] = "start button, contact that closes when pressed (NO)"
        if button.released_pin is not None:
            uses[button.released_pin] = "start button, contact that opens when pressed (NC)"
    if mat.led_pin is not None:
        uses[mat.led_pin] = "status LED's resistor"
    uses[own_gate.heartbeat_pin] = "motor gate, heartbeat (hb)"
    if own_gate.rail_pin is not None:
        uses[own_gate.rail_pin] = "motor gate, read-back (sense)"
    rows = [
        (HEADER[pin], f"GPIO {pin}", use, "pulled up" if pin in PULLED_UP else "pulled down")
        for pin, use in uses.items()
    ]
    rows += [
        (1, "3.3 V", "motor gate, its 3.3 V", ""),
        (6, "ground", "the star point, by one wire", ""),
        (8, "GPIO 14", "nothing, or RX of a 3.3 V serial adapter", "driven high for seconds"),
        (9, "ground", "start button, common; status LED", ""),
        (10, "GPIO 15", "nothing, or TX of a 3.3 V serial adapter", "pulled down"),
    ]
    return sorted(rows)


def table(head: str, rows: list[tuple[object, ...]]) -> list[str]:
    return [
        f"| {head} |",
        "|" + "---|" * (head.count("|") + 1),
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]


INSIDE: Final = (
    ("socket, centre (plus)", "supply's board: fuse", "0.5"),
    ("socket, sleeve (minus)", "supply's board: ground, which is the star point", "0.5"),
    ("supply's board, behind the fuse", "stop switch, one wire of its cable", "0.5"),
    ("stop switch, the other wire", "supply's board: C2 and R1, then motor gate: vin", "0.5"),
    ("motor gate, ground", "star point, a wire of its own", "0.5"),
    ("driver, ground", "star point, a wire of its own", "0.5"),
    ("Pi, header 6", "star point, a wire of its own", "0.14"),
    ("motor gate, rail", "driver: rail", "0.5"),
    ("driver, rail", "sockets of mat and pillow: red", "0.5"),
    ("driver, each output", "sockets of mat and pillow: that motor's core", "0.25"),
    ("Pi, header 1", "motor gate: 3.3 V", "0.14"),
    ("button's board, ground", "Pi, header 9", "0.14"),
)
"""The wires between the boards: from, to, square millimetres at least."""


def document() -> str:
    mat = read()
    own_gate = gate(mat)
    lines = [
        "# Wiring",
        "",
        "Made from `mat.yaml` by `python hw/wiring.py`; the tests make it again and compare.",
        "",
        "## The Pi's header",
        "",
        "Numbered as on the board: pin 1 is the square one, odd numbers in the inner row. The",
        "motors' 5 V never touch it: pins 2 and 4 stay empty. A Pi Zero needs its header soldered",
        "on; the Zero 2 WH has one. A serial adapter must have 3.3 V at its pins: 5 V destroys the",
        "Pi's.",
        "",
        *table("header pin | is | goes to | at boot", [*pin_rows()]),
        "",
        "## Boot lines",
        "",
        "In `/boot/firmware/config.txt`. They drive the motor pins low some seconds after power;",
        "until then the drivers' resistors hold them. SPI stays off: it would take GPIO 7 to 11.",
        "On a Pi 5 the last line is `dtparam=uart0=on`.",
        "",
        "```ini",
        f"gpio={ranges([motor.pin for motor in mat.motors])}=op,dl",
        f"gpio={own_gate.heartbeat_pin}=op,dl",
        "dtparam=strict_gpiod",
        "enable_uart=1",
        "```",
        "",
        "## Inside the box",
        "",
        "Join them in this order. Every ground has a wire of its own to one point, the minus of",
        "the supply's board, and none goes on from one board to the next: the motors' current",
        "then flows through no wire that the Pi's ground uses.",
        "",
        *table("from | to | mm² at least", [*INSIDE]),
        "",
        "The signals between the Pi's header and the boards are those of the first table.",
        "",
        "## Cables",
        "",
        "The cables lie under the foam, where no spike reaches them; stranded wire with silicone",
        "insulation bears being bent.",
        "",
    ]
    length_m = {"mat": 2.0, "pillow": 2.5}
    plugs: list[tuple[object, ...]] = []
    cores: list[tuple[object, ...]] = []
    for name, motors in cables(mat).items():
        plugs.append((f"to the {name}", f"1 red and {len(motors)} others", "0.25", length_m[name]))
        cores.append((name, "red", "rail, to the first thermal cut-off", ""))
        for motor, colour in zip(motors, COLOURS, strict=False):
            cores.append((name, colour, f"{motor.name}, low side", f"GPIO {motor.pin}"))
    plugs += [
        ("stop switch", "2", "0.5", 2.0),
        ("start button", "3, twisted or screened", "0.14", 2.0),
        ("5 V supply", "2, its own", "0.5", 1.5),
    ]
    lines += [
        *table("cable | cores | mm² at least | m at most", plugs),
        "",
        "The plugs to mat and pillow differ, so that neither fits the other's socket.",
        "",
        *table("plug | core | goes to | switched by", cores),
        "",
        "Inside the mat the red core runs through all thermal cut-offs, one behind the other, and",
        "only then to the motors. In the pillow the same.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
