"""Bytes to and from clients: serial ports, the mock's pty, sockets. Never blocks, knows no meaning.

A link that ends is dropped by the loop; a serial port comes back by itself.
"""

import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EMFILE, ENFILE
from time import monotonic, sleep
from typing import Any, Final

from firmware_ctl.config.mat import SerialPort
from firmware_ctl.daemon.clients import Clients
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.errors import DeviceError
from firmware_ctl.protocol.connection import Connection

READ_AT_ONCE: Final = 4 * 1024
REOPEN_MS: Final = 2_000
ACCEPT_AGAIN_MS: Final = 100

LOCK_WAIT_S: Final = 2.0
LOCK_AGAIN_S: Final = 0.005


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
        except ConnectionResetError:
            return self.read()  # said once; then comes what was received before it, and the end
        except OSError:
            data = b""
        self.ended = not data
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # nobody can read it, but what was sent before may not be read yet

    def close(self) -> None:
        self._socket.close()


class PtyLink:
    """The mock's serial port. The client's side is `path`; it stays open here too, so that the
    port outlives its clients as a wire does."""

    def __init__(self) -> None:
        import pty
        import tty

        self._fd, self._client_fd = pty.openpty()
        tty.setraw(self._client_fd)
        os.set_blocking(self._fd, False)
        self.path = os.ttyname(self._client_fd)
        self.connection = Connection()
        self.ended = False

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        return _read(self._fd)

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except OSError:  # full: no one reads
            return 0

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._client_fd)


class SerialLink:
    """A real serial port, opened again whenever it is there."""

    def __init__(self, serial: Any, gone: Callable[[], object]) -> None:
        """`gone` is called when the port has been closed."""
        self._serial = serial
        self._gone = gone
        self.connection = Connection()
        self.ended = False

    def fileno(self) -> int:
        return int(self._serial.fileno())

    # Bytes go by the descriptor: pyserial's own write spins on a full port unless it may block.

    def read(self) -> bytes:
        data = _read(self.fileno())
        self.ended = not data  # ready, and yet nothing there: the adapter was pulled
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the adapter was pulled, which the next read tells

    def close(self) -> None:
        with suppress(OSError):
            self._serial.close()
        self._gone()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_AT_ONCE)
    except OSError:
        return b""


def try_serial(port: SerialPort) -> Any:
    """The port opened, or why it cannot be."""
    import serial

    try:
        return serial.Serial(port.device, port.baud, timeout=0, write_timeout=0, exclusive=True)
    except Exception as error:  # pyserial lets termios.error through, which is no OSError
        return error


class SerialPorts:
    """Opens the daemon's serial ports, and opens each again whenever it is back."""

    def __init__(self, clients: Clients, loop: Loop) -> None:
        self._clients = clients
        self._loop = loop

    def open(self, port: SerialPort, tried: Any = None) -> None:
        """`tried`: what `try_serial` gave before."""
        opened = tried or try_serial(port)
        if isinstance(opened, Exception):
            self._clients.log(f"{port.device} cannot be opened yet ({opened}); it is tried again")
            self._loop.later(REOPEN_MS, lambda: self._open_again(port))
        else:
            self._add(port, opened)

    def _open_again(self, port: SerialPort) -> None:
        opened = try_serial(port)
        if isinstance(opened, Exception):
            self._loop.later(REOPEN_MS, lambda: self._open_again(port))
        else:
            self._add(port, opened)

    def _add(self, port: SerialPort, serial: Any) -> None:
        def gone() -> None:
            self._clients.log(f"{port.device} is gone; it is opened again as soon as it is back")
            self._loop.later(REOPEN_MS, lambda: self._open_again(port))

        self._clients.add(SerialLink(serial, gone))
        self._clients.log(f"{port.device} is open at {port.baud} baud")


class Listener:
    """A listening socket: every client becomes a link."""

    _clients: Clients
    _loop: Loop

    def __init__(self, sock: socket.socket, forget: Callable[[], None] = lambda: None) -> None:
        """`forget` is called before the socket closes."""
        sock.setblocking(False)
        self._socket = sock
        self._forget = forget
        self._reserve: int | None = None
        """A descriptor to give up for a client, where no other is left."""
        self._take_reserve()

    def fileno(self) -> int:
        return self._socket.fileno()

    def attach(self, clients: Clients, loop: Loop) -> None:
        """From now on clients are let in."""
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
                    return  # it has gone already
                # This client may want to stop.
                if not self._clients.make_room():
                    self._give_reserve()
                client, _ = self._socket.accept()
        except OSError:
            # It stays readable, and the loop would do nothing else than to try again.
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
        # While the socket is open the kernel gives its file's number to no other file.
        self._forget()
        self._socket.close()


def listen_tcp(host: str, port: int) -> Listener:
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


def listen_control(path: str) -> Listener:
    """The control socket, for its owner and group. A dead one is replaced, a live one is not."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with _alone_in(folder):
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

    def forget() -> None:
        # Another daemon may have put its own socket here meanwhile.
        with suppress(OSError), _alone_in(folder):
            if os.path.samestat(os.lstat(path), own):
                os.unlink(path)

    return Listener(sock, forget)


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Keeps other daemons from replacing a socket in this folder at the same time.

    Two of them would find the same dead socket, and the second would remove the first's live one.
    Whoever may read the folder can hold this lock, so that waiting for it has an end.
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
        yield
    finally:
        os.close(fd)


def _remove_dead(path: str) -> None:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise DeviceError(f"{path} is in the way and is no socket; name another with --socket")
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
