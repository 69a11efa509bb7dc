"""The trace: a line of JSON each time that the state, the levels or the duties change."""

import json
from collections.abc import Callable

from firmware_ctl.session.events import Input, State, Step
from firmware_ctl.timeline.motor_drive import Levels


class Trace:
    """Watches the steps of all sessions and of idle haptics. `write` gets one whole line a call."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._state = State.IDLE
        self._levels: tuple[Levels, Levels] | None = None
        """The levels and duties of the last step. None: no step yet."""
        self._started = 0

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        status = step.status
        levels = step.level_pct, step.duty_pct
        is_new = status.started != self._started or status.state is not self._state
        if is_new or (self._levels is not None and levels != self._levels):
            self._write(line(status.clock.since_start_ms(now_ms), status.state, *levels) + "\n")
        self._state, self._started = status.state, status.started
        self._levels = levels


def line(at_ms: int, state: State, level_pct: Levels, duty_pct: Levels) -> str:
    """One entry of a trace. `at_ms` counts from the start of the session."""
    return json.dumps(
        {
            "at_ms": at_ms,
            "state": state.value,
            "level": list(level_pct),
            "duty": list(duty_pct),
        },
        separators=(",", ":"),
    )
