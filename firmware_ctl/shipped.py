"""Where the shipped profiles, mat file and unit files lie.

In a wheel they travel inside the package; in a checkout they are its top-level folders.
"""

import os
from typing import Final

_PACKAGE: Final = os.path.dirname(os.path.abspath(__file__))
_IN_WHEEL: Final = os.path.join(_PACKAGE, "shipped")
_ROOT: Final = _IN_WHEEL if os.path.isdir(_IN_WHEEL) else os.path.dirname(_PACKAGE)


def profiles_dir() -> str:
    return os.path.join(_ROOT, "profiles")


def mat_file() -> str:
    return os.path.join(_ROOT, "hw", "mat.yaml")


def systemd_dir() -> str:
    return os.path.join(_ROOT, "systemd")


def child_environment() -> dict[str, str]:
    """For a Python of our own: with -P it finds this package, wherever it was started from."""
    return os.environ | {"PYTHONPATH": os.path.dirname(_PACKAGE)}
