"""The page beside a mock: a child process that ends with the mock, and listens on its socket.

`python -m firmware_ctl.remote.web.beside_mock OPTIONS`: JSON with the control socket, the
sources of profiles, and the descriptor of the listening socket. Standard input is a pipe of which
only the mock has the other end.
"""

import json
import socket
import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory

from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError
from firmware_ctl.remote.web.admin import own_folder
from firmware_ctl.remote.web.server import Options, serve
from firmware_ctl.remote.web.sources import Sources


def main(options: str) -> None:
    values = json.loads(options)
    listening = socket.socket(fileno=values["listening"])
    listening.setblocking(False)
    with ExitStack() as stack:
        chosen = Options(
            control_socket=values["socket"],
            state=_state(stack),
            sources=Sources(*values["sources"]),
            is_open_here=True,
            ends_with_stdin=True,
        )
        try:
            serve(chosen, [listening])
        except DeviceError as error:
            sys.exit(f"firmware-ctl: the page for phones does not run: {error}")


def _state(stack: ExitStack) -> str:
    """The user's folder of paired devices, or a new one if the page of another mock has it."""
    try:
        return own_folder(paths.web_state())
    except DeviceError:
        return stack.enter_context(TemporaryDirectory(prefix="firmware-ctl-web-"))


if __name__ == "__main__":
    main(sys.argv[1])
