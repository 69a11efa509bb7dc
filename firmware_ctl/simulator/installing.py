"""What to say when the library of an extra is missing, with the command that installs it.

The command names the library and never this package: an index may hold another package of the same
name.
"""

import os
import shlex
import sys
import sysconfig
from importlib.util import find_spec
from typing import Final, NamedTuple

from firmware_ctl.errors import DeviceError


class Extra(NamedTuple):
    """An extra of `pyproject.toml`: what one kind of file, or one command, needs."""

    needs: str
    """The beginning of the sentence: what needs the library."""
    requirements: tuple[str, ...]
    """The same requirements as in `pyproject.toml`."""
    on_debian: str
    """What to do where Debian's packages own the Python that runs this program."""


EXTRAS: Final = {
    "edit": Extra("edit needs watchdog", ("watchdog>=2.2",), "sudo apt install python3-watchdog"),
    "plot": Extra(
        "pictures need matplotlib", ("matplotlib>=3.6",), "sudo apt install python3-matplotlib"
    ),
    "vcd": Extra(
        "a .vcd trace needs pyvcd",
        ("pyvcd>=0.4",),
        "Debian has no package of pyvcd, so choose .csv or .jsonl, or install firmware-ctl in a "
        "virtual environment",
    ),
    "web": Extra(
        "the page for phones needs tornado",
        ("segno>=1.4", "tornado>=6.2"),
        "sudo apt install python3-tornado python3-segno",
    ),
}


def missing(name: str) -> DeviceError:
    """The error that says what to install for this extra."""
    extra = EXTRAS[name]
    return DeviceError(f"{extra.needs} (extra {name}), which is not installed: {_advice(extra)}")


def _advice(extra: Extra) -> str:
    """A command for the shell. It uses `sudo` if this user may not write to the installation."""
    python, requirements = shlex.quote(sys.executable), shlex.join(extra.requirements)
    is_venv = sys.prefix != sys.base_prefix
    if not is_venv and _is_managed_by_the_system():
        return extra.on_debian
    sudo = "" if os.access(sysconfig.get_path("purelib"), os.W_OK) else "sudo "
    if find_spec("pip") is None:  # uv makes such environments
        return f"{sudo}uv pip install --python {python} {requirements}"
    return f"{sudo}{python} -m pip install {requirements}"


def _is_managed_by_the_system() -> bool:
    """Whether pip refuses to install here, because Debian's packages own this Python."""
    return os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
