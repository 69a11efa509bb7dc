"""Draws the reference build: `python hw/drawings/make.py` writes the SVG files beside it.

Values come from the netlists, pins and names from `mat.yaml`. This module holds only the positions
on the sheet. Text stays text in the SVG, so that it can be searched and read aloud.
"""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import schemdraw
import schemdraw.elements as elm
from schemdraw.segments import SegmentCircle, SegmentPoly

HERE: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from boards import BOARDS  # noqa: E402
from build_data import (  # noqa: E402
    COLOURS,
    HEADER,
    PILLOW,
    PLACES_CM,
    PLATE_CM,
    POINTS_AT,
    VERSION,
    cables,
    gate,
    netlist_parts,
    read,
)
from perfboard import sheet  # noqa: E402

schemdraw.use("svg")
schemdraw.svgconfig.text = "text"

MAT: Final = read()
GATE: Final = gate(MAT)
SMALL: Final = 10
UNITS: Final = {"k": " kΩ", "n": " nF", "u": " µF"}
NAMES: Final = {"MFR025": "MF-R025", "D1N5819": "1N5819", "T2A": "T 2 A", "STOP": "stop switch"}

At = tuple[float, float]


def value(circuit: str, ref: str) -> str:
    """A part's value with its unit, as in `4.7 kΩ`."""
    text = next(p.value for p in netlist_parts() if (p.circuit, p.ref) == (circuit, ref))
    if text[0].isdigit():
        return text[:-1] + UNITS[text[-1]] if text[-1] in UNITS else f"{text} Ω"
    return NAMES.get(text, text)


class Sheet:
    """A drawing on which every element has absolute coordinates."""

    def __init__(self, circuit: str, title: str, margin: float = 0.4) -> None:
        self._circuit = circuit
        self._drawing = schemdraw.Drawing(show=False)
        self._drawing.config(fontsize=12, lw=1.4, bgcolor="white", margin=margin)
        self._title = title

    def add(self, element: Any) -> Any:
        return self._drawing.add(element)

    def part(self, kind: Any, ref: str, start: At, end: At, side: str = "") -> None:
        """A part between two points, with its name and value on the given side of it."""
        self.add(kind().endpoints(start, end))
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        upright = start[0] == end[0]
        self.name(ref, middle, side or ("right" if upright else "above"), 0.45 if upright else 0.5)

    def name(self, ref: str, at: At, side: str, by: float = 0.5) -> None:
        shown = f"{ref}  {value(self._circuit, ref)}" if self._circuit else ref
        self.text(shown, at, side, by)

    def text(self, text: str, at: At, side: str = "right", by: float = 0.15, **look: Any) -> None:
        x, y = at
        dx, dy, halign, valign = {
            "right": (by, 0.0, "left", "center"),
            "left": (-by, 0.0, "right", "center"),
            "above": (0.0, by, "center", "center"),
            "below": (0.0, -by - 0.2, "center", "center"),
        }[side]
        look = {"fontsize": 11} | look
        for number, line in enumerate(text.split("\n")):
            label = (
                elm.Label().theta(0).at((x + dx, y + dy - 0.42 * number * look["fontsize"] / 11))
            )
            self.add(label.label(line, ofst=0, halign=halign, valign=valign, **look))

    def wire(self, *points: At, **look: Any) -> None:
        for start, end in pairwise(points):
            self.add(elm.Line(**look).endpoints(start, end))

    def dot(self, *points: At) -> None:
        for point in points:
            self.add(elm.Dot(radius=0.07).at(point))

    def ground(self, *points: At) -> None:
        for point in points:
            self.add(elm.Ground().at(point).theta(0))

    def supply(self, text: str, *points: At) -> None:
        for point in points:
            self.add(elm.Vdd().at(point).theta(0).label(text, fontsize=11))

    def port(self, text: str, at: At, side: str) -> None:
        self.add(elm.Dot(open=True, radius=0.09).at(at))
        self.text(text, at, side, 0.25)

    def box(self, corner: At, other: At, **look: Any) -> None:
        self.add(elm.Rect(corner1=corner, corner2=other, **look).at((0, 0)).theta(0))

    def stand(self, element: Any, anchor: str, at: At) -> Any:
        """Places an element upright, with one of its anchors at the given point."""
        return self.add(element.at(at).anchor(anchor).theta(0))

    def legs(self, title: str, at: At, names: str, flat: bool = True) -> None:
        """A transistor as it lies on the workbench, with the names of its legs.

        `flat`: a TO-92 with its flat side up and its legs towards the reader. Otherwise an SOT-23
        from above, with its single leg away from the reader.
        """
        x, y = at
        self.text(title, (x - 1.1, y + 2.1), "right", 0)
        body = elm.Element().at((0, 0)).theta(0)
        corners = [(x - 1, y), (x + 1, y), (x + 1, y + 1), (x - 1, y + 1)]
        if flat:
            corners = [(x - 1, y), (x + 1, y), (x + 1, y + 1.1), (x - 1, y + 1.1)]
        body.segments.append(SegmentPoly(corners, closed=True, fill="#eee"))
        self.add(body)
        if flat:
            self.text("flat side", (x, y + 0.55), "right", -0.85, fontsize=SMALL)
            for i, name in enumerate(names.split()):
                self.wire((x - 0.7 + 0.7 * i, y), (x - 0.7 + 0.7 * i, y - 0.8))
                self.text(name, (x - 0.7 + 0.7 * i, y - 0.8), "below", 0.1)
            return
        one, two, three = names.split()
        for name, dx, end, side in (
            (one, -0.6, y - 0.5, "below"),
            (two, 0.6, y - 0.5, "below"),
            (three, 0, y + 1.5, "right"),
        ):
            self.wire((x + dx, y if side == "below" else y + 1), (x + dx, end))
            self.text(name, (x + dx, end), side, 0.12)
        self.text("from above", (x, y + 0.5), "right", -0.95, fontsize=SMALL)

    def svg(self) -> bytes:
        box = self._drawing.get_bbox()
        self.text(self._title, (box.xmin, box.ymax + 0.8), "right", 0, fontsize=14)
        image: bytes = self._drawing.get_imagedata("svg")
        return image + b"\n"


