"""The files of a release, made twice from the last commit by `.ci/release`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_ctl import __version__
from tests.packages.build import TOOLS, missing
from tests.support.process import ROOT

MODULES = ("build", "hatchling", "twine")


def test_release_is_complete_and_the_same_bytes_twice(tmp_path: Path) -> None:
    absent = missing(TOOLS) + [name for name in MODULES if not importlib.util.find_spec(name)]
    if absent:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"a release needs {', '.join(absent)}; .ci/run installs them")
    if f'"{__version__}"' not in (committed := _committed("firmware_ctl/__init__.py")):
        pytest.skip(f"the release is made of the last commit, which has {committed}")
    done = subprocess.run(
        [ROOT / ".ci/release", tmp_path],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = [
        f"firmware-ctl-mqtt_{__version__}_all.deb",
        f"firmware-ctl-web_{__version__}_all.deb",
        f"firmware-ctl_{__version__}_all.deb",
        f"firmware_ctl-{__version__}-py3-none-any.whl",
        f"firmware_ctl-{__version__}.tar.gz",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["NOTES.md", "SHA256SUMS", *files]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
    notes = (tmp_path / "NOTES.md").read_text("utf-8")
    assert notes in _committed("CHANGELOG.md")
    assert "\n## " not in notes


def _committed(name: str) -> str:
    command = ["git", "-C", str(ROOT), "show", f"HEAD:{name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
