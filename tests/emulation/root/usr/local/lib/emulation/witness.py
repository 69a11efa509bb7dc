"""Shows the host how late a program can wake in the guest, whatever the daemon does.

On each processor one process sleeps for 50 ms, toggles a pin that is not on the header, and sleeps
again. It does nothing else and has a higher priority than the daemon, so a late edge means that the
processor itself was late.
"""

import fcntl
import os
import struct
import time

PINS = (28, 29, 30, 31)
PERIOD_NS = 50_000_000
LINE_REQUEST = struct.Struct("=64I32sQI20xIIQQ216xII20xi")
GET_LINE = 0xC250B407
VALUES = struct.Struct("=QQ")
SET_VALUES = 0xC010B40F


def toggle(processor: int, pin: int) -> None:
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(60))
    chip = os.open("/dev/gpiochip0", os.O_RDWR)
    request = bytearray(LINE_REQUEST.pack(pin, *[0] * 63, b"witness", 8, 0, 0, 0, 0, 0, 1, 0, 0))
    fcntl.ioctl(chip, GET_LINE, request)
    line = LINE_REQUEST.unpack(request)[-1]
    levels = [VALUES.pack(level, 1) for level in (1, 0)]
    while True:
        for level in levels:
            time.sleep(PERIOD_NS / 1e9)
            fcntl.ioctl(line, SET_VALUES, level)


for processor, pin in zip(sorted(os.sched_getaffinity(0)), PINS, strict=True):
    if os.fork() == 0:
        toggle(processor, pin)
os.wait()