def motor_gate() -> bytes:
    s = Sheet("gate", "Motor gate: the rail is on only while the heartbeat keeps toggling")
    s.port(f"heartbeat\nGPIO {GATE.heartbeat_pin}", (-1, 4), "left")
    s.wire((-1, 4), (1, 4))
    s.dot((0, 4), (1, 4))
    s.part(elm.ResistorIEC, "Rhb", (0, 4), (0, 2), "left")
    s.ground((0, 2))
    # The path of a rising edge.
    s.part(elm.ResistorIEC, "Ra", (1, 4), (1, 6.5), "left")
    s.wire((1, 6.5), (1.4, 6.5))
    s.part(elm.Capacitor, "Ca", (1.4, 6.5), (3.4, 6.5))
    s.part(elm.Capacitor, "Cb", (3.4, 6.5), (5.4, 6.5))
    s.dot((5.4, 6.5))
    s.part(elm.ResistorIEC, "Rb", (5.4, 6.5), (5.4, 4.7), "left")
    s.ground((5.4, 4.7))
    s.wire((5.4, 6.5), (6.4, 6.5))
    s.stand(elm.BjtNpn(circle=True), "base", (6.4, 6.5))
    s.name("Q2", (7.4, 6.5), "right", 0.25)
    s.ground((7.15, 5.8))
    # The path of a falling edge.
    s.part(elm.ResistorIEC, "Rc", (1, 4), (1, 0.9))
    s.wire((1, 0.9), (2.4, 0.9))
    s.part(elm.Capacitor, "Cc", (2.4, 0.9), (4.4, 0.9))
    s.wire((4.4, 0.9), (5.4, 0.9))
    s.dot((5.4, 0.9))
    s.part(elm.ResistorIEC, "Rd", (5.4, 0.9), (5.4, -0.9), "left")
    s.ground((5.4, -0.9))
    s.wire((5.4, 0.9), (7.15, 0.9), (7.15, 1.8))
    s.stand(elm.BjtNpn(circle=True), "base", (6.4, 2.5))
    s.name("Q3", (7.4, 2.5), "right", 0.25)
    s.wire((6.4, 2.5), (5.7, 2.5))
    s.ground((5.7, 2.5))
    # Both paths pull Q1's base down, and Q1 charges Ct.
    s.wire((7.15, 7.2), (9.6, 7.2), (9.6, 3.2), (7.15, 3.2))
    s.dot((9.6, 7.2))
    s.part(elm.ResistorIEC, "Rf", (9.6, 7.2), (9.6, 9.2), "left")
    s.dot((9.6, 9.2))
    s.part(elm.ResistorIEC, "Re", (9.6, 9.2), (9.6, 11.2), "left")
    s.supply("3.3 V", (9.6, 11.2), (11.15, 11.2))
    s.wire((9.6, 9.2), (10.4, 9.2))
    s.stand(elm.BjtPnp(circle=True), "base", (10.4, 9.2))
    s.name("Q1", (11.4, 9.2), "right", 0.25)
    s.wire((11.15, 9.9), (11.15, 11.2))
    s.part(elm.ResistorIEC, "Rg", (11.15, 8.5), (11.15, 6.7), "right")
    s.wire((11.15, 6.7), (11.15, 6.2), (16.0, 6.2))
    s.dot((12.4, 6.2), (14.6, 6.2))
    s.part(elm.Capacitor, "Ct", (12.4, 6.2), (12.4, 4.2), "left")
    s.part(elm.ResistorIEC, "Rt", (14.6, 6.2), (14.6, 4.2), "left")
    s.ground((12.4, 4.2), (14.6, 4.2))
    # U1 compares Ct with a third of the 3.3 V.
    s.stand(elm.Opamp(), "in1", (16.0, 6.2))
    s.text(
        f"U1, half of an {value('gate', 'U1')}:\n3.3 V at pin 8, ground at pin 4,\n"
        f"Cu {value('gate', 'Cu')} between them, pins 5\nand 6 at ground, pin 7 open",
        (13.4, 9.6), "right", 0,
    )  # fmt: skip
    s.text("2", (15.75, 6.2), "above", 0.25, fontsize=SMALL)
    s.text("3", (15.3, 5.1), "right", 0, fontsize=SMALL)
    s.text("1", (18.3, 5.58), "above", 0.25, fontsize=SMALL)
    s.wire((16.0, 4.95), (15.6, 4.95), (15.6, 1.2))
    s.dot((15.6, 3.9), (15.6, 1.2))
    s.part(elm.ResistorIEC, "Ri", (15.6, 1.2), (15.6, -0.6), "left")
    s.ground((15.6, -0.6))
    s.part(elm.ResistorIEC, "Rh", (15.6, 1.2), (17.8, 1.2))
    s.wire((17.8, 1.2), (17.8, 1.7))
    s.supply("3.3 V", (17.8, 1.7))
    s.wire((15.6, 3.9), (16.2, 3.9))
    s.part(elm.ResistorIEC, "Rk", (16.2, 3.9), (18.2, 3.9), "below")
    s.wire((18.2, 3.9), (18.6, 3.9), (18.6, 5.58))
    s.wire((18.17, 5.58), (18.6, 5.58))
    s.dot((18.6, 5.58))
    # The switch of the rail.
    s.part(elm.ResistorIEC, "Rl", (18.6, 5.58), (20.8, 5.58))
    s.wire((20.8, 5.58), (24.2, 5.58))
    s.dot((20.8, 5.58), (23.2, 5.58), (20.8, 9.2), (23.2, 9.2), (25.03, 9.2))
    s.part(elm.ResistorIEC, "Rm", (20.8, 5.58), (20.8, 9.2), "left")
    s.part(elm.Capacitor, "Cm", (23.2, 5.58), (23.2, 9.2), "left")
    s.stand(elm.PMos(), "gate", (24.2, 5.58))
    s.name("M1", (25.2, 5.5), "right", 0.1)
    s.wire((25.03, 6.08), (25.03, 9.2))
    s.wire((20.8, 9.2), (26.6, 9.2))
    s.port("motor supply, behind\nthe stop switch (vin)", (26.6, 9.2), "right")
    s.wire((25.03, 4.41), (25.03, 3.6), (29.4, 3.6))
    s.dot((25.03, 3.6), (27.0, 3.6))
    s.part(elm.Capacitor, "Cr", (25.03, 3.6), (25.03, 1.6), "left")
    s.ground((25.03, 1.6))
    s.port("rail", (29.4, 3.6), "right")
    s.part(elm.ResistorIEC, "Rn", (27.0, 3.6), (27.0, 1.6))
    s.dot((27.0, 1.6))
    s.part(elm.ResistorIEC, "Ro", (27.0, 1.6), (27.0, -0.4), "left")
    s.ground((27.0, -0.4))
    s.part(elm.ResistorIEC, "Rs", (27.0, 1.6), (29.4, 1.6), "below")
    s.port(f"read-back\nGPIO {GATE.rail_pin}", (29.4, 1.6), "right")
    # The legs of the transistors and of U1.
    s.text(
        "The legs. Another type of transistor may have its legs in another order.",
        (0, -3.2),
        fontsize=11,
    )
    s.legs("Q1 BC557B,\nQ2, Q3 BC547B", (2.0, -6.7), "C B E")
    s.legs("M1 AO3401A", (7.4, -6.7), "G S D", flat=False)
    s.text(
        "G is leg 1, S leg 2, D leg 3. Find the adapter\nboard's pin of each one with a meter.",
        (9.0, -6.2),
    )
    dip8(s, (21.4, -6.9))
    return s.svg()


