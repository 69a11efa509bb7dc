"""Checks of the serial ports: one change, its findings."""

import pytest

from firmware_ctl.doctor.command import examine
from firmware_ctl.doctor.fixes import add_lines
from firmware_ctl.doctor.machine import Machine
from tests.support.machines import (
    ADD,
    CONFIG,
    GOOD_CONFIG,
    GOOD_PI_4,
    NOT_BOOTED,
    ROOT_DOCTOR,
    RP1,
    STARTED,
    UNIT,
    Commands,
    Files,
    Make,
    check_one_change,
    config,
    edits,
    not_root,
    opened,
    with_port,
)

SWALLOWS = "it takes bytes that were meant for the mat, perhaps a stop"
LEAVE = "remove it from the mat file if nothing is wired to it"


@pytest.mark.parametrize(
    ("files", "changed", "expected"),
    [
        pytest.param(
            {"dev/serial0": None, CONFIG: GOOD_CONFIG.replace("enable_uart=1\n", "")},
            {},
            [f"BAD there is no /dev/serial0: it is not switched on > {LEAVE}, or {ADD} enable_uart=1"],
            id="UART is off",
        ),
        pytest.param(
            {"dev/serial0": None, "proc/stat": STARTED},
            {},
            [
                NOT_BOOTED,
                "BAD there is no /dev/serial0: it is not switched on > /boot/firmware/config.txt was changed after the last boot: `sudo reboot`",
            ],
            id="UART is on with the next start",
        ),
        pytest.param(
            {"dev/serial0": None},
            {},
            [
                f"BAD there is no /dev/serial0: it is not switched on > `enable_uart=1` did not enable it on this Pi: use one that exists (/dev/ttyS0), or {LEAVE}"
            ],
            id="a line that is older than the start and did not bring the UART",
        ),
        *(
            pytest.param(
                with_port(device),
                {},
                [
                    f"BAD there is no {device} on this Pi as it is set up; GPIO 14 and 15 are /dev/serial0 > /dev/serial0 in the mat file, or {LEAVE}"
                ],
                id=f"{device} is not there",
            )
            for device in ("/dev/serial2", "/dev/ttyAMA0", "/dev/ttyAMA7", "/dev/ttyS3")
        ),
        pytest.param(
            {"proc/consoles": "ttyS0 -W- (EC p a) 4:64"},
            {},
            [
                "BAD the kernel's console and its login are on /dev/serial0: they answer there, not the mat > `sudo reboot` if you removed it already; otherwise remove its `console=` from the kernel's command line (`cat /proc/cmdline`)"
            ],
            id="console on the port",
        ),
        pytest.param(
            {"boot/firmware/cmdline.txt": "console=serial0,115200 rootwait"},
            {},
            [
                "BAD the kernel's console and its login are on /dev/serial0: they answer there, not the mat > `sudo raspi-config nonint do_serial_cons 1`, then `sudo reboot`"
            ],
            id="console on the port with the next start",
        ),
        pytest.param(
            with_port("/dev/ttyUSB0")
            | {
                "dev/ttyUSB0": "",
                "dev/serial/by-id/usb-FTDI_A50285BI-if00-port0": "-> ../../ttyUSB0",
            },
            {},
            [
                "note /dev/ttyUSB0 may be another adapter after the next boot > in the mat file: /dev/serial/by-id/usb-FTDI_A50285BI-if00-port0"
            ],
            id="adapter by its number",
        ),
        pytest.param(
            with_port("/dev/serial/by-id/a"),
            {},
            [
                f"note there is no /dev/serial/by-id/a > plug it in (the daemon opens it by itself), or use one that exists (/dev/ttyS0), or {LEAVE}"
            ],
            id="adapter not plugged in",
        ),
        pytest.param(with_port("socket://pi:7000"), {}, [], id="a port of pyserial that is no device"),
        pytest.param(
            with_port("/dev/ttyGS0")
            | {
                "sys/class/udc/fe980000.usb": "x",
                "sys/module/g_serial": "x",
            },
            {},
            [
                "BAD there is no /dev/ttyGS0, though USB port and driver are set up: another gadget has it > `lsmod | grep ^g_` names it; remove it from /etc/modules-load.d, or remove /dev/ttyGS0 from the mat file"
            ],
            id="gadget set up",
        ),
        pytest.param(
            with_port("/dev/ttyGS0")
            | config("dtoverlay=dwc2,dr_mode=peripheral\n")
            | {"etc/modules-load.d/firmware-ctl-gadget.conf": "dwc2\ng_serial\n"},
            {},
            [
                "BAD there is no /dev/ttyGS0: the Pi's USB port is not in device mode > this Pi's USB port has no device mode: remove /dev/ttyGS0 from the mat file",
                "BAD there is no /dev/ttyGS0: its driver is not loaded > `sudo modprobe g_serial` says why it cannot be loaded; or remove /dev/ttyGS0 from the mat file",
            ],
            id="gadget on a board without such a port",
        ),
        pytest.param(
            opened(612, "agetty", "/dev/ttyS0", "/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service"),
            {},
            [
                f"BAD agetty (process 612) has /dev/serial0 open as well: {SWALLOWS} > `sudo systemctl disable --now serial-getty@ttyS0.service`"
            ],
            id="a login reads the port",
        ),
        pytest.param(
            opened(99, "cat", "/dev/ttyS0", "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service"),
            {},
            [f"BAD cat (process 99) has /dev/serial0 open as well: {SWALLOWS} > `sudo kill 99`"],
            id="a person's program reads the port",
        ),
        pytest.param(
            opened(7, "python3", "/dev/ttyS0", "/system.slice/firmware-ctl.service", "/opt/python3\0-I\0-m\0firmware_ctl\0run\0")
            | opened(8, "sshd", "/dev/pts/0", "/system.slice/ssh.service"),
            {},
            [],
            id="the daemon reads the port, and others read others",
        ),
        pytest.param(
            with_port("/dev/serial/by-id/a") | {"dev/serial/by-id/a": "-> ../../ttyACM0"},
            {"run": Commands(UNIT, active=("ModemManager.service", "ssh.service"))},
            [
                f"note ModemManager.service runs, which opens adapters such as /dev/serial/by-id/a when they are plugged in: {SWALLOWS} > `sudo systemctl disable --now ModemManager.service`"
            ],
            id="a program that probes adapters",
        ),
        pytest.param(
            {},
            {"run": Commands(UNIT, active=("ModemManager.service",))},
            [],
            id="a program that probes adapters, and the mat has none",
        ),
        pytest.param(
            {},
            {"may": not_root},
            [f"note who else has the ports open, and takes their bytes, was not checked > {ROOT_DOCTOR}"],
            id="not root",
        ),
    ],
)  # fmt: skip
def test_ports_with_one_change_give_the_expected_findings(
    files: Files, changed: dict[str, object], expected: list[str], machine: Make
) -> None:
    check_one_change(machine, files, changed, expected)


@pytest.mark.parametrize("device", ["/dev/serial0", "/dev/ttyAMA0", "/dev/ttyAMA5", "/dev/ttyGS0"])
@pytest.mark.parametrize("model", ["Pi 3 Model B Rev 1.2", "Pi 5 Model B Rev 1.0"])
def test_port_that_the_board_lacks_is_fixed_in_the_mat_file_without_a_reboot(
    model: str, device: str, machine: Make
) -> None:
    tree = GOOD_PI_4 | with_port(device) | {"proc/device-tree/model": f"Raspberry {model}"}
    tree |= {"dev/serial0": None, RP1: "N"}
    here = machine({name: text for name, text in tree.items() if text is not None})
    for edit in edits(here):
        list(add_lines(here, [edit], lambda question: "y"))
    again = Machine(
        here.root, here.calls
    )  # started since: GOOD_PI_4's start is later than any line
    assert edits(again) == []
    fixes = [finding.fix for _, finding in examine(again) if finding.word == "BAD"]
    assert fixes
    assert [fix for fix in fixes if "mat file" not in fix or "reboot" in fix] == []
