"""The power is cut in the midst of a session: what was on the disk boots anew, and nothing moves."""

import json

from tests.emulation import build
from tests.emulation.kill_matrix import play
from tests.emulation.pi import PINS, Pi
from tests.process import at_last


def ledger(pi: Pi) -> dict[str, int]:
    line, _ = json.JSONDecoder().raw_decode(pi.must("cat /var/lib/firmware-ctl/ledger"))
    assert isinstance(line, dict)
    return line


def test_after_a_power_cut_it_is_idle_and_what_was_used_is_counted(
    pi: Pi, built: build.Image
) -> None:
    with pi.client() as client:
        play(pi, client)
    before = ledger(pi)
    assert before["used_ms"] == 60_000  # a slice, on the disk before it was used
    disk = pi.disk()
    pi.qmp("stop")
    with Pi(built, more=disk) as again:
        again.boots()
        again.until_ready()
        assert ledger(again)["used_ms"] == 60_000
        with again.client() as client:
            assert client.status()["state"] == "idle"
            assert [edge for edge in again.edges if edge.pin in PINS] == []
            assert [pin for pin in PINS if again.is_output(pin) and again.is_high(pin)] == []

            def attempt() -> None:
                client.ask("clear")
                assert client.start("full").startswith("ok")
                assert client.status()["state"] == "running"

            at_last(attempt)
        after = ledger(again)
        assert after["boot"] != before["boot"]
        assert after["used_ms"] >= 120_000
