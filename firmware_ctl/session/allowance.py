"""How much of today's running time is left: an account of milliseconds, with time as an argument.

A day begins with its first start and lasts 24 hours. Nothing here knows where the account is kept.
"""

from typing import Final, NamedTuple

from firmware_ctl.errors import CallerError
from firmware_ctl.limits import DAY_MS


class Spent(NamedTuple):
    """The day's account, and since when; times are the session's own and may lie before 0."""

    used_ms: int = 0
    day_began_at_ms: int | None = None
    """None: no start yet."""
    may_renew: bool = False
    """The day may be over and no clock can say so: the button may begin a new one, once."""
    damage: str = ""
    """Why nothing is known of the day, so that all of it counts as used."""


UNSPENT: Final = Spent()


class Allowance:
    """Running time of one day. What a session may use is taken at its start."""

    def __init__(self, daily_ms: int, spent: Spent = UNSPENT) -> None:
        self.daily_ms = daily_ms
        self.may_renew = spent.may_renew
        self.damage = spent.damage
        self._used_ms = spent.used_ms
        self._day_began_at_ms = spent.day_began_at_ms
        self._is_older = spent.day_began_at_ms is not None
        """The day began before this account was opened."""
        self._here_ms = 0
        """So much of an older day was used here, since `_here_since_ms`."""
        self._here_since_ms = 0

    @property
    def account(self) -> tuple[int, int | None]:
        """What was used, and since when: enough to go on from it."""
        return self._used_ms, self._day_began_at_ms

    def used_ms(self, now_ms: int) -> int:
        if self.damage:
            return self.daily_ms
        if self._day_began_at_ms is None or now_ms - self._day_began_at_ms >= DAY_MS:
            return 0
        return min(self._used_ms, self.daily_ms)  # the mat file may allow less than before

    def take(self, length_ms: int, now_ms: int) -> None:
        """Reserves a whole session, or raises `CallerError` with the wait in seconds."""
        if self.damage:
            raise CallerError("allowance", f"- {self.damage}; {NEW_DAY}")
        used_ms = self.used_ms(now_ms)
        if used_ms + length_ms > self.daily_ms:
            began_at_ms = now_ms if self._day_began_at_ms is None else self._day_began_at_ms
            wait_s = -(-(began_at_ms + DAY_MS - now_ms) // 1000)
            left_s = (self.daily_ms - used_ms) // 1000
            how = f"wait, or {NEW_DAY}" if self.may_renew else "wait"
            raise CallerError(
                "allowance",
                f"{wait_s} the session takes {length_ms // 1000} s and {left_s} s of today's "
                f"{self.daily_ms // 1000} s are left; choose a shorter profile or {how}",
            )
        if used_ms == 0:
            self._day_began_at_ms, self.may_renew, self._is_older = now_ms, False, False
        self._used_ms = used_ms + length_ms
        if self._here_ms == 0:
            self._here_since_ms = now_ms
        self._here_ms += length_ms

    def give_back(self, unused_ms: int) -> None:
        """Returns what a session that was stopped did not use."""
        self._used_ms = max(0, self._used_ms - unused_ms)
        self._here_ms = max(0, self._here_ms - unused_ms)

    def sleep(self, for_ms: int) -> None:
        """Time passed that this account's clock did not count."""
        if self._day_began_at_ms is not None:
            self._day_began_at_ms -= for_ms
        self._here_since_ms -= for_ms

    def was_off(self, for_ms: int, now_ms: int) -> None:
        """A clock says at last for how long nothing ran before the account was opened.

        When that ends the older day, what was used here since is the begin of a new one.
        """
        self.may_renew = False
        if not self._is_older or self._day_began_at_ms is None:
            return
        self._day_began_at_ms -= for_ms
        if self._here_ms and now_ms - self._day_began_at_ms >= DAY_MS:
            self._used_ms, self._day_began_at_ms = self._here_ms, self._here_since_ms
            self._is_older = False

    def renew(self) -> bool:
        """Begins a new day where no clock can say whether the old one is over; once."""
        if not (self.may_renew or self.damage):
            return False
        self.may_renew, self.damage = False, ""
        self._used_ms, self._day_began_at_ms, self._is_older = 0, None, False
        return True


NEW_DAY: Final = "hold the start button for 5 s to begin a new day"