def dip8(s: Sheet, at: At) -> None:
    """The LM393 from above: its pins and what each is connected to."""
    x, y = at
    s.text("U1 LM393 from above", (x - 1.0, y + 3.0), "right", 0)
    s.box((x - 1.0, y - 0.5), (x + 1.0, y + 2.5))
    s.add(elm.Dot(radius=0.1).at((x - 0.7, y + 2.2)))
    left = ("1 to Rk and Rl", "2 to Ct", "3 to Rh and Ri", "4 ground")
    right = ("8 3.3 V", "7 nothing", "6 ground", "5 ground")
    for i, (one, other) in enumerate(zip(left, right, strict=True)):
        at_y = y + 2.1 - 0.75 * i
        s.wire((x - 1.0, at_y), (x - 1.4, at_y))
        s.wire((x + 1.0, at_y), (x + 1.4, at_y))
        s.text(one, (x - 1.4, at_y), "left", 0.1)
        s.text(other, (x + 1.4, at_y), "right", 0.1)


def driver_a() -> bytes:
    s = Sheet("driver_a", "Driver A: one ULN2803A for eight motors")
    channels = range(1, 9)
    pins = [
        *((f"{i}B", f"{i}", "left", 10 - i) for i in channels),
        ("GND", "9", "left", 1),
        *((f"{i}C", f"{19 - i}", "right", 10 - i) for i in channels),
        ("COM", "10", "right", 1),
    ]
    chip = elm.Ic(
        pins=[
            elm.IcPin(name=name, anchorname=name, pin=pin, side=side, slot=f"{slot}/9")
            for name, pin, side, slot in pins
        ],
        pinspacing=1.1,
        leadlen=0.6,
        edgepadW=0.8,
    )
    place = s.add(chip.at((0, 0)).theta(0)).absanchors
    if len(MAT.motors) > len(channels):
        raise SystemExit("hw/mat.yaml has more motors than one ULN2803A drives: draw a second one")
    for i, motor in enumerate(MAT.motors, start=1):
        x, y = place[f"{i}B"]
        s.wire((x, y), (x - 2.4, y))
        s.port(f"GPIO {motor.pin} (header {HEADER[motor.pin]})", (x - 2.4, y), "left")
        x, y = place[f"{i}C"]
        s.wire((x, y), (x + 1.0, y))
        s.add(elm.Thermistor().endpoints((x + 1.0, y), (x + 3.0, y)))
        s.wire((x + 3.0, y), (x + 5.4, y))
        s.port(f"{colours()[motor.name]}, {motor.name}", (x + 5.4, y), "right")
    # The first channel is drawn in full; the others are the same.
    x, y = place["1B"]
    s.dot((x - 1.6, y))
    s.wire((x - 1.6, y), (x - 1.6, y + 0.6))
    s.part(elm.ResistorIEC, "Rp", (x - 1.6, y + 0.6), (x - 1.6, y + 2.4), "left")
    s.wire((x - 1.6, y + 2.4), (x - 0.6, y + 2.4))
    s.ground((x - 0.6, y + 2.4))
    s.text("one from each input to ground", (x - 0.2, y + 2.2), "right", 0)
    x, y = place["1C"]
    s.text(f"ptc {value('driver_a', 'ptc')} in each output", (x + 2.4, y), "above", 0.9)
    x, y = place["GND"]
    s.ground((x, y))
    x, y = place["COM"]
    s.wire((x, y), (x + 5.4, y))
    s.port("red: rail, from the gate", (x + 5.4, y), "right")
    return s.svg()


