"""`simulate`: its trace equals the daemon's own, and bad inputs get a sentence."""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.simulator import export
from firmware_ctl.simulator.installing import missing
from firmware_ctl.simulator.offline import play
from firmware_ctl.storage.trace import Trace
from firmware_ctl.timeline.folder import load_entry, load_mat
from tests.support.process import ROOT

MAT = load_mat(str(ROOT / "hw/mat.yaml"))


def test_json_lines_equal_those_of_the_daemons_own_trace() -> None:
    lines: list[str] = []
    entry = load_entry(str(ROOT / "profiles/first-time.yaml"), MAT)
    session = play(entry, MAT, watchers=[Trace(lines.append)])
    assert "".join(lines).encode() == export.jsonl(session)
    frames = [(row["level"], row["duty"]) for row in map(json.loads, lines)]
    # The end of a kick is a change of the duty alone.
    assert any(a[0] == b[0] and a[1] != b[1] for a, b in pairwise(frames))


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


@pytest.mark.parametrize(
    ("option", "file", "library", "extra"),
    [
        ("--plot", "a.svg", "matplotlib", "plot"),
        ("--plot", "a.png", "matplotlib", "plot"),
        ("--trace", "a.vcd", "vcd", "vcd"),
    ],
)
def test_file_of_a_missing_extra_says_how_to_get_it(
    option: str,
    file: str,
    library: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delitem(sys.modules, "firmware_ctl.simulator.plot", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "neck", option, str(tmp_path / file)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"firmware-ctl: {missing(extra)}\n"
    assert not list(tmp_path.iterdir())
