"""The reference build as data: everything that `mat.yaml` does not contain, and functions that read
the mat file, the netlists and the parts list.

Drawings, pin table, cable list and the checks of the parts list all use this module, so that they
cannot contradict one another. It knows nothing of drawings or of how a circuit behaves.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

HW: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HW.parent))

from firmware_ctl.config.mat import Gate, Mat, Motor, read_mat  # noqa: E402

HEADER: Final = {
    2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32, 13: 33, 14: 8,
    15: 10, 16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18, 25: 22, 26: 37,
    27: 13, 0: 27, 1: 28,
}  # fmt: skip
"""The pin of the 40-pin header for each GPIO number."""

PULLED_UP: Final = range(9)
"""GPIO 0 to 8 are pulled up at reset, the others down."""

PILLOW: Final = "neck"
"""This zone has its own plug and may be absent."""

COLOURS: Final = ("white", "brown", "green", "yellow", "grey", "pink", "blue", "black")
"""Colours of the cores to the motors' low sides, in the mat's order; red is always the rail."""

CIRCUITS: Final = ("power", "gate", "driver_a", "driver_b", "motor", "button")
"""The netlists, by their file names in `circuits/`."""

VERSION: Final = "0.3"
"""Version of the hardware. `README.md` lists the changes, and the label on the lid shows it."""

PTC_HOLD_MA: Final = 250
"""What a motor's PTC carries without tripping. A motor must draw less when it starts."""

PLATE_CM: Final = 6
"""Side of the plate that carries a motor."""

PLACES_CM: Final = {
    "neck_left": (-4, 40),
    "neck_right": (4, 40),
    "back_upper_left": (-4, 0),
    "back_upper_right": (4, 0),
    "back_lower_left": (-4, -9),
    "back_lower_right": (4, -9),
    "hip_left": (-17, -20),
    "hip_right": (17, -20),
}
"""Centre of each motor's plate as (x, y): x to the person's right of the spine, y from the height
of BL23 towards the head. The pillow can be moved; its figures suit a person of average height."""

POINTS_AT: Final = {
    "BL23": ("back_upper_left", "back_upper_right"),
    "GB30": ("hip_left", "hip_right"),
}
"""Which motors lie under which point."""


def read() -> Mat:
    """The shipped mat as it is built: with the motor gate, which its file has as a comment."""
    text = (HW / "mat.yaml").read_text(encoding="utf-8")
    if not re.search(r"^gate:", text, re.MULTILINE):
        text = re.sub(r"^# *gate:", "gate:", text, count=1, flags=re.MULTILINE)
    return read_mat(text.encode(), "hw/mat.yaml")


def gate(mat: Mat) -> Gate:
    if mat.gate is None:
        raise SystemExit("hw/mat.yaml names no motor gate, not even in a comment")
    return mat.gate


def cables(mat: Mat) -> dict[str, list[Motor]]:
    """The motors behind each of the two plugs."""
    return {
        "mat": [motor for motor in mat.motors if motor.zone != PILLOW],
        "pillow": [motor for motor in mat.motors if motor.zone == PILLOW],
    }


class Part(NamedTuple):
    circuit: str
    ref: str
    value: str
    """As in the netlist: `4.7k`, `100n`, `BC547`."""


def connections(circuit: str) -> dict[str, tuple[list[str], str]]:
    """Each part of a netlist, by its reference: the nodes at its legs, in the netlist's order, and
    its value.

    The motor is left out: it is a model and is not soldered.
    """
    text = (HW / f"circuits/{circuit}.cir").read_text(encoding="utf-8")
    connected = {}
    for line in text.splitlines():
        if line[:1] in tuple("RCQMXD") and "=" not in line:
            ref, *nodes, value = line.split()
            connected[ref.removeprefix("X")] = (nodes, value)
    return connected


def netlist_parts() -> Iterator[Part]:
    for circuit in CIRCUITS:
        for ref, (_, value) in connections(circuit).items():
            yield Part(circuit, ref, value)


def bom() -> list[dict[str, str]]:
    with (HW / "bom.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
