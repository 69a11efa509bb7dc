"""Every benchmark runs. What it measures is no test: a busy machine must not fail one."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby

import pytest

from tests.bench import pi
from tests.bench.measure import Round, Row, lines, medians
from tests.bench.rows import ROWS
from tests.bench.sessions import BEFORE
from tests.emulation.build import HERE
from tests.support.process import ROOT

CALLS = sorted({call for row in ROWS for call in row.contestants.values()})
MODULES = [list(calls) for _, calls in groupby(CALLS, lambda call: call.partition(":")[0])]


@pytest.mark.parametrize("calls", MODULES, ids=[calls[0].partition(":")[0] for calls in MODULES])
def test_each_contestant_plays_a_tiny_round(calls: Sequence[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.one", "tiny", *calls],
        cwd=ROOT,
        env={**os.environ, BEFORE: str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    figures = dict(zip(calls, map(json.loads, found.stdout.splitlines()), strict=True))
    for row in ROWS:
        for goal in row.goals:
            for name in ("ours", goal.against or "ours"):
                if (call := row.contestants[name]) in figures:
                    assert goal.figure in figures[call], row.name


@pytest.mark.parametrize(
    "words", [["year", "--days", "1"], ["load", "--minutes", "0.02", "--burners", "0"]]
)
def test_the_soak_begins(words: Sequence[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.soak", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_a_row_of_the_table() -> None:
    row = Row("row", "What.", {"ours": "a:b", "peer": "a:c"}, ROWS[4].goals[:0])
    rounds = [
        Round(name, {"ms": ms}, 1.0, 1.0, 0.5, 10.0)
        for name, ms in (("ours", 3), ("peer", 1500), ("ours", 1), ("peer", 2), ("ours", 2))
    ]
    assert medians(rounds) == {"ours": {"ms": 2}, "peer": {"ms": 751}}
    assert list(lines(row, rounds)) == [
        "### row",
        "",
        "What. 2 rounds, load 0.5, stolen 50 ms.",
        "",
        "| | ms |",
        "|---|---|",
        "| ours | 2 (1 to 3) |",
        "| peer | 751 (2 to 1500) |",
        "",
        "",
    ]


def test_the_lateness_of_ticks_is_that_of_the_time_looked_at() -> None:
    ms = 1_000_000
    noted = [(n * 20 * ms, n * 20 * ms + n * ms // 100) for n in range(1_000)]
    early = (10_015 * ms, 10_010 * ms)
    late = runpy.run_path(str(HERE / "root/usr/local/lib/emulation/late.py"))
    found = late["lateness"](sorted([*noted, early]), 5.0, 15.0)
    assert found["ticks"] == 500
    assert found["p50 ms"] == pytest.approx(5, abs=0.01)
    assert found["most ms"] == pytest.approx(7.49)
    assert found["apart p99.9 ms"] == pytest.approx(20.01, abs=0.01)


def test_without_qemu_the_emulated_pi_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert pi.main(["ready"]) == 2
    assert "the README names the packages" in capsys.readouterr().err
