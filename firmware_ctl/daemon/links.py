"""Bytes to and from clients: serial ports, the pty of a mock, sockets.

Links never block, because the loop that drives the motors reads and writes them. This module never
knows what the bytes mean. The clients remove a link that has ended; a serial port that is gone is
opened again when it is back.
"""

import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EMFILE, ENFILE
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from firmware_ctl.config.mat import SerialPort
from firmware_ctl.daemon.clients import Clients
from firmware_ctl.daemon.interfaces import Log
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.errors import DeviceError, WarningLine
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import Origin

if TYPE_CHECKING:
    from serial import Serial

READ_AT_ONCE: Final = 4 * 1024
"""Most bytes of one read."""
REOPEN_MS: Final = 2_000
"""A serial port that cannot be opened is tried again after this time."""
ACCEPT_AGAIN_MS: Final = 100
"""Without a free descriptor a listener waits this long before it accepts again."""

LOCK_WAIT_S: Final = 2.0
"""How long to wait for the lock of a folder: a daemon that is alive holds it for milliseconds."""
LOCK_AGAIN_S: Final = 0.005
"""The pause between two attempts to take it."""


class SocketLink:
    """A client on a connected stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.connection = Connection()
        self.ended = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        try:
            data = self._socket.recv(READ_AT_ONCE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""  # a reset, which the kernel reports after the bytes received before it
        self.ended = not data
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # Nobody can read these bytes. But the link goes on: received bytes may hold a stop.
            return len(data)

    def close(self) -> None:
        self._socket.close()


class PtyLink:
    """The serial port of a mock. Clients open `path`.

    This class holds the client's side open, too. So the port outlives its clients, as a wire does.
    """

    def __init__(self) -> None:
        import pty
        import tty

        self._fd, self._client_fd = pty.openpty()
        tty.setraw(self._client_fd)
        os.set_blocking(self._fd, False)
        self.path = os.ttyname(self._client_fd)
        self.connection = Connection(Origin.SERIAL)
        self.ended = False

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        return _read(self._fd)

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except OSError:  # the pty is full, because no client reads
            return 0

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._client_fd)


class SerialLink:
    """A real serial port."""

    def __init__(self, serial: "Serial", on_close: Callable[[], object]) -> None:
        """`serial` is open. `on_close` is called after it was closed."""
        self._serial = serial
        self._on_close = on_close
        self.connection = Connection(Origin.SERIAL)
        self.ended = False

    def fileno(self) -> int:
        return self._serial.fileno()

    # Reads and writes use the descriptor: pyserial's write() polls a full port in a loop.

    def read(self) -> bytes:
        data = _read(self.fileno())
        self.ended = not data  # readable without a byte: the adapter was unplugged
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the adapter was unplugged; the next read notices it

    def close(self) -> None:
        with suppress(OSError):
            self._serial.close()
        self._on_close()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_AT_ONCE)
    except OSError:
        return b""


def try_serial(port: SerialPort) -> "Serial | Exception":
    """Opens the port. Returns it, or the exception if it cannot be opened."""
    import serial

    try:
        return serial.Serial(port.device, port.baud, exclusive=True)
    except Exception as error:  # pyserial also raises termios.error, which is not an OSError
        return error


class SerialPorts:
    """Opens the daemon's serial ports, and opens a port again after it was unplugged."""

    def __init__(self, clients: Clients, loop: Loop) -> None:
        self._clients = clients
        self._loop = loop

    def open(self, port: SerialPort, tried: "Serial | Exception | None" = None) -> None:
        """`tried` is the result of an earlier `try_serial`, if there was one."""
        opened = tried or try_serial(port)
        if isinstance(opened, Exception):
            sentence = f"{port.device} cannot be opened yet ({opened}); it is tried again"
            self._clients.log(WarningLine(sentence))
        self._add(port, opened)

    def _add(self, port: SerialPort, opened: "Serial | Exception") -> None:
        def open_again() -> None:
            self._add(port, try_serial(port))

        def reopen() -> None:
            sentence = f"{port.device} is gone; it is opened again as soon as it is back"
            self._clients.log(WarningLine(sentence))
            self._loop.later(REOPEN_MS, open_again)

        if isinstance(opened, Exception):
            self._loop.later(REOPEN_MS, open_again)
        else:
            self._clients.add(SerialLink(opened, reopen))
            self._clients.log(f"{port.device} is open at {port.baud} baud")


