"""The only writer of motor pins. While tripped it lets only zeros out.

The latch also holds the dead-man, because the two must never disagree: the dead-man is armed before
any motor gets a duty, and disarmed only when every motor is off. The latch never decides why it has
to trip; `player` does.
"""

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Deadman, Motors
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Fault
from firmware_ctl.timeline.motor_drive import Levels


class NoDeadman:
    """Does nothing: for simulations, which cannot hang, and for systems without such timers."""

    def arm(self) -> None:
        pass

    def disarm(self) -> None:
        pass


class Latch:
    """Compares duties with the motors' caps, and writes them. `trip` turns all motors off."""

    def __init__(self, mat: Mat, motors: Motors, deadman: Deadman) -> None:
        self.is_tripped = False
        self.is_armed = False
        """True while the dead-man is armed, so that `checked` must be called in time."""
        self.fault: Fault | None = None
        """The fault of a pin that failed. None once all pins can be driven low again."""
        self._motors = motors
        self._deadman = deadman
        self._caps: Levels = tuple(motor.cap_pct for motor in mat.motors)
        self._silence: Levels = (0,) * len(mat.motors)
        self._duties = self._silence

    def apply(self, duty_pct: Levels) -> None:
        """Writes the duties to the pins.

        While tripped the latch writes nothing: the pins are low already. If a write fails, the
        latch trips, which drives all pins low. A duty above its motor's cap is a mistake in the
        program, whose other duties may be wrong as well: the latch trips and raises
        `AssertionError`, which ends the daemon.
        """
        if duty_pct == self._duties or self.is_tripped:
            return
        if any(duty > cap for duty, cap in zip(duty_pct, self._caps, strict=True)):
            self.trip()
            raise AssertionError(f"a duty above its motor's cap: {duty_pct} of {self._caps}")
        try:
            if not self.is_armed:
                self._deadman.arm()
                self.is_armed = True
            # Noted before the write, because a write that fails half-way has moved some pins.
            self._duties = duty_pct
            self._motors.apply(duty_pct)
        except (DeviceError, OSError) as error:
            self.trip()
            self.fault = self.fault or Fault("pin-write", str(error), is_persistent=True)

    def trip(self) -> None:
        """Turns everything off.

        Tries every pin even if others fail. Safe to repeat, never raises.

        The dead-man is disarmed here, before anyone learns of the fault: a loop that was late has
        little time left, and to report the fault may take longer than that.
        """
        self.is_tripped = True
        self._end()

    def _end(self) -> None:
        """Drives every motor pin low, and disarms the dead-man if they are.

        With a pin that stayed up the dead-man stays armed. If the loop does not arm it again, it
        kills the process, the kernel releases the lines, and the motor gate loses its heartbeat.
        """
        stuck = self._motors.all_low()
        self.fault = Fault("pin-write", "; ".join(stuck), is_persistent=True) if stuck else None
        if stuck:
            return
        self._duties = self._silence
        if self.is_armed:
            self._deadman.disarm()
            self.is_armed = False

    def reset(self) -> None:
        """Lets duties out again, after a clear."""
        self.is_tripped = False

    def checked(self, is_moving: bool) -> None:
        """A complete tick was made and checked: arms the dead-man again, or disarms it.

        Called once in each tick, after all checks. So a loop that skips a check is killed.
        """
        if self.fault is not None:
            self.trip()  # tries again: the pin may accept a write now
        if not self.is_armed:
            return
        if not (is_moving or any(self._duties) or self.fault is not None):
            # All pins are driven low once more: only proven zeros may disarm the dead-man.
            self._end()
        if self.is_armed:
            self._deadman.arm()
