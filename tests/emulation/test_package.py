"""The Debian package on the emulated Pi: upgraded, removed and purged while motors run."""

import time

from tests.emulation import build
from tests.emulation.kill_rounds import play_at_full_duty
from tests.emulation.pi import MOTOR_PINS, Pi

DPKG_S = 600.0
"""A timeout, not a promise: the emulator compiles the new files, on a machine that may be busy."""
LOG = "journalctl -b -u firmware-ctl -o cat"
ENDED = "SIGTERM: all motors are off; the daemon ends"


def motor_edges_since(pi: Pi, first_edge: int) -> list[float]:
    return [edge.at_s for edge in pi.edges[first_edge:] if edge.pin in MOTOR_PINS]


def dpkg(pi: Pi, words: str) -> str:
    code, output = pi.shell(f"dpkg {words} </dev/null", DPKG_S)
    assert code == 0, output
    return output


def test_upgrade_ends_the_session_and_starts_an_idle_daemon(pi: Pi) -> None:
    with pi.client() as client:
        print(play_at_full_duty(pi, client))
        pid = pi.pid()
        begin_s = time.monotonic()
        dpkg(pi, f"--install /{build.NEXT_PACKAGE}")
        print(f"the upgrade took {time.monotonic() - begin_s:.0f} s")
        assert pi.high_motor_pins() == []
        assert ENDED in (log := pi.run(LOG)), log
        pi.wait_until_active()
        assert pi.pid() != pid
        first_edge = len(pi.edges)
        assert client.status()["state"] == "idle"
        time.sleep(1)
        assert motor_edges_since(pi, first_edge) == []
        assert "pwm_hz: 53" in pi.run("cat /etc/firmware-ctl/mat.yaml")
        play_at_full_duty(pi, client)


def test_remove_turns_a_running_mat_off_and_purge_keeps_only_profiles(pi: Pi) -> None:
    with pi.client() as client:
        print(play_at_full_duty(pi, client))
    dpkg(pi, "--remove firmware-ctl")
    assert pi.high_motor_pins() == []
    assert ENDED in (log := pi.run(LOG)), log
    first_edge = len(pi.edges)
    time.sleep(1)
    assert motor_edges_since(pi, first_edge) == []
    assert pi.shell("firmware-ctl --version")[0] == 127
    pi.run(
        "ls -d /etc/firmware-ctl/mat.yaml /etc/firmware-ctl/profiles /var/lib/firmware-ctl/ledger"
    )
    dpkg(pi, "--purge firmware-ctl")
    assert pi.run("ls /etc/firmware-ctl").split() == ["profiles"]
    assert pi.run("ls -d /var/lib/firmware-ctl 2>/dev/null; true") == ""
