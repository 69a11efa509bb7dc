"""The Debian package, installed, upgraded, removed and purged on a Debian 13 with systemd."""

import subprocess
from pathlib import Path

import pytest

from tests.packages.debian import Container, newer

ENABLED = "systemctl is-enabled firmware-ctl"
ACTIVE = "systemctl is-active firmware-ctl"
PROGRAM = "/usr/lib/python3/dist-packages/firmware_ctl"
ENDED = "SIGTERM: all motors are off; the daemon ends"


def test_lintian_finds_nothing(changes: Path) -> None:
    done = subprocess.run(
        ["lintian", "--profile", "debian", "--allow-root", "--pedantic", str(changes)],
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_first_install_starts_nothing_and_setup_enables_the_service(installed: Container) -> None:
    assert installed.run(ENABLED, exit_code=1) == "disabled\n"
    assert installed.run(ACTIVE, exit_code=3) == "inactive\n"
    assert installed.run("systemd-analyze verify firmware-ctl.service") == ""
    assert installed.run("stat -c '%U %a' /etc/firmware-ctl/profiles") == "root 755\n"
    assert "firmware-ctl" in installed.run("id firmware-ctl")
    assert "neck" in installed.run("firmware-ctl check")
    # The unit may start; there are no pins here, and the service says so and stays off.
    installed.run("firmware-ctl service install", exit_code=1)
    assert installed.run(ENABLED) == "enabled\n"
    assert "`firmware-ctl mock` plays the same without pins" in installed.log()


def test_upgrade_ends_a_session_before_the_files_change_and_starts_the_daemon_again(
    playing: Container, package: Path
) -> None:
    playing.run(f"apt-get install -qq -y {playing.put(newer(package, '9'))}")
    log = playing.log()
    assert log.index("state=running") < log.index(ENDED) < log.rindex("* ready firmware-ctl")
    [stopped] = [line for line in log.splitlines() if "Stopped firmware-ctl" in line]
    files_changed_at_s = playing.run(f"stat --format=%.6Z {PROGRAM}/__init__.py")
    assert float(stopped.split()[0]) < float(files_changed_at_s)
    assert playing.run(ACTIVE) == "active\n"
    assert "state=idle" in playing.run("firmware-ctl status --raw")
    # Whoever may use the control socket may read the history.
    owner = playing.run("stat -c '%U %G %a' /var/lib/firmware-ctl/history.jsonl")
    assert owner == "firmware-ctl firmware-ctl 640\n"
    assert "neck     socket" in playing.run("firmware-ctl history")
    assert "daemon or client ended" in playing.run("firmware-ctl history")


def test_upgrade_starts_no_service_that_is_disabled(playing: Container, package: Path) -> None:
    playing.run("firmware-ctl service uninstall")
    playing.run(f"apt-get install -qq -y {playing.put(newer(package, '10'))}")
    assert playing.run(ACTIVE, exit_code=3) == "inactive\n"


def test_upgrade_keeps_the_users_mat_file(installed: Container, package: Path) -> None:
    mat = "etc/firmware-ctl/mat.yaml"
    installed.run(f"sed -i 1i#mine /{mat}")
    path = installed.put(newer(package, "11", changed_file=mat))
    installed.run(f"apt-get install -qq -y -o Dpkg::Options::=--force-confold {path}")
    assert installed.run(f"head -1 /{mat}; tail -1 /{mat}.dpkg-dist") == "#mine\n# 11\n"


def test_remove_turns_the_mat_off_and_keeps_what_is_the_users(playing: Container) -> None:
    # What a daemon on real pins writes down; the container has no such chip.
    playing.run("echo /dev/gpiochip9 17 27 > /var/lib/firmware-ctl/lines")
    output = playing.run("apt-get remove -qq -y firmware-ctl")
    assert ENDED in playing.log()
    assert "GPIO 17, 27 cannot be driven low: /dev/gpiochip9: No such file" in output
    assert "firmware-ctl: a motor may still run: press the stop switch" in output
    playing.run("test ! -e /usr/bin/firmware-ctl -a ! -e /run/firmware-ctl")
    kept = "/etc/firmware-ctl/mat.yaml /etc/firmware-ctl/profiles /var/lib/firmware-ctl/ledger"
    playing.run(f"ls -d {kept}")


@pytest.mark.parametrize(
    ("own", "left"),
    [("", ""), ("mine.yaml", "/etc/firmware-ctl\n/etc/firmware-ctl/profiles\n")],
)
def test_purge_leaves_profiles_of_ones_own_alone(playing: Container, own: str, left: str) -> None:
    if own:
        playing.run(f"touch /etc/firmware-ctl/profiles/{own}")
    playing.run("apt-get purge -qq -y firmware-ctl")
    found = "find /etc/firmware-ctl /var/lib/firmware-ctl /usr/lib/systemd/system -type d"
    assert playing.run(f"{found} 2>/dev/null | grep firmware; true") == left
    if own:
        playing.run(f"ls /etc/firmware-ctl/profiles/{own}")


def test_service_of_another_installation_is_named(installed: Container) -> None:
    unit = "/etc/systemd/system/firmware-ctl.service"
    installed.run(f"cp /lib/systemd/system/firmware-ctl.service {unit}")
    output = installed.run("firmware-ctl service install", exit_code=1)
    assert f"{unit} of another installation takes the place of the package's unit" in output
