"""`firmware-ctl mock` and `play`: the daemon on simulated pins, with a live view as its parent.

The daemon is a child process of the view. So a view that hangs cannot delay the daemon, and the
terminal is restored even if the daemon is killed. This module knows what only a mock has: a pty, a
live view, injected faults. It never knows real pins.
"""

import argparse
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from errno import EMFILE, ENFILE
from shlex import quote
from typing import Final

from firmware_ctl.cli import assembly
from firmware_ctl.cli.feed import Feed
from firmware_ctl.cli.guarded import guarded
from firmware_ctl.cli.log import open_log, warn
from firmware_ctl.config import paths
from firmware_ctl.config.mat import Motor
from firmware_ctl.daemon import links
from firmware_ctl.daemon.daemon import Daemon, make_daemon
from firmware_ctl.daemon.interfaces import Log, Watcher
from firmware_ctl.daemon.poller import SelectPoller, Waker
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.limits import SLICE_WAIT_MS
from firmware_ctl.protocol.connection import Connection, event
from firmware_ctl.session.events import Close, Notice, Select, Start, Wake
from firmware_ctl.session.session import Session
from firmware_ctl.storage.state_folder import temporary_folder
from firmware_ctl.storage.storage import Storage
from firmware_ctl.timeline.catalogue import BadEntry
from firmware_ctl.timeline.folder import find_profile, load_mat, profile_name, read_served
from firmware_ctl.timeline.motor_drive import Levels

AFTER_READY_MS: Final = 10
"""`play` waits this long before its start, which in the millisecond of readiness is too early."""


class ViewLink(links.SocketLink):
    """The daemon's end of the socket to its live view. When the view ends, the daemon ends."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.on_close: list[Callable[[], object]] = []

    def close(self) -> None:
        super().close()
        for callback in self.on_close:
            callback()


def mock(args: argparse.Namespace) -> int:
    """Runs until a signal or the view ends it, and returns the exit code."""
    _refuse_second(args.socket or paths.mock_socket(make=True))
    _check_files(args)
    with ExitStack() as stack:
        page = ""
        if args.web:
            from firmware_ctl.cli import mock_page

            page = mock_page.begin(args, args.socket or paths.mock_socket(make=True), stack)
        return _mock(args, page)


def _mock(args: argparse.Namespace, page: str) -> int:
    """`page`: the address of the page for phones. Empty: there is none."""
    pty = _open_pty()
    first_lines = [f"serial port: {pty.path}"] if pty else []
    first_lines += [f"web page: {page}"] if page else []
    if args.no_view or not (os.isatty(0) and os.isatty(1)):
        return _run_without_view(args, pty, "\n".join(first_lines))
    view_end, daemon_end = socket.socketpair()
    errors, errors_in = os.pipe()
    child = os.fork()
    if child == 0:
        view_end.close()
        os.close(errors)
        os.setsid()  # the signals of Ctrl-C and of a closed terminal go to the view alone
        os._exit(_child(args, pty, daemon_end, errors_in, page))
    daemon_end.close()
    os.close(errors_in)
    from firmware_ctl.cli import live_view

    with os.fdopen(errors, errors="replace") as lines:
        exit_code = live_view.run(view_end, child, "\n".join(first_lines), lines.read)
    # A daemon that was killed has removed neither its link nor its socket.
    if pty and args.link:
        _remove_own_link(pty.path, args.link)
    links.remove_dead_control(args.socket or paths.mock_socket(make=True), warn)
    return exit_code


def _run_without_view(args: argparse.Namespace, pty: links.PtyLink | None, first_lines: str) -> int:
    """The daemon in this process. The log waits until it runs: before it come `first_lines`, which
    name no port of a mock that could not start."""
    log = open_log()
    held: list[str] = []
    write = held.append

    def begin() -> None:
        nonlocal write
        if first_lines:
            print(first_lines, flush=True)
        show_held()
        write = log

    def show_held() -> None:
        while held:
            log(held.pop(0))

    try:
        return _run(args, pty, None, lambda line: write(line), begin)
    finally:
        show_held()


def _refuse_second(path: str) -> None:
    """Raises `DeviceError` if a daemon answers on this socket already.

    `links.listen_control` refuses this as well, but only after this mock has a port and a view.
    """
    if not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except OSError:  # nobody listens, or the daemon hangs: the listener will say which
            return
    raise DeviceError(
        f"a mock is already running ({path}); quit it, or start this one with --socket PATH"
    )


def _check_files(args: argparse.Namespace) -> None:
    """Raises `DeviceError` or `AuthorError` if a profile that the user named cannot be played."""
    if not args.files:
        return
    mat = load_mat(args.mat)
    for name in args.files:
        path = find_profile(name, args.profiles)
        try:
            entry = read_served(profile_name(path), path, mat)
        except OSError as error:
            raise DeviceError(f"{path} cannot be read: {error.strerror}") from None
        if isinstance(entry, BadEntry):
            raise entry.error


def _open_pty() -> links.PtyLink | None:
    """Opens the mock's serial port. None without pseudo-terminals, as in some containers."""
    if not hasattr(os, "openpty"):
        return None
    try:
        return links.PtyLink()
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):
            raise
        reason = error.strerror or error
        warn(f"firmware-ctl: there is no serial port, no terminal can be made: {reason}")
        return None


