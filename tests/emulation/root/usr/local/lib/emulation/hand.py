"""The tests' hand in the guest: raises its pin, does the harm that it was told to, and lowers the
pin when the harm is done: when the process has died, or the processors are free again.

A line on /run/hand is one deed: `kill PID SIGNAL`, or `hog MS`, which keeps every processor busy
above all that the service may ask for.
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
request = bytearray(LINE_REQUEST.pack(PIN, *[0] * 63, b"hand", 8, 0, 0, 0, 0, 0, 1, 0, 0))
fcntl.ioctl(chip, GET_LINE, request)
line = LINE_REQUEST.unpack(request)[-1]


def mark(is_high: bool) -> None:
    fcntl.ioctl(line, SET_VALUES, VALUES.pack(is_high, 1))


def hog(for_ms: int) -> None:
    gate, opened = os.pipe()
    ready, told = os.pipe()
    processors = os.sched_getaffinity(0)
    for processor in processors:
        if os.fork() == 0:
            os.close(opened)
            os.sched_setaffinity(0, {processor})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
            os.write(told, b".")
            os.read(gate, 1)
            until = time.monotonic() + for_ms / 1000
            while time.monotonic() < until:
                pass
            os._exit(0)
    for _ in processors:
        os.read(ready, 1)
    # To start them has held others up: what is measured begins when those have come round again.
    time.sleep(0.2)
    mark(True)
    os.close(opened)  # all of them read the end at once
    for _ in processors:
        os.wait()
    for end in (gate, ready, told):
        os.close(end)


if not os.path.exists("/run/hand"):
    os.mkfifo("/run/hand")
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(80))
while True:
    with open("/run/hand") as deeds:
        for deed, *numbers in map(str.split, deeds):
            if deed == "hog":
                hog(int(numbers[0]))
            else:
                pid, number = map(int, numbers)
                died = os.pidfd_open(pid)
                mark(True)
                os.kill(pid, number)
                select.select([died], [], [], 30)
                os.close(died)
            mark(False)
