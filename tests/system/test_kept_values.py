"""Values that a calibration measured and that were not written, as files and in a real terminal."""

import os
import signal
from errno import ENOSPC
from pathlib import Path

import pytest

from firmware_ctl.commissioning import kept_values
from firmware_ctl.commissioning.calibration import KeptDuties, MeasuredDuties
from firmware_ctl.commissioning.kept_values import KeptValues
from firmware_ctl.config.mat import read_mat
from tests.support.builder import (
    QUICK,
    answer_calibration,
    exit_code,
    open_terminal,
    see_and_type,
)
from tests.support.process import PATIENCE_S, Terminal


@pytest.mark.parametrize("end", ["q", "TERM", "closed"])
def test_measured_values_survive_every_way_out_and_are_offered_the_next_time(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path, end: str
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower_back")
    kept_file = Path(f"{mat_file}.measured-simulated")
    terminal = open_terminal(terminals, tmp_path, *words)
    answer_calibration(terminal)
    terminal.see("Write the new values?")
    terminal.see("y: write them   n: discard them   q: decide later")
    if end == "closed":
        # As a terminal that closes does: its input ends and its signal comes, in whatever order.
        os.close(terminal.master)
        terminal.process.send_signal(signal.SIGHUP)
        terminal.master = os.open(os.devnull, os.O_RDONLY)
        assert terminal.process.wait(PATIENCE_S) == 1
    elif end == "TERM":
        terminal.process.send_signal(signal.SIGTERM)
    else:
        terminal.type(end)
    if end != "closed":
        terminal.see("The mat file is unchanged.")
        terminal.see("Kept for the next calibration: only, in")
        assert exit_code(terminal) == 1
    assert mat_file.read_text() == QUICK
    assert kept_file.exists()

    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("only was measured at 20")
    see_and_type(terminal, ("y: use it", "y"), ("y: write them", "z"), ("Unknown key.", "y"))
    terminal.see("Saved to")
    assert exit_code(terminal) == 0
    assert mat_file.read_text() != QUICK
    assert not kept_file.exists()


def test_measured_values_that_are_discarded_are_not_offered_again(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower_back")
    mat = read_mat(mat_file.read_bytes(), "")
    KeptValues(str(mat_file), is_mock=True).keep(mat, {"only": MeasuredDuties(8, 5)}, "20:15")
    terminal = open_terminal(terminals, tmp_path, *words)
    see_and_type(terminal, ("only was measured at 20:15", "y"), ("y: write them", "n"))
    terminal.see("The mat file is unchanged.")
    assert exit_code(terminal) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


def test_kept_values_are_those_that_were_kept_or_none(
    mat_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mat = read_mat(mat_file.read_bytes(), "")
    kept = KeptValues(str(mat_file), is_mock=False)
    kept.keep(mat, {"only": MeasuredDuties(8, 5)}, "14:05")
    kept.keep(mat, {"only": MeasuredDuties(8, 5)}, "15:00")  # used, not measured again
    assert KeptValues(str(mat_file), is_mock=False).motors == {
        "only": KeptDuties(MeasuredDuties(8, 5), 22, "14:05")
    }
    # Simulated motors never give values to real ones.
    assert KeptValues(str(mat_file), is_mock=True).motors == {}
    for text in ("", "[]", "{", "[" * 10_000, '{"only": {"start_pct": 1e999, "hold_pct": 1}}', '{"only": 3}', '{"only": {}}', "\xff",
                 Path(kept.path).read_text().replace("8", "800")):  # fmt: skip
        Path(kept.path).write_text(text, encoding="latin-1")
        assert KeptValues(str(mat_file), is_mock=False).motors == {}
        assert "the values in it are not offered" in " ".join(capfd.readouterr().out.split())


def test_values_that_cannot_be_kept_are_shown(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_values, "atomic_write", full)
    mat = read_mat(mat_file.read_bytes(), "")
    kept = KeptValues(str(mat_file), is_mock=False)
    kept.keep(mat, {"only": MeasuredDuties(8, 5)}, "14:05")
    assert kept.motors == {}
    shown = " ".join(capfd.readouterr().out.split())
    assert "No space left on device. Note the measured values: only: start 8%, hold 5%" in shown


def test_values_are_kept_beside_a_file_that_cannot_be_read(
    mat_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A person may still find older values in it."""
    mat = read_mat(mat_file.read_bytes(), "")
    path = Path(f"{mat_file}.measured")
    for damaged in ("half a fi", "another one"):
        path.write_text(damaged)
        kept = KeptValues(str(mat_file), is_mock=False)
        kept.drop(["only"])
        assert path.read_text() == damaged
        for start_pct in (8, 9):
            kept.keep(mat, {"only": MeasuredDuties(start_pct, 5)}, "14:05")
        assert KeptValues(str(mat_file), is_mock=False).motors == kept.motors != {}
    asides = [Path(f"{path}.unreadable"), Path(f"{path}.unreadable1")]
    assert [aside.read_text() for aside in asides] == ["half a fi", "another one"]
    shown = " ".join(capfd.readouterr().out.split())
    assert shown.count("What could not be read is kept in ") == 2
