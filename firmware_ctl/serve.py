"""`run` and `mock`: the daemon put together from its parts, on real pins or simulated ones."""

import argparse
import gc
import os
import select
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from errno import EMFILE, ENFILE
from typing import Any

from firmware_ctl import deadman, links, off, places
from firmware_ctl.allowance import NEW_DAY
from firmware_ctl.catalogue import Catalogue
from firmware_ctl.daemon import Daemon, Job, StartButton
from firmware_ctl.disk import Disk
from firmware_ctl.errors import DeviceError
from firmware_ctl.feed import Feed
from firmware_ctl.files import open_regular
from firmware_ctl.folder import load_mat, read_catalogue
from firmware_ctl.inbox import RealInbox, Signals, Waker
from firmware_ctl.incident import Recorder, Ring, Shelf, left_behind
from firmware_ctl.latch import Deadman, Latch, Motors, NoDeadman
from firmware_ctl.ledger import Files, Ledger
from firmware_ctl.mat import SerialPort
from firmware_ctl.notify import Systemd
from firmware_ctl.player import Proof, Watcher
from firmware_ctl.printable import printable
from firmware_ctl.sentries import Rail, Sentry, TickLate, UnderVoltage
from firmware_ctl.session import Away, Close, Session
from firmware_ctl.shaping import Levels
from firmware_ctl.state import StateFolder, temporary_folder
from firmware_ctl.trace import Trace

Say = Callable[[str], None]

CLOCK_AGAIN_MS = 60_000
"""How often a clock is looked at that is not yet synchronised."""


class ViewLink(links.SocketLink):
    """The live view's end: when it goes, the daemon goes."""

    def close(self, daemon: Daemon) -> None:
        super().close(daemon)
        daemon.step(Close())
        daemon.say("the live view is gone; all motors are off")


def run(args: argparse.Namespace) -> int:
    """The daemon on the pins of this machine."""
    state = os.path.abspath(args.state or places.SERVICE_STATE)
    for name in ("mat", "profiles", "socket", "trace"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    off.guard(state)
    proof = _begin_proof()
    deadman.lock_memory()
    from firmware_ctl import contacts, gpio

    with ExitStack() as stack:
        factory = real_pins(state, "`firmware-ctl mock` plays the same without pins", stack)
        systemd = Systemd()
        parts = _Parts(args, stack, state, _log, systemd, proof=proof)
        try:
            off.write_lines(state, f"/dev/gpiochip{factory.chip}", parts.mat.power_pins)
        except OSError as error:
            raise DeviceError(f"nothing can be written to {state}: {error.strerror}") from None
        # Before the pins: when the process dies the kernel closes what was opened last first, and
        # waits up to 30 s until a port has sent what it holds; the motors must not wait for that.
        ports = [(port, links.try_serial(port)) for port in (*parts.mat.ports, *_ports(args))]
        watchers: list[Watcher] = []
        if parts.mat.led_pin is not None:
            watchers.append(gpio.GpioLed(parts.mat.led_pin, factory))
        button = None
        if parts.mat.button is not None:
            button = contacts.KernelContacts(
                f"/dev/gpiochip{factory.chip}", parts.mat.button, parts.inbox.origin_ns
            )
        motors = gpio.GpioMotors(parts.mat, factory)
        stack.callback(motors.all_low)
        sags = under_voltage_alarm()
        if sags is not None:
            parts.sentries.append(UnderVoltage(sags, _log))
        daemon = parts.daemon(motors, factory, button, 1.0, watchers)
        if button is not None:
            daemon.watch(button)
        for port, tried in ports:
            links.open_serial(port, daemon, tried=tried)
        parts.control(daemon, args.socket or places.SERVICE_SOCKET)
        stack.callback(systemd.stopping)
        daemon.run()
    return 0


def real_pins(state: str, advice: str, stack: ExitStack) -> Any:
    """The pins of this Pi; `DeviceError` with the advice where there are none.

    lgpio keeps a FIFO in a folder that it makes the process's own: make paths absolute before. It
    makes the FIFO by its path, and so only in a folder where no other user can put a link.
    """
    if "LG_WD" not in os.environ:
        own = os.access(state, os.W_OK) and os.stat(state).st_uid == os.geteuid()
        folder = state if own else stack.enter_context(tempfile.TemporaryDirectory())
        os.environ["LG_WD"] = folder
    from firmware_ctl import gpio

    try:
        return gpio.lgpio_factory()
    except DeviceError as error:
        raise DeviceError(f"{error}; {advice}") from None


def mock(args: argparse.Namespace) -> int:
    """The daemon on simulated pins; on a terminal with the live view as its parent."""
    pty = _open_pty()
    first_line = f"serial port: {pty.path}" if pty else ""
    if args.no_view or not (os.isatty(0) and os.isatty(1)):
        if first_line:
            print(first_line, flush=True)
        return _mock_daemon(args, pty, None, _log)
    ours, theirs = socket.socketpair()
    errors, errors_in = os.pipe()
    child = os.fork()
    if child == 0:
        ours.close()
        os.close(errors)
        os.setsid()  # Ctrl-C and a closing terminal are the view's affair
        os._exit(_child(args, pty, theirs, errors_in))
    theirs.close()
    os.close(errors_in)
    from firmware_ctl import view

    with os.fdopen(errors, errors="replace") as said:
        return view.run(ours, child, first_line, said.read)


def _open_pty() -> links.PtyLink | None:
    """None where there is no terminal to be had, as in a container without /dev/pts."""
    if not hasattr(os, "openpty"):
        return None
    try:
        return links.PtyLink()
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):
            raise
        why = error.strerror or error
        _warn(f"firmware-ctl: there is no serial port, no terminal can be made: {why}")
        return None


