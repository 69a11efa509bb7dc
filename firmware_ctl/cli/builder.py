"""The builder's commands `wiring` and `setup`, and the other commands that these two use."""

import argparse
from contextlib import suppress

from firmware_ctl.cli.client import Client, NoDaemonError, open_socket
from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import first_evening, first_session
from firmware_ctl.commissioning import wiring as wiring_command


def wiring(args: argparse.Namespace) -> int:
    return wiring_command.wiring(args, guarded)


def setup(args: argparse.Namespace) -> int:
    return first_evening.setup(args, first_session.Commands(guarded, _connect, _install))


def _connect(path: str) -> Client | None:
    with suppress(NoDaemonError):
        return open_socket(path)
    return None


def _install() -> int:
    from firmware_ctl.cli import service

    return service.service(argparse.Namespace(action="install"))
