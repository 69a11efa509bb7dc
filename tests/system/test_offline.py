"""`simulate` as a process: the same bytes twice, files instead of names, and what it loads."""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from firmware_ctl.cli.simulation import summary
from firmware_ctl.simulator import export
from firmware_ctl.simulator.offline import Played, play
from firmware_ctl.timeline.folder import load_entry, load_mat
from tests.support.process import ROOT

MAT = load_mat(str(ROOT / "hw/mat.yaml"))


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
    assert [line for line in run.stdout.splitlines() if "neck" in line] == [
        "  note        neck is not present on this mat: its motors stay off"
    ]


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
