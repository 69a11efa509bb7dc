"""Programs that people would write instead of the daemon: `contestant.py PROGRAM` as a service.

`imports` and `minimal` only wait once they are ready. `source`, `pulse` and `loop` play on the mat's
pins at its PWM frequency. `press` lights an LED while the button is pressed. `pwm-HZ` and `pwm-HZ-us`
only keep lgpio's PWM running, where each pin begins its period `us` microseconds after the pin before.
Curves are computed with this project before a program is ready, and are not part of what is measured.
"""

import os
import signal
import socket
import sys
import time
from itertools import cycle

import gpiozero
import lgpio
import serial
import yaml  # noqa: F401

MOTOR_PINS = (17, 27, 22, 23, 24, 25, 12, 13)
PRESSED_PIN = 5
PWM_HZ = 53
TICK_MS = 20
SOFT_START_MS = 5000
"""The curves begin at this time of the session, when its soft start is over."""
CURVE_TICKS = 3000


def report_ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def make_leds():
    return [gpiozero.PWMLED(pin, frequency=PWM_HZ) for pin in MOTOR_PINS]


def compute_curves():
    """One minute of the profile that the daemon plays: for each motor a value per tick."""
    from firmware_ctl.hardware.gpio import VALUES
    from firmware_ctl.simulator.offline import play
    from firmware_ctl.timeline.folder import load_entry, load_mat

    mat = load_mat(None)
    assert tuple(motor.pin for motor in mat.motors) == MOTOR_PINS
    assert mat.pwm_hz == PWM_HZ
    curves = []
    for changes in play(load_entry("bench", mat), mat).changes:
        values, upcoming, duty_pct = [], [*changes, (1 << 60, 0)], 0
        for n in range(CURVE_TICKS):
            while upcoming[0][0] <= SOFT_START_MS + n * TICK_MS:
                duty_pct = upcoming.pop(0)[1]
            values.append(VALUES[duty_pct])
        curves.append(values)
    return curves


def imports():
    report_ready()
    signal.pause()


def minimal():
    button, leds = gpiozero.Button(PRESSED_PIN), make_leds()
    button.when_pressed = leds[0].toggle
    with serial.Serial("/dev/ttyAMA0", 115_200) as port:
        report_ready()
        while True:
            port.write(b"? " + port.readline())


def source():
    from emulation_ticks import record_tick

    def recorded(values):
        begin_ns = time.monotonic_ns()
        for n, value in enumerate(cycle(values)):
            record_tick(begin_ns + n * TICK_MS * 1_000_000)
            yield value

    leds, curves = make_leds(), compute_curves()
    for n, (led, values) in enumerate(zip(leds, curves, strict=True)):
        led.source_delay = TICK_MS / 1000
        led.source = cycle(values) if n else recorded(values)
    report_ready()
    signal.pause()


def pulse():
    leds = make_leds()
    for led in leds:
        led.pulse(fade_in_time=1.5, fade_out_time=1.5)
    report_ready()
    signal.pause()


def loop():
    from emulation_ticks import record_tick

    leds, curves = make_leds(), compute_curves()
    report_ready()
    begin_ns = time.monotonic_ns()
    for n, values in enumerate(cycle(zip(*curves, strict=True))):
        due_ns = begin_ns + n * TICK_MS * 1_000_000
        left_ns = due_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        for led, value in zip(leds, values, strict=True):
            if led.value != value:
                led.value = value
        record_tick(due_ns)


def press():
    button, led = gpiozero.Button(PRESSED_PIN), gpiozero.LED(MOTOR_PINS[0])
    button.when_pressed = led.on
    button.when_released = led.off
    report_ready()
    signal.pause()


def pwm(hz, offset_us="0"):
    chip = lgpio.gpiochip_open(0)
    for n, pin in enumerate(MOTOR_PINS):
        lgpio.gpio_claim_output(chip, pin)
        lgpio.tx_pwm(chip, pin, int(hz), 30 + 5 * n, n * int(offset_us))
    report_ready()
    signal.pause()


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
program, *arguments = sys.argv[1].split("-")
globals()[program](*arguments)
