"""`service`: the unit and its files in place on a Pi, said line by line; again, it does nothing.

It knows where files go and which commands make them count. What is in them stands in `systemd/`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from difflib import unified_diff
from typing import Final, NamedTuple

from firmware_ctl import off, places, shipped
from firmware_ctl.errors import FirmwareError

UNIT: Final = "firmware-ctl.service"

FILES: Final = {
    "/etc/systemd/system/firmware-ctl.service": "firmware-ctl.service",
    "/etc/sysusers.d/firmware-ctl.conf": "firmware-ctl.sysusers",
    "/etc/tmpfiles.d/firmware-ctl.conf": "firmware-ctl.tmpfiles",
    "/etc/udev/rules.d/60-firmware-ctl.rules": "firmware-ctl.rules",
}
"""Where a file goes, and its name in the shipped folder `systemd`."""

UDEV: Final = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--subsystem-match=gpio"),
)
INSTALLED: Final = (
    ("systemd-sysusers", "/etc/sysusers.d/firmware-ctl.conf"),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/firmware-ctl.conf"),
    *UDEV,
    ("systemctl", "daemon-reload"),
    ("systemctl", "enable", UNIT),
    ("systemctl", "restart", UNIT),
)
REMOVE: Final = ("systemctl", "disable", "--now", UNIT)
REMOVED: Final = (("systemctl", "daemon-reload"), *UDEV)
IS_ENABLED: Final = ("systemctl", "is-enabled", "--quiet", UNIT)
IS_ACTIVE: Final = ("systemctl", "is-active", "--quiet", UNIT)

UNSEEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that the unit's sandbox hides: ProtectHome=, PrivateTmp=."""


class ServiceError(FirmwareError):
    """The service cannot be put in place, or not be taken away."""

    exit_code = 1


