"""What `pyproject.toml` requires, the oldest versions that `.ci/run` tests with, and the Debian package."""

import re
import tomllib

from firmware_ctl import __version__
from firmware_ctl.cli.service import FILES, UNIT_PATH
from tests.support.process import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_floor_is_tested_with_its_oldest_version() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    floors = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    floors += [*extras["edit"], *extras["mqtt"], *extras["plot"], *extras["vcd"], *extras["web"]]
    lines = (ROOT / "tests/oldest.txt").read_text("utf-8").splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    for floor in floors:
        name, version = floor.split(">=")
        assert re.fullmatch(rf"{re.escape(version)}(\.\d+)?", oldest[name]), floor


def test_debian_package_requires_the_same_versions() -> None:
    control = (ROOT / "debian/control").read_text("utf-8")
    required = dict(re.findall(r"^ python3-([\w-]+) \(>= ([\d.]+)\),$", control, re.MULTILINE))
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    libraries = [*project["dependencies"], *extras["web"], *extras["mqtt"]]
    floors = dict(each.split(">=") for each in libraries)
    names = {"PyYAML": "yaml", "pyserial": "serial"}
    assert {names.get(name, name): version for name, version in floors.items()} == required


def test_debian_package_has_the_version_of_the_program() -> None:
    changelog = (ROOT / "debian/changelog").read_text("utf-8")
    assert changelog.startswith(f"firmware-ctl ({__version__}) ")


def test_debian_package_has_the_files_of_the_service() -> None:
    links = [ROOT / f"debian/firmware-ctl.{name}" for name in ("sysusers", "tmpfiles", "udev")]
    others = {ROOT / "systemd" / name for path, name in FILES.items() if path != UNIT_PATH}
    assert {link.resolve() for link in links} == others