def _child(
    args: argparse.Namespace, pty: links.PtyLink | None, view: socket.socket, errors: int
) -> int:
    """The daemon under a live view: what it says goes to the view, why it failed to stderr."""
    os.set_blocking(errors, False)  # nobody reads it before the end
    os.dup2(errors, 2)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    from firmware_ctl.cli import guarded

    return guarded(lambda: _mock_daemon(args, pty, ViewLink(view), lambda _: None))


def _mock_daemon(
    args: argparse.Namespace, pty: links.PtyLink | None, view: ViewLink | None, say: Say
) -> int:
    with ExitStack() as stack:
        state = args.state or stack.enter_context(temporary_folder())
        files = None
        if args.inject:
            from firmware_ctl.simulator import faults

            files = faults.FaultyFiles()
        parts = _Parts(args, stack, state, say, files=files, is_temporary=not args.state)
        from firmware_ctl import gpio
        from firmware_ctl.simulator import pins
        from firmware_ctl.simulator.board import Board

        board = Board(parts.mat)
        factory = pins.mock_factory(board, parts.inbox.now_ms)
        factory.pin_class = pins.KeptPin
        button = None
        if parts.mat.button is not None:
            button = pins.SimulatedButton(parts.mat.button, factory, parts.waker)
        motors = gpio.GpioMotors(parts.mat, factory)
        path = args.socket or places.mock_socket(make=True)
        watchers: list[Watcher] = []
        if view is not None:

            def power_at(now_ms: int) -> Levels:
                return tuple(board.power_at(motor, now_ms) for motor in parts.mat.motors)

            serial, origin_ms = pty.path if pty else "", parts.inbox.origin_ms
            watchers.append(Feed(view.connection, serial, path, power_at, origin_ms))
        if files is not None:
            stage = faults.Stage(parts.mat, factory, board, files)
            watchers.append(faults.Injector(args.inject, stage, _warn))
        daemon = parts.daemon(motors, factory, button, args.speed, watchers)
        for link in (pty, view):
            if link is not None:
                daemon.add(link)
        if pty is not None and args.link:
            _symlink(pty.path, args.link, stack)
        if args.listen:
            listener = links.listen_tcp(*args.listen)
            stack.callback(listener.close)
            daemon.watch(listener)
            say(f"listening on {args.listen[0]}:{listener.port}")
        for port in _ports(args):
            links.open_serial(port, daemon)
        parts.control(daemon, path)
        daemon.run()
    return 0


