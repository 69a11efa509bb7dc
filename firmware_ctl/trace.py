"""What happened to the motors, an object a line: one line for each change."""

import json
from collections.abc import Callable

from firmware_ctl.session import Input, Session, State, Step
from firmware_ctl.shaping import Levels


class Trace:
    """Watches the steps of all sessions and of idle signals; `write` gets whole lines."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._state = State.IDLE
        self._seen: tuple[Levels, Levels] | None = None
        self._started = 0

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        seen = step.level_pct, step.duty_pct
        is_new = session.started != self._started or session.state is not self._state
        if is_new or (self._seen is not None and seen != self._seen):
            self._write(line(session.since_start_ms(now_ms), session.state, step) + "\n")
        self._state, self._started = session.state, session.started
        self._seen = seen


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
