"""A daemon for tests, put together from its parts, with the calls that most tests make."""

from collections.abc import Callable, Collection

from firmware_ctl.daemon.clients import Clients
from firmware_ctl.daemon.interfaces import (
    Heartbeat,
    Ledger,
    Link,
    Log,
    Poller,
    ReadProfiles,
    Source,
    StartButton,
    Watchdog,
    Watcher,
)
from firmware_ctl.daemon.latch import Latch
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.session.events import Input, Step
from firmware_ctl.session.session import Session


def no_profiles(done: object) -> "object":
    raise AssertionError("this daemon has no profiles to read")


class Daemon:
    """The session, player, loop and clients of a daemon. By default it has no disk and no profiles."""

    def __init__(
        self,
        session: Session,
        poller: Poller,
        latch: Latch,
        button: StartButton | None = None,
        ledger: Ledger | None = None,
        read_profiles: ReadProfiles = no_profiles,  # type: ignore[assignment]
        log: Log = lambda line: None,
        watchers: Collection[Watcher] = (),
        watchdogs: Collection[Watchdog] = (),
        heartbeats: Collection[Heartbeat] = (),
    ) -> None:
        self.session = session
        self.player = Player(
            session, poller.now_ms, latch, ledger or NoLedger(), watchers, watchdogs, heartbeats
        )
        self.loop = Loop(self.player, poller, button)
        self.clients = Clients(session, self.loop, read_profiles, log)
        self.now_ms = poller.now_ms

    @property
    def links(self) -> list[Link]:
        return self.clients.links

    def run(self) -> None:
        self.loop.run()

    def step(self, event: Input) -> Step:
        return self.player.step(event)

    def act(self, event: Input) -> None:
        self.clients._requests.act(event)

    def sample(self) -> None:
        self.loop.tick()

    def press(self, for_ms: int) -> None:
        self.loop.press(for_ms)

    def join(self, link: Link) -> None:
        self.clients.join(link)

    def add(self, link: Link) -> None:
        self.clients.add(link)

    def watch(self, *sources: Source) -> None:
        self.loop.watch(*sources)

    def later(self, after_ms: int, call: Callable[[], object]) -> None:
        self.loop.later(after_ms, call)
