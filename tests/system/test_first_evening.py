"""`setup` in a real terminal, on simulated motors."""

from errno import ENOSPC
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import first_evening
from firmware_ctl.commissioning.first_evening import Progress, SetupStep, run_step
from firmware_ctl.commissioning.runner import Context, Outcome
from tests.support.builder import (
    GATED,
    QUICK,
    answer_calibration,
    exit_code,
    open_terminal,
    see_and_type,
)
from tests.support.process import ROOT, Terminal


def see_step(terminal: Terminal, number: int, name: str) -> None:
    terminal.see(f"> {number:>2} {name}")
    terminal.see("Enter: do it   s: skip")


def test_setup_continues_at_the_step_where_it_was_quit(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("\r")
    terminal.see("Quick mat: 1 motors in lower_back.")
    see_step(terminal, 2, "doctor")
    terminal.type("s")
    see_step(terminal, 3, "wiring")
    terminal.type("q")
    terminal.see("`firmware-ctl setup --mock --mat ")
    assert exit_code(terminal) == 1

    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("2 doctor                 skipped")
    see_step(terminal, 3, "wiring")
    terminal.type("b")
    see_step(terminal, 2, "doctor")
    terminal.type("\r")
    see_and_type(terminal, ("Enter: continue", "\r"))
    see_step(terminal, 3, "wiring")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", "q"))
    terminal.see("This step is not done yet")
    see_step(terminal, 3, "wiring")
    terminal.type("q")
    assert exit_code(terminal) == 1


def test_setup_from_start_to_end(terminals: list[Terminal], mat_file: Path, tmp_path: Path) -> None:
    mat_file.write_text(GATED)
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("\r")
    terminal.see("Quick mat: 3 motors in lower_back, neck, hips.")
    see_step(terminal, 2, "doctor")
    terminal.type("\r")
    see_and_type(terminal, ("Enter: continue", "\r"))
    see_step(terminal, 3, "wiring")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("(turns)   y: felt", "y"))
    see_step(terminal, 4, "calibrate lower_back")
    terminal.type("\r")
    answer_calibration(terminal)
    see_and_type(terminal, ("y: write them", "y"))
    terminal.see("Saved to")
    see_step(terminal, 5, "stop switch")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "))
    see_and_type(terminal, ("(turns)   n: pressed, but it still runs", "x"))
    see_and_type(terminal, ("shows that the motors' supply is off.", "x"))
    terminal.type(" ")
    terminal.see("runs again, gently.")
    see_and_type(terminal, ("(turns)   y: it runs", "y"))
    see_step(terminal, 6, "start button")
    terminal.type("\r")
    see_and_type(terminal, ("It reads released. Press it and hold it.", "p"))
    terminal.see("It reads released: the start button works.")
    see_step(terminal, 7, "first session")
    terminal.type("\r")
    terminal.see("The simulation plays 20 times as fast")
    see_and_type(terminal, ("first-time is selected", "p"), ("running: ", "z"))
    terminal.see("Stopped after 0:")
    terminal.see("This step is not done yet")
    see_step(terminal, 7, "first session")
    terminal.type("\r")
    see_and_type(terminal, ("first-time is selected", " "))
    terminal.see("Session finished.")
    see_step(terminal, 8, "service")
    terminal.type("\r")
    terminal.see("All steps are done.")
    assert exit_code(terminal) == 0
    names = (
        "mat file,doctor,wiring,calibrate lower_back,stop switch,start button,first session,service"
    )
    lines = (tmp_path / "state" / "setup").read_text().splitlines()
    assert lines == [f"done {name}" for name in names.split(",")]


