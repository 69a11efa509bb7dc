"""The tests' finger in the guest, on a chip of gpio-sim: it moves contacts and sees motors run.

`finger.py LINES MOTOR…`, where LINES is the chip's folder of lines. A line on /run/finger is JSON:
moves of [ms, pin, is closed], how often and every how many ms they are made, and for how many ms to
look on after them. The answer on /run/felt tells when the first moves were made, the longest rest
between two at most, and when a motor was first and last seen high.
"""

import json
import os
import sys
import time
from itertools import product

MOST = 100
LEVELS = {True: b"pull-down", False: b"pull-up"}

folder, *motors = sys.argv[1:]
values = [os.open(f"{folder}/sim_gpio{motor}/value", os.O_RDONLY) for motor in motors]
pulls = {}
held = {}


def move(pin, is_closed):
    if pin not in pulls:
        pulls[pin] = os.open(f"{folder}/sim_gpio{pin}/pull", os.O_RDWR)
    held[pin] = is_closed
    os.pwrite(pulls[pin], LEVELS[is_closed], 0)


def play(moves, times, every_ms, look_ms):
    begin = time.monotonic()
    made, high, rest_ms, last_ms = [], [], 0.0, None

    def now_ms():
        return round((time.monotonic() - begin) * 1000, 2)

    def look():
        if any(os.pread(value, 1, 0) == b"1" for value in values):
            high.append(now_ms())

    for n, (at_ms, pin, is_closed) in product(range(times), moves):
        while (left_ms := at_ms + n * every_ms - now_ms()) > 0:
            if left_ms > 5:
                look()
            time.sleep(min(left_ms, 2) / 1000)
        begun_ms = now_ms()
        move(pin, is_closed)
        made.append(now_ms())
        if last_ms is not None:
            rest_ms = max(rest_ms, made[-1] - last_ms)
        last_ms = begun_ms
    until_ms = now_ms() + look_ms
    while now_ms() < until_ms:
        look()
        time.sleep(0.001)
    high = [high[0], high[-1]] if high else []
    return {"made_ms": made[:MOST], "rest_ms": rest_ms, "high_ms": high}


for name in ("/run/finger", "/run/felt"):
    if not os.path.exists(name):
        os.mkfifo(name)
asked = os.open("/run/finger", os.O_RDWR | os.O_NONBLOCK)
while True:
    try:
        line = os.read(asked, 65536)
    except BlockingIOError:
        # A driver that asks for a pull-up gets one here, whatever was set: a contact is stronger.
        for pin, is_closed in held.items():
            move(pin, is_closed)
        time.sleep(0.005)
        continue
    told = json.dumps(play(*json.loads(line)))
    with open("/run/felt", "w") as felt:
        felt.write(told + "\n")
