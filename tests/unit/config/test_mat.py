"""Every rule of a mat file, each with all mistakes that breaking it is reported as."""

import pytest

from firmware_ctl.config.mat import (
    ButtonPins,
    Gate,
    Mat,
    MatLimits,
    Motor,
    SerialPort,
    Zone,
    read_mat,
)
from firmware_ctl.errors import AuthorError

GOOD = """\
name: m
pwm_hz: 100
supply: {max_ma: 500}
limits: {session: 15min, daily: 30min, duty: 80%, rise: 25%/s}
zones:
  back:
    motors:
      - {name: a, side: left, pin: 17, start: 50%, hold: 30%, cap: 90%, run_ma: 100, start_ma: 150}
"""
MAT = Mat(
    name="m",
    zones=(
        Zone(
            name="back",
            present=True,
            cap_pct=100,
            motors=(
                Motor(
                    name="a",
                    zone="back",
                    side="left",
                    pin=17,
                    start_pct=50,
                    hold_pct=30,
                    cap_pct=80,
                    kick_ms=0,
                    run_ma=100,
                    start_ma=150,
                ),
            ),
        ),
    ),
    pwm_hz=100,
    max_ma=500,
    limits=MatLimits(session_ms=900_000, daily_ms=1_800_000, duty_pct=80, rise_pct_s=25),
    button=None,
    led_pin=None,
    gate=None,
    ports=(),
)


def test_read_mat_with_the_required_keys_has_the_defaults() -> None:
    assert read_mat(GOOD.encode(), "m.yaml") == MAT._replace(source=GOOD.encode())


def test_read_mat_row_of_a_motor_is_spelt_as_a_zone_is() -> None:
    text = GOOD.replace("side: left", "side: left, row: upper-back")
    assert read_mat(text.encode(), "m.yaml").motors == (MAT.motors[0]._replace(row="upper_back"),)


def test_read_mat_with_every_key_has_all_values() -> None:
    more = """\
button: {pressed: 5, released: 6}
led: {pin: 7}
gate: {heartbeat: 26, rail: 0}
serial:
  - port: /dev/serial0
  - {port: "socket://localhost:5000", baud: 9600}
schema: 1
"""
    text = more + GOOD.replace("session: 15min", "session: 30min")
    assert read_mat(text.encode(), "m.yaml") == MAT._replace(
        limits=MAT.limits._replace(session_ms=1_800_000),
        button=ButtonPins(5, 6),
        led_pin=7,
        gate=Gate(26, 0),
        ports=(SerialPort("/dev/serial0", 115_200), SerialPort("socket://localhost:5000", 9_600)),
        source=text.encode(),
    )


def test_read_mat_zone_name_with_hyphen_is_read_with_underscore() -> None:
    mat = read_mat(GOOD.replace("back:", "lower-back: # the lower one").encode(), "m.yaml")
    assert [zone.name for zone in mat.zones] == ["lower_back"]
    assert [motor.zone for motor in mat.motors] == ["lower_back"]


