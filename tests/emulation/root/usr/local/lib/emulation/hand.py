"""The tests' hand in the guest: holds a pin, raises it, and does the harm that it was told to.

A line on /run/hand is one deed: `kill PID SIGNAL [MS]`, undone after MS by SIGCONT, or `hog MS`,
which keeps every processor busy above all that the service may ask for.
"""

import fcntl
import os
import signal
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
    begin = time.monotonic() + 0.2
    for processor in os.sched_getaffinity(0):
        if os.fork() == 0:
            os.sched_setaffinity(0, {processor})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
            while time.monotonic() < begin:
                time.sleep(0.001)
            mark(True)
            while time.monotonic() < begin + for_ms / 1000:
                pass
            os._exit(0)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if not os.path.exists("/run/hand"):
    os.mkfifo("/run/hand")
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(80))
while True:
    with open("/run/hand") as deeds:
        for deed, *numbers in map(str.split, deeds):
            if deed == "hog":
                hog(int(numbers[0]))
            else:
                pid, number, *for_ms = map(int, numbers)
                mark(True)
                os.kill(pid, number)
                if for_ms:
                    time.sleep(for_ms[0] / 1000)
                    os.kill(pid, signal.SIGCONT)
            mark(False)
