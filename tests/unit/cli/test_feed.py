"""The watcher that reports the daemon to the live view."""

import json

from firmware_ctl.cli.feed import Feed
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import State, Stop
from tests.support.worlds import MAT, world_in


def test_feed_after_a_stop_has_times_on_the_clock_of_the_view() -> None:
    world = world_in(State.RUNNING)
    connection = Connection()
    feed = Feed(MAT, 1.0, connection, "/dev/pts/5", "/s", lambda now_ms: (0,) * 3, origin_ms=10_000)
    feed.step(Stop(), world.at(11_000, Stop()), 11_000)
    _, motors, session = (json.loads(line) for line in connection.unsent.splitlines())
    assert (motors["at_ms"], session["status"]["locked_until_ms"]) == (21_000, 22_500)
