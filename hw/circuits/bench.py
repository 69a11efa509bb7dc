"""A test bench for the netlists in this folder: it runs them in ngspice.

This module changes a netlist, simulates it, and searches the tolerances for the worst case. The
modules `*_figures.py` choose the circuits and set the limits that they must keep.
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
"""What differs from `NOMINAL`. A key in lower case is a parameter of the models or of the supplies;
its value replaces the nominal one. Any other key is a resistor or a capacitor of a netlist, as `Rp`
or `DRIVER.Rp`; its value is the factor by which the part's value is multiplied."""

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
"""Every parameter of the models, in SI units and degrees Celsius. `models.lib` shows the part that
each parameter belongs to. `v33` and `v5` are the Pi's 3.3 V and the motors' supply."""

OPTIONS: Final = ".options method=gear rshunt=1e12"
"""ngspice's default method, the trapezoidal rule, oscillates when a switch opens after a long quiet
time. `rshunt` gives every node some leakage; without it a node between two capacitors has no
defined voltage."""

SUFFIX: Final = {"": 1.0, "k": 1e3, "n": 1e-9, "u": 1e-6}


class Row(NamedTuple):
    """One figure of the document, with the limits that it must keep."""

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        low, high = self.least, self.most
        return (low is None or self.value >= low) and (high is None or self.value <= high)


def is_installed() -> bool:
    return shutil.which("ngspice") is not None


def netlist(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def parts(circuit: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each part of a netlist: its line number, its subcircuit, and the words of its line."""
    subcircuit = ""
    for number, line in enumerate(circuit.splitlines()):
        if line.startswith(".subckt"):
            subcircuit = line.split()[1]
        elif line[:1] in tuple("RCQMXD"):
            yield number, subcircuit, line.split()


def reference(name: str) -> str:
    """The reference of a part as in the drawings: U1 for `XU1`."""
    return name.removeprefix("X")


def edited(circuit: str, changes: Mapping[str, str]) -> str:
    """The netlist with the lines of some parts replaced. The key is the part's reference, as `Rp`
    or `GATE.Rp`; a replacement may have several lines, or none.
    """
    lines = circuit.splitlines()
    changed = set()
    for number, subcircuit, (name, *_) in parts(circuit):
        for key in (reference(name), f"{subcircuit}.{reference(name)}"):
            if key in changes:
                lines[number] = changes[key]
                changed.add(key)
    if missing := changes.keys() - changed:
        raise ValueError(f"the circuit has no part {', '.join(sorted(missing))}")
    return "\n".join(lines)


def scaled(circuit: str, factors: Parts) -> str:
    """The netlist with the values of some resistors and capacitors multiplied by these factors."""
    changes = {}
    for _, subcircuit, (name, *nodes, value) in parts(circuit):
        for key in (name, f"{subcircuit}.{name}"):
            if key in factors:
                amount, suffix = re.fullmatch(r"([\d.]+)([kun]?)", value).groups()  # type: ignore[union-attr]
                scaled_value = float(amount) * SUFFIX[suffix] * factors[key]
                changes[key] = " ".join([name, *nodes, f"{scaled_value:.6g}"])
    if missing := factors.keys() - changes.keys():
        raise ValueError(
            f"neither a parameter nor a part of the circuit: {', '.join(sorted(missing))}"
        )
    return edited(circuit, changes)


def run(
    circuit: str, bench: str, measures: Iterable[str], changed: Parts = NOMINAL
) -> dict[str, float]:
    """The result of each of `measures`, in SI units, without those whose event never happens.

    `circuit` is a netlist, `bench` has its sources and the analysis.
    """
    parameters = {**NOMINAL, **{key: value for key, value in changed.items() if key in NOMINAL}}
    circuit = scaled(circuit, {key: changed[key] for key in changed.keys() - NOMINAL.keys()})
    temperature = f".temp {parameters.pop('temp')}"
    params = "\n".join(f".param {key}={value!r}" for key, value in parameters.items())
    models = netlist("models.lib")
    deck = ["* bench", OPTIONS, temperature, params, models, circuit, bench, *measures, ".end"]
    return dict(_measurements("\n".join(deck)))


@cache
def _measurements(deck: str) -> Mapping[str, float]:
    """ngspice's results for a deck. Cached, because a search for the worst case repeats decks."""
    done = subprocess.run(
        ["ngspice", "-b"], input=deck, capture_output=True, text=True, check=False, timeout=120
    )
    if re.search(
        "aborted|Simulation interrupted|Error: (?!measure)|no such", done.stdout + done.stderr
    ):
        raise RuntimeError(f"ngspice failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    matches = re.findall(r"^(\w+)\s+=\s+(-?[\d.]+e[+-]\d+)", done.stdout, re.MULTILINE)
    return {name: float(value) for name, value in matches}


def run_each(job: Callable[[Case], Result], cases: Iterable[Case]) -> list[Result]:
    with ThreadPoolExecutor(2) as pool:  # each thread waits for its own ngspice
        return list(pool.map(job, cases))


class Worst(NamedTuple):
    """The lowest and the highest value of a figure over all tolerances, and the parts of each."""

    low: float
    high: float
    low_parts: Parts
    high_parts: Parts


def worst(job: Callable[[Parts], float], tolerances: Mapping[str, tuple[float, float]]) -> Worst:
    """The lowest and the highest result of `job` over all tolerances, each given as (low, high).

    First each tolerance is tried alone at its upper end, which shows whether it raises or lowers
    the result. Then all are set to the ends that lower it, and to the ends that raise it. This
    finds the true extremes if the result rises or falls with each tolerance all the way.
    """
    single = [{key: high} for key, (_, high) in tolerances.items()]
    nominal, *alone = run_each(job, [{}, *single])
    down, up = {}, {}
    for (key, (low, high)), result in zip(tolerances.items(), alone, strict=True):
        down[key], up[key] = (low, high) if result >= nominal else (high, low)
    least, most = run_each(job, [down, up])
    # A single tolerance may go beyond both corners, if the assumption is wrong: count it as well.
    tried = list(zip([nominal, *alone], [{}, *single], strict=True))
    low_result, low_parts = min([(least, down), *tried], key=lambda case: case[0])
    high_result, high_parts = max([(most, up), *tried], key=lambda case: case[0])
    return Worst(low_result, high_result, low_parts, high_parts)
