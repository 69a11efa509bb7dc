"""The owner of a session: the connection whose request started it, its late answer and its lease.

The owner is known by its connection and by the number of its session: a lease that ends must not
stop a later session, which someone else has started. This module never decides what happens when a
lease ends.
"""

from collections.abc import Callable

from firmware_ctl.protocol import meaning
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.protocol.framing import Line
from firmware_ctl.session.session import Session

Lines = Callable[[], list[str]]
"""A function that makes the lines of an answer. It is called when the answer is sent."""


class SessionOwner:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._owner: tuple[Connection, int] | None = None
        """The connection and the number of its session, or None."""
        self._unanswered: tuple[Connection, Lines] | None = None
        """The connection whose accepted start waits, and its answer. None: no start waits."""
        self._started_before = 0
        """How many sessions had begun before the last request for a start."""

    def before_start(self) -> None:
        """To be called before a start is passed to the session."""
        self._started_before = self._session.status.started

    def start_answer(self, connection: Connection, lines: Lines) -> list[str] | None:
        """The answer to an accepted start. None: `answer_waiting` sends it later.

        Raises `CallerError` with the reason if the session did not begin.
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

    def answer_waiting(self) -> Connection | None:
        """Sends the late answer if it is due, and returns its connection. None: nothing was due."""
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
        """The owner of the present session or waiting start. None: nobody."""
        if self._owner is None:
            return None
        status = self._session.status
        connection, number = self._owner
        if status.is_starting:
            return connection if number == status.started + 1 else None
        return connection if status.is_on and number == status.started else None

    def lease_ends_at_ms(self) -> int | None:
        """When the lease stops the session, unless the owner sends a request. None: never."""
        owner = self.connection
        return owner.lease_ends_at_ms if owner is not None and owner.lease_s else None

    def is_lease_over(self, now_ms: int) -> bool:
        owner = self.connection
        if owner is None or not owner.lease_s or owner.lease_ends_at_ms > now_ms:
            return False
        for item in reversed(owner.waiting):
            # A request that arrived in time renews the lease, even if it waits for its answer.
            if isinstance(item, Line) and meaning.is_request(item, self._session):
                owner.renewed_at_ms = max(owner.renewed_at_ms, item.arrived_at_ms)
                break
        return owner.lease_ends_at_ms <= now_ms

    def leave(self, connection: Connection) -> bool:
        """The connection or its lease has ended. True: the caller must stop its session."""
        if self.connection is not connection:
            return False
        self._owner = None
        return True
