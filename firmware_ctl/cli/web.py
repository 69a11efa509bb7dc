"""`web`: serves the page for phones, pairs phones with it, and takes them back."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from firmware_ctl.cli.arguments import WEB_PORT
from firmware_ctl.config import paths
from firmware_ctl.errors import CallerError, DeviceError, printable
from firmware_ctl.simulator.installing import missing


def web(args: argparse.Namespace) -> int:
    """Runs the page, or one of its commands."""
    if find_spec("tornado") is None:
        raise missing("web")
    if args.device and args.action != "revoke":
        raise CallerError("bad-argument", f"`web {args.action}` takes no word after it")
    if args.action in ("enable", "disable"):
        from firmware_ctl.cli import web_service

        return web_service.web_service(args.action)
    if args.action is None:
        return _serve(args)
    return {"pair": _pair, "devices": _devices, "revoke": _revoke}[args.action](args)


def _serve(args: argparse.Namespace) -> int:
    from firmware_ctl.remote.web.admin import own_folder
    from firmware_ctl.remote.web.server import Options, listen, serve
    from firmware_ctl.remote.web.sources import Sources

    host, port = args.listen or ("", WEB_PORT)
    sockets = listen(host, port)
    options = Options(
        control_socket=args.socket or _daemon_socket(),
        state=own_folder(args.state or paths.web_state()),
        sources=Sources(args.mat, args.profiles),
        names=[name.lower() for name in args.name],
    )
    print(f"web page: {_address(sockets[0].getsockname()[:2])}", flush=True)
    serve(options, sockets)
    return 0


def _daemon_socket() -> str:
    if os.path.exists(paths.SERVICE_SOCKET):
        return paths.SERVICE_SOCKET
    return paths.mock_socket()


def _ask(args: argparse.Namespace, **request: str) -> dict[str, Any]:
    """Asks the page that runs: with the folder that is named, as a service, or the user's own."""
    from firmware_ctl.remote.web.admin import SOCKET, ask

    folders = [args.state] if args.state else [paths.SERVICE_WEB_STATE, paths.web_state()]
    found = [folder for folder in folders if os.path.exists(os.path.join(folder, SOCKET))]
    return ask([*found, *folders][0], **request)


def _pair(args: argparse.Namespace) -> int:
    answer = _ask(args, do="pair")
    address, code = _address(answer["address"]), answer["code"]
    _print_qr(f"{address}#code={code}")
    print(f"address  {address}")
    print(f"code     {code}   (once, for {answer['seconds'] // 60} minutes)")
    return 0


def _print_qr(text: str) -> None:
    try:
        import segno
    except ImportError:
        print("firmware-ctl: no QR code: segno is not installed", file=sys.stderr)
        return
    if sys.stdout.isatty():
        segno.make(text, error="l", micro=False).terminal(compact=True, border=2)


def _devices(args: argparse.Namespace) -> int:
    _print_devices(_ask(args, do="devices")["devices"], "no device is paired")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    if not args.device:
        raise CallerError("bad-argument", "name a device of `web devices`, or `all`")
    gone = _ask(args, do="revoke", id=args.device)["devices"]
    if not gone and args.device != "all":
        raise DeviceError(f"no device {args.device} is paired; `web devices` lists them")
    _print_devices(gone, "no device is paired", " is not paired any more")
    return 0


def _print_devices(devices: Sequence[Sequence[str]], nothing: str, end: str = "") -> None:
    for device_id, paired, name in devices:
        print(printable(f"{device_id}  {paired}  {name}{end}"))
    if not devices:
        print(nothing)


def _address(listening: Sequence[Any]) -> str:
    """The address for a browser, of a page that listens on this host and port."""
    host, port = listening
    if host in ("", "0.0.0.0", "::"):
        host = _own_address()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _own_address() -> str:
    """The address of this machine in its network. No packet is sent to find it."""
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            return str(probe.getsockname()[0])
    return "127.0.0.1"