@pytest.mark.parametrize(
    ("before", "after", "mistakes"),
    [
        (
            "name: m\n",
            "",
            ["1:1: name: is missing; a mat file needs it: what the mat calls itself"],
        ),
        (
            "pwm_hz: 100",
            "pwm_hz: 500",
            ["2:9: pwm_hz: 500 is above the most, 400; write 400 or less"],
        ),
        (
            "pwm_hz: 100",
            "schema: 3\npwm_hz: fast\nled: {pin: 28}\nserial: {}\nbuton: {pressed: 5}",
            [
                "2:9: schema: unknown version 3; known: 1",
                "3:9: pwm_hz: fast is not a whole number; write 50 to 400, for example 50",
                "4:12: pin: 28 is above the most, 27; write 27 or less",
                "5:9: serial: a list belongs here; write [one, two], or lines with `- `",
                "6:1: buton: a mat file has no such key; did you mean button?",
            ],
        ),
        ("{max_ma: 500}", "{max_ma: 0}", ["3:18: max_ma: 0 is below 1; write 1 or more"]),
        ("{max_ma: 500}", "500", ["3:9: supply: the supply belongs here; write its keys: max_ma"]),
        (
            "{session: 15min, daily: 30min, duty: 80%, rise: 25%/s}",
            "{session: 31min, daily: 61min, duty: 91%, rise: 51%/s}",
            [
                "4:19: session: 31min is above the code's own limit of 30min; write 30min or less",
                "4:33: daily: 61min is above the code's own limit of 60min; write 60min or less",
                "4:46: duty: 91% is above the code's own limit of 90%; write 90% or less",
                "4:57: rise: 51%/s is above the code's own limit of 50%/s; write 50%/s or less",
            ],
        ),
        (
            "{session: 15min, daily: 30min, duty: 80%, rise: 25%/s}",
            "{session: 16min, daily: 5s, duty: 0%, rise: 25%}",
            [
                "4:19: session: 16min is above the code's own limit of 15min without a motor gate",
                "4:33: daily: 5s is below 1min; write 1min or more",
                "4:43: duty: 0% is below 1%; write 1% or more",
                "4:53: rise: 25% is not a whole number of %/s; write 1%/s to 50%/s, for example 30%/s",
            ],
        ),
        (
            "{session: 15min, daily: 30min, duty: 80%, rise: 25%/s}",
            "{session: 15}",
            [
                "4:9: daily: is missing; the block of limits needs it: most running time in 24 hours",
                "4:9: duty: is missing; the block of limits needs it: highest duty of any motor",
                "4:9: rise: is missing; the block of limits needs it: steepest rise of the soft start",
                "4:19: session: 15 has no unit; write 15min",
            ],
        ),
        (
            "back:",
            "all:",
            ["6:3: zones: `all` means every zone in a profile; rename this zone"],
        ),
        (
            "back:",
            "Back:",
            ["6:3: zones: Back is not a valid name; use lower case: back"],
        ),
        (
            "back:",
            "lower-back: {motors: []}\n  lower_back:",
            [
                "6:24: motors: the list is empty; write one item or more",
                "7:3: duplicate key lower_back (first used in line 6); change or remove one",
            ],
        ),
        (
            "  back:\n",
            "  back:\n    present: false\n",
            ["6:3: zones: none of them is present; nothing could play"],
        ),
        (
            "  back:\n",
            "  back:\n    present: maybe\n    cap: 101%\n",
            [
                "7:14: present: maybe is neither true nor false; write one of them",
                "8:10: cap: 101% is above the most, 100%; write 100% or less",
            ],
        ),
        (
            "zones:\n",
            "zones: {}\nno:\n",
            [
                "5:8: zones: expected zones; write for example `hips: {motors: [...]}`",
                "6:1: no: a mat file has no such key; known: schema, name, pwm_hz, supply, limits, zones, button, led, gate, serial",
            ],
        ),
        (
            "zones:\n",
            "zones:\n  none:\n",
            ["6:8: none: a zone belongs here; write its keys: present, cap, motors"],
        ),
        (
            "pin: 17",
            "pin: 8",
            ["8:36: pin: GPIO 8 is pulled up at boot, the motor would run; use 9 to 27"],
        ),
        (
            "pin: 17",
            "pin: 14",
            ["8:36: pin: GPIO 14 and 15 are the serial port's; use another pin"],
        ),
        ("pin: 17", "pin: 28", ["8:36: pin: 28 is above the most, 27; write 27 or less"]),
        (
            "pin: 17",
            "pin: GPIO17",
            ["8:36: pin: GPIO17 is not a whole number; write 0 to 27, for example 27"],
        ),
        ("side: left", "side: middle", ["8:25: side: unknown side middle; known: left, right"]),
        (
            "side: left",
            "side: left, row: right",
            ["8:36: row: right is a side; name the row otherwise, such as upper"],
        ),
        (
            "side: left",
            "side: left, row: Upper",
            ["8:36: row: Upper is not a valid name; use lower case: upper"],
        ),
        (
            "name: a",
            "name: A b",
            ["8:16: name: 'A b' is not a valid name; write a-b"],
        ),
        (
            "hold: 30%",
            "hold: 51%",
            ["8:58: hold: 51% is above start, 50%; what starts a motor also holds it"],
        ),
        (
            "start: 50%",
            "start: 81%",
            ["8:47: start: 81% is above limits.duty, 80%; the motor could never start"],
        ),
        (
            "hold: 30%",
            "hold: 80%",
            [
                "8:58: hold: 80% is above start, 50%; what starts a motor also holds it",
                "8:58: hold: 80% is not below limits.duty, 80%; no room is left for levels",
            ],
        ),
        (
            "cap: 90%",
            "cap: 40%",
            ["8:47: start: 50% is above cap, 40%; the motor could never start"],
        ),
        (
            "cap: 90%",
            "cap: 25%",
            [
                "8:47: start: 50% is above cap, 25%; the motor could never start",
                "8:58: hold: 30% is not below cap, 25%; no room is left for levels",
            ],
        ),
        ("run_ma: 100", "run_ma: 0", ["8:81: run_ma: 0 is below 1; write 1 or more"]),
        (
            "start_ma: 150",
            "start_ma: 99",
            ["8:96: start_ma: 99 is below run_ma, 100; a motor draws most at its start"],
        ),
        (
            "start_ma: 150",
            "start_ma: 501",
            ["8:96: start_ma: 501 is more than the supply gives, max_ma 500"],
        ),
        (
            "cap: 90%",
            "cap: 90%, kick: 301ms",
            ["8:79: kick: 301ms is above the most, 300ms; write 300ms or less"],
        ),
        ("cap: 90%", "cap: 90%, kick: 80", ["8:79: kick: 80 has no unit; write 80ms"]),
        (
            "name: m\n",
            "name: m\nbutton: {pressed: 17, released: 5}\nled: {pin: 5}\ngate: {heartbeat: 6, rail: 6}\n",
            [
                "3:12: GPIO 5 is already the button's released (line 2); a pin does one thing",
                "4:28: GPIO 6 is already the gate's heartbeat (line 4); a pin does one thing",
                "11:36: GPIO 17 is already the button's pressed (line 2); a pin does one thing",
            ],
        ),
        (
            "name: m\n",
            "name: m\nbutton: {pressed: 15}\nled: {pin: 28}\ngate: {rail: 6}\n",
            [
                "2:19: pressed: GPIO 14 and 15 are the serial port's; use another pin",
                "3:12: pin: 28 is above the most, 27; write 27 or less",
                "4:7: heartbeat: is missing; the motor gate needs it: pin that must toggle to hold the motor rail on",
            ],
        ),
        (
            "name: m\n",
            "name: m\nserial: [{port: /dev/ttyUSB0, baud: 110}, {baud: 9600}, {port: /dev/a}, {port: /dev/a}, /dev/b]\n",
            [
                "2:37: baud: 110 is below 1200; write 1200 or more",
                "2:43: port: is missing; a serial port needs it: its device, such as /dev/serial0",
                "2:80: duplicate port /dev/a (first used in line 2); change or remove one",
                "2:89: serial: a serial port belongs here; write its keys: port, baud",
            ],
        ),
        (
            "name: m\n",
            "name: m\nserial:\n  - &a {port: /dev/a}\n  - *a\n",
            ["3:15: duplicate port /dev/a (first used in line 3); change or remove one"],
        ),
        (
            "    motors:\n",
            "    motors:\n      - {name: a, side: right, pin: 17, start: 50%, hold: 30%, cap: 90%, run_ma: 100, start_ma: 150}\n",
            [
                "9:16: duplicate name a (first used in line 8); change or remove one",
                "9:36: GPIO 17 is already motor a's pin (line 8); a pin does one thing",
            ],
        ),
        (
            "      - {",
            "      - 3\n      - {",
            [
                "8:9: motors: a motor belongs here; write its keys: name, side, row, pin, start, hold, cap, kick, run_ma, start_ma"
            ],
        ),
    ],
)
def test_read_mat_with_mistakes_reports_each_with_its_place(
    before: str, after: str, mistakes: list[str]
) -> None:
    text = GOOD.replace(before, after, 1)
    assert text != GOOD
    with pytest.raises(AuthorError) as error:
        read_mat(text.encode(), "m.yaml")
    assert str(error.value).split("\n") == [f"m.yaml:{mistake}" for mistake in mistakes]


def test_read_mat_of_an_empty_file_names_a_mat_file_to_start_from() -> None:
    with pytest.raises(AuthorError) as error:
        read_mat(b"# nothing\n", "m.yaml")
    assert str(error.value) == (
        "m.yaml:1:1: the file is empty; copy the reference mat's file, hw/mat.yaml, to this place; or remove the file, and `firmware-ctl setup` makes that copy"
    )
