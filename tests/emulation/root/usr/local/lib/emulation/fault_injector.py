"""Injects faults in the guest, and marks their time with a GPIO pin that the host can see.

Each line on /run/fault-injector is a command. `kill PID SIGNAL` sends a signal and waits until the
process has ended. `withhold MS` lets no process of the service run for that time.
The marker pin rises when the fault is set off. It falls when the process has ended, or when the
processors are free again.
"""

import fcntl
import os
import select
import struct
import time

PIN = 21
LINE_REQUEST = struct.Struct("=64I32sQI20xIIQQ216xII20xi")
GET_LINE = 0xC250B407
VALUES = struct.Struct("=QQ")
SET_VALUES = 0xC010B40F
FREEZER = "/sys/fs/cgroup/system.slice/firmware-ctl.service/cgroup.freeze"

chip = os.open("/dev/gpiochip0", os.O_RDWR)
request = bytearray(LINE_REQUEST.pack(PIN, *[0] * 63, b"injector", 8, 0, 0, 0, 0, 0, 1, 0, 0))
fcntl.ioctl(chip, GET_LINE, request)
line = LINE_REQUEST.unpack(request)[-1]


def set_marker(is_high: bool) -> None:
    fcntl.ioctl(line, SET_VALUES, VALUES.pack(is_high, 1))


def withhold_processors(for_ms: int) -> None:
    """Freezes the service's processes, as if other programs had all processors meanwhile.

    Programs that really take all processors would delay each other and the rest of the guest, so that
    the time would be a different one each time.
    """
    with open(FREEZER, "wb", buffering=0) as freezer:
        set_marker(True)
        freezer.write(b"1")
        time.sleep(for_ms / 1000)
        freezer.write(b"0")


if not os.path.exists("/run/fault-injector"):
    os.mkfifo("/run/fault-injector")
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(80))
while True:
    with open("/run/fault-injector") as commands:
        for command, *numbers in map(str.split, commands):
            if command == "withhold":
                withhold_processors(int(numbers[0]))
            else:
                pid, signal_number = map(int, numbers)
                process = os.pidfd_open(pid)
                set_marker(True)
                os.kill(pid, signal_number)
                select.select([process], [], [], 30)
                os.close(process)
            set_marker(False)
