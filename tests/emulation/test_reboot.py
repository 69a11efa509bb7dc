"""The power is cut in the midst of a session: what was on the disk boots anew, and nothing moves."""

import json

from tests.emulation import build
from tests.emulation.kill_matrix import play
from tests.emulation.pi import PINS, Pi


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
    # A slice of 60 s for each start, on the disk before it was used; nothing of it comes back yet.
    assert before["used_ms"] == 60_000
    disk = pi.disk()
    pi.qmp("stop")
    with Pi(built, more=disk) as again:
        again.boots()
        again.until_ready()
        assert ledger(again)["used_ms"] == 60_000
        with again.client() as client:
            assert client.status()["state"] == "idle"
            assert [edge for edge in again.edges if edge.pin in PINS] == []
            assert again.driven() == []
            again.must("systemctl start witness")
            play(again, client)
        after = ledger(again)
        assert after["boot"] != before["boot"]
        assert after["used_ms"] >= 120_000
