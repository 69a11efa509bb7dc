"""`firmware-ctl run`: the daemon on the pins of this Raspberry Pi.

Read this first. From top to bottom, `run` is the block diagram of the program: each line makes one
part and passes it the parts that it needs. `docs/architecture.md` continues from here. This module
knows the order in which the parts begin, and nothing of what they do.
"""

import argparse
import os
from contextlib import ExitStack

from firmware_ctl.cli import assembly
from firmware_ctl.cli.log import open_log
from firmware_ctl.config import paths
from firmware_ctl.daemon.daemon import make_daemon
from firmware_ctl.daemon.links import try_serial
from firmware_ctl.daemon.poller import SelectPoller, Waker
from firmware_ctl.hardware import deadman, pin_guard
from firmware_ctl.hardware.pi import Pi
from firmware_ctl.hardware.systemd import Systemd
from firmware_ctl.session.session import Session
from firmware_ctl.storage.storage import Storage
from firmware_ctl.timeline.folder import load_mat


def run(args: argparse.Namespace) -> int:
    """Runs until a signal ends it. Raises `DeviceError` if it cannot start."""
    state = os.path.abspath(args.state or paths.SERVICE_STATE)
    assembly.make_absolute(args)  # lgpio changes the working folder

    # Safety begins before anything can move. A child process drives the pins low when this process
    # dies. A trial proves that the kernel's timer kills a process that hangs. Locked memory keeps
    # the loop from waiting for a disk.
    pin_guard.fork_pin_guard(state)
    trial = assembly.begin_deadman_trial()
    deadman.lock_memory()

    with ExitStack() as stack:
        log = open_log()
        systemd = Systemd()
        pi = Pi(state, "`firmware-ctl mock` plays the same without pins", stack)
        mat = load_mat(args.mat)
        # The loop's time 0 comes just before the ledger is read, because the times of the day's
        # account are relative to that moment.
        poller, waker = SelectPoller(), Waker()
        storage = Storage(state, log, waker.post, stack)
        trace = assembly.open_trace(args, storage)
        profiles = assembly.Profiles(args.profiles, mat, log)
        signals = assembly.catch_signals()
        pi.write_down(mat)

        # Ports before pins. When the process dies, the kernel closes the descriptors in the reverse
        # order, and waits up to 30 s for a serial port to send its bytes. The motors must not wait.
        ports = [(port, try_serial(port)) for port in (*mat.ports, *assembly.ports(args))]
        hardware = pi.open(mat, poller.origin_ns, log)

        switch, inhibited = assembly.verify_deadman(trial, log)
        inhibited = inhibited or systemd.start_inhibited_because
        if inhibited:
            log(inhibited)
        session = Session(mat, profiles.catalogue, 1.0, storage.ledger.spent, inhibited)
        recorder = storage.record(session)
        daemon = make_daemon(
            session,
            hardware,
            poller,
            switch,
            storage.ledger,
            profiles.read,
            log,
            [*trace, *([] if recorder is None else [recorder]), storage.history],
            [systemd],
        )
        assembly.attend(daemon, waker, signals, storage, recorder, log)
        assembly.listen(daemon, args.socket or paths.SERVICE_SOCKET, ports, log, stack)
        daemon.loop.when_ready.append(systemd.ready)
        stack.callback(systemd.stopping)
        daemon.loop.run()
    return 0
