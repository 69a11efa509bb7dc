"""The packages of the page for phones and of the MQTT bridge, beside the mat's own."""

from pathlib import Path

from tests.packages.debian import Container

WEB, MQTT = "firmware-ctl-web", "firmware-ctl-mqtt"
CALL = """/usr/bin/python3 - <<'END'
from time import monotonic, sleep
from urllib.request import Request, urlopen

until_s = monotonic() + 60
while True:
    try:
        with urlopen(Request("http://127.0.0.1:8043/{}", method="{}")) as answer:
            text = answer.read().decode()
        if "absent" not in text:
            print(answer.status, text)
            break
    except OSError:
        pass
    assert monotonic() < until_s, "no answer, or no daemon"
    sleep(0.1)
END
"""
"""Asks the page, which may still be starting, and then looks for the daemon."""


def test_page_is_served_once_it_is_enabled_and_stops_the_mat(
    playing: Container, bridges: list[Path]
) -> None:
    install(playing, bridges)
    assert playing.run(f"systemctl is-enabled {WEB}", exit_code=1) == "disabled\n"
    playing.run("firmware-ctl web enable")
    assert '"state": "running"' in playing.run(CALL.format("state", "GET"))
    assert playing.run(CALL.format("stop", "POST")).startswith("204 ")
    assert "state=idle" in playing.run("firmware-ctl status --raw")
    playing.run(f"apt-get remove -qq -y {WEB}")
    playing.run("test ! -e /etc/avahi/services/firmware-ctl.service")
    assert playing.run("systemctl is-active firmware-ctl") == "active\n"


def install(container: Container, packages: list[Path]) -> None:
    names = " ".join(map(container.put, packages))
    container.run(f"apt-get install -qq -y {names}")


def test_mqtt_bridge_starts_when_it_is_enabled_and_leaves_the_mat_alone(
    playing: Container, bridges: list[Path]
) -> None:
    install(playing, bridges)
    assert playing.run(f"systemctl is-active {MQTT}", exit_code=3) == "inactive\n"
    playing.run(f"systemctl enable --now {MQTT}")
    said = f"journalctl --boot -u {MQTT} | grep -q 'no connection to the broker'"
    playing.run(f'timeout 60 sh -c "until {said}; do sleep 0.1; done"')
    assert "state=running" in playing.run("firmware-ctl status --raw")
    playing.run(f"apt-get purge -qq -y {MQTT} {WEB}")
    assert "state=running" in playing.run("firmware-ctl status --raw")
