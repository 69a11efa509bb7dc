"""What people meet while they install, each with what docs/troubleshooting.md says about it."""

import re
import sys
from pathlib import Path

import pytest

from tests.packages.build import run, with_field, with_version
from tests.packages.debian import Container
from tests.support.process import ROOT

PROGRAM = "/usr/lib/python3/dist-packages/firmware_ctl"
OPT = "/opt/firmware-ctl"
PAGE = (ROOT / "docs/troubleshooting.md").read_text("utf-8")


def test_upgrade_on_a_full_disk_keeps_the_old_version_and_its_service(
    playing: Container, package: Path
) -> None:
    larger = with_version(package, "13", (f"{PROGRAM[1:]}/more", "x" * 5_000_000))
    path = playing.put(larger)
    used_kib = playing.run(f"du --summarize {PROGRAM}").split()[0]
    # In this folder is room for the program that is there, and not for the next version.
    playing.run(
        f"cp -a {PROGRAM} /srv/program && "
        f"mount -t tmpfs -o mode=755,size={int(used_kib) + 1000}k none {PROGRAM} && "
        f"cp -a /srv/program/. {PROGRAM}"
    )
    try:
        output = playing.run(f"dpkg --install {path}", exit_code=1)
        assert "No space left on device" in output
        assert playing.run("systemctl is-active firmware-ctl") == "active\n"
        assert "state=idle" in playing.run("firmware-ctl status --raw")
        assert "Version: 13" not in playing.run("dpkg --status firmware-ctl")
    finally:
        playing.run(f"systemctl stop firmware-ctl; umount {PROGRAM}; rm -r /srv/program")
    playing.run(f"apt-get install -qq -y {path}")
    assert playing.run("systemctl is-active firmware-ctl") == "active\n"


def test_package_of_another_architecture_is_refused(installed: Container, package: Path) -> None:
    other = with_field(package, "Architecture", "riscv64")
    output = installed.run(f"dpkg --install {installed.put(other)}", exit_code=1)
    assert "package architecture (riscv64) does not match system" in output
    assert "does not match system" in PAGE
    assert "neck" in installed.run("firmware-ctl check")


@pytest.fixture
def environment(installed: Container, tmp_path: Path) -> Container:
    """A machine without the package, with an environment of a Python that is gone."""
    installed.run("dpkg --purge firmware-ctl")
    installed.run(f"python3 -m venv --system-site-packages {OPT}")
    run(
        sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)
    )
    [wheel] = tmp_path.glob("*.whl")
    installed.run(f"rm -f /root/*.whl; cp {installed.put(wheel)} /root")
    installed.run(f"cd /root && {OPT}/bin/pip install --quiet --no-index ./{wheel.name}")
    installed.run(f"mv {OPT}/lib/python3.* {OPT}/lib/python3.11")
    return installed


def test_environment_of_a_python_that_is_gone_turns_motors_off_and_is_repaired(
    environment: Container,
) -> None:
    output = environment.run(f"{OPT}/bin/firmware-ctl --version", exit_code=1)
    assert "No module named 'firmware_ctl'" in output
    section = PAGE.partition("## After an upgrade of the operating system")[2]
    off, repair = re.findall(r"```text\n(.*?)```", section, re.DOTALL)[:2]
    environment.run(off.replace("sudo ", ""))
    # The unit cannot start without pins, which is not what this test is about.
    commands = [line.removeprefix("sudo ") for line in repair.splitlines()]
    environment.run(" && ".join(["cd /root", *commands[1:-1]]))
    assert commands[-1] == f"{OPT}/bin/firmware-ctl service install"
    assert environment.run(f"{OPT}/bin/firmware-ctl --version").startswith("firmware-ctl ")
    environment.run(f"rm -r {OPT} /root/*.whl")
