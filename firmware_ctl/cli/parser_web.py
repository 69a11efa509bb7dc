"""The arguments of `web`, and the function that runs it."""

from argparse import ArgumentParser, Namespace
from typing import Final

from firmware_ctl.cli.arguments import Run, add_mat, add_profiles, add_socket, host_port

WEB: Final = """
Without an action it serves the page in the foreground, for the service's daemon
or the user's mock. `enable` and `disable` do the same as a service. A phone is
paired once: `pair` prints an address and a code of six digits, as a QR code
too. Anybody in the network may stop the mat; only paired phones may start it."""

ACTIONS: Final = ("enable", "disable", "pair", "devices", "revoke")


def add_web(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{WEB}"
    parser.add_argument(
        "action", metavar="ACTION", nargs="?", choices=ACTIONS, help=", ".join(ACTIONS)
    )
    parser.add_argument(
        "device", metavar="DEVICE", nargs="?", help="for revoke: a device of `devices`, or `all`"
    )
    add_socket(parser)
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=host_port,
        help="where to serve the page (default: port 8043 of every address)",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        action="append",
        default=[],
        help="a host name by which browsers may ask for the page, beside addresses, localhost and "
        "names in .local; repeatable",
    )
    add_mat(parser)
    add_profiles(parser)
    parser.add_argument("--state", metavar="DIR", help="folder of the paired devices")

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import web

        return web.web(args)

    return run
