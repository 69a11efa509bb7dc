"""`wiring` and `setup` in a real terminal, on simulated motors and on pins that do not exist."""

import os
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning.questions import MeasuredDuties
from firmware_ctl.commissioning.runner import BuilderError, Context
from firmware_ctl.commissioning.wiring import run_calibration, write_duties
from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat, read_mat
from tests.support.process import PATIENCE_S, ROOT, Terminal, call

QUICK = """\
name: Quick mat   # calibrated in seconds
pwm_hz: 200
supply: {max_ma: 500}
limits: {session: 15min, daily: 30min, duty: 80%, rise: 50%/s}
button: {pressed: 5, released: 6}
zones:
  lower_back:
    motors:
      - {name: only, side: left, pin: 22, start: 4%, hold: 3%, cap: 72%, run_ma: 100, start_ma: 150}  # the one
"""
ABSENT = """\
  {0}:
    present: false
    motors:
      - {{name: {0}, side: left, pin: {1}, start: 40%, hold: 30%, cap: 72%, run_ma: 100, start_ma: 150}}
"""
GATED = QUICK + ABSENT.format("neck", 17) + ABSENT.format("hips", 12)
GATED += "gate: {heartbeat: 26, rail: 8}\n"


@pytest.fixture
def mat_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(QUICK)
    return path


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.close()


def open_terminal(terminals: list[Terminal], home: Path, *words: str) -> Terminal:
    terminals.append(Terminal(home, *words))
    return terminals[-1]


def exit_code(terminal: Terminal) -> int:
    code = terminal.process.wait(PATIENCE_S)
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert b"Traceback" not in terminal.shown
    return code


def answer_calibration(terminal: Terminal) -> None:
    """Calibrates one motor, with answers at the right moments."""
    terminal.see("space: begin")
    terminal.type(" ")
    for words, key in (("(turns)   power rises", "t"), ("(still)   power falls", "s")) * 2:
        terminal.see(words)
        terminal.type(key)


def test_wiring_of_the_mock_runs_every_motor(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = open_terminal(terminals, tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    terminal.see("the status line shows whether the motor is turning")
    terminal.see("space: begin")
    terminal.type(" ")
    terminal.see("1/1  only: GPIO 22, lower back, left side")
    terminal.see("(turns)   y: felt there")
    terminal.type("z")
    terminal.see("Unknown key. Motor off.")
    terminal.type(" ")
    terminal.see("(turns)")
    terminal.type("n")
    terminal.see("only                 GPIO 22  NOT FELT")
    terminal.see("No motor was felt: check the motors' supply")
    assert exit_code(terminal) == 1


def test_calibrate_writes_two_values_and_keeps_the_rest(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower-back")
    terminal = open_terminal(terminals, tmp_path, *words)
    answer_calibration(terminal)
    terminal.see("Write the new values?")
    terminal.type("y")
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
        (["--mat", str(mat_file)], "fix the mat file first:"),
        (["--mat", str(mat_file)], "mine.yaml:9:39: pin: GPIO 5 is pulled up at boot"),
        (["--mat", str(mat_file)], "start_ma: 900 is more than the supply gives, max_ma 500"),
        (["--calibrate", "hips"], "this would change the shipped mat file; make a copy"),
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
    link.symlink_to(ROOT / "hw" / "mat.yaml")
    for is_mock, again in ((True, "wiring --mock --calibrate"), (False, "wiring --calibrate")):
        with pytest.raises(BuilderError, match="this would change the shipped mat file") as error:
            run_calibration(Context(str(link), "", is_mock, guarded), "hips")
        assert str(error.value).endswith(
            f": cp -n {link} mat.yaml && firmware-ctl {again} hips --mat mat.yaml"
        )


def test_calibrate_of_a_mock_refuses_the_services_mat_file(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SERVICE_MAT", str(mat_file))
    with pytest.raises(BuilderError, match="is for real motors, and these are simulated; make a"):
        run_calibration(Context(str(mat_file), "", True, guarded), "lower_back")


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
    terminal.see("y: felt there")
    os.kill(terminal.child, signal.SIGSTOP)
    terminal.see("The process was killed (SIGKILL). The mat file is unchanged.")
    terminal.see("GPIO 22 cannot be driven low: /dev/gpiochip999: No such file or directory")
    assert terminal.process.wait(PATIENCE_S) == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


# ---- setup


def see_step(terminal: Terminal, number: int, name: str) -> None:
    terminal.see(f"> {number:>2} {name}")
    terminal.see("Enter: do it   s: skip")


def see_and_type(terminal: Terminal, *pairs: tuple[str, str]) -> None:
    for words, keys in pairs:
        terminal.see(words)
        terminal.type(keys)


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
    terminal.see("Stopped here. Run `firmware-ctl setup --mock` to continue.")
    assert exit_code(terminal) == 1

    terminal = open_terminal(terminals, tmp_path, *words)
    terminal.see("2 doctor                 skipped")
    see_step(terminal, 3, "wiring")
    terminal.type("b")
    see_step(terminal, 2, "doctor")
    terminal.type("\r")
    terminal.see("This does not matter in the simulation")
    see_step(terminal, 3, "wiring")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("(turns)", "n"))
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
    see_step(terminal, 3, "wiring")
    terminal.type("\r")
    see_and_type(terminal, ("space: begin", " "), ("(turns)", "y"))
    see_step(terminal, 4, "calibrate lower_back")
    terminal.type("\r")
    answer_calibration(terminal)
    see_and_type(terminal, ("Write the new values?", "y"))
    terminal.see("Saved to")
    see_step(terminal, 5, "stop switch")
    terminal.type("\r")
    see_and_type(terminal, ("(turns)   n: pressed, but it still runs", "x"))
    see_and_type(terminal, ("shows that the motors' supply is off.", "x"))
    terminal.type(" ")
    terminal.see("runs again, gently.")
    see_and_type(terminal, ("(turns)", "y"))
    see_step(terminal, 6, "start button")
    terminal.type("\r")
    see_and_type(terminal, ("It reads released. Press it and hold it.", "b"))
    terminal.see("It reads released: the start button works.")
    see_step(terminal, 7, "first session")
    terminal.type("\r")
    see_and_type(terminal, ("first-time is selected", "b"), ("running: ", "z"))
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
    terminal.see("service. Run `firmware-ctl setup --mock` to")
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
    terminal.see("is a copy of the shipped one.")
    terminal.see("press any key to continue")
    terminal.type("g")
    terminal.see("Reference mat: 8 motors in neck, lower_back, hips.")
    terminal.see("Enter: do it")
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    text = own.read_text()
    assert text.partition("\n")[2] == (ROOT / "hw" / "mat.yaml").read_text().partition("\n")[2]
    # The Debian package brings such a copy, so the hint does not depend on who made it.
    terminal.type("b")
    terminal.see("Enter: do it")
    terminal.type("\r")
    terminal.see("is a copy of the shipped one.")
    terminal.type("g")
    terminal.see("Enter: do it")
    own.write_text(text.replace("pin: 17", "pin: 27"))
    terminal.type("b")
    terminal.see("Enter: do it")
    terminal.type("\r")
    terminal.see("GPIO 27 is already motor neck_left's pin")
    terminal.see("in another window, then do this step again.")
    terminal.see("Enter: do it")
    terminal.type("q")
    assert exit_code(terminal) == 1
