"""Draws a perfboard as SVG: the component side, and the solder side mirrored."""

from typing import Final
from xml.sax.saxutils import escape

from boards import Board, Hole, Part, placed

PITCH: Final = 30
"""Pixels from hole to hole; 2.54 mm on the board."""

LEFT: Final = 170
TOP: Final = 120
WIRE: Final = "#b87333"
OUTSIDE: Final = "#1f6fb2"
"""Colour of everything that leads off the board."""


class _View:
    """One side of a board on the sheet. On the solder side left and right are exchanged."""

    def __init__(self, board: Board, top: float, mirrored: bool) -> None:
        self._board, self._top, self._mirrored = board, top, mirrored
        self.lines: list[str] = []

    def at(self, hole: Hole) -> tuple[float, float]:
        x, y = hole
        if self._mirrored:
            x = self._board.size[0] - 1 - x
        return LEFT + x * PITCH, self._top + y * PITCH

    def text(
        self, text: str, x: float, y: float, size: int = 11, anchor: str = "middle", **look: str
    ) -> None:
        extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in look.items())
        self.lines.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{extra}>'
            f"<tspan>{escape(text)}</tspan></text>"
        )

    def grid(self) -> None:
        across, down = self._board.size
        x0, y0 = LEFT, self._top
        self.lines.append(
            f'<rect x="{x0 - 18}" y="{y0 - 18}" width="{(across - 1) * PITCH + 36}" '
            f'height="{(down - 1) * PITCH + 36}" fill="#f7f3e6" stroke="#888"/>'
        )
        taken = self._board.terminals.values()
        edge = across - 1 if self._mirrored else 0
        for y in range(down):
            if (edge, y) not in taken:
                self.text(str(y), x0 - 12, self.at((0, y))[1] + 3, 8, fill="#777")
        for x in range(across):
            if (x, 0) not in taken or x in (0, across - 1):
                self.text(str(x), self.at((x, 0))[0], y0 - 24, 9, fill="#777")
            for y in range(down):
                cx, cy = self.at((x, y))
                self.lines.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="#ddd"/>')

    def wires(self, width: int, opacity: str) -> None:
        for wire in self._board.wires:
            points = " ".join("{:g},{:g}".format(*self.at(hole)) for hole in wire)
            self.lines.append(
                f'<polyline points="{points}" fill="none" stroke="{WIRE}" stroke-width="{width}" '
                f'stroke-linecap="round" stroke-linejoin="round" opacity="{opacity}"/>'
            )

    def bridges(self) -> None:
        for one, other in self._board.bridges:
            (x1, y1), (x2, y2) = self.at(one), self.at(other)
            self.lines.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{OUTSIDE}" '
                'stroke-width="3" stroke-dasharray="6 3"/>'
            )

    def part(self, part: Part) -> None:
        places = [self.at(hole) for hole in part.legs.values()]
        x0, x1 = min(x for x, _ in places), max(x for x, _ in places)
        y0, y1 = min(y for _, y in places), max(y for _, y in places)
        upright = y1 > y0 and x1 == x0
        if part.shape == "can":
            side, round_by = PITCH * 3.2, PITCH * 1.6
            box = ((x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side, side)
        elif part.shape in ("box", "diode"):
            round_by = 3
            ends = 12  # the leads stay visible at both ends
            box = (
                (x0 - 8, y0 + ends, 16, y1 - y0 - 2 * ends)
                if upright
                else (x0 + ends, y0 - 8, x1 - x0 - 2 * ends, 16)
            )
        else:
            round_by = 12 if part.shape == "disc" else 3
            box = (x0 - 12, y0 - 12, x1 - x0 + 24, y1 - y0 + 24)
        x, y, width, height = box
        self.lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_by:g}" '
            'fill="#fff" fill-opacity="0.85" stroke="#333"/>'
        )
        for cx, cy in places:
            self.lines.append(f'<circle cx="{cx}" cy="{cy}" r="4" fill="#333"/>')
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        caption = f"{part.name} {part.value}"
        if part.shape == "chip":
            for (cx, cy), leg in zip(places, part.legs, strict=True):
                self.text(leg, cx + (13 if cx == x0 else -13), cy + 4, 10, font_weight="bold")
            self.text(caption, *middle, 11, transform=f"rotate(-90 {middle[0]:g} {middle[1]:g})")
            self.lines.append(
                f'<path d="M{middle[0] - 8:g} {y:g} a8 8 0 0 0 16 0" fill="none" stroke="#333"/>'
            )
        elif part.shape in ("adapter", "transistor"):
            if part.shape == "transistor":
                # Seen from the flat side the legs are C, B, E from the left.
                collector, emitter = self.at(part.legs["C"]), self.at(part.legs["E"])
                flat = y + height - 3 if collector < emitter else y
                self.lines.append(
                    f'<rect x="{x:g}" y="{flat:g}" width="{width:g}" height="3" fill="#333"/>'
                )
            for (cx, cy), leg in zip(places, part.legs, strict=True):
                self.text(leg, cx + 8, cy - 2, 10, font_weight="bold")
            self.text(caption, middle[0], y + height + 11, 10)
        else:
            room = height if upright else width
            size = 10 if len(caption) * 6 < room else 9 if len(caption) * 5.4 < room else 8
            beside = {"disc": -17.0, "can": 18.0}.get(part.shape, 0.0)
            turn = {"transform": f"rotate(-90 {middle[0]:g} {middle[1]:g})"} if upright else {}
            self.text(caption, middle[0], middle[1] + beside + 3.5, size, **turn)
        if part.shape == "diode":
            # The ring marks the cathode, which is the second leg in the netlist's line.
            _, (cx, cy) = places
            way = 1 if (cy, cx) == (y0, x0) else -1
            ring = (x, cy + way * 18, 16, 4) if upright else (cx + way * 18, y, 4, 16)
            self.lines.append(
                '<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" fill="#333"/>'.format(*ring)
            )
        if part.shape == "can":
            self.text("+", places[0][0] + 12, places[0][1] + 4, 15, font_weight="bold")

    def terminals(self) -> None:
        last = self._board.size[0] - 1
        for name, hole in self._board.terminals.items():
            x, y = self.at(hole)
            self.lines.append(
                f'<circle cx="{x}" cy="{y}" r="8" fill="#fff" stroke="{OUTSIDE}" '
                'stroke-width="2.5"/>'
            )
            label = self._board.labels[name]
            column = (x - LEFT) / PITCH
            if self._board.labels_at_edge:
                column = 0 if column < last / 2 else last
                x = LEFT + column * PITCH
            if column == 0:
                self.text(label, x - 24, y + 4, 12, "end", fill=OUTSIDE)
            elif column == last:
                self.text(label, x + 24, y + 4, 12, "start", fill=OUTSIDE)
            else:
                # Labels of the upper third stand above their hole, all others below it.
                rows = self._board.size[1]
                dy = {0: -30, rows - 1: 32}.get(hole[1], -11 if hole[1] < rows / 3 else 20)
                self.text(label, x, y + dy, 10, fill=OUTSIDE, font_weight="bold")

    def legs(self) -> None:
        """Marks every leg on the solder side with its part's name."""
        for name, hole in placed(self._board):
            if name.startswith("wire "):
                continue
            x, y = self.at(hole)
            self.lines.append(f'<circle cx="{x}" cy="{y}" r="5" fill="#333"/>')
            part, leg = name.split(".")
            shown = part
            if part.startswith(("U", "Q", "M")):
                shown = leg if "-" in part else f"{part} {leg}"
            self.text(shown, x, y - 7, 9)


def sheet(board: Board) -> bytes:
    across, down = board.size
    width = max(2 * LEFT + (across - 1) * PITCH, 820)
    second = TOP + (down - 1) * PITCH + 100
    height = second + (down - 1) * PITCH + 50
    above, below = _View(board, TOP, mirrored=False), _View(board, second, mirrored=True)
    above.text(f"{board.title}: perfboard of {across} by {down} holes", 20, 30, 18, "start")
    above.text(board.note, 20, 54, 12, "start")
    caption = "Component side. The copper-coloured lines are bare wire on the other side."
    if any(part.shape == "transistor" for part in board.parts):
        caption += " A thick edge is a transistor's flat side."
    above.text(caption, 20, 78, 12, "start")
    above.grid()
    above.wires(5, "0.4")
    for part in board.parts:
        above.part(part)
    above.bridges()
    above.terminals()
    below.text(
        "Solder side: the board turned over, left and right exchanged. "
        "Every hole that a wire passes is joined to that wire.",
        20,
        second - 42,
        12,
        "start",
    )
    below.grid()
    below.wires(7, "0.85")
    below.bridges()
    below.legs()
    below.terminals()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *above.lines,
        *below.lines,
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()
