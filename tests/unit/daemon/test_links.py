"""Bytes to and from clients, on real sockets and terminals: what blocks, what ends a link, and who may connect."""

import fcntl
import os
import socket
import stat
import struct
import termios
from collections.abc import Callable, Iterator
from errno import ETIMEDOUT
from pathlib import Path

import pytest
import serial

from firmware_ctl.config.mat import SerialPort
from firmware_ctl.daemon import links
from firmware_ctl.daemon.interfaces import Link, Source
from firmware_ctl.daemon.links import (
    REOPEN_MS,
    PtyLink,
    SerialLink,
    SerialPorts,
    SocketLink,
    listen_control,
    listen_tcp,
    try_serial,
)
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Origin


class Owner:
    """The daemon, as far as a link knows it."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.lines: list[str] = []
        self.sources: list[Source] = []
        self.timers: list[tuple[int, Callable[[], object]]] = []

    def add(self, link: Link) -> None:
        self.links.append(link)

    def join(self, link: Link) -> None:
        self.links.append(link)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def later(self, after_ms: int, call: Callable[[], object]) -> None:
        self.timers.append((after_ms, call))

    def watch(self, *sources: Source) -> None:
        self.sources += sources

    def unwatch(self, source: Source) -> None:
        self.sources.remove(source)

    def make_room(self) -> bool:
        return False


def test_connection_of_a_link_has_the_origin_of_its_port() -> None:
    near, far = socket.socketpair()
    pty = PtyLink()
    links: list[Link] = [SocketLink(near), pty, SerialLink(None, lambda: None)]
    origins = [link.connection.origin for link in links]
    near.close()
    far.close()
    pty.close()
    assert origins == [Origin.SOCKET, Origin.SERIAL, Origin.SERIAL]


@pytest.fixture
def context() -> Iterator[Owner]:
    made = Owner()
    yield made
    for link in made.links:
        link.close()


# --- a client on a socket ---


@pytest.fixture
def pair() -> Iterator[tuple[SocketLink, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield SocketLink(ours), theirs
    ours.close()
    theirs.close()


def test_socket_link_read_returns_received_bytes_without_waiting(
    pair: tuple[SocketLink, socket.socket],
) -> None:
    link, client = pair
    assert not os.get_blocking(link.fileno())
    assert link.read() == b""
    client.sendall(b"stop\n")
    assert link.read() == b"stop\n"
    assert not link.ended


def test_socket_link_has_ended_when_all_was_read(pair: tuple[SocketLink, socket.socket]) -> None:
    link, client = pair
    client.sendall(b"!")
    client.close()
    assert link.read() == b"!"
    assert not link.ended
    assert link.read() == b""
    assert link.ended


def test_socket_link_whose_network_fails_has_ended() -> None:
    class Broken:
        def setblocking(self, blocks: bool) -> None:
            assert not blocks

        def recv(self, size: int) -> bytes:
            raise TimeoutError(ETIMEDOUT, "Connection timed out")

    link = SocketLink(Broken())  # type: ignore[arg-type]
    assert link.read() == b""
    assert link.ended


def test_socket_link_of_a_client_that_never_reads_does_not_wait(
    pair: tuple[SocketLink, socket.socket],
) -> None:
    _fill(pair[0])


def _fill(link: Link) -> None:
    """Writes until no more is taken."""
    assert not os.get_blocking(link.fileno())
    for _ in range(10_000):
        if not link.write(b"x" * 4096):
            break
    else:
        pytest.fail("it takes more than anyone can hold")
    assert not link.ended


# --- the control socket ---


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_control_socket_is_for_its_owner_and_group_whatever_the_umask(
    umask: int, tmp_path: Path
) -> None:
    path = tmp_path / "run" / "control.sock"
    listener = listen_control(str(path), pytest.fail)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    after = os.umask(umask)
    assert after == umask
    listener.close()
    assert not path.exists()


def test_control_socket_replaces_a_dead_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listener = listen_control(str(path), pytest.fail)
    with pytest.raises(DeviceError, match="a daemon answers"):
        listen_control(str(path), pytest.fail)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    path.write_text("a file of the user's own")
    with pytest.raises(DeviceError, match="is in the way and is not a socket"):
        listen_control(str(path), pytest.fail)
    assert path.read_text() == "a file of the user's own"


def test_control_socket_of_a_daemon_that_hangs_is_left_to_it(tmp_path: Path) -> None:
    """It may still drive motors, and `off` finds it by this socket."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as hangs, socket.socket(socket.AF_UNIX) as waits:
        hangs.bind(str(path))
        hangs.listen(0)
        waits.connect(str(path))  # now its queue is full
        with pytest.raises(DeviceError) as error:
            listen_control(str(path), pytest.fail)
    assert str(error.value) == (
        f"a daemon that hangs has {path}; end it with `firmware-ctl off --socket {path}`, "
        "or name another with --socket"
    )
    assert path.is_socket()


