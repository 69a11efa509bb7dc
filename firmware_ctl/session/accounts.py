"""The requests to write the day's account to disk, each with a number.

The disk is written by a thread of its own, so the answer to a request comes later. The number tells
to which request an answer belongs. This module never knows the file.
"""

from firmware_ctl.session.allowance import Allowance, Spent
from firmware_ctl.session.events import SaveLedger


class Accounts:
    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._number = 0
        """The number of the newest request."""
        self._to_save: SaveLedger | None = None

    @property
    def spent(self) -> Spent:
        """The account as it is now, with whole reservations counted as used."""
        allowance = self._allowance
        return Spent(*allowance.account, allowance.may_renew, allowance.damage)

    def next_number(self, now_ms: int) -> int:
        # The clock sets a lower bound, so that a replay that begins in the middle of a recording
        # gives its requests the same numbers as the recording.
        return max(self._number + 1, now_ms)

    def save(self, unused_ms: int, now_ms: int, account_ms: int) -> int:
        """Requests a write of the account, and returns the number of the request.

        `unused_ms` is the part of a reservation that no slice covers yet. The write leaves it out,
        so that a power cut costs the person one slice at most. `account_ms` is the present time on
        the clock of the account.
        """
        self._number = self.next_number(now_ms)
        # A damaged file is not overwritten: a person can look at it until the button begins a new
        # day.
        if not self._allowance.damage:
            spent = self.spent
            spent = spent._replace(used_ms=max(0, spent.used_ms - unused_ms))
            self._to_save = SaveLedger(self._number, spent, account_ms)
        return self._number

    def take(self) -> SaveLedger | None:
        """The newest request, or None if it was taken already. It replaces all older requests."""
        to_save, self._to_save = self._to_save, None
        return to_save
