"""A child process that drives the motor pins low the moment the daemon has died."""

import fcntl
import os
import select
import signal
from typing import Final

from firmware_ctl.hardware import emergency_off

ABOVE_ALL: Final = 512
"""A descriptor's number that no other reaches; the usual limit is 1024."""


def fork_pin_guard(folder: str) -> None:
    """Forks a child that makes the pins low the moment this process has died, however it died.

    It is there already when `ExecStopPost=` has yet to be started, and does the first part of it:
    the lines that the daemon named in its state folder. Who holds one when the process has ended is
    left alone. To be called before any thread is started.
    """
    try:
        death = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return  # a kernel before 5.3
    closing, ours = os.pipe()
    if os.fork():
        os.close(closing)
        os.close(death)
        # The kernel closes from the highest number down: this end goes before lines and ports.
        try:
            fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL)
        except OSError:
            return  # fewer are allowed: it stays where it is, and the death is what wakes the guard
        os.close(ours)
        return
    os.close(ours)
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        select.select([death, closing], [], [])
        chip, pins = emergency_off.read_lines(folder)
        fd = emergency_off.open_chip(chip)
        # A process has not ended before its serial ports have sent what they hold, for which the
        # kernel waits up to 30 s. Its lines may be free long before that.
        has_died = False
        while (failed := emergency_off.request_low(fd, pins)) and not has_died:
            has_died = bool(select.select([death], [], [], emergency_off.AGAIN_S)[0])
        if failed:
            for pin in pins:
                emergency_off.request_low(fd, [pin])
    finally:
        os._exit(0)
