"""Contestants in turns, each in a process of its own, and the table of what they took.

It knows neither what a contestant does nor which figure matters: see `rows`.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 900.0

Figures = dict[str, float]


class Size(NamedTuple):
    """How much work a round is."""

    play_s: float
    """Real time for which something plays, or waits."""
    commands: int
    presses: int
    """Of the start button, and as many stops."""
    starts: int
    """Of a process; the figure is their median."""
    phases: int
    """Of the profile that grows, at most; a file holds fewer than a thousand."""
    burners: int
    """Processes that take what processor they can get, where a row is about that."""


SIZES = {
    "full": Size(60, 10_000, 50, 5, 1_000, os.cpu_count() or 1),
    "short": Size(15, 5_000, 10, 3, 1_000, os.cpu_count() or 1),
    "tiny": Size(0.2, 20, 1, 1, 8, 0),
}


class Goal(NamedTuple):
    """A figure of ours, in its unit or as a ratio to another contestant's, at most `most`."""

    figure: str
    against: str
    """Empty: the figure itself."""
    most: float

    def found(self, medians: dict[str, Figures]) -> float:
        ours = medians["ours"][self.figure]
        return ours / medians[self.against][self.figure] if self.against else ours


class Row(NamedTuple):
    name: str
    what: str
    contestants: dict[str, str]
    """By the contestant's name what is called: `module:function` of this package, or what the emulated
    Pi runs. One of them is `ours`."""
    goals: Sequence[Goal]


class Round(NamedTuple):
    """One contestant's turn, and what the machine was doing meanwhile."""

    contestant: str
    figures: Figures
    wall_s: float
    """Of the whole turn, its process included."""
    cpu_s: float
    """Of all processes that ended in it."""
    load: float
    steal_ms: float


def play(row: Row, size: str, rounds: int) -> Iterator[Round]:
    """A B C A B C …: what the machine does to one of them it does to all."""
    for _ in range(rounds):
        for name, call in row.contestants.items():
            yield turn(name, partial(_in_a_process, call, size))


def turn(name: str, measured: Callable[[], Figures]) -> Round:
    wall_s, cpu_s, steal_ms = time.monotonic(), _cpu_s(), _steal_ms()
    figures = measured()
    wall_s, cpu_s = time.monotonic() - wall_s, _cpu_s() - cpu_s
    load, steal_ms = os.getloadavg()[0], _steal_ms() - steal_ms
    return Round(name, figures, wall_s, cpu_s, load, steal_ms)


def _in_a_process(call: str, size: str) -> Figures:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.one", size, call],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(f"{call} ended with {found.returncode}:\n{found.stderr}")
    figures: Figures = json.loads(found.stdout.splitlines()[-1])
    return figures


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _steal_ms() -> float:
    """What other guests of this machine's host took from it so far."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) * 1000 / os.sysconf("SC_CLK_TCK")


def medians(rounds: Sequence[Round]) -> dict[str, Figures]:
    return {name: _each(rounds, name, median) for name in _names(rounds)}


def _names(rounds: Sequence[Round]) -> list[str]:
    return list(dict.fromkeys(found.contestant for found in rounds))


def _each(rounds: Sequence[Round], name: str, call: Callable[[list[float]], float]) -> Figures:
    found = [one.figures for one in rounds if one.contestant == name]
    return {figure: call([figures[figure] for figures in found]) for figure in found[0]}


def machine() -> dict[str, object]:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def kept(row: Row, rounds: Sequence[Round]) -> dict[str, object]:
    """All of it, for JSON."""
    goals = [{**goal._asdict(), "found": goal.found(medians(rounds))} for goal in row.goals]
    return {"what": row.what, "goals": goals, "rounds": [one._asdict() for one in rounds]}


def lines(row: Row, rounds: Sequence[Round]) -> Iterator[str]:
    """The row as a piece of Markdown: medians with least and most, then the goals."""
    middle = medians(rounds)
    load = median(found.load for found in rounds)
    steal_ms = sum(found.steal_ms for found in rounds)
    yield f"### {row.name}"
    yield ""
    count = len(rounds) // len(middle)
    yield f"{row.what} {count} rounds, load {load:.1f}, stolen {steal_ms:.0f} ms."
    yield ""
    figures = list(dict.fromkeys(figure for found in middle.values() for figure in found))
    yield f"| | {' | '.join(figures)} |"
    yield f"|---|{'---|' * len(figures)}"
    for name in middle:
        least, most = _each(rounds, name, min), _each(rounds, name, max)
        cells = [
            f"{_short(middle[name][figure])} ({_short(least[figure])} to {_short(most[figure])})"
            if figure in middle[name]
            else ""
            for figure in figures
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    for goal in row.goals:
        found = goal.found(middle)
        what = f"{goal.figure} / {goal.against}" if goal.against else goal.figure
        verdict = "met" if found <= goal.most else "**missed**"
        yield f"- {what}: {found:.3g}, at most {goal.most:g}: {verdict}"
    yield ""


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
