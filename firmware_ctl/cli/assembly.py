"""The parts of a daemon that `run` and `mock` share, because they are the same on any pins.

This module knows command-line arguments, signals and the order of starting. It never knows whether
the pins are real.
"""

import argparse
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat, SerialPort
from firmware_ctl.daemon import links
from firmware_ctl.daemon.daemon import Daemon
from firmware_ctl.daemon.interfaces import Deadman, Job, Log, Watcher
from firmware_ctl.daemon.latch import NoDeadman
from firmware_ctl.daemon.poller import Signals, Waker
from firmware_ctl.errors import WarningLine
from firmware_ctl.hardware import deadman
from firmware_ctl.session.events import ClockSynchronised, Close
from firmware_ctl.storage.flight_recorder import FlightRecorder
from firmware_ctl.storage.storage import Storage
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.folder import find_profile, profile_name, read_catalogue

if TYPE_CHECKING:
    from serial import Serial

CLOCK_AGAIN_MS = 60_000
"""How often to check whether the machine's clock is synchronised."""


def make_absolute(args: argparse.Namespace) -> None:
    """Makes the paths among the arguments absolute, in place."""
    for name in ("mat", "profiles", "socket", "trace"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))


def ports(args: argparse.Namespace) -> list[SerialPort]:
    return [SerialPort(device, 115_200) for device in args.port]


class Profiles:
    """The sources of profiles. They are read once here, and again by `read`, in another process."""

    def __init__(self, folder: str | None, mat: Mat, log: Log, own: Sequence[str] = ()) -> None:
        """`folder` is the only folder to read. None: the usual ones. Mistakes go to the log.

        `own` are the names or files of profiles to serve beside those of the folders.
        """
        folders = [folder] if folder else paths.profile_folders()
        files = [find_profile(name, folder) for name in own]
        self._sources = [os.path.abspath(source) for source in (*folders, *files)]
        self._mat = mat
        self.own = [profile_name(file) for file in files]
        self.catalogue = read_catalogue(self._sources, mat)
        for entry in self.catalogue.bad:
            log(WarningLine(entry.error.summary()))

    def read(self, done: Callable[[Catalogue | str], None]) -> Job:
        from firmware_ctl.daemon.profile_reader import Reader

        return Reader(self._sources, self._mat, done)


def begin_deadman_trial() -> deadman.DeadmanTrial | None:
    """Begins to verify the dead-man. None: this system has no such timer.

    Must run before any library starts a thread, because the trial forks.
    """
    return deadman.DeadmanTrial() if sys.platform == "linux" else None


def verify_deadman(trial: deadman.DeadmanTrial | None, log: Log) -> tuple[Deadman, str]:
    """Waits for the end of the trial.

    Returns the dead-man, and why no session may start. The reason is empty if sessions may start.
    """
    if trial is None:
        log(WarningLine("there is no dead-man on this system: a daemon that hangs is not ended"))
        return NoDeadman(), ""
    if reason := trial.verify():
        return NoDeadman(), f"the dead-man could not be tested: {reason}; no session can start"
    return deadman.KernelDeadman(), ""


def open_trace(args: argparse.Namespace, storage: Storage) -> list[Watcher]:
    return [storage.open_trace(args.trace)] if args.trace else []


def catch_signals() -> Signals:
    """Makes signals wait for the loop. To be called before any pin is taken, so that no signal ends
    the process while it holds pins."""
    return Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1))


def attend(
    daemon: Daemon,
    waker: Waker,
    signals: Signals,
    storage: Storage,
    recorder: FlightRecorder | None,
    log: Log,
) -> None:
    """Connects the loop to other threads and to signals, and plans its first tasks."""

    def on_signal(number: signal.Signals) -> None:
        if number is not signal.SIGUSR1:
            daemon.player.step(Close())
            log(f"{number.name}: all motors are off; the daemon ends")
        elif recorder is not None:
            recorder.keep("asked")

    signals.on_signal = on_signal
    daemon.loop.watch(waker, signals)
    daemon.loop.later(0, _warm_up)
    _check_clock(daemon, storage)


def listen(
    daemon: Daemon,
    socket_path: str,
    ports: "Iterable[tuple[SerialPort, Serial | Exception | None]]",
    log: Log,
    stack: ExitStack,
) -> None:
    """Opens the daemon to clients: serial ports and the control socket.

    Each port comes with the result of an earlier `try_serial`, or None.
    """
    serial = links.SerialPorts(daemon.clients, daemon.loop)
    for port, tried in ports:
        serial.open(port, tried)
    if hasattr(socket, "AF_UNIX"):
        path = os.path.abspath(socket_path)
        listener = links.listen_control(path, log)
        stack.callback(listener.close)
        listener.attach(daemon.clients, daemon.loop)
        log(f"control socket: {socket_path}")


def _check_clock(daemon: Daemon, storage: Storage) -> None:
    """Tells the session how long the machine was off, as soon as its clock is synchronised.

    A Raspberry Pi has no clock that runs without power. Until it has the time from the network, the
    daemon cannot know whether the day of the ledger is over.
    """
    if not storage.ledger.is_unsure_of_time:
        return
    off_ms = storage.ledger.unseen_ms()
    if off_ms is None:
        daemon.loop.later(CLOCK_AGAIN_MS, lambda: _check_clock(daemon, storage))
    else:
        daemon.player.step(ClockSynchronised(off_ms))


def _warm_up() -> None:
    """Does slow work while the button settles, before anything can move.

    Imports what a reload needs. Then excludes all present objects from garbage collection, which
    would spend milliseconds on them between two ticks.
    """
    from firmware_ctl.daemon import profile_reader  # noqa: F401

    gc.freeze()
