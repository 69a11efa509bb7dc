"""The tests' finger in the guest, on a chip of gpio-sim: it moves contacts and sees motors run.

`finger.py LINES MOTOR…`, where LINES is the chip's folder of lines. A line on /run/finger is a JSON
object, the arguments of `play`: moves of [ms, pin, is closed], how often and every how many ms they
are made, in how many bursts of that, and for how many ms to look on after them; and other moves made
once before, with the ms at which the first ones begin. The answer on /run/felt tells when the first
moves were made, the longest rest between two at most, when a motor was first and last seen high, and
how many moves were made, but for those before.
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


def play(moves, look_ms, times=1, every_ms=0, bursts=1, burst_every_ms=0, before=(), begin_ms=0):
    begin = time.monotonic()
    made, high, rest_ms, last_ms = [], [], 0.0, None

    def now_ms():
        return round((time.monotonic() - begin) * 1000, 2)

    def look():
        if any(os.pread(value, 1, 0) == b"1" for value in values):
            high.append(now_ms())

    def wait(until_ms):
        while (left_ms := until_ms - now_ms()) > 0:
            if left_ms > 3:
                look()
            time.sleep(max(0, min(until_ms - now_ms(), 2)) / 1000)

    for at_ms, pin, is_closed in before:
        wait(at_ms)
        move(pin, is_closed)
    count = 0
    for burst, n, (at_ms, pin, is_closed) in product(range(bursts), range(times), moves):
        wait(begin_ms + burst * burst_every_ms + n * every_ms + at_ms)
        begun_ms = now_ms()
        move(pin, is_closed)
        count += 1
        if len(made) < MOST:
            made.append(now_ms())
        if last_ms is not None:
            rest_ms = max(rest_ms, now_ms() - last_ms)
        last_ms = begun_ms
    until_ms = now_ms() + look_ms
    while now_ms() < until_ms:
        look()
        time.sleep(0.001)
    high = [high[0], high[-1]] if high else []
    return {"made_ms": made, "rest_ms": rest_ms, "high_ms": high, "moves": count}


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
    told = json.dumps(play(**json.loads(line)))
    with open("/run/felt", "w") as felt:
        felt.write(told + "\n")
