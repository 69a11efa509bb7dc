"""`wiring` in a real terminal, on simulated motors and on pins that do not exist."""

import os
import signal
import sys
import termios
from errno import ENOSPC
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import wiring
from firmware_ctl.commissioning.calibration import MeasuredDuties
from firmware_ctl.commissioning.procedure import Questions
from firmware_ctl.commissioning.runner import BuilderError, Context, Outcome
from firmware_ctl.commissioning.wiring import run_calibration, run_motor_check, write_duties
from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.storage.files import atomic_write
from tests.support.builder import (
    QUICK,
    exit_code,
    open_terminal,
    see_and_type,
)
from tests.support.process import PATIENCE_S, ROOT, Terminal, call
from tests.support.worlds_procedure import Script

SHIPPED = str(ROOT / "hw" / "mat.yaml")


def test_wiring_of_the_mock_runs_every_motor(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    terminal.see("no real motor runs")
    terminal.see("space: begin")
    terminal.type(" ")
    terminal.see("1/1  only: GPIO 22, lower back, left side")
    see_and_type(
        terminal,
        ("(turns)   y: felt", "z"),
        ("Unknown key. Motor off.", "x"),
        ("(stop switch pressed)   space: run it again", " "),
        ("(stop switch)   y: felt", "x"),
        ("(turns)   y: felt", "n"),
    )
    terminal.see("only                 GPIO 22  NOT FELT")
    terminal.see("No motor was felt: check the motors' supply")
    see_and_type(terminal, ("space: run those not felt again", " "), ("(turns)   y: felt", "y"))
    terminal.see("only                 GPIO 22  felt")
    assert exit_code(terminal) == 0


def test_calibrate_writes_two_values_and_keeps_the_rest(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower-back")
    terminal = open_terminal(terminals, tmp_path, *words)
    see_and_type(
        terminal,
        ("space: begin", " "),
        ("(turns)   power rises", "t"),
        ("(still)   power falls", "o"),
        ("Once more, in finer steps.", ""),
        ("(turns)   power rises", "o"),
        ("Unknown key. Motor off.", ""),
        ("space: run it again", " "),
        ("(still)   power rises", ""),  # the simulated rotor has come to rest
        ("(turns)   power rises", "t"),
        ("(still)   power falls", "o"),
    )
    see_and_type(terminal, ("y: write them", "z"), ("Unknown key.", "\r"), ("Unknown key.", "y"))
    terminal.see("Saved to")
    assert exit_code(terminal) == 0
    tuned = read_mat(mat_file.read_bytes(), "").motors[0]
    assert mat_file.read_text() == QUICK.replace("start: 4%", f"start: {tuned.start_pct}%").replace(
        "hold: 3%", f"hold: {tuned.hold_pct}%"
    )
    assert 4 <= tuned.hold_pct <= tuned.start_pct
    before = tmp_path / "mine.yaml.before"
    assert before.read_text() == QUICK


@pytest.mark.parametrize("end", ["q", "\x03", "TERM", "HUP"])
def test_calibrate_stopped_half_way_leaves_the_mat_file_unchanged(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path, end: str
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower_back")
    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("space: begin")
    terminal.type(" ")
    terminal.see("(turns)")
    if len(end) == 1:
        terminal.type(end)
    else:
        terminal.process.send_signal(signal.Signals[f"SIG{end}"])
    terminal.see("the motors are off")
    terminal.see("The mat file is unchanged.")
    assert exit_code(terminal) == 1
    assert mat_file.read_text() == QUICK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


def test_wiring_ends_when_its_terminal_is_gone(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file))
    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("space: begin")
    terminal.type(" ")
    terminal.see("(turns)")
    os.close(terminal.master)
    terminal.master = os.open(os.devnull, os.O_RDONLY)
    assert terminal.process.wait(PATIENCE_S) == 1


def test_wiring_ignores_keys_typed_before_the_question(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    terminals.append(terminal)
    terminal.type(" ")
    terminal.see("space: begin")
    terminal.type("q")
    terminal.see("Stopped: the motors are off.")
    assert exit_code(terminal) == 1
    assert b"1/1" not in terminal.shown


def test_wiring_and_setup_without_a_terminal_refuse(mat_file: Path, tmp_path: Path) -> None:
    for words in (["wiring", "--mock"], ["setup", "--mock"]):
        result = call(tmp_path, *words, "--mat", str(mat_file))
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == (
            "firmware-ctl: this command is interactive; run it in a terminal\n"
        )


def test_wiring_reports_mistakes_before_a_motor_runs(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    mat_file.write_text(
        QUICK.replace("pin: 22", "pin: 5").replace("start_ma: 150", "start_ma: 900")
    )
    for words, message in (
        (["--mat", str(mat_file)], "Fix the mat file first:\r\n"),
        (["--mat", str(mat_file)], "pin: GPIO 5 is pulled up at boot"),
        (["--mat", str(mat_file)], "start_ma: 900 is more than the supply gives"),
        (["--calibrate", "hips", "--mat", SHIPPED], "this would change the shipped mat file"),
        (["--calibrate", "hip"], "unknown zone 'hip'; did you mean hips?"),
    ):
        terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", *words)
        terminal.see(message)
        assert exit_code(terminal) == 1


# ---- the file


def mat_of(path: Path) -> Mat:
    return read_mat(path.read_bytes(), str(path))


def test_write_duties_keeps_a_file_that_was_changed_meanwhile(mat_file: Path) -> None:
    mat = mat_of(mat_file)
    mat_file.write_text(QUICK + "# more\n")
    with pytest.raises(BuilderError, match="was changed meanwhile; nothing is written"):
        write_duties(str(mat_file), mat, {"only": MeasuredDuties(8, 5)})
    assert mat_file.read_text() == QUICK + "# more\n"


def test_write_duties_follows_a_link_and_keeps_the_mode(mat_file: Path, tmp_path: Path) -> None:
    mat_file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(mat_file)
    mat = mat_of(link)
    write_duties(str(link), mat, {"only": MeasuredDuties(8, 5)})
    assert link.is_symlink()
    assert mat_file.stat().st_mode & 0o777 == 0o640
    assert mat_file.read_text() == QUICK.replace("start: 4%, hold: 3%", "start: 8%, hold: 5%")


def test_calibrate_through_a_link_to_the_shipped_file_refuses(tmp_path: Path) -> None:
    link = tmp_path / "mat.yaml"
    link.symlink_to(SHIPPED)
    for is_mock, way_out in (
        (True, "without --mat a copy of it is used"),
        (False, "the first step of `sudo firmware-ctl setup` makes a copy of your own"),
    ):
        with pytest.raises(BuilderError, match="this would change the shipped mat file") as error:
            run_calibration(Context(str(link), "", is_mock, guarded), "hips")
        assert way_out in str(error.value)


def test_calibrate_of_a_mock_refuses_the_services_mat_file(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SERVICE_MAT", str(mat_file))
    with pytest.raises(BuilderError, match="is for real motors, and these are simulated; with"):
        run_calibration(Context(str(mat_file), "", True, guarded), "lower_back")


@pytest.mark.parametrize("cause", ["full disk", "a mistake in the file"])
def test_measured_values_that_cannot_be_saved_are_saved_once_the_cause_is_fixed(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], cause: str
) -> None:
    mat = mat_of(mat_file)

    def full(*_: object, **__: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    if cause == "full disk":
        monkeypatch.setattr(wiring, "atomic_write", full)
    else:
        mat_file.write_text(QUICK.replace("pin: 22", "pin: 5"))

    def fix(prompt: str, keys: str) -> str:
        assert prompt.startswith("Enter: save again, once the cause is fixed")
        monkeypatch.setattr(wiring, "atomic_write", atomic_write)
        mat_file.write_text(QUICK + "# edited meanwhile\n")
        return "\n"

    monkeypatch.setattr(wiring, "ask_key", fix)
    context = Context(str(mat_file), "", True, guarded)
    assert wiring.save_measured(context, mat, {"only": MeasuredDuties(8, 5)}) == {"only"}
    assert "Not saved:" in capfd.readouterr().out
    changed = QUICK.replace("start: 4%, hold: 3%", "start: 8%, hold: 5%")
    assert mat_file.read_text() == changed + "# edited meanwhile\n"


def test_measured_values_of_a_motor_that_is_another_one_now_are_not_saved(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mat = mat_of(mat_file)
    edited = QUICK.replace("pin: 22", "pin: 23")
    mat_file.write_text(edited)
    monkeypatch.setattr(wiring, "ask_key", lambda *_: "q")
    context = Context(str(mat_file), "", True, guarded)
    assert not wiring.save_measured(context, mat, {"only": MeasuredDuties(8, 5)})
    assert "the mat file has another pin for only now, or none" in capfd.readouterr().out
    assert mat_file.read_text() == edited


def test_measured_values_of_the_other_motors_are_saved_if_one_is_another_one_now(
    mat_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second = QUICK.splitlines(keepends=True)[-1].replace("only", "right").replace("22", "23")
    mat_file.write_text(QUICK + second)
    mat = mat_of(mat_file)
    edited = mat_file.read_text().replace("pin: 23", "pin: 24")
    mat_file.write_text(edited)
    context = Context(str(mat_file), "", True, guarded)
    duties = {"only": MeasuredDuties(8, 5), "right": MeasuredDuties(9, 6)}
    assert wiring.save_measured(context, mat, duties) == {"only"}
    assert mat_file.read_text() == edited.replace("start: 4%, hold: 3%", "start: 8%, hold: 5%", 1)
    shown = " ".join(capfd.readouterr().out.split())
    assert "Not saved: the mat file has another pin for right now, or none." in shown


# ---- a check that was left


@pytest.mark.parametrize("end", ["q", "TERM"])
def test_wiring_that_was_left_names_the_motors_that_were_answered(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path, end: str
) -> None:
    terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    see_and_type(terminal, ("space: begin", " "), ("(turns)   y: felt", "n"))
    see_and_type(terminal, ("space: run those not felt again", " "), ("the motor starts", ""))
    if end == "q":
        terminal.type("q")
    else:
        terminal.process.send_signal(signal.SIGTERM)
    terminal.see("the motors are off")
    terminal.see("only                 GPIO 22  NOT FELT")
    assert exit_code(terminal) == 1


@pytest.mark.parametrize(("key", "outcome"), [("n", Outcome.FAILED), ("y", Outcome.NOT_DONE)])
def test_wiring_that_was_left_has_failed_if_a_motor_was_not_felt(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch, key: str, outcome: Outcome
) -> None:
    def left(context: Context, mat: Mat, questions: Questions[bool]) -> None:
        Script(questions, mat).keys((1_000, " "), (4_000, key), (5_000, "q"))

    second = QUICK.splitlines(keepends=True)[-1].replace("only", "right").replace("22", "23")
    mat_file.write_text(QUICK + second)
    monkeypatch.setattr(wiring, "run_procedure", left)
    assert run_motor_check(Context(str(mat_file), "", True, guarded)) is outcome


# ---- the code for real pins, on simulated ones

ON_PINS = """\
import os
import sys
from firmware_ctl.cli import main
from firmware_ctl.hardware import button_lines, gpio
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Contacts
from firmware_ctl.simulator.pins import SimulatedFactory

class ReleasedButton:
    def __init__(self, chip, pins, origin_ns):
        self.fd, self.other = os.pipe()

    def fileno(self):
        return self.fd

    def read(self):
        return Contacts(Contact.RELEASED)

button_lines.KernelContacts = ReleasedButton

def factory_without_chip():
    factory = SimulatedFactory()
    factory.chip = 999
    return factory

gpio.lgpio_factory = factory_without_chip
main.main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the dead-man is a Linux timer")
def test_wiring_that_hangs_is_killed_and_its_pins_are_driven_low(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    words = ["wiring", "--mat", str(mat_file), "--state", str(state)]
    program = [sys.executable, "-c", ON_PINS, *words]
    terminal = Terminal(tmp_path, program=program)
    terminals.append(terminal)
    terminal.see("space: begin")
    second = Terminal(tmp_path, program=program)
    terminals.append(second)
    second.see(f"another daemon (process {terminal.child}) uses the state folder")
    assert second.process.wait(PATIENCE_S) == 1
    terminal.type(" ")
    terminal.see("y: felt")
    os.kill(terminal.child, signal.SIGSTOP)
    terminal.see("The process was killed (SIGKILL). The mat file is unchanged.")
    terminal.see("GPIO 22 cannot be driven low: /dev/gpiochip999: No such file or directory")
    assert terminal.process.wait(PATIENCE_S) == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


@pytest.mark.skipif(sys.platform != "linux", reason="the dead-man is a Linux timer")
def test_check_that_failed_in_the_child_is_marked_by_setup(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    words = ["setup", "--mat", str(mat_file), "--state", str(state)]
    terminal = Terminal(tmp_path, program=[sys.executable, "-c", ON_PINS, *words])
    terminals.append(terminal)
    see_and_type(terminal, ("Enter: do it", "3"), (">  3 stop switch", ""), ("Enter: do it", "\r"))
    see_and_type(terminal, ("space: begin", " "), ("n: it still runs", "n"))
    terminal.see("THE STOP SWITCH DOES NOT STOP THE MOTOR.")
    see_and_type(terminal, ("Enter: continue", "\r"), ("Enter: do it", "\r"))
    see_and_type(terminal, ("space: begin", " "), ("the motor starts", "q"))
    terminal.see("This step is not done yet")
    see_and_type(terminal, ("Enter: do it", "q"))
    terminal.see("Stopped here.")
    assert exit_code(terminal) == 1
    assert (state / "setup").read_text() == "failed stop switch\n"
