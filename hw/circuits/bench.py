"""A test bench for the netlists beside this file: circuits, tolerances and instruments, in ngspice.

It knows how to change a netlist, how to run it, and how to search the tolerances for the worst
case. Which circuits are tried, and what they must do, stands in the modules `*_figures.py`.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

HERE: Final = Path(__file__).resolve().parent

Case = TypeVar("Case")
Result = TypeVar("Result")
Parts = Mapping[str, float]
"""What differs from `NOMINAL`. A key in lower case is a parameter of the models or of the supplies,
with its value. Any other key is a resistor or a capacitor of a netlist, as `Rp` or `DRIVER.Rp`,
with the factor by which its value is multiplied."""

NOMINAL: Final[Parts] = {
    "vth_n": 1.05,
    "vth_p": 0.9,
    "gain": 100.0,
    "reverse_gain": 4.0,
    "ibias": 25e-9,
    "voffset": 0.0,
    "ileak": 0.0,
    "icbo": 0.0,
    "rsink": 100.0,
    "rptc": 1.95,
    "cheat": 0.0376,
    "lmotor": 0.1e-3,
    "cspeed": 1e-3,
    "vbr": 6.8,
    "vohm": 1.0,
    "v33": 3.3,
    "v5": 5.0,
    "temp": 25.0,
}
"""Every parameter of the models, in SI units and degrees Celsius; `models.lib` says which part each
one belongs to. `v33` and `v5` are the Pi's 3.3 V and the motors' supply."""

OPTIONS: Final = ".options method=gear rshunt=1e12"
"""The default, the trapezoidal rule, rings where a switch opens after a long quiet time. `rshunt`
is every node's leakage; without it a node between two capacitors has no defined voltage."""

SUFFIX: Final = {"": 1.0, "k": 1e3, "n": 1e-9, "u": 1e-6}


class Row(NamedTuple):
    """One figure of the document, with the limits that it has to keep."""

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        low, high = self.least, self.most
        return (low is None or self.value >= low) and (high is None or self.value <= high)


def is_here() -> bool:
    return shutil.which("ngspice") is not None


def netlist(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def parts(circuit: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each part of a netlist: the number of its line, its subcircuit, and the words of the line."""
    subcircuit = ""
    for number, line in enumerate(circuit.splitlines()):
        if line.startswith(".subckt"):
            subcircuit = line.split()[1]
        elif line[:1] in tuple("RCQMXD"):
            yield number, subcircuit, line.split()


def reference(name: str) -> str:
    """The reference of a part, as people write it: `XU1` is U1."""
    return name.removeprefix("X")


def edited(circuit: str, changes: Mapping[str, str]) -> str:
    """The netlist with some parts' lines replaced; the key is the reference, as `Rp` or `GATE.Rp`.

    A replacement may have several lines, or none.
    """
    lines = circuit.splitlines()
    found = set()
    for number, subcircuit, (name, *_) in parts(circuit):
        for key in (reference(name), f"{subcircuit}.{reference(name)}"):
            if key in changes:
                lines[number] = changes[key]
                found.add(key)
    if missing := changes.keys() - found:
        raise ValueError(f"the circuit has no part {', '.join(sorted(missing))}")
    return "\n".join(lines)


def scaled(circuit: str, factors: Parts) -> str:
    """The netlist with some resistors and capacitors off their value by these factors."""
    changes = {}
    for _, subcircuit, (name, *nodes, value) in parts(circuit):
        for key in (name, f"{subcircuit}.{name}"):
            if key in factors:
                amount, suffix = re.fullmatch(r"([\d.]+)([kun]?)", value).groups()  # type: ignore[union-attr]
                changed = float(amount) * SUFFIX[suffix] * factors[key]
                changes[key] = " ".join([name, *nodes, f"{changed:.6g}"])
    if missing := factors.keys() - changes.keys():
        raise ValueError(f"no parameter and no part: {', '.join(sorted(missing))}")
    return edited(circuit, changes)


def run(
    circuit: str, bench: str, measures: Iterable[str], changed: Parts = NOMINAL
) -> dict[str, float]:
    """What each of `measures` gives, in SI units; one that never happens is left out.

    `circuit` is a netlist, `bench` its sources and analysis.
    """
    known = {**NOMINAL, **{key: value for key, value in changed.items() if key in NOMINAL}}
    circuit = scaled(circuit, {key: changed[key] for key in changed.keys() - NOMINAL.keys()})
    temperature = f".temp {known.pop('temp')}"
    params = "\n".join(f".param {key}={value!r}" for key, value in known.items())
    models = netlist("models.lib")
    deck = ["* bench", OPTIONS, temperature, params, models, circuit, bench, *measures, ".end"]
    return dict(_answer("\n".join(deck)))


@cache
def _answer(deck: str) -> Mapping[str, float]:
    """ngspice's measurements. The same deck is asked more than once in a search for the worst."""
    done = subprocess.run(
        ["ngspice", "-b"], input=deck, capture_output=True, text=True, check=False, timeout=120
    )
    if re.search(
        "aborted|Simulation interrupted|Error: (?!measure)|no such", done.stdout + done.stderr
    ):
        raise RuntimeError(f"ngspice gave up:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found = re.findall(r"^(\w+)\s+=\s+(-?[\d.]+e[+-]\d+)", done.stdout, re.MULTILINE)
    return {name: float(value) for name, value in found}


def each(job: Callable[[Case], Result], cases: Iterable[Case]) -> list[Result]:
    with ThreadPoolExecutor(2) as pool:  # each thread waits for a process of its own
        return list(pool.map(job, cases))


class Worst(NamedTuple):
    """The two ends of a figure over all tolerances, and the parts that lead to each."""

    low: float
    high: float
    low_parts: Parts
    high_parts: Parts


def worst(job: Callable[[Parts], float], ends: Mapping[str, tuple[float, float]]) -> Worst:
    """The lowest and the highest result of `job` over the ends of all tolerances.

    Each tolerance is first tried alone, at its upper end, against the nominal circuit: that shows
    the direction in which it pushes the result. Then all of them push the same way. That finds the
    true ends wherever each tolerance pushes in one direction only.
    """
    single = [{key: high} for key, (_, high) in ends.items()]
    nominal, *alone = each(job, [{}, *single])
    down, up = {}, {}
    for (key, (low, high)), result in zip(ends.items(), alone, strict=True):
        down[key], up[key] = (low, high) if result >= nominal else (high, low)
    least, most = each(job, [down, up])
    # A single tolerance beyond both corners would say that the search is wrong: it counts as well.
    tried = list(zip([nominal, *alone], [{}, *single], strict=True))
    low_result, low_parts = min([(least, down), *tried], key=lambda found: found[0])
    high_result, high_parts = max([(most, up), *tried], key=lambda found: found[0])
    return Worst(low_result, high_result, low_parts, high_parts)
