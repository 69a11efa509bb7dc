"""How much of today's running time is left: an account of milliseconds, with time as an argument.

A day begins with its first start and lasts 24 hours. Nothing here knows where the account is kept.
"""

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import DAY_MS


class Allowance:
    """Running time of one day. What a session may use is taken at its start."""

    def __init__(self, daily_ms: int, used_ms: int = 0, day_began_at_ms: int | None = None) -> None:
        self.daily_ms = daily_ms
        self._used_ms = used_ms
        self._day_began_at_ms = day_began_at_ms

    @property
    def account(self) -> tuple[int, int | None]:
        """What was used, and since when: enough to go on from it."""
        return self._used_ms, self._day_began_at_ms

    def used_ms(self, now_ms: int) -> int:
        if self._day_began_at_ms is None or now_ms - self._day_began_at_ms >= DAY_MS:
            return 0
        return self._used_ms

    def take(self, length_ms: int, now_ms: int) -> None:
        """Reserves a whole session, or raises `CallerError` with the wait in seconds."""
        used_ms = self.used_ms(now_ms)
        if used_ms + length_ms > self.daily_ms:
            began_at_ms = now_ms if self._day_began_at_ms is None else self._day_began_at_ms
            wait_s = -(-(began_at_ms + DAY_MS - now_ms) // 1000)
            left_s = (self.daily_ms - used_ms) // 1000
            raise CallerError(
                "allowance",
                f"{wait_s} the session takes {length_ms // 1000} s and {left_s} s of today's "
                f"{self.daily_ms // 1000} s are left; choose a shorter profile or wait",
            )
        if used_ms == 0:
            self._day_began_at_ms = now_ms
        self._used_ms = used_ms + length_ms

    def give_back(self, unused_ms: int) -> None:
        """Returns what a session that was stopped did not use."""
        self._used_ms = max(0, self._used_ms - unused_ms)
