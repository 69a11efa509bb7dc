"""Builds the Debian package from a checkout, and the same package again with another version."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.process import ROOT

TOOLS: Final = ("dpkg-buildpackage", "dh")
DEBIANS_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


def missing(tools: Sequence[str]) -> list[str]:
    return [tool for tool in tools if shutil.which(tool) is None]


def build_package(folder: Path, checkout: Path = ROOT) -> Path:
    """Builds the package from a copy of the checkout below `folder`. Returns its .changes file."""
    copy = folder / "firmware-ctl"
    listed = run("git", "-C", str(checkout), "ls-files", "-co", "--exclude-standard")
    for name in listed.splitlines():
        if not (checkout / name).exists():
            continue  # it is removed, and git does not know yet
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, copy / name, follow_symlinks=False)
    # Another Python may come first in PATH, which has none of the tools of Debian's.
    build = ("env", f"PATH={DEBIANS_PATH}", "dpkg-buildpackage", "-b", "-us", "-uc")
    run(*build, cwd=copy)
    [changes] = folder.glob("*.changes")
    return changes


def with_version(package: Path, version: str, file: tuple[str, str] | None = None) -> Path:
    """The package again with another version, and with one more file: its path and text.

    dpkg guards changes of a file below /etc.
    """
    return with_field(package, "Version", version, file)


def with_field(package: Path, field: str, value: str, file: tuple[str, str] | None = None) -> Path:
    """The package again with another value of one field of its control file."""
    folder = package.with_name(value)
    run("dpkg-deb", "-R", str(package), str(folder))
    control = folder / "DEBIAN/control"
    text = re.sub(f"^{field}: .*", f"{field}: {value}", control.read_text(), flags=re.MULTILINE)
    control.write_text(text)
    if file:
        name, text = file
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        if name.startswith("etc/"):
            with (folder / "DEBIAN/conffiles").open("a") as conffiles:
                conffiles.write(f"/{name}\n")
    built = package.with_name(f"firmware-ctl_{value}.deb")
    run("dpkg-deb", "--root-owner-group", "-b", str(folder), str(built))
    return built


def run(*command: str, cwd: Path | None = None) -> str:
    """Returns the command's stdout. Raises RuntimeError with its whole output if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout
