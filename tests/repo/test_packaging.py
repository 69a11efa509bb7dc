"""What `pyproject.toml` requires, and the oldest versions that `.ci/run` tests with."""

import re
import tomllib

from tests.support.process import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_floor_is_tested_with_its_oldest_version() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    floors = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    floors += [*extras["plot"], *extras["vcd"]]
    lines = (ROOT / "tests/oldest.txt").read_text("utf-8").splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    for floor in floors:
        name, version = floor.split(">=")
        assert re.fullmatch(rf"{re.escape(version)}(\.\d+)?", oldest[name]), floor
