"""A model of one eccentric-rotating-mass (ERM) motor: speed, amplitude, current and temperature.

Between two changes of the duty every quantity has a closed form, so a look one hour ahead costs as
much as a look one millisecond ahead. The module knows one motor, and no pins, rail or sessions.
"""

from math import exp, log
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Motor
from firmware_ctl.limits import SECOND_KICK_MS
from firmware_ctl.timeline.heat import MOTOR, SUPPLY_V

RISE_MS: Final = 40.0
"""Time constant of spinning up. Three of them, 120 ms, take the motor from rest to 95 % of its
speed, which is 90 % of its amplitude. Data sheets of ERM motors give 50 to 180 ms; Precision
Microdrives' step response of its 305-000 shows 180 ms to the full amplitude."""

STOP_MS: Final = 100.0
"""Time constant of running down. A switch to ground cannot brake; data sheets give 50 to 250 ms.
In this model 10 % of the amplitude is left after 97 ms, and the rotor rests after 240 ms."""

FRICTION: Final = 0.1
"""Brush and bearing friction: an unpowered rotor heads for this share of the rated speed,
backwards, so it comes to rest instead of creeping. The value makes it rest within the data sheets'
250 ms."""

STALL_MS: Final = SECOND_KICK_MS + 500
"""A motor that has a duty counts as stalled after it has stood still for this long, in real time.
In a soft start the first kick may be too weak, and the motor stands still until its second kick."""

HEAT_MS: Final = MOTOR.time_constant_ms

K_PER_MA: Final = MOTOR.k_per_w * SUPPLY_V / 1_000
"""Final temperature rise of the housing, over the skin of a person who lies on it, in K per mA of
steady mean current."""

_SPIN_UP_K_PER_MA: Final = K_PER_MA * RISE_MS / (HEAT_MS - RISE_MS)


class Moment(NamedTuple):
    """The state of a motor at one time."""

    turning: bool
    speed: float
    """Share of the speed at the cap; above 1 only where a fault gives more duty than that."""
    amplitude: float
    """Share of the amplitude at the cap."""
    current_ma: float
    """Mean over the PWM period, drawn from the rail."""
    warmer_k: float
    """How much warmer the housing is than the skin of the person, in K."""


class Erm:
    """One motor, cold and at rest at time 0. Times must not go backwards.

    A resting motor starts to turn at a duty of `start_pct`; a turning motor turns on down to
    `hold_pct` (DEV-3408E03, rev. 1.00: 2.8 V at most to start, of 3.6 V nominal; the hold duty is
    the mat file's). The speed heads for the duty's share of the cap. The force of the eccentric
    mass is m r w^2, so the amplitude goes with the square of the speed and the frequency with the
    speed (Precision Microdrives AB-029).

    The current is that of a DC motor: at the cap it is `start_ma`, the stall current, while the
    rotor rests, and falls to `run_ma` by what the turning rotor induces. Both fall with the duty
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
        """Changes the duty of the pin, in whole percent, 0 to 100."""
        if duty_pct != self.duty_pct:
            if self.duty_pct and not self._driven:
                self._stalled_ms = self.stalled_ms(now_ms)
            self._speed, self._warmer_k, self._shaken_ms = self._state_at(now_ms)
            self._aim(duty_pct, now_ms)

    def at(self, now_ms: int) -> Moment:
        """The state at a time that is not before the last change of the duty."""
        speed, warmer_k, _ = self._state_at(now_ms)
        turning = self._driven or speed > 0
        current_ma = self._stalled_ma - self._induced_ma * speed
        if current_ma < 0:
            current_ma = 0.0
        return Moment(turning, speed, speed * speed, current_ma, warmer_k)

    def shaken_ms(self, now_ms: int) -> float:
        """The integral of the amplitude: the time in ms at the cap that would shake as much."""
        return self._state_at(now_ms)[2]

    def stalled_ms(self, now_ms: int) -> float:
        """For how many ms it had a duty and did not turn: it warms up, and nobody feels it."""
        if self._driven or not self.duty_pct:
            return self._stalled_ms
        coasting_ms = STOP_MS * log(1 + self._speed / FRICTION)
        return self._stalled_ms + max(0.0, now_ms - self._changed_at_ms - coasting_ms)

    def _state_at(self, now_ms: int) -> tuple[float, float, float]:
        """Speed, temperature rise and shaking so far: the three values that outlast a change."""
        elapsed_ms: float = now_ms - self._changed_at_ms
        begin_speed = self._speed
        if not elapsed_ms:
            return begin_speed, self._warmer_k, self._shaken_ms
        heat_decay = exp(-elapsed_ms / HEAT_MS)
        warmer_k = self._final_k + (self._warmer_k - self._final_k) * heat_decay
        if not (begin_speed or self._driven):
            return 0.0, warmer_k, self._shaken_ms
        final_speed, tau_ms = self._final_speed, self._tau_ms
        difference = begin_speed - final_speed
        decay = exp(-elapsed_ms / tau_ms)
        if self._extra_k:
            warmer_k += self._extra_k * (heat_decay - decay)
        speed = final_speed + difference * decay
        if speed <= 0:
            # A coasting rotor stays at zero once it has stopped, and shakes only until then.
            speed = 0.0
            decay = -final_speed / difference
            elapsed_ms = -tau_ms * log(decay)
        # The integral of (final_speed + difference * exp(-t / tau_ms)) squared.
        settled = 1 - decay
        settling = (
            difference * tau_ms * settled * (2 * final_speed + difference * (1 - settled / 2))
        )
        shaken_ms = self._shaken_ms + final_speed * final_speed * elapsed_ms + settling
        return speed, warmer_k, shaken_ms

    def _aim(self, duty_pct: int, now_ms: int) -> None:
        """Computes the speed and temperature that this duty leads to, and the time constant."""
        speed = self._speed
        self.duty_pct = duty_pct
        self._changed_at_ms = now_ms
        self._stalled_ma = steady_ma = self._stall_ma_per_pct * duty_pct
        if duty_pct >= (self._hold_pct if speed > 0 else self._start_pct):
            self._driven = True
            self._final_speed = final_speed = duty_pct / self._cap_pct
            steady_ma -= self._induced_ma * final_speed
        else:
            self._driven = False
            self._final_speed = final_speed = -FRICTION
        self._final_k = steady_ma * K_PER_MA
        if final_speed > speed:
            self._tau_ms = RISE_MS
            # A motor that spins up draws more at first; the surplus falls with the rotor's own
            # time constant.
            self._extra_k = self._induced_ma * (final_speed - speed) * _SPIN_UP_K_PER_MA
        else:
            self._tau_ms = STOP_MS
            # A motor that slows down draws less. The model leaves that out, so its temperature is
            # rather too high than too low.
            self._extra_k = 0.0
