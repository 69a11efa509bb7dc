"""`wiring` and `setup` in a terminal, on simulated motors, and on pins that are not there."""

import os
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning.questions import Tuned
from firmware_ctl.commissioning.terminal import BuilderError, Workbench, tune, write
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
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def opened(terminals: list[Terminal], home: Path, *words: str) -> Terminal:
    terminals.append(Terminal(home, *words))
    return terminals[-1]


def ended(terminal: Terminal) -> int:
    code = terminal.process.wait(PATIENCE_S)
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert b"Traceback" not in terminal.shown
    return code


def calibrated(terminal: Terminal) -> None:
    """One motor, by someone who sees it turn."""
    terminal.see("space begin")
    terminal.type(" ")
    for words, key in (("(turns)   more", "t"), ("(still)   less", "s")) * 2:
        terminal.see(words)
        terminal.type(key)


def test_every_motor_of_the_mock(terminals: list[Terminal], mat_file: Path, tmp_path: Path) -> None:
    terminal = opened(terminals, tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    terminal.see("beside the duty stands whether the motor turns")
    terminal.see("space begin")
    terminal.type(" ")
    terminal.see("1/1  only: GPIO 22, lower back, left side")
    terminal.see("(turns)   y felt there")
    terminal.type("z")
    terminal.see("That is no answer here; the motor is off.")
    terminal.type(" ")
    terminal.see("(turns)")
    terminal.type("n")
    terminal.see("only                 GPIO 22  NOT FELT")
    terminal.see("None was felt: look at the motors' supply")
    assert ended(terminal) == 1


def test_calibrate_writes_two_values_and_keeps_the_rest(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower-back")
    terminal = opened(terminals, tmp_path, *words)
    calibrated(terminal)
    terminal.see("Write the new values?")
    terminal.type("y")
    terminal.see("Written to")
    assert ended(terminal) == 0
    tuned = read_mat(mat_file.read_bytes(), "").motors[0]
    assert mat_file.read_text() == QUICK.replace("start: 4%", f"start: {tuned.start_pct}%").replace(
        "hold: 3%", f"hold: {tuned.hold_pct}%"
    )
    assert 4 <= tuned.hold_pct <= tuned.start_pct
    before = tmp_path / "mine.yaml.before"
    assert before.read_text() == QUICK


@pytest.mark.parametrize("end", ["q", "\x03", "TERM", "HUP"])
def test_left_half_way_the_old_values_stand(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path, end: str
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file), "--calibrate", "lower_back")
    terminal = opened(terminals, tmp_path, *words)
    terminal.see("space begin")
    terminal.type(" ")
    terminal.see("(turns)")
    if len(end) == 1:
        terminal.type(end)
    else:
        terminal.process.send_signal(signal.Signals[f"SIG{end}"])
    terminal.see("the motors are off")
    terminal.see("is as it was.")
    assert ended(terminal) == 1
    assert mat_file.read_text() == QUICK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]


