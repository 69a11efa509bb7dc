"""Puts a daemon together: player, loop and clients around one session.

This module knows which part needs which other part. It never opens a port, a pin or a file.
"""

from collections.abc import Collection
from typing import NamedTuple

from firmware_ctl.daemon.clients import Clients
from firmware_ctl.daemon.interfaces import (
    Deadman,
    Hardware,
    Heartbeat,
    Ledger,
    Log,
    Poller,
    ReadProfiles,
    Watcher,
)
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.daemon.player import Player
from firmware_ctl.daemon.watchdogs import TickLate
from firmware_ctl.session.session import Session


class Daemon(NamedTuple):
    player: Player
    loop: Loop
    clients: Clients


def make_daemon(
    session: Session,
    hardware: Hardware,
    poller: Poller,
    deadman: Deadman,
    ledger: Ledger,
    read_profiles: ReadProfiles,
    log: Log,
    watchers: Collection[Watcher] = (),
    heartbeats: Collection[Heartbeat] = (),
) -> Daemon:
    """Makes a daemon. `loop.run()` runs it, and no motor moves before that."""
    latch = Latch(session.mat, hardware.motors, deadman)
    player = Player(
        session,
        poller.now_ms,
        latch,
        ledger,
        [*hardware.watchers, *watchers],
        [TickLate(), *hardware.watchdogs],
        [*hardware.heartbeats, *heartbeats],
    )
    loop = Loop(player, poller, hardware.button)
    loop.watch(*hardware.sources)
    return Daemon(player, loop, Clients(session, loop, read_profiles, log))
