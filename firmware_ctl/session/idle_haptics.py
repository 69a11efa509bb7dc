"""Short pulses that the mat answers with while no session runs: which profile, refused, new day.

Motors turn outside of any session here, so an account bounds it: 60 s in any hour.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.limits import HOUR_MS, SIGNALS_HOURLY_MS
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.steps import Steps


class IdleHaptic(NamedTuple):
    """Pulses that are felt now."""

    name: str
    steps: Steps
    most_pct: Levels
    """No motor gets more than its figure here."""
    began_at_ms: int

    @property
    def end_ms(self) -> int:
        return self.began_at_ms + self.steps.cycle_ms

    def levels(self, now_ms: int) -> Levels:
        level, _ = self.steps.at(now_ms - self.began_at_ms)
        return tuple(min(level, most) for most in self.most_pct)

    def changes_at_ms(self, now_ms: int) -> int:
        return self.began_at_ms + self.steps.at(now_ms - self.began_at_ms)[1]


class IdleHaptics:
    """Pulses play in the zone with the most motors, while the hour's account lasts."""

    def __init__(self, mat: Mat) -> None:
        zones = [zone for zone in mat.zones if zone.present]
        zone = max(zones, key=lambda zone: len(zone.motors), default=None)
        self._most_pct: Sequence[int] | None = zone and tuple(
            zone.cap_pct if motor.zone == zone.name else 0 for motor in mat.motors
        )
        self._played: deque[tuple[int, int]] = deque()
        """When each of the last hour's began, and its length."""
        self.now: IdleHaptic | None = None

    def begin(self, name: str, steps: Steps, now_ms: int, account_ms: int) -> bool:
        """`account_ms`: now, on the clock of the account. False: there is no zone or no time."""
        played, length_ms = self._played, steps.cycle_ms
        while played and account_ms - played[0][0] >= HOUR_MS:
            played.popleft()
        used_ms = sum(length_ms for _, length_ms in played)
        if used_ms + length_ms > SIGNALS_HOURLY_MS or self._most_pct is None:
            return False
        played.append((account_ms, length_ms))
        self.now = IdleHaptic(name, steps, tuple(self._most_pct), now_ms)
        return True
