"""When to try to connect, and when to give a try up."""

from collections.abc import Callable
from typing import NamedTuple


class Waits(NamedTuple):
    """Waits double from `least_ms` to `most_ms`, and begin anew after a connection of `stable_ms`.

    `patience_ms`: how long one try may take.
    """

    least_ms: int
    most_ms: int
    stable_ms: int
    patience_ms: int


class Attempts:
    """The tries to connect to one peer: at first at once, then after longer and longer waits.

    Each wait is shortened at random by up to a half, so that the mats of a studio do not all come
    back to a broker in the same moment.
    """

    def __init__(self, waits: Waits, random: Callable[[], float]) -> None:
        """`random` returns a number from 0 to 1."""
        self.is_open = False
        self._waits = waits
        self._random = random
        self._wait_ms = waits.least_ms
        self._opened_at_ms = 0
        self._next_at_ms = 0
        self._until_ms: int | None = None
        """When the present try has taken too long. None: there is none."""

    def due_ms(self) -> int | None:
        """When to call `is_due` or `is_late` again. None: not while the connection is open."""
        if self.is_open:
            return None
        return self._next_at_ms if self._until_ms is None else self._until_ms

    def is_due(self, now_ms: int) -> bool:
        """Whether to try now. True begins a try."""
        if self.is_open or self._until_ms is not None or now_ms < self._next_at_ms:
            return False
        self._until_ms = now_ms + self._waits.patience_ms
        return True

    def is_late(self, now_ms: int) -> bool:
        """Whether the present try has taken too long."""
        return self._until_ms is not None and now_ms >= self._until_ms

    def connected(self, now_ms: int) -> None:
        self.is_open, self._until_ms, self._opened_at_ms = True, None, now_ms

    def lost(self, now_ms: int, at_most: bool = False) -> bool:
        """Notes the end of a try or of a connection. Returns whether it was a short connection.

        `at_most`: the longest wait follows.
        """
        waits = self._waits
        was_short = self.is_open and now_ms - self._opened_at_ms < waits.stable_ms
        if self.is_open and not was_short:
            self._wait_ms = waits.least_ms
        wait_ms = waits.most_ms if at_most else self._wait_ms
        self.is_open, self._until_ms = False, None
        self._wait_ms = min(2 * wait_ms, waits.most_ms)
        self._next_at_ms = now_ms + round(wait_ms * (1 - self._random() / 2))
        return was_short

    def retry(self, now_ms: int) -> None:
        """The next try comes at once."""
        self.is_open, self._until_ms, self._next_at_ms = False, None, now_ms
