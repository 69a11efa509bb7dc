"""What the circuits do over their tolerances: `python hw/circuits/figures.py` writes `figures.md`.

Each figure is a row with its limits. Tests compare every row with its limits and with that file.
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
from checks import Reading, readings, undetected  # noqa: E402
from gate_figures import single_faults  # noqa: E402


def fault_29() -> list[Row]:
    """Motor pins and the heartbeat pin float or are stuck; power comes and goes."""
    return [*gate_figures.rest(), *gate_figures.stops(), *driver_figures.pins()]


GROUPS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "How long a beat holds the rail": gate_figures.hold,
    "The read-back": gate_figures.read_back,
    "The drivers at work": driver_figures.drivers,
    "What the duty gives a motor": driver_figures.duty_at_cap,
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
    """A value with three significant figures; 0 if it is below 0.005."""
    if abs(value) < 0.005:
        return "0"
    digits = 0 if abs(value) >= 99.5 else 1 if abs(value) >= 9.95 else 2
    return f"{value:.{digits}f}"


def shown(reading: Reading) -> str:
    """What the meter shows over the tolerances, as text."""
    if reading.low > 9_999:
        return "over range"
    low, high = number(reading.low), number(reading.high)
    return f"{low if low == high else f'{low} to {high}'} {reading.check.unit}"


def table(head: str, rows: list[list[str]]) -> list[str]:
    columns = head.count("|") + 1
    return [f"| {head} |", "|" + "---|" * columns, *(f"| {' | '.join(row)} |" for row in rows)]


def document() -> str:
    lines = [
        "# What the circuits do",
        "",
        "Made by `python hw/circuits/figures.py` with ngspice from the netlists in this folder; a",
        "test makes it again and compares. All figures are simulated, none is measured: [the build",
        "guide](../build.md) says what a meter must show.",
        "",
        "A row that names no tolerance holds over all of them: every part at the limits of its",
        "data sheet, resistors and capacitors with temperature and age, 5 to 60 °C, 3.3 V and 5 V",
        "± 5 %. [bench.py](bench.py) has the search for the worst case. A beat is one change of",
        "the heartbeat pin, up or down. The rail is the motors' supply behind the motor gate.",
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
    broken = [[*fault] for fault in single_faults() if fault.effect]
    lines += [
        "",
        "## One part of the gate broken",
        "",
        "Each part was simulated open, shorted (a transistor from collector to emitter or from",
        "drain to source, the comparator from its output to ground), with two of its legs",
        "exchanged, and with a tenth and ten times its value. The table leaves out a failure if a",
        "beat still holds the rail for 260 to 400 ms and the rail is off otherwise.",
        "",
        *table("part | failure | effect | detected by", broken),
        "",
        "## What the build guide's checks show",
        "",
        "What a meter of 10 MΩ shows on a correct build and on each mistake that the check must",
        "find.",
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
            "mistake | the nearest check shows | the check | consequence",
            [
                [reading.mistake.what, shown(reading), reading.check.text, consequence]
                for reading, consequence in undetected()
            ],
        ),
        "",
        "If a part in the path of one of the two edges breaks after the build, nothing shows it",
        "either: the other edge holds the rail alone. Repeat step 4 once a year.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "figures.md").write_text(document(), encoding="utf-8")
