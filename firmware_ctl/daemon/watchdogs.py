"""What must hold while the loop runs, one class each: looked at in every tick.

A sentry is given the time and whether motors may move, and says what is wrong now. What it reads
it is given as a function; what follows from a fault is the session's affair.
"""

from collections.abc import Callable
from typing import Final

from firmware_ctl.limits import RAIL_OFF_MS, RAIL_ON_MS, TICK_LATE_MS, UNDER_VOLTAGE_MS
from firmware_ctl.session.events import Fault, RailOff

_READ_AGAIN_MS: Final = 500


class TickLate:
    """The loop comes round in time while motors move."""

    def __init__(self) -> None:
        self._before_ms: int | None = None

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        # A loop that was late is late even if a stop came first: the tick after one is due as any.
        before_ms, self._before_ms = self._before_ms, now_ms if is_moving else None
        if before_ms is None or now_ms - before_ms <= TICK_LATE_MS:
            return None
        late_s = (now_ms - before_ms) / 1000
        return Fault("tick-late", f"the loop was held up for {late_s:.2f} s; free the processor")


class UnderVoltage:
    """The Pi's own supply. `sags` reads the kernel's alarm.

    The driver asks the firmware every 2 s whether the voltage was low since then, so that a single
    sag keeps the alarm on for 2 s: it only warns (raspberrypi-hwmon.c of Linux).
    """

    def __init__(self, sags: Callable[[], bool], warn: Callable[[str], object]) -> None:
        self._sags = sags
        self._warn = warn
        self._since_ms: int | None = None
        self._read_at_ms: int | None = None

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        if self._read_at_ms is None or now_ms - self._read_at_ms >= _READ_AGAIN_MS:
            self._read_at_ms = now_ms
            if not self._sags():
                self._since_ms = None
            elif self._since_ms is None:
                self._since_ms = now_ms
                self._warn("the Pi's supply sagged; if it does so again, use a stronger one")
        if self._since_ms is None or now_ms - self._since_ms <= UNDER_VOLTAGE_MS:
            return None
        return Fault(
            "under-voltage",
            "the Pi gets too little voltage; use a stronger supply",
            is_persistent=True,
        )


class Rail:
    """The motor rail that the gate switches. `is_on` reads it back."""

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self._is_on = is_on
        self._moving: bool | None = None
        self._since_ms = 0

    def check(self, now_ms: int, is_moving: bool) -> Fault | RailOff | None:
        if is_moving is not self._moving:
            self._moving, self._since_ms = is_moving, now_ms
        for_ms = now_ms - self._since_ms
        is_on = self._is_on()
        if is_moving and for_ms >= RAIL_ON_MS and not is_on:
            return Fault(
                "rail", "the motors have no supply: is the stop switch pressed, or a fuse blown?"
            )
        if not is_moving and not is_on:
            return RailOff()
        if not is_moving and for_ms >= RAIL_OFF_MS:
            return Fault(
                "rail",
                "the motors' supply is on while nothing runs: press the stop switch, "
                "and have the motor gate mended",
                is_persistent=True,
            )
        return None
