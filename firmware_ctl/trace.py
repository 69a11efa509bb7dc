"""What happened to the motors, an object a line: one line for each change."""

import json
from collections.abc import Callable

from firmware_ctl.session import Session, State, Step


class Trace:
    """Watches the steps of all sessions; `write` gets whole lines."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last: tuple[object, ...] = ()

    def step(self, session: Session, step: Step, now_ms: int) -> None:
        row = (session.state, step.level_pct, step.duty_pct, session.started)
        if row == self._last:
            return
        moves = any(step.duty_pct) or (self._last != () and any(self._last[2]))  # type: ignore[call-overload]
        on = session.state in (State.RUNNING, State.PAUSED)
        was_on = self._last != () and self._last[0] in (State.RUNNING, State.PAUSED)
        self._last = row
        if on or was_on or moves:
            self._write(line(session.since_start_ms(now_ms), session.state, step) + "\n")


def line(at_ms: int, state: State, step: Step) -> str:
    return json.dumps(
        {
            "at_ms": at_ms,
            "state": state.value,
            "level": list(step.level_pct),
            "duty": list(step.duty_pct),
        },
        separators=(",", ":"),
    )
