"""After a power cut during a session, the Pi boots from what was on its disk, and no motor moves."""

import json

from tests.emulation import build
from tests.emulation.kill_rounds import play_at_full_duty
from tests.emulation.pi import MOTOR_PINS, Pi


def ledger(pi: Pi) -> dict[str, int]:
    content, _ = json.JSONDecoder().raw_decode(pi.run("cat /var/lib/firmware-ctl/ledger"))
    assert isinstance(content, dict)
    return content


def test_after_a_power_cut_it_is_idle_and_what_was_used_is_counted(
    pi: Pi, image: build.Image
) -> None:
    with pi.client() as client:
        starts = 1 + len(play_at_full_duty(pi, client))
    before = ledger(pi)
    # Each start reserves a slice of 60 s on disk. A start whose daemon a busy machine had killed has
    # used up its slice; a start that ended in a fault has given its slice back.
    assert 60_000 <= before["used_ms"] <= 60_000 * starts
    disk_layer = pi.disk_layer(image)
    pi.qmp("stop")
    with Pi(image, bottom_layer=disk_layer) as rebooted:
        rebooted.wait_for_console()
        rebooted.wait_until_active()
        assert ledger(rebooted)["used_ms"] == before["used_ms"]
        with rebooted.client() as client:
            assert client.status()["state"] == "idle"
            assert [edge for edge in rebooted.edges if edge.pin in MOTOR_PINS] == []
            assert rebooted.high_motor_pins() == []
            rebooted.run("systemctl start witness")
            play_at_full_duty(rebooted, client)
        after = ledger(rebooted)
        assert after["boot"] != before["boot"]
        assert after["used_ms"] >= before["used_ms"] + 60_000
