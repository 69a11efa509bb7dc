"""A stop that is on its way to the daemon: sent again each second until it is confirmed."""

from typing import Final

from firmware_ctl.remote.mqtt.actions import StopMat, Tell

ANSWER_MS: Final = 1_000
TRIES: Final = 10
UNCONFIRMED: Final = "the daemon does not confirm a stop; use the stop switch of the mat"


class PendingStop:
    def __init__(self) -> None:
        self.arrived_at_ms = -1
        """When the last stop arrived. A stop overtakes other messages on their way."""
        self._tries = 0
        """How often the stop was sent. 0: every stop is confirmed."""
        self._until_ms = 0

    def due_ms(self) -> int | None:
        """When to send it again. None: not before another stop."""
        return self._until_ms if self._tries else None

    def arrived(self, arrived_at_ms: int, now_ms: int) -> None:
        self.arrived_at_ms = max(self.arrived_at_ms, arrived_at_ms)
        self._tries, self._until_ms = 1, now_ms + ANSWER_MS

    def confirmed(self) -> None:
        self._tries = 0

    def again(self, now_ms: int) -> StopMat | Tell | None:
        """What to do if the stop has had no answer for too long. None: nothing now."""
        if not self._tries or now_ms < self._until_ms:
            return None
        if self._tries >= TRIES:
            self._tries = 0
            return Tell(UNCONFIRMED)
        self._tries, self._until_ms = self._tries + 1, now_ms + ANSWER_MS
        return StopMat()
