"""The package, built once, and a Debian 13 that has it installed anew for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import build, debian
from tests.packages.debian import Container

PLAYS_WITHOUT_PINS = """[Service]
Type=simple
WatchdogSec=0
CPUSchedulingPolicy=other
ExecStart=
ExecStart=/usr/bin/python3 -I -m firmware_ctl mock --no-view --socket /run/firmware-ctl/control.sock --state /var/lib/firmware-ctl
ExecStartPost=/bin/sh -c 'until [ -S /run/firmware-ctl/control.sock ]; do sleep 0.1; done'
"""
"""A drop-in for the unit: the container has no pins, and may have no real-time scheduling."""


@pytest.fixture(scope="session")
def changes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = build.missing(debian.TOOLS)
    if missing:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"the Debian package needs {', '.join(missing)}; .ci/run installs them")
    return build.build_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def package(changes: Path) -> Path:
    [package] = changes.parent.glob("firmware-ctl_*.deb")
    return package


@pytest.fixture(scope="session")
def bridges(changes: Path) -> list[Path]:
    """The packages of the page and of the MQTT bridge."""
    return sorted(changes.parent.glob("firmware-ctl-*.deb"))


@pytest.fixture(scope="session")
def container(changes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with debian.booted(tmp_path_factory.mktemp("debian")) as container:
        yield container


@pytest.fixture
def installed(container: Container, package: Path) -> Container:
    """A machine on which the package has just been installed for the first time."""
    container.run(
        "dpkg --purge firmware-ctl-web firmware-ctl-mqtt firmware-ctl; rm -rf /etc/firmware-ctl /etc/systemd/system/firmware-ctl*;"
        "systemctl daemon-reload"
    )
    container.begin_log()
    container.run(f"apt-get install -qq -y {container.put(package)}")
    return container


@pytest.fixture
def playing(installed: Container) -> Container:
    """A machine whose service plays a session on simulated pins."""
    folder = "/etc/systemd/system/firmware-ctl.service.d"
    installed.run(f"mkdir {folder} && cat > {folder}/mock.conf <<'END'\n{PLAYS_WITHOUT_PINS}END\n")
    installed.run("systemctl daemon-reload && firmware-ctl service install")
    assert installed.run("firmware-ctl start neck") == "ok profile=neck left=480\n"
    return installed
