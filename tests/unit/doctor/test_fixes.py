"""Lines that doctor adds after a yes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_ctl.doctor.finding import Edit
from firmware_ctl.doctor.fixes import add_lines
from firmware_ctl.doctor.machine import Machine
from tests.support.machines import (
    CONFIG,
    GOOD_PI_4,
    PI_5,
    RP1,
    STOCK_CONFIG,
    Commands,
    Make,
    edits,
)
from tests.unit.doctor.conftest import SharedTree


@pytest.fixture
def tree(tmp_path: Path) -> SharedTree:
    """A tree for one test only, because these tests change files."""
    return SharedTree(tmp_path)


def answers(*words: str) -> tuple[Callable[[str], str], list[str]]:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return words[len(asked) - 1]

    return ask, asked


def test_add_lines_asks_for_each_edit_and_adds_only_after_yes(machine: Make) -> None:
    stock = PI_5 | {CONFIG: STOCK_CONFIG.replace("[all]\n", ""), RP1: "Y"}
    here = machine(stock, run=Commands({}, watchdog="16s"))
    ask, asked = answers("y", "", "Y")
    lines = list(add_lines(here, edits(here), ask))
    config, drop_in = "/boot/firmware/config.txt", "/etc/systemd/system.conf.d/zz-firmware-ctl.conf"
    assert asked == [
        f"\nAdd to {config}\n    dtparam=strict_gpiod\n[y/N] ",
        f"\nAdd to {config}\n    gpio=12-13,17,22-25,27=op,dl\n[y/N] ",
        f"\nAdd to {drop_in}\n    [Manager]\n    RuntimeWatchdogSec=10\n[y/N] ",
    ]
    assert lines == [
        f"added; backup: {config}.before-firmware-ctl",
        "added",
        "\nTakes effect after a reboot: sudo reboot",
    ]
    before = STOCK_CONFIG.replace("[all]\n", "")
    assert here.text(config) == before + "[all]\ndtparam=strict_gpiod"
    assert here.text(f"{config}.before-firmware-ctl") + "\n" == before
    assert here.text(drop_in) == "[Manager]\nRuntimeWatchdogSec=10"
    again = Machine(here.root, here.calls)
    assert edits(again) == [Edit(config, ("gpio=12-13,17,22-25,27=op,dl",))]


def test_add_lines_keeps_the_backup_of_the_first_change(machine: Make) -> None:
    here = machine(GOOD_PI_4 | {CONFIG: "enable_uart=1"})
    edit = Edit("/boot/firmware/config.txt", ("dtparam=uart0=on",))
    for _ in range(2):
        list(add_lines(here, [edit], answers("y")[0]))
    assert here.text(CONFIG) == "enable_uart=1\ndtparam=uart0=on\ndtparam=uart0=on"
    assert here.text(f"{CONFIG}.before-firmware-ctl") == "enable_uart=1"
    names = {path.name for path in here.at("boot/firmware").iterdir()}
    assert names == {"config.txt", "config.txt.before-firmware-ctl", "cmdline.txt"}


def test_add_lines_after_an_include_writes_the_all_filter(
    machine: Make,
) -> None:
    here = machine({CONFIG: "[all]\ninclude usercfg.txt", "boot/firmware/usercfg.txt": "[pi2]"})
    edit = Edit("/boot/firmware/config.txt", ("dtparam=strict_gpiod",))
    list(add_lines(here, [edit], answers("y")[0]))
    assert here.text(CONFIG) == "[all]\ninclude usercfg.txt\n[all]\ndtparam=strict_gpiod"


def test_add_lines_to_a_file_that_cannot_be_written_is_reported(machine: Make) -> None:
    here = machine(GOOD_PI_4 | {"etc/modules-load.d": "a file where a folder should be"})
    lines = list(add_lines(here, [Edit("/etc/modules-load.d/x.conf", ("dwc2",))], answers("y")[0]))
    assert lines == [
        "/etc/modules-load.d/x.conf cannot be written: File exists; the file is unchanged",
        "nothing was added",
    ]
