"""Makes STEP and STL files of the cups: `python hw/mechanics/solid.py FOLDER`. Needs the extra `hw`
(about 1 GB)."""

import sys
from pathlib import Path

from build123d import (
    Align,
    Axis,
    Box,
    Part,
    Pos,
    export_step,
    export_stl,
    fillet,
)
from cup import CUPS, Cup

BASE = (Align.CENTER, Align.CENTER, Align.MIN)


def rounded(along: float, across: float, high: float, radius: float) -> Part:
    box = Box(along, across, high, align=BASE)
    return fillet(box.edges().filter_by(Axis.Z), radius)


def body(cup: Cup) -> Part:
    """The cup as a solid. Its flange, at z = 0, is glued to the plate."""
    walls = rounded(*cup.outer, cup.corner)
    flange = rounded(cup.bounds[0], cup.bounds[1], cup.flange_thick, cup.corner)
    end = cup.inner[0] / 2
    slot = Pos(end, 0, 0) * Box(
        cup.wall + cup.flange,
        cup.slot_wide,
        cup.slot_high,
        align=(Align.MIN, Align.CENTER, Align.MIN),
    )
    return walls + flange - Box(*cup.inner, align=BASE) - slot


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for cup in CUPS:
        solid = body(cup)
        export_step(solid, str(folder / f"cup-{cup.motor}.step"))
        export_stl(solid, str(folder / f"cup-{cup.motor}.stl"), ascii_format=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/mechanics"))
