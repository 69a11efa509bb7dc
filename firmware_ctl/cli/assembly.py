"""What `run` and `mock` have in common: the parts of a daemon that are the same on any pins."""

import argparse
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from firmware_ctl.config import paths
from firmware_ctl.config.mat import Mat, SerialPort
from firmware_ctl.daemon import links
from firmware_ctl.daemon.daemon import Daemon
from firmware_ctl.daemon.interfaces import Deadman, Job, Log, Watcher
from firmware_ctl.daemon.latch import NoDeadman
from firmware_ctl.daemon.poller import Signals, Waker
from firmware_ctl.hardware import deadman
from firmware_ctl.session.events import ClockSynchronised, Close
from firmware_ctl.storage.flight_recorder import Recorder
from firmware_ctl.storage.storage import Storage
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.folder import read_catalogue

CLOCK_AGAIN_MS = 60_000
"""How often a clock is asked again that is not yet synchronised."""


def make_absolute(args: argparse.Namespace) -> None:
    for name in ("mat", "profiles", "socket", "trace"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))


def ports(args: argparse.Namespace) -> list[SerialPort]:
    return [SerialPort(device, 115_200) for device in args.port]


class Profiles:
    """The folders of profiles, read now, and again in another process when asked to."""

    def __init__(self, folder: str | None, mat: Mat, log: Log) -> None:
        """`folder`: profiles are taken from here and nowhere else; None: from the usual ones."""
        folders = [folder] if folder else paths.profile_folders()
        self._folders = [os.path.abspath(folder) for folder in folders]
        self._mat = mat
        self.catalogue = read_catalogue(self._folders, mat)
        for entry in self.catalogue.bad:
            log(entry.error.summary())

    def read(self, done: Callable[[Catalogue | str], None]) -> Job:
        from firmware_ctl.daemon.profile_reader import Reader

        return Reader(self._folders, self._mat, done)


def begin_deadman_trial() -> deadman.DeadmanTrial | None:
    """Before any library starts a thread; None: this system has no such timer."""
    return deadman.DeadmanTrial() if sys.platform == "linux" else None


def verify_deadman(trial: deadman.DeadmanTrial | None, log: Log) -> tuple[Deadman, str]:
    """The dead-man, and why no session may start; empty: it may. Waits for the trial's end."""
    if trial is None:
        log("there is no dead-man on this system: a daemon that hangs is not ended")
        return NoDeadman(), ""
    if unproven := trial.verify():
        return NoDeadman(), f"the dead-man is not proven: {unproven}; no session can start"
    return deadman.KernelDeadman(), ""


def open_trace(args: argparse.Namespace, storage: Storage) -> list[Watcher]:
    return [storage.open_trace(args.trace)] if args.trace else []


def catch_signals() -> Signals:
    """From now on a signal waits for the loop. Before any pin is taken."""
    return Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1))


def attend(
    daemon: Daemon,
    waker: Waker,
    signals: Signals,
    storage: Storage,
    recorder: Recorder | None,
    log: Log,
) -> None:
    """Has the loop wait for other threads and for signals, and set what has to be set once."""

    def on_signal(number: signal.Signals) -> None:
        if number is not signal.SIGUSR1:
            daemon.player.step(Close())
            log(f"{number.name}: all motors are off; the daemon ends")
        elif recorder is not None:
            recorder.keep("asked")

    signals.on_signal = on_signal
    daemon.loop.watch(waker, signals)
    daemon.loop.later(0, _settle)
    _ask_the_clock(daemon, storage)


def listen(
    daemon: Daemon,
    socket_path: str,
    ports: Iterable[tuple[SerialPort, Any]],
    log: Log,
    stack: ExitStack,
) -> None:
    """Opens the daemon to clients: serial ports, each with what `try_serial` gave, and a socket."""
    serial = links.SerialPorts(daemon.clients, daemon.loop)
    for port, tried in ports:
        serial.open(port, tried)
    if hasattr(socket, "AF_UNIX"):
        path = os.path.abspath(socket_path)
        listener = links.listen_control(path)
        stack.callback(listener.close)
        listener.attach(daemon.clients, daemon.loop)
        log(f"control socket: {socket_path}")


def _ask_the_clock(daemon: Daemon, storage: Storage) -> None:
    """How long the machine was off may be known only when its clock is synchronised."""
    if not storage.ledger.is_unsure_of_time:
        return
    off_ms = storage.ledger.unseen_ms()
    if off_ms is None:
        daemon.loop.later(CLOCK_AGAIN_MS, lambda: _ask_the_clock(daemon, storage))
    else:
        daemon.player.step(ClockSynchronised(off_ms))


def _settle() -> None:
    """While the button settles: loads what a reload needs, so that a reload never waits for it, and
    has the garbage collector pass over what stays for good, which would take it milliseconds.
    """
    from firmware_ctl.daemon import profile_reader  # noqa: F401

    gc.freeze()
