"""Header pins, boot lines and cables from `mat.yaml`: `python hw/wiring.py` writes `wiring.md`."""

from pathlib import Path
from typing import Final

from build_data import COLOURS, HEADER, HW, PULLED_UP, cables, gate, read

from firmware_ctl.doctor.pins import ranges

TARGET: Final = Path(HW / "wiring.md")


def pin_rows() -> list[tuple[int, str, str, str]]:
    """One row for each header pin: its number, its name, where its wire goes, its state at boot."""
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
"""The wires between the boards: from, to, smallest cross-section in mm²."""


def document() -> str:
    mat = read()
    own_gate = gate(mat)
    lines = [
        "# Wiring",
        "",
        "Made from `mat.yaml` by `python hw/wiring.py`; a test makes it again and compares.",
        "",
        "## The Pi's header",
        "",
        "The pins are numbered as on the board: pin 1 has the square pad, and the odd numbers are",
        "in the inner row. Never connect the motors' 5 V to the header: pins 2 and 4 stay empty.",
        "On a Pi Zero you must solder the header on; the Zero 2 WH has one. A serial adapter must",
        "have 3.3 V at its pins: 5 V destroys the Pi's pins.",
        "",
        *table("header pin | name | goes to | at boot", [*pin_rows()]),
        "",
        "## Boot lines",
        "",
        "Put these lines into `/boot/firmware/config.txt`. They drive the motor pins low some",
        "seconds after power; until then the drivers' resistors hold the pins low. Leave SPI off:",
        "it would take GPIO 7 to 11. On a Pi 5 the last line is `dtparam=uart0=on`.",
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
        "Connect the wires in this order. Each ground has its own wire to one point, the star",
        "point: the minus of the supply's board. Never lead a ground on from one board to the",
        "next. Then no motor current flows through a wire that the Pi's ground uses.",
        "",
        *table("from | to | mm² at least", [*INSIDE]),
        "",
        "For the signals between the Pi's header and the boards see the first table.",
        "",
        "## Cables",
        "",
        "Lay the cables under the foam, where no spike reaches them. Use stranded wire with",
        "silicone insulation, which withstands bending.",
        "",
    ]
    length_m = {"mat": 2.0, "pillow": 2.5}
    cable_rows: list[tuple[object, ...]] = []
    core_rows: list[tuple[object, ...]] = []
    for name, motors in cables(mat).items():
        cable_rows.append(
            (f"to the {name}", f"1 red and {len(motors)} others", "0.25", length_m[name])
        )
        core_rows.append((name, "red", "rail, to the first thermal cut-off", ""))
        for motor, colour in zip(motors, COLOURS, strict=False):
            core_rows.append((name, colour, f"{motor.name}, low side", f"GPIO {motor.pin}"))
    cable_rows += [
        ("stop switch", "2", "0.5", 2.0),
        ("start button", "3, twisted or screened", "0.14", 2.0),
        ("5 V supply", "2, its own", "0.5", 1.5),
    ]
    lines += [
        *table("cable | cores | mm² at least | m at most", cable_rows),
        "",
        "Use different plugs for mat and pillow, so that neither fits the other's socket.",
        "",
        *table("plug | core | goes to | switched by", core_rows),
        "",
        "Inside the mat, lead the red core through all thermal cut-offs in series and only then to",
        "the motors. Do the same in the pillow.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
