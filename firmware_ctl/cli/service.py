"""`service`: installs and removes the systemd service, and prints every file and line it changes.

It knows where the files go and which commands make them take effect. Their text is in `systemd/`.
The Debian package brings the files itself: then the service is only enabled or disabled.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import unified_diff
from typing import Final, NamedTuple

import firmware_ctl
from firmware_ctl.config import paths, shipped
from firmware_ctl.errors import FirmwareError
from firmware_ctl.storage.files import atomic_write

UNIT: Final = "firmware-ctl.service"
UNIT_PATH: Final = f"/etc/systemd/system/{UNIT}"

FILES: Final = {
    UNIT_PATH: "firmware-ctl.service",
    "/etc/sysusers.d/firmware-ctl.conf": "firmware-ctl.sysusers",
    "/etc/tmpfiles.d/firmware-ctl.conf": "firmware-ctl.tmpfiles",
    "/etc/udev/rules.d/60-firmware-ctl.rules": "firmware-ctl.rules",
}
"""Path of each installed file, and its name in the shipped folder `systemd`."""

PACKAGED_UNIT: Final = "/lib/systemd/system/firmware-ctl.service"
PACKAGED_AT: Final = "/usr/lib/python3/dist-packages/firmware_ctl"
"""Where the Debian package has the unit and this program."""

UDEV: Final = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--subsystem-match=gpio"),
)
STARTED: Final = (("systemctl", "enable", UNIT), ("systemctl", "restart", UNIT))
AFTER_INSTALL: Final = (
    ("systemd-sysusers", "/etc/sysusers.d/firmware-ctl.conf"),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/firmware-ctl.conf"),
    *UDEV,
    ("systemctl", "daemon-reload"),
    *STARTED,
)
BEFORE_UNINSTALL: Final = ("systemctl", "disable", "--now", UNIT)
AFTER_UNINSTALL: Final = (("systemctl", "daemon-reload"), *UDEV)
IS_ENABLED: Final = ("systemctl", "is-enabled", "--quiet", UNIT)
IS_ACTIVE: Final = ("systemctl", "is-active", "--quiet", UNIT)

HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that the sandbox of the unit hides (ProtectHome=, PrivateTmp=)."""


class ServiceError(FirmwareError):
    """The service cannot be installed or removed."""

    exit_code = 1


