"""`mqtt`: the bridge between an MQTT broker and the daemon, in the foreground."""

import argparse
import os
import random

from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError

NOT_INSTALLED = (
    "the library paho-mqtt is missing; run: pip install 'firmware-ctl[mqtt]', "
    "or on Debian: apt install firmware-ctl-mqtt"
)


def mqtt(args: argparse.Namespace) -> int:
    """Runs the bridge until a signal ends it. Raises `DeviceError` if it cannot run."""
    require_library()
    from firmware_ctl.cli.log import open_log
    from firmware_ctl.remote.mqtt.bridge import Bridge
    from firmware_ctl.remote.mqtt.broker import make_client
    from firmware_ctl.remote.mqtt.runner import Runner, machine_id
    from firmware_ctl.remote.mqtt.settings import load_settings
    from firmware_ctl.remote.mqtt.topics import mat_id

    own_id = mat_id(machine_id())
    if args.id:
        print(own_id)
        return 0
    settings = load_settings(args.config, args.broker)
    if args.allow_start:
        settings = settings._replace(allow_start=True)
    # A wrong file is told before the first try to connect.
    make_client(settings, "", None, True)
    log = open_log()
    starts = "may start it" if settings.allow_start else "may stop it, not start it"
    log(f"mat {own_id} on the broker {settings.where}: messages {starts}")
    bridge = Bridge(own_id, settings.allow_start, settings.discovery_prefix, random.random)
    Runner(bridge, settings, lambda: args.socket or _usual_socket(), log).run()
    return 0


def require_library() -> None:
    """Raises `DeviceError` with the way to install it if the broker's library is missing."""
    try:
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: F401, older ones have another API
    except ImportError:
        raise DeviceError(NOT_INSTALLED) from None


def _usual_socket() -> str:
    """The service's socket if it is there, else that of the user's mock."""
    if os.path.exists(paths.SERVICE_SOCKET):
        return paths.SERVICE_SOCKET
    return paths.mock_socket()
