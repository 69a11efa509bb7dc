"""What the circuits do over their tolerances: `python hw/circuits/figures.py` writes `figures.md`.

Each figure is a row with its limits; the tests hold every row against them and against that file.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import driver_figures  # noqa: E402
import gate_figures  # noqa: E402
import heat_figures  # noqa: E402
import mat_figures  # noqa: E402
from bench import Row  # noqa: E402
from checks import Reading, quiet, readings  # noqa: E402
from gate_figures import single_faults  # noqa: E402


def fault_29() -> list[Row]:
    """Motor pins and the heartbeat pin that float or are stuck; power that comes and goes."""
    return [*gate_figures.rest(), *gate_figures.stops(), *driver_figures.pins()]


GROUPS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "How long a beat holds the rail": gate_figures.hold,
    "The read-back": gate_figures.read_back,
    "The drivers at work": driver_figures.drivers,
    "What the duty gives a motor": driver_figures.seventy_two,
    "The start button's inputs": driver_figures.button,
    "Inrush of the shipped mat": mat_figures.inrush,
    "The wrong supply": mat_figures.wrong_supply,
    "Fault 27: a MOSFET is shorted": mat_figures.fault_27,
    "Fault 28: a motor is stalled or its cable shorted": mat_figures.fault_28,
    "Heat: which plate": heat_figures.plates,
    "Heat: the shipped profiles": heat_figures.profiles,
    "Heat: fault 28, and the cap without a rest": heat_figures.all_day,
    "Fault 29: a pin floats or is stuck, the heartbeat stops": fault_29,
}


def number(value: float) -> str:
    """Three figures, and 0 for what is next to nothing."""
    if abs(value) < 0.005:
        return "0"
    digits = 0 if abs(value) >= 99.5 else 1 if abs(value) >= 9.95 else 2
    return f"{value:.{digits}f}"


def shown(reading: Reading) -> str:
    """What the meter shows, over the tolerances."""
    if reading.low > 9_999:
        return "no end"
    low, high = number(reading.low), number(reading.high)
    return f"{low if low == high else f'{low} to {high}'} {reading.check.unit}"


def table(head: str, rows: list[list[str]]) -> list[str]:
    columns = head.count("|") + 1
    return [f"| {head} |", "|" + "---|" * columns, *(f"| {' | '.join(row)} |" for row in rows)]


def document() -> str:
    lines = [
        "# What the circuits do",
        "",
        "Made by `python hw/circuits/figures.py` with ngspice from the netlists beside it; the",
        "tests make it again and compare. Simulated, not measured: [the build",
        "guide](../build.md) says what a meter has to show.",
        "",
        "Where a row names no tolerance it holds over all of them: every part at the ends of its",
        "data sheet, resistors and capacitors with temperature and age, 5 to 60 °C, 3.3 V and 5 V",
        "± 5 %. The search for the worst case stands in [bench.py](bench.py).",
    ]
    for title, rows in GROUPS.items():
        cells = [
            [
                row.what,
                f"{number(row.value)} {row.unit}".rstrip(),
                *("" if end is None else number(end) for end in (row.least, row.most)),
            ]
            for row in rows()
        ]
        lines += ["", f"## {title}", "", *table("what | figure | at least | at most", cells)]
    broken = [[*fault] for fault in single_faults() if fault.does]
    lines += [
        "",
        "## One part of the gate broken",
        "",
        "Each part open, shorted (a transistor from collector to emitter or from drain to source,",
        "the comparator at its output), with two of its legs exchanged, and with a tenth and ten",
        "times its value. Left out is what still holds the rail for 260 to 400 ms, and leaves it",
        "off otherwise.",
        "",
        *table("part | is | then | seen by", broken),
        "",
        "## What the build guide's checks show",
        "",
        "The meter, of 10 MΩ, on a correct build and on each mistake for which a check is there.",
    ]
    step = None
    for reading in readings():
        if reading.check.step != step:
            step = reading.check.step
            lines += ["", f"### Step {step}"]
        if not reading.mistake.what:
            lines += ["", f"{reading.check.text}.", "", *table("build | the meter shows", [])]
        lines.append(f"| {reading.mistake.what or 'correct'} | {shown(reading)} |")
    lines += [
        "",
        "### What no check of a meter shows",
        "",
        *table(
            "mistake | the nearest check shows | its range | what follows",
            [
                [reading.mistake.what, shown(reading), reading.check.text, follows]
                for reading, follows in quiet()
            ],
        ),
        "",
        "A part of one of the two edges' paths that breaks after the build is as quiet: the other",
        "edge holds the rail alone. Repeat step 4 once a year.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "figures.md").write_text(document(), encoding="utf-8")
