"""Checks of the service, watchdog, disk, clock, board and Python: one change, its findings."""

import re

import pytest

from tests.support.machines import (
    GATED,
    INSTALL,
    KERNEL,
    NOT_BOOTED,
    STARTED,
    UNIT,
    Commands,
    Files,
    Make,
    check_one_change,
    problems,
)

OWN_WATCHDOG = "etc/systemd/system.conf.d/zz-firmware-ctl.conf"
WATCHDOG_LINES = "[Manager]\nRuntimeWatchdogSec=10\n"
RPI_WATCHDOG = {OWN_WATCHDOG: WATCHDOG_LINES}
ADD_WATCHDOG = (
    "add to /etc/systemd/system.conf.d/zz-firmware-ctl.conf: [Manager] | RuntimeWatchdogSec=10"
)
TOO_LONG = "BAD the Pi's watchdog is set to 1min but counts to 15 s: after a hang motors stay on for longer, or for good"
DROP_IN = "/etc/systemd/system/firmware-ctl.service.d/50-mine.conf"
DROP_IN_FIX = f"remove the line that changes it from {DROP_IN}, then `sudo systemctl daemon-reload` and `sudo systemctl restart firmware-ctl`; if none does, {INSTALL}"

PACKAGE = {
    "usr/bin/python3": "x",
    "usr/lib/python3/dist-packages/firmware_ctl/__init__.py": "x",
}
ENVIRONMENT = {"opt/firmware-ctl/bin/python3": "x"}


def runs(python: str) -> dict[str, str]:
    return {"ExecStart": f"{{ path={python} ; argv[]={python} -I -m firmware_ctl run ; pid=0 }}"}


