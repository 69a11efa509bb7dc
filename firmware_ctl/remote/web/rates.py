"""How often something may happen. The time is an argument."""

from collections import deque


class Rate:
    """At most `count` times within `within_ms`."""

    def __init__(self, count: int, within_ms: int) -> None:
        self._within_ms = within_ms
        self._at_ms: deque[int] = deque(maxlen=count)

    def wait_ms(self, now_ms: int) -> int:
        """How long until it may happen again. 0: now."""
        if len(self._at_ms) < (self._at_ms.maxlen or 0):
            return 0
        return max(0, self._at_ms[0] + self._within_ms - now_ms)

    def note(self, now_ms: int) -> None:
        """It has happened."""
        self._at_ms.append(now_ms)

    def takes(self, now_ms: int) -> bool:
        """Notes it if it may happen now. Returns whether it may."""
        if self.wait_ms(now_ms):
            return False
        self.note(now_ms)
        return True