class Machine(NamedTuple):
    """Where everything goes: this machine, or a test's folder and a runner that writes down."""

    root: str
    run: Callable[[Sequence[str]], int]
    """Runs a command and gives back its exit code. Raises OSError where it is not there."""
    python: str
    package: str
    is_admin: bool

    def path(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str:
        """Nothing where there is no such file."""
        with suppress(FileNotFoundError), open(self.path(path), encoding="utf-8") as file:
            return file.read()
        return ""

    def files(self) -> dict[str, str]:
        """What has to lie where."""
        texts = {}
        for path, name in FILES.items():
            with open(os.path.join(shipped.systemd_dir(), name), encoding="utf-8") as file:
                texts[path] = file.read()
        unit = texts[f"/etc/systemd/system/{UNIT}"]
        unit = unit.replace("/opt/firmware-ctl/bin/python3", _unit_word(self.python))
        unit = unit.replace(
            "/opt/firmware-ctl/off.py", _unit_word(os.path.join(self.package, "off.py"))
        )
        return texts | {f"/etc/systemd/system/{UNIT}": unit}


def _unit_word(path: str) -> str:
    """A path as a unit file takes it."""
    return path.replace("\\", r"\\").replace("%", "%%").replace(" ", r"\x20")


def service(args: argparse.Namespace) -> int:
    """0 done, or all is in place · 1 something is missing, or could not be done."""
    machine = Machine(
        root="/",
        run=_run,
        python=sys.executable,
        package=os.path.dirname(os.path.abspath(off.__file__)),
        is_admin=os.geteuid() == 0,
    )
    return act(machine, args.action, args.dry_run)


def _run(words: Sequence[str]) -> int:
    """Of a question only the answer is wanted."""
    errors = subprocess.DEVNULL if "--quiet" in words else None
    return subprocess.run(words, stderr=errors).returncode


def act(machine: Machine, action: str, dry_run: bool) -> int:
    if action == "status":
        return status(machine)
    if not dry_run and not machine.is_admin:
        raise ServiceError(f"only root may do that; try: sudo {sys.argv[0]} service {action}")
    if not dry_run and not os.path.isdir(machine.path("/run/systemd/system")):
        raise ServiceError("systemd does not run here; --dry-run shows what would be done")
    try:
        (install if action == "install" else uninstall)(machine, dry_run)
    except OSError as error:
        raise ServiceError(f"{error.filename}: {error.strerror}") from None
    return 0


def install(machine: Machine, dry_run: bool) -> None:
    for path in (machine.python, os.path.realpath(machine.python), machine.package):
        if any(path.startswith(f"{folder}/") for folder in UNSEEN):
            raise ServiceError(
                f"the service could not see {path}; install the package outside of homes: sudo "
                "python3 -m venv --system-site-packages /opt/firmware-ctl, then with its pip"
            )
    texts = machine.files()
    if not os.path.exists(machine.path(places.SERVICE_MAT)):
        with open(shipped.mat_file(), encoding="utf-8") as file:
            mat = file.read()
        folder = os.path.dirname(shipped.mat_file())
        texts[places.SERVICE_MAT] = mat.replace("$schema=.", f"$schema={folder}")
    changed = [_write(machine, path, text, dry_run) for path, text in texts.items()]
    if any(changed) or not _is(machine, IS_ENABLED) or not _is(machine, IS_ACTIVE):
        _commands(machine, INSTALLED, dry_run)
    else:
        print("the service is in place and runs; nothing to change")


def uninstall(machine: Machine, dry_run: bool) -> None:
    found = [path for path in FILES if os.path.exists(machine.path(path))]
    if f"/etc/systemd/system/{UNIT}" in found:
        _commands(machine, [REMOVE], dry_run)
    for path in found:
        print(f"{'would remove' if dry_run else 'removed'} {path}")
        if not dry_run:
            os.unlink(machine.path(path))
    if found:
        _commands(machine, REMOVED, dry_run)
    else:
        print("the service is not installed; nothing to change")
    kept = [os.path.dirname(places.SERVICE_MAT), places.SERVICE_STATE]
    for path in kept:
        if os.path.exists(machine.path(path)):
            print(f"{path} is left as it is")


def status(machine: Machine) -> int:
    """Says what is in place, what differs, and whether it runs."""
    said = [*_status(machine)]
    for _, sentence in said:
        print(sentence)
    return 0 if all(is_good for is_good, _ in said) else 1


def _status(machine: Machine) -> Iterator[tuple[bool, str]]:
    for path, text in machine.files().items():
        found = machine.read(path)
        if not found:
            yield False, f"{path} is missing"
        elif found != text:
            yield False, f"{path} differs from what this version installs"
        else:
            yield True, f"{path} is in place"
    has_mat = os.path.exists(machine.path(places.SERVICE_MAT))
    yield has_mat, f"{places.SERVICE_MAT} is {'there' if has_mat else 'missing'}"
    is_enabled, is_active = _is(machine, IS_ENABLED), _is(machine, IS_ACTIVE)
    yield is_enabled, f"it {'starts' if is_enabled else 'does not start'} with the machine"
    yield (
        is_active,
        "it runs" if is_active else f"it does not run; why: journalctl -u {UNIT} -n 20",
    )


def _is(machine: Machine, question: Sequence[str]) -> bool:
    try:
        return machine.run(question) == 0
    except OSError:
        return False


def _write(machine: Machine, path: str, text: str, dry_run: bool) -> bool:
    """Puts a file in place and prints each line that changes; False: it was so already."""
    before = machine.read(path)
    if before == text:
        return False
    lines = unified_diff(
        before.splitlines(), text.splitlines(), path if before else "/dev/null", path, "", "", 0, ""
    )
    print("\n".join(lines))
    if not dry_run:
        real = machine.path(path)
        os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
        with open(f"{real}.part", "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
        os.replace(f"{real}.part", real)
    return True


def _commands(machine: Machine, commands: Sequence[Sequence[str]], dry_run: bool) -> None:
    for words in commands:
        if words in UDEV and not os.path.exists(machine.path("/run/udev/control")):
            continue  # in a container, say
        print(f"$ {' '.join(words)}", flush=True)
        if dry_run:
            continue
        try:
            code = machine.run(words)
        except OSError as error:
            raise ServiceError(f"{words[0]} cannot be run: {error.strerror}") from None
        if code:
            raise ServiceError(f"{' '.join(words)} failed (exit code {code}); see above")