class ServiceHost(NamedTuple):
    """The machine to install on. A test gives a scratch folder and a runner that records."""

    root: str
    run: Callable[[Sequence[str]], int]
    """Runs a command and returns its exit code. Raises OSError if the command does not exist."""
    python: str
    package: str
    is_admin: bool

    def path(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str:
        """The text of a file, empty if there is none."""
        with suppress(FileNotFoundError), open(self.path(path), encoding="utf-8") as file:
            return file.read()
        return ""

    @property
    def is_packaged(self) -> bool:
        """Whether this program and its unit come from the Debian package."""
        return self.package == PACKAGED_AT and os.path.exists(self.path(PACKAGED_UNIT))

    def files(self) -> dict[str, str]:
        """Path and text of each file to install."""
        texts = {}
        for path, name in FILES.items():
            with open(os.path.join(shipped.systemd_dir(), name), encoding="utf-8") as file:
                texts[path] = file.read()
        unit = texts[UNIT_PATH]
        unit = unit.replace("/opt/firmware-ctl/bin/python3", unit_word(self.python))
        off = os.path.join(self.package, "hardware", "emergency_off.py")
        return texts | {UNIT_PATH: unit.replace("/opt/firmware-ctl/off.py", unit_word(off))}


def unit_word(path: str) -> str:
    """Escapes a path for a unit file."""
    return path.replace("\\", r"\\").replace("%", "%%").replace(" ", r"\x20")


def service(args: argparse.Namespace) -> int:
    """Installs or removes the service. Raises `ServiceError` (exit code 1)."""
    host = ServiceHost(
        root="/",
        run=run_command,
        python=sys.executable,
        package=os.path.dirname(firmware_ctl.__file__),
        is_admin=os.geteuid() == 0,
    )
    act(host, args.action)
    return 0


def run_command(words: Sequence[str]) -> int:
    # A question (`--quiet`) is answered by its exit code; its message would only confuse.
    errors = subprocess.DEVNULL if "--quiet" in words else None
    return subprocess.run(words, stderr=errors).returncode


def refuse_without_systemd(host: ServiceHost, command: str) -> None:
    """Raises `ServiceError` unless root runs this on a machine with systemd."""
    if not host.is_admin:
        raise ServiceError(f"only root may do that; try: sudo {sys.argv[0]} {command}")
    if not os.path.isdir(host.path("/run/systemd/system")):
        raise ServiceError("systemd does not run here")


def act(host: ServiceHost, action: str) -> None:
    refuse_without_systemd(host, f"service {action}")
    try:
        (install if action == "install" else uninstall)(host)
    except OSError as error:
        raise ServiceError(f"{error.filename}: {error.strerror}") from None


def install(host: ServiceHost) -> None:
    """Writes each file that differs, then starts the service. Does nothing if all is in place."""
    refuse_hidden(host)
    if host.is_packaged and os.path.exists(host.path(UNIT_PATH)):
        raise ServiceError(
            f"{UNIT_PATH} of another installation takes the place of the package's unit; remove "
            f"it: sudo rm {UNIT_PATH}, sudo systemctl daemon-reload, then this command again"
        )
    texts = {} if host.is_packaged else host.files()
    # The mat file belongs to the user once it is there, so it is never overwritten.
    if not os.path.exists(host.path(paths.SERVICE_MAT)):
        texts[paths.SERVICE_MAT] = shipped.mat_text()
    changes = [write(host, path, text) for path, text in texts.items()]
    if any(changes) or not _is(host, IS_ENABLED) or not _is(host, IS_ACTIVE):
        run_all(host, STARTED if host.is_packaged else AFTER_INSTALL)
    else:
        print("the service is in place and runs; nothing to change")


def refuse_hidden(host: ServiceHost) -> None:
    for path in (host.python, os.path.realpath(host.python), host.package):
        for folder in HIDDEN:
            if path.startswith(f"{folder}/"):
                raise ServiceError(
                    f"the service cannot read {path}, because systemd hides {folder} from it; "
                    "install into /opt/firmware-ctl: sudo python3 -m venv --system-site-packages "
                    "/opt/firmware-ctl, then sudo /opt/firmware-ctl/bin/pip install ."
                )


def uninstall(host: ServiceHost) -> None:
    """Stops the service and removes its files. Keeps mat file, profiles and state."""
    if host.is_packaged:
        run_all(host, [BEFORE_UNINSTALL])
        print("the files belong to the Debian package: `sudo apt remove firmware-ctl`")
        return
    installed = [path for path in FILES if os.path.exists(host.path(path))]
    if UNIT_PATH in installed:
        run_all(host, [BEFORE_UNINSTALL])
    for path in installed:
        os.unlink(host.path(path))
        print(f"removed {path}")
    if installed:
        run_all(host, AFTER_UNINSTALL)
    else:
        print("the service is not installed; nothing to change")
    for path in (os.path.dirname(paths.SERVICE_MAT), paths.SERVICE_STATE):
        if os.path.exists(host.path(path)):
            print(f"{path} is left as it is")


def _is(host: ServiceHost, question: Sequence[str]) -> bool:
    try:
        return host.run(question) == 0
    except OSError:
        return False


def write(host: ServiceHost, path: str, text: str) -> bool:
    """Writes a file and prints each line that changes. Returns False if the file has this text."""
    before = host.read(path)
    if before == text:
        return False
    lines = unified_diff(
        before.splitlines(), text.splitlines(), path if before else "/dev/null", path, "", "", 0, ""
    )
    print("\n".join(lines))
    target = host.path(path)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    atomic_write(target, text.encode(), mode=0o644)
    return True


def run_all(host: ServiceHost, commands: Sequence[Sequence[str]]) -> None:
    for words in commands:
        if words in UDEV and not os.path.exists(host.path("/run/udev/control")):
            continue  # no udev runs, for example in a container
        print(f"$ {' '.join(words)}", flush=True)
        try:
            code = host.run(words)
        except OSError as error:
            raise ServiceError(f"{words[0]} cannot be run: {error.strerror}") from None
        if code:
            raise ServiceError(f"{' '.join(words)} failed (exit code {code}); see above")
