"""The whole command: reports of whole machines, the mat file, exit codes, questions."""

import argparse
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_ctl.doctor import command
from firmware_ctl.doctor.command import examine, lines_of, summary
from firmware_ctl.doctor.finding import Finding
from tests.support.builder import QUICK
from tests.support.machines import (
    BCM2835,
    CONFIG,
    GOOD_PI_4,
    KEEPS,
    MAT,
    PI_4,
    PI_4_PINS,
    PI_5,
    STOCK_CONFIG,
    UPDATE,
    ZERO_2,
    Commands,
    Kernel,
    Make,
    not_root,
    opened,
    problems,
)
from tests.support.process import ROOT

Golden = Callable[[str, list[str]], None]


@pytest.mark.parametrize(
    ("name", "files", "changed"),
    [
        ("sound", GOOD_PI_4, {}),
        ("pi-4-fresh", PI_4, {"run": Commands({}, watchdog="1min")}),
        (
            "pi-5-fresh",
            PI_5,
            {
                "ioctl": Kernel("pinctrl-rp1", {17: "sysfs", 24: ""}),
                "run": Commands({}, watchdog="16s"),
            },
        ),
        (
            "zero-2-gadget",
            ZERO_2,
            {"clock_is_kept": lambda: False, "run": Commands({}, watchdog="1min")},
        ),
        (
            "pi-4-not-root",
            PI_4 | {f"{PI_4_PINS}/pinmux-pins": ""},
            {"ioctl": Kernel(denied=True), "may": not_root},
        ),
        ("laptop", {"etc/firmware-ctl/mat.yaml": MAT}, {}),
    ],
)
def test_whole_machine_gives_the_expected_report(
    name: str, files: dict[str, str], changed: dict[str, object], machine: Make, golden: Golden
) -> None:
    findings = examine(machine(files, **changed))
    lines = [*lines_of(findings), "", *summary(findings).splitlines()]
    golden(f"doctor-{name}.txt", lines)
    assert max(map(len, lines)) < 80


def test_finding_has_a_fix_unless_it_is_ok(machine: Make) -> None:
    findings = examine(machine(PI_5, ioctl=Kernel("pinctrl-rp1", {17: "sysfs"})))
    assert [f for _, f in findings if f.word != "ok" and not (f.fix or f.edit)] == []
    assert [f for _, f in findings if f.word == "ok" and (f.fix or f.edit)] == []


