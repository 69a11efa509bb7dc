"""The file `lines`, `emergency_off` as a script of the unit, and the command `off`."""

import argparse
import io
import os
import re
import subprocess
import sys
from errno import EINVAL, ELOOP, EPIPE
from pathlib import Path

import pytest

from firmware_ctl.cli import off
from firmware_ctl.config import shipped
from firmware_ctl.hardware import emergency_off
from firmware_ctl.timeline.folder import load_mat
from tests.support.gpio_chip import GpioChip
from tests.support.process import PATIENCE_S, ROOT, Mock, environment

MAT_PINS = [17, 27, 22, 23, 24, 25, 12, 13]
SCRIPT = ROOT / "firmware_ctl" / "hardware" / "emergency_off.py"


# --- the file that the daemon leaves ---


FIRST_PIN = """\
import argparse, sys
from firmware_ctl.cli import main
from firmware_ctl.hardware import gpio
gpio.lgpio_factory = lambda: argparse.Namespace(chip=4)
gpio.GpioLed = lambda pin, factory: sys.exit(open(sys.argv[2] + "/lines").read())
main.main(sys.argv[1:2] + ["--state"] + sys.argv[2:])
"""


def test_run_writes_its_lines_before_it_takes_a_pin(tmp_path: Path) -> None:
    words = ["run", str(tmp_path / "state"), "--mat", shipped.mat_file()]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PIN, *words],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == "/dev/gpiochip4 17 27 22 23 24 25 12 13\n\n"


def test_power_pins_include_the_heartbeat_of_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "mat.yaml"
    text = Path(shipped.mat_file()).read_text()
    path.write_text(text.replace("#   gate: {", "gate: {"))
    assert load_mat(str(path)).power_pins == (*MAT_PINS, 26)


def test_read_lines_returns_what_write_lines_wrote(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert emergency_off.read_lines(folder) == ("", [])
    before = os.umask(0o077)
    emergency_off.write_lines(folder, "/dev/gpiochip0", (17, 27))
    os.umask(before)
    assert emergency_off.read_lines(folder) == ("/dev/gpiochip0", [17, 27])
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [
        ("lines", 0o644)
    ]
    (tmp_path / "lines").write_text("/dev/gpiochip0" + " 999" * 64)
    assert emergency_off.read_lines(folder) == ("/dev/gpiochip0", [999] * 64)
    for chip_and in ("", " 17 -1", " 17 1000", " 1" * 65, " \u00b2", "\0" * 99):
        (tmp_path / "lines").write_text(f"/dev/gpiochip0{chip_and}")
        with pytest.raises(ValueError, match="does not name a chip and its pins"):
            emergency_off.read_lines(folder)
    for text in ("", "17 27"):
        (tmp_path / "lines").write_text(text)
        with pytest.raises(ValueError, match="does not name a chip and its pins"):
            emergency_off.read_lines(folder)


@pytest.mark.parametrize("name", ["lines", "lines.part"])
def test_write_lines_follows_no_link_and_opens_no_fifo(name: str, tmp_path: Path) -> None:
    """The folder is the service's, and root writes there: `sudo firmware-ctl wiring`."""
    roots_file, folder = tmp_path / "roots", tmp_path / "state"
    folder.mkdir()
    for kind in ("link", "hard link", "FIFO"):
        roots_file.write_text("root's own")
        if kind == "link":
            (folder / name).symlink_to(roots_file)
        elif kind == "hard link":
            (folder / name).hardlink_to(roots_file)
        else:
            os.mkfifo(folder / name)
        emergency_off.write_lines(str(folder), "/dev/gpiochip0", (17,))
        assert roots_file.read_text() == "root's own"
        assert emergency_off.read_lines(str(folder)) == ("/dev/gpiochip0", [17])
        assert os.listdir(folder) == ["lines"]
        (folder / "lines").unlink()


def test_write_lines_through_a_link_that_has_just_appeared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lines.part").symlink_to(tmp_path / "roots")
    monkeypatch.setattr(os, "listdir", lambda _: [])
    with pytest.raises(FileExistsError):
        emergency_off.write_lines(str(tmp_path), "/dev/gpiochip0", (17,))
    assert not (tmp_path / "roots").exists()


@pytest.mark.parametrize(
    "path",
    ["/dev/null", "/dev/gpiochip", "/dev/gpiochip0/../null", "/dev/gpiochip\u0660", "/etc/passwd"],
)
def test_read_lines_that_name_no_chip_refuses(path: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(f"{path} 17\n")
    with pytest.raises(ValueError, match="does not name a chip and its pins"):
        emergency_off.read_lines(str(tmp_path))
    assert emergency_off.drive_low(path, [17]) == ({17: f"{path}: is not a GPIO chip"}, [])


def test_open_chip_opens_character_devices_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "_is_chip", lambda path: True)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    os.close(emergency_off.open_chip(os.devnull))
    before = os.listdir("/proc/self/fd")
    for name in ("fifo", "file"):
        with pytest.raises(OSError, match="is not a GPIO chip") as error:
            emergency_off.open_chip(str(tmp_path / name))
        assert (error.value.errno, error.value.strerror) == (EINVAL, "is not a GPIO chip")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("kind", "number", "sentence"),
    [
        ("FIFO", EINVAL, "lines is not a regular file"),
        ("link", ELOOP, "Too many levels of symbolic links"),
    ],
)
def test_read_lines_of_a_fifo_or_link_refuses_at_once(
    kind: str, number: int, sentence: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    if kind == "FIFO":
        os.mkfifo(lines)
    else:
        (tmp_path / "other").write_text("/dev/gpiochip0 17\n")
        lines.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=sentence) as error:
        emergency_off.read_lines(str(tmp_path))
    assert error.value.errno == number


