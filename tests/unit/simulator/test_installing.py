"""The command that installs the library of an extra, in each kind of installation."""

import os
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from firmware_ctl.simulator import installing
from tests.support.process import ROOT


@pytest.mark.parametrize(
    ("is_venv", "is_managed", "has_pip", "is_writable", "advice"),
    [
        (True, True, True, True, "/v/bin/python -m pip install 'matplotlib>=3.6'"),
        (True, False, True, False, "sudo /v/bin/python -m pip install 'matplotlib>=3.6'"),
        (True, False, False, True, "uv pip install --python /v/bin/python 'matplotlib>=3.6'"),
        (False, False, True, True, "/v/bin/python -m pip install 'matplotlib>=3.6'"),
        (False, True, True, False, "sudo apt install python3-matplotlib"),
    ],
)
def test_advice_fits_the_installation(
    is_venv: bool,
    is_managed: bool,
    has_pip: bool,
    is_writable: bool,
    advice: str,
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
    sentence = "pictures need matplotlib (extra plot), which is not installed: "
    assert str(installing.missing("plot")) == sentence + advice


def test_on_debians_python_a_library_without_a_package_needs_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert str(installing.missing("vcd")) == (
        "a .vcd trace needs pyvcd (extra vcd), which is not installed: Debian has no package of pyvcd, so choose .csv or .jsonl, or install firmware-ctl in a virtual environment"
    )


def test_requirements_are_those_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, extra in installing.EXTRAS.items():
        assert project["optional-dependencies"][name] == [*extra.requirements]