def driver_b() -> bytes:
    s = Sheet("driver_b", "Driver B: eight of these stages, one for each motor")
    s.port("GPIO of this motor", (0, 2), "left")
    s.part(elm.ResistorIEC, "Rg", (0, 2), (2.5, 2))
    s.dot((2.5, 2))
    s.part(elm.ResistorIEC, "Rp", (2.5, 2), (2.5, 0), "left")
    s.ground((2.5, 0))
    s.wire((2.5, 2), (3.6, 2))
    s.stand(elm.NMos(), "drain", (4.43, 3.17))
    s.name("M1", (4.6, 2.3), "right", 0.1)
    s.ground((4.43, 1.5))
    s.wire((4.43, 3.17), (4.43, 4.2))
    s.dot((4.43, 3.8))
    s.wire((4.43, 3.8), (2.6, 3.8))
    s.part(elm.Schottky, "Dfly", (2.6, 3.8), (2.6, 8.4), "left")
    s.text("its ring at\nthe rail", (2.3, 5.5), "left", 0.1, fontsize=SMALL)
    s.part(elm.Thermistor, "ptc", (4.43, 4.2), (4.43, 6.2))
    s.wire((4.43, 6.2), (8.6, 6.2))
    s.dot((4.43, 6.2))
    s.wire((0.6, 8.4), (8.6, 8.4))
    s.dot((2.6, 8.4))
    s.port("rail, from\nthe gate", (0.6, 8.4), "left")
    s.port("", (8.6, 8.4), "above")
    s.port("", (8.6, 6.2), "above")
    s.text("red", (8.2, 8.4), "above", 0.5)
    s.text("this motor's\ncore", (7.6, 5.9), "below", 0.2)
    s.add(elm.FuseIEC().endpoints((8.7, 8.4), (11.6, 8.4)))
    s.text("thermal cut-offs", (10.2, 8.4), "above", 0.6)
    s.wire((8.7, 6.2), (11.6, 6.2))
    s.wire((11.6, 8.4), (13.8, 8.4))
    s.wire((11.6, 6.2), (13.8, 6.2))
    s.dot((11.6, 8.4), (11.6, 6.2))
    s.add(elm.Capacitor().endpoints((11.6, 8.4), (11.6, 6.2)))
    s.text(f"Csup {value('motor', 'Csup')}\non the motor", (10.9, 7.6), "left", -0.2)
    s.add(elm.Motor().endpoints((13.8, 8.4), (13.8, 6.2)))
    s.box((9.0, 5.4), (15.6, 9.5), ls="--", lw=1)
    s.text("in the mat or the pillow", (12.3, 4.8), "above", 0)
    rows = [("motor", "GPIO", "header", "core")]
    rows += [
        (motor.name, str(motor.pin), str(HEADER[motor.pin]), colours()[motor.name])
        for motor in MAT.motors
    ]
    for i, row in enumerate(rows):
        for cell, x in zip(row, (8.4, 12.0, 13.4, 15.0), strict=True):
            s.text(cell, (x, 3.4 - 0.6 * i), "right", 0)
    s.legs("M1 AO3400A", (1.6, -3.8), "G S D", flat=False)
    s.text(
        "G is leg 1, S leg 2, D leg 3.\nFind the adapter board's pin\nof each one with a meter.",
        (3.1, -2.9),
    )
    return s.svg()