# --- what `main` says, and its exit code ---


def test_main_drives_the_pins_of_the_last_daemon_low(
    tmp_path: Path, gpio_chip: GpioChip, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "s")
    emergency_off.write_lines(str(tmp_path), gpio_chip.chip, (17, 27))
    assert emergency_off.main([str(tmp_path), path]) == 0
    assert gpio_chip.low == {17, 27}
    assert capsys.readouterr().out == (
        f"firmware-ctl off: no daemon runs: there is no {path}\nfirmware-ctl off: GPIO 17, 27 low\n"
    )


def test_main_with_a_pin_that_stays_up_fails_and_says_who_held_it(
    tmp_path: Path,
    gpio_chip: GpioChip,
    child: "subprocess.Popen[bytes]",
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", PATIENCE_S)
    emergency_off.write_lines(str(tmp_path), gpio_chip.chip, (17, 27, 60))
    gpio_chip.held = {27: child.pid}
    assert emergency_off.main([str(tmp_path), str(tmp_path / "s")]) == 1
    assert gpio_chip.low == {17, 27}
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"firmware-ctl off: GPIO 27 held by another program: process {child.pid} was killed",
        "firmware-ctl off: GPIO 17, 27 low",
        "firmware-ctl off: GPIO 60 cannot be driven low: Invalid argument",
    ]


def test_main_leaves_the_pins_of_an_idle_daemon_to_it(
    tmp_path: Path, gpio_chip: GpioChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "stop_daemon", lambda path: (1, "it is idle", True))
    emergency_off.write_lines(str(tmp_path), gpio_chip.chip, (17,))
    gpio_chip.held = {17: 1}
    assert emergency_off.main([str(tmp_path), str(tmp_path / "s")]) == 0


