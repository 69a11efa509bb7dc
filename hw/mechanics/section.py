"""Draws two sections of each cup, across and along its motor: `python hw/mechanics/section.py`."""

from pathlib import Path
from typing import Final

from cup import CUPS, FOAM_OVER, PLATE, PLATE_THICK, Cup

HERE: Final = Path(__file__).resolve().parent
SCALE: Final = 8.0
GREY: Final = "#c8c8c8"
FOAM: Final = "#fbf3d5"
PRINT: Final = "#9ec5e8"
MOTOR: Final = "#e0e0e0"
WEIGHT: Final = "#707070"
LIVE: Final = "#f0a8a8"


class Paper:
    """A sheet in millimetres; y runs downwards, away from the person."""

    def __init__(self, wide: float, high: float) -> None:
        self._wide, self._high = wide, high
        self._lines: list[str] = []

    def rect(self, x: float, y: float, wide: float, high: float, fill: str, dash: str = "") -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._lines.append(
            f'<rect x="{x * SCALE:.1f}" y="{y * SCALE:.1f}" width="{wide * SCALE:.1f}" '
            f'height="{high * SCALE:.1f}" fill="{fill}" stroke="black"{dashed}/>'
        )

    def circle(self, x: float, y: float, radius: float, fill: str, dash: str = "") -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._lines.append(
            f'<circle cx="{x * SCALE:.1f}" cy="{y * SCALE:.1f}" r="{radius * SCALE:.1f}" '
            f'fill="{fill}" stroke="black"{dashed}/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, arrows: bool = False) -> None:
        ends = ' marker-start="url(#a)" marker-end="url(#a)"' if arrows else ""
        self._lines.append(
            f'<line x1="{x1 * SCALE:.1f}" y1="{y1 * SCALE:.1f}" x2="{x2 * SCALE:.1f}" '
            f'y2="{y2 * SCALE:.1f}" stroke="black"{ends}/>'
        )

    def text(self, x: float, y: float, words: str, anchor: str = "start", size: int = 15) -> None:
        self._lines.append(
            f'<text x="{x * SCALE:.1f}" y="{y * SCALE:.1f}" font-family="sans-serif" '
            f'font-size="{size}" text-anchor="{anchor}">{words}</text>'
        )

    def across(self, x1: float, x2: float, y: float, from_y: float, what: str = "") -> None:
        """A horizontal dimension line with its extension lines."""
        for x in (x1, x2):
            self.line(x, from_y, x, y + 0.8)
        self.line(x1, y, x2, y, arrows=True)
        self.text((x1 + x2) / 2, y - 0.6, f"{x2 - x1:.4g}{what}", "middle")

    def down(self, y1: float, y2: float, x: float, from_x: float, what: str = "") -> None:
        """A vertical dimension line with its extension lines."""
        for y in (y1, y2):
            self.line(from_x, y, x + 0.8, y)
        self.line(x, y1, x, y2, arrows=True)
        self.text(x + 1.2, (y1 + y2) / 2 + 0.7, f"{y2 - y1:.4g}{what}")

    def svg(self) -> bytes:
        wide, high = self._wide * SCALE, self._high * SCALE
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
            f'viewBox="0 0 {wide:.0f} {high:.0f}">'
        )
        arrow = (
            '<defs><marker id="a" markerWidth="9" markerHeight="9" refX="8" refY="4" '
            'orient="auto-start-reverse"><path d="M0,1 L8,4 L0,7 z"/></marker></defs>'
        )
        paper = f'<rect width="{wide:.0f}" height="{high:.0f}" fill="white"/>'
        return "\n".join([head, arrow, paper, *self._lines, "</svg>", ""]).encode()


def sheet(cup: Cup) -> bytes:
    paper = Paper(168, 66)
    paper.text(
        3, 4, f"Cup for motor {cup.motor}, section across (left) and along (right), in mm", size=18
    )
    top = 14.0 + FOAM_OVER
    _across(paper, cup, 40.0, top)
    _along(paper, cup, 121.0, top)
    return paper.svg()


