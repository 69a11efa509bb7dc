"""The commands that talk to a running daemon: one request, its answer, done."""

import argparse
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from firmware_ctl import places
from firmware_ctl.errors import CallerError, DeviceError, FirmwareError

ANSWER_S: Final = 5.0

AT_ONCE: Final = {"!": "* stopped", "?": "* status "}
"""The bytes that act before any line is read, and how the line begins that tells it."""

_FIELD: Final = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


class NoDaemonError(DeviceError):
    """Nothing answers."""

    exit_code = 3


class Client:
    """One connection to a daemon, by lines. Raises `NoDaemonError` where nothing answers."""

    def __init__(self, stream: Any, where: str, patient: Callable[[], object]) -> None:
        """`patient` makes reads wait without end."""
        self._stream = stream
        self.where = where
        self._patient = patient

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
        return NoDaemonError(f"{self.where} does not answer within {ANSWER_S:.0f} s")

    def _read(self) -> Iterator[str]:
        try:
            while raw := self._stream.readline():
                yield raw.decode("ascii", "replace").rstrip("\r\n")
        except OSError as error:
            raise NoDaemonError(f"{self.where} does not answer: {error}") from None


def open_port(device: str) -> Client:
    """Any pyserial URL: a device, `socket://HOST:PORT`."""
    import serial

    try:
        port = serial.serial_for_url(device, baudrate=115_200, timeout=ANSWER_S, write_timeout=2)
    except (OSError, ValueError) as error:
        raise NoDaemonError(f"{device} cannot be opened: {error}") from None
    return Client(port, device, lambda: setattr(port, "timeout", None))


def open_socket(path: str) -> Client:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(ANSWER_S)
    try:
        sock.connect(path)
    except FileNotFoundError:
        raise NoDaemonError(f"no daemon runs: there is no {path}") from None
    except PermissionError:
        raise NoDaemonError(
            f"{path} is not yours to use; join its group: sudo usermod -aG firmware-ctl $USER"
        ) from None
    except OSError as error:
        raise NoDaemonError(f"no daemon answers on {path}: {error.strerror}") from None
    return Client(sock.makefile("rwb"), path, lambda: sock.settimeout(None))


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


def find(args: argparse.Namespace, every: bool = False) -> list[Client]:
    """The daemon that is meant: the named one, else the service's, else the user's mock."""
    if args.port:
        return [open_port(args.port)]
    if args.socket:
        return [open_socket(args.socket)]
    found = []
    for path in (places.SERVICE_SOCKET, places.mock_socket()):
        if os.path.exists(path):
            try:
                found.append(open_socket(path))
            except NoDaemonError as error:
                if path == places.SERVICE_SOCKET:
                    print(f"firmware-ctl: {error}", file=sys.stderr)
    if not found:
        raise NoDaemonError(
            "no daemon runs; start one with `firmware-ctl mock`, or give --socket PATH"
        )
    chosen = found if every else found[:1]
    for client in chosen:
        print(f"firmware-ctl: asking {client.where}", file=sys.stderr)
    return chosen


def ask(args: argparse.Namespace) -> int:
    """Sends the command's request and shows the answer. 0 ok, 1 the daemon said err."""
    words = getattr(args, "words", None) or []
    request = sendable(" ".join([args.verb, *([words] if isinstance(words, str) else words)]))
    failed = False
    silent = []
    for client in find(args, every=args.verb == "stop"):
        try:
            *data, final = client.ask(request)
        except NoDaemonError as error:
            silent.append(str(error))
            continue
        failed |= final.startswith("err")
        with suppress(BrokenPipeError):  # a stop goes on to the next daemon, read or not
            for line in data:
                print(line.removeprefix("- "))
            if final.startswith("err"):
                _, code, message = [*final.split(" ", 2), ""][:3]
                print(f"firmware-ctl: {code}: {message}", file=sys.stderr)
            elif final != "ok" or not data:
                print(final)
    if silent:
        raise NoDaemonError("; ".join(silent))
    return 1 if failed else 0


def all_low(args: argparse.Namespace) -> int:
    """`off`: stops the daemon or kills it, then drives every motor's pin low.

    0 all are low, or there is nothing to drive · 1 some could not be taken.
    """
    from firmware_ctl import off

    idle, sentence = off.silence(args.socket or places.SERVICE_SOCKET)
    said = [sentence]
    found = os.path.exists(args.socket or places.SERVICE_SOCKET)
    if not args.socket and os.path.exists(places.mock_socket()):
        found = True
        said.append(off.silence(places.mock_socket())[1])
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
        print(f"firmware-ctl: {line}")
    return 1 if failed or not pins else 0


def send(args: argparse.Namespace) -> int:
    """Sends one line as it is and shows the answer as it comes."""
    if "!" in args.line or args.line == "?":
        (client,) = find(args)
        # Whatever stands around a stop, it stops.
        print(client.ask_at_once("!" if "!" in args.line else "?"))
        return 0
    if not args.line.strip(" "):
        raise CallerError(
            "bad-argument", "an empty line gets no answer; try: firmware-ctl send help"
        )
    line = sendable(args.line)
    (client,) = find(args)
    lines = client.ask(line)
    print("\n".join(lines))
    return 1 if lines[-1].startswith("err") else 0


def status(args: argparse.Namespace) -> int:
    """Shows what the daemon does, once or, with `--watch`, at every change."""
    (client,) = find(args)
    _show_status(client, args.json)
    if args.watch:
        client.ask("events on")
        with suppress(KeyboardInterrupt):
            for _ in client.events():
                _show_status(client, args.json)
    return 0


def _show_status(client: Client, as_json: bool) -> None:
    final = client.ask("status")[-1]
    if as_json:
        print(json.dumps(parse_fields(final)), flush=True)
    else:
        print(final.removeprefix("ok "), flush=True)


def parse_fields(line: str) -> dict[str, str]:
    """The `key=value` fields of an answer; a quoted value is a JSON string."""
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in _FIELD.findall(line)
    }
