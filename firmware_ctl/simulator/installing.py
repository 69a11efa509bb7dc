"""The command that installs matplotlib for the Python that runs this program.

It names matplotlib and never this package: an index may hold another package of the same name.
"""

import os
import shlex
import sys
import sysconfig
from importlib.util import find_spec
from typing import Final

MATPLOTLIB: Final = "matplotlib>=3.8"
"""The same requirement as the extra `plot` has in `pyproject.toml`."""


def command_for_matplotlib() -> str:
    """A command for the shell. It uses `sudo` if this user may not write to the installation."""
    python, requirement = shlex.quote(sys.executable), shlex.quote(MATPLOTLIB)
    is_venv = sys.prefix != sys.base_prefix
    if not is_venv and _is_managed_by_the_system():
        return "sudo apt install python3-matplotlib"
    sudo = "" if os.access(sysconfig.get_path("purelib"), os.W_OK) else "sudo "
    if find_spec("pip") is None:  # uv makes such environments
        return f"{sudo}uv pip install --python {python} {requirement}"
    return f"{sudo}{python} -m pip install {requirement}"


def _is_managed_by_the_system() -> bool:
    """Whether pip refuses to install here, because Debian's packages own this Python."""
    return os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
