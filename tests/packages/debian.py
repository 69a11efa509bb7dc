"""Makes a root of Debian 13, and boots it in systemd-nspawn.

Root is needed, or `sudo` without a password. The root is in the cache of the emulated Pi.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.emulation.build import cached, digest, sources
from tests.packages.build import DEBIANS_PATH, run
from tests.packages.build import TOOLS as BUILD_TOOLS

TOOLS: Final = (*BUILD_TOOLS, "lintian", "mmdebstrap", "systemd-nspawn")
PACKAGES: Final = (
    "apt,dbus,python3,python3-paho-mqtt,python3-rich,python3-segno,python3-serial,python3-tornado,"
    "python3-venv,python3-yaml,systemd,systemd-sysv,udev,"
    "python3-gpiozero/sid"
)
"""Debian 13 has gpiozero 1.6.2. Its successor has 2.0.1, as Raspberry Pi OS has."""
APT_OPTIONS: Final = (
    'APT::Default-Release "trixie"',
    # A mirror may be frozen at a day.
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Retries "5"',
)
BOOT_S: Final = 120
COMMAND_S: Final = 120


class Container:
    """A booted root. `run` runs a command in it."""

    def __init__(self, leader_pid: int, root: Path) -> None:
        self._enter = [
            *AS_ROOT,
            *(
                "nsenter",
                f"--target={leader_pid}",
                "--mount",
                "--uts",
                "--ipc",
                "--pid",
                "--cgroup",
            ),
            *("env", "-i", f"PATH={DEBIANS_PATH}", "DEBIAN_FRONTEND=noninteractive", "sh", "-c"),
        ]
        self._root = root
        self.log_since = ""

    def begin_log(self) -> None:
        """Leaves out of `log` what the service has said before."""
        self.log_since = self.run("date +@%s.%6N").strip()

    def log(self) -> str:
        """The service's journal. A line begins with its time, in seconds since 1970."""
        unit = "--boot --unit=firmware-ctl --no-pager --output=short-unix"
        return self.run(f"journalctl {unit} --since={self.log_since}")

    def run(self, command: str, exit_code: int = 0) -> str:
        """The command's output and errors. It must end with this exit code."""
        done = subprocess.run(
            [*self._enter, command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
        )
        assert done.returncode == exit_code, (
            f"{command} ended with {done.returncode}: {done.stdout}"
        )
        return done.stdout

    def put(self, package: Path) -> str:
        """Copies a file into the root. Returns its path there."""
        run(*AS_ROOT, "cp", str(package), str(self._root / "srv"))
        return f"/srv/{package.name}"


@contextmanager
def booted(folder: Path) -> Iterator[Container]:
    """A Debian 13 of its own, unpacked into `folder`."""
    inputs = [word.encode() for word in (PACKAGES, *APT_OPTIONS)]
    cache = cached(f"debian-{digest(inputs)}", _make_root)
    root = folder / "root"
    root.mkdir()
    # The options were for making the root only.
    left_out = ("--exclude=./dev/*", "--exclude=./etc/apt/apt.conf.d/99mmdebstrap")
    run(*AS_ROOT, "tar", "-xf", str(cache / "root.tar"), "-C", str(root), *left_out)
    console = (folder / "console").open("wb")
    with console, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as news:
        news.bind(str(folder / "news"))
        news.settimeout(BOOT_S)
        nspawn = subprocess.Popen(
            [
                *(*AS_ROOT, "env", f"NOTIFY_SOCKET={folder / 'news'}"),
                *(
                    "systemd-nspawn",
                    "--quiet",
                    f"--directory={root}",
                    "--boot",
                    "--notify-ready=yes",
                ),
                *("--register=no", "--keep-unit", "--machine=firmware-ctl"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        told: dict[str, str] = {}
        while "READY" not in told or "X_NSPAWN_LEADER_PID" not in told:
            lines = news.recv(4096).decode().splitlines()
            told |= dict(line.split("=", 1) for line in lines if "=" in line)
    container = Container(int(told["X_NSPAWN_LEADER_PID"]), root)
    try:
        yield container
    finally:
        # Nothing in the root is kept, so nothing has to end in order.
        run(*AS_ROOT, "kill", "-KILL", told["X_NSPAWN_LEADER_PID"])
        nspawn.wait(BOOT_S)
        run(*AS_ROOT, "rm", "-rf", "--one-file-system", str(root))


def _make_root(folder: Path) -> None:
    lines = sources([("Debian", "trixie"), ("Debian", "sid")])
    options = [f"--aptopt={option}" for option in APT_OPTIONS]
    run(*AS_ROOT, "mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *options,
         "", str(folder / "root.tar"), *lines)  # fmt: skip


AS_ROOT: Final = () if os.geteuid() == 0 else ("sudo", "-n")