def test_control_socket_in_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "control.sock"
    with pytest.raises(
        DeviceError, match=f"^cannot make the control socket {path}: .*'{path.parent}"
    ):
        listen_control(str(path), pytest.fail)


def test_control_socket_that_someone_has_removed_is_closed_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listener = listen_control(str(path), pytest.fail)
    path.unlink()
    listener.close()
    assert listener.fileno() == -1


def test_control_socket_in_a_folder_that_another_program_has_locked_is_made_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LOCK_WAIT_S", 0.02)
    path = tmp_path / "control.sock"
    lines: list[str] = []
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_SH)  # any program that may read the folder can do this

    listener = listen_control(str(path), lines.append)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sentence = (
        f"another program has locked {tmp_path} for 0.02 s (`sudo lslocks` names it): end it "
        "before you start a second daemon on this control socket"
    )
    assert lines == [sentence]

    listener.close()
    assert not path.exists()
    assert lines == [sentence, sentence]

    os.close(holder)
    listen_control(str(path), pytest.fail).close()


def test_listener_without_a_client_does_not_wait(tmp_path: Path, context: Owner) -> None:
    listener = listen_control(str(tmp_path / "s"), pytest.fail)
    listener.attach(context, context)  # type: ignore[arg-type]
    assert not os.get_blocking(listener.fileno())
    listener.ready()
    assert context.links == []
    listener.close()


def test_listener_accepts_simultaneous_clients_one_after_the_other(
    context: Owner,
) -> None:
    listener = listen_tcp("127.0.0.1", 0)
    listener.attach(context, context)  # type: ignore[arg-type]
    clients = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(5)]
    for _ in clients:
        listener.ready()
    assert len(context.links) == 5
    for client in clients:
        client.close()
    listener.close()


# --- serial ports ---


@pytest.fixture
def wire() -> Iterator[tuple[int, str]]:
    """A cable: its far end, and the port's path."""
    far, port = os.openpty()
    os.set_blocking(far, False)
    yield far, os.ttyname(port)
    os.close(far)
    os.close(port)


def _port(path: str, baud: int = 115_200) -> SerialPort:
    return SerialPort(path, baud)


def test_serial_port_is_not_shared(wire: tuple[int, str]) -> None:
    first = try_serial(_port(wire[1]))
    assert isinstance(first, serial.Serial)
    assert isinstance(try_serial(_port(wire[1])), serial.SerialException)
    first.close()


def test_serial_port_has_the_mats_speed_and_blocks_neither_way(
    wire: tuple[int, str], context: Owner
) -> None:
    SerialPorts(context, context).open(_port(wire[1], 57_600))  # type: ignore[arg-type]
    (link,) = context.links
    assert not link.ended
    assert context.lines == [f"{wire[1]} is open at 57600 baud"]
    assert termios.tcgetattr(link.fileno())[4:6] == [termios.B57600] * 2
    assert not os.get_blocking(link.fileno())
    os.write(wire[0], b"stop\n")
    assert link.read() == b"stop\n"
    assert link.write(b"ok\r\n") == 4
    assert os.read(wire[0], 100) == b"ok\r\n"
    _fill(link)


