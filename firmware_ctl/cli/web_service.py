"""`web enable` and `web disable`: the page for phones as a service of its own.

It puts the unit and the description for Avahi into place, as `service install` does for the daemon.
"""

import os
import sys
from typing import Final

import firmware_ctl
from firmware_ctl.cli import service
from firmware_ctl.cli.service import ServiceError, ServiceHost
from firmware_ctl.config import shipped

UNIT: Final = "firmware-ctl-web.service"
UNIT_PATH: Final = f"/etc/systemd/system/{UNIT}"
AVAHI_PATH: Final = "/etc/avahi/services/firmware-ctl.service"
PACKAGED_UNIT: Final = f"/lib/systemd/system/{UNIT}"

FILES: Final = {UNIT_PATH: UNIT, AVAHI_PATH: "firmware-ctl.avahi"}
"""Path of each installed file, and its name in the shipped folder `systemd`."""

RELOADED: Final = ("systemctl", "daemon-reload")
STARTED: Final = (("systemctl", "enable", UNIT), ("systemctl", "restart", UNIT))
STOPPED: Final = ("systemctl", "disable", "--now", UNIT)


def web_service(action: str) -> int:
    """Enables or disables the page. Raises `ServiceError` (exit code 1)."""
    host = ServiceHost(
        root="/",
        run=service.run_command,
        python=sys.executable,
        package=os.path.dirname(firmware_ctl.__file__),
        is_admin=os.geteuid() == 0,
    )
    act(host, action)
    return 0


def act(host: ServiceHost, action: str) -> None:
    service.refuse_without_systemd(host, f"web {action}")
    try:
        (enable if action == "enable" else disable)(host)
    except OSError as error:
        raise ServiceError(f"{error.filename}: {error.strerror}") from None


def enable(host: ServiceHost) -> None:
    """Writes each file that differs, and starts the page now and at every boot."""
    if not any(map(os.path.exists, map(host.path, (service.UNIT_PATH, service.PACKAGED_UNIT)))):
        raise ServiceError(
            "the mat's own service is not installed; first: sudo firmware-ctl service install"
        )
    service.refuse_hidden(host)
    is_packaged = os.path.exists(host.path(PACKAGED_UNIT))
    for path, text in _files(host).items():
        if path != UNIT_PATH or not is_packaged:
            service.write(host, path, text)
    service.run_all(host, STARTED if is_packaged else (RELOADED, *STARTED))
    print("the page runs; pair a phone with it: sudo firmware-ctl web pair")


def _files(host: ServiceHost) -> dict[str, str]:
    texts = {}
    for path, name in FILES.items():
        with open(os.path.join(shipped.systemd_dir(), name), encoding="utf-8") as file:
            texts[path] = file.read()
    unit = texts[UNIT_PATH].replace("/opt/firmware-ctl/bin/python3", service.unit_word(host.python))
    return texts | {UNIT_PATH: unit}


def disable(host: ServiceHost) -> None:
    """Stops the page and removes its files. The paired devices are kept."""
    is_packaged = os.path.exists(host.path(PACKAGED_UNIT))
    installed = [path for path in FILES if os.path.exists(host.path(path))]
    if is_packaged or UNIT_PATH in installed:
        service.run_all(host, [STOPPED])
    for path in installed:
        os.unlink(host.path(path))
        print(f"removed {path}")
    if UNIT_PATH in installed:
        service.run_all(host, [RELOADED])
    elif not (is_packaged or installed):
        print("the page is not enabled; nothing to change")
