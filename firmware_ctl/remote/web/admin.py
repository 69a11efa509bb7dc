"""The bridge's own socket, by which `web pair`, `web devices` and `web revoke` reach it.

It lies in the state folder, which only the bridge and root can enter. So the bridge alone writes
the file of devices, and a revoked device is gone at once.
"""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from firmware_ctl.errors import DeviceError
from firmware_ctl.remote.web.pairing import VALID_MS
from firmware_ctl.remote.web.site import Site

SOCKET: Final = "admin.sock"
ANSWER_S: Final = 5.0


def own_folder(folder: str) -> str:
    """Makes the folder, for this user alone. Raises `DeviceError` if another bridge has it."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        sentence = f"{folder} cannot be made: {error.strerror}; name one with --state"
        raise DeviceError(sentence) from None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_S)
        try:
            with _socket_path(folder) as path:
                probe.connect(path)
        except OSError:
            return folder
    raise DeviceError(f"a page for phones with {folder} runs already; name another with --state")


class NoPageError(DeviceError):
    """No page runs that this user may manage."""

    exit_code = 3


async def serve_admin(site: Site, folder: str, address: tuple[str, int]) -> asyncio.Server:
    """Serves the socket. `address`: where the page is, for `web pair`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            request = json.loads(await reader.readline())
            writer.write(json.dumps(_answer(site, request, address)).encode() + b"\n")
            await writer.drain()
        writer.close()

    try:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, SOCKET))
        with _socket_path(folder) as path:
            return await asyncio.start_unix_server(answer, path)
    except OSError as error:
        raise DeviceError(f"{folder} cannot have a socket: {error.strerror or error}") from None


@contextmanager
def _socket_path(folder: str) -> Iterator[str]:
    """The path of the socket, short enough for the kernel: it takes at most 107 bytes."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{fd}"
        yield os.path.join(short if os.path.exists(short) else folder, SOCKET)
    finally:
        os.close(fd)


def _answer(site: Site, request: dict[str, str], address: tuple[str, int]) -> dict[str, Any]:
    if request["do"] == "pair":
        code = site.pairing.begin(site.bridge.now_ms())
        return {"code": code, "seconds": VALID_MS // 1000, "address": address}
    found = site.devices if request["do"] == "devices" else site.revoke(request["id"])
    return {"devices": [[device.id, device.paired, device.name] for device in found]}


def ask(folder: str, **request: str) -> dict[str, Any]:
    """Asks the bridge that uses this state folder. Raises `NoPageError`."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(ANSWER_S)
            with _socket_path(folder) as path:
                sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as stream:
                answer: dict[str, Any] = json.loads(stream.readline())
                return answer
    except (OSError, ValueError):
        raise NoPageError(
            "the page for phones does not run, or this user may not manage it; try with sudo, or "
            "start it: sudo firmware-ctl web enable"
        ) from None
