"""Short pulses that answer the button while no session runs: profile number, refused, new day.

These pulses turn motors outside of a session, so no daily limit counts them. A limit of their own
bounds them: 60 s in any hour, one zone, 30 % level. This module never knows why a pulse plays.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.limits import HOUR_MS, SIGNALS_HOURLY_MS
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.steps import Steps


class IdleHaptic(NamedTuple):
    """The pulses that play now."""

    name: str
    steps: Steps
    max_pct: Levels
    """The highest level of each motor. 0 for motors outside of the zone."""
    began_at_ms: int

    @property
    def end_ms(self) -> int:
        return self.began_at_ms + self.steps.cycle_ms

    def levels(self, now_ms: int) -> Levels:
        level, _ = self.steps.at(now_ms - self.began_at_ms)
        return tuple(min(level, max_pct) for max_pct in self.max_pct)

    def changes_at_ms(self, now_ms: int) -> int:
        return self.began_at_ms + self.steps.at(now_ms - self.began_at_ms)[1]


class IdleHaptics:
    """Plays pulses in the zone with the most motors, up to 60 s in any hour."""

    def __init__(self, mat: Mat) -> None:
        zones = [zone for zone in mat.zones if zone.present]
        zone = max(zones, key=lambda zone: len(zone.motors), default=None)
        self._max_pct: Sequence[int] | None = zone and tuple(
            zone.cap_pct if motor.zone == zone.name else 0 for motor in mat.motors
        )
        self._played: deque[tuple[int, int]] = deque()
        """Begin and length of each haptic of the last hour."""
        self.now: IdleHaptic | None = None

    def begin(self, name: str, steps: Steps, now_ms: int, account_ms: int) -> bool:
        """Begins to play. Returns False if no zone is present, or the hour's 60 s are used up.

        `account_ms` is the present time on the clock of the account.
        """
        played, length_ms = self._played, steps.cycle_ms
        while played and account_ms - played[0][0] >= HOUR_MS:
            played.popleft()
        used_ms = sum(length_ms for _, length_ms in played)
        if used_ms + length_ms > SIGNALS_HOURLY_MS or self._max_pct is None:
            return False
        played.append((account_ms, length_ms))
        self.now = IdleHaptic(name, steps, tuple(self._max_pct), now_ms)
        return True