class _Parts:
    """What both daemons are made of; all of it is given back when the stack closes."""

    def __init__(
        self,
        args: argparse.Namespace,
        stack: ExitStack,
        state: str,
        say: Say,
        systemd: Systemd | None = None,
        files: Files | None = None,
        proof: deadman.Proof | None = None,
        is_temporary: bool = False,
    ) -> None:
        """`systemd`: None for a mock, which answers to no service manager. `files`: for tests.

        `is_temporary`: the state folder ends with the daemon; nobody reads it after a kill.
        """
        self._proof = proof or _begin_proof()
        self.mat = load_mat(args.mat)
        self._folders = [args.profiles] if args.profiles else places.profile_folders()
        self._folders = [os.path.abspath(folder) for folder in self._folders]
        self._stack = stack
        self._say = say
        folder = StateFolder(state)
        stack.callback(folder.close)
        self._disk = Disk(say)
        stack.callback(self._disk.close)
        self._shelf = Shelf(os.path.abspath(state), self._disk, say)
        self._ring = "" if is_temporary else places.ring_file(state)
        if folder.killed:
            say(f"the last run on this state folder was killed (process {folder.killed})")
            self._shelf.keep("killed", left_behind(self._ring, folder.killed))
        self._catalogue = read_catalogue(self._folders, self.mat)
        for entry in self._catalogue.entries:
            if entry.error is not None:
                say(entry.error.summary())
        self.inbox = RealInbox()
        self.waker = Waker()
        self._ledger = Ledger(os.path.abspath(state), self._disk, self.waker.post, files=files)
        if self._ledger.spent.damage:
            say(f"{self._ledger.spent.damage}; {NEW_DAY}")
        self.sentries: list[Sentry] = [TickLate()]
        self._proofs: list[Proof] = [systemd] if systemd else []
        self._systemd = systemd
        self._trace = self._open_trace(args.trace) if args.trace else None
        self._recorder: Recorder | None = None
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._signals = Signals(ends, {signal.SIGUSR1: self._keep})

    def daemon(
        self,
        motors: Motors,
        factory: Any,
        button: StartButton | None,
        speed: float,
        watchers: list[Watcher],
    ) -> Daemon:
        from firmware_ctl import gpio

        if self._trace is not None:
            watchers = [*watchers, self._trace]
        if self.mat.gate is not None:
            gate = gpio.GpioGate(self.mat.gate, factory)
            self._proofs = [gate, *self._proofs]
            if self.mat.gate.rail_pin is not None:
                self.sentries.append(Rail(gate.is_rail_on))
        deadman_, barred = self._proven()
        if barred:
            self._say(barred)
        session = Session(self.mat, self._catalogue, speed, self._ledger.spent, barred)
        try:
            ring = Ring(self._ring, len(self.mat.motors))
        except OSError as error:
            self._say(f"no incident can be kept, {self._ring} cannot be made: {error.strerror}")
        else:
            self._recorder = Recorder(session, ring, self._shelf)
            watchers = [*watchers, self._stack.enter_context(self._recorder)]
        daemon = Daemon(
            session,
            self.inbox,
            Latch(self.mat, motors, deadman_),
            button,
            self._ledger,
            self._read_profiles,
            self._say,
            watchers,
            self.sentries,
            self._proofs,
        )
        daemon.watch(self.waker, self._signals)
        daemon.later(0, _settle)
        self._look_at_the_clock(daemon)
        if self._systemd is not None:
            daemon.when_ready.append(self._systemd.ready)
        return daemon

    def _proven(self) -> tuple[Deadman, str]:
        """The dead-man, and why no session may start: asked last, since the proof takes a while."""
        doubt = self._systemd.doubt if self._systemd else ""
        if self._proof is None:
            self._say("there is no dead-man on this system: a daemon that hangs is not ended")
            return NoDeadman(), doubt
        if unproven := self._proof.doubt():
            return NoDeadman(), f"the dead-man is not proven: {unproven}; no session can start"
        return deadman.KernelDeadman(), doubt

    def _look_at_the_clock(self, daemon: Daemon) -> None:
        """Until it can be relied on: how long the machine was off may not be known at the start."""
        if self._ledger.is_unsure_of_time:
            away_ms = self._ledger.unseen_ms()
            if away_ms is not None:
                daemon.step(Away(away_ms))
            else:
                daemon.later(CLOCK_AGAIN_MS, lambda: self._look_at_the_clock(daemon))

    def _keep(self) -> None:
        if self._recorder is not None:
            self._recorder.keep("asked")

    def control(self, daemon: Daemon, path: str) -> None:
        if not hasattr(socket, "AF_UNIX"):
            return
        listener = links.listen_control(os.path.abspath(path))
        self._stack.callback(listener.close)
        daemon.watch(listener)
        self._say(f"control socket: {path}")

    def _read_profiles(self, done: Callable[[Catalogue | str], None]) -> Job:
        from firmware_ctl.reader import Reader

        return Reader(self._folders, self.mat, done)

    def _open_trace(self, path: str) -> Trace:
        if not path.endswith(".jsonl"):
            raise DeviceError(f"{path}: a trace ends in .jsonl")
        try:
            fd = open_regular(path, os.O_WRONLY | os.O_CREAT)
            os.ftruncate(fd, 0)
        except OSError as error:
            raise DeviceError(f"the trace {path} cannot be written: {error.strerror}") from None
        file = open(fd, "w", encoding="ascii", buffering=1)  # noqa: SIM115, the disk closes it
        self._stack.callback(self._disk.submit, file.close)
        return Trace(lambda line: self._disk.submit(lambda: file.write(line)))


