"""The arguments of the commands that connect a mat to a network, and of `fleet`."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, Final

from firmware_ctl.cli.arguments import Run, add_json, add_socket

if TYPE_CHECKING:
    from firmware_ctl.remote.mqtt.settings import Address

MQTT: Final = """
Without --broker and --config it reads /etc/firmware-ctl/mqtt.yaml, if that is
there. User, password and TLS are in that file. See docs/home.md."""

FLEET: Final = """
On a terminal `fleet` shows a table that follows every change, until Ctrl-C;
otherwise it prints the mats once. `fleet stop` stops every mat, or those whose
ids are named, and waits until each has stopped. Nothing here starts a mat."""


def _broker(text: str) -> "Address":
    from firmware_ctl.remote.mqtt.settings import address

    found = address(text)
    if found is None:
        raise ArgumentTypeError(f"{text} is not HOST or HOST:PORT, such as localhost:1883")
    return found


def _add_broker(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--broker", metavar="HOST[:PORT]", type=_broker, help="the broker (default: localhost)"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="broker, user, password and TLS, as in mqtt.yaml"
    )


def add_mqtt(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{MQTT}"
    _add_broker(parser)
    add_socket(parser)
    parser.add_argument(
        "--allow-start", action="store_true", help="messages may start and strengthen"
    )
    parser.add_argument(
        "--id", action="store_true", help="print the id of this mat in topics, and end"
    )

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import mqtt

        return mqtt.mqtt(args)

    return run


def add_fleet(parser: ArgumentParser) -> Run:
    parser.description = f"{parser.description}\n{FLEET}"
    parser.add_argument("action", choices=("status", "stop"), nargs="?", default="status")
    parser.add_argument("ids", metavar="ID", nargs="*", default=[], help="mats (default: all)")
    _add_broker(parser)
    add_json(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import fleet

        return fleet.fleet(args)

    return run
