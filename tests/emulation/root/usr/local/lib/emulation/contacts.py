"""Moves the button's contacts on a chip of gpio-sim, and records when a motor pin is high.

`contacts.py LINES MOTOR_PIN…`: LINES is the folder of the chip's lines in /sys. Each line on
/run/contacts.request is a JSON object with the arguments of `play`. The result, one JSON object, is
written to /run/contacts.result.
"""

import json
import os
import sys
import time
from itertools import product

MOVES_REPORTED = 100
"""The result has the times of so many moves at most."""
PULLS = {True: b"pull-down", False: b"pull-up"}
"""A closed contact connects its line to ground."""

folder, *motor_pins = sys.argv[1:]
motors = [os.open(f"{folder}/sim_gpio{pin}/value", os.O_RDONLY) for pin in motor_pins]
pull_files = {}
contacts = {}
"""Pin → whether its contact is closed, for each contact that was moved."""


def move(pin, is_closed):
    if pin not in pull_files:
        pull_files[pin] = os.open(f"{folder}/sim_gpio{pin}/pull", os.O_RDWR)
    contacts[pin] = is_closed
    os.pwrite(pull_files[pin], PULLS[is_closed], 0)


def play(moves, watch_ms, times=1, every_ms=0, bursts=1, burst_every_ms=0, before=(), begin_ms=0):
    """Makes moves of [at ms, pin, is closed], and watches the motor pins until `watch_ms` after them.

    All moves are repeated `times` times, one repetition every `every_ms`; this is a burst. There are
    `bursts` bursts, one every `burst_every_ms`, and the first begins at `begin_ms`. The moves of
    `before` are made once before that, and are not part of the result's moves.
    """
    begin_s = time.monotonic()
    moved_at_ms, high_ms = [], []
    move_count, longest_pause_ms, last_move_ms = 0, 0.0, None

    def now_ms():
        return round((time.monotonic() - begin_s) * 1000, 2)

    def sample_motors():
        if any(os.pread(motor, 1, 0) == b"1" for motor in motors):
            high_ms.append(now_ms())

    def wait(until_ms):
        while (left_ms := until_ms - now_ms()) > 0:
            if left_ms > 3:
                sample_motors()
            time.sleep(max(0, min(until_ms - now_ms(), 2)) / 1000)

    for at_ms, pin, is_closed in before:
        wait(at_ms)
        move(pin, is_closed)
    for burst, n, (at_ms, pin, is_closed) in product(range(bursts), range(times), moves):
        wait(begin_ms + burst * burst_every_ms + n * every_ms + at_ms)
        move_begin_ms = now_ms()
        move(pin, is_closed)
        move_count += 1
        if len(moved_at_ms) < MOVES_REPORTED:
            moved_at_ms.append(now_ms())
        if last_move_ms is not None:
            longest_pause_ms = max(longest_pause_ms, now_ms() - last_move_ms)
        last_move_ms = move_begin_ms
    until_ms = now_ms() + watch_ms
    while now_ms() < until_ms:
        sample_motors()
        time.sleep(0.001)
    return {
        "moved_at_ms": moved_at_ms,
        "longest_pause_ms": longest_pause_ms,
        "motor_high_ms": [high_ms[0], high_ms[-1]] if high_ms else [],
        "move_count": move_count,
    }


for name in ("/run/contacts.request", "/run/contacts.result"):
    if not os.path.exists(name):
        os.mkfifo(name)
requests = os.open("/run/contacts.request", os.O_RDWR | os.O_NONBLOCK)
while True:
    try:
        line = os.read(requests, 65536)
    except BlockingIOError:
        # gpio-sim has one pull for each line. A driver that requests a pull-up overwrites the state of
        # the contact, while a real contact is stronger than a pull-up. So the state is set again.
        for pin, is_closed in contacts.items():
            move(pin, is_closed)
        time.sleep(0.005)
        continue
    result = json.dumps(play(**json.loads(line)))
    with open("/run/contacts.result", "w") as file:
        file.write(result + "\n")
