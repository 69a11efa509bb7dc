"""The commands that send one request to a running daemon and print its answer."""

import argparse
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from errno import ENOTTY
from functools import partial
from threading import Thread
from time import monotonic, sleep
from typing import Final, Protocol

from firmware_ctl.config import paths
from firmware_ctl.errors import CallerError, DeviceError, FirmwareError, printable
from firmware_ctl.limits import RESTART_MS

ANSWER_S: Final = 5.0
"""How long to wait for an answer, and for a place in the daemon's queue of new clients."""
CONNECT_AGAIN_S: Final = 0.01

AT_ONCE: Final = {"!": "* stopped", "?": "* status "}
"""The bytes on which a daemon acts without a line end, and how its answer to each begins."""


class NoDaemonError(DeviceError):
    """No daemon answers."""

    exit_code = 3


class AbsentError(NoDaemonError):
    """No daemon runs at this address, so there is none to stop."""


class RefusedError(FirmwareError):
    """The daemon answered `err CODE message`."""

    exit_code = 1


class Stream(Protocol):
    """A serial port of pyserial, or the file of a socket."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...
    def readline(self) -> bytes: ...
    def close(self) -> object: ...


class Client:
    """A connection to a daemon. Every method raises `NoDaemonError` if none answers."""

    def __init__(self, stream: Stream, where: str, remove_timeout: Callable[[], object]) -> None:
        """`where` is the path or device, for messages."""
        self._stream = stream
        self.where = where
        self._remove_timeout = remove_timeout
        self.told: list[str] = []
        """The events that came before the answers of `ask`."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # closing flushes, which fails if the daemon has ended
            self._stream.close()

    def ask(self, request: str) -> list[str]:
        """Sends a line. Returns the data lines and, as the last one, `ok …` or `err …`."""
        data = request.encode("ascii") + b"\n"
        if request.split()[:1] == ["stop"]:
            # Another program may have left half a line on this port; `!` stops even then.
            data = b"!" + data
        self._send(data)
        lines = []
        for line in self._read():
            if line.startswith("* event="):
                self.told.append(line)
            if line.startswith("* "):
                continue
            lines.append(line)
            if line.split(" ", 1)[0] in ("ok", "err"):
                return lines
        raise self._no_answer()

    def ask_at_once(self, byte: str) -> str:
        """Sends one of `AT_ONCE` and returns the answer to it."""
        # A line end would complete, and so execute, half a line that another program left.
        self._send(byte.encode())
        for line in self._read():
            if line.startswith(AT_ONCE[byte]):
                return line
        raise self._no_answer()

    def lines(self) -> Iterator[str]:
        """The lines of answers, without the lines for all connections (`* …`)."""
        return (line for line in self._read() if not line.startswith("* "))

    def events(self) -> Iterator[str]:
        """Every `* event=…` line until the daemon ends."""
        self._remove_timeout()
        return (line for line in self._read() if line.startswith("* event="))

    def _send(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise NoDaemonError(f"{self.where} does not answer: {error}") from None

    def _no_answer(self) -> NoDaemonError:
        return NoDaemonError(f"{self.where} does not answer, or has ended")

    def _read(self) -> Iterator[str]:
        """Complete lines, until the daemon ends or the timeout passes."""
        try:
            while (raw := self._stream.readline()).endswith(b"\n"):
                yield printable(raw.decode("ascii", "replace").rstrip("\r\n"))
        except OSError as error:
            raise NoDaemonError(f"{self.where} does not answer: {error}") from None


def open_port(device: str) -> Client:
    """Opens any pyserial URL: a device, or `socket://HOST:PORT`. Raises `NoDaemonError`."""
    import serial

    try:
        port = serial.serial_for_url(device, baudrate=115_200, timeout=ANSWER_S, write_timeout=2)
    except Exception as error:  # pyserial passes on errors of termios, sockets and URL parsing
        raise NoDaemonError(_port_trouble(device, error)) from None
    return Client(port, device, lambda: setattr(port, "timeout", None))


def _port_trouble(device: str, error: Exception) -> str:
    if "://" not in device:
        if not os.path.exists(device):
            return f"there is no {device}; a mock prints its port"
        # For a device that is no terminal, pyserial's error has a message, but no error number.
        if not stat.S_ISCHR(os.stat(device).st_mode) or f"({ENOTTY}," in str(error):
            return f"{device} is not a serial port; a mock prints its port"
    return f"{device} cannot be opened: {error}"


def open_socket(path: str, is_named: bool = True) -> Client:
    """Opens a control socket. Raises `NoDaemonError`.

    `is_named`: the user named the path. On a default path any user could listen, so the owner of
    the daemon is checked there.
    """
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(ANSWER_S)
    try:
        _connect(sock, path)
        if not is_named:
            _check_peer(sock, path)
    except OSError as error:
        sock.close()
        raise _connect_error(path, error) from None
    stream = sock.makefile("rwb")
    sock.close()  # the stream keeps the connection open until the stream is closed
    return Client(stream, path, lambda: sock.settimeout(None))


def _check_peer(sock: socket.socket, path: str) -> None:
    """Raises `NoDaemonError` unless the daemon is run by root, this user or the folder's owner."""
    if hasattr(socket, "SO_PEERCRED"):
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, uid, _ = struct.unpack("3i", peer)
        if uid not in (0, os.geteuid(), os.stat(os.path.dirname(path)).st_uid):
            raise NoDaemonError(f"{path} belongs to another user (uid {uid}); it is not asked")


def _connect(sock: socket.socket, path: str) -> None:
    """Connects, and retries while the daemon's queue of new clients is full.

    The kernel does not wait for room in that queue on a socket with a timeout.
    """
    until_s = monotonic() + ANSWER_S
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            if monotonic() > until_s:
                raise NoDaemonError(f"{path} does not answer: it takes no new clients") from None
            sleep(CONNECT_AGAIN_S)


def _connect_error(path: str, error: OSError) -> NoDaemonError:
    if isinstance(error, NoDaemonError):
        return error
    if isinstance(error, FileNotFoundError):
        return AbsentError(f"no daemon runs: there is no {path}")
    if isinstance(error, ConnectionRefusedError):
        return AbsentError(f"no daemon runs: nothing listens on {path}")
    if isinstance(error, PermissionError):
        return NoDaemonError(
            f"no permission to use {path}; add yourself to its group: "
            "sudo usermod -aG firmware-ctl $USER"
        )
    return NoDaemonError(f"{path} does not answer: {error}")


def sendable(line: str) -> str:
    """Returns the line if a daemon reads it as exactly one line of text; else raises CallerError.

    A line end would begin a second command, and a daemon may drop other control characters.
    """
    for character in line:
        if character in AT_ONCE:
            raise CallerError(
                "bad-argument",
                f"{character} must be sent on its own: firmware-ctl send '{character}'",
            )
        if not " " <= character <= "~":
            raise CallerError(
                "not-text", f"{character!r} cannot be sent, only printable ASCII can; leave it out"
            )
    return line


NOT_FOUND: Final = "no daemon runs; start one with `firmware-ctl mock`, or give --socket PATH"
NOTHING_TO_STOP: Final = "nothing is running; `firmware-ctl off` drives the pins low anyway"


def _openers(args: argparse.Namespace) -> list[Callable[[], Client]]:
    """Functions that connect: to the daemon that is named, else to the service and the mock."""
    if args.port:
        return [lambda: open_port(args.port)]
    if args.socket:
        return [lambda: open_socket(args.socket)]
    return [
        lambda: open_socket(paths.SERVICE_SOCKET, is_named=False),
        lambda: open_socket(paths.mock_socket(), is_named=False),
    ]


def find(args: argparse.Namespace) -> Client:
    """Connects to the first daemon that answers. Prints why another one could not be asked.

    Raises `NoDaemonError` if none answers.
    """
    client, troubles = None, []
    for connect in _openers(args):
        try:
            client = connect()
            break
        except AbsentError as error:
            if args.port or args.socket:
                raise error
        except FirmwareError as error:
            troubles.append(str(error))
    if client is None:
        raise NoDaemonError("; ".join(troubles) or NOT_FOUND)
    for trouble in troubles:
        print(f"firmware-ctl: {trouble}", file=sys.stderr)
    return client


def ask(args: argparse.Namespace, request: str) -> int:
    """Sends a request and prints the answer. Exit code 0 for `ok`, 1 for `err`.

    A start that follows a stop too soon is sent once more, so that `stop && start` works.
    """
    sendable(request)
    with find(args) as client:
        *data, final = client.ask(request)
        if request.split()[0] in ("start", "try") and final.startswith(JUST_STOPPED):
            sleep(AGAIN_S)
            *data, final = client.ask(request)
        refuse(final)
        if request == "start":
            _refuse_another(client, final)
    for line in data:
        print(line.removeprefix("- "))
    if final != "ok" or not data:
        print(final)
    return 0


JUST_STOPPED: Final = "err busy stopped "
"""The beginning of the answer to a start that came within `RESTART_MS` after a stop.

A start that a stop overtook is refused with another `err busy`, and is not repeated: the stop came
later and must win.
"""

AGAIN_S: Final = (RESTART_MS + 10) / 1000
"""The wait before a start is sent once more.

It is sent once only: a person who stops the mat during this wait must find it stopped.
"""


def refuse(final: str) -> None:
    """Raises `RefusedError` if the answer is `err …`."""
    if final.startswith("err"):
        _, code, message = [*final.split(" ", 2), "", ""][:3]
        raise RefusedError(f"{code}: {message}")


def _refuse_another(client: Client, final: str) -> None:
    """Raises `RefusedError` if a start without a name met another profile than the selected one."""
    running = final.partition(" profile=")[2].split(" ")[0]
    for line in client.ask("profiles")[:-1]:
        _, name, *fields = line.partition(" title=")[0].split()
        if "selected=yes" in fields and name != running:
            raise RefusedError(f"{running} is running already; stop it first to start {name}")


STOP_WITHIN_S: Final = 12.0
"""How long `stop` waits for its daemons: enough to wait for a place in a queue, then for an answer.
A file system that hangs would hold up a connection for ever."""


def run_side_by_side(calls: Iterable[Callable[[], object]], within_s: float) -> int:
    """Makes each call in a thread, and returns how many have not ended in time.

    A call for which no thread can be started is made by this one: a stop needs nothing.
    """
    threads, without_thread = [], []
    for call in calls:
        # A daemon thread, because the program must be able to end while a call hangs.
        thread = Thread(target=call, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            without_thread.append(call)
        else:
            threads.append(thread)
    for call in without_thread:
        call()
    until_s = monotonic() + within_s
    for thread in threads:
        thread.join(max(0, until_s - monotonic()))
    return sum(thread.is_alive() for thread in threads)


def stop(args: argparse.Namespace) -> int:
    """Stops every daemon that is found, side by side, so that one that hangs delays no other.

    Exit code 0: every daemon that runs has stopped. 3: none runs, or one gave no answer.
    """
    openers = _openers(args)
    if not (args.port or args.socket):
        openers += [
            partial(open_socket, path, is_named=False) for path in paths.linked_mock_sockets()
        ]
    stopped: list[str] = []
    absent: list[NoDaemonError] = []
    failures: list[Exception] = []

    def stop_one(connect: Callable[[], Client]) -> None:
        try:
            with connect() as client:
                client.ask_at_once("!")
                stopped.append(client.where)
        except AbsentError as error:
            absent.append(error)
        except Exception as error:  # reported below, after every daemon was asked to stop
            failures.append(error)

    late = run_side_by_side([partial(stop_one, connect) for connect in openers], STOP_WITHIN_S)
    if late:
        failures.append(NoDaemonError(f"a daemon did not answer within {STOP_WITHIN_S:.0f} s"))
    if stopped:
        print("\n".join(f"{where}: all motors are off" for where in stopped))
    if failures:
        forced = "; `firmware-ctl off` drives the pins low without a daemon's help"
        raise NoDaemonError("; ".join(map(str, failures)) + forced)
    if not stopped:
        raise absent[0] if len(openers) == 1 else NoDaemonError(NOTHING_TO_STOP)
    return 0


def send(args: argparse.Namespace) -> int:
    """Sends one line unchanged and prints the whole answer. The words of the shell are one line."""
    line = " ".join(args.words)
    if "!" in line or line == "?":
        # A `!` stops, whatever else is in the line.
        with find(args) as client:
            print(client.ask_at_once("!" if "!" in line else "?"))
        return 0
    if not line.strip(" "):
        raise CallerError(
            "bad-argument", "an empty line gets no answer; try: firmware-ctl send help"
        )
    sendable(line)
    with find(args) as client:
        lines = client.ask(line)
    print("\n".join(lines))
    return 1 if lines[-1].startswith("err") else 0