def test_a_terminal_that_goes_ends_it(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("wiring", "--mock", "--mat", str(mat_file))
    terminal = opened(terminals, tmp_path, *words)
    terminal.see("space begin")
    terminal.type(" ")
    terminal.see("(turns)")
    os.close(terminal.master)
    terminal.master = os.open(os.devnull, os.O_RDONLY)
    assert terminal.process.wait(PATIENCE_S) == 1


def test_what_was_typed_before_it_asks_starts_nothing(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path, "wiring", "--mock", "--mat", str(mat_file))
    terminals.append(terminal)
    terminal.type(" ")
    terminal.see("space begin")
    terminal.type("q")
    terminal.see("Left: the motors are off.")
    assert ended(terminal) == 1
    assert b"1/1" not in terminal.shown


def test_without_a_terminal_nothing_moves(mat_file: Path, tmp_path: Path) -> None:
    for words in (["wiring", "--mock"], ["setup", "--mock"]):
        found = call(tmp_path, *words, "--mat", str(mat_file))
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == (
            "firmware-ctl: someone has to answer by keys; run this in a terminal\n"
        )


def test_what_cannot_work_is_said_before_anything_moves(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    mat_file.write_text(
        QUICK.replace("pin: 22", "pin: 5").replace("start_ma: 150", "start_ma: 900")
    )
    for words, said in (
        (["--mat", str(mat_file)], "the mat file has to be mended first:"),
        (["--mat", str(mat_file)], "mine.yaml:9:39: pin: GPIO 5 is pulled up at boot"),
        (["--mat", str(mat_file)], "start_ma: 900 is more than the supply gives, max_ma 500"),
        (["--calibrate", "hips"], "this would change the shipped mat file; make a copy"),
        (["--calibrate", "hip"], "hip is no zone that is there; did you mean hips?"),
    ):
        terminal = opened(terminals, tmp_path, "wiring", "--mock", *words)
        terminal.see(said)
        assert ended(terminal) == 1


# ---- the file


def rig_and_mat(path: Path) -> tuple[Workbench, Mat]:
    return Workbench(str(path), "", True, guarded), read_mat(path.read_bytes(), str(path))


def test_a_file_that_was_changed_meanwhile_stands(mat_file: Path) -> None:
    _, mat = rig_and_mat(mat_file)
    mat_file.write_text(QUICK + "# more\n")
    with pytest.raises(BuilderError, match="was changed meanwhile; nothing is written"):
        write(str(mat_file), mat, {"only": Tuned(8, 5)})
    assert mat_file.read_text() == QUICK + "# more\n"


def test_through_a_link_with_the_files_own_mode(mat_file: Path, tmp_path: Path) -> None:
    mat_file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(mat_file)
    _, mat = rig_and_mat(link)
    write(str(link), mat, {"only": Tuned(8, 5)})
    assert link.is_symlink()
    assert mat_file.stat().st_mode & 0o777 == 0o640
    assert mat_file.read_text() == QUICK.replace("start: 4%, hold: 3%", "start: 8%, hold: 5%")


def test_a_link_to_the_shipped_file_is_the_shipped_file(tmp_path: Path) -> None:
    link = tmp_path / "mat.yaml"
    link.symlink_to(ROOT / "hw" / "mat.yaml")
    for is_mock, again in ((True, "wiring --mock --calibrate"), (False, "wiring --calibrate")):
        with pytest.raises(BuilderError, match="this would change the shipped mat file") as said:
            tune(Workbench(str(link), "", is_mock, guarded), "hips")
        assert str(said.value).endswith(
            f": cp -n {link} mat.yaml && firmware-ctl {again} hips --mat mat.yaml"
        )


def test_simulated_motors_are_not_written_into_the_services_mat_file(
    mat_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SERVICE_MAT", str(mat_file))
    with pytest.raises(BuilderError, match="is for real motors, and these are simulated; make a"):
        tune(Workbench(str(mat_file), "", True, guarded), "lower_back")


# ---- real pins, as far as they can be had here

ON_PINS = """\
import os
import sys
from firmware_ctl.cli import main
from firmware_ctl.hardware import button_lines, gpio
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Contacts
from firmware_ctl.simulator.pins import mock_factory

class Still:
    def __init__(self, chip, of, origin_ns):
        self.fd, self.other = os.pipe()

    def fileno(self):
        return self.fd

    def read(self):
        return Contacts(Contact.RELEASED)

button_lines.KernelContacts = Still

def pins():
    factory = mock_factory()
    factory.chip = 999
    return factory

gpio.lgpio_factory = pins
main.main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a dead-man is a kernel's")
def test_a_process_that_hangs_is_killed_and_its_pins_are_seen_to(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    words = ["wiring", "--mat", str(mat_file), "--state", str(state)]
    program = [sys.executable, "-c", ON_PINS, *words]
    terminal = Terminal(tmp_path, program=program)
    terminals.append(terminal)
    terminal.see("space begin")
    second = Terminal(tmp_path, program=program)
    terminals.append(second)
    second.see(f"another daemon (process {terminal.child}) uses the state folder")
    assert second.process.wait(PATIENCE_S) == 1
    terminal.type(" ")
    terminal.see("y felt there")
    os.kill(terminal.child, signal.SIGSTOP)
    terminal.see("It was killed (SIGKILL). The old values stand.")
    terminal.see("GPIO 22 cannot be driven low: /dev/gpiochip999: No such file or directory")
    assert terminal.process.wait(PATIENCE_S) == 1
    assert termios.tcgetattr(terminal.slave) == terminal.before


# ---- setup


def test_setup_from_start_to_end_and_taken_up_again(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    mat_file.write_text(GATED)
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = opened(terminals, tmp_path, *words)

    def step(number: int, name: str) -> None:
        terminal.see(f"> {number:>2} {name}")
        terminal.see("Enter do it   s skip")

    step(1, "mat file")
    terminal.type("\r")
    terminal.see("Quick mat: 3 motors in lower_back, neck, hips.")
    step(2, "doctor")
    terminal.type("s")
    step(3, "wiring")
    terminal.type("q")
    terminal.see("Left. `firmware-ctl setup --mock` goes on from here.")
    assert ended(terminal) == 1

    terminal = opened(terminals, tmp_path, *words)
    terminal.see("2 doctor                 skipped")
    step(3, "wiring")
    terminal.type("b")
    step(2, "doctor")
    terminal.type("\r")
    terminal.see("In a mock that is no matter")
    step(3, "wiring")
    terminal.type("\r")
    terminal.see("space begin")
    terminal.type(" ")
    terminal.see("(turns)")
    terminal.type("n")
    terminal.see("This step is not done yet")
    step(3, "wiring")
    terminal.type("\r")
    terminal.see("space begin")
    terminal.type(" ")
    terminal.see("(turns)")
    terminal.type("y")
    step(4, "calibrate lower_back")
    terminal.type("\r")
    calibrated(terminal)
    terminal.see("Write the new values?")
    terminal.type("y")
    terminal.see("Written to")
    step(5, "stop switch")
    terminal.type("\r")
    terminal.see("(turns)   n pressed, and it still runs")
    terminal.type("x")
    terminal.see("Seen: the motors' supply is off.")
    terminal.type("x")
    terminal.type(" ")
    terminal.see("runs again, gently.")
    terminal.see("(turns)")
    terminal.type("y")
    step(6, "start button")
    terminal.type("\r")
    terminal.see("Seen released. Press it and hold it.")
    terminal.type("b")
    terminal.see("Seen released: the start button is well.")
    step(7, "first session")
    terminal.type("\r")
    terminal.see("first-time is selected")
    terminal.type("b")
    terminal.see("running: ")
    terminal.type("z")
    terminal.see("It ran, and it is over.")
    step(8, "service")
    terminal.type("\r")
    terminal.see("All is done.")
    assert ended(terminal) == 0
    assert (tmp_path / "state" / "setup").read_text().splitlines() == [
        "done mat file",
        "done doctor",
        "done wiring",
        "done calibrate lower_back",
        "done stop switch",
        "done start button",
        "done first session",
        "done service",
    ]


def test_what_setup_skipped_is_taken_up_by_the_same_command(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = opened(terminals, tmp_path, *words)
    for _ in range(8):
        terminal.see("Enter do it")
        terminal.type("s")
    terminal.see("service. `firmware-ctl setup --mock` takes")
    assert ended(terminal) == 0


def test_setup_ended_from_outside_leaves_the_terminal_as_it_was(
    terminals: list[Terminal], mat_file: Path, tmp_path: Path
) -> None:
    words = ("setup", "--mock", "--mat", str(mat_file), "--state", str(tmp_path / "state"))
    terminal = opened(terminals, tmp_path, *words)
    terminal.see("Enter do it")
    terminal.process.terminate()
    assert ended(terminal) == 1


def test_setup_begins_with_a_mat_file_of_ones_own(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    terminal = opened(terminals, tmp_path, "setup", "--mock")
    terminal.see("calibrate hips")
    terminal.see("Enter do it")
    terminal.type("\r")
    terminal.see("is new, a copy of the shipped one.")
    terminal.see("any key goes on")
    terminal.type("g")
    terminal.see("Reference mat: 8 motors in neck, lower_back, hips.")
    terminal.see("Enter do it")
    own = tmp_path / ".local" / "state" / "firmware-ctl-mock" / "mat.yaml"
    text = own.read_text()
    assert text.partition("\n")[2] == (ROOT / "hw" / "mat.yaml").read_text().partition("\n")[2]
    own.write_text(text.replace("pin: 17", "pin: 27"))
    terminal.type("b")
    terminal.see("Enter do it")
    terminal.type("\r")
    terminal.see("GPIO 27 is already motor neck_left's pin")
    terminal.see("in another window, then do this step again.")
    terminal.see("Enter do it")
    terminal.type("q")
    assert ended(terminal) == 1