def test_doctor_on_a_laptop_exits_0_with_a_note(
    machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine({"etc/firmware-ctl/mat.yaml": MAT})
    monkeypatch.setattr(command, "Machine", lambda: here)
    assert command.doctor(argparse.Namespace(mat=None, json=False)) == 0
    assert problems(here)[0] == (
        "note not a Raspberry Pi: only the mat file was checked > `firmware-ctl doctor` on the Pi; here `firmware-ctl mock` plays the mat without pins"
    )


def test_doctor_on_a_good_machine_exits_0(machine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine()
    monkeypatch.setattr(command, "Machine", lambda: here)
    assert command.doctor(argparse.Namespace(mat=None, json=False)) == 0


def test_missing_own_mat_file_is_a_note_and_the_shipped_one_is_used(machine: Make) -> None:
    here = machine(
        {name: text for name, text in GOOD_PI_4.items() if not name.endswith("mat.yaml")}
    )
    assert [problem.replace(str(ROOT), "") for problem in problems(here)][:1] == [
        "note no mat file of your own: doctor checks the wiring of the shipped one (Reference mat) > copy /hw/mat.yaml to /etc/firmware-ctl/mat.yaml and change it"
    ]


def test_mat_option_with_a_missing_file_is_bad(machine: Make, tmp_path: Path) -> None:
    missing = str(tmp_path / "my.yaml")
    findings = [finding for _, finding in examine(machine(), missing) if finding.word == "BAD"]
    sentence = f"the mat file {missing} cannot be read: there is no such file"
    assert findings == [Finding("BAD", sentence, "give a file that exists with --mat")]


def test_supply_that_is_too_small_for_every_profile_is_bad(machine: Make) -> None:
    text = re.sub(r"max_ma: \d+", "max_ma: 200", (ROOT / "hw" / "mat.yaml").read_text())
    findings = examine(machine(GOOD_PI_4 | {"etc/firmware-ctl/mat.yaml": text}))
    (finding,) = [finding for _, finding in findings if finding.word == "BAD"]
    assert finding.sentence.startswith("the supply (max_ma: 200) is too small for every profile")
    assert "of 200 mA" in finding.sentence


def test_mat_without_the_zones_of_any_profile_has_no_short_supply(machine: Make) -> None:
    findings = examine(machine(GOOD_PI_4 | {"etc/firmware-ctl/mat.yaml": QUICK}))
    assert [finding for _, finding in findings if finding.word == "BAD"] == []


def test_mistakes_of_the_mat_file_are_bad_and_other_checks_still_run(machine: Make) -> None:
    wrong = MAT.replace("pin: 17", "pin: 4").replace("pwm_hz: 250", "pwm_hz: 20")
    here = machine(GOOD_PI_4 | {"etc/firmware-ctl/mat.yaml": wrong, BCM2835: "Y"})
    lines = [problem.replace(str(here.root), "") for problem in problems(here)]
    assert [re.sub(r":\d+:\d+:", ":", line) for line in lines] == [
        "BAD /etc/firmware-ctl/mat.yaml: pwm_hz: 20 is below 50; write 50 or more > correct the line; then doctor checks pins and ports too",
        "BAD /etc/firmware-ctl/mat.yaml: pin: GPIO 4 is pulled up at boot, the motor would run; use 9 to 27 > correct the line; then doctor checks pins and ports too",
        f"{KEEPS} keeps outputs > the firmware ignored `dtparam=strict_gpiod` in config.txt: {UPDATE}",
    ]


def test_doctor_on_a_narrow_terminal_divides_lines_between_words(
    machine: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine(PI_4)
    monkeypatch.setattr(command, "Machine", lambda: here)
    shown = {}
    for columns in (36, 200, 0):  # a serial line without a size has 0 columns
        size = os.terminal_size((columns, 20))
        monkeypatch.setattr("os.get_terminal_size", lambda fd, size=size: size)
        command.doctor(argparse.Namespace(mat=None, json=False))
        shown[columns] = capsys.readouterr().out
    head = len("machine   note ")
    for line in shown[36].splitlines():
        # Only one word alone, such as a path, or a command may be longer than the terminal.
        assert len(line) <= 36 or "`" in line or " " not in line[head:].strip(), line
    assert shown[200] == shown[0]
    assert 70 < max(map(len, shown[0].splitlines())) < 80
    assert [*shown[36].split()] == [*shown[0].split()]


@pytest.mark.parametrize(
    ("terminal", "uid", "asks", "last"),
    [
        (False, 0, False, "Fix what is BAD before you use the mat."),
        (True, 1000, False, "`sudo firmware-ctl doctor` adds the lines for you, and asks before"),
        (True, 0, True, "nothing was added"),
    ],
)
def test_doctor_asks_only_root_and_only_on_a_terminal(
    terminal: bool,
    uid: int,
    asks: bool,
    last: str,
    machine: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        raise EOFError

    here = machine(PI_4)
    monkeypatch.setattr(command, "Machine", lambda: here)
    monkeypatch.setattr("os.isatty", lambda fd: terminal)
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("builtins.input", ask)
    assert command.doctor(argparse.Namespace(mat=None, json=False)) == 1
    assert bool(asked) == asks
    assert capsys.readouterr().out.splitlines()[-1].startswith(last)
    assert here.text(CONFIG) + "\n" == STOCK_CONFIG


def test_doctor_json_has_every_finding_and_asks_nothing(
    machine: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine(PI_4)
    monkeypatch.setattr(command, "Machine", lambda: here)
    monkeypatch.setattr("os.isatty", lambda fd: True)
    assert command.doctor(argparse.Namespace(mat=None, json=True)) == 1
    findings = json.loads(capsys.readouterr().out)
    assert len(findings) == len(examine(here))
    assert {
        "subject": "pins",
        "word": "BAD",
        "sentence": f"{KEEPS.removeprefix('BAD ')} keeps outputs",
        "fix": None,
        "edit": {"path": f"/{CONFIG}", "lines": ["dtparam=strict_gpiod"]},
    } in findings


def test_process_name_with_escapes_is_printed_escaped(machine: Make) -> None:
    here = machine(GOOD_PI_4 | opened(9, "\x1b[2Jcat", "/dev/ttyS0", "/user.slice/a.scope"))
    text = " ".join(lines_of(examine(here)))
    assert "\x1b" not in text
    assert "\\x1b[2Jcat (process 9)" in text