def _shell(paper: Paper, cup: Cup, middle: float, top: float, axis: int) -> float:
    """Draws foam, plate and the cut cup around `middle`. Returns y of the plate's lower side."""
    inner, outer, bounds = cup.inner[axis], cup.outer[axis], cup.bounds[axis]
    deep, high = cup.inner[2], cup.outer[2]
    left = middle - PLATE / 2
    paper.rect(left, top - FOAM_OVER, PLATE, FOAM_OVER, FOAM)
    paper.rect(left, top + PLATE_THICK, PLATE, high, FOAM)
    paper.rect(left, top, PLATE, PLATE_THICK, GREY)
    under = top + PLATE_THICK
    paper.rect(middle - outer / 2, under, outer, high, PRINT)
    paper.rect(middle - bounds / 2, under, bounds, cup.flange_thick, PRINT)
    paper.rect(middle - inner / 2, under, inner, deep, "white")
    if axis == 1:
        paper.text(
            left,
            top - FOAM_OVER - 1.2,
            f"person above; compressed foam, at least {FOAM_OVER:g} thick",
        )
    paper.across(left, left + PLATE, under + high + 11, under + high, " plate, aluminium")
    paper.across(middle - outer / 2, middle + outer / 2, under + high + 7, under + high)
    paper.across(middle - inner / 2, middle + inner / 2, under + high + 3, under + deep)
    return under


def _across(paper: Paper, cup: Cup, middle: float, top: float) -> None:
    under = _shell(paper, cup, middle, top, 1)
    inner = cup.inner[1]
    axis = middle - inner / 2 + cup.clear + cup.body / 2
    centre = under + cup.strip + cup.body / 2
    paper.rect(axis - cup.strip_wide / 2, under, cup.strip_wide, cup.strip, GREY)
    paper.circle(axis, centre, cup.body / 2, MOTOR)
    beside = axis + cup.body / 2 + cup.cut_off / 2
    paper.circle(beside, centre, cup.cut_off / 2, LIVE)
    paper.text(axis, centre + 0.6, "motor", "middle")
    paper.text(beside, centre + 0.4, "cut-off", "middle", 10)
    right = middle + PLATE / 2
    paper.down(top - FOAM_OVER, top, right + 2, right)
    paper.down(top, under, right + 2, right)
    paper.down(under, under + cup.inner[2], right + 2, middle + inner / 2)
    paper.down(under + cup.inner[2], under + cup.outer[2], right + 2, middle + inner / 2)


def _along(paper: Paper, cup: Cup, middle: float, top: float) -> None:
    under = _shell(paper, cup, middle, top, 0)
    begin = middle - cup.inner[0] / 2 + cup.clear
    weight = cup.length - cup.strip_long
    y = under + cup.strip
    paper.rect(begin, y, weight, cup.body, "white", "4 3")
    paper.rect(begin + 1, y + 0.5, weight - 2, cup.body / 2 - 0.5, WEIGHT)
    paper.rect(begin + weight, y, cup.strip_long, cup.body, MOTOR)
    paper.rect(begin + weight, under, cup.strip_long, cup.strip, GREY)
    paper.text(begin + weight + cup.strip_long / 2, y + cup.body / 2 + 0.6, "motor", "middle")
    paper.text(begin + weight / 2, y + cup.body - 1.2, "weight", "middle", 13)
    end = middle + cup.inner[0] / 2
    paper.rect(end, under, cup.wall + cup.flange, cup.slot_high, "white")
    paper.text(end + cup.wall + cup.flange + 1, under + cup.slot_high - 0.6, "wires", size=13)
    right = middle + PLATE / 2
    paper.down(under, y, right + 2, begin + cup.length)
    paper.down(y + cup.body, under + cup.inner[2], right + 2, begin + cup.length)
    paper.across(begin - cup.clear, begin, under - 12 - PLATE_THICK, under - 10)
    paper.across(begin, begin + cup.length, under - 12 - PLATE_THICK, under - 10)


def drawings() -> dict[Path, bytes]:
    return {HERE / f"cup-{cup.motor.lower()}.svg": sheet(cup) for cup in CUPS}


if __name__ == "__main__":
    for path, content in drawings().items():
        path.write_bytes(content)