def power() -> bytes:
    s = Sheet("power", "Supply: fuse, suppressor, stop switch")
    s.port("socket, centre: plus\n5 V and nothing else", (0, 4), "left")
    s.add(elm.FuseIEC().endpoints((0, 4), (3, 4)))
    s.name("F1", (1.5, 4), "above")
    s.wire((3, 4), (7.2, 4))
    s.dot((3.6, 4), (6.0, 4))
    # Drawn from ground to plus, so that the bar, which stands for the ring, is at the plus.
    s.add(elm.Zener().endpoints((3.6, 1.6), (3.6, 4)))
    s.name("D1", (3.6, 3.1), "left", 0.5)
    s.text("its ring\nat the plus", (3.1, 2.6), "left", 0.1, fontsize=SMALL)
    s.part(elm.Capacitor, "C1", (6.0, 4), (6.0, 1.6), "left")
    s.text("+", (6.1, 3.3), "right", 0.1)
    s.add(elm.Switch().endpoints((7.2, 4), (10.4, 4)))
    s.name("S1", (8.8, 4), "above", 0.9)
    s.text(
        "latching, opens when pressed,\non its cable, within reach",
        (6.6, 6.2),
        "right",
        0,
        fontsize=SMALL,
    )
    s.wire((10.4, 4), (15.2, 4))
    s.dot((11.6, 4), (13.8, 4))
    s.part(elm.Capacitor, "C2", (11.6, 4), (11.6, 1.6), "left")
    s.part(elm.ResistorIEC, "R1", (13.8, 4), (13.8, 1.6), "left")
    s.port("to the motor gate (vin)", (15.2, 4), "right")
    s.wire((0, 1.6), (15.2, 1.6))
    s.dot((3.6, 1.6), (6.0, 1.6), (11.6, 1.6), (13.8, 1.6))
    s.port("socket, sleeve: minus", (0, 1.6), "left")
    s.port("ground, to\nthe star point", (15.2, 1.6), "right")
    return s.svg()


def label() -> bytes:
    s = Sheet("", "For the socket and for the supply: print, cut out, glue on")
    s.box((0, 0), (13.4, 6.2), lw=3)
    s.text("5 V DC, 3 A", (0.6, 5.0), "right", 0, fontsize=34)
    s.text("No other adapter. Not 9 V, not 12 V.", (0.6, 3.6), "right", 0, fontsize=17)
    s.text("Plus on the centre", (0.6, 2.6), "right", 0, fontsize=17)
    s.add(elm.Dot(open=True, radius=0.55).at((9.6, 2.6)))
    s.add(elm.Dot(radius=0.18).at((9.6, 2.6)))
    s.wire((9.6, 2.6), (11.2, 2.6))
    s.text("+", (11.3, 2.6), "right", 0.1, fontsize=20)
    s.wire((9.05, 2.6), (7.6, 2.6))
    s.text("-", (7.5, 2.6), "left", 0.1, fontsize=20)
    s.text(
        "To stop: press the stop switch, or pull this plug.", (0.6, 1.2), "right", 0, fontsize=17
    )
    return s.svg()


