"""The day's account on its way to the disk: numbered, so that each answer finds its question."""

from firmware_ctl.session.allowance import Allowance, Spent
from firmware_ctl.session.events import SaveLedger


class Accounts:
    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._number = 0
        """Of the last account that was given out."""
        self._to_save: SaveLedger | None = None

    @property
    def spent(self) -> Spent:
        allowance = self._allowance
        return Spent(*allowance.account, allowance.may_renew, allowance.damage)

    def next_number(self, now_ms: int) -> int:
        # By the clock, so that a replay that begins in the middle counts the same.
        return max(self._number + 1, now_ms)

    def save(self, unused_ms: int, now_ms: int, account_ms: int) -> int:
        """Has the account written, less `unused_ms` that are reserved and not asked for yet.

        `account_ms`: now, on the clock of the account. Gives the account's number.
        """
        self._number = self.next_number(now_ms)
        # An account that could not be read stays as it is until the button begins a new day.
        if not self._allowance.damage:
            spent = self.spent
            spent = spent._replace(used_ms=max(0, spent.used_ms - unused_ms))
            self._to_save = SaveLedger(self._number, spent, account_ms)
        return self._number

    def take(self) -> SaveLedger | None:
        """What is to be written now; only the newest account counts."""
        to_save, self._to_save = self._to_save, None
        return to_save