def test_setup_names_skipped_steps_and_the_command_to_do_them(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    for _ in range(8):
        terminal.see("Enter: do it")
        terminal.type("s")
    terminal.see("Not done: mat file, doctor, wiring,")
    terminal.see("`firmware-ctl setup --mock --mat ")
    assert exit_code(terminal) == 0


def test_setup_ended_by_a_signal_restores_the_terminal(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("Enter: do it")
    terminal.process.terminate()
    assert exit_code(terminal) == 1


def test_setup_creates_a_mat_file_and_reports_its_mistakes(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, "setup", "--mock")
    terminal.see("calibrate hips")
    terminal.see("Enter: do it")
    terminal.type("\r")
    terminal.see("is new, a copy of")
    see_and_type(terminal, ("Enter: continue", "g"), ("Unknown key.", "\r"))
    terminal.see("Reference mat: 8 motors in neck, lower_back, hips.")
    terminal.see("Enter: do it")
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    text = own.read_text()
    assert text.partition("\n")[2] == (ROOT / "hw" / "mat.yaml").read_text().partition("\n")[2]
    # The Debian package brings such a copy, so the hint does not depend on who made it.
    terminal.type("b")
    see_and_type(terminal, ("Enter: do it", "\r"), ("If your pins, motors or supply", "\r"))
    terminal.see("Enter: do it")
    own.write_text(text.replace("pin: 17", "pin: 27"))
    terminal.type("b")
    terminal.see("Enter: do it")
    terminal.type("\r")
    terminal.see("GPIO 27 is already motor neck_left's pin")
    terminal.see("in another window, then do this step again.")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1


def test_calibrate_of_the_mock_uses_the_mat_file_that_setup_made(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(QUICK)
    terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", "--calibrate", "lower_back")
    terminal.see("The mat file is")
    answer_calibration(terminal)
    see_and_type(terminal, ("y: write them", "y"))
    terminal.see("Saved to")
    assert exit_code(terminal) == 0
    assert own.read_text() != QUICK
    assert (own.parent / "mat.yaml.before").read_text() == QUICK


def test_calibrate_of_the_mock_without_setup_makes_the_mat_file(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", "--calibrate", "hips")
    terminal.see("is new, a copy of")
    see_and_type(terminal, ("1/2  hip_left", "q"))
    assert exit_code(terminal) == 1
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    text = (ROOT / "hw" / "mat.yaml").read_text()
    assert own.read_text().partition("\n")[2] == text.partition("\n")[2]


# ---- a failed check


def test_setup_marks_a_failed_stop_switch_and_plays_no_session(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("5")
    see_step(terminal, 5, "stop switch")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("n: it still runs", "n"))
    terminal.see("THE STOP SWITCH DOES NOT STOP THE MOTOR.")
    see_and_type(terminal, ("Enter: continue", "z"), ("Unknown key.", "\r"))
    terminal.see("5 stop switch            FAILED")
    see_and_type(terminal, ("Enter: do it", "s"))  # what has failed is not skipped
    terminal.see("5 stop switch            FAILED")
    see_and_type(terminal, ("Enter: do it", "7"), ("Enter: do it", "\r"))
    terminal.see("Do not lie on the mat: stop switch failed.")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
    assert (tmp_path / "state" / "setup").read_text() == "failed stop switch\n"

    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 5, "stop switch")
    terminal.type("8")
    see_and_type(terminal, (">  8 service", ""), ("Enter: do it", "s"))
    terminal.see("FAILED: stop switch. Nobody may lie on the mat before this is fixed.")
    assert exit_code(terminal) == 1


def test_setup_goes_to_a_step_by_its_number_or_an_arrow_and_skips_none(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    for key, number, name in (
        ("6", 6, "start button"),
        ("\x1b[A", 5, "stop switch"),
        ("\x1bOB", 6, "start button"),
        ("b", 5, "stop switch"),
    ):
        terminal.type(key)
        see_step(terminal, number, name)
    see_and_type(terminal, ("", "9"), ("Unknown key.", "\x1b[C"), ("Unknown key.", "\x04"))
    assert exit_code(terminal) == 1
    assert not (tmp_path / "state" / "setup").exists()


def test_progress_that_cannot_be_written_is_reported_and_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(first_evening, "atomic_write", full)
    progress = Progress(str(tmp_path / "setup"))
    progress.put("wiring", "done")
    assert progress.steps == {"wiring": "done"}
    assert "setup cannot be written: No space left on device." in " ".join(
        capfd.readouterr().out.split()
    )


@pytest.mark.parametrize(("before", "is_said"), [("", True), ("failed", True), ("done", False)])
def test_step_that_was_left_keeps_how_it_ended_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], before: str, is_said: bool
) -> None:
    progress = Progress(str(tmp_path / "setup"))
    if before:
        progress.put("wiring", before)
    step = SetupStep("wiring", "Run each motor.", lambda _: Outcome.NOT_DONE)
    assert not run_step(step, Context(str(tmp_path), "", True, guarded), progress)
    assert progress.steps.get("wiring", "") == before
    assert ("This step is not done yet" in capfd.readouterr().out) is is_said


def test_setup_without_a_mat_file_asks_for_the_first_step(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("8")
    see_step(terminal, 8, "start button")
    terminal.type("\r")
    terminal.see("Do step 1 first: there is no mat file")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
