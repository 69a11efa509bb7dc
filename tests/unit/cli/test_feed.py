"""The watcher that reports the daemon to the live view."""

import json

from firmware_ctl.cli.feed import Feed
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import State, Stop, Wake
from tests.support.worlds import MAT, world_in


def test_feed_after_a_stop_has_times_on_the_clock_of_the_view() -> None:
    world = world_in(State.RUNNING)
    connection = Connection()
    feed = Feed(MAT, 1.0, connection, "/dev/pts/5", "/s", lambda now_ms: (0,) * 3, origin_ms=10_000)
    feed.step(Stop(), world.at(11_000, Stop()), 11_000)
    _, _, motors, session = (json.loads(line) for line in connection.unsent.splitlines())
    assert (motors["at_ms"], session["status"]["locked_until_ms"]) == (21_000, 22_500)


def test_feed_reports_the_selected_profile_when_it_changes() -> None:
    world = world_in(State.RUNNING)
    connection = Connection()
    names = ["hum", "hum", "gone"]
    feed = Feed(
        MAT,
        1.0,
        connection,
        serial="",
        socket="",
        power_at=lambda now_ms: (0,) * 3,
        selected=lambda: names.pop(0),
    )
    for at_ms in (11_000, 11_001, 11_002):
        feed.step(Wake(), world.at(at_ms, Wake()), at_ms)
    lines = [json.loads(line) for line in connection.unsent.splitlines()]
    assert [line["selected"] for line in lines if "selected" in line] == [
        {"name": "hum", "about": ""},
        {"name": "gone", "about": ""},
    ]
