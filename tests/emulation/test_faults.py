"""After each fault every motor pin becomes low and stays low. docs/reports/kill-matrix.md has the figures.

The limits are the promised ones. A test subtracts the time for which the machine underneath delayed the
emulated Pi once, and prints it.
"""

import time

import pytest

from tests.emulation.kill_rounds import (
    DEATH_ROWS,
    FAULTS,
    LOW_AFTER_DEATH_MS,
    LOW_AFTER_FAULT_MS,
    STARVED_ROW,
    Round,
    play_and_break,
)
from tests.emulation.pi import Pi


def faults_of_row(row: int) -> list[str]:
    return [name for name, fault in FAULTS.items() if fault.row == row]


def assert_low_in_time(pi: Pi, name: str, persist: bool = True) -> Round:
    fault = FAULTS[name]
    played = play_and_break(pi, fault)
    print(name, played)
    delayed_s = max(played.witness_late_s, played.held_up_s)
    if fault.row in DEATH_ROWS:
        low_after_death_s = played.low_s - played.gone_s
        assert low_after_death_s - delayed_s <= LOW_AFTER_DEATH_MS[persist] / 1000, played
    if fault.row in (2, 4):
        assert played.gone_s - delayed_s <= fault.gone_within_ms / 1000, played
    if fault.row == 5:
        assert played.low_s - delayed_s <= LOW_AFTER_FAULT_MS / 1000, played
    if fault.row != STARVED_ROW:
        assert played.motors_ran, "a tick was late before the fault, so no motor ran at the fault"
    return played


@pytest.mark.parametrize("name", faults_of_row(2))
def test_fault_02_hanging_loop_is_killed_and_pins_become_low(pi: Pi, name: str) -> None:
    assert_low_in_time(pi, name)


@pytest.mark.parametrize("name", faults_of_row(3))
def test_fault_03_death_at_full_duty_makes_pins_low(pi: Pi, name: str) -> None:
    assert_low_in_time(pi, name)


@pytest.mark.parametrize("name", faults_of_row(4))
def test_fault_04_stopped_daemon_is_killed_and_pins_become_low(pi: Pi, name: str) -> None:
    assert_low_in_time(pi, name)


@pytest.mark.parametrize("name", faults_of_row(5))
def test_fault_05_signal_makes_pins_low(pi: Pi, name: str) -> None:
    assert_low_in_time(pi, name)


@pytest.mark.parametrize("name", faults_of_row(STARVED_ROW))
def test_fault_24_starved_loop_turns_motors_off(pi: Pi, name: str) -> None:
    """The late tick is a fault. On a busy machine the dead-man may kill the daemon before that."""
    played = assert_low_in_time(pi, name)
    assert played.fault_published or not played.survived


@pytest.mark.parametrize("name", ["kill", "gil", "stop"])
@pytest.mark.parametrize("pi", [False], ids=["released"], indirect=True)
def test_fault_03_released_lines_are_low_after_death(pi: Pi, name: str) -> None:
    assert_low_in_time(pi, name, persist=False)


def test_fault_06_crash_loop_ends_and_motors_stay_off(pi: Pi) -> None:
    kill = "systemctl kill --kill-whom=main -s KILL firmware-ctl"
    for _ in range(100):
        if pi.shell("systemctl is-failed --quiet firmware-ctl")[0] == 0:
            break
        pi.shell(kill)
        time.sleep(0.3)
    log = pi.run("journalctl -b -u firmware-ctl -o cat -n 20")
    assert "Start request repeated too quickly." in log, log
    assert pi.run("systemctl show -P NRestarts firmware-ctl") in ("4\n", "5\n")
    time.sleep(5)
    assert pi.shell("systemctl is-active firmware-ctl")[1] == "failed\n"
    assert pi.high_motor_pins() == []


def test_fault_09_pin_held_by_another_program_is_named(pi: Pi) -> None:
    pi.run("systemctl stop firmware-ctl fault-injector")
    pi.run("sed -i 's/^PIN = .*/PIN = 17/' /usr/local/lib/emulation/fault_injector.py")
    pi.run("systemctl start fault-injector; sleep 2")
    code, _ = pi.shell("systemctl start firmware-ctl")
    assert code != 0
    assert pi.run("systemctl show -P ExecMainStatus firmware-ctl") == "2\n"
    assert pi.run("systemctl show -P NRestarts firmware-ctl") == "0\n"
    log = pi.run("journalctl -b -u firmware-ctl -o cat -n 20")
    assert "motor neck_left on GPIO 17 cannot be used" in log, log
    assert pi.high_motor_pins() == []


def test_fault_09_second_daemon_names_the_running_one(pi: Pi) -> None:
    code, output = pi.shell("firmware-ctl run")
    assert code == 2, output
    assert str(pi.pid()) in output, output
