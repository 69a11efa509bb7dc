"""A bench for the netlists beside this file: a circuit, parameters and instruments, in ngspice.

Knows how to run a deck and read its measurements. Which circuits are tried, and what they must do,
stands in `figures.py`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent

NOMINAL: Final[Mapping[str, float]] = {
    "vth_n": 1.05,
    "vth_p": 0.9,
    "ibias": 25e-9,
    "voffset": 0.0,
    "lmotor": 1e-3,
    "cheat": 0.0376,
    "k_ct": 1.0,
    "k_ri": 1.0,
    "k_rp": 1.0,
}
"""Every parameter of the netlists: volts, amperes, henries, and `k_`: a part over its value."""


OPTIONS: Final = ".options method=gear rshunt=1e12"
"""The default, the trapezoidal rule, rings where a switch opens after a long quiet time. `rshunt`
is every node's leakage, without which one between two capacitors has no voltage."""


def is_here() -> bool:
    return shutil.which("ngspice") is not None


def netlist(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def run(
    circuit: str, bench: str, measures: Iterable[str], changed: Mapping[str, float] = NOMINAL
) -> dict[str, float]:
    """What each of `measures` gives, in SI units; one that never happens is left out.

    `circuit` is a netlist, `bench` its sources and analysis; `changed` are parameters that differ
    from `NOMINAL`.
    """
    unknown = changed.keys() - NOMINAL.keys()
    if unknown:
        raise ValueError(f"no such parameter: {unknown}")
    params = "\n".join(f".param {key}={value!r}" for key, value in {**NOMINAL, **changed}.items())
    deck = "\n".join(
        ["* bench", OPTIONS, params, netlist("models.lib"), circuit, bench, *measures, ".end"]
    )
    done = subprocess.run(
        ["ngspice", "-b"], input=deck, capture_output=True, text=True, check=False, timeout=120
    )
    if "aborted" in done.stdout + done.stderr or "Simulation interrupted" in done.stderr:
        raise RuntimeError(f"ngspice gave up:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found = re.findall(r"^(\w+)\s+=\s+(-?[\d.]+e[+-]\d+)", done.stdout, re.MULTILINE)
    return {name: float(value) for name, value in found}
