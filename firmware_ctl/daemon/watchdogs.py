"""The checks of every tick, one class for each.

A watchdog gets the time and whether motors may move, and returns the fault that is present now. It
reads hardware only through a function that it is given. A watchdog never decides what follows from
a fault: the session does.
"""

from collections.abc import Callable
from typing import Final

from firmware_ctl.limits import RAIL_OFF_MS, RAIL_ON_MS, TICK_LATE_MS, UNDER_VOLTAGE_MS
from firmware_ctl.session.events import Fault, RailOff

_READ_AGAIN_MS: Final = 500
"""How often the under-voltage alarm is read."""


class TickLate:
    """Checks that ticks come in time while motors move.

    A late loop also reads the button late, and a person who presses it wants the motors off. So
    more than `TICK_LATE_MS` between two ticks is a fault.
    """

    def __init__(self) -> None:
        self._before_ms: int | None = None

    def check(self, now_ms: int, is_moving: bool) -> Fault | None:
        # A stop may act between two ticks, in the bytes of a client. The tick after it must still
        # be in time, otherwise a hang that happens to end with a stop would go unnoticed.
        before_ms, self._before_ms = self._before_ms, now_ms if is_moving else None
        if before_ms is None or now_ms - before_ms <= TICK_LATE_MS:
            return None
        late_s = (now_ms - before_ms) / 1000
        return Fault("tick-late", f"the loop was held up for {late_s:.2f} s; free the processor")


class UnderVoltage:
    """Checks the Pi's own supply. `sags` reads the kernel's under-voltage alarm.

    The kernel's driver (raspberrypi-hwmon.c) asks the firmware every 2 s whether the voltage was
    low since its last question. So a single sag keeps the alarm on for 2 s. It causes a warning,
    and only a longer alarm is a fault.
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
    """Checks the motors' supply behind the motor gate. `is_on` reads it back.

    While motors run, a missing supply means the stop switch or a fuse. While nothing runs, a
    present supply means that the gate no longer protects anyone. After a change the gate gets
    `RAIL_ON_MS` or `RAIL_OFF_MS` to follow.

    It is a heartbeat as well. Motion that begins in a tick and ends before the next one has fed the
    gate once, and the gate then needs its time to switch the rail off.
    """

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self._is_on = is_on
        self._moving: bool | None = None
        self._since_ms = 0

    def beat(self, now_ms: int, is_moving: bool) -> None:
        if is_moving is not self._moving:
            self._moving, self._since_ms = is_moving, now_ms

    def check(self, now_ms: int, is_moving: bool) -> Fault | RailOff | None:
        self.beat(now_ms, is_moving)
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
                "and have the motor gate fixed",
                is_persistent=True,
            )
        return None