def box_label() -> bytes:
    s = Sheet("", "For the lid of the box: print, cut out, glue on")
    s.box((0, 0), (12.2, 10.4), lw=3)
    s.text(f"Vibrating acupressure mat, hardware {VERSION}", (0.6, 9.5), "right", 0, fontsize=19)
    s.text("5 V DC, 3 A, plus on the centre. Never another adapter.", (0.6, 8.5), "right", 0)
    s.text(
        "To stop: press the stop switch or the button, or pull the plug.", (0.6, 7.7), "right", 0
    )
    s.text("Ask a doctor first:", (0.6, 6.6), "right", 0, fontsize=15)
    for i, line in enumerate(
        (
            "pregnancy, pacemaker or other implants, heart disease, high blood",
            "pressure, thrombosis, osteoporosis, tumours, bleeding tendency,",
            "broken or numb skin, a recent fracture or surgery, a herniated",
            "disc, diabetes, children.",
        )
    ):
        s.text(line, (0.6, 5.8 - 0.7 * i), "right", 0)
    s.text(
        "Not while asleep. Not unattended. If it gets too warm or smells: stop.",
        (0.6, 2.7),
        "right",
        0,
    )
    s.text("Built by", (0.6, 1.7), "right", 0)
    s.text("on", (7.0, 1.7), "right", 0)
    s.text("Checked every year:", (0.6, 0.8), "right", 0)
    return s.svg()


def button() -> bytes:
    s = Sheet("button", "Start button and status LED, beside the Pi's header")
    contacts = MAT.button
    if contacts is None or contacts.released_pin is None or MAT.led_pin is None:
        raise SystemExit("hw/mat.yaml has no change-over button or no LED; the drawing shows both")
    s.add(elm.Line().endpoints((0, 3), (1.6, 4.35)))
    s.dot((0, 3))
    s.wire((0, 3), (-0.8, 3))
    s.ground((-0.8, 3))
    s.text("header 9", (-0.6, 3.2), "above", 0.1, fontsize=SMALL)
    s.text("start button,\nchange-over,\nnot pressed", (-1.9, 6.0), "right", 0)
    for y, pin, name in (
        (4.4, contacts.released_pin, "NC, opens when pressed"),
        (1.0, contacts.pressed_pin, "NO, closes when pressed"),
    ):
        s.add(elm.Dot(open=True, radius=0.09).at((1.7, y)))
        s.text(name, (1.5, y - 1.0), "right", 0, fontsize=SMALL)
        s.wire((1.8, y), (4.0, y))
        s.part(elm.ResistorIEC, "R1", (4.0, y), (6.4, y))
        s.dot((6.8, y))
        s.wire((6.4, y), (7.2, y))
        s.part(elm.Capacitor, "C1", (6.8, y), (6.8, y - 1.6), "right")
        s.ground((6.8, y - 1.6))
        s.part(elm.ResistorIEC, "R2", (7.2, y), (9.6, y))
        s.port(f"GPIO {pin} (header {HEADER[pin]})", (10.2, y), "right")
        s.wire((9.6, y), (10.2, y))
    y = -2.6
    s.port(f"GPIO {MAT.led_pin} (header {HEADER[MAT.led_pin]})", (10.2, y), "right")
    s.wire((10.2, y), (9.6, y))
    s.add(elm.ResistorIEC().endpoints((9.6, y), (7.2, y)))
    s.text("470 Ω", (8.4, y), "above", 0.5)
    s.add(elm.LED().endpoints((7.2, y), (5.0, y)))
    s.text("status LED, its long leg\nat the resistor", (1.2, y + 0.2), "right", 0)
    s.wire((5.0, y), (4.6, y))
    s.ground((4.6, y))
    return s.svg()


def colours() -> dict[str, str]:
    """The colour of each motor's core, by the motor's name."""
    return {
        motor.name: colour
        for motors in cables(MAT).values()
        for motor, colour in zip(motors, COLOURS, strict=False)
    }


