"""`mock --web`: the page for phones as a child process of the mock."""

import argparse
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from importlib.util import find_spec

from firmware_ctl.cli.arguments import HERE
from firmware_ctl.config.shipped import child_environment
from firmware_ctl.errors import DeviceError
from firmware_ctl.simulator.installing import missing


def begin(args: argparse.Namespace, control_socket: str, stack: ExitStack) -> str:
    """Starts the page. Returns its address. The page ends with this process.

    Raises `DeviceError` if the extra is missing, or if the address that the person named is taken.
    """
    if find_spec("tornado") is None:
        raise missing("web")
    listening = _listen(args.web)
    options = {
        "socket": os.path.abspath(control_socket),
        "sources": [args.mat, args.profiles, [os.path.abspath(f) for f in args.files]],
        "listening": listening.fileno(),
    }
    with listening:
        child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "firmware_ctl.remote.web.beside_mock",
                json.dumps(options),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            env=child_environment(),
            # Ctrl-C is for the mock, with which the page ends.
            start_new_session=True,
        )
        stack.callback(_end, child)
        host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def _listen(address: tuple[str, int]) -> socket.socket:
    """A socket that listens there, or on a free port if the person has not named the address."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=128)
    except OSError as error:
        if address is HERE:
            return socket.create_server((host, 0), family=family, backlog=128)
        raise DeviceError(
            f"the page cannot be served on {host}:{port}: {error.strerror}; choose another address "
            "with --web HOST:PORT"
        ) from None


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
