"""The commands that talk to a running daemon: one request, its answer, done."""

import argparse
import json
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep
from typing import Any, Final

from firmware_ctl import places
from firmware_ctl.errors import CallerError, DeviceError, FirmwareError
from firmware_ctl.limits import RESTART_MS
from firmware_ctl.printable import printable

ANSWER_S: Final = 5.0
CONNECT_AGAIN_S: Final = 0.01

AT_ONCE: Final = {"!": "* stopped", "?": "* status "}
"""The bytes that act before any line is read, and how the line begins that tells it."""

_FIELD: Final = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


class NoDaemonError(DeviceError):
    """Nothing answers."""

    exit_code = 3


class AbsentError(NoDaemonError):
    """Nothing is there that could answer, so nothing there needs a stop."""


class RefusedError(FirmwareError):
    """The daemon answered `err CODE message`."""

    exit_code = 1


class Client:
    """One connection to a daemon, by lines. Raises `NoDaemonError` where nothing answers."""

    def __init__(self, stream: Any, where: str, patient: Callable[[], object]) -> None:
        """`patient` makes reads wait without end."""
        self._stream = stream
        self.where = where
        self._patient = patient

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be sent is tried once more
            self._stream.close()

    def ask(self, request: str) -> list[str]:
        """Sends a line; gives back the data lines and, last, `ok …` or `err …`."""
        data = request.encode("ascii") + b"\n"
        if request.split()[:1] == ["stop"]:
            data = b"!" + data  # stops even behind a line that someone has half typed
        self._send(data)
        lines = []
        for line in self.lines():
            lines.append(line)
            if line.split(" ", 1)[0] in ("ok", "err"):
                return lines
        raise self._silent()

    def ask_at_once(self, byte: str) -> str:
        """Sends one of `AT_ONCE`; gives back the line that tells it."""
        self._send(byte.encode())  # without a line end, which could be that of someone else's line
        for line in self._read():
            if line.startswith(AT_ONCE[byte]):
                return line
        raise self._silent()

    def lines(self) -> Iterator[str]:
        """What comes, without what is only told (`* …`) and asked for by others."""
        return (line for line in self._read() if not line.startswith("* "))

    def events(self) -> Iterator[str]:
        """Every `* event=…`, for as long as the daemon lives."""
        self._patient()
        return (line for line in self._read() if line.startswith("* event="))

    def _send(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise NoDaemonError(f"{self.where} does not answer: {error}") from None

    def _silent(self) -> NoDaemonError:
        return NoDaemonError(f"{self.where} does not answer, or has ended")

    def _read(self) -> Iterator[str]:
        """Whole lines; half a line is what a daemon leaves that ends meanwhile."""
        try:
            while (raw := self._stream.readline()).endswith(b"\n"):
                yield printable(raw.decode("ascii", "replace").rstrip("\r\n"))
        except OSError as error:
            raise NoDaemonError(f"{self.where} does not answer: {error}") from None


def open_port(device: str) -> Client:
    """Any pyserial URL: a device, `socket://HOST:PORT`."""
    import serial

    try:
        port = serial.serial_for_url(device, baudrate=115_200, timeout=ANSWER_S, write_timeout=2)
    except Exception as error:  # of pyserial's own, of termios, of sockets, and slips in the URL
        raise NoDaemonError(f"{device} cannot be opened: {error}") from None
    return Client(port, device, lambda: setattr(port, "timeout", None))


def open_socket(path: str, is_named: bool = True) -> Client:
    """`is_named` False: nobody chose this path, so only a daemon that may be here is asked."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(ANSWER_S)
    try:
        _connect(sock, path)
        if not is_named:
            _check_peer(sock, path)
    except OSError as error:
        sock.close()
        raise _unreached(path, error) from None
    stream = sock.makefile("rwb")
    sock.close()  # the stream keeps it open until it is closed itself
    return Client(stream, path, lambda: sock.settimeout(None))


def _check_peer(sock: socket.socket, path: str) -> None:
    """Who answers on a socket that was found must be root, this user, or the folder's owner."""
    if hasattr(socket, "SO_PEERCRED"):
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, uid, _ = struct.unpack("3i", peer)
        if uid not in (0, os.geteuid(), os.stat(os.path.dirname(path)).st_uid):
            raise NoDaemonError(f"{path} belongs to another user (uid {uid}); it is not asked")


def _connect(sock: socket.socket, path: str) -> None:
    """Waits while the daemon's queue of new clients is full; the kernel itself refuses at once."""
    until_s = monotonic() + ANSWER_S
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            if monotonic() > until_s:
                raise NoDaemonError(f"{path} does not answer: it takes no new clients") from None
            sleep(CONNECT_AGAIN_S)


def _unreached(path: str, error: OSError) -> NoDaemonError:
    if isinstance(error, NoDaemonError):
        return error
    if isinstance(error, FileNotFoundError):
        return AbsentError(f"no daemon runs: there is no {path}")
    if isinstance(error, ConnectionRefusedError):
        return AbsentError(f"no daemon runs: nothing listens on {path}")
    if isinstance(error, PermissionError):
        return NoDaemonError(
            f"{path} is not yours to use; join its group: sudo usermod -aG firmware-ctl $USER"
        )
    return NoDaemonError(f"{path} does not answer: {error}")


def sendable(line: str) -> str:
    """The line, where a daemon would read it as one and as it is; else CallerError.

    A line end begins another command, and what is no text a daemon may take out.
    """
    for character in line:
        if character in AT_ONCE:
            raise CallerError(
                "bad-argument",
                f"{character} acts at once and is part of no line; send it alone: "
                f"firmware-ctl send '{character}'",
            )
        if not " " <= character <= "~":
            raise CallerError(
                "not-text", f"{character!r} cannot be sent, only printable ASCII can; leave it out"
            )
    return line


NOT_FOUND: Final = "no daemon runs; start one with `firmware-ctl mock`, or give --socket PATH"


def doors(args: argparse.Namespace) -> list[Callable[[], Client]]:
    """What opens the daemon that is named; else the service's, then the user's mock's."""
    if args.port:
        return [lambda: open_port(args.port)]
    if args.socket:
        return [lambda: open_socket(args.socket)]
    return [
        lambda: open_socket(places.SERVICE_SOCKET, is_named=False),
        lambda: open_socket(places.mock_socket(), is_named=False),
    ]


def find(args: argparse.Namespace) -> Client:
    """The first daemon that answers; what keeps one from being asked is told."""
    opened, troubles = None, []
    for door in doors(args):
        try:
            opened = door()
            break
        except AbsentError as error:
            if args.port or args.socket:
                raise error
        except FirmwareError as error:
            troubles.append(str(error))
    if opened is None:
        raise NoDaemonError("; ".join(troubles) or NOT_FOUND)
    for trouble in troubles:
        print(f"firmware-ctl: {trouble}", file=sys.stderr)
    return opened


def ask(args: argparse.Namespace) -> int:
    """Sends the command's request and shows the answer. 0 ok, 1 the daemon said err."""
    words = getattr(args, "words", None) or []
    request = sendable(" ".join([args.verb, *([words] if isinstance(words, str) else words)]))
    with find(args) as client:
        *data, final = client.ask(request)
        if args.verb in ("start", "try"):
            give_up_at_s = monotonic() + AGAIN_S
            while final.startswith(JUST_STOPPED) and monotonic() < give_up_at_s:
                sleep(0.02)
                *data, final = client.ask(request)
    _refuse(final)
    for line in data:
        print(line.removeprefix("- "))
    if final != "ok" or not data:
        print(final)
    return 0


JUST_STOPPED: Final = "err busy stopped "
"""The refusal of a start that came within `RESTART_MS` after a stop, as `stop && start` does.

A start that a stop overtook is `err busy`, too, and is never sent again: it came before that stop.
"""

AGAIN_S: Final = 2 * RESTART_MS / 1000


def _refuse(final: str) -> None:
    """Raises `RefusedError` for an answer that is `err …`."""
    if final.startswith("err"):
        _, code, message = [*final.split(" ", 2), "", ""][:3]
        raise RefusedError(f"{code}: {message}")


def stop(args: argparse.Namespace) -> int:
    """Stops every daemon that is found. None waits for another that hangs: each has its thread.

    0 all that run are stopped · 3 none runs, or one that may run gave no answer.
    """
    opened = doors(args)
    stopped: list[str] = []
    absent: list[NoDaemonError] = []
    silent: list[Exception] = []

    def stop_one(door: Callable[[], Client]) -> None:
        try:
            with door() as client:
                client.ask_at_once("!")
                stopped.append(client.where)
        except AbsentError as error:
            absent.append(error)
        except Exception as error:  # whatever it is, the others are stopped and it is told
            silent.append(error)

    threads = [Thread(target=stop_one, args=(door,)) for door in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if stopped:
        print("\n".join(f"{where}: all motors are off" for where in stopped))
    if silent:
        forced = "; `firmware-ctl off` drives the pins low without a daemon's help"
        raise NoDaemonError("; ".join(map(str, silent)) + forced)
    if not stopped:
        raise absent[0] if len(opened) == 1 else NoDaemonError(NOT_FOUND)
    return 0


def all_low(args: argparse.Namespace) -> int:
    """`off`: stops the daemon or kills it, then drives every motor's pin low.

    0 all are low, or there is nothing to drive · 1 some could not be taken.
    """
    from firmware_ctl import off

    idle, sentence, is_known = off.silence(args.socket or places.SERVICE_SOCKET)
    said = [sentence]
    found = os.path.exists(args.socket or places.SERVICE_SOCKET)
    with suppress(DeviceError):  # the folder is another user's: no mock of this user runs there
        if not args.socket and os.path.exists(places.mock_socket()):
            found = True
            _, sentence, is_mock_known = off.silence(places.mock_socket())
            is_known &= is_mock_known
            said.append(sentence)
    # The daemon was stopped before anything that takes long is loaded.
    from firmware_ctl.folder import load_mat

    chip, pins = "", list[int]()
    try:
        chip, pins = off.read_lines(args.state or places.SERVICE_STATE)
    except (OSError, ValueError) as error:
        said.append(str(error))
    try:
        pins += load_mat(args.mat).power_pins
    except FirmwareError as error:
        said.append(str(error))
    chip = chip or off.find_chip()
    if chip:
        failed, more = off.drive_low(chip, pins, idle)
        said += [*more, *off.told(pins, failed)]
    else:
        why = "no GPIO chip of a Pi can be opened here"
        failed = {} if found else dict.fromkeys(pins, why)
        said += off.told([], failed) or [f"{why}, so there are no pins to drive"]
    for line in said:
        print(printable(f"firmware-ctl: {line}"))
    return 1 if failed or not pins or not is_known else 0


def send(args: argparse.Namespace) -> int:
    """Sends one line as it is and shows the answer as it comes."""
    if "!" in args.line or args.line == "?":
        # Whatever stands around a stop, it stops.
        with find(args) as client:
            print(client.ask_at_once("!" if "!" in args.line else "?"))
        return 0
    if not args.line.strip(" "):
        raise CallerError(
            "bad-argument", "an empty line gets no answer; try: firmware-ctl send help"
        )
    line = sendable(args.line)
    with find(args) as client:
        lines = client.ask(line)
    print("\n".join(lines))
    return 1 if lines[-1].startswith("err") else 0


def status(args: argparse.Namespace) -> int:
    """Shows what the daemon does, once or, with `--watch`, at every change."""
    with find(args) as client:
        _show_status(client, args.json)
        if args.watch:
            with suppress(KeyboardInterrupt):
                _refuse(client.ask("events on")[-1])
                for _ in client.events():
                    _show_status(client, args.json)
                raise NoDaemonError(f"{client.where} has ended")
    return 0


def _show_status(client: Client, as_json: bool) -> None:
    final = client.ask("status")[-1]
    fields = parse_fields(final)
    print(json.dumps(fields) if as_json else final.removeprefix("ok "), flush=True)


def parse_fields(line: str) -> dict[str, str]:
    """The `key=value` fields of an answer; a quoted value is a JSON string.

    Raises `RefusedError` for `err …`, which has no fields.
    """
    _refuse(line)
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in _FIELD.findall(line)
    }