def wiring() -> bytes:
    s = Sheet("", "The whole wiring")
    button = MAT.button
    if button is None or MAT.led_pin is None or button.released_pin is None:
        raise SystemExit("hw/mat.yaml has no change-over button or no LED; the drawing shows both")
    # Power, along the top.
    s.box((-1.5, 9.6), (1.5, 12.4))
    s.text("5 V 3 A supply,\nplug-in, double\ninsulated", (0, 11.6), "above", 0)
    s.wire((1.5, 11.6), (2.6, 11.6))
    s.box((2.6, 10.6), (5.2, 12.4))
    s.text("fuse, TVS,\n470 µF", (3.9, 11.7), "above", 0)
    s.wire((5.2, 11.6), (5.6, 11.6))
    s.add(elm.Switch().endpoints((5.6, 11.6), (8.8, 11.6)))
    s.text("stop switch: latching,\nwithin reach", (7.2, 13.0), "above", 0)
    s.wire((8.8, 11.6), (11.5, 11.6))
    s.box((9.1, 10.6), (10.7, 12.4), lw=1, ls=":")
    s.text("10 µF,\n1 kΩ", (9.9, 11.2), "above", 0, fontsize=SMALL)
    # Each ground has its own wire to the star point, which is the minus of the supply's board.
    star = (3.9, 9.4)
    s.dot(star)
    s.text("star point:\nall grounds", (1.65, 10.15), "right", 0, fontsize=SMALL)
    s.wire((0, 9.6), (0, 9.4), star, ls="--")
    s.wire((4.6, 10.6), (4.6, 9.7), (3.9, 9.7), star, ls="--")
    s.wire(star, (8.6, 9.4), (8.6, 8.9), (11.5, 8.9), ls="--")
    s.text("gate's", (10.0, 8.9), "above", 0.22, fontsize=SMALL)
    s.wire(star, (3.9, 9.0), (-3.4, 9.0), (-3.4, -7.4), (13.5, -7.4), (13.5, -5.6), ls="--")
    s.text("driver's", (10.0, -7.4), "above", 0.22, fontsize=SMALL)
    s.wire((5.0, 8.6), (5.0, 9.0), (4.2, 9.0), star, ls="--")
    s.text("Pi's (header 6)", (5.2, 9.0), "right", 0.1, fontsize=SMALL)
    # Gate and driver.
    s.box((11.5, 6.4), (15.5, 12.2))
    s.text("motor gate", (13.5, 9.6), "above", 0)
    s.box((11.5, -5.6), (15.5, 5.4))
    s.text("driver A\nor B,\na PTC in\neach\noutput", (13.5, 0.9), "above", 0)
    s.wire((15.5, 11.6), (19.0, 11.6))
    s.dot((16.6, 11.6))
    s.wire((16.6, 11.6), (16.6, 5.0), (15.5, 5.0))
    s.dot((16.6, 6.8))
    s.text("rail", (17.2, 11.6), "above", 0.3)
    # The Pi.
    s.box((3.2, -6.6), (7.2, 8.6))
    s.text("Raspberry Pi,\nits header", (5.2, 1.4), "above", 0)
    s.text("own supply,\nnever the\nmotors' 5 V", (5.2, -0.6), "above", 0)
    to_gate = [
        (8.2, "3.3 V (header 1)"),
        (7.5, f"GPIO {GATE.heartbeat_pin} ({HEADER[GATE.heartbeat_pin]}) heartbeat"),
    ]
    if GATE.rail_pin is not None:
        to_gate.append((6.8, f"GPIO {GATE.rail_pin} ({HEADER[GATE.rail_pin]}) read-back"))
    for y, text in to_gate:
        s.wire((7.2, y), (11.5, y))
        s.text(text, (9.35, y), "above", 0.22, fontsize=10)
    y = 4.4
    ends = {}
    for name, motors in cables(MAT).items():
        for motor in motors:
            s.wire((7.2, y), (11.5, y))
            s.text(f"GPIO {motor.pin} ({HEADER[motor.pin]})", (9.35, y), "above", 0.22, fontsize=10)
            s.wire((15.5, y), (21.6, y))
            s.text(colours()[motor.name], (18.6, y), "above", 0.22, fontsize=10)
            s.text(motor.name, (21.6, y), "right", 0.2)
            y -= 1.1
        ends[name] = y
        y -= 1.0
    # Mat and pillow.
    s.box((19.8, ends["mat"] + 0.6), (26.2, 6.2), ls="--", lw=1)
    s.text("mat", (25.9, 5.7), "left", 0)
    s.wire((16.6, 6.8), (19.0, 6.8), (19.0, 5.4), (20.2, 5.4))
    s.add(elm.FuseIEC().endpoints((20.2, 5.4), (22.2, 5.4)))
    s.text("red", (18.3, 6.8), "above", 0.22, fontsize=10)
    mat_motors = len(cables(MAT)["mat"])
    s.text(f"{mat_motors} thermal cut-offs", (22.3, 5.4), "right", 0.1, fontsize=10)
    s.box((19.8, ends["pillow"] + 0.6), (26.2, ends["mat"] + 0.2), ls="--", lw=1)
    s.wire((19.0, 11.6), (27.0, 11.6), (27.0, ends["mat"] - 0.3), (25.6, ends["mat"] - 0.3))
    s.add(elm.FuseIEC().endpoints((25.6, ends["mat"] - 0.3), (23.6, ends["mat"] - 0.3)))
    y = ends["mat"] - 0.3
    s.text("pillow", (25.9, ends["pillow"] + 1.0), "left", 0)
    pillow_motors = len(cables(MAT)["pillow"])
    s.text(f"{pillow_motors} thermal cut-offs", (20.2, y), "right", 0, fontsize=10)
    s.text(
        "Red: through the cut-offs, then to the\nother side of each motor.",
        (19.8, 8.4),
        fontsize=10,
    )
    # Button and LED; button.svg shows them in detail.
    s.box((-2.8, -1.0), (0.8, 5.8))
    s.text(
        "start button\nand LED, with\n1 kΩ and 100 nF\nat each contact:\nbutton.svg",
        (-1.0, 3.6),
        "above",
        0,
    )
    uses = (
        (5.2, f"GPIO {button.released_pin} ({HEADER[button.released_pin]})"),
        (4.2, f"GPIO {button.pressed_pin} ({HEADER[button.pressed_pin]})"),
        (0.4, f"GPIO {MAT.led_pin} ({HEADER[MAT.led_pin]})"),
        (-0.6, "ground (9)"),
    )
    for y, text in uses:
        s.wire((0.8, y), (3.2, y))
        s.text(text, (2.0, y), "above", 0.22, fontsize=SMALL)
    return s.svg()


