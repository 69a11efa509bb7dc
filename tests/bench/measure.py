"""Runs contestants in turns, each in a process of its own, and prints a table of their figures.

It knows neither what a contestant does nor which figure matters: `rows` holds that.
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
TURN_TIMEOUT_S = 900.0

Figures = dict[str, float]
"""A contestant's results by their names, which carry the unit."""


class Size(NamedTuple):
    """How much work a round does."""

    play_s: float
    """Real time for which a contestant plays or waits."""
    commands: int
    """Commands that a client sends one after another."""
    presses: int
    """Presses of the start button; in other rows the number of stops."""
    starts: int
    """Starts of a process; the figure is their median."""
    phases: int
    """Upper limit for the phases of a generated profile; a 64 KiB file holds fewer than 1000."""
    burners: int
    """Busy loops, one process each, in rows that measure under load."""


SIZES = {
    "full": Size(60, 10_000, 50, 5, 1_000, os.cpu_count() or 1),
    "short": Size(15, 5_000, 10, 3, 1_000, os.cpu_count() or 1),
    "tiny": Size(0.2, 20, 1, 1, 8, 0),
}


class Goal(NamedTuple):
    """An upper limit for one of our figures, or for its ratio to another contestant's."""

    figure: str
    against: str
    """The contestant whose figure divides ours. Empty: the limit is for our figure itself."""
    limit: float

    def value(self, medians: dict[str, Figures]) -> float:
        ours = medians["ours"][self.figure]
        return ours / medians[self.against][self.figure] if self.against else ours


class Row(NamedTuple):
    name: str
    description: str
    contestants: dict[str, str]
    """Name → what to run: `module:function` of this package, or a program of the emulated Pi. One
    contestant is named `ours`."""
    goals: Sequence[Goal]


class Round(NamedTuple):
    """One contestant's turn, and how busy the machine was during it."""

    contestant: str
    figures: Figures
    wall_s: float
    """Of the whole turn, with the start and the end of its process."""
    cpu_s: float
    """Processor time of all child processes that ended during the turn."""
    load: float
    """The machine's load average over a minute, at the end of the turn."""
    steal_ms: float
    """Processor time that the host of this virtual machine gave to other guests."""


def run_rounds(row: Row, size: str, rounds: int) -> Iterator[Round]:
    """Runs A B C A B C …, so that a disturbance of the machine affects all contestants alike."""
    for _ in range(rounds):
        for name, call in row.contestants.items():
            yield measure_turn(name, partial(_in_a_process, call, size))


def measure_turn(name: str, run: Callable[[], Figures]) -> Round:
    wall_s, cpu_s, steal_ms = time.monotonic(), _children_cpu_s(), _steal_ms()
    figures = run()
    wall_s, cpu_s = time.monotonic() - wall_s, _children_cpu_s() - cpu_s
    load, steal_ms = os.getloadavg()[0], _steal_ms() - steal_ms
    return Round(name, figures, wall_s, cpu_s, load, steal_ms)


def _in_a_process(call: str, size: str) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.one", size, call],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TURN_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{call} ended with exit code {done.returncode}:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _steal_ms() -> float:
    """Processor time that the host gave to its other guests since this machine's boot."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) * 1000 / os.sysconf("SC_CLK_TCK")


def medians(rounds: Sequence[Round]) -> dict[str, Figures]:
    """Contestant → the median of each of its figures."""
    return {name: _aggregate(rounds, name, median) for name in _names(rounds)}


def _names(rounds: Sequence[Round]) -> list[str]:
    return list(dict.fromkeys(each.contestant for each in rounds))


def _aggregate(rounds: Sequence[Round], name: str, call: Callable[[list[float]], float]) -> Figures:
    all_figures = [each.figures for each in rounds if each.contestant == name]
    return {figure: call([figures[figure] for figures in all_figures]) for figure in all_figures[0]}


def machine() -> dict[str, object]:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def json_of_row(row: Row, rounds: Sequence[Round]) -> dict[str, object]:
    """All goals and rounds of a row, ready for `json.dumps`."""
    goals = [
        {
            "figure": goal.figure,
            "against": goal.against,
            "most": goal.limit,
            "found": goal.value(medians(rounds)),
        }
        for goal in row.goals
    ]
    return {"what": row.description, "goals": goals, "rounds": [each._asdict() for each in rounds]}


def lines(row: Row, rounds: Sequence[Round]) -> Iterator[str]:
    """The row as Markdown: a table of medians with minimum and maximum, then the goals."""
    median_of = medians(rounds)
    load = median(each.load for each in rounds)
    steal_ms = sum(each.steal_ms for each in rounds)
    yield f"### {row.name}"
    yield ""
    count = len(rounds) // len(median_of)
    yield f"{row.description} {count} rounds, load {load:.1f}, stolen {steal_ms:.0f} ms."
    yield ""
    figures = list(dict.fromkeys(figure for each in median_of.values() for figure in each))
    yield f"| | {' | '.join(figures)} |"
    yield f"|---|{'---|' * len(figures)}"
    for name in median_of:
        least, most = _aggregate(rounds, name, min), _aggregate(rounds, name, max)
        cells = [
            f"{_short(median_of[name][figure])} ({_short(least[figure])} to {_short(most[figure])})"
            if figure in median_of[name]
            else ""
            for figure in figures
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    for goal in row.goals:
        value = goal.value(median_of)
        title = f"{goal.figure} / {goal.against}" if goal.against else goal.figure
        verdict = "met" if value <= goal.limit else "**missed**"
        yield f"- {title}: {value:.3g}, at most {goal.limit:g}: {verdict}"
    yield ""


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