@pytest.mark.parametrize(("is_certain", "code"), [(True, 0), (False, 1)])
def test_main_succeeds_only_if_no_daemon_can_run_a_motor(
    is_certain: bool,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emergency_off, "stop_daemon", lambda path: (0, f"asked {path}", is_certain))
    assert emergency_off.main([str(tmp_path), "s"]) == code
    assert capsys.readouterr().out == (
        f"firmware-ctl off: asked s\nfirmware-ctl off: no daemon on {tmp_path} ever took a pin\n"
    )
    (tmp_path / "lines").write_text("rubbish")
    assert emergency_off.main([str(tmp_path), "s"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == (
        f"firmware-ctl off: {tmp_path}/lines does not name a chip and its pins; "
        "start the daemon once"
    )


def test_main_without_its_two_arguments_says_what_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert emergency_off.main([]) == 2
    assert capsys.readouterr().err == (
        "usage: python3 -I -S emergency_off.py STATE_FOLDER CONTROL_SOCKET\n"
    )


def test_main_whose_reader_has_gone_leaves_python_nothing_to_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError(EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    assert emergency_off.main([str(tmp_path), str(tmp_path / "s")]) == 0
    assert sys.stdout is None


# --- as the unit runs it ---


def script(*words: str, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *options, "-I", "-S", str(SCRIPT), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.alone
def test_script_runs_alone_and_loads_few_modules(tmp_path: Path) -> None:
    done = script(str(tmp_path), str(tmp_path / "s"), options=("-X", "importtime"))
    assert (done.returncode, done.stdout) == (
        0,
        f"firmware-ctl off: no daemon runs: there is no {tmp_path}/s\n"
        f"firmware-ctl off: no daemon on {tmp_path} ever took a pin\n",
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"_socket", "fcntl", "_struct"} <= loaded
    assert not loaded & {"site", "socket", "enum", "re", "typing", "signal", "firmware_ctl"}


@pytest.mark.alone
def test_script_names_each_pin_that_it_cannot_drive(tmp_path: Path) -> None:
    emergency_off.write_lines(str(tmp_path), "/dev/gpiochip999", (17, 27))
    done = script(str(tmp_path), str(tmp_path / "s"))
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "firmware-ctl off: GPIO 17, 27 cannot be driven low: "
        "/dev/gpiochip999: No such file or directory"
    ]
    (tmp_path / "lines").unlink()
    os.mkfifo(tmp_path / "lines")
    done = script(str(tmp_path), str(tmp_path / "s"))
    assert (done.returncode, done.stderr) == (1, "")
    assert script().returncode == 2


@pytest.mark.alone
def test_script_without_a_reader_of_its_output_succeeds(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-I", "-S", str(SCRIPT), str(tmp_path), str(tmp_path / "s")]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, timeout=PATIENCE_S)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


# --- the command ---


def run_off(
    capsys: pytest.CaptureFixture[str], path: str, state: Path, mat: str | None = None
) -> tuple[int, list[str]]:
    mat = mat or shipped.mat_file()
    code = off.all_low(argparse.Namespace(socket=path, state=str(state), mat=mat))
    return code, capsys.readouterr().out.splitlines()


def test_off_drives_the_pins_of_the_mat_and_of_the_last_daemon(
    tmp_path: Path,
    gpio_chip: GpioChip,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = str(tmp_path / "s")
    nobody = f"firmware-ctl: no daemon runs: there is no {path}"
    low = "firmware-ctl: GPIO 12, 13, 17, 22, 23, 24, 25, 27 low"
    monkeypatch.setattr(emergency_off, "find_chip", lambda: gpio_chip.chip)
    assert run_off(capsys, path, tmp_path) == (0, [nobody, low])
    emergency_off.write_lines(str(tmp_path), gpio_chip.chip, (9, 17))
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    assert run_off(capsys, path, tmp_path) == (0, [nobody, low.replace("12", "9, 12", 1)])
    assert gpio_chip.requests == [MAT_PINS, [9, 17, *MAT_PINS[1:]]]
    code, lines = run_off(capsys, path, tmp_path, str(tmp_path / "none.yaml"))
    assert (code, lines[-1]) == (0, "firmware-ctl: GPIO 9, 17 low")
    assert "none.yaml cannot be read" in lines[1]


def test_off_without_pins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    monkeypatch.setattr(emergency_off, "IDLE_WITHIN_S", PATIENCE_S)
    with Mock(tmp_path / "mock") as mock:
        pid = mock.process.pid
        assert run_off(capsys, mock.socket, tmp_path) == (
            0,
            [
                f"firmware-ctl: the daemon (process {pid}) is stopped; all motors are off",
            ],
        )
    path = str(tmp_path / "s")
    assert run_off(capsys, path, tmp_path) == (
        1,
        [
            f"firmware-ctl: no daemon runs: there is no {path}",
            "firmware-ctl: GPIO 12, 13, 17, 22, 23, 24, 25, 27 cannot be driven low: "
            "no GPIO chip of a Pi can be opened here",
        ],
    )


@pytest.mark.alone
def test_script_imports_only_the_standard_library() -> None:
    imports = re.findall(r"^\s*(?:import|from) (\S+)", SCRIPT.read_text(), re.MULTILINE)
    assert imports == [
        "_socket",
        "fcntl",
        "os",
        "stat",
        "struct",
        "sys",
        "errno",
        "time",
        "signal",
        "collections.abc",
        "_signal",
    ]
