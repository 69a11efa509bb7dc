"""What a user has: a profile chosen over the UART, motors that turn, a button that stops them."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.emulation import build
from tests.emulation.kill_matrix import play
from tests.emulation.machine import high_pct
from tests.emulation.pi import LED_PIN, MAT, PINS, Pi
from tests.support.process import call

PROFILE = build.HERE / "root/etc/firmware-ctl/profiles/emulation.yaml"
SPANS = [(0, 2), (2, 4), (4, 6), (6, 10), (10, 14)]
"""Seconds: the neck beside left, right, left; all of them; the fade."""
POINTS = 4.0
"""So much of the duty may be other than it was compiled, on a machine that holds nothing up."""
PRESS_OFF_S = 0.5
"""From the press to the last motor pin high."""


def compiled(tmp_path: Path) -> list[dict[str, Any]]:
    """The session as it is simulated here, on the guest's mat: a row a change."""
    (tmp_path / "mat.yaml").write_text(build.mat())
    trace = tmp_path / "trace.jsonl"
    mat = ("--mat", str(tmp_path / "mat.yaml"))
    done = call(tmp_path, "simulate", str(PROFILE), *mat, "--trace", str(trace))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in trace.read_text().splitlines()]


def mean_duty(rows: list[dict[str, Any]], motor: int, span_s: tuple[int, int]) -> float:
    """Rows and spans begin with the session; the last row ends it at 0."""
    from_ms, to_ms = span_s[0] * 1000, span_s[1] * 1000
    total = 0
    for row, following in pairwise(rows):
        ms = min(following["at_ms"], to_ms) - max(row["at_ms"], from_ms)
        total += row["duty"][motor] * max(0, ms)
    return total / (to_ms - from_ms)


def test_the_duties_of_the_compiled_profile_are_seen_on_every_pin(pi: Pi, tmp_path: Path) -> None:
    rows = compiled(tmp_path)
    first = len(pi.edges)
    with pi.client() as client:
        assert client.ask("select emulation")[-1] == "ok profile=emulation"
        client.ask("events on")
        assert client.ask("start")[-1] == "ok profile=emulation left=14"
        client.told_until("state=idle")
        client.ask("events off")
    edges = [edge for edge in pi.edges[first:] if edge.pin != LED_PIN]
    assert {edge.pin for edge in edges} == set(PINS)
    first_on_ms = next(row["at_ms"] for row in rows if any(row["duty"]))
    begin_s = edges[0].at_s - first_on_ms / 1000
    wrong = []
    for from_s, to_s in SPANS:
        # A pin that is held up as it was for so long is on, or off, for so much of the span.
        late_s = pi.late_s(begin_s + from_s, begin_s + to_s)
        forgiven = POINTS + 100 * late_s / (to_s - from_s)
        for motor, pin in enumerate(PINS):
            seen_pct = high_pct(edges, pin, begin_s + from_s, begin_s + to_s)
            points = seen_pct - mean_duty(rows, motor, (from_s, to_s))
            print(
                f"{MAT.motors[motor].name} {from_s}-{to_s} s: {points:+.1f} of {forgiven:.1f} points"
            )
            if abs(points) > forgiven:
                wrong.append((MAT.motors[motor].name, (from_s, to_s), round(points, 1)))
    assert wrong == []
    assert pi.driven() == []
    assert all(pi.is_output(pin) for pin in PINS)
    count = len(pi.edges)
    time.sleep(1)
    assert pi.edges[count:] == []


def test_a_press_stops_a_session_and_every_pin_is_low_in_time(pi: Pi) -> None:
    """The emulated board tells no edges, so that no press could start: see test_button.py."""
    with pi.client() as client:
        print(play(pi, client))
        client.told.clear()
        pressed_s = time.monotonic()
        pi.press(True)
        client.told_until("state=idle")
        time.sleep(0.5)
        last_s = [edge for edge in pi.edges if edge.pin in PINS][-1].at_s
        took_s, late_s = last_s - pressed_s, pi.late_s(pressed_s, last_s)
        print(f"pressed to the last edge {took_s:.3f} s; a witness woke {late_s:.3f} s late")
        assert took_s - late_s < PRESS_OFF_S
        assert pi.driven() == []


def test_off_stops_the_motors_of_a_running_daemon(pi: Pi) -> None:
    with pi.client() as client:
        print(play(pi, client))
        pid = pi.pid()
        code, said = pi.shell("firmware-ctl off")
        assert code == 0, said
        assert f"GPIO {', '.join(map(str, sorted(PINS)))} low" in said or "is idle" in said
        if pi.pid() != pid:  # the daemon did not answer in time, and `off` or a watchdog killed it
            client.told_until("* ready")
        assert client.status()["state"] == "idle"
        assert pi.driven() == []


def test_service_install_again_changes_nothing(pi: Pi) -> None:
    assert pi.must("systemctl is-enabled firmware-ctl").strip() == "enabled"
    again = pi.must("firmware-ctl service install")
    assert again.splitlines()[-1] == "the service is in place and runs; nothing to change"


def test_doctor_finds_what_this_pi_lacks(pi: Pi) -> None:
    code, said = pi.shell("firmware-ctl doctor </dev/null")
    assert code == 1, said
    assert sum(" BAD  " in line for line in said.splitlines()) == 2, said
    assert "a killed daemon leaves its motors as they were" in said
    assert "the Pi's watchdog is off" in said
    assert "held by the running service" in said
