"""What people would write instead, as a service in the guest: `peer.py PROGRAM`.

`imports` and `minimal` do nothing more once they are ready; `source`, `pulse` and `loop` play on the
mat's pins at its frequency, `press` lights an LED while the button is down. What a program takes of
this project, the curves, is no part of it.
"""

import os
import signal
import socket
import sys
import time
from itertools import cycle

import gpiozero
import lgpio  # noqa: F401, as a program that reads its config imports it
import serial
import yaml  # noqa: F401

PINS = (17, 27, 22, 23, 24, 25, 12, 13)
PRESSED = 5
PWM_HZ = 53
TICK_S = 0.02


def ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def motors():
    return [gpiozero.PWMLED(pin, frequency=PWM_HZ) for pin in PINS]


def courses():
    """A value every tick for each motor: a minute of the profile that the daemon plays."""
    from firmware_ctl.hardware.gpio import VALUES
    from firmware_ctl.simulator.offline import play
    from firmware_ctl.timeline.folder import load_entry, load_mat

    mat = load_mat(None)
    assert tuple(motor.pin for motor in mat.motors) == PINS
    assert mat.pwm_hz == PWM_HZ
    made = []
    for changes in play(load_entry("bench", mat), mat).changes:
        values, coming, duty = [], [*changes, (1 << 60, 0)], 0
        for n in range(3000):
            while coming[0][0] <= 5000 + n * 20:
                duty = coming.pop(0)[1]
            values.append(VALUES[duty])
        made.append(values)
    return made


def imports():
    ready()
    signal.pause()


def minimal():
    button, leds = gpiozero.Button(PRESSED), motors()
    button.when_pressed = leds[0].toggle
    with serial.Serial("/dev/ttyAMA0", 115_200) as port:
        ready()
        while True:
            port.write(b"? " + port.readline())


def source():
    from emulation_ticks import tick

    def noted(values):
        begin_ns = time.monotonic_ns()
        for n, value in enumerate(cycle(values)):
            tick(begin_ns + n * 20_000_000)
            yield value

    leds, made = motors(), courses()
    for n, (led, values) in enumerate(zip(leds, made, strict=True)):
        led.source_delay = TICK_S
        led.source = cycle(values) if n else noted(values)
    ready()
    signal.pause()


def pulse():
    leds = motors()
    for led in leds:
        led.pulse(fade_in_time=1.5, fade_out_time=1.5)
    ready()
    signal.pause()


def loop():
    from emulation_ticks import tick

    leds, made = motors(), courses()
    ready()
    begin_ns = time.monotonic_ns()
    for n, values in enumerate(cycle(zip(*made, strict=True))):
        due_ns = begin_ns + n * 20_000_000
        left_ns = due_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        for led, value in zip(leds, values, strict=True):
            if led.value != value:
                led.value = value
        tick(due_ns)


def press():
    button, led = gpiozero.Button(PRESSED), gpiozero.LED(PINS[0])
    button.when_pressed = led.on
    button.when_released = led.off
    ready()
    signal.pause()


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
globals()[sys.argv[1]]()
