"""The shipped profiles as `simulate` plays them: summaries, trims, and traces that agree edge by edge."""

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from csv import DictReader
from functools import lru_cache
from pathlib import Path

import pytest
from vcd.reader import TokenKind, tokenize

from firmware_ctl.cli.simulation import summary
from firmware_ctl.simulator import export
from firmware_ctl.simulator.offline import Played, play
from firmware_ctl.timeline.folder import load_entry, load_mat
from tests.support.process import ROOT

SHIPPED = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


MAT = load_mat(str(ROOT / "hw/mat.yaml"))


Edge = tuple[int, list[int], list[int]]
"""A time in ms, and the levels and duties from then on."""


@lru_cache
def played(name: str, trim_pct: int = 100) -> Played:
    return play(load_entry(str(ROOT / f"profiles/{name}.yaml"), MAT), MAT, trim_pct)


def edges(rows: list[Edge]) -> list[Edge]:
    """The rows in which a level or a duty changes."""
    kept: list[Edge] = []
    for row in rows:
        if not kept or row[1:] != kept[-1][1:]:
            kept.append(row)
    return kept


def edges_of_rows(session: Played) -> list[Edge]:
    return edges([(row.at_ms, [*row.level_pct], [*row.duty_pct]) for row in session.rows()])


def edges_of_vcd(content: bytes) -> list[Edge]:
    """The edges, by pyvcd's own reader."""
    names = [motor.name for motor in MAT.motors]
    variables: dict[str, tuple[str, int]] = {}
    scopes: list[str] = []
    now = {"level": [0] * len(names), "duty": [0] * len(names)}
    rows: list[Edge] = []
    at_ms = 0

    def add_row() -> None:
        rows.append((at_ms, now["level"].copy(), now["duty"].copy()))

    for token in tokenize(io.BytesIO(content)):
        match token.kind:
            case TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            case TokenKind.UPSCOPE:
                scopes.pop()
            case TokenKind.VAR if token.var.reference in now:
                variables[token.var.id_code] = token.var.reference, names.index(scopes[-1])
            case TokenKind.CHANGE_TIME:
                if token.time_change != at_ms:
                    add_row()
                at_ms = token.time_change
            case TokenKind.CHANGE_VECTOR if token.vector_change.id_code in variables:
                kind, motor = variables[token.vector_change.id_code]
                now[kind][motor] = int(token.vector_change.value)
    add_row()
    return edges(rows)


@pytest.mark.parametrize("name", SHIPPED)
def test_traces_of_all_formats_agree_edge_by_edge(name: str) -> None:
    session = played(name)
    expected = edges_of_rows(session)
    lines = [json.loads(line) for line in export.jsonl(session).splitlines()]
    assert edges([(line["at_ms"], line["level"], line["duty"]) for line in lines]) == expected
    table = list(DictReader(io.StringIO(export.csv(session).decode())))
    names = [motor.name for motor in MAT.motors]
    assert [(int(row["at_ms"]), row["state"], row["phase"]) for row in table] == [
        (row.at_ms, row.state.value, row.phase) for row in session.rows()
    ]
    assert expected == edges(
        [
            (
                int(row["at_ms"]),
                [int(row[f"{name}_level"]) for name in names],
                [int(row[f"{name}_duty"]) for name in names],
            )
            for row in table
        ]
    )
    assert edges_of_vcd(export.vcd(session)) == expected


def test_gtkwave_finds_the_same_edges(tmp_path: Path) -> None:
    if not shutil.which("vcd2fst"):
        pytest.skip("vcd2fst is not installed; it is part of Debian's gtkwave")
    content = export.vcd(played("first-time"))
    (tmp_path / "a.vcd").write_bytes(content)
    subprocess.run(["vcd2fst", "a.vcd", "a.fst"], cwd=tmp_path, check=True, capture_output=True)
    back = subprocess.run(["fst2vcd", "a.fst"], cwd=tmp_path, check=True, capture_output=True)
    assert edges_of_vcd(back.stdout) == edges_of_vcd(content)


Golden = Callable[[str, list[str]], None]


@pytest.mark.parametrize("name", SHIPPED)
def test_summary_of_a_shipped_profile(name: str, golden: Golden) -> None:
    golden(f"simulate-{name}.txt", list(summary(played(name), is_verbose=True)))


@pytest.mark.parametrize("name", SHIPPED)
def test_trim_lowers_every_level_and_leaves_the_time(name: str) -> None:
    full, half = played(name), played(name, 50)
    assert half.steps[-1][0] == full.steps[-1][0] == full.timeline.end_ms
    most = [max(levels) for levels in zip(*(row.level_pct for row in full.rows()), strict=True)]
    trimmed = [max(levels) for levels in zip(*(row.level_pct for row in half.rows()), strict=True)]
    assert trimmed == [level // 2 for level in most]
    assert ["trim", "50%"] in [line.split() for line in summary(half)]