def _settle() -> None:
    """While the button is looked at: loads what a reload needs, so that it never waits for it, and
    has the collector pass over what is there for good, which would take it milliseconds.
    """
    from firmware_ctl import reader  # noqa: F401

    gc.freeze()


def _begin_proof() -> deadman.Proof | None:
    """Before any library starts a thread of its own; None where there is no such timer."""
    return deadman.Proof() if sys.platform == "linux" else None


def _ports(args: argparse.Namespace) -> list[SerialPort]:
    return [SerialPort(device, 115_200) for device in args.port]


def _symlink(path: str, link: str, stack: ExitStack) -> None:
    """Only what a mock that was killed has left is replaced: a link to a terminal that is gone.

    The kernel may have given that terminal's number to this mock.
    """
    try:
        if os.path.islink(link):
            target = os.readlink(link)
            was_a_port = os.path.dirname(target) == os.path.dirname(path)
            if not was_a_port or (target != path and os.path.exists(target)):
                raise DeviceError(
                    f"{link} is a link to {target} already; remove it, or name another with --link"
                )
            os.unlink(link)
        os.symlink(path, link)
    except OSError as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(f"the link {link} cannot be made: {error.strerror}") from None

    def forget() -> None:
        with suppress(OSError):
            if os.readlink(link) == path:  # while this mock lives no other has this port
                os.unlink(link)

    stack.callback(forget)


def under_voltage_alarm() -> Callable[[], bool] | None:
    """Reads the kernel's alarm for the Pi's supply; None where there is none."""
    import glob  # 2 ms that a mock does not need

    for path in glob.glob("/sys/class/hwmon/hwmon*/in0_lcrit_alarm"):
        with open(os.path.join(os.path.dirname(path), "name"), encoding="ascii") as file:
            if file.read().strip() == "rpi_volt":
                alarm = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                return lambda: os.pread(alarm, 8, 0).strip() == b"1"
    return None


def _warn(line: str) -> None:
    os.write(2, _line(line))


def _log(line: str) -> None:
    """A line to stdout, dropped where no one takes it: telling must never hold up the loop.

    A terminal or a pipe is opened anew, so as not to change how others write to it; select would
    call a terminal ready that has less room than the line needs. The journal is a socket.
    """
    data = _line(line)
    with suppress(OSError):
        kind = stat.S_IFMT(os.fstat(1).st_mode)
        if kind == stat.S_IFSOCK:
            socket.socket(fileno=os.dup(1)).send(data, socket.MSG_DONTWAIT)
        elif kind in (stat.S_IFCHR, stat.S_IFIFO):
            try:
                fd = os.open("/proc/self/fd/1", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            except FileNotFoundError:
                _log_without_proc(data, is_pipe=kind == stat.S_IFIFO)
                return
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        else:
            os.write(1, data)


def _log_without_proc(data: bytes, is_pipe: bool) -> None:
    """As `_log` where /proc is not there, as on macOS. A pipe cannot be opened anew without it.

    A pipe that select calls ready takes `PIPE_BUF` bytes without a wait; a longer line is cut.
    """
    if is_pipe:
        if select.select((), (1,), (), 0)[1]:
            os.write(1, data[: select.PIPE_BUF - 1].rstrip(b"\n") + b"\n")
        return
    fd = os.open(os.ttyname(1), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def _line(text: str) -> bytes:
    """One line of the log, whatever file names and answers stand in it."""
    return printable(text).encode()[:4000] + b"\n"