def test_serial_port_that_is_missing_is_logged_once_and_retried(
    tmp_path: Path, wire: tuple[int, str], context: Owner
) -> None:
    path = tmp_path / "port"
    SerialPorts(context, context).open(_port(str(path)))  # type: ignore[arg-type]
    for _ in range(3):
        ((after_ms, again),) = context.timers
        context.timers.clear()
        assert after_ms == REOPEN_MS
        again()
    assert [line.startswith(f"{path} cannot be opened yet (") for line in context.lines] == [True]
    path.symlink_to(wire[1])
    context.timers[0][1]()
    assert len(context.links) == 1
    assert context.lines[-1] == f"{path} is open at 115200 baud"


def test_serial_port_that_is_unplugged_ends_and_is_opened_again(
    wire: tuple[int, str], context: Owner
) -> None:
    class Pulled:
        """Ready, and yet nothing is there to read."""

        def __init__(self) -> None:
            self._end, other = os.pipe()
            os.close(other)

        def fileno(self) -> int:
            return self._end

        def close(self) -> None:
            os.close(self._end)
            raise OSError("Input/output error")

    SerialPorts(context, context).open(_port(wire[1]), tried=Pulled())  # type: ignore[arg-type]
    link = context.links.pop()
    assert link.read() == b""
    assert link.ended
    link.close()
    assert context.lines[1:] == [f"{wire[1]} is gone; it is opened again as soon as it is back"]
    ((after_ms, again),) = context.timers
    assert after_ms == REOPEN_MS
    again()
    assert len(context.links) == 1


# --- the mock's own port ---


@pytest.fixture
def pty(context: Owner) -> Iterator[tuple[PtyLink, int]]:
    link = PtyLink()
    assert not os.get_blocking(link.fileno())
    client = os.open(link.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    yield link, client
    os.close(client)
    link.close()


def test_pty_passes_bytes_unchanged(pty: tuple[PtyLink, int]) -> None:
    link, client = pty
    data = b"\x03\x04\x11\x13\x15\x1a\x7f\r\n!?stop\n\xff\x00"
    os.write(client, data)
    assert link.read() == data
    assert link.write(data) == len(data)
    assert os.read(client, 100) == data
    assert link.read() == b""  # no echo


def test_pty_does_not_wait_for_a_client_that_never_reads_or_never_writes(
    pty: tuple[PtyLink, int],
) -> None:
    link, _ = pty
    _fill(link)
    assert link.read() == b""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_listener_takes_loopback_addresses_only(host: str) -> None:
    with pytest.raises(DeviceError, match=r"other machines reach .*; listen on 127\.0\.0\.1$"):
        listen_tcp(host, 0)


def test_listener_on_an_unknown_host_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"^cannot listen on no\.such\.host\.invalid:7: \w+"):
        listen_tcp("no.such.host.invalid", 7)


# --- a client that is gone, but has said something ---


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return ours, theirs


@pytest.mark.parametrize("writes", [False, True], ids=["only read", "answered"])
@pytest.mark.parametrize("make_pair", [socket.socketpair, tcp_pair])
def test_socket_link_reads_all_that_came_before_a_reset_although_no_answer_can_be_sent(
    make_pair: Callable[[], tuple[socket.socket, socket.socket]], writes: bool
) -> None:
    ours, client = make_pair()
    link = SocketLink(ours)
    requests = b"ping\n" * 3_000 + b"!"
    client.sendall(requests)
    link.write(b"an answer that the client does not read")
    # A socket that closes with unread bytes, and a TCP socket that does not linger, reset the connection.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    received = b""
    while not link.ended:
        if writes:
            assert link.write(b"ok\r\n") == 4  # taken as sent, since nobody can read it
            assert not link.ended
        received += link.read()
    link.close()
    assert received == requests