def _child(
    args: argparse.Namespace,
    pty: links.PtyLink | None,
    view: socket.socket,
    errors: int,
    page: str,
) -> int:
    """The daemon under a live view. It has no log; the reason of a failure goes to `errors`."""
    os.set_blocking(errors, False)  # the view reads it only after the daemon has ended
    os.dup2(errors, 2)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return guarded(lambda: _run(args, pty, ViewLink(view), lambda line: None, page=page))


def _run(
    args: argparse.Namespace,
    pty: links.PtyLink | None,
    view: ViewLink | None,
    log: Log,
    begin: Callable[[], object] = lambda: None,
    page: str = "",
) -> int:
    """The same block diagram as in `cli.run`, on simulated pins.

    `begin` is called when all is open, just before the loop runs. `page`: the address of the page
    for phones, which the view shows.
    """
    trial = assembly.begin_deadman_trial()
    with ExitStack() as stack:
        mat = load_mat(args.mat)
        state = args.state or stack.enter_context(temporary_folder())
        files = None
        if args.inject:
            from firmware_ctl.simulator import faults

            files = faults.FaultyFiles()
        poller, waker = SelectPoller(), Waker()
        storage = Storage(state, log, waker.post, stack, files, is_temporary=not args.state)
        trace = assembly.open_trace(args, storage)
        profiles = assembly.Profiles(args.profiles, mat, log, args.files)
        signals = assembly.catch_signals()
        from firmware_ctl.simulator.hardware import simulated

        hardware, board, factory = simulated(mat, poller.now_ms, waker)
        switch, inhibited = assembly.verify_deadman(trial, log)
        if inhibited:
            log(inhibited)
        session = Session(mat, profiles.catalogue, args.speed, storage.ledger.spent, inhibited)
        path = args.socket or paths.mock_socket(make=True)
        watchers: list[Watcher] = []
        if view is not None:
            addresses = ((args.link or pty.path) if pty else "", path, page)
            watchers.append(
                _feed(args, session, board.power_at, view.connection, addresses, poller.origin_ms)
            )
        if files is not None:
            stage = faults.Stage(mat, factory, board, files)
            watchers.append(faults.Injector(args.inject, stage, warn))
        recorder = storage.record(session)
        watchers += [*trace, *([] if recorder is None else [recorder]), storage.history]
        daemon = make_daemon(
            session, hardware, poller, switch, storage.ledger, profiles.read, log, watchers
        )
        assembly.attend(daemon, waker, signals, storage, recorder, log)
        _select_own(daemon, session, profiles.own, args.start, _teller(view, log))
        _connect(args, daemon, pty, view, log, stack)
        assembly.listen(daemon, path, [(port, None) for port in assembly.ports(args)], log, stack)
        # Only a mock that has the socket may leave its link, and remove it at its end.
        _leave_link(os.path.abspath(path), log, stack)
        begin()
        daemon.loop.run()
    return 0


def _feed(
    args: argparse.Namespace,
    session: Session,
    power_of: Callable[[Motor, int], int],
    connection: Connection,
    addresses: tuple[str, str, str],
    origin_ms: int,
) -> Feed:
    """The watcher that reports the session to the live view.

    `power_of`: the power of a motor at a time in ms. `addresses`: of the serial port, the socket
    and the page.
    """
    mat = session.mat

    def power_at(now_ms: int) -> Levels:
        return tuple(power_of(motor, now_ms) for motor in mat.motors)

    def selected() -> str:
        return session.selected.name if session.selected else ""

    serial, control, page = addresses
    return Feed(mat, args.speed, connection, serial, control, power_at, origin_ms, selected, page)


