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
        starts = 1 + len(play(pi, client))
    before = ledger(pi)
    # A slice of 60 s, on the disk before it was used. A start that a busy machine had killed has
    # used one up, one that ended in a fault has given its rest back.
    assert 60_000 <= before["used_ms"] <= 60_000 * starts
    disk = pi.disk()
    pi.qmp("stop")
    with Pi(built, more=disk) as again:
        again.boots()
        again.until_ready()
        assert ledger(again)["used_ms"] == before["used_ms"]
        with again.client() as client:
            assert client.status()["state"] == "idle"
            assert [edge for edge in again.edges if edge.pin in PINS] == []
            assert again.driven() == []
            again.must("systemctl start witness")
            play(again, client)
        after = ledger(again)
        assert after["boot"] != before["boot"]
        assert after["used_ms"] >= before["used_ms"] + 60_000
