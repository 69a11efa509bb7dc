"""A child process that drives the motor pins low the moment the daemon has died.

The guard runs before the death. On a busy emulated Pi it had the pins low 25 ms after a death,
while systemd needed 2 to 4 s to start `ExecStopPost=`. The guard knows the lines that the daemon
wrote into its state folder; it never kills a process and never asks the daemon.
"""

import fcntl
import os
import select
import signal
from typing import Final

from firmware_ctl.hardware import emergency_off

ABOVE_ALL: Final = 512
"""A descriptor number above all others of the daemon. The usual limit is 1024."""


def fork_pin_guard(folder: str) -> None:
    """Forks a child that drives the pins low as soon as this process has died, however it died.

    `folder`: the state folder, which names the pins. Call it before any thread is started: a fork
    copies only the calling thread. A line that another process holds by then is left alone.
    """
    try:
        daemon_pidfd = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return  # A kernel before 5.3 has no pidfd: the other layers must do.
    guard_end, daemon_end = os.pipe()
    if os.fork():
        os.close(guard_end)
        os.close(daemon_pidfd)
        # At a death the kernel closes descriptors from the highest number down. With the highest
        # number this pipe closes, and wakes the guard, before the GPIO lines and the ports close.
        try:
            fcntl.fcntl(daemon_end, fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL)
        except OSError:
            return  # The limit is lower. The pipe keeps its number, and the pidfd wakes the guard.
        os.close(daemon_end)
        return
    os.close(daemon_end)
    try:
        # These signals go to a whole service or terminal. The guard must outlive the daemon.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        select.select([daemon_pidfd, guard_end], [], [])
        _drive_pins_low(folder, daemon_pidfd)
    finally:
        os._exit(0)


def _drive_pins_low(folder: str, daemon_pidfd: int) -> None:
    chip, pins = emergency_off.read_lines(folder)
    chip_fd = emergency_off.open_chip(chip)
    # The kernel ends a process only after its serial ports have sent what they hold, which may take
    # 30 s. It may free the GPIO lines long before, so the guard tries again until the process ends.
    has_died = False
    while (failed := emergency_off.request_low(chip_fd, pins)) and not has_died:
        has_died = bool(select.select([daemon_pidfd], [], [], emergency_off.AGAIN_S)[0])
    if failed:
        # One line that another process holds fails the whole request, so each is now tried alone.
        for pin in pins:
            emergency_off.request_low(chip_fd, [pin])