def _teller(view: ViewLink | None, log: Log) -> Callable[[CallerError], object]:
    """What tells log and view why the user's profile does not start."""

    def tell(refusal: CallerError) -> None:
        log(f"the profile does not start: {refusal}")
        if view is not None:
            words = {"code": refusal.code, "message": str(refusal)}
            view.connection.answer([event(Notice("refused", words))])

    return tell


def _select_own(
    daemon: Daemon,
    session: Session,
    names: Sequence[str],
    is_started: bool,
    tell: Callable[[CallerError], object],
) -> None:
    """Selects the first profile that the user named.

    `is_started`: starts it as soon as the daemon accepts a start. `tell` gets the reason if it does
    not start, at once or after the disk did not answer.
    """
    if names:
        daemon.player.step(Select(names[0]))

    def start() -> None:
        daemon.loop.catch_up()
        refusal = daemon.player.step(Start()).refusal
        if refusal is not None:
            tell(refusal)
        else:
            daemon.loop.later(SLICE_WAIT_MS, tell_if_given_up)

    def tell_if_given_up() -> None:
        daemon.player.step(Wake())  # gives up a start that has waited too long
        if session.not_started is not None:
            tell(session.not_started)

    if is_started:
        daemon.loop.when_ready.append(lambda: daemon.loop.later(AFTER_READY_MS, start))


def _connect(
    args: argparse.Namespace,
    daemon: Daemon,
    pty: links.PtyLink | None,
    view: ViewLink | None,
    log: Log,
    stack: ExitStack,
) -> None:
    """Adds the clients and ports that only a mock has: its pty, the live view, a TCP port."""
    if pty is not None:
        daemon.clients.add(pty)
        if args.link:
            _symlink(pty.path, args.link, stack)
    if view is not None:
        daemon.clients.add(view)
        view.on_close.append(lambda: daemon.player.step(Close()))
        view.on_close.append(lambda: log("the live view is gone; all motors are off"))
    if args.listen:
        host, port = args.listen
        listener = links.listen_tcp(host, port)
        stack.callback(listener.close)
        listener.attach(daemon.clients, daemon.loop)
        log(f"listening on {host}:{listener.port}")


def _leave_link(path: str, log: Log, stack: ExitStack) -> None:
    """Leaves a link to a control socket of the mock's own, by which a plain `stop` finds it."""
    try:
        if path == os.path.abspath(paths.mock_socket(make=True)):
            return
        link = paths.mock_link(path)
        with suppress(FileExistsError):  # of a mock that was killed, and had the same socket
            os.symlink(path, link)
    except (DeviceError, OSError) as error:
        log(f"a plain `stop` does not find this mock; use --socket {path}: {error}")
        return

    def remove() -> None:
        with suppress(OSError):
            os.unlink(link)

    stack.callback(remove)


def _symlink(path: str, link: str, stack: ExitStack) -> None:
    """Makes `link` a symbolic link to the pty, until the mock ends.

    Replaces only the link of a mock that was killed: a link to a pty that no longer exists, or
    whose number the kernel has given to this mock. Raises `DeviceError` for any other file.
    """
    try:
        if os.path.islink(link):
            target = os.readlink(link)
            was_a_port = os.path.dirname(target) == os.path.dirname(path)
            if not was_a_port:
                raise DeviceError(
                    f"{link} is a link to {target} already; remove it, or name another with --link"
                )
            if target != path and os.path.exists(target):
                raise DeviceError(
                    f"{link} is a link to {target} already: another mock that runs has made it, or "
                    "one that was killed has left it. If no other mock runs, remove it "
                    f"(`rm {quote(link)}`); else name another with --link"
                )
            os.unlink(link)
        os.symlink(path, link)
    except OSError as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(f"the link {link} cannot be made: {error.strerror}") from None
    stack.callback(_remove_own_link, path, link)


def _remove_own_link(path: str, link: str) -> None:
    with suppress(OSError):
        # Another mock may have replaced the link. No other mock has the pty of this one.
        if os.readlink(link) == path:
            os.unlink(link)
