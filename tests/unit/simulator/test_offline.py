"""`simulate`: the summary, traces that agree with one another, pictures, and bad inputs."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from csv import DictReader
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from vcd.reader import TokenKind, tokenize

from firmware_ctl.cli.main import main
from firmware_ctl.simulator import export
from firmware_ctl.simulator.offline import Played, play, summary
from firmware_ctl.storage.trace import Trace
from firmware_ctl.timeline.folder import load_entry, load_mat
from tests.support.process import ROOT

SHIPPED = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
MAT = load_mat(str(ROOT / "hw/mat.yaml"))

Golden = Callable[[str, list[str]], None]
Edge = tuple[int, list[int], list[int]]
"""A time in ms, and the levels and duties from then on."""


@lru_cache
def played(name: str, trim_pct: int = 100) -> Played:
    return play(load_entry(str(ROOT / f"profiles/{name}.yaml"), MAT), MAT, trim_pct)


def process(*args: object, seed: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "firmware_ctl", "simulate", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the summary ---


@pytest.mark.parametrize("name", SHIPPED)
def test_summary_of_a_shipped_profile(name: str, golden: Golden) -> None:
    golden(f"simulate-{name}.txt", list(summary(played(name))))


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    runs = []
    for seed in (1, 2):
        run = process("first-time", "--trace", tmp_path / f"{seed}.vcd", seed=seed)
        assert (run.returncode, run.stderr) == (0, "")
        runs.append((run.stdout, (tmp_path / f"{seed}.vcd").read_bytes()))
    assert runs[0] == runs[1]
    assert runs[0][0].splitlines() == list(summary(played("first-time")))


def test_profile_and_mat_may_be_files(tmp_path: Path) -> None:
    mat = (ROOT / "hw/mat.yaml").read_text().replace("present: true", "present: false")
    (tmp_path / "mat.yaml").write_text(mat)
    run = process(ROOT / "profiles/full-body.yaml", "--mat", tmp_path / "mat.yaml")
    assert (run.returncode, run.stderr) == (0, "")
    assert [line.split()[1:] for line in run.stdout.splitlines() if "  neck" in line] == [
        ["not", "plugged", "in"]
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_trim_lowers_every_level_and_leaves_the_time(name: str) -> None:
    full, half = played(name), played(name, 50)
    assert half.steps[-1][0] == full.steps[-1][0] == full.timeline.end_ms
    most = [max(levels) for levels in zip(*(row.level_pct for row in full.rows()), strict=True)]
    trimmed = [max(levels) for levels in zip(*(row.level_pct for row in half.rows()), strict=True)]
    assert trimmed == [level // 2 for level in most]
    assert "  trim     50%" in list(summary(half))


# --- traces ---


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


def test_json_lines_equal_those_of_the_daemons_own_trace() -> None:
    lines: list[str] = []
    entry = load_entry(str(ROOT / "profiles/first-time.yaml"), MAT)
    session = play(entry, MAT, watchers=[Trace(lines.append)])
    assert "".join(lines).encode() == export.jsonl(session)
    frames = [(row["level"], row["duty"]) for row in map(json.loads, lines)]
    # The end of a kick is a change of the duty alone.
    assert any(a[0] == b[0] and a[1] != b[1] for a, b in pairwise(frames))


def test_gtkwave_finds_the_same_edges(tmp_path: Path) -> None:
    if not shutil.which("vcd2fst"):
        pytest.skip("vcd2fst is not installed; it is part of Debian's gtkwave")
    content = export.vcd(played("first-time"))
    (tmp_path / "a.vcd").write_bytes(content)
    subprocess.run(["vcd2fst", "a.vcd", "a.fst"], cwd=tmp_path, check=True, capture_output=True)
    back = subprocess.run(["fst2vcd", "a.fst"], cwd=tmp_path, check=True, capture_output=True)
    assert edges_of_vcd(back.stdout) == edges_of_vcd(content)


# --- bad inputs ---


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["nek"], 2, "there is no profile nek; there are: first-time, full-body"),
        (["gone.yaml"], 2, "gone.yaml cannot be read: there is no such file"),
        (["bad.yaml"], 1, "bad.yaml:4:"),
        (["neck", "--mat", "bad.yaml"], 2, "bad.yaml:1:1: "),
        (["neck", "--mat", "gone.yaml"], 2, "the mat file gone.yaml cannot be read"),
        (["neck", "--trim", "9"], 2, "9 is not a trim from 10 to 100"),
        (["neck", "--trim", "-1"], 2, "-1"),
        (["neck", "--trim", "half"], 2, "half is not a trim from 10 to 100"),
        (["neck", "--trace", "a.txt"], 2, "a.txt: a trace ends in .vcd or .csv or .jsonl"),
        (["neck", "--trace", ""], 2, ": a trace ends in"),
        (["neck", "--plot", "a.gif"], 2, "a.gif: a plot ends in .svg or .png"),
        (["neck", "--trace", "no/a.csv"], 2, "no/a.csv cannot be written: No such file"),
        (["neck", "--trace", "folder.csv"], 2, "folder.csv is there and is no plain file; choose"),
        (["neck", "--trace", "fifo.csv"], 2, "fifo.csv is there and is no plain file; choose"),
        (["neck", "--trace", "link.csv"], 2, "link.csv is there and is no plain file; choose"),
    ],
)
def test_bad_input_gets_a_sentence_and_no_file(
    args: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("title: a\nphases:\n  - name: b\n    for: 1\n    play: {}\n")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "link.csv").symlink_to("fifo.csv")
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *args])
    output = capsys.readouterr()
    assert (ended.value.code, output.out) == (code, "")
    assert sentence in output.err
    assert "Traceback" not in output.err
    names = ["bad.yaml", "fifo.csv", "folder.csv", "link.csv"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == names
    assert (tmp_path / "link.csv").is_fifo()


def test_picture_without_matplotlib_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "firmware_ctl.simulator.plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "neck", "--plot", str(tmp_path / "a.svg")])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "firmware-ctl: pictures need matplotlib, which is not installed: "
        "pip install 'firmware-ctl[plot]'\n"
    )
    assert not list(tmp_path.iterdir())


def test_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert process("first-time", "--trace", tmp_path / "link.csv").returncode == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == export.csv(played("first-time"))
    assert len(list(tmp_path.iterdir())) == 2


def test_no_pins_no_ports_and_no_matplotlib_are_loaded() -> None:
    code = (
        "import sys; from firmware_ctl.simulator.offline import *; import firmware_ctl.simulator.export;"
        "print([m for m in ('gpiozero', 'serial', 'matplotlib', 'vcd') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")


# --- pictures ---


def test_picture_has_the_same_bytes_twice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; extra plot")
    pictures = []
    for seed in (1, 2):
        for ending in ("svg", "png"):
            file = tmp_path / f"{seed}.{ending}"
            assert process("neck", "--plot", file, seed=seed).returncode == 0
            pictures.append(file.read_bytes())
    assert pictures[:2] == pictures[2:]
    assert pictures[1].startswith(b"\x89PNG")
    width = ElementTree.fromstring(pictures[0]).attrib["width"]
    assert width == "662.4pt"


def test_picture_of_the_documents_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    mpl = pytest.importorskip("matplotlib", reason="matplotlib is not installed; extra plot")
    if mpl.__version__ != "3.11.2":
        pytest.skip("another release of matplotlib draws with other bytes")
    monkeypatch.syspath_prepend(ROOT / "docs")
    import make_pictures

    for path, content in make_pictures.pictures().items():
        assert len(content) < 300_000
        assert path.read_bytes() == content, f"{path.name}: run docs/make_pictures.py"
