"""An eccentric-mass motor as formulas: what turns, shakes, draws current and grows warm.

Between two changes of the duty everything has a closed form, so that it costs the same to look one
millisecond ahead or an hour. Knows one motor at a time, and nothing of pins, rail or sessions.
"""

from math import exp, log
from typing import Final, NamedTuple

from firmware_ctl.heat import MOTOR, SUPPLY_V
from firmware_ctl.mat import Motor

RISE_MS: Final = 40.0
"""Time constant of spinning up: from rest to 90 % of the amplitude, which is 95 % of the speed, in
three of them, 120 ms. Data sheets of ERM motors give 50 to 180 ms; Precision Microdrives' step
response of its 305-000 shows 180 ms to the full amplitude."""

STOP_MS: Final = 100.0
"""Time constant of running down. A switch to ground cannot brake; data sheets give 50 to 250 ms.
Here 10 % of the amplitude is left after 97 ms, and the rotor rests after 240 ms."""

FRICTION: Final = 0.1
"""Brush and bearing friction as a share of the rated speed: where an unpowered rotor is heading, so
that it comes to rest instead of creeping. Chosen to end within the data sheets' 250 ms."""

HEAT_MS: Final = MOTOR.ms

K_PER_MA: Final = MOTOR.k_per_w * SUPPLY_V / 1_000
"""How warm a steady mean current makes the housing in the end, over the skin of a lying person."""

_SPIN_UP_K_PER_MA: Final = K_PER_MA * RISE_MS / (HEAT_MS - RISE_MS)


class Moment(NamedTuple):
    """A motor at one instant."""

    turning: bool
    speed: float
    """Share of the speed at the cap; above 1 only where a fault gives more duty than that."""
    amplitude: float
    """Share of the amplitude at the cap."""
    current_ma: float
    """Mean over the PWM period, drawn from the rail."""
    warmer_k: float
    """Housing over the skin of the person."""


class Erm:
    """One motor, cold and at rest at first. Times only go forward.

    From rest it needs `start_pct` to turn; turning, it stays so down to `hold_pct` (DEV-3408E03,
    rev. 1.00: 2.8 V at most to start, of 3.6 V nominal; the hold is the mat file's). The speed
    heads for the duty's share of the cap. The force of the eccentric mass is m r w^2, so amplitude
    goes with the square of the speed, and frequency with the speed (Precision Microdrives AB-029).
    The current is that of a DC motor: `start_ma` at the cap with a resting rotor, which is the
    stall current, less what the turning rotor induces, down to `run_ma`; both fall with the duty
    (Adafruit 1201: 40, 60, 80, 100 mA at 2, 3, 4, 5 V).
    """

    def __init__(self, motor: Motor) -> None:
        self._hold_pct, self._start_pct = motor.hold_pct, motor.start_pct
        self._cap_pct = motor.cap_pct
        self._stall_ma_per_pct = motor.start_ma / motor.cap_pct
        self._induced_ma = motor.start_ma - motor.run_ma
        self._speed = 0.0
        self._warmer_k = 0.0
        self._shaken_ms = 0.0
        self._stalled_ms = 0.0
        self._aim(0, 0)

    def set_duty(self, duty_pct: int, now_ms: int) -> None:
        """What the pin gets from now on, in whole percent, 0 to 100."""
        if duty_pct != self.duty_pct:
            if self.duty_pct and not self._driven:
                self._stalled_ms = self.stalled_ms(now_ms)
            self._speed, self._warmer_k, self._shaken_ms = self._state_at(now_ms)
            self._aim(duty_pct, now_ms)

    def at(self, now_ms: int) -> Moment:
        """The motor at a time that is not before the last change of its duty."""
        speed, warmer_k, _ = self._state_at(now_ms)
        turning = self._driven or speed > 0
        current_ma = self._stalled_ma - self._induced_ma * speed
        if current_ma < 0:
            current_ma = 0.0
        return Moment(turning, speed, speed * speed, current_ma, warmer_k)

    def shaken_ms(self, now_ms: int) -> float:
        """The amplitude summed over all time so far: as long at the cap would shake as much."""
        return self._state_at(now_ms)[2]

    def stalled_ms(self, now_ms: int) -> float:
        """For how long so far it had a duty and rested: it warms up and nothing is felt."""
        if self._driven or not self.duty_pct:
            return self._stalled_ms
        coasts_ms = STOP_MS * log(1 + self._speed / FRICTION)
        return self._stalled_ms + max(0.0, now_ms - self._since_ms - coasts_ms)

    def _state_at(self, now_ms: int) -> tuple[float, float, float]:
        """Speed, warmth and shaking so far: what carries over a change."""
        for_ms: float = now_ms - self._since_ms
        before = self._speed
        if not for_ms:
            return before, self._warmer_k, self._shaken_ms
        cooling = exp(-for_ms / HEAT_MS)
        warmer_k = self._warm_k + (self._warmer_k - self._warm_k) * cooling
        if not (before or self._driven):
            return 0.0, warmer_k, self._shaken_ms
        target, tau_ms = self._target, self._tau_ms
        missing = before - target
        way = exp(-for_ms / tau_ms)
        if self._extra_k:
            warmer_k += self._extra_k * (cooling - way)
        speed = target + missing * way
        if speed <= 0:
            # A coasting rotor rests when it is through zero.
            speed = 0.0
            way = -target / missing
            for_ms = -tau_ms * log(way)
        gone = 1 - way
        settling = missing * tau_ms * gone * (2 * target + missing * (1 - gone / 2))
        return speed, warmer_k, self._shaken_ms + target * target * for_ms + settling

    def _aim(self, duty_pct: int, now_ms: int) -> None:
        """Where speed and warmth head for under this duty, and how fast."""
        speed = self._speed
        self.duty_pct = duty_pct
        self._since_ms = now_ms
        self._stalled_ma = steady_ma = self._stall_ma_per_pct * duty_pct
        if duty_pct >= (self._hold_pct if speed > 0 else self._start_pct):
            self._driven = True
            self._target = target = duty_pct / self._cap_pct
            steady_ma -= self._induced_ma * target
        else:
            self._driven = False
            self._target = target = -FRICTION
        self._warm_k = steady_ma * K_PER_MA
        if target > speed:
            self._tau_ms = RISE_MS
            # Spinning up draws more at first, falling off with the rotor's own time constant.
            self._extra_k = self._induced_ma * (target - speed) * _SPIN_UP_K_PER_MA
        else:
            self._tau_ms = STOP_MS
            self._extra_k = 0.0  # slowing down draws less; the warmth errs upwards
