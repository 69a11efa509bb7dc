"""The daemon as the commands of the protocol see it: their `CommandContext`.

This module knows which answers come later than their requests: those of a start that waits, and of
a reload. It never knows lines or links.
"""

import re
from collections.abc import Iterable
from typing import Final

from firmware_ctl.daemon.interfaces import Log, ReadProfiles
from firmware_ctl.daemon.loop import Loop
from firmware_ctl.daemon.owner import Lines, SessionOwner
from firmware_ctl.errors import CallerError, WarningLine
from firmware_ctl.protocol.connection import Connection, text
from firmware_ctl.session.events import EndTry, Input, Reload, Start, Try, Wake
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.catalogue import Catalogue

RELOAD_MS: Final = 10_000
"""A reload that takes longer than this is given up."""

PLAIN_NAME: Final = re.compile("[A-Za-z0-9._-]+")
"""The name of any other file is put in quotes, since it may hold a space or a line feed."""

MOST_REFUSED: Final = 32
"""Most refused profiles that the answer of a `reload` names, because a connection drops an answer
of more than 64 KiB as a whole."""


class Requests:
    """Implements `protocol.commands.CommandContext`, which documents the methods of commands."""

    def __init__(self, session: Session, loop: Loop, read_profiles: ReadProfiles, log: Log) -> None:
        self.session = session
        self.now_ms = loop.now_ms
        self.owner = SessionOwner(session)
        self.deferred: set[Connection] = set()
        """Connections that wait for a late answer. Their further requests wait behind it."""
        self._loop = loop
        self._read_profiles = read_profiles
        self._log = log
        self._reloading: Connection | None = None
        """The connection that asked for the reload that runs. None: no reload runs."""

    def act(self, event: Input) -> None:
        self._loop.catch_up()
        if isinstance(event, Start | Try):
            # An earlier start that waits may have waited too long. This wake gives it up, so that
            # its client is answered before this start.
            self._loop.player.step(Wake())
            self.owner.before_start()
        self._loop.player.act(event)
        if isinstance(event, EndTry):
            # This tick disarms the dead-man. The next line is compiled before another tick.
            self._loop.tick()

    def start_answer(self, connection: Connection, lines: Lines) -> list[str] | None:
        answer = self.owner.start_answer(connection, lines)
        if answer is None:
            self.deferred.add(connection)
        return answer

    def answer_waiting_start(self) -> None:
        """To be called after a step: answers the start that waited, if it waits no longer."""
        connection = self.owner.answer_waiting()
        if connection is not None:
            self.deferred.discard(connection)

    def press(self, for_ms: int) -> None:
        self._loop.press(for_ms)

    def reload(self, connection: Connection) -> None:
        if self._reloading is not None:
            raise CallerError("busy", "the profiles are being read already; ask again")

        def done(result: Catalogue | str) -> None:
            if self._reloading is not connection:
                return  # the job was given up earlier
            self._reloading = None
            self.deferred.discard(connection)
            self._loop.unwatch(job)
            if isinstance(result, str):
                connection.answer([f"err not-ready {result}"])
                return
            for entry in result.bad:
                self._log(WarningLine(entry.error.summary()))
            self.act(Reload(result, connection.origin))
            connection.answer(list(_reload_answer(result)))

        job = self._read_profiles(done)
        self._reloading = connection
        self.deferred.add(connection)
        self._loop.watch(job)
        self._loop.later(RELOAD_MS, job.give_up)


def _reload_answer(catalogue: Catalogue) -> Iterable[str]:
    """The lines that answer a `reload`."""
    for entry in catalogue.bad[:MOST_REFUSED]:
        name = entry.name if PLAIN_NAME.fullmatch(entry.name) else text(entry.name)
        yield f"- refused={name} why={text(entry.error.summary())}"
    refused = f" refused={len(catalogue.bad)}" if catalogue.bad else ""
    yield f"ok count={len(catalogue.good)}{refused}"
