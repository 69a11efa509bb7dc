"""What several commands share: the types of arguments, and the arguments themselves."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

WEB_PORT = 8043
HERE = ("127.0.0.1", WEB_PORT)
"""Where `mock --web` serves the page, unless the person names another address."""

Run = Callable[[Namespace], int]
"""Runs a command with its parsed arguments. Returns the exit code."""


def host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ArgumentTypeError(f"{text} is not HOST:PORT, such as 127.0.0.1:7000")
    return host, int(port)


def speed(text: str) -> float:
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0
    if not 0.1 <= factor <= 1000:
        raise ArgumentTypeError(f"{text} is not a speed from 0.1 to 1000")
    return factor


def fault(text: str) -> str:
    from firmware_ctl.simulator.faults import FAULTS

    if text not in FAULTS:
        raise ArgumentTypeError(f"unknown fault {text}; known: {', '.join(FAULTS)}")
    return text


def trim_pct(text: str) -> int:
    number = text.removesuffix("%")
    if not number.isdecimal() or len(number) > 3 or not 10 <= int(number) <= 100:
        raise ArgumentTypeError(f"{text} is not a trim from 10 to 100 percent")
    return int(number)


def count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not int(text):
        raise ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def add_mat(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--mat",
        metavar="FILE",
        help="mat file (default: /etc/firmware-ctl/mat.yaml, or the built-in one)",
    )


def add_profiles(parser: ArgumentParser) -> None:
    parser.add_argument("--profiles", metavar="DIR", help="read profiles from this folder only")


def add_state(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--state", metavar="DIR", help="folder for runtime state (one daemon per folder)"
    )


def add_socket(parser: ArgumentParser) -> None:
    parser.add_argument("--socket", metavar="PATH", help="control socket")


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_client(parser: ArgumentParser) -> None:
    add_socket(parser)
    parser.add_argument(
        "--port", metavar="DEV", help="use a serial port (any pyserial URL) instead of the socket"
    )


def add_daemon(parser: ArgumentParser) -> None:
    add_mat(parser)
    add_profiles(parser)
    add_state(parser)
    add_socket(parser)
    parser.add_argument(
        "--port",
        metavar="DEV",
        action="append",
        default=[],
        help="serial port, in addition to those of the mat file; repeatable",
    )
    parser.add_argument("--trace", metavar="FILE.jsonl", help="log motor changes, one per line")
