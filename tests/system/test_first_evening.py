"""`setup` in a real terminal, on simulated motors."""

import re
from pathlib import Path

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


def do_step(terminal: Terminal, number: int, name: str) -> None:
    """Goes to the step and begins it. The digit comes first, because the same key twice within
    0.7 seconds counts as one that is held."""
    see_step(terminal, number, name)
    terminal.type(str(number))
    see_step(terminal, number, name)
    terminal.type("\r")


def setup_words(mat_file: Path, tmp_path: Path) -> tuple[str, ...]:
    return ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))


def write_progress(tmp_path: Path, *lines: str) -> Path:
    """What an earlier setup has left in the state folder."""
    path = tmp_path / "state" / "setup"
    path.parent.mkdir()
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


CHECKED = (
    "done stop switch: motors GPIO 22",
    "done start button: GPIO 5, released 6",
    "done wiring: only lower_back left GPIO 22",
)
"""The checks of the quick mat."""


def test_setup_continues_at_the_step_where_it_was_quit(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = setup_words(mat_file, tmp_path)
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("\r")
    terminal.see("Quick mat: 1 motors in lower_back.")
    see_step(terminal, 2, "doctor")
    terminal.type("s")
    see_step(terminal, 3, "stop switch")
    terminal.type("q")
    terminal.see("`firmware-ctl setup --mock --mat ")
    assert exit_code(terminal) == 1

    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("2 doctor                 skipped")
    see_step(terminal, 3, "stop switch")
    terminal.type("b")
    see_step(terminal, 2, "doctor")
    terminal.type("\r")
    see_and_type(terminal, ("Enter: continue", "\r"))
    do_step(terminal, 3, "stop switch")
    see_and_type(terminal, ("space: begin", "q"))
    terminal.see("This check has no result yet")
    see_step(terminal, 3, "stop switch")
    terminal.type("q")
    assert exit_code(terminal) == 1


def test_setup_from_start_to_end(terminals: list[Terminal], mat_file: Path, tmp_path: Path) -> None:
    mat_file.write_text(GATED)
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    do_step(terminal, 1, "mat file")
    terminal.see("Quick mat: 3 motors in lower_back, neck, hips.")
    do_step(terminal, 2, "doctor")
    see_and_type(terminal, ("Enter: continue", "\r"))
    do_step(terminal, 3, "stop switch")
    see_and_type(terminal, ("space: begin", " "))
    see_and_type(terminal, ("(turns)   n: pressed, but it still runs", "x"))
    see_and_type(terminal, ("shows that the motors' supply is off.", "x"))
    terminal.type(" ")
    terminal.see("runs again, gently.")
    see_and_type(terminal, ("(turns)   y: it runs", "y"))
    do_step(terminal, 4, "start button")
    see_and_type(terminal, ("It reads released. Press it and hold it.", "p"))
    terminal.see("It reads released: the start button works.")
    do_step(terminal, 5, "wiring")
    see_and_type(terminal, ("space: begin", " "), ("(turns)   y: felt", "y"))
    do_step(terminal, 6, "calibrate lower_back")
    answer_calibration(terminal)
    see_and_type(terminal, ("y: write them", "y"))
    terminal.see("Saved to")
    do_step(terminal, 7, "first session")
    terminal.see("The simulation plays 20 times as fast")
    see_and_type(terminal, ("first-time is selected", "p"), ("running: ", "z"))
    terminal.see("Stopped after 0:")
    terminal.see("This step is not done yet")
    do_step(terminal, 7, "first session")
    see_and_type(terminal, ("first-time is selected", " "))
    terminal.see("Session finished.")
    do_step(terminal, 8, "service")
    terminal.see("All steps are done.")
    assert exit_code(terminal) == 0
    assert (tmp_path / "state" / "setup").read_text().splitlines() == [
        "done mat file",
        "done doctor",
        "done stop switch: motors GPIO 22 17 12, gate GPIO 26, rail 8",
        "done start button: GPIO 5, released 6",
        "done wiring: only lower_back left GPIO 22",
        "done calibrate lower_back: only lower_back left GPIO 22",
        "done first session",
        "done service",
    ]


def test_setup_asks_before_it_skips_a_check_and_names_what_was_skipped(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    for number in range(1, 9):
        terminal.see(f"> {number:>2} ")
        see_and_type(terminal, ("Enter: do it", str(number)), ("Enter: do it", "s"))
        if number == 3:
            terminal.see("whoever lies on the mat")
            see_and_type(terminal, ("y: skip it", "s"), ("Unknown key.", "n"))
            see_and_type(terminal, ("Enter: do it", "3"), ("Enter: do it", "s"))
        if number in (3, 4, 5):
            see_and_type(terminal, ("y: skip it", "y"))
    terminal.see("Not done: mat file, doctor, stop switch, start button, wiring,")
    terminal.see("`firmware-ctl setup --mock --mat ")
    assert exit_code(terminal) == 0


def test_second_setup_of_a_state_folder_is_refused_and_a_dead_one_holds_no_lock(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = setup_words(mat_file, tmp_path)
    first = open_terminal(terminals, tmp_path, *words)
    first.see("Enter: do it")
    second = open_terminal(terminals, tmp_path, *words)
    second.see(f"another setup (process {first.process.pid}) uses the state folder")
    assert exit_code(second) == 1
    first.process.kill()
    first.process.wait()
    third = open_terminal(terminals, tmp_path, *words)
    see_and_type(third, ("Enter: do it", "q"))
    assert exit_code(third) == 1


def test_setup_leaves_a_step_open_that_was_left_by_q(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, "setup", "--mock")
    do_step(terminal, 1, "mat file")
    see_and_type(terminal, ("is new, a copy of", ""), ("Enter: continue", "q"))
    see_step(terminal, 1, "mat file")
    terminal.type("2")
    see_step(terminal, 2, "doctor")
    terminal.type("\r")
    see_and_type(terminal, ("Enter: continue", "\x03"), (">  2 doctor", ""))
    see_and_type(terminal, ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock"
    assert (own / "setup").read_text() == ""


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
    see_and_type(
        terminal, ("Enter: continue", "g"), ("Unknown key.", ""), ("Enter: continue", "\r")
    )
    terminal.see("Reference mat: 8 motors in neck, lower_back, hips.")
    terminal.see("Enter: do it")
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    text = own.read_text()
    assert text.partition("\n")[2] == (ROOT / "hw" / "mat.yaml").read_text().partition("\n")[2]
    # The Debian package brings such a copy, so the hint does not depend on who made it.
    terminal.type("b")
    see_and_type(terminal, ("Enter: do it", "\r"))
    terminal.see("If your pins, motors or supply")
    see_and_type(terminal, ("Enter: continue", "\r"))
    terminal.see("Enter: do it")
    own.write_text(text.replace("pin: 17", "pin: 27"))
    terminal.type("b")
    see_step(terminal, 1, "mat file")
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


def test_setup_warns_of_a_supply_that_is_too_small_for_every_profile(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    mat_file.write_text(
        re.sub(r"max_ma: \d+", "max_ma: 200", (ROOT / "hw" / "mat.yaml").read_text())
    )
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    do_step(terminal, 1, "mat file")
    terminal.see("WARNING: the supply (max_ma: 200) is too small for every profile")
    see_and_type(terminal, ("Enter: continue", "\r"))
    see_step(terminal, 2, "doctor")
    terminal.type("q")
    assert exit_code(terminal) == 1


# ---- a failed check


def test_setup_marks_a_failed_stop_switch_and_plays_no_session(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = setup_words(mat_file, tmp_path)
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("3")
    see_step(terminal, 3, "stop switch")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("n: it still runs", "n"))
    terminal.see("THE STOP SWITCH DOES NOT STOP THE MOTOR.")
    see_and_type(
        terminal, ("Enter: continue", "z"), ("Unknown key.", ""), ("Enter: continue", "\r")
    )
    terminal.see("3 stop switch            FAILED")
    see_and_type(terminal, ("Enter: do it", "s"))
    terminal.see("stop switch stays FAILED until it is repeated.")
    terminal.see("3 stop switch            FAILED")
    see_and_type(terminal, ("Enter: do it", "7"), ("Enter: do it", "\r"))
    terminal.see("Nobody may lie on the mat: stop switch failed.")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
    assert (tmp_path / "state" / "setup").read_text() == "failed stop switch\n"

    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 3, "stop switch")
    terminal.type("8")
    see_and_type(terminal, (">  8 service", ""), ("Enter: do it", "s"))
    terminal.see("FAILED: stop switch. Nobody may lie on the mat before this is fixed.")
    assert exit_code(terminal) == 1


def test_motor_that_was_not_felt_is_kept_when_the_person_quits_and_skips(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    path = write_progress(tmp_path, "done mat file", "done doctor", *CHECKED[:2])
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    see_step(terminal, 5, "wiring")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("(turns)   y: felt", "n"))
    see_and_type(terminal, ("Enter: finish", "q"), ("Enter: continue", "\r"))
    see_and_type(terminal, ("Enter: do it", "s"), ("wiring stays FAILED", ""))
    see_and_type(terminal, ("Enter: do it", "7"), ("Enter: do it", "\r"))
    terminal.see("Nobody may lie on the mat: wiring failed.")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
    assert path.read_text().splitlines()[-1] == "failed wiring"


def test_first_session_on_a_mat_with_a_mistake_shows_it_and_asks_nobody_to_lie_down(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    write_progress(tmp_path, "done mat file", "done doctor", *CHECKED)
    mat_file.write_text(QUICK.replace("released: 6", "released: 22"))
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    terminal.see("Enter: do it")
    # A mistake in the file hides its zones: the shipped mat has three, so that 9 is the session.
    see_and_type(terminal, ("", "9"), (">  9 first session", ""), ("Enter: do it", "\r"))
    terminal.see("in another window,")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
    assert b"GPIO 22 is already" in terminal.shown
    assert b"Lie down" not in terminal.shown
    assert b"65 |" not in terminal.shown


def test_setup_goes_to_a_step_by_its_number_or_an_arrow_and_skips_none(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, *setup_words(mat_file, tmp_path))
    see_step(terminal, 1, "mat file")
    for key, number, name in (
        ("4", 4, "start button"),
        ("\x1b[A", 3, "stop switch"),
        ("\x1bOB", 4, "start button"),
        ("b", 3, "stop switch"),
    ):
        terminal.type(key)
        see_step(terminal, number, name)
    see_and_type(terminal, ("", "9"), ("Unknown key.", "\x1b[C"), ("Unknown key.", "x"))
    see_and_type(terminal, ("x operates a simulated switch, and only within a step", "\x04"))
    assert exit_code(terminal) == 1
    assert (tmp_path / "state" / "setup").read_text() == ""


def test_setup_without_a_mat_file_asks_for_the_first_step(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--state", str(tmp_path / "state"))
    terminal = open_terminal(terminals, tmp_path, *words)
    see_step(terminal, 1, "mat file")
    terminal.type("4")
    see_step(terminal, 4, "start button")
    terminal.type("\r")
    terminal.see("Do step 1 first: there is no mat file")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "q"))
    assert exit_code(terminal) == 1
