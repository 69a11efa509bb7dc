"""The one place that writes motor pins. Tripped, it lets only zeros out until it is reset.

It also holds the dead-man, which must be armed before a motor gets anything and may be disarmed
only when all of them have nothing. Why it trips is decided elsewhere.
"""

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Deadman, Motors
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.events import Fault
from firmware_ctl.timeline.motor_drive import Levels


class NoDeadman:
    """Where nothing can hang, or no kernel has such timers."""

    def arm(self) -> None:
        pass

    def disarm(self) -> None:
        pass


class Latch:
    """`fault`: why the pins do not do what they are told; it goes when they do again."""

    def __init__(self, mat: Mat, motors: Motors, deadman: Deadman) -> None:
        self.is_tripped = False
        self.is_armed = False
        """The dead-man is: checked ticks must come in time."""
        self.fault: Fault | None = None
        self._motors = motors
        self._deadman = deadman
        self._caps: Levels = tuple(motor.cap_pct for motor in mat.motors)
        self._silence: Levels = (0,) * len(mat.motors)
        self._duties = self._silence

    def apply(self, duty_pct: Levels) -> None:
        """The duties go to the pins, or zeros where the latch is tripped or trips over them."""
        if duty_pct == self._duties or self.is_tripped:
            return
        if any(duty > cap for duty, cap in zip(duty_pct, self._caps, strict=True)):
            self.trip()
            raise AssertionError(f"a duty above its motor's cap: {duty_pct} of {self._caps}")
        try:
            if not self.is_armed:
                self._deadman.arm()
                self.is_armed = True
            self._duties = duty_pct
            self._motors.apply(duty_pct)
        except (DeviceError, OSError) as error:
            self.trip()
            self.fault = self.fault or Fault("pin-write", str(error), is_persistent=True)

    def trip(self) -> None:
        """Panic-off: tries every pin whatever the others do, raises nothing, can be repeated."""
        self.is_tripped = True
        self._drive_low()

    def _drive_low(self) -> bool:
        """Every motor pin; False: not all could be."""
        stuck = self._motors.all_low()
        self.fault = Fault("pin-write", "; ".join(stuck), is_persistent=True) if stuck else None
        if not stuck:
            self._duties = self._silence
        return not stuck

    def reset(self) -> None:
        """After a clear: duties go out again."""
        self.is_tripped = False

    def close(self) -> None:
        """The loop has ended: all low for good, and the dead-man may rest if they are."""
        self.trip()
        if self.is_armed and self.fault is None:
            self._deadman.disarm()
            self.is_armed = False

    def checked(self, is_moving: bool) -> None:
        """A whole tick was made and checked: the process may live on for a while."""
        if self.fault is not None:
            self.trip()  # perhaps the pin can be written again
        if not self.is_armed:
            return
        is_over = not (is_moving or any(self._duties) or self.fault is not None)
        if is_over and self._drive_low():
            self._deadman.disarm()
            self.is_armed = False
        else:
            self._deadman.arm()
