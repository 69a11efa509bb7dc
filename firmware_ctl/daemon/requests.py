"""What a command may ask of the daemon: the `CommandContext` that the protocol's commands get."""

from typing import Final

from firmware_ctl.daemon.interfaces import Log, ReadProfiles
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.daemon.owner import Lines, SessionOwner
from firmware_ctl.errors import CallerError
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.events import Input, Reload, Start, Try, Wake
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue

RELOAD_MS: Final = 10_000
"""A folder that is not read by then is given up."""


class Requests:
    def __init__(self, session: Session, loop: Loop, read_profiles: ReadProfiles, log: Log) -> None:
        self.session = session
        self.now_ms = loop.now_ms
        self.owner = SessionOwner(session)
        self.deferred: set[Connection] = set()
        """Those whose last request is answered later, and their next ones after it."""
        self._loop = loop
        self._read_profiles = read_profiles
        self._log = log
        self._reloading: Connection | None = None

    def act(self, event: Input) -> None:
        self._loop.catch_up()
        if isinstance(event, Start | Try):
            # A start that waits may be over, and then its client is answered first.
            self._loop.player.step(Wake())
            self.owner.ask()
        self._loop.player.act(event)

    def begun(self, connection: Connection, lines: Lines) -> list[str] | None:
        answer = self.owner.begun(connection, lines)
        if answer is None:
            self.deferred.add(connection)
        return answer

    def answer_start(self) -> None:
        """After a step: answers whoever waits to hear whether a start has begun."""
        connection = self.owner.answer()
        if connection is not None:
            self.deferred.discard(connection)

    def press(self, for_ms: int) -> None:
        self._loop.press(for_ms)

    def reload(self, connection: Connection) -> None:
        if self._reloading is not None:
            raise CallerError("busy", "the profiles are being read already; ask again")

        def done(result: Catalogue | str) -> None:
            if self._reloading is not connection:
                return  # the job was given up before
            self._reloading = None
            self.deferred.discard(connection)
            self._loop.unwatch(job)
            if isinstance(result, str):
                connection.answer([f"err not-ready {result}"])
                return
            for entry in result.bad:
                self._log(entry.error.summary())
            self.act(Reload(result))
            connection.answer([f"ok count={len(result.good)}"])

        job = self._read_profiles(done)
        self._reloading = connection
        self.deferred.add(connection)
        self._loop.watch(job)
        self._loop.later(RELOAD_MS, job.give_up)
