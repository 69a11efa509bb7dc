"""A Pi that lacks something: the daemon names it in one sentence and does not start, doctor names the fix."""

import re
from typing import NamedTuple

import pytest

from tests.emulation.pi import Pi

AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


KILLED = "the last run on this state folder was killed"
"""The daemon may also print this: on a busy machine systemd's watchdog may have killed the service."""


class Lack(NamedTuple):
    setup: str
    """The command that makes the Pi lack something. The service is stopped then."""
    run: str
    """The command that starts the daemon. Empty: the daemon does not detect this lack."""
    sentence: str
    """The daemon's whole output."""
    finding: str
    """A part of doctor's output."""
    fix: str
    """A part of doctor's output, too."""


LACKS = {
    "no gpiochip": Lack(
        "rm /dev/gpiochip*",
        "firmware-ctl run",
        "there are no GPIO pins here: the kernel offers no /dev/gpiochip0; `firmware-ctl mock` plays the same without pins",
        "there is no /dev/gpiochip0: the kernel offers no pins",
        "start Raspberry Pi OS's own kernel",
    ),
    "no permission": Lack(
        "install -d -o 65534 /tmp/own",
        f"{AS_NOBODY} firmware-ctl run --state /tmp/own",
        "this user has no permission to open /dev/gpiochip0; use sudo, or join the group: `sudo usermod -aG gpio $USER`, then log out and in; `firmware-ctl mock` plays the same without pins",
        "this user has no permission to open /dev/gpiochip0",
        "`sudo usermod -aG gpio $USER`, then log out and in",
    ),
    "wrong chip": Lack(
        "rm /dev/gpiochip0",
        "firmware-ctl run",
        "no GPIO chip here (/dev/gpiochip1) drives the header of a Raspberry Pi; `firmware-ctl mock` plays the same without pins",
        "no GPIO chip drives the header of a Pi (found: raspberrypi-exp-gpio)",
        "start Raspberry Pi OS's own kernel",
    ),
    "pin taken": Lack(
        "systemctl stop fault-injector && "
        "sed -i 's/^PIN = .*/PIN = 17/' /usr/local/lib/emulation/fault_injector.py && "
        "rm -f /run/fault-injector && systemctl start fault-injector && "
        "until [ -p /run/fault-injector ]; do sleep 0.2; done",
        "firmware-ctl run",
        "motor neck_left on GPIO 17 cannot be used: 'GPIO busy'; `firmware-ctl doctor` says who holds it",
        "`injector`, another program or a driver, has GPIO 17 (motor neck_left)",
        "end the program, or use other pins",
    ),
    "no UART": Lack(
        "rm /dev/serial0 /dev/ttyAMA0",
        "",
        "",
        "there is no /dev/serial0: it is not switched on",
        "add `enable_uart=1` to /boot/firmware/config.txt",
    ),
    "console on the UART": Lack(
        "mkdir -p /boot/firmware && echo console=serial0,115200 >/boot/firmware/cmdline.txt",
        "",
        "",
        "the kernel's console and its login are on /dev/serial0: they answer there, not the mat",
        "`sudo raspi-config nonint do_serial_cons 1`, then `sudo reboot`",
    ),
    "another reader of the UART": Lack(
        "systemd-run --unit=login sh -c 'exec sleep infinity </dev/ttyAMA0' && "
        "until ls -l /proc/*/fd | grep -q ttyAMA0; do sleep 0.2; done",
        "",
        "",
        "has /dev/serial0 open as well",
        "`sudo systemctl disable --now login.service`",
    ),
    "read-only state folder": Lack(
        "mount --bind /var/lib/firmware-ctl /var/lib/firmware-ctl && "
        "mount -o remount,bind,ro /var/lib/firmware-ctl",
        "firmware-ctl run",
        "the state folder /var/lib/firmware-ctl cannot be used: Read-only file system",
        "the disk of /var/lib/firmware-ctl is read-only",
        "`sudo mount -o remount,rw /`",
    ),
}


@pytest.mark.parametrize("name", LACKS)
def test_daemon_and_doctor_name_what_is_missing_and_doctor_the_fix(pi: Pi, name: str) -> None:
    lack = LACKS[name]
    pi.run("systemctl stop firmware-ctl")
    pi.run(lack.setup)
    if lack.run:
        code, output = pi.shell(f"{lack.run} </dev/null")
        lines = [line for line in output.splitlines() if not line.startswith(KILLED)]
        assert (code, lines) == (2, [f"firmware-ctl: {lack.sentence}"])
        assert pi.high_motor_pins() == []
    user = f"{AS_NOBODY} " if "setpriv" in lack.run else ""
    code, output = pi.shell(f"{user}firmware-ctl doctor </dev/null")
    output = re.sub(r"\s+", " ", output)
    assert code == 1
    assert lack.finding in output, output
    assert lack.fix in output, output


def test_daemon_without_its_serial_port_waits_for_it(pi: Pi) -> None:
    log = "journalctl -b -u firmware-ctl -o cat -n 20"
    pi.run(
        "systemctl stop firmware-ctl && mv /dev/ttyAMA0 /dev/away && systemctl start firmware-ctl"
    )
    assert "/dev/serial0 cannot be opened yet" in (output := pi.run(log)), output
    pi.run("mv /dev/away /dev/ttyAMA0")
    pi.run(f"until {log} | sed '1,/opened yet/d' | grep -q 'is open at'; do sleep 0.5; done")
    with pi.client() as client:
        assert client.ask("ping") == ["ok"]


def test_a_unit_without_watchdog_plays_no_session(pi: Pi) -> None:
    folder = "/etc/systemd/system/firmware-ctl.service.d"
    pi.run(f"mkdir {folder} && printf '[Service]\\nWatchdogSec=0\\n' >{folder}/mine.conf")
    pi.run("systemctl daemon-reload && systemctl restart firmware-ctl")
    sentence = "the unit has no watchdog; give it WatchdogSec=2, as the shipped one has"
    code, output = pi.shell("firmware-ctl start full")
    assert (code, output.splitlines()[-1]) == (1, f"firmware-ctl: not-ready: {sentence}")
    code, output = pi.shell("firmware-ctl doctor </dev/null")
    assert code == 1
    assert "it has no watchdog (WatchdogSec=)" in output
    assert f"{folder}/mine.conf" in re.sub(r"\s+", " ", output)
