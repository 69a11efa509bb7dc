"""The command that installs matplotlib, in each kind of installation."""

import os
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from firmware_ctl.simulator import installing
from tests.support.process import ROOT


@pytest.mark.parametrize(
    ("is_venv", "is_managed", "has_pip", "is_writable", "command"),
    [
        (True, True, True, True, "/v/bin/python -m pip install 'matplotlib>=3.8'"),
        (True, False, True, False, "sudo /v/bin/python -m pip install 'matplotlib>=3.8'"),
        (True, False, False, True, "uv pip install --python /v/bin/python 'matplotlib>=3.8'"),
        (False, False, True, True, "/v/bin/python -m pip install 'matplotlib>=3.8'"),
        (False, True, True, False, "sudo apt install python3-matplotlib"),
    ],
)
def test_command_fits_the_installation(
    is_venv: bool,
    is_managed: bool,
    has_pip: bool,
    is_writable: bool,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/v/bin/python")
    monkeypatch.setattr(sys, "prefix", "/v" if is_venv else sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: is_writable)
    monkeypatch.setattr(installing, "find_spec", lambda _: object() if has_pip else None)
    if is_managed:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert installing.command_for_matplotlib() == command


def test_requirement_is_that_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["plot"] == [installing.MATPLOTLIB]
