"""Whose request started the session that is on, or is about to: its late answer, and its lease."""

from collections.abc import Callable

from firmware_ctl.protocol import commands
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.protocol.framing import Line
from firmware_ctl.session.session import Session

Lines = Callable[[], list[str]]
"""The lines of an answer, made when it is given."""


class SessionOwner:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._owner: tuple[Connection, int] | None = None
        """The connection, and the number of its session."""
        self._unanswered: tuple[Connection, Lines] | None = None
        """Who waits to hear whether the start that was accepted has begun."""
        self._started_before = 0

    def ask(self) -> None:
        """A start is about to be asked for."""
        self._started_before = self._session.status.started

    def begun(self, connection: Connection, lines: Lines) -> list[str] | None:
        """The answer to the start that was asked for; None: it comes from `answer`, later.

        Raises `CallerError` with the reason why the session did not begin.
        """
        status = self._session.status
        if status.is_starting:
            self._owner = connection, status.started + 1
            self._unanswered = connection, lines
            return None
        if self._session.not_started is not None:
            raise self._session.not_started
        if status.started != self._started_before:
            self._owner = connection, status.started
        return lines()

    def answer(self) -> Connection | None:
        """Gives the late answer if it is due, and says to whom; None: to nobody."""
        if self._unanswered is None or self._session.status.is_starting:
            return None
        connection, lines = self._unanswered
        self._unanswered = None
        refusal = self._session.not_started
        connection.answer(lines() if refusal is None else [f"err {refusal.code} {refusal}"])
        if refusal is not None:
            self._owner = None
        return connection

    @property
    def connection(self) -> Connection | None:
        """None: nobody's session is on or about to begin."""
        if self._owner is None:
            return None
        status = self._session.status
        connection, number = self._owner
        if status.is_starting:
            return connection if number == status.started + 1 else None
        return connection if status.is_on and number == status.started else None

    def lease_ends_at_ms(self) -> int | None:
        """When the owner's silence ends the session; None: never."""
        owner = self.connection
        return owner.lease_ends_at_ms if owner is not None and owner.lease_s else None

    def is_lease_over(self, now_ms: int) -> bool:
        owner = self.connection
        if owner is None or not owner.lease_s or owner.lease_ends_at_ms > now_ms:
            return False
        for item in reversed(owner.waiting):
            # A line that arrived in time renews the lease, although its answer is still to come.
            if isinstance(item, Line) and commands.is_request(item, self._session):
                owner.valid_at_ms = max(owner.valid_at_ms, item.arrived_at_ms)
                break
        return owner.lease_ends_at_ms <= now_ms

    def leave(self, connection: Connection) -> bool:
        """The connection, or its lease, is over. True: its session has to stop."""
        if self.connection is not connection:
            return False
        self._owner = None
        return True
