"""The order of requests by their arrival: what arrived too early sets nothing moving.

A request may be served long after it arrived. Whether it may still move a motor is asked of the
moment at which the loop read it, and this is the one place that decides it.
"""

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import RESTART_MS


class Arrivals:
    def __init__(self) -> None:
        self.early_until_ms: int | None = None
        """What arrived until then came before the daemon was ready; None: it is not ready yet."""
        self.stopped_at_ms: int | None = None
        """When the last stop came, needed or not."""
        self._calmed_at_ms = 0
        """When the last pause or clear arrived, or a session ended."""

    def calm(self, arrived_at_ms: int) -> None:
        """A pause, a clear or the end of a session: earlier requests move nothing any more."""
        self._calmed_at_ms = max(self._calmed_at_ms, arrived_at_ms)

    def is_just_stopped(self, now_ms: int) -> bool:
        return self.stopped_at_ms is not None and now_ms - self.stopped_at_ms < RESTART_MS

    def refuse_early(self, arrived_at_ms: int) -> None:
        """Raises `CallerError` with the reason why a request may set nothing moving.

        The daemon was not ready yet, a stop came after the request or less than 100 ms before it,
        or a pause, a clear or the end of a session came after it.
        """
        if self.early_until_ms is None or arrived_at_ms <= self.early_until_ms:
            raise CallerError("not-ready", "the daemon was not ready yet; ask again")
        stopped_at_ms = self.stopped_at_ms
        if stopped_at_ms is not None and arrived_at_ms < stopped_at_ms + RESTART_MS:
            if arrived_at_ms > stopped_at_ms:
                raise CallerError("busy", f"stopped less than {RESTART_MS} ms before; start again")
            raise CallerError("busy", "a stop overtook this request; send it again")
        if arrived_at_ms < self._calmed_at_ms:
            raise CallerError("busy", "a later request overtook this one; send it again")

    def refuse_stronger(self, arrived_at_ms: int) -> None:
        """Raises `CallerError` where a stop came after a request that would play more strongly."""
        if self.stopped_at_ms is not None and arrived_at_ms <= self.stopped_at_ms:
            raise CallerError("busy", "a stop overtook this request; send it again")