@pytest.mark.parametrize(
    ("files", "changed", "expected"),
    [
        pytest.param(
            {},
            {"run": Commands(UNIT | {"DropInPaths": DROP_IN, "WatchdogUSec": "0", "ExecStopPost": ""})},
            [
                f"BAD it has no watchdog (WatchdogSec=): systemd does not end it when it hangs > {DROP_IN_FIX}",
                f"BAD it leaves the pins as they are after a crash (no ExecStopPost=) > {DROP_IN_FIX}",
            ],
            id="a drop-in without watchdog",
        ),
        pytest.param(
            {},
            {"run": Commands(UNIT | {"WatchdogSignal": "6", "CPUSchedulingPolicy": "0"})},
            [
                f"BAD a hung daemon may survive the signal of its watchdog (WatchdogSignal=SIGKILL) > {INSTALL}",
                f"note it has no real-time scheduling: under load its ticks come late, and a tick that is 250 ms late stops the session > {INSTALL}",
            ],
            id="another signal, no real time",
        ),
        pytest.param(
            {},
            {"run": Commands(UNIT | {"ExecStopPost": "{ path=/opt/x/python3 ; argv[]=/opt/x/python3 -I -S /opt/x/off.py /var/lib ; ignore_errors=no }"})},
            [f"BAD it leaves the pins as they are after a crash: /opt/x/off.py is gone > {INSTALL}"],
            id="the script of an older version",
        ),
        pytest.param(
            PACKAGE,
            {"run": Commands(UNIT | runs("/usr/bin/python3"))},
            [],
            id="the package alone",
        ),
        pytest.param(
            ENVIRONMENT,
            {"run": Commands(UNIT | runs("/opt/firmware-ctl/bin/python3"))},
            [],
            id="the environment alone",
        ),
        pytest.param(
            PACKAGE | ENVIRONMENT,
            {"run": Commands(UNIT | runs("/opt/firmware-ctl/bin/python3"))},
            [
                "note two installations: the unit runs the one in /opt/firmware-ctl, not the Debian package > for the package: `sudo /opt/firmware-ctl/bin/firmware-ctl service uninstall`, then `sudo /usr/bin/firmware-ctl service install`; else `sudo apt remove firmware-ctl`, then `sudo /opt/firmware-ctl/bin/firmware-ctl service install`"
            ],
            id="both, the unit runs the environment",
        ),
        pytest.param(
            PACKAGE | ENVIRONMENT,
            {"run": Commands(UNIT | runs("/usr/bin/python3"))},
            [
                "note two installations: the unit runs the Debian package, not the one in /opt/firmware-ctl > `sudo rm -r /opt/firmware-ctl /usr/local/bin/firmware-ctl`"
            ],
            id="both, the unit runs the package",
        ),
        pytest.param(
            PACKAGE,
            {"run": Commands(UNIT | runs("/opt/firmware-ctl/bin/python3"))},
            [
                "BAD the unit runs /opt/firmware-ctl/bin/python3, which is gone > install this program again, then `sudo firmware-ctl service install`"
            ],
            id="the unit of an environment that was deleted",
        ),
        pytest.param(
            {},
            {"run": lambda *words: ""},
            [
                "note systemd does not answer: neither the service nor the watchdog was checked > `systemctl show firmware-ctl` says why",
                "note the disk of /var/lib/firmware-ctl was not checked > `findmnt -T /var/lib` says why",
            ],
            id="systemd does not answer",
        ),
        pytest.param(
            {},
            {"deadman_doubt": lambda: "no timers"},
            [
                "BAD the kernel's dead-man timer cannot be relied on, so no session starts: no timers > run the daemon on Raspberry Pi OS itself, or start its container with `--init`"
            ],
            id="the first process of a container",
        ),
        pytest.param(
            {},
            {"run": Commands(UNIT, watchdog="0")},
            [f"BAD the Pi's watchdog is off: a kernel that hangs leaves motors on > {ADD_WATCHDOG}"],
            id="no watchdog",
        ),
        pytest.param(
            {"etc/systemd/system.conf.d/own.conf": "[Manager]\nRuntimeWatchdogSec=10seconds\n"},
            {"run": Commands(UNIT, watchdog="10s")},
            [],
            id="ten seconds, written as 10seconds",
        ),
        pytest.param({}, {"run": Commands(UNIT, watchdog="1min")}, [f"{TOO_LONG} > {ADD_WATCHDOG}"], id="a minute"),
        pytest.param(
            RPI_WATCHDOG | {"proc/stat": STARTED, "proc/1/x": "x"},
            {"run": Commands(UNIT, watchdog="1min")},
            [
                NOT_BOOTED,
                f"{TOO_LONG} > /etc/systemd/system.conf.d/zz-firmware-ctl.conf was changed after the last boot: `sudo reboot`",
            ],
            id="set, but not since the start",
        ),
        pytest.param(
            RPI_WATCHDOG,
            {"run": Commands(UNIT, watchdog="1min")},
            [
                f"{TOO_LONG} > something overrides /etc/systemd/system.conf.d/zz-firmware-ctl.conf: `systemd-analyze cat-config systemd/system.conf`, or `systemd.watchdog_sec=` in `cat /proc/cmdline`; remove that"
            ],
            id="set, and overridden",
        ),
        pytest.param(
            {"dev/watchdog0": None},
            {},
            [f"BAD there is no /dev/watchdog: a kernel that hangs leaves motors on > {KERNEL}"],
            id="no watchdog in the kernel",
        ),
        *(
            pytest.param(
                {},
                {"run": Commands(mount=f"{kind} 99999999 rw")},
                [
                    f"BAD /var/lib/firmware-ctl is in memory ({kind}): each restart forgets how much was used today > if `findmnt -T /var/lib` shows overlayroot: `sudo raspi-config nonint disable_overlayfs`, then `sudo reboot`; else remove that mount from /etc/fstab"
                ],
                id=f"{kind} forgets",
            )
            for kind in ("overlay", "tmpfs")
        ),
        pytest.param(
            {},
            {"run": Commands(mount="ext4 9999999 rw")},
            [
                "BAD 9 MiB are free for /var/lib/firmware-ctl: with a full disk no session starts > `sudo apt clean` and `sudo journalctl --vacuum-size=50M`"
            ],
            id="full disk",
        ),
        pytest.param(
            {},
            {"run": Commands(mount="ext4 0 rw\next4 99999999999 ro,noatime,errors=remount-ro")},
            [
                "BAD the disk of /var/lib/firmware-ctl is read-only: nothing can be accounted for, no session starts > `sudo mount -o remount,rw /`; if it happens again, replace the card"
            ],
            id="read-only disk",
        ),
        pytest.param(
            {"sys/devices/platform/soc/soc:firmware/get_throttled": "50000"},
            {},
            [
                "note under-voltage at some time since the boot: it would stop a session > use the Pi's own supply and a short thick cable; motors need a supply of their own"
            ],
            id="under-voltage since the start",
        ),
        pytest.param(
            {"etc/firmware-ctl/mat.yaml": GATED.replace(", released: 6", "").replace(", rail: 8", "")},
            {},
            [
                "note the gate has no read-back: the daemon cannot check that it really cuts the power > wire it, and name its pin in the mat file (rail)",
                "note a plain button: if its wire breaks, the button stops nothing and nothing reports it > fit a change-over contact, on two pins",
            ],
            id="plain button, gate without read-back",
        ),
        pytest.param(
            {
                "etc/firmware-ctl/mat.yaml": GATED.replace(
                    "button: {pressed: 5, released: 6}", ""
                ),
                "sys/class/rtc/rtc0/hctosys": "1",
            },
            {"clock_is_kept": lambda: False},
            [
                "note no start button: the stop switch is the only control on the mat > fit one, and name its pins in the mat file",
                "note not set over the network: time without power does not count towards the 24 hours of an allowance; only hours with the Pi on do > join a network; `timedatectl` shows whether the clock is synchronised",
            ],
            id="neither button nor a clock that is proven",
        ),
    ],
)  # fmt: skip
def test_host_with_one_change_gives_the_expected_findings(
    files: Files, changed: dict[str, object], expected: list[str], machine: Make
) -> None:
    check_one_change(machine, files, changed, expected)


def test_python_without_lgpio_is_bad_with_the_commands_to_install_it(machine: Make) -> None:
    (problem,) = problems(machine(find_module=lambda name: name == "lgpio"))
    assert re.fullmatch(
        r"BAD this Python \(3\.\d+\) has no lgpio, so no pin can be driven > "
        r"`sudo apt install python3-lgpio`, and this program in an environment made by "
        r"`/usr/bin/python3 -m venv --system-site-packages`",
        problem,
    )