BODY: Final = [
    (-20, 29), (-17, 12), (-15, 4), (-19, -14), (-18, -38), (-3, -38), (-1, -22), (1, -22),
    (3, -38), (18, -38), (19, -14), (15, 4), (17, 12), (20, 29), (6, 34), (6, 38), (-6, 38),
    (-6, 34),
]  # fmt: skip
"""Outline of a lying person in cm, without arms, on the axes of `PLACES_CM`."""

SCALE: Final = 0.17


PLATE_CORNERS: Final = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def layout() -> bytes:
    s = Sheet("", "Where the motors lie", margin=1.2)

    def at(x_cm: float, y_cm: float) -> At:
        """A point on the sheet. Seen from above, the person's right is on the left."""
        return -x_cm * SCALE, y_cm * SCALE

    s.box(at(21, -34), at(-21, 33))
    s.box(at(19, 36), at(-19, 52))
    outline = elm.Element().at((0, 0)).theta(0)
    look = {"color": "#aaa", "fill": "#eee", "zorder": 0}
    outline.segments.append(SegmentPoly([at(*point) for point in BODY], **look))
    outline.segments.append(SegmentCircle(at(0, 47), 9 * SCALE, **look))
    s.add(outline)
    s.wire(at(0, 40), at(0, -20), ls=":", color="#888")
    under = {name: point for point, names in POINTS_AT.items() for name in names}
    for motor in MAT.motors:
        x, y = PLACES_CM[motor.name]
        right = motor.side == "right"
        s.wire(at(x, y), at(24 if right else -24, y), lw=0.8)
        half = PLATE_CM / 2
        corners = [at(x + dx * half, y + dy * half) for dx, dy in PLATE_CORNERS]
        plate = elm.Element().at((0, 0)).theta(0)
        plate.segments.append(SegmentPoly(corners, color="black", fill="white", zorder=3))
        s.add(plate)
        where = f"{abs(x)} cm from the spine"
        if motor.zone == PILLOW:
            where = f"{abs(x)} cm from the pillow's middle"
        elif y:
            where += f", {-y} cm below"
        name = f"{motor.name} (GPIO {motor.pin})"
        if motor.name in under:
            name += f": {under[motor.name]}"
        s.text(f"{name}\n{where}", at(24 if right else -24, y), "left" if right else "right", 0.2)
    s.text("the person's\nright", at(30, 28), "above", 0, fontsize=13)
    s.text("the person's\nleft", at(-30, 28), "above", 0, fontsize=13)
    s.text(
        "Seen from above; the person lies on the back. Heights are from BL23. Each square is a\n"
        "plate with its motor and its thermal cut-off, under the spikes and the foam.",
        at(44, -42),
    )
    return s.svg()


def drawings() -> dict[Path, bytes]:
    """The content of every drawing, by its path."""
    return {
        HERE / "gate.svg": motor_gate(),
        HERE / "driver-a.svg": driver_a(),
        HERE / "driver-b.svg": driver_b(),
        HERE / "power.svg": power(),
        HERE / "button.svg": button(),
        HERE / "label.svg": label(),
        HERE / "label-box.svg": box_label(),
        **{HERE / f"board-{name}.svg": sheet(board()) for name, board in BOARDS.items()},
        HERE / "layout.svg": layout(),
        HERE / "wiring.svg": wiring(),
    }


if __name__ == "__main__":
    for path, content in drawings().items():
        path.write_bytes(content)
