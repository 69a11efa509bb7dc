"""The paths of the profiles, the mat file and the other files that come with the package.

In a wheel they are inside the package; in a checkout they are in its top-level folders.
"""

import os
from typing import Final

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_IN_WHEEL: Final = os.path.join(_PACKAGE, "shipped")
_ROOT: Final = _IN_WHEEL if os.path.isdir(_IN_WHEEL) else os.path.dirname(_PACKAGE)


def profiles_dir() -> str:
    return os.path.join(_ROOT, "profiles")


def mat_file() -> str:
    return os.path.join(_ROOT, "hw", "mat.yaml")


def mat_text() -> str:
    """The mat file for a copy elsewhere: the relative path to its schema becomes absolute."""
    path = mat_file()
    with open(path, encoding="utf-8") as file:
        return file.read().replace("$schema=.", f"$schema={os.path.dirname(path)}")


def systemd_dir() -> str:
    return os.path.join(_ROOT, "systemd")


def completion_file(shell: str) -> str:
    """The completion of `firmware-ctl` for `bash`, `zsh` or `fish`."""
    return os.path.join(_ROOT, "share", "completion", f"firmware-ctl.{shell}")


def child_environment() -> dict[str, str]:
    """The environment for a child Python process: with -P it still finds this package."""
    return os.environ | {"PYTHONPATH": os.path.dirname(_PACKAGE)}
