"""The order of requests by their arrival: a request that arrived too early moves no motor.

The loop may answer a request long after reading it, because a flood or a reload is served first. A
start that was sent before a stop must not begin after that stop. So each request carries the time
at which the loop read its last byte, and this module alone decides whether the request may still
move a motor.
"""

from typing import Final

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import RESTART_MS

OVERTAKEN: Final = "a stop overtook this request; send it again"


class Arrivals:
    def __init__(self) -> None:
        self.early_until_ms: int | None = None
        """Requests that arrived up to this time are refused. None: the daemon is not ready, and
        every request is refused."""
        self.stopped_at_ms: int | None = None
        """When the last stop arrived, whether or not a session ran. A press of the locked button is
        a stop as well. None: no stop has arrived."""
        self._void_until_ms = 0
        """When the last pause or clear arrived or the last session ended, whichever is later."""

    def void_earlier(self, arrived_at_ms: int) -> None:
        """A pause, a clear or the end of a session: requests that arrived earlier are refused."""
        self._void_until_ms = max(self._void_until_ms, arrived_at_ms)

    def is_just_stopped(self, now_ms: int) -> bool:
        return self.stopped_at_ms is not None and now_ms - self.stopped_at_ms < RESTART_MS

    def refuse_early(self, arrived_at_ms: int) -> None:
        """Raises `CallerError` if a request with this arrival may not move a motor.

        The daemon was not ready when the request arrived; or a stop arrived after the request, or
        less than `RESTART_MS` before it; or a pause, a clear or the end of a session came after it.
        """
        if self.early_until_ms is None or arrived_at_ms <= self.early_until_ms:
            raise CallerError("not-ready", "the daemon was not ready yet; ask again")
        stopped_at_ms = self.stopped_at_ms
        if stopped_at_ms is not None and arrived_at_ms < stopped_at_ms + RESTART_MS:
            if arrived_at_ms > stopped_at_ms:
                raise CallerError("busy", "stopped just now; try again in a moment")
            raise CallerError("busy", OVERTAKEN)
        if arrived_at_ms < self._void_until_ms:
            raise CallerError("busy", "a later request overtook this one; send it again")

    def refuse_stronger(self, arrived_at_ms: int) -> None:
        """Raises `CallerError` if a stop arrived after a request that would raise levels."""
        if self.stopped_at_ms is not None and arrived_at_ms <= self.stopped_at_ms:
            raise CallerError("busy", OVERTAKEN)
