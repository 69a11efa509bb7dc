"""The main job on the emulated Pi: a profile chosen over the UART, motors that turn, a button that stops them."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.emulation import build
from tests.emulation.kill_rounds import MACHINE_LATE_S, REMADE_MAX, play_at_full_duty
from tests.emulation.machine import high_pct
from tests.emulation.pi import LED_PIN, MAT, MOTOR_PINS, Pi
from tests.support.process import call

PROFILE = build.HERE / "root/etc/firmware-ctl/profiles/emulation.yaml"
SPANS_S = [(0, 2), (2, 4), (4, 6), (6, 10), (10, 14)]
"""Times of the profile: in the first three the lower back alternates between left, right and left while
the neck runs; in the fourth all motors run; in the last one they fade."""
TOLERANCE_PCT = 4.0
"""A duty may differ by so many percentage points, plus what the machine's delays explain."""
OFF_S = 0.5
"""The promise from a press to the last edge of a motor pin."""


def simulated_session(tmp_path: Path) -> list[dict[str, Any]]:
    """The session on the guest's mat, simulated on the host: a row for each change."""
    (tmp_path / "mat.yaml").write_text(build.mat_file())
    trace = tmp_path / "trace.jsonl"
    mat = ("--mat", str(tmp_path / "mat.yaml"))
    done = call(tmp_path, "simulate", str(PROFILE), *mat, "--trace", str(trace))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in trace.read_text().splitlines()]


def mean_duty_pct(rows: list[dict[str, Any]], motor: int, span_s: tuple[int, int]) -> float:
    """Rows and spans count from the beginning of the session. Its last row sets all duties to 0."""
    from_ms, to_ms = span_s[0] * 1000, span_s[1] * 1000
    pct_ms = 0
    for row, next_row in pairwise(rows):
        for_ms = min(next_row["at_ms"], to_ms) - max(row["at_ms"], from_ms)
        pct_ms += row["duty"][motor] * max(0, for_ms)
    return pct_ms / (to_ms - from_ms)


def test_session_drives_every_pin_with_the_compiled_duties(pi: Pi, tmp_path: Path) -> None:
    rows = simulated_session(tmp_path)
    first_edge = len(pi.edges)
    with pi.client() as client:
        assert client.ask("select emulation")[-1] == "ok profile=emulation"
        client.ask("events on")
        assert client.ask("start")[-1] == "ok profile=emulation left=14"
        client.told_until("state=idle")
        client.ask("events off")
    edges = [edge for edge in pi.edges[first_edge:] if edge.pin != LED_PIN]
    assert {edge.pin for edge in edges} == set(MOTOR_PINS)
    first_on_ms = next(row["at_ms"] for row in rows if any(row["duty"]))
    begin_s = edges[0].at_s - first_on_ms / 1000
    wrong = []
    for from_s, to_s in SPANS_S:
        # While the machine holds up the emulator, a pin stays high or low. A delay of one percent of the
        # span therefore changes the duty by up to one percentage point.
        late_s = pi.witness_late_s(begin_s + from_s, begin_s + to_s)
        tolerance_pct = TOLERANCE_PCT + 100 * late_s / (to_s - from_s)
        for motor, pin in enumerate(MOTOR_PINS):
            measured_pct = high_pct(edges, pin, begin_s + from_s, begin_s + to_s)
            error_pct = measured_pct - mean_duty_pct(rows, motor, (from_s, to_s))
            name = MAT.motors[motor].name
            print(
                f"{name} {from_s}-{to_s} s: {error_pct:+.1f} percentage points, "
                f"at most {tolerance_pct:.1f}"
            )
            if abs(error_pct) > tolerance_pct:
                wrong.append((name, (from_s, to_s), round(error_pct, 1)))
    assert wrong == []
    assert pi.high_motor_pins() == []
    assert all(pi.is_output(pin) for pin in MOTOR_PINS)
    edge_count = len(pi.edges)
    time.sleep(1)
    assert pi.edges[edge_count:] == []


def test_press_stops_a_session_and_makes_every_pin_low_in_time(pi: Pi) -> None:
    """The emulated board gives the guest no edges, so a press cannot start: see test_button.py for that."""
    with pi.client() as client:
        print(play_at_full_duty(pi, client))
        client.told.clear()
        pressed_s = time.monotonic()
        pi.press(True)
        client.told_until("state=idle")
        time.sleep(0.5)
        last_edge_s = [edge for edge in pi.edges if edge.pin in MOTOR_PINS][-1].at_s
        took_s, late_s = last_edge_s - pressed_s, pi.witness_late_s(pressed_s, last_edge_s)
        print(f"from press to last edge {took_s:.3f} s; a witness woke {late_s:.3f} s late")
        assert took_s - late_s < OFF_S
        assert pi.high_motor_pins() == []


def test_off_stops_the_motors_of_a_running_daemon(pi: Pi) -> None:
    with pi.client() as client:
        print(play_at_full_duty(pi, client))
        pid = pi.pid()
        code, output = pi.shell("firmware-ctl off")
        assert code == 0, output
        pins = ", ".join(map(str, sorted(MOTOR_PINS)))
        assert f"GPIO {pins} low" in output or "is idle" in output
        if pi.pid() != pid:
            # The daemon did not answer in time on a busy machine, and `off` or a watchdog killed it.
            client.told_until("* ready")
        assert client.status()["state"] == "idle"
        assert pi.high_motor_pins() == []


def test_service_install_again_changes_nothing(pi: Pi) -> None:
    assert pi.run("systemctl is-enabled firmware-ctl").strip() == "enabled"
    output = pi.run("firmware-ctl service install")
    assert output.splitlines()[-1] == "the service is in place and runs; nothing to change"


def test_reload_of_the_service_passes_its_sandbox_and_disturbs_no_session(pi: Pi) -> None:
    pi.run("cp /etc/firmware-ctl/profiles/full.yaml /etc/firmware-ctl/profiles/mine.yaml")
    with pi.client() as client:
        for _ in range(REMADE_MAX):
            print(play_at_full_duty(pi, client))
            pid, begin_s = pi.pid(), time.monotonic()
            code, output = pi.shell("systemctl reload firmware-ctl")
            if code == 0:
                break
            # A watchdog has ended the daemon meanwhile, because the machine had held it up.
            late_s = pi.witness_late_s(begin_s, time.monotonic())
            assert pi.pid() != pid, output
            assert late_s >= MACHINE_LATE_S, output
            pi.wait_until_active()
        assert pi.pid() == pid
        assert client.status()["state"] == "running"
        assert client.ask("select mine")[-1] == "ok profile=mine"


def test_doctor_finds_what_this_pi_lacks(pi: Pi) -> None:
    # An environment from before the package was installed.
    pi.run("mkdir -p /opt/firmware-ctl/bin")
    code, output = pi.shell("firmware-ctl doctor </dev/null")
    assert code == 1, output
    assert sum(" BAD  " in line for line in output.splitlines()) == 2, output
    assert "a killed daemon leaves its motors as they were" in output
    assert "the Pi's watchdog is off" in output
    assert "held by the running service" in output
    assert "two installations: the unit runs the Debian package" in " ".join(output.split())
