"""How much of today's running time is left: an account of milliseconds, with time as an argument.

A day begins with its first start and lasts 24 hours. A session reserves its whole length when it
starts, and returns the unused part when it is stopped. So the day's limit never cuts a session that
has started. This module never reads a clock and never knows where the account is stored.

The clock of the account is the daemon's monotonic clock times `speed`.
"""

from typing import Final, NamedTuple

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import DAY_MS


class Spent(NamedTuple):
    """The day's account. Times are on the clock of the account.

    A time is negative if it lies before the machine was switched on.
    """

    used_ms: int = 0
    day_began_at_ms: int | None = None
    """When the day began, or None before its first start."""
    may_renew: bool = False
    """True if the day may be over, but no reliable clock can tell. The button may then begin a new
    day, once."""
    damage: str = ""
    """Why the account could not be read. The whole day then counts as used. Empty: it was read."""


UNSPENT: Final = Spent()


class Allowance:
    """The running time of one day."""

    def __init__(self, daily_ms: int, spent: Spent = UNSPENT) -> None:
        self.daily_ms = daily_ms
        self.may_renew = spent.may_renew
        self.damage = spent.damage
        self._used_ms = spent.used_ms
        self._day_began_at_ms = spent.day_began_at_ms
        self._is_older = spent.day_began_at_ms is not None
        """True if the day began before this object was made."""
        self._here_ms = 0
        """The running time that this process took, since `_here_since_ms`. If the older day turns
        out to have ended, only this time counts: see `was_off`."""
        self._here_since_ms = 0

    @property
    def account(self) -> tuple[int, int | None]:
        """The used time and the beginning of the day, as stored on disk."""
        return self._used_ms, self._day_began_at_ms

    def used_ms(self, now_ms: int) -> int:
        """Today's running time, with whole reservations. A damaged account counts as a full day."""
        if self.damage:
            return self.daily_ms
        if self._day_began_at_ms is None or now_ms - self._day_began_at_ms >= DAY_MS:
            return 0
        return min(self._used_ms, self.daily_ms)  # the mat file may now allow less

    def take(self, length_ms: int, now_ms: int) -> None:
        """Reserves the length of a whole session.

        Raises `CallerError` ("allowance") if less running time is left. The first word of the
        message is the wait in seconds, or `-` if the wait is unknown.
        """
        if self.damage:
            raise CallerError("allowance", f"- {self.damage}; {NEW_DAY}")
        used_ms = self.used_ms(now_ms)
        if used_ms + length_ms > self.daily_ms:
            began_at_ms = now_ms if self._day_began_at_ms is None else self._day_began_at_ms
            wait_s = -(-(began_at_ms + DAY_MS - now_ms) // 1000)
            left_ms = self.daily_ms - used_ms
            remedy = f"wait, or {NEW_DAY}" if self.may_renew else "wait"
            raise CallerError(
                "allowance",
                f"{wait_s} this session needs {_clock(length_ms)}, but only {_clock(left_ms)} of "
                f"today's {_clock(self.daily_ms)} are left; choose a shorter profile or {remedy}",
            )
        if used_ms == 0:
            self._day_began_at_ms, self.may_renew, self._is_older = now_ms, False, False
        self._used_ms = used_ms + length_ms
        if self._here_ms == 0:
            self._here_since_ms = now_ms
        self._here_ms += length_ms

    def give_back(self, unused_ms: int) -> None:
        """Returns the part of a reservation that a stopped session did not use."""
        self._used_ms = max(0, self._used_ms - unused_ms)
        self._here_ms = max(0, self._here_ms - unused_ms)

    def sleep(self, for_ms: int) -> None:
        """Makes the day older by the time of a suspend, which the account's clock did not count."""
        if self._day_began_at_ms is not None:
            self._day_began_at_ms -= for_ms
        self._here_since_ms -= for_ms

    def was_off(self, for_ms: int, now_ms: int) -> None:
        """Adds the time for which the machine was off to the age of a day that began before.

        The machine's clock may be synchronised only minutes after the daemon's start, and sessions
        may have run in between. If the older day turns out to have ended, the running time since
        the daemon's start counts to a new day.
        """
        self.may_renew = False
        if not self._is_older or self._day_began_at_ms is None:
            return
        self._day_began_at_ms -= for_ms
        if self._here_ms and now_ms - self._day_began_at_ms >= DAY_MS:
            self._used_ms, self._day_began_at_ms = self._here_ms, self._here_since_ms
            self._is_older = False

    def renew(self) -> bool:
        """Begins a new day if `may_renew` or `damage` allows it. Returns whether it did."""
        if not (self.may_renew or self.damage):
            return False
        self.may_renew, self.damage = False, ""
        self._used_ms, self._day_began_at_ms, self._is_older = 0, None, False
        return True


def _clock(for_ms: int) -> str:
    """A length of time in whole minutes and seconds, as in `12:05`."""
    minutes, seconds = divmod(for_ms // 1000, 60)
    return f"{minutes}:{seconds:02}"


NEW_DAY: Final = "hold the start button for 5 s to begin a new day"
