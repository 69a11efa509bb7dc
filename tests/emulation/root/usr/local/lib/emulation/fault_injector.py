"""Injects faults in the guest, and marks their time with a GPIO pin that the host can see.

Each line on /run/fault-injector is a command. `kill PID SIGNAL` sends a signal and waits until the
process has ended. `hog MS` keeps every processor busy, at a higher priority than the service may have.
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

chip = os.open("/dev/gpiochip0", os.O_RDWR)
request = bytearray(LINE_REQUEST.pack(PIN, *[0] * 63, b"injector", 8, 0, 0, 0, 0, 0, 1, 0, 0))
fcntl.ioctl(chip, GET_LINE, request)
line = LINE_REQUEST.unpack(request)[-1]


def set_marker(is_high: bool) -> None:
    fcntl.ioctl(line, SET_VALUES, VALUES.pack(is_high, 1))


def hog(for_ms: int) -> None:
    start_read, start_write = os.pipe()
    ready_read, ready_write = os.pipe()
    processors = os.sched_getaffinity(0)
    for processor in processors:
        if os.fork() == 0:
            os.close(start_write)
            os.sched_setaffinity(0, {processor})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
            os.write(ready_write, b".")
            os.read(start_read, 1)
            until_s = time.monotonic() + for_ms / 1000
            while time.monotonic() < until_s:
                pass
            os.write(ready_write, b".")
            # The end of a process takes a while, which must not keep the processor from the daemon.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os._exit(0)
    for _ in processors:
        os.read(ready_read, 1)
    # The start of these processes delays other programs. The fault must begin after they have
    # caught up.
    time.sleep(0.2)
    set_marker(True)
    os.close(start_write)  # the end of the pipe starts all children at once
    for _ in processors:
        os.read(ready_read, 1)
    set_marker(False)
    for _ in processors:
        os.wait()
    for fd in (start_read, ready_read, ready_write):
        os.close(fd)


if not os.path.exists("/run/fault-injector"):
    os.mkfifo("/run/fault-injector")
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(80))
while True:
    with open("/run/fault-injector") as commands:
        for command, *numbers in map(str.split, commands):
            if command == "hog":
                hog(int(numbers[0]))
            else:
                pid, signal_number = map(int, numbers)
                process = os.pidfd_open(pid)
                set_marker(True)
                os.kill(pid, signal_number)
                select.select([process], [], [], 30)
                os.close(process)
            set_marker(False)