class Listener:
    """A listening socket, whose clients become links."""

    _clients: Clients
    _loop: Loop

    def __init__(
        self, sock: socket.socket, before_close: Callable[[], None] = lambda: None
    ) -> None:
        """`before_close` is called before the socket closes."""
        sock.setblocking(False)
        self._socket = sock
        self._before_close = before_close
        self._reserve: int | None = None
        """A descriptor in reserve, to be closed for a client when no other descriptor is free."""
        self._take_reserve()

    def fileno(self) -> int:
        return self._socket.fileno()

    def attach(self, clients: Clients, loop: Loop) -> None:
        """Accepts clients from now on."""
        self._clients, self._loop = clients, loop
        loop.watch(self)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def ready(self) -> None:
        try:
            try:
                client, _ = self._socket.accept()
            except OSError as error:
                if error.errno not in (EMFILE, ENFILE):
                    return  # the client has gone already
                # No descriptor is free. The client must be accepted all the same, since it may have
                # come to stop the mat.
                if not self._clients.make_room():
                    self._give_reserve()
                client, _ = self._socket.accept()
        except OSError:
            # The socket stays readable, so the loop would try again without any pause.
            self._loop.unwatch(self)
            self._loop.later(ACCEPT_AGAIN_MS, lambda: self._loop.watch(self))
            return
        self._clients.join(SocketLink(client))
        self._take_reserve()

    def _take_reserve(self) -> None:
        with suppress(OSError):
            if self._reserve is None:
                self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _give_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def close(self) -> None:
        self._give_reserve()
        # Before the socket closes, because `before_close` recognises the socket's file by its inode
        # number. After the close the kernel may give that number to another file.
        self._before_close()
        self._socket.close()


def listen_tcp(host: str, port: int) -> Listener:
    """Opens a TCP port. Raises `DeviceError`, also if other machines could reach the port."""
    try:
        if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
            raise DeviceError(
                f"other machines reach {host}, and whoever reaches this port may start the mat; "
                "listen on 127.0.0.1"
            )
        return Listener(socket.create_server((host, port)))
    except DeviceError:
        raise
    except OSError as error:
        raise DeviceError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def listen_control(path: str, log: Log) -> Listener:
    """Opens the control socket, for its owner and group.

    Replaces the socket of a daemon that has died. Raises `DeviceError` if a daemon answers there.
    `log` gets a sentence if the folder's lock is not free in time, now or at the end.
    """
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with _folder_lock(folder, log):
            if os.path.lexists(path):
                _remove_dead(path)
            sock = socket.socket(socket.AF_UNIX)
            before = os.umask(0o117)
            try:
                sock.bind(path)
            finally:
                os.umask(before)
            sock.listen(64)
            own = os.lstat(path)
    except OSError as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(f"cannot make the control socket {path}: {error}") from None

    def remove_own() -> None:
        # In the meantime another daemon may have replaced the file by its own socket.
        with suppress(OSError), _folder_lock(folder, log):
            if os.path.samestat(os.lstat(path), own):
                os.unlink(path)

    return Listener(sock, remove_own)


@contextmanager
def _folder_lock(folder: str, log: Log) -> Iterator[None]:
    """Keeps other daemons from replacing a socket in this folder at the same time.

    Two daemons could find the same dead socket, and the second would remove the live socket of the
    first.

    If the lock is not free within `LOCK_WAIT_S`, the block runs without it and logs that. Every
    program that can read the folder can hold the lock, and none of them may keep a daemon from
    starting or ending. At worst a mock loses its socket. The state folder and the pins, which two
    daemons must never share, do not depend on this lock.
    """
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until_s = monotonic() + LOCK_WAIT_S
        while monotonic() < until_s:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                sleep(LOCK_AGAIN_S)
        else:
            log(
                WarningLine(
                    f"another program has locked {folder} for {LOCK_WAIT_S:g} s (`sudo lslocks` "
                    "names it): end it before you start a second daemon on this control socket"
                )
            )
        yield
    finally:
        os.close(fd)


def remove_dead_control(path: str, log: Log) -> None:
    """Removes the control socket that a killed daemon has left; nothing that anyone still uses."""
    with suppress(OSError, DeviceError), _folder_lock(os.path.dirname(os.path.abspath(path)), log):
        _remove_dead(path)


def _remove_dead(path: str) -> None:
    """Removes the socket of a dead daemon. Raises `DeviceError` for any other file."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise DeviceError(f"{path} is in the way and is not a socket; name another with --socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # the queue of a stopped daemon may be full
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            raise DeviceError(
                f"a daemon that hangs has {path}; end it with `firmware-ctl off --socket {path}`, "
                "or name another with --socket"
            ) from None
    raise DeviceError(f"a daemon answers on {path} already; stop it, or name another with --socket")
